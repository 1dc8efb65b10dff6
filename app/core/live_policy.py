"""When a completion that follows the pen is asked for: every change of the sketch wants a new one, and the latest wins.

While the pen moves, the run under way is given up for the next once it has had `PATIENCE` and shown something: a model
that needs less answers all the while, a slower one never gets far, and none is given up again and again before it has
anything to show. That is a glance: one sample. When the pen rests all samples are drawn, whatever it takes, and all
that is worth more than a glance is worked out and shown.

All times are readings of one clock, in seconds, and are given as arguments.
"""

from __future__ import annotations

from enum import Enum

from app.core.run import Run
from vssm.prompt import Prompt

PATIENCE = 0.15
REST = 0.15  # without a change after which the pen rests
LOOK = 0.015  # until it is seen whether a run shows something
SPAN = 1.0  # over which completions are counted
KEPT = 5.0  # for which the count is shown after that


class Meter:
    """How many completions a second follow a sketch that changes, and how long after the pen the last one came.

    Counted over the last second, or back to the completion before it where they come less often; a change after all
    had been answered and some time had passed begins a new count.
    """

    def __init__(self) -> None:
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
        """A run is asked for, of the sketch as it is."""
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

    def words(self, now: float) -> str:
        """Both figures for a person; what to do before there are any, and once the pen has rested for long."""
        if not self._latency or (self._since is None and now - self._last > KEPT):
            return "Draw: the completion follows"
        delay, rate = self.delay(now), self.rate(now)
        often = f"{rate:.0f}" if rate >= 9.95 else f"{rate:.1f}"
        took = f"{delay * 1000:.0f} ms" if delay < 0.9995 else f"{delay:.1f} s"
        return f"{often} completions/s · {took} delay"


class Answer(Enum):
    """What is to be done now."""

    WAIT = 0
    COMPLETE = 1  # the sketch as it is
    SETTLE = 2  # nothing more is to come until the sketch changes


class LivePolicy:
    """Decides while it is `on`. It is told of every change of the sketch and of every run that has `begun` and `ended`,
    whoever asked for it, and when one that follows the pen is on screen.

    Attributes:
        resting: Whether the pen rests.
        gesture: A number for what becomes one entry of the history.
        ask_at: When `due` is to be called; None for not at all.
        rest_at: When `rest` is to be called, if nothing changes before; None for not at all.
        rest_after: Seconds without a change after which the pen rests.
    """

    def __init__(self, prompt: Prompt):
        self.on, self.resting, self.gesture = False, True, 1
        self.ask_at: float | None = None
        self.rest_at: float | None = None
        self.rest_after = REST
        self.meter = Meter()
        self._prompt = prompt
        self._pending = False  # whether the sketch has changed since a run was asked for
        self._run: Run | None = None  # the last one
        self._busy, self._begun = False, 0.0
        self._next_gesture = False

    def turn(self, on: bool, prompt: Prompt) -> None:
        """Begin or end to follow, from this sketch on."""
        self.on, self._prompt = on, prompt
        self.drop()

    def drop(self) -> None:
        """Ask for nothing more until the next change."""
        self.ask_at = self.rest_at = None
        self._pending, self.resting = False, True
        self.meter.forget()

    def adjust(self, now: float) -> None:
        """A setting of completions has changed."""
        if self.on:
            self._change(now)

    def again(self, drawing: bool, now: float) -> None:
        """Something else than the sketch has changed, which makes another completion."""
        if self.on:
            self.meter = Meter()
            self.adjust(now)
            self.rest(drawing, now)

    def change(self, prompt: Prompt, now: float) -> bool:
        """The sketch may have changed; returns whether it has."""
        if not self.on or prompt.same_as(self._prompt):
            return False
        self._prompt = prompt
        self._change(now)
        return True

    def _change(self, now: float) -> None:
        if self._next_gesture:
            self.gesture, self._next_gesture = self.gesture + 1, False
        self.meter.change(now)
        self._pending, self.resting = True, False
        self.rest_at = now + self.rest_after
        if not self._busy:
            self.ask_at = now  # once the event has been dealt with, which may bring further changes
        elif self.ask_at is None:
            patience = (
                0 if self._run and self._run.request.posterior else PATIENCE
            )  # the pen is not to wait for more than a glance
            self.ask_at = max(now, self._begun + patience)

    def rest(self, drawing: bool, now: float) -> None:
        """The pen rests: what has changed is completed now, and as a whole. drawing: whether it is down for all that,
        so that the gesture goes on."""
        if not self.on:
            return
        self._next_gesture = not drawing
        self.rest_at = None
        if not self.resting:
            self.resting = True
            if self._pending or not self._busy or self._glanced():
                self.ask_at = now

    def due(self, now: float) -> Answer:
        """The time `ask_at` has come."""
        self.ask_at = None
        if self._pending and self._busy and not self.resting and self._thinks():
            self.ask_at = now + LOOK
        elif self._pending or self._glanced():
            return Answer.COMPLETE
        elif not self._busy:
            return Answer.SETTLE
        return Answer.WAIT

    def _thinks(self) -> bool:
        """Whether the run under way is a glance that has begun and shows nothing yet, as its successor would."""
        run = self._run
        if run is None or run.started is None:
            return False
        return run.progress is None and not run.request.posterior

    def _glanced(self) -> bool:
        """Whether the last run of this gesture, if it was not stopped, is but a glance."""
        run = self._run
        if run is None or run.gesture != self.gesture or run.request.posterior:
            return False
        return self._busy or run.finished is not None

    def begun(self, run: Run, now: float) -> None:
        self.ask_at = None
        self._run, self._pending = run, False
        self._busy, self._begun = True, now
        if run.gesture:
            self.meter.ask()
        else:
            self.meter.forget()

    def ended(self, now: float) -> Answer:
        """The run under way has ended, whatever became of it."""
        self._busy = False
        if self._pending or (self.on and self.resting and self._glanced()):
            self.ask_at = now
        elif self.resting or not self.on or not (self._run and self._run.gesture):
            return Answer.SETTLE
        return Answer.WAIT
