"""Completion that follows the pen: every change of the sketch asks for a new one, and the latest wins.

While the pen moves, the run under way is given up for the next once it has had `PATIENCE` and shown something: a model
that needs less answers all the while, a slower one never gets far, and none is given up again and again before it has
anything to show. That is a glance: one sample. When the pen rests all samples are drawn, whatever it takes, and all
that is worth more than a glance is worked out and shown.
"""

from __future__ import annotations

import time

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from app.core.run import Run
from app.ui.widgets.canvas import Canvas
from app.ui.widgets.card import label

PATIENCE = 150  # milliseconds
REST = 150  # milliseconds without a change after which the pen rests
LOOK = 15  # milliseconds until it is seen whether a run shows something
SPAN = 1.0  # seconds over which completions are counted
TOLD = 0.25  # seconds between two counts shown, so that they can be read


class Meter:
    """How many completions a second follow a sketch that changes, and how long after the pen the last one came.

    Counted over the last second, or back to the completion before it where they come less often; a change after all
    had been answered and some time had passed begins a new count. Readings of a clock are given to it.
    """

    def __init__(self):
        self._since: float | None = None  # the first change that is not on screen
        self._new: float | None = None  # the first that no run has been asked for
        self._marks = [0.0]  # the count's beginning, and when completions came
        self._last = 0.0
        self._latency = 0.0

    def change(self, now: float) -> None:
        if self._since is None and now - self._last > SPAN / 2:
            self._marks = [now]
        self._since = now if self._since is None else self._since
        self._new = now if self._new is None else self._new
        self._last = now

    def ask(self) -> None:
        """A run is asked for, of the sketch as it stands."""
        self._new = None

    def show(self, now: float) -> None:
        """The run asked for last is on screen."""
        if self._since is None:  # it is shown anew, with more than a glance
            return
        self._latency = now - self._since
        self._since, self._last = self._new, now
        self._marks = [*self._marks[self._first(now) :], now]

    def forget(self) -> None:
        """Nothing is waited for any more."""
        self._since = self._new = None

    def _first(self, now: float) -> int:
        return max((i for i, mark in enumerate(self._marks) if mark <= now - SPAN), default=0)

    def rate(self, now: float) -> float:
        """Completions a second."""
        first = self._first(now)
        return (len(self._marks) - 1 - first) / max(now - self._marks[first], 1e-3)

    def delay(self, now: float) -> float:
        """Seconds from a change to its picture: of the last one, or of one that has waited longer already; 0 before
        there was any."""
        return max(self._latency, 0.0 if self._since is None else now - self._since)


class Live(QObject):
    """Follows a canvas while it is turned on: `asked` says when the sketch is to be completed as it stands, `settled`
    that nothing more is to come until it changes. The window tells of every run that has `begun` and `ended`, whoever
    asked for it, and when one that follows the pen is on screen.

    resting: whether the pen does. gesture: a number for what becomes one entry of the history.
    """

    asked = Signal()
    settled = Signal()

    def __init__(self, canvas: Canvas, parent: QObject | None = None):
        super().__init__(parent)
        self.on, self.resting, self.gesture = False, True, 1
        self.meter = Meter()
        self.counter = label("", "muted")
        self.counter.setAccessibleName("Live completions")
        self.counter.setToolTip(
            "Completions a second while the sketch changes, one sample each, and the time from a change to its "
            "picture on screen; all samples are drawn when the pen rests"
        )
        self.counter.hide()
        self._canvas = canvas
        self._prompt = canvas.sketch.prompt
        self._pending = False  # whether the sketch has changed since a run was asked for
        self._run: Run | None = None  # the last one
        self._busy, self._begun, self._told = False, 0.0, 0.0
        self._next_gesture = False
        self._due = QTimer(self, singleShot=True)
        self._due.timeout.connect(self._ask)
        self._rest = QTimer(self, singleShot=True, interval=REST)
        self._rest.timeout.connect(self.rest)
        canvas.changed.connect(self._changed)
        canvas.lifted.connect(self.rest)

    def turn(self, on: bool) -> None:
        self.on, self._prompt = on, self._canvas.sketch.prompt
        self.counter.setVisible(on)
        self.drop()
        self._tell(time.perf_counter())

    def again(self) -> None:
        """Something else than the sketch has changed, which makes another completion."""
        if self.on:
            self.meter = Meter()
            self._change()
            self.rest()

    def drop(self) -> None:
        """Ask for nothing more until the next change."""
        self._due.stop()
        self._rest.stop()
        self._pending, self.resting = False, True
        self.meter.forget()

    @Slot()
    def _changed(self) -> None:
        prompt = self._canvas.sketch.prompt
        if self.on and not prompt.same_as(self._prompt):
            self._prompt = prompt
            self._change()

    def _change(self) -> None:
        if self._next_gesture:
            self.gesture, self._next_gesture = self.gesture + 1, False
        now = time.perf_counter()
        self.meter.change(now)
        self._pending, self.resting = True, False
        self._rest.start()
        if not self._busy:
            self._due.start(0)  # once the event has been dealt with, which may bring further changes
        elif not self._due.isActive():
            patience = 0 if self._run.request.posterior else PATIENCE  # the pen is not to wait for more than a glance
            self._due.start(max(0, patience - round((now - self._begun) * 1000)))
        if now - self._told > TOLD:
            self._tell(now)

    @Slot()
    def rest(self) -> None:
        """The pen rests: what has changed is completed now, and as a whole."""
        if not self.on:
            return
        self._next_gesture = not self._canvas.drawing
        self._rest.stop()
        if not self.resting:
            self.resting = True
            if self._pending or not self._busy or self._glanced():
                self._due.start(0)

    @Slot()
    def _ask(self) -> None:
        if self._pending and self._busy and not self.resting and self._thinks():
            self._due.start(LOOK)
        elif self._pending or self._glanced():
            self.asked.emit()
        elif not self._busy:
            self.settled.emit()

    def _thinks(self) -> bool:
        """Whether the run under way is a glance that has begun and shows nothing yet, as its successor would."""
        run = self._run
        return run.started is not None and run.progress is None and not run.request.posterior

    def _glanced(self) -> bool:
        """Whether the last run of this gesture, if it was not stopped, is but a glance."""
        run = self._run
        if run is None or run.gesture != self.gesture or run.request.posterior:
            return False
        return self._busy or run.finished is not None

    # --- what becomes of it

    def begun(self, run: Run) -> None:
        self._due.stop()
        self._run, self._pending = run, False
        self._busy, self._begun = True, time.perf_counter()
        if run.gesture:
            self.meter.ask()
        else:
            self.meter.forget()

    def shown(self) -> None:
        """The picture of the run under way is on screen."""
        now = time.perf_counter()
        self.meter.show(now)
        if now - self._told > TOLD or self.resting:
            self._tell(now)

    def ended(self) -> None:
        self._busy = False
        if self._pending or (self.on and self.resting and self._glanced()):
            self._due.start(0)
        elif self.resting or not self.on or not self._run.gesture:
            self.settled.emit()

    def _tell(self, now: float) -> None:
        self._told = now
        delay = self.meter.delay(now)
        if not delay:
            self.counter.setText("Draw: the completion follows")
        else:
            rate = self.meter.rate(now)
            often = f"{rate:.0f}" if rate >= 9.95 else f"{rate:.1f}"
            took = f"{delay * 1000:.0f} ms" if delay < 0.9995 else f"{delay:.1f} s"
            self.counter.setText(f"{often} completions/s · {took} delay")
