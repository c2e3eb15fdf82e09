"""What stands on the two cards, and what was asked differently."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from reviewapp.formats.openai import seed_of
from reviewapp.models import Interaction
from reviewapp.pure.canonical import canonical_json
from reviewapp.pure.differences.settings import setting_differences
from reviewapp.pure.exchange import Exchange, Usage
from reviewapp.stages.compare import Pair
from reviewapp.templatetags.figures import count

_LONGEST = 400


@dataclass(frozen=True, slots=True)
class Fact:
    """A line of both cards. `kind` chooses how it is drawn: fingerprint, text, mono, when, ms."""

    kind: str
    label: str
    left: Any
    right: Any
    # Whether both sides told, and not the same. Times and durations always differ and mean nothing by it.
    differs: bool = False


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting with another value in the replay; an empty side was not sent."""

    name: str
    left: str
    right: str
    on_purpose: bool
    neutral: bool


def facts(pair: Pair) -> list[Fact]:
    """The lines of the cards, in the same order on both."""
    original_row, answer_row = pair.original_row, pair.answer_row
    a, b = pair.original.reply, pair.answer.reply
    seeds = _seed(pair.original), _seed(pair.answer)
    lines = [
        _fact("fingerprint", _("Fingerprint"), a.fingerprint, b.fingerprint),
        _fact("text", _("Model returned"), a.model, b.model),
        Fact("text", _("Seed"), *seeds, differs=seeds[0] != seeds[1]),
        _fact("text", _("Finish reason"), a.finish_reason, b.finish_reason),
        _fact("text", _("Tokens"), _tokens(a.usage), _tokens(b.usage)),
        Fact("ms", _("Latency"), original_row.latency_ms, answer_row.latency_ms),
        Fact("when", _("Asked"), original_row.started_at, answer_row.started_at),
    ]
    if original_row.provider_id != answer_row.provider_id:
        lines.append(_fact("text", _("Provider"), original_row.provider.name, answer_row.provider.name))
    if a.service_tier != b.service_tier:
        lines.append(_fact("text", _("Service tier"), a.service_tier, b.service_tier))
    if original_row.status != answer_row.status:
        lines.append(_fact("mono", _("Status"), str(original_row.status), str(answer_row.status)))
    return lines


def one_sided(*, original: Exchange, original_row: Interaction) -> list[Fact]:
    """The lines of the original's card where there is no answer to put beside it."""
    reply = original.reply
    return [
        Fact("fingerprint", _("Fingerprint"), reply.fingerprint, None),
        Fact("text", _("Model returned"), reply.model, None),
        Fact("text", _("Seed"), _seed(original), None),
        Fact("text", _("Finish reason"), reply.finish_reason, None),
        Fact("text", _("Tokens"), _tokens(reply.usage), None),
        Fact("ms", _("Latency"), original_row.latency_ms, None),
        Fact("when", _("Asked"), original_row.started_at, None),
    ]


def settings_of(*, original: Exchange, answer: Exchange, overrides: Mapping[str, Any]) -> list[Setting]:
    """What the replay was asked otherwise, what may have had an influence first."""
    found = [
        Setting(
            name=one.name,
            left="" if one.left is None else _value(one.left),
            right="" if one.right is None else _value(one.right),
            on_purpose=one.name in overrides,
            neutral=one.neutral,
        )
        for one in setting_differences(original.request, answer.request, given=overrides)
    ]
    return sorted(found, key=lambda one: one.neutral)


def _fact(kind: str, label: str, left: str | None, right: str | None) -> Fact:
    return Fact(kind, label, left, right, differs=bool(left and right and left != right))


def _seed(exchange: Exchange) -> str:
    sent, echoed = seed_of(exchange.request), exchange.reply.echoed_seed
    if sent is None:
        return _("none sent")
    if echoed is not None and echoed != sent:
        return _("%(sent)d sent, %(used)d used") % {"sent": sent, "used": echoed}
    return str(sent)


def _tokens(usage: Usage) -> str | None:
    if usage.input_tokens is None and usage.output_tokens is None:
        return None
    told = {"input": count(usage.input_tokens), "output": count(usage.output_tokens)}
    words = _("%(input)s in, %(output)s out") % told
    if usage.reasoning_tokens:
        words += _(", %(n)s of them reasoning") % {"n": count(usage.reasoning_tokens)}
    if usage.cached_tokens:
        words += _(", %(n)s from the cache") % {"n": count(usage.cached_tokens)}
    return words


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else canonical_json(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
