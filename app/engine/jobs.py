"""The one place that says what the models do now: one job at a time, whatever its kind, and how it stands."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Signal, Slot

from app.core.job import Job, Kind, State
from app.engine.engine import Engine
from vssm.evaluation.scaling import ScalingRequest
from vssm.sampling.events import GenerationRequest

PAUSABLE = Kind.COMPLETION, Kind.LATENT_EDIT


class Jobs(QObject):
    """Begins jobs, holds and ends them; a job takes the events of its runs, then `happened` tells of them.

    current: the job under way; None where there is none.
    """

    changed = Signal()  # another job, or another state
    happened = Signal(object, object)  # job, event
    failed = Signal(str, str)  # why its run has failed, in one sentence; name of its data set
    rested = Signal(object)  # a job whose run is over, and which is to `ask` for another
    ended = Signal(object)  # a job, whatever became of it; where it gave way, the other one is under way

    def __init__(self, engine: Engine):
        super().__init__(engine)
        self.current: Job | None = None
        self._engine = engine
        self._number = 0  # of the run that was asked for and has not ended
        self._waiting: Callable[[], None] | None = None
        engine.happened.connect(self._run_happened)
        engine.failed.connect(self._run_failed)
        engine.ended.connect(self._run_ended)

    @property
    def state(self) -> State:
        if self._waiting is not None:
            return State.LOADING
        return self.current.state if self.current is not None else State.IDLE

    @property
    def kind(self) -> Kind | None:
        """What the job under way is for."""
        return self.current.kind if self.current is not None else None

    def wait(self, do: Callable[[], None]) -> None:
        """The models are not there: `do_waiting` does this, and nothing that was to wait before."""
        self._waiting = do
        self.changed.emit()

    def do_waiting(self) -> None:
        """The models are there."""
        do, self._waiting = self._waiting, None
        if do is not None:
            do()
            self.changed.emit()

    def begin(self, job: Job, model: str = "", request: GenerationRequest | ScalingRequest | None = None) -> None:
        """Begin a job, by its first run if that is given; the job under way gives way."""
        before, self.current = self.current, job
        if request is not None:
            self.ask(model, request)
        else:
            self._number = 0
            self._engine.stop()
        if before is not None:
            self._tell_end(before, stopped=True)
        self.changed.emit()

    def ask(self, model: str, request: GenerationRequest | ScalingRequest) -> None:
        """Ask for a run of the job under way."""
        assert self.current is not None
        self._number = self.current.number = self._engine.complete(model, self.current.data, request)

    @property
    def can_pause(self) -> bool:
        return self.kind in PAUSABLE and self.state is not State.STOPPING

    def pause(self) -> None:
        """Hold the job under way between two network calls, or let it go on from there."""
        assert self.current is not None
        paused = self.current.state is State.PAUSED
        self.current.state = State.RUNNING if paused else State.PAUSED
        (self._engine.go_on if paused else self._engine.pause)()
        self.changed.emit()

    def stop(self, at_once: bool = False) -> None:
        """Give up what is under way or waits: it ends with its network call; or at once, though that goes on."""
        self._waiting = None
        self._engine.stop()
        if self.current is not None:
            self.current.state, self.current.stopped = State.STOPPING, True
            if at_once or not self._number:
                self._end()
        self.changed.emit()

    def _end(self) -> None:
        self._number = 0
        job, self.current = self.current, None
        if job is not None:
            self._tell_end(job, job.stopped)

    def _tell_end(self, job: Job, stopped: bool) -> None:
        job.state, job.stopped = State.IDLE, stopped
        self.ended.emit(job)

    @Slot(int, object)
    def _run_happened(self, number: int, event: object) -> None:
        if self.current is not None and number == self._number:
            self.current.add(event)
            self.happened.emit(self.current, event)

    @Slot(int, str)
    def _run_failed(self, number: int, sentence: str) -> None:
        if self.current is not None and number == self._number:
            self.failed.emit(sentence, self.current.data)

    @Slot(int)
    def _run_ended(self, number: int) -> None:
        job = self.current
        if job is None or number != self._number:
            return
        self._number = 0
        if job.more and job.state is not State.STOPPING:
            self.rested.emit(job)
        else:
            self._end()
            self.changed.emit()
