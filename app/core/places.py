"""Places of a race, and when two times are too close to tell: then they are a tie. No Qt.

A time is a measurement: one model on one sketch takes a little longer or less each time. So one contestant is ahead of
another only where their times differ by more than they spread:

- Where both ran in at least `PAIRS` turns, turn is compared with turn, as whatever else the machine did then slowed
  both. One is ahead where the median of the ratios differs from 1 by more than the ratios spread around it, and all
  turns but one in eight agree. With equal contestants this is wrong in one case of twenty at most.
- Else the medians are compared. One is ahead where they differ by more than `SURE` times what a single time of each
  spreads. That is learned from all repeats of the model so far; until there are `ENOUGH`, it is `SPREAD` at least and
  `WIDEST` at most, as a single slow run would otherwise make a tie of any two.

All spreads are relative (of logarithms), and robust: 1.4826 times the median deviation, which for normal noise is the
standard deviation, and which a few turns on a busy machine do not bend.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

PAIRS = 5  # turns in which both ran, from which on these are compared one by one
SURE = 2.0
SPREAD = 0.1  # of a single time: no less is believed of a few repeats
WIDEST = 0.35  # no more is either: a time of nearly three times the other is never a tie then
LEAST = 0.01  # no model's times are believed to spread less
ENOUGH = 4  # differences between repeats
ROBUST = 1.4826


@dataclass(frozen=True)
class Times:
    """What a contestant took. seconds: by turn. spread: relative, of a single time."""

    seconds: Mapping[int, float] = field(default_factory=dict)
    spread: float = SPREAD

    @property
    def median(self) -> float:
        return statistics.median(self.seconds.values())


@dataclass(frozen=True)
class Place:
    """From 1; tied where others share it."""

    number: int
    tied: bool = False


def ahead(a: Times, b: Times) -> bool:
    """Whether a is faster than b by more than their times spread."""
    ratios = [_ratio(b.seconds[turn], a.seconds[turn]) for turn in a.seconds.keys() & b.seconds.keys()]
    if len(ratios) >= PAIRS:
        median, against = statistics.median(ratios), sum(ratio <= 0 for ratio in ratios)
        return median > _spread(ratios, median) and against <= len(ratios) // 8
    return _ratio(b.median, a.median) > SURE * math.hypot(a.spread, b.spread)


def places(times: Sequence[Times]) -> list[Place]:
    """Of each. The fastest leads, and who is not behind it shares its place; the next one leads the rest."""
    order = sorted(range(len(times)), key=lambda i: times[i].median)
    groups: list[list[int]] = []
    for i in order:
        if groups and not ahead(times[groups[-1][0]], times[i]):
            groups[-1].append(i)
        else:
            groups.append([i])
    made: dict[int, Place] = {}
    for group in groups:
        made |= dict.fromkeys(group, Place(1 + len(made), len(group) > 1))
    return [made[i] for i in range(len(times))]


def spread(repeats: Iterable[Sequence[float]]) -> float:
    """Of a model's single times, from its repeats: each series is of one task, in the order in which they were taken.
    Neighbours are compared, so that a machine that slowly becomes busier does not count as noise."""
    differences = [_ratio(b, a) / math.sqrt(2) for series in repeats for a, b in itertools.pairwise(series)]
    found = _spread(differences, 0.0) if differences else 0.0
    return max(LEAST, found) if len(differences) >= ENOUGH else min(max(SPREAD, found), WIDEST)


def _spread(values: Sequence[float], around: float) -> float:
    return ROBUST * statistics.median(abs(value - around) for value in values)


def _ratio(a: float, b: float) -> float:
    """Its logarithm."""
    return math.log(max(a, 1e-9) / max(b, 1e-9))
