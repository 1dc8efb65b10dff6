"""What every kind of input must hold to, whatever is in it: a sentence and exit code 2, or accepted and right; little
memory; little time; the user's files untouched.

    @fuzz
    @given(...)
    def test_…(…):
        outcome = survives(cli.main, ["complete", …], files=folder)     # or any function that raises UserError
        if outcome.accepted: …                                          # look at what it made, or returned

A call runs in a process of its own, forked from a server that has loaded the program, which takes some 20 ms. With
`--fuzz-long` there are many more examples, and other ones each time.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import forked
import hypothesis
import pytest

LONG = False  # conftest sets it where --fuzz-long is given, before test files are loaded
MOST_SECONDS = 5.0  # of processor time
MOST_WAIT = 60.0  # seconds: the machine may be busy with other tests
MOST_MEMORY = 1_000_000_000  # bytes, the program itself and torch included
MOST_ADDRESSES = 16 * MOST_MEMORY  # lest a fault of ours should take the whole machine's memory
FEW, MANY = 8, 2_000  # examples of a test

posix_only = pytest.mark.skipif(not forked.POSIX, reason="processes are not forked there")


def fuzz(test: Callable | None = None, *, few: int = FEW) -> Callable:
    """A decorator above `@given`: few examples and always the same, or many and new ones by --fuzz-long."""
    if test is None:
        return functools.partial(fuzz, few=few)
    held = hypothesis.settings(
        max_examples=MANY if LONG else few,
        derandomize=not LONG,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    return posix_only(held(test))


@dataclass(frozen=True)
class Outcome:
    """How a call ended. code: as the command line's exit code. value: what it returned, if that is not the code.
    seconds: of processor time; memory: the most it took, in bytes."""

    code: int
    out: str
    err: str
    value: object = None
    seconds: float = 0.0
    memory: int = 0

    @property
    def accepted(self) -> bool:
        return self.code == 0


def survives(call: Callable, *arguments, files: Path | None = None, made: tuple[str, ...] = ()) -> Outcome:
    """Call it in a process of its own and see that all the invariants hold.

    Args:
        call: A function that can be imported; what it returns is given back if it can be pickled. A whole number is
            taken for an exit code where it is that of the command line, `vssm.cli.commands.main`.
        arguments: Of the call; they are pickled.
        files: A folder with the user's files, none of which may be changed.
        made: Names of files in that folder that the call may write, and only where it accepts.
    """
    before = contents(files, ())
    outcome = isolated(call, *arguments)
    told = f"{outcome.code}: {outcome.err or outcome.out}"
    assert outcome.code in (0, 2), told
    assert "Traceback" not in outcome.err and "Warning" not in outcome.err, told
    if not outcome.accepted:
        assert outcome.out == "" and is_a_sentence(outcome.err), told
        assert "not enough memory" not in outcome.err, told  # found out too late
    assert outcome.seconds < MOST_SECONDS, f"{outcome.seconds:.1f} s; {told}"
    assert outcome.memory < MOST_MEMORY, f"{outcome.memory / 1e6:.0f} MB; {told}"
    assert contents(files, made if outcome.accepted else ()) == {
        name: content for name, content in before.items() if not (outcome.accepted and name in made)
    }, told
    return outcome


def is_a_sentence(text: str) -> bool:
    """One line that a person can read, with a full stop."""
    line = text.removesuffix("\n")
    return line.isprintable() and line.endswith(".") and len(line) < 2000


def contents(folder: Path | None, without: tuple[str, ...]) -> dict[str, bytes | str]:
    """What lies in a folder and below, by name; of links where they lead."""
    if folder is None:
        return {}
    found = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*"))}
    return {
        name: str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else "folder"
        for name, path in found.items()
        if name not in without
    }


def isolated(call: Callable, *arguments) -> Outcome:
    """Call it in a process of its own, and tell how that ended, whatever it was."""
    context = forked.server()
    ours, theirs = context.Pipe(duplex=False)
    with tempfile.TemporaryDirectory() as folder:
        process = context.Process(target=_run, args=(theirs, folder, call, arguments))
        process.start()
        theirs.close()
        process.join(MOST_WAIT)
        hung = process.is_alive()
        if hung:
            process.kill()
            process.join()
        out, err = (Path(folder, name).read_text("utf-8", "replace") for name in ("out", "err"))
        code, value, seconds, memory = -(process.exitcode or 0), None, 0.0, 0
        with contextlib.suppress(EOFError):  # it was killed before it could tell
            code, value, seconds, memory = ours.recv()
    return Outcome(code, out, f"{err} (does not end)" if hung else err, value, seconds, memory)


def _run(told, folder: str, call: Callable, arguments: tuple) -> None:
    """In the other process."""
    import resource

    from vssm.cli import commands
    from vssm.errors import UserError

    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(Path(folder, name), os.O_CREAT | os.O_WRONLY), number)
    sys.stdout, sys.stderr = os.fdopen(1, "w", encoding="utf-8"), os.fdopen(2, "w", encoding="utf-8")
    resource.setrlimit(resource.RLIMIT_AS, (MOST_ADDRESSES, resource.RLIM_INFINITY))
    gc.freeze()  # no collection looks through what the server has loaded
    begun, code, value = time.process_time(), 0, None
    try:
        value = call(*arguments)
        if call is commands.main:
            code, value = value, None
    except UserError as error:
        code = 2
        print(error, file=sys.stderr)
    except BaseException:
        code = 1
        traceback.print_exc()
    seconds = time.process_time() - begun
    sys.stdout.flush()
    sys.stderr.flush()
    unit = 1 if sys.platform == "darwin" else 1024
    told.send((code, value, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit))
