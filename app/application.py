"""Starts the program: looks for a display and shows the window, behind which torch and the models are loaded."""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import signal
import sys
import traceback
from collections.abc import Callable

from app import arguments, display
from vssm.errors import UserError
from vssm.files import resources

COLLECTOR = "collector"
ASSETS = resources.folder("assets")
FONTS = ASSETS / "fonts"


def main(argv: list[str] | None = None, watch: Callable = lambda window: None) -> int:
    """Open the window; where there is no display, say so and show what the models do in the terminal. `watch` is given
    the window before it is shown."""
    argv = sys.argv if argv is None else argv
    try:
        asked = arguments.parse(argv)
    except SystemExit as stop:  # after --help, --version or a sentence
        return int(stop.code or 0)
    if asked.platform:
        os.environ["QT_QPA_PLATFORM"] = asked.platform  # where `display` looks, too
    try:
        if problem := display.find():
            print(f"{problem}: no window, so here is the demonstration for the terminal.", flush=True)
            import vssm.cli.demo

            return vssm.cli.demo.main()
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # as long as there is no window that could be closed
        from PySide6 import QtWidgets  # noqa: F401 - here, so that a library it lacks is told in a sentence

        display.require_platform(asked.qt)
    except display.Missing as missing:
        print(missing, file=sys.stderr)
        return 1
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    except ImportError as error:
        print(f"The window cannot be opened: {error}", file=sys.stderr)
        return 1
    return _run([*argv[:1], *asked.qt], asked.given, watch)


def _run(argv: list[str], given: str, watch: Callable) -> int:
    from PySide6.QtCore import Qt, QTimer
    from PySide6.QtWidgets import QApplication

    from app.ui import placement

    app = prepare(QApplication(argv))
    # all points of a pen; after the application is there, which on X11 turns it on
    app.setAttribute(Qt.ApplicationAttribute.AA_CompressHighFrequencyEvents, False)
    try:
        window = _opened()
    except Exception:
        traceback.print_exc()
        print("The window cannot be opened: the program has a fault; the lines above say where.", file=sys.stderr)
        return _end(1)  # what has been made of the window must not be destroyed in any order
    hook = sys.excepthook

    sys.excepthook = told(window)  # after pyqtgraph has been loaded, which installs one of its own
    window.resize(placement.first_size(window.sizeHint(), app.primaryScreen()))
    placement.Placement(window)
    watch(window)
    opening = [functools.partial(window.files.importer.open_argument, given)] if given else []
    for begin in window.show, window.tour.offer, *opening:
        try:
            begin()
        except Exception:
            sys.excepthook(*sys.exc_info())  # as later, in the event loop: it is told, and the program lives on
    for end in (signal.SIGINT, signal.SIGTERM):
        signal.signal(end, lambda *_: QTimer.singleShot(0, window.close))  # not in the middle of a painting
    beat = QTimer(interval=250)
    beat.timeout.connect(lambda: None)  # lets Python see the signal
    beat.start()
    gc.disable()  # looking through all that has been loaded would hold the window up again and again
    window.models.settled.connect(settle)
    code = app.exec()
    sys.excepthook = hook
    return code


def _opened():
    """The window with the session that was kept. Where it cannot be shown its file is set aside, and a new one begun:
    one broken file must not prevent every start."""
    from app.core import session
    from app.engine.autosave import Autosave
    from app.ui.main_window import Window

    autosave = Autosave(session.default_path())
    try:
        return Window(autosave=autosave)
    except Exception as error:
        if autosave.restored == session.Session():
            raise
        traceback.print_exc()
        autosave.set_aside(error)
    gc.collect()  # what was made of the first window
    return Window(autosave=autosave)


def _end(code: int) -> int:
    """End at once."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):  # there may be none
            stream.flush()
    os._exit(code)


def told(window):
    """For sys.excepthook: a mistake of the program in a slot is told in the window, in full on the terminal; the
    program lives on."""

    def tell(kind, error, trace) -> None:
        with contextlib.suppress(OSError, ValueError):  # the terminal is closed, or its file on a full disk
            traceback.print_exception(kind, error, trace)
        if not issubclass(kind, KeyboardInterrupt):
            details = "".join(traceback.format_exception(kind, error, trace))
            window.messages.say(f"Something went wrong in the program ({kind.__name__}: {error}).", details=details)

    return tell


def settle() -> None:
    """All that is loaded now is here to stay: no collection need look through it, which would hold the window up. From
    now on this thread alone collects: Python would do so in whatever thread it is, and a widget that ends in another
    one brings the process down."""
    from PySide6.QtCore import QCoreApplication, QTimer

    gc.disable()
    gc.freeze()
    app = QCoreApplication.instance()
    assert app is not None
    if app.findChild(QTimer, COLLECTOR) is None:
        collector = QTimer(app, interval=1000)
        collector.setObjectName(COLLECTOR)
        collector.timeout.connect(collect)
        collector.start()


def collect() -> None:
    """What Python does by itself where it may."""
    due = [count > limit for count, limit in zip(gc.get_count(), gc.get_threshold(), strict=True)]
    if due[0]:
        gc.collect(2 if due[2] else 1 if due[1] else 0)


def prepare(app):
    """Name, style, icon and, on a machine without any, a font."""
    from PySide6.QtCore import Qt
    from PySide6.QtGui import QFont, QFontDatabase, QFontMetrics, QIcon

    app.setApplicationName("vssm-sketchpad")
    app.setApplicationDisplayName("VSSM Sketchpad")
    app.setDesktopFileName("vssm-sketchpad")
    app.setStyle("Fusion")
    if not QFontMetrics(app.font()).inFontUcs4(ord("a")):  # `families` names aliases even where there is no font
        added = QFontDatabase.addApplicationFont(str(FONTS / "Inter-Regular.otf"))
        if added >= 0:
            app.setFont(QFont(QFontDatabase.applicationFontFamilies(added)[0], 10))
    app.setWindowIcon(QIcon(str(ASSETS / "icon.svg")))
    app.setLayoutDirection(Qt.LayoutDirection.LeftToRight)  # of our words; Qt would go by the system's language
    return app
