"""Samples as a gallery: laid over the sketch, pinned, used; what is said of a pixel; where samples differ."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from conftest import at
from making import asked_run
from PIL import Image
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAction, QContextMenuEvent, QImage
from PySide6.QtWidgets import QApplication, QComboBox, QWidget
from windows import LEFT, accept, exposed, press, take

from app.core.formatting import percent
from app.core.job import State
from app.core.pinned import MOST_PINNED
from app.core.run import Run
from app.ui.panels.completion import CompletionPanel
from app.ui.widgets.card import LINE
from app.ui.widgets.picture import Picture
from app.ui.widgets.pixel_inspector import ALONE, POINT, spread
from vssm import data
from vssm.prompt import Prompt
from vssm.sampling.events import Details, Finished, Progress, Started
from vssm.sampling.step import Sampler

RIGHT = Qt.MouseButton.RightButton
TAB = Qt.FocusReason.TabFocusReason


@pytest.fixture
def mnist(bare, qtbot):
    """The window without weights: nothing drawn, nothing pinned, no runs."""
    window = bare
    press(qtbot, window, "Ctrl+1")
    for settings in window.workspace.datasets.values():
        settings.pinned = ()
    window._selected.clear()
    window.actions_["show_spread"].setChecked(False)
    window.completion.show_spread(False)
    window.runs.history.clear()
    window.runs._keep(())
    window.runs.select(None)
    take(qtbot, window, 0)
    window.messages.clear()
    window.canvas.setFocus()
    return window


def made(window, samples: int = 4, seed: int = 1, upto: str = "finished", **settings) -> Run:
    """Show a run whose samples have a column of ink each at their own place, as a model's events would have it."""
    prompt, dataset = window.canvas.sketch.prompt, window.workspace.data
    number = len(window.runs.history) + 1
    run = asked_run(number, "transformer", dataset.name, prompt, samples=samples, seed=seed, **settings)
    mode = Sampler("sequential", "Sequential", "one after another")
    tokens = samples * int((~prompt.known).sum())
    run.add(Started("transformer", "Transformer", tokens, samples, 0, "CPU", 1, False, mode, 0, "sampled"))
    images = np.repeat((prompt.pixels * prompt.known[..., None])[None], samples, 0)
    rng = np.random.default_rng(seed)
    for i in range(samples):
        images[i, :, 4 + i][~prompt.known[:, 4 + i]] = rng.integers(1, 256, dataset.channels) if seed > 1 else 255
    unknown = np.repeat(~prompt.known[None], samples, 0)
    filled = np.ones_like(unknown) if upto != "half" else ~unknown | (np.arange(dataset.height)[:, None] < 20)
    run.add(Progress(0.5, tokens, tokens // samples, images * filled[..., None], filled))
    window.runs.history.append(run)
    if upto == "finished":
        end(run)
    window.runs.select(run)
    return run


def end(run: Run, scores: Sequence[float] = ()) -> None:
    """Details: the n-th unknown pixel came with the n-th call after as many milliseconds, at odds of e to one."""
    unknown = np.repeat(~run.request.prompt.known[None], run.request.samples, 0)
    order = (unknown.reshape(len(unknown), -1).cumsum(1).reshape(unknown.shape) * unknown).astype(np.int32)
    said = run.request.pixel_mode != "mean"
    run.add(
        Details(
            np.where(unknown & said, -1.0, np.nan).astype(np.float32),
            order,
            np.where(unknown, order / 1000, np.nan).astype(np.float32),
            np.array(scores or [np.nan] * run.request.samples, np.float32),
        )
    )
    calls = int(order.max())
    images = run.progress.images
    run.add(Finished(run.model, images, 0.5, 0.0, calls, 0, "CPU", 1, "sequential", 0))
    run.state = State.IDLE


def cell(gallery, number: int) -> QPoint:
    QApplication.processEvents()  # the layout comes to rest
    return gallery.cells()[number].center().toPoint()


def point(qtbot, widget, place: QPoint) -> None:
    """Two moves, as the first after another widget may be taken for the same place."""
    qtbot.mouseMove(widget, place + QPoint(1, 0))
    qtbot.mouseMove(widget, place)


def leave(qtbot, window) -> None:
    """Take the mouse to where it means nothing."""
    qtbot.mouseMove(window.statusBar(), QPoint(5, 5))


def seen(widget) -> QImage:
    return widget.grab().toImage()


def pinned(window) -> list[int]:
    """The samples pinned, of the run shown."""
    return sorted(window.completion.gallery._pins)


# --- point, pin, use


def test_pointing_lays_a_sample_over_the_sketch_and_leaves_it_as_it_was(mnist, qtbot):
    window, gallery = mnist, mnist.completion.gallery
    made(window)
    leave(qtbot, window)
    before, prompt, history = seen(window.canvas), window.canvas.sketch.prompt, window.canvas.sketch._undo[:]
    point(qtbot, gallery, cell(gallery, 1))
    first = seen(window.canvas)
    assert first != before
    x, y = at(window.canvas, 5, 25).x(), at(window.canvas, 5, 25).y()
    assert first.pixelColor(x, y).lightness() > 180 > 120 > first.pixelColor(x + 200, y).lightness()
    point(qtbot, gallery, cell(gallery, 2))
    assert seen(window.canvas) != first
    leave(qtbot, window)
    assert seen(window.canvas) == before
    after = window.canvas.sketch
    assert np.array_equal(after.prompt.pixels, prompt.pixels) and np.array_equal(after.known, prompt.known)
    assert after._undo == history


def test_a_click_pins_and_another_makes_it_the_sketch(mnist, qtbot):
    window, gallery = mnist, mnist.completion.gallery
    run, sketch = made(window), mnist.canvas.sketch
    before = sketch.prompt
    qtbot.mouseClick(gallery, LEFT, pos=cell(gallery, 2))
    assert pinned(window) == [2] and run.sample_index == 2 and window.completion.pins.isVisible()
    (kept,) = window.workspace.dataset_settings.pinned
    assert (kept.model, kept.seed, kept.sample, kept.temperature) == ("transformer", 1, 3, 1.0)
    assert np.array_equal(kept.image, run.finished.images[2]) and np.array_equal(sketch.pixels, before.pixels)
    qtbot.mouseClick(gallery, LEFT, pos=cell(gallery, 2))
    assert np.array_equal(sketch.pixels, run.finished.images[2]) and sketch.known.all()
    assert "Transformer, seed 1, sample 3" in window.messages.text and "Ctrl+Z" in window.messages.text
    press(qtbot, window, "Ctrl+Z")
    assert np.array_equal(sketch.prompt.pixels, before.pixels) and np.array_equal(sketch.known, before.known)
    assert pinned(window) == [2]


def test_pinned_results_stay_and_can_be_let_go(mnist, qtbot):
    window, gallery, pins = mnist, mnist.completion.gallery, mnist.completion.pins
    first = made(window)
    for number in (0, 3):
        qtbot.mouseClick(gallery, LEFT, pos=cell(gallery, number))
    second = made(window, seed=2)
    assert pinned(window) == [] and len(pins.cells()) == 2
    qtbot.mouseClick(gallery, LEFT, pos=cell(gallery, 1))
    assert [p.seed for p in window.workspace.dataset_settings.pinned] == [1, 1, 2]
    press(qtbot, window, "Ctrl+2")
    assert not pins.isVisible() and len(pins.cells()) == 0
    press(qtbot, window, "Ctrl+1")
    assert len(pins.cells()) == 3 and pins.isVisible()
    window.runs.select(first)
    assert pinned(window) == [0, 3]
    before = seen(window.canvas)
    point(qtbot, pins, cell(pins, 2))
    assert seen(window.canvas) != before
    qtbot.mouseClick(pins, LEFT, pos=cell(pins, 2))
    assert np.array_equal(window.canvas.sketch.pixels, 255 * (second.finished.images[1] >= 128))  # as models read it
    qtbot.mouseClick(pins, RIGHT, pos=cell(pins, 0))
    assert pinned(window) == [3] and len(pins.cells()) == 2
    ask_more(qtbot, gallery, 3, "Pin")
    assert pinned(window) == [] and [p.seed for p in window.workspace.dataset_settings.pinned] == [2]
    gallery.setFocus(TAB)
    qtbot.keyClick(gallery, Qt.Key.Key_Delete)  # not pinned: nothing to let go
    assert len(window.workspace.dataset_settings.pinned) == 1


def ask_more(qtbot, gallery, number: int, text: str) -> None:
    """Choose from the menu that a right click on a picture opens."""
    qtbot.mouseClick(gallery, RIGHT, pos=cell(gallery, number))
    choose_more(qtbot, gallery.window(), text)


def choose_more(qtbot, window, text: str) -> None:
    """From that menu, once it is open; the window has the keyboard again."""
    menu = window.completion.menu
    qtbot.waitUntil(menu.isVisible)
    action = next(one for one in menu.actions() if one.text() == text)
    qtbot.mouseClick(menu, LEFT, pos=menu.actionGeometry(action).center())
    qtbot.waitUntil(lambda: not menu.isVisible())
    window.activateWindow()
    qtbot.waitUntil(lambda: window.isActiveWindow() or window.files.dialog is not None)


def test_samples_come_in_the_order_of_the_models_own_score_or_as_they_were_drawn(mnist, qtbot):
    window, gallery = mnist, mnist.completion.gallery
    run = made(window, upto="half")
    assert run.ranking == [0, 1, 2, 3] and run.sample_index == 0
    end(run, [-40.0, -20.5, -30.0, -50.0])
    window.runs.select(run)
    assert run.ranking == [1, 2, 0, 3] and run.sample_index == 1  # the likeliest is shown large
    assert gallery._captions == ["−20.5", "−30.0", "−40.0", "−50.0"]
    qtbot.mouseClick(gallery, LEFT, pos=cell(gallery, 2))
    assert run.sample_index == 0 and window.workspace.dataset_settings.pinned[0].sample == 1 and pinned(window) == [2]
    window.actions_["sort_by_score"].trigger()
    assert gallery._captions == ["−40.0", "−20.5", "−30.0", "−50.0"] and pinned(window) == [0]
    assert not window.session().by_score
    qtbot.mouseClick(gallery, LEFT, pos=cell(gallery, 3))
    assert run.sample_index == 3
    window.actions_["sort_by_score"].trigger()


def test_a_right_click_copies_saves_and_uses(mnist, qtbot, clipboard, tmp_path):
    window, completion = mnist, mnist.completion
    run = made(window)
    ask_more(qtbot, completion.gallery, 1, "Copy this completion")
    image = clipboard.image()
    assert run.sample_index == 1 and (image.width(), image.height()) == (280, 280)
    for x, y in ((5, 25), (20, 25), (5, 0)):
        assert image.pixelColor(10 * x + 5, 10 * y + 5).red() == run.finished.images[1, y, x, 0]
    clipboard.clear()
    press(qtbot, window, "Ctrl+C")
    assert clipboard.image() == image
    for text, size in (("Save this completion…", 28), ("Save enlarged…", 280), ("Save enlarged…", 1120)):
        where = QPoint(40, 40)
        event = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, where, completion.picture.mapToGlobal(where))
        QApplication.sendEvent(completion.picture, event)
        choose_more(qtbot, window, text)
        sizes = window.files.dialog.findChild(QComboBox, "fileTypeCombo")
        if size == 1120:
            qtbot.keyClick(sizes, Qt.Key.Key_End)
        assert f"{size:,} × {size:,} pixels" in sizes.currentText()
        accept(qtbot, window, tmp_path / f"{size}.png")
        with Image.open(tmp_path / f"{size}.png") as saved:
            assert saved.size == (size, size)
            assert np.array_equal(np.asarray(saved.convert("L").resize((28, 28), 0)), run.finished.images[1, ..., 0])
    window.files.save_all()  # the next dialog begins where the last one was
    assert Path(window.files.dialog.directory().absolutePath()) == tmp_path
    window.files.dialog.close()
    window.activateWindow()
    ask_more(qtbot, completion.gallery, 2, "Use as sketch")
    assert np.array_equal(window.canvas.sketch.pixels, run.finished.images[2])


@pytest.mark.parametrize("size", [(900, 560), (1280, 760), (1920, 1080), (2560, 1440)])
@pytest.mark.parametrize("dataset", ["Ctrl+1", "Ctrl+2"])
def test_the_completion_is_the_largest_picture_and_no_note_changes_its_size(mnist, qtbot, size, dataset):
    window, completion = mnist, mnist.completion
    press(qtbot, window, dataset)
    window.resize(*size)
    qtbot.wait(30)
    empty = completion.picture.size()
    run = made(window)
    qtbot.wait(30)
    side = completion.picture.field().width()
    assert completion.picture.size() == empty and side > window.canvas.field().width() and side >= 160
    note = dataclasses.replace(run.started, clamped=True)
    run.started = note
    window.runs.select(run)
    made(window, seed=2)
    for number in range(3):
        qtbot.mouseClick(completion.gallery, LEFT, pos=cell(completion.gallery, number))
        window.runs.select(run)
        qtbot.wait(10)
    assert completion.note.isVisible() and completion.picture.size() == empty
    cells = completion.gallery.cells()
    assert all(completion.gallery.rect().contains(one.toAlignedRect()) for one in cells)
    assert min(one.width() for one in cells) >= 0.095 * min(size[0] * 0.4, size[1] * 0.6)
    window.resize(1280, 760)


def test_long_tooltips_are_wrapped(mnist):
    tips = {one.toolTip() for one in (*mnist.findChildren(QWidget), *mnist.findChildren(QAction))}
    plain = [tip for tip in tips if not tip.startswith("<")]
    assert [tip for tip in plain if max(map(len, tip.split("\n"))) > LINE] == [] and any("\n" in tip for tip in plain)


def test_so_many_can_be_pinned_and_no_more(mnist, qtbot):
    window, gallery = mnist, mnist.completion.gallery
    made(window, samples=MOST_PINNED + 1)
    for number in range(MOST_PINNED + 1):
        qtbot.mouseClick(gallery, LEFT, pos=cell(gallery, number))
    assert len(window.workspace.dataset_settings.pinned) == MOST_PINNED and "unpin one first" in window.messages.text
    assert len(window.completion.pins.cells()) == MOST_PINNED
    for one in window.completion.pins.cells():
        assert window.completion.pins.rect().contains(one.toAlignedRect())


def test_all_of_it_by_keyboard(mnist, qtbot):
    window, gallery = mnist, mnist.completion.gallery
    run = made(window)
    leave(qtbot, window)
    before = seen(window.canvas)
    gallery.setFocus(TAB)
    first = seen(window.canvas)
    assert first != before and "Sample 1 of 4" in gallery.accessibleDescription()
    qtbot.keyClick(gallery, Qt.Key.Key_Right)
    assert run.sample_index == 1 and seen(window.canvas) not in (before, first)
    qtbot.keyClick(gallery, Qt.Key.Key_End)
    qtbot.keyClick(gallery, Qt.Key.Key_Space)
    assert pinned(window) == [3] and "Sample 4 of 4, pinned" in gallery.accessibleDescription()
    qtbot.keyClick(gallery, Qt.Key.Key_Home)
    qtbot.keyClick(gallery, Qt.Key.Key_Return)
    assert np.array_equal(window.canvas.sketch.pixels, run.finished.images[0])
    assert window.runs.history == [run] and "is your sketch now" in window.messages.text  # Return has completed nothing
    qtbot.keyClick(gallery, Qt.Key.Key_Left)
    qtbot.keyClick(gallery, Qt.Key.Key_Delete)
    assert pinned(window) == []
    window.canvas.setFocus()
    assert window.canvas._preview is None


def test_the_sample_shown_large_is_pinned_and_used_by_shortcut(mnist, qtbot):
    window = mnist
    assert not window.actions_["pin_sample"].isEnabled() and not window.actions_["use_sample"].isEnabled()
    run = made(window, samples=1)
    words, name = window.completion._no_pins, window.completion._pins_name
    assert "Shift+P" in words.text() and words.isVisible() and not name.isVisible()
    press(qtbot, window, "Shift+P")
    assert [p.sample for p in window.workspace.dataset_settings.pinned] == [1]
    press(qtbot, window, "Shift+P")
    assert window.workspace.dataset_settings.pinned == ()
    press(qtbot, window, "Shift+Return")
    assert np.array_equal(window.canvas.sketch.pixels, run.finished.images[0])


def test_a_run_under_way_is_neither_previewed_nor_pinned_before_its_end(mnist, qtbot):
    window, gallery = mnist, mnist.completion.gallery
    run = made(window, upto="half")
    before = seen(window.canvas)
    point(qtbot, gallery, cell(gallery, 2))
    qtbot.mouseClick(gallery, LEFT, pos=cell(gallery, 2))
    assert run.sample_index == 2 and window.workspace.dataset_settings.pinned == () and seen(window.canvas) == before
    end(run)
    window.runs.select(run)
    assert seen(window.canvas) != before  # the mouse still rests there
    made(window, seed=3)
    assert seen(window.canvas) == before  # other pictures have come under it


def test_a_change_of_the_sketch_ends_a_preview(mnist, draw, qtbot):
    window, gallery = mnist, mnist.completion.gallery
    made(window)
    gallery.setFocus(TAB)
    assert window.canvas._preview is not None
    draw(window.canvas, [(5, 3), (9, 3)])
    assert window.canvas._preview is None and window.canvas.sketch.pixels[3, 7] == 255
    gallery.setFocus(TAB)
    assert window.canvas._preview is not None
    press(qtbot, window, "Ctrl+Z")  # the focus stays in the gallery
    assert window.canvas._preview is None


# --- where samples differ


@pytest.mark.parametrize("channels", [1, 3])
def test_the_spread_is_the_standard_deviation_over_samples(channels):
    images = np.random.default_rng(0).integers(0, 256, (5, 3, 4, channels), np.uint8)
    slow = np.zeros((3, 4))
    for y in range(3):
        for x in range(4):
            each = [np.std([images[k, y, x, c] / 255 for k in range(5)]) for c in range(channels)]
            slow[y, x] = np.sqrt(np.mean(np.square(each)))
    assert np.allclose(spread(images), slow, atol=1e-6)


def test_the_spread_lies_over_the_picture_and_says_its_scale(mnist, qtbot):
    window, picture = mnist, mnist.completion.picture
    run = made(window)
    leave(qtbot, window)
    plain = seen(picture)
    press(qtbot, window, "D")
    over = seen(picture)
    assert window.actions_["show_spread"].isChecked() and over != plain
    field = picture.field()
    scale = field.width() / 28
    for x, y, colourful in ((4, 25, True), (7, 25, True), (20, 25, False), (14, 8, False)):
        spot = over.pixelColor(round(field.left() + (x + 0.5) * scale), round((y + 0.5) * scale))
        assert (spot.hsvSaturation() > 100) == colourful, (x, y)
    readout = window.completion.readout
    assert readout.legend.isVisible() and readout._end.text() == f"{spread(run.images).max():.2f}" == "0.43"
    press(qtbot, window, "D")
    assert seen(picture) == plain and not readout.legend.isVisible()


def test_one_sample_has_no_spread_and_a_sentence_says_so(mnist, qtbot):
    window = mnist
    made(window, samples=1)
    leave(qtbot, window)
    plain = seen(window.completion.picture)
    press(qtbot, window, "D")
    assert window.completion.readout.text == "\n".join(ALONE) and seen(window.completion.picture) == plain


# --- what is said of a pixel


def pixel(window, x: int, y: int) -> QPoint:
    QApplication.processEvents()
    field = window.completion.picture.field()
    scale = field.width() / window.workspace.data.width
    return QPoint(round(field.left() + (x + 0.5) * scale), round(field.top() + (y + 0.5) * scale))


def test_pointing_at_a_pixel_tells_how_likely_and_when(mnist, qtbot):
    window, picture, readout = mnist, mnist.completion.picture, mnist.completion.readout
    run = made(window)
    leave(qtbot, window)
    assert readout.text == "\n".join(POINT)
    places = picture.geometry(), window.completion.gallery.geometry()
    number = int(run.details.order[0, 25, 4])
    point(qtbot, picture, pixel(window, 4, 25))
    calls = f"call {number} of {run.finished.network_calls} · at {number / 1000:.2f} s"
    assert readout.text == f"ink, 37 % likely · row 26, column 5\n{calls} · spread 0.43"
    assert readout.accessibleDescription().startswith("ink, 37 % likely")
    point(qtbot, picture, pixel(window, 20, 25))
    assert readout.text.startswith("no ink, 37 % likely · row 26, column 21\ncall") and "0.00" in readout.text
    point(qtbot, picture, pixel(window, 9, 0))
    assert readout.text == "given · row 1, column 10\npart of the prompt"
    assert (picture.geometry(), window.completion.gallery.geometry()) == places
    leave(qtbot, window)
    assert readout.text == "\n".join(POINT)


def test_pixels_by_arrow_keys(mnist, qtbot):
    window, picture, readout = mnist, mnist.completion.picture, mnist.completion.readout
    made(window)
    leave(qtbot, window)
    picture.setFocus(TAB)
    assert "row 1, column 1" in readout.text
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Down, Qt.Key.Key_Left, Qt.Key.Key_Up, Qt.Key.Key_Up):
        qtbot.keyClick(picture, key)
    assert "row 1, column 2" in readout.text
    for _ in range(40):
        qtbot.keyClick(picture, Qt.Key.Key_Down)
    assert "row 28, column 2" in readout.text and "no ink" in readout.text
    assert picture.accessibleDescription() == readout.text.replace("\n", ", ")
    window.canvas.setFocus()
    assert readout.text == "\n".join(POINT)


def test_what_is_not_known_of_a_pixel_is_not_said(mnist, qtbot):
    window, picture, readout = mnist, mnist.completion.picture, mnist.completion.readout
    run = made(window, upto="half")
    point(qtbot, picture, pixel(window, 4, 15))
    assert readout.text == "ink · row 16, column 5\nmore when it has finished · spread 0.43"
    point(qtbot, picture, pixel(window, 4, 25))
    assert readout.text == "open · row 26, column 5\nnot drawn yet"
    run.state = State.IDLE
    window.runs.select(run)
    assert readout.text == "open · row 26, column 5\nthe run was stopped"
    made(window, samples=1, pixel_mode="mean")
    point(qtbot, picture, pixel(window, 20, 25))
    assert readout.text.startswith("ink < 0.1 % likely · row 26") and "spread" not in readout.text


def test_in_colour_the_odds_are_bits_a_channel(mnist, qtbot):
    window, readout = mnist, mnist.completion.readout
    press(qtbot, window, "Ctrl+2")
    window.canvas.change("known", window.canvas.sketch.take, Prompt.empty(*data.CIFAR10.shape).with_rows(8))
    made(window, seed=5)
    point(qtbot, window.completion.picture, pixel(window, 4, 25))
    assert readout.text.startswith("0.5 bits a channel · row 26")  # 1 nat is 1.44 bits, of three channels
    made(window, pixel_mode="mean")
    point(qtbot, window.completion.picture, pixel(window, 5, 25))
    assert readout.text.startswith("mean colour · row 26")


def test_a_share_is_never_said_to_be_certain():
    assert [percent(s) for s in (1, 0.9996, 0.997, 0.97, 0.5, 0.01, 0.003, 1e-6)] == [
        "> 99.9 %",
        "> 99.9 %",
        "99.7 %",
        "97 %",
        "50 %",
        "1 %",
        "0.3 %",
        "< 0.1 %",
    ]


def test_samples_stand_beside_the_completion_or_under_it_where_it_is_tall(qtbot):
    panel = exposed(qtbot, CompletionPanel(), 320, 700)
    large, samples = panel.picture, panel.gallery
    for size, under in (((320, 700), True), ((700, 560), False), ((320, 700), True)):
        panel.resize(*size)
        qtbot.wait(20)
        apart = samples.geometry().topLeft() - large.geometry().topLeft()
        assert (apart.y() > 0) == under and (apart.x() > 0) != under
    panel.resize(700, 560)
    qtbot.wait(20)
    few = samples.width()
    panel.pictures.share(64)
    qtbot.waitUntil(lambda: samples.width() > 1.2 * few)  # so that 64 are legible


@pytest.mark.parametrize("size", [(900, 560), (1280, 760), (1920, 1080), (2560, 1440)])
def test_many_samples_leave_the_sketch_as_large_as_few(mnist, qtbot, size):
    window, large = mnist, mnist.completion.picture
    window.resize(*size)
    sides = []

    def settled() -> bool:
        pixels = len(window.canvas.sketch.pixels)
        most = min(int(window.completion.pictures.least) // pixels * pixels - 1, window.sketch.width() - 24)
        return window.room.width() == size[0] and window.canvas.maximumHeight() == max(140, most)

    for samples in (4, 20):
        made(window, samples=samples)
        qtbot.waitUntil(settled)
        qtbot.wait(60)
        sides.append(window.canvas.field().width())
        assert sides[-1] < large.field().width()
    assert sides[0] == sides[1]
    window.resize(1280, 760)


def test_a_white_picture_has_an_edge_on_a_light_ground(qtbot):
    white = exposed(qtbot, Picture("White"), 96, 96)
    white.show_picture(np.full((32, 32, 3), 255, np.uint8), None)
    shown = white.grab().toImage()
    assert (
        min(shown.pixelColor(x, 40).lightness() for x in (0, 1)) < 220 and shown.pixelColor(40, 40).lightness() == 255
    )
