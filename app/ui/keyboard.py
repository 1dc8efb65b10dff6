"""Shortcuts on every keyboard. A key without a Latin letter, as under a Cyrillic, Greek or Hebrew layout, or without a
digit unless with Shift, as under a French one, counts by its place: as what a US keyboard has there."""

from __future__ import annotations

import string
import sys
from collections.abc import Iterable

from PySide6.QtCore import QEvent, QKeyCombination, QObject, Qt
from PySide6.QtGui import QAction, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QApplication, QWidget


def _rows(*rows: tuple[int, str]) -> dict[int, str]:
    """Codes that follow one another, from the first of each row on."""
    return {first + i: character for first, row in rows for i, character in enumerate(row)}


X11 = _rows((10, "1234567890-="), (24, "qwertyuiop[]"), (38, "asdfghjkl;'`"), (51, "\\zxcvbnm,./"))  # Wayland's, too
WINDOWS = _rows((0x30, string.digits), (0x41, string.ascii_lowercase), (0xBA, ";=,-./`"), (0xDB, "[\\]'"))
MACOS = _rows((0, "asdfhgzxcv"), (11, "bqweryt123465=97-80]ou[ip"), (37, "lj'k;\\,/nm."), (50, "`"))


def character(scan_code: int, virtual_key: int, platform: str = sys.platform) -> str:
    """What stands on a US keyboard where the key with these native codes is; empty where they say nothing."""
    if platform == "win32":  # its virtual keys of letters are by place wherever a layout has no Latin ones
        return WINDOWS.get(virtual_key, "")
    if platform == "darwin":
        return MACOS.get(virtual_key, "") if scan_code else ""  # 0 is a key, and also the code of no key
    return X11.get(scan_code, "")


class KeyPlaces(QObject):
    """Watches widgets for key presses that nothing within them had a use for, and sends in their place the press of the
    key that a US keyboard has there."""

    def __init__(self, actions: Iterable[QAction], widgets: Iterable[QWidget], parent: QObject):
        super().__init__(parent)
        self._shortcuts = {key.toString() for action in actions for key in action.shortcuts()}
        for widget in widgets:
            widget.installEventFilter(self)

    def eventFilter(self, watched, event) -> bool:
        if event.type() == QEvent.Type.ShortcutOverride and self._overlooked(event):
            event.accept()  # no shortcut is looked for yet, and the press comes here
            return True
        if event.type() != QEvent.Type.KeyPress or not (there := self._meant(event)):
            return False
        focus = QApplication.focusWidget() or watched
        key = QKeyEvent(event.type(), ord(there.upper()), event.modifiers(), autorep=event.isAutoRepeat())
        QApplication.sendEvent(focus, key)  # which looks for a shortcut first, unless a field wants the key for itself
        return True

    def _meant(self, event: QKeyEvent) -> str:
        """What the place of a key stands for; empty for a key that has a meaning of its own."""
        key, modifiers = event.key(), event.modifiers()
        if not ord(" ") < key <= sys.maxunicode or modifiers & Qt.KeyboardModifier.KeypadModifier:
            return ""
        plain = modifiers & ~Qt.KeyboardModifier.ShiftModifier  # which may be needed to type it
        if chr(key) in string.ascii_letters:
            return chr(key) if self._overlooked(event) else ""
        own = {QKeySequence(QKeyCombination(held, Qt.Key(key))).toString() for held in (modifiers, plain)}
        if own & self._shortcuts:
            return ""
        return character(event.nativeScanCode(), event.nativeVirtualKey())

    def _overlooked(self, event: QKeyEvent) -> bool:
        """Whether Qt may take a shortcut with Shift for another one. Where only Shift types a Latin letter, as under a
        Hebrew layout, Qt looks for the shortcut without Shift: Redo would undo. A press that was sent from here has no
        scan code, and Qt takes it as it is."""
        key, modifiers = event.key(), event.modifiers()
        if not modifiers & Qt.KeyboardModifier.ShiftModifier or not event.nativeScanCode():
            return False
        letter = key < 128 and chr(key) in string.ascii_letters
        return letter and QKeySequence(QKeyCombination(modifiers, Qt.Key(key))).toString() in self._shortcuts
