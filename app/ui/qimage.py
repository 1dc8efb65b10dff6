"""Pictures of Qt's as Pillow's."""

from __future__ import annotations

import numpy as np
from PIL import Image
from PySide6.QtGui import QImage

from vssm.files.image import stretched


def from_qimage(image: QImage) -> Image.Image:
    """A QImage as RGBA, in memory of its own; of more than 8 bits it is stretched, as pictures in files are."""
    depth = image.pixelFormat()
    deep = max(depth.redSize(), depth.brightnessSize()) > 8
    image = image.convertToFormat(QImage.Format.Format_RGBA64 if deep else QImage.Format.Format_RGBA8888)
    rows = np.frombuffer(image.constBits(), np.uint16 if deep else np.uint8).reshape(image.height(), -1)
    pixels = rows[:, : 4 * image.width()].reshape(image.height(), image.width(), 4)
    return Image.fromarray(stretched(pixels) if deep else pixels.copy(), "RGBA")
