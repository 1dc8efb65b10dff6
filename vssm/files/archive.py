"""Reads .npz archives from anywhere: the header of an array is checked before the array is read.

Nothing is unpickled, and whatever the file says, no more memory is used than the requested arrays need.
"""

from __future__ import annotations

import math
import os
import warnings
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vssm.errors import UserError

MOST_DIRECTORY = 100_000  # bytes that the list of an archive's members may take: some thousand of them
END, END_SIZE, LONGEST_COMMENT = b"PK\x05\x06", 22, 65535  # of the record at a zip file's end


@dataclass(frozen=True)
class ArrayHeader:
    """The shape and the type of an array, from its header."""

    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def nbytes(self) -> int:
        """How many bytes the array has."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __str__(self) -> str:
        return f"{self.dtype} {list(self.shape)}"


def read(
    path: Path, names: Sequence[str], check: Callable[[dict[str, ArrayHeader]], None], remedy: str
) -> dict[str, np.ndarray]:
    """Read arrays of an archive by name.

    Args:
        path: The .npz file.
        names: The arrays that must be in it.
        check: Called with the headers of all arrays before any of them is read; raises UserError for unsuitable ones,
            for example too large ones.
        remedy: What to do about a file that is no such archive; the end of a sentence.

    Raises:
        UserError: There is no such file, it is no such archive, or what `check` raises.
    """
    if not path.is_file():
        raise UserError(f"{path} {'is not a file' if path.exists() else 'does not exist'}; {remedy}.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _require_short_directory(path)
            with zipfile.ZipFile(path) as file:
                members = {m.filename.removesuffix(".npy"): m for m in file.infolist() if m.filename.endswith(".npy")}
                if missing := [name for name in names if name not in members]:
                    raise ValueError(f"it has no array {missing[0]!r}")
                headers = {name: _header(file, member) for name, member in members.items()}
                check(headers)
                return {name: _array(file, members[name]) for name in names}
    except UserError:
        raise
    except Exception as error:  # zip files and arrays can be broken in any number of ways
        reason = " ".join((getattr(error, "strerror", None) or str(error) or type(error).__name__).split())
        reason = "".join(c if c.isprintable() else "?" for c in reason)[:200].rstrip(".")
        raise UserError(f"{path} is not an .npz archive of such plain arrays ({reason}); {remedy}.") from None


def _header(file: zipfile.ZipFile, member: zipfile.ZipInfo) -> ArrayHeader:
    """Read the header of an array; raises ValueError or others if it is none, or would need unpickling."""
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{member.filename!r} is compressed in a way that numpy does not use")
    with file.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        reader = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
        if reader is None:
            raise ValueError(f"{member.filename!r} has a version that is not known")
        shape, _, dtype = reader(stream)
    if dtype.hasobject:
        raise ValueError(f"{member.filename!r} holds Python objects")
    if any(type(n) is not int or n < 0 for n in shape):
        raise ValueError(f"{member.filename!r} has an impossible shape")
    return ArrayHeader(shape, dtype)


def _array(file: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with file.open(member) as stream:
        return np.lib.format.read_array(stream, allow_pickle=False)


def _require_short_directory(path: Path) -> None:
    """Raise ValueError for a zip file of very many members, because their list would take much memory."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - LONGEST_COMMENT - END_SIZE))
        tail = file.read()
    at = tail.rfind(END)
    if at >= 0 and int.from_bytes(tail[at + 12 : at + 16], "little") > MOST_DIRECTORY:
        raise ValueError("it has too many members")
