"""The bar at the top: which data set and model, how it generates, and what starts and stops it."""

from __future__ import annotations

import dataclasses
import secrets

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QFrame, QToolButton, QVBoxLayout, QWidget

from app.core import model_facts
from app.core.dataset_settings import DatasetSettings
from app.core.run import PAIR
from app.core.session import Session
from app.core.settings import MOST_SAMPLES, MOST_SEED, CompletionSettings
from app.core.workspace import Workspace
from app.ui.actions import Actions
from app.ui.widgets.card import button, configured, filled, named, spaced
from app.ui.widgets.flow import Flow
from app.ui.widgets.number_field import DecimalField, WholeField
from app.ui.widgets.pause_button import WORDS, PauseButton, with_key
from app.ui.widgets.sampler_picker import SamplerPicker


class SettingsBar(QFrame):
    """A row, more where there is little room: who completes, and when. A second one says how; in the simple view it has
    only what is not as usual, so that nothing acts unseen. seed_shown: the seed of the last run, or one given by hand.
    `changed` follows every change of a setting by a person, which makes another completion.
    """

    changed = Signal()

    def __init__(self, workspace: Workspace, actions: Actions):
        super().__init__()
        self._workspace, self._actions = workspace, actions
        self._usual = True  # the chosen model's sampler and pixels
        self.setObjectName("bar")
        contestants, self._how = self._contestants(), QWidget()
        self._how.setLayout(self._settings())
        for field in (self.samples, self.temperature, self.seed):
            field.given.connect(self.changed)
        filled(spaced(QVBoxLayout(self), 6, (10, 7, 10, 7)), contestants, self._how)

    def _contestants(self) -> Flow:
        row = Flow(5)
        sets = row.group(1)
        for action in self._actions.choices("choose_data"):
            sets.addWidget(button(action))
        row.addSpacing(6)
        self.models: dict[str, QToolButton] = {}
        for i, action in enumerate(self._actions.choices("choose_model"), 1):
            self.models[action.data()] = button(action, f"{i}  {action.text()}")
            row.addWidget(self.models[action.data()])
        row.addStretch()
        self.samples = configured(WholeField(), minimum=1, maximum=MOST_SAMPLES)
        how_many = row.group(6)
        named(how_many, "Samples", self.samples, "How many completions are drawn at once, 1 to 64")
        how_many.addWidget(button(self._actions["set_live"], "Live"))
        run = row.group(5)
        for name, text in (("complete", "Complete  ↵"), ("start_race", "Race  ⇧R")):
            made = button(self._actions[name], text)
            made.setObjectName("primary")
            run.addWidget(made)
        self.show_pause(WORDS[0])
        self.pause = PauseButton(self._actions["pause"])
        run.addWidget(self.pause)
        run.addWidget(button(self._actions["stop"], "Stop  Esc"))
        row.addWidget(button(self._actions["show_more"], "More"))
        row.keep_in_first_row()  # a second click undoes the first
        return row

    def _settings(self) -> Flow:
        row = Flow(6)
        self.modes = SamplerPicker()
        self.modes.chosen.connect(self._sampler_chosen)
        self.modes.shown.connect(self._pixels_chosen)
        row.addWidget(self.modes)
        row.addStretch()
        self.temperature = configured(DecimalField(), maximum=2, singleStep=0.1)
        self.temperature.valueChanged.connect(self._temperature_chosen)
        words = "Temperature: 1 samples as trained; towards 0, the likeliest choice"
        self._temperature_name = named(row.group(6), "Temperature", self.temperature, words)
        self.seed = configured(WholeField(), maximum=MOST_SEED)
        self.seed.setButtonSymbols(WholeField.ButtonSymbols.NoButtons)
        self.seed.setFixedWidth(88)
        self.seed.editingFinished.connect(self._seed_edited)
        row.addSpacing(4)
        words = "Where chance begins: the same seed on the same sketch, the same completion"
        seed = row.group(6)
        name, keep = named(seed, "Seed", self.seed, words), button(self._actions["set_keep_seed"], "Keep")
        seed.addWidget(keep)
        self._seed = name, self.seed, keep
        self._actions["set_keep_seed"].toggled.connect(self.show_more)
        return row

    @Slot()
    def show_more(self) -> None:
        """Show all there is; or, in the simple view, what is not as usual beside two models."""
        more, work = self._actions["show_more"].isChecked(), self._workspace
        for name, made in self.models.items():
            made.setVisible(more or name in (*PAIR, work.model))
        warm = more or work.dataset_settings.temperature != 1
        shown = {self.modes: more or not self._usual, self._temperature_name: warm, self.temperature: warm}
        shown |= dict.fromkeys(self._seed, more or self._actions["set_keep_seed"].isChecked())
        for widget, on in shown.items():
            widget.setVisible(on)
        self._how.setVisible(any(shown.values()))

    def fill_in(self, restored: Session) -> None:
        """Show what a session tells of them all."""
        self.samples.setValue(restored.samples)
        self.show_seed(restored.seed)
        for name in ("keep_seed", "live"):
            self._actions[f"set_{name}"].setChecked(getattr(restored, name))
        self._actions["show_more"].setChecked(restored.more)

    def show_pause(self, word: str) -> None:
        """Let the action say what it would do."""
        self._actions["pause"].setText(word)
        self._actions["pause"].setIconText(with_key(word))

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
        work, chosen = self._workspace, self.settings()
        assert chosen.sampler is not None and chosen.pixel_mode is not None  # the data set's settings fill them in
        self.modes.offer(model_facts.samplers(work.model, work.data.name), chosen.sampler, chosen.parameter)
        self.modes.offer_pixels(model_facts.pixel_modes(work.model), chosen.pixel_mode)
        usual = DatasetSettings.fresh(work.data).completion(work.model, chosen.samples, chosen.seed, work.data)
        self._usual = dataclasses.replace(chosen, temperature=usual.temperature) == usual
        self.show_more()

    @Slot(str, object)
    def _sampler_chosen(self, name: str, parameter: int | None) -> None:
        self._workspace.dataset_settings.samplers[self._workspace.model] = name, parameter
        self.show_samplers()
        self.changed.emit()

    @Slot(str)
    def _pixels_chosen(self, way: str) -> None:
        self._workspace.dataset_settings.pixel_mode = way
        self.show_samplers()
        self.changed.emit()

    def settings(self, model: str | None = None) -> CompletionSettings:
        """How a model, by default the chosen one, completes next."""
        work = self._workspace
        return work.dataset_settings.completion(model or work.model, self.samples.value(), self.seed.value(), work.data)

    def show_dataset(self) -> None:
        """Show what is chosen for the data set. What the field cannot show is not kept."""
        self.temperature.setValue(self._workspace.dataset_settings.temperature)
        self._temperature_chosen(self.temperature.value())
        self.show_more()

    @Slot(float)
    def _temperature_chosen(self, temperature: float) -> None:
        self._workspace.dataset_settings.temperature = round(temperature, 2)
