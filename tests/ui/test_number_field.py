"""Numbers are what was meant, in whatever way they are written, typed or pasted, wherever the program runs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QEvent, QLocale, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QApplication, QDoubleSpinBox, QLineEdit, QSpinBox, QStyle, QStyleOptionSpinBox
from windows import button_of, press

from app.ui.widgets import toast
from app.ui.widgets.number_field import DecimalField, WholeField, read

LOCALES = ["en_US", "de_DE", "fr_FR", "ar_EG", "he_IL"]


@pytest.fixture(params=LOCALES)
def locale(request):
    before = QLocale()
    QLocale.setDefault(QLocale(request.param))
    yield QLocale()
    QLocale.setDefault(before)


@pytest.fixture
def decimal(locale, qtbot):
    """As the temperature."""
    made = DecimalField()
    made.setRange(0, 2)
    made.setValue(1)
    qtbot.addWidget(made)
    made.show()
    return made


@pytest.fixture
def whole(locale, qtbot):
    made = WholeField()
    made.setRange(1, 64)
    made.setValue(7)
    qtbot.addWidget(made)
    made.show()
    return made


def type_in(qtbot, field, text: str) -> float:
    field.setFocus()
    field.selectAll()
    for sign in text:
        QApplication.sendEvent(field, QKeyEvent(QEvent.Type.KeyPress, 0, Qt.KeyboardModifier.NoModifier, sign))
    qtbot.keyClick(field, Qt.Key.Key_Return)
    return field.value()


def paste(qtbot, field, text: str, clipboard) -> float:
    field.setFocus()
    field.selectAll()
    clipboard.setText(text)
    qtbot.keyClick(field, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    qtbot.keyClick(field, Qt.Key.Key_Return)
    return field.value()


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.5", 0.5), ("0,5", 0.5), ("0 .5", 0.5), ("0 , 5", 0.5), (".5", 0.5), (",25", 0.25), ("1", 1),
     ("1.", 1), ("2,00", 2), ("٠٫٥", 0.5), ("०.५", 0.5), ("0.125", 0.12), ("0", 0)],
)  # fmt: skip
def test_a_decimal_is_taken_as_it_is_written(decimal, qtbot, clipboard, text, value):
    assert type_in(qtbot, decimal, text) == value
    decimal.setValue(1.7)
    assert paste(qtbot, decimal, text, clipboard) == value
    decimal.setValue(1.7)
    assert paste(qtbot, decimal, f"\u200f {text}\u00a0\n", clipboard) == value


def changes_nothing(qtbot, field, text: str, clipboard) -> None:
    """Typed or pasted, the number is as before, also while the text is still there; a sentence says so."""
    before, said = field.value(), []
    field.refused.connect(said.append)
    assert type_in(qtbot, field, text) == before
    assert paste(qtbot, field, text, clipboard) == before
    assert len(said) == (2 if text else 0) and all(f"“{text}”" in one for one in said)
    field.setFocus()
    field.selectAll()
    for sign in text:
        QApplication.sendEvent(field, QKeyEvent(QEvent.Type.KeyPress, 0, Qt.KeyboardModifier.NoModifier, sign))
    assert field.value() == before and field.lineEdit().text() == (text or field.text())
    field.clearFocus()


@pytest.mark.parametrize(
    "text", ["x", "-1", "1e5", "1e-1", "3", "25", "2.5", "1.2.3", "1,2,3", "nan", "inf", "1/2", "0x1", ".", "٫", ""]
)
def test_what_is_no_such_number_changes_nothing(decimal, qtbot, clipboard, text):
    decimal.setValue(1.7)
    changes_nothing(qtbot, decimal, text, clipboard)


@pytest.mark.parametrize(
    ("text", "value"), [("4", 4), ("4.0", 4), ("4,0", 4), ("12.", 12), ("٤", 4), ("64", 64), ("064", 64)]
)
def test_a_whole_number_is_not_ten_times_as_large(whole, qtbot, clipboard, text, value):
    assert type_in(qtbot, whole, text) == value
    whole.setValue(7)
    assert paste(qtbot, whole, f" {text} ", clipboard) == value


@pytest.mark.parametrize(
    "text",
    ["65", "640", "-4", "x", "0", "4 0", "0,5", ".5", "12,7", "2.5", "1e-1", "1e1", "5-", "1/2", "1,2", "٦٥", ""],
)
def test_what_is_no_such_whole_number_changes_nothing(whole, qtbot, clipboard, text):
    changes_nothing(qtbot, whole, text, clipboard)


def test_after_a_refused_number_the_next_is_taken(whole, qtbot):
    assert type_in(qtbot, whole, "650") == 7
    assert type_in(qtbot, whole, "12") == 12
    assert type_in(qtbot, whole, "1e") == 12
    whole.setFocus()
    whole.selectAll()
    qtbot.keyClicks(whole, "99")
    for value in (12, 13):  # the first ends the typing
        qtbot.keyClick(whole, Qt.Key.Key_Up)
        assert whole.value() == value


@pytest.mark.parametrize("text", ["1,234,567", "1.234.567", "1 234 567", "1'234'567", "1\u202f234\u202f567", "1234567"])
def test_thousands_may_be_set_apart_in_a_seed(locale, qtbot, clipboard, text):
    seed = WholeField()
    seed.setRange(0, 2**31 - 1)
    qtbot.addWidget(seed)
    seed.show()
    assert paste(qtbot, seed, text, clipboard) == 1234567
    seed.setValue(5)
    assert type_in(qtbot, seed, text) == 1234567


def test_a_least_value_with_a_name_stays(qtbot, locale):
    field = WholeField()
    field.setRange(0, 9)
    field.setSpecialValueText("strongest")
    qtbot.addWidget(field)
    field.show()
    field.setFocus()
    assert field.text() == "strongest" and field.value() == 0
    qtbot.keyClick(field, Qt.Key.Key_Up)
    assert field.value() == 1
    assert type_in(qtbot, field, "4") == 4
    qtbot.keyClick(field, Qt.Key.Key_Down)
    assert field.value() == 3
    field.setValue(0)
    qtbot.keyClick(field, Qt.Key.Key_End)
    qtbot.keyClick(field.findChild(QLineEdit), Qt.Key.Key_Backspace)
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert field.text() == "strongest" and field.value() == 0


def test_keys_do_what_they_say_after_a_click_in_a_field(bare, qtbot):
    """All but those that type, and these too once Enter has ended the typing or the arrows were clicked."""
    bare.activateWindow()
    qtbot.waitUntil(bare.isActiveWindow)
    press(qtbot, bare, "1")
    field = bare.bar.samples
    field.setValue(3)
    option = QStyleOptionSpinBox()
    field.initStyleOption(option)
    style, up = field.style(), QStyle.SubControl.SC_SpinBoxUp
    arrow = style.subControlRect(QStyle.ComplexControl.CC_SpinBox, option, up, field)
    qtbot.mouseClick(field, Qt.MouseButton.LeftButton, pos=arrow.center())
    assert field.value() == 4 and not field.hasFocus()
    qtbot.mouseClick(field.lineEdit(), Qt.MouseButton.LeftButton)
    assert field.hasFocus()
    races, live = [], bare.actions_["set_live"].isChecked()
    bare.actions_["start_race"].triggered.connect(lambda: races.append(1))
    qtbot.keyClick(field, "R", Qt.KeyboardModifier.ShiftModifier)
    qtbot.keyClick(field, "l")
    assert len(races) == 1 and bare.actions_["set_live"].isChecked() != live and field.hasFocus()
    qtbot.keyClick(field, "l")
    field.selectAll()
    qtbot.keyClick(field, "2")
    assert field.value() == 2 and bare.workspace.model == "vssm"
    asked = []
    bare.actions_["complete"].triggered.connect(lambda: asked.append(1))
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert len(asked) == 1 and not field.hasFocus()
    qtbot.keyClick(QApplication.focusWidget() or bare, "2")
    assert field.value() == 2 and bare.workspace.model == "transformer"
    press(qtbot, bare, "1")
    press(qtbot, bare, "Escape")


def test_letters_among_the_digits_are_typing(bare, qtbot):
    bare.messages.clear()
    bare.activateWindow()
    qtbot.waitUntil(bare.isActiveWindow)
    seed, live, races = bare.bar.seed, bare.actions_["set_live"].isChecked(), []
    bare.actions_["start_race"].triggered.connect(lambda: races.append(1))
    before = seed.value()
    qtbot.mouseClick(seed.lineEdit(), Qt.MouseButton.LeftButton)
    seed.selectAll()
    qtbot.keyClicks(seed, "7l8")
    assert seed.text() == "7l8" and seed.value() == before and bare.actions_["set_live"].isChecked() == live
    qtbot.keyClick(seed, "R", Qt.KeyboardModifier.ShiftModifier)  # asks for something, which ends the typing
    assert len(races) == 1
    assert any("“7l8”" in one.text for one in bare.messages.toasts) and seed.text() == str(before)
    bare.messages.clear()


@pytest.mark.parametrize(("text", "seed"), [("5", 5), ("1e-1", 77)])
def test_what_is_typed_counts_for_whatever_is_clicked_next(bare, qtbot, text, seed):
    """Though a button takes no focus."""
    bar, keep = bare.bar, bare.actions_["set_keep_seed"]
    bar.show_seed(77)
    keep.setChecked(False)
    bare.activateWindow()
    qtbot.waitUntil(bare.isActiveWindow)
    qtbot.mouseClick(bar.seed.lineEdit(), Qt.MouseButton.LeftButton)
    bar.seed.selectAll()
    qtbot.keyClicks(bar.seed, text)
    asked = []
    bare.actions_["complete"].triggered.connect(lambda: asked.append(bar.settings().seed))
    qtbot.mouseClick(button_of(bare.actions_["complete"]), Qt.MouseButton.LeftButton)
    assert bar.settings().seed == seed and bar.seed.text() == str(seed) and asked == [seed]
    assert keep.isChecked() == (seed == 5) and any("“1e-1”" in one.text for one in bare.messages.toasts) == (seed == 77)
    press(qtbot, bare, "Escape")
    bare.messages.clear()


def mistype(qtbot, field) -> None:
    """What is no number, by the keys; the field is left."""
    qtbot.mouseClick(field.lineEdit(), Qt.MouseButton.LeftButton)
    field.selectAll()
    qtbot.keyClicks(field, "1e")
    qtbot.keyClick(field, Qt.Key.Key_Tab)


def test_what_is_said_of_a_slip_goes_once_the_field_is_changed(bare, qtbot):
    bare.messages.clear()
    bare.activateWindow()
    qtbot.waitUntil(bare.isActiveWindow)
    bar, toasts = bare.bar, bare.messages.toasts
    for field in (bar.seed, bar.samples):
        mistype(qtbot, field)
    assert [one.text.partition(" ")[0] for one in toasts] == ["Seed", "Samples"]
    assert not any(hasattr(one, "copy") for one in toasts)  # nothing has failed that could be reported
    bare.messages.supersede()
    assert len(toasts) == 2  # though Enter asks for a completion, too
    qtbot.mouseClick(bar.seed.lineEdit(), Qt.MouseButton.LeftButton)
    bar.seed.selectAll()
    qtbot.keyClick(bar.seed, "4")
    assert [one.text.partition(" ")[0] for one in toasts] == ["Samples"]
    qtbot.keyClick(bar.samples, Qt.Key.Key_Up)
    assert not toasts
    bare.actions_["set_keep_seed"].setChecked(False)


def test_what_is_said_of_a_slip_goes_by_itself(bare, qtbot, monkeypatch):
    monkeypatch.setattr(toast, "STAY", 30)
    bare.messages.clear()
    bare.activateWindow()
    qtbot.waitUntil(bare.isActiveWindow)
    mistype(qtbot, bare.bar.seed)
    assert "“1e”" in bare.messages.text
    qtbot.waitUntil(lambda: not bare.messages.toasts)


@given(st.floats(0, 1e6), st.sampled_from(LOCALES))
def test_every_number_that_a_locale_writes_is_read(number, name):
    locale = QLocale(name)
    locale.setNumberOptions(QLocale.NumberOption.OmitGroupSeparator)
    written = locale.toString(number, "f", 3)
    assert read(written) == pytest.approx(round(number, 3), abs=1e-9)
    assert read(locale.toString(int(number)), whole=True) == int(number)
    grouped = QLocale("de_DE").toString(int(number))
    assert read(grouped, whole=True) == int(number)


def test_every_field_of_the_window_is_one_of_these(bare):
    fields = [*bare.findChildren(QSpinBox), *bare.findChildren(QDoubleSpinBox)]
    assert len(fields) >= 6
    assert {type(one) for one in fields} == {DecimalField, WholeField}
    for field in fields:
        field.lineEdit().setText("1e-1")
        field.interpretText()
        assert "is a" in bare.messages.text and "“1e-1”" in bare.messages.text, field.accessibleName()
        bare.messages.clear()


@pytest.mark.parametrize("name", ["ar_EG.UTF-8", "he_IL.UTF-8", "fa_IR.UTF-8", "de_DE.UTF-8"])
def test_english_text_is_not_mirrored(name):
    code = """from PySide6.QtWidgets import QApplication, QWidget
from app import application
made = application.prepare(QApplication([]))
print(made.layoutDirection().name, QWidget().layoutDirection().name)"""
    root = Path(__file__).resolve().parents[2]
    given = {**os.environ, "LC_ALL": name, "LANG": name, "LANGUAGE": name, "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run([sys.executable, "-c", code], env=given, cwd=root, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["LeftToRight"] * 2, done.stderr
