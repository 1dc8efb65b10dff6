"""The race: a card for each contestant, a common axis of time below them, and a replay that can be slowed and scrubbed.

First every contestant runs by itself, and its card fills in; then the recording is played on the common axis.
"""

from __future__ import annotations

import dataclasses
import math
import time
from dataclasses import dataclass

from PySide6.QtCore import Qt, QTimer, Signal, Slot
from PySide6.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QStackedLayout, QWidget

from app.core import formatting, race_timing
from app.core.race import Contestant, PlaybackClock, Race, State
from app.ui import theme
from app.ui.panels.race_bars import BarsPanel
from app.ui.widgets.card import Card, button, label, named, plain_tip
from app.ui.widgets.flow import Flow
from app.ui.widgets.race_card import TINTS, RaceCard
from app.ui.widgets.time_axis import TimeAxis
from vssm.sampling.events import Event

FRAME = 33  # milliseconds between two paintings of a replay
SELDOM = 150  # the same while contestants run, so that painting costs their clocks nothing to speak of
GAP = 60  # milliseconds before each of them, in which all painting is done
EMPTY = (
    "A race lets all ticked models complete the sketch from the same seed, one after another, each alone on the clock. "
    "Then all are played side by side on one axis of time."
)
ROUNDS = (
    "A round of drafting: drafted pixels wait for the next network call, which accepts them up to the first that does "
    "not hold; that one is drawn anew, and those after it are rejected, to be drafted again."
)
MOST_PAST = 3  # races of a data set that are kept; a long one takes some 20 MB
SPEEDS = {1.0: "1 ×", 1 / 4: "1/4 ×", 1 / 16: "1/16 ×"}


@dataclass(frozen=True)
class Offer:
    """A model that may race. lacks: why it cannot; empty where it can."""

    model: str
    title: str
    lacks: str = ""


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
    """`asked` wants a contestant to be run, the next one when `ended` was called; `changed` tells that it runs, plays
    or rests now. What is told to it are the events of the run asked for."""

    asked = Signal(object)
    changed = Signal()

    def __init__(self, actions):
        super().__init__("Race", "The same sketch and seed for all, each alone on the clock")
        self.race: Race | None = None
        self.running = False  # contestants run, or wait for their turn
        self._stopping = False
        self._number = -1  # of the contestant on the clock
        self._under_way = False  # whether it has been asked for, and not ended
        self._again: Race | None = None  # on the clock once more, for its times alone
        self._turn = self._turns = 0  # of such repeats
        self._quit = False  # whether no more of them are wanted
        self._barred = False  # whether bars are shown
        self._timed = race_timing.TimingLog()
        self._clock = PlaybackClock(0.0)
        self._theme = theme.LIGHT
        self._absent: set[str] = set()  # models not ticked
        self._offered: list[Offer] = []
        self._data = ""
        self.boxes: dict[str, QCheckBox] = {}
        self.cards: list[RaceCard] = []
        self.past: dict[str, list[Past]] = {}  # by data set, the latest last
        self._left: dict[str, tuple[int, float]] = {}  # by data set: which of them was looked at, and at what time

        self.races = QComboBox()
        self.races.setAccessibleName("Races")
        self.races.setToolTip("The latest races, to be looked at again")
        self.races.activated.connect(self.look_back)
        self.header.addWidget(self.races)
        for name, text in (("start_race", "Race  ⇧R"), ("show_times", "Times"), ("show_race", "Race view  V")):
            made = button(actions[name], text)
            self.header.addWidget(made)
        self._entries = Flow(10)
        self.body.addLayout(self._entries)
        self.words = label("", "title", wrap=True)
        self.body.addWidget(self.words)

        self._message = label(EMPTY, "muted", wrap=True)
        self._message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._holder = QWidget()
        self._row = QHBoxLayout(self._holder)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(6)
        holder = QWidget()
        self._stack = QStackedLayout(holder)
        self._stack.addWidget(self._message)
        self._stack.addWidget(self._holder)
        self.bars = BarsPanel(actions["repeat_race"])
        self._stack.addWidget(self.bars)
        self.body.addWidget(holder, 100)

        legend = " &nbsp; ".join(  # on black, as pictures are
            f'<span style="color:{tint}; background:#000000">&nbsp;■&nbsp;</span>&nbsp;{name}'
            for name, tint in TINTS.items()
        )
        self.legend = label("", "muted", wrap=True)
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.legend.setText(f"Drafts of this round: &nbsp;{legend}")
        self.legend.setToolTip(ROUNDS)
        self.body.addWidget(self.legend)
        self.axis = TimeAxis()
        self.axis.scrubbed.connect(self.put)
        self.axis.stepped.connect(self.step)
        self.body.addWidget(self.axis, 60)
        self._controls = QWidget()
        controls = Flow(5)
        self._controls.setLayout(controls)
        for name, text in (("earlier_frame", "◀ Frame"), ("pause", ""), ("later_frame", "Frame ▶")):
            made = button(actions[name], text)
            controls.addWidget(made)
            if name == "pause":
                self.pause = made
        self.speed = QComboBox()
        for speed, text in SPEEDS.items():
            self.speed.addItem(text, speed)
        self.speed.currentIndexChanged.connect(self._turn_speed)
        controls.addSpacing(4)
        named(controls.group(5), "Speed", self.speed, "How fast the race is played: as it was, or slowed (S)")
        self.log = QCheckBox("log time")
        self.log.setToolTip("Logarithmic time, so that the steps of the fastest can be told apart")
        self.log.toggled.connect(self._show)
        controls.addWidget(self.log)
        self.time = label("", "muted")
        self.time.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        controls.addStretch()
        controls.addWidget(self.time)
        self.body.addWidget(self._controls)

        self._start = QTimer(self, interval=GAP, singleShot=True)
        self._start.timeout.connect(self._ask)
        self._timer = QTimer(self, interval=FRAME)
        self._timer.timeout.connect(self._tick)
        self._show()

    # --- who takes part

    def offer(self, dataset: str, offered: list[Offer], absent: set[str]) -> None:
        """Who may race; those in `absent`, which is kept up to date, are not ticked. A race of another data set gives
        way to the one of this set that was looked at last; contestants that still run are stopped, and what they came
        to is kept."""
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
        if (dataset, offered) == (self._data, self._offered) and absent is self._absent:
            return
        self._data, self._offered, self._absent = dataset, offered, absent
        while item := self._entries.takeAt(0):
            if item.widget():
                item.widget().hide()
                item.widget().deleteLater()
        self.boxes = {}
        for one in offered:
            box = QCheckBox(f"{theme.sign(one.model)} {one.title}")
            box.setAccessibleName(f"{one.title} races")
            box.setToolTip(plain_tip(one.lacks) or f"Whether {one.title} takes part, by the sampler chosen for it")
            box.setEnabled(not one.lacks)
            box.setChecked(not one.lacks and one.model not in absent)
            box.toggled.connect(self._tick_off)
            self.boxes[one.model] = box
            self._entries.addWidget(box)
        self._colour_boxes()

    @Slot()
    def _tick_off(self) -> None:
        for model, box in self.boxes.items():
            change = self._absent.discard if box.isChecked() or not box.isEnabled() else self._absent.add
            change(model)

    @property
    def chosen(self) -> list[str]:
        """Models that are to race."""
        return [model for model, box in self.boxes.items() if box.isChecked()]

    # --- the race itself

    def begin(self, contestants: tuple[Contestant, ...]) -> None:
        self._give_up()
        self.hold()
        self.race, self._again = self._timed.judge(Race.of(contestants)), None
        self.running, self._stopping, self._number, self._under_way = True, False, 0, False
        self._deal()
        self._show()
        self._start.start()
        self.changed.emit()

    def _deal(self) -> None:
        """A card for each contestant."""
        for card in self.cards:
            self._row.removeWidget(card)
            card.hide()
            card.deleteLater()
        self.cards = [RaceCard(track.contestant) for track in self.race.tracks]
        for card in self.cards:
            card.retheme(self._theme)
            self._row.addWidget(card, 1)

    @Slot()
    def _ask(self) -> None:
        self._under_way = True
        if not self.repeating:  # else there is nothing to paint
            self._timer.start(SELDOM)
        self.asked.emit((self._again or self.race).tracks[self._number].contestant)

    def add(self, event: Event) -> None:
        if self._under_way and self.repeating:
            self._again = self._again.add(self._number, event)
        elif self._under_way:
            self.race = self.race.add(self._number, event)

    def ended(self) -> None:
        """The run asked for is over, whatever became of it."""
        if not self._under_way:  # forgotten meanwhile
            return
        self._under_way = False
        self._timer.stop()
        if self._ending or self._number + 1 == len((self._again or self.race).tracks):
            self._conclude()
            return
        self._number += 1
        self._show()
        self._start.start()

    def _conclude(self) -> None:
        """The last contestant of the race, or of a repeat of it, is through or given up."""
        self._under_way = False
        self._timer.stop()
        self._timed.add(self._again or self.race)
        (self._end_turn if self.repeating else self._finish)()

    def stopping(self) -> None:
        """No more contestants; a network call may still be under way."""
        if not self.stoppable:
            return
        self._quit, self._stopping = self.repeating, self._stopping or not self.repeating
        self._start.stop()
        if self._under_way:
            self._show()
            self.changed.emit()
        else:
            self._conclude()

    def _finish(self) -> None:
        self.running = self._under_way = False
        self._clock = PlaybackClock(self.race.duration, self.speed.currentData())
        if self.race.duration > 0:
            past = self.past.setdefault(self._data, [])
            past.append(Past(past[-1].number + 1 if past else 1, self.race, self._stopping))
            del past[:-MOST_PAST]
            self._fill_races()
            self._judge()
        if self._stopping or self._barred:
            self._clock.put(self.race.duration, time.perf_counter())
        elif self.race.ranking:
            self.play()
        self._show_bars()
        self.changed.emit()

    def forget(self) -> None:
        """Nothing is shown; a run under way, if any, is nobody's."""
        self.hold()
        self._start.stop()
        self.race, self._again, self.running, self._under_way, self._stopping = None, None, False, False, False
        self._show()

    def _give_up(self) -> None:
        """End what runs at once; what the contestants came to is kept."""
        self.stopping()
        if self._under_way:
            self._conclude()

    def leave(self) -> None:
        """Show nothing any more; what runs ends, and what was looked at will be shown again with its data set."""
        self._give_up()
        if self.race is not None and self.races.count():
            self._left[self._data] = self.races.currentIndex(), self.seconds
        self.forget()

    def _judge(self) -> None:
        """Who is ahead of whom, by all times that are known by now: of all races that are kept."""
        for past in self.past.values():
            for i, one in enumerate(past):
                past[i] = dataclasses.replace(one, race=self._timed.judge(one.race))
                self.race = past[i].race if self.race is one.race else self.race
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
        self.race, self._stopping = past.race, past.stopped
        self._clock = PlaybackClock(self.race.duration, self.speed.currentData())
        self._clock.put(self.race.duration, time.perf_counter())
        self._deal()
        self._show_bars()
        self.changed.emit()

    # --- its times

    @property
    def repeating(self) -> bool:
        """Whether its contestants run once more; what is shown of the race stays."""
        return self._again is not None

    @property
    def repeatable(self) -> bool:
        return self.race is not None and not (self.running or self.repeating) and bool(self.race.ranking)

    def repeat(self) -> None:
        """Time those that came to their end as often again as is asked for."""
        self.hold()
        self._turn, self._turns, self._quit = 0, self.bars.times.value(), False
        self._begin_turn()
        self.changed.emit()

    def _begin_turn(self) -> None:
        self._again = Race.of(tuple(track.contestant for track in self.race.tracks if track.finished))
        self._turn, self._number = self._turn + 1, 0
        self._show_bars()
        self._start.start()

    def _end_turn(self) -> None:
        if self._turn < self._turns and not self._quit:
            self._begin_turn()
            return
        self._again = None
        self._judge()
        self._show_bars()
        self.changed.emit()

    def show_times(self, on: bool) -> None:
        """Bars in the place of pictures, or these again; a replay rests meanwhile."""
        self.hold()
        self._barred = on
        self._show_bars()
        self.changed.emit()

    def _show_bars(self) -> None:
        if self._barred:
            self.bars.show_bars(self._timed.bars(self.race), self.race)
        self._show()

    def _progress(self) -> str:
        """Of the repeats."""
        if not self.repeating:
            return ""
        title = self._again.tracks[self._number].contestant.title
        return "Stopping …" if self._quit else f"{title} is on the clock (turn {self._turn} of {self._turns})"

    # --- the replay

    @property
    def stoppable(self) -> bool:
        return (self.running or self.repeating) and not self._ending

    @property
    def _ending(self) -> bool:
        return self._quit if self.repeating else self._stopping

    @property
    def replayable(self) -> bool:
        busy = self.running or self.repeating or self._barred
        return self.race is not None and not busy and self.race.duration > 0

    @property
    def playing(self) -> bool:
        return self._clock.going

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

    @Slot(int)
    def step(self, frames: int) -> None:
        """Go so many frames on, of whichever contestants."""
        if self.replayable:
            self.put(self.race.step(self.seconds, frames))

    def next_speed(self) -> None:
        self.speed.setCurrentIndex((self.speed.currentIndex() + 1) % self.speed.count())

    @Slot()
    def _turn_speed(self) -> None:
        self._clock.change(self.speed.currentData(), time.perf_counter())

    @Slot()
    def _tick(self) -> None:
        if self.playing and self.seconds >= self._clock.duration:
            self.hold()
        self._show()

    # --- showing

    def retheme(self, colours: theme.Theme) -> None:
        self._theme = colours
        self.axis.retheme(colours)
        self.bars.retheme(colours)
        self._colour_boxes()
        for card in self.cards:
            card.retheme(colours)
        self._show()

    def _colour_boxes(self) -> None:
        for model, box in self.boxes.items():
            box.setStyleSheet(f"QCheckBox:enabled {{ color: {self._theme.model(model)} }}")

    def mousePressEvent(self, event) -> None:
        self.axis.setFocus()

    def _said(self, number: int) -> str:
        """In place of the clock of a contestant that has not come to its end."""
        track = self.race.tracks[number]
        if track.finished or (self.running and number == self._number and track.begun):
            return ""
        if self.running and not self._stopping:
            return "ready …" if number >= self._number else "failed"
        return "stopped" if self._stopping and not self.running else "stopping …" if self.running else "failed"

    def _words(self) -> str:
        if self.race is None:
            return ""
        if self.running:
            title = self.race.tracks[self._number].contestant.title
            turn = f"{title} is on the clock ({self._number + 1} of {len(self.race.tracks)})"
            return "Stopping …" if self._stopping else f"{turn}. {self.race.words}" if self.race.words else turn
        words = self.race.words
        if self._stopping:
            return f"Stopped. {words}" if words else "Stopped."
        return words or "Nobody came to the end."

    @Slot()
    def _show(self) -> None:
        raced, seconds = self.race, self.seconds
        barred = self._barred and raced is not None and not self.running
        self._stack.setCurrentWidget(self._message if raced is None else self.bars if barred else self._holder)
        self.bars.state.setText(self._progress())
        self._controls.setVisible(not barred)
        words = self._words()
        if words != self.words.text():
            self.words.setText(words)
            self.words.setAccessibleName(words)
        self.words.setVisible(bool(words))
        for box, one in zip(self.boxes.values(), self._offered, strict=True):
            box.setEnabled(not (self.running or self.repeating) and not one.lacks)
        self.races.setVisible(self.races.count() > 1)
        self.races.setEnabled(not (self.running or self.repeating))
        for one in (self.speed, self.log):
            one.setEnabled(self.replayable)
        for one in (self.axis, self.time):
            one.setVisible(raced is not None and not barred)
        resting = not (self.running or self.playing)
        self.axis.show_time(raced, seconds, self.log.isChecked(), resting)
        drafted = raced is not None and any(track.frames[-1].drafted for track in raced.tracks)
        self.legend.setVisible(drafted and not barred)
        if raced is None or barred:
            return
        for i, (card, state) in enumerate(zip(self.cards, raced.at(seconds), strict=True)):
            if self.running:  # each has its own time still
                track = state.track
                state = State(track, track.frames[-1], track.end, raced.place(track), raced.tied(track))
            card.show_state(state, self._said(i), self._theme, resting)
        self.time.setText(formatting.seconds(seconds))
