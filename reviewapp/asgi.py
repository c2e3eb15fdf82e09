"""The one ASGI application: calls, recordings and health checks have their own ways in, the rest is Django's.

Django's handler costs more than the gateway may add to a call or a recording, so the split comes before it.
"""

from __future__ import annotations

import gc
import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewapp.settings")
os.environ.setdefault("REVIEWAPP_ROLE", "web")

import django

django.setup(set_prefix=False)

from django.conf import settings

from reviewapp.web import annotating, health, otlp, receiving, scraping
from reviewapp.web.gateway import RECORDED, gateway, process
from reviewapp.web.handing import Pages

pages = Pages()
# What is loaded now lives as long as the process. A collector that looks through it holds up every call
# under way for tens of milliseconds, and finds nothing.
gc.collect()
gc.freeze()


async def product(scope, receive, send):  # type: ignore[no-untyped-def]  # the ASGI protocol
    if scope["type"] == "http" and scope["path"].startswith("/v1/"):
        # Past the router too, for what most calls ask.
        call = RECORDED.get(scope["path"]) if scope["method"] == "POST" else None
        await (call or gateway)(scope, receive, send)
    elif scope["type"] == "http" and scope["path"] in health.PATHS:
        await health.application(scope, receive, send)
    elif scope["type"] == "http" and scope["path"] == scraping.ADDRESS:
        await scraping.application(scope, receive, send)
    elif scope["type"] == "http" and scope["path"] == receiving.PATH and scope["method"] == "POST":
        await receiving.receiving(scope, receive, send)
    elif (
        scope["type"] == "http" and scope["method"] == "POST" and annotating.ADDRESS.fullmatch(scope["path"])
    ):
        await annotating.annotating(scope, receive, send, ordinary=pages)
    elif scope["type"] == "http" and scope["path"].startswith(otlp.PREFIX):
        await otlp.receiving(scope, receive, send)
    else:
        if scope["type"] == "http" and scope["path"].startswith("/api/"):
            # Its thread shares the counts of limits with other web processes.
            process.shared()
        await pages(scope, receive, send)


# What is off costs nothing: it does not stand in the way at all.
application = product
if settings.METRICS:
    application = scraping.Counting(application)
if settings.TRACES_URL:
    from reviewapp import tracing

    application = tracing.traced(application, service="reviewapp-web")
