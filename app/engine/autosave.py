"""Saves the session in its file while the program runs, so that a crash or a power cut costs seconds of work.

What has changed is found by comparing, not by being told, so no part of the window can forget to tell. One program
holds a file: a second one keeps a session of its own beside it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from app.core import session
from app.core.session import Session
from vssm.errors import UserError
from vssm.files import atomic
from vssm.files.file_lock import FileLock

LOOK = 5_000  # milliseconds between two looks
LONGEST = 60.0  # seconds that a busy window may put a save off
MOST_PROGRAMS = 99
MOST_BEFORE = 9  # sessions kept that gave way to another
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}  # what a file system says that has none


class Autosave(QObject):
    """`restored` is what was found at the start, `said` what is wrong with it, if anything; `failed` tells once why the
    file cannot be written, and again only after it could be.

    Nothing is written without a lock on the file. Where there can be none at the start, as on a full disk, each save
    tries again."""

    failed = Signal(str)

    def __init__(self, path: Path, parent: QObject | None = None):
        super().__init__(parent)
        self.path, self._usual = path, path
        self._claimed = False
        self._lock: FileLock | None = None
        self._found: tuple[int, ...] | None = None
        with contextlib.suppress(OSError):
            self._claim(lambda path: True)
        self._found = _stamp(self.path)
        self.restored, self.said = session.restore(self.path)
        self._saved, self._when, self._failing = "", time.monotonic(), False
        self._safe = self.restored
        self._before = self._find_before()
        self._timer = QTimer(self, interval=LOOK)
        self._timer.timeout.connect(self.look)

    @property
    def apart(self) -> str:
        """A sentence; empty where this is the usual session."""
        words = "Another window keeps the usual session; this one is kept apart, as {}."
        return words.format(self.path.name) if self.path != self._usual else ""

    def set_aside(self, error: Exception) -> None:
        """What was restored cannot be shown: give its file another name, and begin anew."""
        why = f"The saved session {self.path} cannot be shown ({session.reason(error)})"
        self.restored, self.said = Session(), session.set_aside(self.path, why)

    def begin(self, current: Callable[[], Session], busy: Callable[[], bool]) -> None:
        """From now on, save what `current` gives; but not while `busy`, unless that lasts too long."""
        self._current, self._busy = current, busy
        self._safe = current()  # as a window shows it that does not take all that can be saved
        self._timer.start()

    @Slot()
    def look(self) -> None:
        """Write the session if it has changed; far quicker than a frame."""
        if not self._busy() or time.monotonic() - self._when >= LONGEST:
            try:
                self.save()
            except UserError as error:
                if not self._failing:
                    self.failed.emit(str(error))
                self._failing = True

    def save(self, surely: bool = False) -> None:
        """Write it if it has changed; raises UserError where that cannot be. surely: through to the disk."""
        now = self._current()
        text = session.text(now)
        if surely or text != self._saved:
            if not self._claimed:
                self._claim_late()
            atomic.write_text(self.path, text, surely)
        self._saved, self._safe = text, now
        self._when, self._failing = time.monotonic(), False

    @property
    def unsaved(self) -> bool:
        """Whether more would be lost now than how the window looks."""
        now = self._current()
        look = {name: getattr(now, name) for name in session.LOOK}
        return dataclasses.replace(self._safe, **look) != now

    def close(self) -> None:
        """Write nothing any more, and give the file free."""
        self._timer.stop()
        if self._lock is not None:
            self._lock.release()
        self._claimed, self._lock = False, None

    # --- whose file it is

    def _claim(self, fits: Callable[[Path], bool]) -> None:
        """Take the first of session.json, session-2.json, … that fits and that no other program holds; raises OSError
        where there can be no lock."""
        for number in range(1, MOST_PROGRAMS + 1):
            path = self._usual if number == 1 else self._usual.with_stem(f"{self._usual.stem}-{number}")
            try:
                lock = FileLock(_lock_of(path))
            except BlockingIOError:
                continue
            except OSError as error:
                if error.errno not in NO_LOCKS:
                    raise
                lock = None  # on a disk without locks nothing keeps two windows apart
            if fits(path):
                self.path, self._lock, self._claimed = path, lock, True
                return
            if lock is not None:
                lock.release()
        raise OSError(errno.EBUSY, "too many windows are open")

    def _claim_late(self) -> None:
        """The same after the start; a file is taken only if nobody has written it meanwhile. Raises UserError."""
        read = self.path
        try:
            self._claim(lambda path: _stamp(path) == (self._found if path == read else None))
        except OSError as error:
            raise UserError(f"{read} cannot be written ({error.strerror}); make room or choose a folder.") from None
        if self.apart:
            self.failed.emit(self.apart)

    # --- sessions that gave way to others

    @property
    def before(self) -> Path | None:
        """The latest of them."""
        return self._before[-1] if self._before else None

    def put_by(self) -> Path:
        """Keep the present session in a file of its own, as another takes its place; raises UserError where that cannot
        be."""
        stamp = datetime.now().strftime("%Y-%m-%d-%H%M%S-%f")
        path = self.path.with_name(f"{self.path.stem}-before-{stamp}{self.path.suffix}")
        atomic.write_text(path, session.text(self._current()))
        self._before.append(path)
        while len(self._before) > MOST_BEFORE:
            with contextlib.suppress(OSError):
                self._before.pop(0).unlink()
        return path

    def _find_before(self) -> list[Path]:
        """The latest last."""
        start, folder = f"{self.path.stem}-before-", self.path.parent
        with contextlib.suppress(OSError):
            return sorted(p for p in folder.iterdir() if p.name.startswith(start) and p.suffix == self.path.suffix)
        return []


def _lock_of(path: Path) -> Path:
    """The file that is locked for it, in a folder that is made: the same whatever links lead to it, and its name not
    too long."""
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(os.fsdecode(os.fsencode(path.name)[: session.LONGEST_NAME - len(".lock")]) + ".lock")


def _stamp(path: Path) -> tuple[int, ...] | None:
    """Changes whenever the file is written; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
