"""Panels on their own: latents of both kinds, a finger, a pen."""

import numpy as np
import pytest
from conftest import at, connected
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QInputDevice, QPointingDevice, QTabletEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app import session, theme
from app.canvas import Canvas
from app.panels.latents import CELL, LatentPanel, diverging, enlarge
from app.runs import Run
from vssm import data
from vssm.generation import GenerationRequest, Latents, Started


def run_with(kind: str, classes: int, levels=((7, 7), (14, 14)), variables: int = 5, samples: int = 2) -> Run:
    """A run whose latents are all 0 but for one of the second sample."""
    run = Run(1, "vssm", "mnist", GenerationRequest(session.fresh_prompt(data.MNIST), samples))
    run.add(Started("vssm", "VSSM", 784, samples, len(levels), "CPU", 1, False))
    for number, grid in enumerate(levels, 1):
        codes = np.zeros((samples, *grid, variables), np.float32)
        codes[1, 0, 0, 0] = 3
        run.add(Latents(0.01 * number, number, len(levels), kind, classes, codes, codes.sum(-1)))
    return run


@pytest.fixture
def panel(qtbot):
    made = LatentPanel()
    made.resize(500, 320)
    qtbot.addWidget(made)
    with qtbot.waitExposed(made):
        made.show()
    made.retheme(theme.LIGHT)
    return made


@pytest.mark.parametrize(("kind", "classes"), [("gaussian", 0), ("categorical", 4)])
def test_latents_are_shown_by_level_and_follow_the_sample(panel, kind, classes):
    run = run_with(kind, classes)
    panel.show_run(run)
    assert sorted(panel._items) == [1, 2] and panel.view.isVisible()
    plain = panel._items[1][0].image.copy()
    assert (plain[0, 0] == plain[CELL - 1, CELL - 1]).all()
    run.shown = 1
    panel.show_run(run)
    lit = panel._items[1][0].image
    assert not (lit[0, 0] == plain[0, 0]).all() and (lit[CELL - 1, CELL - 1] == plain[0, 0]).all()
    assert panel._scale.isVisible() == (kind == "gaussian")


def test_entropy_is_one_map_a_level(panel, qtbot):
    panel.show_run(run_with("gaussian", 0))
    qtbot.keyClick(panel.what, Qt.Key.Key_Down)
    assert panel.what.currentText() == "entropy"
    assert panel._items[2][0].image.shape == (CELL, CELL, 3)


def test_a_model_without_latents_says_so(panel):
    panel.show_run(run_with("gaussian", 0, levels=()))
    assert panel._message.isVisible() and "has no latents" in panel._message.text()
    assert not panel.view.isVisible()


def test_blocks_of_latents_never_overlap_or_leave_the_panel(panel, qtbot):
    for size in ((320, 160), (900, 200), (400, 700)):
        panel.resize(*size)
        qtbot.wait(10)
        panel.show_run(run_with("gaussian", 0, levels=((7, 7),) * 3 + ((14, 14),) * 4, variables=8))
        rects = [item.mapRectToParent(item.boundingRect()) for item, _ in panel._items.values()]
        for i, one in enumerate(rects):
            assert one.right() <= panel.view.width() + 1 and one.bottom() <= panel.view.height() + 1
            assert not any(one.intersects(other) for other in rects[i + 1 :])


def test_enlarging_keeps_places():
    small = np.arange(49).reshape(7, 7)
    assert np.array_equal(enlarge(small)[::4, ::4], small)


def test_zero_has_the_middle_colour():
    colours = diverging(theme.LIGHT)
    assert np.abs(colours[127].astype(int) - [0xF4, 0xF5, 0xF6]).max() <= 2


@pytest.fixture
def canvas(qtbot):
    made = Canvas(data.MNIST, session.fresh_prompt(data.MNIST))
    made.resize(400, 420)
    qtbot.addWidget(made)
    with qtbot.waitExposed(made):
        made.show()
    return made


def test_a_finger_draws(canvas, qtbot):
    finger = QTest.createTouchDevice()
    with qtbot.waitSignal(canvas.lifted):
        QTest.touchEvent(canvas, finger).press(0, at(canvas, 3, 3), canvas).commit()
        QTest.touchEvent(canvas, finger).move(0, at(canvas, 24, 8), canvas).commit()
        QTest.touchEvent(canvas, finger).release(0, at(canvas, 24, 8), canvas).commit()
    ink = canvas.sketch.pixels[..., 0] > 0
    assert ink[3, 3] and ink[8, 24] and connected(ink)


@pytest.mark.parametrize(
    ("kind", "draws"), [(QPointingDevice.PointerType.Pen, True), (QPointingDevice.PointerType.Eraser, False)]
)
def test_a_tablets_pen_draws_and_its_rubber_erases(canvas, draw, kind, draws):
    draw(canvas, [(3, 3), (24, 3)])
    before = (canvas.sketch.pixels > 0).sum()
    stylus = QPointingDevice("stylus", 1, QInputDevice.DeviceType.Stylus, kind, QInputDevice.Capability.Position, 1, 3)
    moves = (QEvent.Type.TabletPress, (10, 1)), (QEvent.Type.TabletMove, (10, 9)), (QEvent.Type.TabletRelease, (10, 9))
    for event, place in moves:
        spot = QPointF(at(canvas, *place))
        QApplication.sendEvent(
            canvas,
            QTabletEvent(
                event,
                stylus,
                spot,
                canvas.mapToGlobal(spot),
                0.5,
                0,
                0,
                0,
                0,
                0,
                Qt.KeyboardModifier.NoModifier,
                Qt.MouseButton.LeftButton,
                Qt.MouseButton.LeftButton,
            ),
        )
    assert ((canvas.sketch.pixels > 0).sum() > before) == draws
    assert bool(canvas.sketch.pixels[3, 10, 0]) == draws
