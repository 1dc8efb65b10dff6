"""What all panels share: a frame with a title, and small makers of labels and buttons."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QToolButton, QVBoxLayout

HEAD = 30  # so that the titles of neighbours stand on one line, with buttons beside them or without


class Card(QFrame):
    """A titled frame: `header` takes what stands beside the title, `body` the rest."""

    def __init__(self, title: str, tip: str = ""):
        super().__init__()
        self.setObjectName("card")
        self.setAccessibleName(title)
        self.body = QVBoxLayout(self)
        self.body.setContentsMargins(12, 8, 12, 10)
        self.body.setSpacing(8)
        self.header = QHBoxLayout()
        self.header.setSpacing(4)
        name = label(title, "title")
        name.setToolTip(tip)
        name.setMinimumHeight(HEAD)
        self.header.addWidget(name)
        self.header.addStretch(1)
        self.body.addLayout(self.header)


def label(text: str, kind: str = "", wrap: bool = False) -> QLabel:
    """kind: a name the style sheet knows: title, muted, number."""
    made = QLabel(text)
    made.setObjectName(kind)
    made.setWordWrap(wrap)
    made.setTextFormat(Qt.TextFormat.PlainText)
    return made


def button(action: QAction, text: str = "") -> QToolButton:
    """A button for an action, reachable by Tab; with a text of its own where the menu's would be too long."""
    if text:
        action.setIconText(text)
    made = QToolButton()
    made.setDefaultAction(action)
    made.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    made.setAccessibleName(action.text())
    return made
