"""The window: puts the panels together, and turns what a person does into requests and events into pictures."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import secrets
import time
from collections.abc import Callable
from pathlib import Path

import pyqtgraph as pg
from PySide6.QtCore import QCoreApplication, QEvent, QSize, QTimer, Signal, Slot
from PySide6.QtGui import QAction, QGuiApplication
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QFrame,
    QMainWindow,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.core import history, session
from app.core import run as runs
from app.core.dataset_settings import Desk
from app.core.pinned import Pinned
from app.core.race import Contestant
from app.core.run import Run
from app.core.sketch import COLOUR_TOOLS
from app.engine.autosave import Keeper
from app.engine.preferences import Preferences
from app.engine.worker import Engine, Loaded
from app.ui import actions, tab_order, theme
from app.ui.docks import Docks, Room
from app.ui.file_actions import Filing
from app.ui.help import glossary
from app.ui.help.html_dialog import Page
from app.ui.help.tour import Tour
from app.ui.help.tour_card import TourCard
from app.ui.image_import import Opener
from app.ui.keyboard import KeyPlaces
from app.ui.latent_editor import Touching
from app.ui.live import Live
from app.ui.panels.completion import CompletionPanel
from app.ui.panels.latents import LatentPanel
from app.ui.panels.race import Offer, RacePanel
from app.ui.panels.scaling import ScalingPanel
from app.ui.panels.sketch import SketchPanel
from app.ui.panels.timing import TimingPanel
from app.ui.widgets.card import button, label, named
from app.ui.widgets.flow import Flow
from app.ui.widgets.number_field import DecimalField, WholeField
from app.ui.widgets.plot import Plot
from app.ui.widgets.sampler_picker import ModePicker
from app.ui.widgets.toast import Messages
from app.ui.words import plain_tip
from vssm import checkpoint, data
from vssm.evaluation import scaling
from vssm.models import registry
from vssm.prompt import Prompt
from vssm.reports import precomputed
from vssm.sampling.events import Event, GenerationRequest, Progress
from vssm.sampling.step import Sampler

FRAME = 60  # milliseconds between two paintings of a run under way; each takes its time from the model
SELDOM = 0.2  # seconds between two of what takes long to paint
EVERY = 0.02  # seconds between two reports of a generator
TAKEN = "{} is your sketch now, and all of it is known: mark as unknown what is to be completed anew. {} takes it back."
PATIENCE, LOADING = 8000, 300  # milliseconds for the inference thread to end; while torch is being loaded
HOLD = {False: "Pause  P", True: "Continue  P"}  # what the button says, by whether the run is paused

pg.setConfigOptions(imageAxisOrder="row-major", antialias=True)


class Window(Filing, Touching, QMainWindow):
    """state: the file of the sitting; or keeper: what keeps it. folder: where the checkpoints lie, where not in their
    usual place. `settled` follows once torch and the models are loaded, or cannot be."""

    settled = Signal()

    def __init__(self, state: Path | None = None, folder: Path | None = None, keeper: Keeper | None = None):
        super().__init__()
        self.keeper = keeper or Keeper(state or session.default_path(), self)
        self.preferences = Preferences(self.keeper.path.parent)
        self._session = restored = self.preferences.apply(self.keeper.restored)
        self.data = data.get(restored.data)
        self.model = restored.model
        self._desks = {name: Desk.of(sheet) for name, sheet in restored.sheets.items()}
        self.history: list[Run] = []
        self.shown: Run | None = None  # the run in the panels
        self._running: Run | None = None
        self._measuring: int | None = None  # the number of a scaling run under way
        self._racing: int | None = None  # the number of a contestant's run under way
        self._loaded: dict[tuple[str, str], Loaded] = {}
        self._theme_name, self._device = restored.theme, restored.device
        self.theme = theme.LIGHT
        self._dialog: QWidget | None = None
        self._tidy_exit = True
        self.ready = False  # whether torch and the models are loaded
        self._unready = ""  # why they never will be, in one sentence
        self._waiting: Callable[[], None] | None = None  # what was asked for meanwhile
        self._painted = False
        self._folder = folder or checkpoint.SHIPPED
        self.engine = Engine(self._folder, self)
        self.setAcceptDrops(True)

        self.opener = Opener(self)
        self.actions_ = actions.Actions(self)
        self.messages = Messages(self)
        self.messages.turn_to(self.data.name)
        self.sketch = SketchPanel(self.data, self.desk, self.actions_)
        self.canvas = self.sketch.canvas
        self.completion = CompletionPanel()
        self.live = Live(self.canvas, self)
        self.timing = TimingPanel(self.actions_["clear_history"])
        self.latents = LatentPanel()
        self.scaling = ScalingPanel()
        self.race = RacePanel(self.actions_)
        self._lay_out()
        self._fill_in(restored)
        self.docks.restore(restored.layout)
        glossary.explain(self)
        self.tour = Tour(self)
        self.tour.toured = restored.toured
        self.tour_card = self.messages.beneath = TourCard(self.tour, self)
        self.tour.turned.connect(self.messages.place)
        self.tour.turned.connect(self._remember)

        watched = self, *self.docks.docks.values(), *self.findChildren(QComboBox)  # panels float, lists take letters
        self._key_places = KeyPlaces(self.actions_.by_name.values(), watched, self)

        self._timer = QTimer(self, interval=FRAME)
        self._timer.timeout.connect(self._paint_run)
        self._later = QTimer(self, singleShot=True, interval=0)  # all at once would hold the window up for two frames
        self._later.timeout.connect(self._show_history)
        self._last_seldom = 0.0  # when what is painted seldom was
        self.live.asked.connect(self._follow)
        self.live.settled.connect(self._settle)
        self.sketch.prompt_given.connect(self.live.rest)
        for plot in self.findChildren(Plot):
            plot.said.connect(self.messages.say)
        self.scaling.asked.connect(self._measure)
        self.scaling.stopped.connect(self.stop)
        self.race.asked.connect(self._run_contestant)
        self.race.changed.connect(self._enable)
        self.completion.run_chosen.connect(self._show_number)
        self.completion.sample_chosen.connect(self._sample_chosen)
        self.completion.previewed.connect(self.canvas.preview)
        self.completion.pinned.connect(self._keep)
        self.completion.taken.connect(self._take_result)
        self.completion.said.connect(self.messages.say)
        self._connect_touch()
        self.engine.happened.connect(self._happened)
        self.engine.failed.connect(self._failed)
        self.engine.ended.connect(self._ended)
        self.engine.loaded.connect(self._model_loaded)
        self.engine.dropped.connect(self._models_dropped)
        self.engine.ready.connect(self._models_ready)
        self.engine.unready.connect(self._models_missing)
        QGuiApplication.styleHints().colorSchemeChanged.connect(self._retheme)
        self.choose_theme(restored.theme)
        if self.keeper.said:
            self.messages.say(self.keeper.said)
        if self.keeper.apart:
            self.messages.say(self.keeper.apart, "note")
        self.keeper.failed.connect(self.messages.add)
        self.keeper.begin(self.sitting, self._busy)
        self._connect_opener()
        self.canvas.changed.connect(self._enable)
        self.canvas.setFocus()
        QTimer.singleShot(0, self._preload)  # once the window is on screen

    @property
    def desk(self) -> Desk:
        """What lies there for the chosen data set."""
        return self._desks[self.data.name]

    # --- building

    def _lay_out(self) -> None:
        self.setWindowTitle(f"VSSM Sketchpad – {self.data.title}")
        self.setMinimumSize(640, 400)  # where everything can be reached by scrolling; a smaller screen bounds it
        for panel in (self.latents, self.scaling):
            panel.header.addWidget(button(self.actions_["show_scaling"], "Scaling"))
        self.completion.header.addWidget(button(self.actions_["start_race"], "Race  ⇧R"))
        self.completion.body.insertWidget(self.completion.body.indexOf(self.completion.pixels), self.live.counter)
        self.completion.advice_row.layout().addWidget(button(self.actions_["centre_sketch"]))
        self.completion.tools.addWidget(button(self.actions_["show_spread"], "Spread  D"))
        cards = {name: getattr(self, name) for name in ("completion", "timing", "latents", "scaling", "race")}
        self.docks = Docks(self.sketch, self.canvas, cards, self.actions_)
        self.docks.turned.connect(self._enable)
        self.docks.setContentsMargins(10, 10, 10, 10)
        whole = QWidget()
        rows = QVBoxLayout(whole)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(0)
        self._top = self._bar()
        rows.addWidget(self._top)
        self.room = Room(self.docks)
        rows.addWidget(self.room, 1)
        self.setCentralWidget(whole)
        self._fill_status_bar()

    def _bar(self) -> QFrame:
        """Two rows, more where there is little room: who completes and when, and how."""
        bar = QFrame()
        bar.setObjectName("bar")
        rows = QVBoxLayout(bar)
        rows.setContentsMargins(10, 7, 10, 7)
        rows.setSpacing(6)
        rows.addLayout(self._contestants())
        rows.addLayout(self._settings())
        return bar

    def _contestants(self) -> Flow:
        row = Flow(5)
        sets = row.group(1)
        for action in self.actions_.choices("choose_data"):
            sets.addWidget(button(action))
        row.addSpacing(6)
        for i, action in enumerate(self.actions_.choices("choose_model"), 1):
            row.addWidget(button(action, f"{i}  {action.text()}"))
        row.addStretch()
        run = row.group(5)
        complete = button(self.actions_["complete"], "Complete  ↵")
        complete.setObjectName("primary")
        run.addWidget(complete)
        self._pause = button(self.actions_["pause"], HOLD[True])
        self._pause.setMinimumWidth(self._pause.sizeHint().width())  # no other button moves when the word changes
        run.addWidget(self._pause)
        run.addWidget(button(self.actions_["stop"], "Stop  Esc"))
        return row

    def _settings(self) -> Flow:
        row = Flow(6)
        self.modes = ModePicker()
        self.modes.chosen.connect(self._mode_chosen)
        self.modes.shown.connect(self._pixels_chosen)
        row.addWidget(self.modes)
        row.addStretch()
        self.samples, self.temperature = WholeField(), DecimalField()
        self.samples.setRange(1, session.MOST_SAMPLES)
        self.temperature.setRange(0, 2)
        self.temperature.setSingleStep(0.1)
        named(row.group(6), "Samples", self.samples, "How many completions are drawn at once, 1 to 64")
        row.addSpacing(4)
        words = "Temperature: 1 samples as trained; towards 0, the likeliest choice"
        named(row.group(6), "Temperature", self.temperature, words)
        self.seed = WholeField()
        self.seed.setRange(0, session.MOST_SEED)
        self.seed.setButtonSymbols(WholeField.ButtonSymbols.NoButtons)
        self.seed.setFixedWidth(88)
        self.seed.editingFinished.connect(self._seed_edited)
        row.addSpacing(4)
        words = "Where chance begins: the same seed on the same sketch, the same completion"
        named(row.group(6), "Seed", self.seed, words)
        turns = row.group(6)
        turns.addWidget(button(self.actions_["set_keep_seed"], "Keep"))
        turns.addWidget(button(self.actions_["set_live"], "Live"))
        return row

    def _fill_status_bar(self) -> None:
        self._status = label("")
        self._status.setAccessibleName("Status")
        self._status.setToolTip("Device, threads, and the chosen model's size and score on the test set")
        self.statusBar().addWidget(self._status, 1)
        self.statusBar().setSizeGripEnabled(False)

    def _fill_in(self, restored: session.Session) -> None:
        self.samples.setValue(restored.samples)
        self.seed.setValue(restored.seed)
        self._seed_shown = restored.seed
        self.actions_["set_keep_seed"].setChecked(restored.keep_seed)
        self.actions_["set_live"].setChecked(restored.live)
        self.live.turn(restored.live)
        self._device = restored.device if restored.device in session.DEVICES else "auto"
        self._offer_devices(["cpu"])
        for name, value in (
            ("choose_model", self.model),
            ("choose_theme", self._theme_name),
            ("choose_device", self._device),
            ("choose_data", self.data.name),
        ):
            for action in self.actions_.choices(name):
                action.setChecked(action.data() == value)
        self.sketch.pen.setValue(restored.pen)
        fits = self.data.channels == 3 or restored.tool not in COLOUR_TOOLS
        self.sketch.turn_tool(restored.tool if fits else "brush")
        self._show_desk()
        self._enable()

    def focusNextPrevChild(self, onward: bool) -> bool:
        parts = self._top, *self.docks.parts, self.messages, self.tour_card
        done = tab_order.step(self, parts, onward) or super().focusNextPrevChild(onward)
        self.room.reveal()
        return done

    def sizeHint(self) -> QSize:
        return QSize(1280, 760)

    @Slot()
    def _preload(self) -> None:
        if self.engine.closed:  # before it was seen
            return
        if self.ready:
            self.engine.use(self._device)
            names = [self.model, *(m for m in registry.PRESETS if m != self.model)]
            self.engine.preload([name for name in names if not self._lacks(name)], self.data.name)
        self._show_weights()
        if sentence := self._lacks(self.model):
            self.messages.add(sentence, "answer", about=self.data.name)

    def paintEvent(self, event) -> None:
        super().paintEvent(event)
        if not self._painted:
            self._painted = True
            QTimer.singleShot(0, self._load)  # once all of the window is on screen

    @Slot()
    def _load(self) -> None:
        self.engine.start()

    @Slot(list)
    def _models_ready(self, devices: list[str]) -> None:
        """Torch and the models are there: offer what they can, and do what was asked for before."""
        self.ready = True
        self._offer_devices(devices)
        if self._device not in ("auto", *devices):
            self._device = "auto"
            self.actions_["choose_device", "auto"].setChecked(True)
        self._show_modes()
        self._show_status()
        self._preload()
        self._check_link()
        self.settled.emit()
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting()

    @Slot(str)
    def _models_missing(self, sentence: str) -> None:
        self._unready, self._waiting = sentence, None
        self.settled.emit()
        self.modes.wait()
        self._show_status()
        self._enable()
        self.messages.say(sentence, details=self.engine.cause(sentence))

    def _waits(self, asked: Callable, *given) -> bool:
        """Whether the models are still being loaded: what is asked for last is done once they are there."""
        if self._unready:
            self.messages.say(self._unready, details=self.engine.cause(self._unready))
        elif not self.ready:
            self._waiting = functools.partial(asked, *given)
            self.messages.say("Loading the models … this begins as soon as they are there.", "note")
            self._enable()
        return not self.ready

    def _refuse(self, sentence: str) -> None:
        """Say why that cannot be done; it is about the data set that is chosen."""
        self.messages.say(sentence, "answer", about=self.data.name)

    def _offer_devices(self, names: list[str]) -> None:
        for action in self.actions_.choices("choose_device"):
            action.setVisible(action.data() in ("auto", *names))

    # --- what a person does; the table of actions names these

    @Slot()
    def complete(self) -> None:
        """Ask the chosen model to fill the unknown pixels; a run under way is given up, but not a scaling run."""
        if self._waits(self.complete):
            return
        if self.scaling.running:
            timed = "The models are being timed: complete when that is done, or stop it first (Esc)."
            self.messages.say(timed, "note")
            return
        if sentence := self._lacks(self.model):
            self._refuse(sentence)
            return
        self.race.stopping()
        self.docks.show_race(False)
        self._turn_seed()
        self._begin()
        self.history = history.add(self.history, self._running)
        self.shown = self._running  # painted by the timer: nothing is, in the first moments of a fast model's time

    def _begin(self, gesture: int = 0, whole: bool = True) -> None:
        """Ask for a run; gesture: which one of the pen's it follows, if any; else than whole, for a glance: one sample,
        and its picture alone."""
        mode, size = self._mode
        request = GenerationRequest(
            self.canvas.sketch.prompt,
            self.samples.value() if whole else 1,
            self.temperature.value(),
            self._seed_shown,
            EVERY,
            mode.name,
            size,
            posterior=whole,
            pixel_mode=self._pixels[1],
            details=whole,
        )
        self.messages.supersede()
        number = self.engine.complete(self.model, self.data.name, request)
        self._running = Run(number, self.model, self.data.name, request, gesture=gesture)
        self.live.begun(self._running)
        self._timer.start()
        self._enable()

    @Slot()
    def _follow(self) -> None:
        """Live: complete the sketch as it stands, from the same seed; not where nothing is to be completed, nor while
        models race or are timed."""
        if not self.ready:
            if self.live.resting:
                self._waits(self._follow)
            return
        lacking = self._lacks(self.model)
        if lacking and self.live.resting:
            self._refuse(lacking)
        hidden = self.race.isVisibleTo(self) and not self.completion.isVisibleTo(self)
        if lacking or hidden or self.race.running or self.scaling.running or self.canvas.sketch.known.all():
            self.live.drop()
            if self._running is None:  # what was given up for this may have shown nothing
                self._settle()
            self._enable()
        else:
            self._begin(self.live.gesture, self.live.resting)

    def _show_live(self, run: Run) -> None:
        """It takes the place of the one before of the same gesture as soon as it has something to show, and is painted
        at once when its picture is whole."""
        if run not in self.history:
            run.shown = min(self.shown.shown if self.shown else 0, run.request.samples - 1)
            self.history = history.add(self.history, run)
            self.shown = run
        if run.progress.filled.all() and self.shown is run:
            self.completion.show_run(run, self.theme)
            self.completion.picture.repaint()
            self.live.shown()
            self._paint_seldom()

    def _turn_seed(self) -> None:
        """A new one, unless it is to be kept."""
        if not self.actions_["set_keep_seed"].isChecked():
            self.seed.setValue(secrets.randbelow(session.MOST_SEED))
        self._seed_shown = self.seed.value()

    # --- races

    @Slot()
    def start_race(self) -> None:
        """Let all ticked models complete the sketch; a run or a race under way is given up, but not a scaling run."""
        if self._waits(self.start_race):
            return
        if self.scaling.running:
            self.messages.say("The models are being timed: race when that is done, or stop it first (Esc).", "note")
            return
        self.docks.show_race(True)
        if not self.race.chosen:
            self._refuse("Nobody is ticked for the race.")
            return
        if self.canvas.sketch.known.all():
            self._refuse("Every pixel is known, so there is nothing to race for; erase some first.")
            return
        self.stop()
        self.messages.supersede()
        self._turn_seed()
        prompt, temperature, seed = self.canvas.sketch.prompt, self.temperature.value(), self._seed_shown
        contestants = []
        for name in self.race.chosen:
            mode, size = self._mode_of(name)
            way = self._pixels_of(name)[1]
            request = GenerationRequest(prompt, 1, temperature, seed, 0, mode.name, size, pixel_mode=way)
            contestants.append(Contestant(name, self.data.name, request))
        self._racing = None
        self.race.begin(tuple(contestants))
        self.race.axis.setFocus()

    @Slot(object)
    def _run_contestant(self, contestant: Contestant) -> None:
        self._racing = self.engine.complete(contestant.model, contestant.data, contestant.request)

    @Slot(bool)
    def show_times(self, on: bool) -> None:
        if on:
            self.docks.show_race(True)
        self.race.show_times(on)

    @Slot()
    def repeat_race(self) -> None:
        """Time the last race some more times; its pictures stay. A run under way is given up, but not a scaling run."""
        if self.scaling.running:
            self.messages.say("The models are being timed: repeat when that is done, or stop it first (Esc).", "note")
            return
        self.stop()
        if self.race.repeatable:
            self.messages.supersede()
            self.actions_["show_times"].setChecked(True)
            self.show_times(True)
            self._racing = None
            self.race.repeat()

    def _offer_race(self) -> None:
        offers = [Offer(name, preset.title, self._lacks(name)) for name, preset in registry.PRESETS.items()]
        self.race.offer(self.data.name, offers, self.desk.absent)

    # --- runs

    @Slot()
    def pause(self) -> None:
        """Hold the run under way between two network calls, or let it go on from there; so too a race being played."""
        run = self._running
        if run is None and actions.replaying(self):
            self.race.play_or_hold()
        if run is None or run.stopping:
            return
        run.paused = not run.paused
        if run.paused:
            self.engine.pause()
            self._timer.stop()
        else:
            self.engine.go_on()
            self._timer.start()
        self._paint_run(True)
        self._enable()

    @Slot()
    def stop(self) -> None:
        """Give the run under way up; it ends with the network call it is in."""
        if self._waiting is not None:
            self._waiting = None
            self.messages.supersede()
        self.opener.stop()
        self.engine.stop()
        self.live.drop()
        self.scaling.stopping()
        self.race.stopping()
        if self._running is not None:
            self._running.stopping = True
            self._paint_run(True)
        self._enable()

    @Slot(tuple)
    def _measure(self, lengths: tuple[int, ...]) -> None:
        """Time equal networks at these lengths; a run under way is given up."""
        if self._waits(self._measure, lengths):
            return
        self.stop()
        self.messages.supersede()
        request = scaling.ScalingRequest(self.data.name, lengths, parameters=scaling.PARAMETERS)
        self._measuring = self.engine.measure(request)
        self.scaling.begin(len(lengths) * len(request.contenders))
        self._enable()

    @Slot(bool)
    def set_live(self, on: bool) -> None:
        self.live.turn(on)
        if on:
            self.complete()

    @Slot()
    def _seed_edited(self) -> None:
        if self.seed.value() != self._seed_shown:  # a seed given by hand is meant to be used
            self._seed_shown = self.seed.value()
            self.actions_["set_keep_seed"].setChecked(True)

    def choose_model(self, name: str) -> None:
        """Make it the model that completes, and show its latest run, so that two keys compare two models."""
        self.model = name
        self._show_modes()
        self._show_status()
        if sentence := self._lacks(name):
            self._refuse(sentence)
        latest = [run for run in self.history if run.model == name and run.data == self.data.name and run.progress]
        if latest and self._running is None:
            self._show(latest[-1])
        self.live.again()

    @Slot(str, object)
    def _mode_chosen(self, name: str, number: int | None) -> None:
        self.desk.modes[self.model] = name, number
        self._show_modes()

    @Slot(str)
    def _pixels_chosen(self, way: str) -> None:
        self.desk.shown = way
        self._show_modes()

    @property
    def _pixels(self) -> tuple[tuple[str, ...], str]:
        """How the chosen model can show pixels, and which way it will."""
        return self._pixels_of(self.model)

    def _pixels_of(self, model: str) -> tuple[tuple[str, ...], str]:
        ways = getattr(registry.get(model).network, "pixel_modes", ("sampled",))
        return ways, self.desk.shown if self.desk.shown in ways else ways[0]

    @property
    def _mode(self) -> tuple[Sampler, int | None]:
        """What completes next: the chosen model's mode and its number, where it has one."""
        return self._mode_of(self.model)

    def _mode_of(self, model: str) -> tuple[Sampler, int | None]:
        modes = registry.get(model).samplers(self.data)
        name, size = self.desk.modes.get(model, ("", None))
        mode = next((mode for mode in modes if mode.name == name), modes[0])
        if not mode.parameter:
            return mode, None
        fits = mode.name == name and size is not None and size <= mode.most
        return mode, size if fits else mode.default

    def choose_data(self, name: str) -> None:
        """Turn to another data set: its sketch, its examples, its models, its runs."""
        if name == self.data.name:
            return
        self.stop()
        self.desk.temperature, self.desk.run = self.temperature.value(), self.shown
        self.data = data.get(name)
        self.messages.turn_to(name)
        self.setWindowTitle(f"VSSM Sketchpad – {self.data.title}")
        if self.data.channels != 3 and self.canvas.tool in COLOUR_TOOLS:
            self.sketch.turn_tool("brush")
        self.sketch.turn_to(self.data, self.desk)
        self._show_desk()
        self.shown = self.desk.run
        self._settle()
        self._show_history()
        self._preload()

    def choose_device(self, name: str) -> None:
        """Compute elsewhere; a run under way ends first."""
        self._device = name
        self.stop()
        self._preload()
        self._remember()

    def choose_theme(self, name: str) -> None:
        self._theme_name = name
        theme.request(name)
        self._retheme()
        self._remember()

    @Slot()
    def clear_history(self) -> None:
        """Forget all runs of this data set but the one shown and the one under way."""
        self.history = history.clear(self.history, self.data.name, (self.shown, self._running))
        self._show_history()

    # --- results that are kept and used

    @Slot(tuple)
    def _keep(self, pinned: tuple[Pinned, ...]) -> None:
        """Exactly these results are pinned now."""
        self.desk.pinned = pinned
        self.completion.show_pinned(pinned)

    @Slot(object)
    def _take_result(self, result: Pinned) -> None:
        """A result becomes the sketch, all of it known, as one step of the sketch's history."""
        self.sketch.give(Prompt(result.image, result.known | True), "result")
        self.messages.say(TAKEN.format(result.words, actions.shown("Ctrl+Z")), "note")

    @staticmethod
    def button_of(action: QAction) -> QWidget | None:
        """The button of an action that is not hidden."""
        buttons = (one for one in action.associatedObjects() if isinstance(one, QToolButton))
        return next((one for one in buttons if not one.isHidden()), None)

    @property
    def status(self) -> QWidget:
        """Where device, size and score are told."""
        return self._status

    # --- what the worker reports

    @Slot(int, object)
    def _happened(self, number: int, event: Event | scaling.Event) -> None:
        if number == self._measuring:
            self.scaling.add(event)
            return
        if number == self._racing:
            self.race.add(event)
            return
        run = self._running
        if run is not None and run.number == number:
            run.add(event)
            if run.gesture and isinstance(event, Progress) and run.data == self.data.name:
                self._show_live(run)
            if run.base is not None and isinstance(event, Progress):
                self._show_touched(run)
            if run.paused:  # the timer rests; this is what stood when the pause came through
                self._paint_run(True)

    @Slot(int, str)
    def _failed(self, number: int, sentence: str) -> None:
        cause = self.engine.cause(sentence)
        if number == 0:  # while models were made ready: each may have something to say
            self.messages.add(sentence, details=cause)
        elif self._running is None or number in (self._running.number, self._racing):
            run = self._running
            self.messages.say(sentence, "error" if cause else "answer", cause, run.data if run else self.data.name)

    @Slot(int)
    def _ended(self, number: int) -> None:
        if number == self._measuring:
            self._measuring = None
            self.scaling.end()
            self._enable()
            return
        if number == self._racing:
            self._racing = None
            self.race.ended()
            return
        for run in self.history:
            if run.number == number:
                run.ended = True
        if self._running is not None and self._running.number == number:
            ended, self._running = self._running, None
            self._timer.stop()
            if ended.base is not None:
                self._touch_ended(ended)
            self.history = history.settle(self.history)
            self.live.ended()
        elif any(run.number == number and not run.gesture for run in self.history):
            self.history = history.settle(self.history)
            self._show_history()

    @Slot()
    def _settle(self) -> None:
        """Nothing is under way: show the run that was chosen, or the last one where that is not kept."""
        self._show_result(self.shown if self.shown in self.here else self.here[-1] if self.here else None)
        self._later.start()

    @Slot(object)
    def _model_loaded(self, loaded: Loaded) -> None:
        self._loaded[loaded.model, loaded.data] = loaded
        self._show_status()

    @Slot()
    def _models_dropped(self) -> None:
        self._loaded.clear()
        self._show_status()

    # --- showing

    @Slot()
    def _paint_run(self, whole: bool = False) -> None:
        """One timer paints; events only fill the run. So however fast a model reports, the window stays free.
        whole: the panels, too, that are painted seldom."""
        if self._running is not None:
            if self.shown is self._running:
                self.completion.show_run(self._running, self.theme)
            self._paint_seldom(whole)

    def _paint_seldom(self, at_once: bool = False) -> None:
        """What takes long to paint, and so takes time from the model and the pen."""
        run, now = self._running, time.perf_counter()
        if now - self._last_seldom < SELDOM and not at_once:
            return
        self._last_seldom = now
        if run.data == self.data.name and not (run.gesture or run.base):  # else it ends, or is replaced
            self.timing.follow(run)
        if self.shown is run:
            self.latents.show_run(run)

    def _show(self, run: Run | None) -> None:
        self._show_result(run)
        self._show_history()

    def _show_result(self, run: Run | None) -> None:
        self.shown = run
        self.completion.show_run(run, self.theme)
        self.latents.show_run(run)
        self._enable()

    @Slot(int)
    def _show_number(self, number: int) -> None:
        self._show(next((run for run in self.history if run.number == number), self.shown))

    @Slot()
    def _sample_chosen(self) -> None:
        self._show(self.shown)

    @property
    def here(self) -> list[Run]:
        """The runs of the chosen data set."""
        return [run for run in self.history if run.data == self.data.name]

    @Slot()
    def _show_history(self) -> None:
        self._later.stop()
        self.completion.show_earlier(self.here, self.theme)
        self.timing.show_runs([run.origin for run in self.here])  # a touched run has not completed the prompt

    def _show_desk(self) -> None:
        """What depends on the data set, the sketch aside."""
        self.temperature.setValue(self.desk.temperature)
        self._offer_race()
        self._show_modes()
        self._show_weights()
        self._show_status()
        self.completion.show_pinned(self.desk.pinned)
        self.completion.offer(self._example)

    @property
    def _example(self) -> precomputed.Beforehand | None:
        """For a person who has drawn and made nothing yet."""
        begun = self.here or not session.is_fresh(self.desk.sketch.prompt, self.data)
        return None if begun else precomputed.find(self.data)

    def _show_modes(self) -> None:
        if not self.ready:
            self.modes.wait()
            return
        self.modes.offer(registry.get(self.model).samplers(self.data), *self._mode)
        self.modes.offer_pixels(*self._pixels)

    def _lacks(self, name: str) -> str:
        """One sentence where a model has no weights for the chosen data set; else empty."""
        path = self._folder / checkpoint.shipped(name, self.data.name).name
        if path.exists():
            return ""
        made = f"runs/{name}-{self.data.name}/{path.name}"
        train = f"python -m vssm train --model {name} --data {self.data.name} --minutes 60"
        title = registry.get(name).title
        said = "{} has no weights for {}: run “{}” and copy {} to {}."
        return said.format(title, self.data.title, train, made, self._folder)

    def _show_weights(self) -> None:
        """Let the models' buttons say which of them cannot complete for want of weights."""
        for spec in self.actions_.specs:
            if spec.name == "choose_model":
                parts = spec.explanation, self._lacks(spec.value)
                self.actions_[spec.key].setToolTip(plain_tip("\n".join(part for part in parts if part)))

    def _show_status(self) -> None:
        title = registry.get(self.model).title
        if not self.ready:
            self._status.setText("The models cannot be loaded" if self._unready else "Loading the models …")
            return
        loaded = self._loaded.get((self.model, self.data.name))
        if loaded is None:
            said = "{} has no weights" if self._lacks(self.model) else "{} is not loaded"
            self._status.setText(said.format(title))
            return
        score = runs.score(loaded.scores, self.data)
        parts = [loaded.device, f"{title}: {runs.count(loaded.parameters)} parameters", score]
        self._status.setText("  ·  ".join(part for part in parts if part))

    @property
    def can_pause(self) -> bool:
        """Whether there is a run or a race that can be held or let go on."""
        return not self._running.stopping if self._running is not None else actions.replaying(self)

    @property
    def can_stop(self) -> bool:
        busy = self._running is not None or self.scaling.running or self.race.stoppable
        return busy or self._waiting is not None or self.opener.busy

    @Slot()
    def _enable(self) -> None:
        """Let actions say what can be done now, and what the pause would do."""
        replay = actions.replaying(self) and not self.race.playing
        paused = replay if self._running is None else self._running.paused
        self.actions_["pause"].setText("Continue" if paused else "Pause")
        self.actions_["pause"].setIconText(HOLD[paused])
        for one in (self._pause, self.race.pause):
            one.setAccessibleName(self.actions_["pause"].text())
        self.actions_.refresh()

    @Slot()
    def _retheme(self) -> None:
        self.theme = theme.chosen(self._theme_name)
        theme.apply(self.theme)
        self.timing.retheme(self.theme)
        self.latents.retheme(self.theme)
        self.scaling.retheme(self.theme)
        self.race.retheme(self.theme)
        self.tour_card.retheme(self.theme)
        self._show(self.shown)

    # --- pages

    def show_page(self, title: str, html: str, wide: int = 480) -> None:
        self._dialog = Page(title, html, self, wide)
        self._dialog.show()

    # --- leaving

    def sitting(self) -> session.Session:
        """What will be restored."""
        self.desk.temperature = self.temperature.value()
        return dataclasses.replace(
            self._session,
            data=self.data.name,
            model=self.model,
            samples=self.samples.value(),
            seed=self.seed.value(),
            keep_seed=self.actions_["set_keep_seed"].isChecked(),
            live=self.actions_["set_live"].isChecked(),
            theme=self._theme_name,
            device=self._device,
            layout=self.docks.layout_,
            toured=self.tour.toured,
            tool=self.canvas.tool,
            pen=self.canvas.pen,
            sheets={name: desk.sheet for name, desk in self._desks.items()},
        )

    @Slot()
    def _remember(self) -> None:
        """How this window looks is how the next one begins."""
        self.preferences.keep(self.sitting())

    def _busy(self) -> bool:
        """Whether a save had better wait: the pen is down, or a model is on the clock."""
        return self.canvas.drawing or not (self._running is self._racing is self._measuring is None)

    @property
    def tidy_exit(self) -> bool:
        """False where the inference thread could not be ended in time when the window closed."""
        return self._tidy_exit

    def closeEvent(self, event) -> None:
        """Leave: whatever goes wrong on the way, the sitting is kept, the thread ends, and nobody is heard any more."""
        if not self.engine.closed:
            with contextlib.ExitStack() as steps:  # the last one first
                steps.callback(QCoreApplication.removePostedEvents, self, QEvent.Type.MetaCall)  # late signals
                steps.callback(self.keeper.close)
                steps.callback(self._remember)
                steps.callback(self._end_thread)
                steps.callback(self._end_the_rest)
                if not self.may_leave():
                    steps.pop_all()
                    event.ignore()
                    return
                self.hide()
        event.accept()

    def _end_the_rest(self) -> None:
        """Nothing comes of what was under way, or asked."""
        self.opener.stop()
        for timer in (self._timer, self._later):
            timer.stop()
        QGuiApplication.styleHints().colorSchemeChanged.disconnect(self._retheme)
        for dialog in self.findChildren(QDialog):
            dialog.close()
        self.live.drop()
        self.race.forget()

    def _end_thread(self) -> None:
        loading = not (self.ready or self._unready)  # which cannot be given up, and nothing of it can be lost
        self._tidy_exit = self.engine.close(LOADING if loading else PATIENCE)
