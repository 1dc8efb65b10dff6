"""What a person has chosen for all windows comes back: at the next start, and in a second window."""

import pytest
from conftest import opened
from hypothesis import given, settings
from hypothesis import strategies as st
from PySide6.QtCore import QSettings
from windows import press

from app.core import session
from app.core.session import LOOK, Session
from app.engine.preferences import Preferences
from app.ui import theme


def test_tool_and_pen_come_back(qtbot, tmp_path, no_threads_left):
    state = tmp_path / "session.json"
    for window in opened(qtbot, state, tmp_path):
        press(qtbot, window, "E")
        press(qtbot, window, "]")
        press(qtbot, window, "]")
    for window in opened(qtbot, state, tmp_path):
        assert window.canvas.tool == "eraser" and window.canvas.pen == 4 == window.sketch.pen.value()
        assert window.actions_["choose_tool", "eraser"].isChecked()
        press(qtbot, window, "Ctrl+2")
        press(qtbot, window, "F")
    for window in opened(qtbot, state, tmp_path):
        assert window.canvas.tool == "fill" and window.workspace.data.name == "cifar10"
        press(qtbot, window, "Ctrl+1")
        assert window.canvas.tool == "brush"  # as there is nothing to fill in black and white
    session.save(Session(tool="fill", pen=8), state)
    for window in opened(qtbot, state, tmp_path):
        assert window.canvas.tool == "brush" and window.canvas.pen == 8


def test_a_second_window_begins_as_the_first_looks(qtbot, tmp_path, no_threads_left):
    state = tmp_path / "session.json"
    for first in opened(qtbot, state, tmp_path):
        first.actions_["choose_theme", "dark"].trigger()
        first.tour.offer()
        for second in opened(qtbot, state, tmp_path):  # as the first is open still
            assert second.autosave.path != state and theme.now.dark and second.tour.toured
            assert second.actions_["choose_theme", "dark"].isChecked()
            press(qtbot, second, "E")
    for window in opened(qtbot, state, tmp_path):
        assert theme.now.dark and window.tour.toured
        window.actions_["choose_theme", "system"].trigger()


LOOKS = {
    "theme": st.sampled_from(session.THEMES),
    "device": st.sampled_from(session.DEVICES),
    "layout": st.sampled_from(["", "AAAA", "//79/A=="]),
    "toured": st.booleans(),
    "more": st.booleans(),
    "less_motion": st.booleans(),
}


@given(st.lists(st.fixed_dictionaries(LOOKS), min_size=1, max_size=3))
@settings(max_examples=25)
def test_there_and_back(tmp_path_factory, looks):
    folder = tmp_path_factory.mktemp("look")
    assert set(LOOKS) == set(LOOK)
    for look in looks:
        Preferences(folder).keep(Session(**look))
        found = Preferences(folder).apply(Session(samples=9))
        assert {name: getattr(found, name) for name in LOOK} == look and found.samples == 9


@pytest.mark.parametrize("text", [
    "[General]\nlayout=§\ntheme=pink\ntoured=true\n", "layout=@Variant(\\0)\ntoured=true", "\x00\xff[[[",
])  # fmt: skip
def test_a_file_that_makes_no_sense_is_passed_over(tmp_path, text):
    (tmp_path / "settings.ini").write_bytes(text.encode("latin-1"))
    found = Preferences(tmp_path).apply(Session(pen=4))
    assert found.pen == 4 and found.theme == "system" and found.layout == ""
    assert found.toured == ("toured=true" in text)


def test_a_folder_that_takes_no_file_costs_the_choice_and_no_more(tmp_path):
    (tmp_path / "file").write_text("")
    Preferences(tmp_path / "file").keep(Session(theme="dark"))
    assert Preferences(tmp_path / "file").apply(Session()).theme == "system"
    assert QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat).allKeys() == []
