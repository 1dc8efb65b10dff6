"""The window: makes its parts and connects them; what they do is theirs."""

from __future__ import annotations

import contextlib
import dataclasses
from functools import partial
from pathlib import Path

import pyqtgraph as pg
from PySide6.QtCore import QCoreApplication, QEvent, QSize, QTimer, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QComboBox, QDialog, QMainWindow, QVBoxLayout, QWidget

from app.core import session
from app.core.job import State
from app.core.run import Run
from app.core.session import Session
from app.core.sketch import COLOUR_TOOLS
from app.core.workspace import Workspace
from app.engine.autosave import Autosave
from app.engine.engine import Engine, Link
from app.engine.jobs import Jobs
from app.engine.preferences import Preferences
from app.ui import actions, tab_order, theme
from app.ui.completion_controller import CompletionController
from app.ui.context import Context, Panels
from app.ui.docks import Docks, Room
from app.ui.file_actions import FileActions
from app.ui.help import glossary
from app.ui.help.html_dialog import Page
from app.ui.help.tour import Tour
from app.ui.help.tour_card import TourCard
from app.ui.keyboard import KeyPlaces
from app.ui.latent_editor import LatentEditor
from app.ui.models import Models
from app.ui.panels.completion import CompletionPanel
from app.ui.panels.latents import LatentPanel
from app.ui.panels.race import RacePanel
from app.ui.panels.scaling import ScalingPanel
from app.ui.panels.sketch import SketchPanel
from app.ui.panels.timing import TimingPanel
from app.ui.race_controller import RaceController, ScalingController
from app.ui.settings_bar import SettingsBar
from app.ui.story import Story
from app.ui.widgets.card import OneLine, button, configured, filled, spaced, wrap_tips
from app.ui.widgets.number_field import DecimalField, WholeField
from app.ui.widgets.pause_button import WORDS
from app.ui.widgets.plot import Plot
from app.ui.widgets.toast import Messages
from vssm import checkpoint, data

pg.setConfigOptions(imageAxisOrder="row-major", antialias=True)


class Window(QMainWindow):
    """state: the file of the session; or autosave: what keeps it. folder: where the checkpoints lie, where not in their
    usual place. link: to the worker that runs the models, by default a process. story: whether a recorded race is
    played as long as there is nothing else to show."""

    def __init__(
        self,
        state: Path | None = None,
        folder: Path | None = None,
        autosave: Autosave | None = None,
        link: Link | None = None,
        story: bool = True,
    ):
        super().__init__()
        self.autosave = autosave or Autosave(state or session.default_path(), self)
        self.preferences = Preferences(self.autosave.path.parent)
        self._session = restored = self.preferences.apply(self.autosave.restored)
        self._theme_name = restored.theme
        self._tells_story = story
        self._dialog: QWidget | None = None
        self._selected: dict[str, Run | None] = {}  # by data set, while another one is shown
        self.setAcceptDrops(True)
        self._make_parts(folder or checkpoint.SHIPPED, link)
        self._make_controllers()
        self._lay_out()
        self._fill_in(restored)
        self.docks.restore(restored.layout)
        glossary.explain(self)
        wrap_tips(self)
        self.tour = Tour(self)
        self.tour.toured = restored.toured
        self.tour_card = TourCard(self.tour, self)
        replayed = self.race.axis, self.race.replay, self.race.bars.times, self.race.bars.log
        self.messages.kept_free = *replayed, self.completion.strip, self.tour_card
        watched = self, *self.docks.docks.values(), *self.findChildren(QComboBox)  # panels float, lists take letters
        self._key_places = KeyPlaces(self.actions_.by_name.values(), watched, self)
        self._connect()
        self.choose_theme(restored.theme)
        if self.autosave.said:
            self.messages.say(self.autosave.said)
        if self.autosave.apart:
            self.messages.say(self.autosave.apart, "note")
        self.autosave.begin(self.session, self._busy)
        self.canvas.setFocus()
        QTimer.singleShot(0, self._begin)  # when the window has been laid out
        QTimer.singleShot(0, self.engine.start)  # which loads the models beside the first painting
        QTimer.singleShot(0, self.models.prepare)

    # --- building

    def _make_parts(self, folder: Path, link: Link | None) -> None:
        self.workspace = Workspace(self._session)
        self.engine = Engine(folder, self, link)
        self.actions_ = actions.Actions(self)
        self.messages = Messages(self)
        self.messages.turn_to(self.workspace.data.name)
        self.jobs = Jobs(self.engine)
        self.models = Models(self.engine, self.jobs, self.workspace, self.actions_, self.messages, folder)
        self.bar = SettingsBar(self.workspace, self.actions_)
        self.sketch = SketchPanel(self.workspace.data, self.workspace.dataset_settings, self.actions_)
        self.canvas = self.sketch.canvas
        self.completion = CompletionPanel()
        self.timing = TimingPanel()
        self.latents = LatentPanel()
        self.scaling = ScalingPanel()
        self.race = RacePanel(self.actions_)
        cards = {name: getattr(self, name) for name in ("completion", "timing", "latents", "scaling", "race")}
        self.docks = Docks(self.sketch, self.canvas, cards, self.actions_)

    def _make_controllers(self) -> None:
        context = Context(self.workspace, self.jobs, self.models, self.bar, self.actions_, self.messages)
        panels = Panels(self.sketch, self.completion, self.timing, self.latents, self.scaling, self.race)
        self.runs = CompletionController(context, panels)
        self.live = self.runs.live
        self.measuring = ScalingController(context, panels)
        self.racing = RaceController(context, panels, self.docks, self.runs)
        self.editor = LatentEditor(context, panels, self.runs)
        self.files = FileActions(self, context, panels, self.runs)
        self.story = Story(context, panels, self.docks, self.runs, self.racing)

    def _lay_out(self) -> None:
        self._show_title()
        self.setMinimumSize(640, 400)  # where everything can be reached by scrolling; a smaller screen bounds it
        self._to_scaling, back = (button(self.actions_["show_scaling"], "Scaling") for _ in range(2))
        self.latents.header.addWidget(self._to_scaling)
        self.scaling.header.addWidget(back)
        centre = self.completion.centre.layout()
        assert centre is not None
        centre.addWidget(button(self.actions_["centre_sketch"], "Centre"))
        offered = "copy_one", "save_one", "save_large", "pin_sample", "use_sample"
        self.completion.menu.addActions([self.actions_[one] for one in offered])
        self.completion.tools.addWidget(button(self.actions_["show_spread"], "Spread  D"))
        self.docks.setContentsMargins(10, 10, 10, 10)
        self.room = Room(self.docks)
        whole = QWidget()
        filled(spaced(QVBoxLayout(whole), 0), self.bar, (self.room, 1))
        self.setCentralWidget(whole)
        self.status = configured(OneLine(), accessibleName="Status")
        self.statusBar().addWidget(self.status, 1)
        self.statusBar().addPermanentWidget(self.live.counter)
        self.statusBar().setSizeGripEnabled(False)
        self.statusBar().setContentsMargins(8, 0, 8, 0)

    def _connect(self) -> None:
        for part in (self.jobs, self.runs, self.files, self.race, self.models):
            part.changed.connect(self.refresh)
        self.docks.turned.connect(self.refresh)
        self.canvas.changed.connect(self.refresh)
        self.runs.asked.connect(partial(self.docks.show_race, False))
        self.models.changed.connect(self._show_status)
        self.models.ready.connect(self._models_ready)
        self.sketch.prompt_given.connect(self.live.rest)
        self.sketch.stay_smaller(self.completion.picture, lambda: self.completion.pictures.least)
        self.latents.pointed.connect(self.completion.picture.mark)
        for plot in self.findChildren(Plot):
            plot.said.connect(self.messages.say)
        fields: list[WholeField | DecimalField] = [*self.findChildren(WholeField), *self.findChildren(DecimalField)]
        for field in fields:
            field.refused.connect(partial(self.messages.say, kind="slip"))
            field.withdrawn.connect(self.messages.take_back)
        self.tour.turned.connect(self.messages.place)
        self.tour.turned.connect(self._remember)
        self.autosave.failed.connect(self.messages.add)
        QGuiApplication.styleHints().colorSchemeChanged.connect(self._retheme)

    def _fill_in(self, restored: Session) -> None:
        self.bar.fill_in(restored)
        self.live.turn(restored.live)
        self.actions_["sort_by_score"].setChecked(restored.by_score)
        self.actions_["less_motion"].setChecked(restored.less_motion)
        self.story.rest(restored.less_motion)
        self.completion.sort_by_score(restored.by_score)
        self.models.device = restored.device if restored.device in session.DEVICES else "auto"
        self.models.offer_devices(["cpu"])
        for name, value in (
            ("choose_model", self.workspace.model),
            ("choose_theme", self._theme_name),
            ("choose_device", self.models.device),
            ("choose_data", self.workspace.data.name),
        ):
            for action in self.actions_.choices(name):
                action.setChecked(action.data() == value)
        self.sketch.pen.setValue(restored.pen)
        fits = self.workspace.data.channels == 3 or restored.tool not in COLOUR_TOOLS
        self.sketch.turn_tool(restored.tool if fits else "brush")
        self._show_dataset()
        self._show_more()
        self.refresh()

    def focusNextPrevChild(self, onward: bool) -> bool:
        parts = self.bar, *self.docks.parts, self.messages, self.tour_card
        done = tab_order.step(self, parts, onward) or super().focusNextPrevChild(onward)
        self.room.reveal()
        return done

    def sizeHint(self) -> QSize:
        return QSize(1280, 760)

    # --- the models

    @Slot()
    def _models_ready(self) -> None:
        self._show_samplers()
        self._show_status()
        self.files.check_link()
        self.runs.catch_up()

    # --- what concerns all parts

    def stop(self, at_once: bool = False) -> None:
        """Give up what is under way or asked for; a run ends with the network call it is in, or at once."""
        if self.jobs.state is State.LOADING:
            self.messages.supersede()
        self.files.importer.stop()
        self.live.drop()
        self.jobs.stop(at_once)

    def pause(self) -> None:
        """Hold the run under way, or the race that is played, or let it go on."""
        if self.jobs.can_pause:
            self.jobs.pause()
        elif actions.replaying(self):
            self.race.play_or_hold()

    def set_live(self, on: bool) -> None:
        self.live.turn(on)
        if on:
            self.runs.complete()

    def show_more(self, on: bool) -> None:
        """All models and settings, or the simple view."""
        self._show_more()
        self.docks.renew()
        self._remember()

    def _show_more(self) -> None:
        on = self.actions_["show_more"].isChecked()
        self.bar.show_more()
        self.race.show_more(on)
        self.latents.show_more(on)
        self._to_scaling.setVisible(on)

    def choose_model(self, name: str) -> None:
        self.runs.choose_model(name)
        self._show_samplers()
        self._show_status()

    def choose_data(self, name: str) -> None:
        """Turn to another data set: its sketch, its examples, its models, its runs."""
        if name == self.workspace.data.name:
            return
        self.stop(at_once=True)
        self.story.end()
        self._selected[self.workspace.data.name] = self.runs.selected_run
        self.workspace.data = data.get(name)
        self.messages.turn_to(name)
        self._show_title()
        if self.workspace.data.channels != 3 and self.canvas.tool in COLOUR_TOOLS:
            self.sketch.turn_tool("brush")
        self.sketch.turn_to(self.workspace.data, self.workspace.dataset_settings)
        self._show_dataset()
        self.runs.turn(self._selected.get(name))
        self.models.prepare()
        self._begin()

    @Slot()
    def _begin(self) -> None:
        """Show something at once: of the sketch, or of what can be done."""
        if self._tells_story:
            self.story.begin()
        self.runs.catch_up()

    def choose_device(self, name: str) -> None:
        """Compute elsewhere; a run under way ends first."""
        self.models.device = name
        self.stop()
        self.models.prepare()
        self._remember()

    def choose_theme(self, name: str) -> None:
        self._theme_name = name
        theme.request(name)
        self._retheme()
        self._remember()

    @Slot()
    def _retheme(self) -> None:
        theme.apply(theme.chosen(self._theme_name))
        for part in (self.timing, self.latents, self.scaling, self.race, self.runs):
            part.retheme()

    # --- showing

    def _show_title(self) -> None:
        self.setWindowTitle(f"{self.workspace.data.title} – VSSM Sketchpad")  # Qt adds the name where it is not the end

    def _show_dataset(self) -> None:
        """What depends on the data set, the sketch aside."""
        self.bar.show_dataset()
        self.racing.offer()
        self._show_samplers()
        self._show_status()
        self.runs.show_dataset()

    @Slot()
    def _show_samplers(self) -> None:
        self.bar.show_samplers() if self.models.are_ready else self.bar.modes.wait()

    @Slot()
    def _show_status(self) -> None:
        self.status.setText(self.models.status)

    @Slot()
    def refresh(self) -> None:
        """Let actions say what can be done now, and what the pause would do."""
        resting = not self.jobs.can_pause and actions.replaying(self) and not self.race.playing
        pause, go_on, replay = WORDS
        paused = resting or self.jobs.state is State.PAUSED
        self.bar.show_pause(replay if resting and self.race.at_end else go_on if paused else pause)
        for one in (self.bar.pause, self.race.pause):
            one.setAccessibleName(self.actions_["pause"].text())
        self.actions_.refresh()

    def show_page(self, title: str, html: str, wide: int = 480) -> None:
        self._dialog = Page(title, html, self, wide)
        self._dialog.show()

    # --- the session

    def session(self) -> Session:
        """What will be restored."""
        return dataclasses.replace(
            self._session,
            data=self.workspace.data.name,
            model=self.workspace.model,
            samples=self.bar.samples.value(),
            seed=self.bar.seed.value(),
            keep_seed=self.actions_["set_keep_seed"].isChecked(),
            live=self.actions_["set_live"].isChecked(),
            theme=self._theme_name,
            device=self.models.device,
            layout=self.docks.layout_,
            toured=self.tour.toured,
            more=self.actions_["show_more"].isChecked(),
            less_motion=self.actions_["less_motion"].isChecked(),
            by_score=self.actions_["sort_by_score"].isChecked(),
            tool=self.canvas.tool,
            pen=self.canvas.pen,
            datasets={name: settings.copy() for name, settings in self.workspace.datasets.items()},
        )

    def use_session(self, session: Session) -> None:
        """Put it in the place of the present one; runs under way are given up."""
        self.stop(at_once=True)
        self.story.end()
        self.race.leave()
        self._session, self._selected = session, {}
        self.workspace.restore(session)
        self.messages.turn_to(self.workspace.data.name)
        self._show_title()
        self.sketch.turn_to(self.workspace.data, self.workspace.dataset_settings)
        self._fill_in(session)
        self.runs.select(None)
        self.models.prepare()
        self._begin()

    @Slot()
    def _remember(self) -> None:
        """How this window looks is how the next one begins."""
        self.preferences.keep(self.session())

    def _busy(self) -> bool:
        """Whether a save had better wait: the pen is down, or a model is on the clock."""
        return self.canvas.drawing or self.jobs.current is not None

    def closeEvent(self, event) -> None:
        """Leave: whatever goes wrong on the way, the session is kept, the worker ends, and nobody is heard any more."""
        if not self.engine.closed:
            with contextlib.ExitStack() as steps:  # the last one first
                for one in (self, self.jobs, self.models, self.runs, self.tour):  # late signals
                    steps.callback(QCoreApplication.removePostedEvents, one, QEvent.Type.MetaCall)
                steps.callback(self.autosave.close)
                steps.callback(self._remember)
                steps.callback(self.engine.close)
                steps.callback(self._end_the_rest)
                if not self.files.may_leave():
                    steps.pop_all()
                    event.ignore()
                    return
                self.hide()
        event.accept()

    def _end_the_rest(self) -> None:
        """Nothing comes of what was under way, or asked."""
        self.files.importer.stop()
        QGuiApplication.styleHints().colorSchemeChanged.disconnect(self._retheme)
        for dialog in self.findChildren(QDialog):
            dialog.close()
        self.jobs.stop(at_once=True)
        self.race.hold()
        self.runs.close()
