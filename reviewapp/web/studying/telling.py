"""What a study shows, in a sentence: the answer to what it was begun for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from reviewapp.models import Attempt, Study, StudyKind
from reviewapp.models.studying import AtTemperature, Condition, deviation_of, temperatures_of
from reviewapp.pure.edits import EditKind
from reviewapp.pure.studies import Deviation, Share
from reviewapp.templatetags.figures import count, percent

EDITS: Final[dict[str, str | Promise]] = {
    EditKind.NONE: gettext_lazy("No edit"),
    EditKind.WHITE_SPACE: gettext_lazy("White space"),
    EditKind.CASE: gettext_lazy("Upper and lower case"),
    EditKind.PUNCTUATION: gettext_lazy("Punctuation"),
    EditKind.TYPO: gettext_lazy("Typos"),
    EditKind.SYNONYM: gettext_lazy("Synonyms"),
    EditKind.PARAPHRASE: gettext_lazy("Paraphrase"),
    EditKind.REORDER: gettext_lazy("Sentences in another order"),
    EditKind.APPEND: gettext_lazy("Words added at the end"),
    EditKind.SYSTEM: gettext_lazy("Another system prompt"),
}
# Below this, chance is no good explanation.
_UNLIKELY: Final = 0.05


def edit_words(kind: str) -> str:
    """A kind of edit as screens call it."""
    return str(EDITS.get(kind, kind))


def condition_words(condition: Condition) -> str:
    """A condition as screens call it."""
    return way_words(condition.variant.about)


def way_words(about: Mapping[str, Any]) -> str:
    """One way of asking as screens call it."""
    if kind := about.get("kind"):
        if kind == EditKind.NONE:
            return edit_words(kind)
        return _("%(edit)s, %(size)s of the prompt") % {
            "edit": edit_words(kind),
            "size": percent(float(about.get("size", 0.0)), 1),
        }
    if "seed" in about:
        return _("Seed %(seed)s, temperature %(temperature)s") % {
            "seed": about["seed"],
            "temperature": temperature_words(about.get("temperature")),
        }
    provider = about.get("provider") or _("Provider as recorded")
    return f"{provider} · {about.get('model') or _('model as recorded')}"


@dataclass(frozen=True, slots=True)
class AskedAs:
    """Of an answer: which study asked for it and in which way."""

    study: Study
    way: str
    # Another prompt than was recorded, so that the answer says nothing of the recorded one.
    edited: bool
    prompt: str
    system: str | None


def asked_as(attempt: Attempt) -> AskedAs | None:
    """None where no study asked. Reads `variant` and `run.study`: select them with it."""
    if attempt.variant is None or not hasattr(attempt.run, "study"):
        return None
    about = attempt.variant.about
    return AskedAs(
        study=attempt.run.study,
        way=way_words(about),
        edited=about.get("kind", EditKind.NONE) != EditKind.NONE,
        prompt=about.get("text", ""),
        system=about.get("system"),
    )


def temperature_words(temperature: object) -> str:
    """A temperature, or that none was sent."""
    if temperature is None:
        return _("of the provider's own choice")
    return f"{temperature:g}" if isinstance(temperature, int | float) else str(temperature)


def share_words(share: Share) -> str:
    """`9 of 10 (60 % to 98 %)`."""
    if not share.whole:
        return _("none yet")
    return _("%(part)s of %(whole)s (%(low)s to %(high)s)") % {
        "part": count(share.part),
        "whole": count(share.whole),
        "low": percent(share.low),
        "high": percent(share.high),
    }


def sentences(study: Study, conditions: Sequence[Condition]) -> list[str]:
    """What the study shows so far, one sentence or one for each temperature."""
    if not any(condition.points for condition in conditions):
        return [_("No answer has come yet.")]
    if study.kind == StudyKind.DEVIATION:
        return [_deviation(deviation_of(conditions))]
    if study.kind == StudyKind.SEEDS:
        return [_seeds(one) for one in temperatures_of(conditions)]
    return [_providers(conditions)]


def _deviation(shown: Deviation) -> str:
    told = {"floor": share_words(shown.floor), "edited": share_words(shown.edited)}
    if not shown.floor.whole:
        return _("The prompt as it was got no answer yet, so there is nothing to hold the edits against.")
    if not shown.has_floor:
        return (
            _(
                "Asked again without any edit, the answer came back in %(floor)s, so the seed hardly "
                "reproduces it by itself, and how far the prompt may drift can't be told. "
                "With edits: %(edited)s."
            )
            % told
        )
    tolerance = shown.tolerance
    if tolerance is None:
        return (
            _("Without an edit the answer came back in %(floor)s; no edited prompt was answered yet.") % told
        )
    told["smallest"], told["largest"] = percent(shown.smallest, 1), percent(shown.largest, 1)
    if tolerance.at is None:
        return (
            _(
                "No edit that was tried, up to %(largest)s of the prompt, kept the seed from reproducing the "
                "answer: it came back in %(edited)s, and without an edit in %(floor)s."
            )
            % told
        )
    if tolerance.at == 0:
        return (
            _(
                "Even the smallest edit, %(smallest)s of the prompt, keeps the seed from reproducing the "
                "answer: "
                "it came back in %(edited)s with edits, and without one in %(floor)s."
            )
            % told
        )
    beyond = _("more than was tried")
    told |= {
        "at": percent(tolerance.at, 1),
        "low": percent(tolerance.low, 1) if tolerance.low is not None else beyond,
        "high": percent(tolerance.high, 1) if tolerance.high is not None else beyond,
    }
    return (
        _(
            "About %(at)s of the prompt may change (95 %% interval: %(low)s to %(high)s) before the seed "
            "reproduces the answer less than half as often as without an edit. With edits it came back in "
            "%(edited)s, without one in %(floor)s."
        )
        % told
    )


def _seeds(one: AtTemperature) -> str:
    shown = one.shown
    told = {
        "temperature": temperature_words(one.temperature),
        "answers": count(shown.answers),
        "within": share_words(shown.within),
        "between": share_words(shown.between),
    }
    if shown.within.whole and shown.distinct == 1:
        return (
            _(
                "At temperature %(temperature)s all %(answers)s answers are the same, whatever the seed: "
                "there is nothing left for it to decide."
            )
            % told
        )
    if shown.determined is None:
        return _("At temperature %(temperature)s there are too few answers yet.") % told
    told |= {
        "determined": percent(shown.determined),
        "low": percent(shown.low or 0.0),
        "high": percent(shown.high or 0.0),
    }
    sentence = (
        _(
            "At temperature %(temperature)s the seed determines %(determined)s of what varies "
            "(95 %% interval: "
            "%(low)s to %(high)s): two answers of one seed are equal in %(within)s of pairs, "
            "of two seeds in %(between)s."
        )
        % told
    )
    if shown.p is not None and shown.p > _UNLIKELY:
        return f"{sentence} {_('Chance alone would show as much.')}"
    return sentence


def _providers(conditions: Sequence[Condition]) -> str:
    answered = [one for one in conditions if one.points]
    best = max(answered, key=lambda one: (one.same.value or 0.0, one.similarity or 0.0))
    told = {
        "best": condition_words(best),
        "identical": share_words(best.came_back),
        "same": share_words(best.same),
    }
    if len(answered) == 1:
        return (
            _(
                "%(best)s gave the recorded answer in %(identical)s, word for word, and in %(same)s but for "
                "what does not matter."
            )
            % told
        )
    worst = min(answered, key=lambda one: (one.same.value or 0.0, one.similarity or 0.0))
    if best.same.value == worst.same.value:
        return (
            _("All agree with the recorded answers as often, such as %(best)s: the same in %(same)s.") % told
        )
    told |= {"worst": condition_words(worst), "least": share_words(worst.same)}
    return (
        _(
            "%(best)s agrees most with the recorded answers: the same in %(same)s, word for "
            "word in %(identical)s. %(worst)s agrees least: the same in %(least)s."
        )
        % told
    )
