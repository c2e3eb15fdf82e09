"""The app's own shape, read back: interactions, and what people said of them.

A replay's answer that somebody judged stands whole inside its original's line, and is brought as an
interaction of its own, for its judgements to stand with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

from reviewapp.formats import quickjson
from reviewapp.formats.imports.lines import Line, whole_of
from reviewapp.formats.interchange import InvalidInteraction, read_members
from reviewapp.formats.quickjson import Members
from reviewapp.formats.said import Said, read_said
from reviewapp.pure import rawjson
from reviewapp.pure.said import said as tell
from reviewapp.pure.said import text_of as reason_of
from reviewapp.pure.said.templates.marking import gettext_noop

BLANK: Final = b"\xef\xbb\xbf \t\r\n"
_SAID: Final = ("annotations", "flags", "rubrics", "queues")
_EMPTY: Final = ("[]", "null", "{}")


def own(lines: Iterable[bytes]) -> Iterator[Line]:
    """Interactions: one a line, an array of them, or a single one over many lines."""
    lines = iter(lines)
    peeked: list[bytes] = []
    for line in lines:
        peeked.append(line)
        if len([one for one in peeked if one.strip(BLANK)]) == 2:
            break
    lines = chain(peeked, lines)
    content = [line.lstrip(BLANK) for line in peeked if line.strip(BLANK)]
    if content and content[0].startswith(b"["):
        yield from _array(whole_of(lines))
    elif len(content) == 2 and content[1].startswith((b'"', b"}")) and not _is_json(content[0]):
        # Indented, as people read it; a line of lines would begin with the next object.
        yield from own_line(1, whole_of(lines))
    else:
        for number, raw in enumerate(lines, start=1):
            if raw.strip():
                yield from own_line(number, raw)


def own_line(number: int, raw: bytes) -> Iterator[Line]:
    """What one line holds: an interaction, and the judged answers of its replays."""
    try:
        found = quickjson.members(rawjson.decode(raw))
    except rawjson.InvalidJson as error:
        is_cut_line = error.is_cut and b"\n" not in raw.strip()
        reason = tell("file_line_cut") if is_cut_line else tell("file_no_object", ours=reason_of(error))
        yield Line(number, reason=reason)
        return
    yield from _of_members(number, found, digest_of(number, raw.strip()))


def digest_of(number: int, text: bytes) -> bytes:
    """What tells a line from every other of its file."""
    return hashlib.sha256(b"%d\n%s" % (number, text)).digest()


def _array(data: bytes) -> Iterator[Line]:
    try:
        rows = quickjson.items_members(rawjson.decode(data))
    except rawjson.InvalidJson as error:
        yield Line(1, reason=tell("file_no_array", ours=reason_of(error)))
        return
    for number, row in enumerate(rows, start=1):
        if isinstance(row, dict):
            yield from _of_members(number, row)
        else:
            yield Line(number, reason=gettext_noop("An interaction must be a JSON object."))


def _of_members(number: int, found: Members, digest: bytes = b"") -> Iterator[Line]:
    try:
        recorded = read_members(found)
    except InvalidInteraction as error:
        yield Line(number, reason=reason_of(error))
        return
    replays, answers = _replays(found)
    left = replays - len(answers)
    yield Line(
        number,
        recorded,
        digest=digest,
        said=_said(found) or None,
        not_brought={"replays": left} if left else {},
    )
    for at, answer in enumerate(answers):
        try:
            again = read_members(answer)
        except InvalidInteraction as error:
            yield Line(number, reason=tell("file_of_replay", ours=reason_of(error)))
        else:
            inner = digest and hashlib.sha256(digest + b"%d" % at).digest()
            yield Line(number, again, digest=inner, said=_said(answer) or None)


def _said(found: Members) -> Said:
    """What stands beside the interaction; most have nothing there, and that is seen without reading it."""
    told = {name: found[name] for name in _SAID if name in found and found[name].text not in _EMPTY}
    return read_said({name: member.value for name, member in told.items()}) if told else Said()


def _replays(found: Members) -> tuple[int, list[Members]]:
    """How many replays there were, and those of their answers that stand here whole."""
    member = found.get("replays")
    if member is None or member.text in _EMPTY or not member.text.startswith("["):
        return 0, []
    if '"answer"' not in member.text:
        return len(member.value), []
    rows = [row for row in quickjson.items_members(member.text) if isinstance(row, dict)]
    answers = [row["answer"].text for row in rows if "answer" in row]
    return len(rows), [quickjson.members(text) for text in answers if text.startswith("{")]


def _is_json(data: bytes) -> bool:
    try:
        rawjson.parse(data)
    except rawjson.InvalidJson:
        return False
    return True
