"""The models' process: it loads torch and the models, runs jobs, and reports their events.

The window's process starts it and speaks with it by its standard input and output (`messages`); when that input ends,
it ends too, whatever it is doing. Its main thread computes. Another thread only reads what the window asks for, so
that a stop or a pause is known at once: a job ends between two events of its generator, as soon as its number is no
longer the one that is `wanted`; it rests there while `going` is not set, and then goes on from there.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections import abc
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from app.core import model_facts
from app.engine import messages
from app.engine.messages import Close, GoOn, Loaded, Pause, Preload, Report, Request, StartRun, Stop, UseDevice
from vssm import checkpoint
from vssm.errors import UserError
from vssm.evaluation import scaling
from vssm.models import registry
from vssm.sampling.events import Event, Finished, Progress

if TYPE_CHECKING:
    import torch

    from vssm.sampling.generator import Generator

GATHER = 0.12  # seconds for which events are gathered where every call is reported; others wait for the next picture
PIPE = 2**20  # bytes that may wait for the window, where the system lets us choose


def threads() -> int:
    """For torch: all cores but one, which the window keeps, and four at most: operators this small gain nothing from
    more, and lose much wherever a thread has to wait for a busy core. $OMP_NUM_THREADS is obeyed."""
    if os.environ.get("OMP_NUM_THREADS", "").isdigit():
        return max(1, int(os.environ["OMP_NUM_THREADS"]))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores - 1, 4))


def load(path: Path, model: str, dataset: str, where: torch.device) -> Generator:
    """Read the weights of a model and let it make its first calls; raises UserError where that cannot be."""
    from vssm.sampling.generator import Generator

    made = Generator(checkpoint.load(path, model, dataset), where)
    made.warm_up()
    return made


class Worker:
    """Holds the generators and runs jobs, one after another.

    Args:
        folder: Where the checkpoints lie.
        report: Receives everything that there is to say, in the thread that is in `work`.
        load: Makes a generator, as the function of that name does.
    """

    def __init__(self, folder: Path, report: Callable[[Report], None], load: Callable[..., Generator] = load):
        self._folder, self._report, self._load, self._device = folder, report, load, "auto"
        self._wanted = 0  # the number of the job that is not to end
        self._going = threading.Event()
        self._going.set()
        self._requests: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self._preload = Preload((), "")  # the latest
        self._generators: dict[tuple[str, str], Generator] = {}
        self._where: torch.device | None = None  # the device of these

    def hear(self, request: Request) -> None:
        """Take a request, in any thread: what concerns the running job has effect at once, all else in its turn."""
        match request:
            case Pause():
                self._going.clear()
                return
            case StartRun():
                self._wanted = request.number
            case Stop() | Close():
                self._wanted = 0
            case Preload():
                self._preload = request
        if not isinstance(request, (Preload, UseDevice)):
            self._going.set()
        if not isinstance(request, (Stop, GoOn)):
            self._requests.put(request)

    def work(self) -> None:
        """Load torch and do what is asked for, until `Close`; returns early where torch cannot be loaded."""
        if not self._prepare():
            return
        left: list[str] = []  # models still to be loaded, of the list that was asked for latest
        preload = self._preload
        while True:
            if preload is not self._preload:
                left = []
            if left and self._requests.empty():
                self._guard(0, self._generator, left.pop(0), preload.data)
                continue
            match request := self._requests.get():
                case StartRun():
                    if request.number == self._wanted:
                        self._guard(request.number, self._run, request)
                    self._report(messages.Ended(request.number))
                case Preload():
                    preload, left = request, list(request.models)
                case UseDevice():
                    self._device = request.name
                case Close():
                    return

    def _prepare(self) -> bool:
        """Load what computes; this takes seconds. Returns whether it is there."""
        try:
            import torch

            from vssm.evaluation import scaling_runner  # noqa: F401 - to be there when it is needed

            facts = model_facts.find()
        except Exception as error:  # mostly a library that is missing, or broken
            traceback.print_exc()
            sentence = (
                f"The models cannot be loaded ({_reason(error)}); install the program anew. Sketching and saving work "
                "without them."
            )
            self._report(messages.Unready(sentence, traceback.format_exc()))
            return False
        torch.set_num_threads(threads())
        self._report(messages.Ready(facts))
        return True

    def _run(self, job: StartRun) -> None:
        from vssm import device
        from vssm.evaluation import scaling_runner

        def urgent() -> bool:  # somebody waits for this job to rest or to end
            return job.number != self._wanted or not self._going.is_set()

        events: abc.Generator[Event | scaling.Event, None, None]
        if isinstance(job.request, scaling.ScalingRequest):
            events = scaling_runner.measure(job.request, device.choose(self._device), urgent)
            every = 0.0
        else:
            events, every = self._generator(job.model, job.data).generate(job.request, urgent), job.request.every
        gathered: list = []
        told = time.perf_counter()
        try:
            for event in events:
                gathered.append(event)
                whole = isinstance(event, (Progress, Finished)) and every > 0
                if whole or time.perf_counter() - told > GATHER or urgent():
                    self._tell(job, gathered)
                    told = time.perf_counter()
                if job.number == self._wanted and not isinstance(event, Finished):
                    self._going.wait()
                if job.number != self._wanted:
                    return
            self._tell(job, gathered)
        finally:
            events.close()

    def _tell(self, job: StartRun, events: list) -> None:
        """Report the events while somebody wants the job, and empty the list."""
        if events and job.number == self._wanted:
            self._report(messages.Happened(job.number, tuple(events)))
        events.clear()

    def _generator(self, model: str, dataset: str) -> Generator:
        from vssm import device

        where = device.choose(self._device)
        if where != self._where:
            self._drop()
            self._where = where
        if (model, dataset) not in self._generators:
            self._report(messages.Loading())
            path = self._folder / checkpoint.shipped(model, dataset).name
            made = self._generators[model, dataset] = self._load(path, model, dataset, where)
            trained = made.checkpoint
            self._report(Loaded(model, dataset, trained.parameters, trained.scores, device.describe(where)))
        return self._generators[model, dataset]

    def _drop(self) -> None:
        if self._generators:
            self._generators.clear()
            self._report(messages.Dropped())

    def _guard(self, number: int, method: Callable, *given) -> None:
        """Call a method; whatever goes wrong becomes one sentence."""
        try:
            method(*given)
        except UserError as error:
            self._report(messages.Failed(number, str(error)))
        except (MemoryError, RuntimeError) as error:
            if not isinstance(error, MemoryError) and "memory" not in str(error):
                self._fail(number, error)
                return
            import torch

            self._drop()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            timed = any(isinstance(one, StartRun) and isinstance(one.request, scaling.ScalingRequest) for one in given)
            advice = "choose a smaller largest T" if timed else "ask for fewer samples"
            self._report(messages.Failed(number, f"There is not enough memory for this; {advice}."))
        except Exception as error:
            self._fail(number, error)

    def _fail(self, number: int, error: Exception) -> None:
        traceback.print_exc()
        sentence = f"The model failed ({type(error).__name__}: {_reason(error)})."
        self._report(messages.Failed(number, sentence, traceback.format_exc()))


def _reason(error: Exception) -> str:
    """The first line of what it says."""
    return (str(error).strip().splitlines() or ["no reason given"])[0]


def main() -> None:
    """Be the models' process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is for the window, which then ends this
    faulthandler.enable()
    inward, outward = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)  # what a library prints must not come between messages
    with contextlib.suppress(ImportError, AttributeError, OSError):  # Linux alone has it
        import fcntl

        fcntl.fcntl(outward.fileno(), fcntl.F_SETPIPE_SZ, PIPE)
    setup = messages.read(inward)
    registry.PRESETS.clear()
    registry.PRESETS.update(setup.presets)

    def report(message: Report) -> None:
        packed = messages.pack(message)
        try:
            outward.write(packed)
            outward.flush()
        except OSError:  # the window's process is gone
            os._exit(0)
        if isinstance(message, messages.Ready):
            gc.collect()
            gc.freeze()  # all that torch has brought need not be looked through while a model is on the clock

    worker = Worker(setup.folder, report)
    threading.Thread(target=_listen, args=(inward, worker), daemon=True).start()
    worker.work()
    sys.stderr.flush()
    os._exit(0)  # at once: what torch does at the end of a process is of no use


def _listen(stream: BinaryIO, worker: Worker) -> None:
    """Pass on what the window asks for, and end the process with the window's."""
    try:
        while True:
            worker.hear(messages.read(stream))
    except EOFError:
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
