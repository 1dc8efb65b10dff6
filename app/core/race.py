"""A race: several models complete one prompt, each by itself on the clock, and are set on one axis of time.

What is recorded is every network call: the picture after it, on the second of the model's own time at which it stood.
As each model works alone and its clock stands still in between, none slows another; `Race.at` says what all of them
had at a time. Everything is frozen: an event makes a new race. No Qt.
"""

from __future__ import annotations

import dataclasses
import math
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from app.core import formatting, job
from app.core.job import Job, Kind
from app.core.places import Place, Times, places
from app.core.run import Run
from app.core.settings import CompletionSettings, Task
from vssm.prompt import Prompt
from vssm.reports.precomputed import Recording
from vssm.sampling.events import Drafts, Event, Finished, GenerationRequest, Latents, Progress, Started

OWN = 0  # the turn that is the race itself
SPEEDS = (1.0, 1 / 4, 1 / 16)
ORDINALS = ("first", "second", "third")


@dataclass(frozen=True, eq=False)
class Contestant(Task):
    """A model that races, and its task: one sample of a prompt, with an event for every network call."""

    data: str
    settings: CompletionSettings
    prompt: Prompt

    def __post_init__(self) -> None:
        if self.settings.samples != 1:
            raise ValueError("a race is of one sample each")

    @property
    def request(self) -> GenerationRequest:
        """What is asked of the model."""
        return self.settings.to_request(self.prompt, every=0, details=False)

    @property
    def drafts(self) -> bool:
        """Whether it guesses several pixels at once, and verifies them."""
        return self.sampler.parameter == "draft"


@dataclass(frozen=True, eq=False)
class Level:
    """A level of latents as drawn: entropy [h, w] of what it was drawn from, in nats, NaN where it is still to come."""

    number: int
    levels: int
    entropy: np.ndarray


@dataclass(frozen=True, eq=False)
class Marks:
    """What became of the pixels of a round, [H, W] bool each, no two of which overlap.

    drafted: not verified yet. accepted: as drafted. redrawn: the first that failed, drawn anew. rejected: the rest, to
    be drafted again. values: [H, W, C] uint8, as drafted.
    """

    drafted: np.ndarray
    accepted: np.ndarray
    redrawn: np.ndarray
    rejected: np.ndarray
    values: np.ndarray


@dataclass(frozen=True, eq=False)
class Frame:
    """What stood after a network call, from `seconds` of the model's time on.

    picture: [H, W, C] uint8; filled, fresh: [H, W] bool, what stands, and what this call brought. level: of latents
    that this call drew. drafts: the round of drafting that it belongs to ([1, H, W, …]).
    """

    seconds: float
    calls: int
    tokens: int
    picture: np.ndarray
    filled: np.ndarray
    fresh: np.ndarray
    level: Level | None = None
    drafts: Drafts | None = None
    drafted: int = 0
    accepted: int = 0

    @property
    def marks(self) -> Marks | None:
        """Of the round of drafting that it belongs to."""
        if self.drafts is None:
            return None
        proposed, passed = self.drafts.proposed[0], self.drafts.passed[0]
        failed, verified = proposed & ~passed, (proposed & self.filled).any()
        return Marks(
            proposed & ~verified, passed, failed & self.filled, failed & ~self.filled & verified, self.drafts.images[0]
        )


@dataclass(frozen=True, eq=False)
class Track:
    """What is recorded of a contestant. frames: the first of them is the prompt, before any call."""

    contestant: Contestant
    frames: tuple[Frame, ...]
    started: Started | None = None
    finished: Finished | None = None

    @classmethod
    def of(cls, contestant: Contestant) -> Track:
        prompt = contestant.prompt
        picture = prompt.pixels * prompt.known[..., None].astype(np.uint8)
        nothing = np.zeros_like(prompt.known)
        return cls(contestant, (Frame(0.0, 0, 0, picture, prompt.known, nothing),))

    def add(self, event: Event) -> Track:
        """With what an event tells. A call may tell of latents and of pixels: these are one frame."""
        last = self.frames[-1]
        match event:
            case Started():
                return dataclasses.replace(self, started=event)
            case Latents():
                level = Level(event.level, event.num_levels, event.entropy[0])
                nothing = np.zeros_like(last.filled)
                frame = dataclasses.replace(
                    last, seconds=event.seconds, calls=last.calls + 1, fresh=nothing, level=level, drafts=None
                )
                return dataclasses.replace(self, frames=(*self.frames, frame))
            case Progress():
                same = event.network_calls == last.calls  # as the call told last
                before = self.frames[:-1] if same else self.frames
                frame = Frame(
                    event.seconds,
                    event.network_calls,
                    event.tokens,
                    event.images[0],
                    event.filled[0],
                    event.filled[0] & ~before[-1].filled,
                    last.level if same else None,
                    event.drafts,
                    event.drafted,
                    event.accepted,
                )
                return dataclasses.replace(self, frames=(*before, frame))
            case Finished():
                return dataclasses.replace(self, finished=event)
        return self

    @property
    def begun(self) -> bool:
        return self.started is not None

    @property
    def drafts(self) -> bool:
        """Whether it guesses several pixels at once: once it has ended it has told, as in a recorded race, which is
        shown before anything is known of samplers."""
        return self.contestant.drafts if self.finished is None else self.finished.drafted > 0

    @property
    def tokens(self) -> int:
        """To be generated."""
        return int((~self.contestant.prompt.known).sum())

    @property
    def end(self) -> float:
        """The second of its last frame."""
        return self.frames[-1].seconds

    @cached_property
    def _moments(self) -> list[float]:
        return [frame.seconds for frame in self.frames]

    def frame(self, seconds: float) -> Frame:
        """The last that stood at that time."""
        return self.frames[max(0, bisect_right(self._moments, seconds) - 1)]


@dataclass(frozen=True, eq=False)
class State:
    """A contestant at a time. seconds: on its own clock, which stops at its end. place: from 1, once it is through;
    tied where others share it."""

    track: Track
    frame: Frame
    seconds: float
    place: int | None
    tied: bool = False

    @property
    def done(self) -> bool:
        return self.place is not None

    @property
    def words(self) -> str:
        """For a person who does not see the card."""
        frame, title = self.frame, self.track.contestant.title
        place = f"{'tied for ' * self.tied}{ordinal(self.place)}, " if self.place else ""
        calls = f"{frame.calls:,} network call{'s' * (frame.calls != 1)}"
        when, tokens = formatting.seconds(self.seconds), f"{frame.tokens:,} of {self.track.tokens:,} pixels"
        return f"{title}: {place}{when}, {tokens}, {calls}"


@dataclass(frozen=True, eq=False)
class Race:
    """tracks: in the order in which the contestants run. known: what is known of each one's times from other turns at
    the same task; these decide with the race's own who is ahead of whom."""

    tracks: tuple[Track, ...]
    known: tuple[Times, ...] = ()

    @classmethod
    def of(cls, contestants: tuple[Contestant, ...]) -> Race:
        return cls(tuple(map(Track.of, contestants)))

    def add(self, number: int, event: Event) -> Race:
        """With an event of the contestant of that number."""
        track = self.tracks[number].add(event)
        return dataclasses.replace(self, tracks=(*self.tracks[:number], track, *self.tracks[number + 1 :]))

    @property
    def drafts(self) -> bool:
        """Whether any of them does."""
        return any(track.drafts for track in self.tracks)

    @property
    def duration(self) -> float:
        """Seconds of the common axis: of the slowest."""
        return max((track.end for track in self.tracks), default=0.0)

    @cached_property
    def _times(self) -> dict[Track, Times]:
        """Of those that came to their end, in all turns."""
        known = self.known or (Times(),) * len(self.tracks)
        return {
            track: Times({**times.seconds, OWN: track.end}, times.spread)
            for track, times in zip(self.tracks, known, strict=True)
            if track.finished
        }

    @cached_property
    def _places(self) -> dict[Track, Place]:
        return dict(zip(self._times, places(list(self._times.values())), strict=True))

    @cached_property
    def ranking(self) -> list[Track]:
        """Those that came to their end, the fastest first."""
        return sorted(self._times, key=lambda track: (self._places[track].number, self.seconds(track)))

    def seconds(self, track: Track) -> float:
        """What one that came to its end takes: the median of all its turns."""
        return self._times[track].median

    def place(self, track: Track) -> int | None:
        """From 1; contestants too close to tell share one. None for one that has not come to its end."""
        return self._places[track].number if track.finished else None

    def tied(self, track: Track) -> bool:
        """Whether others share its place."""
        return bool(track.finished) and self._places[track].tied

    @cached_property
    def moments(self) -> list[float]:
        """Every second at which a frame of any contestant begins, and 0."""
        return sorted({frame.seconds for track in self.tracks for frame in track.frames})

    def at(self, seconds: float) -> tuple[State, ...]:
        """What everybody had at a time on the common axis."""
        made = []
        for track in self.tracks:
            through = track.end <= seconds
            place, tied = (self.place(track), self.tied(track)) if through else (None, False)
            made.append(State(track, track.frame(seconds), min(max(seconds, 0.0), track.end), place, tied))
        return tuple(made)

    def step(self, seconds: float, steps: int) -> float:
        """The moment so many frames later (or earlier), of whichever contestants."""
        after = bisect_right(self.moments, seconds)  # so many begin until then
        between = after == 0 or self.moments[after - 1] < seconds
        number = after - 1 + steps + (between and steps < 0)
        return self.moments[min(max(number, 0), len(self.moments) - 1)]

    @cached_property
    def _winners(self) -> list[Track]:
        return [track for track in self.ranking if self.place(track) == 1]

    @property
    def winners(self) -> str:
        """The titles of those in the first place: "VSSM", "VSSM and VSSM (paper)"; empty where nobody came through."""
        *others, last = [track.contestant.title for track in self._winners] or [""]
        return f"{', '.join(others)} and {last}" if others else last

    @property
    def words(self) -> str:
        """Who won and by how much: "VSSM first in 0.005 s; AS-ARM takes 8.1 ×, Transformer 37 × as long"."""
        if not self.ranking:
            return ""
        first = self.ranking[0]
        least = self.seconds(first)
        won = f"{self.winners} {'tie' if self.tied(first) else 'first'} in {formatting.seconds(least)}"
        behind = [
            f"{track.contestant.title}{' takes' * (i == 0)} {formatting.times(self.seconds(track) / max(least, 1e-9))}"
            for i, track in enumerate(track for track in self.ranking if track not in self._winners)
        ]
        lost = f"; {', '.join(behind)} as long" if behind else ""
        counts = [len(times.seconds) for times in self._times.values()]
        most = f"{max(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
        return won + lost + (f" (medians of {most} runs)" if max(counts) > 1 else "")


def retold(recording: Recording) -> tuple[Race, list[Run]]:
    """A race that was recorded, and its runs, from what its contestants told."""
    contestants, runs = [], []
    for number, told in enumerate(recording.runs, 1):
        started = next(event for event in told.events if isinstance(event, Started))
        settings = CompletionSettings(told.model, seed=told.request.seed, pixel_mode=started.pixel_mode)
        contestants.append(Contestant(recording.data, settings, told.request.prompt))
        runs.append(Run(-number, recording.data, settings, told.request, recorded=True, state=job.State.IDLE))
    race = Race.of(tuple(contestants))
    for number, told in enumerate(recording.runs):
        for event in told.events:
            race = race.add(number, event)
            runs[number].add(event)
    return race, runs


@dataclass(eq=False)
class RaceJob(Job):
    """Contestants on the clock, one after another. race: what is recorded of this turn. turns: how often they run for
    their times alone; 0 for the race itself. turn: from 1. index: of the contestant on the clock, in `race.tracks`."""

    race: Race
    turns: int = 0
    turn: int = 1
    index: int = 0

    @classmethod
    def of(cls, contestants: tuple[Contestant, ...], turns: int = 0) -> RaceJob:
        return cls(0, contestants[0].data, Race.of(contestants), turns)

    @property
    def kind(self) -> Kind:
        return Kind.RACE

    @property
    def contestant(self) -> Contestant:
        """The one on the clock."""
        return self.race.tracks[self.index].contestant

    @property
    def is_last(self) -> bool:
        """Whether the one on the clock is the last of this turn."""
        return self.index + 1 == len(self.race.tracks)

    @property
    def more(self) -> bool:
        return not self.is_last or self.turn < self.turns

    def add(self, event: Event) -> None:
        self.race = self.race.add(self.index, event)

    def turn_to_next(self) -> None:
        """Put the next contestant on the clock: after the last one the first, in another turn."""
        if self.is_last:
            self.race = Race.of(tuple(track.contestant for track in self.race.tracks))
            self.turn += 1
        self.index = (self.index + 1) % len(self.race.tracks)


class PlaybackClock:
    """Where a replay stands on the axis, by whatever clock it is given the readings of."""

    def __init__(self, duration: float, speed: float = 1.0):
        self.duration, self.speed = duration, speed
        self._from = 0.0
        self._since: float | None = None

    @property
    def going(self) -> bool:
        return self._since is not None

    def at(self, now: float) -> float:
        passed = 0.0 if self._since is None else (now - self._since) * self.speed
        return min(self._from + passed, self.duration)

    def go(self, now: float) -> None:
        """On from where it stands; from the start where it stands at the end."""
        here = self.at(now)
        self._from, self._since = (0.0 if here >= self.duration else here), now

    def hold(self, now: float) -> None:
        self._from, self._since = self.at(now), None

    def put(self, seconds: float, now: float) -> None:
        """Go there; it goes on from there, or rests there."""
        self._from = min(max(seconds, 0.0), self.duration)
        self._since = None if self._since is None else now

    def change(self, speed: float, now: float) -> None:
        self.put(self.at(now), now)
        self.speed = speed


class Axis:
    """Seconds to shares of an axis and back; logarithmic from `least` on, a twentieth being for what is before."""

    HEAD = 0.05

    def __init__(self, duration: float, logarithmic: bool = False, least: float = 1e-3):
        self.duration = max(duration, 1e-9)
        self.least = min(least, self.duration / 10)
        self.logarithmic = logarithmic

    def share(self, seconds: float) -> float:
        """0 to 1."""
        seconds = min(max(seconds, 0.0), self.duration)
        if not self.logarithmic:
            return seconds / self.duration
        if seconds <= self.least:
            return self.HEAD * seconds / self.least
        span = math.log(self.duration / self.least)
        return self.HEAD + (1 - self.HEAD) * math.log(seconds / self.least) / span

    def seconds(self, share: float) -> float:
        """The reverse of `share`."""
        share = min(max(share, 0.0), 1.0)
        if not self.logarithmic:
            return share * self.duration
        if share <= self.HEAD:
            return share / self.HEAD * self.least
        return self.least * math.pow(self.duration / self.least, (share - self.HEAD) / (1 - self.HEAD))

    def ticks(self, most: int = 6) -> list[float]:
        """Round seconds along it."""
        if self.logarithmic:
            decades = range(math.ceil(math.log10(self.least) - 1e-9), math.floor(math.log10(self.duration)) + 1)
            return [0.0, *(10.0**d for d in decades)]
        rough = self.duration / most
        step = 10.0 ** math.floor(math.log10(rough))
        step *= next(n for n in (1, 2, 5, 10) if n * step >= rough)
        return [i * step for i in range(int(self.duration / step) + 1)]


def short(place: int, tied: bool = False) -> str:
    """1st, 2nd, 3rd, 4th; =1st for a tie."""
    return f"{'=' * tied}{place}{('st', 'nd', 'rd')[place - 1] if place <= 3 else 'th'}"


def ordinal(place: int) -> str:
    """first, second, third, 4th."""
    return ORDINALS[place - 1] if place <= len(ORDINALS) else short(place)
