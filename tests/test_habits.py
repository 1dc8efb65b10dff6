"""Habits of the whole window: pages, focus, names, contrast, words."""

import pytest
from PySide6.QtCore import Qt
from windows import plain, press

from app import actions


@pytest.fixture
def window(bare, qtbot):
    bare.resize(1280, 760)
    bare.messages.clear()
    bare.docks.reset()
    bare.activateWindow()
    bare.canvas.setFocus()
    qtbot.waitUntil(bare.canvas.hasFocus)
    return bare


# --- pages


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("size", [(1000, 600), (1280, 760)])
def test_the_cheat_sheet_fits_and_scrolls_by_keys(window, qtbot, size, colours):
    window.actions_["choose_theme", colours].trigger()
    window.resize(*size)
    press(qtbot, window, "F1")
    page = window._dialog
    qtbot.waitUntil(page.isActiveWindow)
    assert page.width() <= size[0] and page.height() <= size[1]
    assert page.text.horizontalScrollBar().maximum() == 0
    bar = page.text.verticalScrollBar()
    for _ in range(3):
        qtbot.keyClick(page.text, Qt.Key.Key_PageDown)
    assert bar.value() == bar.maximum() and (size[1] > 600 or bar.maximum() > 0)
    qtbot.keyClick(page, Qt.Key.Key_Escape)
    assert not page.isVisible()


def test_the_cheat_sheet_holds_all_keys_and_gestures():
    text = plain(actions.cheat_sheet())
    for spec in actions.table():
        assert not spec.keys or spec.text in text
        assert all(actions.shown(key) in text for key in spec.keys)
    for _, keys, what in actions.GESTURES:
        assert f"{keys}: {what}" in text
