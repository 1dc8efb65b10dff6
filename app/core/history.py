"""Which runs a window keeps: how one is added, takes the place of another, and which give way to it. No Qt.

A history is a list of runs, the oldest first. Each data set has places of its own, and only a run that has finished
takes one: nothing that is stopped, given up or under way can push a finished run out. Of those that did not finish, the
last one of a model stays, if it shows anything, until the model runs again.
"""

from __future__ import annotations

from collections.abc import Iterable

from app.core.run import Run

MOST = 12  # finished runs of a data set that are kept


def add(history: Iterable[Run], run: Run) -> list[Run]:
    """With a run that has been asked for, or that follows the pen and now has something to show. Earlier runs of the
    same gesture give way to it, and whatever did not finish where it is of the same model, or shows nothing."""
    return prune([*(one for one in history if not _gives_way(one, run)), run])


def _gives_way(one: Run, to: Run) -> bool:
    if one is to or (one.gesture and (one.gesture, one.data) == (to.gesture, to.data)):
        return True
    again = (one.model, one.data) == (to.model, to.data)
    return not one.finished and (again or bool(one.gesture) or not one.has_pixels)


def supersede(history: Iterable[Run], run: Run, by: Run) -> list[Run]:
    """With another in the place of a run."""
    return [by if one is run else one for one in history]


def settle(history: Iterable[Run]) -> list[Run]:
    """As it stands when a run has ended: without those that ended and show nothing, and no longer than it may be."""
    return prune(run for run in history if run.has_pixels or not run.ended)


def clear(history: Iterable[Run], data: str, kept: Iterable[Run | None]) -> list[Run]:
    """Without the runs of a data set, but for those to be kept."""
    kept = set(kept)
    return [run for run in history if run.data != data or run in kept]


def prune(history: Iterable[Run]) -> list[Run]:
    """With no more than `MOST` finished runs of any data set: the last one of every model, and the newest others."""
    history = list(history)
    kept: set[Run] = set()
    for data in {run.data for run in history}:
        finished = [run for run in history if run.data == data and run.finished]
        last = {run.model: run for run in finished}.values()
        others = [run for run in finished if run not in last]
        kept |= {*last, *others[max(0, len(finished) - MOST) :]}
    return [run for run in history if run in kept or not run.finished]
