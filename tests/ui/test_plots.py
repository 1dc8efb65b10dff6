"""Plots, by real mouse and key events: zoomed, pointed at, copied and saved, and what is saved is what is shown."""

import dataclasses
import itertools
import math
from xml.etree import ElementTree

import numpy as np
import pytest
from conftest import opened
from making import asked_run
from measured import point
from PIL import Image
from plotting import SVG, place, point_at, ranges, rows_of, turn
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QContextMenuEvent
from PySide6.QtWidgets import QApplication, QFileDialog, QLineEdit, QScrollArea, QWidget
from windows import LEFT, exposed, press

from app.core.formatting import seconds
from app.core.job import State
from app.core.run import Run
from app.ui import theme
from app.ui.panels.scaling import ScalingPanel
from app.ui.panels.timing import TimingPanel
from app.ui.widgets import plot_export
from app.ui.widgets.plot import Curve, Plot, Seconds
from vssm import __version__, data
from vssm.models import registry
from vssm.prompt import Prompt
from vssm.sampling.events import Finished, Progress, Started

NOISE = r"does not support"  # the offscreen platform says so of menus: raise, grabbing the keyboard


def finished_run(number: int, model: str, took: list[float], mode: int = 0, samples: int = 1, seed: int = 7) -> Run:
    """A run whose network calls ended at these seconds, the first of them reading the prompt."""
    prompt = Prompt.empty(28, 28, 1).with_rows(14)
    tokens = int((~prompt.known).sum()) * samples
    way = registry.get(model).samplers(data.MNIST)[mode]
    chosen = {"sampler": way.name, "parameter": way.default, "pixel_mode": "sampled"}
    run = asked_run(number, model, "mnist", prompt, samples=samples, temperature=0.9, seed=seed, **chosen)
    title = registry.get(model).title
    run.add(Started(model, title, tokens, samples, 0, "CPU · 2 threads", 2, False, way, way.default, "sampled"))
    images = np.zeros((samples, 28, 28, 1), np.uint8)
    filled = np.ones((samples, 28, 28), bool)
    for i, when in enumerate(took, 1):
        run.add(Progress(when, tokens * i // len(took), i, images, filled))
    times = took[-1] - took[0], took[0]
    run.add(Finished(model, images, *times, len(took), tokens, "CPU · 2 threads", 2, way.name, way.default))
    run.state = State.IDLE
    return run


RUNS = [
    finished_run(1, "vssm", [0.004, 0.010]),
    finished_run(2, "transformer", [0.025 * i for i in range(1, 21)]),
    finished_run(3, "asarm", [0.02, 0.05, 0.09, 0.2], samples=4),
]


@pytest.fixture
def panel(qtbot, clipboard, monkeypatch):
    """The timing panel with three runs; `spoken` is what it wants to be said."""
    monkeypatch.setattr(theme, "now", theme.LIGHT)
    QApplication.setAttribute(Qt.ApplicationAttribute.AA_DontUseNativeDialogs)
    made = exposed(qtbot, TimingPanel(), 460, 330)
    made.retheme()
    made.show_runs(RUNS)
    for _ in range(3):  # axes take the room they need when they are painted
        made.grab()
        QApplication.processEvents()
    made.spoken = []
    made.plot.said.connect(lambda *said: made.spoken.append(said))
    return made


@pytest.fixture
def plot(panel):
    return panel.plot


@pytest.fixture
def window(no_threads_left, qtbot, tmp_path):
    """The whole window without weights, which is quick, with the same runs."""
    for made in opened(qtbot, tmp_path / "session.json", tmp_path):
        made.runs.history = list(RUNS)
        made.runs.select(None)
        made.grab()
        QApplication.processEvents()
        yield made


def drag(qtbot, plot, start: QPoint, end: QPoint, button=LEFT, keys=Qt.KeyboardModifier.NoModifier) -> None:
    view = plot.viewport()
    qtbot.mousePress(view, button, keys, start)
    qtbot.mouseMove(view, (start + end) / 2)
    qtbot.mouseMove(view, end)
    qtbot.mouseRelease(view, button, keys, end)


def same(a, b) -> bool:
    return np.allclose(a, b, rtol=0, atol=1e-9)


# --- pointing


def test_the_mouse_names_the_nearest_point_and_its_values(plot, qtbot):
    for number, run in enumerate(RUNS):
        for at in {0, len(run.points) // 2, len(run.points) - 1}:
            when, tokens = run.points[at]
            said = point_at(qtbot, plot, number, at)
            samples = ", 4 samples" if run.request.samples == 4 else ""
            assert said == f"{run.title}, run {run.number}{samples}: {seconds(when)}, {tokens:,} pixels"
            assert plot.value.isVisible() and plot.viewport().rect().contains(plot.value.geometry())
            assert plot.accessibleDescription() == said
            (marked,) = plot._marker.points()
            assert np.allclose(
                [marked.pos().x(), marked.pos().y()],
                [math.log10(when / run.request.samples), tokens / run.started.tokens],
            )
    between = (place(plot, 0, 0) + place(plot, 0, 1)) / 2  # on the line, far from both of its points
    qtbot.mouseMove(plot.viewport(), between)
    assert plot.value.text().startswith("VSSM, run 1: ")
    qtbot.mouseMove(plot.viewport(), QPoint(3, 3))
    assert not plot.value.isVisible() and len(plot._marker.points()) == 0 and plot.accessibleDescription() == ""


def test_pointing_moves_nothing_and_follows_what_is_drawn(panel, plot, qtbot):
    before = [one.geometry() for one in (plot, panel, panel.words)]
    assert point_at(qtbot, plot, 1, 12).startswith("Transformer")
    QApplication.processEvents()
    assert before == [one.geometry() for one in (plot, panel, panel.words)]
    panel.follow(RUNS[0])
    assert plot.value.text().startswith("Transformer")
    panel.show_runs([])
    assert not plot.value.isVisible() and not plot._curves


def test_every_curve_is_named_at_its_end_and_no_name_lies_over_another(panel, plot, qtbot):
    """Of the latest run of every model on the sketch; what has not finished says so."""
    slow = [finished_run(5 + i, model, [0.02, 0.49 + i / 50]) for i, model in enumerate(("mamba", "vssm-paper"))]
    stopped = finished_run(4, "asarm", [0.1, 0.45])
    stopped.finished = None
    other = finished_run(3, "vssm", [0.5])
    other.request = dataclasses.replace(other.request, prompt=other.request.prompt.with_rows(3))
    made = [other, *RUNS[:2], *slow, stopped]
    panel.show_runs(made, stopped)
    panel.grab()
    names = {item.toPlainText(): item.mapRectToScene(item.boundingRect()) for item in panel._names._items}
    assert sorted(names) == sorted(
        [f"{run.title} {seconds(run.seconds)}" for run in made[1:5]] + ["AS-ARM 0.45 s stopped"]
    )
    for a, b in itertools.combinations(names.values(), 2):
        assert not a.adjusted(4, 5, -4, -5).intersects(b.adjusted(4, 5, -4, -5))
    field = plot._field.adjusted(-5, -5, 5, 5)
    assert all(field.contains(box) for box in names.values())
    assert len(panel._curves) == 5
    qtbot.mouseClick(panel.all, LEFT, pos=QPoint(8, panel.all.height() // 2))
    assert len(panel._curves) == 6 and len(panel._names._items) == 5


def test_the_plot_shows_what_the_headline_compares(panel, qtbot):
    """Also where another number of samples has been drawn since, and in the same seconds."""
    names = lambda: sorted(item.toPlainText() for item in panel._names._items)  # noqa: E731
    later = finished_run(4, "vssm", [0.03, 0.04], samples=4)
    panel.show_runs([*RUNS[:2], later])
    assert names() == ["Transformer 0.50 s", "VSSM 0.010 s"]
    assert "0.010 s against 0.50 s for 1 sample each" in panel.words.text()
    later.state, later.finished, finished = State.RUNNING, None, later.finished
    panel.follow(later)
    assert names() == ["Transformer 0.50 s", "VSSM 0.010 s working …"]  # four of them in 0.040 s
    later.state, later.finished = State.IDLE, finished
    panel.show_runs([*RUNS, later])
    assert names() == ["AS-ARM 0.050 s", "Transformer 0.50 s", "VSSM 0.010 s"]  # AS-ARM has four samples
    assert "0.010 s against 0.50 s a picture" in panel.words.text()
    panel.show_runs([*RUNS[:2], later])
    qtbot.mouseClick(panel.all, LEFT, pos=QPoint(8, panel.all.height() // 2))
    assert "0.010 s against 0.50 s a picture" in panel.words.text() and len(panel._curves) == 3
    qtbot.mouseClick(panel.all, LEFT, pos=QPoint(8, panel.all.height() // 2))


def test_arrows_go_from_point_to_point(panel, plot, qtbot):
    plot.setFocus()
    qtbot.keyClick(plot, Qt.Key.Key_Right)
    first = plot._at
    assert first is not None and plot.value.isVisible()
    seen = {plot.value.text().partition(":")[0].partition(",")[0]}
    for _ in range(2):
        qtbot.keyClick(plot, Qt.Key.Key_Down)
        seen.add(plot.value.text().partition(":")[0].partition(",")[0])
    assert seen == {"VSSM", "Transformer", "AS-ARM"}
    point_at(qtbot, plot, 1, 12)
    for step in (Qt.Key.Key_Left, Qt.Key.Key_Left, Qt.Key.Key_Right):
        qtbot.keyClick(plot, step)
    assert plot._at == (1, 11) and plot.value.text() == plot._curves[1].say(11)
    panel.log.setFocus()
    assert not plot.value.isVisible()


# --- zooming


def test_the_wheel_zooms_where_it_points_and_a_double_click_shows_the_whole(plot, qtbot):
    whole, at = ranges(plot), place(plot, 1, 12)
    said = point_at(qtbot, plot, 1, 12)
    turn(plot, at, 3)
    zoomed = ranges(plot)
    assert np.allclose(np.ptp(zoomed, axis=1), np.ptp(whole, axis=1) / 1.2**3) and plot.zoom_box.zoomed
    assert (place(plot, 1, 12) - at).manhattanLength() <= 2  # it stayed under the pointer
    assert point_at(qtbot, plot, 1, 12) == said
    turn(plot, at, -1)
    assert (np.ptp(ranges(plot), axis=1) > np.ptp(zoomed, axis=1)).all() and plot.zoom_box.zoomed
    turn(plot, at, -20)
    assert same(ranges(plot), whole) and not plot.zoom_box.zoomed  # no further than all there is
    turn(plot, at, 4)
    qtbot.mouseDClick(plot.viewport(), LEFT, pos=at)
    assert same(ranges(plot), whole)
    turn(plot, QPoint(at.x(), plot.height() - 8), 2)  # over the lower axis: that one
    assert np.ptp(ranges(plot)[0]) < np.ptp(whole[0]) and same(ranges(plot)[1], whole[1])
    turn(plot, at, 500)
    assert (np.ptp(ranges(plot), axis=1) > 0).all()  # nor deeper than makes sense


def test_a_drag_zooms_to_its_rectangle(plot, qtbot):
    a, b = place(plot, 1, 4), place(plot, 1, 16)
    whole = ranges(plot)
    drag(qtbot, plot, a, b)
    (x0, x1), (y0, y1) = ranges(plot)
    points = RUNS[1].points
    assert [x0, x1] == pytest.approx([math.log10(points[4][0]), math.log10(points[16][0])], abs=0.02)
    assert [y0, y1] == pytest.approx([points[4][1] / 392, points[16][1] / 392], abs=0.04)  # some pixels
    before = ranges(plot)
    drag(qtbot, plot, QPoint(150, 60), QPoint(170, 70), Qt.MouseButton.MiddleButton)
    assert np.allclose(np.ptp(ranges(plot), axis=1), np.ptp(before, axis=1)) and not same(ranges(plot), before)
    qtbot.keyClick(plot, Qt.Key.Key_Home)
    assert same(ranges(plot), whole)
    drag(qtbot, plot, a, a + QPoint(60, 2))  # along one axis
    assert same(ranges(plot)[1], whole[1]) and not same(ranges(plot)[0], whole[0])
    qtbot.mouseDClick(plot.viewport(), LEFT, pos=a)
    qtbot.mouseClick(plot.viewport(), LEFT, pos=a)
    assert same(ranges(plot), whole)


def test_keys_zoom_and_move_before_the_windows_shortcuts(window, qtbot):
    plot = window.timing.plot
    whole = ranges(plot)
    plot.setFocus()
    for _ in range(3):
        qtbot.keyClick(plot, Qt.Key.Key_Plus)
    zoomed = ranges(plot)
    assert np.allclose(np.ptp(zoomed, axis=1), np.ptp(whole, axis=1) / 1.2**3)
    shift = Qt.KeyboardModifier.ShiftModifier
    window.actions_["later_frame"].setEnabled(True)  # whose key it is elsewhere
    qtbot.keyClick(plot, Qt.Key.Key_Right, shift)
    assert ranges(plot)[0, 0] > zoomed[0, 0] and same(ranges(plot)[1], zoomed[1])
    qtbot.keyClick(plot, Qt.Key.Key_Left, shift)
    qtbot.keyClick(plot, Qt.Key.Key_Up, shift)
    assert same(ranges(plot)[0], zoomed[0]) and ranges(plot)[1, 0] > zoomed[1, 0]
    qtbot.keyClick(plot, Qt.Key.Key_Minus)
    assert np.ptp(ranges(plot)[0]) > np.ptp(zoomed[0])
    qtbot.keyClick(plot, Qt.Key.Key_Home)
    assert same(ranges(plot), whole)
    press(qtbot, plot, "T")  # any other key is the window's
    assert window.scaling.isVisible()


def test_a_view_zoomed_in_stays_while_runs_come_and_another_axis_shows_all(panel, plot, qtbot):
    turn(plot, place(plot, 1, 12), 5)
    zoomed = ranges(plot)
    panel.show_runs([*RUNS, finished_run(4, "mamba", [0.1, 0.3])])
    assert same(ranges(plot), zoomed)
    qtbot.keyClick(plot, Qt.Key.Key_Home)
    panel.log.setFocus()
    qtbot.keyClick(panel.log, Qt.Key.Key_Space)
    assert not plot.zoom_box.zoomed and ranges(plot)[0, 0] == 0 and ranges(plot)[0, 1] == pytest.approx(0.5 * 1.05)
    assert point_at(qtbot, plot, 1, 12).startswith("Transformer, run 2: ")


def test_the_wheel_goes_by_in_an_area_that_scrolls(qtbot):
    area, inner = QScrollArea(), QWidget()
    plot = Plot("Plot", "plot", {"": list})
    plot.setParent(inner)
    plot.setGeometry(0, 0, 260, 180)
    inner.resize(260, 900)
    area.setWidget(inner)
    exposed(qtbot, area, 300, 200)
    plot.retheme()
    plot.fit((0, 1), (0, 1))
    plot.tell([Curve(np.array([0.5]), np.array([0.5]), str)])
    area.setFocus()
    event = turn(plot, QPoint(150, 90), 3)
    assert not event.isAccepted() and not plot.zoom_box.zoomed  # Qt gives it to the area then, if it is a real one
    event = turn(plot, QPoint(150, 90), 3, Qt.KeyboardModifier.ControlModifier)
    assert event.isAccepted() and plot.zoom_box.zoomed
    plot.zoom_box.show_whole()
    plot.setFocus()
    turn(plot, QPoint(150, 90), 3)
    assert plot.zoom_box.zoomed


def test_an_axis_of_seconds_has_ticks_that_differ_however_near(qtbot):
    axis = Seconds("bottom")
    axis.setLogMode(True)
    for middle, span in itertools.product((-2.5, -0.63, 0.4), (3.0, 0.5, 0.05, 0.001)):
        ((_, found), *_) = axis.tickValues(middle - span / 2, middle + span / 2, 400)
        assert len(found) > 1 and all(abs(v - middle) < span / 2 + 1e-9 for v in found)
        words = axis.tickStrings(found, 1, 1)
        assert len(set(words)) == len(words)
    assert axis.tickStrings([-2, -1, 0], 1, 1) == ["10 ms", "100 ms", "1 s"]


# --- copying and saving


def saved(qtbot, plot, text: str, path) -> None:
    """Choose it in the menu by its words, and a file by name."""
    action = next(a for a in plot.menu.actions() if a.text() == text)
    action.trigger()
    named(qtbot, plot, path)


def named(qtbot, plot, path) -> None:
    """Name the file in the dialog."""
    dialog = plot.window().findChild(QFileDialog)
    dialog.selectFile(str(path))
    qtbot.keyClick(dialog.findChild(QLineEdit), Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: plot.window().findChild(QFileDialog) is None)


def same_runs(rows: list[dict], runs: list[Run]) -> None:
    assert [int(row["run"]) for row in rows] == [run.number for run in runs]
    for row, run in zip(rows, runs, strict=True):
        assert (row["model"], row["mode"]) == (run.model, run.request.sampler) and row["state"] == "finished"
        assert (int(row["samples"]), int(row["seed"])) == (run.request.samples, run.request.seed)
        assert (float(row["temperature"]), int(row["threads"])) == (0.9, 2) and row["device"] == "CPU · 2 threads"
        assert int(row["tokens"]) == int(row["tokens_done"]) == run.tokens
        assert int(row["network_calls"]) == run.network_calls and float(row["total_seconds"]) == run.seconds
        assert float(row["seconds"]) + float(row["prompt_seconds"]) == pytest.approx(run.seconds)
        assert row["cpu"] and row["torch"] and row["python"] and row["pyside"] and row["version"] == __version__
        assert row["date"][:2] == "20"


def test_csv_is_what_ran(window, qtbot, tmp_path):
    plot = window.timing.plot
    press(qtbot, window, "Ctrl+E")  # as by the menu's Save CSV…
    named(qtbot, plot, tmp_path / "timing")
    text = (tmp_path / "timing.csv").read_text(encoding="utf-8")
    same_runs(rows_of(text), RUNS)
    assert window.messages.text.startswith("Saved ") and list(tmp_path.glob("*.part")) == []
    saved(qtbot, plot, "Save CSV, point by point…", tmp_path / "points.csv")
    points = rows_of((tmp_path / "points.csv").read_text(encoding="utf-8"))
    found = [(int(p["run"]), float(p["total_seconds"]), int(p["tokens_done"])) for p in points]
    assert found == [(run.number, *point) for run in RUNS for point in run.points]


def test_values_and_picture_on_the_clipboard(panel, plot, clipboard):
    plot.copy_values()
    same_runs(rows_of(clipboard.text()), RUNS)
    assert "clipboard" in panel.spoken[-1][0]
    plot.copy_picture()
    image = clipboard.image()
    assert image.width() >= 2 * plot.viewport().width() and image.height() > 2 * plot.viewport().height()


@pytest.mark.parametrize("colours", [theme.LIGHT, theme.DARK], ids=["light", "dark"])
def test_png_is_sharp_and_shows_the_curves(panel, plot, qtbot, tmp_path, monkeypatch, colours):
    monkeypatch.setattr(theme, "now", colours)
    panel.retheme()
    saved(qtbot, plot, "Save PNG…", tmp_path / "timing")
    picture = Image.open(tmp_path / "timing.png").convert("RGB")
    assert picture.width >= 2 * plot_export.LEAST.width() > 2 * plot.viewport().width()
    found = {"#{:02x}{:02x}{:02x}".format(*colour) for _, colour in picture.getcolors(1 << 24)}
    assert {colours.card, *(colours.model(run.model) for run in RUNS)} <= found
    assert point_at(qtbot, plot, 1, 12)
    marked = plot.picture()
    assert len(plot._marker.points()) == 1 and plot._marker.isVisible()  # what is pointed at is marked on screen
    plot._unmark()
    before = ranges(plot), plot.size(), plot._field
    assert marked == plot.picture()  # and only there
    assert same(before[0], ranges(plot)) and before[1:] == (plot.size(), plot._field)


def test_svg_is_xml_with_the_curves_and_words(plot, qtbot, tmp_path):
    saved(qtbot, plot, "Save SVG…", tmp_path / "timing")
    root = ElementTree.parse(tmp_path / "timing.svg").getroot()
    assert root.tag == f"{SVG}svg"
    strokes = {group.get("stroke") for group in root.iter(f"{SVG}g")}
    assert {theme.LIGHT.model(run.model) for run in RUNS} <= strokes
    words = " ".join("".join(text.itertext()) for text in root.iter(f"{SVG}text"))
    assert "VSSM" in words and "Transformer 0.50 s" in words and "picture done" in words and "100 ms" in words
    assert list(root.iter(f"{SVG}image")) == [] and list(root.iter(f"{SVG}clipPath"))  # lines, cut at the axes
    numbers = [float(n) for line in root.iter(f"{SVG}polyline") for n in line.get("points").replace(",", " ").split()]
    assert numbers and all(math.isfinite(n) for n in numbers)


@pytest.mark.parametrize("asked", ["PNG", "SVG", "CSV"])
@pytest.mark.parametrize("name", ["a.png", "a.SVG", "a.csv", "a.jpg", "a.png.txt"])
def test_the_name_says_what_is_written(panel, plot, qtbot, tmp_path, asked, name):
    """Whatever was asked for; a name that says something else is refused, and nothing is written."""
    next(a for a in plot.menu.actions() if a.text() == f"Save {asked}…").trigger()
    dialog = panel.findChild(QFileDialog)
    dialog.fileSelected.emit(str(tmp_path / name))
    dialog.close()
    ((said, kind),) = panel.spoken
    if name in ("a.jpg", "a.png.txt"):
        assert "must end in .png or .svg or .csv" in said and kind == "error" and not list(tmp_path.iterdir())
        return
    content = (tmp_path / name).read_bytes()
    starts = {"png": b"\x89PNG", "svg": b"<?xml", "csv": plot.values().encode()[:20]}
    assert content.startswith(starts[name[2:].lower()]) and kind == "note"


@pytest.mark.parametrize("kind", ["PNG", "SVG", "CSV"])
def test_what_cannot_be_written_is_one_sentence(panel, plot, qtbot, tmp_path, kind):
    next(a for a in plot.menu.actions() if a.text() == f"Save {kind}…").trigger()
    dialog = panel.findChild(QFileDialog)
    (tmp_path / "file").write_text("")
    dialog.fileSelected.emit(str(tmp_path / "file" / f"plot.{kind.lower()}"))
    dialog.close()
    ((said, kind),) = panel.spoken
    assert "cannot be written" in said and kind == "error"
    assert (tmp_path / "file").read_text() == ""


@pytest.mark.qt_log_ignore(NOISE, extend=True)
def test_the_menu_by_mouse_and_key(plot, qtbot):
    names = [a.text() for a in plot.menu.actions() if a.text()]
    assert names[:3] == ["Whole view", "Copy picture", "Copy values"] and len(names) == 7
    for reason in (QContextMenuEvent.Reason.Mouse, QContextMenuEvent.Reason.Keyboard):
        at = place(plot, 1, 12)
        QApplication.sendEvent(plot.viewport(), QContextMenuEvent(reason, at, plot.viewport().mapToGlobal(at)))
        assert plot.menu.isVisible()
        enabled = {a.text(): a.isEnabled() for a in plot.menu.actions()}
        assert enabled["Save CSV…"] and not enabled["Whole view"]
        qtbot.keyClick(plot.menu, Qt.Key.Key_Escape)
    turn(plot, place(plot, 1, 12), 3)
    plot.button.setFocus()
    assert plot.button.hasFocus() and plot.button.accessibleName()
    qtbot.keyClick(plot.button, Qt.Key.Key_Space)
    qtbot.waitUntil(plot.menu.isVisible)
    qtbot.keyClick(plot.menu, Qt.Key.Key_Down)
    qtbot.keyClick(plot.menu, Qt.Key.Key_Return)
    assert not plot.zoom_box.zoomed


@pytest.mark.qt_log_ignore(NOISE, extend=True)
def test_nothing_to_save_is_not_offered(panel, plot):
    panel.show_runs([])
    plot.menu.popup(panel.pos())
    assert not any(a.isEnabled() for a in plot.menu.actions() if a.text())
    plot.menu.close()


# --- scaling


def test_scaling_is_saved_point_by_point(qtbot):
    panel = ScalingPanel()
    panel.resize(480, 320)
    qtbot.addWidget(panel)
    panel.retheme()
    panel.begin(3)
    for one in (
        point("vssm", 256, 0.5),
        point("transformer", 256, 1.0, repeats=5),
        point("transformer", 512, 2.0),
        point("transformer", 1024, 4.0),
    ):
        panel.add(one)
    rows = rows_of(panel.plot.values())
    assert [(r["model"], int(r["tokens"]), float(r["total_seconds"])) for r in rows] == [
        (p.model, p.length, p.seconds) for p in panel.points
    ]
    assert [int(r["repeats"]) for r in rows] == [1, 5, 1, 1] and rows[0]["height"] == "16" and rows[0]["cpu"]
    plot = panel.plot
    turn(plot, QPoint(200, 60), 3)
    assert plot.zoom_box.zoomed
    root = ElementTree.fromstring(plot._content("svg"))
    assert "∝" in "".join("".join(text.itertext()) for text in root.iter(f"{SVG}text"))
    panel.begin(3)
    assert not plot._curves


# --- races and their repeats
