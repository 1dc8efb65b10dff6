"""The scaling panel: alone, and in the whole window by real clicks, with small lengths and tiny networks."""

import math

import pytest
from measured import TINY, point
from PySide6.QtCore import QPoint, QPointF, QSize, Qt
from windows import LEFT, LONG, button_of, complete, exposed, plain, press, take

from app.core.job import Kind, State
from app.ui import theme
from app.ui.panels import scaling as panels
from app.ui.panels.scaling import ScalingPanel, describe
from vssm.evaluation import scaling, scaling_runner
from vssm.evaluation.scaling import Began, Measured, Working
from vssm.models import registry
from vssm.sampling.events import Finished

NAMES = list(registry.PRESETS)


@pytest.fixture
def tiny(monkeypatch):
    """Small pictures and networks."""
    monkeypatch.setattr(scaling, "LENGTHS", (16, 64))
    monkeypatch.setattr(scaling, "PARAMETERS", TINY)
    monkeypatch.setattr(scaling_runner, "ENOUGH", 0.01)
    monkeypatch.setattr(panels, "OFFERED", {16: "no time", 64: "a moment"})


@pytest.fixture
def long(monkeypatch, tiny):
    """Pictures that take their time."""
    monkeypatch.setattr(scaling, "LENGTHS", (16, 16384))
    monkeypatch.setattr(panels, "OFFERED", {16384: "a while"})


@pytest.fixture
def panel(qtbot, monkeypatch):
    monkeypatch.setattr(theme, "now", theme.LIGHT)
    made = exposed(qtbot, ScalingPanel(), 480, 320)
    made.retheme()
    return made


def spaced(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


def ended(window):
    return lambda: window.jobs.current is None


def measure(qtbot, window) -> None:
    """Turn to the panel by its key, and click Run."""
    press(qtbot, window, "T")
    qtbot.mouseClick(window.scaling.run, LEFT)
    assert window.jobs.kind is Kind.SCALING


# --- alone


def test_before_the_first_run_it_says_what_it_will_do(panel, qtbot):
    assert panel._message.isVisible() and not panel.plot.isVisible() and not panel.halt.isEnabled()
    assert "T = 256, 512 and 1,024" in panel._message.text() and "10 seconds" in panel._message.text()
    panel.most.setFocus()
    qtbot.keyClick(panel.most, Qt.Key.Key_End)
    assert "2,048 and 4,096" in panel._message.text() and panel.lengths == scaling.LENGTHS
    with qtbot.waitSignal(panel.asked) as asked:
        qtbot.mouseClick(panel.run, LEFT)
    assert asked.args == [scaling.LENGTHS]


def test_points_appear_as_they_come_and_the_legend_has_exponents(panel):
    panel.begin(6)
    panel.show_state(State.RUNNING)
    assert not panel.run.isEnabled() and not panel.most.isEnabled() and panel.halt.isEnabled()
    panel.add(Working())
    panel.add(Began("transformer", "transformer", "Transformer", 2048))
    assert panel.state.text() == "Transformer, T = 2,048 … (0 of 6 points)"
    panel.add(point("transformer", 256, 1.0))
    assert panel.plot.isVisible() and plain(panel.words.text()).endswith("Transformer")
    panel.add(point("vssm", 256, 0.5))
    panel.add(point("transformer", 1024, 4.0))
    assert "∝" not in panel.words.text() and "Transformer (T = 256 to 1,024)" in spaced(plain(panel.words.text()))
    panel.add(point("vssm", 1024, 0.5))
    assert "∝" not in panel.words.text()  # two points make no law
    panel.add(point("transformer", 512, 2.0))
    panel.add(point("vssm", 512, 0.5))
    panel.show_state(State.IDLE)
    legend = plain(panel.words.text())
    assert "Transformer ∝ T^1.00" in spaced(legend)
    assert "T^0.00" in legend and spaced(legend).endswith("(T = 256 to 1,024)")
    assert panel.state.text() == "VSSM is 8.0 × faster than Transformer at T = 1,024."
    assert panel.run.isEnabled() and panel.most.isEnabled() and not panel.halt.isEnabled()
    lines = {name: [v.tolist() for v in line.getOriginalDataset()] for name, (line, _) in panel._curves.items()}
    assert lines == {
        "transformer": [[256, 1024, 512], [1.0, 4.0, 2.0]],
        "vssm": [[256, 1024, 512], [0.5, 0.5, 0.5]],
    }
    for line, dots in panel._curves.values():  # on the same places of the logarithmic axes
        assert [v.tolist() for v in line.getData()] == [v.tolist() for v in dots.getData()]
    panel.begin(4)
    assert panel._curves == {} and panel._message.isVisible() and not panel.words.isVisible()


def test_every_model_has_its_own_look(panel, monkeypatch):
    panel.begin(10)
    for name in NAMES:
        for n in (256, 1024):
            panel.add(point(name, n, 1.0 + theme.place(name)))
    looks = {(d.opts["symbol"], d.opts["brush"].color().name()) for _, d in panel._curves.values()}
    assert len(looks) == len(NAMES) == len({line.opts["pen"].style() for line, _ in panel._curves.values()})
    monkeypatch.setattr(theme, "now", theme.DARK)
    panel.retheme()
    dark = {d.opts["brush"].color().name() for _, d in panel._curves.values()}
    assert dark == {theme.DARK.model(name) for name in NAMES}


def test_a_point_under_the_mouse_says_what_it_is(panel, qtbot):
    panel.begin(2)
    panel.show_state(State.RUNNING)
    points = [point("mamba", 256, 0.25, repeats=5, network_calls=256), point("mamba", 1024, 1.0)]
    for one in points:
        panel.add(one)
    panel.show_state(State.IDLE)
    box = panel.plot.getPlotItem().vb

    def shown(length: int, seconds: float) -> str:
        """What is said with the mouse there."""
        scene = box.mapViewToScene(QPointF(math.log10(length), math.log10(seconds)))
        for place in (QPoint(1, 1), panel.plot.mapFromScene(scene)):  # to a place it comes from another one
            qtbot.mouseMove(panel.plot.viewport(), place)
        return panel.plot.value.text()

    for one in points:
        qtbot.waitUntil(lambda one=one: shown(one.length, one.seconds) == describe(one))
    qtbot.waitUntil(lambda: shown(1000, 0.26) == "")
    assert describe(points[0]) == ("Mamba, T = 256 (16×16): 0.25 s, the median of 5 runs, 256 network calls")
    assert "1.00 s, one run" in describe(points[1])


def test_it_fits_where_the_latents_are(window, qtbot):
    """Neither panel takes room from the others, at the smallest size either."""
    for size in (QSize(1000, 600), window.size()):
        window.resize(size)
        qtbot.wait(20)
        docks = window.docks.docks
        others = window.sketch, docks["completion"], docks["timing"]
        before = [panel.geometry() for panel in (*others, docks["latents"])]
        press(qtbot, window, "T")
        assert window.scaling.isVisible() and not window.latents.isVisible()
        qtbot.wait(20)
        after = [panel.geometry() for panel in (*others, docks["scaling"])]
        assert before == after and window.size() == size
        press(qtbot, window, "T")
        assert window.latents.isVisible() and not window.scaling.isVisible()
    qtbot.mouseClick(button_of(window.actions_["show_scaling"]), LEFT)
    assert window.scaling.isVisible()


# --- in the window


def test_run_measures_every_model_at_every_length(tiny, window, qtbot):
    qtbot.keyClick(window.scaling.most, Qt.Key.Key_End)
    measure(qtbot, window)
    qtbot.waitUntil(ended(window), timeout=LONG)
    points = window.scaling.points
    assert [(p.model, p.length) for p in points] == [(name, n) for n in (16, 64) for name in NAMES]
    assert all(isinstance(p, Measured) and p.seconds > 0 for p in points)
    assert max(p.parameters for p in points) < 1.1 * min(p.parameters for p in points)
    assert all(registry.get(name).title in plain(window.scaling.words.text()) for name in NAMES)
    assert plain(window.scaling.words.text()).count("∝") == 0 and window.messages.text == ""
    assert "(T = 16 to 64)" in spaced(plain(window.scaling.words.text())) and window.runs.history == []
    assert window.scaling.state.text().endswith(" at T = 64.")
    qtbot.mouseClick(window.scaling.run, LEFT)  # once more, from the beginning
    qtbot.waitUntil(lambda: 0 < len(window.scaling.points) < 10, timeout=LONG)
    qtbot.waitUntil(ended(window), timeout=LONG)
    assert len(window.scaling.points) == 10


@pytest.mark.parametrize("by", ["button", "key"])
def test_stop_leaves_whole_points_and_the_thread_free(long, window, qtbot, by):
    measure(qtbot, window)
    qtbot.waitUntil(lambda: "T = 16,384" in window.scaling.state.text(), timeout=LONG)
    assert window.actions_["stop"].isEnabled()
    if by == "button":
        qtbot.mouseClick(window.scaling.halt, LEFT)
    else:
        press(qtbot, window, "Escape")
    assert not window.scaling.halt.isEnabled() and not window.actions_["stop"].isEnabled()
    qtbot.waitUntil(ended(window), timeout=LONG)
    assert window.scaling.state.text().startswith("Stopped after") and window.messages.text == ""
    assert len(NAMES) <= len(window.scaling.points) < 2 * len(NAMES)
    take(qtbot, window, 0)
    assert isinstance(complete(qtbot, window).finished, Finished)


def test_completing_waits_until_the_measuring_is_over(long, window, qtbot):
    take(qtbot, window, 0)
    measure(qtbot, window)
    press(qtbot, window, "Return")
    assert window.runs.history == [] and "being timed" in window.messages.text and window.jobs.kind is Kind.SCALING
    press(qtbot, window, "Escape")
    run = complete(qtbot, window)  # at once, though a network call may still be under way
    assert isinstance(run.finished, Finished)
    qtbot.waitUntil(ended(window), timeout=LONG)


def test_measuring_gives_up_a_completion(long, window, qtbot):
    take(qtbot, window, 0)
    press(qtbot, window, "2")
    window.bar.samples.setValue(64)
    press(qtbot, window, "Return")
    qtbot.waitUntil(lambda: window.runs.running.has_pixels, timeout=LONG)  # a run that shows nothing is not kept
    measure(qtbot, window)
    qtbot.waitUntil(lambda: window.runs.running is None, timeout=LONG)
    assert [run.status for run in window.runs.history] == ["stopped"] and window.jobs.kind is Kind.SCALING


def test_closing_in_the_middle_leaves_no_thread(long, window, qtbot):
    measure(qtbot, window)
    qtbot.waitUntil(lambda: "T = 16,384" in window.scaling.state.text(), timeout=LONG)
    press(qtbot, window, "Ctrl+Q")
    assert window.engine.closed


def test_what_cannot_be_measured_is_a_sentence(tiny, window, qtbot):
    press(qtbot, window, "T")
    window.engine.use("abacus")
    qtbot.mouseClick(window.scaling.run, LEFT)
    qtbot.waitUntil(ended(window), timeout=LONG)
    assert "There is no device 'abacus' here" in window.messages.text
    assert window.scaling.state.text() == "Stopped after 0 of 5 points." and window.scaling.run.isEnabled()
