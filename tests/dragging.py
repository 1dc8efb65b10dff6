"""Drags every panel of a window by a real pointer, in every arrangement: `python dragging.py FOLDER`, on an X server
whose screen is larger than the window. Fails by an AssertionError, or as Qt does."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, QPoint, QProcess, Qt, Signal
from PySide6.QtGui import QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QRubberBand

from app import application
from app.engine import messages
from app.ui.docks import PANELS, RACE
from app.ui.main_window import Window

APART = QPoint(1280, 760)  # the window's size: what is dropped beyond it floats
TITLE = QPoint(40, 20)
WAIT = 20  # seconds; the machine may be busy


def until(true: Callable[[], bool]) -> bool:
    """Let the window go on until it is so; False if it never is."""
    end = time.monotonic() + WAIT
    while not true() and time.monotonic() < end:
        QTest.qWait(5)
    return true()


class Idle(QObject):
    """A link to no worker: for tests in which no model is asked for anything."""

    heard = Signal(object)
    died = Signal(str, str)
    id = 0

    def start(self, setup: messages.Setup) -> None:
        pass

    def send(self, message: messages.Request) -> None:
        pass

    def stop(self) -> bool:
        return True


class Pointer(QObject):
    """The pointer of the X server, and how far the window has followed it."""

    def __init__(self) -> None:
        super().__init__()
        self._place = QPoint()  # of the last move or click that came
        QApplication.instance().installEventFilter(self)

    def eventFilter(self, watched, event) -> bool:
        if isinstance(event, QMouseEvent):
            self._place = event.globalPosition().toPoint()
        return False

    def do(self, *words, program: str = "xdotool") -> None:
        """Move and press it while the window goes on."""
        process = QProcess()
        process.start(program, [str(word) for word in words])
        assert until(lambda: process.state() == QProcess.ProcessState.NotRunning)
        assert process.exitCode() == 0, bytes(process.readAllStandardError()).decode()

    def move(self, *places: QPoint, press: bool = False) -> None:
        """While it is pressed, or after it is pressed at the first place, until the window has followed."""
        ways = [["mousemove", place.x(), place.y(), "sleep", "0.01"] for place in places]
        if press:
            ways.insert(1, ["mousedown", 1])
        self.do(*(word for way in ways for word in way))
        assert until(lambda: self._place == places[-1]), (self._place, places[-1])

    def release(self) -> None:
        self.do("mouseup", 1)
        assert until(lambda: QApplication.mouseButtons() == Qt.MouseButton.NoButton)

    def double_click(self, place: QPoint) -> None:
        self.do("mousemove", place.x(), place.y(), "click", 1, "sleep", "0.02", "click", 1)


def pull(pointer: Pointer, dock, end: QPoint) -> None:
    """Take a panel by its title, there."""
    start = title(dock)
    pointer.move(*(start + (end - start) * i / 5 for i in range(6)), press=True)


def drag(pointer: Pointer, dock, end: QPoint) -> None:
    pull(pointer, dock, end)
    pointer.release()


def drop(pointer: Pointer, docks, target: Callable[[], QPoint]) -> None:
    """Let a panel that was pulled go there, once a frame says that it will find a place: others make room meanwhile."""
    end = time.monotonic() + WAIT
    while not framed(docks, target()):
        assert time.monotonic() < end, "no place is offered"
        pointer.move(target() - QPoint(4, 0), target())
    pointer.release()


def framed(docks, place: QPoint) -> bool:
    bands = docks.findChildren(QRubberBand)
    return any(band.isVisible() and band.geometry().contains(docks.mapFromGlobal(place)) for band in bands)


def title(dock) -> QPoint:
    return dock.titleBarWidget().mapToGlobal(TITLE)


def check(window, dock, floating: bool, place: str) -> None:
    """The panel is there, and nothing else has changed."""
    name = dock.objectName()
    assert until(lambda: dock.isVisible() and dock.isFloating() == floating), (name, place)
    assert window.docks.arrangement == window.arrangement, (name, place)
    assert {d for d in window.docks.docks.values() if not d.isHidden()} == window.open, (name, place)


def drag_everywhere(pointer: Pointer, window, dock, other) -> None:
    docks = window.docks
    drag(pointer, dock, APART + QPoint(100, 100))
    check(window, dock, True, "dragged out")
    before = dock.pos()
    drag(pointer, dock, title(dock) - QPoint(60, 80))
    check(window, dock, True, "moved")
    assert (dock.pos() - before + QPoint(60, 80)).manhattanLength() < 30
    pointer.double_click(title(dock))
    check(window, dock, False, "put back by a double click")
    pointer.double_click(title(dock))
    check(window, dock, True, "taken out by a double click")
    pull(pointer, dock, docks.mapToGlobal(QPoint(14, docks.height() // 2)))
    drop(pointer, docks, lambda: docks.mapToGlobal(QPoint(14, docks.height() // 2)))
    check(window, dock, False, "dropped at the left edge")
    assert dock.x() < window.sketch.x()
    pull(pointer, dock, APART)
    drop(pointer, docks, lambda: other.mapToGlobal(other.rect().center()))
    check(window, dock, False, "dropped on another")
    assert other in docks.tabifiedDockWidgets(dock)
    assert until(lambda: dock.height() >= dock.minimumSizeHint().height())  # docks scroll where there is no more room
    drag(pointer, dock, APART + QPoint(100, 100))
    check(window, dock, True, "dragged out of tabs")
    window.actions_["reset_layout"].trigger()


def change_in_mid_drag(pointer: Pointer, window, dock) -> None:
    """Keys that move panels while one is held by the pointer."""
    for name in ("show_race", "reset_layout", "float_panel", "close_panel", ("move_panel", "left"), "show_scaling"):
        dock.show()
        QTest.qWait(10)
        pull(pointer, dock, APART + QPoint(50, 50))
        window.actions_[name].trigger()
        pointer.do("mousemove", 500, 300, "sleep", "0.01", "mousemove", 520, 320, "mouseup", 1)
        QTest.qWait(20)
        window.docks.turn(window.arrangement)
        window.docks.reset()


def main(folder: Path) -> None:
    window = Window(folder / "session.json", folder, link=Idle())
    window.tour.toured = True
    window.resize(APART.x(), APART.y())
    window.move(0, 0)
    window.show()
    assert QTest.qWaitForWindowExposed(window)
    pointer, docks = Pointer(), window.docks.docks
    for arrangement, names in (
        (PANELS, ("completion", "timing", "latents", "scaling")),
        (RACE, ("race", "timing", "latents")),
    ):
        for name in names:
            window.docks.turn(arrangement)
            window.docks.reset()
            for one in docks:
                window.docks.show_panel(one, one in names)
            docks[name].raise_()
            QTest.qWait(30)
            window.arrangement, window.open = arrangement, {docks[one] for one in names}
            drag_everywhere(pointer, window, docks[name], docks[next(one for one in ("timing", *names) if one != name)])
        change_in_mid_drag(pointer, window, docks[names[0]])
    window.close()


if __name__ == "__main__":
    application.prepare(QApplication(sys.argv[:1]))
    main(Path(sys.argv[1]))
    os._exit(0)  # the models may still be loading
