"""Power against requests as an SVG of our own: small multiples, one for each regime."""

from __future__ import annotations

import math
from typing import Any
from xml.sax.saxutils import escape

from benchmarks.detection.states import SAME

# The change that is drawn for each regime: the smallest that every column of the table shows.
DRAWN = {"quiet": "ft 1 step", "loaded": "ft 1 step", "fleet": "bf16", "crowd": "q8_0"}
SHOWN = {
    "any differs": "#999999",
    "MET": "#b35806",
    "LT, one prompt": "#e08214",
    "LT, 20 prompts": "#8073ac",
    "ours, numbers": "#1b7837",
    "ours, texts": "#2166ac",
}
WIDTH, HEIGHT, LEFT, TOP, GAP = 220, 170, 46, 46, 34


def draw_power(figures: dict[str, Any]) -> str:
    """One panel for each regime; x is requests (log), y is the share of checks that alarm at 5 %."""
    panels = []
    for place, (regime, told) in enumerate(figures["regimes"].items()):
        change = DRAWN[regime]
        panels.append(_panel(place, f"{regime}: {change}", told["cells"][change]["rates"], solid=True))
        panels.append(_panel(place, "", told["cells"][SAME]["rates"], solid=False))
    count = len(figures["regimes"])
    width = LEFT + count * (WIDTH + GAP)
    height = TOP + HEIGHT + 96
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="system-ui, sans-serif" font-size="11" role="img">'
        "<title>Share of checks that alarm at the 5 % level, against requests a check</title>"
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
        f'<text x="{LEFT}" y="16" font-size="13">'
        "Share of checks that alarm (5 % level) against requests a check. "
        "Dashed: no change, another session.</text>"
        f"{''.join(panels)}{_legend(height)}</svg>\n"
    )


def _x(place: int, budget: float) -> float:
    low, high = math.log(8), math.log(300)
    return LEFT + place * (WIDTH + GAP) + WIDTH * (math.log(budget) - low) / (high - low)


def _y(share: float) -> float:
    return TOP + HEIGHT * (1 - share)


def _panel(place: int, title: str, rates: dict[str, Any], *, solid: bool) -> str:
    parts = []
    if solid:
        left, right = LEFT + place * (WIDTH + GAP), LEFT + place * (WIDTH + GAP) + WIDTH
        parts.append(f'<text x="{left}" y="{TOP - 10}" font-weight="600">{escape(title)}</text>')
        for share in (0.0, 0.05, 0.5, 1.0):
            colour = "#d73027" if share == 0.05 else "#dddddd"
            y = _y(share)
            parts.append(f'<line x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="{colour}"/>')
            if place == 0 and share != 0.0:
                parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{share:g}</text>')
        for budget in next(iter(rates.values())):
            x, y = _x(place, float(budget)), TOP + HEIGHT + 14
            parts.append(f'<text x="{x:.1f}" y="{y}" text-anchor="middle">{budget}</text>')
    for method, colour in SHOWN.items():
        points = [(_x(place, float(budget)), _y(at[0])) for budget, at in rates[method].items()]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        dash = "" if solid else ' stroke-dasharray="3 3" stroke-opacity="0.7"'
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.8"{dash}/>')
        if solid:
            parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.4" fill="{colour}"/>' for x, y in points]
    return "".join(parts)


def _legend(height: int) -> str:
    parts = []
    for place, (method, colour) in enumerate(SHOWN.items()):
        x = LEFT + place * 150
        y = height - 30
        parts.append(f'<line x1="{x}" x2="{x + 22}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="3"/>')
        parts.append(f'<text x="{x + 28}" y="{y + 4}">{escape(method)}</text>')
    return "".join(parts)
