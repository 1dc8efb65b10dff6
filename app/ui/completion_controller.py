"""Completions: asks for them, follows the pen, paints the run under way and keeps the runs to compare."""

from __future__ import annotations

import dataclasses
import time

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from app.core import history
from app.core.dataset_settings import is_fresh
from app.core.job import Job, Kind, State
from app.core.pinned import Pinned
from app.core.run import Run
from app.core.settings import CompletionSettings
from app.ui import actions
from app.ui.context import Context, Panels
from app.ui.live import LiveFollower
from vssm.prompt import Prompt
from vssm.sampling.events import Event, GenerationRequest, Progress

EVERY = 0.02  # seconds between two reports of a generator
FRAME = 60  # milliseconds between two paintings of a run under way; each takes its time from the model
SELDOM = 0.2  # seconds between two of what takes long to paint
TAKEN = "{} is your sketch now, and all of it is known: mark as unknown what is to be completed anew. {} takes it back."


class CompletionController(QObject):
    """`asked` tells that a person wants a completion. `changed` follows whatever is shown in the place of another run.
    `progressed` and `ended` tell of the run under way.

    history: the runs of all data sets, the oldest first. selected_run: the one in the panels.
    """

    asked = Signal()
    changed = Signal()
    progressed = Signal(object)
    ended = Signal(object)

    def __init__(self, context: Context, panels: Panels):
        super().__init__(panels.completion)
        self.history: list[Run] = []
        self.selected_run: Run | None = None
        self.live = LiveFollower(panels.sketch.canvas, self)
        self._workspace, self._jobs, self._models = context.workspace, context.jobs, context.models
        self._bar, self._messages, self._panels = context.bar, context.messages, panels
        self._timer = QTimer(self, interval=FRAME)
        self._timer.timeout.connect(self._paint)
        self._later = QTimer(self, singleShot=True, interval=0)  # all at once would hold the window up for two frames
        self._later.timeout.connect(self._show_history)
        self._last_seldom = 0.0  # when what is painted seldom was
        self._jobs.changed.connect(self._job_changed)
        self._jobs.happened.connect(self._happened)
        self._jobs.ended.connect(self._ended)
        self.live.asked.connect(self._follow)
        self.live.settled.connect(self.settle)
        self._bar.changed.connect(self.live.adjust)
        panels.completion.run_chosen.connect(self._select_number)
        panels.completion.sample_chosen.connect(self._show_again)
        panels.completion.previewed.connect(panels.sketch.canvas.preview)
        panels.completion.pinned.connect(self._keep)
        panels.completion.taken.connect(self._take)
        panels.completion.said.connect(self._messages.refuse)

    @property
    def running(self) -> Run | None:
        """The run under way."""
        return self._jobs.current if isinstance(self._jobs.current, Run) else None

    @property
    def here(self) -> list[Run]:
        """The runs of the chosen data set."""
        return [run for run in self.history if run.data == self._workspace.data.name]

    # --- asking

    def complete(self) -> None:
        """Ask the chosen model to fill the unknown pixels; a run under way is given up, but not a scaling run."""
        if self._models.wait(self.complete) or self._models.refuse("complete", Kind.SCALING):
            return
        if sentence := self._models.lacks(self._workspace.model):
            self._messages.refuse(sentence)
            return
        self.asked.emit()
        self._bar.turn_seed()
        run = self._begin()
        self.selected_run = run  # painted by the timer: nothing is, in the first moments of a fast model
        self.history = history.add(self.history, run)

    def _begin(self, gesture: int = 0, whole: bool = True) -> Run:
        """Ask for a run; gesture: which one of the pen's it follows, if any; else than whole, for a glance: one sample,
        and its picture alone."""
        settings = self._bar.settings()
        if not whole:
            settings = dataclasses.replace(settings, samples=1)
        request = settings.to_request(self._panels.sketch.canvas.sketch.prompt, EVERY, details=whole)
        return self.start(self._workspace.data.name, settings, request, gesture=gesture)

    def start(self, data: str, settings: CompletionSettings, request: GenerationRequest, **given) -> Run:
        """Begin a run, in the place of the job under way. given: what else is known of it."""
        run = Run(0, data, settings, request, **given)
        self._messages.supersede(asked=not run.gesture)
        self._jobs.begin(run, settings.model, request)
        self.live.begun(run)
        return run

    @Slot()
    def _follow(self) -> None:
        """Live: complete the sketch as it stands, from the same seed; not where nothing is to be completed, nor while
        models race or are timed."""
        if self._models.chosen is None:
            self.live.policy.meter.forget()  # the delay of a model begins when it is there
        if not self._models.are_ready:
            if self.live.policy.resting:
                self._models.wait(self._follow)
            return
        lacking = self._models.lacks(self._workspace.model)
        if lacking and self.live.policy.resting:
            self._messages.refuse(lacking)
        hidden = self._panels.race.isVisible() and not self._panels.completion.isVisible()
        busy = self._jobs.current is not None and self.running is None
        if lacking or hidden or busy or self._panels.sketch.canvas.sketch.known.all():
            self.live.drop()
            if self.running is None:  # what was given up for this may have shown nothing
                self.settle()
        else:
            self._begin(self.live.policy.gesture, self.live.policy.resting)

    def catch_up(self) -> None:
        """After a start, and on returning to a data set: complete the sketch where Live is on and no run is of it."""
        prompt = self._panels.sketch.canvas.sketch.prompt
        done = any(run.prompt.same_as(prompt) for run in self.here)
        if self._models.are_ready and not (done or is_fresh(prompt)):
            self.live.again()

    def adopt(self, runs: list[Run]) -> None:
        """Keep the runs of a race, and show the chosen model's, or the first."""
        for run in runs:
            self.history = history.add(self.history, run)
        if runs:
            self.select(next((run for run in runs if run.model == self._workspace.model), runs[0]))

    def forget_recorded(self) -> None:
        """Keep what was made here alone."""
        self.history = [run for run in self.history if not run.recorded]
        if self.selected_run and self.selected_run.recorded:
            self.select(None)

    def choose_model(self, name: str) -> None:
        """Make it the model that completes, and show its latest run, so that two keys compare two models."""
        self._workspace.model = name
        if sentence := self._models.lacks(name):
            self._messages.refuse(sentence)
        latest = [run for run in self.here if run.model == name and run.progress]
        if latest and self.running is None:
            self.select(latest[-1])
        self.live.again()

    # --- the run under way

    def close(self) -> None:
        """Paint nothing any more."""
        self._timer.stop()
        self._later.stop()
        self.live.drop()

    @Slot()
    def _job_changed(self) -> None:
        run = self.running
        if run is None or run.state is State.PAUSED:
            self._timer.stop()
        elif not self._timer.isActive():
            self._timer.start()
        if run is not None and (run.started or run.state is not State.RUNNING):  # else it has only been asked for
            self._paint(True)

    @Slot(object, object)
    def _happened(self, run: Job, event: Event) -> None:
        if not isinstance(run, Run):
            return
        if isinstance(event, Progress):
            if run.gesture and run.data == self._workspace.data.name:
                self._show_live(run)
            self.progressed.emit(run)
        if run.state is State.PAUSED:  # the timer rests; this is what stood when the pause came through
            self._paint(True)

    @Slot(object)
    def _ended(self, run: Job) -> None:
        if not isinstance(run, Run):
            return
        if self.running is None:
            self.ended.emit(run)
            self.history = history.settle(self.history)
            if self.running is None:  # else an edit is tried again
                self.live.ended()
        elif not run.gesture:  # it gave way to another
            self.history = history.settle(self.history)
            self._later.start()

    # --- showing

    def _show_live(self, run: Run) -> None:
        """It takes the place of the one before of the same gesture as soon as it has something to show, and is painted
        at once when its picture is whole."""
        if run not in self.history:
            self.history = history.add(self.history, run)
            self.selected_run = run
        if run.filled.all() and self.selected_run is run:
            self._panels.completion.show_run(run)
            self._panels.completion.picture.repaint()
            self.live.shown()
            self._paint_seldom()

    @Slot()
    def _paint(self, whole: bool = False) -> None:
        """One timer paints; events only fill the run. So however fast a model reports, the window stays free.
        whole: the panels, too, that are painted seldom."""
        if self.running is not None:
            if self.selected_run is self.running:
                self._panels.completion.show_run(self.running)
            self._paint_seldom(whole)

    def _paint_seldom(self, at_once: bool = False) -> None:
        """What takes long to paint, and so takes time from the model and the pen."""
        run, now = self.running, time.perf_counter()
        if run is None or (now - self._last_seldom < SELDOM and not at_once):
            return
        self._last_seldom = now
        if run.data == self._workspace.data.name and not (run.gesture or run.base):  # else it ends, or is replaced
            self._panels.timing.follow(run)
        if self.selected_run is run:
            self._panels.latents.show_run(run)

    def show_run(self, run: Run | None) -> None:
        """Show a run in the panels, whichever is selected."""
        self._panels.completion.show_run(run)
        self._panels.latents.show_run(run)

    def select(self, run: Run | None) -> None:
        """Show this run, or none, beside the others."""
        self._select(run)
        self._show_history()

    def _select(self, run: Run | None) -> None:
        self.selected_run = run
        self.show_run(run)
        self.changed.emit()

    def replace(self, run: Run, by: Run) -> None:
        """Put another run in the place of one."""
        self.history = history.supersede(self.history, run, by)
        if self.selected_run is run:
            self.selected_run = by

    @Slot()
    def settle(self) -> None:
        """Nothing is under way: show the run that was chosen, or the last one where that is not kept."""
        here = self.here
        self._select(self.selected_run if self.selected_run in here else here[-1] if here else None)
        self._later.start()

    @Slot(int)
    def _select_number(self, number: int) -> None:
        self.select(next((run for run in self.history if run.number == number), self.selected_run))

    @Slot()
    def _show_again(self) -> None:
        self.select(self.selected_run)

    @Slot()
    def _show_history(self) -> None:
        self._later.stop()
        self._panels.completion.earlier.show_runs(self.here, self.selected_run)
        runs = [run.origin for run in self.here]  # an edited run has not completed the prompt
        self._panels.timing.show_runs(runs, self.selected_run.origin if self.selected_run else None)

    def clear_history(self) -> None:
        """Forget all runs of this data set but the one shown and the one under way."""
        kept = self.selected_run, self.running
        self.history = history.clear(self.history, self._workspace.data.name, kept)
        self._show_history()

    def turn(self, selected: Run | None) -> None:
        """Show the runs of another data set."""
        self.selected_run = selected
        self.settle()
        self._show_history()

    # --- results

    def show_dataset(self) -> None:
        """Show what is pinned."""
        self._panels.completion.show_pinned(self._workspace.dataset_settings.pinned)

    @Slot(tuple)
    def _keep(self, pinned: tuple[Pinned, ...]) -> None:
        """Exactly these results are pinned now."""
        self._workspace.dataset_settings.pinned = pinned
        self._panels.completion.show_pinned(pinned)

    @Slot(object)
    def _take(self, result: Pinned) -> None:
        """A result becomes the sketch, all of it known, as one step of the sketch's history."""
        self._panels.sketch.give(Prompt(result.image, result.known | True), "result")
        self._messages.say(TAKEN.format(result.words, actions.shown("Ctrl+Z")), "note")

    def retheme(self) -> None:
        self.show_dataset()
        self.select(self.selected_run)
