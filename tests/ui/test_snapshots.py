"""The main states of the window look as they did when a person last approved of them, in light and dark.

`python -m pytest tests/ui/test_snapshots.py --renew-snapshots` keeps what the window shows now: look at it before you
commit it. Where a state has changed, what it shows and where it differs is written to the folder `snapshots-failed`.
Times, and plots of them, are painted over; the font comes with the program, so that machines agree up to a few pixels.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyqtgraph as pg
import pytest
from conftest import ended, opened
from PIL import Image
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtGui import QColor, QFont, QFontDatabase, QImage, QPainter
from PySide6.QtWidgets import QAbstractButton, QLabel, QStatusBar, QToolTip, QWidget
from windows import LONG, complete, press, take

from app import application
from app.core import session
from app.ui.panels.completion import CompletionPanel
from app.ui.panels.latents import LatentPanel
from app.ui.widgets.race_card import RacePicture
from app.ui.widgets.time_axis import TimeAxis
from vssm.data import MNIST
from vssm.files.examples import examples
from vssm.prompt import Prompt

SNAPSHOTS = Path(__file__).parents[1] / "snapshots"
FAILED = Path(__file__).parents[2] / "snapshots-failed"
THEMES = "light", "dark"
SIZE = 1280, 760
HIDDEN = 255, 0, 255  # what is painted over
MOST = 60_000  # bytes of a snapshot
TIMED = re.compile(r"\d ?(m?s\b|×(?!\d)|tokens/s|/s|a second)|\b\d(st|nd|rd|th)\b|faster|later", re.IGNORECASE)
OFF = 32  # of 255: a pixel that differs by more is off
FEW, MORE = 0.0003, 0.05  # shares that may be: an icon's worth; where models draw, as digits are a machine's


def empty(qtbot, window) -> QWidget:
    return window


def story(qtbot, window) -> QWidget:
    """As a newcomer sees it, in the middle of the recorded race."""
    high = window.bar.height()
    window.actions_["set_keep_seed"].setChecked(False)
    qtbot.waitUntil(lambda: window.bar.height() < high)  # without the row of the seed
    window.story.begin()
    window.race.put(window.race.race.duration / 2)
    return window


def completed(qtbot, window) -> QWidget:
    take(qtbot, window, 0)
    complete(qtbot, window)
    return window


def cifar10(qtbot, window) -> QWidget:
    press(qtbot, window, "Ctrl+2")
    take(qtbot, window, 0)
    return window


def raced(qtbot, window) -> QWidget:
    """At its end. Little is unknown, all of it black, so that any machine makes the same of it."""
    pixels = examples(MNIST)[6].prompt.pixels
    window.sketch.give(Prompt(pixels, np.ones(pixels.shape[:2], bool)).with_rows(25), "picture")
    press(qtbot, window, "Shift+R")
    qtbot.waitUntil(lambda: window.race.replayable, timeout=LONG)
    window.race.hold()
    qtbot.keyClick(window.race.axis, Qt.Key.Key_End)
    return window


def refused(qtbot, window) -> QWidget:
    """After a completion, which stays where it is."""
    completed(qtbot, window)
    press(qtbot, window, "Ctrl+A")
    press(qtbot, window, "Return")
    qtbot.waitUntil(ended(window), timeout=LONG)
    return window


def scaling(qtbot, window) -> QWidget:
    press(qtbot, window, "T")
    return window


def shortcuts(qtbot, window) -> QWidget:
    press(qtbot, window, "F1")
    qtbot.waitUntil(lambda: window._dialog is not None and window._dialog.isVisible())
    return window._dialog


def touring(qtbot, window) -> QWidget:
    window.actions_["show_tour"].trigger()
    return window


STATES: tuple[Callable, ...] = (empty, story, completed, cifar10, raced, refused, scaling, shortcuts, touring)


@pytest.fixture
def inter(qapp) -> Iterator[None]:
    """The font that comes with the program, for all that is shown."""
    before = qapp.font()
    number = QFontDatabase.addApplicationFont(str(application.FONTS / "Inter-Regular.otf"))
    font = QFont(QFontDatabase.applicationFontFamilies(number)[0], 10)
    font.setHintingPreference(QFont.HintingPreference.PreferNoHinting)
    qapp.setFont(font)
    qapp.setStyleSheet("")  # of an earlier window, which would have a part in the sizes of this one's buttons
    yield
    qapp.setFont(before)
    QFontDatabase.removeApplicationFont(number)


@pytest.fixture
def scene(inter, no_threads_left, qtbot, tmp_path) -> Iterator[QWidget]:
    """A window that computes on the CPU from a seed of its own."""
    state = tmp_path / "session.json"
    session.save(
        session.Session(samples=4, seed=7, keep_seed=True, live=False, theme="light", device="cpu", toured=True), state
    )
    yield from opened(qtbot, state)


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_looks_as_before(state, scene, qtbot, request):
    shown = state(qtbot, scene)
    found = []
    for theme in THEMES:
        made, name = picture(qtbot, scene, shown, theme), f"{state.__name__}-{theme}"
        if request.config.getoption("--renew-snapshots"):
            keep(made, SNAPSHOTS / f"{name}.png")
        elif words := differs(made, name, drawn_by_models(shown, made)):
            found.append(words)
    assert not found


def test_no_snapshot_is_left_over():
    kept = {path.name for path in SNAPSHOTS.iterdir()}
    assert kept == {f"{state.__name__}-{theme}.png" for state in STATES for theme in THEMES}
    assert all((SNAPSHOTS / name).stat().st_size <= MOST for name in kept)


def test_a_difference_is_found_and_shown(tmp_path, monkeypatch):
    monkeypatch.setattr("test_snapshots.SNAPSHOTS", tmp_path)
    monkeypatch.setattr("test_snapshots.FAILED", tmp_path / "failed")
    before = np.full((200, 300, 3), 240, np.uint8)
    keep(before, tmp_path / "one.png")
    nothing = np.zeros(before.shape[:2], bool)
    assert differs(before, "one", nothing) == "" and not FAILED.exists()
    after = before.copy()
    after[20:30, 20:30] = 30
    assert "one" in differs(after, "one", nothing)
    assert {p.name for p in FAILED.iterdir()} == {"one-actual.png", "one-difference.png"}
    assert differs(after, "one", ~nothing) == ""  # a few pixels of a model's picture
    after[20:100, 20:80] = 30
    assert "one" in differs(after, "one", ~nothing)
    after[20:100, 20:80] = HIDDEN  # painted over, as a time is
    assert differs(after, "one", nothing) == ""
    assert "size" in differs(before[:100], "one", nothing) and "no snapshot" in differs(before, "two", nothing)


# --- looking --------------------------------------------------------------------------------------------------------


def picture(qtbot, window: QWidget, shown: QWidget, theme: str) -> np.ndarray:
    """What a widget shows in a theme, [height, width, 3] uint8, with all that varies from run to run painted over."""
    window.choose_theme(theme)
    QToolTip.hideText()
    before: list[QRect] = []
    while before != (before := [widget.geometry() for widget in shown.findChildren(QWidget)]):
        qtbot.wait(50)  # until layouts have settled
    grabbed = shown.grab()
    assert grabbed.devicePixelRatio() == 1
    if shown is window:
        assert (grabbed.width(), grabbed.height()) == SIZE
    painter = QPainter(grabbed)
    for box in varying(shown):
        painter.fillRect(box, QColor(*HIDDEN))
    painter.end()
    image = grabbed.toImage().convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()


def varying(shown: QWidget) -> Iterator[QRect]:
    """Where times are told or plotted, and what the machine is."""
    for widget in shown.findChildren(QWidget):
        if not widget.isVisibleTo(shown):
            continue
        words = widget.text() if isinstance(widget, (QLabel, QAbstractButton)) else ""
        figures = getattr(getattr(shown, "completion", None), "_figures", {})
        told = widget in [figures[name] for name in ("seconds", "rate") if name in figures] and words != "–"
        plotted = isinstance(widget, (pg.PlotWidget, TimeAxis)) and bool(shown.runs.history or shown.race.replayable)
        if TIMED.search(words) or told or plotted or isinstance(widget, QStatusBar):
            yield place(widget, shown)


def place(widget: QWidget, shown: QWidget) -> QRect:
    return QRect(widget.mapTo(shown, QPoint(0, 0)), widget.size())


def drawn_by_models(shown: QWidget, made: np.ndarray) -> np.ndarray:
    """Where what a model made is shown, as a mask of the picture."""
    mask = np.zeros(made.shape[:2], bool)
    for widget in shown.findChildren(QWidget):
        pictures = isinstance(widget, (CompletionPanel, LatentPanel)) and shown.runs.history
        if widget.isVisibleTo(shown) and (pictures or isinstance(widget, RacePicture)):
            box = place(widget, shown)
            mask[box.top() : box.bottom() + 1, box.left() : box.right() + 1] = True
    return mask


# --- comparing ------------------------------------------------------------------------------------------------------


def keep(made: np.ndarray, path: Path) -> None:
    """As a small PNG: a window has few colours, and none of them is missed by much."""
    path.parent.mkdir(exist_ok=True)
    for colours in 255, 96, 48, 24:
        few = Image.fromarray(made).quantize(colours, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)
        few.save(path, optimize=True)
        if path.stat().st_size <= MOST:
            break


def differs(made: np.ndarray, name: str, by_models: np.ndarray) -> str:
    """A sentence where a picture is not what was kept under that name; else empty."""
    path = SNAPSHOTS / f"{name}.png"
    if not path.exists():
        return f"{name}: there is no snapshot; keep one by --renew-snapshots"
    with Image.open(path) as image:
        kept = np.asarray(image.convert("RGB"))
    if kept.shape != made.shape:
        return f"{name}: the size is {made.shape[1::-1]}, not {kept.shape[1::-1]}"
    difference = np.abs(kept.astype(int) - made).max(-1) * ~(hides(kept) | hides(made))
    off = difference > OFF
    if (off & ~by_models).mean() <= FEW and off.mean() <= MORE:
        return ""
    FAILED.mkdir(exist_ok=True)
    Image.fromarray(made).save(FAILED / f"{name}-actual.png")
    Image.fromarray((255 - difference).astype(np.uint8)).save(FAILED / f"{name}-difference.png")
    return f"{name}: {off.sum():,} pixels are off; see {FAILED.name}"


def hides(image: np.ndarray) -> np.ndarray:
    return (np.abs(image.astype(int) - HIDDEN) < 16).all(-1)
