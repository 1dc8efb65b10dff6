"""How long models take for equal work, side by side in one run.

The models take turns, round after round, so that whatever else the machine does hits all alike. At its turn every
model runs twice and the second run counts: warm, not in the caches that the model before left behind. Times are the
generators' own: the models' work, prompt included, never painting.
"""

from __future__ import annotations

import gc
import math
import os
import platform
import statistics
from pathlib import Path

import torch
from tqdm import tqdm

from .generation import Finished, GenerationRequest, Generator, run
from .prompt import Prompt


def bench(
    generators: dict[str, Generator], prompt: Prompt, batch: int = 1, repeat: int = 5, quiet: bool = False
) -> dict:
    """Time every generator at completing `prompt` `batch` times in one run, `repeat` times.

    Returns the record of `python -m vssm bench`: for every model the median and least seconds, network calls and
    images per second (by the median), and "ratio_to_transformer", how many times faster than the Transformer each
    is by the medians (empty where the Transformer is not among them). Raises UserError for a prompt that does not
    fit or is known as a whole.
    """
    record = {
        "machine": machine(),
        "load_average": [round(x, 2) for x in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "threads": torch.get_num_threads(),
        "batch": batch,
        "known": int(prompt.known.sum()),
        "tokens": int((~prompt.known).sum()) * batch,
    }
    runs: dict[str, list[Finished]] = {name: [] for name in generators}
    with tqdm(
        total=repeat * len(generators),
        desc=f"batch {batch}",
        unit=" runs",
        leave=False,
        dynamic_ncols=True,
        disable=quiet,
    ) as bar:
        for turn in range(repeat):
            for name, generator in generators.items():
                gc.collect()  # so that no collection falls into the measured time
                request = GenerationRequest(prompt, batch, seed=turn, every=math.inf)
                run(generator, request)
                runs[name].append(run(generator, request))
                bar.update()
    record["device"] = next(iter(runs.values()))[0].device
    record["models"] = {name: _summary(finished, batch) for name, finished in runs.items()}
    medians = {name: m["seconds_median"] for name, m in record["models"].items()}
    record["ratio_to_transformer"] = (
        {name: medians["transformer"] / m for name, m in medians.items()} if "transformer" in medians else {}
    )
    return record


def _summary(runs: list[Finished], batch: int) -> dict:
    seconds = [r.seconds + r.prompt_seconds for r in runs]
    median = statistics.median(seconds)
    return {
        "seconds_median": median,
        "seconds_min": min(seconds),
        "repeats": len(seconds),
        "network_calls": runs[0].network_calls,
        "images_per_second": batch / median,
        "tokens_per_second": runs[0].tokens / median,
    }


def machine() -> dict:
    """What the figures were measured on."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "platform": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def _cpu() -> str:
    """The processor's name; Linux tells it in a file only."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
