"""Pictures and drawings to be put into files, and what the ink of them is."""

import numpy as np
from PIL import Image, ImageDraw

from vssm import data
from vssm.files import image as images


def picture(size=(64, 48), mode="RGB") -> Image.Image:
    """Every pixel another colour."""
    w, h = size
    x, y = np.meshgrid(np.linspace(0, 255, w), np.linspace(0, 255, h))
    pixels = np.stack([x, y, 255 - x], -1).astype(np.uint8)
    return Image.fromarray(pixels).convert(mode)


def seven(size: int = 280, width: int = 12, places=((0.25, 0.22), (0.75, 0.22), (0.45, 0.82))) -> np.ndarray:
    """[size, size] uint8: a smooth drawing of light ink on black."""
    large = Image.new("L", (2 * size, 2 * size))
    ImageDraw.Draw(large).line([(2 * x * size, 2 * y * size) for x, y in places], 255, 2 * width)
    return np.asarray(large.resize((size, size), Image.Resampling.BOX))


def whole(picture: Image.Image) -> tuple[float, float, float, float]:
    return 0, 0, *picture.size


def as_digit(picture: Image.Image) -> np.ndarray:
    """As the dialog opens it for MNIST."""
    return images.cut(picture, whole(picture), data.MNIST, images.is_on_paper(picture))[..., 0]


ALPHA = {
    "alpha alone, over black": lambda a: np.dstack([0 * a, 0 * a, 0 * a, a]),
    "alpha alone, over white": lambda a: np.dstack([0 * a + 255, 0 * a + 255, 0 * a + 255, a]),
    "blue ink": lambda a: np.dstack([0 * a + 20, 0 * a + 30, 0 * a + 160, a]),
    "dark ink, hidden white": lambda a: np.dstack([*[np.where(a > 0, 10, 255).astype(np.uint8)] * 3, a]),
    "light ink, hidden black": lambda a: np.dstack([*[np.where(a > 0, 240, 0).astype(np.uint8)] * 3, a]),
    "grey with opacity": lambda a: np.dstack([0 * a + 30, a]),
    "half clear": lambda a: np.dstack([0 * a, 0 * a, 0 * a, a // 2]),
}


def svg(inside: str, head: str = "", attributes: str = "") -> str:
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f'{head}<svg {spaces} width="20" height="10" {attributes}>{inside}</svg>'


RED = '<rect width="20" height="10" fill="#f00"/>'


OUTSIDE = {
    "an absolute path": svg('<image xlink:href="/etc/passwd.png" width="9" height="9"/>'),
    "a relative path": svg('<image href="secret.png" width="9" height="9"/>'),
    "a file URL": svg('<image href="file:///dev/zero" width="9" height="9"/>'),
    "a URL": svg('<image href="https://example.org/a.png" width="9" height="9"/>'),
    "another prefix": svg('<image xmlns:q="http://www.w3.org/1999/xlink" q:href="secret.png"/>'),
    "an animation": svg(f'<image href="#a"><set attributeName="xlink:href" to="a.png"/></image>{RED}'),
    "use": svg('<use xlink:href="other.svg#a"/>'),
    "url in an attribute": svg('<rect width="9" height="9" fill="url(other.svg#a)"/>'),
    "url in a style": svg('<rect width="9" height="9" style="fill: url( \'other.svg#a\' )"/>'),
    "url in a sheet": svg("<style>rect { fill: URL(other.svg#a) }</style>"),
    "import": svg("<style><![CDATA[@import 'a.css';]]></style>"),
    "an import in escapes": svg("<style>@\\69mport 'a.css';</style>"),
    "a url in escapes": svg('<rect style="fill: \\75rl(other.svg#a)"/>'),
    "an instruction": svg(RED, '<?xml-stylesheet href="a.css"?>'),
    "an entity": svg("<text>&a;</text>", '<!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]>'),
    "entities upon entities": svg("<text>&b;</text>", '<!DOCTYPE svg [<!ENTITY a "aaa"><!ENTITY b "&a;&a;">]>'),
    "a base": svg(RED, attributes='xml:base="file:///etc/"'),
    "a drawing in a drawing": svg('<image href="data:image/svg+xml;base64,PHN2Zy8+"/>'),
    "include": svg('<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="a.svg"/>'),
    "a character for a letter": svg('<image href="&#115;ecret.png"/>'),
}
