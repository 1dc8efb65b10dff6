"""What the File menu does with completions, sittings, links and races. A part of the window, in a file of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PySide6.QtCore import Qt, QTimer, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QApplication,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QInputDialog,
    QMessageBox,
    QProgressDialog,
    QVBoxLayout,
    QWidget,
)

from app.core import link as links
from app.core import run, session
from app.core.dataset_settings import Desk
from app.core.link import Link
from app.core.race import SPEEDS, Race
from app.core.session import Session
from app.ui import race_gif
from app.ui.crop_dialog import CropDialog
from app.ui.image_import import SUFFIXES, Opener
from app.ui.widgets.card import label
from app.ui.words import printable
from vssm import data
from vssm.errors import UserError
from vssm.files import atomic, picture
from vssm.files.image import Picture
from vssm.prompt import Prompt
from vssm.sampling.events import Finished

SITTINGS = "Sittings (*.json);;All files (*)"
ANIMATIONS = "Animated pictures (*.gif)"
SLOW = 300  # milliseconds that opening a picture takes before it is said
ROW = 9  # most pictures in a row of a sheet
WAYS = {1.0: "True speed", 1 / 4: "A quarter of it", 1 / 16: "A sixteenth of it"}


class SpeedDialog(QDialog):
    """How fast a race is to be played in its animated picture."""

    def __init__(self, raced: Race, parent: QWidget):
        super().__init__(parent)
        self.race = raced
        self.setWindowTitle("Save the race")
        rows = QVBoxLayout(self)
        rows.addWidget(label(f"The race took {run.seconds(raced.duration)}. Play it at:"))
        self._ways = QComboBox()
        self._ways.setAccessibleName("Speed of the animated picture")
        for speed in SPEEDS:
            self._ways.addItem(f"{WAYS[speed]}: {run.seconds(raced.duration / speed)}", speed)
        self._ways.setCurrentIndex(SPEEDS.index(race_gif.slow(raced)))
        rows.addWidget(self._ways)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Save | QDialogButtonBox.StandardButton.Cancel)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        rows.addWidget(buttons)

    @property
    def speed(self) -> float:
        return self._ways.currentData()


class Filing:
    """The part of `Window` that gives its state away and takes another."""

    _given_up = False  # whether what is not saved may be lost

    # --- what a person brings

    def _connect_opener(self) -> None:
        self.opener.picture.connect(self._offer_part)
        self.opener.session.connect(self._open_sitting)
        self.opener.link.connect(self.follow)
        self.opener.refused.connect(self._refuse)
        self.opener.changed.connect(self._show_opening)
        self._slow = QTimer(self, singleShot=True, interval=SLOW)
        self._slow.timeout.connect(self._say_opening)
        self._opening_said = ""
        self._unchecked: tuple[Link, Session, Prompt] | None = None  # a link from before the models were there

    @Slot()
    def open_picture(self) -> None:
        """Ask for a file, then for the part of it."""
        kinds = "Pictures ({});;All files (*)".format(" ".join(f"*.{suffix}" for suffix in SUFFIXES))
        self._ask_file("Open a picture", "", kinds, self.opener.open_path, QFileDialog.FileMode.ExistingFile)

    @Slot()
    def paste(self) -> None:
        """Whatever is on the clipboard."""
        self.opener.open_mime(QGuiApplication.clipboard().mimeData(), "on the clipboard")

    @Slot(str)
    def _refuse(self, sentence: str) -> None:
        self.messages.say(sentence, "answer")

    @Slot()
    def _show_opening(self) -> None:
        """Whether a picture is being decoded; what is said of it goes when it is there or given up."""
        self._slow.stop()
        if self.opener.busy:
            self._slow.start()
        else:
            self.messages.take_back(self._opening_said)
        self.setCursor(Qt.CursorShape.BusyCursor) if self.opener.busy else self.unsetCursor()
        self._enable()

    @Slot()
    def _say_opening(self) -> None:
        self._opening_said = f"Opening {self.opener.name} … (Esc gives it up)"
        self.messages.say(self._opening_said, "note")

    @Slot(object, str)
    def _offer_part(self, brought: Picture, name: str) -> None:
        """Ask which part of a picture becomes the sketch."""
        self.messages.supersede()
        dialog = CropDialog(brought, self.data, self.canvas.sketch.known, self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.accepted.connect(self._take_part)
        dialog.other_data.connect(self._offer_part_for)
        self._dialog = dialog
        dialog.open()

    @Slot(str)
    def _offer_part_for(self, name: str) -> None:
        """The same picture for another data set."""
        brought = self._dialog.brought
        self._dialog.reject()
        self.actions_.choose("choose_data", name)
        self._offer_part(brought, "")

    @Slot()
    def _take_part(self) -> None:
        self.sketch.give(self._dialog.prompt, "picture")
        self.canvas.setFocus()

    def dragEnterEvent(self, event) -> None:
        if Opener.takes(event.mimeData()) and QApplication.activeModalWidget() is None:
            event.setDropAction(Qt.DropAction.CopyAction)
            event.accept()
            self._show_dropping(True)

    def dragLeaveEvent(self, event) -> None:
        self._show_dropping(False)

    def dropEvent(self, event) -> None:
        self._show_dropping(False)
        event.setDropAction(Qt.DropAction.CopyAction)
        event.accept()
        self.opener.open_mime(event.mimeData(), "in what was dropped")

    def _show_dropping(self, on: bool) -> None:
        self.canvas.dropping = on
        self.canvas.update()

    # --- pictures

    @Slot()
    def save_one(self) -> None:
        if self._finished:
            self._ask_picture("completion.png", self._finished.images[[self.shown.shown]])

    @Slot()
    def save_all(self) -> None:
        """The prompt, in which unknown pixels are grey, and then all samples."""
        if self._finished:
            prompt = self.shown.request.prompt
            given = np.where(prompt.known[..., None], prompt.pixels, np.uint8(128))
            self._ask_picture("samples.png", np.concatenate([given[None], self._finished.images]))

    @property
    def _finished(self) -> Finished | None:
        """What the run shown has come to, if it has."""
        return self.shown.finished if self.shown else None

    def _ask_picture(self, name: str, images: np.ndarray) -> None:
        self._to_save = images
        self._ask_file("Save as PNG", name, "PNG pictures (*.png)", self._write)

    @Slot(str)
    def _write(self, path: str) -> None:
        images = self._to_save
        gap = 2 if len(images) > 1 else 0
        self._try(picture.write_png, path, images, min(len(images), ROW), gap, said=f"Saved {path}")

    # --- sittings

    @Slot()
    def open_sitting(self) -> None:
        self._ask_file("Open a sitting", "", SITTINGS, self.opener.open_path, QFileDialog.FileMode.ExistingFile)

    @Slot()
    def sitting_before(self) -> None:
        """Bring back the one that gave way last; the present one gives way to it."""
        if before := self.keeper.before:
            self._open_sitting(str(before))

    @Slot(str)
    def _open_sitting(self, path: str) -> None:
        try:
            opened = session.load(Path(path))
            kept = self.keeper.put_by()
        except UserError as error:
            self.messages.say(str(error))
            return
        mine = self.sitting()  # how this person's window looks, and where it computes, are not the sitting's business
        look = {name: getattr(mine, name) for name in session.LOOK}
        self.messages.supersede()
        self.use_sitting(dataclasses.replace(opened, **look))
        said = "Opened {}; the sitting before was kept as {} (File, Sitting before)."
        self.messages.add(said.format(Path(path).name, kept.name), "note")
        self._enable()

    def use_sitting(self, sitting: Session) -> None:
        """Put it in the place of the present one; runs under way are given up."""
        self.stop()
        self.race.leave()
        self._session = sitting
        self.data, self.model = data.get(sitting.data), sitting.model
        self.messages.turn_to(self.data.name)
        self._desks = {name: Desk.of(sheet) for name, sheet in sitting.sheets.items()}
        self.setWindowTitle(f"VSSM Sketchpad – {self.data.title}")
        self.sketch.turn_to(self.data, self.desk)
        self._fill_in(sitting)
        self._show(None)
        self._preload()

    @Slot()
    def save_sitting(self) -> None:
        self._ask_file("Save the sitting", "sitting.json", SITTINGS, self._save_sitting)

    @Slot(str)
    def _save_sitting(self, path: str) -> None:
        self._try(self._write_sitting, path, said=f"Saved {path}")

    def _write_sitting(self, path: str) -> None:
        atomic.require_suffix(path, (".json",))
        session.save(self.sitting(), Path(path))

    # --- leaving

    def may_leave(self) -> bool:
        """Whether the sitting is saved, or need not be. Else a person is asked, and the window closes when that is
        answered."""
        try:
            self.keeper.keep(surely=True)
        except UserError as error:
            if self.keeper.unsaved and not self._given_up:
                self._ask_to_leave(str(error))
                return False
        return True

    def _ask_to_leave(self, why: str) -> None:
        for earlier in self.findChildren(QMessageBox):  # asked again, before it was answered
            earlier.close()
        dialog = QMessageBox(self)
        dialog.setIcon(QMessageBox.Icon.Warning)
        dialog.setWindowTitle("Not saved")
        dialog.setTextFormat(Qt.TextFormat.PlainText)
        lost = "Your sketch and settings could not be saved, and would be lost."
        dialog.setText(f"{lost}\n\n{printable(why)}")  # an informative text could not be plain
        for role, text, chosen in (
            (QMessageBox.ButtonRole.AcceptRole, "Try again", self.close),
            (QMessageBox.ButtonRole.AcceptRole, "Save elsewhere …", self._save_and_leave),
            (QMessageBox.ButtonRole.DestructiveRole, "Discard", self._give_up),
        ):
            dialog.addButton(text, role).clicked.connect(chosen)
        dialog.setEscapeButton(dialog.addButton("Stay", QMessageBox.ButtonRole.RejectRole))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._dialog = dialog
        dialog.open()

    @Slot()
    def _save_and_leave(self) -> None:
        self._ask_file("Save the sitting", "sitting.json", SITTINGS, self._saved_elsewhere)

    @Slot(str)
    def _saved_elsewhere(self, path: str) -> None:
        try:
            self._write_sitting(path)
        except UserError as error:
            self._ask_to_leave(str(error))
        else:
            self._give_up()

    @Slot()
    def _give_up(self) -> None:
        """Close, whatever is not saved."""
        self._given_up = True
        self.close()

    # --- links

    @Slot()
    def copy_link(self) -> None:
        if self._waits(self.copy_link):  # only the models know their modes
            return
        QGuiApplication.clipboard().setText(self.link().text)
        self.messages.say("The link is on the clipboard: it gives this sketch, seed and settings.", "note")

    @Slot()
    def open_link(self) -> None:
        dialog = QInputDialog(self)
        dialog.setWindowTitle("Open a link")
        dialog.setLabelText("A link gives a sketch, a seed and settings; paste it here:")
        copied = QGuiApplication.clipboard().text()
        dialog.setTextValue(copied if links.is_link(copied) else "")
        dialog.resize(520, dialog.sizeHint().height())
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.textValueSelected.connect(self.follow)
        self._dialog = dialog
        dialog.open()

    @Slot(str)
    def follow(self, text: str) -> None:
        """Take sketch, seed and settings from a link; the sketch before is one step of undoing away."""
        try:
            link = Link.read(text)
            if self.ready:
                link.require_possible()
        except UserError as error:
            self.messages.say(str(error), "answer")
            return
        self.messages.supersede()
        before = self._unchecked[1] if self._unchecked_stands else self.sitting()
        self.use_link(link)
        if not self.ready:  # only the models know their modes; what was there before comes back where they lack it
            self._unchecked = link, before, self.canvas.sketch.prompt
        self.messages.add("From the link: sketch, seed and settings. Complete it (↵) to see the same.", "note")

    def _check_link(self) -> None:
        """The models are there: take back a link that asked for what they have not, unless one has drawn since."""
        if self._unchecked is None:
            return
        link, before = self._unchecked[:2]
        try:
            link.require_possible()
        except UserError as error:
            if self._unchecked_stands:
                self.use_sitting(before)
            self.messages.say(str(error), "answer")
        self._unchecked = None

    @property
    def _unchecked_stands(self) -> bool:
        """Whether the sketch is still as an unchecked link gave it."""
        return self._unchecked is not None and self.canvas.sketch.prompt.same_as(self._unchecked[2])

    def link(self) -> Link:
        """To what the window shows."""
        mode, size = self._mode
        return Link(
            self.data.name,
            self.model,
            mode.name,
            size,
            self.samples.value(),
            round(self.temperature.value(), 2),
            self.seed.value(),
            self._pixels[1],
            self.canvas.sketch.prompt,
        )

    def use_link(self, link: Link) -> None:
        """The sketch comes last: a completion that follows it has all the rest."""
        self.actions_.choose("choose_data", link.data)
        self.actions_.choose("choose_model", link.model)
        self.desk.modes[link.model] = link.mode, link.size
        self.desk.shown = link.pixels
        self._show_modes()
        self.samples.setValue(link.samples)
        self.temperature.setValue(link.temperature)
        self.seed.setValue(link.seed)
        self._seed_shown = link.seed
        self.actions_["set_keep_seed"].setChecked(True)
        self.sketch.give(link.prompt, "link")
        self.canvas.setFocus()

    # --- races

    @Slot()
    def save_race(self) -> None:
        """Ask how fast it is to be played, then for a file."""
        if self.race.replayable:
            dialog = SpeedDialog(self.race.race, self)
            dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            dialog.accepted.connect(self._ask_race_file)
            self._dialog = dialog
            dialog.open()

    @Slot()
    def _ask_race_file(self) -> None:
        self._animated = self._dialog.race, self._dialog.speed
        self._ask_file("Save the race", "race.gif", ANIMATIONS, self._write_race)

    @Slot(str)
    def _write_race(self, path: str) -> None:
        raced, speed = self._animated
        progress = QProgressDialog("Painting the race …", "Stop", 0, len(race_gif.moments(raced, speed)[0]), self)
        progress.setWindowTitle("Save the race")
        progress.setWindowModality(Qt.WindowModality.WindowModal)  # so that each picture lets the window live
        progress.setMinimumDuration(400)

        def told(done: int) -> None:
            progress.setValue(done)
            if progress.wasCanceled() or self.engine.closed:
                raise race_gif.Stopped

        try:
            self._try(race_gif.write, Path(path), raced, speed, self.theme, told, said=f"Saved {path}")
        except race_gif.Stopped:
            self.messages.say("The race was not saved.", "note")
        finally:
            progress.close()
            progress.deleteLater()

    # --- what these share

    def _ask_file(
        self, title: str, name: str, kinds: str, chosen: Callable, mode: QFileDialog.FileMode | None = None
    ) -> None:
        """For a file to be written, or one that exists to be opened; `chosen` is called with its path."""
        dialog = QFileDialog(self, title, name, kinds)
        if mode is None:
            dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
            dialog.setDefaultSuffix(Path(name).suffix[1:])
        else:
            dialog.setFileMode(mode)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(chosen)
        self._dialog = dialog
        dialog.open()

    def _try(self, do: Callable, *given, said: str) -> None:
        """Say whether it could be done."""
        try:
            do(*given)
        except UserError as error:
            self.messages.say(str(error))
        else:
            self.messages.say(said, "note")
