"""A simulated OpenAI-compatible provider that behaves as real backends do.

It serves the demo, the tests and the benchmarks, is labelled as simulated wherever it shows, and needs
neither Django nor a database. From the inside out:

- `chance`     numbers from keys: the same key gives the same numbers, so nothing depends on the order of
  requests
- `grammar`    phrases written by hand, compiled into a lattice of tokens
- `prompts`    what a prompt is about: its topic, and the words to take up from it
- `language`   the model: at each position real logits over at least twenty tokens, and a sampler over them
- `schemas`    JSON that fits a schema, and calls of tools, as grammars of their own
- `config`     what can be configured, checked strictly; `catalogue` is the default
- `behaviour`  what a backend does over time: fingerprint pools, replicas, changes, faults, rate limits
- `asking`     reads and validates requests; `replies`, `responses`, `embeddings` write the answers
- `app`        the Starlette application; `control` its `/_sim/` part; `server` runs it
"""
