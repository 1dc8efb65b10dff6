"""The message bar: one sentence under the toolbar, which waits for nobody."""

from __future__ import annotations

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QAccessible, QAccessibleEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QToolButton, QWidget

from .card import label


class MessageBar(QFrame):
    """Hidden until it has something to say; "error" or "note" is its colour."""

    def __init__(self):
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(14, 6, 8, 6)
        self._text = label("", wrap=True)
        self._text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        row.addWidget(self._text, 1)
        close = QToolButton()
        close.setText("×")
        close.setAccessibleName("Close the message")
        close.setToolTip("Close the message")
        close.clicked.connect(self.clear)
        row.addWidget(close, 0, Qt.AlignmentFlag.AlignTop)
        self.hide()

    @property
    def text(self) -> str:
        """What is being said; empty when hidden."""
        return "" if self.isHidden() else self._text.text()

    def say(self, text: str, kind: str = "error") -> None:
        self.setObjectName(kind)
        self._text.setText(text)
        self.setAccessibleName(text)
        for one in (self, *self.findChildren(QWidget)):
            one.style().unpolish(one)
            one.style().polish(one)
        self.show()
        QAccessible.updateAccessibility(QAccessibleEvent(self, QAccessible.Event.Alert))

    def add(self, text: str, kind: str = "error") -> None:
        """Say it besides what is being said already."""
        lines = self.text.split("\n") if self.text and self.objectName() == kind else []
        self.say("\n".join([*lines, text] if text not in lines else lines), kind)

    @Slot()
    def clear(self) -> None:
        self.hide()
