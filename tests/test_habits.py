"""Habits of the whole window: pages, focus, names, contrast, words."""

import itertools

import pytest
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QHelpEvent
from PySide6.QtWidgets import QApplication, QToolTip
from windows import plain, press

from app import actions, glossary, theme


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


# --- terms


def tip_of(widget) -> str:
    """What pointing at it shows."""
    QToolTip.hideText()
    QApplication.sendEvent(widget, QHelpEvent(QEvent.Type.ToolTip, QPoint(3, 3), widget.mapToGlobal(QPoint(3, 3))))
    return QToolTip.text()


def test_pointing_at_a_term_explains_it_with_a_picture(window, qtbot):
    terms = glossary.terms()
    before = window.temperature.toolTip()
    for colours in ("light", "dark"):
        window.actions_["choose_theme", colours].trigger()
        said = tip_of(window.temperature)
        assert before in plain(said) and terms["temperature"].line in plain(said)
        assert glossary.tag(terms["temperature"], window.theme) in said
    for name, widget in (
        ("seed", window.seed),
        ("partial", window.sketch.name),
        ("latent", window.latents.name),
        ("call", window.completion.figure("calls")[1]),
        ("cache", window.button_of(window.actions_["choose_model", "transformer"])),
        ("bound", window.status),
    ):
        assert terms[name].line in plain(tip_of(widget))
    assert window.button_of(window.actions_["choose_model", "vssm"]).toolTip().split("\n")[0] in plain(tip_of(
        window.button_of(window.actions_["choose_model", "vssm"])))  # fmt: skip


@pytest.mark.parametrize("colours", [theme.LIGHT, theme.DARK], ids=["light", "dark"])
def test_every_term_has_a_picture_of_its_own(qapp, colours):
    seen = set()
    for term in glossary.terms().values():
        image = glossary.image(term, colours)
        assert image.width() == 2 * glossary.WIDE
        places = itertools.product(range(0, image.width(), 3), range(0, image.height(), 3))
        assert len({image.pixelColor(*place).name() for place in places}) >= 3, term.title
        seen.add(glossary.tag(term, colours))
    assert len(seen) == len(glossary.terms())


def test_the_glossary_is_a_page_of_all_terms(window, qtbot):
    press(qtbot, window, "Shift+F1")
    text = window._dialog.text.toPlainText()
    assert all(term.title in text and term.line in text for term in glossary.terms().values())
    window._dialog.close()
