"""Decodes a picture in a process of its own: `python -m app.decoder NAME [PATH]`, both in hexadecimal.

A decoder can run for minutes over a few hostile bytes, or take all memory; a thread in it cannot be ended, a process
can. It reads PATH, or else its standard input, and writes a line of JSON: `{"size": [w, h], "shape": [h, w, 3]}`, which
the pixels follow, or `{"error": SENTENCE}`. It loads neither torch nor, but for drawings, Qt.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path

import numpy as np

from app.decoder import svg
from vssm.errors import UserError
from vssm.files.image import Picture, decode, flat, reduced
from vssm.files.picture import MOST_BYTES, require_file

MEMORY = 1_000_000_000  # bytes
SECONDS, SVG_SECONDS = 20, 3  # of the processor


def main(argv: list[str]) -> int:
    name = os.fsdecode(bytes.fromhex(argv[0]))
    try:
        path = Path(os.fsdecode(bytes.fromhex(argv[1]))) if len(argv) > 1 else None
        picture = read(path, name)
    except UserError as error:
        head: dict[str, object] = {"error": str(error)}
        pixels = b""
    except MemoryError:
        head = {"error": f"{name} takes too much memory; make it smaller first."}
        pixels = b""
    else:
        array = np.asarray(picture.image)
        head, pixels = {"size": picture.size, "shape": array.shape}, array.tobytes()
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n" + pixels)
    sys.stdout.buffer.flush()
    return 0


def read(path: Path | None, name: str) -> Picture:
    """Decode a file, or what comes by standard input. Raises UserError for what cannot be used."""
    bound("RLIMIT_DATA", MEMORY)
    bound("RLIMIT_CPU", SECONDS)
    if path is None:
        content = sys.stdin.buffer.read(MOST_BYTES + 1)
    else:
        try:
            require_file(path, name)
            content = path.read_bytes()
        except OSError as error:
            raise UserError(f"{name} cannot be read ({error.strerror}).") from None
    drawing = svg.unpacked(content, name)
    if drawing is None:
        return decode(content, name)
    bound("RLIMIT_CPU", SVG_SECONDS)
    svg.require_self_contained(drawing, name)
    image, size = svg.draw(drawing, name)
    return Picture(reduced(flat(image)), size)


def bound(what: str, most: int) -> None:
    """Take no more than so much, where the system has a limit for it."""
    with contextlib.suppress(ImportError, AttributeError, OSError, ValueError):
        import resource

        kind = getattr(resource, what)
        resource.setrlimit(kind, (most, resource.getrlimit(kind)[1]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
