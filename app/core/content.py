"""What a file holds, by its first bytes, whatever its name says; and names as they can be shown. No Qt."""

from __future__ import annotations

import codecs
from enum import Enum
from pathlib import Path

from app.core import link
from vssm.errors import UserError

HEAD = 65_536  # bytes that are looked at
LONGEST = 60  # characters of a name


class Kind(Enum):
    PICTURE = "a picture"
    SESSION = "a saved session"
    LINK = "a link"
    WEIGHTS = "a model's weights"
    ARCHIVE = "an archive"


def kind_of(head: bytes) -> Kind:
    """What a file is that begins so; a picture, where it is nothing else."""
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"\x93NUMPY")):
        return Kind.ARCHIVE
    length = int.from_bytes(head[:8], "little")
    if head[8:9] == b"{" and 2 <= length < 2**32:  # safetensors: the length of a header in JSON, and the header
        return Kind.WEIGHTS
    text = text_of(head).lstrip()
    drawing = text.startswith("<") and "<svg" in text.lower()
    if link.is_link(text) and not drawing:
        return Kind.LINK
    return Kind.SESSION if text.startswith("{") else Kind.PICTURE


def text_of(content: bytes) -> str:
    """As text, in UTF-8 or as a mark at its beginning says; what is none is replaced."""
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if wide else "utf-8-sig", "replace")


def look(path: Path) -> Kind:
    """What a file holds. Raises UserError where it cannot be read."""
    name = shown(path)
    try:
        if path.is_dir():
            raise UserError(f"{name} is a folder; choose a file.")
        if not path.exists():
            raise UserError(f"There is no file {name}.")
        if not path.is_file():
            raise UserError(f"{name} is not a file; choose a picture, a session or a text with a link.")
        with path.open("rb") as file:
            return kind_of(file.read(HEAD))
    except UserError:  # which is a ValueError
        raise
    except PermissionError:
        raise UserError(f"{name} may not be read; ask its owner for permission.") from None
    except OSError as error:  # a name too long for the system, a disk that fails, …
        raise UserError(f"{name} cannot be opened ({error.strerror}).") from None
    except ValueError:
        raise UserError(f"{name} is no name of a file.") from None


def shown(path: Path | str) -> str:
    """The last part of a path as it can be shown: bytes that are no text are replaced, and a long one is cut."""
    name = Path(path).name or str(path)
    name = "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in name)
    return name if len(name) <= LONGEST else f"{name[: LONGEST // 2]}…{name[1 - LONGEST // 2 :]}"
