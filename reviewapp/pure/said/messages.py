"""Messages, what may stand in their places, and texts made of them.

What stands in a place needs no translation (names, tokens, figures as they are written), or brings its own:
another message or text, a day, a row of such. So a stored message can be said again in any language.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeAlias, Union

from reviewapp.pure.said.templates import FIGURES, OURS, TEMPLATES, WORDS, Several
from reviewapp.pure.words import storable


class Language(Protocol):
    """How a language says things. `name` is what is not translated, such as a model's name.

    `between` is what stands between the items of a row: ", " or "; ".
    """

    def one(self, words: str) -> str: ...

    def several(self, one: str, many: str, number: int) -> str: ...

    def figure(self, written: str) -> str: ...

    def day(self, day: dt.date, *, with_year: bool) -> str: ...

    def month(self, month: dt.date) -> str: ...

    def name(self, name: str) -> str: ...

    def between(self, sign: str) -> str: ...


class _English:
    """As it is stored, and as API, exports and messages have it."""

    def one(self, words: str) -> str:
        return words

    def several(self, one: str, many: str, number: int) -> str:
        return one if number == 1 else many

    def figure(self, written: str) -> str:
        return written

    def day(self, day: dt.date, *, with_year: bool) -> str:
        return f"{day:%-d %B %Y}" if with_year else f"{day:%-d %B}"

    def month(self, month: dt.date) -> str:
        return f"{month:%B %Y}"

    def name(self, name: str) -> str:
        return name

    def between(self, sign: str) -> str:
        return sign


ENGLISH: Final[Language] = _English()


@dataclass(frozen=True, slots=True)
class Figure:
    """A number as English writes it, with its sign and unit: `1,204`, `94.5 %`, `< 0.01 %`, `0.3 nat`."""

    written: str

    def __str__(self) -> str:
        return self.written


@dataclass(frozen=True, slots=True)
class Day:
    """A day of the calendar."""

    date: dt.date
    with_year: bool = True


@dataclass(frozen=True, slots=True)
class Month:
    """A month of a year."""

    year: int
    month: int


@dataclass(frozen=True, slots=True)
class Joined:
    """Several in a row, with the same between them."""

    items: tuple[Param, ...]
    by: str = ", "

    def __str__(self) -> str:
        return str(_written("", self, ENGLISH))


Param: TypeAlias = Union[str, int, Figure, Day, Month, Joined, "Message"]


@dataclass(frozen=True, slots=True)
class Message:
    """A template's key with what stands in its places."""

    key: str
    params: Mapping[str, Param] = field(default_factory=dict)

    def render(self, language: Language = ENGLISH) -> str:
        """The message in words."""
        template = TEMPLATES[self.key]
        if isinstance(template, Several):
            number = self.params[template.by]
            if not isinstance(number, int):
                raise TypeError(f"{template.by} of {self.key} is no number")
            words = language.several(template.one, template.many, number)
        else:
            words = language.one(template)
        return words % {place: _written(place, value, language) for place, value in self.params.items()}

    def __str__(self) -> str:
        return self.render()

    def as_json(self) -> dict[str, Any]:
        return {"key": self.key, "params": {name: _as_json(value) for name, value in self.params.items()}}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Message:
        """A message as `as_json` wrote it."""
        params = {str(name): _from_json(value) for name, value in dict(stored["params"]).items()}
        return cls(str(stored["key"]), params)


def _written(place: str, value: Param, language: Language) -> str | int:
    match value:
        case int():
            return value
        case Figure():
            return language.figure(value.written)
        case Day():
            return language.day(value.date, with_year=value.with_year)
        case Month():
            return language.month(dt.date(value.year, value.month, 1))
        case Message() | Said():
            return value.render(language)
        case Joined():
            return language.between(value.by).join(str(_written("", item, language)) for item in value.items)
    if place in FIGURES:
        return language.figure(value)
    if place == OURS and value:
        return language.one(value)
    word = WORDS.get(place, {}).get(value)
    return language.name(value) if word is None else language.one(word)


def _as_json(value: Param) -> Any:
    match value:
        case Figure():
            return {"figure": value.written}
        case Day():
            return {"day": value.date.isoformat(), "with_year": value.with_year}
        case Month():
            return {"month": value.month, "year": value.year}
        case Message():
            return value.as_json()
        case Said():
            return {"said": [part.as_json() for part in value.parts]}
        case Joined():
            return {"joined": [_as_json(item) for item in value.items], "by": value.by}
        case str():
            return storable(value)
    return value


def _from_json(value: Any) -> Param:
    if isinstance(value, str | int):
        return value
    if "figure" in value:
        return Figure(str(value["figure"]))
    if "day" in value:
        return Day(dt.date.fromisoformat(value["day"]), with_year=bool(value["with_year"]))
    if "month" in value:
        return Month(int(value["year"]), int(value["month"]))
    if "joined" in value:
        return Joined(tuple(_from_json(item) for item in value["joined"]), str(value["by"]))
    if "said" in value:
        return Said(*(Message.from_json(part) for part in value["said"]))
    return Message.from_json(value)


def say(key: str, **params: Param) -> Message:
    """The message of this key; all its template's places must be given.

    What is given comes from anywhere, and the text that it becomes a part of goes into columns.
    """
    return Message(key, {name: _storable(value) for name, value in params.items()})


def _storable(value: Param) -> Param:
    match value:
        case Said() | Message():
            return value
        case str():
            return storable(value)
        case Joined():
            return Joined(tuple(_storable(item) for item in value.items), value.by)
    return value


def figure(number: float, form: str = ",") -> Figure:
    """A number in Python's form; thousands set apart, if none is given."""
    return Figure(format(number, form))


class Said(str):
    """A text in English that remembers its messages.

    A text like any other to who stores, sends or searches it.
    """

    parts: tuple[Message, ...]

    def __new__(cls, *parts: Message) -> Said:
        self = super().__new__(cls, " ".join(part.render() for part in parts))
        self.parts = parts
        return self

    def __getnewargs__(self) -> tuple[Message, ...]:  # type: ignore[override]  # what __new__ takes
        return self.parts

    def render(self, language: Language) -> str:
        """The text in another language."""
        return " ".join(part.render(language) for part in self.parts)


def said(key: str, **params: Param) -> Said:
    """A text of one message."""
    return Said(say(key, **params))


def together(*texts: str | Message) -> Said:
    """The texts as one; what none of us composed stays in it as it is."""
    parts: list[Message] = []
    for text in texts:
        if isinstance(text, Message):
            parts.append(text)
        elif isinstance(text, Said):
            parts += text.parts
        elif text:
            parts.append(say("verbatim", text=text))
    return Said(*parts)


def text_of(error: BaseException) -> str:
    """An error's text as a column can hold it, with its messages, which `str(error)` would forget."""
    told = error.args[0] if error.args else ""
    return told if isinstance(told, Said) else storable(str(error))


def to_store(**texts: str | Sequence[str]) -> dict[str, Any] | None:
    """The messages of a row's texts by their fields, for the column beside them; None: there are none."""
    kept = {name: _parts(text) for name, text in texts.items()}
    return {name: parts for name, parts in kept.items() if parts is not None} or None


def _parts(text: str | Sequence[str]) -> list[Any] | None:
    if isinstance(text, Said):
        return [part.as_json() for part in text.parts]
    if isinstance(text, str):
        return None
    return [_parts(one) for one in text]


def stored(text: str, messages: Any) -> str:
    """A row's text with its messages again; the text alone where none are kept, or they can't be read."""
    try:
        parts = [Message.from_json(message) for message in messages or ()]
        for part in parts:
            part.render()
    except (KeyError, TypeError, ValueError, AttributeError):
        # Of another version of the app.
        return text
    return Said(*parts) if parts else text
