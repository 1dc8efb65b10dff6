"""Keeps the sitting in its file while the program runs, so that a crash or a power cut costs seconds of work.

What has changed is found by comparing, not by being told, so no part of the window can forget to tell. One program
holds a file: a second one keeps a sitting of its own beside it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from PySide6.QtCore import QLockFile, QObject, QTimer, Signal, Slot

from vssm.errors import UserError

from . import session
from .session import Session
from .words import tr

LOOK = 5_000  # milliseconds between two looks
LONGEST = 60.0  # seconds that a busy window may put a save off
MOST_PROGRAMS = 99
MOST_BEFORE = 9  # sittings kept that gave way to another


class Keeper(QObject):
    """`restored` is what was found at the start, `said` what is wrong with it, if anything, and `apart` where this
    sitting is kept, if not in the usual place; `failed` tells once why the file cannot be written, and again only after
    it could be."""

    failed = Signal(str)

    def __init__(self, path: Path, parent: QObject | None = None):
        super().__init__(parent)
        self.path, self._lock = _claim(path)
        self.restored, self.said = session.restore(self.path)
        apart = tr("Another window keeps the usual sitting; this one is kept apart, as {}.")
        self.apart = apart.format(self.path.name) if self.path != path else ""
        self._saved, self._when, self._failing = "", time.monotonic(), False
        self._before = self._find_before()
        self._timer = QTimer(self, interval=LOOK)
        self._timer.timeout.connect(self.look)

    def begin(self, sitting: Callable[[], Session], busy: Callable[[], bool]) -> None:
        """From now on, keep what `sitting` gives; but not while `busy`, unless that lasts too long."""
        self._sitting, self._busy = sitting, busy
        self._timer.start()

    @Slot()
    def look(self) -> None:
        """Write the sitting if it has changed; far quicker than a frame."""
        if not self._busy() or time.monotonic() - self._when >= LONGEST:
            try:
                self.keep()
            except UserError as error:
                if not self._failing:
                    self.failed.emit(str(error))
                self._failing = True

    def keep(self, surely: bool = False) -> None:
        """Write it if it has changed; raises UserError where that cannot be. surely: through to the disk."""
        text = session.text(self._sitting())
        if surely or text != self._saved:
            session.write(text, self.path, surely)
        self._saved, self._when, self._failing = text, time.monotonic(), False

    def close(self) -> None:
        """Write it for the last time and give the file free; raises UserError where it cannot be written."""
        self._timer.stop()
        try:
            self.keep(surely=True)
        finally:
            if self._lock is not None:
                self._lock.unlock()

    # --- sittings that gave way to others

    @property
    def before(self) -> Path | None:
        """The latest of them."""
        return self._before[-1] if self._before else None

    def put_by(self) -> Path:
        """Keep the present sitting in a file of its own, as another takes its place; raises UserError where that cannot
        be."""
        stamp = datetime.now().strftime("%Y-%m-%d-%H%M%S-%f")
        path = self.path.with_name(f"{self.path.stem}-before-{stamp}{self.path.suffix}")
        session.write(session.text(self._sitting()), path)
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


def _claim(path: Path) -> tuple[Path, QLockFile | None]:
    """The first of sitting.json, sitting-2.json, … that no other program holds, with its lock; none where the folder
    takes no files."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
    for number in range(1, MOST_PROGRAMS + 1):
        one = path if number == 1 else path.with_stem(f"{path.stem}-{number}")
        lock = QLockFile(f"{one}.lock")
        lock.setStaleLockTime(0)  # held for as long as its program lives, and no longer
        if lock.tryLock(0):
            return one, lock
        if lock.error() != QLockFile.LockError.LockFailedError:
            return one, None
    return path.with_stem(f"{path.stem}-{time.time_ns()}"), None
