"""Completions: asks for them, follows the pen, paints the run under way and keeps the runs to compare."""

from __future__ import annotations

import dataclasses
import time

from PySide6.QtCore import QObject, QTimer, Signal, Slot
from PySide6.QtWidgets import QWidget

from app.core import history
from app.core.dataset_settings import is_fresh
from app.core.pinned import Pinned
from app.core.run import Run
from app.core.settings import CompletionSettings
from app.core.workspace import Workspace
from app.engine.engine import Engine
from app.ui import actions, theme
from app.ui.live import LiveFollower
from app.ui.models import Models
from app.ui.panels.completion import CompletionPanel
from app.ui.panels.latents import LatentPanel
from app.ui.panels.race import RacePanel
from app.ui.panels.scaling import ScalingPanel
from app.ui.panels.sketch import SketchPanel
from app.ui.panels.timing import TimingPanel
from app.ui.settings_bar import SettingsBar
from app.ui.widgets.toast import Messages
from vssm.prompt import Prompt
from vssm.reports import precomputed
from vssm.sampling.events import Event, GenerationRequest, Progress

EVERY = 0.02  # seconds between two reports of a generator
FRAME = 60  # milliseconds between two paintings of a run under way; each takes its time from the model
SELDOM = 0.2  # seconds between two of what takes long to paint
TAKEN = "{} is your sketch now, and all of it is known: mark as unknown what is to be completed anew. {} takes it back."
TIMED = "The models are being timed: complete when that is done, or stop it first (Esc)."


class CompletionController(QObject):
    """`asked` tells that a person wants a completion, which takes the place of a race. `changed` follows whatever
    begins, rests, ends or is shown in the place of another run. `progressed` and `ended` tell of the run under way.

    history: the runs of all data sets, the oldest first. selected_run: the one in the panels. running: the one under
    way.
    """

    asked = Signal()
    changed = Signal()
    progressed = Signal(object)
    ended = Signal(object)

    def __init__(
        self,
        workspace: Workspace,
        engine: Engine,
        models: Models,
        bar: SettingsBar,
        sketch: SketchPanel,
        completion: CompletionPanel,
        timing: TimingPanel,
        latents: LatentPanel,
        race: RacePanel,
        scaling: ScalingPanel,
        messages: Messages,
        window: QWidget,
    ):
        super().__init__(window)
        self.history: list[Run] = []
        self.selected_run: Run | None = None
        self.running: Run | None = None
        self.live = LiveFollower(sketch.canvas, self)
        self._workspace, self._engine, self._models, self._bar = workspace, engine, models, bar
        self._sketch, self._canvas, self._completion = sketch, sketch.canvas, completion
        self._timing, self._latents = timing, latents
        self._race, self._scaling, self._messages, self._window = race, scaling, messages, window
        self._theme = theme.LIGHT
        self._timer = QTimer(self, interval=FRAME)
        self._timer.timeout.connect(self._paint)
        self._later = QTimer(self, singleShot=True, interval=0)  # all at once would hold the window up for two frames
        self._later.timeout.connect(self._show_history)
        self._last_seldom = 0.0  # when what is painted seldom was
        engine.happened.connect(self._happened)
        engine.failed.connect(self._failed)
        engine.ended.connect(self._ended)
        self.live.asked.connect(self._follow)
        self.live.settled.connect(self.settle)
        completion.run_chosen.connect(self._select_number)
        completion.sample_chosen.connect(self._show_again)
        completion.previewed.connect(sketch.canvas.preview)
        completion.pinned.connect(self._keep)
        completion.taken.connect(self._take)
        completion.said.connect(messages.say)

    @property
    def here(self) -> list[Run]:
        """The runs of the chosen data set."""
        return [run for run in self.history if run.data == self._workspace.data.name]

    # --- asking

    def complete(self) -> None:
        """Ask the chosen model to fill the unknown pixels; a run under way is given up, but not a scaling run."""
        if self._models.wait(self.complete):
            return
        if self._scaling.running:
            self._messages.say(TIMED, "note")
            return
        if sentence := self._models.lacks(self._workspace.model):
            self._messages.refuse(sentence)
            return
        self.asked.emit()
        self._bar.turn_seed()
        self._begin()
        self.history = history.add(self.history, self.running)
        self.selected_run = self.running  # painted by the timer: nothing is, in the first moments of a fast model

    def _begin(self, gesture: int = 0, whole: bool = True) -> None:
        """Ask for a run; gesture: which one of the pen's it follows, if any; else than whole, for a glance: one sample,
        and its picture alone."""
        settings = self._bar.settings()
        if not whole:
            settings = dataclasses.replace(settings, samples=1)
        request = settings.to_request(self._canvas.sketch.prompt, EVERY, details=whole)
        self.start(self._workspace.data.name, settings, request, gesture=gesture)

    def start(self, data: str, settings: CompletionSettings, request: GenerationRequest, **given) -> None:
        """Begin a run, in the place of the one under way. given: what else is known of it."""
        self._messages.supersede()
        number = self._engine.complete(settings.model, data, request)
        self.running = Run(number, data, settings, request, **given)
        self.live.begun(self.running)
        self._timer.start()
        self.changed.emit()

    @Slot()
    def _follow(self) -> None:
        """Live: complete the sketch as it stands, from the same seed; not where nothing is to be completed, nor while
        models race or are timed."""
        if not self._models.are_ready:
            if self.live.policy.resting:
                self._models.wait(self._follow)
            return
        lacking = self._models.lacks(self._workspace.model)
        if lacking and self.live.policy.resting:
            self._messages.refuse(lacking)
        hidden = self._race.isVisibleTo(self._window) and not self._completion.isVisibleTo(self._window)
        busy = self._race.running or self._scaling.running
        if lacking or hidden or busy or self._canvas.sketch.known.all():
            self.live.drop()
            if self.running is None:  # what was given up for this may have shown nothing
                self.settle()
            self.changed.emit()
        else:
            self._begin(self.live.policy.gesture, self.live.policy.resting)

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

    @property
    def can_pause(self) -> bool:
        return self.running is not None and not self.running.stopping

    def pause(self) -> None:
        """Hold the run under way between two network calls, or let it go on from there."""
        run = self.running
        run.paused = not run.paused
        if run.paused:
            self._engine.pause()
            self._timer.stop()
        else:
            self._engine.go_on()
            self._timer.start()
        self._paint(True)
        self.changed.emit()

    def stop(self) -> None:
        """Give the run under way up; it ends with the network call it is in."""
        self.live.drop()
        if self.running is not None:
            self.running.stopping = True
            self._paint(True)

    def close(self) -> None:
        """Paint nothing any more."""
        self._timer.stop()
        self._later.stop()
        self.live.drop()

    @Slot(int, object)
    def _happened(self, number: int, event: Event) -> None:
        run = self.running
        if run is None or run.number != number:
            return
        run.add(event)
        if isinstance(event, Progress):
            if run.gesture and run.data == self._workspace.data.name:
                self._show_live(run)
            self.progressed.emit(run)
        if run.paused:  # the timer rests; this is what stood when the pause came through
            self._paint(True)

    @Slot(int, str)
    def _failed(self, number: int, sentence: str) -> None:
        if self.running is not None and self.running.number == number:
            self._models.tell(sentence, self.running.data)

    @Slot(int)
    def _ended(self, number: int) -> None:
        known = [run for run in self.history if run.number == number]
        for run in known:
            run.ended = True
        if self.running is not None and self.running.number == number:
            run, self.running = self.running, None
            self._timer.stop()
            self.ended.emit(run)
            self.history = history.settle(self.history)
            self.live.ended()
        elif any(not run.gesture for run in known):
            self.history = history.settle(self.history)
            self._show_history()

    # --- showing

    def _show_live(self, run: Run) -> None:
        """It takes the place of the one before of the same gesture as soon as it has something to show, and is painted
        at once when its picture is whole."""
        if run not in self.history:
            picked = self.selected_run.picked if self.selected_run else None
            run.picked = None if picked is None else min(picked, run.settings.samples - 1)
            self.history = history.add(self.history, run)
            self.selected_run = run
        if run.progress.filled.all() and self.selected_run is run:
            self._completion.show_run(run, self._theme)
            self._completion.picture.repaint()
            self.live.shown()
            self._paint_seldom()

    @Slot()
    def _paint(self, whole: bool = False) -> None:
        """One timer paints; events only fill the run. So however fast a model reports, the window stays free.
        whole: the panels, too, that are painted seldom."""
        if self.running is not None:
            if self.selected_run is self.running:
                self._completion.show_run(self.running, self._theme)
            self._paint_seldom(whole)

    def _paint_seldom(self, at_once: bool = False) -> None:
        """What takes long to paint, and so takes time from the model and the pen."""
        run, now = self.running, time.perf_counter()
        if now - self._last_seldom < SELDOM and not at_once:
            return
        self._last_seldom = now
        if run.data == self._workspace.data.name and not (run.gesture or run.base):  # else it ends, or is replaced
            self._timing.follow(run)
        if self.selected_run is run:
            self._latents.show_run(run)

    def show_run(self, run: Run) -> None:
        """Show a run in the panels, whichever is selected."""
        self._completion.show_run(run, self._theme)
        self._latents.show_run(run)

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
        self._completion.show_earlier(self.here, self._theme)
        runs = [run.origin for run in self.here]  # an edited run has not completed the prompt
        self._timing.show_runs(runs, self.selected_run.origin if self.selected_run else None)

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
        """Show what is pinned, and an example to a person who has drawn and made nothing yet."""
        settings, dataset = self._workspace.dataset_settings, self._workspace.data
        self._completion.show_pinned(settings.pinned)
        begun = self.here or not is_fresh(settings.sketch.prompt)
        self._completion.offer(None if begun else precomputed.find(dataset))

    @Slot(tuple)
    def _keep(self, pinned: tuple[Pinned, ...]) -> None:
        """Exactly these results are pinned now."""
        self._workspace.dataset_settings.pinned = pinned
        self._completion.show_pinned(pinned)

    @Slot(object)
    def _take(self, result: Pinned) -> None:
        """A result becomes the sketch, all of it known, as one step of the sketch's history."""
        self._sketch.give(Prompt(result.image, result.known | True), "result")
        self._messages.say(TAKEN.format(result.words, actions.shown("Ctrl+Z")), "note")

    def retheme(self, colours: theme.Theme) -> None:
        self._theme = colours
        self.select(self.selected_run)
