"""One kind of plot, written by hand as SVG: points in a plane, with their names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any, NamedTuple

WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 76, 24, 24, 56
STYLE = "font-family: sans-serif; font-size: 13px; fill: #333"
COLOUR = "#0b6fa4"
COLOURS = "#0069b0", "#b34a00", "#1b7a3d", "#8a2f6b", "#2b2f36"  # of curves; safe for the colour-blind
MARKS = (  # of curves, around (0, 0): circle, square, triangle, diamond, hourglass
    "M5 0A5 5 0 1 1 -5 0A5 5 0 1 1 5 0Z",
    "M-4.5 -4.5H4.5V4.5H-4.5Z",
    "M0 -6L5.5 4.5H-5.5Z",
    "M0 -6L6 0L0 6L-6 0Z",
    "M-5 -5H5L-5 5H5Z",
)
HALO = 'stroke="#fff" stroke-width="4" aria-hidden="true"'  # under a name: legible where it crosses a line


class Axis(NamedTuple):
    """An axis of a plot; percent: whether values are shares; log: whether it is logarithmic."""

    title: str
    percent: bool = False
    log: bool = False

    def place(self, value: float) -> float:
        """Return the place of a value on a linear scale."""
        return math.log10(value) if self.log else value

    def word(self, value: float) -> str:
        """Write a value for people."""
        return f"{100 * value:g} %" if self.percent else f"{value:g}"


def scatter(points: Sequence[tuple[float, float, str]], x: Axis, y: Axis, joined: bool = False) -> str:
    """Draw points (x, y, name) as SVG, and a line through them if `joined`.

    Raises:
        ValueError: There are no points, or a value is not finite, or not above 0 on a logarithmic axis.
    """
    lines, places = _frame(points, x, y)
    if joined:
        lines.append(_line(places, COLOUR, 0.5))
    for (across, up), (_, _, name) in zip(places, points, strict=True):
        side, anchor = (-9, "end") if across > WIDTH / 2 else (9, "start")
        lines.append(f'<circle cx="{across:.1f}" cy="{up:.1f}" r="5" fill="{COLOUR}"/>')
        place = f'x="{across + side:.1f}" y="{up - 8:.1f}" text-anchor="{anchor}"'
        lines += _text(place, name)
    return "\n".join([*lines, "</g></svg>", ""])


def curves(named: Sequence[tuple[str, Sequence[tuple[float, float]]]], x: Axis, y: Axis) -> str:
    """Draw curves (name, points) as SVG, with different colours and marks, and a legend at the upper left.

    Raises:
        ValueError: As `scatter` does.
    """
    lines, places = _frame([point for _, points in named for point in points], x, y)
    left = iter(places)
    for i, (name, points) in enumerate(named):
        own = [next(left) for _ in points]
        colour, mark = COLOURS[i % len(COLOURS)], MARKS[i % len(MARKS)]
        row = TOP + 16 + 20 * i
        lines.append(_line(own, colour, 1.0))
        for across, up in [*own, (LEFT + 16, row)]:
            lines.append(f'<path transform="translate({across:.1f} {up:.1f})" d="{mark}" fill="{colour}"/>')
        lines += _text(f'x="{LEFT + 30}" y="{row + 4}"', name)
    return "\n".join([*lines, "</g></svg>", ""])


def _frame(points: Sequence[Sequence[Any]], x: Axis, y: Axis) -> tuple[list[str], list[tuple[float, float]]]:
    """Begin an SVG with axes for all points; returns its lines and the places of the points."""
    if not points:
        raise ValueError("there is nothing to plot")
    xs, ys = ([axis.place(p[i]) for p in points] for i, axis in enumerate((x, y)))
    if not all(map(math.isfinite, xs + ys)):
        raise ValueError("a value to plot is not finite")
    x_low, x_high = _span(xs)
    y_low, y_high = _span(ys)

    def across(value: float) -> float:
        return LEFT + (value - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT)

    def up(value: float) -> float:
        return HEIGHT - BOTTOM - (value - y_low) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM)

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">',
        f"<title>{escape(y.title)} against {escape(x.title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/><g style="{STYLE}">',
    ]
    for value in ticks(x_low, x_high, x.log):
        at = across(x.place(value))
        lines.append(f'<path d="M{at:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#ddd"/>')
        lines.append(f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{x.word(value)}</text>')
    for value in ticks(y_low, y_high, y.log):
        at = up(y.place(value))
        lines.append(f'<path d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        lines.append(f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{y.word(value)}</text>')
    middle = (TOP + HEIGHT - BOTTOM) / 2
    lines.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 12}" text-anchor="middle">{escape(x.title)}</text>'
    )
    lines.append(f'<text transform="translate(18 {middle}) rotate(-90)" text-anchor="middle">{escape(y.title)}</text>')
    return lines, [(across(a), up(b)) for a, b in zip(xs, ys, strict=True)]


def _line(places: Sequence[tuple[float, float]], colour: str, strength: float) -> str:
    path = "L".join(f"{across:.1f} {up:.1f}" for across, up in places)
    return f'<path d="M{path}" fill="none" stroke="{colour}" stroke-opacity="{strength:g}" stroke-width="2"/>'


def _text(place: str, name: str) -> list[str]:
    return [f"<text {place} {HALO}>{escape(name)}</text>", f"<text {place}>{escape(name)}</text>"]


def ticks(low: float, high: float, log: bool = False) -> list[float]:
    """Round values between two places on an axis: multiples of 1, 2 or 5 times a power of ten; on a logarithmic axis,
    whose places are decimal logarithms, 1, 2 and 5 times the powers of ten."""
    if log:
        powers = range(math.floor(low) - 1, math.ceil(high) + 1)
        return [m * 10.0**p for p in powers for m in (1, 2, 5) if low <= math.log10(m * 10.0**p) <= high]
    step = 10 ** math.floor(math.log10((high - low) / 4))
    step *= next(m for m in (1, 2, 5, 10) if (high - low) / (step * m) <= 6)
    return [round(i * step, 12) for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _span(places: Sequence[float]) -> tuple[float, float]:
    """The ends of an axis: a little beyond the values on both sides."""
    low, high = min(places), max(places)
    room = 0.12 * (high - low) or 0.1 * abs(high) or 1.0
    return low - room, high + room
