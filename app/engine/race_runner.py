"""Who races next: contestants run one after another, each alone on the clock, and perhaps some more times."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from app.core.job import Job
from app.core.race import RaceJob
from app.engine.jobs import Jobs

GAP = 60  # milliseconds before each of them, in which all painting is done


class RaceRunner(QObject):
    """Runs a race as a job."""

    began = Signal(object)  # RaceJob
    turned = Signal()  # the next contestant has its turn
    recorded = Signal(object)  # Race: all contestants have run once, or will not
    ended = Signal(object)  # RaceJob

    def __init__(self, jobs: Jobs):
        super().__init__(jobs)
        self._jobs = jobs
        self._gap = QTimer(self, interval=GAP, singleShot=True)
        self._gap.timeout.connect(self._ask)
        jobs.rested.connect(self._rested)
        jobs.ended.connect(self._ended)

    def begin(self, job: RaceJob) -> None:
        """Let its contestants run; another job gives way."""
        self._jobs.begin(job)
        self.began.emit(job)
        self._gap.start()

    @Slot()
    def _ask(self) -> None:
        job = self._jobs.current
        if isinstance(job, RaceJob):
            self._jobs.ask(job.contestant.model, job.contestant.request)

    @Slot(object)
    def _rested(self, job: Job) -> None:
        if isinstance(job, RaceJob):
            if job.is_last:
                self.recorded.emit(job.race)
            job.turn_to_next()
            self.turned.emit()
            self._gap.start()

    @Slot(object)
    def _ended(self, job: Job) -> None:
        if isinstance(job, RaceJob):
            self._gap.stop()
            self.recorded.emit(job.race)
            self.ended.emit(job)
