"""Shortcuts on keyboards without Latin letters, and with digits under Shift; by key events as systems send them."""

import string
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QApplication, QLineEdit
from windows import press

from app.ui import actions, keyboard
from app.ui.keyboard import character
from vssm.models import registry

US = "1234567890-=qwertyuiop[]asdfghjkl;'zxcvbnm,./"
LAYOUTS = {  # what stands where these stand on a US keyboard
    "Russian": "1234567890-=йцукенгшщзхъфывапролджэячсмитьбю.",
    "Ukrainian": "1234567890-=йцукенгшщзхїфівапролджєячсмитьбю.",
    "Greek": "1234567890-=;ςερτυθιοπ[]ασδφγηξκλ΄'ζχψωβνμ,./",
    "Hebrew": "1234567890-=/'קראטוןםפ][שדגכעיחלךף,זסבהנמצתץ.",
    "Arabic": "1234567890-=ضصثقفغعهخحجدشسيبلاتنمكطئءؤرىةوزظ؟",
    "French": "&é\"'(-è_çà)=azertyuiop^$qsdfghjklmùwxcvbn,;:!",
}
CODE = {there: code for code, there in keyboard.X11.items()}
PLAIN = Qt.KeyboardModifier.NoModifier


def send(widget, text: str, place: str, modifiers=PLAIN, repeat: bool = False) -> None:
    """Press the key that stands where `place` does on a US keyboard, and types this text."""
    key = ord(text.upper()) if len(text.upper()) == 1 else ord(text)
    windows = next(code for code, there in keyboard.WINDOWS.items() if there == place)
    mac = next(code for code, there in keyboard.MACOS.items() if there == place)
    virtual = {"win32": windows, "darwin": mac}.get(sys.platform, 0)
    event = QKeyEvent(QEvent.Type.KeyPress, key, modifiers, CODE[place], virtual, 0, text, repeat)
    QApplication.sendEvent(widget, event)


@pytest.fixture
def window(bare, qtbot):
    bare.activateWindow()
    bare.canvas.setFocus()
    qtbot.waitUntil(bare.canvas.hasFocus)
    press(qtbot, bare, "B")
    press(qtbot, bare, "1")
    return bare


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "French"])
def test_letters_by_their_place(window, layout):
    """Every tool has a letter, and so has much else, with Shift and Ctrl, too."""
    typed = dict(zip(US, LAYOUTS[layout], strict=True))
    for tool, _, key, _ in actions.TOOLS[:1] + actions.TOOLS[3:]:
        send(window.canvas, typed[key.lower()], key.lower())
        assert window.canvas.tool == tool
    for shortcut, action in (("v", "show_race"), ("l", "set_live"), ("d", "show_spread"), ("t", "show_scaling")):
        before = window.actions_[action].isChecked()
        send(window.canvas, typed[shortcut], shortcut)
        send(window.canvas, typed[shortcut], shortcut, repeat=True)  # as it is held
        assert window.actions_[action].isChecked() != before
        send(window.canvas, typed[shortcut], shortcut)
        assert window.actions_[action].isChecked() == before
    send(window.canvas, typed["a"], "a", Qt.KeyboardModifier.ControlModifier)
    assert window.canvas.sketch.known.all()
    send(window.canvas, typed["z"], "z", Qt.KeyboardModifier.ControlModifier)
    assert not window.canvas.sketch.known.all()
    both = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    send(window.canvas, typed["z"], "z", both)
    assert window.canvas.sketch.known.all()
    send(window.canvas, typed["z"], "z", Qt.KeyboardModifier.ControlModifier)
    send(window.canvas, typed["t"], "t", Qt.KeyboardModifier.ShiftModifier)
    assert window.actions_["show_times"].isChecked()
    send(window.canvas, typed["t"], "t", Qt.KeyboardModifier.ShiftModifier)
    if window.actions_["show_race"].isChecked():
        send(window.canvas, typed["v"], "v")


def test_a_latin_letter_that_shift_types_on_a_hebrew_keyboard(window):
    """Qt would look for the shortcut without Shift, so it is kept from looking, and gets a press that it takes as it
    is."""
    control, shift = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
    send(window.canvas, "ש", "a", control)
    send(window.canvas, "ז", "z", control)
    assert not window.canvas.sketch.known.all()
    for key, taken in ((Qt.Key.Key_Z, True), (Qt.Key.Key_Q, False)):  # the latter is nobody's shortcut
        look = QKeyEvent(QEvent.Type.ShortcutOverride, key, control | shift, CODE[chr(key).lower()], 0, 0, "")
        look.ignore()
        QApplication.sendEvent(window.canvas, look)
        assert look.isAccepted() == taken
    send(window.canvas, "Z", "z", control | shift)
    assert window.canvas.sketch.known.all()
    send(window.canvas, "ז", "z", control)


def test_digits_of_a_french_keyboard(window):
    typed = dict(zip(US, LAYOUTS["French"], strict=True))
    for number, name in enumerate(registry.PRESETS, 1):
        send(window.canvas, typed[str(number)], str(number))
        assert window.workspace.model == name
    send(window.canvas, typed["2"], "2", Qt.KeyboardModifier.ControlModifier)
    assert window.workspace.data.name == "cifar10"
    ink = window.workspace.dataset_settings.ink
    send(window.canvas, typed["."], ".")  # ":" is no shortcut, so the place counts
    assert window.workspace.dataset_settings.ink != ink
    send(window.canvas, typed["1"], "1", Qt.KeyboardModifier.ControlModifier)
    assert window.workspace.data.name == "mnist"
    send(window.canvas, typed["q"], "q")  # a Latin letter is what it says: "a", and that is no shortcut
    send(window.canvas, typed[","], ",")  # ";" stands there
    assert window.canvas.tool == "brush"
    send(window.canvas, "e", "e")
    assert window.canvas.tool == "eraser"


def test_a_field_has_its_text_and_its_own_shortcuts(window, qtbot):
    window.bar.seed.setFocus()
    field = window.bar.seed.findChild(QLineEdit)
    window.bar.seed.selectAll()
    before = window.bar.seed.value()
    qtbot.keyClicks(field, "77")
    send(window.bar.seed, "у", "e")  # is refused with its number, and does not choose the eraser
    assert window.canvas.tool == "brush" and window.bar.seed.text() == "77у" and window.bar.seed.value() == before
    window.canvas.change("known", window.canvas.sketch.set_known, window.canvas.sketch.known | True)
    send(window.bar.seed, "я", "z", Qt.KeyboardModifier.ControlModifier)
    assert window.bar.seed.value() == before and window.canvas.sketch.known.all()  # the field's own undo
    window.canvas.setFocus()
    send(window.canvas, "я", "z", Qt.KeyboardModifier.ControlModifier)
    assert not window.canvas.sketch.known.all()


def test_lists_and_floating_panels_let_shortcuts_through(window, qtbot):
    dock = window.docks.docks["timing"]
    dock.setFloating(True)
    send(window.timing.plot, "у", "e")
    assert window.canvas.tool == "eraser"
    dock.setFloating(False)
    window.race.speed.setFocus()
    send(window.race.speed, "л", "k")
    assert window.canvas.tool == "known"


def test_the_same_places_on_every_system():
    for table in (keyboard.X11, keyboard.WINDOWS, keyboard.MACOS):
        assert sorted(table.values()) == sorted(set(table.values())) and set(US) <= set(table.values())
    assert character(56, 0, "linux") == "b" and character(10, 0, "linux") == "1"
    assert character(48, ord("B"), "win32") == "b" and character(2, ord("1"), "win32") == "1"
    assert character(1, 0, "darwin") == "a" and character(1, 11, "darwin") == "b" and character(0, 0, "darwin") == ""


@given(st.integers(-1, 2**31), st.integers(-1, 2**31), st.sampled_from(["linux", "win32", "darwin", "freebsd14"]))
def test_any_code_is_a_place_or_none(scan, virtual, platform):
    there = character(scan, virtual, platform)
    assert there == "" or there in string.ascii_lowercase + string.digits + string.punctuation
