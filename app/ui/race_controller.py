"""Races and scaling runs: who may take part, and what is asked of the engine for them."""

from __future__ import annotations

import dataclasses

from PySide6.QtCore import QObject, Signal, Slot

from app.core.race import Contestant
from app.core.workspace import Workspace
from app.engine.engine import Engine
from app.ui.actions import Actions
from app.ui.docks import Docks
from app.ui.models import Models
from app.ui.panels.race import Offer, RacePanel
from app.ui.panels.scaling import ScalingPanel
from app.ui.settings_bar import SettingsBar
from app.ui.widgets.canvas import Canvas
from app.ui.widgets.toast import Messages
from vssm.evaluation import scaling
from vssm.models import registry
from vssm.sampling.events import Event

TIMED = "The models are being timed: {} when that is done, or stop it first (Esc)."


class ScalingController(QObject):
    """`takes_over` asks for all that runs to be stopped; `changed` tells that a scaling run begins or ends. number: of
    the scaling run under way."""

    takes_over = Signal()
    changed = Signal()

    def __init__(self, workspace: Workspace, engine: Engine, models: Models, panel: ScalingPanel, messages: Messages):
        super().__init__(panel)
        self.number: int | None = None
        self._engine, self._workspace, self._models = engine, workspace, models
        self._panel, self._messages = panel, messages
        panel.asked.connect(self._measure)
        engine.happened.connect(self._happened)
        engine.failed.connect(self._failed)
        engine.ended.connect(self._ended)

    @Slot(tuple)
    def _measure(self, lengths: tuple[int, ...]) -> None:
        """Time equal networks at these lengths; a run under way is given up."""
        if self._models.wait(self._measure, lengths):
            return
        self.takes_over.emit()
        self._messages.supersede()
        request = scaling.ScalingRequest(self._workspace.data.name, lengths, parameters=scaling.PARAMETERS)
        self.number = self._engine.measure(request)
        self._panel.begin(len(lengths) * len(request.contenders))
        self.changed.emit()

    @Slot(int, object)
    def _happened(self, number: int, event: scaling.Event) -> None:
        if number == self.number:
            self._panel.add(event)

    @Slot(int, str)
    def _failed(self, number: int, sentence: str) -> None:
        if number == self.number:
            self._models.tell(sentence, self._workspace.data.name)

    @Slot(int)
    def _ended(self, number: int) -> None:
        if number == self.number:
            self.number = None
            self._panel.end()
            self.changed.emit()


class RaceController(QObject):
    """`takes_over` asks for all that runs to be stopped. number: of the contestant's run under way."""

    takes_over = Signal()

    def __init__(
        self,
        workspace: Workspace,
        engine: Engine,
        models: Models,
        bar: SettingsBar,
        canvas: Canvas,
        panel: RacePanel,
        scaling: ScalingPanel,
        docks: Docks,
        actions: Actions,
        messages: Messages,
    ):
        super().__init__(panel)
        self.number: int | None = None
        self._workspace, self._engine, self._models, self._bar = workspace, engine, models, bar
        self._canvas, self._panel, self._scaling = canvas, panel, scaling
        self._docks, self._actions, self._messages = docks, actions, messages
        panel.asked.connect(self._run)
        engine.happened.connect(self._happened)
        engine.failed.connect(self._failed)
        engine.ended.connect(self._ended)

    def offer(self) -> None:
        """Let people choose who races."""
        offers = [Offer(name, preset.title, self._models.lacks(name)) for name, preset in registry.PRESETS.items()]
        self._panel.offer(self._workspace.data.name, offers, self._workspace.dataset_settings.absent)

    def start(self) -> None:
        """Let all ticked models complete the sketch; a run or a race under way is given up, but not a scaling run."""
        if self._models.wait(self.start) or self._timed("race"):
            return
        self._docks.show_race(True)
        if not self._panel.chosen:
            self._messages.refuse("Nobody is ticked for the race.")
            return
        prompt = self._canvas.sketch.prompt
        if prompt.known.all():
            self._messages.refuse("Every pixel is known, so there is nothing to race for; erase some first.")
            return
        self.takes_over.emit()
        self._messages.supersede()
        self._bar.turn_seed()
        self.number = None
        chosen = (dataclasses.replace(self._bar.settings(model), samples=1) for model in self._panel.chosen)
        dataset = self._workspace.data.name
        self._panel.begin(tuple(Contestant(dataset, settings, prompt) for settings in chosen))
        self._panel.axis.setFocus()

    def show_times(self, on: bool) -> None:
        """Put the bars of all times in the place of the race's pictures, or these again."""
        if on:
            self._docks.show_race(True)
        self._panel.show_times(on)

    def repeat(self) -> None:
        """Time the last race some more times; its pictures stay. A run under way is given up, but not a scaling run."""
        if self._timed("repeat"):
            return
        self.takes_over.emit()
        if self._panel.repeatable:
            self._messages.supersede()
            self._actions["show_times"].setChecked(True)
            self.show_times(True)
            self.number = None
            self._panel.repeat()

    def _timed(self, wanted: str) -> bool:
        """Whether a scaling run is under way, which what is wanted would disturb."""
        if self._scaling.running:
            self._messages.say(TIMED.format(wanted), "note")
        return self._scaling.running

    @Slot(object)
    def _run(self, contestant: Contestant) -> None:
        self.number = self._engine.complete(contestant.model, contestant.data, contestant.request)

    @Slot(int, object)
    def _happened(self, number: int, event: Event) -> None:
        if number == self.number:
            self._panel.add(event)

    @Slot(int, str)
    def _failed(self, number: int, sentence: str) -> None:
        if number == self.number:
            self._models.tell(sentence, self._workspace.data.name)

    @Slot(int)
    def _ended(self, number: int) -> None:
        if number == self.number:
            self.number = None
            self._panel.ended()
