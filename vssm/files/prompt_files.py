"""Reads prompts from pictures or .npz archives, and writes completions to either, for `complete`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np

from vssm.data import DataSet
from vssm.errors import UserError
from vssm.files import archive, atomic
from vssm.files.picture import open_picture, write_png
from vssm.prompt import Prompt, read_image

MOST_BYTES = 100_000_000  # of an archive's pictures
MOST_COMPLETED = 500_000_000  # bytes of all their completions


def read_prompt(
    dataset: DataSet, picture: Path | None, known: Path | None = None, rows: int | None = None
) -> tuple[Prompt, str]:
    """Read the prompt in a picture, with words that say which of its pixels are known.

    These are the pixels of 128 or more in the picture `known`; or the first `rows` rows; or the opaque pixels of a
    picture with transparency; or else the upper half. Without a picture nothing can be known, so that `rows` must
    be 0. Raises UserError for files that cannot be used, where every pixel is known, and where opacity alone would say
    what is known, but no pixel is opaque.
    """
    if picture is None:
        if rows != 0 or known is not None:
            raise UserError("Name a picture by --prompt, or ask for no known pixels by --rows 0.")
        return Prompt.empty(*dataset.shape), "nothing"
    pixels = read_image(picture, *dataset.shape)
    prompt = Prompt(pixels, np.zeros(pixels.shape[:2], bool))
    if known is not None:
        mask = read_image(known, dataset.height, dataset.width, 1)[..., 0]
        _require_range(mask, str(known))
        prompt, words = Prompt(pixels, mask >= 128), f"as {known} says"
    elif rows is not None:
        prompt, words = prompt.with_rows(rows), f"the first {rows} rows" if rows else "nothing"
    elif (opaque := _opaque(picture)) is not None:
        if not opaque.any():
            raise UserError(f"No pixel of {picture} is opaque, so none is known; say which are by --known or --rows.")
        prompt, words = Prompt(pixels, opaque), "the opaque ones"
    else:
        prompt, words = prompt.with_rows(dataset.height // 2), "the upper half, as neither --known nor --rows was given"
    _require_range(prompt.pixels[prompt.known], str(picture))
    if prompt.known.all():
        raise UserError("Every pixel of the prompt is known; leave some to complete, by --known PNG or --rows R.")
    return prompt, words


def _opaque(picture: Path) -> np.ndarray | None:
    """Find where a picture is opaque, [H, W] bool; None if it has no transparency, or one that was never filled in."""
    with open_picture(picture) as image:
        if not image.has_transparency_data:
            return None
        opacity = np.asarray(image.convert("RGBA"))[..., 3]
        return opacity >= 128 if opacity.any() else None


def read_prompts(path: Path, dataset: DataSet) -> tuple[np.ndarray, np.ndarray]:
    """Read `images` [M, H, W, C] uint8 (or [M, H, W] if C is 1) and `known` [M, H, W] bool from an .npz archive.

    Raises UserError for anything else, and where every pixel is known.
    """
    H, W, C = dataset.shape

    def check(headers: dict[str, archive.ArrayHeader]) -> None:
        images, known = headers["images"], headers["known"]
        shapes = [(H, W, C), *([(H, W)] if C == 1 else [])]
        if images.dtype != np.uint8 or images.shape[1:] not in shapes or not images.nbytes:
            raise UserError(f"`images` in {path} must be uint8 [M, {H}, {W}, {C}], not {images}.")
        if known.dtype != np.bool_ or known.shape != images.shape[:3]:
            raise UserError(
                f"`known` in {path} must be bool {list(images.shape[:3])}, one for each pixel, not {known}."
            )
        if images.nbytes > MOST_BYTES:
            raise UserError(f"`images` in {path} is {images}; give at most {MOST_BYTES // (H * W * C):,} prompts.")

    arrays = archive.read(path, ("images", "known"), check, "give one of `images` and `known`, as numpy.savez writes")
    images, known = arrays["images"].reshape(-1, H, W, C), arrays["known"]
    if known.all():
        raise UserError(f"Every pixel in {path} is known; leave some to complete.")
    for image, mask in zip(images, known, strict=True):
        _require_range(image[mask], str(path))
    return images, known


def _require_range(values: np.ndarray, name: str) -> None:
    """Raise UserError for values that were stored as 0 and 1, because the picture would be black."""
    if values.size and values.max() == 1:
        raise UserError(f"Values of a picture in {name} are 0 and 1, and go from 0 to 255 here; multiply them by 255.")


def check_out(path: Path, suffixes: tuple[str, ...]) -> None:
    """Check before the work that `path` can be written; raises UserError if it cannot."""
    atomic.require_suffix(path, suffixes)
    atomic.require_writable(path)


def write_completions(path: Path, images: np.ndarray, known: np.ndarray) -> None:
    """Write completions [K, H, W, C] as one PNG, or with `known` [H, W] as an .npz archive, according to the name.

    Raises:
        UserError: The file cannot be written.
    """
    if path.suffix.lower() == ".png":
        write_png(path, images)
    else:
        write_npz(path, images=images, known=known)


def write_npz(path: Path, **arrays: np.ndarray) -> None:
    """Write an .npz archive, whole or not at all; raises UserError if that fails."""
    atomic.require_suffix(path, (".npz",))
    with atomic.replacing(path) as part, part.open("wb") as file:  # by its name alone, numpy would add a suffix
        np.savez_compressed(file, **cast("dict[str, Any]", arrays))
