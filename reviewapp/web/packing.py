"""Pages and fragments are sent compressed: a list of fifty rows is a sixth of its size then.

Only whole HTML answers. A stream of events would wait in the compressor for more, a file that somebody takes
has its size told, and an answer of the API is wanted sooner rather than smaller. What an attacker could learn
from the size of a compressed page (BREACH) is covered by Django: tokens against forgery are masked anew each
time, and each answer is lengthened by a random number of bytes.
"""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware


class PageCompressionMiddleware(GZipMiddleware):
    """Django's, for pages alone."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if response.streaming or not response.get("Content-Type", "").startswith("text/html"):
            return response
        return super().process_response(request, response)
