"""Two data sets in one window: each keeps what is its own, and its models; and nothing comes after the end."""

import threading

import pytest
from conftest import opened, running_threads
from listening import Ear, request, started
from PySide6.QtWidgets import QDialog
from racing import nearly_whole, rest, run_race
from windows import LONG, choose, complete, press, take

from app.engine.messages import Dropped, Failed
from app.engine.worker import Worker
from app.ui.widgets.toast import Toast
from vssm import checkpoint, data
from vssm.models import registry


@pytest.fixture
def two(no_threads_left, qtbot, tmp_path):
    """A window with two models of each data set, which is quicker than with all."""
    folder = tmp_path / "weights"
    folder.mkdir()
    for dataset in data.DATA_SETS:
        for name in ("vssm", "transformer"):
            path = checkpoint.shipped(name, dataset)
            (folder / path.name).symlink_to(path)
    yield from opened(qtbot, tmp_path / "session.json", folder)


def test_each_set_keeps_its_runs_the_one_looked_at_and_its_sample(two, qtbot):
    window = two
    take(qtbot, window, 0)
    first, second = complete(qtbot, window), complete(qtbot, window)
    window.completion.choose_sample(2)
    press(qtbot, window, "Ctrl+2")
    assert window.runs.selected_run is None and window.runs.here == []
    window.bar.samples.setValue(1)
    colour = complete(qtbot, window)
    press(qtbot, window, "Ctrl+1")
    assert window.runs.selected_run is second and second.sample_index == 2 and window.runs.here == [first, second]
    assert window.completion.run is second and {run.number for run in window.timing._runs} == {1, 2}
    press(qtbot, window, "Ctrl+2")
    assert window.runs.selected_run is colour and window.runs.here == [colour]


def test_a_run_that_a_switch_stops_is_there_again(two, qtbot):
    window = two
    press(qtbot, window, "Ctrl+D")
    done = complete(qtbot, window)
    choose(qtbot, window, "transformer")
    press(qtbot, window, "Return")
    run = window.runs.running
    qtbot.waitUntil(lambda: run.tokens > 0, timeout=LONG)
    press(qtbot, window, "Ctrl+2")
    qtbot.waitUntil(lambda: run.ended, timeout=LONG)
    assert window.runs.selected_run is None
    press(qtbot, window, "Ctrl+1")
    assert window.runs.selected_run is run and window.runs.here == [done, run] and run.status == "stopped"


def test_each_set_keeps_its_race_and_where_it_was_looked_at(two, qtbot):
    window, panel = two, two.race
    nearly_whole(qtbot, window)
    first = run_race(qtbot, window)
    rest(qtbot, window)
    run_race(qtbot, window)
    rest(qtbot, window)
    panel.races.setCurrentIndex(0)
    panel.look_back(0)
    panel.put(first.duration / 2)
    press(qtbot, window, "Ctrl+2")
    assert panel.race is None and not panel.replayable
    press(qtbot, window, "Ctrl+1")
    assert panel.race is panel.past["mnist"][0].race and panel.races.currentIndex() == 0 and panel.races.count() == 2
    assert panel.seconds == pytest.approx(first.duration / 2) and not panel.playing


@pytest.mark.parametrize("how", ["switch", "again"])
def test_what_contestants_came_to_is_kept_when_a_race_is_given_up(two, qtbot, how):
    window, panel = two, two.race
    press(qtbot, window, "Ctrl+D")
    press(qtbot, window, "Shift+R")
    qtbot.waitUntil(lambda: panel.race.tracks[1].frames[-1].tokens > 5, timeout=LONG)
    if how == "switch":
        press(qtbot, window, "Ctrl+2")
        assert panel.race is None
        qtbot.waitUntil(lambda: window.jobs.current is None, timeout=LONG)
        press(qtbot, window, "Ctrl+1")
        assert panel.race is panel.past["mnist"][0].race and not panel.running
    else:
        press(qtbot, window, "Shift+R")
        assert panel.running
    (past,) = panel.past["mnist"]
    assert past.stopped and [bool(track.finished) for track in past.race.tracks] == [True, False]
    assert len(panel._log._runs) == 1
    press(qtbot, window, "Escape")
    qtbot.waitUntil(lambda: not panel.running and window.jobs.current is None, timeout=LONG)


def said(window) -> list[str]:
    return [toast.text for toast in window.messages.findChildren(Toast) if toast.isVisible()]


def test_messages_belong_to_their_set_and_errors_stay_until_they_are_closed(two, qtbot):
    window = two
    take(qtbot, window, 0)
    window.messages.say("The disk is full.")
    press(qtbot, window, "3")
    lacks = window.messages.text
    assert lacks.startswith("Mamba has no weights for MNIST")
    press(qtbot, window, "Ctrl+2")
    assert said(window)[0] == "The disk is full." and lacks not in said(window)
    press(qtbot, window, "1")
    press(qtbot, window, "Ctrl+1")
    assert said(window) == ["The disk is full.", lacks]
    complete(qtbot, window)  # the answer goes with the next request, the error does not
    assert said(window) == ["The disk is full."]
    for text in ("one", "two", "three"):
        window.messages.say(text)
    assert said(window) == ["one", "two", "three"]
    for _ in range(3):
        press(qtbot, window, "Shift+F8")
    assert said(window) == ["The disk is full."]  # it was not read


# --- models


def test_switching_keeps_the_models_that_are_loaded(two, qtbot):
    window = two
    heard = Ear(window.engine)
    qtbot.waitUntil(lambda: len(window.models.loaded) == 2, timeout=LONG)
    press(qtbot, window, "Ctrl+2")
    qtbot.waitUntil(lambda: len(window.models.loaded) == 4, timeout=LONG)
    qtbot.wait(50)  # until all have heard
    before = len(heard.ready)
    for key in "12":
        press(qtbot, window, f"Ctrl+{key}")
        assert "parameters" in window.status.text()
        complete(qtbot, window)
    window.actions_["choose_device", "cpu"].trigger()  # what "Automatic" is here
    complete(qtbot, window)
    assert len(heard.ready) == before and len(window.models.loaded) == 4


def test_a_chain_for_a_set_no_longer_shown_ends(qtbot, no_threads_left):
    engine = started()
    ear = Ear(engine)
    engine.preload(list(registry.PRESETS), "mnist")
    engine.preload(["vssm"], "cifar10")
    engine.preload(["vssm", "transformer"], "mnist")
    number = engine.complete("vssm", "mnist", request())  # after a run comes what is left of a chain
    qtbot.waitUntil(lambda: number in ear.ends and "transformer" in ear.ready, timeout=LONG)
    qtbot.wait(50)
    assert ear.ready == ["vssm", "transformer"]
    assert engine.close()


def test_what_is_dropped_is_told(tmp_path, qtbot):
    """For want of memory, or for another device."""
    told = []
    worker = Worker(checkpoint.SHIPPED, lambda one: told.append(len(worker._generators)) if one == Dropped() else None)
    worker._generator("vssm", "mnist")

    def too_much():
        raise MemoryError

    worker._guard(1, too_much)
    assert told == [0]
    worker._generator("vssm", "mnist")
    worker._device = "cpu"
    made = worker._generator("vssm", "mnist")
    assert told == [0] and worker._generator("vssm", "mnist") is made
    worker._where = "elsewhere"
    assert worker._generator("vssm", "mnist") is not made and told == [0, 0]


# --- after the end


def test_late_signals_meet_nobody(two, qtbot):
    """What the thread said before it ended is not heard by a window that is closed."""
    window = two
    take(qtbot, window, 0)
    complete(qtbot, window)
    link = window.engine._link
    for _ in range(3):  # from another thread, as the worker's own signals come: they wait for the window
        thread = threading.Thread(target=link.heard.emit, args=(Failed(0, "Too late."),))
        thread.start()
        thread.join()
    window.close()
    qtbot.wait(50)
    assert window.messages.toasts == [] and window.engine.closed and running_threads() == []
    # and should one be heard, or somebody still ask for something, nothing comes of it
    window.models._failed(0, "Too late.")
    window.jobs._run_failed(7, "Too late.")
    window.jobs._run_happened(7, None)
    window.jobs._run_ended(7)
    window.models._missing("Too late.")
    window.models._found(["cpu"])
    window.models.prepare()
    window.engine.start()
    for done in (window.runs.complete, window.stop, window.pause, window.racing.start, window.racing.repeat):
        done()
    window.choose_data("cifar10")
    window.choose_device("cpu")
    qtbot.wait(50)
    assert running_threads() == []


class Stubborn(QDialog):
    """Somebody else's, which cannot be closed."""

    def closeEvent(self, event) -> None:
        raise ArithmeticError("stubborn")


def test_a_failure_while_closing_loses_nothing(two, qtbot, draw):
    """The sketch is saved, and the thread ends, whatever raises on the way."""
    from app.core import session

    window = two
    draw(window.canvas, [(5, 3), (22, 5)])
    choose(qtbot, window, "transformer")
    press(qtbot, window, "Return")
    Stubborn(window).show()
    with pytest.raises(ArithmeticError, match="stubborn"):
        window.close()
    assert window.engine.closed and running_threads() == [] and not window.isVisible()
    assert session.load(window.autosave.path).dataset_settings.sketch.pixels[3, 5] == 255
    qtbot.wait(50)


def test_an_open_dialog_does_not_outlive_the_window(two, qtbot):
    window = two
    press(qtbot, window, "Ctrl+O")
    assert any(dialog.isVisible() for dialog in window.findChildren(QDialog))
    window.close()
    assert not any(dialog.isVisible() for dialog in window.findChildren(QDialog))
