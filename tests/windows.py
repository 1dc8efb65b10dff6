"""What tests of the whole window share: a person's moves, and what the window shows."""

from conftest import ended
from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence, QTextDocument
from PySide6.QtWidgets import QFileDialog, QLineEdit

from app.core.run import Run
from vssm.models import registry

LEFT = Qt.MouseButton.LeftButton
LONG = 60000  # milliseconds; the machine may be busy


def exposed(qtbot, widget, width: int, height: int):
    """Show a widget by itself, of that size; returns it."""
    widget.resize(width, height)
    qtbot.addWidget(widget)
    with qtbot.waitExposed(widget):
        widget.show()
    return widget


def press(qtbot, window, keys: str) -> None:
    """Press a shortcut."""
    combination = QKeySequence(keys)[0]
    qtbot.keyClick(window, combination.key(), combination.keyboardModifiers())


def choose(qtbot, window, model: str) -> None:
    """Press the digit of a model."""
    press(qtbot, window, str(1 + list(registry.PRESETS).index(model)))


def complete(qtbot, window) -> Run:
    """Return, and wait for the end."""
    before = len(window.runs.history)
    press(qtbot, window, "Return")
    assert window.runs.running is not None or len(window.runs.history) > before
    qtbot.waitUntil(ended(window), timeout=LONG)
    return window.runs.history[-1]


def take(qtbot, window, number: int) -> None:
    """Click an example."""
    qtbot.mouseClick(window.sketch.thumbs[number], LEFT)


def type_in(qtbot, field, text: str) -> None:
    """Type into a spin box and leave it."""
    field.setFocus()
    field.selectAll()
    qtbot.keyClicks(field.findChild(QLineEdit), text)
    qtbot.keyClick(field.findChild(QLineEdit), Qt.Key.Key_Tab)


def button_of(action):
    """The button of an action."""
    return next(w for w in action.associatedObjects() if hasattr(w, "click"))


def model_button(window, name: str):
    """The button of the toolbar that chooses a model."""
    return button_of(window.actions_["choose_model", name])


def figure(window, name: str) -> str:
    return window.completion._figures[name].text()


def said(window) -> str:
    """The run card's heading."""
    return window.completion._model.text()


def plain(html: str) -> str:
    """Rich text as it reads."""
    document = QTextDocument()
    document.setHtml(html)
    return document.toPlainText().replace("\N{WORD JOINER}", "")


def accept(qtbot, window, path) -> None:
    """Choose a file in the dialog that is open, and turn to the window again."""
    dialog = window.findChild(QFileDialog)
    dialog.selectFile(str(path))
    qtbot.keyClick(dialog.findChild(QLineEdit), Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: window.findChild(QFileDialog) is None)
    with qtbot.waitActive(window):
        window.activateWindow()
