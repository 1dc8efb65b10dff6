"""Whatever a person does, in whatever order: nothing raises, Qt warns of nothing, and what is there can be saved and
comes back. By seed: a failure names it, and its moves are in the report. `--fuzz-long` does many more, new ones."""

import json
import random
import secrets
from collections.abc import Callable

import fuzzing
import pytest
from conftest import at, opened
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QCheckBox, QComboBox, QDialog, QSlider, QToolButton
from windows import LONG

from app.core import history, session
from app.core.job import State
from vssm import checkpoint, data

FEW, MOVES = 1, 100
MANY, MORE = 40, 600
SEEDS = [secrets.randbelow(10**9) for _ in range(MANY)] if fuzzing.LONG else list(range(1, FEW + 1))
LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
KEYS = (
    *(Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Space, Qt.Key.Key_Return),
    *(Qt.Key.Key_Delete, Qt.Key.Key_Backspace, Qt.Key.Key_Tab, Qt.Key.Key_Backtab, Qt.Key.Key_Home, Qt.Key.Key_End),
    *(Qt.Key.Key_Escape, Qt.Key.Key_Plus, Qt.Key.Key_Minus, Qt.Key.Key_1, Qt.Key.Key_9, Qt.Key.Key_E, Qt.Key.Key_V),
)
HELD = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier
OTHERS = {"close"}  # ends the program, which is done last


@pytest.fixture
def folder(tmp_path):
    """The weights of a quick model for each data set, and of a slow one."""
    made = tmp_path / "weights"
    made.mkdir()
    for name, dataset in (("vssm", "mnist"), ("transformer", "mnist"), ("vssm", "cifar10")):
        path = checkpoint.shipped(name, dataset)
        (made / path.name).symlink_to(path)
    return made


class Hand:
    """Does something at random in a window, and says what."""

    def __init__(self, window, chance: random.Random):
        self.window, self.chance = window, chance
        self.done: list[str] = []
        self.pressed = False  # a button on the canvas

    def move(self) -> None:
        if popup := QApplication.activePopupWidget():
            self.do("close a list", popup.close)
        elif dialog := QApplication.activeModalWidget():
            self.answer(dialog)
        else:
            moves = {self.shortcut: 6, self.action: 4, self.stroke: 4, self.key: 4, self.click: 3, self.press: 1}
            moves |= {self.wait: 4, self.resize: 0.3, self.leave_pages: 1}
            self.chance.choices(list(moves), list(moves.values()))[0]()

    def do(self, words: str, what: Callable, *given) -> None:
        self.done.append(words)
        what(*given)

    def answer(self, dialog) -> None:
        """A dialog: some keys, and it is given up."""
        if self.chance.random() < 0.5:
            key = self.chance.choice([k for k in KEYS if k not in (Qt.Key.Key_Return, Qt.Key.Key_Space)])
            self.do(f"{key} in a dialog", QTest.keyClick, QApplication.focusWidget() or dialog, key)
        elif isinstance(dialog, QDialog):
            self.do(f"give up {dialog.windowTitle()!r}", dialog.reject)

    def any_action(self):
        specs = [spec for spec in self.window.actions_.specs if spec.name not in OTHERS]
        return self.chance.choice(specs)

    def shortcut(self) -> None:
        spec = self.any_action()
        for text in spec.keys[:1]:
            combination = QKeySequence(text)[0]
            focus = QApplication.focusWidget() or self.window
            held = combination.keyboardModifiers()
            self.do(f"{text} ({spec.name} {spec.value})", QTest.keyClick, focus, combination.key(), held)

    def action(self) -> None:
        spec = self.any_action()
        action = self.window.actions_[spec.key]
        if action.isEnabled() and action.isVisible():
            self.do(f"menu: {spec.name} {spec.value}", action.trigger)

    def key(self) -> None:
        key, held = self.chance.choice(KEYS), self.chance.choice(HELD)
        focus = QApplication.focusWidget() or self.window
        self.do(f"{key} {held} on {focus.accessibleName()!r}", QTest.keyClick, focus, key, held)

    def places(self, count: int) -> list[QPoint]:
        canvas = self.window.canvas
        side = canvas.sketch.pixels.shape[0]
        return [at(canvas, self.chance.randrange(side), self.chance.randrange(side)) for _ in range(count)]

    def stroke(self) -> None:
        canvas = self.window.canvas
        if not canvas.isVisible() or canvas.visibleRegion().isEmpty():
            return
        first, *others, last = self.places(self.chance.randint(2, 6))
        button = self.chance.choice((LEFT, LEFT, RIGHT))
        self.do(f"a stroke with {button}", QTest.mousePress, canvas, button, HELD[0], first)
        for place in others:
            QTest.mouseMove(canvas, place)
        QTest.mouseRelease(canvas, button, HELD[0], last)

    def press(self) -> None:
        """A button, let go only at some later time."""
        how, words = (QTest.mouseRelease, "let go") if self.pressed else (QTest.mousePress, "press")
        self.pressed = not self.pressed
        self.do(words, how, self.window.canvas, LEFT, HELD[0], *self.places(1))

    def click(self) -> None:
        found = [w for kind in (QToolButton, QCheckBox, QComboBox, QSlider) for w in self.window.findChildren(kind)]
        found = [w for w in found if w.isVisible() and w.isEnabled() and not (isinstance(w, QToolButton) and w.menu())]
        found = [w for w in found if w.visibleRegion().contains(w.rect().center())]
        if found:
            one = self.chance.choice(found)
            self.do(f"click {one.accessibleName()!r}", QTest.mouseClick, one, LEFT, HELD[0], one.rect().center())

    def wait(self) -> None:
        milliseconds = self.chance.choice((0, 1, 10, 60))
        self.do(f"wait {milliseconds} ms", QTest.qWait, milliseconds)

    def resize(self) -> None:
        w, h = self.chance.randint(1000, 1600), self.chance.randint(600, 900)
        self.do(f"{w} × {h}", self.window.resize, w, h)

    def leave_pages(self) -> None:
        for page in self.window.findChildren(QDialog):
            if page.isVisible():
                self.do("close a page", page.close)


def check(window) -> None:
    """What holds at any time."""
    kept = window.session()
    assert session.Session.from_dict(json.loads(session.text(kept))) == kept
    for name in data.DATA_SETS:
        here = [run for run in window.runs.history if run.data == name]
        finished = [run for run in here if run.finished]
        assert len(finished) <= history.MOST + 1  # the last one has just come in
        assert len(here) - len(finished) <= len({run.model for run in here}) + 1
    shown, running = window.runs.selected_run, window.runs.running
    assert shown is None or shown.data == window.workspace.data.name
    assert shown is None or shown in window.runs.history or shown is running or shown.ended
    assert running is None or not running.ended
    assert window.actions_["stop"].isEnabled() or window.jobs.state in (State.IDLE, State.STOPPING)
    assert window.canvas.sketch is window.workspace.dataset_settings.sketch
    assert window.completion.run is shown or running is not None


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_is_done(seed, qtbot, tmp_path, folder, clipboard, no_threads_left):
    state, chance = tmp_path / "session.json", random.Random(seed)
    for window in opened(qtbot, state, folder):
        hand = Hand(window, chance)
        try:
            for _ in range(MORE if fuzzing.LONG else MOVES):
                hand.move()
                check(window)
            while (dialog := QApplication.activeModalWidget()) is not None:
                dialog.close()
            window.activateWindow()
            window.stop()
            qtbot.waitUntil(
                lambda w=window: w.jobs.current is None and not w.runs._later.isActive(),
                timeout=LONG,
            )
            check(window)
            assert all(run.has_pixels and (run.ended or run.finished) for run in window.runs.history)
            left = window.session()
        except BaseException:
            print(f"seed {seed}:", *hand.done[-40:], sep="\n")
            raise
        window.close()
        assert session.load(state) == left
    for window in opened(qtbot, state, folder):
        assert window.session().to_dict() == left.to_dict()  # which says what differs
