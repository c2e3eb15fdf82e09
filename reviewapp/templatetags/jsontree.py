"""Any JSON value as a folding tree of native <details>, which works by mouse and keys without a script.

Values come from requests and model output: everything is escaped. Big trees are cut with a note rather than
sent whole, so that a page stays light whatever a provider answered.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from reviewapp.templatetags.faces import readable

register = template.Library()

MOST_ITEMS = 200
MOST_CHARACTERS = 4_000
DEEPEST = 40


@register.simple_tag
def json_tree(value: Any, open_levels: int = 2, name: str | None = None) -> SafeString:
    """The tree, its first levels open; with `name`, as a member of that name."""
    return format_html('<div class="json" dir="ltr">{}</div>', _node(name, value, open_levels, 0))


def _node(name: str | None, value: Any, open_levels: int, depth: int) -> SafeString:
    key = (
        format_html('<span class="syntax-key">{}</span>: ', readable(name))
        if name is not None
        else mark_safe("")
    )
    if isinstance(value, (dict, list)) and value and depth < DEEPEST:
        items: Iterable[tuple[str | None, Any]]
        if isinstance(value, dict):
            items = ((str(member), inner) for member, inner in list(value.items())[:MOST_ITEMS])
            size = ngettext("%(n)d member", "%(n)d members", len(value)) % {"n": len(value)}
            brackets = "{}"
        else:
            items = ((str(index), inner) for index, inner in enumerate(value[:MOST_ITEMS]))
            size = ngettext("%(n)d item", "%(n)d items", len(value)) % {"n": len(value)}
            brackets = "[]"
        rest = len(value) - MOST_ITEMS
        return format_html(
            '<details{}><summary>{}{}<span class="json-note"> {}</span></summary><div>{}{}</div></details>',
            mark_safe(" open") if depth < open_levels else "",
            key,
            brackets,
            size,
            format_html_join(
                "", "{}", ((_node(member, inner, open_levels, depth + 1),) for member, inner in items)
            ),
            format_html('<p class="json-note">{}</p>', _("and %(n)d more") % {"n": rest}) if rest > 0 else "",
        )
    return format_html('<div class="json-leaf">{}{}</div>', key, _leaf(value))


def _leaf(value: Any) -> SafeString:
    if isinstance(value, str):
        cut = len(value) - MOST_CHARACTERS
        return format_html(
            '<span class="syntax-string" dir="auto">"{}"</span>{}',
            readable(value[:MOST_CHARACTERS]),
            format_html('<span class="json-note"> {}</span>', _("and %(n)d more characters") % {"n": cut})
            if cut > 0
            else "",
        )
    if value is None or isinstance(value, bool):
        return format_html('<span class="syntax-word">{}</span>', json.dumps(value))
    if isinstance(value, (int, float)):
        return format_html('<span class="syntax-number">{}</span>', _number(value))
    # An empty one, or one that lies too deep to be drawn.
    words = "…" if value else "{}" if isinstance(value, dict) else "[]"
    return format_html('<span class="json-note">{}</span>', words)


def _number(value: float) -> str:
    try:
        return json.dumps(value)
    except ValueError:  # Python refuses to write integers of thousands of digits
        return _("a number of more than 4,300 digits")


@register.filter
def json_line(value: Any) -> str:
    """A value in a line of a table: texts as they are, the rest as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
