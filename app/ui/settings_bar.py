"""The bar at the top: which data set and model, how it generates, and what starts and stops it."""

from __future__ import annotations

import secrets

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QFrame, QVBoxLayout

from app.core.session import Session
from app.core.settings import MOST_SAMPLES, MOST_SEED, CompletionSettings, pixel_modes, samplers
from app.core.workspace import Workspace
from app.ui.actions import Actions
from app.ui.widgets.card import button, named, spaced
from app.ui.widgets.flow import Flow
from app.ui.widgets.number_field import DecimalField, WholeField
from app.ui.widgets.sampler_picker import SamplerPicker

HOLD = {False: "Pause  P", True: "Continue  P"}  # what the button says, by whether the run is paused


class SettingsBar(QFrame):
    """Two rows, more where there is little room: who completes and when, and how. seed_shown: the seed of the last run,
    or one given by hand."""

    def __init__(self, workspace: Workspace, actions: Actions):
        super().__init__()
        self._workspace, self._actions = workspace, actions
        self.setObjectName("bar")
        rows = spaced(QVBoxLayout(self), 6, (10, 7, 10, 7))
        rows.addLayout(self._contestants())
        rows.addLayout(self._settings())

    def _contestants(self) -> Flow:
        row = Flow(5)
        sets = row.group(1)
        for action in self._actions.choices("choose_data"):
            sets.addWidget(button(action))
        row.addSpacing(6)
        for i, action in enumerate(self._actions.choices("choose_model"), 1):
            row.addWidget(button(action, f"{i}  {action.text()}"))
        row.addStretch()
        run = row.group(5)
        complete = button(self._actions["complete"], "Complete  ↵")
        complete.setObjectName("primary")
        run.addWidget(complete)
        self.pause = button(self._actions["pause"], HOLD[True])
        self.pause.setMinimumWidth(self.pause.sizeHint().width())  # no other button moves when the word changes
        run.addWidget(self.pause)
        run.addWidget(button(self._actions["stop"], "Stop  Esc"))
        return row

    def _settings(self) -> Flow:
        row = Flow(6)
        self.modes = SamplerPicker()
        self.modes.chosen.connect(self._sampler_chosen)
        self.modes.shown.connect(self._pixels_chosen)
        row.addWidget(self.modes)
        row.addStretch()
        self.samples, self.temperature = WholeField(), DecimalField()
        self.samples.setRange(1, MOST_SAMPLES)
        self.temperature.setRange(0, 2)
        self.temperature.setSingleStep(0.1)
        self.temperature.valueChanged.connect(self._temperature_chosen)
        named(row.group(6), "Samples", self.samples, "How many completions are drawn at once, 1 to 64")
        row.addSpacing(4)
        words = "Temperature: 1 samples as trained; towards 0, the likeliest choice"
        named(row.group(6), "Temperature", self.temperature, words)
        self.seed = WholeField()
        self.seed.setRange(0, MOST_SEED)
        self.seed.setButtonSymbols(WholeField.ButtonSymbols.NoButtons)
        self.seed.setFixedWidth(88)
        self.seed.editingFinished.connect(self._seed_edited)
        row.addSpacing(4)
        words = "Where chance begins: the same seed on the same sketch, the same completion"
        named(row.group(6), "Seed", self.seed, words)
        turns = row.group(6)
        turns.addWidget(button(self._actions["set_keep_seed"], "Keep"))
        turns.addWidget(button(self._actions["set_live"], "Live"))
        return row

    def fill_in(self, restored: Session) -> None:
        """Show what a session tells of them all."""
        self.samples.setValue(restored.samples)
        self.show_seed(restored.seed)
        for name, on in (("set_keep_seed", restored.keep_seed), ("set_live", restored.live)):
            self._actions[name].setChecked(on)

    def show_paused(self, paused: bool) -> None:
        """Let the action say what it would do."""
        self._actions["pause"].setText("Continue" if paused else "Pause")
        self._actions["pause"].setIconText(HOLD[paused])

    # --- the seed

    def show_seed(self, seed: int) -> None:
        self.seed.setValue(seed)
        self.seed_shown = seed

    def turn_seed(self) -> None:
        """A new one, unless it is to be kept."""
        kept = self._actions["set_keep_seed"].isChecked()
        self.show_seed(self.seed.value() if kept else secrets.randbelow(MOST_SEED))

    @Slot()
    def _seed_edited(self) -> None:
        if self.seed.value() != self.seed_shown:  # a seed given by hand is meant to be used
            self.seed_shown = self.seed.value()
            self._actions["set_keep_seed"].setChecked(True)

    # --- samplers and pixels

    def show_samplers(self) -> None:
        """Offer those of the chosen model, and how it can show pixels."""
        model = self._workspace.model
        chosen = self.settings()
        assert chosen.sampler is not None and chosen.pixel_mode is not None  # the data set's settings fill them in
        self.modes.offer(samplers(model, self._workspace.data), chosen.sampler, chosen.parameter)
        self.modes.offer_pixels(pixel_modes(model), chosen.pixel_mode)

    @Slot(str, object)
    def _sampler_chosen(self, name: str, parameter: int | None) -> None:
        self._workspace.dataset_settings.samplers[self._workspace.model] = name, parameter
        self.show_samplers()

    @Slot(str)
    def _pixels_chosen(self, way: str) -> None:
        self._workspace.dataset_settings.pixel_mode = way
        self.show_samplers()

    def settings(self, model: str | None = None) -> CompletionSettings:
        """How a model, by default the chosen one, completes next."""
        work = self._workspace
        return work.dataset_settings.completion(model or work.model, self.samples.value(), self.seed.value(), work.data)

    def show_dataset(self) -> None:
        """Show what is chosen for the data set. What the field cannot show is not kept."""
        self.temperature.setValue(self._workspace.dataset_settings.temperature)
        self._temperature_chosen(self.temperature.value())

    @Slot(float)
    def _temperature_chosen(self, temperature: float) -> None:
        self._workspace.dataset_settings.temperature = round(temperature, 2)
