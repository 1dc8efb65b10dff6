"""Imports pictures of any kind: to 8-bit RGB, and from there to a data set's size."""

from __future__ import annotations

import io
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from PIL import Image, ImageOps

from vssm.data import MNIST, DataSet, to_pixels, to_values
from vssm.errors import UserError
from vssm.files.ink import MIDDLE, find, fitting_box, reduce_drawing, split, stroke_width
from vssm.files.picture import FORMATS, open_picture, require_size

KEPT = 2048  # longest side kept of a picture: more would only make moving the crop slow
COLOURFUL, MANY = 32, 0.25  # from the least to the greatest channel of a pixel; share of such pixels in a photograph
BROADEST_BAR, BROADEST_STROKE = 5.0, 8.0  # pixels at a data set's size; an area that is broader is no stroke
ORIENTATION, ON_ITS_SIDE = 0x0112, (5, 6, 7, 8)  # of Exif
PAGE = 0.6  # of a picture: no drawing covers so much of its ground
SPECK, SPECKS = 6, 1e-4  # samples outside the range of the others: so many, or this share of all, are no drawing
Box = tuple[float, float, float, float]  # left, top, right, bottom, in pixels of the picture


@dataclass(frozen=True)
class Picture:
    """An imported picture.

    Args:
        image: RGB, at most `KEPT` pixels wide and high.
        size: Width and height of the original, in pixels.
    """

    image: Image.Image
    size: tuple[int, int]


# --- decoding -------------------------------------------------------------------------------------------------------


def decode(content: bytes, name: str) -> Picture:
    """Decode the bytes of a picture file, upright and without transparency.

    Raises:
        UserError: They are no picture of a usual format, or the picture is broken or too large.
    """
    with open_picture(io.BytesIO(content), name) as image:
        require_size(image.size, name)  # in four bytes a pixel, whatever the file has
        size, layout = image.size, _layout(image)
        image.draft("RGB", (KEPT, KEPT))  # a large JPEG is decoded no larger than that
        turn = image.getexif().get(ORIENTATION, 1)
        samples = _deep(image, layout, content)
        small = flat(reduced(image if samples is None else Image.fromarray(stretched(samples))))
    small.getexif()[ORIENTATION] = turn
    return Picture(ImageOps.exif_transpose(small), size[::-1] if turn in ON_ITS_SIDE else size)


def read_exactly(path: str | Path, height: int, width: int) -> np.ndarray:
    """Read a picture of exactly this size as [H, W, 4] uint8, with its opacity as the last channel.

    Raises:
        UserError: There is no such picture, or it has another size.
    """
    path = Path(path)
    with open_picture(path) as image:
        if image.size != (width, height):
            size = "{}×{}".format(*image.size)
            raise UserError(f"{path} is {size} pixels; this data set needs {width}×{height}, so resize it first.")
        layout = _layout(image)
        samples = _deep(image, layout, path.read_bytes())
        image = image if samples is None else Image.fromarray(stretched(samples))
        return np.asarray(image.convert("RGBA"))


def as_sketch(pixels: np.ndarray, channels: int) -> np.ndarray:
    """Convert a picture [H, W, 4] of a data set's size to a sketch [H, W, C], whatever its ground is.

    In grey, dark strokes on a transparent ground are ink, like light ones: only opacity says where. Everything else,
    such as known rows without ink, has a black ground; in colour the ground is one on which the drawing can be seen.
    Opacity that was never filled in counts as none.
    """
    image = Image.fromarray(pixels)
    opacity = pixels[..., 3]
    if not opacity.any():
        return np.asarray(image.convert("RGB" if channels == 3 else "L")).reshape(*opacity.shape, channels)
    if channels == 3:
        return np.asarray(flat(image))
    drawn = opacity >= min(128, opacity.max() / 2)
    dark = drawn.any() and luminance(pixels[..., :3])[drawn].max() < 128
    broadest = BROADEST_BAR if _is_rectangle(drawn) else BROADEST_STROKE
    if dark and not drawn.all() and stroke_width(drawn) <= broadest:
        return opacity[..., None]
    black = Image.new("RGBA", image.size, (0, 0, 0, 255))
    return np.asarray(Image.alpha_composite(black, image).convert("L"))[..., None]


def _is_rectangle(mask: np.ndarray) -> bool:
    """Whether the True cells of a mask [h, w] fill a rectangle, as known rows do; the only such stroke is a bar."""
    return bool((mask == np.logical_and.outer(mask.any(1), mask.any(0))).all())


def _deep(image: Image.Image, layout: str, content: bytes) -> np.ndarray | None:
    """Return the samples of a picture of more than 8 bits, [H, W] or [H, W, C]; None for any other picture.

    Of 16 bits in colour Pillow reads only the high bytes. If it reads the picture again with the opposite byte order,
    it reads the low bytes. Grey with opacity, the high byte first in PNG, it reads again as four channels of 8 bits.
    """
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        return np.asarray(image)
    if image.mode not in ("RGB", "RGBA") or layout[-4:-1] != ";16":
        return None
    if layout == "LA;16B":
        grey_and_opacity = _read_as("RGBA", content).view(">u2")
        return grey_and_opacity[..., [0, 0, 0, 1]].astype(np.uint16)
    little = layout[-1] == "L" or (layout[-1] == "N" and sys.byteorder == "little")
    high = np.asarray(image).astype(np.uint16) << 8
    return np.asarray(high | _read_as(layout[:-1] + ("B" if little else "L"), content))


def _read_as(layout: str, content: bytes) -> np.ndarray:
    """Decode the bytes of a picture file as if its samples had another layout of the same size."""
    with Image.open(io.BytesIO(content), formats=FORMATS) as image:
        tiles = cast("Any", image)  # an image that is read from a file tells how its samples lie there
        tiles.tile = [_with_layout(tile, layout) for tile in tiles.tile]
        return np.asarray(image)


def _layout(image: Image.Image) -> str:
    """Return the layout of samples in the file, such as "RGB;16B"; empty if Pillow does not say."""
    tiles = cast("Any", image).tile
    args = tiles[0][3] if tiles else ""
    found = args[0] if isinstance(args, tuple) and args else args
    return found if isinstance(found, str) else ""


def _with_layout(tile: Any, layout: str) -> Any:
    args = (layout, *tile[3][1:]) if isinstance(tile[3], tuple) else layout
    return type(tile)(*tile[:3], args) if hasattr(tile, "_fields") else (*tile[:3], args)


def stretched(samples: np.ndarray) -> np.ndarray:
    """Convert samples of more than 8 bits to uint8: the smallest becomes black and the largest white, but for specks
    (see `_bounds`).

    A fourth channel is opacity, whose largest value becomes 255. If all samples are equal, they are taken as 16 bits,
    or as 8 bits if they fit.
    """
    if samples.ndim == 3 and samples.shape[2] == 4:
        opacity = np.round(samples[..., 3:] * (255 / max(int(samples[..., 3].max()), 1))).astype(np.uint8)
        return np.concatenate([stretched(samples[..., :3]), opacity], 2)
    if samples.dtype.kind == "f":
        samples = np.nan_to_num(samples.astype(np.float32), posinf=0, neginf=0)
    least, most = _bounds(samples)
    if least == most:
        whole = 1 if samples.dtype.kind == "f" else 255 if most <= 255 else 65535
        return np.full(samples.shape, int(min(max(float(most) / whole, 0), 1) * 255 + 0.5), np.uint8)
    out = np.empty(samples.shape, np.uint8)
    for row, into in zip(samples, out, strict=True):  # row by row: a copy of all in floats would be large
        into[:] = np.round((row.astype(np.float64).clip(least, most) - least) * (255 / (most - least)))
    return out


def _bounds(samples: np.ndarray) -> tuple[float, float]:
    """Find the smallest and the largest of samples [H, W] or [H, W, C]; without specks, where these take more than half
    of the range to themselves and are not all there is."""
    least, most = whole = float(samples.min()), float(samples.max())
    while least < most:
        low, high = least + (most - least) / 4, most - (most - least) / 4
        if _are_specks(samples > high):
            most = float(np.max(samples, where=samples <= high, initial=samples.min()))
        elif _are_specks(samples < low):
            least = float(np.min(samples, where=samples >= low, initial=samples.max()))
        else:
            break
    return (least, most) if 0 < 2 * (most - least) < whole[1] - whole[0] else whole


def _are_specks(mask: np.ndarray) -> bool:
    """Whether the True samples [H, W] or [H, W, C] are few and apart, such as a sensor's hot pixels: one or two pixels
    each, where lines and dots that somebody drew have more together."""
    if not 0 < np.count_nonzero(mask) <= max(SPECK, mask.size * SPECKS):
        return False
    framed = np.pad(mask, ((1, 1), (1, 1), (0, 0))[: mask.ndim])
    y, x, *channel = np.nonzero(mask)
    near = sum(framed[(y + dy, x + dx, *channel)].astype(int) for dy in range(3) for dx in range(3))
    return bool(np.all(near < 3))


def flat(image: Image.Image) -> Image.Image:
    """Convert to RGB; transparent pixels become a ground on which the drawing can be seen."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    clear = image.convert("RGBA")
    pixels = np.asarray(clear)
    if not pixels[..., 3].any():  # opacity that was never filled in
        return clear.convert("RGB")
    ground = Image.new("RGBA", clear.size, (255 if _lies_on_white(pixels) else 0,) * 3 + (255,))
    return Image.alpha_composite(ground, clear).convert("RGB")


def _lies_on_white(pixels: np.ndarray) -> bool:
    """Whether a picture [H, W, 4] with transparency needs a white ground: ink needs the opposite ground, and a picture
    with a transparent margin its own."""
    grey, weight = luminance(pixels[..., :3]), pixels[..., 3] / 255.0
    mean = np.average(grey, weights=weight)
    uniform = np.average((grey - mean) ** 2, weights=weight) < 16**2
    return bool(mean < 128) if uniform or weight.mean() <= 0.5 else bool(np.median(grey[weight > 0.5]) >= 128)


def reduced(image: Image.Image) -> Image.Image:
    """Reduce an image to a useful size."""
    ratio = KEPT / max(image.size)
    if ratio >= 1:
        return image
    if image.has_transparency_data and image.mode not in ("LA", "RGBA"):
        image = image.convert("RGBA")
    elif image.mode in ("P", "1"):
        image = image.convert("RGB" if image.mode == "P" else "L")
    width, height = (max(1, round(n * ratio)) for n in image.size)
    return image.resize((width, height), Image.Resampling.BOX, reducing_gap=2.0)


# --- what it shows --------------------------------------------------------------------------------------------------


def luminance(pixels: np.ndarray) -> np.ndarray:
    """Compute the luminance [H, W] (float) of [H, W, 3] uint8, with Pillow's weights of the channels."""
    return np.asarray(pixels @ np.array([0.299, 0.587, 0.114]))


def is_on_paper(image: Image.Image) -> bool:
    """Whether a picture has dark ink on a light ground: its border belongs to its lighter part. Where most of the
    picture is unlike its border, such as a page on a dark table, that is the ground."""
    grey = np.asarray(image.convert("L"))
    edge = np.median(_border(grey))
    light = split(grey)
    if light.all() or not light.any():
        return bool(edge >= 128)
    framed_by_light = bool(edge > np.median(grey[~light]))
    within = 1 - light.mean() if framed_by_light else light.mean()  # what is unlike the border
    return framed_by_light != bool(within > PAGE)


def is_colourful(image: Image.Image) -> bool:
    """Whether a picture looks like a colour photograph and not like a drawing."""
    small = np.asarray(image.convert("RGB").resize((64, 64), Image.Resampling.BOX), int)
    return bool((small.max(2) - small.min(2) > COLOURFUL).mean() > MANY)


def _border(grey: np.ndarray) -> np.ndarray:
    """Return the values of the outermost pixels of [H, W], a fiftieth of its sides wide."""
    rows, columns = (max(1, n // 50) for n in grey.shape)
    inside = np.zeros(grey.shape, bool)
    inside[rows:-rows, columns:-columns] = True
    return grey[~inside]


# --- to a data set's size -------------------------------------------------------------------------------------------


def cut(image: Image.Image, box: Box, data: DataSet, invert: bool = False) -> np.ndarray:
    """Reduce the part of the picture in the box to [H, W, C] uint8, exactly what the models read.

    Every pixel is the mean of what it covers; for a binarised set strokes keep their ink (`ink.reduce_drawing`).
    Outside the picture is the colour of its border.
    """
    if box[0] < 0 or box[1] < 0 or box[2] > image.width or box[3] > image.height:
        image, box = _extended(image, box)
    wide, high = box[2] - box[0], box[3] - box[1]
    drawn = data.channels == 1 and data.num_values == 2 and (wide > data.width or high > data.height)
    size = (round(wide), round(high)) if drawn else (data.width, data.height)
    part = image.resize(size, Image.Resampling.BOX, box)
    pixels = np.asarray(part.convert("L") if data.channels == 1 else part, np.uint8)
    pixels = 255 - pixels if invert else pixels
    if drawn:
        pixels = reduce_drawing(pixels, data.height, data.width)
    return to_pixels(to_values(pixels, data), data).reshape(data.shape)


def cut_centred(image: Image.Image, invert: bool = False) -> np.ndarray:
    """Reduce a picture to [28, 28, 1] uint8 for MNIST, its ink centred and sized like MNIST's digits."""
    grey = np.asarray(image.convert("L"))
    ink = find(255 - grey if invert else grey, MNIST.height, MNIST.width)
    box = fitting_box(ink)
    if box is None:
        return cut(image, (0, 0, *image.size), MNIST, invert)
    edges = np.array(box) * (np.array(image.size * 2) / (ink.shape[::-1] * 2))
    made = cut(image, _box(edges), MNIST, invert)
    if made.any():  # thin strokes have become as broad as others, which may have moved the middle
        place = [np.nonzero(made[..., 0])[axis].mean() + 0.5 for axis in (1, 0)]
        edges += np.tile((np.array(place) / MNIST.width - np.array(MIDDLE)) * (edges[2:] - edges[:2]), 2)
        made = cut(image, _box(edges), MNIST, invert)
    return made


def _box(edges: np.ndarray) -> Box:
    left, top, right, bottom = edges.tolist()
    return left, top, right, bottom


def _extended(image: Image.Image, box: Box) -> tuple[Image.Image, Box]:
    """Extend a picture, in the colour of its border, so that it contains the box; returns it and the box in it."""
    left, top = (max(0, math.ceil(-edge)) for edge in box[:2])
    right, bottom = (max(0, math.ceil(edge - size)) for edge, size in zip(box[2:], image.size, strict=True))
    pixels = np.asarray(image)
    colour = tuple(int(np.median(_border(pixels[..., channel]))) for channel in range(3))
    whole = Image.new("RGB", (left + image.width + right, top + image.height + bottom), colour)
    whole.paste(image, (left, top))
    return whole, (box[0] + left, box[1] + top, box[2] + left, box[3] + top)
