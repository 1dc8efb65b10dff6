"""The window in colour: a desk for each data set, colours, tools, pictures from outside, completions."""

import itertools

import numpy as np
import pytest
from conftest import at, ended, opened
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QColorDialog, QDialogButtonBox, QFileDialog, QLineEdit
from windows import LEFT, LONG, button_of, choose, complete, model_button, press, said, take, type_in

from app.core import session
from app.core.dataset_settings import PEN
from app.core.sketch import Sketch
from app.ui.actions import in_colour
from app.ui.widgets.palette import COLOURS
from vssm import checkpoint, data
from vssm.files.examples import examples
from vssm.models import registry
from vssm.prompt import Prompt

RIGHT, SHIFT, ALT = Qt.MouseButton.RightButton, Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.AltModifier
RED, SKY = COLOURS["Red"], COLOURS["Sky"]


def click(qtbot, window, x, y, button=LEFT, modifiers=Qt.KeyboardModifier.NoModifier) -> None:
    """On a pixel."""
    qtbot.mouseClick(window.canvas, button, modifiers, at(window.canvas, x, y))


def ink(qtbot, window, name: str) -> None:
    """Choose a colour in the palette, by mouse."""
    palette = window.sketch.palette_
    qtbot.mouseClick(palette, LEFT, pos=palette.cell(list(COLOURS).index(name)).center().toPoint())
    assert window.canvas.ink == COLOURS[name]


def pixel(window, x, y) -> tuple[int, ...]:
    return tuple(window.canvas.sketch.pixels[y, x].tolist())


def known(window) -> np.ndarray:
    return window.canvas.sketch.known


# --- two data sets


def test_each_data_set_keeps_its_sketch_history_and_temperature(mnist, draw, qtbot):
    window = mnist
    draw(window.canvas, [(5, 3), (22, 5)])
    digit = window.canvas.sketch.prompt
    type_in(qtbot, window.bar.temperature, "0.5")
    press(qtbot, window, "Ctrl+2")
    assert window.workspace.data is data.CIFAR10 and window.windowTitle().startswith("CIFAR-10")
    assert window.canvas.sketch.pixels.shape == (32, 32, 3) and not known(window).any()
    assert window.bar.temperature.value() == 1 and not window.actions_["undo"].isEnabled()
    assert window.sketch.rows.maximum() == 32 and len(window.sketch.thumbs) == 8
    ink(qtbot, window, "Red")
    draw(window.canvas, [(5, 20), (25, 20)])
    type_in(qtbot, window.bar.temperature, "0.8")
    qtbot.mouseClick(button_of(window.actions_["choose_data", "mnist"]), LEFT)
    assert np.array_equal(window.canvas.sketch.prompt.pixels, digit.pixels)
    assert window.bar.temperature.value() == 0.5 and window.sketch.rows.maximum() == 28
    press(qtbot, window, "Ctrl+Z")
    assert not window.canvas.sketch.pixels.any()
    draw(window.canvas, [(5, 3)])
    assert pixel(window, 5, 3) == (255,)  # the red stays in colour
    press(qtbot, window, "Ctrl+2")
    assert pixel(window, 15, 20) == RED and window.bar.temperature.value() == 0.8 and window.canvas.ink == RED
    press(qtbot, window, "Ctrl+Z")
    assert not known(window).any()


def test_both_sketches_and_what_belongs_to_them_come_back(qtbot, tmp_path, draw, no_threads_left):
    state = tmp_path / "session.json"
    for window in opened(qtbot, state, tmp_path):
        draw(window.canvas, [(5, 3), (22, 5)])
        press(qtbot, window, "4")
        press(qtbot, window, "M")
        press(qtbot, window, "Ctrl+2")
        draw(window.canvas, [(5, 20), (25, 20)])
        window.sketch.use((1, 2, 3), True)
        press(qtbot, window, "1")
        press(qtbot, window, "X")
        window.bar.temperature.setValue(0.6)
        left = window.session()
    for window in opened(qtbot, state, tmp_path):
        assert window.session() == left == session.load(state)
        assert (
            window.workspace.data is data.CIFAR10
            and window.canvas.ink == (1, 2, 3)
            and window.bar.temperature.value() == 0.6
        )
        assert pixel(window, 15, 20) == PEN and window.bar.modes.pixels.currentText() == "Sampled"
        assert window.sketch.palette_.colours[-1] == (1, 2, 3)
        press(qtbot, window, "Ctrl+1")
        assert pixel(window, 5, 3) == (255,)
        assert window.workspace.dataset_settings.samplers == {"asarm": ("sequential", None)}


def test_modes_are_those_of_the_data_set(colour, qtbot):
    press(qtbot, colour, "4")
    type_in(qtbot, colour.bar.modes.number, "1000")
    assert colour.bar.modes.number.value() == 1000
    press(qtbot, colour, "Ctrl+1")
    assert colour.bar.modes.number.value() == 32 and colour.bar.modes.number.maximum() == 784
    press(qtbot, colour, "Ctrl+2")
    assert colour.bar.modes.number.value() == 1000


def test_colour_widgets_are_absent_from_digits(mnist, qtbot):
    window = mnist
    alone = [s.key for s in window.actions_.specs if s.fits is in_colour]
    assert ("choose_tool", "fill") in alone and "choose_colour" in alone
    for on in (False, True):
        assert window.sketch.palette_.isVisible() == window.sketch.ink.isVisible() == on
        for key in alone:
            assert window.actions_[key].isVisible() == window.actions_[key].isEnabled() == on
        for tool in ("fill", "pick"):
            assert button_of(window.actions_["choose_tool", tool]).isVisible() == on
        press(qtbot, window, "F")
        assert window.canvas.tool == ("fill" if on else "brush")
        press(qtbot, window, "Ctrl+2")
    press(qtbot, window, "Ctrl+1")
    assert window.canvas.tool == "brush" and window.actions_["choose_tool", "brush"].isChecked()


def test_pixels_are_offered_where_a_model_has_both(colour, qtbot):
    picker = colour.bar.modes
    press(qtbot, colour, "1")
    assert (
        picker.pixels.isVisible()
        and picker.pixels.currentText() == "Mean"
        and "mean" in picker.pixels.toolTip().lower()
    )
    press(qtbot, colour, "X")
    assert picker.pixels.currentText() == "Sampled" and colour.workspace.dataset_settings.pixel_mode == "sampled"
    qtbot.keyClick(picker.pixels, Qt.Key.Key_Down)
    assert colour.workspace.dataset_settings.pixel_mode == "mean"
    press(qtbot, colour, "2")
    assert not picker.pixels.isVisible() and colour.bar.settings().pixel_mode == "sampled"
    press(qtbot, colour, "X")
    assert colour.workspace.dataset_settings.pixel_mode == "mean"


# --- colours


def test_the_brush_paints_in_the_chosen_colour_and_makes_known(colour, draw, qtbot):
    ink(qtbot, colour, "Red")
    draw(colour.canvas, [(4, 4), (20, 4)])
    assert pixel(colour, 12, 4) == RED and known(colour)[4, 12] and not known(colour)[20].any()
    ink(qtbot, colour, "Sky")
    draw(colour.canvas, [(12, 2), (12, 8)])
    assert pixel(colour, 12, 4) == SKY and pixel(colour, 6, 4) == RED
    shot = colour.canvas.grab().toImage()
    assert shot.pixelColor(at(colour.canvas, 6, 4)).getRgb()[:3] == RED


def test_the_eraser_makes_unknown_and_undo_brings_back(colour, draw, qtbot):
    take(qtbot, colour, 0)
    before = colour.canvas.sketch.prompt
    press(qtbot, colour, "E")
    draw(colour.canvas, [(4, 4), (20, 4)])
    assert not known(colour)[4, 4:21].any() and not colour.canvas.sketch.prompt.pixels[4, 4:21].any()
    press(qtbot, colour, "Ctrl+Z")
    assert np.array_equal(colour.canvas.sketch.prompt.pixels, before.pixels)
    draw(colour.canvas, [(4, 8)], RIGHT)
    assert not known(colour)[8, 4]
    press(qtbot, colour, "Ctrl+Backspace")
    assert not known(colour).any()


def test_the_palette_by_keys(colour, qtbot):
    palette = colour.sketch.palette_
    palette.setFocus()
    qtbot.keyClick(palette, Qt.Key.Key_Right)
    qtbot.keyClick(palette, Qt.Key.Key_Right)
    qtbot.keyClick(palette, Qt.Key.Key_Return)
    assert colour.canvas.ink == list(COLOURS.values())[2] and "Grey" in palette.accessibleDescription()
    assert colour.messages.text == ""  # Return did not complete
    press(qtbot, colour, ".")
    assert colour.canvas.ink == list(COLOURS.values())[3]
    press(qtbot, colour, ",")
    press(qtbot, colour, ",")
    assert colour.canvas.ink == list(COLOURS.values())[1]


def test_any_colour_by_the_dialog(colour, draw, qtbot):
    press(qtbot, colour, "C")
    dialog = colour.findChild(QColorDialog)
    field = next(f for f in dialog.findChildren(QLineEdit) if f.text().startswith("#"))
    field.selectAll()
    qtbot.keyClicks(field, "#12ab34")
    qtbot.mouseClick(dialog.findChild(QDialogButtonBox).button(QDialogButtonBox.StandardButton.Ok), LEFT)
    assert colour.canvas.ink == (0x12, 0xAB, 0x34) == colour.sketch.palette_.colours[-1]
    assert "#12ab34" in colour.sketch.ink.toolTip() and "#12ab34" in colour.sketch.ink.accessibleName()
    draw(colour.canvas, [(9, 9)])
    assert pixel(colour, 9, 9) == (0x12, 0xAB, 0x34)
    colour.sketch.use((1, 1, 1), True)
    qtbot.mouseClick(colour.sketch.palette_, LEFT, pos=colour.sketch.palette_.cell(13).center().toPoint())
    assert colour.canvas.ink == (0x12, 0xAB, 0x34)  # the second of those used before


def test_the_eyedropper(colour, draw, qtbot):
    take(qtbot, colour, 0)
    wanted = pixel(colour, 7, 3)
    press(qtbot, colour, "F")
    press(qtbot, colour, "I")
    click(qtbot, colour, 7, 3)
    assert colour.canvas.ink == wanted == colour.sketch.palette_.colours[-1]
    assert colour.canvas.tool == "fill" and colour.actions_["choose_tool", "fill"].isChecked()  # back to what painted
    press(qtbot, colour, "B")
    click(qtbot, colour, 20, 12, modifiers=ALT)
    assert colour.canvas.ink == pixel(colour, 20, 12) != wanted and colour.canvas.tool == "brush"
    press(qtbot, colour, "I")
    draw(colour.canvas, [(7, 3), (9, 9), (20, 12)])  # where the pen was put down counts
    recent = colour.workspace.dataset_settings.recent
    assert colour.canvas.ink == wanted == recent[0] and len(recent) == 2
    before = colour.canvas.ink
    click(qtbot, colour, 20, 28, modifiers=ALT)  # nothing is known there
    assert colour.canvas.ink == before and not known(colour)[28].any()
    assert colour.canvas.sketch.can_undo  # of the example alone
    press(qtbot, colour, "Ctrl+Z")
    assert not colour.canvas.sketch.can_undo


def test_fill(colour, draw, qtbot):
    """Unknown pixels within a closed line; then an area of one colour; each is one step."""
    ink(qtbot, colour, "Red")
    colour.canvas.pen = 1
    corners = [(8, 8), (8, 20), (20, 20), (20, 8), (8, 8)]
    for a, b in itertools.pairwise(corners):
        draw(colour.canvas, [a, b])
    press(qtbot, colour, "F")
    ink(qtbot, colour, "Sky")
    click(qtbot, colour, 12, 12)
    inside = np.zeros((32, 32), bool)
    inside[9:20, 9:20] = True
    assert (colour.canvas.sketch.pixels[inside] == SKY).all() and known(colour)[inside].all()
    assert not known(colour)[7].any() and pixel(colour, 8, 12) == RED
    ink(qtbot, colour, "Green")
    click(qtbot, colour, 8, 12)  # the line
    assert pixel(colour, 20, 8) == COLOURS["Green"] and pixel(colour, 12, 12) == SKY
    press(qtbot, colour, "Ctrl+Z")
    assert pixel(colour, 20, 8) == RED
    press(qtbot, colour, "Ctrl+Z")
    assert not known(colour)[12, 12] and known(colour)[8, 12]


@given(arrays(np.uint8, (6, 7, 3), elements=st.sampled_from([0, 9])), arrays(np.bool_, (6, 7)), st.data())
@settings(max_examples=60)
def test_fill_changes_what_looked_alike_and_nothing_else(pixels, mask, given):
    x, y = given.draw(st.integers(0, 6)), given.draw(st.integers(0, 5))
    sketch = Sketch(Prompt(pixels, mask))
    area = sketch.alike(x, y)
    sketch.fill(x, y, (1, 2, 3))
    assert area[y, x] and (sketch.pixels[area] == (1, 2, 3)).all() and sketch.known[area].all()
    assert (sketch.pixels[~area] == pixels[~area]).all() and (sketch.known == mask | area).all()
    if mask[y, x]:
        assert mask[area].all() and (pixels[area] == pixels[y, x]).all()
    else:
        assert not mask[area].any()


def test_drawing_in_colour_by_keys_alone(colour, qtbot):
    canvas = colour.canvas
    colour.canvas.pen = 1
    canvas.setFocus()
    x, y = canvas._cell
    press(qtbot, colour, ".")
    qtbot.keyClick(canvas, Qt.Key.Key_Space)
    assert pixel(colour, x, y) == canvas.ink == COLOURS["White"] and known(colour).sum() == 1
    press(qtbot, colour, ".")
    press(qtbot, colour, "F")
    qtbot.keyClick(canvas, Qt.Key.Key_Right)
    qtbot.keyClick(canvas, Qt.Key.Key_Space)
    assert known(colour).all() and pixel(colour, 0, 0) == COLOURS["Light grey"]
    press(qtbot, colour, "I")
    qtbot.keyClick(canvas, Qt.Key.Key_Left)
    qtbot.keyClick(canvas, Qt.Key.Key_Space)
    assert canvas.ink == COLOURS["White"] and canvas.tool == "fill"
    press(qtbot, colour, "B")
    qtbot.keyClick(canvas, Qt.Key.Key_Delete)
    assert not known(colour)[y, x] and known(colour).sum() == 32 * 32 - 1
    for _ in range(3):
        press(qtbot, colour, "Ctrl+Z")
    assert not known(colour).any()


# --- the known region


@pytest.mark.parametrize("which", ["mnist", "colour"])
def test_rectangles_by_mouse(request, which, draw, qtbot):
    window = request.getfixturevalue(which)
    press(qtbot, window, "Ctrl+D")
    press(qtbot, window, "R")
    expected = np.zeros_like(known(window))
    expected[5:15, 3:21] = True
    draw(window.canvas, [(20, 14), (9, 9), (3, 5)])  # from any corner
    assert np.array_equal(known(window), expected)
    expected[8:11, 5:9] = False
    start, end = at(window.canvas, 5, 8), at(window.canvas, 8, 10)
    qtbot.mousePress(window.canvas, LEFT, SHIFT, start)
    qtbot.mouseMove(window.canvas, end)
    qtbot.mouseRelease(window.canvas, LEFT, SHIFT, end)
    assert np.array_equal(known(window), expected)
    expected[12:, 18:] = False
    draw(window.canvas, [(18, 12), (60, 60)], RIGHT)  # beyond the edge, and by the right button
    assert np.array_equal(known(window), expected)
    for _ in range(3):
        press(qtbot, window, "Ctrl+Z")
    assert not known(window).any()


def test_a_rectangle_changes_no_pixel_and_is_shown_while_it_is_drawn(colour, qtbot):
    take(qtbot, colour, 0)
    press(qtbot, colour, "R")
    before, plain = colour.canvas.sketch.pixels.copy(), colour.canvas.grab().toImage()
    qtbot.mousePress(colour.canvas, LEFT, pos=at(colour.canvas, 4, 20))
    qtbot.mouseMove(colour.canvas, at(colour.canvas, 20, 28))
    assert colour.canvas.grab().toImage() != plain and not known(colour)[24].any()
    qtbot.mouseRelease(colour.canvas, LEFT, pos=at(colour.canvas, 20, 28))
    assert known(colour)[24, 10] and np.array_equal(colour.canvas.sketch.pixels, before)


def test_rectangles_by_keys(colour, qtbot):
    canvas = colour.canvas
    press(qtbot, colour, "R")
    canvas.setFocus()
    x, y = canvas._cell
    for key in (Qt.Key.Key_Space, Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Down):
        qtbot.keyClick(canvas, key)
    assert not known(colour).any()
    qtbot.mouseMove(canvas, at(canvas, 30, 30))  # a mouse that is pushed by chance
    qtbot.keyClick(canvas, Qt.Key.Key_Space)
    assert known(colour).sum() == 6 and known(colour)[y : y + 2, x : x + 3].all()
    qtbot.keyClick(canvas, Qt.Key.Key_Space, SHIFT)
    qtbot.keyClick(canvas, Qt.Key.Key_Space)
    assert known(colour).sum() == 5
    qtbot.keyClick(canvas, Qt.Key.Key_Space)
    press(qtbot, colour, "B")  # another tool: it is given up
    assert known(colour).sum() == 5 and canvas._gesture == ""


def test_keys_pressed_during_a_stroke_do_not_break_it(colour, qtbot):
    canvas = colour.canvas
    canvas.setFocus()
    for tool in "BR":
        press(qtbot, colour, tool)
        press(qtbot, colour, "Ctrl+D")
        qtbot.mousePress(canvas, LEFT, pos=at(canvas, 4, 4))
        for key in (Qt.Key.Key_Right, Qt.Key.Key_Space, Qt.Key.Key_Down):
            qtbot.keyClick(canvas, key)
        qtbot.mouseMove(canvas, at(canvas, 20, 4))
        qtbot.mouseRelease(canvas, LEFT, pos=at(canvas, 20, 4))
        assert canvas._gesture == "" and known(colour)[4, 4:21].all() and not known(colour)[10].any()


def test_a_finger_fills_and_marks_rectangles(colour, qtbot):
    finger = QTest.createTouchDevice()
    canvas = colour.canvas
    press(qtbot, colour, "R")
    with qtbot.waitSignal(canvas.lifted):
        QTest.touchEvent(canvas, finger).press(0, at(canvas, 3, 3), canvas).commit()
        QTest.touchEvent(canvas, finger).move(0, at(canvas, 9, 6), canvas).commit()
        QTest.touchEvent(canvas, finger).release(0, at(canvas, 9, 6), canvas).commit()
    assert known(colour).sum() == 7 * 4
    press(qtbot, colour, "F")
    with qtbot.waitSignal(canvas.lifted):
        QTest.touchEvent(canvas, finger).press(0, at(canvas, 5, 5), canvas).commit()
        QTest.touchEvent(canvas, finger).release(0, at(canvas, 5, 5), canvas).commit()
    assert (canvas.sketch.pixels[known(colour)] == PEN).all() and known(colour).sum() == 7 * 4


def test_hovering_names_a_colour(colour, qtbot):
    palette = colour.sketch.palette_
    qtbot.mouseMove(palette, palette.cell(10).center().toPoint())
    assert palette.toolTip() == "Sky"
    qtbot.mouseMove(palette, palette.cell(14).center().toPoint())  # nothing was used yet
    assert palette.toolTip() == ""


def test_known_rows_and_brushes_in_colour(colour, draw, qtbot):
    take(qtbot, colour, 0)
    whole = examples(data.CIFAR10)[0].prompt.pixels
    colour.sketch.rows.setFocus()
    qtbot.keyClick(colour.sketch.rows, Qt.Key.Key_End)
    assert known(colour).all() and np.array_equal(colour.canvas.sketch.prompt.pixels, whole)
    qtbot.keyClick(colour.sketch.rows, Qt.Key.Key_Left)
    assert known(colour).sum() == 31 * 32
    press(qtbot, colour, "U")
    draw(colour.canvas, [(4, 4), (20, 4)])
    assert not known(colour)[4, 5:20].any()
    press(qtbot, colour, "K")
    draw(colour.canvas, [(4, 4), (20, 4)])
    assert np.array_equal(colour.canvas.sketch.prompt.pixels[4], whole[4])


def test_examples_are_real_and_one_click_away(colour, qtbot):
    shown = examples(data.CIFAR10)
    assert len(shown) == len(colour.sketch.thumbs) == 8
    for i, example in enumerate(shown):
        take(qtbot, colour, i)
        prompt = colour.canvas.sketch.prompt
        assert 0.2 < prompt.known.mean() < 0.8 and np.array_equal(prompt.known, example.prompt.known)
        assert np.array_equal(prompt.pixels[prompt.known], example.prompt.pixels[prompt.known])
    assert len({e.prompt.known.tobytes() for e in shown}) >= 6


def test_known_and_unknown_can_be_told_apart_on_any_colour(colour, qtbot):
    """There is a line of two tones around what is known, and hatching, no single colour, on what is not."""
    for name in COLOURS:
        press(qtbot, colour, "Ctrl+D")
        colour.canvas.sketch.pixels[:] = COLOURS[name]
        colour.canvas.change("known", colour.canvas.sketch.set_known, np.arange(32)[:, None].repeat(32, 1) < 16)
        shot = colour.canvas.grab().toImage()
        down = at(colour.canvas, 10, 14).y(), at(colour.canvas, 10, 17).y()
        x = at(colour.canvas, 10, 10).x()
        column = [sum(shot.pixelColor(x, y).getRgb()[:3]) for y in range(*down)]
        assert max(column) - min(column) > 250
        open_ = {shot.pixelColor(x + i, at(colour.canvas, 10, 22).y()).rgb() for i in range(12)}
        assert len(open_) > 1


@pytest.mark.parametrize("size", [(1000, 600), (1024, 640), (1280, 800)])
@pytest.mark.parametrize("name", ["light", "dark"])
def test_everything_fits_in_colour(colour, qtbot, size, name):
    colour.actions_["choose_theme", name].trigger()
    colour.resize(*size)
    last = colour.docks.docks["timing"].more
    qtbot.waitUntil(lambda: colour.rect().contains(last.rect().translated(last.mapTo(colour, QPoint(0, 0)))))
    assert (colour.width(), colour.height()) == size and colour.centralWidget().minimumSizeHint().width() <= size[0]
    for button in colour.findChildren(type(colour.sketch.thumbs[0])):
        if button.isVisible():
            assert colour.rect().contains(button.rect().translated(button.mapTo(colour, button.rect().topLeft())))
            assert button.width() >= button.minimumSizeHint().width(), button.text()
            assert button.accessibleName() or button.objectName().startswith("qt_"), button.text()
    palette = colour.sketch.palette_
    assert palette.height() >= palette.minimumSizeHint().height() and palette.width() >= 12 * 17
    assert colour.canvas.height() >= 140


# --- completions in colour, by small models that were never trained


@pytest.fixture
def weights(tmp_path):
    """A folder of them for colour, and of the real one for digits."""
    for name, small in (
        ("vssm", {"d_model": 32, "inner": 64, "state": 8, "heads": 2}),
        ("transformer", {"d_model": 32, "blocks": 2, "heads": 1, "stem_hidden": 32}),
    ):
        config = registry.get(name).config(data.CIFAR10, **small)
        made = checkpoint.Checkpoint(name, data.CIFAR10, registry.get(name).network(config).eval())
        made.scores = {"bits_per_dim": 3.456, "nats": 7359.1, "bound": "elbo"}
        made.save(tmp_path / "weights" / checkpoint.shipped(name, "cifar10").name)
    digits = checkpoint.shipped("vssm", "mnist")
    (tmp_path / "weights" / digits.name).write_bytes(digits.read_bytes())
    return tmp_path / "weights"


@pytest.fixture
def models_in_colour(no_threads_left, qtbot, tmp_path, weights):
    for window in opened(qtbot, tmp_path / "session.json", weights):
        press(qtbot, window, "Ctrl+2")
        yield window


@pytest.mark.parametrize("name", ["vssm", "transformer"])
def test_completions_keep_what_is_known_and_its_colours(models_in_colour, qtbot, name):
    window = models_in_colour
    take(qtbot, window, 0)
    choose(qtbot, window, name)
    run = complete(qtbot, window)
    prompt = window.canvas.sketch.prompt
    assert run.finished.images.shape == (4, 32, 32, 3) and run.request.pixel_mode == window.bar.settings().pixel_mode
    assert (run.finished.images[:, prompt.known] == prompt.pixels[prompt.known]).all()
    assert run.finished.images[:, ~prompt.known].any() and window.messages.text == ""
    shown, image = window.completion.picture, run.finished.images[run.sample_index]

    def seen():
        """Colours in the middle of pixels above and below the border of what is known, and across that border."""
        field, shot = shown.field(), shown.grab().toImage()  # the panel may still be finding room for its notes
        scale = field.width() / 32
        spots = [(x + 0.5, y + 0.5) for x, y in middles] + [(10.5, 16 + i / scale) for i in (-2, -1, 0, 1)]
        places = [QPoint(round(field.left() + x * scale), round(field.top() + y * scale)) for x, y in spots]
        return [shot.pixelColor(place).getRgb()[:3] for place in places]

    middles = (3, 3), (20, 10), (16, 20), (5, 30)
    plain = [tuple(image[y, x]) for x, y in (*middles, (10, 15), (10, 15), (10, 16), (10, 16))]
    qtbot.waitUntil(lambda: seen() == plain)  # no tint, and a finished picture has no outline
    assert "3.46 bits/dim" in window.status.text() and "nats" not in window.status.text()


def test_the_mean_is_named_and_steadier_than_a_draw(models_in_colour, qtbot):
    window = models_in_colour
    take(qtbot, window, 0)
    type_in(qtbot, window.bar.seed, "3")
    mean = complete(qtbot, window)
    assert mean.request.pixel_mode == "mean" and window.completion.pixels.isVisible()
    assert window.completion.pixels.text() == "Pixels: mean of the mixture" and window.completion.pixels.toolTip()
    press(qtbot, window, "X")
    drawn = complete(qtbot, window)
    assert drawn.request.pixel_mode == "sampled" and not window.completion.pixels.isVisible()
    rough = [np.abs(np.diff(r.finished.images[:, 17:].astype(int), axis=2)).mean() for r in (mean, drawn)]
    assert rough[0] < rough[1]
    choose(qtbot, window, "transformer")
    press(qtbot, window, "Return")
    assert window.runs.history[-1].request.pixel_mode == "sampled" and not window.completion.pixels.isVisible()
    press(qtbot, window, "Escape")
    qtbot.waitUntil(ended(window), timeout=LONG)


def test_runs_belong_to_their_data_set(models_in_colour, qtbot):
    window = models_in_colour
    colour = complete(qtbot, window)
    press(qtbot, window, "Ctrl+1")
    assert window.runs.selected_run is None and "two models" in window.timing.words.text()
    first, second = complete(qtbot, window), complete(qtbot, window)
    assert window.runs.selected_run is second and first.finished.images.shape == (4, 28, 28, 1)
    assert sorted(window.timing._curves) == [second.number]
    window.timing.all.setChecked(True)
    assert sorted(window.timing._curves) == [first.number, second.number]
    press(qtbot, window, "Ctrl+2")
    assert window.runs.selected_run is colour and sorted(window.timing._curves) == [colour.number]
    press(qtbot, window, "Ctrl+Shift+Backspace")
    assert window.runs.history == [colour, first, second]
    press(qtbot, window, "Ctrl+1")
    assert window.runs.selected_run is second
    press(qtbot, window, "Ctrl+Shift+Backspace")
    assert window.runs.history == [colour, second]


def test_turning_to_another_data_set_in_the_middle_of_a_run(models_in_colour, qtbot):
    window = models_in_colour
    choose(qtbot, window, "transformer")
    press(qtbot, window, "Return")
    run = window.runs.history[-1]
    qtbot.waitUntil(lambda: run.tokens > 0, timeout=LONG)
    press(qtbot, window, "Ctrl+1")
    qtbot.waitUntil(ended(window), timeout=LONG)
    assert run.finished is None and window.runs.selected_run is None and not window.timing._curves
    press(qtbot, window, "1")
    assert complete(qtbot, window).data == "mnist"
    press(qtbot, window, "Ctrl+2")
    assert window.runs.selected_run is run and "stopped" in said(window)


def test_completions_are_saved_in_colour(models_in_colour, qtbot, tmp_path):
    window = models_in_colour
    run = complete(qtbot, window)
    for keys, name in (("Ctrl+S", "one.png"), ("Ctrl+Shift+S", "all.png")):
        press(qtbot, window, keys)
        dialog = window.findChild(QFileDialog)
        dialog.selectFile(str(tmp_path / name))
        qtbot.keyClick(dialog.findChild(QLineEdit), Qt.Key.Key_Return)
        qtbot.waitUntil(lambda: window.findChild(QFileDialog) is None)
        with qtbot.waitActive(window):
            window.activateWindow()
    assert np.array_equal(np.asarray(Image.open(tmp_path / "one.png")), run.finished.images[run.sample_index])
    whole = np.asarray(Image.open(tmp_path / "all.png"))
    assert whole.shape == (32, 5 * 32 + 4 * 2, 3)  # the prompt first
    assert np.array_equal(whole[:, 68:100], run.finished.images[1])


def test_live_completes_after_every_gesture(models_in_colour, qtbot, draw):
    window = models_in_colour
    press(qtbot, window, "L")
    qtbot.waitUntil(ended(window), timeout=LONG)
    for number, (tool, x) in enumerate((("B", 4), ("R", 20), ("F", 4)), 2):  # what is filled is the stroke
        press(qtbot, window, tool)
        press(qtbot, window, ".")  # another colour, so that the filling changes something
        draw(window.canvas, [(x, 4), (x + 2, 9)])
        qtbot.waitUntil(lambda n=number: len(window.runs.history) == n and ended(window)(), timeout=LONG)


def test_a_model_without_weights_beside_others(models_in_colour, qtbot):
    window = models_in_colour
    choose(qtbot, window, "mamba")
    assert window.messages.text.startswith("Mamba has no weights for CIFAR-10: run “python -m vssm train --model mamba")
    assert "--data cifar10" in window.messages.text and "cifar10" in model_button(window, "mamba").toolTip()
    assert "no weights" not in model_button(window, "vssm").toolTip()
    press(qtbot, window, "Return")
    assert window.runs.history == [] and window.messages.text
    choose(qtbot, window, "vssm")
    assert complete(qtbot, window).finished is not None and window.messages.text == ""
    press(qtbot, window, "Ctrl+1")
    assert "no weights" in model_button(window, "transformer").toolTip()
