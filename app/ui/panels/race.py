"""The race: a card for each contestant, a common axis of time below them, and a replay that can be slowed and scrubbed.

While contestants run, each by itself, their cards fill in; then the recording is played on the common axis.
"""

from __future__ import annotations

import dataclasses
import math
import time
from dataclasses import dataclass

from PySide6.QtCore import Qt, QTimer, Signal, Slot
from PySide6.QtWidgets import QComboBox, QWidget

from app.core import formatting, race_timing
from app.core.race import Contestant, PlaybackClock, Race, RaceJob, Track
from app.ui.actions import Actions
from app.ui.panels.race_bars import BarsPanel
from app.ui.widgets.card import Card, Headline, button, checkbox, filled, hint, label, named, narrow_choice
from app.ui.widgets.entrants import Entrants
from app.ui.widgets.flow import Flow
from app.ui.widgets.pause_button import PauseButton
from app.ui.widgets.race_card import RaceCard, RaceCards, legend
from app.ui.widgets.time_axis import TimeAxis

FRAME = 33  # milliseconds between two paintings of a replay
SELDOM = 150  # the same while contestants run, so that painting costs their clocks nothing to speak of
EMPTY = (
    "Press Race (⇧R): models complete the sketch from the same seed, one after another, each alone on the clock. Then "
    "all are played side by side on one axis of time."
)
REPLAY = "The race again, by each model's own time"
WIDEST = "{} first in 0.000 s; {} takes 000 × as long"
REST = 1500  # milliseconds that the end of a recorded race stands
LEAST = 1.0  # seconds that it is to take at least
MOST_PAST = 3  # races of a data set that are kept; a long one takes some 20 MB
SPEEDS = {1.0: "1 ×", 1 / 4: "1/4 ×", 1 / 16: "1/16 ×"}


@dataclass(frozen=True, eq=False)
class Past:
    """A race that has been run, as it can be played again. stopped: before all came to their end."""

    number: int
    race: Race
    stopped: bool

    @property
    def title(self) -> str:
        """Who won it, in short."""
        first = self.race.ranking[0] if self.race.ranking else None
        won = f"{self.race.winners} {formatting.seconds(first.end)}" if first else "stopped"
        return f"Race {self.number}: {won}"


class RacePanel(Card):
    """It is told when a race, or a repeat of its timing, is to `begin`, how that goes on, and when it has come to its
    `end`. `changed` tells that the replay goes or rests, or that there is another one."""

    changed = Signal()

    def __init__(self, actions: Actions):
        super().__init__("Race", "The same sketch and seed for all, each alone on the clock")
        self.job: RaceJob | None = None  # whose contestants run, or wait for their turn
        self._race: Race | None = None  # the one shown, where no other runs
        self._stopped = False  # whether that was, before all came to their end
        self._recorded = ""  # what is said of it where it was run elsewhere
        self._barred = False  # whether bars are shown
        self._log = race_timing.TimingLog()
        self._clock = PlaybackClock(0.0)
        self._data = ""
        self.past: dict[str, list[Past]] = {}  # by data set, the latest last
        self._left: dict[str, tuple[int, float]] = {}  # by data set: which of them was looked at, and at what time

        self.races = narrow_choice("Races", 220, "The latest races, to be looked at again")
        self.races.activated.connect(self.look_back)
        self._times = button(actions["show_times"], "Times")
        filled(self.header, (self.races, 100), self._times, button(actions["show_race"], "Back  V"))
        self.entrants, self.words, self.note = Entrants(), Headline(), label("", "muted", wrap=True)
        filled(self.body, self.entrants, self.words, self.note)

        self._message = hint(EMPTY)
        self._holder = RaceCards()
        self.bars = BarsPanel(actions["repeat_race"])
        self._stack = self.add_pages(self._message, self._holder, self.bars, stretch=100)

        self.legend = legend()
        self.body.addWidget(self.legend)
        self.axis = TimeAxis()
        self.axis.scrubbed.connect(self.put)
        self.axis.stepped.connect(self.step)
        self.body.addWidget(self.axis)
        self.replay = QWidget()
        controls = Flow(5)
        self.replay.setLayout(controls)
        self.pause = PauseButton(actions["pause"])
        earlier, later = button(actions["earlier_frame"], "◀ Frame"), button(actions["later_frame"], "Frame ▶")
        self._seldom = earlier, later  # the keys do the same
        for made in earlier, self.pause, later:
            controls.addWidget(made)
        self.speed = QComboBox()
        for speed, text in SPEEDS.items():
            self.speed.addItem(text, speed)
        self.speed.currentIndexChanged.connect(self._turn_speed)
        controls.addSpacing(4)
        named(controls.group(5), "Speed", self.speed, "How fast the race is played: as it was, or slowed (S)")
        tip = "Logarithmic time, so that the steps of the fastest can be told apart"
        self.log = checkbox("log time", tip, self._show)
        controls.addWidget(self.log)
        self.time = label("", "muted")
        self.time.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        controls.addStretch()
        controls.addWidget(self.time)
        self.body.addWidget(self.replay)

        self._timer = QTimer(self, interval=FRAME)
        self._timer.timeout.connect(self._tick)
        self._again = QTimer(self, interval=REST, singleShot=True)
        self._again.timeout.connect(self.play)
        self._show()

    # --- who takes part

    def offer(self, dataset: str, offered: dict[str, str], absent: set[str]) -> None:
        """Let people choose among models, as `Entrants.offer` says. A race of another data set gives way to the one of
        this set that was looked at last."""
        if dataset != self._data:
            self.leave()
            self._data = dataset
            self._fill_races()
            if self.races.count():
                number, seconds = self._left.get(dataset, (self.races.count() - 1, math.inf))
                self.races.setCurrentIndex(number)
                self.look_back(number)
                self._clock.put(seconds, time.perf_counter())
            self._show()
        self.entrants.offer(offered, absent)

    # --- the race itself

    @property
    def running(self) -> bool:
        """Whether the race shown is being run."""
        return self.job is not None and not self.job.turns

    @property
    def repeating(self) -> bool:
        """Whether its contestants run once more; what is shown of the race stays."""
        return self.job is not None and self.job.turns > 0

    @property
    def race(self) -> Race | None:
        """The one shown."""
        return self.job.race if self.job is not None and not self.job.turns else self._race

    @Slot(object)
    def begin(self, job: RaceJob) -> None:
        self.hold()
        self.job = job
        if not job.turns:
            job.race = self._log.judge(job.race)
            self._deal(job.race)
        self.follow()

    @Slot()
    def follow(self) -> None:
        """Another contestant has its turn, or no more of them."""
        if self.job is not None:
            if self.running:
                self._timer.start(SELDOM)
            self._show_bars()
            self.changed.emit()

    @Slot(object)
    def record(self, race: Race) -> None:
        """Keep the times of contestants that have run."""
        self._log.add(race)

    @Slot(object)
    def end(self, job: RaceJob) -> None:
        """All are through, or given up."""
        self.job = None
        self._timer.stop()
        if not job.turns:
            self._put_up(job.race, job.stopped)
            if job.race.duration > 0:
                past = self.past.setdefault(self._data, [])
                past.append(Past(past[-1].number + 1 if past else 1, job.race, job.stopped))
                del past[:-MOST_PAST]
                self._fill_races()
            if job.stopped or self._barred:
                self._clock.put(job.race.duration, time.perf_counter())
            elif job.race.ranking:
                self.play()
        self._judge()
        self._show_bars()
        self.changed.emit()

    def _put_up(self, race: Race, stopped: bool) -> None:
        """Show this one, from its start."""
        self._race, self._stopped, self._recorded = race, stopped, ""
        self._clock = PlaybackClock(race.duration, self.speed.currentData())

    @property
    def cards(self) -> list[RaceCard]:
        return self._holder.cards

    def _deal(self, race: Race) -> None:
        """A card for each contestant."""
        self._holder.deal([RaceCard(track.contestant) for track in race.tracks])
        for card in self.cards:
            card.retheme()
            card.note.setVisible(race.drafts)
        first, *others = [track.contestant.title for track in race.tracks]
        self.words.reserved = WIDEST.format(first, " 000 ×, ".join(others))

    def show_more(self, on: bool) -> None:
        """Who races, and all that can be set, or what the simple view has."""
        self.entrants.setVisible(on)
        for one in self._seldom:
            one.setVisible(on)
        self.log.setVisible(on or self.log.isChecked())

    def play_recorded(self, race: Race, words: str, note: str, still: bool) -> None:
        """Play a race that was run elsewhere, so slowly that it can be followed, again and again until somebody holds
        it; or show its end alone (still). words, note: what is said above it, and more about it; there is nothing to
        set."""
        self.hold()
        self._put_up(race, False)
        self._recorded = words
        self._deal(race)
        slow = [i for i, speed in enumerate(SPEEDS) if race.duration / speed >= LEAST]
        self.speed.setCurrentIndex(slow[0] if slow else len(SPEEDS) - 1)
        self.note.setText(note.replace("{speed}", self.speed.currentText()))
        if still:
            self._clock.put(race.duration, time.perf_counter())
        else:
            self.play()
        self._show_bars()
        self.changed.emit()

    def leave(self) -> None:
        """Show nothing any more; what was looked at will be shown again with its data set."""
        if self.race is not None and self.races.count():
            self._left[self._data] = self.races.currentIndex(), self.seconds
        self.hold()
        if self._recorded:
            self.speed.setCurrentIndex(0)
        self._race, self._stopped, self._recorded = None, False, ""
        self._show()

    def _judge(self) -> None:
        """Who is ahead of whom, by all times that are known by now: of all races that are kept."""
        for past in self.past.values():
            for i, one in enumerate(past):
                past[i] = dataclasses.replace(one, race=self._log.judge(one.race))
                self._race = past[i].race if self._race is one.race else self._race
        for i, one in enumerate(self.past.get(self._data, [])):
            self.races.setItemText(i, one.title)

    # --- races of before

    def _fill_races(self) -> None:
        past = self.past.get(self._data, [])
        self.races.clear()
        self.races.addItems([one.title for one in past])
        self.races.setCurrentIndex(len(past) - 1)

    @Slot(int)
    def look_back(self, number: int) -> None:
        """Show one of the races that are kept, at its end."""
        self.hold()
        past = self.past[self._data][number]
        self._put_up(past.race, past.stopped)
        self._clock.put(past.race.duration, time.perf_counter())
        self._deal(past.race)
        self._show_bars()
        self.changed.emit()

    # --- its times

    @property
    def finishers(self) -> tuple[Contestant, ...]:
        """Contestants that came to their end, whose timing can be repeated."""
        return tuple(track.contestant for track in self.race.tracks if track.finished) if self.race else ()

    @property
    def repeatable(self) -> bool:
        return self.job is None and bool(self.finishers) and not self._recorded

    def show_times(self, on: bool) -> None:
        """Bars in the place of pictures, or these again; a replay rests meanwhile."""
        self.hold()
        self._barred = on
        self._show_bars()
        self.changed.emit()

    def _show_bars(self) -> None:
        if self._barred and not self.running:
            race = None if self._recorded else self.race  # times of another machine, perhaps
            self.bars.show_bars(self._log.bars(race), race)
        self._show()

    # --- the replay

    @property
    def replayable(self) -> bool:
        return self.job is None and not self._barred and self.race is not None and self.race.duration > 0

    @property
    def playing(self) -> bool:
        return self._clock.going

    @property
    def at_end(self) -> bool:
        """Whether the replay has come to its end, from where it begins again."""
        return self.seconds >= self._clock.duration

    @property
    def seconds(self) -> float:
        """Where the replay stands; while contestants run, at the end of what there is."""
        if self.race is None:
            return 0.0
        return self.race.duration if self.running else self._clock.at(time.perf_counter())

    def play(self) -> None:
        self._clock.go(time.perf_counter())
        self._timer.start(FRAME)
        self.changed.emit()

    def hold(self) -> None:
        self._clock.hold(time.perf_counter())
        self._timer.stop()
        self._again.stop()
        self.changed.emit()

    def play_or_hold(self) -> None:
        if self.replayable:
            (self.hold if self.playing else self.play)()
            self._show()

    @Slot(float)
    def put(self, seconds: float) -> None:
        """Show that time; a replay under way rests there."""
        if self.replayable:
            if self.playing:
                self.hold()
            self._clock.put(seconds, time.perf_counter())
            self._show()
            self.changed.emit()

    @Slot(int)
    def step(self, frames: int) -> None:
        """Go so many frames on, of whichever contestants."""
        if self.race is not None:
            self.put(self.race.step(self.seconds, frames))

    def next_speed(self) -> None:
        self.speed.setCurrentIndex((self.speed.currentIndex() + 1) % self.speed.count())

    @Slot()
    def _turn_speed(self) -> None:
        self._clock.change(self.speed.currentData(), time.perf_counter())

    @Slot()
    def _tick(self) -> None:
        if self.playing and self.at_end:
            self.hold()
            if self._recorded:
                self._again.start()
        self._show()

    # --- showing

    def retheme(self) -> None:
        self.bars.retheme()
        self.entrants.retheme()
        for card in self.cards:
            card.retheme()
        self._show()

    def mousePressEvent(self, event) -> None:
        self.axis.setFocus()

    def _said(self, track: Track, index: int) -> str:
        """In place of the clock of a contestant that has not come to its end."""
        job = self.job
        if track.finished or (job is not None and index == job.index and track.begun):
            return ""
        if job is None:
            return "stopped" if self._stopped else "failed"
        return "stopping …" if job.stopped else "ready …" if index >= job.index else "failed"

    def _turn(self) -> str:
        """Who is on the clock; empty where nobody is."""
        job = self.job
        if job is None or job.stopped:
            return "Stopping …" if job else ""
        where = f"turn {job.turn} of {job.turns}" if job.turns else f"{job.index + 1} of {len(job.race.tracks)}"
        return f"{job.contestant.title} is on the clock ({where})"

    def _words(self) -> str:
        if self.race is None or self._recorded:
            return self._recorded
        if self.running:
            return self._turn()
        if self.seconds < self.race.duration and not (self._stopped or self._barred):
            return REPLAY
        return f"{'Stopped. ' * self._stopped}{self.race.words}".strip() or "Nobody came to the end."

    @Slot()
    def _show(self) -> None:
        raced, seconds = self.race, self.seconds
        barred = self._barred and raced is not None and not self.running
        self._stack.setCurrentWidget(self._message if raced is None else self.bars if barred else self._holder)
        self.bars.state.setText(self._turn() if self.repeating else "")
        self.replay.setVisible(raced is not None and not (barred or self._recorded))
        self._times.setVisible(not self._recorded)
        words = self._words()
        if words != self.words.text():
            self.words.setText(words)
            self.words.setAccessibleName(words)
        self.words.setVisible(bool(words))
        self.note.setVisible(bool(self._recorded))
        self.entrants.allow(self.job is None)
        self.races.setVisible(self.races.count() > 1)
        self.races.setEnabled(self.job is None)
        self.speed.setEnabled(self.replayable)
        self.log.setEnabled(self.replayable)
        self.axis.setVisible(raced is not None and not barred)
        self.time.setVisible(raced is not None and not barred)
        resting = not (self.running or self.playing)
        self.axis.show_time(raced, seconds, self.log.isChecked(), resting)
        self.legend.setVisible(raced is not None and raced.drafts and not barred)
        if raced is None or barred:
            return
        states = raced.at(math.inf if self.running else seconds)  # each has its own time still
        for index, (card, state) in enumerate(zip(self.cards, states, strict=True)):
            card.show_state(state, self._said(state.track, index), resting)
        self.time.setText(formatting.seconds(seconds))
