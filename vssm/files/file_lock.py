"""A lock on a file that ends with its process: after a crash or a kill nothing needs to be cleaned up."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:  # what Windows says where POSIX says BlockingIOError
            raise BlockingIOError(error.errno, error.strerror) from None
else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


class FileLock:
    """An exclusive lock on the file `path`, which is made for it and removed by `release`.

    The operating system releases the lock when the process ends in any way, so a file that is left behind is not
    locked. Other programs must use this class, or flock.
    """

    def __init__(self, path: str | Path) -> None:
        """Take the lock without waiting.

        Raises:
            BlockingIOError: Another process has it.
            OSError: No lock is possible: no such folder, no right to write, a file system without locks.
        """
        self.path = Path(path)
        while True:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                _lock(self._file)
                if self._is_current():
                    return
            except OSError:
                os.close(self._file)
                raise
            os.close(self._file)

    def _is_current(self) -> bool:
        """Whether the locked file still has its name; its last holder may have removed it meanwhile."""
        try:
            return os.path.samestat(os.fstat(self._file), self.path.stat())
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Release the lock and remove its file."""
        if sys.platform == "win32":  # an open file cannot be removed there, be it open here or by the next holder
            os.close(self._file)
            self._remove()
        else:  # while it is still locked, so that nobody else's file is removed
            self._remove()
            os.close(self._file)

    def _remove(self) -> None:
        with contextlib.suppress(OSError):
            self.path.unlink()

    def __enter__(self) -> FileLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
