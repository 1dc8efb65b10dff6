"""Messages over the corner: errors that stay, notes that go, details, reports; by mouse and keys."""

from importlib import metadata

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from windows import LEFT, press

import vssm
from app import application
from app.ui.widgets import card
from app.ui.widgets import toast as messages
from app.ui.widgets.toast import Toast


@pytest.fixture
def window(bare, qtbot):
    bare.resize(1280, 760)
    bare.messages.clear()
    bare.activateWindow()
    bare.canvas.setFocus()
    qtbot.waitUntil(bare.canvas.hasFocus)
    return bare


def said(window) -> list[str]:
    return [toast.text for toast in window.messages.findChildren(Toast) if toast.isVisible()]


def test_messages_stack_over_the_corner_and_move_nothing(window, qtbot):
    before = window.sketch.geometry(), window.docks.geometry()
    for text in ("one", "two", "three", "two", "four"):
        window.messages.say(text)
        assert window.messages.text == text
    assert said(window) == ["three", "two", "four"]
    qtbot.wait(1)
    assert (window.sketch.geometry(), window.docks.geometry()) == before
    for size in ((1000, 600), (1280, 760)):
        window.resize(*size)
        qtbot.wait(1)
        whole = window.messages.geometry()
        assert window.rect().adjusted(0, 300, 0, -window.statusBar().height()).contains(whole)
        assert whole.left() > window.sketch.mapTo(window, window.sketch.rect().topRight()).x()
        top = window.childAt(whole.center())
        assert window.messages.isAncestorOf(top)
    window.messages.add("two")
    assert said(window) == ["three", "two", "four"]
    window.messages.add("five")
    assert said(window) == ["two", "four", "five"]
    window.messages.clear()
    assert not window.messages.isVisible() and window.messages.text == ""


def test_errors_stay_and_notes_go_where_nobody_reads_them(window, qtbot, monkeypatch):
    monkeypatch.setattr(messages, "STAY", 30)
    window.messages.say("wrong")
    window.messages.say("Saved", "note")
    note = window.messages.toasts[-1]
    press(qtbot, window, "F8")
    assert note.hasFocus()
    with qtbot.waitSignal(note.end.timeout):  # somebody reads it
        pass
    assert said(window) == ["wrong", "Saved"]
    window.canvas.setFocus()
    qtbot.waitUntil(lambda: said(window) == ["wrong"])
    assert not window.messages.toasts[0].end.isActive()


def test_a_note_under_the_mouse_stays(window, qtbot, monkeypatch):
    monkeypatch.setattr(messages, "STAY", 30)
    window.messages.say("Saved", "note")
    note = window.messages.toasts[-1]
    QTest.mouseMove(window.windowHandle(), note.mapTo(window, QPoint(9, 9)))
    qtbot.waitUntil(note.underMouse)
    with qtbot.waitSignal(note.end.timeout):
        pass
    assert said(window) == ["Saved"]
    QTest.mouseMove(window.windowHandle(), QPoint(5, 5))
    qtbot.waitUntil(lambda: said(window) == [])


def test_keys_reach_and_close_messages_and_the_focus_comes_back(window, qtbot):
    window.messages.say("first")
    window.messages.say("second")
    press(qtbot, window, "F8")
    assert QApplication.focusWidget().accessibleName() == "second"
    qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Tab)
    assert QApplication.focusWidget().accessibleName() == "Copy report"
    qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Escape)
    assert said(window) == ["first"] and window.canvas.hasFocus()
    press(qtbot, window, "Shift+F8")
    assert said(window) == [] and window.canvas.hasFocus()
    window.messages.say("third")
    qtbot.mouseClick(window.messages.toasts[0].findChildren(type(window.messages.toasts[0].copy))[-1], LEFT)
    assert said(window) == []


def test_details_and_the_report(window, qtbot, clipboard):
    window.messages.say("plain")
    assert not hasattr(window.messages.toasts[0], "more")
    try:
        raise ArithmeticError("two and two are five")
    except ArithmeticError as error:
        application.told(window)(type(error), error, error.__traceback__)
    toast = window.messages.toasts[-1]
    assert toast.text == "Something went wrong in the program (ArithmeticError: two and two are five)."
    high = window.messages.height()
    assert not toast.cause.isVisible()
    qtbot.mouseClick(toast.more, LEFT)
    qtbot.waitUntil(lambda: window.messages.height() > high + 100)
    assert toast.cause.isVisible() and "test_details_and_the_report" in toast.cause.toPlainText()
    toast.copy.setFocus()
    qtbot.keyClick(toast.copy, Qt.Key.Key_Space)
    copied = QGuiApplication.clipboard().text()
    assert copied.startswith(toast.text) and "Traceback" in copied and "five" in copied
    for name, version in (("VSSM Sketchpad", vssm.__version__), ("torch", metadata.version("torch"))):
        assert f"{name}: {version}" in copied
    assert all(f"\n{name}: " in copied for name in ("Python", "PySide6", "Qt", "System"))


def test_a_refusal_has_no_report(window):
    window.messages.refuse("This model has no weights.")
    window.messages.say("The file is broken.")
    assert [hasattr(toast, "copy") for toast in window.messages.toasts] == [False, True]


def test_messages_are_told_to_screen_readers(window, monkeypatch):
    told = []
    monkeypatch.setattr(card.QAccessible, "updateAccessibility", told.append)
    window.messages.say("wrong")
    window.messages.say("done", "note")
    assert [event.message() for event in told] == ["wrong", "done"]
    polite = card.QAccessible.AnnouncementPoliteness
    assert [event.politeness() for event in told] == [polite.Assertive, polite.Polite]
