"""A recorded race for each data set, which the window plays until the person has made something.

`python -m vssm.reports.precomputed` records them again, with the weights that come with the program: the VSSM and the
Transformer complete the first example prompt by their usual samplers, one sample at temperature 1 each. Every model
completes it several times, alone on the clock and in turns, and the run whose time is the median is kept: when each of
its network calls ended, which pixels it settled, and its latents. assets/precomputed/DATA.npz has the arrays, and
DATA.json says what was asked of whom, and how, where and when it was recorded.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vssm import data
from vssm.errors import UserError
from vssm.files import archive, atomic, resources
from vssm.files.examples import examples
from vssm.models import registry
from vssm.sampling.events import Event, Finished, GenerationRequest, Latents, Progress, Started
from vssm.sampling.step import Sampler

FOLDER = resources.folder("assets") / "precomputed"
MODELS = "vssm", "transformer"
SEED, REPEAT = 6, 7  # a seed whose pictures are typical
MOST_BYTES = 2_000_000  # of all arrays of a recording


@dataclass(frozen=True, eq=False)
class RecordedRun:
    """What was asked of a model, the name of a preset, and all that it told."""

    model: str
    request: GenerationRequest
    events: tuple[Event, ...]

    @property
    def seconds(self) -> float:
        """The model's time."""
        finished = self.events[-1]
        assert isinstance(finished, Finished)
        return finished.seconds + finished.prompt_seconds


@dataclass(frozen=True, eq=False)
class Recording:
    """A race as it was run.

    Args:
        data: The name of the data set.
        runs: One for each contestant.
        machine: The name of the processor or GPU.
        date: In ISO format.
    """

    data: str
    runs: tuple[RecordedRun, ...]
    machine: str
    date: str


def find(dataset: data.DataSet) -> Recording | None:
    """Find the recorded race of a data set; None if there is none that can be read."""
    path = FOLDER / f"{dataset.name}.json"
    try:
        record = json.loads(path.read_text("utf-8"))
        names = [name for i, run in enumerate(record["runs"]) for name in _names(i, run)]
        arrays = archive.read(path.with_suffix(".npz"), names, _require_small, "record the race again")
        prompt = next(e.prompt for e in examples(dataset) if e.name == record["example"])
        request = GenerationRequest(prompt, seed=int(record["seed"]), every=0)
        runs = tuple(_unpacked(i, run, arrays, request) for i, run in enumerate(record["runs"]))
        return Recording(dataset.name, runs, str(record["machine"]["cpu"]), str(record["date"]))
    except (UserError, OSError, ValueError, KeyError, TypeError, IndexError, StopIteration):
        return None


def make(dataset: data.DataSet, models: Sequence[str] = MODELS, repeat: int = REPEAT) -> Recording:
    """Record a race and write it; returns it.

    Args:
        dataset: The data set, whose first example is completed.
        models: The names of the presets that race.
        repeat: How often each runs.

    Raises:
        UserError: The weights are missing, or a file cannot be written.
    """
    from vssm import checkpoint, device
    from vssm.evaluation import benchmark
    from vssm.sampling.generator import Generator

    example = examples(dataset)[0]
    where = device.choose("cpu")
    request = GenerationRequest(example.prompt, seed=SEED, every=0)
    racing = {
        model: Generator(checkpoint.load(checkpoint.shipped(model, dataset.name), model, dataset.name), where)
        for model in models
    }
    for generator in racing.values():
        generator.warm_up()
    turns = [
        [RecordedRun(model, request, tuple(generator.generate(request))) for model, generator in racing.items()]
        for _ in range(repeat)
    ]
    runs = [sorted(each, key=lambda run: run.seconds)[repeat // 2] for each in zip(*turns, strict=True)]
    machine, today = benchmark.machine(), datetime.date.today().isoformat()
    records: list[dict[str, Any]] = []
    arrays: dict[str, np.ndarray] = {}
    for i, run in enumerate(runs):
        record, more = _packed(i, run)
        records.append(record)
        arrays |= more
    load = [round(x, 2) for x in os.getloadavg()] if hasattr(os, "getloadavg") else None
    whole = {
        "data": dataset.name,
        "example": example.name,
        "seed": SEED,
        "repeats": repeat,
        "machine": machine,
        "load_average": load,
        "date": today,
        "runs": records,
    }
    path = FOLDER / f"{dataset.name}.json"
    with atomic.replacing(path.with_suffix(".npz")) as part, part.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    atomic.write_text(path, json.dumps(whole, indent=1) + "\n")
    return Recording(dataset.name, tuple(runs), str(machine["cpu"]), today)


# --- files: pixels never change once they are there, so the finished picture and each pixel's call have all pictures


def _names(i: int, run: dict[str, Any]) -> list[str]:
    """Return the names of the arrays of run number i."""
    parts = [(n, part) for n, level in enumerate(run["latents"]) for part in ("codes", "entropy", "plan")]
    planned = [f"{i}.{n}.{part}" for n, part in parts if part != "plan" or run["latents"][n]["plan"]]
    return [*(f"{i}.{name}" for name in ("seconds", "calls", "order", "image")), *planned]


def _require_small(headers: dict[str, archive.ArrayHeader]) -> None:
    """Raise UserError for arrays that no recording has."""
    if sum(header.nbytes for header in headers.values()) > MOST_BYTES:
        raise UserError("The recorded race is too large; record it again.")


def _packed(i: int, run: RecordedRun) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return what says all of run number i: plain values, and arrays by name."""
    told = [event for event in run.events if isinstance(event, Progress)]
    latents = [event for event in run.events if isinstance(event, Latents)]
    started, finished = run.events[0], run.events[-1]
    assert isinstance(started, Started) and isinstance(finished, Finished)
    known = run.request.prompt.known
    order = np.zeros(known.shape, np.int32)  # the number of the Progress that told of the pixel; 0 for known ones
    for number, progress in reversed(list(enumerate(told, 1))):
        order[progress.filled[0] & ~known] = number
    arrays = {
        f"{i}.seconds": np.array([event.seconds for event in told]),
        f"{i}.calls": np.array([event.network_calls for event in told], np.int32),
        f"{i}.order": order,
        f"{i}.image": finished.images[0],
    }
    levels = []
    for n, event in enumerate(latents):
        plain = {f.name: getattr(event, f.name) for f in dataclasses.fields(event)}
        arrays[f"{i}.{n}.codes"] = plain.pop("codes").astype(np.float16)
        arrays[f"{i}.{n}.entropy"] = plain.pop("entropy").astype(np.float16)
        plan = plain.pop("plan")
        if plan is not None:
            arrays[f"{i}.{n}.plan"] = plan
        levels.append({**plain, "plan": plan is not None})
    end = {f.name: getattr(finished, f.name) for f in dataclasses.fields(finished) if f.name != "images"}
    return {"started": dataclasses.asdict(started), "latents": levels, "finished": end}, arrays


def _unpacked(i: int, run: dict[str, Any], arrays: dict[str, np.ndarray], request: GenerationRequest) -> RecordedRun:
    """Do the reverse of `_packed`; raises an error of some kind for what does not fit together."""
    seconds, calls, order, image = (arrays[f"{i}.{name}"] for name in ("seconds", "calls", "order", "image"))
    prompt = request.prompt
    if image.shape != prompt.pixels.shape or image.dtype != np.uint8 or order.shape != prompt.known.shape:
        raise ValueError("the picture does not fit the prompt")
    if seconds.shape != calls.shape or seconds.ndim != 1 or not np.isfinite(seconds).all():
        raise ValueError("the calls have no times")
    if not ((order > 0) | prompt.known).all() or order.max() > len(seconds):
        raise ValueError("some pixels come in no call")
    plain = run["started"]
    started = Started(**{**plain, "sampler": Sampler(**plain["sampler"])})
    registry.get(started.model)
    told: list[Latents | Progress] = []
    for n, level in enumerate(run["latents"]):
        codes, entropy = (arrays[f"{i}.{n}.{part}"].astype(np.float32) for part in ("codes", "entropy"))
        if codes.ndim != 4 or codes.shape[:3] != entropy.shape:
            raise ValueError("the latents do not fit each other")
        plan = arrays[f"{i}.{n}.plan"] if level["plan"] else None
        told.append(Latents(**{**level, "codes": codes, "entropy": entropy, "plan": plan}))
    for number, (when, call) in enumerate(zip(seconds.tolist(), calls.tolist(), strict=True), 1):
        there = (order <= number) | prompt.known
        pixels = np.where(there[..., None], image, np.uint8(0))[None]
        told.append(Progress(when, int((there & ~prompt.known).sum()), call, pixels, there[None]))
    told.sort(key=lambda event: event.seconds)
    finished = Finished(**{**run["finished"], "images": image[None]})
    return RecordedRun(started.model, request, (started, *told, finished))


def main() -> int:
    """Record all of them again; returns the exit code."""
    parser = argparse.ArgumentParser("python -m vssm.reports.precomputed", description=__doc__.partition("\n")[0])
    parser.parse_args()
    try:
        for dataset in data.DATA_SETS.values():
            recording = make(dataset)
            took = ", ".join(f"{run.model} {run.seconds:.4f} s" for run in recording.runs)
            print(f"{FOLDER / dataset.name}.json: {took}, {recording.machine}", flush=True)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
