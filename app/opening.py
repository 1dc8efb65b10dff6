"""Pictures from outside: files, the clipboard and what is dropped, whatever they are, and cut to a data set's size.

Whatever cannot be used is a UserError of one sentence. Pillow reads what it can; Qt has a try at the rest (SVG).
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PySide6.QtCore import QMimeData, QSize, Qt
from PySide6.QtGui import QImage, QImageReader

from vssm.data import DataSet
from vssm.errors import UserError

MOST_PIXELS = 100_000_000  # beyond that a picture takes too much memory, and is likely meant to
KEPT = 4096  # longest side kept of a picture: more would only make moving the crop slow
SUFFIXES = ("png", "jpg", "jpeg", "webp", "gif", "bmp", "tif", "tiff", "avif", "jp2", "ppm", "pgm", "ico", "svg")
OUTSIDE = ("EPS", "WMF", "GRIB", "HDF5", "BUFR", "FITS", "MPEG")  # formats that start other programs, or have no pixels
Box = tuple[float, float, float, float]  # left, top, right, bottom


def read(path: Path) -> Image.Image:
    """Any picture file as RGB, upright, on black where it is transparent."""
    name = path.name or str(path)
    if path.is_dir():
        raise UserError(f"{name} is a folder; choose a picture.")
    if path.exists() and not path.is_file():
        raise UserError(f"{name} is not a file; choose a picture.")
    try:
        Image.init()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the size, which is looked at here
            with Image.open(path, formats=[f for f in Image.OPEN if f not in OUTSIDE]) as image:
                _bound(image.size, name)
                image.draft("RGB", (KEPT, KEPT))  # a large JPEG is decoded no larger than that
                return _kept(_flat(ImageOps.exif_transpose(image)))
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"There is no file {name}.") from None
    except PermissionError:
        raise UserError(f"{name} may not be read; ask its owner for permission.") from None
    except UnidentifiedImageError:
        return _read_by_qt(path, name)
    except Image.DecompressionBombError:
        raise UserError(_too_large(name)) from None
    except MemoryError:
        raise UserError(f"There is not enough memory to open {name}.") from None
    except Exception as error:  # a decoder may stumble over a broken file in any way
        reason = str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__
        raise UserError(f"{name} is broken or not a picture ({reason}).") from None


def _read_by_qt(path: Path, name: str) -> Image.Image:
    reader = QImageReader(str(path))
    reader.setAutoTransform(True)
    reader.setDecideFormatFromContent(True)
    if not reader.canRead():
        raise UserError(f"{name} is not a picture that this program can read.")
    size = reader.size()
    if bytes(reader.format()).startswith(b"svg") and size.isValid():  # has no size of its own: as large as is useful
        reader.setScaledSize(size.scaled(QSize(1024, 1024), Qt.AspectRatioMode.KeepAspectRatio))
    elif size.isValid():
        _bound((size.width(), size.height()), name)
    image = reader.read()
    if image.isNull():
        raise UserError(f"{name} is broken ({reader.errorString().rstrip('.')}).")
    return from_qimage(image, name)


def from_qimage(image: QImage, name: str = "The picture") -> Image.Image:
    """The same as RGB, on black where it is transparent."""
    if image.isNull():
        raise UserError(f"{name} is empty or broken.")
    _bound((image.width(), image.height()), name)
    image = image.convertToFormat(QImage.Format.Format_RGBA8888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    pixels = rows[:, : 4 * image.width()].reshape(image.height(), image.width(), 4)
    return _kept(_flat(Image.fromarray(pixels.copy(), "RGBA")))


def from_mime(mime: QMimeData | None, place: str) -> Image.Image:
    """The picture in what was pasted or dropped; `place` says where it is sought, such as "on the clipboard"."""
    files = [url.toLocalFile() for url in mime.urls() if url.isLocalFile()] if mime and mime.hasUrls() else []
    if files:
        return read(Path(files[0]))
    if mime and mime.hasImage():
        image = mime.imageData()
        return from_qimage(image if isinstance(image, QImage) else image.toImage())
    if mime and mime.hasUrls():
        raise UserError("Only pictures on this machine can be opened; save it to a file first.")
    raise UserError(f"There is no picture {place}.")


def offers(mime: QMimeData) -> bool:
    """Whether it may hold a picture."""
    return mime.hasImage() or mime.hasUrls()


def cut(image: Image.Image, box: Box, data: DataSet, invert: bool = False) -> np.ndarray:
    """The part of the picture in the box as [H, W, C] uint8 of the data set: every pixel the mean of what it covers."""
    small = image.resize((data.width, data.height), Image.Resampling.BOX, box)
    pixels = np.asarray(small.convert("L") if data.channels == 1 else small, np.uint8)
    return (255 - pixels if invert else pixels).reshape(data.shape).copy()


def _flat(image: Image.Image) -> Image.Image:
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        values = np.nan_to_num(np.asarray(image, np.float32))
        if image.mode != "F":
            values = values / 257 if values.max() > 255 else values  # 16 bits, or 8 in a wider type
        elif values.max() <= 1:
            values = values * 255
        return Image.fromarray(values.clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        clear = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", clear.size, (0, 0, 0, 255)), clear).convert("RGB")
    return image.convert("RGB")


def _kept(image: Image.Image) -> Image.Image:
    """No larger than is useful."""
    ratio = KEPT / max(image.size)
    if ratio >= 1:
        return image
    return image.resize(tuple(max(1, round(n * ratio)) for n in image.size), Image.Resampling.BOX)


def _bound(size: tuple[int, int], name: str) -> None:
    if size[0] < 1 or size[1] < 1:
        raise UserError(f"{name} has no pixels.")
    if size[0] * size[1] > MOST_PIXELS:
        raise UserError(f"{_too_large(name).rstrip('.')}, and it has {size[0]:,} × {size[1]:,}.")


def _too_large(name: str) -> str:
    return f"{name} is too large: at most {MOST_PIXELS // 1_000_000} million pixels can be opened."
