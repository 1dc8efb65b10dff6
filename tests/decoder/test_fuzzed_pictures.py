"""Pictures of any content, as the decoder takes them: refused in a sentence, or accepted and right."""

import io
import tempfile
from pathlib import Path

import numpy as np
from fuzzing import fuzz, survives
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from app.decoder.__main__ import read
from vssm import data
from vssm.files import image
from vssm.files.picture import MOST_SIDE

KINDS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "JPEG2000", "PPM", "ICO")
SVG = """<?xml version="1.0"?>
<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="20" height="10">
<defs><g id="a"><rect width="4" height="4" fill="#f00"/></g></defs>
<style>.b { stroke: blue }</style>
<use xlink:href="#a" x="3"/><path class="b" d="M0 0L9 9"/><text x="2" y="9" font-size="5">7</text></svg>"""


def small(mode: str) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 16, 4)).astype(np.uint8)
    return Image.fromarray(pixels).convert(mode)


@st.composite
def spoilt(draw) -> bytes:
    """A picture in which bytes were changed, taken out, put in, repeated or cut off; or a sound one."""
    if draw(st.booleans(), label="a drawing"):
        raw = SVG.encode()
    else:
        kind, into = draw(st.sampled_from(KINDS)), io.BytesIO()
        mode = draw(st.sampled_from(["RGB"] if kind in ("JPEG", "PPM", "BMP") else ["RGB", "RGBA", "L"]))
        small(mode).save(into, kind)
        raw = into.getvalue()
    raw = bytearray(raw)
    for _ in range(draw(st.integers(0, 4))):
        assume(raw)
        at = draw(st.integers(0, len(raw) - 1))
        match draw(st.sampled_from(["change", "many", "out", "in", "again", "cut"])):
            case "change":
                raw[at] = draw(st.integers(0, 255))
            case "many":
                raw[at : at + 4] = draw(st.sampled_from([b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff", b"\0\0\1\0"]))
            case "out":
                del raw[at : at + draw(st.integers(1, 40))]
            case "in":
                raw[at:at] = draw(st.binary(min_size=1, max_size=8))
            case "again":
                raw[at:at] = raw[at : at + draw(st.integers(1, 60))]
            case "cut":
                del raw[at:]
    return bytes(raw)


def opened(path: Path) -> tuple[tuple[int, int], tuple[int, int], str]:
    """What the process of the decoder makes of a file: the size it tells, the size kept and the mode."""
    found = read(path, path.name)
    return found.size, found.image.size, found.image.mode


@fuzz
@given(st.binary(max_size=300) | spoilt())
def test_any_picture(raw):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.png"
        path.write_bytes(raw)
        outcome = survives(opened, path, files=path.parent)
    if outcome.accepted:
        size, kept, mode = outcome.value
        assert mode == "RGB" and min(size) >= 1 and max(size) <= MOST_SIDE
        assert min(kept) >= 1 and max(kept) <= image.KEPT


@st.composite
def pictures(draw) -> Image.Image:
    """Drawings and photographs of any size, with and without transparency."""
    size = draw(st.tuples(st.integers(1, 90), st.integers(1, 90)))
    mode = draw(st.sampled_from(["RGB", "RGBA", "L", "LA", "1", "P", "CMYK"]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    few = draw(st.sampled_from([1, 2, 256]))
    pixels = (rng.integers(0, few, (size[1], size[0], 4)) * (255 // max(few - 1, 1))).astype(np.uint8)
    return Image.fromarray(pixels).convert(mode)


@fuzz(few=100)
@given(pictures(), st.sampled_from(list(data.DATA_SETS.values())), st.booleans(), st.data())
def test_any_part_of_any_picture_becomes_what_the_models_read(brought, dataset, invert, drawn):
    """The values that are shown are those that a model gets; also of a part that lies beyond the picture."""
    flat = image.reduced(image.flat(brought))
    left, top = (drawn.draw(st.floats(-50, 100)) for _ in range(2))
    side = drawn.draw(st.floats(0.5, 150))
    pixels = image.cut(flat, (left, top, left + side, top + side), dataset, invert)
    assert pixels.shape == dataset.shape and pixels.dtype == np.uint8
    assert np.array_equal(data.to_pixels(data.to_values(pixels, dataset), dataset), pixels)
    assert set(np.unique(image.cut_centred(flat, invert))) <= {0, 255}
    image.is_on_paper(flat), image.is_colourful(flat)
