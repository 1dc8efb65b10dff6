"""How long the program takes to start: `python -m tools.startup_time` opens it several times and tells.

Seconds count from before the interpreter is started, by the clock of the process that starts it: to the first picture
of the window on screen, to the recorded race being played, to the first stroke of a pen drawn in it (a real mouse
event, sent then), to torch being loaded, and to the chosen model and to all models being ready. Until then the pen goes
on drawing: from each of its events to the canvas painted anew is how long a person waits while the models are loaded.
`processor` counts what the process computed until its first picture, which a busy machine hardly changes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MARKS = {
    "painted": "window on screen",
    "processor": "  processor until then",
    "moving": "recorded race moving",
    "stroke": "first stroke drawn",
    "torch": "torch loaded",
    "model": "chosen model ready",
    "models": "all models ready",
    "pen_median": "pen to canvas, median",
    "pen_p95": "  95th percentile",
    "pen_most": "  longest",
}
LONGEST = 120  # seconds for one start


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m tools.startup_time", description=__doc__.partition("\n")[0])
    parser.add_argument("--repeat", type=int, default=5, help="starts that count, after one that does not (default 5)")
    parser.add_argument("--json", action="store_true", help="print every start as JSON")
    parser.add_argument("--child", type=float, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.child is not None:
        return _child(args.child)
    starts = [start() for _ in range(1 + args.repeat)][1:]
    if args.json:
        print(json.dumps(starts, indent=1))
        return 0
    print(f"{'seconds':30} {'median':>8} {'best':>8}")
    for mark, words in MARKS.items():
        found = [start[mark] for start in starts]
        print(f"{words:30} {statistics.median(found):8.3f} {min(found):8.3f}")
    if hasattr(os, "getloadavg"):
        print(f"{len(starts)} starts, load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    return 0


def start() -> dict[str, float]:
    """Open the window once, in a process of its own and with a session of its own."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "VSSM_STATE": str(Path(folder) / "session.json")}
        words = [sys.executable, "-m", "tools.startup_time", "--child", repr(time.time())]
        done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=LONGEST)
    if done.returncode:
        raise SystemExit(done.stderr or done.stdout)
    marks = json.loads(done.stdout.splitlines()[-1])
    if not marks:
        raise SystemExit("There is no display to open the window on; QT_QPA_PLATFORM=offscreen does without.")
    return marks


def _child(begun: float) -> int:
    """As `python main.py`, with somebody who watches and draws a stroke."""
    from app import application

    marks: dict[str, float] = {}
    code = application.main(sys.argv[:1], lambda window: _watch(window, begun, marks))
    print(json.dumps(marks))
    return code


def _watch(window, begun: float, marks: dict[str, float]) -> None:
    """Fill `marks`, drawing all the while, and close the window once all models are ready."""
    from PySide6.QtCore import QEvent, QObject, QPointF, Qt, QTimer
    from PySide6.QtGui import QMouseEvent
    from PySide6.QtWidgets import QApplication

    from vssm.models import registry

    canvas, left = window.canvas, Qt.MouseButton.LeftButton
    waits: list[float] = []
    asked = 0.0  # when the pen last moved

    def mark(name: str) -> None:
        marks.setdefault(name, time.time() - begun)

    def point(kind: QEvent.Type) -> None:
        """An event of the pen, somewhere in the upper half."""
        nonlocal asked
        field, turn = canvas.field(), len(waits)
        across, down = 0.1 + turn * 0.013 % 0.8, 0.1 + turn % 2 * 0.3
        place = field.topLeft() + QPointF(across * field.width(), down * field.height())
        button = left if kind == QEvent.Type.MouseButtonPress else Qt.MouseButton.NoButton
        plain, asked = Qt.KeyboardModifier.NoModifier, time.perf_counter()
        QApplication.postEvent(canvas, QMouseEvent(kind, place, canvas.mapToGlobal(place), button, left, plain))

    def begin() -> None:
        mark("painted")
        marks.setdefault("processor", time.process_time())
        move()

    def move() -> None:
        """Draw once the recorded race is played."""
        if not window.race.playing:
            QTimer.singleShot(1, move)
            return
        mark("moving")
        point(QEvent.Type.MouseButtonPress)

    def drawn() -> None:
        mark("stroke")
        waits.append(time.perf_counter() - asked)
        if window.models.are_ready:
            mark("torch")
        if (window.workspace.model, window.workspace.data.name) in window.models.loaded:
            mark("model")
        if len(window.models.loaded) < len(registry.PRESETS):
            QTimer.singleShot(10, lambda: point(QEvent.Type.MouseMove))
            return
        mark("models")
        marks["pen_median"], marks["pen_p95"] = statistics.median(waits), statistics.quantiles(waits, n=20)[-1]
        marks["pen_most"] = max(waits)
        window.close()

    class Eye(QObject):
        def eventFilter(self, watched, event) -> bool:
            if event.type() == QEvent.Type.Paint:
                if watched is window and "painted" not in marks:
                    QTimer.singleShot(0, begin)
                elif watched is canvas and asked and canvas.sketch.pixels.any():
                    QTimer.singleShot(0, drawn)
            return False

    eye = Eye(window)
    window.installEventFilter(eye)
    canvas.installEventFilter(eye)


if __name__ == "__main__":
    sys.exit(main())
