"""Completion that follows the pen: a canvas and two timers for a `LivePolicy`, which decides."""

from __future__ import annotations

import time

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from app.core.live_policy import KEPT, Answer, LivePolicy
from app.core.run import Run
from app.ui.widgets.canvas import Canvas
from app.ui.widgets.card import configured, label

TOLD = 0.25  # seconds between two counts shown, so that they can be read
COUNTER = (
    "Completions a second while the sketch changes, one sample each, and the time from a change to its picture on "
    "screen; all samples are drawn when the pen rests"
)


class LiveFollower(QObject):
    """Follows a canvas while it is turned on: `asked` says when the sketch is to be completed as it is, `settled` that
    nothing more is to come until it changes."""

    asked = Signal()
    settled = Signal()

    def __init__(self, canvas: Canvas, parent: QObject | None = None):
        super().__init__(parent)
        self.policy = LivePolicy(canvas.sketch.prompt)
        self.counter = configured(label("", "muted"), accessibleName="Live completions", toolTip=COUNTER)
        self.counter.hide()
        self._canvas, self._told = canvas, 0.0
        self._due, self._rest = QTimer(self, singleShot=True), QTimer(self, singleShot=True)
        self._due.timeout.connect(self._ask)
        self._rest.timeout.connect(self.rest)
        self._stale = QTimer(self, singleShot=True, interval=round(1100 * KEPT))  # it may be early
        self._stale.timeout.connect(self._count)
        canvas.changed.connect(self._changed)
        canvas.lifted.connect(self.rest)

    def turn(self, on: bool) -> None:
        self.policy.turn(on, self._canvas.sketch.prompt)
        self.counter.setVisible(on)
        self._schedule()
        self._tell(True)

    @Slot()
    def adjust(self) -> None:
        """A setting has changed, and others may follow: completed as a change of the sketch is."""
        self.policy.adjust(time.perf_counter())
        self._schedule()
        self._tell()

    def again(self) -> None:
        """Something else than the sketch has changed, which makes another completion."""
        self.policy.again(self._canvas.drawing, time.perf_counter())
        self._schedule()
        self._tell()

    def drop(self) -> None:
        """Ask for nothing more until the next change."""
        self.policy.drop()
        self._schedule()
        self._tell()

    @Slot()
    def _changed(self) -> None:
        if self.policy.change(self._canvas.sketch.prompt, time.perf_counter()):
            self._schedule()
            self._tell()

    @Slot()
    def rest(self) -> None:
        """The pen rests."""
        self.policy.rest(self._canvas.drawing, time.perf_counter())
        self._schedule()

    def begun(self, run: Run) -> None:
        self.policy.begun(run, time.perf_counter())
        self._schedule()

    def shown(self) -> None:
        """The picture of the run under way is on screen."""
        self.policy.meter.show(time.perf_counter())
        self._tell(self.policy.resting)

    def ended(self) -> None:
        self._follow(self.policy.ended(time.perf_counter()))

    @Slot()
    def _ask(self) -> None:
        self._follow(self.policy.due(time.perf_counter()))

    def _follow(self, answer: Answer) -> None:
        self._schedule()
        if answer is Answer.COMPLETE:
            self.asked.emit()
        elif answer is Answer.SETTLE:
            self.settled.emit()

    def _schedule(self) -> None:
        for timer, when in ((self._due, self.policy.ask_at), (self._rest, self.policy.rest_at)):
            if when is None:
                timer.stop()
            else:
                timer.start(max(0, round((when - time.perf_counter()) * 1000)))

    def _tell(self, surely: bool = False) -> None:
        self._stale.start()
        if surely or time.perf_counter() - self._told > TOLD:
            self._count()

    @Slot()
    def _count(self) -> None:
        self._told = time.perf_counter()
        self.counter.setText(self.policy.meter.words(self._told))
