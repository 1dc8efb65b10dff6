"""The judge of the fuzzing tests sees every kind of failure."""

import time
import warnings
from pathlib import Path

import fuzzing
import pytest
from fuzzing import Outcome, is_a_sentence, isolated, posix_only, survives

from vssm.cli import commands
from vssm.errors import UserError

pytestmark = posix_only


def refuse(sentence: str) -> None:
    raise UserError(sentence)


def spend(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def take(size: int) -> int:
    return len(bytearray(b"x") * size)


def warn(text: str) -> None:
    warnings.warn(text, stacklevel=1)


def write(path: Path, then: str = "") -> None:
    path.write_text("written")
    if then:
        raise UserError(then)


def divide(a: int, b: int) -> float:
    return a / b


def test_what_holds():
    assert survives(divide, 6, 3).value == 2 and survives(divide, 6, 3).accepted
    outcome = survives(refuse, "Give another one.")
    assert (outcome.code, outcome.err) == (2, "Give another one.\n") and not outcome.accepted
    outcome = survives(commands.main, ["complete", "--model", "nobody", "--rows", "0", "--out", "x.png"])
    assert outcome.code == 2 and "no model 'nobody'" in outcome.err
    assert survives(commands.main, ["--version"]).out.startswith("vssm ")


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        (divide, (1, 0)),
        (refuse, ("Two\nlines.",)),
        (refuse, ("no full stop",)),
        (refuse, ("A bell \x07.",)),
        (refuse, ("There is not enough memory.",)),
        (spend, (0.4,)),
        (take, (510_000_000,)),
        (warn, ("odd",)),
        (commands.main, (["complete", "--debug"],)),
    ],
)
def test_what_does_not(call, arguments, monkeypatch):
    monkeypatch.setattr(fuzzing, "MOST_SECONDS", 0.3)
    monkeypatch.setattr(fuzzing, "MOST_MEMORY", 500_000_000)
    with pytest.raises(AssertionError):
        survives(call, *arguments)


def test_files(tmp_path):
    path = tmp_path / "a"
    survives(write, path, files=tmp_path, made=("a",))
    for arguments in ((path, "Refused."), (tmp_path / "b",)):
        path.write_text("mine")
        with pytest.raises(AssertionError):
            survives(write, *arguments, files=tmp_path, made=("a",))


def test_a_call_that_takes_all_memory_is_told_and_no_danger():
    outcome = isolated(take, 20_000_000_000)
    assert outcome.code == 1 and "MemoryError" in outcome.err


def test_sentences():
    assert is_a_sentence("Do this.\n") and not is_a_sentence("") and not is_a_sentence("Do\nthis.")
    assert Outcome(0, "", "").accepted
