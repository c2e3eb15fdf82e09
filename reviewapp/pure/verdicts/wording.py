"""The clauses about where two answers part, what was asked otherwise, and the evidence for the fold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from reviewapp.pure.canonical import canonical_json
from reviewapp.pure.differences.calls import CallDifference, compare_calls
from reviewapp.pure.differences.chances import Choosing
from reviewapp.pure.differences.equivalence import in_order
from reviewapp.pure.differences.settings import SettingDifference, figures
from reviewapp.pure.differences.structure import JsonDifference
from reviewapp.pure.differences.tokens import Divergence
from reviewapp.pure.differences.words import where_texts_part
from reviewapp.pure.exchange import Exchange
from reviewapp.pure.verdicts.messages import Message, nats, percent, percents, quoted, say, short, told_apart
from reviewapp.pure.verdicts.noise import WIDE_Z
from reviewapp.pure.verdicts.values import Figure
from reviewapp.pure.verdicts.weighing import Weight

# Two tokens whose log probabilities are closer than this are almost equally likely: 57 % against 43 %.
_NEAR_TIE: Final = 0.3
_CLOSE: Final = 1.0


def explained(weight: Weight) -> Message:
    """How chance explains the difference, in a sentence with the place and the percentages."""
    found = weight.divergence
    side = None if found is None else found.in_original or found.in_attempt
    if found is None or side is None:
        return parting(found)
    margin = abs(side.margin)
    if not side.bounded and margin <= _CLOSE:
        key = "near_tie" if margin <= _NEAR_TIE else "close"
        return say(key, position=found.position, **_pair(side))
    if weight.shift is None:
        return say("within_noise", position=found.position, **_pair(side))
    return say(
        "draw",
        position=found.position,
        token=quoted(found.original),
        other_token=quoted(found.attempt),
        moved=percent(weight.shift.probability),
    )


def unexplained(weight: Weight) -> tuple[Message, ...]:
    """How chance does not explain the difference, by the stronger of the two signs."""
    found = weight.divergence
    if weight.wide and found is not None and not _shift_says_more(weight):
        mine, theirs = found.in_original, found.in_attempt
        if weight.greedy and mine is not None and mine.margin / weight.noise.gap > WIDE_Z:
            return (say("wide", shared=found.shared, total=_total(found), **_pair(mine)),)
        if mine is not None and theirs is not None:
            return (say("swung", shared=found.shared, total=_total(found), **_before_after(mine, theirs)),)
        if theirs is not None:
            return (say("wide_in_replay", shared=found.shared, **_pair(theirs)),)
    moved = say("shifted", **_shift(weight))
    return (moved,) if found is None else (parting(found), moved)


def doubtful(weight: Weight) -> tuple[Message, ...]:
    """How the difference may be more than chance."""
    found = weight.divergence
    by_tokens = weight.wide and not _shift_says_more(weight)
    if found is not None and (by_tokens or weight.leaning == "between"):
        mine, theirs = found.in_original, found.in_attempt
        # Where both sides tell, the original's margin alone would not say how far the balance swung.
        if mine is not None and theirs is not None:
            key = "part_swung_far" if weight.wide else "part_swung"
            return (say(key, position=found.position, **_before_after(mine, theirs)),)
        side = mine or theirs
        if side is not None:
            key = "part_sure" if weight.wide else "part_between"
            return (say(key, position=found.position, **_pair(side)),)
    if weight.shift is not None and found is not None:
        return (say("part_shifted", position=found.position, moved=percent(weight.shift.probability)),)
    return (parting(found),)


def _shift_says_more(weight: Weight) -> bool:
    """Whether the shift on the shared words convinces a reader more than the two tokens' chances do."""
    return weight.shifted and (weight.moved or 0.0) < _CLOSE


def parting(found: Divergence | None) -> Message:
    """Where the answers part, and nothing more."""
    if found is None:
        return say("part_somewhere")
    return say(
        "part_tokens" if found.by_tokens else "part_words",
        position=found.position,
        token=quoted(found.original),
        other_token=quoted(found.attempt),
    )


def what_differs(
    original: Exchange, attempt: Exchange, place: int | None, found: Divergence | None
) -> Message:
    """Where the answers differ: in their text, in a refusal, in the tools they call, or in number."""
    if place is None:
        return say("other_count", original=len(original.reply.choices), attempt=len(attempt.reply.choices))
    left, right = in_order(original.reply)[place], in_order(attempt.reply)[place]
    if bool(left.refusal) != bool(right.refusal):
        return say("replay_refused" if right.refusal else "original_refused")
    if found is not None:
        return parting(found)
    changed = [call for call in compare_calls(left.tool_calls, right.tool_calls) if call.kind != "equal"]
    return _call(changed[0]) if changed else say("part_somewhere")


def asked(settings: Sequence[SettingDifference]) -> str:
    """Settings that differ, as `temperature 0 → 0.9, model a → b`."""
    return ", ".join(
        setting.name
        if setting.content
        else f"{setting.name} {_value(setting.left)} → {_value(setting.right)}"
        for setting in settings
    )


def reasons(weight: Weight, original: Exchange, attempt: Exchange) -> tuple[Message, ...]:
    """The figures for the fold, each in a sentence."""
    told: list[Message] = []
    found, noise = weight.divergence, weight.noise
    if found is not None and found.in_original is not None:
        told.append(
            say(
                "why_margin_original",
                position=found.position,
                margin=_bound(found.in_original),
                **_pair(found.in_original),
            )
        )
    if found is not None and found.in_attempt is not None:
        key = "why_margin_attempt" if found.in_original is not None else "why_margin_attempt_only"
        params = _pair(found.in_attempt) | {"margin": _bound(found.in_attempt)}
        told.append(say(key, position=found.position, **params))
    if weight.moved is not None and weight.z is not None:
        key = "why_moved" if found is not None and found.moved is not None else "why_margin_noise"
        told.append(
            say(key, moved=nats(weight.moved), times=nats(weight.z), noise=nats(noise.gap)),
        )
    if weight.shift is not None:
        told.append(say("why_shift", positions=weight.shift.positions, **_shift(weight)))
        if weight.shift.listed_mean is not None and weight.shift.listed_max is not None:
            mean, most = nats(weight.shift.listed_mean), nats(weight.shift.listed_max)
            told.append(say("why_listed", mean=mean, most=most))
    if weight.moved is not None or weight.shift is not None:
        told.append(say("why_measured", count=noise.replays) if noise.measured else say("why_assumed"))
        told.append(say("why_wide_from", nats=nats(noise.wide_from)))
    told += [
        say("why_figure", name=figure.name, original=str(figure.left), attempt=str(figure.right))
        for figure in figures(original, attempt)
        if figure.state == "differs" and figure.name in ("model", "service_tier", "finish_reason")
    ]
    if _reasoning(original) != _reasoning(attempt):
        told.append(say("why_reasoning"))
    return tuple(told)


def weight_figures(weight: Weight) -> dict[str, Figure]:
    """The figures behind the verdict, by name; in nats where not said otherwise."""
    found, shift, noise = weight.divergence, weight.shift, weight.noise
    return {
        "statistic": _statistic(weight),
        "position": found.position if found else None,
        "shared": found.shared if found else None,
        "total": found.total if found else None,
        "by_tokens": found.by_tokens if found else None,
        "margin_original": found.margin_original if found else None,
        "margin_attempt": found.margin_attempt if found else None,
        "moved": weight.moved,
        "moved_at_least": weight.at_least,
        "z": weight.z,
        "gap_noise": noise.gap,
        "noise_replays": noise.replays,
        "smallest_detectable": noise.wide_from,
        "shift": shift.probability if shift else None,
        "shift_floor": weight.shift_floor,
        "shift_positions": shift.positions if shift else None,
        "chosen_mean": shift.chosen_mean if shift else None,
        "chosen_max": shift.chosen_max if shift else None,
        "listed_mean": shift.listed_mean if shift else None,
        "listed_max": shift.listed_max if shift else None,
    }


def _statistic(weight: Weight) -> str:
    """What the verdict could be made from, best first."""
    if weight.moved is not None:
        return "first_div"
    return "prefix_lp" if weight.shift is not None else "text"


def _total(found: Divergence) -> str:
    return "?" if found.total is None else str(found.total)


def _pair(side: Choosing) -> dict[str, str]:
    chosen, other = percents(side.chosen.probability, side.other.probability)
    if side.bounded and not other.startswith("<"):
        other = f"< {other}"
    return {
        "chosen": chosen,
        "token": quoted(side.chosen.token),
        "other": other,
        "other_token": quoted(side.other.token),
    }


def _before_after(mine: Choosing, theirs: Choosing) -> dict[str, str]:
    """The chances of the original's token and the replay's, in the original and in the replay."""
    chances = (mine.chosen, mine.other, theirs.other, theirs.chosen)
    shares = percents(*(chance.probability for chance in chances))
    chosen, other, chosen_now, other_now = (
        f"< {share}" if chance.at_most and not share.startswith("<") else share
        for chance, share in zip(chances, shares, strict=True)
    )
    return _pair(mine) | {
        "chosen": chosen,
        "other": other,
        "chosen_now": chosen_now,
        "other_now": other_now,
    }


def _shift(weight: Weight) -> dict[str, str]:
    moved = weight.shift.probability if weight.shift else 0.0
    written, floor = told_apart(moved, weight.shift_floor)
    return {"moved": written, "floor": floor}


def _bound(side: Choosing) -> str:
    return f"≥ {nats(side.margin)}" if side.bounded else nats(side.margin)


def _call(call: CallDifference) -> Message:
    name = short(call.name, length=60)
    if call.kind in ("added", "removed"):
        return say(f"call_{call.kind}", name=name)
    path, left, right = (
        "",
        call.left.arguments if call.left else "",
        call.right.arguments if call.right else "",
    )
    if isinstance(call.arguments, JsonDifference) and call.arguments.changes:
        change = call.arguments.changes[0]
        path = change.path
        left = "–" if change.kind == "added" else _value(change.left)
        right = "–" if change.kind == "removed" else _value(change.right)
    else:
        part = where_texts_part(left, right)
        if part is not None:
            left, right = quoted(part.left), quoted(part.right)
    return say(
        "call_arguments", name=name, path=path or "arguments", original=short(left), attempt=short(right)
    )


def _value(value: Any) -> str:
    """A setting's value, short; a dash for one that was not sent."""
    if value is None:
        return "–"
    return short(value if isinstance(value, str) else canonical_json(value), length=40)


def _reasoning(exchange: Exchange) -> list[str | None]:
    return [choice.reasoning for choice in in_order(exchange.reply)]
