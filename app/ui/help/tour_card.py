"""The tour's card over the window, beside what it speaks of, and the outline of what the present step is done with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QPoint, QRect, QSize, Qt, QTimer, Slot
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout, QWidget

from app.ui import placement, theme
from app.ui.help.tour import Tour
from app.ui.widgets.card import announce, filled, label, plain_button, spaced

if TYPE_CHECKING:
    from app.ui.main_window import Window

WIDE, OFF = 300, 18  # pixels: of the card, and from the edges
RIM, AWAY = 3, 6  # pixels: of the outline, and its distance


class Outline(QWidget):
    """A frame around a widget, which lets the mouse through."""

    def __init__(self, over: QWidget):
        super().__init__(over)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.hide()

    def put(self, around: QWidget | None) -> None:
        """Around a widget that is in sight, or nowhere."""
        if around is None or not around.isVisible():
            self.hide()
            return
        if self.parentWidget() is not around.window():  # in a panel that floats
            self.setParent(around.window())
        where = QRect(around.mapTo(around.window(), QPoint()), around.size()).adjusted(-AWAY, -AWAY, AWAY, AWAY)
        if where != self.geometry() or self.isHidden():
            self.setGeometry(where)
            self.show()
            self.raise_()

    def paintEvent(self, event) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(theme.now.accent), RIM))
        half = RIM // 2 + 1
        painter.drawRoundedRect(self.rect().adjusted(half, half, -half, -half), 6, 6)


class TourCard(QFrame):
    """Offers the tour, then shows the step that is to be done next."""

    def __init__(self, tour: Tour, window: Window):
        super().__init__(window)
        self.setObjectName("tour")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setAccessibleName("Tour")
        self._tour, self._window = tour, window
        self.outline = Outline(window)
        self.title, self.text = label("", "title", wrap=True), label("", wrap=True)
        self.start, self.end = plain_button("Show me around", "", tour.begin), plain_button("", "", tour.leave)
        self.start.setObjectName("primary")
        row = filled(spaced(QHBoxLayout(), 6), self.start, self.end, None)
        filled(spaced(QVBoxLayout(self), 6, (14, 10, 14, 12)), self.title, self.text, row)
        self._pace = QTimer(self, interval=250)  # the outline follows what moves
        self._pace.timeout.connect(self._follow)
        window.installEventFilter(self)
        tour.turned.connect(self._show)
        self.hide()

    def sizeHint(self) -> QSize:
        layout = self.layout()
        assert layout is not None
        return QSize(WIDE, layout.totalHeightForWidth(WIDE))

    @Slot()
    def _show(self) -> None:
        tour, step = self._tour, self._tour.step
        self.setVisible(tour.offered or tour.going)
        self.start.setVisible(tour.offered)
        if tour.offered:
            self.title.setText("Show me around: five steps")
            self.text.setText("Each is ticked when you have done it. Leave at any time; Help brings it back.")
            self.end.setText("No, thanks")
        elif step is not None:
            self.title.setText(f"{tour.steps.index(step) + 1} of {len(tour.steps)}: {step.title}")
            self.text.setText(step.text)
            self.end.setText("Leave the tour")
        else:
            self.title.setText("All five steps done")
            self.text.setText("Press ? for all shortcuts; point at any word to have it explained.")
            self.end.setText("Close")
        for button in (self.start, self.end):
            button.setAccessibleName(button.text())
        if self.isVisible():
            announce(self, f"{self.title.text()}. {self.text.text()}")
            self._pace.start()
        else:
            self._pace.stop()
        self._follow()

    @Slot()
    def _follow(self) -> None:
        """Keep beside the widget of the step, which the outline keeps to."""
        step = self._tour.step if self._tour.going else None
        self.outline.put(step.where(self._window) if step else None)
        if self.isVisible():
            around = step.where(self._window) if step else None
            free = [*([around] if around else []), self._window.latents.view]  # whose codes and buttons lie low
            place = placement.beside(self._window, self.sizeHint(), free, OFF)
            if place != self.geometry():
                self.setGeometry(place)
                self.raise_()

    def keyPressEvent(self, event) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self._tour.leave()
        else:
            super().keyPressEvent(event)

    def eventFilter(self, watched, event) -> bool:
        if event.type() == QEvent.Type.Resize:
            self._follow()
        return False
