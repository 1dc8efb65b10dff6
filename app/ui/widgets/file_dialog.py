"""Dialogs for files, which begin in the folder for pictures and then where a person was last."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QDir, QFileInfo, QStandardPaths, Qt
from PySide6.QtWidgets import QFileDialog, QWidget

_last: list[str] = []  # the folder of the file that was chosen last


def ask_file(
    parent: QWidget, title: str, name: str, kinds: str, chosen: Callable[[str], object], saves: bool = True
) -> QFileDialog:
    """Ask for a file to be written, proposed under a name, or for one that exists; `chosen` is called with its path."""
    pictures = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.PicturesLocation)
    folder = next((one for one in (*_last, pictures) if one and QDir(one).exists()), QDir.homePath())
    dialog = QFileDialog(parent, title, folder, kinds)
    if saves:
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix(Path(name).suffix[1:])
        dialog.selectFile(name)
    else:
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.fileSelected.connect(_remember)
    dialog.fileSelected.connect(chosen)
    dialog.open()
    return dialog


def _remember(path: str) -> None:
    _last[:] = [QFileInfo(path).absolutePath()]
