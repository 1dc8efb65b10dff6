"""The sketch, drawn on by real mouse and key events."""

import dataclasses
import itertools

import numpy as np
import pytest
from conftest import at, connected
from hypothesis import given, settings
from hypothesis import strategies as st
from PySide6.QtCore import Qt
from windows import exposed

from app.core.sketch import Sketch
from app.ui.widgets.canvas import Canvas
from vssm import data
from vssm.prompt import Prompt

POINTS = st.tuples(st.floats(-5, 33), st.floats(-5, 33))


@pytest.fixture
def canvas(qtbot):
    return exposed(qtbot, Canvas(data.MNIST, Sketch(Prompt.empty(28, 28, 1).with_rows(14))), 400, 420)


def ink(canvas) -> np.ndarray:
    return canvas.sketch.pixels[..., 0] > 0


def test_a_click_draws_where_it_is(canvas, draw):
    draw(canvas, [(5, 3)])
    assert ink(canvas)[3, 5]
    ys, xs = np.nonzero(ink(canvas))
    assert abs(ys.mean() - 3) < 0.6 and abs(xs.mean() - 5) < 0.6


@pytest.mark.parametrize("size", [1, 3, 6])
def test_fast_strokes_have_no_gaps(canvas, draw, size):
    canvas.pen = size
    draw(canvas, [(1, 1), (26, 3), (2, 12), (25, 25)])  # three events for the whole way
    assert connected(ink(canvas))
    assert ink(canvas)[1, 1] and ink(canvas)[25, 25]
    assert ink(canvas).sum() >= 60


@given(st.lists(POINTS, min_size=2, max_size=5), st.integers(1, 8))
@settings(max_examples=60)
def test_any_polyline_hangs_together(points, size):
    """The gapless property itself, with the samplerl, for any points inside or outside the picture."""
    sketch = Sketch(Prompt.empty(60, 60, 1))
    inside = [(x + 12, y + 12) for x, y in points]
    for a, b in itertools.pairwise(inside):
        sketch.stroke("brush", a, b, size)
    assert connected(sketch.pixels[..., 0] > 0)


def test_curves_are_smooth(canvas, draw):
    """A corner of the mouse's path is rounded: the pen does not visit the outer corner pixel."""
    canvas.pen = 1
    draw(canvas, [(4, 20), (20, 20), (20, 4)])
    assert connected(ink(canvas))
    assert not ink(canvas)[20, 20] and ink(canvas)[20, 4] and ink(canvas)[4, 20]


def test_the_right_button_erases(canvas, draw):
    draw(canvas, [(4, 4), (20, 4)])
    before = ink(canvas).sum()
    draw(canvas, [(10, 4), (14, 4)], Qt.MouseButton.RightButton)
    assert not ink(canvas)[4, 10:15].any()
    assert 0 < ink(canvas).sum() < before


def test_drawing_makes_unknown_pixels_known_and_erasing_gives_them_back(canvas, draw):
    assert not canvas.sketch.known[20].any()
    draw(canvas, [(5, 20), (15, 20)])
    assert canvas.sketch.known[20, 5:16].all() and not canvas.sketch.known[25].any()
    draw(canvas, [(3, 20), (18, 20)], Qt.MouseButton.RightButton)
    canvas.pen = 8
    draw(canvas, [(3, 20), (18, 20)], Qt.MouseButton.RightButton)
    assert np.array_equal(canvas.sketch.known, Prompt.empty(28, 28, 1).with_rows(14).known)


def test_the_known_line_follows_the_lowest_ink_until_it_is_set(canvas, draw):
    canvas.change("clear", canvas.sketch.clear)
    canvas.pen = 1
    assert not canvas.sketch.known.any()  # Complete invents a whole picture
    for y in (6, 12):
        draw(canvas, [(5, 3), (15, y)])
        assert canvas.sketch.rows == y + 1 and canvas.sketch.known.sum() == 28 * (y + 1)
    canvas.undo()
    assert canvas.sketch.rows == 7
    canvas.redo()
    canvas.pen = 8
    draw(canvas, [(4, 12), (16, 12)], Qt.MouseButton.RightButton)
    assert 0 < canvas.sketch.rows < 12 and canvas.sketch.rows == np.flatnonzero(ink(canvas).any(1))[-1] + 1
    canvas.change("rows", canvas.sketch.set_known, canvas.sketch.prompt.with_rows(10).known)
    draw(canvas, [(4, 20), (16, 20)])
    assert canvas.sketch.rows == 10 and canvas.sketch.known[20, 5] and not canvas.sketch.known[20, 24]
    canvas.change("clear", canvas.sketch.clear)
    draw(canvas, [(5, 9)])
    assert canvas.sketch.rows > 9


def test_a_frame_shows_where_digits_lie(canvas):
    """Around 20 x 20 pixels in the middle, on screen only."""
    canvas.change("known", canvas.sketch.set_known, canvas.sketch.known | True)
    canvas.change("stroke", canvas.sketch.stroke, "brush", (1, 1), (2, 1), 1)  # so that no hint is written over it
    shot, field = canvas.grab().toImage(), canvas.field()
    light = np.array([[shot.pixelColor(x, y).lightness() for x in range(shot.width())] for y in range(shot.height())])
    long = 0.4 * 20 / 28 * field.width()  # it is dashed
    edges = {axis: np.flatnonzero(((light > 15) & (light < 120)).sum(axis) > long) for axis in (0, 1)}
    for axis, start in ((0, field.left()), (1, field.top())):
        inner = edges[axis][(edges[axis] > start + 20) & (edges[axis] < start + field.width() - 20)]
        assert inner[[0, -1]] == pytest.approx([start + field.width() * part / 28 for part in (4, 24)], abs=2)
    assert not canvas.sketch.prompt.pixels[4:24].any()


def test_known_and_unknown_brushes_edit_the_mask_only(canvas, draw):
    draw(canvas, [(4, 4), (20, 4)])
    drawn = ink(canvas).copy()
    canvas.tool = "unknown"
    draw(canvas, [(10, 4), (14, 4)])
    assert not canvas.sketch.known[4, 10:15].any()
    assert not canvas.sketch.prompt.pixels[4, 10:15].any()  # nothing stands under unknown pixels
    canvas.tool = "known"
    draw(canvas, [(10, 4), (14, 4)])
    draw(canvas, [(10, 22)])
    assert canvas.sketch.known[4, 10:15].all() and canvas.sketch.known[22, 10]
    assert np.array_equal(ink(canvas), drawn)


def test_undo_and_redo(canvas, draw):
    empty = canvas.sketch.prompt
    draw(canvas, [(4, 4), (20, 4)])
    one = canvas.sketch.prompt
    draw(canvas, [(4, 20), (20, 20)])
    two = canvas.sketch.prompt
    canvas.undo()
    assert same(canvas.sketch.prompt, one)
    canvas.undo()
    assert same(canvas.sketch.prompt, empty)
    canvas.undo()  # nothing left: nothing happens
    assert same(canvas.sketch.prompt, empty)
    canvas.redo()
    canvas.redo()
    assert same(canvas.sketch.prompt, two)
    canvas.undo()
    draw(canvas, [(1, 1)])
    assert not canvas.sketch.can_redo  # a new stroke ends what could be done again


def same(a: Prompt, b: Prompt) -> bool:
    return np.array_equal(a.pixels, b.pixels) and np.array_equal(a.known, b.known)


def test_the_pen_follows_the_keyboard(canvas, qtbot):
    canvas.pen = 1
    canvas.setFocus()
    x, y = canvas._cell
    for key in (Qt.Key.Key_Left, Qt.Key.Key_Up, Qt.Key.Key_Space):
        qtbot.keyClick(canvas, key)
    assert ink(canvas)[y - 1, x - 1] and ink(canvas).sum() == 1
    qtbot.keyClick(canvas, Qt.Key.Key_Delete)
    assert not ink(canvas).any()


def test_strokes_that_leave_the_field_go_on_when_they_return(canvas, draw):
    draw(canvas, [(25, 5), (40, 8), (25, 12)])
    assert ink(canvas)[5, 25] and ink(canvas)[12, 25]


def test_nothing_assumes_28_or_one_channel(qtbot, draw):
    """A sketch of 16 × 20 colour pixels."""
    colour = dataclasses.replace(data.CIFAR10, name="colour", height=16, width=20)
    made = Canvas(colour, Sketch(Prompt.empty(*colour.shape)))
    made.ink = (10, 200, 30)
    exposed(qtbot, made, 400, 420)
    draw(made, [(2, 2), (18, 14)])
    assert made.sketch.prompt.pixels.shape == (16, 20, 3)
    assert connected(made.sketch.pixels.any(2)) and tuple(made.sketch.pixels[2, 2]) == made.ink


def test_the_picture_on_screen_is_the_sketch(canvas, draw):
    """Ink, known and unknown pixels have different colours where they lie."""
    draw(canvas, [(5, 5)])
    shot = canvas.grab().toImage()
    ratio = shot.width() / canvas.width()
    colours = [
        shot.pixelColor(at(canvas, x, y).x() * ratio, at(canvas, x, y).y() * ratio).name()
        for x, y in ((5, 5), (20, 2), (10, 22))
    ]
    assert colours[0] == "#ffd666" and colours[1] == "#000000"
    assert colours[2] in ("#5e6b84", "#505d75")
