"""Panels that are moved, resized, floated, closed, brought back and remembered, by mouse and by keys."""

import base64
import json

import pytest
from conftest import opened
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from layouts import ALL, CRAFTED, PLAIN, SIZES, VERSION, group, inside, integers, layout, packed, state
from PySide6.QtCore import QPoint, Qt, QTimer
from PySide6.QtWidgets import QApplication
from windows import LEFT, press

from app.core import dock_state, session
from app.ui import docks
from app.ui.docks import SHARES


@pytest.fixture
def window(bare, qtbot):
    """As it is at first."""
    window = bare
    window.resize(1280, 760)
    window.actions_["show_race"].setChecked(False)
    window.docks.show_race(False)
    window.docks.reset()
    window.canvas.setFocus()
    window.activateWindow()
    qtbot.waitUntil(window.canvas.hasFocus)
    return window


def places(window) -> dict:
    """Where all panels lie, and what is shown of them."""
    return {name: (dock.isVisible(), dock.isFloating(), dock.geometry()) for name, dock in window.docks.docks.items()}


def shown(window) -> set[str]:
    return {name for name, dock in window.docks.docks.items() if dock.isVisible()}


def drag(qtbot, widget, start: QPoint, by: QPoint) -> None:
    """Press, move in steps, let go."""
    qtbot.mousePress(widget, LEFT, pos=start)
    for i in range(1, 7):
        qtbot.mouseMove(widget, start + by * i / 6)
        qtbot.wait(2)
    qtbot.mouseRelease(widget, LEFT, pos=start + by)


def title_of(dock):
    """The label that a panel is dragged by."""
    return dock.titleBarWidget().childAt(QPoint(40, 20))


def trigger(window, name) -> None:
    window.actions_[name].trigger()


def test_a_border_is_dragged_and_its_place_kept_when_the_window_grows(window, qtbot):
    dock = window.docks.docks["completion"]
    before = dock.geometry()
    drag(qtbot, window.docks, QPoint(before.left() - 4, before.center().y()), QPoint(60, 0))
    assert dock.width() < before.width() - 15 and window.sketch.width() > 420
    share = dock.width() / window.docks.contentsRect().width()
    window.resize(1500, 900)
    qtbot.waitUntil(lambda: abs(dock.width() / window.docks.contentsRect().width() - share) < 0.005)
    timing = window.docks.docks["timing"]
    high = timing.height()
    drag(qtbot, window.docks, QPoint(timing.geometry().center().x(), timing.geometry().bottom() + 5), QPoint(0, -80))
    assert timing.height() < high - 60


def test_the_header_is_the_handle(window, qtbot):
    dock = window.docks.docks["timing"]
    title = title_of(dock)
    assert title.text() == "Timing"
    drag(qtbot, title, QPoint(5, 5), QPoint(-160, 90))
    assert dock.isFloating() and dock.isVisible() and dock.isWindow()
    qtbot.mouseDClick(title, LEFT)
    assert not dock.isFloating()


@pytest.mark.parametrize("arrangement", [docks.PANELS, docks.RACE])
@pytest.mark.parametrize("name", list(SHARES))
def test_a_panel_that_is_dragged_out_is_not_closed(window, qtbot, name, arrangement):
    window.docks.show_race(arrangement == docks.RACE)
    window.docks.show_panel(name, True)
    dock, before = window.docks.docks[name], shown(window)
    drag(qtbot, title_of(dock), QPoint(5, 5), QPoint(0, 900))  # beyond the window
    qtbot.wait(20)
    assert dock.isFloating() and shown(window) == before and window.docks.arrangement == arrangement
    drag(qtbot, title_of(dock), QPoint(5, 5), QPoint(-30, 20))
    qtbot.mouseDClick(title_of(dock), LEFT)
    qtbot.wait(20)
    assert not dock.isFloating() and shown(window) == before and window.docks.arrangement == arrangement
    assert not dock.visibleRegion().isEmpty()  # in front, where it lies among tabs


@pytest.mark.parametrize("change", ["show_race", "reset_layout", "float_panel", "close_panel", "show_scaling"])
def test_panels_may_change_while_one_is_dragged(window, qtbot, change):
    dock = window.docks.docks["timing"]
    title = title_of(dock)
    dock.more.setFocus()
    qtbot.mousePress(title, LEFT, pos=QPoint(5, 5))
    for i in range(1, 7):
        qtbot.mouseMove(title, QPoint(5 - 15 * i, 5 + 10 * i))
    assert dock.isFloating()
    trigger(window, change)
    qtbot.mouseMove(title, QPoint(-60, 60))
    qtbot.mouseRelease(title, LEFT, pos=QPoint(-60, 60))
    for race in (True, False):
        window.docks.show_race(race)
        qtbot.wait(20)
    trigger(window, "reset_layout")
    assert shown(window) == {"completion", "timing", "latents"}


def test_panels_may_change_while_a_border_is_dragged(window, qtbot):
    border = QPoint(window.docks.docks["completion"].x() - 4, 300)
    for change in ("show_race", "show_race", "reset_layout", "show_scaling"):
        qtbot.mousePress(window.docks, LEFT, pos=border)
        qtbot.mouseMove(window.docks, border + QPoint(20, 0))
        trigger(window, change)
        qtbot.mouseMove(window.docks, border + QPoint(40, 0))
        qtbot.mouseRelease(window.docks, LEFT, pos=border + QPoint(40, 0))
        qtbot.wait(5)
    trigger(window, "reset_layout")
    assert shown(window) == {"completion", "timing", "latents"} and window.docks.layout_ == ""


def test_a_panel_floats_moves_grows_closes_and_comes_back_by_keys(window, qtbot):
    at_first = places(window)
    press(qtbot, window, "F6")
    press(qtbot, window, "F6")
    dock = window.docks.current
    assert dock is window.docks.docks["timing"]
    press(qtbot, window, "Ctrl+Shift+F")
    assert dock.isFloating()
    qtbot.waitUntil(lambda: QApplication.focusWidget() is not None and QApplication.focusWidget().window() is dock)
    press(qtbot, QApplication.focusWidget(), "Ctrl+Shift+F")  # shortcuts work in the floating panel, too
    assert not dock.isFloating()
    qtbot.waitUntil(window.isActiveWindow)
    wide = dock.width()
    press(qtbot, window, "Alt+Shift+Left")
    qtbot.waitUntil(lambda: dock.width() == wide - docks.STEP)
    trigger(window, ("move_panel", "bottom"))
    qtbot.waitUntil(lambda: dock.geometry().top() > window.sketch.geometry().bottom())
    assert window.docks.current is dock
    press(qtbot, window, "Ctrl+Shift+W")
    assert shown(window) == {"completion", "latents"}
    qtbot.waitUntil(lambda: not window.actions_["show_panel", "timing"].isChecked())
    press(qtbot, window, "Alt+2")
    assert "timing" in shown(window) and window.actions_["show_panel", "timing"].isChecked()
    trigger(window, "reset_layout")
    qtbot.waitUntil(lambda: places(window) == at_first)


def test_the_panels_own_menu_means_that_panel(window, qtbot):
    dock = window.docks.docks["latents"]
    menu = dock.more.menu()

    def choose():
        qtbot.keyClick(menu, Qt.Key.Key_Down)
        qtbot.keyClick(menu, Qt.Key.Key_Return)

    QTimer.singleShot(0, choose)
    qtbot.mouseClick(dock.more, LEFT)
    assert dock.isFloating() and menu.actions()[0] is window.actions_["float_panel"]


def test_keys_go_round_all_parts_of_the_window(window, qtbot):
    visited = []
    for _ in range(5):
        press(qtbot, window, "F6")
        visited.append(window.docks.current and window.docks.current.objectName())
    assert visited == ["completion", "timing", "latents", None, "completion"]
    press(qtbot, window, "Shift+F6")
    assert window.canvas.hasFocus()


def test_completions_and_races_have_an_arrangement_each(window, qtbot):
    press(qtbot, window, "Alt+2")
    assert shown(window) == {"completion", "latents"}
    before = places(window)
    press(qtbot, window, "V")
    assert shown(window) == {"race", "timing", "latents"} and window.actions_["show_race"].isChecked()
    press(qtbot, window, "Alt+2")
    assert shown(window) == {"race", "latents"}
    press(qtbot, window, "V")
    assert places(window).keys() == before.keys() and shown(window) == {"completion", "latents"}
    press(qtbot, window, "V")
    assert shown(window) == {"race", "latents"}
    window.docks.docks["race"].close()
    qtbot.waitUntil(lambda: shown(window) == {"completion", "latents"})
    assert not window.actions_["show_race"].isChecked()


@pytest.mark.parametrize("name", ["race", "timing"])
def test_a_floating_panel_is_painted_when_its_arrangement_comes_back(window, qtbot, name):
    if name == "race":
        press(qtbot, window, "V")
    window.docks.docks[name].setFloating(True)
    for _ in range(2):
        press(qtbot, window, "V")
    dock = window.docks.docks[name]
    assert dock.isFloating() and dock.updatesEnabled()
    press(qtbot, window, "V")
    assert all(one.updatesEnabled() for one in window.docks.docks.values())


def test_latents_and_scaling_take_turns_or_stand_together(window, qtbot):
    press(qtbot, window, "T")
    assert shown(window) == {"completion", "timing", "scaling"}
    press(qtbot, window, "Alt+3")
    assert {"latents", "scaling"} <= shown(window) and window.actions_["show_scaling"].isChecked()
    press(qtbot, window, "T")
    assert shown(window) == {"completion", "timing", "latents"}


def test_the_layout_comes_back(window, qtbot, tmp_path):
    assert window.docks.layout_ == ""
    dock = window.docks.docks["timing"]
    window.docks.removeDockWidget(dock)
    window.docks.addDockWidget(docks.AREAS["left"], dock)
    dock.show()
    window.docks.docks["latents"].setFloating(True)
    window.docks.docks["completion"].close()
    qtbot.wait(20)
    kept = window.docks.layout_
    base64.b64decode(kept, validate=True)
    trigger(window, "reset_layout")
    assert shown(window) == {"completion", "timing", "latents"}
    window.docks.restore(kept)
    qtbot.wait(20)
    assert shown(window) == {"timing", "latents"} and window.docks.docks["latents"].isFloating()
    assert dock.x() < window.sketch.x()
    window.hide()
    assert not window.docks.docks["latents"].isVisible()
    window.show()
    assert window.docks.docks["latents"].isVisible() and window.docks.docks["latents"].isFloating()


def test_the_layout_is_kept_while_a_panel_hangs_over(window):
    """As it may for a moment, while others make room."""
    dock = window.docks.docks["timing"]
    dock.resize(dock.width(), 3 * window.height())
    window.docks._note()
    assert dock_state.read(window.docks.layout_, ("panels", "race"), window.docks.docks, window.docks._version)


def read(text: str) -> dict:
    return dock_state.read(text, ("panels", "race"), SHARES, VERSION)


WHOLE = base64.b64decode(layout(PLAIN))
TEXT = base64.b64encode(PLAIN).decode()
OTHER = [None, 3, "x", [], {"x": 1}, {"panels": None}, {"panels": []}, {"panels": [TEXT, {"timing": [1, 1]}]},
         {"panels": [TEXT, {**SIZES, "race": "x"}]}, {"panels": ["*", SIZES]}, {"panels": [3, SIZES]}]  # fmt: skip


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.one_of(
        st.binary(max_size=60),
        st.integers(0, len(WHOLE) - 1).map(lambda i: WHOLE[:i]),
        st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(1, 255)).map(
            lambda change: bytes(b ^ change[1] * (i == change[0]) for i, b in enumerate(WHOLE))
        ),
        st.sampled_from(OTHER).map(lambda value: packed(json.dumps(value).encode())),
    )
)
def test_a_broken_layout_is_none(broken):
    """However it is broken: nonsense, cut short, one byte changed, or something else."""
    assert read(base64.b64encode(WHOLE).decode()) == {"panels": (PLAIN, {k: tuple(v) for k, v in SIZES.items()})}
    assert read(base64.b64encode(broken).decode()) == {}
    assert read(broken.decode("latin-1")) == {}


@pytest.mark.parametrize("crafted", CRAFTED.values(), ids=CRAFTED)
def test_a_crafted_layout_is_none(crafted):
    """Qt reads what it is given without looking, and several of these end it by a fault."""
    assert read(layout(crafted)) == {}


@pytest.mark.parametrize("share", ["NaN", "Infinity", "1e400", "-1", "1.5", '"1"', "[1]"])
def test_shares_are_shares(share):
    text = json.dumps({"panels": [TEXT, {**SIZES, "race": ["share", 0.5]}]}).replace('"share"', share)
    fits = share == '"1"'  # which is a number to Python
    assert (read(base64.b64encode(packed(text.encode())).decode()) != {}) == fits


def test_only_the_arrangements_that_there_are_count():
    assert read(layout(PLAIN, name="race")) and read(layout(PLAIN, name="other")) == {}


@settings(max_examples=30, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_layout_that_is_read_can_be_used(window, data):
    """Whatever was changed in it: Qt takes it, or refuses it."""
    whole = bytearray(state((1, group(*ALL[:2], inside(group(*ALL[2:], tabs=True, direction=2))))))
    at = data.draw(st.integers(8, len(whole) - 4))
    whole[at : at + 4] = data.draw(st.one_of(st.binary(min_size=4, max_size=4), st.just(integers(2**24 - 1))))
    window.docks.restore(layout(bytes(whole)))
    window.docks.reset()
    assert shown(window) == {"completion", "timing", "latents"}


@pytest.mark.parametrize("broken", ["", "nonsense", layout(PLAIN[:-1])])
def test_where_no_layout_can_be_read_the_first_one_stands(window, broken):
    window.docks.docks["timing"].close()
    window.docks.restore(broken)
    assert shown(window) == {"completion", "timing", "latents"}
    assert window.docks._shares == SHARES


def test_a_layout_of_other_panels_is_the_first_one(window, monkeypatch):
    window.docks.docks["timing"].close()
    kept = window.docks.layout_
    monkeypatch.setattr(docks.Docks, "_version", 7)
    window.docks.restore(kept)
    assert shown(window) == {"completion", "timing", "latents"}


@pytest.mark.parametrize("size", [(1000, 600), (1280, 760), (800, 500)])
def test_it_fits_on_small_screens(window, qtbot, size):
    window.resize(*size)
    qtbot.wait(20)
    for dock in window.docks.docks.values():
        if not dock.visibleRegion().isEmpty():  # in front, where they are tabs
            assert window.docks.contentsRect().contains(dock.geometry())
            assert dock.width() >= dock.minimumSizeHint().width()
            assert dock.titleBarWidget().width() >= dock.titleBarWidget().minimumSizeHint().width()
    assert QApplication.focusWidget() is window.canvas


def test_a_session_keeps_the_layout(window, qtbot, tmp_path):
    press(qtbot, window, "Alt+1")
    window.docks.docks["latents"].setFloating(True)
    session.save(window.session(), tmp_path / "kept.json")
    for again in opened(qtbot, tmp_path / "kept.json", tmp_path):
        assert shown(again) == {"timing", "latents"} and again.docks.docks["latents"].isFloating()
        again.close()
        kept, said = session.restore(tmp_path / "kept.json")
        assert not said and kept.layout == again.docks.layout_


def test_the_arrangement_of_the_race_alone_comes_back(qtbot, tmp_path):
    """The other one is as at first, and was never turned to since."""
    state = tmp_path / "session.json"
    for window in opened(qtbot, state, tmp_path):
        press(qtbot, window, "V")
        window.actions_["reset_layout"].trigger()
        window.docks.docks["race"].more.setFocus()
        press(qtbot, window, "Alt+Shift+Left")
        qtbot.waitUntil(lambda w=window: w.docks.layout_ != "")
        left = window.session()
        share = window.docks._shares["race"]
    for window in opened(qtbot, state, tmp_path):
        assert window.session() == left and left.layout
        assert window.completion.isVisible() and not window.race.isVisible()
        press(qtbot, window, "V")
        assert window.docks._shares["race"] == pytest.approx(share, abs=0.01)


def test_panels_that_lie_one_over_the_other_come_back(qtbot, tmp_path):
    state = tmp_path / "session.json"
    for window in opened(qtbot, state, tmp_path):
        window.actions_["show_panel", "latents"].setChecked(True)
        press(qtbot, window, "T")
        press(qtbot, window, "Alt+3")
        qtbot.waitUntil(
            lambda w=window: not (w.docks.docks["latents"].isHidden() or w.docks.docks["scaling"].isHidden())
        )
        qtbot.wait(50)
        left = window.session()
        assert left.layout
    for window in opened(qtbot, state, tmp_path):
        assert window.session().layout == left.layout
        assert not window.docks.docks["latents"].isHidden() and not window.docks.docks["scaling"].isHidden()
