"""For all tests: no screen is needed, torch is loaded before Qt, and a window leaves no thread and no warning."""

import dataclasses
import gc
import os
import signal
from pathlib import Path

os.environ["QT_QPA_PLATFORM"] = "offscreen"  # before Qt is imported
os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is: a core has a process of its own

import fuzzing
import hypothesis
import numpy as np
import pytest
import torch  # noqa: F401 - before Qt
from PySide6.QtCore import QEvent, QPoint, Qt, QThread
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from threaded import Thread

import app  # noqa: F401 - before Qt is used

LONG = 60_000  # milliseconds
MANY = 50_000  # objects made since the last collection
MAKE_ROOM = pytest.StashKey()  # what ends a full disk
STARTING = "test_xserver", "test_process", "test_startup", "test_distributed"
OURS_TO_IGNORE = r"This plugin does not support"  # the offscreen platform says so of every window, raised or grabbed
hypothesis.settings.register_profile("here", deadline=None, max_examples=40)  # no deadline: the machine may be busy
hypothesis.settings.load_profile("here")


def pytest_addoption(parser):
    words = "keep what the window shows now as its snapshots"
    parser.addoption("--renew-snapshots", action="store_true", help=words)
    parser.addoption("--fuzz-long", action="store_true", help="many new inputs in the fuzzing tests")


def pytest_configure(config):
    fuzzing.LONG = config.getoption("--fuzz-long")


def pytest_collection_modifyitems(items):
    """Every test that shows widgets fails on a warning of Qt's. Those that start programs take longest, and wait: they
    come first, so that in the end no process of the tests is left alone with one."""
    items.sort(key=lambda item: item.path.stem not in STARTING)
    for item in items:
        if "qtbot" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.qt_log_level_fail("WARNING"))
            item.add_marker(pytest.mark.qt_log_ignore(OURS_TO_IGNORE))


def pytest_collection_finish():
    """What is loaded by now is here to stay: the collections of `bury` need not look through it."""
    gc.collect()
    gc.freeze()


def bury():
    """End, in this thread, what is left of earlier windows. The inference thread would else come upon it in one of
    Python's collections, at any time, and a widget that ends there brings the process down."""
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()


def pytest_runtest_teardown():
    """Without windows, too, once a window has turned Python's own collections off."""
    if not gc.isenabled() and gc.get_count()[0] > MANY:
        gc.collect()


def running_threads() -> list[QThread]:
    """QThreads of ours that have not ended."""
    import shiboken6

    found = (o for o in gc.get_objects() if issubclass(type(o), QThread) and shiboken6.isValid(o))
    return [thread for thread in found if thread.objectName() == "inference" and thread.isRunning()]


@pytest.fixture
def no_threads_left():
    """Fails where a test leaves an inference thread behind."""
    yield
    assert not running_threads()


class PatientBot(QtBot):
    """Waits longer than five seconds: the machine may be busy."""

    def waitUntil(self, callback, *, timeout=LONG):
        return super().waitUntil(callback, timeout=timeout)

    def waitExposed(self, widget, *, timeout=LONG):
        return super().waitExposed(widget, timeout=timeout)

    def waitActive(self, widget, *, timeout=LONG):
        return super().waitActive(widget, timeout=timeout)

    def waitSignal(self, signal, *, timeout=LONG, **how):
        return super().waitSignal(signal, timeout=timeout, **how)


@pytest.fixture
def qtbot(qapp, request):
    return PatientBot(request)


@pytest.fixture
def window(no_threads_left, qtbot, tmp_path):
    """The real window, with all models and a state file of its own, on (an invisible) screen."""
    yield from opened(qtbot, tmp_path / "session.json")


def opened(qtbot, state, folder=None, story=False):
    """Open a window, and close it after its use. In a new session Live is off: only what a test asks for runs;
    and everything is shown. story: whether a recorded race is played."""
    from app import application
    from app.engine.autosave import Autosave
    from app.ui.main_window import Window

    bury()
    QApplication.instance().setStyleSheet("")  # as the program starts: widgets that are put together take it on anew
    QApplication.setAttribute(Qt.ApplicationAttribute.AA_DontUseNativeDialogs)
    application.prepare(QApplication.instance())
    gc.disable()  # as the program does
    saver = Autosave(state)
    if not state.exists():
        saver.restored = dataclasses.replace(saver.restored, live=False, more=True)
    window = Window(None, folder, saver, Thread(), story)
    window.resize(1280, 760)
    qtbot.addWidget(window)
    with qtbot.waitExposed(window):
        window.show()
    qtbot.waitUntil(lambda: window.models.are_ready)
    yield window
    window.close()


@pytest.fixture(scope="module")
def bare(request, qapp, tmp_path_factory):
    """A window without weights for all tests of a file, which is quick; each has to set it up."""
    folder = tmp_path_factory.mktemp("bare")
    for window in opened(PatientBot(request), folder / "session.json", folder):
        yield window
    window.deleteLater()  # now and here: Python might do it in another thread
    QApplication.sendPostedEvents(window, QEvent.Type.DeferredDelete)


@pytest.fixture
def mnist(no_threads_left, qtbot, tmp_path, clipboard):
    """A window without weights, which is quick, for one test."""
    yield from opened(qtbot, tmp_path / "session.json", tmp_path)


@pytest.fixture
def colour(mnist, qtbot):
    """The same, turned to CIFAR-10."""
    qtbot.keyClick(mnist, Qt.Key.Key_2, Qt.KeyboardModifier.ControlModifier)
    mnist.messages.clear()
    return mnist


@pytest.fixture
def refuse(capsys, tmp_path):
    """refuse(*words, says=...): the command must end with 2, say so in one sentence and write nothing."""

    from commands import vssm

    def check(*command, says: str) -> None:
        before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
        code = vssm(*command)
        out, err = capsys.readouterr()
        assert (code, out) == (2, ""), err
        assert err.count("\n") == 1 and err.endswith(".\n") and "Traceback" not in err, err
        assert says in err, err
        assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before

    return check


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "out.png"


@pytest.fixture
def clipboard(qapp):
    """The clipboard, emptied afterwards: what Python put there, Qt would free after Python's end, and crash."""
    yield qapp.clipboard()
    qapp.clipboard().clear()


@pytest.fixture
def draw(qtbot):
    """Draws a stroke through pixel positions by mouse: draw(canvas, [(x, y), …], button)."""

    def stroke(canvas, points, button=Qt.MouseButton.LeftButton):
        places = [at(canvas, *p) for p in points]
        qtbot.mousePress(canvas, button, pos=places[0])
        for place in places[1:]:
            qtbot.mouseMove(canvas, place)
        qtbot.mouseRelease(canvas, button, pos=places[-1])

    return stroke


@pytest.fixture
def full_disk(request):
    """Call it, and no file can grow beyond some bytes any more, until the test's report, which may go to a file."""
    resource = pytest.importorskip("resource")
    handler, limits = signal.signal(signal.SIGXFSZ, signal.SIG_IGN), resource.getrlimit(resource.RLIMIT_FSIZE)
    request.node.stash[MAKE_ROOM] = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (700, limits[1]))
    signal.signal(signal.SIGXFSZ, handler)


def pytest_runtest_makereport(item):
    item.stash.get(MAKE_ROOM, lambda: None)()


def at(canvas, x: float, y: float) -> QPoint:
    """The place on the widget of the middle of a pixel."""
    field = canvas.field()
    scale = field.width() / canvas.sketch.pixels.shape[1]
    return (field.topLeft() + QPoint(round((x + 0.5) * scale), round((y + 0.5) * scale))).toPoint()


def ended(window, number: int | None = None):
    """For qtbot.waitUntil: whether the run (the latest one) has come to its end."""
    return lambda: window.runs.running is None and bool(window.runs.history) and not window.runs._later.isActive()


def connected(mask: np.ndarray) -> bool:
    """Whether the True pixels hang together, by sides or corners."""
    todo, seen = [tuple(np.argwhere(mask)[0])], set()
    while todo:
        y, x = todo.pop()
        if (y, x) in seen:
            continue
        seen.add((y, x))
        todo += [
            (j, i)
            for j in range(max(y - 1, 0), min(y + 2, mask.shape[0]))
            for i in range(max(x - 1, 0), min(x + 2, mask.shape[1]))
            if mask[j, i]
        ]
    return len(seen) == mask.sum()
