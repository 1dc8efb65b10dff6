"""The models as the window knows them: which are ready, what others lack, and what cannot be asked of them now."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot

from app.core import formatting
from app.core.job import Kind, State
from app.core.workspace import Workspace
from app.engine.engine import Engine
from app.engine.jobs import Jobs
from app.engine.messages import Loaded
from app.ui.actions import Actions
from app.ui.widgets.card import plain_tip
from app.ui.widgets.toast import Messages
from vssm import checkpoint
from vssm.models import registry

LOADING = "Loading the models … this begins as soon as they are there."


class Models(QObject):
    """`ready` follows once torch and the models' code are loaded; `settled` then, too when they cannot be. `changed`
    tells that a model was loaded or dropped.

    folder: where the checkpoints lie. device: the name of the one that is chosen.
    """

    ready = Signal()
    settled = Signal()
    changed = Signal()

    def __init__(
        self,
        engine: Engine,
        jobs: Jobs,
        workspace: Workspace,
        actions: Actions,
        messages: Messages,
        folder: Path,
    ):
        super().__init__(engine)
        self.device = "auto"
        self.are_ready = False
        self._failing = False  # whether some model could not be made ready
        self.unready = ""  # why they never will be, in one sentence
        self.loaded: dict[tuple[str, str], Loaded] = {}  # by model and data set
        self._engine, self._jobs, self._workspace, self._folder = engine, jobs, workspace, folder
        self._actions, self._messages = actions, messages
        engine.failed.connect(self._failed)
        engine.loaded.connect(self._model_loaded)
        engine.dropped.connect(self._dropped)
        engine.ready.connect(self._found)
        engine.unready.connect(self._missing)
        jobs.failed.connect(self._tell)

    def wait(self, asked: Callable, *given) -> bool:
        """Whether the models are still being loaded: what is asked for last is done once they are there."""
        if self.unready:
            self._messages.say(self.unready, details=self._engine.cause(self.unready))
        elif not self.are_ready:
            self._jobs.wait(functools.partial(asked, *given))
            self._messages.say(LOADING, "note")
        return not self.are_ready

    def refuse(self, wanted: str, *kinds: Kind) -> bool:
        """Whether a job of these kinds runs, which what is wanted would disturb: says so."""
        refused = self._jobs.kind in kinds and self._jobs.state is State.RUNNING
        if refused:
            busy = "The models are being timed" if self._jobs.kind is Kind.SCALING else "A race is run"
            self._messages.say(f"{busy}: {wanted} when that is done, or stop it first (Esc).", "note")
        return refused

    def offer_devices(self, names: list[str]) -> None:
        """Let people choose these devices alone, or none of their own."""
        for action in self._actions.choices("choose_device"):
            action.setVisible(action.data() in ("auto", *names))
        if self.are_ready and self.device not in ("auto", *names):
            self.device = "auto"
            self._actions["choose_device", "auto"].setChecked(True)

    @Slot()
    def prepare(self) -> None:
        """Make the models of the data set ready, the chosen one first; their buttons say which of them have no weights
        for it."""
        if self._engine.closed:  # before the window was seen
            return
        first, self._failing = self._workspace.model, False
        if self.are_ready:
            self._engine.use(self.device)
            names = [first, *(name for name in registry.PRESETS if name != first)]
            self._engine.preload([name for name in names if not self.lacks(name)], self._workspace.data.name)
        for spec in self._actions.specs:
            if spec.name == "choose_model":
                parts = spec.explanation, self.lacks(spec.value)
                self._actions[spec.key].setToolTip(plain_tip("\n".join(part for part in parts if part)))
        if sentence := self.lacks(first):
            self._messages.add(sentence, "answer", about=self._workspace.data.name)

    def lacks(self, name: str) -> str:
        """One sentence where a model has no weights for the chosen data set; else empty."""
        dataset = self._workspace.data
        path = self._folder / checkpoint.shipped(name, dataset.name).name
        if path.exists():
            return ""
        made = f"runs/{name}-{dataset.name}/{path.name}"
        train = f"python -m vssm train --model {name} --data {dataset.name} --minutes 60"
        title = registry.get(name).title
        return f"{title} has no weights for {dataset.title}: run “{train}” and copy {made} to {self._folder}."

    @property
    def chosen(self) -> Loaded | None:
        """What is known of the chosen model; None before it is loaded."""
        return self.loaded.get((self._workspace.model, self._workspace.data.name))

    @property
    def device_name(self) -> str:
        """The device that models compute on, in words."""
        return next((one.device for one in self.loaded.values()), "no model is loaded yet")

    @property
    def status(self) -> str:
        """Of the chosen model: device, size and score, or why there is none of these."""
        name, dataset = self._workspace.model, self._workspace.data
        title = registry.get(name).title
        if not self.are_ready:
            return "The models cannot be loaded" if self.unready else "Loading the models …"
        if (loaded := self.chosen) is None:
            failed = "has no weights" if self.lacks(name) else "is not loaded" if self._failing else ""
            return f"{title} {failed or 'is loading …'}"
        size = f"{title}: {formatting.count(loaded.parameters)} parameters"
        return "  ·  ".join(part for part in (loaded.device, size, formatting.score(loaded.scores, dataset)) if part)

    @Slot(str, str)
    def _tell(self, sentence: str, dataset: str) -> None:
        """Say why a run for that data set has failed."""
        cause = self._engine.cause(sentence)
        self._messages.say(sentence, "error" if cause else "answer", cause, dataset)

    @Slot(int, str)
    def _failed(self, number: int, sentence: str) -> None:
        if number == 0:  # while models were made ready: each may have something to say
            self._failing = True
            self._messages.add(sentence, details=self._engine.cause(sentence))

    @Slot(list)
    def _found(self, devices: list[str]) -> None:
        self.are_ready = True
        self._messages.take_back(LOADING)
        self.offer_devices(devices)
        self.prepare()
        self.ready.emit()
        self.settled.emit()
        self._jobs.do_waiting()

    @Slot(str)
    def _missing(self, sentence: str) -> None:
        self.unready = sentence
        self._jobs.stop()
        self.settled.emit()
        self.changed.emit()
        self._messages.say(sentence, details=self._engine.cause(sentence))

    @Slot(object)
    def _model_loaded(self, loaded: Loaded) -> None:
        self.loaded[loaded.model, loaded.data] = loaded
        self.changed.emit()

    @Slot()
    def _dropped(self) -> None:
        self.loaded.clear()
        self.changed.emit()
