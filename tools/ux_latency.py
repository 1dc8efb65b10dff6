"""Figures of the real window: `python -m tools.ux_latency` draws and types in it, and times what a person would feel.

Everything goes through the window as a person's hand does: synthesized mouse and key events in, painted pixels out. A
pen event's time is when it was due, so that a window that keeps the pen waiting is not excused. Of several rounds the
best counts, because whatever else the machine does can only add to a time.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import gc
import json
import math
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from PySide6 import __version__ as pyside
from PySide6.QtCore import QEvent, QEventLoop, QObject, QPoint, QPointF, Qt, QTimer, qInstallMessageHandler
from PySide6.QtGui import QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app import application
from app.engine import worker
from app.ui.main_window import Window
from vssm import checkpoint, data
from vssm.evaluation import benchmark
from vssm.models import registry
from vssm.sampling.generator import Generator, run

PEN = 8  # milliseconds between two events of the pen, as of a common mouse
STROKE = 1.5  # seconds that one stroke takes
BEAT = 5  # milliseconds between two beats in the window's thread
PATIENCE = 120.0  # seconds before something that never happens is given up
PARTS = ("live", "stall", "clock", "stop", "cycles", "close")
LEFT = Qt.MouseButton.LeftButton


@dataclass(frozen=True)
class Figure:
    """goal: the most (or, for `least`, the least) that is good; None where there is none."""

    what: str
    value: float
    unit: str
    goal: float | None = None
    note: str = ""

    @property
    def reached(self) -> bool | None:
        return None if self.goal is None else self.value <= self.goal


def share(values: list[float], part: float) -> float:
    """The least value that this part of them does not exceed."""
    return sorted(values)[max(0, math.ceil(part * len(values)) - 1)] if values else math.nan


class Eye(QObject):
    """Sees when a widget has been painted: `painted` is called afterwards."""

    def __init__(self, widget, painted: Callable[[], None]):
        super().__init__(widget)
        self._painted, self._within = painted, False
        widget.installEventFilter(self)

    def eventFilter(self, watched, event) -> bool:
        if event.type() != QEvent.Type.Paint or self._within:
            return False
        self._within = True
        watched.event(event)
        self._within = False
        self._painted()
        return True


class Heart(QObject):
    """Beats in the window's thread; `gaps`, in seconds, tell how long it was held up."""

    def __init__(self) -> None:
        super().__init__()
        self.gaps: list[float] = []
        self._last = time.perf_counter()
        self._timer = QTimer(self, interval=BEAT, timerType=Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._beat)
        self._timer.start()

    def _beat(self) -> None:
        now = time.perf_counter()
        self.gaps.append(now - self._last)
        self._last = now

    def stop(self) -> list[float]:
        self._timer.stop()
        return self.gaps


class Pen(QObject):
    """Draws one stroke on the canvas by mouse events at even intervals, and watches when a finished picture that knows
    of each of them is painted.

    waits: seconds from event to pixels, of the events that changed the sketch. pictures: finished ones painted while
    the pen moved.
    """

    def __init__(self, window: Window, points: list[QPoint]):
        super().__init__()
        self._window, self._points, self._next = window, points, 0
        self._states: list[tuple[float, bytes]] = []
        self._answered = self.pictures = 0
        self._seen: object = None
        self.waits: list[float] = []
        self._eye = Eye(window.completion.picture, self._painted)
        self._begun = time.perf_counter() + PEN / 1000
        self._timer = QTimer(self, interval=PEN, timerType=Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._move)
        self._timer.start()

    @property
    def moving(self) -> bool:
        return self._next < len(self._points)

    @property
    def done(self) -> bool:
        return not self.moving and self._answered == len(self._states)

    def _move(self) -> None:
        """Send what is due by now, one event after another."""
        while self.moving and (due := self._begun + self._next * PEN / 1000) <= time.perf_counter():
            canvas, point = self._window.canvas, self._points[self._next]
            if self._next == 0:
                QTest.mousePress(canvas, LEFT, Qt.KeyboardModifier.NoModifier, point)
            elif self._next == len(self._points) - 1:
                QTest.mouseRelease(canvas, LEFT, Qt.KeyboardModifier.NoModifier, point)
                self._timer.stop()
            else:
                QTest.mouseMove(canvas, point)
            self._next += 1
            state = drawn(canvas.sketch.prompt)
            if not self._states or state != self._states[-1][1]:
                self._states.append((due, state))

    def _painted(self) -> None:
        now, run = time.perf_counter(), self._window.completion.run
        if run is None or run.progress is None or not run.progress.filled.all() or run is self._seen:
            return
        self._seen = run
        self.pictures += self.moving
        state = drawn(run.request.prompt)
        known = [i for i, (_, other) in enumerate(self._states) if other == state]
        while known and self._answered <= known[-1]:
            self.waits.append(now - self._states[self._answered][0])
            self._answered += 1

    def lift(self) -> None:
        self._eye.setParent(None)
        self._eye.deleteLater()


def drawn(prompt) -> bytes:
    return prompt.pixels.tobytes() + prompt.known.tobytes()


class Bench:
    """The window and a hand."""

    def __init__(self, app: QApplication, rounds: int):
        self.app, self.rounds = app, rounds
        self.folder = tempfile.TemporaryDirectory()
        self.window = self.open()

    def open(self) -> Window:
        window = Window(Path(self.folder.name) / "session.json", story=False)
        window.resize(1280, 760)
        gc.disable()  # as the program does while it starts
        window.models.settled.connect(application.settle)
        window.show()
        self.until(lambda: window.models.are_ready)
        if window.actions_["set_live"].isChecked():  # it is turned on where it is measured
            window.actions_["set_live"].trigger()
        return window

    def until(self, true: Callable[[], bool], every: int = 1) -> None:
        """Let the window work until that holds; every: milliseconds between two looks, each of which takes its time
        from the model."""
        loop, deadline = QEventLoop(), time.perf_counter() + PATIENCE
        look = QTimer(interval=every, timerType=Qt.TimerType.PreciseTimer)
        look.timeout.connect(lambda: loop.quit() if true() or time.perf_counter() > deadline else None)
        look.start()
        if not true():
            loop.exec()
        look.stop()
        if not true():
            raise TimeoutError(f"The window did not come to what was waited for in {PATIENCE:.0f} s.")

    def wait(self, seconds: float) -> None:
        """Let the window work so long."""
        end = time.perf_counter() + seconds
        self.until(lambda: time.perf_counter() >= end)

    def press(self, keys: str) -> None:
        QTest.keySequence(self.window, QKeySequence(keys))

    def idle(self) -> bool:
        return self.window.runs.running is None and not self.window.runs._later.isActive()

    def choose(self, dataset: str, model: str, samples: int = 1) -> None:
        """Turn to it, and wait until it is ready."""
        window = self.window
        self.press(f"Ctrl+{1 + list(data.DATA_SETS).index(dataset)}")
        self.press(str(1 + list(registry.PRESETS).index(model)))
        window.bar.samples.setValue(samples)
        self.until(lambda: all((name, dataset) in window.models.loaded for name in registry.PRESETS) and self.idle())

    def complete(self) -> None:
        self.press("Return")
        self.until(self.idle, every=20)

    # --- what is measured

    def live(self, dataset: str, model: str, samples: int) -> Iterator[Figure]:
        """Strokes with Live on."""
        self.choose(dataset, model, samples)
        window, found = self.window, []
        self.press("Ctrl+D")
        self.press("L")
        self.until(self.idle)
        for turn in range(self.rounds + 1):  # the first one warms up
            self.press("Ctrl+Backspace")
            self.press("Ctrl+D")
            self.until(self.idle)
            self.wait(0.3)
            pen = Pen(window, stroke(window.canvas, turn))
            self.until(lambda: pen.done)  # noqa: B023 -- called before the next turn
            pen.lift()
            found.append(pen)
            self.until(lambda: self.idle() and window.live.policy.resting)
        self.press("L")
        self.until(self.idle)
        best = min(found[1:], key=lambda pen: share(pen.waits, 0.95))
        name = f"{data.get(dataset).title}, {registry.get(model).title}, {samples} sample{'s' * (samples > 1)}"
        goal = 35 if (dataset, model) == ("mnist", "vssm") else None
        yield Figure(f"pen to pixels, p50: {name}", share(best.waits, 0.5) * 1000, "ms")
        yield Figure(f"pen to pixels, p95: {name}", share(best.waits, 0.95) * 1000, "ms", goal)
        rate = max(pen.pictures for pen in found[1:]) / STROKE
        yield Figure(f"completions while the pen moves: {name}", rate, "/s", note=window.live.counter.text())

    def stall(self, dataset: str, model: str) -> Iterator[Figure]:
        """How long the window is held up while a model completes, at the default number of samples."""
        self.choose(dataset, model, 4)
        self.press("Ctrl+D")
        self.complete()
        found = []
        for _ in range(self.rounds):
            heart, begun = Heart(), time.perf_counter()
            while time.perf_counter() - begun < 1.5:
                self.complete()
            found.append(heart.stop())
        best = min(found, key=lambda gaps: share(gaps, 0.99))
        name = f"{data.get(dataset).title}, {registry.get(model).title}"
        longest = f"longest {max(best) * 1000:.0f}"
        yield Figure(f"window held up, p99: {name}", share(best, 0.99) * 1000, "ms", 16, longest)

    def clock(self, dataset: str, model: str) -> Iterator[Figure]:
        """The model's own seconds in the window against those it takes with nothing beside it."""
        self.choose(dataset, model, 4)
        self.press("Ctrl+D")
        self.complete()
        torch.set_num_threads(worker.threads())  # as in the models' process
        alone = Generator(checkpoint.load(checkpoint.shipped(model, dataset), model, dataset))
        alone.warm_up()
        here, there = [], []
        for _ in range(self.rounds):
            self.complete()
            shown = self.window.runs.selected_run
            assert shown is not None
            here.append(shown.seconds)
            finished = run(alone, dataclasses.replace(shown.request, every=math.inf, details=False))
            there.append(finished.seconds + finished.prompt_seconds)
        name = f"{data.get(dataset).title}, {registry.get(model).title}"
        note = f"{min(here):.3f} s against {min(there):.3f} s"
        yield Figure(f"the model's clock, in the window and alone: {name}", min(here) / min(there), "×", 1.05, note)

    def stop(self, dataset: str, model: str) -> Iterator[Figure]:
        """From Escape until the window is idle, in the middle of a run."""
        self.choose(dataset, model, 4)
        self.press("Ctrl+D")
        self.complete()
        shown = self.window.runs.selected_run
        assert shown is not None
        took = shown.seconds
        waits = []
        for i in range(8 * self.rounds):
            self.press("Return")
            self.wait(0.9 * min(took, 2) * (i % 8) / 8)
            begun = time.perf_counter()
            self.press("Escape")
            self.until(self.idle)
            waits.append(time.perf_counter() - begun)
        name = f"{data.get(dataset).title}, {registry.get(model).title}"
        best = min(max(waits[i * 8 : i * 8 + 8]) for i in range(self.rounds))
        yield Figure(f"Stop to idle, longest of 8: {name}", best * 1000, "ms", 100)

    def cycles(self, number: int) -> Iterator[Figure]:
        """Growth over many starts given up, and over many completions."""
        for what, model, once in (
            ("starts given up", "transformer", self._give_up),
            ("completions", "vssm", self.complete),
        ):
            self.choose("mnist", model)
            for _ in range(100):
                once()
            both = "self", str(self.window.engine.process_id)
            threads, memory = sum(map(tasks, both)), sum(map(resident, both))
            for _ in range(number):
                once()
            grown = 100 * (sum(map(resident, both)) / memory - 1)
            yield Figure(f"memory after {number:,} {what}", grown, "%", 5, f"from {memory / 2**20:.0f} MiB")
            yield Figure(
                f"threads after {number:,} {what}", sum(map(tasks, both)) - threads, "more", 0, f"{threads} before"
            )

    def _give_up(self) -> None:
        window = self.window
        self.press("Return")
        run = window.runs.running
        assert run is not None
        self.until(lambda: run.started is not None)
        self.press("Escape")
        self.until(self.idle)

    def close(self) -> Iterator[Figure]:
        """Closing in the middle of a run of every model."""
        waits = []
        for model in registry.PRESETS:
            self.choose("mnist", model, 4)
            self.press("Ctrl+D")
            self.press("Return")
            run = self.window.runs.running
            assert run is not None
            self.until(lambda: bool(run.points))  # noqa: B023 -- called before the next turn
            begun = time.perf_counter()
            self.window.close()
            waits.append(time.perf_counter() - begun)
            self.window.deleteLater()
            self.window = self.open()
        yield Figure("closing in the middle of a run, longest of all models", max(waits) * 1000, "ms", 1000)


def stroke(canvas, turn: int) -> list[QPoint]:
    """Places on the canvas along a curve over the whole picture, another one at every turn."""
    field, count = canvas.field(), round(STROKE * 1000 / PEN)
    points = []
    for i in range(count):
        t = i / count * 2 * math.pi
        x, y = 0.5 + 0.38 * math.sin(2 * t + turn), 0.5 + 0.4 * math.sin(3 * t + 1.3 * turn)
        points.append((field.topLeft() + QPointF(x * field.width(), y * field.height())).toPoint())
    return points


def resident(process: str) -> int:
    """Bytes of memory that a process holds now (on systems without /proc, the most that this one ever held)."""
    statm = Path("/proc") / process / "statm"
    if statm.exists():
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def tasks(process: str) -> int:
    """Threads of a process, Python's or not (on systems without /proc, of this one's Python)."""
    found = Path("/proc") / process / "task"
    return len(list(found.iterdir())) if found.exists() else threading.active_count()


def record(bench: Bench, parts: list[str], sets: list[str], cycles: int, say: Callable[[Figure], None]) -> list[Figure]:
    """All figures of these parts, said as they come."""
    made: list[Figure] = []

    def take(figures: Iterator[Figure]) -> None:
        for figure in figures:
            made.append(figure)
            say(figure)

    for dataset in sets:
        if "live" in parts:
            for model, samples in (("vssm", 1), ("vssm", 4), ("transformer", 1)):
                take(bench.live(dataset, model, samples))
        for part in ("stall", "clock", "stop"):
            for model in registry.PRESETS if part in parts else ():
                take(getattr(bench, part)(dataset, model))
    if "cycles" in parts:
        take(bench.cycles(cycles))
    if "close" in parts:
        take(bench.close())
    return made


def line(figure: Figure) -> str:
    value = f"{figure.value:.1f} {figure.unit}"
    goal = "" if figure.goal is None else f"≤ {figure.goal:g}"
    verdict = {None: "", True: "reached", False: "NOT reached"}[figure.reached]
    return f"{figure.what:<66} {value:>12}  {goal:<8} {verdict:<11} {figure.note}".rstrip()


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m tools.ux_latency", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="measure no more than these")
    parser.add_argument("--data", nargs="+", choices=data.DATA_SETS, default=["mnist"], help="data sets (mnist)")
    parser.add_argument("--cycles", type=int, default=1000, help="starts given up, and completions (1000)")
    parser.add_argument("--rounds", type=int, default=3, help="the best of so many rounds counts (3)")
    parser.add_argument("--screen", action="store_true", help="on the real display, not offscreen")
    parser.add_argument("--json", type=Path, help="also write the record there")
    given = parser.parse_args(argv)
    if not given.screen:
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    warnings: list[str] = []

    def hear(kind, where, text: str) -> None:
        if "propagateSizeHints" not in text:  # the offscreen platform says so of every window
            warnings.append(text)

    qInstallMessageHandler(hear)
    QApplication.setAttribute(Qt.ApplicationAttribute.AA_CompressHighFrequencyEvents, False)
    app = application.prepare(QApplication(sys.argv[:1]))
    bench = Bench(app, given.rounds)
    machine = benchmark.machine() | {"pyside": pyside, "screen": app.platformName()}
    today = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    load = [round(x, 2) for x in os.getloadavg()] if hasattr(os, "getloadavg") else None
    print(f"{today}  load {load}  best of {given.rounds} rounds")
    print("  ".join(f"{key} {value}" for key, value in machine.items()), flush=True)
    figures = record(bench, given.only, given.data, given.cycles, lambda figure: print(line(figure), flush=True))
    bench.window.close()
    figures.append(Figure("Qt warnings", len(warnings), "", 0, "; ".join(sorted(set(warnings)))[:200]))
    print(line(figures[-1]))
    if given.json:
        made = {"date": today, "machine": machine, "load_average": load, "rounds": given.rounds}
        made["figures"] = [asdict(figure) | {"reached": figure.reached} for figure in figures]
        given.json.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n")
    qInstallMessageHandler(None)
    return int(any(figure.reached is False for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
