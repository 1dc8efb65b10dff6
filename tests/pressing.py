"""Presses shortcuts by a real keyboard whose layout is not Latin: `python pressing.py FOLDER LAYOUT A Q …`, with the
codes of two keys, on an X server. Fails by an AssertionError, or as Qt does."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from dragging import WAIT, Idle, Pointer, until
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app import application
from app.ui.main_window import Window

E, TWO = 26, 11  # codes of keys


def press(pointer: Pointer, true: Callable[[], bool], *words) -> None:
    """Until it is so: the window has to hear of the layout before."""
    end = time.monotonic() + WAIT
    while not true():
        assert time.monotonic() < end, words
        pointer.do(*words)
        QTest.qWait(50)


def control(code: int) -> tuple:
    return "keydown", "Control_L", "key", code, "keyup", "Control_L"


def main(folder: Path, layout: str, a: int, q: int) -> None:
    window, pointer = Window(folder / f"{layout}.json", folder, link=Idle()), Pointer()
    window.tour.toured = True
    window.show()
    assert QTest.qWaitForWindowExposed(window)
    pointer.do("windowfocus", "--sync", int(window.winId()))
    assert until(window.isActiveWindow)
    pointer.do("-layout", layout, program="setxkbmap")  # a server without programs forgets it
    press(pointer, lambda: window.canvas.tool == "eraser", "key", E)
    press(pointer, lambda: window.workspace.model == "transformer", "key", TWO)
    press(pointer, lambda: window.canvas.sketch.known.all(), *control(a))
    press(pointer, lambda: not window.isVisible(), *control(q))


if __name__ == "__main__":
    application.prepare(QApplication(sys.argv[:1]))
    words = iter(sys.argv[2:])
    for layout, a, q in zip(words, words, words, strict=True):
        main(Path(sys.argv[1]), layout, int(a), int(q))
    os._exit(0)
