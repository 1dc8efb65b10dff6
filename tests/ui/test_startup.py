"""Starting: a window before torch is there, and what is asked of it meanwhile."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import broken_sessions
import pytest
from conftest import bury
from layouts import CRAFTED, layout
from threaded import Thread
from windows import LEFT, LONG, button_of

from app.core import session
from app.core.job import State
from app.core.link import Link
from app.core.settings import CompletionSettings
from app.ui.main_window import Window
from tools import startup_time
from vssm import data
from vssm.models import registry
from vssm.prompt import Prompt

ROOT = Path(__file__).resolve().parents[2]


def start(name: str, folder: Path, *more, libraries: Path = ROOT, **how) -> subprocess.CompletedProcess:
    """Call a function of starting.py in a program of its own. libraries: found before any others."""
    paths = os.pathsep.join(map(str, (libraries, ROOT)))
    given = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "PYTHONPATH": paths} | how.pop("env", {})
    words = [sys.executable, ROOT / "tests" / "starting.py", name, folder, *more]
    given = {k: v for k, v in given.items() if v is not None}
    return subprocess.run(words, env=given, capture_output=True, text=True, timeout=200, **how)


def started(name: str, folder: Path, *more, **how) -> dict:
    """What it saw."""
    done = start(name, folder, *more, **how)
    assert done.returncode == 0, done.stderr
    return json.loads(next(line for line in reversed(done.stdout.splitlines()) if line.startswith("{")))


# --- before torch is there


def test_the_window_needs_no_torch(tmp_path):
    saw = started("without_weights", tmp_path)
    assert saw == {"heavy": [], "mode": "loading …", "status": "Loading the models …"}


def test_what_is_drawn_and_asked_before_torch_is_there_is_done(tmp_path):
    saw = started("asked_early", tmp_path)
    assert saw["heavy"] == [] and not saw["ready"] and saw["runs"] == 0
    assert saw["heavy_after"] == []  # nor is torch there when a run has finished: it is with the samplerls' process
    assert "Loading the models" in saw["said"] and saw["stop"]
    assert saw["story"] and not saw["told"]  # the recorded race needs no torch, and gives way
    assert saw["ink"] and saw["same"] and saw["samples"] == 4
    assert saw["later"] == "" and not saw["shown"]


def test_without_torch_one_can_draw_and_save(tmp_path):
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise ImportError('libcudart.so.13: cannot open it')\n")
    saw = started("without_torch", tmp_path, libraries=tmp_path)
    assert "cannot be loaded (libcudart.so.13: cannot open it)" in saw["said"] and saw["said"] == saw["again"]
    assert saw["said"].count("\n") == 0 and saw["status"] == "The models cannot be loaded"
    assert not saw["mode"] and saw["runs"] == 0
    assert session.load(tmp_path / "session.json").datasets["mnist"].sketch.pixels[5, 9:19].all()


def test_where_loading_torch_ends_the_process_it_is_told(tmp_path):
    """And not tried for ever."""
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGABRT)\n")
    saw = started("without_torch", tmp_path, libraries=tmp_path)
    assert "ended unexpectedly (" in saw["said"] and "install the program anew" in saw["said"]
    assert saw["status"] == "The models cannot be loaded" and saw["runs"] == 0


def test_the_program_can_be_closed_while_torch_is_loaded(tmp_path):
    """Nothing waits for that, and the sketch is kept."""
    saw = started("closed_early", tmp_path)
    assert not saw["ready"]
    assert session.load(tmp_path / "session.json").datasets["mnist"].sketch.pixels[5, 9:19].all()


# --- whatever there is to start with


def test_a_broken_session_file_prevents_no_start(tmp_path):
    text = broken_sessions.pinned(broken_sessions.PNGS["huge"])
    (tmp_path / "session.json").write_text(text)
    saw = started("begun", tmp_path)
    assert saw["samples"] == 4 and len(saw["said"]) == 1 and "set aside as session.json.broken" in saw["said"][0]
    assert (tmp_path / "session.json.broken").read_text() == text and session.load(tmp_path / "session.json")


def test_a_crafted_layout_prevents_no_start(tmp_path):
    """The first layout stands; all else is restored."""
    session.save(session.Session(samples=9, layout=layout(CRAFTED["too deep"])), tmp_path / "session.json")
    saw = started("begun", tmp_path)
    assert saw["samples"] == 9 and saw["said"] == []


@pytest.mark.skipif(sys.platform == "win32", reason="homes are other there")
@pytest.mark.parametrize(
    "surroundings",
    [
        {"HOME": None},
        {"HOME": "/dev/null", "XDG_DATA_HOME": "/dev/null/data", "XDG_CONFIG_HOME": "/dev/null/config"},
    ],
)
def test_strange_surroundings_prevent_no_start(tmp_path, surroundings):
    usual = {"VSSM_STATE": None, "XDG_DATA_HOME": str(tmp_path)}
    saw = started("begun", tmp_path, env=usual | surroundings, cwd=tmp_path)
    assert saw["samples"] == 4 and saw["details"] == [""] * len(saw["said"])
    assert not Path("/dev/null").is_file()


@pytest.mark.skipif(sys.platform == "win32", reason="files are named otherwise there")
@pytest.mark.parametrize("state", ["/dev/null", "x" * 300 + "/session.json"])
def test_a_state_that_cannot_be_kept_prevents_no_start(no_threads_left, qtbot, tmp_path, monkeypatch, state):
    monkeypatch.setenv("VSSM_STATE", state)
    monkeypatch.chdir(tmp_path)
    bury()
    window = Window(session.default_path(), tmp_path, link=Thread(), story=False)
    qtbot.addWidget(window)
    with qtbot.waitExposed(window):
        window.show()
    assert window.bar.samples.value() == 4 and not any(toast._details for toast in window.messages.toasts)
    window.close()
    assert not Path("/dev/null").is_file()


def test_what_cannot_be_shown_is_set_aside(tmp_path):
    kept = session.Session(samples=9, layout=layout(b"", name="race"))
    session.save(kept, tmp_path / "session.json")
    saw = started("cannot_be_shown", tmp_path)
    assert "cannot be shown (no such place); it was set aside as session.json.broken" in saw["said"][0]
    assert saw["samples"] == 4 and saw["kept"] == str(tmp_path / "session.json")
    assert session.load(tmp_path / "session.json.broken") == kept


def test_where_no_window_can_be_opened_it_is_told(tmp_path):
    session.save(session.Session(samples=9), tmp_path / "session.json")
    done = start("cannot_be_opened", tmp_path)
    assert done.returncode == 1 and "TypeError" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("The window cannot be opened")


def test_a_fault_in_the_first_moments_is_told_in_the_window(tmp_path):
    saw = started("fails_in_its_first_moments", tmp_path, "given.json")
    assert len(saw["said"]) == 2 and all("in the first moments" in text for text in saw["said"])
    assert all("Traceback" in details for details in saw["details"])


@pytest.fixture
def early(no_threads_left, qtbot, tmp_path):
    """A window that has just been made: nothing is being loaded before the event loop is reached."""
    bury()
    session.save(session.Session(live=False), tmp_path / "session.json")
    made = Window(tmp_path / "session.json", link=Thread(), story=False)
    made.resize(1280, 760)
    qtbot.addWidget(made)
    made.show()
    yield made
    made.close()


def test_what_is_asked_early_can_be_stopped(early, qtbot):
    qtbot.mouseClick(button_of(early.actions_["complete"]), LEFT)
    assert early.jobs.state is State.LOADING and early.messages.text
    qtbot.mouseClick(button_of(early.actions_["stop"]), LEFT)
    assert early.messages.text == "" and not early.actions_["stop"].isEnabled()
    qtbot.waitUntil(lambda: early.models.are_ready, timeout=LONG)
    assert early.runs.history == [] and early.runs.running is None


def test_the_last_thing_asked_early_is_done(early, qtbot):
    """A race, asked for after a completion."""
    qtbot.mouseClick(button_of(early.actions_["complete"]), LEFT)
    qtbot.mouseClick(button_of(early.actions_["start_race"]), LEFT)
    assert early.jobs.current is None
    qtbot.waitUntil(lambda: early.race.job is not None and early.race.job.number > 0, timeout=LONG)
    assert early.runs.history == [] and early.race.isVisible()


IMPOSSIBLE = Link(
    "mnist",
    CompletionSettings("vssm", "backwards", None, 2, 1.0, 3, "sampled"),
    Prompt.empty(*data.MNIST.shape).with_rows(14),
)


def test_early_links_that_no_model_can_follow_leave_the_drawing(early, qtbot, draw):
    """However many follow each other."""
    draw(early.canvas, [(5, 3), (22, 5)])
    drawn = early.session()
    for link in (
        IMPOSSIBLE,
        dataclasses.replace(IMPOSSIBLE, settings=dataclasses.replace(IMPOSSIBLE.settings, seed=4)),
    ):
        early.files.importer.open_argument(link.text)
        assert not early.canvas.sketch.pixels.any()
    qtbot.waitUntil(lambda: early.models.are_ready, timeout=LONG)
    assert "sampler 'backwards'" in early.messages.text and early.session() == drawn


def test_what_is_drawn_on_an_early_link_stays(early, qtbot, draw):
    """Where its known pixels are, too."""
    early.files.importer.open_argument(IMPOSSIBLE.text)
    draw(early.canvas, [(5, 3), (22, 5)])
    drawn = early.canvas.sketch.prompt
    qtbot.waitUntil(lambda: early.models.are_ready, timeout=LONG)
    assert "sampler 'backwards'" in early.messages.text and early.canvas.sketch.prompt.same_as(drawn)


def test_a_mode_that_the_model_does_not_have_gives_way_to_its_usual_one(qtbot, tmp_path, no_threads_left):
    """Which the session cannot know before the models are loaded."""
    saved = session.Session(model="asarm").to_dict()
    saved["sheets"]["mnist"]["modes"] = {"asarm": ["backwards", 3], "transformer": ["sequential", 3]}
    (tmp_path / "session.json").write_text(json.dumps(saved))
    bury()
    window = Window(tmp_path / "session.json", tmp_path, link=Thread())
    qtbot.addWidget(window)
    window.show()
    qtbot.waitUntil(lambda: window.models.are_ready, timeout=LONG)
    usual = registry.get("asarm").samplers(data.MNIST)[0]
    assert window.bar.modes.mode.currentText() == "ASSD" and window.bar.modes.number.value() == usual.default
    assert window.bar.settings("transformer").parameter is None
    window.close()


# --- how long it takes


def test_the_start_is_timed_in_its_order():
    seen = startup_time.start()
    assert list(seen) and set(seen) == set(startup_time.MARKS)
    order = [seen[name] for name in ("painted", "moving", "stroke", "torch", "model", "models")]
    assert order == sorted(order) and order[0] > seen["processor"] / os.cpu_count() > 0
    assert 0 < seen["pen_median"] <= seen["pen_p95"] <= seen["pen_most"] < order[-1]
