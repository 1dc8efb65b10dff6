"""The window's end of the models' process: requests go out, events come in as signals, the latest request wins.

`Engine` numbers jobs and knows what was asked for; a link carries messages (`messages`) to a worker and back, and says
when the worker has died. The usual link is `Process`. A worker that has died, or gives no sign after a stop, is
replaced: whatever was asked of it is over, in one sentence, and the next request finds a new one.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any, Protocol

from PySide6.QtCore import QByteArray, QObject, QProcess, QTimer, Signal, Slot

from app.core import model_facts
from app.engine import messages
from app.engine.messages import GoOn, Pause, Preload, StartRun, Stop, UseDevice
from vssm import checkpoint
from vssm.evaluation import scaling
from vssm.models import registry
from vssm.sampling.events import GenerationRequest

PATIENCE = 5000  # milliseconds without a sign after which a job that was to end is ended with its process
MOST_DEATHS = 3  # in a row, each in its first SHORT seconds and with no job done: then something is broken
SHORT = 30.0
END = 2000  # milliseconds for the system to end a process
LAST_WORDS = 40  # lines of what a worker printed that are kept to explain its death


class Link(Protocol):
    """Carries messages to a worker and back. Its signals: `heard`, with a message; `died`, with how the worker ended
    and what it printed at last."""

    heard: Any
    died: Any

    @property
    def id(self) -> int:
        """The number that the system gives the worker's process; 0 where there is none."""

    def setParent(self, parent: QObject) -> None: ...

    def start(self, setup: messages.Setup) -> None:
        """Start a worker."""

    def send(self, message: messages.Request) -> None:
        """Send it at once, or as soon as the worker takes it."""

    def stop(self) -> bool:
        """End the worker, of which nothing more is heard; False where it could not be ended."""


class Process(QObject):
    """A worker in a process of its own. Of all threads it needs the window's alone, and never holds that up."""

    heard = Signal(object)
    died = Signal(str, str)

    def __init__(self) -> None:
        super().__init__()
        self._process: QProcess | None = None
        self._sending = False  # Qt may find something to read meanwhile, which then waits
        self._later = QTimer(self, singleShot=True, interval=0)
        self._later.timeout.connect(self._read)

    @property
    def id(self) -> int:
        return self._process.processId() if self._process is not None else 0

    def start(self, setup: messages.Setup) -> None:
        self._unpacker = messages.Unpacker()
        self._printed: deque[str] = deque(maxlen=LAST_WORDS)
        process = self._process = QProcess(self)
        if sys.platform != "win32":  # else Ctrl-C in a terminal would reach it before it can say that it ignores that
            alone = QProcess.UnixProcessParameters()
            alone.flags = QProcess.UnixProcessFlag.CreateNewSession
            process.setUnixProcessParameters(alone)
        process.readyReadStandardOutput.connect(self._read)
        process.readyReadStandardError.connect(self._overhear)
        process.finished.connect(self._read)
        process.errorOccurred.connect(self._read)
        code = f"import sys; sys.path[:] = {sys.path!a}; from app.engine.worker import main; main()"
        self._sending = True
        process.start(sys.executable, ["-P", "-c", code])
        self._sending = False
        self.send(setup)

    def send(self, message: messages.Setup | messages.Request) -> None:
        process = self._process
        if process is not None and process.state() != QProcess.ProcessState.NotRunning:
            self._sending = True
            process.write(messages.pack(message))
            if process.state() == QProcess.ProcessState.Running:
                process.waitForBytesWritten(0)  # else it is written after the next painting
            self._sending = False

    def stop(self) -> bool:
        process, self._process = self._process, None
        if process is not None:
            process.blockSignals(True)
            process.kill()
            process.waitForFinished(END)
            process.deleteLater()
        return True

    @Slot()
    def _read(self) -> None:
        """Pass on what has come; then, that the process is over."""
        process = self._process
        if process is None:
            return
        if self._sending:
            self._later.start()
            return
        for message in self._unpacker.take(bytes(process.readAllStandardOutput().data())):
            self.heard.emit(message)
            if self._process is not process:  # stopped by whoever heard it
                return
        if process.state() == QProcess.ProcessState.NotRunning:
            self._overhear()
            how = process.errorString() if process.error() == QProcess.ProcessError.FailedToStart else _ending(process)
            self.stop()
            self.died.emit(how, "".join(self._printed))

    @Slot()
    def _overhear(self) -> None:
        """Print what the process prints."""
        text = _text(self._process.readAllStandardError()) if self._process else ""
        self._printed += text.splitlines(keepends=True)
        with contextlib.suppress(AttributeError, OSError, ValueError):  # there may be no terminal
            sys.stderr.write(text)
            sys.stderr.flush()


def _text(printed: QByteArray) -> str:
    return bytes(printed.data()).decode(errors="replace")


def _ending(process: QProcess) -> str:
    crashed = process.exitStatus() == QProcess.ExitStatus.CrashExit
    return f"{'signal' if crashed else 'code'} {process.exitCode()}"


class Engine(QObject):
    """What the window asks for goes to a worker, which `start` starts: what is asked for before waits. After `close`
    it does nothing more, whatever it is asked for; `closed` tells.

    Args:
        folder: Where the checkpoints lie; by default those that come with the program.
        parent: Its owner.
        link: Carries messages to the worker and back; by default a process.
    """

    happened = Signal(int, object)  # number of the run, event
    failed = Signal(int, str)  # number of the run (0 outside one), one sentence
    ended = Signal(int)  # the last word on every run, whatever became of it
    loaded = Signal(object)  # Loaded
    dropped = Signal()  # no model is loaded any more: others are needed, their memory was, or their process has died
    ready = Signal(list)  # torch is there, and these devices; said once
    unready = Signal(str)  # it cannot be loaded, in one sentence

    def __init__(self, folder: Path | None = None, parent: QObject | None = None, link: Link | None = None):
        super().__init__(parent)
        self._setup = messages.Setup(folder or checkpoint.SHIPPED, registry.PRESETS)
        self._causes: dict[str, str] = {}
        self._last = self._wanted = 0
        self.closed = self._over = False  # over: the models can never be loaded
        self._device, self._preload = UseDevice("auto"), Preload((), "")
        self._jobs: dict[int, StartRun] = {}  # asked for and not ended, the first of which runs, or waits for a model
        self._waiting: list[messages.Request] | None = []  # what is to be sent when the worker is ready
        self._seen = self._loading = False  # whether a worker was ever ready; whether it loads a model
        self._deaths, self._born = 0, 0.0
        self._dead = False  # it has died too often, and is not started anew before somebody asks for a run
        self._link = link or Process()
        self._link.setParent(self)
        self._link.heard.connect(self._heard)
        self._link.died.connect(self._died)
        self._patience = QTimer(self, singleShot=True, interval=PATIENCE // 2)
        self._silent = 0  # how often that has passed without a sign; once may be the window's own fault
        self._patience.timeout.connect(self._give_up)

    @property
    def process_id(self) -> int:
        """Of the models' process; 0 where there is none."""
        return self._link.id

    def start(self) -> None:
        """Load torch and the models; `ready` or `unready` tells when that is done."""
        if not self.closed and not self._born:
            self._start()

    def _start(self) -> None:
        self._born, self._dead = time.monotonic(), False
        self._link.start(self._setup)

    # --- what can be asked for

    def preload(self, names: list[str], dataset: str) -> None:
        """Make these models ready, in the place of all that were still to be; those that are loaded stay."""
        self._preload = Preload(tuple(names), dataset)
        self._send(self._preload)

    def use(self, device_name: str) -> None:
        """Compute on that device from now on; models loaded on another one go when the next is needed."""
        self._device = UseDevice(device_name)
        self._send(self._device)

    def complete(self, model: str, dataset: str, request: GenerationRequest | scaling.ScalingRequest) -> int:
        """Ask for a run, giving up the one under way; returns its number."""
        self._last += 1
        if not self.closed:
            self._want(self._last)
            job = self._jobs[self._last] = StartRun(self._last, model, dataset, request)
            if self._dead:
                self._start()
            self._send(job)
        return self._last

    def stop(self) -> None:
        """End the run under way, with the network call that it is in."""
        if not self.closed:
            self._want(0)
            self._send(Stop())

    def pause(self) -> None:
        """Hold the run under way at its next event, until `go_on`; its clock stands still, no network is called."""
        self._send(Pause())

    def go_on(self) -> None:
        """Let the paused run go on."""
        self._send(GoOn())

    def cause(self, sentence: str) -> str:
        """What is known of the cause of a failure; empty for one that its sentence explains."""
        return self._causes.get(sentence, "")

    def close(self) -> bool:
        """End the worker; nothing is heard any more. False where it could not be ended, as of a thread in a call."""
        self.closed = True
        self._patience.stop()
        self.blockSignals(True)
        return self._link.stop()

    # --- between this and the worker

    def _send(self, request: messages.Request) -> None:
        if self.closed:
            return
        if self._waiting is not None:
            self._waiting.append(request)
        else:
            self._link.send(request)

    def _want(self, number: int) -> None:
        """Only this run from now on; patience with the others is limited."""
        self._wanted = number
        if self._jobs and self._waiting is None and not self._patience.isActive():
            self._silent = 0
            self._patience.start()

    @Slot(object)
    def _heard(self, message: messages.Report) -> None:
        if self.closed:
            return
        self._silent = 0
        if self._patience.isActive():
            self._patience.start()
        match message:
            case messages.Happened():
                for event in message.events:
                    if message.number == self._wanted:  # whoever hears one may ask for another run
                        self.happened.emit(message.number, event)
            case messages.Ended():
                self._deaths = 0
                self._end(message.number)
            case messages.Failed():
                self._loading = False
                self._fail(message.number, message.sentence, message.cause)
            case messages.Loading():
                self._loading = True
            case messages.Loaded():
                self._loading = False
                self.loaded.emit(message)
            case messages.Dropped():
                self.dropped.emit()
            case messages.Ready():
                self._begin(message.facts)
            case messages.Unready():
                self._be_unready(message.sentence, message.cause)

    def _begin(self, facts: model_facts.Facts) -> None:
        """The worker is ready: send what has waited for it."""
        waiting, self._waiting = self._waiting or [], None
        for request in waiting:
            self._link.send(request)
        model_facts.adopt(facts)
        if not self._seen:
            self._seen = True
            self.ready.emit(list(facts.devices))

    def _be_unready(self, sentence: str, cause: str) -> None:
        self._over = True
        self._causes[sentence] = cause
        self.unready.emit(sentence)

    def _end(self, number: int) -> None:
        if self._jobs.pop(number, None) is not None:
            if not any(other != self._wanted for other in self._jobs):
                self._patience.stop()
            self.ended.emit(number)

    def _fail(self, number: int, sentence: str, cause: str) -> None:
        if cause:
            self._causes[sentence] = cause
        self.failed.emit(number, sentence)

    @Slot()
    def _give_up(self) -> None:
        """The run that was to end has given no sign: end its process."""
        self._silent += 1
        if self._loading or self._silent < 2:
            self._patience.start()
            return
        self._link.stop()
        after = f"did not stop within {PATIENCE // 1000} seconds, so its process was ended"
        self._replace(f"The model {after}; a new one is being started.", "")

    @Slot(str, str)
    def _died(self, how: str, printed: str) -> None:
        if self.closed or self._over:
            return
        self._deaths = self._deaths + 1 if time.monotonic() - self._born < SHORT else 1
        cause = f"The process ended with {how}.\n{printed}"
        sentence = f"The process of the models ended unexpectedly ({how}); "
        if self._deaths < MOST_DEATHS:
            self._replace(f"{sentence}a new one is being started.", cause)
        elif self._seen:
            self._replace(f"{sentence}the next run starts a new one.", cause, start=False)
        else:
            self._be_unready(f"{sentence}install the program anew. Sketching and saving work without them.", cause)

    def _replace(self, sentence: str, cause: str, start: bool = True) -> None:
        """Whatever the worker was doing is over: say so once, and ask a new one for what had not begun."""
        lost = list(self._jobs)
        begun, self._waiting = lost[: self._waiting is None], [self._device, self._preload]
        self._patience.stop()
        self._loading = False
        if start and self._wanted in lost and self._wanted not in begun:
            lost.remove(self._wanted)
            self._waiting.append(self._jobs[self._wanted])
        if start:
            self._start()
        self._dead = not start
        self.dropped.emit()
        self._fail(self._wanted if self._wanted in lost else 0, sentence, cause)
        for number in lost:
            self._end(number)
