"""Five steps that show a newcomer around; each is ticked when the person has done it, in whatever way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QWidget

from app.core.dataset_settings import is_fresh
from app.core.job import Job, Kind
from app.ui.widgets.card import button_of
from vssm.sampling.events import Finished

if TYPE_CHECKING:
    from app.ui.main_window import Window


@dataclass(frozen=True)
class Step:
    """where: the widget it is done with, of a window; None where that is not on screen."""

    name: str
    title: str
    text: str
    where: Callable[[Window], QWidget | None]


def steps() -> tuple[Step, ...]:
    return (
        Step("draw", "Draw", "Draw the beginning of a digit on the sketch, or click an example below it.",
             lambda window: window.canvas),
        Step("complete", "Complete", "Press Complete, or ↵: the VSSM draws a plan, then all pixels at once.",
             lambda window: button_of(window.actions_["complete"])),
        Step("compare", "Compare", "Choose the Transformer (2) and complete again: it draws pixel by pixel.",
             lambda window: button_of(window.actions_[("choose_model", "transformer")])),
        Step("ending", "Another ending", "Click one of the small samples: each completion is one of many.",
             lambda window: window.completion.gallery),
        Step("race", "Race", "Press Race, or ⇧R: all models complete the same sketch, each alone on the clock.",
             lambda window: button_of(window.actions_["start_race"])),
    )  # fmt: skip


class Tour(QObject):
    """Watches a window. `turned` tells that it was offered, begun, gone on with or left."""

    turned = Signal()

    def __init__(self, window: Window) -> None:
        super().__init__(window)
        self._window = window
        self.steps = steps()
        self.done: set[str] = set()
        self.offered = self.going = False  # offered: it waits for an answer
        self.toured = False  # it has been offered before
        window.canvas.changed.connect(self._drawn)
        window.jobs.happened.connect(self._happened)
        window.completion.sample_chosen.connect(self._another)
        window.actions_["set_live"].toggled.connect(self._another)
        window.racing.runner.began.connect(self._raced)

    @property
    def step(self) -> Step | None:
        """What is to be done next."""
        return next((step for step in self.steps if step.name not in self.done), None)

    def offer(self) -> None:
        """Ask once whether it is wanted."""
        if not self.toured:
            self.toured = self.offered = True
            self.turned.emit()

    @Slot()
    def begin(self) -> None:
        """From the first step that has not been done on the sketch that is there."""
        runs = {run.model for run in self._window.runs.here if run.finished}
        begun = not is_fresh(self._window.canvas.sketch.prompt)
        had = {"draw": begun, "complete": bool(runs), "compare": begun and "transformer" in runs}
        self.done = {name for name, done in had.items() if done}
        self.offered, self.going, self.toured = False, True, True
        self.turned.emit()

    @Slot()
    def leave(self) -> None:
        self.offered = self.going = False
        self.turned.emit()

    def _tick(self, name: str) -> None:
        if self.going and name not in self.done:
            self.done.add(name)
            self.turned.emit()

    @Slot()
    def _drawn(self) -> None:
        if self._window.canvas.sketch.can_undo:  # else it was another sketch that came
            self._tick("draw")

    @Slot(object, object)
    def _happened(self, job: Job, event: object) -> None:
        if isinstance(event, Finished) and job.kind is not Kind.RACE:
            self._tick("complete")
            if event.model == "transformer":
                self._tick("compare")

    @Slot()
    def _another(self) -> None:
        self._tick("ending")

    @Slot()
    def _raced(self) -> None:
        self._tick("race")
