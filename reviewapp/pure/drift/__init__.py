"""Is it the backend, or is it noise? Change detection from the answers alone.

- `rows`: one response as a row of evidence, cleaned;
- `statistics`, `permutation`, `floors`, `divergence`: what is measured, and what is ordinary;
- `measures`, `decision`, `wording`: one verdict with its sentence and its evidence;
- `members`: the known backends of a pool; `sequential`: alarms over days and endpoints;
- `watching`: the rolling baseline, and what a check adds to the evidence;
- `panel`: what to ask.
"""
