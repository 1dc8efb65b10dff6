"""A precomputed completion for each data set, which the window shows until the person has made one.

`python -m vssm.reports.precomputed` makes them again, with the weights that come with the program: the first example
prompt, the model's usual sampler, temperature 1, seed 1, four samples, as the window makes them. assets/precomputed/
DATA.png is the one that the model finds likeliest, which the window shows first, too, and DATA.json says how and where
it was made and how long the model took for all four, in the median of several runs.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import os
import statistics
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vssm import data
from vssm.errors import UserError
from vssm.files import atomic, resources
from vssm.files.examples import examples
from vssm.models import registry
from vssm.prompt import Prompt, read_image
from vssm.sampling.events import Details, Finished, GenerationRequest

if TYPE_CHECKING:
    from vssm.sampling.generator import Generator

FOLDER = resources.folder("assets") / "precomputed"
SEED, SAMPLES, REPEAT = 1, 4, 21


@dataclass(frozen=True, eq=False)
class PrecomputedExample:
    """A completion and how it was made.

    Args:
        image: [H, W, C] uint8.
        model: The name of the preset.
        seconds: The model's time.
        machine: The name of the processor or GPU.
        date: In ISO format.
    """

    prompt: Prompt
    image: np.ndarray
    model: str
    seconds: float
    machine: str
    date: str


def find(dataset: data.DataSet) -> PrecomputedExample | None:
    """Find the precomputed completion of a data set; None if there is none that can be read."""
    path = FOLDER / f"{dataset.name}.png"
    try:
        image = read_image(path, *dataset.shape)
        record = json.loads(path.with_suffix(".json").read_text("utf-8"))
        prompt = next(e.prompt for e in examples(dataset) if e.name == record["example"])
        model, seconds = registry.get(record["model"]).name, float(record["seconds"])
        return PrecomputedExample(prompt, image, model, seconds, str(record["computer"]), str(record["date"]))
    except (UserError, OSError, ValueError, KeyError, TypeError, StopIteration):
        return None


def make(dataset: data.DataSet, model: str = "vssm") -> dict[str, Any]:
    """Make and write a completion; returns the record, whose seconds are the median of so many runs.

    Raises:
        UserError: The weights are missing, or a file cannot be written.
    """
    from vssm import checkpoint, device
    from vssm.evaluation import benchmark
    from vssm.files.picture import write_png
    from vssm.sampling.generator import Generator, run

    example = examples(dataset)[0]
    where = device.choose("cpu")
    generator = Generator(checkpoint.load(checkpoint.shipped(model, dataset.name), model, dataset.name), where)
    generator.warm_up()
    request = GenerationRequest(example.prompt, SAMPLES, seed=SEED)
    runs = [run(generator, request) for _ in range(REPEAT)]
    made, machine = runs[0], benchmark.machine()
    load = [round(x, 2) for x in os.getloadavg()] if hasattr(os, "getloadavg") else None
    record = {
        "data": dataset.name,
        "example": example.name,
        "model": model,
        "mode": made.sampler,
        "pixels": made.pixel_mode,
        "temperature": request.temperature,
        "seed": SEED,
        "samples": SAMPLES,
        "seconds": round(statistics.median(r.seconds + r.prompt_seconds for r in runs), 5),
        "repeats": REPEAT,
        "network_calls": made.network_calls,
        "threads": made.threads,
        "computer": machine["cpu"],
        "machine": machine,
        "load_average": load,
        "date": datetime.date.today().isoformat(),
    }
    path = FOLDER / f"{dataset.name}.png"
    write_png(path, likeliest(generator, request)[None])
    atomic.write_text(path.with_suffix(".json"), json.dumps(record, indent=2) + "\n")
    return record


def likeliest(generator: Generator, request: GenerationRequest) -> np.ndarray:
    """Complete a prompt and return the sample [H, W, C] that has the highest score."""
    events = generator.generate(dataclasses.replace(request, details=True))
    details, finished = (event for event in events if isinstance(event, (Details, Finished)))
    assert isinstance(details, Details) and isinstance(finished, Finished)
    return np.asarray(finished.images[np.nan_to_num(details.score).argmax()])


def main() -> int:
    """Make all of them again; returns the exit code."""
    parser = argparse.ArgumentParser("python -m vssm.reports.precomputed", description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="vssm", help="the preset that makes them (default vssm)")
    model = parser.parse_args().model
    try:
        for dataset in data.DATA_SETS.values():
            record = make(dataset, model)
            print(f"{FOLDER / dataset.name}.png: {record['example']}, {record['seconds']:.4f} s, {record['computer']}")
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
