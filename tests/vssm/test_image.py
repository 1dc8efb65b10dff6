"""Pictures in files of every kind, as the models are given them: right colours, ink and orientation."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from pictures import ALPHA, as_digit, picture, seven, whole
from PIL import Image, ImageOps

from vssm import data
from vssm.files import image as images
from vssm.files.ink import stroke_width


def decoded(path: Path) -> Image.Image:
    return images.decode(path.read_bytes(), path.name).image


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


@pytest.mark.parametrize("frame", [60, 150, 0])
@pytest.mark.parametrize("width", [2, 20])
@pytest.mark.parametrize("paper", [True, False])
def test_what_goes_round_a_page_is_neither_its_ground_nor_ink(frame, width, paper):
    """A table, a frame or a line."""
    page = 235 - 170 * (seven(400, 14) / 255)
    page[:width] = page[-width:] = page[:, :width] = page[:, -width:] = frame
    picture = Image.fromarray((page if paper else 255 - page).astype(np.uint8)).convert("RGB")
    assert images.is_on_paper(picture) == paper
    assert (as_digit(picture) != as_digit(Image.fromarray(seven(400, 14)).convert("RGB"))).mean() < 0.02


def test_a_frame_alone_is_what_was_drawn():
    ring = np.full((280, 280), 255, np.uint8)
    ring[30:-30, 30:-30] = 0
    made = images.cut(Image.fromarray(ring).convert("RGB"), (0, 0, 280, 280), data.MNIST)
    assert made[0].all() and not made[14, 14].any()


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
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_any_bits_in_files_of_16_are_stretched_to_their_range(most, channels):
    rng = np.random.default_rng(most)
    samples = rng.integers(5, most + 1, (20, 30, channels))
    if channels in (2, 4):  # the last is opacity
        samples[..., -1] = 65535
    read = np.asarray(images.decode(png_of_16_bits(samples), "a").image)
    assert np.abs(read - scaled(samples[..., :3] if channels > 2 else samples[..., [0] * 3])).max() <= 1


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("ground", ["black", "paper"])
def test_hot_and_dead_pixels_do_not_take_the_range(channels, ground):
    ink = seven(280, 3).astype(int) * 4000 // 255
    samples = 30_000 + np.repeat((ink if ground == "black" else 4000 - ink)[..., None], channels, 2)
    colours = np.s_[: channels - 1 if channels in (2, 4) else channels]
    if channels in (2, 4):
        samples[..., -1] = 65535
    usual = np.asarray(images.decode(png_of_16_bits(samples), "a").image, int)
    for y, x, value in ((3, 5, 65535), (0, 0, 0), (200, 9, 60_000), (201, 9, 65535)):
        samples[y, x, colours] = value
    read = np.asarray(images.decode(png_of_16_bits(samples), "a").image, int)
    assert (np.abs(read - usual) > 1).sum() <= 12 and usual.max() == 255 and usual.min() == 0


@pytest.mark.parametrize("kind", ["line", "dot", "three dots", "on flat ground"])
def test_little_ink_is_no_speck(kind):
    """On a noisy ground, whose noise is not to become the picture."""
    samples = np.random.default_rng(0).integers(0, 300, (280, 280, 1))
    ink = {
        "line": np.s_[100, 40:50],
        "dot": np.s_[100:102, 40:42],
        "three dots": (np.array([9, 10, 11]), np.array([9, 10, 11])),
        "on flat ground": np.s_[100, 40],
    }[kind]
    samples = samples if kind != "on flat ground" else 0 * samples
    samples[ink] = 60_000
    read = np.asarray(images.decode(png_of_16_bits(samples), "a").image)
    assert np.abs(read - scaled(samples)).max() <= 1


@pytest.mark.parametrize("most", [255, 4095, 65535])
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
