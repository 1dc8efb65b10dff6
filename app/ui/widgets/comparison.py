"""Before and after an edit: which of the two pictures is shown."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer, Signal, Slot
from PySide6.QtWidgets import QApplication, QStyle

TURN, TURNS = 220, 6  # milliseconds of a turn, and how many show what has changed, the last framed only


class Comparison(QObject):
    """`turned` tells that the other picture is to be shown, or what has changed to be framed no longer.

    before: whether the picture before is shown. blinks: turns that are left between the two. still: whether motion is
    not wanted.
    """

    turned = Signal()

    def __init__(self, parent: QObject):
        super().__init__(parent)
        self.before, self.blinks, self.still = False, 0, False
        self._timer = QTimer(self, interval=TURN)
        self._timer.timeout.connect(self._go_on)

    @Slot(bool)
    def show_before(self, on: bool) -> None:
        self.before = on
        self.turned.emit()

    @Slot()
    def blink(self) -> None:
        """Go to the picture before and back, where motion is wanted."""
        moves = not self.still and QApplication.style().styleHint(QStyle.StyleHint.SH_Widget_Animation_Duration) > 0
        self.blinks = TURNS if moves else 1
        self._timer.start()
        self.show_before(moves)

    @Slot()
    def _go_on(self) -> None:
        self.blinks -= 1
        if not self.blinks:
            self._timer.stop()
        self.show_before(self.blinks > 1 and self.blinks % 2 == 0)
