"""A worker in a thread of this process, which starts at once: for tests of all but the process."""

import functools
from pathlib import Path

from PySide6.QtCore import QObject, QThread, Signal

from app.engine import messages
from app.engine.worker import Worker, load
from vssm import checkpoint

STACK = 16 * 2**20  # bytes; macOS gives a QThread 512 KB, too little for torch
PATIENCE = 8000  # milliseconds
SHIPPED = checkpoint.SHIPPED


_load_once = functools.cache(load)


def kept(path: Path, *what):
    """Loads what is shipped once for all tests of a process: it is only read."""
    return (_load_once if path.parent == SHIPPED else load)(path, *what)


class _Inference(QThread):
    worker: Worker

    def run(self) -> None:
        self.worker.work()


class Thread(QObject):
    """A link for `Engine`, as `Process` is one."""

    heard = Signal(object)
    died = Signal(str, str)
    id = 0

    def __init__(self) -> None:
        super().__init__()
        self._thread = _Inference(self)
        self._thread.setObjectName("inference")
        self._thread.setStackSize(STACK)

    def start(self, setup: messages.Setup) -> None:
        self._thread.worker = Worker(setup.folder, self.heard.emit, kept)
        self._thread.start()

    def send(self, message: messages.Request) -> None:
        self._thread.worker.hear(message)

    def stop(self) -> bool:
        """False where a network call takes longer than that."""
        if self._thread.isRunning():
            self._thread.worker.hear(messages.Close())
        return self._thread.wait(PATIENCE)
