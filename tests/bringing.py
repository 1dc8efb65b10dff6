"""How a person brings a picture, and what becomes of it: what tests of opening and cutting share."""

from pathlib import Path

import numpy as np
from conftest import at
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QGuiApplication
from PySide6.QtTest import QSignalSpy
from PySide6.QtWidgets import QApplication, QDialogButtonBox
from windows import LEFT, LONG, press

from app.ui.crop_dialog import CropDialog
from app.ui.image_import import Importer
from vssm.files.image import Picture


def crop(qtbot, window) -> CropDialog:
    """The dialog, once the picture is decoded."""
    qtbot.waitUntil(lambda: bool(window.findChildren(CropDialog)), timeout=LONG)
    found = window.findChildren(CropDialog)
    assert len(found) == 1 and found[0].isVisible()
    return found[0]


def brought(qtbot, path: Path) -> Picture:
    """What the importer makes of a file."""
    importer = Importer()
    with qtbot.waitSignal(importer.picture, timeout=LONG) as caught:
        importer.open_path(str(path))
    return caught.args[0]


def refusal(qtbot, path: Path) -> str:
    importer = Importer()
    spy = QSignalSpy(importer.refused)
    importer.open_path(str(path))
    qtbot.waitUntil(lambda: spy.count() == 1, timeout=LONG)
    return spy.at(0)[0]


def accept(qtbot, window, ok=True) -> None:
    dialog = crop(qtbot, window)
    kind = QDialogButtonBox.StandardButton.Ok if ok else QDialogButtonBox.StandardButton.Cancel
    qtbot.mouseClick(dialog.findChild(QDialogButtonBox).button(kind), LEFT)
    qtbot.waitUntil(lambda: not window.findChildren(CropDialog))
    with qtbot.waitActive(window):
        window.activateWindow()


def paste(qtbot, window, mime: QMimeData) -> None:
    QGuiApplication.clipboard().setMimeData(mime)
    press(qtbot, window, "Ctrl+V")


def dropped(window, mime: QMimeData) -> bool:
    """Drag it over the canvas and let it go; whether it was taken."""
    place, on = at(window.canvas, 10, 10), Qt.DropAction.CopyAction
    given = place, on, mime, LEFT, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(*given)
    QApplication.sendEvent(window.canvas, enter)
    if not enter.isAccepted():
        return False
    assert window.canvas.dropping
    drop = QDropEvent(QPointF(place), *given[1:])
    QApplication.sendEvent(window.canvas, drop)
    assert not window.canvas.dropping
    return drop.isAccepted()


def files(*paths) -> QMimeData:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(p)) for p in paths])
    return mime


def known(window) -> np.ndarray:
    return window.canvas.sketch.known
