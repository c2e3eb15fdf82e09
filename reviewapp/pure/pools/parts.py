"""Fingerprints that say what they stand for, taken apart."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from reviewapp.pure.said import Joined, Param, say
from reviewapp.pure.said.templates import TEMPLATES


@dataclass(frozen=True, slots=True)
class Parts:
    """What a value names: the software that wrote it, and its parts by their names."""

    software: str
    parts: Mapping[str, str] = field(default_factory=dict)

    @property
    def words(self) -> Joined:
        """`vLLM 0.24.0, tensor parallel 4, configuration 6d31f84d`."""
        version = self.parts.get("version", "")
        rest = [
            say("part_value", name=part_name(name), value=value)
            for name, value in self.parts.items()
            if name != "version"
        ]
        return Joined((f"{self.software} {version}".strip(), *rest))


def part_name(name: str) -> Param:
    """A part's name in words; one that nobody has translated as it is."""
    key = f"part_{name.replace(' ', '_')}"
    return say(key) if key in TEMPLATES else name


_VLLM: Final = re.compile(
    r"vllm-(?P<version>[0-9][^-]*)(?P<layout>(?:-[a-z]{2}\d+)*)-(?P<digest>[0-9a-f]{6,16})"
)
_LLAMA: Final = re.compile(r"b(?P<build>\d{1,6})-(?P<commit>[0-9a-f]{7,12})")
_DEEPSEEK: Final = re.compile(r"fp_(?P<digest>[0-9a-f]{10})_(?P<tail>[a-z0-9]+(?:_[a-z0-9]+)*)")
_LAYOUTS: Final = {
    "tp": "tensor parallel",
    "pp": "pipeline parallel",
    "dp": "data parallel",
    "ep": "expert parallel",
}


def read_parts(value: str) -> Parts | None:
    """What the value says; None for one that is opaque."""
    if found := _VLLM.fullmatch(value):
        layout = {_LAYOUTS.get(part[:2], part[:2]): part[2:] for part in found["layout"].split("-") if part}
        return Parts("vLLM", {"version": found["version"], **layout, "configuration": found["digest"]})
    if found := _LLAMA.fullmatch(value):
        return Parts("llama.cpp", {"build": found["build"], "commit": found["commit"]})
    if found := _DEEPSEEK.fullmatch(value):
        words = found["tail"].split("_")
        date = words.pop() if re.fullmatch(r"20\d{6}", words[-1]) else ""
        parts = {"digest": found["digest"], "release": " ".join(words)}
        return Parts("DeepSeek", {**parts, "date": date} if date else parts)
    return None


def changed_parts(before: Parts, after: Parts) -> tuple[tuple[str, str, str], ...]:
    """What differs, as (part, before, after); empty text where a side lacks the part."""
    if before.software != after.software:
        return (("software", before.software, after.software),)
    names = dict.fromkeys([*before.parts, *after.parts])
    return tuple(
        (name, before.parts.get(name, ""), after.parts.get(name, ""))
        for name in names
        if before.parts.get(name, "") != after.parts.get(name, "")
    )
