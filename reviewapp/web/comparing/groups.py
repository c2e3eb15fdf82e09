"""Several attempts of one interaction: those with the same answer together, and where the others part."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from uuid import UUID

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from reviewapp.pure.verdicts import SetVerdict
from reviewapp.stages.compare import View
from reviewapp.templatetags.said import READER
from reviewapp.web.comparing.telling import tidy


@dataclass(frozen=True, slots=True)
class ShownGroup:
    """Attempts with one answer. `verdict` gives shape and colour; `at` is where it parts, if it does."""

    attempt: UUID
    verdict: str
    words: str
    size: int
    at: str
    current: bool
    fingerprints: list[str]


@dataclass(frozen=True, slots=True)
class Together:
    """What the compare page shows of an attempt's siblings."""

    groups: list[ShownGroup]
    bar: SafeString
    plot: SafeString
    kind: str
    sentence: str
    size: int


def together(view: View) -> Together:
    """The groups of a page."""
    verdicts = {
        sibling.pk: verdict for sibling, verdict in zip(view.siblings, view.together.verdicts, strict=True)
    }
    shown = []
    # Answers that are not the original's are called B, C, … in the order of their groups.
    letters = iter("BCDEFGHIJKLMNOPQRSTUVWXYZ")
    for group in view.groups:
        verdict = verdicts[group.first.pk]
        current = any(one.pk == view.attempt.pk for one in group.attempts)
        at = verdict.divergence
        shown.append(
            ShownGroup(
                # The attempt that one looks at stands for its own group.
                attempt=view.attempt.pk if current else group.first.pk,
                verdict=verdict.kind.value,
                words=_words(group.kind, next(letters, "…") if group.kind == "different" else ""),
                size=len(group.attempts),
                at="" if at is None else _place(at.position, at.by_tokens),
                current=current,
                fingerprints=sorted({one.answer.fingerprint or "" for one in group.attempts if one.answer}),
            )
        )
    return Together(
        groups=shown,
        bar=_bar(shown),
        plot=_plot(view.together),
        kind=view.together.kind.value,
        sentence=tidy(view.together.render(READER)),
        size=len(view.siblings),
    )


def _words(kind: str, letter: str) -> str:
    if kind == "identical":
        return _("the original's answer")
    if kind == "equivalent":
        return _("the original's, but for what does not matter")
    return _("answer %(letter)s") % {"letter": letter}


def _place(position: int, by_tokens: bool) -> str:
    words = _("parts at token %(n)d") if by_tokens else _("parts at word %(n)d")
    return words % {"n": position}


def _bar(groups: list[ShownGroup]) -> SafeString:
    total = sum(group.size for group in groups)
    pieces, at = [], 0.0
    for group in groups:
        share = 100 * group.size / total
        pieces.append((group.verdict, " is-current" if group.current else "", f"{at:.3f}%", f"{share:.3f}%"))
        at += share
    return format_html(
        '<svg class="group-bar" width="100%" height="14" aria-hidden="true">{}</svg>',
        format_html_join(
            "",
            '<rect class="group-piece{1}" data-verdict="{0}" x="{2}" y="0" width="{3}" height="100%"/>',
            pieces,
        ),
    )


def _plot(found: SetVerdict) -> SafeString:
    """A line as long as the original, a mark for each place where attempts part; higher where more do."""
    places = Counter(position for _place, position in found.partings)
    if not places:
        return mark_safe("")
    totals = [verdict.divergence.total for verdict in found.verdicts if verdict.divergence is not None]
    length = max([total for total in totals if total] + list(places))
    most = max(places.values())
    kinds = {position: found.verdicts[place].kind.value for place, position in found.partings}
    told = ", ".join(f"{position} (×{n})" for position, n in sorted(places.items()))
    marks = [
        (
            kinds[position],
            f"{100 * (position - 0.5) / length:.3f}%",
            f"{22 - 6 - 14 * n / most:.1f}",
            _("%(n)d at %(position)d") % {"n": n, "position": position},
        )
        for position, n in sorted(places.items())
    ]
    return format_html(
        '<svg class="parting-plot" width="100%" height="26" role="img" aria-label="{}">'
        '<line class="parting-axis" x1="0" x2="100%" y1="22" y2="22"/>{}</svg>',
        _("Where the answers part: %(places)s") % {"places": told},
        format_html_join(
            "",
            '<g class="parting" data-verdict="{0}"><title>{3}</title>'
            '<line x1="{1}" x2="{1}" y1="22" y2="{2}"/><circle cx="{1}" cy="{2}" r="3.5"/></g>',
            marks,
        ),
    )
