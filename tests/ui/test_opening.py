"""What a person brings: pictures of all kinds, decoded beside the window, cut, and used as they are shown."""

import gzip
import os
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from conftest import at
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageOps
from PySide6.QtCore import QByteArray, QMimeData, QPoint, QPointF, QRectF, Qt, QUrl
from PySide6.QtGui import QColor, QDragEnterEvent, QDragLeaveEvent, QDropEvent, QGuiApplication, QImage, QWheelEvent
from PySide6.QtTest import QSignalSpy
from PySide6.QtWidgets import QApplication, QDialogButtonBox, QFileDialog, QLabel, QLineEdit
from windows import LEFT, LONG, press, take

from app.core import session
from app.decoder import svg as drawings
from app.ui import image_import
from app.ui.crop_dialog import ALL, HALF, KEEP, CropDialog, Cropper
from app.ui.image_import import Opener
from vssm import data
from vssm.errors import UserError
from vssm.files import image as images
from vssm.files.image import Picture
from vssm.files.ink import stroke_width
from vssm.prompt import Prompt


def pixel(window, x, y) -> tuple[int, ...]:
    return tuple(window.canvas.sketch.pixels[y, x].tolist())


def known(window) -> np.ndarray:
    return window.canvas.sketch.known


# --- in the window


def picture(size=(64, 48), mode="RGB") -> Image.Image:
    """Every pixel another colour."""
    w, h = size
    x, y = np.meshgrid(np.linspace(0, 255, w), np.linspace(0, 255, h))
    pixels = np.stack([x, y, 255 - x], -1).astype(np.uint8)
    return Image.fromarray(pixels).convert(mode)


def crop(qtbot, window) -> CropDialog:
    """The dialog, once the picture is decoded."""
    qtbot.waitUntil(lambda: bool(window.findChildren(CropDialog)), timeout=LONG)
    found = window.findChildren(CropDialog)
    assert len(found) == 1 and found[0].isVisible()
    return found[0]


def decoded(path: Path) -> Image.Image:
    return images.decode(path.read_bytes(), path.name).image


def brought(qtbot, path: Path) -> Picture:
    """What the opener makes of a file."""
    opener = Opener()
    with qtbot.waitSignal(opener.picture, timeout=LONG) as caught:
        opener.open_path(str(path))
    return caught.args[0]


def refusal(qtbot, path: Path) -> str:
    opener = Opener()
    spy = QSignalSpy(opener.refused)
    opener.open_path(str(path))
    qtbot.waitUntil(lambda: spy.count() == 1, timeout=LONG)
    return spy.at(0)[0]


def test_nothing_of_the_current_folder_is_run(qtbot, tmp_path, monkeypatch):
    """Where others may have put files that are named as ours, or as Python's."""
    picture().save(tmp_path / "picture.png")
    for name in ("app", "vssm", "json", "numpy"):
        (tmp_path / f"{name}.py").write_text("open('run', 'w').close()")
    monkeypatch.chdir(tmp_path)
    assert brought(qtbot, Path("picture.png")).size == (64, 48) and not Path("run").exists()


def accept(qtbot, window, ok=True) -> None:
    dialog = crop(qtbot, window)
    kind = QDialogButtonBox.StandardButton.Ok if ok else QDialogButtonBox.StandardButton.Cancel
    qtbot.mouseClick(dialog.findChild(QDialogButtonBox).button(kind), LEFT)
    qtbot.waitUntil(lambda: not window.findChildren(CropDialog))
    with qtbot.waitActive(window):
        window.activateWindow()


def open_by_dialog(qtbot, window, path) -> None:
    press(qtbot, window, "Ctrl+O")
    dialog = window.findChild(QFileDialog)
    dialog.selectFile(str(path))
    qtbot.keyClick(dialog.findChild(QLineEdit), Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: window.findChild(QFileDialog) is None)


def paste(qtbot, window, mime: QMimeData) -> None:
    QGuiApplication.clipboard().setMimeData(mime)
    press(qtbot, window, "Ctrl+V")


def dropped(window, mime: QMimeData) -> bool:
    """Drag it over the canvas and let it go; whether it was taken."""
    place, on = at(window.canvas, 10, 10), Qt.DropAction.CopyAction
    given = place, on, mime, LEFT, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(*given)
    QApplication.sendEvent(window.canvas, enter)
    if not enter.isAccepted():
        return False
    assert window.canvas.dropping
    drop = QDropEvent(QPointF(place), *given[1:])
    QApplication.sendEvent(window.canvas, drop)
    assert not window.canvas.dropping
    return drop.isAccepted()


def files(*paths) -> QMimeData:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(p)) for p in paths])
    return mime


def test_a_file_is_opened_cut_and_used_as_shown(colour, tmp_path, qtbot):
    picture((64, 64)).save(tmp_path / "a.png")
    open_by_dialog(qtbot, colour, tmp_path / "a.png")
    shown = crop(qtbot, colour).prompt
    means = np.asarray(picture((64, 64)), float).reshape(32, 2, 32, 2, 3).mean((1, 3))
    assert np.abs(shown.pixels - means).max() <= 1  # every pixel is the mean of what it covers
    preview = crop(qtbot, colour).preview.grab().toImage()
    assert preview.pixelColor(4, 4).getRgb()[:3] == tuple(shown.pixels[0, 0])
    assert crop(qtbot, colour).which.currentText() == HALF and "512 of 1,024" in crop(qtbot, colour)._says.text()
    accept(qtbot, colour)
    assert np.array_equal(colour.canvas.sketch.pixels, shown.pixels)
    assert np.array_equal(known(colour), Prompt.empty(32, 32, 3).with_rows(16).known)
    press(qtbot, colour, "Ctrl+Z")
    assert not known(colour).any() and not colour.canvas.sketch.pixels.any()


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
@settings(max_examples=60, deadline=None)
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


def test_pasting_pictures_and_files(colour, tmp_path, qtbot):
    image = QImage(40, 40, QImage.Format.Format_RGB32)
    image.fill(0xFF3366)
    mime = QMimeData()
    mime.setImageData(image)
    paste(qtbot, colour, mime)
    assert (crop(qtbot, colour).prompt.pixels == (0xFF, 0x33, 0x66)).all()
    accept(qtbot, colour)
    picture((10, 10)).save(tmp_path / "small.bmp")
    paste(qtbot, colour, files(tmp_path / "small.bmp"))  # smaller than the sketch: enlarged
    assert crop(qtbot, colour).cropper.box == (0, 0, 10, 10)
    accept(qtbot, colour)
    assert pixel(colour, 0, 0) == picture((10, 10)).getpixel((0, 0))


@pytest.mark.parametrize("name", ["Format_Grayscale16", "Format_RGBX64", "Format_RGBA64_Premultiplied"])
def test_pasted_pictures_of_more_than_8_bits_are_stretched(colour, qtbot, name):
    """A camera's 12 bits in 16 are nearly black as they are."""
    image = QImage(64, 64, QImage.Format.Format_RGBA64)
    image.fill(QColor.fromRgba64(0, 0, 0, 65535))
    for x in range(32):
        for y in range(64):
            image.setPixelColor(x, y, QColor.fromRgba64(4095, 4095, 4095, 65535))
    mime = QMimeData()
    mime.setImageData(image.convertToFormat(getattr(QImage.Format, name)))
    paste(qtbot, colour, mime)
    pixels = crop(qtbot, colour).prompt.pixels
    assert (pixels[:, :16] == 255).all() and not pixels[:, 16:].any()


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


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "gif", "bmp", "tif", "ppm", "ico"])
def test_every_usual_kind_of_file_is_read(tmp_path, suffix):
    picture((64, 64)).save(tmp_path / f"a.{suffix}")
    image = decoded(tmp_path / f"a.{suffix}")
    assert image.mode == "RGB" and image.size == (64, 64)
    assert np.abs(np.asarray(image, int) - np.asarray(picture((64, 64)), int)).mean() < 12


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "I", "F"])
def test_every_mode_is_read(tmp_path, mode):
    path = tmp_path / ("a.tif" if mode in ("CMYK", "YCbCr", "I", "F") else "a.png")
    picture(mode="L").convert(mode).save(path)
    image = decoded(path)
    assert image.mode == "RGB" and np.asarray(image).max() > 200 and np.asarray(image).min() < 60


def test_sixteen_bits_are_scaled(tmp_path):
    values = np.linspace(0, 65535, 32 * 32).reshape(32, 32).astype(np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    read = np.asarray(decoded(tmp_path / "a.png"))[..., 0]
    assert np.abs(read - values / 257).max() <= 1


def seven(size: int = 280, width: int = 12, places=((0.25, 0.22), (0.75, 0.22), (0.45, 0.82))) -> np.ndarray:
    """[size, size] uint8: a smooth drawing of light ink on black."""
    large = Image.new("L", (2 * size, 2 * size))
    ImageDraw.Draw(large).line([(2 * x * size, 2 * y * size) for x, y in places], 255, 2 * width)
    return np.asarray(large.resize((size, size), Image.Resampling.BOX))


def whole(picture: Image.Image) -> tuple[float, float, float, float]:
    return 0, 0, *picture.size


def as_digit(picture: Image.Image) -> np.ndarray:
    """As the dialog opens it for MNIST."""
    return images.cut(picture, whole(picture), data.MNIST, images.is_on_paper(picture))[..., 0]


@pytest.mark.parametrize("size", [100, 280, 600, 1000, 2000])
@pytest.mark.parametrize("width", [1, 2, 5, 12, 40])
def test_a_line_keeps_its_ink_however_thin(size, width):
    if width > size / 10:
        pytest.skip("no line any more")
    light = Image.fromarray(seven(size, width)).convert("RGB")
    made = as_digit(light)
    assert set(np.unique(made)) == {0, 255}
    wide = stroke_width(made > 0)
    assert 1.5 < wide < 2 + 1.5 * max(1, 28 * width / size)
    rows = np.flatnonzero((made > 0).any(1))
    assert np.array_equal(rows, np.arange(rows[0], rows[-1] + 1)) and abs(len(rows) - 0.6 * 28) < 4  # in one piece
    assert np.array_equal(as_digit(ImageOps.invert(light)), made)  # dark on white is the same digit


def test_a_picture_of_the_models_size_is_taken_as_it_is():
    """Also with greys: those that the models read as ink."""
    grey = np.random.default_rng(0).integers(0, 256, (28, 28)).astype(np.uint8)
    made = images.cut(Image.fromarray(grey).convert("RGB"), (0, 0, 28, 28), data.MNIST)[..., 0]
    assert np.array_equal(made, np.where(grey >= 128, 255, 0))


def test_an_empty_page_has_no_ink():
    noise = np.random.default_rng(0).integers(235, 250, (300, 300)).astype(np.uint8)
    for page in (np.zeros((300, 300), np.uint8), np.full((300, 300), 255, np.uint8), noise):
        assert not as_digit(Image.fromarray(page).convert("RGB")).any()


LIGHT = {
    "even": lambda x, y: 230 + 0 * x,
    "from one corner": lambda x, y: 220 - 90 * (x + y) / 2,
    "a shadow": lambda x, y: 220 - 70 * (x + y > 1.1),
    "the page on a dark table": lambda x, y: np.where((abs(x - 0.5) < 0.42) & (abs(y - 0.5) < 0.45), 225, 60),
}


@pytest.mark.parametrize("light", LIGHT)
@pytest.mark.parametrize(("size", "width"), [(280, 3), (1000, 6)])
def test_a_photograph_of_a_page_gives_its_ink(light, size, width):
    """With noise, and however the light falls."""
    y, x = np.mgrid[:size, :size] / size
    noise = np.random.default_rng(0).normal(0, 4, (size, size))
    page = LIGHT[light](x, y) * (1 - 0.6 * seven(size, width) / 255) + noise
    picture = Image.fromarray(page.clip(0, 255).astype(np.uint8)).convert("RGB")
    made = images.cut(picture, whole(picture), data.MNIST, invert=True)[..., 0]
    wanted = as_digit(Image.fromarray(seven(size, width)).convert("RGB"))
    inside = np.s_[4:24, 4:24]
    assert (made[inside] != wanted[inside]).mean() < 0.06 and made[inside].any()


@pytest.mark.parametrize("ground", [255, 200, 120, 0, 40])
def test_the_border_says_whether_it_is_paper(ground):
    ink = 20 if ground > 100 else 230
    page = (ground + (ink - float(ground)) * seven() / 255).astype(np.uint8)
    picture = Image.fromarray(page).convert("RGB")
    assert images.is_on_paper(picture) == (ground > 100)
    assert np.abs(as_digit(picture).astype(int) - as_digit(Image.fromarray(seven()).convert("RGB"))).mean() < 0.02 * 255


ALPHA = {
    "alpha alone, over black": lambda a: np.dstack([0 * a, 0 * a, 0 * a, a]),
    "alpha alone, over white": lambda a: np.dstack([0 * a + 255, 0 * a + 255, 0 * a + 255, a]),
    "blue ink": lambda a: np.dstack([0 * a + 20, 0 * a + 30, 0 * a + 160, a]),
    "dark ink, hidden white": lambda a: np.dstack([*[np.where(a > 0, 10, 255).astype(np.uint8)] * 3, a]),
    "light ink, hidden black": lambda a: np.dstack([*[np.where(a > 0, 240, 0).astype(np.uint8)] * 3, a]),
    "grey with opacity": lambda a: np.dstack([0 * a + 30, a]),
    "half clear": lambda a: np.dstack([0 * a, 0 * a, 0 * a, a // 2]),
}


@pytest.mark.parametrize("kind", ALPHA)
@pytest.mark.parametrize("suffix", ["png", "webp", "tif"])
def test_ink_on_transparency_is_kept(tmp_path, kind, suffix):
    ink = seven()
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(ALPHA[kind](ink)).save(path, **({"lossless": True} if suffix == "webp" else {}))
    made, wanted = as_digit(decoded(path)), as_digit(Image.fromarray(ink).convert("RGB"))
    assert (made != wanted).mean() < 0.02 and made.any()
    if suffix == "png":
        clear = Image.open(path)
        clear.convert("P" if clear.mode == "RGBA" else "LA").save(path)
        assert (as_digit(decoded(path)) != wanted).mean() < 0.04


def test_a_picture_with_a_clear_margin_keeps_its_ground(tmp_path):
    """White on a dark card, whose corners are clear."""
    pixels = np.zeros((200, 200, 4), np.uint8)
    pixels[10:190, 10:190] = 30, 30, 30, 255
    pixels[60:140, 90:110, :3] = 240
    Image.fromarray(pixels).save(tmp_path / "a.png")
    made = as_digit(decoded(tmp_path / "a.png"))
    assert made[14, 14] == 255 and not made[:, :3].any() and not made[4, 4]


def test_opacity_that_was_never_filled_in_is_none(tmp_path):
    pixels = np.dstack([*[seven()] * 3, np.zeros((280, 280), np.uint8)])
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert np.array_equal(as_digit(decoded(tmp_path / "a.png")), as_digit(Image.fromarray(seven()).convert("RGB")))


def png_of_16_bits(samples: np.ndarray) -> bytes:
    """[H, W, C] as PNG, which Pillow writes in grey alone."""
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[samples.shape[2]]

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], 16, kind, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def scaled(samples: np.ndarray) -> np.ndarray:
    least, most = samples.min(), samples.max()
    return np.round((samples.astype(float) - least) * 255 / (most - least))


@pytest.mark.parametrize("most", [300, 4095, 16383, 65535])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_any_bits_in_files_of_16_are_stretched_to_their_range(most, channels):
    rng = np.random.default_rng(most)
    samples = rng.integers(5, most + 1, (20, 30, channels))
    if channels == 4:
        samples[..., 3] = 65535
    read = np.asarray(images.decode(png_of_16_bits(samples), "a").image)
    assert np.abs(read - scaled(samples[..., :3] if channels > 1 else samples[..., [0] * 3])).max() <= 1


def test_grey_of_12_bits_with_opacity_is_not_black():
    for opaque in (4095, 65535):
        samples = np.stack([seven(64, 6).astype(int) * 16, np.full((64, 64), opaque)], 2)
        assert np.asarray(images.decode(png_of_16_bits(samples), "a").image).max() > 200


@pytest.mark.parametrize("most", [4095, 65535])
def test_ink_that_is_opacity_of_many_bits_is_kept(most):
    ink = seven(64, 3).astype(int) * most // 255
    for samples in (np.dstack([0 * ink, 0 * ink, 0 * ink, ink]), np.dstack([0 * ink, ink])):
        made = as_digit(images.decode(png_of_16_bits(samples), "a").image)
        assert (made != as_digit(Image.fromarray(seven(64, 3)).convert("RGB"))).mean() < 0.02


@pytest.mark.parametrize("mode", ["I;16", "I;16B"])
def test_tiff_of_16_bits_is_stretched_in_both_byte_orders(tmp_path, mode):
    samples = np.random.default_rng(0).integers(0, 4096, (20, 30))
    values = samples.astype("<u2" if mode == "I;16" else ">u2")
    Image.frombytes(mode, (30, 20), values.tobytes()).save(tmp_path / "a.tif")
    assert np.abs(np.asarray(decoded(tmp_path / "a.tif"))[..., 0] - scaled(samples)).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_respected(tmp_path, orientation):
    upright = np.zeros((16, 32, 3), np.uint8)
    upright[:8, :16] = 255
    turned = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright),
        7: np.rot90(upright, 2).swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(turned[orientation])).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(np.asarray(decoded(tmp_path / "a.png")), upright)


def test_the_largest_pictures_are_reduced(tmp_path):
    Image.new("RGB", (6000, 300), (10, 20, 30)).save(tmp_path / "a.png")
    image = decoded(tmp_path / "a.png")
    assert image.size == (2048, 102) and image.getpixel((5, 5)) == (10, 20, 30)


def broken(folder, kind: str):
    path = folder / f"{kind}.png"
    if kind == "text":
        path.write_text("Dear reader,\nthis is no picture.")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "half":
        picture((200, 200)).save(path)
        path.write_bytes(path.read_bytes()[:600])
    elif kind == "bomb":
        Image.new("1", (20_000, 20_000)).save(path)
    elif kind == "large":
        Image.new("1", (11_000, 10_000)).save(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    return path


@pytest.mark.parametrize(
    "kind", ["text", "empty", "half", "bomb", "large", "folder", "missing", *["pipe"] * hasattr(os, "mkfifo")]
)
def test_what_cannot_be_used_is_one_sentence(colour, tmp_path, qtbot, kind):
    take(qtbot, colour, 0)
    before = colour.canvas.sketch.prompt
    path = broken(tmp_path, kind)
    assert dropped(colour, files(path))
    qtbot.waitUntil(lambda: bool(colour.messages.text) and not colour.files.opener.busy, timeout=LONG)
    said = colour.messages.text
    assert said.endswith(".") and said.count(". ") == 0 and "\n" not in said and "Traceback" not in said
    assert path.name in said and not colour.findChildren(CropDialog)
    assert np.array_equal(colour.canvas.sketch.prompt.pixels, before.pixels)


def test_nothing_on_the_clipboard_is_one_sentence(colour, qtbot):
    words = QMimeData()
    words.setText("words")
    for mime in (QMimeData(), words):
        colour.messages.clear()
        paste(qtbot, colour, mime)
        assert colour.messages.text == "There is no picture on the clipboard, and no link."
    far = QMimeData()
    far.setUrls([QUrl("https://example.org/a.png")])
    assert dropped(colour, far) and "Only files on this machine" in colour.messages.text
    assert not dropped(colour, words) and not colour.canvas.dropping


def test_what_hovers_and_goes_leaves_no_frame(colour, tmp_path):
    place, mime = at(colour.canvas, 10, 10), files(tmp_path / "a.png")
    given = place, Qt.DropAction.CopyAction, mime, LEFT, Qt.KeyboardModifier.NoModifier
    QApplication.sendEvent(colour.canvas, QDragEnterEvent(*given))
    assert colour.canvas.dropping
    QApplication.sendEvent(colour, QDragLeaveEvent())
    assert not colour.canvas.dropping


def test_a_good_picture_after_a_bad_one_clears_the_message(colour, tmp_path, qtbot):
    dropped(colour, files(broken(tmp_path, "text")))
    qtbot.waitUntil(lambda: "text.png" in colour.messages.text, timeout=LONG)
    picture().save(tmp_path / "a.png")
    dropped(colour, files(tmp_path / "a.png"))
    crop(qtbot, colour)
    assert colour.messages.text == ""
    accept(qtbot, colour)


# --- what the dialog proposes


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


# --- decoded beside the window


def svg(inside: str, head: str = "", attributes: str = "") -> str:
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f'{head}<svg {spaces} width="20" height="10" {attributes}>{inside}</svg>'


RED = '<rect width="20" height="10" fill="#f00"/>'
DOT = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5E"
    "rkJggg=="
)


@pytest.mark.parametrize(
    "text",
    [
        svg(RED),
        svg(RED, '<?xml version="1.0"?>\n<!-- made by hand -->\n'),
        svg(RED, '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">'),
        svg(f'<defs><g id="a">{RED}</g></defs><use xlink:href="#a"/>'),
        svg('<defs><linearGradient id="g"><stop stop-color="#f00"/></linearGradient></defs>'
            '<rect width="20" height="10" fill="url(#g)"/>'),
        svg('<style>rect { fill: #f00 }</style><rect width="20" height="10"/>'),
        svg(f'{RED}<image href="{DOT}" width="1" height="1" x="30"/>'),
        svg(f'{RED}<text x="90">C:\\home url(x)</text>'),
    ],
)  # fmt: skip
def test_a_drawing_is_drawn(qapp, text):
    contents = [text.encode(), gzip.compress(text.encode()), *([] if "encoding" in text else [text.encode("utf-16")])]
    for content in contents:
        unpacked = drawings.unpacked(content, "a")
        drawings.require_self_contained(unpacked, "a")
        drawn, size = drawings.draw(unpacked, "a")
        assert size == (20, 10) and drawn.size == (1024, 512)
        assert drawn.getpixel((500, 250)) == (255, 0, 0, 255)


def test_a_drawing_is_opened_whatever_its_name(qtbot, tmp_path):
    (tmp_path / "a.png").write_text(svg(RED))
    found = brought(qtbot, tmp_path / "a.png")
    assert found.size == (20, 10) and found.image.getpixel((500, 250)) == (255, 0, 0)


OUTSIDE = {
    "an absolute path": svg('<image xlink:href="/etc/passwd.png" width="9" height="9"/>'),
    "a relative path": svg('<image href="secret.png" width="9" height="9"/>'),
    "a file URL": svg('<image href="file:///dev/zero" width="9" height="9"/>'),
    "a URL": svg('<image href="https://example.org/a.png" width="9" height="9"/>'),
    "another prefix": svg('<image xmlns:q="http://www.w3.org/1999/xlink" q:href="secret.png"/>'),
    "use": svg('<use xlink:href="other.svg#a"/>'),
    "url in an attribute": svg('<rect width="9" height="9" fill="url(other.svg#a)"/>'),
    "url in a style": svg('<rect width="9" height="9" style="fill: url( \'other.svg#a\' )"/>'),
    "url in a sheet": svg("<style>rect { fill: URL(other.svg#a) }</style>"),
    "import": svg("<style><![CDATA[@import 'a.css';]]></style>"),
    "an import in escapes": svg("<style>@\\69mport 'a.css';</style>"),
    "a url in escapes": svg('<rect style="fill: \\75rl(other.svg#a)"/>'),
    "an instruction": svg(RED, '<?xml-stylesheet href="a.css"?>'),
    "an entity": svg("<text>&a;</text>", '<!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]>'),
    "entities upon entities": svg("<text>&b;</text>", '<!DOCTYPE svg [<!ENTITY a "aaa"><!ENTITY b "&a;&a;">]>'),
    "a base": svg(RED, attributes='xml:base="file:///etc/"'),
    "a drawing in a drawing": svg('<image href="data:image/svg+xml;base64,PHN2Zy8+"/>'),
    "include": svg('<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="a.svg"/>'),
    "a character for a letter": svg('<image href="&#115;ecret.png"/>'),
}


@pytest.mark.parametrize("kind", OUTSIDE)
def test_a_drawing_refers_to_nothing_outside_itself(kind):
    for content in (OUTSIDE[kind].encode(), gzip.compress(OUTSIDE[kind].encode()), OUTSIDE[kind].encode("utf-16")):
        with pytest.raises(UserError, match=r"a\.svg refers to something outside itself"):
            drawings.require_self_contained(drawings.unpacked(content, "a.svg"), "a.svg")


def test_a_drawing_reads_no_file(qtbot, tmp_path):
    Image.new("RGB", (9, 9), "blue").save(tmp_path / "secret.png")
    (tmp_path / "a.svg").write_text(OUTSIDE["a relative path"])
    assert "outside itself" in refusal(qtbot, tmp_path / "a.svg")


def bomb(levels: int = 9) -> str:
    """Drawn, it is ten to that many rectangles."""
    groups = [f'<g id="a{i}">' + f'<use href="#a{i + 1}"/>' * 10 + "</g>" for i in range(levels)]
    return svg(f'<defs>{"".join(groups)}<rect id="a{levels}" width="1" height="1"/></defs><use href="#a0"/>')


def test_a_drawing_without_end_is_given_up_and_the_window_goes_on(mnist, qtbot, tmp_path, monkeypatch):
    monkeypatch.setattr(image_import, "LIMIT", 2000)
    (tmp_path / "bomb.svg").write_text(bomb())
    dropped(mnist, files(tmp_path / "bomb.svg"))
    assert mnist.files.opener.busy and mnist.actions_["stop"].isEnabled()
    longest, last = 0.0, time.monotonic()

    def ended() -> bool:
        nonlocal longest, last
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
        return "too much time" in mnist.messages.text or "too long" in mnist.messages.text

    qtbot.waitUntil(ended, timeout=LONG)
    assert longest < 2 and not mnist.files.opener.busy  # no wait for it; the machine may be busy
    assert "bomb.svg" in mnist.messages.text and not mnist.findChildren(CropDialog)


def test_esc_gives_an_opening_up(mnist, qtbot, tmp_path):
    mnist.messages.clear()
    (tmp_path / "bomb.svg").write_text(bomb())
    before = mnist.canvas.sketch.prompt
    dropped(mnist, files(tmp_path / "bomb.svg"))
    qtbot.waitUntil(lambda: "Opening bomb.svg" in mnist.messages.text, timeout=LONG)
    process = mnist.files.opener._process
    mnist.canvas.setFocus()
    press(qtbot, mnist, "Escape")
    assert not mnist.files.opener.busy and mnist.messages.text == "" and not mnist.actions_["stop"].isEnabled()
    assert process.state() == process.ProcessState.NotRunning
    assert np.array_equal(mnist.canvas.sketch.prompt.pixels, before.pixels)
    dropped(mnist, files(tmp_path / "bomb.svg"))  # another one takes its place
    picture().save(tmp_path / "a.png")
    dropped(mnist, files(tmp_path / "a.png"))
    assert crop(qtbot, mnist).brought.size == (64, 48)
    accept(qtbot, mnist, ok=False)


def test_true_sizes_are_told(mnist, qtbot, tmp_path):
    Image.new("L", (8000, 8000), 200).save(tmp_path / "a.png", compress_level=1)
    dropped(mnist, files(tmp_path / "a.png"))
    dialog = crop(qtbot, mnist)
    assert dialog.brought.size == (8000, 8000) and max(dialog.brought.image.size) <= 2048
    assert any("8,000 × 8,000" in one.text() for one in dialog.findChildren(QLabel))
    accept(qtbot, mnist, ok=False)


def test_bounds_are_looked_at_before_anything_is_decoded(qtbot, tmp_path):
    """Of each side, of all pixels and of the file."""
    Image.new("1", (1, 40_000)).save(tmp_path / "high.png")
    assert "40,000" in refusal(qtbot, tmp_path / "high.png")
    with (tmp_path / "large.png").open("wb") as file:
        file.truncate(2_000_000_000)  # takes no room
    assert "larger than" in refusal(qtbot, tmp_path / "large.png")


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n(touched) (w) file closefile\nshowpage\n"


def test_no_other_program_is_started(qtbot, tmp_path, monkeypatch):
    """Whatever the name: a Ghostscript that would leave a trace stands in the way of the real one."""
    for name in ("gs", "gsc", "gswin32c", "gswin64c"):
        (tmp_path / name).write_text(f"#!/bin/sh\ntouch {tmp_path / 'started'}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    for name in ("a.eps", "b.png", "c.ps"):
        (tmp_path / name).write_bytes(EPS)
        assert "cannot be read as a picture" in refusal(qtbot, tmp_path / name)
    assert not (tmp_path / "started").exists()


def test_pictures_on_the_clipboard_are_decoded_beside_the_window_too(qtbot, tmp_path):
    """As bytes, in the kinds that other programs put there."""
    Image.fromarray(seven()).save(tmp_path / "a.png")
    opener = Opener()
    for kind, content in (("image/png", (tmp_path / "a.png").read_bytes()), ("image/svg+xml", svg(RED).encode())):
        mime = QMimeData()
        mime.setData(kind, QByteArray(content))
        with qtbot.waitSignal(opener.picture, timeout=LONG) as caught:
            opener.open_mime(mime, "on the clipboard")
        assert caught.args[0].size == ((280, 280) if kind == "image/png" else (20, 10))
    mime = QMimeData()
    mime.setData("image/svg+xml", QByteArray(OUTSIDE["a file URL"].encode()))
    with qtbot.waitSignal(opener.refused, timeout=LONG) as caught:
        opener.open_mime(mime, "on the clipboard")
    assert "outside itself" in caught.args[0]


def test_ink_on_transparency_is_kept_when_it_is_pasted(qtbot):
    clear = Image.fromarray(ALPHA["alpha alone, over black"](seven()))
    mime, opener = QMimeData(), Opener()
    mime.setImageData(QImage(clear.tobytes(), 280, 280, 4 * 280, QImage.Format.Format_RGBA8888).copy())
    with qtbot.waitSignal(opener.picture, timeout=LONG) as caught:
        opener.open_mime(mime, "on the clipboard")
    wanted = as_digit(Image.fromarray(seven()).convert("RGB"))
    assert (as_digit(caught.args[0].image) != wanted).mean() < 0.02


def test_a_dropped_file_is_opened_for_what_it_holds(mnist, qtbot, tmp_path):
    session.save(session.Session(seed=777), tmp_path / "kept.png")
    dropped(mnist, files(tmp_path / "kept.png"))
    assert mnist.bar.seed.value() == 777 and "kept.png" in mnist.messages.text
    words = QMimeData()
    words.setText(f"Look at {mnist.files.link().text}.")
    assert dropped(mnist, words) and "From the link" in mnist.messages.text
    link = mnist.files.link().text
    for encoding, text in (
        ("utf-8-sig", f"Look at\n<{link}>."),
        ("utf-16", f"Look at\n<{link}>."),
        ("utf-8", f"<{link}>"),
        ("utf-8", f'<!DOCTYPE html><html><a href="{link}">look</a></html>'),
        ("utf-8", link.replace("vssm:", "VSSM:")),
    ):
        (tmp_path / "mail.txt").write_text(text, encoding)
        mnist.messages.clear()
        dropped(mnist, files(tmp_path / "mail.txt"))
        assert "From the link" in mnist.messages.text
    (tmp_path / "edited.json").write_text(session.text(session.Session(seed=778)), "utf-8-sig")
    dropped(mnist, files(tmp_path / "edited.json"))
    assert mnist.bar.seed.value() == 778
    for name, content, said in (
        ("a.safetensors", (2).to_bytes(8, "little") + b"{}", "weights"),
        ("a.npz", b"PK\x03\x04", "an archive"),
    ):
        (tmp_path / name).write_bytes(content)
        dropped(mnist, files(tmp_path / name))
        assert said in mnist.messages.text and name in mnist.messages.text


def test_of_several_files_the_rest_is_told(mnist, qtbot, tmp_path):
    Image.fromarray(seven()).save(tmp_path / "a.png")
    session.save(session.Session(seed=779), tmp_path / "b.json")
    (tmp_path / "c.bin").write_bytes(b"\0\1\2")
    paths = [tmp_path / name for name in ("a.png", "b.json", "c.bin")]
    dropped(mnist, files(*paths[1:]))
    assert mnist.bar.seed.value() == 779 and mnist.messages.text.endswith("b.json was, and the other one was not.")
    dropped(mnist, files(*paths[::-1]))  # the first cannot be opened
    qtbot.waitUntil(lambda: mnist.messages.text.endswith("c.bin was, and the other 2 were not."), timeout=LONG)
    assert any("c.bin" in toast.text and "one file" not in toast.text for toast in mnist.messages.toasts)
    dropped(mnist, files(*paths))
    crop(qtbot, mnist).accept()
    assert mnist.messages.text.endswith("a.png was, and the other 2 were not.") and mnist.bar.seed.value() == 779
    mnist.messages.clear()
    dropped(mnist, files(paths[1]))
    assert "one file" not in mnist.messages.text
