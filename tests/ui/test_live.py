"""Live: the completion follows the pen, by real mouse and key events on the real window."""

import threading

import numpy as np
import pytest
from conftest import PatientBot, at, opened
from PySide6.QtCore import QEvent, Qt, QThread
from PySide6.QtWidgets import QApplication
from windows import LEFT, LONG, choose, press, said, take

from app.core import live_policy
from app.core.live_policy import REST
from app.core.session import restore
from tools import ux_latency
from vssm import checkpoint

PATH = [(6 + i, 4 + i % 5) for i in range(16)]


@pytest.fixture(scope="module")
def shared(request, qapp, tmp_path_factory):
    """A window for all tests of this file, with the weights that they need."""
    folder = tmp_path_factory.mktemp("live")
    for name, dataset in (("vssm", "mnist"), ("transformer", "mnist"), ("vssm-paper", "mnist"), ("vssm", "cifar10")):
        path = checkpoint.shipped(name, dataset)
        (folder / path.name).symlink_to(path)
    for window in opened(PatientBot(request), folder / "session.json", folder):
        yield window
    window.deleteLater()  # now and here: Python might do it in another thread
    QApplication.sendPostedEvents(window, QEvent.Type.DeferredDelete)


@pytest.fixture
def live(shared, qtbot):
    """That window with Live on, the VSSM, one sample, the upper half known, at rest."""
    shared.activateWindow()  # another test may have opened a window
    qtbot.waitUntil(shared.isActiveWindow)
    press(qtbot, shared, "Escape")
    if shared.live.policy.on:
        press(qtbot, shared, "L")
    press(qtbot, shared, "Ctrl+1")
    choose(qtbot, shared, "vssm")
    press(qtbot, shared, "Ctrl+Backspace")
    shared.sketch.rows.setValue(0)
    shared.sketch.rows.setValue(14)
    shared.bar.samples.setValue(1)
    shared.live.policy.rest_after = REST
    press(qtbot, shared, "L")
    qtbot.waitUntil(lambda: at_rest(shared)() and follows(shared)(), timeout=LONG)
    press(qtbot, shared, "Ctrl+Shift+Backspace")
    return shared


def follows(window):
    """For waitUntil: whether the picture shown is a finished one of the sketch as it stands."""
    sketch = window.canvas.sketch.prompt

    def whether():
        run = window.runs.selected_run
        prompt = run.request.prompt
        same = np.array_equal(prompt.pixels, sketch.pixels) and np.array_equal(prompt.known, sketch.known)
        return same and run.finished is not None and window.completion.run is run

    return whether


def at_rest(window):
    return lambda: window.runs.running is None and window.live.policy.resting and not window.live._due.isActive()


def test_the_completion_follows_the_pen_before_it_is_lifted(live, qtbot):
    live.live.policy.rest_after = LONG  # so that the pen rests when it is lifted, however busy the machine
    live.bar.samples.setValue(3)
    qtbot.waitUntil(at_rest(live), timeout=LONG)
    before = len(live.runs.history)
    qtbot.mousePress(live.canvas, LEFT, pos=at(live.canvas, *PATH[0]))
    seen = []
    for point in PATH[1:]:
        qtbot.mouseMove(live.canvas, at(live.canvas, *point))
        qtbot.waitUntil(follows(live), timeout=LONG)
        assert live.canvas.drawing
        seen.append(live.runs.selected_run)
    assert len({run.number for run in seen}) == len(seen)
    assert len({run.request.seed for run in seen}) == 1  # else the picture would flicker
    assert (
        len(live.runs.history) == before + 1 and live.runs.history[-1] is live.runs.selected_run
    )  # of one stroke, one entry
    qtbot.mouseRelease(live.canvas, LEFT, pos=at(live.canvas, *PATH[-1]))
    qtbot.waitUntil(lambda: at_rest(live)() and bool(live.runs.selected_run.posteriors), timeout=LONG)
    assert len(live.runs.history) == before + 1 and follows(live)()
    assert not any(run.posteriors for run in seen)  # that can wait until the pen rests
    assert {run.request.samples for run in seen} == {
        1
    } and live.runs.selected_run.request.samples == 3  # and so can the others
    assert "completions/s" in live.live.counter.text() and live.live.counter.isVisible()
    qtbot.mousePress(live.canvas, LEFT, pos=at(live.canvas, 20, 2))
    qtbot.waitUntil(follows(live), timeout=LONG)
    qtbot.mouseRelease(live.canvas, LEFT, pos=at(live.canvas, 20, 2))
    qtbot.waitUntil(at_rest(live), timeout=LONG)
    assert len(live.runs.history) == before + 2  # of the next stroke, another


def test_a_slow_model_is_given_up_while_the_pen_moves_and_completes_when_it_rests(live, qtbot):
    live.bar.samples.setValue(4)
    runs = {}

    def begun(prompt):
        """Whether the run of this sketch has begun to fill the picture."""
        run = live.runs.running
        if run is not None:
            runs[run.number] = run
        return run is not None and run.tokens > 0 and np.array_equal(run.request.prompt.pixels, prompt.pixels)

    choose(qtbot, live, "transformer")
    qtbot.waitUntil(lambda: begun(live.canvas.sketch.prompt), timeout=LONG)
    before = sum(run.finished is not None for run in live.runs.history)
    qtbot.mousePress(live.canvas, LEFT, pos=at(live.canvas, *PATH[0]))
    for point in PATH[1:4]:
        qtbot.mouseMove(live.canvas, at(live.canvas, *point))
        qtbot.waitUntil(lambda p=live.canvas.sketch.prompt: begun(p), timeout=LONG)
    qtbot.mouseRelease(live.canvas, LEFT, pos=at(live.canvas, *PATH[3]))
    qtbot.waitUntil(lambda: not begun(live.canvas.sketch.prompt) and at_rest(live)(), timeout=LONG)
    assert follows(live)() and live.runs.selected_run.model == "transformer" and len(runs) > 2
    given_up = [run for run in runs.values() if run is not live.runs.selected_run]
    assert not all(run.finished for run in given_up) and not any(run in live.runs.history for run in given_up)
    assert len(live.runs.history) == before + 1


def test_a_run_that_showed_nothing_is_not_shown_when_nothing_follows_it(live, qtbot):
    """As every pixel is known."""
    live.actions_["know_all"].trigger()
    qtbot.waitUntil(at_rest(live), timeout=LONG)
    press(qtbot, live, "Return")
    QThread.msleep(300)  # the run ends, which the window does not know when the next thing is asked for
    choose(qtbot, live, "transformer")
    qtbot.waitUntil(at_rest(live), timeout=LONG)
    assert live.completion.run is live.runs.selected_run and (
        live.runs.selected_run is None or live.runs.selected_run in live.runs.history
    )
    assert "known" in live.messages.text
    live.messages.clear()


def test_every_change_of_the_sketch_is_followed(live, draw, qtbot):
    draw(live.canvas, PATH)
    for keys in ("Ctrl+Z", "Ctrl+Shift+Z", "Ctrl+Backspace", "Ctrl+D"):
        press(qtbot, live, keys)
        qtbot.waitUntil(follows(live), timeout=LONG)
        qtbot.waitUntil(at_rest(live), timeout=LONG)
    take(qtbot, live, 1)
    qtbot.waitUntil(follows(live), timeout=LONG)
    live.sketch.rows.setFocus()
    qtbot.keyClick(live.sketch.rows, Qt.Key.Key_Right)
    qtbot.waitUntil(follows(live), timeout=LONG)
    qtbot.waitUntil(at_rest(live), timeout=LONG)
    number = live.runs.selected_run.number
    press(qtbot, live, "Ctrl+A")  # nothing is left to be completed
    qtbot.waitUntil(at_rest(live), timeout=LONG)
    assert live.runs.selected_run.number == number and live.messages.text == ""


def test_the_likeliest_sample_is_shown_large_whatever_was_chosen_before(live, draw, qtbot):
    """The number of a draw says nothing of it on another sketch."""
    live.bar.samples.setValue(4)
    draw(live.canvas, PATH)
    qtbot.waitUntil(lambda: at_rest(live)() and follows(live)() and bool(live.runs.selected_run.details))
    gallery = live.completion.gallery
    qtbot.mouseClick(gallery, LEFT, pos=gallery.cells()[3].center().toPoint())
    assert "4 of 4" in said(live)
    for keys in ("Ctrl+Z", "Ctrl+Shift+Z"):
        press(qtbot, live, keys)
        qtbot.waitUntil(lambda: at_rest(live)() and follows(live)() and bool(live.runs.selected_run.details))
        assert live.runs.selected_run.sample_index == live.runs.selected_run.ranking[0] and "1 of 4" in said(live)


def test_another_model_and_another_data_set_are_followed(live, qtbot):
    choose(qtbot, live, "vssm-paper")
    qtbot.waitUntil(lambda: live.runs.selected_run.model == "vssm-paper" and follows(live)(), timeout=LONG)
    choose(qtbot, live, "vssm")
    press(qtbot, live, "Ctrl+2")
    qtbot.waitUntil(
        lambda: live.runs.selected_run is not None and live.runs.selected_run.data == "cifar10", timeout=LONG
    )
    qtbot.waitUntil(follows(live), timeout=LONG)
    assert live.runs.selected_run.images.shape[1:] == (32, 32, 3)
    assert live.runs.selected_run.request.temperature == live.bar.temperature.value()


def test_a_setting_that_is_changed_is_followed(live, qtbot):
    """By a person; where the program fills a field, whatever it does that for decides."""

    def made(**settings):
        chosen = settings.items()
        qtbot.waitUntil(lambda: follows(live)() and chosen <= vars(live.runs.selected_run.settings).items())
        qtbot.waitUntil(at_rest(live), timeout=LONG)

    bar = live.bar
    qtbot.mouseClick(bar.samples.lineEdit(), LEFT)
    bar.samples.selectAll()
    qtbot.keyClick(bar.samples, "3")
    made(samples=3)
    qtbot.keyClick(bar.samples, Qt.Key.Key_Up)
    made(samples=4)
    qtbot.mouseClick(bar.temperature.lineEdit(), LEFT)
    qtbot.keyClick(bar.temperature, Qt.Key.Key_Down)
    made(samples=4, temperature=0.9)
    qtbot.mouseClick(bar.seed.lineEdit(), LEFT)
    bar.seed.selectAll()
    qtbot.keyClicks(bar.seed, "77")
    made(seed=77, temperature=0.9)
    live.canvas.setFocus()
    before = live.runs.selected_run.settings.pixel_mode
    press(qtbot, live, "X")
    qtbot.waitUntil(lambda: follows(live)() and live.runs.selected_run.settings.pixel_mode != before, timeout=LONG)
    press(qtbot, live, "X")
    made(pixel_mode=before, seed=77, temperature=0.9, samples=4)
    number = live.engine._last
    bar.samples.setValue(2)
    bar.temperature.setValue(1)
    qtbot.wait(200)
    assert live.engine._last == number
    live.actions_["set_keep_seed"].setChecked(False)


def test_a_race_is_not_disturbed(live, draw, qtbot):
    press(qtbot, live, "V")
    shown, runs = live.runs.selected_run, live.engine._last
    draw(live.canvas, PATH)
    qtbot.waitUntil(at_rest(live), timeout=LONG)
    assert live.engine._last == runs and live.runs.selected_run is shown and live.race.isVisible()
    press(qtbot, live, "V")
    draw(live.canvas, [(4, 8), (20, 9)])
    qtbot.waitUntil(follows(live), timeout=LONG)


def test_stop_ends_it_until_the_next_change(live, qtbot):
    choose(qtbot, live, "transformer")
    live.bar.samples.setValue(8)
    press(qtbot, live, "Ctrl+D")
    qtbot.waitUntil(lambda: live.runs.running is not None and live.runs.running.tokens > 0, timeout=LONG)
    press(qtbot, live, "Escape")
    qtbot.waitUntil(at_rest(live), timeout=LONG)
    assert live.runs.selected_run.finished is None and live.runs.selected_run.status == "stopped"
    assert not live.actions_["stop"].isEnabled()
    choose(qtbot, live, "vssm")
    qtbot.waitUntil(follows(live), timeout=LONG)


def test_a_hundred_runs_given_up_leave_nothing_behind(live, qtbot):
    choose(qtbot, live, "transformer")
    for keys in ("Ctrl+D", "[", "["):
        press(qtbot, live, keys)
    before, threads, first = len(live.runs.history), threading.active_count(), live.engine._last
    there, back = range(2, 26), range(25, 1, -1)
    path = [(x, y) for y in range(2, 22, 4) for x in (there if y % 8 == 2 else back)][:101]
    qtbot.mousePress(live.canvas, LEFT, pos=at(live.canvas, *path[0]))
    for point in path[1:]:
        number = live.engine._last
        qtbot.mouseMove(live.canvas, at(live.canvas, *point))
        live.live._due.start(0)  # at once, whatever the patience
        qtbot.waitUntil(lambda n=number: live.engine._last > n, timeout=LONG)
    live.bar.samples.setValue(1)
    qtbot.mouseRelease(live.canvas, LEFT, pos=at(live.canvas, *path[-1]))
    qtbot.waitUntil(lambda: at_rest(live)() and follows(live)(), timeout=LONG)
    assert live.engine._last >= first + 100
    assert len(live.runs.history) == before + 1 and threading.active_count() == threads
    assert len(live.timing._curves) <= len(live.runs.history)


def test_turned_off_nothing_follows(live, draw, qtbot):
    press(qtbot, live, "L")
    number = live.engine._last
    draw(live.canvas, PATH)
    qtbot.wait(200)
    assert live.engine._last == number and not live.live.counter.isVisible()


def test_it_is_remembered_and_without_weights_told_once(qtbot, tmp_path):
    state = tmp_path / "session.json"
    for visible in (False, True):
        for window in opened(qtbot, state, tmp_path):
            assert window.live.counter.isVisible() == visible
            if not visible:
                press(qtbot, window, "L")
            window.messages.clear()
            qtbot.mouseClick(window.canvas, LEFT, pos=at(window.canvas, 3, 3 + 4 * visible))
            qtbot.waitUntil(lambda w=window: "has no weights" in w.messages.text, timeout=LONG)
            assert not window.runs.history
    assert restore(state)[0].live


def test_the_count_goes_when_the_pen_has_rested(live, draw, qtbot, monkeypatch):
    monkeypatch.setattr(live_policy, "KEPT", 0.2)
    before = live.live._stale.interval()
    live.live._stale.setInterval(300)
    draw(live.canvas, PATH)
    qtbot.waitUntil(lambda: "completions/s" in live.live.counter.text())
    qtbot.waitUntil(lambda: live.live.counter.text() == "Draw: the completion follows")
    live.live._stale.setInterval(before)


def test_what_waited_for_a_model_is_not_counted(qtbot, tmp_path):
    """As the sketch of before is at a start, whose delay is that of loading."""
    path = checkpoint.shipped("vssm", "mnist")
    (tmp_path / path.name).symlink_to(path)
    for again in (False, True):
        for window in opened(qtbot, tmp_path / "session.json", tmp_path):
            if not again:
                press(qtbot, window, "L")
                qtbot.waitUntil(lambda w=window: w.models.chosen is not None and w.runs.running is None)
                qtbot.mouseClick(window.canvas, LEFT, pos=at(window.canvas, 3, 3))
            qtbot.waitUntil(lambda w=window: w.runs.selected_run is not None and follows(w)() and at_rest(w)())
            assert ("completions/s" in window.live.counter.text()) != again


def test_the_benchmark_sees_every_change_painted(live, qtbot, monkeypatch):
    monkeypatch.setattr(ux_latency, "STROKE", 0.2)
    before, pen = live.engine._last, ux_latency.Pen(live, ux_latency.stroke(live.canvas, 0))
    qtbot.waitUntil(lambda: pen.done, timeout=LONG)
    pen.lift()
    assert len(pen.waits) > 5 and min(pen.waits) > 0
    qtbot.waitUntil(at_rest(live), timeout=LONG)
    assert live.engine._last - before <= len(pen.waits) + 1  # for every change at most, and with the posterior once


# --- the count
