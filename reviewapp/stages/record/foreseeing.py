"""What a policy would have hidden of a source's latest calls: asked before it is chosen."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from reviewapp.formats.openai import output_text, read_reply, read_request
from reviewapp.models import Interaction, Source
from reviewapp.models.bodies import recorded_of
from reviewapp.pure import rawjson
from reviewapp.pure.redaction import Hider, Policy
from reviewapp.pure.words import storable
from reviewapp.stages.record.bare import hidden_in

LATEST: Final = 200
# A person waits for the answer.
SECONDS: Final = 5.0
EXAMPLES: Final = 3
_AROUND: Final = 40


@dataclass(frozen=True, slots=True)
class Example:
    """A value in its place."""

    interaction: str
    before: str
    value: str
    after: str


@dataclass(slots=True)
class OfKind:
    """What one detector or pattern would hide."""

    name: str
    values: int = 0
    interactions: int = 0
    examples: list[Example] = field(default_factory=list)


@dataclass(slots=True)
class Foreseen:
    """What would be hidden. `looked_at`: so many interactions, `touched`: in so many of them something."""

    looked_at: int = 0
    touched: int = 0
    kinds: list[OfKind] = field(default_factory=list)


def foresee(*, source: Source, policy: Policy) -> Foreseen:
    """What the policy would have hidden of the latest calls; less of them where they are very long."""
    hider = Hider(policy)
    names = [*policy.detectors, *(one.name for one in policy.patterns)]
    kinds = {name: OfKind(name) for name in names}
    foreseen = Foreseen(kinds=list(kinds.values()))
    until = time.monotonic() + SECONDS
    rows = Interaction.objects.filter(project=source.project_id, source=source).originals().newest_first()
    for one in rows.select_related("body", "source", "provider")[:LATEST]:
        if foreseen.looked_at and time.monotonic() > until:
            break
        foreseen.looked_at += 1
        _, found = hidden_in(recorded_of(one), hider)
        foreseen.touched += bool(found)
        for name, count in Counter(found.counts()).items():
            kinds[name].values += count
            kinds[name].interactions += 1
        if found:
            for name, example in _examples(one, hider):
                if len(kinds[name].examples) < EXAMPLES:
                    kinds[name].examples.append(example)
    return foreseen


def _examples(one: Interaction, hider: Hider) -> Iterator[tuple[str, Example]]:
    row = recorded_of(one)
    request = rawjson.parse(row.request_text)
    texts = [read_request(row.endpoint, request).text, one.end_user or "", one.session or "", *one.tags]
    if row.response_text is not None:
        response = rawjson.parse(row.response_text) if row.response_is_json else row.response_text
        texts.insert(1, output_text(read_reply(row.endpoint, response, row.status, request=request)))
    texts.append(row.metadata_text or "")
    for text in texts:
        for hit in hider.hits(text):
            yield (
                hit.detector,
                Example(
                    str(one.pk),
                    storable(text[max(0, hit.start - _AROUND) : hit.start]),
                    storable(text[hit.start : hit.end][:200]),
                    storable(text[hit.end : hit.end + _AROUND]),
                ),
            )
