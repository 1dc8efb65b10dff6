"""Checks whether a sketched digit is like those that the models were trained on, and makes it like them.

MNIST's digits fill a box of 20 × 20 pixels and have their centre of mass in the middle of 28 × 28; they are light on a
dark ground, in strokes of two to three pixels. Models complete other sketches much worse. The ranges below are
quantiles of the training set, binarised at the middle, with the upper `rows` rows known or all of them;
`python -m vssm.prompt_advice` measures them again.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
from PIL import Image

from vssm import data
from vssm.data import MNIST, DataSet
from vssm.files.image import cut, cut_centred
from vssm.files.ink import CONTRAST, stroke_width
from vssm.prompt import Prompt

BOX, MIDDLE = 20, 14.5  # pixels: the longer side of a digit; where its centre of mass lies, in both directions
QUANTILES = 0.005, 0.995

# As measured on the 60,000 digits of the training set.
ROWS = (7, 10, 14, 18, 21, 28)  # known, from the top
CENTRE_X = ((8.0, 23.7), (9.6, 21.3), (11.4, 18.8), (12.7, 17.1), (13.3, 16.3), (13.8, 15.2))  # by ROWS
CENTRE_Y = 13.7, 15.3  # of whole digits
MARGINS = {"left": (2, 14), "top": (2, 9), "right": (1, 13), "bottom": (1, 8)}  # empty pixels on each side
TOP = 5  # the median of the margins there
LONGER = 19, 20  # side
STROKES = 1.16, 5.0  # width, of upper halves too
SHARE = 0.04, 0.26  # of the known pixels that have ink, all known or the upper half

HALF = 14  # rows: of fewer, too little of a digit is seen to tell its size
LOW, BROAD = 6, 12  # pixels: 14 % of the upper halves begin lower, and most of these are broader

SLACK = 1.5  # pixels beyond a range that still do little harm
NEAR = 0.8  # pixels from the middle that are none: half of them are lost in rounding to whole ones
MOST_SCALE = 2.0  # of the upper part of a digit, whose whole is not known
ENOUGH = 12  # pixels of ink: less is the beginning of a sketch


@dataclass(frozen=True)
class Measures:
    """Place, size and shape of the ink of a prompt.

    Args:
        left: Empty pixels between the ink and the left side of the picture.
        top: The same at the top.
        right: The same at the right.
        bottom: The same at the bottom.
        x: The centre of mass, in pixels from the left.
        y: The centre of mass, in pixels from the top.
        width: The mean width of strokes, in pixels.
        share: The share of known pixels that have ink.
        ink: How many pixels have ink.
        cut: The sides where the known region ends directly after the ink, so that the digit may continue there.
        torn: Whether the digit may continue in a gap of the known region.
        spans: Whether the known region reaches from the left side to the right side.
    """

    left: int
    top: int
    right: int
    bottom: int
    x: float
    y: float
    width: float
    share: float
    ink: int
    cut: frozenset[str]
    torn: bool
    spans: bool

    @classmethod
    def of(cls, ink: np.ndarray, known: np.ndarray) -> Measures | None:
        """Measure the ink [H, W] bool of known pixels [H, W] bool; None if there is none."""
        ink = ink & known
        if not ink.any():
            return None
        H, W = ink.shape
        rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
        y, x = (places.mean() + 0.5 for places in np.nonzero(ink))
        around, ground = np.pad(~known, 1), known & ~ink
        lines = {  # the outermost ink on each side, the known ground in line with it, and what follows
            "left": (ink[:, columns[0]], ground[:, columns[0]], around[1:-1, columns[0]]),
            "top": (ink[rows[0]], ground[rows[0]], around[rows[0], 1:-1]),
            "right": (ink[:, columns[-1]], ground[:, columns[-1]], around[1:-1, columns[-1] + 2]),
            "bottom": (ink[rows[-1]], ground[rows[-1]], around[rows[-1] + 2, 1:-1]),
        }
        return cls(
            int(columns[0]),
            int(rows[0]),
            int(W - 1 - columns[-1]),
            int(H - 1 - rows[-1]),
            float(x),
            float(y),
            stroke_width(ink),
            float(ink.sum() / known.sum()),
            int(ink.sum()),
            frozenset(side for side, line in lines.items() if _goes_on(*line)),
            _torn(ink, ground, ~known),
            bool(ground[:, 0].any() and ground[:, -1].any()),
        )


def _goes_on(ink: np.ndarray, ground: np.ndarray, unknown: np.ndarray) -> bool:
    """Whether ink ends where a known region ends: unknown pixels follow, and there is known ground beside it. Ink
    outside known regions has no such ground and ends where the pen ended."""
    beside = np.pad(ground, 1)
    return bool((ink & unknown & (beside[2:] | beside[:-2])).any())


def _torn(ink: np.ndarray, ground: np.ndarray, unknown: np.ndarray) -> bool:
    """Whether ink is beside an unknown pixel in the box around the known ground; ink outside that box ends where the
    pen ended."""
    if not ground.any():
        return False
    rows, columns = np.flatnonzero(ground.any(1)), np.flatnonzero(ground.any(0))
    gap = np.zeros_like(unknown)
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    gap[box] = unknown[box]
    beside = np.pad(gap, 1)
    return bool((ink & (beside[2:, 1:-1] | beside[:-2, 1:-1] | beside[1:-1, 2:] | beside[1:-1, :-2])).any())


def advise(prompt: Prompt, dataset: DataSet) -> str:
    """Return one sentence if a prompt is far from what the models of this data set were trained on; else ""."""
    if dataset is not MNIST:
        return ""
    values = prompt.pixels[prompt.known]
    if values.size and not _ink(values).any() and int(values.max()) - int(values.min()) >= CONTRAST:
        return "All of this sketch is darker than half of white, so the models see no ink in it: make it brighter."
    found = Measures.of(_ink(prompt.pixels), prompt.known)
    reasons = [] if found is None or found.ink < ENOUGH else _reasons(found)
    if not reasons:
        return ""
    listed = " and ".join(part for part in (", ".join(reasons[:-1]), reasons[-1]) if part)
    return f"This sketch is {listed}, unlike the digits that the models were trained on: completions may be worse."


def _reasons(found: Measures) -> list[str]:
    if found.share > 2 * SHARE[1] and found.width > STROKES[1]:
        return ["dark on light or nearly filled"]
    H = W = MNIST.height
    upright, across = found.cut & {"top", "bottom"}, found.cut & {"left", "right"}
    whole = not found.cut and not found.torn
    bands = found.spans and not across and not found.torn  # whole rows of the digit are known
    rows = H - sum(getattr(found, side) for side in upright)
    least, most = (np.interp(rows, ROWS, ends) for ends in zip(*CENTRE_X, strict=True))
    aside = (whole or bands) and not least - SLACK <= found.x <= most + SLACK
    low = whole and not CENTRE_Y[0] - SLACK <= found.y <= CENTRE_Y[1] + SLACK
    near = [getattr(found, side) < MARGINS[side][0] - 1 for side in MARGINS]
    broad, longer = W - found.left - found.right, max(H - found.top - found.bottom, W - found.left - found.right)
    reasons = []
    if longer > BOX + 2 * SLACK or sum(near) > 1:
        reasons.append("larger")
    elif (whole and longer < LONGER[0] - 2 * SLACK) or (
        bands and found.cut == {"bottom"} and rows >= HALF and found.top > LOW and broad < BROAD
    ):
        reasons.append("smaller")
    if aside or low or any(near):
        reasons.append("off-centre")
    if found.width < STROKES[0] and found.ink >= ENOUGH:
        reasons.append("drawn in thinner strokes")
    elif found.width > STROKES[1]:
        reasons.append("drawn in thicker strokes")
    return reasons


def _ink(pixels: np.ndarray) -> np.ndarray:
    return pixels[..., 0] >= 128


# --- made like them -------------------------------------------------------------------------------------------------


def centred(prompt: Prompt) -> np.ndarray:
    """Move and scale the ink of a prompt of MNIST like MNIST's digits.

    If the known region cuts the ink at the bottom, it is the upper part of a digit: it stays at that border, and its
    top goes to the place of digits' tops. If it is cut elsewhere, it stays as it is.

    Returns:
        [H, W, 1] uint8.
    """
    ink = _ink(prompt.pixels) & prompt.known
    found = Measures.of(ink, prompt.known)
    if found is None:
        return np.zeros_like(prompt.pixels)
    usual = LONGER[0] <= MNIST.height - min(found.top + found.bottom, found.left + found.right) <= LONGER[1] + 1
    if usual and not found.cut and max(abs(found.x - MIDDLE), abs(found.y - MIDDLE)) < NEAR:
        return prompt.pixels.copy()
    fine = 8
    large = Image.fromarray(ink.astype(np.uint8) * np.uint8(255)).convert("RGB")
    large = large.resize((large.width * fine, large.height * fine), Image.Resampling.BICUBIC)
    if found.cut - {"bottom"}:  # of a left half, say, nobody knows where the whole would lie
        return prompt.pixels.copy()
    if found.cut:
        end, broad = MNIST.height - found.bottom, MNIST.width - found.left - found.right
        scale = min(max(end - TOP, 1) / (end - found.top), BOX / broad, MOST_SCALE)
        left, top = found.x - (MIDDLE + 0.5) / scale, end - end / scale
        right, bottom = left + MNIST.width / scale, top + MNIST.height / scale
        pixels = cut(large, (fine * left, fine * top, fine * right, fine * bottom), MNIST)
        pixels[end:] = 0
        return pixels
    return cut_centred(large)


# --- measuring the training set -------------------------------------------------------------------------------------


def main() -> int:
    """Print the ranges above, measured on the training set."""
    images, _ = data.load(MNIST, "train")
    inks, whole = images[..., 0] >= 128, np.ones(MNIST.shape[:2], bool)

    def ends(name: str, values: list[float]) -> None:
        print(f"{name:24}", " to ".join(f"{v:6.2f}" for v in np.quantile(values, QUANTILES)))

    for rows in ROWS:
        known = np.arange(MNIST.height)[:, None] < rows
        measures = [m for ink in inks if (m := Measures.of(ink, known & whole)) is not None]
        for name in ("x", "share", "width", *(MARGINS if rows == MNIST.height else ())):
            ends(f"{rows} rows: {name}", [getattr(m, name) for m in measures])
    ends("y", [m.y for m in measures])
    ends("longer side", [MNIST.height - min(m.top + m.bottom, m.left + m.right) for m in measures])
    return 0


if __name__ == "__main__":
    sys.exit(main())
