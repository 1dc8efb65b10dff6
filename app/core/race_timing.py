"""What contestants took in all races of a session, and what may be said of repeats. No Qt.

Repeats are runs of one model by one sampler on one prompt, at one temperature, on one device with as many threads; the
seed may differ. Each runs alone on the clock, so that who else took part makes no difference.
"""

from __future__ import annotations

import dataclasses
import statistics
from dataclasses import dataclass

from app.core import csv_export, formatting, places
from app.core.places import Times
from app.core.race import Contestant, Race, Track
from vssm.sampling.events import Finished, Started


@dataclass(frozen=True, eq=False)
class TimedRun:
    """A contestant's run. seconds: to its end, as in the race. turn: in which others ran, too; from 1."""

    turn: int
    contestant: Contestant
    started: Started
    finished: Finished
    seconds: float

    @property
    def work(self) -> tuple[object, ...]:
        """What is equal where two are repeats."""
        one, prompt = self.contestant, self.contestant.prompt
        sketch = prompt.known.tobytes(), (prompt.pixels * prompt.known[..., None]).tobytes()
        settings = one.settings.as_started(self.started).without_seed
        return one.data, settings, *sketch, self.started.device, self.started.threads


@dataclass(frozen=True, eq=False)
class Bar:
    """All repeats of a contestant's run in a race, in their order. times: how often the least median goes into its.
    place: in the race, from 1; tied where others share it."""

    took: tuple[TimedRun, ...]
    times: float = 1.0
    place: int = 1
    tied: bool = False

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
        first = "tie" if self.tied else "fastest"
        return f"{formatting.seconds(self.median)} · {first if self.place == 1 else formatting.times(self.times)}"

    def say(self, number: int) -> str:
        """One of the runs."""
        one = self.took[number]
        calls = one.finished.network_calls
        text = f"{one.contestant.title}, run {number + 1} of {len(self.took)}: {formatting.seconds(one.seconds)}"
        return f"{text}, {calls:,} network call{'s' * (calls != 1)}, seed {one.contestant.settings.seed}"


class TimingLog:
    """Remembers times, not pictures."""

    def __init__(self) -> None:
        self._runs: list[TimedRun] = []
        self._turns = 0

    def add(self, race: Race) -> None:
        """Those of a race that came to their end; they ran in one turn."""
        self._turns += 1
        self._runs += [took for track in race.tracks if (took := _timed_run(track, self._turns))]

    def judge(self, race: Race) -> Race:
        """With all that is known of its contestants' times by now."""
        known = tuple(
            Times({one.turn: one.seconds for one in self._repeats(track) if one.finished is not track.finished}, spread)
            for track, spread in zip(race.tracks, map(self._spread, race.tracks), strict=True)
        )
        return race if known == race.known else dataclasses.replace(race, known=known)

    def _repeats(self, track: Track) -> list[TimedRun]:
        """What a finished contestant took then and whenever else it did the same, in their order."""
        took = _timed_run(track, 0)
        return [one for one in self._runs if one.work == took.work] if took else []

    def _spread(self, track: Track) -> float:
        """Of the times of that model, whatever it was to do."""
        series: dict[tuple[object, ...], list[float]] = {}
        for one in self._runs:
            if (one.contestant.model, one.contestant.data) == (track.contestant.model, track.contestant.data):
                series.setdefault(one.work, []).append(one.seconds)
        return places.spread(series.values())

    def bars(self, race: Race | None) -> list[Bar]:
        """A bar for each contestant of a race that came to its end, in their order."""
        if race is None:
            return []
        race = self.judge(race)
        made = [(track, took) for track in race.tracks if (took := tuple(self._repeats(track)))]
        least = min((Bar(took).median for _, took in made), default=1.0)
        return [
            Bar(took, Bar(took).median / max(least, 1e-9), race.place(track) or 1, race.tied(track))
            for track, took in made
        ]


def _timed_run(track: Track, turn: int) -> TimedRun | None:
    """What a contestant took; None before it has come to its end."""
    if track.started is None or track.finished is None:
        return None
    return TimedRun(turn, track.contestant, track.started, track.finished, track.end)


def words(bars: list[Bar]) -> str:
    """What the bars are."""
    if not bars:
        return ""
    least, most = min(len(bar.took) for bar in bars), max(len(bar.took) for bar in bars)
    if most == 1:
        return "Seconds of one run each; repeat the timing to see how they spread."
    count = f"{most}" if least == most else f"{least} to {most}"
    return f"Bars: the median of {count} runs each. Lines: from the least to the most. Dots: every run."


def table(bars: list[Bar]) -> list[csv_export.Row]:
    """A row a run."""
    return csv_export.dated(
        {
            "run": number,
            "runs": len(bar.took),
            **csv_export.asked(one.contestant, one.started),
            "tokens": one.finished.tokens,
            "network_calls": one.finished.network_calls,
            "total_seconds": one.seconds,
            **csv_export.spent(one.finished),
            "tokens_per_second": one.finished.tokens / max(one.seconds, 1e-9),
            **csv_export.drafts(one.finished),
            "median_total_seconds": bar.median,
            "median_times_fastest": bar.times,
            "place": bar.place,
            "tied": bar.tied,
        }
        for bar in bars
        for number, one in enumerate(bar.took, 1)
    )


def frames(race: Race | None) -> list[csv_export.Row]:
    """A row a network call of a race: what stood after it."""
    return csv_export.dated(
        {
            **csv_export.asked(track.contestant, track.started),
            "network_calls": frame.calls,
            "total_seconds": frame.seconds,
            "tokens_done": frame.tokens,
        }
        for track in (race.tracks if race else ())
        for frame in track.frames[1:]
    )
