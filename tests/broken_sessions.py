"""Session files that once ended the program, for the tests of starting and of reading them."""

import base64
import json
import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from app.core import session
from app.core.session import Session


def chunk(kind: bytes, content: bytes) -> bytes:
    """Of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def header(width: int, height: int, colour: int = 4, depth: int = 8) -> bytes:
    """A PNG's; colour 4 is grey with transparency."""
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))


SIGNATURE, END = b"\x89PNG\r\n\x1a\n", chunk(b"IEND", b"")
PIXELS = chunk(b"IDAT", zlib.compress(bytes(57 * 28)))
LARGE = np.zeros((28, 28, 2), np.uint8)


def of_another_format(kind: str, mode: str = "LA") -> bytes:
    into = BytesIO()
    Image.fromarray(LARGE[..., 0] if mode == "L" else LARGE).save(into, kind)
    return into.getvalue()


PNGS = {
    "huge": SIGNATURE + header(14_000, 14_000) + PIXELS + END,
    "large": SIGNATURE + header(10_000, 10_000) + PIXELS + END,  # of which Pillow only warns
    "largest": SIGNATURE + header(2**31 - 1, 2**31 - 1) + PIXELS + END,
    "a profile after its pixels": SIGNATURE + header(28, 28) + PIXELS + chunk(b"iCCP", b"x\0\1") + END,
    "a broken profile": SIGNATURE + header(28, 28) + chunk(b"iCCP", b"x\0\1") + PIXELS + END,
    "a long text": SIGNATURE
    + header(28, 28)
    + chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(2**24), 9))
    + PIXELS
    + END,
    "cut short": SIGNATURE + header(28, 28) + PIXELS[:20],
    "no pixels": SIGNATURE + header(28, 28) + END,
    "other colours": SIGNATURE + header(28, 28, colour=0) + PIXELS + END,
    "a short header": SIGNATURE + chunk(b"IHDR", b"\0") + END,
    "nothing": b"",
    "another format": of_another_format("WEBP"),
}
SOUND = SIGNATURE + header(28, 28) + PIXELS + END
PIN = {"model": "vssm", "title": "VSSM", "seed": 1, "temperature": 1.0, "sample": 1, "seconds": 0.1}


def pinned(png: bytes = SOUND, **changes) -> str:
    """The text of a session file with that picture pinned."""
    plain = Session(samples=9, toured=True).to_dict()
    plain["sheets"]["mnist"]["pinned"] = [PIN | {"png": base64.b64encode(png).decode()} | changes]
    return json.dumps(plain)


def read(path: Path) -> str:
    """What is read of it, as it would be saved."""
    return session.text(session.load(path))


def restored(path: Path) -> tuple[str, str]:
    """The same as at the start, with what is said."""
    found, said = session.restore(path)
    return session.text(found), said
