"""Measures seconds against sequence length, with untrained networks of one size; see `scaling`."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import functools
import gc
import math
import os
import statistics
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Generator as Events
from typing import Any

import torch

from vssm import checkpoint, data, device
from vssm.evaluation import benchmark
from vssm.evaluation.memory import PeakMemory
from vssm.evaluation.scaling import (
    PARAMETERS,
    Began,
    Contender,
    Event,
    Measured,
    ScalingRequest,
    Working,
    exponents,
    fixed_cost,
    grid,
)
from vssm.models import registry
from vssm.prompt import Prompt
from vssm.sampling.events import Finished, GenerationRequest
from vssm.sampling.generator import Generator

NEAR = 0.02  # of the parameters asked for: so near is near enough
ENOUGH = 2.0  # seconds of measuring after which a point is not measured again
WIDTHS = "inner", "stem_hidden", "code_hidden", "code_features"  # settings that grow with d_model
SMALL, LARGE = (8, 8), (16, 16)  # two pictures: what differs between networks for them is a table of positions


# --- networks of one size -------------------------------------------------------------------------------------------


def shaped(dataset: data.DataSet, shape: tuple[int, int]) -> data.DataSet:
    """Return a data set whose pictures have another height and width."""
    return dataclasses.replace(dataset, height=shape[0], width=shape[1])


@functools.cache
def body(preset: registry.Preset, config: Any) -> int:
    """Count the parameters of a network, without those whose shape depends on the picture's: tables of positions."""

    def shapes(height: int, width: int) -> dict[str, torch.Size]:
        network = _network(preset, dataclasses.replace(config, height=height, width=width))
        return {name: p.shape for name, p in network.named_parameters()}

    small, large = shapes(*SMALL), shapes(*LARGE)
    return sum(shape.numel() for name, shape in small.items() if large.get(name) == shape)


def _network(preset: registry.Preset, config: Any) -> registry.Network:
    """Make an untrained network, always the same, without a change of torch's global random state."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return preset.network(config).eval().requires_grad_(False)


@functools.cache
def widths(preset: registry.Preset, dataset: data.DataSet, parameters: int) -> dict[str, int]:
    """Find the changes of a preset's config that bring its network nearest to so many parameters, without positions.

    First d_model and the widths that go with it, in the preset's proportions; then, if they are not near enough, one
    of these alone. A config without d_model is left as it is.
    """
    usual = preset.config(dataset)
    # a token a pixel, a plan on the grid that this makes coarse, and no features of digits, which sampling never needs
    finest = {"patch": 1, "code_pool": 2, "code_semantics": 0}
    pixels = {name: value for name, value in finest.items() if hasattr(usual, name)}
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


def _nearest(
    make: Callable[[int], dict[str, Any]], off: Callable[[dict[str, Any]], int], start: int, step: int
) -> dict[str, Any]:
    """Go up or down from a width as long as `off` gets smaller."""
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
    """Make a generator with an untrained network for pictures of `length` pixels."""
    preset, shape = registry.get(contender.model), grid(length)
    record = shaped(dataset, shape)
    config = dataclasses.replace(preset.config(record), **widths(preset, dataset, parameters))
    return Generator(checkpoint.Checkpoint(preset.name, record, _network(preset, config)), where)


# --- measuring ------------------------------------------------------------------------------------------------------


def measure(
    request: ScalingRequest, where: torch.device | None = None, urgent: Callable[[], bool] = lambda: False
) -> Events[Event, None, None]:
    """Measure point after point, all models at one length before the next longer one; closing the iterator
    stops. Raises UserError, before the first point, for what cannot be measured.

    urgent: asked after every network call whether the receiver wants an event now; see `Generator.generate`.
    """
    dataset = data.get(request.data)
    titles = {c.name: registry.get(c.model).title for c in request.contenders}
    lengths = sorted(set(request.lengths))
    for c in request.contenders:
        generator(c, dataset, lengths[0], request.parameters, where).find_sampler(c.sampler, c.parameter)
        yield Working()
    for length in lengths:
        for c in request.contenders:
            yield Began(c.name, c.model, titles[c.name], length)
            yield from _point(c, dataset, length, request, where, urgent)


def _point(
    contender: Contender,
    dataset: data.DataSet,
    length: int,
    request: ScalingRequest,
    where: torch.device | None,
    urgent: Callable[[], bool],
) -> Iterator[Event]:
    peak = PeakMemory(where or device.choose())
    made = generator(contender, dataset, length, request.parameters, where)
    yield Working()
    first = yield from _run(made, contender, 0, urgent)
    memory = peak.read()
    repeats = max(1, min(request.repeat, int(ENOUGH / max(_seconds(first), 1e-9))))
    runs: list[Finished] = []
    for seed in range(1, repeats + 1):
        if gc.isenabled():  # else none can come, and this thread may not be the one for it
            gc.collect(1)  # so that no collection falls into the measured time
        runs.append((yield from _run(made, contender, seed, urgent)))
    parameters = body(made.preset, made.network.config)
    yield Measured(
        contender.name,
        contender.model,
        made.preset.title,
        runs[0].sampler,
        runs[0].parameter or None,
        length=length,
        shape=grid(length),
        seconds=statistics.median(map(_seconds, runs)),
        repeats=len(runs),
        parameters=parameters,
        positions=made.checkpoint.parameters - parameters,
        network_calls=statistics.median_low(r.network_calls for r in runs),
        acceptance=benchmark.drafting(runs, 1).get("acceptance"),
        device=runs[0].device,
        threads=runs[0].threads,
        memory=memory,
    )


def _run(
    made: Generator, contender: Contender, seed: int, urgent: Callable[[], bool]
) -> Events[Working, None, Finished]:
    """Make one picture from nothing; returns its Finished event."""
    prompt = Prompt.empty(*made.data.shape)
    request = GenerationRequest(
        prompt, seed=seed, every=math.inf, sampler=contender.sampler, parameter=contender.parameter
    )
    with contextlib.closing(made.generate(request, urgent)) as events:
        for event in events:
            if isinstance(event, Finished):
                return event
            yield Working()
    raise RuntimeError("the generator ended without a Finished event")


def _seconds(finished: Finished) -> float:
    return finished.seconds + finished.prompt_seconds


def record(points: Sequence[Measured], request: ScalingRequest, device_words: str) -> dict[str, Any]:
    """Return the record of `python -m vssm bench --lengths` for some points; lengths are keys, so they are text."""
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
        "device": device_words,
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
                **_where_known("acceptance", own),
                **_where_known("memory", own),
                "fixed_cost": _fixed(own),
                "exponent": slopes[name][0],
                "exponent_last": slopes[name][1],
                "mode": own[0].sampler,
                "size": own[0].parameter,
            }
            for name, own in by_name.items()
        },
        "ratio_to_transformer": {
            str(n): {name: rival[str(n)] / s[str(n)] for name, s in seconds.items() if str(n) in s}
            for n in lengths
            if str(n) in rival
        },
    }


def _where_known(name: str, own: list[Measured]) -> dict[str, Any]:
    found = {str(p.length): value for p in own if (value := getattr(p, name)) is not None}
    return {name: found} if found else {}


def _fixed(own: list[Measured]) -> dict[str, float] | None:
    """Return the fixed cost in seconds, and the exponent without it."""
    found = fixed_cost([p.length for p in own], [p.seconds for p in own])
    return None if found is None else {"seconds": found[0], "exponent": found[1]}
