"""The dialog that cuts a part out of a picture: its frame, what it proposes, and what becomes of the sketch."""

from pathlib import Path

import numpy as np
import pytest
from bringing import accept, crop, dropped, files, known
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import picture, seven
from PIL import Image
from PySide6.QtCore import QPoint, QPointF, QRectF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication, QLabel
from windows import LEFT, press, take

from app.ui.crop_dialog import ALL, HALF, KEEP, CropDialog, Cropper
from vssm import data
from vssm.files import image as images


def test_what_is_known_stays_or_is_chosen(colour, tmp_path, qtbot):
    take(qtbot, colour, 6)
    region = known(colour).copy()
    picture().save(tmp_path / "a.png")
    assert dropped(colour, files(tmp_path / "a.png"))
    assert crop(qtbot, colour).which.currentText() == HALF
    qtbot.keyClick(crop(qtbot, colour).which, Qt.Key.Key_End)
    assert crop(qtbot, colour).which.currentText() == KEEP
    accept(qtbot, colour)
    assert np.array_equal(known(colour), region)
    assert dropped(colour, files(tmp_path / "a.png"))
    qtbot.keyClick(crop(qtbot, colour).which, Qt.Key.Key_Down)
    assert crop(qtbot, colour).which.currentText() == ALL and "Every pixel is known" in crop(qtbot, colour)._says.text()
    accept(qtbot, colour)
    assert known(colour).all()


def test_the_frame_is_moved_and_resized_by_mouse_wheel_and_keys(colour, tmp_path, qtbot):
    picture((300, 200)).save(tmp_path / "a.png")
    assert dropped(colour, files(tmp_path / "a.png"))
    dialog, cropper = crop(qtbot, colour), crop(qtbot, colour).cropper
    assert cropper.box == (50, 0, 250, 200)
    before = dialog.prompt.pixels
    middle = cropper.frame().center().toPoint()
    drag(qtbot, cropper, middle, middle + QPoint(500, 0))
    assert cropper.box == (100, 0, 300, 200) and not np.array_equal(dialog.prompt.pixels, before)
    corner = cropper.frame().topLeft().toPoint()
    drag(qtbot, cropper, corner, corner + QPoint(round(100 * cropper.scale), round(100 * cropper.scale)))
    assert np.abs(np.subtract(cropper.box, (200, 100, 300, 200))).max() < 2
    edge = QPoint(round(cropper.frame().left()), round(cropper.frame().center().y()))
    drag(qtbot, cropper, edge, edge - QPoint(round(40 * cropper.scale), 0))
    assert abs(cropper.high - 140) < 2 and abs(cropper.box[2] - 300) < 1e-6
    for key in (Qt.Key.Key_Left, Qt.Key.Key_Up, Qt.Key.Key_Minus):
        was = cropper.box
        qtbot.keyClick(cropper, key)
        assert cropper.box != was
    high = cropper.high
    spot = cropper.frame().center()
    QApplication.sendEvent(
        cropper,
        QWheelEvent(
            spot,
            cropper.mapToGlobal(spot),
            QPoint(),
            QPoint(0, 120),
            Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        ),
    )
    assert cropper.high == pytest.approx(0.9 * high)
    qtbot.keyClick(dialog.size_, Qt.Key.Key_Home)
    assert cropper.high == pytest.approx(8)
    qtbot.keyClick(dialog.size_, Qt.Key.Key_End)
    assert cropper.box == (cropper.left, 0, cropper.left + 200, 200)
    shown = dialog.prompt.pixels
    accept(qtbot, colour)
    assert np.array_equal(colour.canvas.sketch.pixels, shown)


def drag(qtbot, widget, start: QPoint, end: QPoint) -> None:
    qtbot.mousePress(widget, LEFT, pos=start)
    qtbot.mouseMove(widget, (start + end) / 2)
    qtbot.mouseMove(widget, end)
    qtbot.mouseRelease(widget, LEFT, pos=end)


@given(
    st.tuples(st.integers(1, 400), st.integers(1, 400)),
    st.lists(
        st.tuples(st.sampled_from(["place", "pull", "size"]), *[st.floats(-600, 600)] * 3, st.sampled_from(
            ["l", "r", "t", "b", "lt", "lb", "rt", "rb"]
        )),
        max_size=8,
    ),
)  # fmt: skip
@settings(max_examples=60)
def test_the_frame_never_leaves_the_picture(qapp, size, moves):
    cropper = Cropper(Image.new("RGB", size), data.CIFAR10)
    cropper.resize(400, 400)
    for kind, a, b, c, held in moves:
        if kind == "place":
            cropper.place(a, b, c)
        elif kind == "size":
            cropper.resize_to(c)
        else:
            cropper._pull(held, QPointF(a, b), QRectF(cropper.left, cropper.top, cropper.wide, cropper.high))
        left, top, right, bottom = cropper.box
        assert 0 <= left < right <= size[0] and 0 <= top < bottom <= size[1]
        assert right - left == pytest.approx(bottom - top)
        assert images.cut(cropper_image(size), cropper.box, data.CIFAR10).shape == (32, 32, 3)
    cropper.deleteLater()


def cropper_image(size) -> Image.Image:
    return Image.new("RGB", size, (9, 9, 9))


def test_cancel_leaves_the_sketch_alone(colour, tmp_path, qtbot):
    take(qtbot, colour, 0)
    before = colour.canvas.sketch.prompt
    picture().save(tmp_path / "a.png")
    dropped(colour, files(tmp_path / "a.png"))
    accept(qtbot, colour, ok=False)
    assert np.array_equal(colour.canvas.sketch.prompt.pixels, before.pixels)
    dropped(colour, files(tmp_path / "a.png"))
    qtbot.keyClick(crop(qtbot, colour), Qt.Key.Key_Escape)
    assert np.array_equal(colour.canvas.sketch.prompt.pixels, before.pixels)


def test_digits_are_black_and_white_and_can_be_inverted(mnist, tmp_path, qtbot):
    """What is shown is what the models read."""
    picture((56, 56)).save(tmp_path / "a.png")
    dropped(mnist, files(tmp_path / "a.png"))
    dialog = crop(qtbot, mnist)
    shown = dialog.prompt.pixels
    assert shown.shape == (28, 28, 1) and set(np.unique(shown)) == {0, 255}
    assert np.array_equal(data.to_pixels(data.to_values(shown, data.MNIST), data.MNIST), shown)
    assert dialog.invert.isVisible() and dialog.which.currentText() == HALF
    before = dialog.invert.isChecked()
    qtbot.mouseClick(dialog.invert, LEFT, pos=QPoint(8, dialog.invert.height() // 2))
    assert dialog.invert.isChecked() != before
    inverted = dialog.prompt.pixels
    assert (inverted != shown).mean() > 0.8
    accept(qtbot, mnist)
    assert np.array_equal(mnist.canvas.sketch.pixels, inverted) and mnist.sketch.rows.value() == 14


def page(folder: Path, name: str = "page.png", size: int = 400) -> Path:
    """A small thin seven in the corner of a light page."""
    ink = seven(size, 3, ((0.6, 0.15), (0.85, 0.15), (0.7, 0.45))).astype(float)
    Image.fromarray((240 - ink * 0.8).astype(np.uint8)).save(folder / name)
    return folder / name


def test_paper_is_inverted_unless_the_person_says_otherwise(mnist, tmp_path, qtbot):
    dropped(mnist, files(page(tmp_path)))
    dialog = crop(qtbot, mnist)
    assert dialog.invert.isChecked() and 0 < (dialog.prompt.pixels > 0).mean() < 0.2
    assert dialog.which.currentText() == HALF
    qtbot.mouseClick(dialog.invert, LEFT, pos=QPoint(8, dialog.invert.height() // 2))
    assert (dialog.prompt.pixels > 0).mean() > 0.8
    accept(qtbot, mnist)
    Image.fromarray(seven()).save(tmp_path / "light.png")
    dropped(mnist, files(tmp_path / "light.png"))
    assert not crop(qtbot, mnist).invert.isChecked()
    accept(qtbot, mnist)


def test_a_digit_is_centred_and_sized_on_request(mnist, tmp_path, qtbot):
    dropped(mnist, files(page(tmp_path)))
    dialog = crop(qtbot, mnist)
    assert "smaller and off-centre" in dialog.advice.text() and dialog.advice.isVisible()
    qtbot.mouseClick(dialog.centre, LEFT, pos=QPoint(8, dialog.centre.height() // 2))
    assert dialog.advice.text() == "" and not dialog.advice.isVisible()
    made = dialog.prompt.pixels[..., 0] > 0
    y, x = (p.mean() + 0.5 for p in np.nonzero(made))
    rows, columns = np.flatnonzero(made.any(1)), np.flatnonzero(made.any(0))
    assert abs(x - 14.5) < 0.8 and abs(y - 14.5) < 0.8 and 19 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= 22
    shown = dialog.prompt.pixels
    accept(qtbot, mnist)
    assert np.array_equal(mnist.canvas.sketch.pixels, shown)


def test_a_photograph_in_colour_is_offered_to_the_set_in_colour(mnist, tmp_path, qtbot):
    picture((90, 90)).save(tmp_path / "a.png")
    dropped(mnist, files(tmp_path / "a.png"))
    dialog = crop(qtbot, mnist)
    assert dialog.offer.isVisible() and "CIFAR-10" in dialog.offer.text()
    qtbot.mouseClick(dialog.offer, LEFT)
    qtbot.waitUntil(lambda: mnist.workspace.data is data.CIFAR10 and len(mnist.findChildren(CropDialog)) == 1)
    dialog = crop(qtbot, mnist)
    assert dialog.prompt.pixels.shape == (32, 32, 3) and not dialog.offer.isVisible() and not dialog.centre.isVisible()
    accept(qtbot, mnist)
    assert np.abs(mnist.canvas.sketch.pixels.astype(int) - np.asarray(picture((32, 32)))).mean() < 6
    press(qtbot, mnist, "Ctrl+1")
    for grey in (page(tmp_path), page(tmp_path, "blue.jpg")):
        dropped(mnist, files(grey))
        assert not crop(qtbot, mnist).offer.isVisible()
        accept(qtbot, mnist, ok=False)


def test_true_sizes_are_told(mnist, qtbot, tmp_path):
    Image.new("L", (8000, 8000), 200).save(tmp_path / "a.png", compress_level=1)
    dropped(mnist, files(tmp_path / "a.png"))
    dialog = crop(qtbot, mnist)
    assert dialog.brought.size == (8000, 8000) and max(dialog.brought.image.size) <= 2048
    assert any("8,000 × 8,000" in one.text() for one in dialog.findChildren(QLabel))
    accept(qtbot, mnist, ok=False)
