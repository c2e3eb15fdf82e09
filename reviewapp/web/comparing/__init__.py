"""A comparison for people's eyes: what pure/differences found, drawn.

- `marks`: pieces of text with their differences marked, and the numbers that keys step through;
- `bodies`: two answers side by side and unified, with reasoning, refusals and tool calls;
- `structures`: JSON beside JSON;
- `tokens`: token beside token, tinted by probability;
- `facts`: what stands on the two cards, and what was asked differently;
- `groups`: several attempts, by their answers.

Everything recorded is escaped here or in the templates; nothing is judged here.
"""
