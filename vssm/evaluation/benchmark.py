"""How long models take for equal work, measured side by side.

The contestants run by turns, so that other load of the machine affects all of them, and ratios are taken within a turn.
In its turn each one runs twice, and the second run counts, because the first one still has the caches of another model.
Times are those of the generators: the models' work with the prompt, without any drawing.
"""

from __future__ import annotations

import gc
import math
import os
import platform
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from vssm.errors import UserError
from vssm.evaluation import machine_limit
from vssm.evaluation.machine_load import LoadMeter
from vssm.prompt import Prompt
from vssm.sampling.events import Finished, GenerationRequest
from vssm.sampling.generator import Generator, run

SLOWER = 1.1  # times the seconds of before, in median and least: then something has become slower


@dataclass(frozen=True)
class Contestant:
    """A model and the sampler that it is timed with; None stands for what is usual."""

    generator: Generator
    sampler: str | None = None
    parameter: int | None = None
    pixel_mode: str | None = None

    @property
    def title(self) -> str:
        """Name the model, its sampler and the parameter for people."""
        sampler, parameter = self.generator.find_sampler(self.sampler, self.parameter)
        return f"{self.generator.preset.title}, {sampler.words(parameter)}"


def bench(
    contestants: dict[str, Contestant],
    prompt: Prompt,
    batch: int = 1,
    repeat: int = 5,
    quiet: bool = False,
    allow_busy: bool = False,
    limit: bool = False,
) -> dict[str, Any]:
    """Time every contestant on the same prompt, with `batch` samples in one run and `repeat` runs.

    Returns the record of `python -m vssm bench`: for every contestant the seconds of all runs, their median and least,
    images per second (by the median) and what `drafting` tells, and "ratio_to_transformer", how many times faster than
    the first Transformer each is, the median of the ratios in every turn, with "ratio_spread", the quartiles of these
    (both empty where there is no Transformer, and where other programs kept the machine too busy, unless
    `allow_busy`). With `limit` also what `_limit` tells, for every contestant. Raises UserError for a prompt that does
    not fit or is known as a whole, and for a sampler that the model does not have.
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
                request = _request(c, prompt, batch, seed=turn)
                run(c.generator, request)
                runs[name].append(run(c.generator, request))
                bar.update()
    on_cpu = any(c.generator.where.type == "cpu" for c in contestants.values())
    load = meter.read(torch.get_num_threads() if on_cpu else 1)
    record |= load.to_dict() | {"load": load.words}
    record["device"] = next(iter(runs.values()))[0].device
    record["models"] = {
        name: {"title": contestants[name].title} | _summary(finished, batch) for name, finished in runs.items()
    }
    if limit:
        for name, c in contestants.items():
            record["models"][name] |= _limit(c, prompt, batch, record["models"][name]["seconds_median"])
    rival = next((n for n, c in contestants.items() if c.generator.preset.name == "transformer"), None)
    record["ratio_to_transformer"], record["ratio_spread"] = {}, {}
    if rival is not None and (allow_busy or not load.too_busy):
        seconds = {name: m["seconds"] for name, m in record["models"].items()}
        for name in contestants:
            ratios = [theirs / own for theirs, own in zip(seconds[rival], seconds[name], strict=True)]
            record["ratio_to_transformer"][name] = statistics.median(ratios)
            record["ratio_spread"][name] = np.quantile(ratios, (0.25, 0.75)).tolist()
    return record


def _request(contestant: Contestant, prompt: Prompt, batch: int, seed: int = 0) -> GenerationRequest:
    return GenerationRequest(
        prompt,
        batch,
        seed=seed,
        every=math.inf,
        sampler=contestant.sampler,
        parameter=contestant.parameter,
        pixel_mode=contestant.pixel_mode,
    )


def _limit(contestant: Contestant, prompt: Prompt, batch: int, seconds: float) -> dict[str, Any]:
    """Measure what of the `seconds` of a run its matrix products take.

    Returns:
        operations, bytes: Of all of them; see `machine_limit.Products`.
        products_seconds: Their time alone.
        limit_share: This time as a share of the run's.
    """
    with machine_limit.recorded() as products:
        run(contestant.generator, _request(contestant, prompt, batch))
    alone = products.seconds(contestant.generator.where)
    return {
        "operations": products.operations,
        "bytes": products.bytes,
        "products_seconds": alone,
        "limit_share": alone / seconds,
    }


def compare(record: dict[str, Any], earlier: dict[str, Any], allow_busy: bool = False) -> dict[str, dict[str, Any]]:
    """Compare a record with one of the same machine from before, model by model.

    Returns:
        For every contestant of both records: "ratio", its median seconds as a multiple of those before, and "slower",
        whether both its median and its least seconds are `SLOWER` times those before. So a disturbed run or two say
        nothing.

    Raises:
        UserError: The records are of different machines or work, one of them is of a machine that was too busy
            (unless `allow_busy`), or they have no model in common.
    """
    for what, find in COMPARED.items():
        now, before = find(record), find(earlier)
        if now != before:
            raise UserError(f"The earlier record has {what} {before}, not {now}; measure both alike.")
    for one, when in ((earlier, "in the earlier record"), (record, "now")):
        if one["too_busy"] and not allow_busy:
            raise UserError(f"The machine is too busy {when} to compare times; end other programs and run it again.")
    found = {}
    for name in record["models"].keys() & earlier["models"].keys():
        now, before = record["models"][name], earlier["models"][name]
        ratios = [now[k] / before[k] for k in ("seconds_median", "seconds_min")]
        found[name] = {"ratio": ratios[0], "slower": min(ratios) > SLOWER}
    if not found:
        raise UserError("The earlier record has none of these models; name one of them with --models.")
    return found


COMPARED: dict[str, Callable[[dict[str, Any]], Any]] = {
    "the processor": lambda record: record["machine"]["cpu"],
    "the device": lambda record: record["device"],
    "the number of threads": lambda record: record["threads"],
    "the batch": lambda record: record["batch"],
    "the number of pixels": lambda record: record["tokens"],
}


def _summary(runs: list[Finished], batch: int) -> dict[str, Any]:
    seconds = [r.seconds + r.prompt_seconds for r in runs]
    median = statistics.median(seconds)
    return {
        "seconds": seconds,
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
