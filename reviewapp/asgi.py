"""The one ASGI application: `/v1/` goes to the gateway, health checks to their own, the rest to Django.

Django's handler costs more than the gateway may add to a call, so the split comes before it.
"""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewapp.settings")
os.environ.setdefault("REVIEWAPP_ROLE", "web")

from django.core.asgi import get_asgi_application

pages = get_asgi_application()

from reviewapp.web import health
from reviewapp.web.gateway import gateway


async def application(scope, receive, send):  # type: ignore[no-untyped-def]  # the ASGI protocol
    if scope["type"] == "http" and scope["path"].startswith("/v1/"):
        await gateway(scope, receive, send)
    elif scope["type"] == "http" and scope["path"] in health.PATHS:
        await health.application(scope, receive, send)
    else:
        await pages(scope, receive, send)
