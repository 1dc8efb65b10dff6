"""What happens in a program that has just been started, where nothing is loaded yet: `python starting.py NAME FOLDER`.

Each function is told of by one test in test_startup.py, and prints what it saw as JSON. Nothing here may import torch.
"""

import functools
import json
import os
import sys
import time
from pathlib import Path

from PySide6.QtCore import QEventLoop, QPoint, Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app import application
from app.core import csv_export
from app.ui import main_window
from app.ui.image_import import Importer
from app.ui.main_window import Window

WHOLE = "closed_early", "begun", "stays", "cannot_be_shown", "cannot_be_opened", "fails_in_its_first_moments"
LEFT = Qt.MouseButton.LeftButton


def heavy() -> list[str]:
    """What must not be loaded before the window stands."""
    return [name for name in ("torch", "torchvision", "scipy") if name in sys.modules]


def stroke(window) -> None:
    """Draw a line through row 5."""
    canvas, scale = window.canvas, window.canvas.field().width() / 28
    places = [(canvas.field().topLeft() + QPoint(round(x * scale), round(5.5 * scale))).toPoint() for x in (9, 14, 19)]
    QTest.mousePress(canvas, LEFT, pos=places[0])
    for place in places[1:]:
        QTest.mouseMove(canvas, place)
    QTest.mouseRelease(canvas, LEFT, pos=places[-1])


def click(action) -> None:
    QTest.mouseClick(next(w for w in action.associatedObjects() if hasattr(w, "click")), LEFT)


def until(condition) -> None:
    """Let the program go on until then."""
    loop, end = QEventLoop(), time.monotonic() + 100
    look = QTimer(interval=10)
    look.timeout.connect(lambda: loop.quit() if condition() or time.monotonic() > end else None)
    look.start()
    loop.exec()  # unlike QTest.qWait, it lets other threads have Python meanwhile
    assert condition(), "it never came"


def without_weights(folder: Path) -> dict:
    """A window is painted whole, for both data sets and both kinds of view."""
    window = Window(folder / "session.json", folder)
    window.grab()
    window.choose_data("cifar10")
    window.docks.show_scaling(True)
    window.actions_["show_race"].trigger()
    window.grab()
    return {"heavy": heavy(), "mode": window.bar.modes.mode.currentText(), "status": window.status.text()}


def asked_early(folder: Path) -> dict:
    """A stroke and Complete before torch is there."""
    window = Window(folder / "session.json")
    window.show()
    until(lambda: window.story.telling and window.race.playing)
    story = window.race.words.text()
    stroke(window)
    click(window.actions_["complete"])
    saw = {
        "heavy": heavy(),
        "story": story,
        "told": window.story.telling,
        "said": window.messages.text,
        "ready": window.models.are_ready,
    }
    saw |= {"stop": window.actions_["stop"].isEnabled(), "runs": len(window.runs.history)}
    prompt = window.canvas.sketch.prompt
    until(lambda: window.runs.history and window.runs.history[-1].finished is not None and window.runs.running is None)
    run = window.runs.history[-1]
    saw |= {"ink": bool(prompt.pixels[5, 9:19].all()), "same": bool((run.request.prompt.pixels == prompt.pixels).all())}
    saw |= {"later": window.messages.text, "shown": window.completion._hint.isVisible(), "samples": len(run.images)}
    csv_export.circumstances()
    saw["heavy_after"] = heavy()
    window.close()
    return saw


def closed_early(folder: Path) -> dict:
    """The whole program, closed while torch is being loaded."""
    saw, look = {}, QTimer(interval=5)

    def leave(window) -> None:
        if window.engine.process_id and not saw:
            stroke(window)
            saw.update(ready=window.models.are_ready)
            print(json.dumps(saw), flush=True)  # this process may end with the window
            window.close()

    def watch(window) -> None:
        look.timeout.connect(lambda: leave(window))
        look.start()

    os.environ["VSSM_STATE"] = str(folder / "session.json")
    application.main(sys.argv[:1], watch)
    return saw


def stays(folder: Path) -> dict:
    """The whole program, with the weights of a folder; tells the number of its worker as soon as that is loading, or
    ready."""
    loading, look = sys.argv[3] == "loading", QTimer(interval=5)

    def tell(window) -> None:
        if window.engine.process_id and (loading or window.models.are_ready):
            print(window.engine.process_id, flush=True)
            look.stop()

    def watch(window) -> None:
        look.timeout.connect(lambda: tell(window))
        look.start()

    os.environ["VSSM_STATE"] = str(folder / "session.json")
    main_window.Window = functools.partial(Window, folder=Path(sys.argv[4]))
    sys.exit(application.main(sys.argv[:1], watch))


def begun(folder: Path) -> dict:
    """The whole program with the arguments that are left, closed once its event loop has begun."""
    saw = {}

    def leave(window) -> None:
        saw.update(said=[toast.text for toast in window.messages.toasts], kept=str(window.autosave.path))
        saw.update(samples=window.bar.samples.value(), details=[toast._details for toast in window.messages.toasts])
        print(json.dumps(saw), flush=True)  # this process may end with the window
        window.close()

    def watch(window) -> None:
        QTimer.singleShot(300, window, lambda: leave(window))

    os.environ.setdefault("VSSM_STATE", str(folder / "session.json"))
    application.main([sys.argv[0], *sys.argv[3:]], watch)
    return saw


def cannot_be_shown(folder: Path) -> dict:
    """The same where the window fails over what was restored."""
    from app.ui.docks import Docks

    plain = Docks.restore

    def restore(docks, layout: str) -> None:
        if layout:
            raise RuntimeError("no such place")
        plain(docks, layout)

    Docks.restore = restore
    return begun(folder)


def cannot_be_opened(folder: Path) -> dict:
    """The same where the window fails whatever is restored."""
    Window._fill_in = None
    return begun(folder)


def fails_in_its_first_moments(folder: Path) -> dict:
    """The same where what is done at first raises: on being shown, in the first painting, in the first slot."""

    def fail(*_) -> None:
        raise RuntimeError("in the first moments")

    Window.showEvent, Importer.open_argument = fail, fail
    return begun(folder)


def without_torch(folder: Path) -> dict:
    """Where torch cannot be imported, one draws and saves for all that."""
    window = Window(folder / "session.json")
    window.show()
    until(lambda: window.models.unready)
    saw = {"said": window.messages.text, "status": window.status.text(), "mode": window.bar.modes.mode.isEnabled()}
    stroke(window)
    window.messages.clear()
    click(window.actions_["complete"])
    saw |= {"again": window.messages.text, "runs": len(window.runs.history)}
    window.close()
    return saw


if __name__ == "__main__":
    if sys.argv[1] not in WHOLE:
        program = application.prepare(QApplication([]))
    print(json.dumps(globals()[sys.argv[1]](Path(sys.argv[2]))), flush=True)
