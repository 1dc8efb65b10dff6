"""Drawings in SVG: drawn, and only where they refer to nothing outside themselves."""

import gzip

import pytest
from bringing import brought, refusal
from pictures import OUTSIDE, RED, svg
from PIL import Image

from app.decoder import svg as drawings
from vssm.errors import UserError

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


@pytest.mark.parametrize("kind", OUTSIDE)
def test_a_drawing_refers_to_nothing_outside_itself(kind):
    for content in (OUTSIDE[kind].encode(), gzip.compress(OUTSIDE[kind].encode()), OUTSIDE[kind].encode("utf-16")):
        with pytest.raises(UserError, match=r"a\.svg refers to something outside itself"):
            drawings.require_self_contained(drawings.unpacked(content, "a.svg"), "a.svg")


@pytest.mark.parametrize("encoding", ["utf-7", "big5", "hex", "none-such"])
def test_a_drawing_in_an_encoding_that_is_not_read_is_refused(encoding):
    text = svg(RED, f'<?xml version="1.0" encoding="{encoding}"?>')
    with pytest.raises(UserError, match=r"a\.svg is broken or not a picture"):
        drawings.require_self_contained(text.encode(), "a.svg")


def test_a_drawing_reads_no_file(qtbot, tmp_path):
    Image.new("RGB", (9, 9), "blue").save(tmp_path / "secret.png")
    (tmp_path / "a.svg").write_text(OUTSIDE["a relative path"])
    assert "outside itself" in refusal(qtbot, tmp_path / "a.svg")
