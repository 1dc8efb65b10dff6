"""Pictures of images: sheets side by side, written as PNG."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from PIL import Image

from .errors import UserError


def write_png(path: str | Path, images: np.ndarray, columns: int | None = None, gap: int = 0) -> None:
    """Write [K, H, W, C] uint8 as one PNG at native size, in rows of `columns` (all in one row by default), `gap`
    grey pixels apart; raises UserError where the file cannot be written."""
    K, H, W, C = images.shape
    columns = columns or K
    rows = math.ceil(K / columns)
    sheet = np.full((rows * (H + gap) - gap, columns * (W + gap) - gap, C), 128, np.uint8)
    for i, image in enumerate(images):
        y, x = i // columns * (H + gap), i % columns * (W + gap)
        sheet[y : y + H, x : x + W] = image
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        Image.fromarray(sheet[..., 0] if C == 1 else sheet).save(part, "PNG")
        part.replace(path)  # a full disk or a kill leaves no half picture
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error}); choose a folder you may write to.") from None
