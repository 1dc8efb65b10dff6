"""What contestants took in all races of a sitting, and what may be said of repeats. No Qt.

Repeats are runs of one model by one sampler on one prompt, at one temperature, on one device with as many threads; the
seed may differ. Each runs alone on the clock, so that who else took part makes no difference.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from vssm.events import Finished, Started

from . import runs, tables
from .race import Contestant, Lane, Race


@dataclass(frozen=True, eq=False)
class Took:
    """A contestant's run. seconds: to its end, as in the race."""

    contestant: Contestant
    started: Started
    finished: Finished
    seconds: float

    @property
    def work(self) -> tuple:
        """What is equal where two are repeats."""
        asked, s = self.contestant.request, self.started
        prompt = asked.prompt
        sketch = prompt.known.tobytes(), (prompt.pixels * prompt.known[..., None]).tobytes()
        who = self.contestant.data, self.contestant.model, s.mode.name, s.size, s.pixels
        return *who, *sketch, asked.temperature, s.device, s.threads


@dataclass(frozen=True, eq=False)
class Bar:
    """All repeats of a contestant's run in a race, in their order. times: how often the least median goes into its."""

    took: tuple[Took, ...]
    times: float = 1.0

    @property
    def contestant(self) -> Contestant:
        return self.took[-1].contestant

    @property
    def seconds(self) -> list[float]:
        return [one.seconds for one in self.took]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def words(self) -> str:
        """0.12 s · 2.7 ×."""
        return f"{runs.seconds(self.median)} · {runs.times(self.times) if self.times > 1 else 'fastest'}"

    def say(self, number: int) -> str:
        """One of the runs."""
        one = self.took[number]
        calls = one.finished.network_calls
        text = f"{one.contestant.title}, run {number + 1} of {len(self.took)}: {runs.seconds(one.seconds)}"
        return f"{text}, {calls:,} network call{'s' * (calls != 1)}, seed {one.contestant.request.seed}"


class Record:
    """Remembers times, not pictures."""

    def __init__(self):
        self._took: list[Took] = []

    def add(self, race: Race) -> None:
        """Those of a race that came to their end."""
        for lane in race.lanes:
            if lane.finished:
                self._took.append(_took(lane))

    def bars(self, race: Race | None) -> list[Bar]:
        """What the finished contestants of a race took then and whenever else they did the same, in their order."""
        made = []
        for lane in race.lanes if race else ():
            if lane.finished:
                work = _took(lane).work
                made.append(tuple(one for one in self._took if one.work == work))
        least = min((Bar(took).median for took in made if took), default=1.0)
        return [Bar(took, Bar(took).median / max(least, 1e-9)) for took in made if took]


def _took(lane: Lane) -> Took:
    return Took(lane.contestant, lane.started, lane.finished, lane.end)


def words(bars: list[Bar]) -> str:
    """What the bars are."""
    if not bars:
        return ""
    least, most = min(len(bar.took) for bar in bars), max(len(bar.took) for bar in bars)
    if most == 1:
        return "Seconds of one run each; repeat the timing to see how they spread."
    count = f"{most}" if least == most else f"{least} to {most}"
    return f"Bars: the median of {count} runs each. Lines: from the least to the most. Dots: every run."


def table(bars: list[Bar]) -> list[tables.Row]:
    """A row a run."""
    return tables.dated(
        {
            "run": number,
            "runs": len(bar.took),
            **tables.asked(one.contestant.model, one.contestant.data, one.contestant.request, one.started),
            "tokens": one.finished.tokens,
            "network_calls": one.finished.network_calls,
            "total_seconds": one.seconds,
            **tables.spent(one.finished),
            "tokens_per_second": one.finished.tokens / max(one.seconds, 1e-9),
            **tables.drafts(one.finished),
            "median_total_seconds": bar.median,
            "median_times_fastest": bar.times,
        }
        for bar in bars
        for number, one in enumerate(bar.took, 1)
    )


def frames(race: Race | None) -> list[tables.Row]:
    """A row a network call of a race: what stood after it."""
    return tables.dated(
        {
            **tables.asked(lane.contestant.model, lane.contestant.data, lane.contestant.request, lane.started),
            "network_calls": frame.calls,
            "total_seconds": frame.seconds,
            "tokens_done": frame.tokens,
        }
        for lane in (race.lanes if race else ())
        for frame in lane.frames[1:]
    )
