"""Panels on their own: latents of both kinds, a finger, a pen."""

import itertools

import numpy as np
import pytest
from conftest import at, connected
from making import asked_run
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QInputDevice, QPointingDevice, QTabletEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from windows import exposed

from app.core.run import Run
from app.core.sketch import Sketch
from app.ui import theme
from app.ui.panels.latents import LATER, VIEWS, LatentPanel
from app.ui.widgets.canvas import Canvas
from app.ui.widgets.colour_map import class_colours, diverging, enlarge
from app.ui.widgets.picture import OPEN
from vssm import data
from vssm.models import registry
from vssm.prompt import Prompt
from vssm.sampling.events import Influence, Latents, Posterior, Started
from vssm.sampling.step import Sampler


def run_with(kind: str, classes: int, levels=((7, 7), (14, 14)), variables: int = 5, samples: int = 2) -> Run:
    """A run whose latents are all 0 but for one of the second sample."""
    run = asked_run(1, "vssm", "mnist", Prompt.empty(28, 28, 1).with_rows(14), samples=samples)
    mode = Sampler("parallel", "Parallel", "at once")
    run.add(Started("vssm", "VSSM", 784, samples, len(levels), "CPU", 1, False, mode, 0, "sampled"))
    for number, grid in enumerate(levels, 1):
        codes = np.zeros((samples, *grid, variables), np.float32)
        codes[1, 0, 0, 0] = 3
        run.add(Latents(0.01 * number, number, len(levels), kind, classes, codes, codes.sum(-1)))
    return run


def look(panel, qtbot, view: str) -> None:
    """Choose what is shown, by keys."""
    qtbot.keyClick(panel.what, Qt.Key.Key_Home)
    for _ in range(list(VIEWS).index(view)):
        qtbot.keyClick(panel.what, Qt.Key.Key_Down)
    assert panel.what.currentText() == view


@pytest.fixture
def panel(qtbot, monkeypatch):
    monkeypatch.setattr(theme, "now", theme.LIGHT)
    made = exposed(qtbot, LatentPanel(), 500, 320)
    made.retheme()
    return made


@pytest.mark.parametrize(("kind", "classes"), [("gaussian", 0), ("categorical", 4)])
def test_latents_are_shown_by_level_and_follow_the_sample(panel, kind, classes):
    run = run_with(kind, classes)
    panel.show_run(run)
    assert sorted(panel.strip.pictures) == [1, 2] and panel.view.isVisible()
    plain = panel.strip.pictures[1]
    assert plain.shape == (7, 7, 3) and (plain[0, 0] == plain[6, 6]).all()
    run.picked = 1
    panel.show_run(run)
    lit = panel.strip.pictures[1]
    assert not (lit[0, 0] == plain[0, 0]).all() and (lit[6, 6] == plain[0, 0]).all()
    assert panel._scale.isVisible()


def test_entropy_is_one_map_a_level(panel, qtbot):
    panel.show_run(run_with("gaussian", 0))
    look(panel, qtbot, "prior entropy")
    assert title(panel, qtbot, 2) == "14×14 codes · 0.0 nats" and not panel.variable.isEnabled()
    look(panel, qtbot, "values")
    assert title(panel, qtbot, 2) == "14×14 codes · variable 1" and panel.variable.isEnabled()


def title(panel, qtbot, level: int) -> str:
    """Of a level, once it has been clicked to be seen large."""
    qtbot.mouseClick(panel.strip, Qt.MouseButton.LeftButton, pos=panel.strip.cells()[level].center().toPoint())
    return panel.title.text()


@pytest.mark.parametrize(("kind", "classes"), [("gaussian", 0), ("categorical", 4)])
def test_the_variable_that_differs_most_is_shown_unless_another_is_chosen(panel, qtbot, kind, classes):
    run = run_with(kind, classes)
    codes = run.latents[1].codes
    codes[..., 1], codes[..., 3] = 2, np.arange(49).reshape(7, 7) % 3
    panel.show_run(run)
    assert title(panel, qtbot, 1) == "7×7 codes · variable 4"
    assert len({tuple(c) for c in panel.strip.pictures[1].reshape(-1, 3)}) == 3
    for _ in range(2):
        qtbot.keyClick(panel.variable, Qt.Key.Key_Up)
    assert title(panel, qtbot, 1) == "7×7 codes · variable 2"
    assert len({tuple(c) for c in panel.strip.pictures[1].reshape(-1, 3)}) == 1
    for _ in range(9):
        qtbot.keyClick(panel.variable, Qt.Key.Key_Up)
    assert title(panel, qtbot, 1) == "7×7 codes · variable 5"


def influence(run, **lengths) -> None:
    """Let the last variable of each level's code at (3, 3) move the picture of sample 0 so far, all others by 0.1."""
    for level, (_, length) in enumerate(sorted(lengths.items()), 1):
        moves = np.full(run.latents[level].codes.shape[1:], 0.1, np.float32)
        moves[3, 3, -1] = length
        run.add(Influence(level, 0, moves))


def test_dots_are_as_wide_as_codes_move_the_picture(panel, qtbot):
    run = run_with("gaussian", 0)
    panel.show_run(run)
    assert panel.map._dots is None
    bare = panel.map.grab().toImage()
    influence(run, first=5.0, second=1.0)
    panel.show_run(run)
    widths = panel.map._dots
    assert widths[3, 3] == 1 and 0 < widths[0, 0] < 0.1
    assert panel.map.cell == (3, 3)  # where whoever begins sees something
    assert panel.map.grab().toImage() != bare
    run.picked = 1  # of which nothing is known
    panel.show_run(run)
    assert panel.map._dots is None
    run.picked = 0
    run.influence[1].moves[0, 0] = 0.02  # of brightness, which nobody sees
    panel.show_run(run)
    assert panel.map._dots[0, 0] == 0 < panel.map._dots[0, 1]
    title(panel, qtbot, 2)
    assert panel.map._dots.max() < 0.25  # of the farthest of all levels


def test_what_moves_the_picture_most_comes_first_and_stays_there(panel, qtbot):
    run = run_with("gaussian", 0)
    influence(run, first=1.0, second=9.0)
    panel.show_run(run)
    assert list(panel.strip.pictures) == [2, 1] and panel.title.text() == "14×14 codes · variable 5"
    qtbot.keyClick(panel.map, Qt.Key.Key_PageDown)
    assert panel.title.text() == "7×7 codes · variable 5"
    later = run_with("gaussian", 0)
    influence(later, first=9.0, second=1.0)
    panel.show_run(later)
    assert list(panel.strip.pictures) == [2, 1] and panel.title.text() == "7×7 codes · variable 5"  # as chosen


def test_the_posterior_is_shown_once_it_is_known(panel, qtbot):
    run = run_with("gaussian", 0)
    panel.show_run(run)
    look(panel, qtbot, "KL")
    assert panel._message.isVisible() and panel._message.text() == LATER
    assert panel.sums.text() == "entropy: prior 0.0 nats"
    for number, n in ((1, 7), (2, 14)):
        entropy, divergence = np.full((2, n, n), 0.5, np.float32), np.full((2, n, n), 0.1, np.float32)
        run.add(Posterior(number, 2, entropy, divergence))
    panel.show_run(run)
    assert "· 4.9 nats" in title(panel, qtbot, 1) and "· 19.6 nats" in title(panel, qtbot, 2)
    assert panel.sums.text() == "surprise (KL) 24.5 · entropy: prior 0.0, posterior 122.5 nats"
    panel.show_more(False)
    assert panel.sums.text() == "how surprised the model is at this plan (KL): 24.5 nats"
    panel.show_more(True)
    look(panel, qtbot, "posterior entropy")
    assert "· 24.5 nats" in title(panel, qtbot, 1) and "· 98.0 nats" in title(panel, qtbot, 2)


@pytest.mark.parametrize("side", [14, 28])
@pytest.mark.parametrize(("kind", "classes"), [("gaussian", 0), ("categorical", 8)])
def test_positions_not_drawn_yet_stand_open(panel, qtbot, kind, classes, side):
    """A flat model in mid-run: half of its one level is not a number."""
    run = run_with(kind, classes, levels=((side, side),), variables=3)
    latents = run.latents[1]
    latents.codes[:, side // 2 :] = np.nan
    latents.entropy[:] = 0.01
    latents.entropy[:, side // 2 :] = np.nan
    panel.show_run(run)
    for view in ("values", "prior entropy"):
        look(panel, qtbot, view)
        image = panel.map._picture
        upper, lower = image[: side // 2].reshape(-1, 3), image[side // 2 :].reshape(-1, 3)
        assert {tuple(c) for c in lower} == {tuple(c) for c in OPEN}
        assert not {tuple(c) for c in upper} & {tuple(c) for c in OPEN}
    assert panel.title.text() == f"{side}×{side} codes · {0.01 * side * side / 2:.1f} nats"
    run.add(Latents(0.5, 1, 1, kind, classes, np.ones((2, side, side, 3), np.float32), np.ones((2, side, side))))
    panel.show_run(run)  # the latest counts
    assert not {tuple(c) for c in panel.map._picture.reshape(-1, 3)} & {tuple(c) for c in OPEN}


@pytest.mark.parametrize("classes", [2, 8, 20])
def test_every_class_has_its_own_colour(classes):
    assert len({tuple(c) for c in class_colours(classes)}) == classes


def test_a_model_without_latents_says_so(panel):
    panel.show_run(run_with("gaussian", 0, levels=()))
    assert panel._message.isVisible() and "has no latents" in panel._message.text()
    assert not panel.view.isVisible()


def test_levels_never_overlap_or_leave_the_panel(panel, qtbot):
    for size in ((320, 190), (900, 200), (400, 700)):
        panel.resize(*size)
        qtbot.wait(10)
        panel.show_run(run_with("gaussian", 0, levels=((7, 7),) * 3 + ((14, 14),) * 4, variables=8))
        assert [title(panel, qtbot, i)[:3] for i in range(1, 8)] == ["7×7"] * 3 + ["14×"] * 4
        rects = list(panel.strip.cells().values())
        for i, one in enumerate(rects):
            assert panel.strip.rect().contains(one.toAlignedRect())
            assert not any(one.intersects(other) for other in rects[i + 1 :])
        assert panel.map.rect().contains(panel.map.field.toRect()) and panel.map.field.width() >= 84
        assert panel.rect().contains(panel.back.geometry().translated(panel.back.parent().pos()))


def test_enlarging_keeps_places():
    small = np.arange(49).reshape(7, 7)
    assert np.array_equal(enlarge(small, 28)[::4, ::4], small)


def test_zero_has_the_middle_colour(monkeypatch):
    monkeypatch.setattr(theme, "now", theme.LIGHT)
    colours = diverging()
    assert np.abs(colours[127].astype(int) - [0xF4, 0xF5, 0xF6]).max() <= 2


SEEN = {  # linear RGB as people see it without one kind of cone (Machado et al. 2009)
    "all": np.eye(3),
    "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "tritanopia": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}


def lab(colour: str, eye: np.ndarray) -> np.ndarray:
    """CIE L*a*b* of a colour as that eye sees it."""
    parts = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.412, 0.358, 0.181], [0.213, 0.715, 0.072], [0.019, 0.119, 0.951]])
    x, y, z = to_xyz @ (np.asarray(eye) @ linear).clip(0, 1) / [0.951, 1, 1.089]
    x, y, z = (np.cbrt(v) if v > 0.008856 else 7.787 * v + 16 / 116 for v in (x, y, z))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("eye", SEEN)
@pytest.mark.parametrize("colours", [theme.LIGHT, theme.DARK], ids=["light", "dark"])
def test_models_are_told_apart_by_every_eye(colours, eye):
    for a, b in itertools.combinations(colours.models, 2):
        assert np.linalg.norm(lab(a, SEEN[eye]) - lab(b, SEEN[eye])) > 12, (a, b)


def test_no_two_models_look_the_same(monkeypatch):
    """Not even where there are more of them than colours."""
    for i in range(20):
        monkeypatch.setitem(registry.PRESETS, f"more-{i}", registry.PRESETS["vssm"])
    for usual in (True, False):
        looks = {(theme.LIGHT.model(name), theme.sign(name, usual)) for name in registry.PRESETS}
        assert len(looks) == len({(theme.LIGHT.model(n), theme.symbol(n)) for n in registry.PRESETS})
        assert len(looks) == len(registry.PRESETS)
    names = list(registry.PRESETS)[:5]
    assert len({theme.symbol(n) for n in names}) == len({theme.sign(n) for n in names}) == len(names)


@pytest.fixture
def canvas(qtbot):
    return exposed(qtbot, Canvas(data.MNIST, Sketch(Prompt.empty(28, 28, 1).with_rows(14))), 400, 420)


def test_a_finger_draws(canvas, qtbot):
    finger = QTest.createTouchDevice()
    with qtbot.waitSignal(canvas.lifted):
        QTest.touchEvent(canvas, finger).press(0, at(canvas, 3, 3), canvas).commit()
        QTest.touchEvent(canvas, finger).move(0, at(canvas, 24, 8), canvas).commit()
        QTest.touchEvent(canvas, finger).release(0, at(canvas, 24, 8), canvas).commit()
    ink = canvas.sketch.pixels[..., 0] > 0
    assert ink[3, 3] and ink[8, 24] and connected(ink)


@pytest.mark.parametrize(
    ("kind", "draws"), [(QPointingDevice.PointerType.Pen, True), (QPointingDevice.PointerType.Eraser, False)]
)
def test_a_tablets_pen_draws_and_its_rubber_erases(canvas, draw, kind, draws):
    draw(canvas, [(3, 3), (24, 3)])
    before = (canvas.sketch.pixels > 0).sum()
    stylus = QPointingDevice("stylus", 1, QInputDevice.DeviceType.Stylus, kind, QInputDevice.Capability.Position, 1, 3)
    moves = (QEvent.Type.TabletPress, (10, 1)), (QEvent.Type.TabletMove, (10, 9)), (QEvent.Type.TabletRelease, (10, 9))
    for event, place in moves:
        spot = QPointF(at(canvas, *place))
        QApplication.sendEvent(
            canvas,
            QTabletEvent(
                event,
                stylus,
                spot,
                canvas.mapToGlobal(spot),
                0.5,
                0,
                0,
                0,
                0,
                0,
                Qt.KeyboardModifier.NoModifier,
                Qt.MouseButton.LeftButton,
                Qt.MouseButton.LeftButton,
            ),
        )
    assert ((canvas.sketch.pixels > 0).sum() > before) == draws
    assert bool(canvas.sketch.pixels[3, 10, 0]) == draws
