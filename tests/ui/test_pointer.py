"""What one pointer does is not disturbed by others, and ends when its release is lost: mouse, pen and finger."""

import numpy as np
import pytest
from conftest import at
from PIL import Image
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QInputDevice, QMouseEvent, QPointingDevice, QTabletEvent, QTouchEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialog, QHBoxLayout, QSpinBox, QWidget
from windows import exposed

from app.core.sketch import Sketch
from app.ui.crop_dialog import Cropper
from app.ui.widgets.canvas import Canvas
from app.ui.widgets.latent_map import LatentMap
from app.ui.widgets.plot import Curve, Plot
from vssm import data
from vssm.prompt import Prompt

LEFT, RIGHT, NONE = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton, Qt.MouseButton.NoButton
NO_KEYS = Qt.KeyboardModifier.NoModifier


@pytest.fixture
def window(qtbot):
    """A window with a number field and a canvas."""
    made = QWidget()
    row = QHBoxLayout(made)
    made.field = QSpinBox()
    made.canvas = Canvas(data.MNIST, Sketch(Prompt.empty(28, 28, 1).with_rows(14)))
    row.addWidget(made.field)
    row.addWidget(made.canvas)
    exposed(qtbot, made, 520, 420)
    made.activateWindow()
    qtbot.waitUntil(made.isActiveWindow)
    return made


@pytest.fixture
def canvas(window):
    return window.canvas


@pytest.fixture(scope="module")
def screen():
    """A device that is touched."""
    return QTest.createTouchDevice()


def ink(canvas) -> np.ndarray:
    return canvas.sketch.pixels[..., 0] > 0


def mouse(widget, kind: QEvent.Type, place, button=NONE, buttons=NONE) -> None:
    spot = QPointF(place)
    QApplication.sendEvent(widget, QMouseEvent(kind, spot, widget.mapToGlobal(spot), button, buttons, NO_KEYS))


def pen(widget, kind: str, place, button=NONE, buttons=NONE) -> None:
    stylus = QPointingDevice(
        "stylus", 1, QInputDevice.DeviceType.Stylus, QPointingDevice.PointerType.Pen, QInputDevice.Capability.Position,
        1, 3,
    )  # fmt: skip
    spot, kind = QPointF(place), getattr(QEvent.Type, f"Tablet{kind}")
    event = QTabletEvent(
        kind, stylus, spot, widget.mapToGlobal(spot), 0.5, 0, 0, 0, 0, 0, NO_KEYS, button, buttons
    )  # fmt: skip
    QApplication.sendEvent(widget, event)


class Hand:
    """The same gesture by one kind of pointer."""

    def __init__(self, kind: str, widget, screen):
        self.kind, self.widget, self.screen = kind, widget, screen

    def _touch(self):
        return QTest.touchEvent(self.widget, self.screen)

    def press(self, place) -> None:
        if self.kind == "mouse":
            mouse(self.widget, QEvent.Type.MouseButtonPress, place, LEFT, LEFT)
        elif self.kind == "pen":
            pen(self.widget, "Press", place, LEFT, LEFT)
        else:
            self._touch().press(1, place, self.widget).commit()

    def move(self, place, down: bool = True) -> None:
        held = LEFT if down else NONE
        if self.kind == "mouse":
            mouse(self.widget, QEvent.Type.MouseMove, place, NONE, held)
        elif self.kind == "pen":
            pen(self.widget, "Move", place, NONE, held)
        elif down:
            self._touch().move(1, place, self.widget).commit()
        else:  # a finger does not hover
            mouse(self.widget, QEvent.Type.MouseMove, place)

    def release(self, place) -> None:
        if self.kind == "mouse":
            mouse(self.widget, QEvent.Type.MouseButtonRelease, place, LEFT)
        elif self.kind == "pen":
            pen(self.widget, "Release", place, LEFT)
        else:
            self._touch().release(1, place, self.widget).commit()


@pytest.fixture(params=["mouse", "pen", "finger"])
def hand(request, canvas, screen):
    made = Hand(request.param, canvas, screen)
    yield made
    if made.kind == "finger":  # Qt remembers what is down
        made.release(at(canvas, 1, 1))


def other_finger(canvas, screen, *places) -> None:
    """A palm that lands, moves and goes."""
    press, *moves = (at(canvas, *place) for place in places)
    QTest.touchEvent(canvas, screen).press(7, press, canvas).commit()
    for place in moves:
        QTest.touchEvent(canvas, screen).move(7, place, canvas).commit()


def lift(canvas, screen, place) -> None:
    QTest.touchEvent(canvas, screen).release(7, at(canvas, *place), canvas).commit()


def line_alone(window, hand, screen) -> np.ndarray:
    """The ink of the same stroke that nothing disturbs."""
    other = Canvas(data.MNIST, Sketch(Prompt.empty(28, 28, 1).with_rows(14)), window)
    other.resize(window.canvas.size())
    other.show()
    alone = Hand("mouse", other, screen)
    alone.press(at(other, 3, 3))
    for x in (10, 15, 20):
        alone.move(at(other, x, 3))
    alone.release(at(other, 20, 3))
    made = ink(other)
    other.setParent(None)
    return made


def test_a_palm_changes_nothing(window, canvas, hand, screen):
    """Before, while or after which the finger is lifted."""
    expected = line_alone(window, hand, screen)
    hand.press(at(canvas, 3, 3))
    hand.move(at(canvas, 10, 3))
    other_finger(canvas, screen, (20, 25), (5, 20))
    hand.move(at(canvas, 15, 3))
    hand.move(at(canvas, 20, 3))
    hand.release(at(canvas, 20, 3))
    assert not canvas.drawing
    assert np.array_equal(ink(canvas), expected)
    QTest.touchEvent(canvas, screen).move(7, at(canvas, 25, 25), canvas).commit()
    assert np.array_equal(ink(canvas), expected)  # the palm still lies there
    hand.press(at(canvas, 5, 10))
    hand.release(at(canvas, 5, 10))
    assert ink(canvas)[10, 5] and not ink(canvas)[20:].any()
    lift(canvas, screen, (25, 25))
    canvas.undo()
    canvas.undo()
    assert not ink(canvas).any() and not canvas.sketch.can_undo


def test_a_pen_takes_over_from_a_palm(canvas, screen):
    other_finger(canvas, screen, (20, 25), (5, 20))
    assert ink(canvas)[25, 20]
    pen(canvas, "Press", at(canvas, 3, 3), LEFT, LEFT)
    assert ink(canvas)[3, 3] and not ink(canvas)[10:].any()
    QTest.touchEvent(canvas, screen).move(7, at(canvas, 10, 20), canvas).commit()
    pen(canvas, "Release", at(canvas, 3, 3), LEFT)
    lift(canvas, screen, (10, 20))
    assert not ink(canvas)[10:].any()
    canvas.undo()
    assert not ink(canvas).any() and not canvas.sketch.can_undo


@pytest.mark.parametrize("tool", ["brush", "eraser", "known", "unknown", "rectangle", "fill"])
def test_a_touch_that_the_system_takes_back_leaves_no_trace(canvas, draw, screen, qtbot, tool):
    draw(canvas, [(4, 4), (20, 4)])
    draw(canvas, [(4, 9), (20, 9)])
    canvas.undo()
    canvas.tool = tool
    before, changes = canvas.sketch.prompt, []
    canvas.changed.connect(lambda: changes.append(canvas.sketch.prompt))
    hand = Hand("finger", canvas, screen)
    hand.press(at(canvas, 10, 4))
    hand.move(at(canvas, 15, 16))
    event = QTouchEvent(QEvent.Type.TouchCancel, screen, NO_KEYS, [])
    QApplication.sendEvent(canvas, event)
    hand.move(at(canvas, 20, 20))
    hand.release(at(canvas, 20, 20))
    assert not canvas.drawing
    assert np.array_equal(canvas.sketch.pixels * canvas.sketch.known[..., None], before.pixels)
    assert np.array_equal(canvas.sketch.known, before.known)
    if changes:
        assert np.array_equal(changes[-1].pixels, before.pixels)
    assert canvas.sketch.can_redo
    canvas.redo()
    assert ink(canvas)[9, 4:21].all()
    canvas.undo()
    canvas.undo()
    assert not ink(canvas).any() and not canvas.sketch.can_undo


def test_a_hovering_pen_paints_nothing_whatever_its_barrel_does(canvas):
    for button in (RIGHT, Qt.MouseButton.MiddleButton):
        pen(canvas, "Press", at(canvas, 3, 3), button, button)
        pen(canvas, "Move", at(canvas, 20, 20), NONE, button)
        pen(canvas, "Release", at(canvas, 20, 20), button)
    pen(canvas, "Move", at(canvas, 5, 5))
    assert not canvas.sketch.can_undo and not ink(canvas).any() and not canvas.drawing


def test_a_click_of_the_barrel_leaves_a_stroke_as_it_is(canvas):
    pen(canvas, "Press", at(canvas, 3, 3), LEFT, LEFT)
    pen(canvas, "Move", at(canvas, 8, 3), NONE, LEFT)
    pen(canvas, "Press", at(canvas, 8, 3), RIGHT, LEFT | RIGHT)
    pen(canvas, "Move", at(canvas, 12, 3), NONE, LEFT | RIGHT)
    pen(canvas, "Release", at(canvas, 12, 3), RIGHT, LEFT)
    pen(canvas, "Move", at(canvas, 20, 3), NONE, LEFT)
    assert canvas.drawing
    pen(canvas, "Release", at(canvas, 20, 3), LEFT)
    assert ink(canvas)[3, 3:21].all() and not canvas.drawing
    canvas.undo()
    assert not canvas.sketch.can_undo


def test_the_tip_erases_while_the_barrel_is_held(canvas, draw):
    draw(canvas, [(4, 4), (20, 4)])
    pen(canvas, "Press", at(canvas, 8, 9), RIGHT, RIGHT)
    pen(canvas, "Press", at(canvas, 8, 4), LEFT, LEFT | RIGHT)
    pen(canvas, "Move", at(canvas, 12, 4), NONE, LEFT | RIGHT)
    pen(canvas, "Release", at(canvas, 12, 4), LEFT, RIGHT)
    assert not ink(canvas)[4, 8:13].any() and ink(canvas)[4, 4] and not canvas.drawing


def test_other_buttons_of_the_mouse_change_nothing(canvas):
    mouse(canvas, QEvent.Type.MouseButtonPress, at(canvas, 3, 3), LEFT, LEFT)
    mouse(canvas, QEvent.Type.MouseButtonPress, at(canvas, 3, 3), RIGHT, LEFT | RIGHT)
    mouse(canvas, QEvent.Type.MouseMove, at(canvas, 9, 3), NONE, LEFT | RIGHT)
    mouse(canvas, QEvent.Type.MouseButtonRelease, at(canvas, 9, 3), RIGHT, LEFT)
    mouse(canvas, QEvent.Type.MouseMove, at(canvas, 20, 3), NONE, LEFT)
    mouse(canvas, QEvent.Type.MouseButtonRelease, at(canvas, 20, 3), LEFT)
    assert ink(canvas)[3, 3:21].all()


def test_a_stroke_takes_the_focus_from_a_number(window, hand, qtbot):
    canvas = window.canvas
    window.field.setFocus()
    window.field.selectAll()
    qtbot.keyClicks(window.field, "7")
    hand.press(at(canvas, 3, 3))
    hand.move(at(canvas, 20, 3))
    hand.release(at(canvas, 20, 3))
    if hand.kind != "mouse":  # to which Qt itself gives the focus, where it is a real one
        assert canvas.hasFocus()
    assert ink(canvas)[3, 3:21].all() and window.field.value() == 7


def interrupt(window, how: str, qtbot) -> None:
    if how == "dialog":
        dialog = QDialog(window)
        dialog.setModal(True)
        dialog.open()
        qtbot.waitUntil(dialog.isVisible)
        dialog.close()
    elif how == "another window":
        other = QWidget()
        qtbot.addWidget(other)
        other.show()
        other.activateWindow()
        qtbot.waitUntil(lambda: not window.isActiveWindow())
    elif how == "focus":
        window.canvas.setFocus()
        window.field.setFocus()
    elif how == "hidden":
        window.hide()
        window.show()
    elif how == "ungrabbed":
        QApplication.sendEvent(window.canvas, QEvent(QEvent.Type.UngrabMouse))
    else:
        assert how == "release lost"


HOW = ["dialog", "another window", "focus", "hidden", "ungrabbed", "release lost"]


@pytest.mark.parametrize("how", HOW)
def test_a_stroke_ends_where_its_release_may_never_come(window, hand, qtbot, how):
    canvas = window.canvas
    hand.press(at(canvas, 3, 3))
    hand.move(at(canvas, 8, 3))
    interrupt(window, how, qtbot)
    assert how == "release lost" or not canvas.drawing
    hand.move(at(canvas, 25, 25), down=False)
    hand.move(at(canvas, 3, 25), down=False)
    if how != "release lost" or hand.kind != "finger":  # a finger that still moves is still down
        assert not canvas.drawing
        hand.release(at(canvas, 3, 25))
        assert not canvas.drawing
    assert ink(canvas)[3, 3] and not ink(canvas)[8:].any()


def test_a_second_press_begins_a_stroke_of_its_own(canvas, hand):
    """The release of the first was lost: no line joins the two."""
    hand.press(at(canvas, 4, 4))
    hand.move(at(canvas, 8, 4))
    hand.press(at(canvas, 20, 10))
    hand.move(at(canvas, 24, 10))
    hand.release(at(canvas, 24, 10))
    drawn = ink(canvas)
    assert drawn[4, 4:8].all() and drawn[10, 20:24].all() and not drawn[6:9].any()
    canvas.undo()
    assert ink(canvas)[4, 4:8].all() and not ink(canvas)[6:].any()


@pytest.mark.parametrize("how", HOW)
def test_a_rectangle_ends_without_effect(window, hand, qtbot, how):
    canvas = window.canvas
    canvas.tool = "rectangle"
    before = canvas.sketch.known
    hand.press(at(canvas, 3, 18))
    hand.move(at(canvas, 8, 25))
    interrupt(window, how, qtbot)
    if how != "release lost":
        hand.release(at(canvas, 3, 25))
    elif hand.kind != "finger":
        hand.move(at(canvas, 8, 25), down=False)
        assert not canvas.drawing
    assert np.array_equal(canvas.sketch.known, before)


@pytest.fixture
def level(qtbot):
    made = LatentMap()
    made.resize(200, 200)
    made.show_level(np.zeros((5, 5, 3), np.uint8), (5, 5), None)
    qtbot.addWidget(made)
    with qtbot.waitExposed(made):
        made.show()
    return made


def within(widget, field, x: float, y: float) -> QPoint:
    return QPointF(field.left() + x * field.width(), field.top() + y * field.height()).toPoint()


@pytest.mark.parametrize("kind", ["mouse", "pen", "finger"])
@pytest.mark.parametrize("end", ["release", "lost", "blocked", "cancelled", "palm"])
def test_codes_are_drawn_anew_by_a_whole_drag_only(level, screen, kind, end):
    asked = []
    level.edited.connect(asked.append)
    hand, places = Hand(kind, level, screen), [within(level, level.field, v, v) for v in (0.1, 0.5, 0.9)]
    hand.press(places[0])
    hand.move(places[1])
    if end == "palm":
        QTest.touchEvent(level, screen).press(7, places[2], level).commit()
        QTest.touchEvent(level, screen).move(7, places[0], level).commit()
    elif end == "lost":
        hand.move(places[2], down=False)
    elif end == "blocked":
        QApplication.sendEvent(level, QEvent(QEvent.Type.WindowBlocked))
    elif end == "cancelled":
        QApplication.sendEvent(level, QTouchEvent(QEvent.Type.TouchCancel, screen, NO_KEYS, []))
    hand.release(places[1])
    if end == "palm":
        QTest.touchEvent(level, screen).release(7, places[2], level).commit()
    whole = end in ("release", "palm") or (end == "cancelled" and kind != "finger") or (end, kind) == ("lost", "finger")
    assert len(asked) == whole
    if whole:
        assert asked[0][:3, :3].all() and asked[0].sum() == 9


@pytest.mark.parametrize("kind", ["mouse", "pen", "finger"])
@pytest.mark.parametrize("end", ["lost", "blocked", "cancelled"])
def test_a_crop_stays_once_its_drag_has_ended(qtbot, screen, kind, end):
    crop = exposed(qtbot, Cropper(Image.new("RGB", (300, 200)), data.CIFAR10), 300, 200)
    crop.place(20, 20, 100)
    first, hand = crop.box, Hand(kind, crop, screen)
    hand.press(QPoint(70, 70))
    hand.move(QPoint(100, 90))
    moved = crop.box
    assert moved != first
    if end == "blocked":
        QApplication.sendEvent(crop, QEvent(QEvent.Type.WindowBlocked))
    elif end == "cancelled":
        QApplication.sendEvent(crop, QTouchEvent(QEvent.Type.TouchCancel, screen, NO_KEYS, []))
        if kind == "finger":
            assert crop.box == first
            moved = first
    hand.move(QPoint(200, 150), down=False)
    assert crop.box == moved
    if kind == "finger":
        hand.release(QPoint(200, 150))


@pytest.mark.parametrize("end", ["lost", "blocked", "focus"])
def test_a_plot_is_not_dragged_on(qtbot, end):
    plot = Plot("Times", "times", {})
    plot.tell([Curve(np.array([1.0, 2.0]), np.array([1.0, 2.0]), str)])
    plot.fit((0, 3), (0, 3))
    exposed(qtbot, plot, 400, 300)
    view = plot.viewport()
    mouse(view, QEvent.Type.MouseButtonPress, QPoint(150, 100), LEFT, LEFT)
    mouse(view, QEvent.Type.MouseMove, QPoint(250, 200), NONE, LEFT)
    if end == "blocked":
        QApplication.sendEvent(view, QEvent(QEvent.Type.WindowBlocked))
    elif end == "focus":
        plot.setFocus()
        plot.clearFocus()
    mouse(view, QEvent.Type.MouseMove, QPoint(280, 220))
    assert not plot.zoom_box.rbScaleBox.isVisible()
    mouse(view, QEvent.Type.MouseButtonRelease, QPoint(280, 220), LEFT)
    assert not plot.zoom_box.zoomed
