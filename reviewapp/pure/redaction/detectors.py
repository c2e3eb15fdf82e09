"""Where in a text something stands that is nobody's business.

Each detector is a pattern that starts at a place which is cheap to find and reaches a bounded way from there,
so a text of any content takes time in proportion to its length; and a check of what the pattern found:
the sum of a card's or an IBAN's digits, an address that exists. What only looks alike is left.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple


class Hit(NamedTuple):
    """What stands from `start` to `end` is what the detector looks for."""

    start: int
    end: int
    detector: str


Finder = Callable[[str], Iterator[tuple[int, int]]]

# Without any of these no detector finds anything, and most texts are short.
_worth_a_look: Final = re.compile(
    r"[0-9@:]|%40|-----BEGIN|[A-Za-z0-9_-]{16}|(?i:secret|token|passw|api.?key|bearer)"
).search


# ---- e-mail ----

_at: Final = re.compile(r"@|%40").finditer
_local: Final = re.compile(r"[\w.%+'&=~-]{1,64}$").search
_domain: Final = re.compile(
    r"(?:[^\W_](?:[\w-]{0,62})\.){1,8}(?:xn--[a-zA-Z0-9-]{2,40}|[^\W\d_]{2,24})"
).match
_literal: Final = re.compile(r"\[(?:IPv6:)?[0-9a-fA-F.:]{3,45}\]").match


def _emails(text: str) -> Iterator[tuple[int, int]]:
    for mark in _at(text):
        before = text[max(0, mark.start() - 64) : mark.start()]
        local = _local(before)
        domain = _domain(text, mark.end()) or _literal(text, mark.end())
        if domain is None:
            continue
        if local is not None:
            # What separates a name from its value in an address is no part of it.
            name = local[0].rpartition("=")[2].lstrip(".'&")
            if name:
                yield mark.start() - len(name), domain.end()
        elif (
            before.endswith('"')
            and (quote := text.rfind('"', max(0, mark.start() - 66), mark.start() - 1)) >= 0
        ):
            yield quote, domain.end()


# ---- telephone ----

_phone: Final = re.compile(
    r"(?<![\w+/\-])(?<!\d[.,])(?:\+\(?\d|00[1-9]|\(?0[1-9])(?:[ \u00a0().\-/]{0,2}\d){6,16}(?!\w)"
).finditer
_american: Final = re.compile(
    r"(?<![\w+\-])(?<!\d[.,])(?:1[-. ])?(?:\([2-9]\d\d\) ?|[2-9]\d\d[-. ])\d{3}[-. ]\d{4}(?![\w-])"
).finditer
_date: Final = re.compile(r"\d\d([./-])\d\d\1\d{4}").match


def _phones(text: str) -> Iterator[tuple[int, int]]:
    for match in _phone(text):
        digits = sum(map(str.isdigit, match[0]))
        international = match[0].startswith(("+", "00"))
        low, high = (8, 15 if match[0].startswith("+") else 17) if international else (9, 13)
        if low <= digits <= high and not _date(match[0]):
            yield match.span()
    for match in _american(text):
        yield match.span()


# ---- IBAN ----

_iban: Final = re.compile(r"(?<![^\W_])[A-Za-z]{2}\d\d(?:[ \u00a0-]?[A-Za-z0-9]){11,30}")
# fmt: off
_IBAN_LENGTHS: Final = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BI": 27,
    "BR": 29, "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27, "DK": 18, "DO": 28,
    "EE": 20, "EG": 29, "ES": 24, "FI": 18, "FK": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23,
    "GL": 18, "GR": 27, "GT": 28, "HN": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26,
    "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21,
    "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28,
    "NL": 18, "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22,
    "RU": 33, "SA": 24, "SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "SO": 23, "ST": 25,
    "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20, "YE": 30,
}
# fmt: on
_SEPARATORS: Final = frozenset(" \u00a0-")


def _ibans(text: str) -> Iterator[tuple[int, int]]:
    at = 0
    while match := _iban.search(text, at):
        end = _iban_end(text, match)
        if end:
            yield match.start(), end
        # What failed may have swallowed the beginning of one.
        at = end or match.start() + 1


def _iban_end(text: str, match: re.Match[str]) -> int:
    """Where the IBAN of its country's length ends; 0 where there is none."""
    length = _IBAN_LENGTHS.get(match[0][:2].upper())
    if length is None:
        return 0
    places = [at for at in range(match.start(), match.end()) if text[at] not in _SEPARATORS]
    if len(places) < length:
        return 0
    end = places[length - 1] + 1
    if text[end : end + 1].isalnum():
        return 0
    said = "".join(text[at] for at in places[:length]).upper()
    number = "".join(str(int(character, 36)) for character in said[4:] + said[:4])
    return end if int(number) % 97 == 1 else 0


# ---- payment card ----

_card: Final = re.compile(
    r"(?<![\w.])(?:\d{13,19}|\d{4}(?P<by>[ \u00a0-])\d{4}(?P=by)\d{4}(?P=by)\d{1,7}(?P<more>(?P=by)\d{1,3})?"
    r"|\d{4}[ \u00a0-]\d{6}[ \u00a0-]\d{4,5})(?!\w)(?!\.\d)"
).finditer
_issuer: Final = re.compile(
    r"3[47]\d{13}$|3(?:0[0-5]|[689]\d)\d{11,13}$|4\d{12}(?:\d{3})?(?:\d{3})?$|5[1-5]\d{14}$"
    r"|2(?:2[2-9]|[3-6]\d|7[01])\d{13}$|2720\d{12}$|6(?:011|4[4-9]\d|5\d\d)\d{12,15}$|62\d{14,17}$"
    r"|35(?:2[89]|[3-8]\d)\d{12,15}$|(?:50|5[6-8]|6\d)\d{10,17}$"
).match


def is_card(digits: str) -> bool:
    """Whether these digits can be a payment card's: an issuer's beginning, its length, and Luhn's sum."""
    if _issuer(digits) is None or not 13 <= len(digits) <= 19:
        return False
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _cards(text: str) -> Iterator[tuple[int, int]]:
    for match in _card(text):
        # The last group may be the security code, or another number.
        for end in dict.fromkeys((match.end(), match.end() - len(match["more"] or ""))):
            if is_card("".join(filter(str.isdigit, text[match.start() : end]))):
                yield match.start(), end
                break


# ---- addresses of machines ----

_ipv4: Final = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)").finditer
_ipv6: Final = re.compile(r"(?<![\w:.])[0-9A-Fa-f:]{2,39}(?:\.\d{1,3}){0,3}(?![\w:])").finditer


def _addresses(text: str) -> Iterator[tuple[int, int]]:
    for match in _ipv4(text):
        if all(int(part) <= 255 for part in match[0].split(".")):
            yield match.span()
    for match in _ipv6(text):
        said = match[0]
        if said.count(":") < 2 or not said.strip(":"):
            continue
        # Two words with colons between are a name in a program far more often than an address.
        if said.count(":") == 2 and not any(map(str.isdigit, said)):
            continue
        for end in (len(said), len(said.rstrip(":"))):
            try:
                ipaddress.IPv6Address(said[:end])
            except ValueError:
                continue
            yield match.start(), match.start() + end
            break


# ---- keys ----

_keys: Final = re.compile(
    r"(?<![\w-])(?:"
    r"sk-[A-Za-z0-9_-]{16,400}|gsk_[A-Za-z0-9]{20,200}|xai-[A-Za-z0-9]{20,200}|ra_[A-Za-z0-9_-]{20,200}"
    r"|gh[pousr]_[A-Za-z0-9]{30,255}|github_pat_[A-Za-z0-9_]{22,255}|glpat-[A-Za-z0-9_-]{20,255}"
    r"|(?:AKIA|ASIA|AGPA|AIDA|AROA)[A-Z0-9]{16}(?![A-Za-z0-9])|AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_.-]{20,2000}"
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,255}|xapp-[A-Za-z0-9-]{10,255}|[rs]k_(?:live|test)_[A-Za-z0-9]{16,255}"
    r"|whsec_[A-Za-z0-9+/=]{16,255}|hf_[A-Za-z0-9]{30,255}|npm_[A-Za-z0-9]{30,255}|pypi-[A-Za-z0-9_-]{50,400}"
    r"|SG\.[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,128}|dop_v1_[a-f0-9]{64}|shp(?:at|ss|pa|ca)_[a-fA-F0-9]{32}"
    r"|eyJ[A-Za-z0-9_-]{8,8000}\.eyJ[A-Za-z0-9_-]{8,8000}\.[A-Za-z0-9_-]{0,2000}"
    r")"
).finditer
_begins: Final = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----").finditer
_ends: Final = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----").search
_LONGEST_BLOCK: Final = 16_000
_said: Final = re.compile(
    r"(?i)(?<![a-z0-9])(?:(?:api|access|secret|private|auth)[ _-]?(?:key|token)|client[ _-]?secret|secret"
    r"|token|passw(?:or)?d|pwd)[\"']?(?: is)?\s{0,3}[:=]\s{0,3}[\"']?(?P<value>[^\s\"',;<>{}\[\]()]{8,400})"
).finditer
_bearer: Final = re.compile(
    r"(?i)(?<!\w)(?:bearer|basic)\s{1,3}(?P<value>[A-Za-z0-9._~+/-]{16,4000}={0,2})"
).finditer


def _blocks(text: str) -> Iterator[tuple[int, int]]:
    """Private keys in armour; the same end is not looked for twice."""
    begin, end = 0, 0
    for match in _begins(text):
        if match.start() < begin:
            continue
        if end < match.end():
            found = _ends(text, match.end())
            if found is None:
                return
            end = found.end()
        if end - match.start() <= _LONGEST_BLOCK:
            yield match.start(), end
            begin = end


def _secrets(text: str) -> Iterator[tuple[int, int]]:
    for match in _keys(text):
        yield match.span()
    yield from _blocks(text)
    for match in (*_said(text), *_bearer(text)):
        value = match["value"].rstrip(".!?")
        # A word is no key: "password: required", "bearer authentication".
        if any(map(str.isdigit, value)) and any(map(str.isalpha, value)):
            yield match.start("value"), match.start("value") + len(value)


DETECTORS: Final[dict[str, Finder]] = {
    "key": _secrets,
    "iban": _ibans,
    "card": _cards,
    "email": _emails,
    "ip": _addresses,
    "phone": _phones,
}


def find(text: str, wanted: frozenset[str]) -> Iterator[Hit]:
    """What these detectors find; hits of different detectors may overlap."""
    if _worth_a_look(text) is None:
        return
    for name, finder in DETECTORS.items():
        if name in wanted:
            for start, end in finder(text):
                yield Hit(start, end, name)
