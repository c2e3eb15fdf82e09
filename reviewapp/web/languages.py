"""Which language a request is answered in."""

from __future__ import annotations

from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest
from django.middleware.locale import LocaleMiddleware
from django.utils import translation

# Addresses that programs ask: what they are told is logged, searched and compared.
MACHINES: Final = ("/api/", "/v1/", "/otlp/", "/metrics", "/health")


class PageLanguageMiddleware(LocaleMiddleware):
    """Pages are in the reader's language; programs get English, whatever their library says it accepts."""

    def process_request(self, request: HttpRequest) -> None:
        if not request.path_info.startswith(MACHINES):
            super().process_request(request)
            return
        translation.activate(settings.LANGUAGE_CODE)
        request.LANGUAGE_CODE = settings.LANGUAGE_CODE

    def process_response(self, request: HttpRequest, response: Any) -> Any:
        if not request.path_info.startswith(MACHINES):
            return super().process_response(request, response)
        response.headers.setdefault("Content-Language", settings.LANGUAGE_CODE)
        return response
