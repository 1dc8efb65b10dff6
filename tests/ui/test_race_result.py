"""A race is a result: its runs stand beside all others. And a sketch that was left is completed when one comes back."""

import pytest
from conftest import opened
from PySide6.QtCore import Qt
from windows import LEFT, LONG, button_of, figure, plain, press, said, take

from app.core.job import State
from app.core.session import Session, save
from app.ui.panels.timing import RACING
from app.ui.widgets import toast
from vssm import checkpoint, data
from vssm.files.examples import examples

RACERS = "vssm", "transformer"


@pytest.fixture
def folder(tmp_path):
    """With the weights of two models for MNIST."""
    for model in RACERS:
        path = checkpoint.shipped(model, "mnist")
        (tmp_path / path.name).symlink_to(path)
    return tmp_path


@pytest.fixture
def simple(no_threads_left, qtbot, folder):
    save(Session(live=False, samples=1), folder / "session.json")
    yield from opened(qtbot, folder / "session.json", folder)


def raced(qtbot, window) -> None:
    """Race on an example, most of which is known."""
    take(qtbot, window, 0)
    for _ in range(12):
        qtbot.keyClick(window.sketch.rows, Qt.Key.Key_Right)
    qtbot.mouseClick(button_of(window.actions_["start_race"]), LEFT)
    qtbot.waitUntil(lambda: window.race.replayable, timeout=LONG)


def test_the_runs_of_a_race_are_in_completion_timing_and_strip(simple, qtbot):
    window = simple
    raced(qtbot, window)
    assert window.race.playing and window.runs.history == []  # nothing tells the winner before the replay does
    assert window.timing.plot.caption == RACING
    qtbot.waitUntil(lambda: not window.race.playing, timeout=LONG)
    assert [run.model for run in window.runs.history] == list(RACERS)
    assert all(run.state is State.IDLE and run.finished for run in window.runs.history)
    assert window.timing.plot.caption.count("s against ") + window.timing.plot.caption.count(" tie") == 1
    assert "VSSM" in plain(window.timing.words.text()) and "Transformer" in plain(window.timing.words.text())

    press(qtbot, window, "V")
    assert window.completion.picture.isVisible() and not window.completion._hint.isVisible()
    assert said(window).endswith("VSSM") and figure(window, "calls") == "7"
    earlier = [one for one in window.completion.findChildren(type(button_of(window.actions_["undo"])))
               if one.isVisible() and one.property("number")]  # fmt: skip
    assert len(earlier) == 2
    other = next(one for one in earlier if "Transformer" in one.accessibleName())
    qtbot.mouseClick(other, LEFT)
    assert said(window).endswith("Transformer")
    assert window.actions_["save_one"].isEnabled() and window.actions_["save_timings"].isEnabled()


def test_the_runs_are_there_for_who_does_not_wait_for_the_replay(simple, qtbot):
    raced(qtbot, simple)
    assert simple.race.playing and simple.runs.history == []
    press(qtbot, simple, "V")
    assert [run.model for run in simple.runs.history] == list(RACERS) and said(simple).endswith("VSSM")


def test_what_a_stopped_race_has_brought_stays(simple, qtbot):
    take(qtbot, simple, 0)
    press(qtbot, simple, "Shift+R")
    qtbot.waitUntil(lambda: simple.race.job is not None and simple.race.job.index == 1, timeout=LONG)
    qtbot.waitUntil(lambda: simple.race.race.tracks[1].frames[-1].tokens > 0, timeout=LONG)
    press(qtbot, simple, "Escape")
    qtbot.waitUntil(lambda: simple.jobs.current is None, timeout=LONG)
    first, second = simple.runs.history
    assert first.finished and not first.stopped and second.status == "stopped" and second.has_pixels


def test_the_button_says_what_it_does(simple, qtbot):
    window, pause = simple, button_of(simple.actions_["pause"])
    raced(qtbot, window)
    others = [window.bar.samples, window.bar.pause, window.race.speed, button_of(window.actions_["later_frame"])]

    def places():
        for one in (window.bar, window.race.replay):
            one.layout().activate()
        return [one.mapTo(window, one.rect().topLeft()) for one in others], pause.width()

    at_first = places()
    qtbot.keyClick(window.race.axis, Qt.Key.Key_End)
    assert pause.text().startswith("Replay") and pause.accessibleName() == "Replay"
    qtbot.keyClick(window.race.axis, Qt.Key.Key_Home)
    assert pause.text().startswith("Continue") and places() == at_first
    qtbot.mouseClick(pause, LEFT)
    assert window.race.playing and pause.text().startswith("Pause")
    qtbot.waitUntil(lambda: not window.race.playing, timeout=LONG)
    assert pause.text().startswith("Replay") and places() == at_first
    qtbot.mouseClick(pause, LEFT)
    assert window.race.playing and window.race.seconds < window.race.race.duration


def test_a_sketch_is_completed_at_the_start_and_on_coming_back(no_threads_left, qtbot, folder):
    session = Session(samples=1)
    session.dataset_settings.sketch.take(examples(data.MNIST)[0].prompt)
    save(session, folder / "session.json")
    for window in opened(qtbot, folder / "session.json", folder):
        qtbot.waitUntil(lambda: window.runs.running is None and len(window.runs.history) == 1, timeout=LONG)  # noqa: B023
        assert window.runs.history[0].model == "vssm" and said(window).endswith("VSSM")
        press(qtbot, window, "Ctrl+2")
        window.runs.history.clear()
        press(qtbot, window, "Ctrl+1")
        qtbot.waitUntil(lambda: window.runs.running is None and len(window.runs.history) == 1, timeout=LONG)  # noqa: B023


def test_what_was_refused_can_be_read_though_live_completes_the_sketch(no_threads_left, qtbot, folder, monkeypatch):
    session = Session(samples=1)
    session.dataset_settings.sketch.take(examples(data.MNIST)[0].prompt)
    save(session, folder / "session.json")
    for window in opened(qtbot, folder / "session.json", folder):

        def completed(window=window) -> None:
            before = window.runs.history[-1]
            qtbot.waitUntil(lambda: window.runs.running is None and window.runs.history[-1] is not before, timeout=LONG)

        qtbot.waitUntil(lambda: window.runs.running is None and len(window.runs.history) == 1, timeout=LONG)  # noqa: B023
        window.files.importer.open_argument("vssm://")
        words = window.messages.text
        assert "not a link of this program" in words
        take(qtbot, window, 1)
        completed()
        assert window.messages.text == words
        monkeypatch.setattr(toast, "STAY", 1)  # it has been there for longer by now
        take(qtbot, window, 2)
        completed()
        assert window.messages.text == ""
        monkeypatch.setattr(toast, "STAY", 60_000)
        window.files.importer.open_argument("vssm://")
        press(qtbot, window, "Return")
        assert window.messages.text == ""
        qtbot.waitUntil(lambda: window.runs.running is None, timeout=LONG)  # noqa: B023


def test_without_live_nothing_is_completed_by_itself(no_threads_left, qtbot, folder):
    session = Session(samples=1, live=False)
    session.dataset_settings.sketch.take(examples(data.MNIST)[0].prompt)
    save(session, folder / "session.json")
    for window in opened(qtbot, folder / "session.json", folder):
        assert window.jobs.current is None and not window.live._due.isActive() and window.runs.history == []
