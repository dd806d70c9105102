"""Two kinds of charts as plain SVG: bars beside each other, and lines over a logarithmic axis. No scripts, no fonts of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from html import escape

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 760, 70, 150, 44, 46
COLOURS = ("#1b6ca8", "#c8553d", "#588b8b", "#8f6aa8", "#b58900")
GREY = "#8a8f98"
# Light or dark, as the reader has it.
STYLE = (
    "<style>text{font:13px system-ui,sans-serif;fill:#24292f}.t{font-weight:600;font-size:15px}.g{stroke:#d0d7de}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.g{stroke:#3d444d}}</style>"
)


def document(height: float, title: str, parts: list[str]) -> str:
    """The whole file."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(title)}">'
    return "\n".join([head, STYLE, text(10, 24, title, "t"), *parts, "</svg>"]) + "\n"


def text(x: float, y: float, said: str, kind: str = "", anchor: str = "start") -> str:
    """A line of text."""
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(said)}</text>'


def bars(title: str, rows: list[tuple[str, float, bool]], unit: str) -> str:
    """A bar for each name; ours in colour."""
    step, left = 24, 290
    most = max(value for _, value, _ in rows)
    parts = []
    for number, (name, value, ours) in enumerate(rows):
        y = TOP + number * step
        width = (WIDTH - left - 110) * value / most
        parts += [
            text(left - 8, y + 14, name, anchor="end"),
            f'<rect x="{left}" y="{y}" width="{width:.1f}" height="{step - 6}" fill="{COLOURS[0] if ours else GREY}"/>',
            text(left + width + 6, y + 14, f"{value:,.1f} {unit}"),
        ]
    return document(TOP + len(rows) * step + 12, title, parts)


@dataclass
class Line:
    """Points of one colour."""

    name: str
    points: list[tuple[float, float]] = field(default_factory=list)


def lines(title: str, over: str, unit: str, drawn: list[Line], limit: float | None = None, height: int = 360) -> str:
    """Values from 0, over a logarithmic axis; a dashed line where the bar is."""
    xs = sorted({x for line in drawn for x, _ in line.points})
    most = max([y for line in drawn for _, y in line.points] + ([limit] if limit else [])) * 1.08
    low, high = math.log(min(xs)), math.log(max(xs))
    right, bottom = WIDTH - RIGHT, height - BOTTOM

    def across(x: float) -> float:
        return LEFT + (right - LEFT) * ((math.log(x) - low) / ((high - low) or 1))

    def up(y: float) -> float:
        return bottom - (bottom - TOP) * y / most

    step = nice(most / 5)
    parts = []
    for number in range(int(most / step) + 1):
        y = up(number * step)
        parts += [f'<path class="g" d="M{LEFT} {y:.1f}H{right}"/>', text(LEFT - 8, y + 4, f"{number * step:,.10g}", anchor="end")]
    parts += [text(across(x), bottom + 18, f"{x:,.0f}", anchor="middle") for x in xs]
    parts += [text((LEFT + right) / 2, height - 8, over, anchor="middle"), text(10, TOP - 4, unit)]
    if limit:
        parts.append(f'<path d="M{LEFT} {up(limit):.1f}H{right}" stroke="{COLOURS[1]}" stroke-dasharray="5 4"/>')
        parts.append(text(right + 8, up(limit) + 4, "bar"))
    for number, line in enumerate(drawn):
        colour = COLOURS[number % len(COLOURS)]
        path = "L".join(f"{across(x):.1f} {up(y):.1f}" for x, y in line.points)
        parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{across(x):.1f}" cy="{up(y):.1f}" r="3" fill="{colour}"/>' for x, y in line.points]
        y = TOP + 18 * number
        parts += [f'<rect x="{right + 8}" y="{y - 10}" width="10" height="10" fill="{colour}"/>', text(right + 24, y, line.name)]
    return document(height, title, parts)


def nice(step: float) -> float:
    """1, 2 or 5 of some power of ten."""
    power = 10 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step)
