"""The button that pauses, continues and replays."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QToolButton

WORDS = "Pause", "Continue", "Replay"  # as a run or the replay of a race stands


def with_key(word: str) -> str:
    """What the button says for one of them."""
    return f"{word}  P"


class PauseButton(QToolButton):
    """As wide as its longest word, so that no other button moves when the word changes."""

    def __init__(self, action: QAction):
        super().__init__()
        self.setDefaultAction(action)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAccessibleName(action.text())

    def sizeHint(self) -> QSize:
        metrics = self.fontMetrics()
        own, *others = (metrics.size(0, text).width() for text in (self.text(), *map(with_key, WORDS)))
        return super().sizeHint() + QSize(max(*others, own) - own, 0)
