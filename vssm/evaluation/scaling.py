"""Seconds against sequence length: every model, untrained and of one size, makes a single picture of T pixels.

How long a network takes hardly depends on what it has learned, so that T is free where weights would fix it. Equal are
T, at pixel tokens for all (VSSMs read patches of one pixel here), and the number of parameters, by the choice of
widths; tables of positions and a global code's maps of the whole picture grow with T and are not counted. Otherwise
each is the preset it is, in its usual mode, through the one `Generator`; its clock counts the models' work alone.

Drafts are the exception: how many of them stand, and so how many calls are made, depends on the weights.

This module has requests, events and what follows from them, without torch; `scaling_runner` does the work.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vssm.errors import UserError
from vssm.files import atomic, strict_json
from vssm.models import registry
from vssm.reports import svg_plot

LENGTHS = 256, 512, 1024, 2048, 4096
LEAST, MOST = 4, 16384
FITTED = 3  # lengths, at least, that an exponent is fitted to: through two every law passes
EXPONENTS = np.arange(0, 3, 0.01)  # among which that beside a fixed cost is sought
PARAMETERS = 850_000  # of every model: the Transformer's, as its preset for MNIST has it


@dataclass(frozen=True)
class Contender:
    """A preset and the sampler that it is timed with; None stands for what is usual."""

    name: str  # what it is called in the record
    model: str
    sampler: str | None = None
    parameter: int | None = None


def everyone() -> tuple[Contender, ...]:
    """Return all presets with their usual samplers."""
    return tuple(Contender(name, name) for name in registry.PRESETS)


@dataclass(frozen=True)
class ScalingRequest:
    """A request to time untrained networks.

    Args:
        data: The name of a data set, whose kind of pictures is made.
        lengths: The numbers of pixels, T.
        contenders: The models.
        repeat: How many runs count at each point, at most.
        parameters: How many parameters every network has, about.

    Raises:
        UserError: There is nothing to time, or a length is impossible.
    """

    data: str = "mnist"
    lengths: tuple[int, ...] = LENGTHS
    contenders: tuple[Contender, ...] = dataclasses.field(default_factory=everyone)
    repeat: int = 5
    parameters: int = PARAMETERS

    def __post_init__(self) -> None:
        if not self.lengths or not self.contenders:
            raise UserError("Scaling needs at least one length and one model.")
        for length in self.lengths:
            grid(length)


@dataclass(frozen=True)
class Began:
    """The measurement of a point begins."""

    name: str
    model: str
    title: str
    length: int


@dataclass(frozen=True)
class Working:
    """A network call has been made, so that the receiver can stop the measurement."""


@dataclass(frozen=True)
class Measured:
    """A point.

    Args:
        name: Of the contender.
        model: The name of its preset.
        title: What people call it.
        sampler: The name of its sampler.
        parameter: The sampler's whole number, or None.
        length: T, in pixels.
        shape: Height and width of the picture.
        seconds: For one picture, the median over repeats.
        repeats: How many runs counted, after one that did not.
        parameters: Of the network, without those that grow with T.
        positions: How many parameters grow with T.
        network_calls: For one picture.
        acceptance: The share of accepted drafts, for a model that drafts.
        device: In words.
        threads: How many CPU threads torch used.
        memory: Bytes that the network and one run took at their peak; None if unknown.
    """

    name: str
    model: str
    title: str
    sampler: str
    parameter: int | None
    length: int
    shape: tuple[int, int]
    seconds: float
    repeats: int
    parameters: int
    positions: int
    network_calls: int
    acceptance: float | None = None
    device: str = ""
    threads: int = 0
    memory: int | None = None


Event = Began | Working | Measured


def grid(length: int) -> tuple[int, int]:
    """Find height and width of a picture of so many pixels: both even, nearly a square, and not higher than wide.

    Raises UserError where there is none: half of both sides is a grid of latents.
    """
    if not LEAST <= length <= MOST or length % 4:
        raise UserError(f"A length must be a multiple of 4 from {LEAST} to {MOST:,}, not {length}; 256 or 1024 fit.")
    quarter = length // 4
    half = next(n for n in range(math.isqrt(quarter), 0, -1) if quarter % n == 0)
    return 2 * half, 2 * quarter // half


# --- what follows from points ---------------------------------------------------------------------------------------


def exponent(lengths: Sequence[float], seconds: Sequence[float]) -> float | None:
    """Fit a in seconds ∝ T^a: the slope of log seconds against log T by least squares; None below three lengths."""
    if len(set(lengths)) < FITTED:
        return None
    return float(np.polyfit(np.log(lengths), np.log(seconds), 1)[0])


def fixed_cost(lengths: Sequence[float], seconds: Sequence[float]) -> tuple[float, float] | None:
    """Fit f and a in seconds = f + c · T^a, f and c at least 0, by least relative errors; None below four lengths."""
    if len(set(lengths)) <= FITTED:
        return None
    sizes, times = np.asarray(lengths) / max(lengths), np.asarray(seconds)
    fits = []
    for a in EXPONENTS:
        terms = np.stack([1 / times, sizes**a / times], 1)
        fixed, growing = np.linalg.lstsq(terms, np.ones(len(times)), rcond=None)[0]
        if fixed < 0 or growing < 0:
            fixed, growing = 0.0, terms[:, 1].sum() / (terms[:, 1] ** 2).sum()
        fits.append((float(((terms @ [fixed, growing] - 1) ** 2).sum()), float(fixed), float(a)))
    _, fixed, a = min(fits)
    return fixed, a


def exponents(points: Sequence[Measured]) -> dict[str, tuple[float | None, float | None]]:
    """Fit, for each name, the exponent over all lengths, and that over the last three."""
    found: dict[str, tuple[float | None, float | None]] = {}
    for name in dict.fromkeys(p.name for p in points):
        own = sorted((p.length, p.seconds) for p in points if p.name == name)
        every, last = (exponent(*zip(*part, strict=True)) for part in (own, own[-FITTED:]))
        found[name] = every, last
    return found


def span(lengths: Sequence[int]) -> str:
    """Say which lengths were measured: "256 to 4,096"."""
    return " to ".join(f"{n:,}" for n in dict.fromkeys((min(lengths), max(lengths))))


def _own_fits(model: dict[str, Any]) -> tuple[list[int], tuple[float | None, float | None]]:
    """Return the lengths at which a model of a record was measured, and its exponents over all and the last three."""
    seconds = {int(n): s for n, s in model["seconds"].items()}
    lengths = sorted(seconds)
    parts = lengths, lengths[-FITTED:]
    every, last = (exponent(part, [seconds[n] for n in part]) for part in parts)
    return lengths, (every, last)


def words(title: str, slope: float | None, lengths: str = "") -> str:
    """Write a line of a legend, "Transformer ∝ T^1.30", with the model's lengths if the others have different ones."""
    return title if slope is None else f"{title} ∝ T^{slope:.2f}" + (f", T = {lengths}" if lengths else "")


def table(made: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of a record: seconds, memory and, if there is a Transformer, how many times faster than
    it."""
    header = ["model", "parameters", *(f"T = {n:,}" for n in made["lengths"]), "∝ T^", "last three"]
    apart = any(m.get("fixed_cost") for m in made["models"].values())
    header += ["fixed cost", "∝ T^ without it"] if apart else []

    def cell(name: str, m: dict[str, Any], length: str) -> str:
        if length not in m["seconds"]:
            return "–"
        ratio = made["ratio_to_transformer"].get(length, {}).get(name)
        memory = m.get("memory", {}).get(length)
        beside = "" if memory is None else f", {memory / 1e6:,.0f} MB"
        return f"{m['seconds'][length]:.4f} s{beside}" + ("" if ratio is None else f" ({ratio:.1f} ×)")

    def fixed(m: dict[str, Any]) -> list[str]:
        found = m.get("fixed_cost")
        return [f"{found['seconds']:.4f} s", f"{found['exponent']:.2f}"] if found else ["–", "–"] if apart else []

    rows = [
        [
            m["title"] + (f", {m['mode']}" if ":" in name else ""),
            f"{m['parameters']:,}",
            *(cell(name, m, str(n)) for n in made["lengths"]),
            *("–" if slope is None else f"{slope:.2f}" for slope in _own_fits(m)[1]),
            *fixed(m),
        ]
        for name, m in made["models"].items()
    ]
    return header, rows


def notes(made: dict[str, Any]) -> str:
    """Write what a reader of the table must know."""
    repeats = [n for m in made["models"].values() for n in m["repeats"].values()]
    lines = [
        f"{made['machine']['cpu']}, {made['device']}. Untrained networks, T pixel tokens, one picture at a time from "
        f"nothing: the median of {_span(repeats)} after one that does not count. In brackets, how many times faster "
        "than the Transformer.",
        "Parameters are counted without those that grow with T: tables of positions, and a global code's maps of the "
        "whole picture.",
    ]
    fitted: dict[str, list[str]] = {}  # by the lengths
    for m in made["models"].values():
        own, (slope, _) = _own_fits(m)
        if slope is not None:
            fitted.setdefault(span(own), []).append(m["title"])
    if fitted:
        spans = "; ".join(f"T = {n}" + (f" ({', '.join(who)})" if len(fitted) > 1 else "") for n, who in fitted.items())
        lines.append(
            f"The exponents are fitted over {spans}. At batch 1 and small T the fixed cost of a network call hides the "
            "rest, so that the slope over the last three lengths tells more of what follows."
        )
    if any(m.get("fixed_cost") for m in made["models"].values()):
        lines.append("Without the fixed cost: the exponent a of seconds = fixed cost + c · T^a, fitted to all lengths.")
    if any("memory" in m for m in made["models"].values()):
        lines.append(
            "Memory: by how much the process grew, at most, for a network and a picture (on a GPU, its tensors)."
        )
    for m in made["models"].values():
        if "acceptance" in m:
            shares = [f"{share:.0%}" for share in m["acceptance"].values()]
            lines.append(
                f"{m['title']} kept {' to '.join(dict.fromkeys((shares[0], shares[-1])))} of its drafts; trained "
                "weights keep another share, and then make more calls or fewer."
            )
    return "\n".join(lines)


def _span(numbers: list[int]) -> str:
    least, most = min(numbers), max(numbers)
    return f"{most} run{'s' * (most > 1)}" if least == most else f"{least} to {most} runs"


def picture(made: dict[str, Any]) -> str:
    """Draw the curves of a record as SVG, with the exponents in the legend."""
    whole, curves = span(made["lengths"]), []
    for m in made["models"].values():
        own, (slope, _) = _own_fits(m)
        name = words(m["title"], slope, "" if span(own) == whole else span(own))
        curves.append((name, [(float(n), s) for n, s in m["seconds"].items()]))
    return svg_plot.curves(curves, svg_plot.Axis("T, pixels", log=True), svg_plot.Axis("seconds a picture", log=True))


def write(made: dict[str, Any], path: Path) -> None:
    """Write a record to PATH, and its plot as .svg beside it; raises UserError if that fails."""
    atomic.require_suffix(path, (".json",))
    atomic.write_text(path.with_suffix(".svg"), picture(made))
    atomic.write_text(path, strict_json.text(made)[0] + "\n")
