"""The lines of the interactions list.

A template of a line has some sixty nodes, most of which ask whether a column is shown: fifty such lines were
a third of what a page costs. So they are written here: what is the same in all of them is looked up once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Final
from uuid import UUID

from django import template
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from reviewapp.models.browsing import ListRow
from reviewapp.pure.passages import Passage
from reviewapp.templatetags.faces import fingerprint, flag_chip, readable, verdict, when
from reviewapp.templatetags.figures import DASH, count, milliseconds, money, percent

register = template.Library()

_SOME: Final = UUID(int=0)
_NOTHING: Final = f'<span class="muted">{DASH}</span>'


@register.simple_tag
def flags_of(row: ListRow, again: bool = False) -> SafeString:
    """The worst flag of a line and how many others; `again`: in place of what a page has of it."""
    worst, swapped = row.worst_flag, ' hx-swap-oob="true"' if again else ""
    more = f' <span class="muted">+{len(row.flags) - 1}</span>' if len(row.flags) > 1 else ""
    told = f"{flag_chip(worst.reason, worst.severity)}{more}" if worst is not None else ""
    return mark_safe(f'<span id="flags-{row.interaction.pk}"{swapped}>{told}</span>')  # noqa: S308  # drawn here


@register.simple_tag(takes_context=True)
def lines(
    context: template.Context, rows: Sequence[ListRow], shown: Sequence[str], can_choose: bool
) -> SafeString:
    """All lines with the columns that are shown; `can_choose`: each begins with a box to tick."""
    address = reverse("interaction", args=[_SOME])
    cells = [cell for name, cell in _CELLS.items() if name in shown]
    label = escape(_("Select"))
    found = []
    for row in rows:
        one = row.interaction
        url = address.replace(str(_SOME), str(one.pk))
        box = (
            f'<td class="select-cell"><input type="checkbox" name="ids" value="{one.pk}" data-select'
            f' aria-label="{label}"></td>'
            if can_choose
            else ""
        )
        found.append(
            f'<tr data-row="{one.pk}" hx-get="{url}" hx-target="#preview-body"'
            ' hx-trigger="activate delay:80ms" hx-sync="#preview-body:replace">'
            f'{box}<td class="muted nowrap">{when(context, one.started_at)}</td>'
            f'<td class="text-cell"><div class="two-line">{_texts(row, url)}</div></td>'
            f"{''.join([cell(row) for cell in cells])}</tr>\n"
        )
    return mark_safe("".join(found))  # noqa: S308  # each value is escaped where it is put in


def _texts(row: ListRow, url: str) -> str:
    one = row.interaction
    prompt = _passage(row.passages.prompt) or escape(one.prompt_preview or _("(no text)"))
    if one.is_error:
        status = f"{one.status} " if one.status else ""
        answer = f'<span class="error-line">{status}{escape(one.error or one.answer_preview)}</span>'
    else:
        answer = _passage(row.passages.answer) or escape(one.answer_preview)
    threads = ""
    if row.open_threads:
        threads = render_to_string(
            "components/threads.html", {"n": row.open_threads, "url": url, "id": one.pk}
        )
    return (
        f'<a class="row-link clip" href="{url}" data-open dir="auto">{prompt}</a>'
        f'<span class="clip" dir="auto">{answer}</span>{threads}'
    )


def _passage(passage: Passage) -> str:
    """Each part is escaped by itself: what was found is never made markup of."""
    return "".join(
        [
            f'<mark class="found">{escape(readable(part.text))}</mark>'
            if part.found
            else escape(readable(part.text))
            for part in passage
        ]
    )


def _verdict(row: ListRow) -> str:
    if not row.comparison_of:
        return ""
    url = reverse("compare", args=[row.comparison_of])
    return f'<a class="above" href="{url}">{verdict(row.verdict)}</a>'


def _tags(row: ListRow) -> str:
    return "".join([f'<span class="tag">{escape(tag)}</span> ' for tag in row.tags])


def _figure(value: object, told: Callable[[], str]) -> str:
    return _NOTHING if value is None else escape(told())


def _extra(told: str, *, mono: bool = False) -> str:
    return f'<td class="number {"mono " if mono else ""}extra-cell">{told}</td>'


# In the order of the head.
_CELLS: Final[dict[str, Callable[[ListRow], str]]] = {
    "source": lambda row: (
        '<td class="secondary extra-cell">'
        f'<span class="clip source-cell">{escape(row.interaction.source.name)}</span></td>'
    ),
    "provider": lambda row: f'<td class="secondary">{escape(row.interaction.provider.name)}</td>',
    "model": lambda row: (
        f'<td class="secondary model-column"><span class="clip model-cell"'
        f' title="{(model := escape(row.interaction.model))}">{model}</span></td>'
    ),
    "seed": lambda row: _extra(_figure(row.interaction.seed, lambda: str(row.interaction.seed)), mono=True),
    "fingerprint": lambda row: (
        f'<td class="fingerprint-cell">{fingerprint(row.interaction.fingerprint, row.fingerprint_state)}</td>'
    ),
    "flags": lambda row: f'<td class="flags-cell">{flags_of(row)}</td>',
    "verdict": lambda row: f'<td class="verdict-cell">{_verdict(row)}</td>',
    "status": lambda row: (
        f'<td class="number">{DASH if row.interaction.status is None else row.interaction.status}</td>'
    ),
    "certainty": lambda row: _extra(
        _figure(row.interaction.certainty, lambda: percent(row.interaction.certainty))
    ),
    "cost": lambda row: _extra(_figure(row.interaction.cost, lambda: money(row.interaction.cost))),
    "tags": lambda row: f'<td class="extra-cell">{_tags(row)}</td>',
    "latency": lambda row: _extra(
        _figure(row.interaction.latency_ms, lambda: milliseconds(row.interaction.latency_ms))
    ),
    "tokens": lambda row: _extra(
        _figure(row.interaction.output_tokens, lambda: count(row.interaction.output_tokens))
    ),
}
