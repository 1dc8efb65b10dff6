"""Seconds against sequence length: every model, untrained and of one size, makes a single picture of T pixels.

How long a network takes hardly depends on what it has learned, so that T is free where weights would fix it. Equal are
T, at pixel tokens for all (VSSMs read patches of one pixel here), and the number of parameters, by the choice of
widths; tables of positions grow with T and are not counted. Otherwise each is the preset it is, in its usual mode,
through the one `Generator`; its clock counts the models' work alone.

Drafts are the exception: how many of them stand, and so how many calls are made, depends on the weights.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import functools
import gc
import json
import math
import os
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from . import benchmark, checkpoint, data, models, plot
from .errors import UserError
from .generation import Finished, GenerationRequest, Generator
from .prompt import Prompt

LENGTHS = 256, 512, 1024, 2048, 4096
LEAST, MOST = 4, 16384
PARAMETERS = 850_000  # of every model: the Transformer's, as its preset for MNIST has it
NEAR = 0.02  # of the parameters asked for: so near is near enough
ENOUGH = 2.0  # seconds of measuring after which a point is not measured again
WIDTHS = "inner", "stem_hidden"  # settings that grow with d_model
SMALL, LARGE = (8, 8), (16, 16)  # two pictures: what differs between networks for them is a table of positions


@dataclass(frozen=True)
class Contender:
    """A preset and the sampler it is timed with: its usual one, and that one's usual number, by default."""

    name: str  # what it is called in the record
    model: str
    mode: str | None = None
    size: int | None = None


def everyone() -> tuple[Contender, ...]:
    return tuple(Contender(name, name) for name in models.PRESETS)


@dataclass(frozen=True)
class ScalingRequest:
    """Time contenders at every length. repeat: the most runs that count at a point. parameters: of every network."""

    data: str = "mnist"
    lengths: tuple[int, ...] = LENGTHS
    contenders: tuple[Contender, ...] = dataclasses.field(default_factory=everyone)
    repeat: int = 5
    parameters: int = PARAMETERS

    def __post_init__(self):
        if not self.lengths or not self.contenders:
            raise UserError("Scaling needs at least one length and one model.")
        for length in self.lengths:
            grid(length)


@dataclass(frozen=True)
class Began:
    """The measuring of a point begins."""

    name: str
    model: str
    title: str
    length: int


@dataclass(frozen=True)
class Working:
    """A network call has been made: time to look whether to go on."""


@dataclass(frozen=True)
class Measured:
    """A point. seconds: the median of so many repeats, after one run that does not count. parameters: without tables
    of positions, which are `positions` more. acceptance: the share of drafts that stood, for a model that drafts."""

    name: str
    model: str
    title: str
    mode: str
    size: int | None
    length: int
    shape: tuple[int, int]
    seconds: float
    repeats: int
    parameters: int
    positions: int
    network_calls: int
    acceptance: float | None = None


Event = Began | Working | Measured


# --- networks of one size -------------------------------------------------------------------------------------------


def grid(length: int) -> tuple[int, int]:
    """Height and width of a picture of so many pixels: both even, as near to a square as can be, not higher than wide.

    Raises UserError where there is none: half of both sides is a grid of latents.
    """
    if not LEAST <= length <= MOST or length % 4:
        raise UserError(f"A length must be a multiple of 4 from {LEAST} to {MOST:,}, not {length}; 256 or 1024 fit.")
    quarter = length // 4
    half = next(n for n in range(math.isqrt(quarter), 0, -1) if quarter % n == 0)
    return 2 * half, 2 * quarter // half


def shaped(dataset: data.DataSet, shape: tuple[int, int]) -> data.DataSet:
    """Pictures like those of a data set, of another height and width."""
    return dataclasses.replace(dataset, height=shape[0], width=shape[1])


@functools.cache
def body(preset: models.Preset, config) -> int:
    """How many parameters a network has without those whose shape depends on the picture's: tables of positions."""

    def shapes(height: int, width: int) -> dict[str, torch.Size]:
        network = _network(preset, dataclasses.replace(config, height=height, width=width))
        return {name: p.shape for name, p in network.named_parameters()}

    small, large = shapes(*SMALL), shapes(*LARGE)
    return sum(shape.numel() for name, shape in small.items() if large.get(name) == shape)


def _network(preset: models.Preset, config) -> torch.nn.Module:
    """Untrained, and the same every time; nobody else's random numbers change."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return preset.network(config).eval().requires_grad_(False)


@functools.cache
def widths(preset: models.Preset, dataset: data.DataSet, parameters: int) -> dict[str, int]:
    """The changes of a preset's config that bring its network nearest to so many parameters, positions not counted.

    First d_model and the widths that go with it, in the preset's proportions; then, if they are not near enough, one
    of these alone. A config without d_model is left as it is.
    """
    usual = preset.config(dataset)
    pixels = {"patch": 1} if hasattr(usual, "patch") else {}
    usual = dataclasses.replace(usual, **pixels)
    if not hasattr(usual, "d_model"):
        return pixels
    step = math.lcm(8, getattr(usual, "heads", 1))
    going = [name for name in WIDTHS if hasattr(usual, name)]

    def whole(width: float) -> int:
        return max(1, round(width / step)) * step

    def wide(d_model: int) -> dict[str, int]:
        return {"d_model": d_model} | {name: whole(getattr(usual, name) * d_model / usual.d_model) for name in going}

    def off(changes: dict[str, int]) -> int:
        return abs(body(preset, dataclasses.replace(usual, **changes)) - parameters)

    found = _nearest(wide, off, whole(usual.d_model), step)
    if going and off(found) > NEAR * parameters:
        near, name = found, going[0]
        found = _nearest(lambda width: near | {name: width}, off, near[name], step)
    return pixels | found


def _nearest(make: Callable[[int], dict], off: Callable[[dict], int], start: int, step: int) -> dict:
    """Go from a width up or down while that brings `off` down."""
    at, best = start, off(make(start))
    for way in (step, -step):
        while at + way >= step and (here := off(make(at + way))) < best:
            at, best = at + way, here
    return make(at)


def generator(
    contender: Contender,
    dataset: data.DataSet,
    length: int,
    parameters: int = PARAMETERS,
    where: torch.device | None = None,
) -> Generator:
    """An untrained network for pictures of so many pixels."""
    preset, shape = models.get(contender.model), grid(length)
    record = shaped(dataset, shape)
    config = dataclasses.replace(preset.config(record), **widths(preset, dataset, parameters))
    return Generator(checkpoint.Checkpoint(preset.name, record, _network(preset, config)), where)


# --- measuring ------------------------------------------------------------------------------------------------------


def measure(
    request: ScalingRequest, where: torch.device | None = None, urgent: Callable[[], bool] = lambda: False
) -> Iterator[Event]:
    """Measure point after point, short pictures first, all models at one length before the next; closing the iterator
    stops. Raises UserError, before the first point, for what cannot be measured.

    urgent: asked after every network call whether the receiver wants an event now; see `Generator.generate`.
    """
    dataset = data.get(request.data)
    titles = {c.name: models.get(c.model).title for c in request.contenders}
    lengths = sorted(set(request.lengths))
    for c in request.contenders:
        generator(c, dataset, lengths[0], request.parameters, where).sampler(c.mode, c.size)
        yield Working()
    for length in lengths:
        for c in request.contenders:
            yield Began(c.name, c.model, titles[c.name], length)
            yield from _point(c, dataset, length, request, where, urgent)


def _point(
    contender: Contender, dataset: data.DataSet, length: int, request: ScalingRequest, where, urgent
) -> Iterator[Event]:
    made = generator(contender, dataset, length, request.parameters, where)
    yield Working()
    first = yield from _run(made, contender, 0, urgent)
    repeats = max(1, min(request.repeat, int(ENOUGH / max(_seconds(first), 1e-9))))
    runs = []
    for seed in range(1, repeats + 1):
        gc.collect(1)  # so that no collection falls into the measured time; a whole one would hold up a window
        runs.append((yield from _run(made, contender, seed, urgent)))
    parameters = body(made.preset, made.network.config)
    yield Measured(
        contender.name,
        contender.model,
        made.preset.title,
        runs[0].mode,
        runs[0].size or None,
        length=length,
        shape=grid(length),
        seconds=statistics.median(map(_seconds, runs)),
        repeats=len(runs),
        parameters=parameters,
        positions=made.checkpoint.parameters - parameters,
        network_calls=statistics.median_low(r.network_calls for r in runs),
        acceptance=benchmark.drafting(runs, 1).get("acceptance"),
    )


def _run(made: Generator, contender: Contender, seed: int, urgent) -> Iterator[Working]:
    """One picture from nothing; returns its Finished."""
    prompt = Prompt.empty(*made.data.shape)
    request = GenerationRequest(prompt, seed=seed, every=math.inf, mode=contender.mode, size=contender.size)
    with contextlib.closing(made.generate(request, urgent)) as events:
        for event in events:
            if isinstance(event, Finished):
                return event
            yield Working()


def _seconds(finished: Finished) -> float:
    return finished.seconds + finished.prompt_seconds


# --- what follows from points ---------------------------------------------------------------------------------------


def exponent(lengths: Sequence[float], seconds: Sequence[float]) -> float | None:
    """a of seconds ∝ T^a: the slope of log seconds against log T by least squares; None below two lengths."""
    if len(set(lengths)) < 2:
        return None
    return float(np.polyfit(np.log(lengths), np.log(seconds), 1)[0])


def exponents(points: Sequence[Measured]) -> dict[str, tuple[float | None, float | None]]:
    """By name, in the order met: the exponent over all lengths, and that between the last two."""
    found = {}
    for name in dict.fromkeys(p.name for p in points):
        own = sorted((p.length, p.seconds) for p in points if p.name == name)
        found[name] = tuple(exponent(*zip(*part, strict=True)) for part in (own, own[-2:]))
    return found


def record(points: Sequence[Measured], request: ScalingRequest, device: str) -> dict:
    """The record of `python -m vssm bench --lengths`, of the points there are; lengths are keys, so they are text."""
    by_name: dict[str, list[Measured]] = {}
    for p in points:
        by_name.setdefault(p.name, []).append(p)
    slopes = exponents(points)
    seconds = {name: {str(p.length): p.seconds for p in own} for name, own in by_name.items()}
    rival = next((seconds[p.name] for p in points if p.model == "transformer"), {})
    lengths = sorted({p.length for p in points})
    return {
        "date": datetime.date.today().isoformat(),
        "machine": benchmark.machine(),
        "load_average": [round(x, 2) for x in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "threads": torch.get_num_threads(),
        "device": device,
        "batch": 1,
        "data": request.data,
        "lengths": lengths,
        "shapes": {str(n): list(grid(n)) for n in lengths},
        "models": {
            name: {
                "title": own[0].title,
                "parameters": own[0].parameters,
                "position_parameters": {str(p.length): p.positions for p in own},
                "seconds": seconds[name],
                "repeats": {str(p.length): p.repeats for p in own},
                "network_calls": {str(p.length): p.network_calls for p in own},
                **_acceptance(own),
                "exponent": slopes[name][0],
                "exponent_last": slopes[name][1],
                "mode": own[0].mode,
                "size": own[0].size,
            }
            for name, own in by_name.items()
        },
        "ratio_to_transformer": {
            str(n): {name: rival[str(n)] / s[str(n)] for name, s in seconds.items() if str(n) in s}
            for n in lengths
            if str(n) in rival
        },
    }


def _acceptance(own: list[Measured]) -> dict:
    found = {str(p.length): p.acceptance for p in own if p.acceptance is not None}
    return {"acceptance": found} if found else {}


def words(title: str, slope: float | None) -> str:
    """For a legend: "Transformer ∝ T^1.3"."""
    return title if slope is None else f"{title} ∝ T^{slope:.2f}"


def table(made: dict) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a record: seconds and, beside a Transformer, how many times faster than it."""
    header = ["model", "parameters", *(f"T = {n:,}" for n in made["lengths"]), "∝ T^", "last two"]

    def cell(name: str, m: dict, length: str) -> str:
        if length not in m["seconds"]:
            return "–"
        ratio = made["ratio_to_transformer"].get(length, {}).get(name)
        return f"{m['seconds'][length]:.4f} s" + ("" if ratio is None else f" ({ratio:.1f} ×)")

    rows = [
        [
            m["title"] + (f", {m['mode']}" if ":" in name else ""),
            f"{m['parameters']:,}",
            *(cell(name, m, str(n)) for n in made["lengths"]),
            *("–" if slope is None else f"{slope:.2f}" for slope in (m["exponent"], m["exponent_last"])),
        ]
        for name, m in made["models"].items()
    ]
    return header, rows


def notes(made: dict) -> str:
    """What a reader of the table must know."""
    first, last = made["lengths"][0], made["lengths"][-1]
    repeats = [n for m in made["models"].values() for n in m["repeats"].values()]
    lines = [
        f"{made['machine']['cpu']}, {made['device']}. Untrained networks, T pixel tokens, one picture at a time from "
        f"nothing: the median of {_span(repeats)} after one that does not count. In brackets, how many times faster "
        "than the Transformer.",
        "Parameters are counted without tables of positions, which grow with T.",
    ]
    if len(made["lengths"]) > 1:
        lines.append(
            f"The exponents are fitted over T = {first:,} to {last:,}. At batch 1 and small T the fixed cost of a "
            "network call hides the rest, so that the slope between the last two lengths tells more of what follows."
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


def picture(made: dict) -> str:
    """The record's curves as SVG, the exponents in the legend."""
    curves = [
        (words(m["title"], m["exponent"]), [(float(n), s) for n, s in m["seconds"].items()])
        for m in made["models"].values()
    ]
    return plot.curves(curves, plot.Axis("T, pixels", log=True), plot.Axis("seconds a picture", log=True))


def write(made: dict, path: Path) -> None:
    """Keep a record as PATH, and its plot as .svg beside it. Raises UserError where that fails."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".svg").write_text(picture(made), encoding="utf-8")
        path.write_text(json.dumps(made, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error}); choose a folder you may write to.") from None
