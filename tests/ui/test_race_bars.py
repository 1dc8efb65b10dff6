"""A race's times as bars: what counts as the same work, what is shown of it, and the timing repeated in the window."""

from dataclasses import replace
from xml.etree import ElementTree

import pyqtgraph as pg
import pytest
from conftest import opened
from plotting import SVG, point_at, ranges, rows_of
from PySide6.QtCore import QPoint, QPointF
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QApplication
from racing import contestant, events, nearly_whole, raced, run_race, weights
from windows import LEFT, LONG, button_of, complete, exposed, press

from app.core import race_timing
from app.core.race import Race
from app.core.race_timing import TimingLog
from app.ui import theme
from app.ui.panels.race_bars import BarsPanel


def race_of(*took: tuple[str, float], seed: int = 0, temperature: float = 1.0) -> Race:
    """A race in which these models took so many seconds."""
    told = []
    for model, when in took:
        asked = contestant(model)
        asked = replace(asked, settings=replace(asked.settings, seed=seed, temperature=temperature))
        told.append((asked, events(asked, [when / 2, when], [6, 12])))
    return raced(*told)


def test_repeats_are_runs_of_the_same_work_by_whatever_seed():
    record = TimingLog()
    first = race_of(("vssm", 0.01), ("transformer", 0.3))
    record.add(first)
    assert [bar.words for bar in record.bars(first)] == ["0.010 s · fastest", "0.30 s · 30 ×"]
    assert race_timing.words(record.bars(first)).startswith("Seconds of one run each")
    record.add(race_of(("vssm", 0.03), ("transformer", 0.5), seed=9))
    record.add(race_of(("vssm", 0.02), ("transformer", 0.4), ("mamba", 1.0)))
    record.add(race_of(("vssm", 9.0), temperature=0.5))  # other work
    record.add(raced((contestant("vssm", 5), events(contestant("vssm", 5), [9.0], [11]))))
    record.add(raced((contestant("vssm"), events(contestant("vssm"), [9.0], [6], end=False))))  # stopped
    bars = record.bars(first)
    assert [bar.seconds for bar in bars] == [[0.01, 0.03, 0.02], [0.3, 0.5, 0.4]]
    assert [bar.median for bar in bars] == [0.02, 0.4] and [bar.times for bar in bars] == pytest.approx([1, 20])
    assert "median of 3 runs" in race_timing.words(bars) and "from the least to the most" in race_timing.words(bars)
    assert bars[0].say(1) == "VSSM, run 2 of 3: 0.030 s, 2 network calls, seed 9"
    assert record.bars(None) == [] and race_timing.words([]) == ""


@pytest.fixture
def bars(qtbot, clipboard, monkeypatch):
    monkeypatch.setattr(theme, "now", theme.LIGHT)
    made = exposed(qtbot, BarsPanel(QAction("Repeat the timing")), 560, 300)
    made.retheme()
    return made


def test_bars_have_the_median_the_spread_and_every_run(bars, qtbot):
    record, plot = TimingLog(), bars.plot
    first = race_of(("vssm", 0.01), ("transformer", 0.3))
    for race in (first, race_of(("vssm", 0.03), ("transformer", 0.5)), race_of(("vssm", 0.02), ("transformer", 0.4))):
        record.add(race)
    bars.show_bars(record.bars(first), first)
    shapes = [item for item in bars._items if isinstance(item, pg.BarGraphItem)]
    assert plot.logs == (False, False) and ranges(plot)[0, 0] == 0  # 20 times as long looks 20 times as long
    assert [item.opts["x1"][0] for item in shapes] == pytest.approx([0.02, 0.4])
    qtbot.mouseClick(bars.log, LEFT, pos=QPoint(8, bars.log.height() // 2))
    assert plot.logs == (True, False) and "(log)" in plot.getAxis("bottom").labelText
    shapes = [item for item in bars._items if isinstance(item, pg.BarGraphItem)]
    assert [10 ** item.opts["x1"][0] for item in shapes] == pytest.approx([0.02, 0.4])
    lines = [item.getData()[0] for item in bars._items if isinstance(item, pg.PlotCurveItem)]
    assert [(10 ** x.min(), 10 ** x.max()) for x in lines] == [pytest.approx((0.01, 0.03)), pytest.approx((0.3, 0.5))]
    words = [item.toPlainText().strip() for item in bars._items if isinstance(item, pg.TextItem)]
    assert words == ["0.020 s · fastest", "0.40 s · 20 ×"]
    for _ in range(3):
        bars.grab()
        QApplication.processEvents()
    assert point_at(qtbot, plot, 1, 1) == "Transformer, run 2 of 3: 0.50 s, 2 network calls, seed 0"
    rows = rows_of(plot.values())
    assert [(r["model"], int(r["run"]), float(r["total_seconds"])) for r in rows] == [
        *(("vssm", i, s) for i, s in enumerate((0.01, 0.03, 0.02), 1)),
        *(("transformer", i, s) for i, s in enumerate((0.3, 0.5, 0.4), 1)),
    ]
    assert {float(r["median_total_seconds"]) for r in rows} == {0.02, 0.4} and rows[0]["torch"]
    calls = rows_of(plot.values("call by call"))
    assert [(r["model"], float(r["total_seconds"]), int(r["tokens_done"])) for r in calls] == [
        ("vssm", 0.005, 6), ("vssm", 0.01, 12), ("transformer", 0.15, 6), ("transformer", 0.3, 12),
    ]  # fmt: skip
    root = ElementTree.fromstring(plot._content("svg"))
    assert "20 ×" in " ".join("".join(text.itertext()) for text in root.iter(f"{SVG}text"))


def test_bars_of_like_times_begin_at_nothing_and_one_run_has_no_spread(bars):
    record, race = TimingLog(), race_of(("transformer", 0.3), ("mamba", 0.2))
    record.add(race)
    bars.show_bars(record.bars(race), race)
    assert bars.plot.logs == (False, False) and ranges(bars.plot)[0, 0] == 0
    assert not any(isinstance(item, pg.PlotCurveItem) for item in bars._items)
    assert "one run" in bars.words.text()
    bars.show_bars([], None)
    assert bars._items == [] and "Nobody" in bars.words.text() and not bars.plot._curves


@pytest.fixture
def two(no_threads_left, qtbot, tmp_path):
    """A window with the weights of the two quickest models."""
    yield from opened(qtbot, tmp_path / "session.json", weights(tmp_path, "vssm", "vssm-paper"))


def test_the_timing_is_repeated_and_the_pictures_stay(two, qtbot):
    window, panel = two, two.race
    nearly_whole(qtbot, window)
    assert not window.actions_["repeat_race"].isEnabled()
    made = run_race(qtbot, window)
    press(qtbot, window, "Shift+T")
    assert panel.bars.isVisible() and not panel.axis.isVisible() and not panel.playing
    assert "one run" in panel.bars.words.text() and len(panel.bars.plot._curves) == 2
    panel.bars.times.setValue(2)
    press(qtbot, window, "Ctrl+Shift+R")
    assert panel.repeating and window.actions_["stop"].isEnabled() and not window.actions_["repeat_race"].isEnabled()
    assert "is on the clock (turn 1 of 2)" in panel.bars.state.text()
    qtbot.waitUntil(lambda: not panel.repeating, timeout=LONG)
    assert panel.race.tracks == made.tracks and "median of 3 runs" in panel.bars.words.text()
    seconds_of = [bar.seconds for bar in panel.bars._bars]
    assert [s[0] for s in seconds_of] == [track.end for track in made.tracks] and len(set(seconds_of[0])) > 1
    assert panel.bars.state.text() == "" and not window.actions_["stop"].isEnabled()
    axis, track = panel.axis, made.tracks[1]
    press(qtbot, window, "Shift+T")  # pictures again
    assert axis.isVisible() and panel.replayable
    QApplication.processEvents()
    field = axis._field()
    y = field.top() + 0.75 * field.height()
    assert axis.words_at(QPointF(field.left() + 1, y)).startswith(f"{track.contestant.title}: ")
    end = field.left() + axis.axis.share(track.end) * field.width()
    said = axis.words_at(QPointF(min(end + 0.5, field.right()), y))
    assert "112 of 112 pixels" in said and axis.words_at(QPointF(end, field.bottom() + 15)) == ""


def test_repeating_is_stopped_by_key_and_given_up_for_a_completion(two, qtbot):
    window, panel = two, two.race
    nearly_whole(qtbot, window)
    made = run_race(qtbot, window)
    panel.bars.times.setValue(50)
    press(qtbot, window, "Shift+T")
    qtbot.mouseClick(button_of(window.actions_["repeat_race"]), LEFT)
    qtbot.waitUntil(lambda: panel.repeating and panel.job.turn > 1, timeout=LONG)
    press(qtbot, window, "Escape")
    qtbot.waitUntil(lambda: not panel.repeating, timeout=LONG)
    assert panel.race.tracks == made.tracks and 1 < len(panel.bars._bars[0].took) < 50
    assert panel.words.text() == panel.race.words
    press(qtbot, window, "Ctrl+Shift+R")
    assert panel.repeating
    assert complete(qtbot, window).finished is not None
    qtbot.waitUntil(lambda: not panel.repeating, timeout=LONG)
    press(qtbot, window, "Shift+R")  # another race, while bars are chosen
    qtbot.waitUntil(lambda: panel.race is not made and not panel.running, timeout=LONG)
    assert panel.bars.isVisible() and not panel.playing
    press(qtbot, window, "Ctrl+Shift+R")
    press(qtbot, window, "Ctrl+Q")
    assert window.engine.closed
