"""Records what an `openai` client asks and is answered, in the background.

    from openai import OpenAI
    from reviewapp.client import Recorder

    recorder = Recorder("http://127.0.0.1:8000", key="ra_…", source="support-bot")
    client = recorder.watch(OpenAI())

`Seeds` gives a source's next seeds, each once, to processes that talk to their provider themselves.

Standard library only, and nothing else of the app: the folder can be copied into a project. The rules are
that a call is never slower by a millisecond, never fails and never changes because it is recorded. What
can't be sent now waits in memory within a bound, then on disk within another.
"""

from __future__ import annotations

from reviewapp.client.recorder import Recorder
from reviewapp.client.seeds import NoSeeds, Seeds
from reviewapp.client.sending import Delivered

__all__ = ["Delivered", "NoSeeds", "Recorder", "Seeds"]
