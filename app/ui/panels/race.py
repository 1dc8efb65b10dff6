"""The race: a card for each contestant, a common axis of time below them, and a replay that can be slowed and scrubbed.

First every contestant runs by itself, and its card fills in; then the recording is played on the common axis.
"""

from __future__ import annotations

import dataclasses
import math
import time
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QSizePolicy,
    QSlider,
    QStackedLayout,
    QToolTip,
    QVBoxLayout,
    QWidget,
)

from app.core import formatting, race, race_timing
from app.core.race import Axis, Contestant, Frame, PlaybackClock, Race, State
from app.ui import theme
from app.ui.panels.latents import enlarge, paint, sequential
from app.ui.panels.race_bars import BarsPanel
from app.ui.widgets import picture
from app.ui.widgets.card import Card, OneLine, button, label, named, plain_tip
from app.ui.widgets.flow import Flow
from app.ui.widgets.plot import Seconds
from vssm.sampling.events import Event

FRAME = 33  # milliseconds between two paintings of a replay
SELDOM = 150  # the same while contestants run, so that painting costs their clocks nothing to speak of
GAP = 60  # milliseconds before each of them, in which all painting is done
STEPS = 10_000  # of the slider
ROW, HIGH, FOOT = 9, 30, 22  # pixels: of a contestant on the axis, at least and at most, and of its ticks
FEW = 64  # most new pixels that are outlined
TINTS = {"drafted": "#56b4e9", "accepted": "#009e73", "redrawn": "#cc79a7", "rejected": "#d55e00"}
TINT = 0.6  # how much of a pixel's colour it is
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


def colours_of(frame: Frame, known: np.ndarray) -> np.ndarray:
    """A frame as it is shown, [H, W, 3]: its picture, and the pixels of a round of drafting tinted."""
    drawn = picture.compose(frame.picture[None], known, frame.filled)[0]
    marks = frame.marks
    if marks is None:
        return drawn
    everywhere = np.ones_like(known)
    drafts = picture.compose(marks.values[None], np.zeros_like(known), everywhere)[0]
    for name, tint in TINTS.items():
        mask = getattr(marks, name)[..., None]
        under = drafts if name in ("drafted", "rejected") else drawn
        tinted = (1 - TINT) * under + TINT * np.array(QColor(tint).getRgb()[:3])
        drawn = np.where(mask, tinted.astype(np.uint8), drawn)
    return drawn


class RacePicture(picture.Picture):
    """A contestant's picture, in which a few new pixels are outlined and rejected ones crossed out."""

    def __init__(self, name: str):
        super().__init__(name)
        self.colour = QColor("white")
        self._frame: Frame | None = None

    def minimumSizeHint(self) -> QSize:
        return QSize(88, 88)

    def show_frame(self, frame: Frame, known: np.ndarray) -> None:
        self._frame = frame
        shown = frame.filled if frame.drafts is None else frame.filled | frame.drafts.proposed[0]
        self.show_picture(colours_of(frame, known), known, shown if frame.picture.shape[-1] == 3 else None)

    def show_level(self, frame: Frame, known: np.ndarray, shares: np.ndarray, palette: np.ndarray) -> None:
        """A map of latents [h, w] in the place of a picture that is still to come."""
        self._frame = None
        self.show_picture(paint(enlarge(shares, len(known)), palette), known)

    def paint_over(self, painter: QPainter, field: QRectF) -> None:
        if self._frame is None:
            return
        scale = field.width() / self._frame.filled.shape[1]
        marks = self._frame.marks
        if marks is not None:
            painter.setPen(QPen(QColor(255, 255, 255, 210), 1))
            for y, x in np.argwhere(marks.rejected):
                cell = QRectF(field.x() + x * scale, field.y() + y * scale, scale, scale).adjusted(1, 1, -1, -1)
                painter.drawLine(cell.topLeft(), cell.bottomRight())
        elif 0 < self._frame.fresh.sum() <= FEW:
            painter.setPen(QPen(self.colour, 2))
            for y, x in np.argwhere(self._frame.fresh):
                painter.drawRect(QRectF(field.x() + x * scale, field.y() + y * scale, scale, scale))


class Runner(QFrame):
    """The card of a contestant."""

    def __init__(self, contestant: Contestant):
        super().__init__()
        self.setObjectName("card")
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.contestant = contestant
        rows = QVBoxLayout(self)
        rows.setContentsMargins(6, 5, 6, 6)
        rows.setSpacing(3)
        self.name = OneLine()
        self.name.setText(f"{theme.sign(contestant.model, contestant.usual)} {contestant.title}")
        rows.addWidget(self.name)
        self.picture = RacePicture(f"What {contestant.title} has")
        rows.addWidget(self.picture, 100)
        self.clock, self.place = label("", "number"), label(" ", "number")
        self.clock.setToolTip("The model's own time")
        self.place.setToolTip("Its finishing place; = where times are closer than repeats of them spread")
        line = QHBoxLayout()
        line.addWidget(self.clock, 1)
        line.addWidget(self.place)
        rows.addLayout(line)
        self.tokens, self.calls, self.note = OneLine(), OneLine(), OneLine()
        for one in (self.tokens, self.calls, self.note):
            rows.addWidget(one)
        rows.addStretch(1)
        for one in (self.tokens, self.calls, self.note):
            one.setObjectName("muted")

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        self.picture.setMaximumHeight(max(88, self.picture.width()))  # no more than it has use for

    def retheme(self, colours: theme.Theme) -> None:
        colour = colours.model(self.contestant.model)
        self.name.setStyleSheet(f"color: {colour}; font-weight: 600")
        self.picture.colour = QColor(theme.DARK.model(self.contestant.model))  # pictures are dark in either theme

    def show_state(self, state: State, said: str, colours: theme.Theme, resting: bool) -> None:
        """said: a word on a contestant that has not come to its end; empty for a replay. resting: whether this stays
        for a while, so that a screen reader may read it out."""
        frame, track = state.frame, state.track
        known = self.contestant.request.prompt.known
        level = frame.level if frame.tokens == 0 else None
        if level is None:
            self.picture.show_frame(frame, known)
        else:
            every = np.concatenate([f.level.entropy.ravel() for f in track.frames if f.level is not None])
            low, high = float(np.nanmin(every)), float(np.nanmax(every))
            shares = (level.entropy - low) / max(high - low, 1e-6) * 255
            self.picture.show_level(frame, known, shares, sequential(colours))
        self.place.setText(
            race.short(state.place, state.tied) if state.place else " "
        )  # so that the line keeps its height
        self.clock.setText(said or formatting.seconds(state.seconds))
        self.tokens.setText(f"{frame.tokens:,} of {track.tokens:,} tokens")
        self.calls.setText(f"{frame.calls:,} network call{'s' * (frame.calls != 1)}")
        self.note.setText(self._note(frame))
        name = f"{state.words}, {said}" if said else state.words
        if (resting or state.done) and name != self.accessibleName():
            self.setAccessibleName(name)

    @staticmethod
    def _note(frame: Frame) -> str:
        if frame.level is not None:
            number, levels = frame.level.number, frame.level.levels
            if number == 0:
                return "entropy of the global code"
            return f"entropy of level {number} of {levels}" if levels > 1 else "entropy of the latents"
        if frame.drafted:
            return f"{frame.accepted:,} of {frame.drafted:,} drafts stood"
        return ""


class TimeAxis(QSlider):
    """The common axis: a row for each contestant, up to its end, and where the replay stands.

    `scrubbed` follows the mouse, in seconds; `stepped` the arrow keys, in frames.
    """

    scrubbed = Signal(float)
    stepped = Signal(int)

    def __init__(self):
        super().__init__(Qt.Orientation.Horizontal)
        self.setRange(0, STEPS)
        self.setAccessibleName("Time of the race")
        self.setToolTip("Drag to any time; arrow keys go from one network call to the next")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.valueChanged.connect(self._valued)
        self.axis = Axis(1.0)
        self._race: Race | None = None
        self._now = 0.0
        self._theme = theme.LIGHT

    def sizeHint(self) -> QSize:
        return QSize(300, ROW * self._rows + FOOT + 8)

    minimumSizeHint = sizeHint

    @property
    def _rows(self) -> int:
        return len(self._race.tracks) if self._race else 1

    def retheme(self, colours: theme.Theme) -> None:
        self._theme = colours
        self.update()

    def show_time(self, raced: Race | None, seconds: float, logarithmic: bool, resting: bool) -> None:
        """resting: whether it stays there for a while."""
        before = self._rows
        self._race, self._now = raced, seconds
        if self._rows != before:
            self.setMaximumHeight(HIGH * self._rows + FOOT + 8)
            self.updateGeometry()
        first = [track.frames[1].seconds for track in raced.tracks if len(track.frames) > 1] if raced else []
        self.axis = Axis(raced.duration if raced else 1.0, logarithmic, min(first, default=1e-3))
        self.blockSignals(True)
        self.setValue(round(self.axis.share(seconds) * STEPS))
        self.blockSignals(False)
        if resting:
            self.setAccessibleDescription(f"{formatting.seconds(seconds)} of {formatting.seconds(self.axis.duration)}")
        self.update()

    def words_at(self, place: QPointF) -> str:
        """What the contestant of that row had at that time; empty beside the rows."""
        field = self._field()
        tracks = self._race.tracks if self._race else ()
        row = math.floor((place.y() - field.top()) / field.height() * len(tracks))
        if not 0 <= row < len(tracks) or not field.left() <= place.x() <= field.right():
            return ""
        seconds = self.axis.seconds((place.x() - field.left()) / field.width())
        return self._race.at(seconds)[row].words

    def event(self, event) -> bool:
        if event.type() == QEvent.Type.ToolTip and (words := self.words_at(QPointF(event.pos()))):
            QToolTip.showText(event.globalPos(), words, self)
            return True
        return super().event(event)

    @Slot(int)
    def _valued(self, value: int) -> None:
        self.scrubbed.emit(self.axis.seconds(value / STEPS))

    def _field(self) -> QRectF:
        return QRectF(self.rect()).adjusted(8, 4, -8, -FOOT)

    def _seek(self, x: float) -> None:
        field = self._field()
        self.setValue(round(min(max((x - field.left()) / field.width(), 0), 1) * STEPS))

    def mousePressEvent(self, event) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._seek(event.position().x())

    def mouseMoveEvent(self, event) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._seek(event.position().x())

    def mouseReleaseEvent(self, event) -> None:
        """The slider's own handle has nothing to do."""

    def keyPressEvent(self, event) -> None:
        steps = {Qt.Key.Key_Left: -1, Qt.Key.Key_Down: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_Up: 1}.get(event.key())
        if steps is not None and event.modifiers() in (
            Qt.KeyboardModifier.NoModifier,
            Qt.KeyboardModifier.KeypadModifier,
        ):
            self.stepped.emit(steps)
        elif event.key() in (Qt.Key.Key_Home, Qt.Key.Key_End, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown):
            super().keyPressEvent(event)
        else:
            event.ignore()

    def paintEvent(self, event) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        t, field = self._theme, self._field()
        painter.setFont(self.font())
        for seconds in self.axis.ticks():
            x = field.left() + self.axis.share(seconds) * field.width()
            painter.setPen(QColor(t.line))
            painter.drawLine(QPointF(x, field.top()), QPointF(x, field.bottom() + 2))
            painter.setPen(QColor(t.muted))
            text = Seconds._text(seconds)
            wide = self.fontMetrics().horizontalAdvance(text)
            left = min(max(x - wide / 2, 0), self.width() - wide)
            painter.drawText(QPointF(left, self.height() - 4), text)
        tracks = self._race.tracks if self._race else ()
        for i, track in enumerate(tracks):
            y = field.top() + (i + 0.5) * field.height() / len(tracks)
            colour = QColor(t.model(track.contestant.model))
            end = field.left() + self.axis.share(track.end) * field.width()
            here = field.left() + self.axis.share(min(track.end, self._now)) * field.width()
            faint = QColor(colour)
            faint.setAlphaF(0.35)
            painter.setPen(QPen(faint, 2))
            painter.drawLine(QPointF(field.left(), y), QPointF(end, y))
            painter.setPen(
                QPen(colour, max(4, field.height() / len(tracks) / 3), Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap)
            )
            painter.drawLine(QPointF(field.left(), y), QPointF(here, y))
            if track.finished:
                painter.setPen(QPen(colour, 1.5))
                painter.setBrush(colour if self._now >= track.end else QColor(t.card))
                painter.drawEllipse(QPointF(end, y), 3.5, 3.5)
        x = field.left() + self.axis.share(self._now) * field.width()
        painter.setPen(QPen(QColor(t.text), 1.5))
        painter.drawLine(QPointF(x, 1), QPointF(x, field.bottom() + 3))
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(t.accent), 2))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 4, 4)


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
        self.runners: list[Runner] = []
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
        self._cards = QWidget()
        self._row = QHBoxLayout(self._cards)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(6)
        holder = QWidget()
        self._stack = QStackedLayout(holder)
        self._stack.addWidget(self._message)
        self._stack.addWidget(self._cards)
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
        for runner in self.runners:
            self._row.removeWidget(runner)
            runner.hide()
            runner.deleteLater()
        self.runners = [Runner(track.contestant) for track in self.race.tracks]
        for runner in self.runners:
            runner.retheme(self._theme)
            self._row.addWidget(runner, 1)

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
        for runner in self.runners:
            runner.retheme(colours)
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
        self._stack.setCurrentWidget(self._message if raced is None else self.bars if barred else self._cards)
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
        for i, (runner, state) in enumerate(zip(self.runners, raced.at(seconds), strict=True)):
            if self.running:  # each has its own time still
                track = state.track
                state = State(track, track.frames[-1], track.end, raced.place(track), raced.tied(track))
            runner.show_state(state, self._said(i), self._theme, resting)
        self.time.setText(formatting.seconds(seconds))
