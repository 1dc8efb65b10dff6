"""Keys that a widget with the focus takes for itself, before any shortcut of the window."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QWidget

RETURN = Qt.Key.Key_Return, Qt.Key.Key_Enter
PRESS = Qt.Key.Key_Space, *RETURN


class Keys(QObject):
    """does: what each key does; with Shift, what it does by `shifted`. once: keys that, held, do it once. when: whether
    they mean anything now."""

    def __init__(
        self,
        widget: QWidget,
        does: Mapping[Qt.Key, Callable[[], object]],
        shifted: Mapping[Qt.Key, Callable[[], object]] | None = None,
        once: Collection[Qt.Key] = (),
        when: Callable[[], object] = lambda: True,
    ):
        super().__init__(widget)
        self._does = {int(key): do for key, do in does.items()}  # not every key that is pressed has a name
        self._shifted = {int(key): do for key, do in (shifted or {}).items()}
        self._once, self._when = once, when
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() not in (QEvent.Type.ShortcutOverride, QEvent.Type.KeyPress):
            return False
        assert isinstance(event, QKeyEvent)
        held = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        shift = held == Qt.KeyboardModifier.ShiftModifier
        do = self._shifted.get(event.key()) if shift else None if held else self._does.get(event.key())
        if do is None or not self._when():
            return False
        event.accept()
        if event.type() == QEvent.Type.KeyPress and not (event.isAutoRepeat() and event.key() in self._once):
            do()
        return True
