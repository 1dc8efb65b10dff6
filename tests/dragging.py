"""Drags every panel of a window by a real pointer, in every arrangement: `python dragging.py FOLDER`, on an X server
whose screen is larger than the window. Fails by an AssertionError, or as Qt does."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QPoint, QProcess
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app import application
from app.ui.docks import PANELS, RACE
from app.ui.main_window import Window

APART = QPoint(1280, 760)  # the window's size: what is dropped beyond it floats
TITLE = QPoint(40, 20)


def until(true: Callable[[], bool]) -> bool:
    """Let the window go on until it is so; False if it never is."""
    end = time.monotonic() + 20
    while not true() and time.monotonic() < end:
        QTest.qWait(5)
    return true()


def pointer(*words) -> None:
    """Move and press the pointer while the window goes on."""
    process = QProcess()
    process.start("xdotool", [str(word) for word in words])
    assert until(lambda: process.state() == QProcess.ProcessState.NotRunning)
    assert process.exitCode() == 0, bytes(process.readAllStandardError()).decode()
    QTest.qWait(20)


def pull(start: QPoint, end: QPoint) -> list:
    """The words for a press and some moves."""
    way = [start + (end - start) * i / 5 for i in range(1, 6)]
    moves = [word for place in way for word in ("mousemove", place.x(), place.y(), "sleep", "0.01")]
    return ["mousemove", start.x(), start.y(), "mousedown", 1, *moves]


def title(dock) -> QPoint:
    return dock.titleBarWidget().mapToGlobal(TITLE)


def drag(dock, end: QPoint) -> None:
    pointer(*pull(title(dock), end), "mouseup", 1)


def double_click(dock) -> None:
    place = title(dock)
    pointer("mousemove", place.x(), place.y(), "click", 1, "sleep", "0.02", "click", 1)


def check(window, dock, floating: bool, place: str) -> None:
    """The panel is there, and nothing else has changed."""
    name = dock.objectName()
    assert until(lambda: dock.isVisible() and dock.isFloating() == floating), (name, place)
    assert window.docks.arrangement == window.arrangement, (name, place)
    assert {d for d in window.docks.docks.values() if not d.isHidden()} == window.open, (name, place)


def drag_everywhere(window, dock, other) -> None:
    docks = window.docks
    drag(dock, APART + QPoint(100, 100))
    check(window, dock, True, "dragged out")
    before = dock.pos()
    drag(dock, title(dock) - QPoint(60, 80))
    check(window, dock, True, "moved")
    assert (dock.pos() - before + QPoint(60, 80)).manhattanLength() < 30
    double_click(dock)
    check(window, dock, False, "put back by a double click")
    double_click(dock)
    check(window, dock, True, "taken out by a double click")
    drag(dock, docks.mapToGlobal(QPoint(14, docks.height() // 2)))
    check(window, dock, False, "dropped at the left edge")
    assert dock.x() < window.sketch.x()
    pointer(*pull(title(dock), APART))
    place = other.mapToGlobal(other.rect().center())  # now that there is more room
    pointer("mousemove", place.x() - 4, place.y(), "sleep", "0.02", "mousemove", place.x(), place.y())
    pointer("mouseup", 1)
    check(window, dock, False, "dropped on another")
    assert other in docks.tabifiedDockWidgets(dock)
    drag(dock, APART + QPoint(100, 100))
    check(window, dock, True, "dragged out of tabs")
    window.actions_["reset_layout"].trigger()


def change_in_mid_drag(window, dock) -> None:
    """Keys that move panels while one is held by the pointer."""
    for name in ("show_race", "reset_layout", "float_panel", "close_panel", ("move_panel", "left"), "show_scaling"):
        dock.show()
        QTest.qWait(10)
        pointer(*pull(title(dock), APART + QPoint(50, 50)))
        window.actions_[name].trigger()
        pointer("mousemove", 500, 300, "sleep", "0.01", "mousemove", 520, 320, "mouseup", 1)
        window.docks.turn(window.arrangement)
        window.docks.reset()


def main(folder: Path) -> None:
    window = Window(folder / "session.json", folder)
    window.tour.toured = True
    window.resize(APART.x(), APART.y())
    window.move(0, 0)
    window.show()
    assert QTest.qWaitForWindowExposed(window)
    docks = window.docks.docks
    for arrangement, names in ((PANELS, ("completion", "timing", "latents", "scaling")), (RACE, ("race", "timing"))):
        for name in names:
            window.docks.turn(arrangement)
            window.docks.reset()
            for one in names:
                window.docks.show_panel(one, True)
            docks[name].raise_()
            QTest.qWait(30)
            window.arrangement, window.open = arrangement, {docks[one] for one in names}
            drag_everywhere(window, docks[name], docks[next(one for one in ("timing", *names) if one != name)])
        change_in_mid_drag(window, docks[names[0]])
    window.close()


if __name__ == "__main__":
    application.prepare(QApplication(sys.argv[:1]))
    main(Path(sys.argv[1]))
    os._exit(0)  # the models may still be loading
