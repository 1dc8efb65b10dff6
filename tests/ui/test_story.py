"""The first screen: a recorded race plays until a person has drawn or made something."""

import re

import pytest
from conftest import at, opened
from making import sketched
from PySide6.QtCore import QPoint, QRect
from windows import LEFT, LONG, button_of, figure, plain, press, said, take

from app.core import csv_export
from app.core.session import Session, save
from app.ui import story
from vssm import checkpoint
from vssm.data import MNIST
from vssm.files.examples import examples
from vssm.prompt import Prompt

WORDS = "one model finishes it at once, the other pixel by pixel."


@pytest.fixture
def told(no_threads_left, qtbot, tmp_path, clipboard):
    """A new window as a newcomer sees it, but without Live; with the VSSM's weights for MNIST alone."""
    path = checkpoint.shipped("vssm", "mnist")
    (tmp_path / path.name).symlink_to(path)
    save(Session(live=False, samples=1), tmp_path / "session.json")
    yield from opened(qtbot, tmp_path / "session.json", tmp_path, story=True)


def gone(window) -> bool:
    """Whether nothing is left of the story."""
    left = any(run.recorded for run in window.runs.history)
    return not (window.story.telling or left or window.race.playing or window.race.isVisible()) and (
        window.completion.isVisible() and window.race.race is None
    )


def test_it_is_played_again_and_again(told, qtbot):
    race = told.race
    assert told.story.telling and race.isVisible() and race.words.text() == f"Draw half a digit: {WORDS}"
    assert [card.contestant.model for card in race.cards] == ["vssm", "transformer"]
    for words in "Recorded", "VSSM 0.", "Transformer ", "thread", "20":
        assert words in race.note.text()
    assert told.timing.isVisible() and told.latents.isVisible() and not race.replay.isVisible()
    qtbot.waitUntil(lambda: race.playing, timeout=LONG)
    qtbot.waitUntil(lambda: not race.playing, timeout=LONG)
    assert race.at_end and button_of(told.actions_["pause"]).text().startswith("Replay")
    qtbot.waitUntil(lambda: race.playing, timeout=LONG)
    qtbot.mouseClick(button_of(told.actions_["pause"]), LEFT)
    assert not race.playing and not race._again.isActive() and told.story.telling  # until a person lets it go on


def test_timing_latents_and_completion_show_its_runs(told, qtbot):
    words = plain(told.timing.words.text())
    assert "VSSM" in words and "Transformer" in words and re.search(r" against \d", words)
    assert told.latents._stack.currentWidget() is told.latents.view
    press(qtbot, told, "V")
    assert said(told).endswith("recorded") and figure(told, "calls") == "7"
    assert not told.actions_["save_timings"].isEnabled() and csv_export.of_runs(told.runs.here) == []
    assert csv_export.of_points(told.runs.here) == [] and not told.race.repeatable


def test_the_first_stroke_ends_it(told, qtbot, draw):
    draw(told.canvas, [(9, 6), (14, 6), (18, 7)])
    assert gone(told) and told.canvas.sketch.pixels.any()


@pytest.mark.parametrize("size", [(900, 560), (1280, 760), (1600, 900)])
def test_no_pixel_moves_under_the_pen_that_ends_it(told, qtbot, size):
    told.resize(*size)
    qtbot.wait(50)
    canvas, scale = told.canvas, told.canvas.field().width()
    start = at(canvas, 9, 6)
    where = canvas.mapToGlobal(start)
    qtbot.mousePress(canvas, LEFT, pos=start)
    qtbot.waitUntil(lambda: told.completion.isVisible())
    qtbot.wait(50)
    assert canvas.field().width() == scale and canvas.mapToGlobal(at(canvas, 9, 6)) == where
    qtbot.mouseRelease(canvas, LEFT, pos=start)
    assert gone(told)


@pytest.mark.parametrize("keys", ["Return", "Shift+R", "Ctrl+V"])
def test_whatever_makes_something_else_ends_it(told, qtbot, clipboard, keys):
    if keys == "Ctrl+V":
        take(qtbot, told, 1)
        press(qtbot, told, "Ctrl+L")
        link = clipboard.text()
        press(qtbot, told, "Ctrl+Backspace")
        told._begin()
        assert told.story.telling
        clipboard.setText(link)
    press(qtbot, told, keys)
    assert not told.story.telling and not any(run.recorded for run in told.runs.history)
    assert told.race.isVisible() == (keys == "Shift+R") and told.race.words.text() != f"Draw half a digit: {WORDS}"


def test_each_data_set_has_its_own(told, qtbot):
    press(qtbot, told, "Ctrl+2")
    assert told.story.telling and told.race.words.text() == f"Paint part of a picture: {WORDS}"
    assert told.race.race.tracks[0].contestant.data == "cifar10" and {run.data for run in told.runs.here} == {"cifar10"}
    take(qtbot, told, 0)
    assert gone(told)
    press(qtbot, told, "Ctrl+1")
    assert told.story.telling and told.race.isVisible() and told.race.race.tracks[0].contestant.data == "mnist"
    press(qtbot, told, "Ctrl+2")  # where something is drawn
    assert gone(told)


def test_the_tour_covers_no_latents(told):
    told.actions_["show_tour"].trigger()
    view = told.latents.view
    where = QRect(view.mapTo(told, QPoint()), view.size())
    assert view.isVisible() and not told.tour_card.geometry().intersects(where)


def test_recorded_latents_are_not_edited(told, qtbot):
    qtbot.mouseClick(told.latents.anew, LEFT)
    assert "recorded" in told.messages.text and told.jobs.current is None


def test_who_asks_for_less_motion_sees_its_end(no_threads_left, qtbot, tmp_path, monkeypatch):
    monkeypatch.setattr(story, "less_motion", lambda: True)  # no system of tests asks for that
    save(Session(live=False), tmp_path / "session.json")
    for window in opened(qtbot, tmp_path / "session.json", tmp_path, story=True):
        assert window.story.telling and not window.race.playing and window.race.at_end
        assert all(card.place.text().strip() for card in window.race.cards)


def test_less_motion_is_a_choice_that_is_remembered(no_threads_left, qtbot, tmp_path):
    save(Session(live=False), tmp_path / "session.json")
    for window in opened(qtbot, tmp_path / "session.json", tmp_path, story=True):
        assert window.race.playing and not window.completion.comparison.still
        window.actions_["less_motion"].trigger()
        assert not window.race.playing and window.completion.comparison.still
    for window in opened(qtbot, tmp_path / "session.json", tmp_path, story=True):
        assert window.story.telling and not window.race.playing and window.actions_["less_motion"].isChecked()


def test_who_has_drawn_before_sees_the_sketch(no_threads_left, qtbot, tmp_path):
    drawn = sketched(Prompt(examples(MNIST)[0].prompt.pixels, examples(MNIST)[0].prompt.known))
    save(Session(live=False, datasets={"mnist": drawn}), tmp_path / "session.json")
    for window in opened(qtbot, tmp_path / "session.json", tmp_path, story=True):
        assert gone(window) and "Sketch something" in window.completion._hint.text()


def test_without_a_recording_there_is_none(no_threads_left, qtbot, tmp_path, monkeypatch):
    monkeypatch.setattr(story.precomputed, "FOLDER", tmp_path)
    save(Session(live=False), tmp_path / "session.json")
    for window in opened(qtbot, tmp_path / "session.json", tmp_path, story=True):
        assert gone(window) and window.completion._hint.isVisible()
