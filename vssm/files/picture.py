"""Opens pictures that people give, and writes sheets of images as PNG."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from vssm.errors import UserError
from vssm.files import atomic

# Only these are tried. Others that Pillow knows start another program (EPS), hold no pixels or are no longer in use.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM", "ICO")
MOST_SIDE = 30_000  # pixels
MOST_BYTES = 300_000_000  # that a picture takes when it is decoded, and its file


@contextlib.contextmanager
def open_picture(source: str | Path | BinaryIO, name: str | None = None) -> Iterator[Image.Image]:
    """Open a picture of one of the FORMATS, not yet decoded, for a block that decodes it.

    Whatever a decoder raises in the block over a broken file becomes a UserError, and none of its warnings is shown.

    Args:
        source: A path or an open binary file.
        name: What the picture is called in messages; the path by default.

    Raises:
        UserError: It is missing, no picture of these formats, broken, or larger than MOST_SIDE or MOST_BYTES allow.
    """
    name = name or (str(source) if isinstance(source, (str, Path)) else "The picture")
    try:
        if isinstance(source, (str, Path)):
            require_file(Path(source), name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(source, formats=FORMATS) as image:
                require_size(image.size, name, bytes_per_pixel(image.mode))
                yield image
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"There is no file {name}; give the path of a picture.") from None
    except UnidentifiedImageError:
        kinds = "PNG, JPEG, WebP, GIF, BMP or TIFF"
        raise UserError(f"{name} cannot be read as a picture; give one as {kinds}.") from None
    except Image.DecompressionBombError:
        raise UserError(f"{name} has too many pixels; make it smaller first.") from None
    except MemoryError:
        raise UserError(f"There is not enough memory to open {name}; make it smaller first.") from None
    except Exception as error:  # a decoder may stumble over a broken file in any way
        reason = (getattr(error, "strerror", None) or str(error) or type(error).__name__).strip().splitlines()[0]
        raise UserError(f"{name} cannot be read as a picture ({reason.rstrip('.')}); give another one.") from None


def bytes_per_pixel(mode: str) -> int:
    """Return how many bytes Pillow needs for a pixel of this mode."""
    if mode.startswith("I;16"):
        return 2
    return 1 if mode in ("1", "L", "P") else 4


def require_size(size: tuple[int, int], name: str, pixel_bytes: int = 4) -> None:
    """Raise UserError for a picture (width, height) without pixels or with more than can be read."""
    width, height = size
    if width < 1 or height < 1:
        raise UserError(f"{name} has no pixels; give another picture.")
    if max(size) > MOST_SIDE:
        most = f"a side may have {MOST_SIDE:,}"
    elif width * height * pixel_bytes > MOST_BYTES:
        most = f"it may have {MOST_BYTES // pixel_bytes // 1_000_000} million in all"
    else:
        return
    raise UserError(f"{name} has {width:,} × {height:,} pixels, and {most}; make it smaller first.")


def require_file(path: Path, name: str) -> None:
    """Raise UserError for a missing file, a folder, a pipe, a device, or a file that is too large for a picture."""
    if not path.is_file():
        if path.exists():
            raise UserError(f"{name} is not a file, so it cannot be read as a picture; give the path of one.")
        raise UserError(f"There is no file {name}; give the path of a picture.")
    if path.stat().st_size > MOST_BYTES:
        raise UserError(f"{name} is larger than {MOST_BYTES // 1_000_000} MB; give a smaller picture.")


def write_png(path: str | Path, images: np.ndarray, columns: int | None = None, gap: int = 0) -> None:
    """Write images as one PNG at native size.

    Args:
        path: A name that ends in .png.
        images: [K, H, W, C] uint8.
        columns: How many images are in a row; None for all.
        gap: How many grey pixels are between two images.

    Raises:
        UserError: The name has another ending, or the file cannot be written.
    """
    atomic.require_suffix(path, (".png",))
    K, H, W, C = images.shape
    columns = columns or K
    rows = math.ceil(K / columns)
    sheet = np.full((rows * (H + gap) - gap, columns * (W + gap) - gap, C), 128, np.uint8)
    for i, image in enumerate(images):
        y, x = i // columns * (H + gap), i % columns * (W + gap)
        sheet[y : y + H, x : x + W] = image
    with atomic.replacing(path) as part:
        Image.fromarray(sheet[..., 0] if C == 1 else sheet).save(part, "PNG")
