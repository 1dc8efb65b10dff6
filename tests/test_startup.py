"""Starting: a window before torch is there, what is asked of it meanwhile, and the example it shows."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import bury
from windows import LEFT, LONG, button_of, complete, press, take

from app import session, startup
from app.window import Window
from vssm import beforehand, checkpoint, data
from vssm.events import GenerationRequest
from vssm.generation import Generator, run
from vssm.prompt import Prompt

ROOT = Path(__file__).resolve().parent.parent


def started(name: str, folder: Path, libraries: Path = ROOT) -> dict:
    """What a function of starting.py saw, in a program of its own. libraries: found before any others."""
    paths = os.pathsep.join(map(str, (libraries, ROOT)))
    given = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "PYTHONPATH": paths}
    words = [sys.executable, ROOT / "tests" / "starting.py", name, folder]
    done = subprocess.run(words, env=given, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


# --- before torch is there


def test_the_window_needs_no_torch(tmp_path):
    saw = started("without_weights", tmp_path)
    assert saw == {"heavy": [], "mode": "loading …", "status": "Loading the models …"}


def test_what_is_drawn_and_asked_before_torch_is_there_is_done(tmp_path):
    saw = started("asked_early", tmp_path)
    assert saw["heavy"] == [] and not saw["ready"] and saw["runs"] == 0
    assert "Loading the models" in saw["said"] and saw["stop"]
    assert saw["example"].startswith("Example, made beforehand by VSSM in 0.")
    assert saw["ink"] and saw["same"] and saw["samples"] == 4
    assert saw["later"] == "" and not saw["shown"]


def test_without_torch_one_can_draw_and_save(tmp_path):
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise ImportError('libcudart.so.13: cannot open it')\n")
    saw = started("without_torch", tmp_path, tmp_path)
    assert "cannot be loaded (libcudart.so.13: cannot open it)" in saw["said"] and saw["said"] == saw["again"]
    assert saw["said"].count("\n") == 0 and saw["status"] == "The models cannot be loaded"
    assert not saw["mode"] and saw["runs"] == 0
    assert session.load(tmp_path / "sitting.json").sheets["mnist"].prompt.pixels[5, 9:19].all()


def test_the_program_can_be_closed_while_torch_is_loaded(tmp_path):
    """Nothing waits for that, and the sketch is kept."""
    saw = started("closed_early", tmp_path)
    assert "torch" in saw["heavy"] and not saw["ready"] and "waited" not in saw
    assert session.load(tmp_path / "sitting.json").sheets["mnist"].prompt.pixels[5, 9:19].all()


@pytest.fixture
def early(no_threads_left, qtbot, tmp_path):
    """A window that has not been painted yet: nothing is being loaded before the event loop is reached."""
    bury()
    made = Window(tmp_path / "sitting.json")
    made.resize(1280, 760)
    qtbot.addWidget(made)
    made.show()
    yield made
    made.close()


def test_what_is_asked_early_can_be_stopped(early, qtbot):
    qtbot.mouseClick(button_of(early.actions_["complete"]), LEFT)
    assert early._waiting is not None and early.messages.text
    qtbot.mouseClick(button_of(early.actions_["stop"]), LEFT)
    assert early.messages.text == "" and not early.actions_["stop"].isEnabled()
    qtbot.waitUntil(lambda: early.ready, timeout=LONG)
    assert early.history == [] and early._running is None


def test_the_last_thing_asked_early_is_done(early, qtbot):
    """A race, asked for after a completion."""
    qtbot.mouseClick(button_of(early.actions_["complete"]), LEFT)
    qtbot.mouseClick(button_of(early.actions_["start_race"]), LEFT)
    assert early._racing is None
    qtbot.waitUntil(lambda: early._racing is not None, timeout=LONG)
    assert early.history == [] and early.race.isVisible()


def test_a_mode_that_the_model_does_not_have_gives_way_to_its_usual_one(qtbot, tmp_path, no_threads_left):
    """Which the sitting cannot know before the models are loaded."""
    saved = session.Session(model="asarm").to_dict()
    saved["sheets"]["mnist"]["modes"] = {"asarm": ["backwards", 3], "transformer": ["sequential", 3]}
    (tmp_path / "sitting.json").write_text(json.dumps(saved))
    bury()
    window = Window(tmp_path / "sitting.json", tmp_path)
    qtbot.addWidget(window)
    window.show()
    qtbot.waitUntil(lambda: window.ready, timeout=LONG)
    assert window.modes.mode.currentText() == "ASSD" and window.modes.number.value() == window._mode[0].default
    assert window._mode_of("transformer")[1] is None
    window.close()


# --- the example


@pytest.mark.parametrize("dataset", data.DATA_SETS.values(), ids=lambda d: d.name)
def test_the_example_is_what_the_shipped_weights_make(dataset):
    """Up to what another processor rounds otherwise."""
    found = beforehand.find(dataset)
    known = found.prompt.known
    assert 0 < known.sum() < known.size and 0 < found.seconds < 10
    weights = checkpoint.load(checkpoint.shipped(found.model, dataset.name))
    made = run(Generator(weights), GenerationRequest(found.prompt, seed=beforehand.SEED)).images[0]
    assert (found.image[known] == made[known]).all()
    assert np.abs(found.image.astype(float) - made).mean() < 0.03 * 255


@pytest.mark.parametrize("broken", ["mnist.png", "mnist.json"])
def test_a_broken_example_is_left_out(broken, tmp_path, monkeypatch):
    for path in beforehand.FOLDER.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(beforehand, "FOLDER", tmp_path)
    assert beforehand.find(data.MNIST) is not None
    (tmp_path / broken).write_bytes(b"[]")
    assert beforehand.find(data.MNIST) is None and beforehand.find(data.CIFAR10) is not None
    (tmp_path / broken).unlink()
    assert beforehand.find(data.MNIST) is None


def test_the_example_stays_until_the_first_run_of_its_data_set(window, qtbot):
    hint = window.completion._hint
    assert hint.isVisible() and hint.picture.isVisible() and hint.example.model == "vssm"
    assert window.completion.run is None and not window.actions_["save_one"].isEnabled()
    take(qtbot, window, 1)
    assert hint.picture.isVisible()
    complete(qtbot, window)
    assert not hint.isVisible() and hint.example is None
    press(qtbot, window, "Ctrl+2")
    assert hint.picture.isVisible() and hint.example.image.shape == (32, 32, 3)
    press(qtbot, window, "Ctrl+1")
    assert not hint.isVisible()


def test_who_has_drawn_before_is_shown_no_example(qtbot, tmp_path, no_threads_left):
    sheet = session.Sheet(Prompt(np.full((28, 28, 1), 9, np.uint8), session.fresh_prompt(data.MNIST).known))
    session.save(session.Session(sheets={"mnist": sheet}), tmp_path / "sitting.json")
    bury()
    window = Window(tmp_path / "sitting.json", tmp_path)
    qtbot.addWidget(window)
    hint = window.completion._hint
    assert hint.example is None and "Sketch something" in hint.words.text() and not hint.picture.isVisibleTo(hint)
    window.close()


# --- how long it takes


def test_the_start_is_timed_in_its_order():
    seen = startup.start()
    assert list(seen) and set(seen) == set(startup.MARKS)
    order = [seen[name] for name in ("painted", "stroke", "torch", "model", "models")]
    assert order == sorted(order) and order[0] > seen["processor"] / os.cpu_count() > 0
    assert 0 < seen["pen_median"] <= seen["pen_p95"] <= seen["pen_most"] < order[-1]
