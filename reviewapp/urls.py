"""Every address of the app. Pages by noun, id, verb; the API under /api/v1; `/v1/` is the gateway's."""

from __future__ import annotations

from django.urls import include, path

from reviewapp.web import accounts
from reviewapp.web.api import api_urls

urlpatterns = [
    path("api/v1/", api_urls()),
    path("accounts/link/<str:token>/", accounts.sign_in_link, name="sign-in-link"),
    path("accounts/no-project/", accounts.no_project, name="no-project"),
    path("accounts/", include("allauth.urls")),
]
