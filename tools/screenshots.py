"""The pictures of README.md, made by driving the real window: `python -m tools.screenshots --out docs`.

Every press, stroke and click is an event as Qt delivers it, and every picture is what the window then shows. The
animation is recorded while the window works, each frame lasting as long as it stood: nothing is sped up or slowed.
No screen is needed.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")  # before Qt is imported

import numpy as np
import torch  # noqa: F401 - before Qt
from PIL import Image
from PySide6.QtCore import QEventLoop, QPoint, QPointF, Qt, QTimer
from PySide6.QtGui import QColor, QFont, QFontDatabase, QImage, QKeySequence, QPainter, QPen, QPixmap, QPolygonF
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from app import application
from app.core import session
from app.ui.main_window import Window
from vssm.models import registry

LARGE, SMALL = (1280, 760), (1000, 660)  # of the window, in pictures and in the animation
EVERY = 60  # milliseconds between two frames of the animation
LONG = 600  # seconds to wait for anything
COLOURS = 160  # of the animation
ARROW = ((0, 0), (0, 17), (4, 13), (7, 20), (10, 19), (7, 12), (12, 12))  # a pointer
SEVEN = ((7, 7.5), (9, 6.5), (14, 6.5), (20, 6), (20.5, 8), (18, 12))  # the top of a digit
SERIF = ((7.5, 7.5), (7, 9), (7, 10.5))


def wait(milliseconds: int) -> None:
    """Let the window live so long. `QTest.qWait` would keep Python, and with it the models, from going on."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


@contextlib.contextmanager
def opened(folder: Path, size: tuple[int, int], **session_values) -> Iterator[Stage]:
    """A window of that size with all models ready, on a session of its own."""
    state = Path(tempfile.mkdtemp(dir=folder)) / "session.json"  # and preferences of its own
    usual: dict[str, Any] = {"keep_seed": True, "device": "cpu", "toured": True}
    session.save(session.Session(**usual | session_values), state)
    window = Window(state)
    window.resize(*size)
    window.show()
    stage = Stage(window)
    try:
        stage.until(lambda: len(window.models.loaded) == len(registry.PRESETS))
        yield stage
    finally:
        window.close()
        window.deleteLater()
        wait(50)


class Stage:
    """A window, and a person's moves on it. pointer: where the mouse is."""

    def __init__(self, window: Window):
        self.window, self.pointer = window, QPoint(window.width() // 2, window.height() - 40)

    def until(self, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + LONG
        while not holds():
            if time.monotonic() > end:
                raise TimeoutError("the window does not get there")
            wait(10)

    def press(self, keys: str) -> None:
        QTest.keySequence(self.window, QKeySequence(keys))

    def click(self, widget: QWidget, share: float = 0.5) -> None:
        """Go to a widget, as far along it as `share`, and click."""
        place = QPoint(round(share * widget.width()), widget.height() // 2)
        self.travel(widget.mapTo(self.window, place))
        QTest.mouseClick(widget, Qt.MouseButton.LeftButton, pos=place)

    def button(self, name: str | tuple[str, str]) -> QWidget:
        """That of an action."""
        objects = self.window.actions_[name].associatedObjects()
        return next(w for w in objects if isinstance(w, QWidget) and hasattr(w, "click") and w.isVisible())

    def travel(self, end: QPoint, seconds: float = 0.4) -> None:
        """Move the pointer to a place of the window."""
        start, begun = self.pointer, time.monotonic()
        while (share := (time.monotonic() - begun) / seconds) < 1:
            self._point(start + (end - start) * (3 - 2 * share) * share**2)
            wait(8)
        self._point(end)

    def _point(self, place: QPoint) -> None:
        self.pointer = place
        QTest.mouseMove(self.window.windowHandle(), place)

    def complete(self, model: str) -> None:
        """Press the model's digit and Return, and wait for the end."""
        self.press(str(1 + list(registry.PRESETS).index(model)))
        self.until(lambda: self.window.runs.running is None)  # Live's, which would give way to it
        before = len(self.window.runs.history)
        self.press("Return")
        self.until(lambda: len(self.window.runs.history) > before and self.window.runs.running is None)

    def on_sketch(self, place: tuple[float, float]) -> QPoint:
        """Where a place of the sketch, in its pixels, is in the window."""
        canvas = self.window.canvas
        field = canvas.field()
        spot = field.topLeft() + QPointF(*place) * (field.width() / canvas.sketch.pixels.shape[1])
        return canvas.mapTo(self.window, spot.toPoint())

    def draw(self, points: Sequence[tuple[float, float]], seconds: float) -> None:
        """A stroke, at the speed of a hand."""
        way, screen = np.array(points), self.window.windowHandle()
        along = np.concatenate([[0], np.hypot(*np.diff(way, axis=0).T).cumsum()])
        self.travel(self.on_sketch(points[0]))
        QTest.mousePress(screen, Qt.MouseButton.LeftButton, pos=self.pointer)
        begun, turn = time.monotonic(), 1
        while turn < len(points):
            here = (time.monotonic() - begun) / seconds * along[-1]
            while turn < len(points) and along[turn] <= here:  # no turn is missed, however slow the machine
                self._point(self.on_sketch(points[turn]))
                turn += 1
            if turn < len(points):
                self._point(self.on_sketch(tuple(np.interp(here, along, axis) for axis in way.T)))
                wait(8)
        QTest.mouseRelease(screen, Qt.MouseButton.LeftButton, pos=self.pointer)

    def save(self, path: Path) -> Path:
        wait(100)  # layouts settle
        Image.fromarray(array(self.window.grab().toImage())).save(path, optimize=True)
        return path


class Recorder:
    """Grabs the window every so many milliseconds, with a pointer painted where the mouse is."""

    def __init__(self, stage: Stage):
        self._stage = stage
        self.frames: list[tuple[float, np.ndarray]] = []
        self._timer = QTimer(stage.window, interval=EVERY)
        self._timer.timeout.connect(self.grab)
        self._timer.start()

    def grab(self) -> None:
        self._last, pixmap = time.monotonic(), self._stage.window.grab()
        paint_pointer(pixmap, self._stage.pointer)
        shot = array(pixmap.toImage())
        if not self.frames or (shot != self.frames[-1][1]).any():
            self.frames.append((self._last, shot))

    def save(self, path: Path, rest: float = 1.5) -> None:
        """As an animated GIF that begins again; the last frame stands for `rest` seconds more."""
        self._timer.stop()
        self.grab()
        moments, shots = zip(*self.frames, strict=True)
        some = np.concatenate([shots[i] for i in np.linspace(0, len(shots) - 1, 6).astype(int)])
        palette = Image.fromarray(some).quantize(COLOURS, dither=Image.Dither.NONE)
        images = [Image.fromarray(shot).quantize(palette=palette, dither=Image.Dither.NONE) for shot in shots]
        # whole hundredths of a second, as the format has them, without a sum of roundings
        ends = [round(100 * (moment - moments[0])) for moment in (*moments, self._last + rest)]
        lasts = [10 * (end - start) for start, end in itertools.pairwise(ends)]
        images[0].save(path, save_all=True, append_images=images[1:], duration=lasts, loop=0, optimize=False)


def paint_pointer(shot: QPixmap, place: QPoint) -> None:
    painter = QPainter(shot)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(QColor("white"), 1.5))
    painter.setBrush(QColor("black"))
    painter.drawPolygon(QPolygonF([QPointF(*corner) + place.toPointF() for corner in ARROW]))
    painter.end()


def array(image: QImage) -> np.ndarray:
    """[height, width, 3] uint8."""
    image = image.convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()


# --- the pictures ---------------------------------------------------------------------------------------------------


def stills(folder: Path, out: Path) -> Iterator[Path]:
    """All models on one sketch, in both themes, and a race in colour, half-way through its replay."""
    with opened(folder, LARGE, samples=4, seed=4, theme="light", more=True) as stage:
        stage.draw(SEVEN, 0.4)
        stage.travel(QPoint(LARGE[0] // 2, LARGE[1] - 5))
        for name in reversed(registry.PRESETS):
            stage.complete(name)
        yield stage.save(out / "window.png")
        stage.window.choose_theme("dark")
        yield stage.save(out / "window-dark.png")
    with opened(folder, LARGE, samples=4, seed=3, theme="light", data="cifar10", more=True) as stage:
        stage.click(stage.window.sketch.thumbs[0])
        stage.press("Shift+R")
        stage.until(lambda: stage.window.race.replayable)
        stage.window.race.hold()
        stage.click(stage.window.race.axis, 0.4)
        stage.travel(QPoint(LARGE[0] // 2, LARGE[1] - 5))
        yield stage.save(out / "window-colour.png")


def animation(folder: Path, out: Path) -> Iterator[Path]:
    """A stroke, completed by the VSSM as it is drawn, then by the Transformer, which cannot keep up with another."""
    with opened(folder, SMALL, samples=4, seed=4, theme="light") as stage:
        wait(300)
        recorder = Recorder(stage)
        stage.draw(SEVEN, 2.5)  # live, as it is from the start
        stage.until(lambda: stage.window.runs.running is None)
        wait(1000)
        stage.click(stage.button(("choose_model", "transformer")))
        stage.until(lambda: stage.window.runs.history[-1].model == "transformer" and stage.window.runs.running is None)
        wait(300)
        stage.draw(SERIF, 1.0)
        wait(300)  # the pen rests
        stage.until(lambda: stage.window.runs.running is None)
        wait(300)
        recorder.save(out / "window.gif")
        yield out / "window.gif"


def prepare() -> None:
    """Make the application, with the font that comes with the program."""
    app = application.prepare(QApplication.instance() or QApplication(sys.argv[:1]))
    number = QFontDatabase.addApplicationFont(str(application.FONTS / "Inter-Regular.otf"))
    app.setFont(QFont(QFontDatabase.applicationFontFamilies(number)[0], 10))


def main(argv: Sequence[str] | None = None) -> int:
    """Make the pictures of those names (all by default) into a folder."""
    parser = argparse.ArgumentParser(prog="python -m tools.screenshots", description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("docs"), metavar="DIR", help="folder (default: docs)")
    parser.add_argument("--only", choices=("stills", "animation"), help="only these")
    args = parser.parse_args(argv)
    prepare()
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for make in (stills, animation):
            if args.only in (None, make.__name__):
                for path in make(Path(folder), args.out):
                    print(f"{path}  {math.ceil(path.stat().st_size / 1000)} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
