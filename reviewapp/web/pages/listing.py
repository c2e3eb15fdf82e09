"""What the interactions list shows and in which order: from the address, or from a saved view.

`view=ID` alone is the view as it is kept now. Who changes a filter from there goes on with the whole
of it in the address and `of=ID`, so that the screen still knows which view it began with; and
`view=none` is the list without any, where a default would come otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import Http404, HttpRequest, QueryDict
from django.urls import reverse
from django.utils.translation import gettext_lazy

from reviewapp.models import SavedView
from reviewapp.models.filters import FILTER_NAMES, InvalidFilter, read_filter
from reviewapp.models.saved_view import Defaults, defaults_of
from reviewapp.web.frame import AppRequest, find_or_404

# What lists can show beside time and text, in this order; the first ones are shown unless one chooses.
COLUMNS: dict[str, Any] = {
    "source": gettext_lazy("Source"),
    "model": gettext_lazy("Model"),
    "seed": gettext_lazy("Seed"),
    "fingerprint": gettext_lazy("Fingerprint"),
    "flags": gettext_lazy("Flags"),
    "verdict": gettext_lazy("Last replay"),
    "latency": gettext_lazy("Latency"),
    "tokens": gettext_lazy("Tokens"),
    "provider": gettext_lazy("Provider"),
    "status": gettext_lazy("Status"),
    "certainty": gettext_lazy("Certainty"),
    "cost": gettext_lazy("Cost"),
    "tags": gettext_lazy("Tags"),
}
SHOWN = ("source", "model", "seed", "fingerprint", "flags", "verdict", "latency", "tokens")
NO_VIEW = "none"
_OLDEST = "oldest"


@dataclass(frozen=True, slots=True)
class Listing:
    """The list that is asked for. `values` are filters as they were written, right or wrong."""

    values: dict[str, str] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    oldest_first: bool = False
    limit: str = ""
    view: SavedView | None = None
    # Whether the view is shown as it is kept, by its own address.
    is_view: bool = False
    defaults: Defaults = field(default_factory=Defaults)

    @property
    def kept(self) -> list[tuple[str, str]]:
        """What is no filter and stays when filters change."""
        found = [("column", name) for name in self.columns]
        if self.oldest_first:
            found.append(("order", _OLDEST))
        if self.limit:
            found.append(("limit", self.limit))
        if self.view is not None:
            found.append(("of", str(self.view.pk)))
        return found

    @property
    def query(self) -> str:
        """All that a view keeps, as an address has it."""
        kept = [pair for pair in self.kept if pair[0] in {"column", "order"}]
        return urlencode([*self.values.items(), *kept])

    @property
    def clear_url(self) -> str:
        """The list without filters."""
        return reverse("interactions") + (f"?view={NO_VIEW}" if self.defaults.view or self.view else "")

    @property
    def turned_url(self) -> str:
        """The same from the other end."""
        kept = [pair for pair in self.kept if pair[0] != "order"]
        order = [] if self.oldest_first else [("order", _OLDEST)]
        return f"{reverse('interactions')}?{urlencode([*self.values.items(), *kept, *order])}"

    def address(self, values: Mapping[str, str]) -> str:
        """The list's address with these values; what is no filter stays."""
        query = urlencode([*values.items(), *self.kept])
        if not query and self.defaults.view:
            query = f"view={NO_VIEW}"
        return reverse("interactions") + (f"?{query}" if query else "")

    @property
    def is_changed(self) -> bool:
        """Whether it is no longer what its view keeps."""
        if self.view is None or self.is_view:
            return False
        try:
            now = read_filter(self.values).values()
        except InvalidFilter:
            now = self.values
        columns = list(self.columns) or self.view.columns
        kept = (self.view.filter, self.view.columns, self.view.oldest_first)
        return kept != (now, columns, self.oldest_first)


def listing_of(request: AppRequest) -> Listing:
    """What this address asks for. Raises Http404 for a view that is not there for this person."""
    data = request.GET
    wanted = data.get("view", "")
    defaults = defaults_of(request.actor)
    if wanted and wanted != NO_VIEW:
        return _of_view(view_of(request, wanted), data, defaults)
    if defaults.view is not None and not set(data) - {"project"}:
        return _of_view(defaults.view, data, defaults)
    found = read_listing(data)
    begun = _begun_with(request, data.get("of", ""))
    return Listing(
        values=found.values,
        columns=found.columns,
        oldest_first=found.oldest_first,
        limit=found.limit,
        view=begun,
        defaults=defaults,
    )


def read_listing(data: QueryDict) -> Listing:
    """What an address says by itself."""
    return Listing(
        values=filter_values(data),
        columns=tuple(name for name in data.getlist("column") if name in COLUMNS),
        oldest_first=data.get("order") == _OLDEST,
        limit=data.get("limit", ""),
    )


def view_of(request: AppRequest, text: str) -> SavedView:
    """The view, in whichever of the person's projects it is. Raises Http404."""
    try:
        wanted = UUID(text)
    except ValueError:
        raise Http404 from None
    views = SavedView.objects.kept().seen_by(request.user)
    found: SavedView = find_or_404(request, views, id=wanted)
    return found


def _begun_with(request: AppRequest, text: str) -> SavedView | None:
    """The view that the list was before it was changed; one that is gone is forgotten."""
    try:
        return view_of(request, text) if text else None
    except Http404:
        return None


def _of_view(view: SavedView, data: QueryDict, defaults: Defaults) -> Listing:
    return Listing(
        values={name: value for name, value in view.filter.items() if name in FILTER_NAMES},
        columns=tuple(name for name in view.columns if name in COLUMNS),
        oldest_first=view.oldest_first,
        limit=data.get("limit", ""),
        view=view,
        is_view=True,
        defaults=defaults,
    )


def filter_values(data: QueryDict) -> dict[str, str]:
    """The filter's fields of an address."""
    return {name: value for name in FILTER_NAMES if isinstance(value := data.get(name), str) and value}


def shown_columns(request: HttpRequest, listing: Listing) -> list[str]:
    """The columns of the view or the address, else those chosen last, else the usual ones."""
    chosen = list(listing.columns)
    if chosen and listing.view is None and chosen != request.session.get("columns"):
        request.session["columns"] = chosen
    kept = [name for name in request.session.get("columns", ()) if name in COLUMNS]
    return chosen or kept or list(SHOWN)
