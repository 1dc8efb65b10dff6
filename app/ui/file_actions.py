"""What the File menu does with pictures, sessions, links and races, and what is asked when the window closes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QDropEvent, QGuiApplication
from PySide6.QtWidgets import QApplication, QDialog, QFileDialog, QInputDialog, QMessageBox, QProgressDialog

from app.core import formatting, session
from app.core import link as links
from app.core.formatting import printable
from app.core.link import Link
from app.core.race import Race
from app.core.session import Session
from app.ui import race_gif
from app.ui.completion_controller import CompletionController
from app.ui.context import Context, Panels
from app.ui.crop_dialog import CropDialog
from app.ui.image_import import SUFFIXES, Importer
from app.ui.widgets.file_dialog import ask_file
from app.ui.widgets.picture import qimage
from vssm.errors import UserError
from vssm.files import atomic, picture
from vssm.files.image import Picture
from vssm.prompt import Prompt

if TYPE_CHECKING:
    from app.ui.main_window import Window

SESSIONS = "Sessions (*.json);;All files (*)"
ANIMATIONS = "Animated pictures (*.gif)"
SLOW = 300  # milliseconds that opening a picture takes before it is said
SIZES = 1, 10, 40  # pixels for one, of a picture that is saved
COPIED = 10  # pixels for one, of a picture on the clipboard
ROW = 9  # most pictures in a row of a sheet
WAYS = {1.0: "True speed", 1 / 4: "A quarter of it", 1 / 16: "A sixteenth of it"}


class FileActions(QObject):
    """Gives the window's state away and takes another. `changed` tells that a file is being opened, or no more."""

    changed = Signal()

    def __init__(self, window: Window, context: Context, panels: Panels, runs: CompletionController):
        super().__init__(window)
        self.importer = Importer(self)
        self.dialog: QDialog | None = None
        self._window, self._autosave, self._runs = window, window.autosave, runs
        self._workspace, self._models, self._bar = context.workspace, context.models, context.bar
        self._actions, self._messages = context.actions, context.messages
        self._sketch, self._race = panels.sketch, panels.race
        self._given_up = False  # whether what is not saved may be lost
        self._opening_said = ""
        self._unchecked: tuple[Link, Session, Prompt] | None = None  # a link from before the models were there
        self._slow = QTimer(self, singleShot=True, interval=SLOW)
        self._slow.timeout.connect(self._say_opening)
        self.importer.picture.connect(self._offer_part)
        self.importer.session.connect(self._open_session)
        self.importer.link.connect(self.follow)
        self.importer.refused.connect(partial(self._messages.say, kind="answer"))
        self.importer.changed.connect(self._show_opening)
        window.installEventFilter(self)

    # --- what a person brings

    @Slot()
    def open_picture(self) -> None:
        """Ask for a file, then for the part of it."""
        kinds = "Pictures ({});;All files (*)".format(" ".join(f"*.{suffix}" for suffix in SUFFIXES))
        self._ask_file("Open a picture", "", kinds, self.importer.open_path, saves=False)

    @Slot()
    def paste(self) -> None:
        """Whatever is on the clipboard."""
        self.importer.open_mime(QGuiApplication.clipboard().mimeData(), "on the clipboard")

    @Slot()
    def _show_opening(self) -> None:
        """Whether a picture is being decoded; what is said of it goes when it is there or given up."""
        self._slow.stop()
        if self.importer.busy:
            self._slow.start()
        else:
            self._messages.take_back(self._opening_said)
        self._window.setCursor(Qt.CursorShape.BusyCursor) if self.importer.busy else self._window.unsetCursor()
        self.changed.emit()

    @Slot()
    def _say_opening(self) -> None:
        self._opening_said = f"Opening {self.importer.name} … (Esc gives it up)"
        self._messages.say(self._opening_said, "note")

    @Slot(object, str)
    def _offer_part(self, brought: Picture, name: str) -> None:
        """Ask which part of a picture becomes the sketch."""
        self._messages.supersede()
        dialog = CropDialog(brought, self._workspace.data, self._sketch.canvas.sketch.known, self._window)
        dialog.accepted.connect(self._take_part)
        dialog.other_data.connect(self._offer_part_for)
        self._open(dialog)

    @Slot(str)
    def _offer_part_for(self, name: str) -> None:
        """The same picture for another data set."""
        assert isinstance(self.dialog, CropDialog)
        brought = self.dialog.brought
        self.dialog.reject()
        self._actions.choose("choose_data", name)
        self._offer_part(brought, "")

    @Slot()
    def _take_part(self) -> None:
        assert isinstance(self.dialog, CropDialog)
        self._sketch.give(self.dialog.prompt, "picture")
        self._sketch.canvas.setFocus()

    def eventFilter(self, window: QObject, event: QEvent) -> bool:
        """Take what is dropped on the window."""
        kind = event.type()
        if kind in (QEvent.Type.DragEnter, QEvent.Type.DragLeave, QEvent.Type.Drop):
            takes = kind == QEvent.Type.DragEnter and QApplication.activeModalWidget() is None
            takes = takes and isinstance(event, QDropEvent) and Importer.takes(event.mimeData())
            self._sketch.canvas.show_dropping(takes)
            if isinstance(event, QDropEvent) and (takes or kind == QEvent.Type.Drop):
                event.setDropAction(Qt.DropAction.CopyAction)
                event.accept()
            if isinstance(event, QDropEvent) and kind == QEvent.Type.Drop:
                self.importer.open_mime(event.mimeData(), "in what was dropped")
            return True
        return False

    # --- pictures

    def save_one(self, size: int = 0) -> None:
        """Ask where to write the picture shown, and how large: at first in this one of the `SIZES`."""
        run = self._runs.selected_run
        if run and run.finished:
            self._ask_picture("completion.png", run.finished.images[[run.sample_index]], size)

    @Slot()
    def copy_one(self) -> None:
        """The picture shown, large enough to be seen where it is put."""
        run = self._runs.selected_run
        if run and run.finished:
            image = _enlarged(run.finished.images[[run.sample_index]], COPIED)[0]
            QGuiApplication.clipboard().setImage(qimage(np.repeat(image, 3 // image.shape[-1], -1)))
            self._messages.say("The picture is on the clipboard.", "note")

    @Slot()
    def save_all(self) -> None:
        """The prompt, in which unknown pixels are grey, and then all samples."""
        run = self._runs.selected_run
        if run and run.finished:
            prompt = run.prompt
            given = np.where(prompt.known[..., None], prompt.pixels, np.uint8(128))
            self._ask_picture("samples.png", np.concatenate([given[None], run.finished.images]))

    def _ask_picture(self, name: str, images: np.ndarray, size: int = 0) -> None:
        """Ask for a file and, as kinds of files, for one of the `SIZES`."""
        high, wide = images.shape[1:3]
        each = " each" * (len(images) > 1)
        sizes = {f"PNG, {wide * one:,} × {high * one:,} pixels{each} (*.png)": one for one in SIZES}
        dialog: QFileDialog = self._ask_file(
            "Save as PNG",
            name,
            ";;".join(sizes),
            lambda path: self._write(_enlarged(images, sizes[dialog.selectedNameFilter()]), path),
        )
        dialog.setLabelText(QFileDialog.DialogLabel.FileType, "Size:")
        dialog.selectNameFilter(list(sizes)[size])

    def _write(self, images: np.ndarray, path: str) -> None:
        gap = 2 if len(images) > 1 else 0
        self._try(picture.write_png, path, images, min(len(images), ROW), gap, said=f"Saved {path}")

    # --- sessions

    @Slot()
    def open_session(self) -> None:
        self._ask_file("Open a session", "", SESSIONS, self.importer.open_path, saves=False)

    @Slot()
    def previous_session(self) -> None:
        """Bring back the one that gave way last; the present one gives way to it."""
        if before := self._autosave.before:
            self._open_session(str(before))

    @Slot(str)
    def _open_session(self, path: str) -> None:
        try:
            opened = session.load(Path(path))
            kept = self._autosave.put_by()
        except UserError as error:
            self._messages.say(str(error))
            return
        mine = self._window.session()  # how this window looks, and where it computes, are not the session's business
        look = {name: getattr(mine, name) for name in session.LOOK}
        self._messages.supersede()
        self._window.use_session(dataclasses.replace(opened, **look))
        said = "Opened {}; the previous session was kept as {} (File, Previous session)."
        self._messages.add(said.format(Path(path).name, kept.name), "note")
        self.changed.emit()

    @Slot()
    def save_session(self) -> None:
        self._ask_file("Save the session", "session.json", SESSIONS, self._save_session)

    @Slot(str)
    def _save_session(self, path: str) -> None:
        self._try(self._write_session, path, said=f"Saved {path}")

    def _write_session(self, path: str) -> None:
        atomic.require_suffix(path, (".json",))
        session.save(self._window.session(), Path(path))

    # --- leaving

    def may_leave(self) -> bool:
        """Whether the session is saved, or need not be. Else a person is asked, and the window closes when that is
        answered."""
        try:
            self._autosave.save(surely=True)
        except UserError as error:
            if self._autosave.unsaved and not self._given_up:
                self._ask_to_leave(str(error))
                return False
        return True

    def _ask_to_leave(self, why: str) -> None:
        for earlier in self._window.findChildren(QMessageBox):  # asked again, before it was answered
            earlier.close()
        dialog = QMessageBox(self._window)
        dialog.setIcon(QMessageBox.Icon.Warning)
        dialog.setWindowTitle("Not saved")
        dialog.setTextFormat(Qt.TextFormat.PlainText)
        lost = "Your sketch and settings could not be saved, and would be lost."
        dialog.setText(f"{lost}\n\n{printable(why)}")  # an informative text could not be plain
        for role, text, chosen in (
            (QMessageBox.ButtonRole.AcceptRole, "Try again", self._window.close),
            (QMessageBox.ButtonRole.AcceptRole, "Save elsewhere …", self._save_and_leave),
            (QMessageBox.ButtonRole.DestructiveRole, "Discard", self._give_up),
        ):
            dialog.addButton(text, role).clicked.connect(chosen)
        dialog.setEscapeButton(dialog.addButton("Stay", QMessageBox.ButtonRole.RejectRole))
        self._open(dialog)

    @Slot()
    def _save_and_leave(self) -> None:
        self._ask_file("Save the session", "session.json", SESSIONS, self._saved_elsewhere)

    @Slot(str)
    def _saved_elsewhere(self, path: str) -> None:
        try:
            self._write_session(path)
        except UserError as error:
            self._ask_to_leave(str(error))
        else:
            self._give_up()

    @Slot()
    def _give_up(self) -> None:
        """Close, whatever is not saved."""
        self._given_up = True
        self._window.close()

    # --- links

    @Slot()
    def copy_link(self) -> None:
        if self._models.wait(self.copy_link):  # only the models know their modes
            return
        QGuiApplication.clipboard().setText(self.link().text)
        self._messages.say("The link is on the clipboard: it gives this sketch, seed and settings.", "note")

    @Slot()
    def open_link(self) -> None:
        dialog = QInputDialog(self._window)
        dialog.setWindowTitle("Open a link")
        dialog.setLabelText("A link gives a sketch, a seed and settings; paste it here:")
        copied = QGuiApplication.clipboard().text()
        dialog.setTextValue(copied if links.is_link(copied) else "")
        dialog.resize(520, dialog.sizeHint().height())
        dialog.textValueSelected.connect(self.follow)
        self._open(dialog)

    @Slot(str)
    def follow(self, text: str) -> None:
        """Take sketch, seed and settings from a link; the sketch before is one step of undoing away."""
        try:
            link = Link.read(text)
            if self._models.are_ready:
                link.require_possible()
        except UserError as error:
            self._messages.say(str(error), "answer")
            return
        self._messages.supersede()
        before = self._unchecked[1] if self._unchecked and self._unchecked_stands else self._window.session()
        self.use_link(link)
        if not self._models.are_ready:  # only they know their samplers; what was there comes back where they lack one
            self._unchecked = link, before, self._sketch.canvas.sketch.prompt
        self._messages.add("From the link: sketch, seed and settings. Complete it (↵) to see the same.", "note")

    def check_link(self) -> None:
        """The models are there: take back a link that asked for what they have not, unless one has drawn since."""
        if self._unchecked is None:
            return
        link, before = self._unchecked[:2]
        try:
            link.require_possible()
        except UserError as error:
            if self._unchecked_stands:
                self._window.use_session(before)
            self._messages.say(str(error), "error")  # which stays, whatever was asked for meanwhile and begins now
        self._unchecked = None

    @property
    def _unchecked_stands(self) -> bool:
        """Whether the sketch is still as an unchecked link gave it."""
        return self._unchecked is not None and self._sketch.canvas.sketch.prompt.same_as(self._unchecked[2])

    def link(self) -> Link:
        """To what the window shows."""
        return Link(self._workspace.data.name, self._bar.settings(), self._sketch.canvas.sketch.prompt)

    def use_link(self, link: Link) -> None:
        """The sketch comes last: a completion that follows it has all the rest."""
        self._actions.choose("choose_data", link.data)
        self._actions.choose("choose_model", link.settings.model)
        self._workspace.dataset_settings.adopt(link.settings)
        if self._models.are_ready:
            self._bar.show_samplers()
        self._bar.samples.setValue(link.settings.samples)
        self._bar.show_dataset()
        self._bar.show_seed(link.settings.seed)
        self._actions["set_keep_seed"].setChecked(True)
        self._sketch.give(link.prompt, "link")
        self._sketch.canvas.setFocus()

    # --- races

    @Slot()
    def save_race(self) -> None:
        """Ask how fast it is to be played, then for a file."""
        race = self._race.race
        if race is None or not self._race.replayable:
            return
        ways = {f"{words}: {formatting.seconds(race.duration / speed)}": speed for speed, words in WAYS.items()}
        dialog = QInputDialog(self._window)
        dialog.setWindowTitle("Save the race")
        dialog.setLabelText(f"The race took {formatting.seconds(race.duration)}. Play it at:")
        dialog.setOkButtonText("Save")
        dialog.setComboBoxItems(list(ways))
        dialog.setTextValue(next(way for way, speed in ways.items() if speed == race_gif.slow(race)))
        dialog.textValueSelected.connect(lambda way: self._ask_race_file(race, ways[way]))
        self._open(dialog)

    def _ask_race_file(self, race: Race, speed: float) -> None:
        self._ask_file("Save the race", "race.gif", ANIMATIONS, partial(self._write_race, race, speed))

    def _write_race(self, race: Race, speed: float, path: str) -> None:
        progress = QProgressDialog(
            "Painting the race …", "Stop", 0, len(race_gif.moments(race, speed)[0]), self._window
        )
        progress.setWindowTitle("Save the race")
        progress.setWindowModality(Qt.WindowModality.WindowModal)  # so that each picture lets the window live
        progress.setMinimumDuration(400)

        def told(done: int) -> None:
            progress.setValue(done)
            if progress.wasCanceled() or self._window.engine.closed:
                raise race_gif.Stopped

        try:
            self._try(race_gif.write, Path(path), race, speed, told, said=f"Saved {path}")
        except race_gif.Stopped:
            self._messages.say("The race was not saved.", "note")
        finally:
            progress.close()
            progress.deleteLater()

    # --- what these share

    def _open(self, dialog: QDialog) -> None:
        self.dialog = dialog
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()

    def _ask_file(self, title: str, name: str, kinds: str, chosen: Callable, saves: bool = True) -> QFileDialog:
        self.dialog = dialog = ask_file(self._window, title, name, kinds, chosen, saves)
        return dialog

    def _try(self, do: Callable, *given, said: str) -> None:
        """Say whether it could be done."""
        try:
            do(*given)
        except UserError as error:
            self._messages.say(str(error))
        else:
            self._messages.say(said, "note")


def _enlarged(images: np.ndarray, factor: int) -> np.ndarray:
    """[K, H, W, C] with so many pixels for one, across and down."""
    return images.repeat(factor, 1).repeat(factor, 2)
