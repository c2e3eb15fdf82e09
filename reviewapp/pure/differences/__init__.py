"""What differs between an answer and its replay: words, tokens, JSON, settings and figures.

These values are drawn on the compare page and weighed by the verdicts. Nothing here judges:
a difference is stated with its place and its size, and what a vendor did not report is left
out rather than counted.

- `units`, `words`, `rows`: texts cut, aligned, and laid out side by side or unified;
- `tokens`: token sequences aligned, the first divergence with its margins, log probabilities
  compared on the shared part;
- `structure`, `calls`: JSON values and tool calls;
- `equivalence`: what counts as the same answer;
- `settings`: parameters, and the figures of a reply.
"""

from __future__ import annotations
