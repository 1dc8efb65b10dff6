"""How long models take for equal work, measured side by side.

The contestants run by turns, so that other load of the machine affects all of them. In its turn each one runs twice,
and the second run counts, because the first one still has the caches of another model. Times are those of the
generators: the models' work with the prompt, without any drawing.
"""

from __future__ import annotations

import gc
import math
import os
import platform
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from vssm.evaluation.machine_load import LoadMeter
from vssm.prompt import Prompt
from vssm.sampling.events import Finished, GenerationRequest
from vssm.sampling.generator import Generator, run


@dataclass(frozen=True)
class Contestant:
    """A model and the sampler that it is timed with; None stands for what is usual."""

    generator: Generator
    sampler: str | None = None
    parameter: int | None = None
    pixel_mode: str | None = None


def bench(
    contestants: dict[str, Contestant],
    prompt: Prompt,
    batch: int = 1,
    repeat: int = 5,
    quiet: bool = False,
    allow_busy: bool = False,
) -> dict[str, Any]:
    """Time every contestant on the same prompt, with `batch` samples in one run and `repeat` runs.

    Returns the record of `python -m vssm bench`: for every contestant the median and least seconds, images per second
    (by the median) and what `drafting` tells, and "ratio_to_transformer", how many times faster than the first
    Transformer each is by the medians (empty where there is none, and where other programs kept the machine too busy,
    unless `allow_busy`). Raises UserError for a prompt that does not fit or
    is known as a whole, and for a mode that the model does not have.
    """
    record: dict[str, Any] = {
        "machine": machine(),
        "threads": torch.get_num_threads(),
        "batch": batch,
        "known": int(prompt.known.sum()),
        "tokens": int((~prompt.known).sum()) * batch,
    }
    runs: dict[str, list[Finished]] = {name: [] for name in contestants}
    meter = LoadMeter()
    with tqdm(
        total=repeat * len(contestants),
        desc=f"batch {batch}",
        unit=" runs",
        leave=False,
        dynamic_ncols=True,
        disable=quiet,
    ) as bar:
        for turn in range(repeat):
            for name, c in contestants.items():
                gc.collect()  # so that no collection falls into the measured time
                request = GenerationRequest(
                    prompt,
                    batch,
                    seed=turn,
                    every=math.inf,
                    sampler=c.sampler,
                    parameter=c.parameter,
                    pixel_mode=c.pixel_mode,
                )
                run(c.generator, request)
                runs[name].append(run(c.generator, request))
                bar.update()
    on_cpu = any(c.generator.where.type == "cpu" for c in contestants.values())
    load = meter.read(torch.get_num_threads() if on_cpu else 1)
    record |= load.to_dict() | {"load": load.words}
    record["device"] = next(iter(runs.values()))[0].device
    record["models"] = {name: _summary(finished, batch) for name, finished in runs.items()}
    medians = {name: m["seconds_median"] for name, m in record["models"].items()}
    rival = next((medians[n] for n, c in contestants.items() if c.generator.preset.name == "transformer"), None)
    hidden = rival is None or (load.too_busy and not allow_busy)
    record["ratio_to_transformer"] = {} if hidden else {name: rival / m for name, m in medians.items()}
    return record


def _summary(runs: list[Finished], batch: int) -> dict[str, Any]:
    seconds = [r.seconds + r.prompt_seconds for r in runs]
    median = statistics.median(seconds)
    return {
        "seconds_median": median,
        "seconds_min": min(seconds),
        "repeats": len(seconds),
        "network_calls": statistics.median_low(r.network_calls for r in runs),
        "images_per_second": batch / median,
        "tokens_per_second": runs[0].tokens / median,
        **sampler_record(runs[0]),
        **drafting(runs, batch),
    }


def sampler_record(finished: Finished) -> dict[str, Any]:
    """Return the keys "mode", "size" and "pixels" of a record: the sampler, its parameter or None, the pixel mode."""
    return {"mode": finished.sampler, "size": finished.parameter or None, "pixels": finished.pixel_mode}


def drafting(runs: list[Finished], samples: int) -> dict[str, Any]:
    """What drafts gained over some runs of `samples` pictures each.

    tokens_per_call: pixels that one network call adds to one picture, in the mean. Where tokens were drafted also
    drafted, accepted (their numbers over all runs and pictures) and acceptance, the share that verification passed.
    """
    drafted, accepted = sum(r.drafted for r in runs), sum(r.accepted for r in runs)
    record = {"tokens_per_call": sum(r.tokens for r in runs) / (samples * sum(r.network_calls for r in runs))}
    if drafted:
        record |= {"drafted": drafted, "accepted": accepted, "acceptance": accepted / drafted}
    return record


def machine() -> dict[str, Any]:
    """Describe the machine."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "platform": platform.platform(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),  # which is a class of its own
    }


def _cpu() -> str:
    """Return the processor's name, which Linux has in a file only."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
