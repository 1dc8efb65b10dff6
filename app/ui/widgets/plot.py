"""A plot for reading: zoomed, pointed at, copied, and saved as PNG, SVG and CSV. All plots of the window are such."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor, QGuiApplication, QImage, QPainter, QPen
from PySide6.QtWidgets import QFileDialog, QLabel, QMenu, QRubberBand, QToolButton

from app.core import csv_export
from app.ui import theme
from app.ui.pointer import Contact, Pointer
from app.ui.widgets import plot_export
from app.ui.widgets.keys import Keys
from vssm.errors import UserError
from vssm.files import atomic

STYLES = (
    Qt.PenStyle.SolidLine,
    Qt.PenStyle.DashLine,
    Qt.PenStyle.DotLine,
    Qt.PenStyle.DashDotLine,
    Qt.PenStyle.DashDotDotLine,
)
STEP = 1.2  # of a zoom by a notch of the wheel, or a key
SHARE = 0.1  # of what is shown, by which a key moves it
DEEPEST = 1e-4  # of the whole: no zoom goes further
CORNER = 28, 20  # pixels of the button there
REACH = 40  # pixels from a curve within which the mouse points at it
KINDS = "png", "svg", "csv"  # of files that a plot is saved as
SMALL = 6  # pixels: a drag shorter than this zooms one axis, or none
HELP = (
    "Wheel or drag: zoom; double click: the whole; right button: copy or save. By keys: arrows go from point to point, "
    "Shift and arrows move, + and − zoom, Home shows the whole."
)


@dataclass(frozen=True, eq=False)
class Curve:
    """What can be pointed at: points by their places on the axes, and what is said of each.

    joined: whether lines join them, along which the mouse finds the curve, too.
    """

    x: np.ndarray
    y: np.ndarray
    say: Callable[[int], str]
    joined: bool = True


class Seconds(pg.AxisItem):
    """An axis of seconds that reads 10 ms, 300 ms, 2 s, logarithmic or not."""

    def tickStrings(self, values, scale, spacing):
        found = [10.0**v if self.logMode else v for v in values]
        step = min((b - a for a, b in itertools.pairwise(found)), default=0.0)
        return [self._text(v, step) for v in found]

    def tickValues(self, least, most, size):
        if not self.logMode:
            return super().tickValues(least, most, size)
        if most - least < 0.6:  # zoomed in so far that decades are rare
            return [(most - least, self._even(10.0**least, 10.0**most))]
        decades = range(math.floor(least), math.ceil(most) + 1)
        return [(1, [d for d in decades if least <= d <= most]), (0.5, self._between(decades, least, most))]

    def _even(self, least: float, most: float) -> list[float]:
        """The places of round seconds, equally far from one another."""
        rough = (most - least) / 4
        step = 10.0 ** math.floor(math.log10(rough))
        step *= next(n for n in (1, 2, 5, 10) if n * step >= rough)
        return [math.log10(i * step) for i in range(math.ceil(least / step), math.floor(most / step) + 1)]

    def _between(self, decades, least: float, most: float) -> list[float]:
        return [d + np.log10(3) for d in decades if least <= d + np.log10(3) <= most]

    @staticmethod
    def _text(seconds: float, step: float = 0.0) -> str:
        """With as many digits as tell it from one a step away."""
        if seconds == 0:
            return "0"
        digits = max(3, math.ceil(math.log10(abs(seconds) / step) + 0.5)) if step > 0 else 3
        return f"{seconds * 1000:.{digits}g} ms" if abs(seconds) < 0.9995 else f"{seconds:.{digits}g} s"


class Plot(pg.PlotWidget):
    """name: for a person who does not see it. file: what saved files are called. written: what is copied and saved as
    CSV, by the words of a menu ("" for the plot's own). log: whether x and y are logarithmic.

    `tell` says what can be pointed at. caption: rich text over a saved picture, which has nothing else of the panel.
    `said` wants words to be shown: a sentence, and its kind.
    """

    said = Signal(str, str)

    def __init__(
        self,
        name: str,
        file: str,
        written: dict[str, Callable[[], list[csv_export.Row]]],
        axes: dict[str, pg.AxisItem] | None = None,
        log: tuple[bool, bool] = (False, False),
    ):
        self._pointer = Pointer(self)
        super().__init__(axisItems=axes or {})
        self.setAccessibleName(name)
        self.caption = ""
        self._file, self._written = file, written
        self._log = log
        self._whole = QRectF()
        self._zoomed = False
        self._curves: list[Curve] = []
        self._mouse: QPointF | None = None  # where it points
        self._at: tuple[int, int] | None = None  # curve and point that are marked
        self._pressed: QPointF | None = None
        self._moved: QPointF | None = None  # the last place of a drag that moves
        self._theme = theme.LIGHT
        self._dialog: QFileDialog | None = None
        self.setMouseEnabled(False, False)  # pyqtgraph's own mouse: drags that zoom by the right button, rate limits
        self.setMenuEnabled(False)
        self.hideButtons()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.disableAutoRange()
        self.setLogMode(*log)
        self.showGrid(x=True, y=True, alpha=0.15)
        self._marker = pg.ScatterPlotItem(size=17)
        self._marker.setZValue(1000)
        self.addItem(self._marker, ignoreBounds=True)
        self._band = QRubberBand(QRubberBand.Shape.Rectangle, self.viewport())
        self.value = QLabel(self.viewport())  # over the plot, so that nothing moves when it comes and goes
        self.value.setTextFormat(Qt.TextFormat.PlainText)
        self.value.setWordWrap(True)
        self.value.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.value.hide()
        self.menu = self._make_menu()
        self.button = QToolButton()  # for a panel's header
        self.button.setText("⋯")
        self.button.setObjectName("menu")
        self.button.setAccessibleName("Plot: copy and save")
        self.button.setToolTip(f"Copy or save this plot, or show it whole.\n{HELP}")
        self.button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.button.clicked.connect(self._open_menu)
        self._cornered = False
        nearer, further = partial(self.zoom, 1 / STEP), partial(self.zoom, STEP)
        does = {
            Qt.Key.Key_Plus: nearer,
            Qt.Key.Key_Equal: nearer,
            Qt.Key.Key_Minus: further,
            Qt.Key.Key_Home: self.show_whole,
            Qt.Key.Key_Left: partial(self.step, -1),
            Qt.Key.Key_Right: partial(self.step, 1),
            Qt.Key.Key_Up: partial(self.turn, -1),
            Qt.Key.Key_Down: partial(self.turn, 1),
        }
        shifted = {
            Qt.Key.Key_Plus: nearer,  # which may need Shift
            Qt.Key.Key_Left: partial(self.shift, -SHARE, 0),
            Qt.Key.Key_Right: partial(self.shift, SHARE, 0),
            Qt.Key.Key_Up: partial(self.shift, 0, SHARE),
            Qt.Key.Key_Down: partial(self.shift, 0, -SHARE),
        }
        Keys(self, does, shifted)

    def keep_button(self) -> None:
        """Put the button into the lower right corner, beside the axis's name, where a panel has no room for it."""
        self._cornered = True
        self.button.setParent(self)
        self.button.setFixedSize(*CORNER)
        self.button.setStyleSheet("padding: 0px")

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        if getattr(self, "_cornered", False):  # pyqtgraph calls this before there is anything
            self.button.move(self.width() - CORNER[0], self.height() - CORNER[1])

    def _make_menu(self) -> QMenu:
        menu = QMenu(self)
        self._reset = menu.addAction("Whole view", self.show_whole)
        menu.addSeparator()
        self._exports = [
            menu.addAction("Copy picture", self.copy_picture),
            menu.addAction("Copy values", self.copy_values),
            menu.addSeparator(),
            menu.addAction("Save PNG…", lambda: self.save("png")),
            menu.addAction("Save SVG…", lambda: self.save("svg")),
        ]
        for words in self._written:
            text = f"Save CSV, {words}…" if words else "Save CSV…"
            self._exports.append(menu.addAction(text, lambda words=words: self.save("csv", words)))
        menu.aboutToShow.connect(self._enable)
        return menu

    @Slot()
    def _open_menu(self) -> None:
        self.menu.popup(self.button.mapToGlobal(self.button.rect().bottomLeft()))

    @Slot()
    def _enable(self) -> None:
        self._reset.setEnabled(self._zoomed)
        for one in self._exports:
            one.setEnabled(bool(self._curves))

    def retheme(self, colours: theme.Theme) -> None:
        self._theme = colours
        theme.dress(self, colours)
        self._marker.setPen(pg.mkPen(colours.text, width=2))
        self._marker.setBrush(None)
        self.value.setStyleSheet(
            f"background: {colours.raised}; color: {colours.text}; border: 1px solid {colours.muted};"
            "border-radius: 4px; padding: 2px 6px;"
        )
        self._band.setStyleSheet(f"selection-background-color: {colours.accent}")

    # --- what it shows

    def tell(self, curves: list[Curve]) -> None:
        """What can be pointed at now; what is pointed at stays so where it can."""
        self._curves = curves
        if self._mouse is not None:
            self._point(self._mouse)
        elif self._at is not None:
            curve, point = self._at
            there = curve < len(curves) and point < len(curves[curve].x)
            self._mark(curve, point) if there else self._unmark()

    def fit(self, x: tuple[float, float], y: tuple[float, float]) -> None:
        """The whole view, by the axes' own places (decades, where logarithmic). A view zoomed in stays where it is."""
        whole = QRectF(x[0], y[0], x[1] - x[0], y[1] - y[0])
        if whole == self._whole:  # as often while a run is drawn
            return
        self._whole = whole
        if self._zoomed:
            self._look(self._shown)
        else:
            self.show_whole()

    def set_log(self, x: bool, y: bool) -> None:
        """Other axes; the view is whole again."""
        self._log, self._zoomed, self._whole = (x, y), False, QRectF()
        self.setLogMode(x, y)

    @property
    def logs(self) -> tuple[bool, bool]:
        """Whether x and y are logarithmic."""
        return self._log

    @property
    def zoomed(self) -> bool:
        return self._zoomed

    @property
    def _shown(self) -> QRectF:
        (left, right), (low, high) = self.plotItem.vb.viewRange()
        return QRectF(left, low, right - left, high - low)

    @Slot()
    def show_whole(self) -> None:
        self._look(self._whole)

    def _look(self, wanted: QRectF) -> None:
        """Show this part of the whole, or what is nearest to it."""
        whole = self._whole
        wide = min(max(wanted.width(), whole.width() * DEEPEST), whole.width())
        high = min(max(wanted.height(), whole.height() * DEEPEST), whole.height())
        left = min(max(wanted.left(), whole.left()), whole.right() - wide)
        low = min(max(wanted.top(), whole.top()), whole.bottom() - high)
        self._zoomed = wide < whole.width() * (1 - 1e-9) or high < whole.height() * (1 - 1e-9)
        self.setXRange(left, left + wide, padding=0)
        self.setYRange(low, low + high, padding=0)
        if self._mouse is not None:
            self._point(self._mouse)
        elif self._at is not None:
            self._mark(*self._at)

    def zoom(self, factor: float, at: QPointF | None = None, x: bool = True, y: bool = True) -> None:
        """Show so much more or less, of one axis or both; what lies `at` a place of the view stays there."""
        shown = self._shown
        at = at or shown.center()
        fx, fy = factor if x else 1.0, factor if y else 1.0
        left, low = at.x() - (at.x() - shown.left()) * fx, at.y() - (at.y() - shown.top()) * fy
        self._look(QRectF(left, low, shown.width() * fx, shown.height() * fy))

    def shift(self, x: float, y: float) -> None:
        """By shares of what is shown."""
        shown = self._shown
        self._look(shown.translated(x * shown.width(), y * shown.height()))

    # --- the mouse

    @property
    def _field(self) -> QRectF:
        """Where the curves are, in pixels."""
        return self.plotItem.vb.sceneBoundingRect()

    def _there(self, place: QPointF) -> QPointF:
        """A pixel's place in the view."""
        field, shown = self._field, self._shown
        x = (place.x() - field.left()) / max(field.width(), 1)
        y = (field.bottom() - place.y()) / max(field.height(), 1)
        return QPointF(shown.left() + x * shown.width(), shown.top() + y * shown.height())

    def _pixels(self, curve: Curve) -> np.ndarray:
        """[n, 2]: where a curve's points are on screen."""
        field, shown = self._field, self._shown
        x, y = (
            np.log10(np.maximum(v, 1e-300)) if log else np.asarray(v, float)
            for v, log in zip((curve.x, curve.y), self._log, strict=True)
        )
        x = field.left() + (x - shown.left()) / shown.width() * field.width()
        return np.stack([x, field.bottom() - (y - shown.top()) / shown.height() * field.height()], 1)

    def wheelEvent(self, event) -> None:
        """Zoom around the pointer; over an axis, that axis. Where the plot lies in an area that scrolls, only once it
        has been clicked, or with Ctrl: nobody who scrolls past is caught by it."""
        turned = event.angleDelta().y() or event.angleDelta().x()
        wanted = self.hasFocus() or event.modifiers() & Qt.KeyboardModifier.ControlModifier
        if not turned or (self._scrolls() and not wanted):
            event.ignore()
            return
        place, field = event.position(), self._field
        self.zoom(STEP ** (-turned / 120), self._there(place), place.x() >= field.left(), place.y() <= field.bottom())
        event.accept()

    def _scrolls(self) -> bool:
        above = self.parentWidget()
        while above is not None:
            bar = getattr(above, "verticalScrollBar", None)
            if bar is not None and bar().maximum() > bar().minimum():
                return True
            above = above.parentWidget()
        return False

    def viewportEvent(self, event) -> bool:
        return self._pointer.takes(event) or super().viewportEvent(event)

    def pointer_pressed(self, contact: Contact) -> bool:
        left = contact.button == Qt.MouseButton.LeftButton
        shift = contact.modifiers & Qt.KeyboardModifier.ShiftModifier
        if left and contact.double:
            self.show_whole()
        elif contact.button == Qt.MouseButton.MiddleButton or (left and shift):
            self._moved = contact.position
        elif left and self._field.contains(contact.position):
            self._pressed = contact.position
        return not (self._moved is self._pressed is None)

    def pointer_moved(self, contact: Contact) -> None:
        if self._moved is not None:
            by, field = contact.position - self._moved, self._field
            self._moved = contact.position
            self.shift(-by.x() / max(field.width(), 1), by.y() / max(field.height(), 1))
        else:
            self._band.setGeometry(self._part(contact.position).toRect())
            self._band.show()
            self._unmark()

    def mouseMoveEvent(self, event) -> None:
        if not self._pointer.down:
            self._point(event.position())

    def mousePressEvent(self, event) -> None:
        event.accept()  # pyqtgraph's own mouse does nothing, nor that of what lies around the plot

    mouseReleaseEvent = mouseDoubleClickEvent = mousePressEvent

    def _part(self, to: QPointF) -> QRectF:
        """Pixels between the press and there; as high or as wide as all where the drag is along one axis."""
        field = self._field
        made = QRectF(self._pressed, to).normalized().intersected(field)
        if made.height() < SMALL <= made.width():
            made.setTop(field.top())
            made.setBottom(field.bottom())
        elif made.width() < SMALL <= made.height():
            made.setLeft(field.left())
            made.setRight(field.right())
        return made

    def pointer_released(self, contact: Contact) -> None:
        if self._pressed is not None:
            part = self._part(contact.position)
            if min(part.width(), part.height()) >= SMALL:
                self._look(QRectF(self._there(part.topLeft()), self._there(part.bottomRight())).normalized())
        self.pointer_interrupted()

    def pointer_interrupted(self) -> None:
        self._pressed = self._moved = None
        self._band.hide()

    pointer_cancelled = pointer_interrupted

    def leaveEvent(self, event) -> None:
        self._unmark()

    def contextMenuEvent(self, event) -> None:
        self.menu.popup(event.globalPos())
        event.accept()

    # --- pointing

    def _point(self, place: QPointF) -> None:
        """Mark the nearest point in sight of the nearest curve."""
        self._mouse = place
        here, field = np.array([place.x(), place.y()]), self._field
        nearest, found = float(REACH), None
        for number, curve in enumerate(self._curves if field.contains(place) else []):
            pixels = self._pixels(curve)
            away = np.hypot(*(pixels - here).T)
            seen = self._in_sight(pixels)
            if not seen.any():
                continue
            distance = float(_to_lines(pixels, here).min(initial=away.min())) if curve.joined else float(away.min())
            if distance < nearest:
                nearest, found = distance, (number, int(np.where(seen, away, np.inf).argmin()))
        if found is None:
            self._unmark(place)
        else:
            self._mark(*found)

    def _in_sight(self, pixels: np.ndarray) -> np.ndarray:
        field = self._field.adjusted(-1, -1, 1, 1)
        x, y = pixels.T
        return (x >= field.left()) & (x <= field.right()) & (y >= field.top()) & (y <= field.bottom())

    def _mark(self, number: int, point: int) -> None:
        self._at = number, point
        curve = self._curves[number]
        pixel = self._pixels(curve)[point]
        place = self._there(QPointF(*pixel))
        self._marker.setData([place.x()], [place.y()])
        said = curve.say(point)
        if said != self.value.text():
            self.value.setText(said)
            self.setAccessibleDescription(said)
        room = self.viewport().rect().adjusted(2, 2, -2, -2)
        wide = min(self.value.fontMetrics().horizontalAdvance(said) + 28, room.width())
        size = QSize(wide, self.value.heightForWidth(wide))
        self.value.resize(size)
        x = min(max(round(pixel[0]) - size.width() // 2, room.left()), max(room.right() - size.width(), room.left()))
        above, below = round(pixel[1]) - size.height() - 12, round(pixel[1]) + 12
        y = above if above >= room.top() else min(below, room.bottom() - size.height())
        self.value.move(x, y)
        self.value.show()

    def _unmark(self, mouse: QPointF | None = None) -> None:
        self._mouse, self._at = mouse, None
        self._marker.setData([], [])
        self.value.setText("")
        self.value.hide()
        self.setAccessibleDescription("")

    def step(self, by: int) -> None:
        """To the next point in sight of the marked curve."""
        if self._at is None:
            self.turn(0)
            return
        self._mouse = None
        number, point = self._at
        seen = np.flatnonzero(self._in_sight(self._pixels(self._curves[number])))
        if len(seen):
            at = int(np.searchsorted(seen, point)) + by
            self._mark(number, int(seen[min(max(at, 0), len(seen) - 1)]))

    def turn(self, by: int) -> None:
        """To the next curve with points in sight, at the point nearest to the marked one."""
        pixels = [self._pixels(curve) for curve in self._curves]
        order = [i for i, one in enumerate(pixels) if self._in_sight(one).any()]
        if not order:
            return
        self._mouse = None
        if self._at is None:
            number, here = order[0], np.array([self._field.right(), self._field.top()])
        else:
            here = pixels[self._at[0]][self._at[1]]
            at = order.index(self._at[0]) + by if self._at[0] in order else 0
            number = order[at % len(order)]
        away = np.where(self._in_sight(pixels[number]), np.hypot(*(pixels[number] - here).T), np.inf)
        self._mark(number, int(away.argmin()))

    # --- keys

    def keyReleaseEvent(self, event) -> None:
        event.ignore()

    def focusInEvent(self, event) -> None:
        super().focusInEvent(event)
        self.viewport().update()

    def focusOutEvent(self, event) -> None:
        super().focusOutEvent(event)
        self._pointer.let_go()
        if self._mouse is None:
            self._unmark()
        self.viewport().update()

    def paintEvent(self, event) -> None:
        super().paintEvent(event)
        if self.hasFocus():
            painter = QPainter(self.viewport())
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(QColor(self._theme.accent), 2))
            painter.drawRoundedRect(QRectF(self.viewport().rect()).adjusted(1, 1, -1, -1), 4, 4)

    # --- copying and saving

    @Slot()
    def copy_picture(self) -> None:
        QGuiApplication.clipboard().setImage(self.picture())
        self.said.emit("The plot is on the clipboard.", "note")

    @Slot()
    def copy_values(self) -> None:
        """As CSV."""
        QGuiApplication.clipboard().setText(self.values())
        self.said.emit("The plot's values are on the clipboard, as CSV.", "note")

    def save(self, kind: str, words: str = "") -> None:
        """Ask for a file to write. kind: its suffix; words: which of the tables."""
        name = "-".join(part for part in (self._file, *words.split()) if part)
        dialog = QFileDialog(self.window(), f"Save as {kind.upper()}", f"{name}.{kind}", f"*.{kind}")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix(kind)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setProperty("words", words)
        dialog.fileSelected.connect(self._write)
        self._dialog = dialog
        dialog.open()

    @Slot(str)
    def _write(self, path: str) -> None:
        """What the name says, whatever was asked for before."""
        try:
            atomic.require_suffix(path, tuple(f".{kind}" for kind in KINDS))
            kind = path.rpartition(".")[2].lower()
            atomic.write_bytes(path, self._content(kind, self._dialog.property("words")))
        except UserError as error:
            self.said.emit(str(error), "error")
        else:
            self.said.emit(f"Saved {path}", "note")

    def values(self, words: str = "") -> str:
        """A table as CSV."""
        return csv_export.text(self._written[words]())

    def picture(self) -> QImage:
        with self._unmarked():
            return plot_export.pixels(self, self.caption, self._theme)

    def _content(self, kind: str, words: str = "") -> bytes:
        """Of a file."""
        if kind == "csv":
            return self.values(words).encode()
        with self._unmarked():
            return {"png": plot_export.png, "svg": plot_export.svg}[kind](self, self.caption, self._theme)

    @contextlib.contextmanager
    def _unmarked(self) -> Iterator[None]:
        """Without what is pointed at."""
        self._marker.hide()
        try:
            yield
        finally:
            self._marker.show()


def _to_lines(points: np.ndarray, here: np.ndarray) -> np.ndarray:
    """[n - 1]: how far it is to the line from each point [n, 2] to the next."""
    start, along = points[:-1], np.diff(points, axis=0)
    share = ((here - start) * along).sum(1) / np.maximum((along**2).sum(1), 1e-12)
    return np.hypot(*(start + np.clip(share, 0, 1)[:, None] * along - here).T)
