"""What a newcomer sees first: a recorded race, played again and again until something has been drawn or made."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

from PySide6.QtCore import QObject, Slot
from PySide6.QtGui import QGuiApplication

from app.core import formatting, race
from app.core.dataset_settings import is_fresh
from app.ui.completion_controller import CompletionController
from app.ui.context import Context, Panels
from app.ui.docks import Docks
from app.ui.race_controller import RaceController
from vssm.models import registry
from vssm.reports import precomputed
from vssm.reports.precomputed import Recording
from vssm.sampling.events import Started

WORDS = {True: "Paint part of a picture", False: "Draw half a digit"}  # by whether it is in colour
STORY = "{}: one model finishes it at once, the other pixel by pixel."
SPI_GETCLIENTAREAANIMATION = 0x1042
NOTE = "Recorded, and played at {{speed}} speed: {}. {}, {}."


def less_motion() -> bool:
    """Whether a person asks the system for less motion, as far as Qt can tell, which it can from 6.12 on; on Windows,
    the system is asked."""
    if sys.platform == "win32":
        animated = ctypes.c_int(1)
        ctypes.windll.user32.SystemParametersInfoW(SPI_GETCLIENTAREAANIMATION, 0, ctypes.byref(animated), 0)
        return not animated.value
    hints: Any = getattr(QGuiApplication.styleHints(), "accessibility", lambda: None)()
    return hasattr(hints, "motionPreference") and hints.motionPreference().name != "NoPreference"


class Story(QObject):
    """Plays the recorded race of a data set where nothing has been drawn or made; it takes the race's place, and its
    runs those of the completions. telling: whether it does."""

    def __init__(
        self, context: Context, panels: Panels, docks: Docks, runs: CompletionController, racing: RaceController
    ):
        super().__init__(panels.race)
        self.telling, self._still = False, less_motion()
        self._workspace, self._jobs, self._panels, self._docks = context.workspace, context.jobs, panels, docks
        self._runs = runs
        panels.sketch.canvas.changed.connect(self._drawn)
        runs.asked.connect(self.end)
        racing.asked.connect(self.end)
        context.jobs.changed.connect(self._job_changed)

    def begin(self) -> None:
        """Play it, if there is nothing else to show."""
        dataset = self._workspace.data
        new = is_fresh(self._panels.sketch.canvas.sketch.prompt) and not self._runs.here
        if not new or self._panels.race.race is not None or (recording := precomputed.find(dataset)) is None:
            return
        self.telling = True
        raced, runs = race.retold(recording)
        words = STORY.format(WORDS[dataset.channels == 3])
        self._panels.sketch.measure()
        self._docks.show_race(True)
        self._panels.race.play_recorded(raced, words, note(recording), still=self._still)
        self._runs.adopt(runs)

    def rest(self, on: bool) -> None:
        """Let nothing play by itself, or let it where the system does not ask for less motion."""
        self._still = self._panels.completion.comparison.still = on or less_motion()
        if self._still and self.telling:
            self._panels.race.hold()

    @Slot()
    def end(self) -> None:
        """Give way to what a person does."""
        if self.telling:
            self.telling = False
            self._panels.race.leave()
            self._runs.forget_recorded()
            self._docks.show_race(False)

    @Slot()
    def _drawn(self) -> None:
        if not is_fresh(self._panels.sketch.canvas.sketch.prompt):
            self.end()

    @Slot()
    def _job_changed(self) -> None:
        if self.telling and self._jobs.current is not None:  # models are timed, and painting would slow them
            self._panels.race.hold()


def note(recording: Recording) -> str:
    """How long each took, on what machine, and when; the speed is for the panel to tell."""
    seconds = [f"{registry.get(run.model).title} {formatting.seconds(run.seconds)}" for run in recording.runs]
    started = recording.runs[0].events[0]
    assert isinstance(started, Started)
    threads = f"{started.threads} thread{'s' * (started.threads != 1)}"
    return NOTE.format(", ".join(seconds), f"{recording.machine}, {threads}", recording.date)
