"""What is invisible and could deceive is seen on every page, whoever wrote it and wherever it stands.

A name or a recorded text may turn around the letters that follow it, hide some, or carry words that only a
model reads. Conversations show them as codes themselves (`rendering.visible`); names of sources, tags,
fingerprints, errors stand in a thousand places of templates, of which one would be forgotten. So a page's
text is looked through once as a whole, and rewritten only where it has such a character at all. What stands
in a field or in an attribute stays as it is: it is sent back, or read by a script.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from reviewapp.web.rendering import deceives, visible

# Tags, whose quoted attributes may hold `>`, and elements whose content is no text of the page.
_NO_TEXT: Final = re.compile(
    r"""<(textarea|script)\b.*?</\1>|<!--.*?-->|<(?:"[^"]*"|'[^']*'|[^'">])*>|<[^>]*>""", re.DOTALL
)


class RevealingMiddleware:
    """Shows deceiving characters of pages and fragments as their codes."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        answer = self.get_response(request)
        if isinstance(answer, HttpResponse) and answer.get("Content-Type", "").startswith("text/html"):
            page = answer.content.decode(answer.charset)
            if deceives(page):
                answer.content = revealed(page).encode(answer.charset)
                if answer.has_header("Content-Length"):
                    # Told further in, before the codes made it longer.
                    answer["Content-Length"] = str(len(answer.content))
        return answer


def revealed(page: str) -> str:
    """The page with its text, and nothing else of it, made visible."""
    pieces = []
    end = 0
    for kept in _NO_TEXT.finditer(page):
        pieces += [visible(page[end : kept.start()]), kept[0]]
        end = kept.end()
    return "".join([*pieces, visible(page[end:])])
