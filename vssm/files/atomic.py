"""Writes files so that a reader finds the old content or the new, but never a half.

The program writes all files by `replacing`, so that a full disk, an error or a kill never damages a file.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import secrets
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from vssm.errors import UserError

STALE = 3600.0  # seconds without a change after which a half-written file belongs to nobody any more


@contextlib.contextmanager
def replacing(path: str | Path, surely: bool = False) -> Iterator[Path]:
    """Give the path of an empty file, which replaces `path` at the end of the block unless there was an error.

    If `path` is a symbolic link, the link stays and its target is replaced. The mode of an existing file is kept.
    Missing folders are made.

    Args:
        path: The file to write.
        surely: Wait until the content is on the disk, so that a power cut cannot cost it.

    Raises:
        UserError: The file cannot be written. The old content is as it was, and nothing half-written stays.
    """
    part = None
    try:
        target = Path(os.path.realpath(path))
        _require_replaceable(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale_parts(target)
        part = target.with_name(f"{_part_prefix(target)}{secrets.token_hex(4)}.part")
        part.touch(exist_ok=False)
        mode = stat.S_IMODE((target if target.exists() else part).stat().st_mode)
        yield part
        part.chmod(mode)  # some writers make a file of their own, for its owner alone
        if surely:
            with part.open("rb+") as file:
                os.fsync(file.fileno())
        part.replace(target)
    except OSError as error:
        raise _refusal(path, error) from None
    finally:
        if part is not None:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)


def write_bytes(path: str | Path, content: bytes, surely: bool = False) -> None:
    """Write a whole file; raises UserError as `replacing` does."""
    with replacing(path, surely) as part:
        part.write_bytes(content)


def write_text(path: str | Path, text: str, surely: bool = False) -> None:
    """Write a whole file of UTF-8 text; raises UserError as `replacing` does."""
    write_bytes(path, text.encode("utf-8"), surely)


def require_suffix(path: str | Path, suffixes: tuple[str, ...]) -> None:
    """Raise UserError if the name does not end in one of `suffixes`, in small or capital letters."""
    if Path(path).suffix.lower() not in suffixes:
        raise UserError(f"{path} must end in {' or '.join(suffixes)}, which says what is written.")


def require_writable(path: str | Path) -> None:
    """Check before the work that `replacing` can write to `path`; raises UserError if it cannot."""
    target = Path(os.path.realpath(path))
    above = next((p for p in target.parents if p.exists()), target)
    try:
        _require_replaceable(target)
        if not above.is_dir() or not os.access(above, os.W_OK):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise _refusal(path, error) from None


def _refusal(path: str | Path, error: OSError) -> UserError:
    reason = error.strerror or str(error)
    return UserError(f"{path} cannot be written ({reason}); choose a file in a folder you may write to.")


def _require_replaceable(target: Path) -> None:
    """Raise OSError for a folder, a device, a pipe, a circular link, or a protected file."""
    if target.is_symlink():  # `realpath` has followed all others
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    if not target.exists():
        return
    if target.is_dir():
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not target.is_file():
        raise OSError(errno.EINVAL, "it is not a file")
    if not os.access(target, os.W_OK):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))


def _part_prefix(target: Path) -> str:
    return f".{target.name[:40]}."  # a name may be as long as a name can be


def _remove_stale_parts(target: Path) -> None:
    """Remove what killed writers of this file have left behind."""
    for left in target.parent.glob(f"{glob.escape(_part_prefix(target))}{'[0-9a-f]' * 8}.part"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > STALE:
                left.unlink()
