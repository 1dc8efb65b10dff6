"""Drawings in SVG: only those that refer to nothing outside themselves are drawn.

No Qt before a drawing has been found harmless.
"""

from __future__ import annotations

import re
import xml.parsers.expat
import zlib

from PIL import Image

from vssm.errors import UserError

LARGEST = 1024  # pixels: a drawing has no size of its own, so it is made as large as is useful
MOST_BYTES = 20_000_000  # of a drawing, unpacked
GZIP = b"\x1f\x8b"
EMBEDDED = re.compile(r"(#|data:image/(png|jpeg|jpg|gif|webp|bmp)[;,])", re.IGNORECASE)
REFERENCE = re.compile(r"url\s*\(\s*[\"']?\s*([^\"')]*)", re.IGNORECASE)


def unpacked(content: bytes, name: str) -> bytes | None:
    """The text of an SVG, out of gzip where it is packed; None for anything else."""
    if content.startswith(GZIP):
        try:
            content = zlib.decompressobj(31).decompress(content, MOST_BYTES + 1)
        except zlib.error:
            return None
    start = content[:4096].lstrip(b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n")
    if not start.startswith(b"<") or b"svg" not in content[:100_000].replace(b"\0", b"").lower():
        return None
    if len(content) > MOST_BYTES:
        raise UserError(f"{name} is larger than {MOST_BYTES // 1_000_000} MB; give a smaller drawing.")
    return content


def require_self_contained(content: bytes, name: str) -> None:
    """Raise UserError for a drawing that is broken or that refers to anything outside itself."""

    def refuse(what: str) -> None:
        raise UserError(f"{name} refers to something outside itself ({what}), which is not read; save it without.")

    def check_style(text: str) -> None:
        if "@import" in text.lower() or "\\" in text:  # a backslash can spell any word another way
            refuse("an imported style")
        for found in REFERENCE.finditer(text):
            if not EMBEDDED.match(found[1]):
                refuse("url()")

    styles: list[str] = []  # in pieces, of which none need hold a whole word
    within = 0  # elements named style

    def begin(tag: str, attributes: dict[str, str]) -> None:
        nonlocal within
        within += _local(tag) == "style"
        if _local(tag) == "include":
            refuse("include")
        for key, value in attributes.items():
            if (_local(key) in ("href", "src") and not EMBEDDED.match(value.strip())) or key.lower() == "xml:base":
                refuse(key)
            if _local(key) == "attributename" and _local(value.strip()) in ("href", "src"):
                refuse("an animated reference")
            if _local(key) == "style" or "url" in value.lower():
                check_style(value)

    def end(tag: str) -> None:
        nonlocal within
        within -= _local(tag) == "style"

    def words(piece: str) -> None:
        if within:
            styles.append(piece)

    def entity(*_) -> None:
        refuse("an entity")

    def instruction(target: str, _: str) -> None:
        if target.lower() == "xml-stylesheet":
            refuse(target)

    parser = xml.parsers.expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = begin, end, words
    parser.EntityDeclHandler = entity
    parser.ProcessingInstructionHandler = instruction
    try:
        parser.Parse(content, True)
    except UserError:  # which is a ValueError
        raise
    except (xml.parsers.expat.ExpatError, LookupError, ValueError) as error:  # the others over an encoding
        raise UserError(f"{name} is broken or not a picture ({error}).") from None
    check_style("".join(styles))


def _local(name: str) -> str:
    """An XML name without its prefix."""
    return name.rpartition(":")[2].lower()


def draw(content: bytes, name: str) -> tuple[Image.Image, tuple[int, int]]:
    """Draw an SVG: RGBA, and the size that it gives itself. Raises UserError where it cannot be drawn."""
    from PySide6.QtCore import QByteArray, Qt
    from PySide6.QtGui import QGuiApplication, QImage, QPainter
    from PySide6.QtSvg import QSvgRenderer

    app = QGuiApplication.instance() or QGuiApplication([])  # for the fonts; kept until all is drawn
    renderer = QSvgRenderer(QByteArray(content))
    size = renderer.defaultSize()
    if not renderer.isValid() or size.isEmpty():
        raise UserError(f"{name} is broken or holds no drawing.")
    scaled = size.scaled(LARGEST, LARGEST, Qt.AspectRatioMode.KeepAspectRatio)
    image = QImage(max(1, scaled.width()), max(1, scaled.height()), QImage.Format.Format_RGBA8888)
    image.fill(0)
    painter = QPainter(image)
    renderer.render(painter)
    painter.end()
    del app
    return Image.frombytes("RGBA", image.size().toTuple(), bytes(image.constBits())), (size.width(), size.height())
