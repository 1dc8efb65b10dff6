"""Windows that fit their screen: no larger than what it has left beside bars and frame, and all of it in sight; and
places over a window for what floats there."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import QEvent, QObject, QPoint, QRect, QSize, Qt, QTimer, Slot
from PySide6.QtGui import QGuiApplication, QScreen
from PySide6.QtWidgets import QApplication, QMainWindow, QStyle, QWidget

KINDS = Qt.WindowType.Window, Qt.WindowType.Dialog, Qt.WindowType.Tool
STEP = 8  # pixels between two places that are tried
SETTLED = 300  # milliseconds, after which a window manager has framed a window that was shown


def first_size(wanted: QSize, screen: QScreen) -> QSize:
    """The size for a window that was not shown yet, whose frame is only guessed."""
    style = QApplication.style()
    title, border = (
        style.pixelMetric(metric)
        for metric in (QStyle.PixelMetric.PM_TitleBarHeight, QStyle.PixelMetric.PM_MdiSubWindowFrameWidth)
    )
    return wanted.boundedTo(screen.availableSize() - QSize(2 * border, title + 2 * border))


def fit(window: QWidget, room: QRect) -> None:
    """Make a window that is on screen no larger than the room, its frame counted, and move all of it there."""
    if window.isMaximized() or window.isFullScreen():
        return
    most = room.size() - (window.frameGeometry().size() - window.size())
    window.setMinimumSize(window.minimumSize().boundedTo(most))
    if window.size() != window.size().boundedTo(most):
        window.resize(window.size().boundedTo(most))
    frame = window.frameGeometry()
    left = max(min(frame.left(), room.right() + 1 - frame.width()), room.left())
    top = max(min(frame.top(), room.bottom() + 1 - frame.height()), room.top())
    if QPoint(left, top) != frame.topLeft():
        window.move(left, top)


def beside(window: QMainWindow, size: QSize, kept_free: Iterable[QWidget], off: int) -> QRect:
    """A place over a window for what floats there, `off` pixels from its edges: as low as can be and rather to the
    right, where it covers none of these widgets, or else the least of them."""
    free = [QRect(one.mapTo(window, QPoint()), one.size()) for one in kept_free if one.isVisible()]
    free = [one for one in free if not one.isEmpty()]
    size = size.boundedTo(window.size() - QSize(2 * off, 2 * off))
    foot = window.height() - window.statusBar().height() - off - size.height()

    def covered(place: QRect) -> int:
        return sum(both.width() * both.height() for one in free if (both := place.intersected(one)).isValid())

    lefts = window.width() - off - size.width(), off
    places = (QRect(QPoint(left, top), size) for left in lefts for top in range(foot, off - 1, -STEP))
    return min(places, key=covered, default=QRect(QPoint(off, off), size))  # the first of those that cover as little


class Placement(QObject):
    """Fits a window, with its dialogs and floating panels, as soon as it has a frame, and again when it comes to
    another screen, or screens come, go or change."""

    def __init__(self, window: QWidget):
        super().__init__(window)
        self._window = window
        self._soon = QTimer(self, interval=SETTLED, singleShot=True)
        self._soon.timeout.connect(self.fit_all)
        window.installEventFilter(self)
        application = QGuiApplication.instance()
        assert isinstance(application, QGuiApplication)
        application.focusWindowChanged.connect(self._soon.start)  # a dialog has opened, perhaps
        application.screenAdded.connect(self._follow)
        application.screenRemoved.connect(self._soon.start)
        for screen in QGuiApplication.screens():
            self._follow(screen)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.Show, QEvent.Type.ScreenChangeInternal):
            self._soon.start()
        return False

    @Slot(QScreen)
    def _follow(self, screen: QScreen) -> None:
        screen.availableGeometryChanged.connect(self._soon.start)
        self._soon.start()

    @Slot()
    def fit_all(self) -> None:
        for one in (self._window, *self._window.findChildren(QWidget)):
            if one.isWindow() and one.isVisible() and one.windowType() in KINDS:
                fit(one, one.screen().availableGeometry())
