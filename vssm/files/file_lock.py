"""A lock on a file that dies with its holder: a crash or a kill leaves nothing that has to be cleared away."""

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

    The operating system holds the lock for this process and drops it when the process ends, however that happens. A
    file that was left behind is therefore not locked. Whoever wants the lock must use this class, or flock.
    """

    def __init__(self, path: str | Path) -> None:
        """Take the lock at once; raises BlockingIOError where another holds it, and another OSError where there can
        be no lock (no such folder, no right to write there, a file system without locks)."""
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
        """Whether the file that was locked still has the name: its last holder may have removed it meanwhile."""
        try:
            return os.path.samestat(os.fstat(self._file), self.path.stat())
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Give the lock back and remove its file."""
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
