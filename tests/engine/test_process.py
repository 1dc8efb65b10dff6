"""The models' process: it can die in any state, or never answer, and the window goes on; it outlives no window."""

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import fuzzing
import pytest
import toy
from conftest import bury
from listening import Ear, request
from PySide6.QtWidgets import QApplication
from windows import LONG, complete

from app import application
from app.core.job import Kind, State
from app.engine import engine as engines
from app.engine import messages
from app.engine.engine import Engine
from app.ui.main_window import Window
from vssm import checkpoint, data
from vssm.models import registry
from vssm.sampling.events import Finished

ROOT = Path(__file__).resolve().parents[2]
TURNS = 20 if fuzzing.LONG else 1  # in each state
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)


def alive(number: int) -> bool:
    """Whether there is a process of that number, not counting one that has ended and nobody has asked about."""
    stat = Path(f"/proc/{number}/stat")
    try:
        os.kill(number, 0)
        return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def until_gone(number: int) -> None:
    end = time.monotonic() + 60
    while alive(number):
        assert time.monotonic() < end, f"{number} is still there"
        time.sleep(0.02)


# --- what is written on the pipe


def test_messages_arrive_whole_however_they_are_cut():
    sent = [messages.Ended(3), messages.Failed(0, "Alas.", "x" * 1000), messages.Loading()]
    stream = b"".join(messages.pack(one) for one in sent)
    for size in (1, 7, 100, len(stream)):
        unpacker = messages.Unpacker()
        pieces = (stream[at : at + size] for at in range(0, len(stream), size))
        assert [one for piece in pieces for one in unpacker.take(piece)] == sent


def test_nothing_but_our_own_records_crosses():
    import torch

    for foreign in (torch.float32, torch.zeros(2), os.system):
        with pytest.raises(pickle.UnpicklingError, match="must not cross"):
            messages.Unpacker().take(messages.pack(foreign))


# --- whatever becomes of the process


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Those of two models, which are loaded sooner than five."""
    folder = tmp_path_factory.mktemp("weights")
    for name in ("vssm", "transformer"):
        path = checkpoint.shipped(name, "mnist")
        (folder / path.name).symlink_to(path)
    return folder


def opened(state: Path, weights: Path) -> Window:
    """A window whose models run in a process."""
    bury()
    application.prepare(QApplication.instance())
    window = Window(state, weights)
    window.resize(1280, 760)
    window.show()
    return window


@pytest.fixture(scope="module")
def shared(qapp, weights, tmp_path_factory):
    """One for all tests that kill its process: to start one takes seconds."""
    window = opened(tmp_path_factory.mktemp("state") / "session.json", weights)
    yield window
    window.close()
    window.deleteLater()


@pytest.fixture
def window(shared, qtbot):
    """That window with its models loaded and no message."""
    qtbot.waitUntil(lambda: shared.models.are_ready and len(shared.models.loaded) == 2, timeout=LONG)
    shared.messages.clear()
    return shared


def die(qtbot, window) -> None:
    """Kill the process; the window says so once, in one sentence, and has another."""
    window.messages.clear()
    number = window.engine.process_id
    os.kill(number, KILL)
    qtbot.waitUntil(lambda: window.engine.process_id not in (0, number), timeout=LONG)
    said = [toast.text for toast in window.messages.toasts]
    assert len(said) == 1 and said[0].startswith("The process of the models ended unexpectedly (")
    assert said[0].endswith("a new one is being started.") and "\n" not in said[0]
    assert window.jobs.kind in (None, Kind.RACE)  # a race goes on with the next model
    until_gone(number)


def test_it_dies_while_it_loads_for_the_first_time(weights, qtbot, tmp_path):
    window = opened(tmp_path / "session.json", weights)
    qtbot.waitUntil(lambda: window.engine.process_id != 0, timeout=LONG)
    die(qtbot, window)
    assert not window.models.are_ready
    qtbot.waitUntil(lambda: window.models.are_ready, timeout=LONG)
    assert complete(qtbot, window).finished is not None
    number = window.engine.process_id
    window.close()
    window.deleteLater()
    until_gone(number)


def begin_loading(qtbot, window) -> None:
    """By another death, while nothing was being done."""
    die(qtbot, window)


def begin_run(qtbot, window) -> None:
    window.bar.samples.setValue(64)
    window.choose_model("transformer")
    window.actions_["complete"].trigger()
    window.bar.samples.setValue(1)
    run = window.runs.running
    qtbot.waitUntil(lambda: run.progress is not None, timeout=LONG)


def begin_pause(qtbot, window) -> None:
    begin_run(qtbot, window)
    window.actions_["pause"].trigger()
    assert window.jobs.state is State.PAUSED
    qtbot.wait(50)


def begin_race(qtbot, window) -> None:
    window.actions_["start_race"].trigger()
    qtbot.waitUntil(lambda: window.race.job is not None and window.race.job.number > 0, timeout=LONG)


def begin_scaling(qtbot, window) -> None:
    window.measuring._measure((4096,))
    assert window.jobs.kind is Kind.SCALING
    qtbot.wait(200)


STATES = begin_loading, begin_run, begin_pause, begin_race, begin_scaling


@pytest.mark.parametrize("begin", STATES, ids=lambda begin: begin.__name__)
def test_it_dies_and_the_next_completion_works(window, qtbot, begin):
    for _ in range(TURNS):
        begin(qtbot, window)
        before = len(window.runs.history)
        die(qtbot, window)
        assert len(window.runs.history) <= before
        run = complete(qtbot, window)
        assert run.finished is not None and run.finished.images.shape[1:] == data.MNIST.shape
        qtbot.waitUntil(lambda: len(window.models.loaded) == 2, timeout=LONG)


def test_a_run_that_waits_for_another_is_asked_for_again(weights, qtbot):
    """The process dies in the run that was given up for it."""
    engine = Engine(weights)
    ear = Ear(engine)
    engine.start()
    first = engine.complete("transformer", "mnist", request(64))
    qtbot.waitUntil(lambda: bool(ear.of(first)), timeout=LONG)
    os.kill(engine.process_id, KILL)
    second = engine.complete("vssm", "mnist", request())
    qtbot.waitUntil(lambda: second in ear.ends, timeout=LONG)
    assert ear.ends == [first, second] and isinstance(ear.of(second)[-1], Finished)
    assert [number for number, _ in ear.sentences] == [0]
    number = engine.process_id
    assert engine.close()
    until_gone(number)


def test_a_process_that_ends_again_and_again_is_not_started_for_ever(weights, qtbot):
    engine = Engine(weights)
    ear = Ear(engine)
    engine.start()
    for _ in range(engines.MOST_DEATHS):
        qtbot.waitUntil(lambda: engine.process_id != 0, timeout=LONG)
        before = len(ear.sentences)
        if not before:
            qtbot.waitUntil(lambda: engine._seen, timeout=LONG)
        os.kill(engine.process_id, KILL)
        qtbot.waitUntil(lambda n=before: len(ear.sentences) > n, timeout=LONG)
    assert engine.process_id == 0 and ear.sentences[-1][1].endswith("the next run starts a new one.")
    number = engine.complete("vssm", "mnist", request())
    qtbot.waitUntil(lambda: number in ear.ends, timeout=LONG)
    assert isinstance(ear.of(number)[-1], Finished)
    assert engine.close()


def test_a_call_that_will_not_end_is_ended(weights, qtbot, tmp_path, monkeypatch, capfd):
    """A model of another file, whose code is found and which may print, never comes back."""
    monkeypatch.setattr(engines, "PATIENCE", 1000)
    monkeypatch.setitem(registry.PRESETS, "stuck", toy.STUCK)
    network = registry.build("stuck", {"height": 28, "width": 28})
    checkpoint.Checkpoint("stuck", data.MNIST, network).save(tmp_path / checkpoint.shipped("stuck", "mnist").name)
    engine = Engine(tmp_path)
    ear = Ear(engine)
    engine.start()
    works = engine.complete("stuck", "mnist", request())
    qtbot.waitUntil(lambda: works in ear.ends, timeout=LONG)
    assert isinstance(ear.of(works)[-1], Finished) and ear.sentences == []
    stuck, number = engine.complete("stuck", "mnist", request(temperature=toy.STUCK_AT)), engine.process_id
    qtbot.wait(500)
    assert stuck not in ear.ends
    engine.stop()
    qtbot.waitUntil(lambda: stuck in ear.ends, timeout=LONG)
    said = "The model did not stop within 1 seconds, so its process was ended; a new one is being started."
    assert ear.sentences == [(0, said)]
    until_gone(number)
    again = engine.complete("stuck", "mnist", request())
    qtbot.waitUntil(lambda: again in ear.ends, timeout=LONG)
    assert isinstance(ear.of(again)[-1], Finished)
    assert engine.close() and toy.PRINTED in capfd.readouterr().err


# --- it outlives no window


def began(folder: Path, *words: str | Path) -> tuple[subprocess.Popen, int]:
    """A program with a window, started in a group of its own as by a terminal, and the number of its worker."""
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "tests" / "starting.py"), "stays", *map(str, (folder, *words))]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True, start_new_session=True)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


@pytest.mark.parametrize("when", ["loading", "ready"])
def test_it_ends_when_the_window_is_killed(weights, tmp_path, when):
    process, number = began(tmp_path, when, weights)
    assert alive(number)
    process.kill()
    process.communicate(timeout=60)
    until_gone(number)


@pytest.mark.skipif(sys.platform == "win32", reason="there, a console ends its programs otherwise")
@pytest.mark.parametrize("when", ["loading", "ready"])
def test_ctrl_c_in_the_terminal_ends_both(weights, tmp_path, when):
    """A terminal sends it to the whole group of processes."""
    process, number = began(tmp_path, when, weights)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    errors = [line for line in errors.splitlines() if "propagateSizeHints" not in line]
    assert process.returncode == 0 and errors == []
    until_gone(number)
