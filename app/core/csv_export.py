"""What plots show as tables: a row a run, a contestant of a race, or a point, to be saved as CSV. No Qt.

Every row also says on which machine, with which versions and when, so that tables of several machines can be put one
under another. Columns have the names and the units of the command line's records: `seconds` is the model's time after
the prompt was read, `prompt_seconds` that for reading it, `total_seconds` both; `tokens` are pixels, over all samples.
"""

from __future__ import annotations

import csv
import datetime
import functools
import importlib.metadata
import io
from collections.abc import Iterable

from app.core import model_facts
from app.core.race import Contestant
from app.core.run import Run
from vssm import __version__
from vssm.evaluation.scaling import Measured
from vssm.sampling.events import Finished, Progress, Started

Row = dict[str, object]


def text(rows: list[Row]) -> str:
    """As CSV: a header, and a line for every row; what a row does not have is left empty."""
    into = io.StringIO()
    writer = csv.DictWriter(into, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return into.getvalue()


@functools.cache
def circumstances() -> Row:
    """The machine, and what runs on it."""
    return {"version": __version__, **model_facts.machine(), "pyside": importlib.metadata.version("PySide6-Essentials")}


def dated(rows: Iterable[Row]) -> list[Row]:
    """Rows with machine, versions, and the time of writing."""
    now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    return [{**row, "date": now, **circumstances()} for row in rows]


def asked(task: Run | Contestant, started: Started | None) -> Row:
    """Tell what was asked of a model, and what worked on it."""
    settings = task.settings.as_started(started)
    return {
        "model": settings.model,
        "data": task.data,
        **settings.to_dict(),
        "known": int(task.prompt.known.sum()),
        "device": started.device if started else None,
        "threads": started.threads if started else None,
    }


def spent(finished: Finished | None) -> Row:
    """How a finished run's time falls into two."""
    return {
        "seconds": finished.seconds if finished else None,
        "prompt_seconds": finished.prompt_seconds if finished else None,
    }


def of_scaling(points: list[Measured]) -> list[Row]:
    """A row a point: the median of so many runs."""
    return dated(
        {
            "model": p.model,
            "mode": p.sampler,
            "size": p.parameter,
            "samples": 1,
            "device": p.device,
            "threads": p.threads,
            "tokens": p.length,
            "height": p.shape[0],
            "width": p.shape[1],
            "parameters": p.parameters,
            "position_parameters": p.positions,
            "network_calls": p.network_calls,
            "repeats": p.repeats,
            "total_seconds": p.seconds,
            "acceptance": p.acceptance,
        }
        for p in points
    )


def drafts(last: Progress | Finished | None) -> Row:
    """For a model that drafts."""
    if last is None or not last.drafted:
        return {"drafted": None, "accepted": None}
    return {"drafted": last.drafted, "accepted": last.accepted}


def of_runs(runs: list[Run]) -> list[Row]:
    """A row a run, as far as it has come."""
    return dated(
        {
            "run": run.number,
            **asked(run, run.started),
            "state": run.status.removesuffix(" …") or "finished",
            "tokens": int((~run.prompt.known).sum()) * run.settings.samples,
            "tokens_done": run.tokens,
            "network_calls": run.network_calls,
            "total_seconds": run.seconds,
            **spent(run.finished),
            "tokens_per_second": run.tokens / run.seconds if run.seconds else None,
            **drafts(run.progress),
        }
        for run in runs
        if not run.recorded  # on another machine, perhaps
    )


def of_points(runs: list[Run]) -> list[Row]:
    """A row a point of every run's curve: so many tokens stood after so many seconds in all."""
    return dated(
        {
            "run": run.number,
            **asked(run, run.started),
            "total_seconds": seconds,
            "tokens_done": tokens,
        }
        for run in runs
        if not run.recorded
        for seconds, tokens in run.points
    )
