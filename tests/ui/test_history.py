"""Which runs are kept: what finished is not lost to what was stopped, nor one model's to another's."""

import numpy as np
from conftest import ended
from hypothesis import given, settings
from hypothesis import strategies as st
from making import asked_run
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from windows import LONG, choose, complete, press, take

from app.core import history
from app.core.job import State
from app.core.run import Run
from app.ui import actions
from vssm import data
from vssm.models import registry
from vssm.prompt import Prompt
from vssm.sampling.events import Finished, Progress

MODELS = list(registry.PRESETS)
EMPTY, PARTIAL, DONE = "empty", "partial", "finished"


def run(number: int, model: str = "vssm", state: str = DONE, dataset: str = "mnist", gesture: int = 0) -> Run:
    """A run that has ended, or is about to."""
    prompt = Prompt.empty(*data.get(dataset).shape)
    made = asked_run(number, model, dataset, prompt, gesture)
    images = np.zeros((1, *prompt.pixels.shape), np.uint8)
    if state != EMPTY:
        made.add(Progress(0.1, 5, 1, images, np.zeros(images.shape[:3], bool)))
    if state == DONE:
        made.add(Finished(model, images, 0.1, 0.0, 1, 784, "CPU", 1, "parallel", 0))
    return made


@st.composite
def asked(draw) -> list[Run]:
    """Runs in the order in which they were asked for; live ones come in gestures."""
    made, gesture = [], 0
    for number in range(draw(st.integers(0, 60))):
        live = draw(st.booleans())
        gesture += draw(st.booleans())
        state, dataset = draw(st.sampled_from((EMPTY, PARTIAL, DONE))), draw(st.sampled_from(list(data.DATA_SETS)))
        made.append(run(number, draw(st.sampled_from(MODELS)), state, dataset, (gesture + 1) * live))
    return made


@given(asked())
@settings(max_examples=60)
def test_what_finished_is_lost_to_newer_finished_ones_only(made):
    kept: list[Run] = []
    for one in made:
        before = kept
        kept = history.add(kept, one)
        assert kept[-1] is one
        one.state = State.IDLE
        kept = history.settle(kept)
        here = [run for run in before if not run.gesture or run.gesture != one.gesture or run.data != one.data]
        lost = [run for run in here if run.finished and run not in kept]
        assert not lost or one.finished  # a stopped run costs none
        assert all(run.has_pixels for run in kept)  # and one that shows nothing is not there
        assert [run.number for run in kept] == sorted(run.number for run in kept)
        for name in data.DATA_SETS:
            finished = [run for run in kept if run.data == name and run.finished]
            assert len(finished) <= history.MOST
            assert all(run.data == one.data for run in lost)
            for model in MODELS:
                last = [run for run in (*here, one) if run.data == name and run.finished and run.model == model]
                assert not last or last[-1] in kept  # the last of every model stays
                unfinished = [run for run in kept if run.data == name and run.model == model and not run.finished]
                assert len(unfinished) <= 1


def test_a_slow_run_outlives_many_quick_ones():
    kept: list[Run] = []
    for number, model in enumerate(["transformer", *["vssm"] * 30]):
        kept = history.settle(history.add(kept, run(number, model)))
    assert [one.number for one in kept] == [0, *range(20, 31)]
    kept = history.clear(kept, "mnist", (kept[0], None))
    assert [one.number for one in kept] == [0]


def test_a_set_has_places_of_its_own():
    kept: list[Run] = []
    for number in range(40):
        kept = history.settle(history.add(kept, run(number, dataset="mnist" if number < 10 else "cifar10")))
    assert [one.number for one in kept if one.data == "mnist"] == list(range(10))
    assert len(history.clear(kept, "cifar10", ())) == 10


# --- in the window


def hold(qtbot, widget, key: Qt.Key, times: int, modifiers=Qt.KeyboardModifier.NoModifier, text: str = "") -> None:
    """Press a key and hold it for so many repeats."""
    QTest.simulateEvent(widget, True, key, modifiers, text, False)
    for _ in range(times):
        QTest.simulateEvent(widget, True, key, modifiers, text, True)
    QTest.simulateEvent(widget, False, key, modifiers, text, False)


def test_stopped_runs_push_nothing_out(window, qtbot):
    take(qtbot, window, 0)
    finished = [complete(qtbot, window) for _ in range(3)]
    choose(qtbot, window, "transformer")
    for _ in range(14):
        press(qtbot, window, "Return")
        press(qtbot, window, "Escape")
    qtbot.waitUntil(ended(window), timeout=LONG)
    assert [one for one in window.runs.history if one.finished] == finished
    assert len(window.runs.history) <= len(finished) + 1 and all(one.has_pixels for one in window.runs.history)
    row, kind = window.completion.earlier, type(window.sketch.thumbs[0])
    qtbot.waitUntil(lambda: sum(w.isVisible() for w in row.findChildren(kind)) == len(window.runs.history))


def test_a_held_key_asks_once(window, qtbot):
    take(qtbot, window, 0)
    choose(qtbot, window, "transformer")
    begun = window.engine._last
    hold(qtbot, window, Qt.Key.Key_Return, 10)
    assert window.engine._last == begun + 1
    qtbot.waitUntil(ended(window), timeout=LONG)
    assert [one.finished is not None for one in window.runs.history] == [True]


def test_only_steps_repeat_while_their_key_is_held():
    repeating = {spec.name for spec in actions.table() if spec.repeats}
    steps = {"undo", "redo", "undo_latents", "thinner", "thicker", "earlier_frame", "later_frame", "size_panel"}
    assert repeating == steps


def test_held_keys_in_the_window(window, qtbot):
    canvas, plain = window.canvas, Qt.KeyboardModifier.NoModifier
    hold(qtbot, canvas, Qt.Key.Key_BracketRight, 2, text="]")
    assert canvas.pen == 5  # steps repeat
    hold(qtbot, canvas, Qt.Key.Key_L, 4, text="l")
    assert window.live.policy.on  # not on and off again
    press(qtbot, window, "L")
    hold(qtbot, canvas, Qt.Key.Key_Space, 4, text=" ")
    assert canvas.sketch.can_undo
    press(qtbot, window, "Ctrl+Z")
    assert not canvas.sketch.can_undo  # one dot, one step
    for _ in range(2):
        hold(qtbot, canvas, Qt.Key.Key_Right, 3)
    press(qtbot, window, "R")
    hold(qtbot, canvas, Qt.Key.Key_Space, 4, text=" ")
    assert canvas.drawing  # a corner, and not the other one, too
    press(qtbot, window, "B")
    complete(qtbot, window)
    gallery = window.completion.gallery
    gallery.setFocus()
    before = canvas.sketch.prompt.pixels.copy()
    hold(qtbot, gallery, Qt.Key.Key_Space, 3, plain, " ")
    assert len(window.workspace.dataset_settings.pinned) == 1 and np.array_equal(canvas.sketch.prompt.pixels, before)
    hold(qtbot, gallery, Qt.Key.Key_Delete, 3)
    assert window.workspace.dataset_settings.pinned == ()
    window.messages.say("one")
    window.messages.say("two")
    press(qtbot, window, "F8")
    hold(qtbot, window.messages.toasts[-1], Qt.Key.Key_Escape, 3)
    assert [toast.text for toast in window.messages.toasts] == ["one"]
