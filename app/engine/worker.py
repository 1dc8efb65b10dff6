"""The one thread that computes: requests go in, events come out by signal, the latest request wins.

`Engine` lives in the window's thread and owns the other; `Worker` lives in the other. What crosses is plain data, by
queued signals to decorated bound slots. A run is given up between two events of its generator, as soon as its number
is no longer the one `wanted`; it rests there while `going` is not set, and then goes on from where it stood.

Torch and the models are loaded in that thread, too, so that a window stands before them: import nothing of them above.
"""

from __future__ import annotations

import os
import threading
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QThread, Signal, Slot

from app.engine import loading
from vssm import checkpoint
from vssm.errors import UserError
from vssm.evaluation import scaling
from vssm.sampling.events import Finished, GenerationRequest, Progress

if TYPE_CHECKING:
    from vssm.sampling.generator import Generator

GATHER = 0.12  # seconds for which events are gathered where every call is told; others wait for the next picture
STACK = 16 * 2**20  # macOS gives a QThread 512 KB, too little for torch


@dataclass(frozen=True)
class Job:
    """A picture to be completed by a model, or equal networks to be timed, where model and data set are of no use."""

    number: int
    model: str
    data: str
    request: GenerationRequest | scaling.ScalingRequest


@dataclass(frozen=True)
class Loaded:
    """A model that is ready."""

    model: str
    data: str
    parameters: int
    scores: dict
    device: str


def threads() -> int:
    """For torch: all cores but one, which the window keeps, and four at most: operators this small gain nothing from
    more, and lose much wherever a thread has to wait for a busy core. $OMP_NUM_THREADS is obeyed."""
    if os.environ.get("OMP_NUM_THREADS", "").isdigit():
        return max(1, int(os.environ["OMP_NUM_THREADS"]))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores - 1, 4))


class Worker(QObject):
    """Holds the generators and runs jobs, one after another."""

    happened = Signal(int, object)  # number of the run, event
    failed = Signal(int, str)  # number of the run (0 outside one), one sentence
    ended = Signal(int)  # last word on every run, whatever became of it
    loaded = Signal(object)
    dropped = Signal()  # all models that were loaded are gone: others are needed, or their memory was
    ready = Signal(list)  # torch is there, and these devices
    unready = Signal(str)  # it cannot be loaded, in one sentence
    _left = Signal(list, str, int)  # models still to be made ready, data set, number of the chain

    def __init__(self, folder: Path):
        super().__init__()
        self.wanted = 0  # written by the window's thread, read here
        self.chain = 0  # likewise: the number of the chain of models to be made ready; others end
        self.going = threading.Event()  # likewise
        self.going.set()
        self._left.connect(self.preload, Qt.ConnectionType.QueuedConnection)
        self._folder, self._device = folder, "auto"
        self._generators: dict[tuple[str, str], Generator] = {}
        self._where = None  # the torch.device of these
        self.causes: dict[str, str] = {}  # by the sentence that tells of it, for those who ask; read by the window

    @Slot()
    def prepare(self) -> None:
        """Load what computes; this takes seconds where torch was not loaded before."""
        try:
            loading.load()
        except Exception as error:  # mostly a library that is missing, or broken; else there would be no word of it
            traceback.print_exc()
            sentence = (
                f"The models cannot be loaded ({_reason(error)}); install the program anew. Sketching and saving work "
                "without them."
            )
            self.causes[sentence] = traceback.format_exc()
            self.unready.emit(sentence)
            return
        import torch

        from vssm import device

        torch.set_num_threads(threads())
        self.ready.emit(device.available())

    @Slot(str)
    def use(self, name: str) -> None:
        """Compute on that device from now on; models loaded on another one go when the next is needed."""
        self._device = name

    @Slot(list, str, int)
    def preload(self, names: list[str], dataset: str, chain: int) -> None:
        """Make models ready before they are asked for; a run asked for meanwhile comes before the next of them, and a
        newer chain takes the place of what is left of this one."""
        if chain == self.chain and names:
            self._guard(0, self._generator, names[0], dataset)
            self._left.emit(names[1:], dataset, chain)

    @Slot(object)
    def run(self, job: Job) -> None:
        if job.number == self.wanted:
            self._guard(job.number, self._run, job)
        self.ended.emit(job.number)

    def _run(self, job: Job) -> None:
        from vssm import device
        from vssm.evaluation import scaling_runner

        def urgent() -> bool:  # somebody waits for this run to rest or to end
            return job.number != self.wanted or not self.going.is_set()

        if isinstance(job.request, scaling.ScalingRequest):
            events = scaling_runner.measure(job.request, device.choose(self._device), urgent)
        else:
            events = self._generator(job.model, job.data).generate(job.request, urgent)
        gathered, told = [], time.perf_counter()
        try:
            for event in events:
                gathered.append(event)
                whole = isinstance(event, (Progress, Finished)) and job.request.every > 0
                if whole or time.perf_counter() - told > GATHER or urgent():
                    self._tell(job, gathered)
                    told = time.perf_counter()
                if job.number == self.wanted and not isinstance(event, Finished):
                    self.going.wait()
                if job.number != self.wanted:
                    return
            self._tell(job, gathered)
        finally:
            events.close()

    def _tell(self, job: Job, events: list) -> None:
        """Empty the list into the window's thread, while somebody wants the run: one after another, as every waking of
        that thread costs the model's clock."""
        while events and job.number == self.wanted:
            self.happened.emit(job.number, events.pop(0))

    def _generator(self, model: str, dataset: str) -> Generator:
        from vssm import device
        from vssm.sampling.generator import Generator

        where = device.choose(self._device)
        if where != self._where:
            self._drop()
            self._where = where
        if (model, dataset) not in self._generators:
            path = self._folder / checkpoint.shipped(model, dataset).name
            made = Generator(checkpoint.load(path, model, dataset), where)
            made.warm_up()
            self._generators[model, dataset] = made
            self.loaded.emit(
                Loaded(model, dataset, made.checkpoint.parameters, made.checkpoint.scores, device.describe(where))
            )
        return self._generators[model, dataset]

    def _drop(self) -> None:
        if self._generators:
            self._generators.clear()
            self.dropped.emit()

    def _guard(self, number: int, method, *given) -> None:
        """Call a method; whatever goes wrong becomes one sentence."""
        try:
            method(*given)
        except UserError as error:
            self.failed.emit(number, str(error))
        except (MemoryError, RuntimeError) as error:
            if not isinstance(error, MemoryError) and "memory" not in str(error):
                self._report(number, error)
                return
            import torch

            self._drop()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            timed = any(isinstance(one, Job) and isinstance(one.request, scaling.ScalingRequest) for one in given)
            advice = "choose a smaller largest T" if timed else "ask for fewer samples"
            self.failed.emit(number, f"There is not enough memory for this; {advice}.")
        except Exception as error:
            self._report(number, error)

    def _report(self, number: int, error: Exception) -> None:
        traceback.print_exc()
        sentence = f"The model failed ({type(error).__name__}: {_reason(error)})."
        self.causes[sentence] = traceback.format_exc()
        self.failed.emit(number, sentence)


def _reason(error: Exception) -> str:
    """The first line of what it says."""
    return (str(error).strip().splitlines() or ["no reason given"])[0]


class Engine(QObject):
    """The window's end of the thread, which `start` begins: what is asked for before waits. Its signals are the
    worker's, delivered in the window's thread. After `close` it does nothing more, whatever it is asked for; `closed`
    tells."""

    _asked = Signal(object)
    _chosen = Signal(str)
    _needed = Signal(list, str, int)

    def __init__(self, folder: Path | None = None, parent: QObject | None = None):
        super().__init__(parent)
        self._last = 0
        self.closed = False
        self._thread = QThread(self)
        self._thread.setObjectName("inference")
        self._thread.setStackSize(STACK)
        self._worker = Worker(folder or checkpoint.SHIPPED)
        self._worker.moveToThread(self._thread)
        self._thread.started.connect(self._worker.prepare)
        self._asked.connect(self._worker.run)
        self._chosen.connect(self._worker.use)
        self._needed.connect(self._worker.preload)
        self.happened, self.failed = self._worker.happened, self._worker.failed
        self.ended, self.loaded, self.dropped = self._worker.ended, self._worker.loaded, self._worker.dropped
        self.ready, self.unready = self._worker.ready, self._worker.unready

    def start(self) -> None:
        """Load torch and the models; `ready` or `unready` tells when that is done."""
        if not self.closed:
            self._thread.start()

    def preload(self, names: list[str], dataset: str) -> None:
        """Make these models ready, in the place of all that were still to be; those that are loaded stay."""
        if not self.closed:
            self._worker.chain += 1
            self._needed.emit(names, dataset, self._worker.chain)

    def use(self, device_name: str) -> None:
        self._chosen.emit(device_name)

    def complete(self, model: str, dataset: str, request: GenerationRequest | scaling.ScalingRequest) -> int:
        """Ask for a run, giving up the one under way; returns its number."""
        self._last += 1
        self._want(self._last)
        self._asked.emit(Job(self._last, model, dataset, request))
        return self._last

    def measure(self, request: scaling.ScalingRequest) -> int:
        """Ask for the timing of equal networks, giving up the run under way; returns its number."""
        return self.complete("", request.data, request)

    def cause(self, sentence: str) -> str:
        """What is known of the cause of a failure; empty for one that its sentence explains."""
        return self._worker.causes.get(sentence, "")

    def stop(self) -> None:
        self._want(0)

    def pause(self) -> None:
        """Hold the run under way at its next event, until `go_on`; its clock stands still, no network is called."""
        if not self.closed:
            self._worker.going.clear()

    def go_on(self) -> None:
        self._worker.going.set()

    def _want(self, number: int) -> None:
        """Only this run from now on; one that rests is woken to see it."""
        if not self.closed:
            self._worker.wanted = number
            self._worker.going.set()

    def close(self, milliseconds: int = 8000) -> bool:
        """Stop and wait; False where the thread did not end in time, because one network call takes longer."""
        self._want(-1)
        self._worker.chain, self.closed = -1, True
        QObject.disconnect(self._worker, None, None, None)
        self._thread.quit()
        return self._thread.wait(milliseconds)
