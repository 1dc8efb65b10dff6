"""Programs of ours in processes of their own, forked from a server that has loaded torch: that takes some 20 ms, and a
new interpreter takes seconds. They have the streams they are given, and end as Python ends any program.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
POSIX = sys.platform != "win32"  # processes are forked there
PRELOADED = ["vssm.cli.commands", "torch._dynamo", "fuzzing", "forked"]  # the second is loaded by any optimizer


Call = Callable[[list[str]], int | None]  # takes the words of a command line, returns an exit code


def started(call: Call, words: list, cwd: Path, **changes: str) -> Forked | subprocess.Popen:
    """Call a function that can be imported in a process of its own. changes: environment variables that are not those
    of the tests."""
    words, changes = list(map(str, words)), {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **changes}
    if POSIX:
        return Forked(call, words, cwd, changes)
    code = f"import sys; from {call.__module__} import {call.__name__} as call; sys.exit(call(sys.argv[1:]))"
    how = {"cwd": cwd, "env": os.environ | changes, "text": True}
    return subprocess.Popen([sys.executable, "-c", code, *words], **how, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def server():
    """The context of multiprocessing whose processes are forked."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


class Forked:
    """Such a process, with what the tests want of `subprocess.Popen`. streams: by number what standard input, output or
    errors are in the place of a pipe: a path, or None where they are closed."""

    def __init__(
        self,
        call: Call,
        words: list[str],
        cwd: Path,
        changes: Mapping[str, str],
        streams: Mapping[int, str | None] | None = None,
    ) -> None:
        context, streams = server(), dict(streams or {})
        pipes = {number: context.Pipe(duplex=False) for number in (1, 2) if number not in streams}
        theirs = {number: pipe for number, (_, pipe) in pipes.items()}
        given = call, words, str(cwd), {**os.environ, **changes}, theirs, streams
        self._process = context.Process(target=_run, args=given)
        self._process.start()
        for pipe in theirs.values():
            pipe.close()
        self.stdout, self.stderr = (_text(pipes[number][0]) if number in pipes else None for number in (1, 2))
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    poll = returncode.fget

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(str(self._process), timeout or 0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for its end; returns what is left of its output and errors."""
        left = {1: "", 2: ""}

        def drain(number: int, stream: IO[str]) -> None:
            with stream:
                left[number] = stream.read()

        opened = [one for one in ((1, self.stdout), (2, self.stderr)) if one[1] is not None and not one[1].closed]
        readers = [threading.Thread(target=drain, args=one, daemon=True) for one in opened]
        for reader in readers:
            reader.start()
        self.wait(timeout)
        for reader in readers:
            reader.join()
        return left[1], left[2]


def _text(pipe) -> IO[str]:
    with contextlib.closing(pipe):
        return os.fdopen(os.dup(pipe.fileno()), encoding="utf-8", errors="replace")


def _run(call: Call, words: list[str], cwd: str, environment: dict, pipes: dict, streams: dict) -> None:
    """In the other process."""
    import torch

    gc.freeze()  # no collection looks through what the server has loaded
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    for number, pipe in pipes.items():
        os.dup2(pipe.fileno(), number)
        pipe.close()
    for number, path in streams.items():
        if path is None:
            os.close(number)
        else:
            os.dup2(os.open(path, os.O_RDWR), number)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = None  # as in any program where it is closed
        with contextlib.suppress(OSError):
            stream = os.fdopen(number, "w" if number else "r", encoding="utf-8", closefd=False)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    torch.set_num_threads(int(environment["OMP_NUM_THREADS"]))
    code = call(words) or 0
    ctypes.pythonapi.Py_Exit(code)  # multiprocessing would leave out what Python does at the end
