"""The race as an animated picture: the real replay at the speed asked for, in a file of reasonable size."""

import itertools

import numpy as np
import pytest
from conftest import opened
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageSequence
from PySide6.QtCore import QPoint, QRect, Qt, QTimer
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QComboBox, QFileDialog, QLineEdit, QProgressDialog
from racing import contestant, events, raced
from windows import press

from app.core.race import SPEEDS, Race, RaceJob
from app.ui import race_gif, theme
from vssm.errors import UserError


def lasting(seconds: float) -> Race:
    """A quick one and one of that many seconds, on pictures of 4×4."""
    quick, slow = contestant("vssm", 0), contestant("transformer", 0)
    steps = [seconds * (i + 1) / 16 for i in range(16)]
    return raced(
        (quick, events(quick, [seconds / 100, seconds / 50, seconds / 20], [16], levels=2)),
        (slow, events(slow, steps, list(range(1, 17)))),
    )


@given(st.floats(1e-4, 500), st.sampled_from(SPEEDS))
@settings(max_examples=60)
def test_when_pictures_are_taken(seconds, speed):
    """From the start to the end, evenly, at the speed asked for, neither too many nor too fast."""
    made = lasting(seconds)
    when, stay = race_gif.moments(made, speed)
    assert when[0] == 0 and when[-1] == made.duration and when == sorted(when)
    assert len(when) == len(stay) <= race_gif.MOST and stay[-1] == race_gif.HOLD
    assert min(stay) >= 50 and all(ms % 10 == 0 for ms in stay)
    for i, (a, b) in enumerate(itertools.pairwise(when)):  # what passes in the race, on the wall
        assert (b - a) / speed <= stay[i] / 1000 + 1e-9
    assert sum(stay[:-1]) / 1000 == pytest.approx(made.duration / speed, abs=stay[0] / 1000 + 1e-6)


def test_a_race_of_less_than_a_second_is_slowed():
    assert race_gif.slow(lasting(0.9)) == 1 / 4 and race_gif.slow(lasting(1.0)) == 1


@pytest.mark.parametrize("colours", [theme.LIGHT, theme.DARK], ids=["light", "dark"])
def test_pictures_show_the_race(qtbot, colours):
    made = lasting(0.4)
    theme.apply(colours)
    pictures = list(race_gif.race_pictures(made, 1.0))
    assert len(pictures) == 9 and len({p.size for p in pictures}) == 1
    assert np.asarray(pictures[0])[1, 1].tolist() == list(QColor(colours.window).getRgb()[:3])
    assert len({p.tobytes() for p in pictures}) == 9  # a clock goes on in each
    first, last = (np.asarray(p).astype(int) for p in (pictures[0], pictures[-1]))
    assert np.abs(first - last).sum() > 100_000


def test_the_file(qtbot, tmp_path):
    made, told = lasting(0.4), []
    race_gif.write(tmp_path / "race.gif", made, 1 / 4, told.append)
    painted = list(race_gif.race_pictures(made, 1 / 4))
    when, stay = race_gif.moments(made, 1 / 4)
    assert told == list(range(1, len(when) + 1)) and len(painted) == 33
    with Image.open(tmp_path / "race.gif") as written:
        frames = [(frame.convert("RGB"), frame.info["duration"]) for frame in ImageSequence.Iterator(written)]
        assert written.info["loop"] == 0
    assert sum(ms for _, ms in frames) == sum(stay) and frames[-1][1] >= race_gif.HOLD
    for shown, meant in ((frames[0][0], painted[0]), (frames[-1][0], painted[-1])):
        assert shown.size == meant.size
        off = np.abs(np.asarray(shown).astype(int) - np.asarray(meant).astype(int))
        assert off.mean() < 1.5 and np.quantile(off, 0.99) < 40  # few colours, but the right ones
    assert (tmp_path / "race.gif").stat().st_size < 500_000
    assert [p.name for p in tmp_path.iterdir()] == ["race.gif"]


def test_what_cannot_be_written_or_is_stopped_leaves_nothing(qtbot, tmp_path):
    made = lasting(0.2)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        race_gif.write(tmp_path / "file" / "race.gif", made)
    with pytest.raises(UserError, match=r"end in \.gif"):
        race_gif.write(tmp_path / "race.mp4", made)

    def stop(done):
        if done == 3:
            raise race_gif.Stopped

    with pytest.raises(race_gif.Stopped):
        race_gif.write(tmp_path / "race.gif", made, told=stop)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


# --- in the window


@pytest.fixture
def raced_window(no_threads_left, qtbot, tmp_path):
    """A window without weights, in which a race lies that was recorded elsewhere."""
    for window in opened(qtbot, tmp_path / "session.json", tmp_path):
        press(qtbot, window, "V")
        made = lasting(0.3)
        job = RaceJob.of(tuple(track.contestant for track in made.tracks))
        window.racing.runner.begin(job)
        job.race = made
        window.stop()
        assert window.actions_["save_race"].isEnabled()
        yield window


def ask(qtbot, window, number: int) -> None:
    """The key, and the speed of that number."""
    press(qtbot, window, "Ctrl+R")
    ways = window.files.dialog.findChild(QComboBox)
    assert ways.currentIndex() == 1 and "1.20 s" in ways.currentText()  # a quarter, for so short a race
    ways.setFocus()
    qtbot.keyClick(ways, Qt.Key.Key_Down if number == 2 else Qt.Key.Key_Up)
    qtbot.keyClick(window.files.dialog, Qt.Key.Key_Return)


def test_the_window_saves_it(raced_window, qtbot, tmp_path):
    window = raced_window
    ask(qtbot, window, 0)
    dialog = window.findChild(QFileDialog)
    dialog.selectFile(str(tmp_path / "mine"))
    qtbot.keyClick(dialog.findChild(QLineEdit), Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: (tmp_path / "mine.gif").exists())
    with Image.open(tmp_path / "mine.gif") as written:
        stay = [frame.info["duration"] for frame in ImageSequence.Iterator(written)]
    assert sum(stay) == 300 + race_gif.HOLD and window.messages.text == f"Saved {tmp_path / 'mine.gif'}"


def test_it_can_be_stopped(raced_window, qtbot, tmp_path):
    window = raced_window
    ask(qtbot, window, 2)
    window.findChild(QFileDialog).close()

    def refuse():
        bar = window.findChild(QProgressDialog)
        if bar is not None and bar.value() > 1:
            bar.cancel()

    timer = QTimer(window, interval=1)
    timer.timeout.connect(refuse)
    timer.start()
    window.files._write_race(window.race.race, 1 / 16, str(tmp_path / "race.gif"))
    timer.stop()
    assert window.messages.text == "The race was not saved." and not (tmp_path / "race.gif").exists()


def test_messages_cover_no_controls_of_a_replay(raced_window, qtbot):
    window = raced_window
    for size in (1000, 660), (720, 800):
        window.resize(*size)
        qtbot.wait(20)
        window.messages.say("wrong " * 20)
        replay = window.race.replay
        assert replay.isVisible()
        assert not window.messages.geometry().intersects(QRect(replay.mapTo(window, QPoint()), replay.size()))
        window.messages.clear()
