"""Hiding within JSON texts: a request, a response, a stream's chunks.

Only the strings in which something is found are written anew; what stands between them stays byte for
byte, and a key that occurs twice is looked at twice. Three things reach over more than one string:

    - the pieces of a stream, which are read as the one text that they add up to;
    - the tokens of log probabilities, in one response or over a stream: their text is read as a whole, and
      a token that held a part of a value loses its bytes and its alternatives, which would tell it;
    - numbers: a card's digits need no quotes.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

from reviewapp.pure.redaction.detectors import is_card
from reviewapp.pure.redaction.hiding import Found, Hider

_Path: TypeAlias = tuple[str | int, ...]

_part: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL).finditer
_integer: Final = re.compile(r"-?\d{5,40}").fullmatch
_identifier: Final = re.compile(r"[A-Za-z_$][A-Za-z_$.-]{0,60}").fullmatch
# Words that an endpoint knows, which a pattern of one's own must not take away.
_FIXED: Final = frozenset(
    ["model", "object", "role", "type", "finish_reason", "system_fingerprint", "service_tier", "index"]
)
# Numbers that look like a card's and are none.
_COUNTED: Final = frozenset(
    ["seed", "random_seed", "created", "created_at", "completed_at", "expires_at", "index"]
)
# What would tell the tokens of a hidden text in another way.
_TELLING: Final = frozenset(["prompt_logprobs", "token_ids", "prompt_token_ids"])
_SPANS_KEPT: Final = _TELLING | {"bytes", "top_logprobs", "text_offset"}
# Marks of byte-pair vocabularies for a space and a line break.
_MARKS: Final = {0x120: " ", 0x10A: "\n", 0x2581: " "}
_NEVER_IN_PIECES: Final = frozenset(["role", "id", "type", "index", "object", "format"])


class _Leaf(NamedTuple):
    """A string: where it stands with its quotes, and what it says."""

    start: int
    end: int
    value: str
    path: _Path
    is_key: bool = False


class _Edit(NamedTuple):
    start: int
    end: int
    text: str


@dataclass(slots=True)
class _Read:
    """What a text is made of."""

    leaves: list[_Leaf]
    numbers: list[_Leaf]
    spans: dict[_Path, tuple[int, int]]


def hide_in_json(hider: Hider, text: str, found: Found, *, is_stream: bool = False) -> str:
    """The JSON text with what is found hidden. `is_stream`: it is the array of a stream's chunks.

    The text must be valid JSON; ValueError when it is none.
    """
    value = json.loads(text)
    read = _read(text)
    edits: list[_Edit] = []
    before = len(found)
    joined, alone = _channels(read, value, is_stream=is_stream)
    for leaf in alone:
        edits += _single(hider, leaf, found)
    for tokens, pieces in joined:
        edits += _tokens(hider, pieces, value, read, found) if tokens else _pieces(hider, pieces, found)
    for leaf in read.numbers:
        edits += _number(hider, leaf, found)
    if not edits:
        return text
    if len(found) > before:
        edits += [
            _Edit(start, end, "null") for path, (start, end) in read.spans.items() if path[-1] in _TELLING
        ]
    return _applied(text, edits)


def _read(text: str) -> _Read:
    """Every string and long number of the text, with the way that leads to it."""
    read = _Read([], [], {})
    path: list[str | int] = []
    # Of each open bracket: where it is, and whether the next string is a name.
    opened: list[int] = []
    expects_name = False
    for match in _part(text):
        said = match[0]
        first = said[0]
        if first == '"':
            value = json.loads(said) if "\\" in said else said[1:-1]
            if expects_name:
                path[-1] = value
                read.leaves.append(_Leaf(match.start(), match.end(), value, tuple(path), True))
                expects_name = False
            else:
                read.leaves.append(_Leaf(match.start(), match.end(), value, tuple(path)))
        elif first in "{[":
            opened.append(match.start())
            path.append("" if first == "{" else 0)
            expects_name = first == "{"
        elif first in "}]":
            path.pop()
            start = opened.pop()
            expects_name = False
            if not _SPANS_KEPT.isdisjoint(path[-2:]):
                read.spans[tuple(path)] = (start, match.end())
        elif first == ",":
            if isinstance(path[-1], int):
                path[-1] += 1
            else:
                expects_name = True
        elif first != ":" and _integer(said):
            read.numbers.append(_Leaf(match.start(), match.end(), said, tuple(path)))
    return read


# ---- which strings belong together ----

_Channels: TypeAlias = tuple[list[tuple[bool, list[_Leaf]]], list[_Leaf]]


def _channels(read: _Read, value: Any, *, is_stream: bool) -> _Channels:
    """Strings that are pieces of one text, and whether they are tokens; and those that stand alone."""
    joined: dict[tuple[Any, ...], list[_Leaf]] = {}
    alone: list[_Leaf] = []
    for leaf in read.leaves:
        key = None if leaf.is_key else _token_channel(leaf.path, value, is_stream=is_stream)
        if key is None and is_stream and not leaf.is_key:
            key = _piece_channel(leaf.path, value)
        if key is None:
            alone.append(leaf)
        else:
            joined.setdefault(key, []).append(leaf)
    return [(key[0] == "tokens", leaves) for key, leaves in joined.items()], alone


def _token_channel(path: _Path, value: Any, *, is_stream: bool) -> tuple[Any, ...] | None:
    if len(path) < 3:
        return None
    if path[-1] == "token" and isinstance(path[-2], int) and "logprobs" in path[-4:-2]:
        if "top_logprobs" in path[-4:-2]:
            return None
        stem = path[:-2]
    elif isinstance(path[-1], int) and path[-2] == "tokens" and path[-3] == "logprobs":
        stem = path[:-1]
    else:
        return None
    return ("tokens", *(_without_place(stem, value) if is_stream else stem))


def _without_place(stem: _Path, value: Any) -> _Path:
    """The way within a chunk, with the choice's own index instead of its place."""
    if not isinstance(stem[0], int):
        return stem
    chunk = value[stem[0]]
    if len(stem) > 2 and stem[1] == "choices":
        return ("choices", _index(chunk, stem[:3][1:]), *stem[3:])
    return (*_event(chunk), *stem[1:])


def _piece_channel(path: _Path, value: Any) -> tuple[Any, ...] | None:
    """Which text of a stream the string at this path goes on with."""
    if len(path) < 2 or not isinstance(path[0], int) or path[-1] in _NEVER_IN_PIECES:
        return None
    chunk = value[path[0]]
    if path[1] == "choices" and len(path) > 3:
        choice = _index(chunk, path[1:3])
        if path[3] == "text" and len(path) == 4:
            return ("text", choice)
        if path[3] in ("delta", "message"):
            rest = list(path[4:])
            if len(rest) > 1 and rest[0] == "tool_calls":
                rest[1] = _index(chunk, path[1:6])
            return ("delta", choice, *rest)
    if path[1:] == ("delta",):
        return ("event", *_event(chunk))
    return None


def _index(chunk: Any, way: Sequence[str | int]) -> Any:
    """What the thing at the end of the way calls its place; else the place itself."""
    at = chunk
    for step in way:
        at = at[step]
    told = at.get("index") if isinstance(at, dict) else None
    return way[-1] if told is None else str(told)


def _event(chunk: Any) -> tuple[Any, ...]:
    if not isinstance(chunk, dict):
        return ()
    names = ("type", "output_index", "content_index", "summary_index")
    return tuple(str(chunk.get(name)) for name in names)


# ---- what is written instead ----


def _single(hider: Hider, leaf: _Leaf, found: Found) -> Iterator[_Edit]:
    name = leaf.path[-1] if leaf.path else ""
    if leaf.is_key and _identifier(leaf.value):
        return
    own = not (leaf.is_key is False and name in _FIXED and len(leaf.value) < 80)
    hits = hider.hits(leaf.value, own=own)
    if hits:
        pieces: list[str] = []
        at = 0
        for hit in hits:
            pieces += [leaf.value[at : hit.start]]
            pieces += [hider.replacement(hit.detector, leaf.value[hit.start : hit.end], found)]
            at = hit.end
        yield _Edit(leaf.start, leaf.end, _written("".join([*pieces, leaf.value[at:]])))


def _number(hider: Hider, leaf: _Leaf, found: Found) -> Iterator[_Edit]:
    name = next((step for step in reversed(leaf.path) if isinstance(step, str)), "")
    if name in _COUNTED or name.endswith("tokens"):
        return
    for hit in hider.hits(leaf.value):
        # A part of a number is a chance; a card's number may also be hidden without being quoted.
        if (hit.start, hit.end) == (0, len(leaf.value)) and (hit.detector != "card" or is_card(leaf.value)):
            yield _Edit(leaf.start, leaf.end, _written(hider.replacement(hit.detector, leaf.value, found)))


def _pieces(hider: Hider, leaves: list[_Leaf], found: Found) -> Iterator[_Edit]:
    """Pieces of one text: what is found goes from all that hold a part; the first gets what stands for it."""
    new = _hidden_in_pieces(hider, [leaf.value for leaf in leaves], found)
    for leaf, said in zip(leaves, new, strict=True):
        if said != leaf.value:
            yield _Edit(leaf.start, leaf.end, _written(said))


def _hidden_in_pieces(hider: Hider, pieces: list[str], found: Found) -> list[str]:
    return _with_touched(hider, pieces, "".join(pieces), found)[0]


def _with_touched(
    hider: Hider, pieces: list[str], looked_at: str, found: Found
) -> tuple[list[str], set[int]]:
    """The pieces anew, and which of them held a part of something. `looked_at`: the text that is searched."""
    hits = hider.hits(looked_at)
    if not hits:
        return pieces, set()
    starts = [0]
    for piece in pieces:
        starts.append(starts[-1] + len(piece))
    whole = "".join(pieces)
    # For each piece what is left of it, from the back, so that what stands before keeps its place.
    new = list(pieces)
    touched: set[int] = set()
    for hit in reversed(hits):
        first = bisect_right(starts, hit.start) - 1
        last = bisect_right(starts, hit.end - 1) - 1
        instead = hider.replacement(hit.detector, whole[hit.start : hit.end], found)
        for at in range(last, first - 1, -1):
            begin, end = max(hit.start - starts[at], 0), min(hit.end - starts[at], len(pieces[at]))
            if begin < end:
                new[at] = new[at][:begin] + (instead if at == first else "") + new[at][end:]
                touched.add(at)
    return new, touched


def _tokens(hider: Hider, leaves: list[_Leaf], value: Any, read: _Read, found: Found) -> Iterator[_Edit]:
    """Tokens: also their bytes and alternatives go."""
    texts = _spelled(leaves, value)
    # By their bytes they may be other characters than the strings show, which stand for parts of them.
    new, touched = _with_touched(hider, texts, "".join(texts).translate(_MARKS), found)
    for at in sorted(touched):
        leaf = leaves[at]
        yield _Edit(leaf.start, leaf.end, _written(new[at]))
        if leaf.path[-1] == "token":
            around = leaf.path[:-1]
            if (span := read.spans.get((*around, "bytes"))) is not None:
                yield _Edit(*span, "null")
            if (span := read.spans.get((*around, "top_logprobs"))) is not None:
                yield _Edit(*span, "[]")
        elif (span := read.spans.get((*leaf.path[:-2], "top_logprobs", leaf.path[-1]))) is not None:
            yield _Edit(*span, "null")
    if touched:
        for around in {leaf.path[:-2] for leaf in leaves if leaf.path[-1] != "token"}:
            # The offsets would still tell how long the value was.
            if (span := read.spans.get((*around, "text_offset"))) is not None:
                yield _Edit(*span, _offsets(leaves, new, around, value))


def _offsets(leaves: list[_Leaf], new: list[str], around: _Path, value: Any) -> str:
    at: Any = value
    for step in around:
        at = at[step]
    old = at.get("text_offset")
    begin = old[0] if isinstance(old, list) and old and isinstance(old[0], int) else 0
    offsets = []
    for leaf, text in zip(leaves, new, strict=True):
        if leaf.path[:-2] == around:
            offsets.append(begin)
            begin += len(text)
    return json.dumps(offsets)


def _spelled(leaves: list[_Leaf], value: Any) -> list[str]:
    """The tokens' texts: by their bytes where all have them, since a character may be cut in two."""
    pieces = []
    for leaf in leaves:
        at: Any = value
        for step in leaf.path[:-1]:
            at = at[step]
        told = at.get("bytes") if isinstance(at, dict) else None
        if not isinstance(told, list) or not all(type(one) is int and 0 <= one < 256 for one in told):
            return [leaf.value for leaf in leaves]
        pieces.append(bytes(told))
    try:
        whole = b"".join(pieces).decode()
    except UnicodeDecodeError:
        return [leaf.value for leaf in leaves]
    # Each character belongs to the token in which it begins.
    texts = [""] * len(pieces)
    ends = [0]
    for piece in pieces:
        ends.append(ends[-1] + len(piece))
    place = 0
    for character in whole:
        texts[bisect_right(ends, place) - 1] += character
        place += len(character.encode())
    return texts


def _written(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(text)
    return json.dumps(text, ensure_ascii=False)


def _applied(text: str, edits: list[_Edit]) -> str:
    """The text with the edits made; an edit within another's reach goes with it."""
    pieces = []
    at = 0
    for edit in sorted(edits, key=lambda edit: (edit.start, -edit.end)):
        if edit.start >= at:
            pieces += [text[at : edit.start], edit.text]
            at = edit.end
    return "".join([*pieces, text[at:]])
