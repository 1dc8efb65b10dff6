"""Habits of the whole window: pages, focus, names, contrast, words."""

import csv
import itertools
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QEvent, QPoint, QRect, QSize, Qt
from PySide6.QtGui import QColor, QGuiApplication, QHelpEvent, QImage
from PySide6.QtWidgets import QApplication, QCheckBox, QLabel, QToolButton, QToolTip
from windows import plain, press

from app.ui import actions, theme
from app.ui.help import glossary
from app.ui.panels import timing
from app.ui.widgets.card import button_of
from app.ui.widgets.race_card import TINTS
from vssm.models import registry


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
    _, *gestures = csv.reader(actions.GESTURES.read_text("utf-8").splitlines())
    assert len(gestures) > 20 and all(f"{keys}: {what}" in text for _, keys, what in gestures)


# --- terms


def tip_of(widget) -> str:
    """What pointing at it shows."""
    QToolTip.hideText()
    QApplication.sendEvent(widget, QHelpEvent(QEvent.Type.ToolTip, QPoint(3, 3), widget.mapToGlobal(QPoint(3, 3))))
    return QToolTip.text()


def test_pointing_at_a_term_explains_it_with_a_picture(window, qtbot):
    terms = glossary.terms()
    before = window.bar.temperature.toolTip()
    for colours in ("light", "dark"):
        window.actions_["choose_theme", colours].trigger()
        said = tip_of(window.bar.temperature)
        assert before in plain(said) and terms["temperature"].line in plain(said)
        assert glossary.tag(terms["temperature"]) in said
    for name, widget in (
        ("seed", window.bar.seed),
        ("partial", window.sketch.name),
        ("latent", window.latents.name),
        ("call", window.completion.figure("calls")[1]),
        ("cache", button_of(window.actions_["choose_model", "transformer"])),
        ("bound", window.status),
    ):
        assert terms[name].line in plain(tip_of(widget))
    assert button_of(window.actions_["choose_model", "vssm"]).toolTip().split("\n")[0] in plain(tip_of(
        button_of(window.actions_["choose_model", "vssm"])))  # fmt: skip


@pytest.mark.parametrize("colours", [theme.LIGHT, theme.DARK], ids=["light", "dark"])
def test_every_term_has_a_picture_of_its_own(qapp, monkeypatch, colours):
    monkeypatch.setattr(theme, "now", colours)
    seen = set()
    for term in glossary.terms().values():
        image = glossary.image(term)
        assert image.width() == 2 * glossary.WIDE
        places = itertools.product(range(0, image.width(), 3), range(0, image.height(), 3))
        assert len({image.pixelColor(*place).name() for place in places}) >= 3, term.title
        seen.add(glossary.tag(term))
    assert len(seen) == len(glossary.terms())


def test_every_file_of_the_glossary_is_a_term_with_words():
    terms = glossary.terms()
    assert len(terms) == len(list(glossary.FOLDER.iterdir()))
    assert all(term.title and term.line for term in terms.values())
    assert {*glossary.VIEWS.values(), *glossary.MODELS.values()} <= terms.keys()


def test_the_glossary_is_a_page_of_all_terms(window, qtbot):
    press(qtbot, window, "Shift+F1")
    text = window._dialog.text.toPlainText()
    assert all(term.title in text and term.line in text for term in glossary.terms().values())
    window._dialog.close()


# --- colours


def luminance(colour: QColor) -> float:
    parts = np.array(colour.getRgbF()[:3])
    return float(np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722])


def contrast(a: str, b: str) -> float:
    """By WCAG."""
    light, dark = sorted((luminance(QColor(a)), luminance(QColor(b))), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("t", [theme.LIGHT, theme.DARK], ids=["light", "dark"])
def test_every_pair_of_colours_has_contrast_enough(t):
    grounds = t.window, t.card, t.raised
    for text, ground in (
        *itertools.product((t.text, t.muted, t.accent, *t.models), grounds),
        (t.on_accent, t.accent),
        (t.on_accent, t.muted),  # the primary button, pressed
        (t.text, t.line),  # any other
        (t.on_error, t.error),
        (t.on_note, t.note),
    ):
        assert contrast(text, ground) >= 4.5, (text, ground)
    for part, ground in (  # focus rings, the ends of maps, curves
        *itertools.product((t.accent, t.low, t.high, *t.models), grounds),
        (t.accent, t.error),
        (t.accent, t.note),
        *((tint, "black") for tint in TINTS.values()),
    ):
        assert contrast(part, ground) >= 3, (part, ground)


def seen(pixels: np.ndarray) -> float:
    """The contrast of what is written to its ground, the commonest colour, as it is painted."""
    colours, counts = np.unique(pixels.reshape(-1, 3), axis=0, return_counts=True)
    names = [QColor(*map(int, c)).name() for c in colours]
    ground = names[counts.argmax()]
    return max(contrast(name, ground) for name in names)


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_all_that_is_written_can_be_read(window, qtbot, colours):
    """As it is painted, in the window with messages and the tour."""
    window.actions_["choose_theme", colours].trigger()
    window.messages.say("wrong", details="cause")
    window.messages.say("saved", "note")
    window.tour.begin()
    image = window.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    pixels = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.width(), 4)[..., 2::-1]
    read = 0
    for one in itertools.chain(*map(window.findChildren, (QLabel, QToolButton, QCheckBox))):
        where = QRect(one.mapTo(window, QPoint()), one.size()).adjusted(3, 2, -3, -2)
        if one.isVisible() and one.isEnabled() and one.text() and window.childAt(where.center()) is one:
            inside = pixels[where.top() : where.bottom() + 1, where.left() : where.right() + 1]
            assert seen(inside) >= 4.5, one.text()
            read += 1
    window.tour.leave()
    assert read > 40


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_a_box_can_be_seen_with_a_tick_and_without(window, colours):
    window.actions_["choose_theme", colours].trigger()
    box = window.timing.log
    for _ in range(2):
        box.toggle()
        where = QRect(box.mapTo(window, QPoint()), QSize(16, box.height()))
        image = window.grab(where).toImage().convertToFormat(QImage.Format.Format_RGB32)
        pixels = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.width(), 4)[..., 2::-1]
        assert seen(pixels) >= 3


def test_the_window_follows_the_system_live(window, monkeypatch):
    window.actions_["choose_theme", "system"].trigger()
    hints = QGuiApplication.styleHints()
    for scheme, dark in ((Qt.ColorScheme.Dark, True), (Qt.ColorScheme.Light, False)):
        told = SimpleNamespace(colorScheme=lambda scheme=scheme: scheme)  # the offscreen desktop has no scheme
        monkeypatch.setattr(theme, "QGuiApplication", SimpleNamespace(styleHints=lambda told=told: told))
        hints.colorSchemeChanged.emit(scheme)
        t = theme.DARK if dark else theme.LIGHT
        assert theme.now is t
        assert window.timing.plot.backgroundBrush().color() == QColor(t.card)
        assert window.grab().toImage().pixelColor(window.docks.mapTo(window, QPoint(4, 4))) == QColor(t.window)


def test_models_differ_in_dash_and_marker_too():
    names = list(registry.PRESETS)
    assert len({timing.STYLES[theme.place(name) % len(timing.STYLES)] for name in names}) == len(names)
    assert len({theme.symbol(name) for name in names}) == len(names)


SHARP = """
import sys
from pathlib import Path
from PySide6.QtWidgets import QApplication
from app import application
from app.ui.main_window import Window
app = application.prepare(QApplication([]))
window = Window(Path(sys.argv[1]) / "session.json", Path(sys.argv[1]))
window.resize(1280, 760)
window.show()
app.processEvents()
window.grab().save(sys.argv[1] + "/window.png")
window.close()
"""


def test_a_screen_of_twice_the_density_is_sharp(tmp_path):
    """Letters and the pictures have detail within what would be one pixel elsewhere."""
    surroundings = {**os.environ, "QT_SCALE_FACTOR": "2", "QT_QPA_PLATFORM": "offscreen", "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", SHARP, tmp_path], env=surroundings, check=True, timeout=100)
    with Image.open(tmp_path / "window.png") as picture:
        assert picture.size == (2560, 1520)
        pixels = np.asarray(picture.convert("L"), int)
    within = np.abs(pixels[:, ::2] - pixels[:, 1::2]) > 60
    for part in (np.s_[:200], np.s_[200:300], np.s_[300:1440, 820:], np.s_[1460:]):  # bar, titles, panels, status
        assert within[part].sum() > 40


# --- keys


def walk(qtbot, window, key=Qt.Key.Key_Tab) -> list:
    """All that Tab comes to, from the sketch until it comes there again."""
    window.canvas.setFocus()
    found = [window.canvas]
    for _ in range(150):
        qtbot.keyClick(QApplication.focusWidget(), key)
        if QApplication.focusWidget() is window.canvas:
            return found
        assert QApplication.focusWidget() not in found, "Tab goes in a circle"
        found.append(QApplication.focusWidget())
    raise AssertionError("Tab never comes back")


@pytest.mark.parametrize("key", ["Ctrl+1", "Ctrl+2", "V"])
def test_tab_goes_through_the_window_as_one_reads(window, qtbot, key):
    """Whatever is shown; and all it stops at has a name."""
    press(qtbot, window, key)
    window.messages.clear()
    window.messages.say("wrong")
    stops = walk(qtbot, window)
    assert stops[1:] == walk(qtbot, window, Qt.Key.Key_Backtab)[:0:-1]
    for one in stops:
        assert one.accessibleName() or (isinstance(one, QCheckBox) and one.text()), one
    seen = (one for one in window.findChildren(QToolButton) if not one.visibleRegion().isEmpty())  # not behind others
    able = {one for one in seen if one.isEnabled()}
    assert {one for one in able if one.focusPolicy() & Qt.FocusPolicy.TabFocus} <= set(stops)
    places = [one.mapTo(window, QPoint()) for one in stops]
    first = next(i for i, one in enumerate(stops) if not window.docks.isAncestorOf(one) and i > 0)  # messages, then bar
    columns = [place.x() > window.sketch.mapTo(window, window.sketch.rect().topRight()).x() for place in places[:first]]
    assert columns == sorted(columns)  # the sketch, then what is to its right
    assert stops[first].accessibleName() == "wrong"
    if key == "V":
        press(qtbot, window, "V")
    press(qtbot, window, "Ctrl+1")


def test_every_action_is_in_a_menu(window):
    def within(menu):
        for action in menu.actions():
            yield action
            if action.menu():
                yield from within(action.menu())

    reachable = set(within(window.menuBar()))
    assert all(window.actions_[spec.key] in reachable for spec in window.actions_.specs)
