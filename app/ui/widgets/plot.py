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
from PySide6.QtGui import QColor, QGuiApplication, QImage, QPainter, QPen, QTransform
from PySide6.QtWidgets import QFileDialog, QLabel, QMenu

from app.core import csv_export
from app.ui import theme
from app.ui.pointer import INTERRUPTIONS
from app.ui.widgets import plot_export
from app.ui.widgets.card import plain_button
from app.ui.widgets.file_dialog import ask_file
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
EVER = 1e307  # pyqtgraph's own limit of a view
DEEPEST = 1e-4  # of the whole: no zoom goes further
CORNER = 28, 20  # pixels of the button there
REACH = 40  # pixels from a curve within which the mouse points at it
KINDS = "png", "svg", "csv"  # of files that a plot is saved as
SMALL = 6  # pixels: a drag shorter than this zooms one axis, or none
pg.setConfigOptions(mouseRateLimit=0)  # a limit drops the last move of a drag; Qt itself joins moves that come fast
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


class ZoomBox(pg.ViewBox):
    """The view of a plot. The wheel zooms, over an axis that one alone; a drag zooms to its rectangle, and along one
    axis to that part of it; with Shift or the middle button it moves. No view leaves the `whole`."""

    def __init__(self):
        super().__init__(enableMenu=False)
        self.whole = QRectF()
        self.state["wheelScaleFactor"] = -math.log(STEP, 1.02) / 120  # a notch is 120

    @property
    def zoomed(self) -> bool:
        shown, whole = self.viewRect(), self.whole
        return shown.width() < whole.width() * (1 - 1e-9) or shown.height() < whole.height() * (1 - 1e-9)

    def fit(self, whole: QRectF) -> None:
        """Another whole; a view zoomed in stays where it is."""
        if whole == self.whole:  # as often while a run is drawn
            return
        shown = self.viewRect() if self.zoomed else whole
        self.whole = whole
        self.setLimits(
            xMin=whole.left(),
            xMax=whole.right(),
            yMin=whole.top(),
            yMax=whole.bottom(),
            minXRange=whole.width() * DEEPEST,
            minYRange=whole.height() * DEEPEST,
        )
        self.setRange(shown, padding=0)

    def forget(self) -> None:
        """The axes are others: there is no whole until the next one is given."""
        self.whole = QRectF()
        self.setLimits(xMin=-EVER, xMax=EVER, yMin=-EVER, yMax=EVER, minXRange=None, minYRange=None)

    @Slot()
    def show_whole(self) -> None:
        self.setRange(self.whole, padding=0)

    def shift(self, x: float, y: float) -> None:
        """Move the view by shares of itself, within the whole."""
        shown = self.viewRect()
        self.translateBy(x=x * shown.width(), y=y * shown.height())

    def retheme(self) -> None:
        fill = QColor(theme.now.accent)
        self.rbScaleBox.setPen(pg.mkPen(theme.now.accent))
        fill.setAlphaF(0.2)
        self.rbScaleBox.setBrush(fill)

    def mouseDragEvent(self, event, axis=None) -> None:
        if event.button() == Qt.MouseButton.RightButton:
            event.ignore()
            return
        moves = event.button() == Qt.MouseButton.MiddleButton or event.modifiers() & Qt.KeyboardModifier.ShiftModifier
        self.setMouseMode(self.PanMode if moves else self.RectMode)
        super().mouseDragEvent(event, axis)

    def updateScaleBox(self, first: QPointF, second: QPointF) -> None:
        part = self._part(self.mapToView(first), self.mapToView(second))
        self.rbScaleBox.setPos(part.topLeft())
        self.rbScaleBox.setTransform(QTransform.fromScale(part.width(), part.height()))
        self.rbScaleBox.show()

    def showAxRect(self, part: QRectF, **given) -> None:
        part = self._part(part.topLeft(), part.bottomRight())
        wide, high = self.viewPixelSize()
        if part.width() >= SMALL * wide and part.height() >= SMALL * high:
            super().showAxRect(part, padding=0)

    def _part(self, first: QPointF, second: QPointF) -> QRectF:
        """What a drag between two places means; as high or as wide as all where it is along one axis."""
        shown, (wide, high) = self.viewRect(), self.viewPixelSize()
        made = QRectF(first, second).normalized().intersected(shown)
        if made.height() < SMALL * high and made.width() >= SMALL * wide:
            made.setTop(shown.top())
            made.setBottom(shown.bottom())
        elif made.width() < SMALL * wide and made.height() >= SMALL * high:
            made.setLeft(shown.left())
            made.setRight(shown.right())
        return made


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
        self.zoom_box = ZoomBox()
        super().__init__(viewBox=self.zoom_box, axisItems=axes or {})
        self.setAccessibleName(name)
        self.caption = ""
        self._file, self._written = file, written
        self._log = log
        self._curves: list[Curve] = []
        self._mouse: QPointF | None = None  # where it points
        self._at: tuple[int, int] | None = None  # curve and point that are marked
        self._dialog: QFileDialog | None = None
        self.hideButtons()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.disableAutoRange()
        for axis in self.plotItem.axes:  # each would make its label anew whenever the view changes
            self.getAxis(axis).enableAutoSIPrefix(False)
        self.setLogMode(*log)
        self.showGrid(x=True, y=True, alpha=0.15)
        self._marker = pg.ScatterPlotItem(size=17)
        self._marker.setZValue(1000)
        self.addItem(self._marker, ignoreBounds=True)
        self.value = QLabel(self.viewport())  # over the plot, so that nothing moves when it comes and goes
        self.value.setTextFormat(Qt.TextFormat.PlainText)
        self.value.setWordWrap(True)
        self.value.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.value.hide()
        self.zoom_box.sigRangeChanged.connect(self._moved)
        self.menu = self._make_menu()
        tip = f"Copy or save this plot, or show it whole.\n{HELP}"
        self.button = plain_button("⋯", tip, self._open_menu, "Plot: copy and save")  # for a panel's header
        self.button.setObjectName("menu")
        self._cornered = False
        nearer, further = partial(self.zoom_box.scaleBy, (1 / STEP,) * 2), partial(self.zoom_box.scaleBy, (STEP,) * 2)
        does: dict[Qt.Key, Callable[[], object]] = {
            Qt.Key.Key_Plus: nearer,
            Qt.Key.Key_Equal: nearer,
            Qt.Key.Key_Minus: further,
            Qt.Key.Key_Home: self.zoom_box.show_whole,
            Qt.Key.Key_Left: partial(self.step, -1),
            Qt.Key.Key_Right: partial(self.step, 1),
            Qt.Key.Key_Up: partial(self.turn, -1),
            Qt.Key.Key_Down: partial(self.turn, 1),
        }
        shifted: dict[Qt.Key, Callable[[], object]] = {
            Qt.Key.Key_Plus: nearer,  # which may need Shift
            Qt.Key.Key_Left: partial(self.zoom_box.shift, -SHARE, 0),
            Qt.Key.Key_Right: partial(self.zoom_box.shift, SHARE, 0),
            Qt.Key.Key_Up: partial(self.zoom_box.shift, 0, SHARE),
            Qt.Key.Key_Down: partial(self.zoom_box.shift, 0, -SHARE),
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
        self._reset = menu.addAction("Whole view", self.zoom_box.show_whole)
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
            self._exports.append(menu.addAction(text, partial(self.save, "csv", words)))
        menu.aboutToShow.connect(self._enable)
        return menu

    @Slot()
    def _open_menu(self) -> None:
        self.menu.popup(self.button.mapToGlobal(self.button.rect().bottomLeft()))

    @Slot()
    def _enable(self) -> None:
        self._reset.setEnabled(self.zoom_box.zoomed)
        for one in self._exports:
            one.setEnabled(bool(self._curves))

    def retheme(self) -> None:
        theme.dress(self)
        self._marker.setPen(pg.mkPen(theme.now.text, width=2))
        self._marker.setBrush(None)
        self.value.setStyleSheet(
            f"background: {theme.now.raised}; color: {theme.now.text}; border: 1px solid {theme.now.muted};"
            "border-radius: 4px; padding: 2px 6px;"
        )
        self.zoom_box.retheme()

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
        self.zoom_box.fit(QRectF(x[0], y[0], x[1] - x[0], y[1] - y[0]))

    def set_log(self, x: bool, y: bool) -> None:
        """Other axes; the view is whole again."""
        self._log = x, y
        self.zoom_box.forget()
        self.setLogMode(x, y)

    @property
    def logs(self) -> tuple[bool, bool]:
        """Whether x and y are logarithmic."""
        return self._log

    # --- the mouse

    def wheelEvent(self, event) -> None:
        """Zoom; but where the plot lies in an area that scrolls, only once it has been clicked, or with Ctrl: nobody
        who scrolls past is caught by it."""
        if self._scrolls() and not (self.hasFocus() or event.modifiers() & Qt.KeyboardModifier.ControlModifier):
            event.ignore()
        else:
            super().wheelEvent(event)

    def mouseMoveEvent(self, event) -> None:
        if event.buttons():
            self._unmark()
        else:
            self._let_go()  # a release that went elsewhere
        super().mouseMoveEvent(event)
        if not event.buttons():
            self._point(event.position())

    def mouseDoubleClickEvent(self, event) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.zoom_box.show_whole()

    def viewportEvent(self, event) -> bool:
        if event.type() in INTERRUPTIONS:
            self._let_go()
        return super().viewportEvent(event)

    def _let_go(self) -> None:
        """End a drag as if there had been none."""
        scene = self.scene()
        scene.dragItem, scene.lastDrag, scene.dragButtons, scene.clickEvents = None, None, [], []
        self.zoom_box.rbScaleBox.hide()

    @Slot()
    def _moved(self) -> None:
        """The view is another: what is marked lies elsewhere."""
        if self._mouse is not None:
            self._point(self._mouse)
        elif self._at is not None:
            self._mark(*self._at)

    @property
    def _field(self) -> QRectF:
        """Where the curves are, in pixels."""
        return self.plotItem.vb.sceneBoundingRect()

    def _places(self, curve: Curve) -> np.ndarray:
        """[n, 2]: where a curve's points are on the axes."""
        both = zip((curve.x, curve.y), self._log, strict=True)
        return np.stack([np.log10(np.maximum(v, 1e-300)) if log else np.asarray(v, float) for v, log in both], 1)

    def _pixels(self, curve: Curve) -> np.ndarray:
        """[n, 2]: where they are on screen."""
        field, shown = self._field, self.zoom_box.viewRect()
        x, y = self._places(curve).T
        x = field.left() + (x - shown.left()) / shown.width() * field.width()
        return np.stack([x, field.bottom() - (y - shown.top()) / shown.height() * field.height()], 1)

    def _scrolls(self) -> bool:
        above = self.parentWidget()
        while above is not None:
            bar = getattr(above, "verticalScrollBar", None)
            if bar is not None and bar().maximum() > bar().minimum():
                return True
            above = above.parentWidget()
        return False

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
        self._marker.setData(*np.transpose([self._places(curve)[point]]))
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
        self._let_go()
        if self._mouse is None:
            self._unmark()
        self.viewport().update()

    def paintEvent(self, event) -> None:
        super().paintEvent(event)
        if self.hasFocus():
            painter = QPainter(self.viewport())
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(QColor(theme.now.accent), 2))
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
        title, write = f"Save as {kind.upper()}", partial(self._write, words)
        self._dialog = ask_file(self.window(), title, f"{name}.{kind}", f"*.{kind}", write)

    def _write(self, words: str, path: str) -> None:
        """What the name says, whatever was asked for before."""
        try:
            atomic.require_suffix(path, tuple(f".{kind}" for kind in KINDS))
            kind = path.rpartition(".")[2].lower()
            atomic.write_bytes(path, self._content(kind, words))
        except UserError as error:
            self.said.emit(str(error), "error")
        else:
            self.said.emit(f"Saved {path}", "note")

    def values(self, words: str = "") -> str:
        """A table as CSV."""
        return csv_export.text(self._written[words]())

    def picture(self) -> QImage:
        with self._unmarked():
            return plot_export.pixels(self, self.caption)

    def _content(self, kind: str, words: str = "") -> bytes:
        """Of a file."""
        if kind == "csv":
            return self.values(words).encode()
        with self._unmarked():
            return {"png": plot_export.png, "svg": plot_export.svg}[kind](self, self.caption)

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
