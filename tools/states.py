"""Pictures of the window in every state, to be looked at: `python -m tools.states --out DIR`.

Each state is reached by a person's moves and is kept at every size and in both themes, under a name such as
`done-1000x660-dark.png`; where --scales has several, each is a process of its own, as Qt reads it at the start.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget

from tools import screenshots
from tools.screenshots import SEVEN, Stage, opened, wait

SIZES = ("720x800", "900x560", "1000x660", "1280x760", "1366x768", "1920x1080", "2560x1440")
THEMES = ("light", "dark")


def empty(stage: Stage) -> None:
    """As at first."""


def offered(stage: Stage) -> None:
    """The tour is offered."""
    stage.window.tour.toured = False
    stage.window.tour.offer()


def drawing(stage: Stage) -> None:
    """The tour waits for a stroke, and the pen is down."""
    stage.window.tour.begin()
    screen = stage.window.windowHandle()
    QTest.mousePress(screen, Qt.MouseButton.LeftButton, pos=stage.on_sketch(SEVEN[0]))
    for place in SEVEN[1:4]:
        QTest.mouseMove(screen, stage.on_sketch(place))


def done(stage: Stage) -> None:
    """Two models have completed the sketch."""
    QTest.mouseRelease(stage.window.windowHandle(), Qt.MouseButton.LeftButton, pos=stage.on_sketch(SEVEN[3]))
    stage.window.tour.leave()
    stage.press("L")
    stage.until(lambda: stage.window.runs.running is None)
    stage.click(stage.window.sketch.thumbs[0])
    for model in ("transformer", "vssm"):
        stage.complete(model)


def touring(stage: Stage) -> None:
    """The tour is begun on a sketch that exists."""
    stage.window.tour.begin()


def running(stage: Stage) -> None:
    """A slow model is under way."""
    stage.window.tour.leave()
    stage.press("2")
    stage.press("Return")
    stage.until(lambda: stage.window.runs.running is not None and stage.window.runs.running.tokens > 50)
    stage.press("P")


def stopped(stage: Stage) -> None:
    """It was stopped."""
    stage.press("Escape")
    stage.until(lambda: stage.window.runs.running is None)


def many(stage: Stage) -> None:
    """64 samples, and all views of the settings."""
    stage.window.bar.samples.setValue(64)
    stage.complete("vssm")


def failed(stage: Stage) -> None:
    """An error, a refusal and a note."""
    stage.window.bar.samples.setValue(4)
    stage.window.messages.say("The model could not be loaded: its file is cut short; get it anew.", details="cause")
    stage.press("Ctrl+A")
    stage.press("Return")
    stage.until(lambda: stage.window.runs.running is None)


def racing(stage: Stage) -> None:
    """A race is under way."""
    for toast in list(stage.window.messages.toasts):
        toast.closed.emit()
    stage.click(stage.window.sketch.thumbs[1])
    stage.press("Shift+R")
    stage.until(lambda: stage.window.race.running)
    wait(1500)


def replay(stage: Stage) -> None:
    """The race is replayed, and a message has come."""
    stage.until(lambda: stage.window.race.replayable)
    stage.window.race.hold()
    stage.click(stage.window.race.axis, 0.4)
    stage.window.messages.say("The sketch is your result now; Ctrl+Z takes it back.", "note")


def bars(stage: Stage) -> None:
    """The same race as bars."""
    stage.press("Shift+T")


def keys(stage: Stage) -> QWidget | None:
    """The page of keys."""
    stage.press("Shift+T")
    stage.press("F1")
    return stage.window._dialog


def colour(stage: Stage) -> None:
    """A completion in colour, with a code drawn anew."""
    if stage.window._dialog:
        stage.window._dialog.close()
    stage.press("V")
    stage.press("Ctrl+2")
    stage.click(stage.window.sketch.thumbs[0])
    stage.complete("vssm")
    latents = stage.window.latents.map
    if latents.isVisible():
        QTest.mouseClick(latents, Qt.MouseButton.LeftButton, pos=latents.field.center().toPoint())
    wait(100)
    stage.until(lambda: stage.window.runs.running is None)


STATES: tuple[Callable[[Stage], QWidget | None], ...] = (
    empty, offered, drawing, done, touring, running, stopped, many, failed, racing, replay, bars, keys, colour
)  # fmt: skip


def take(out: Path, states: Sequence[str], sizes: Sequence[str], themes: Sequence[str]) -> None:
    """Go through all states, and keep the pictures of those of these names."""
    scale = os.environ.get("QT_SCALE_FACTOR", "1")
    with (
        tempfile.TemporaryDirectory() as folder,
        opened(Path(folder), screenshots.LARGE, samples=4, keep_seed=False) as stage,
    ):
        window = stage.window
        for state in STATES:
            window.resize(*screenshots.LARGE)
            wait(50)
            shown = state(stage)
            for size in sizes if state.__name__ in states else ():
                window.resize(*map(int, size.split("x")))
                for name in themes:
                    window.choose_theme(name)
                    wait(150)
                    (shown or window).grab().save(str(out / f"{state.__name__}-{size}-{name}@{scale}.png"))


def main(argv: Sequence[str] | None = None) -> int:
    """Make the pictures, of all states, sizes and themes by default."""
    names = [state.__name__ for state in STATES]
    parser = argparse.ArgumentParser(prog="python -m tools.states", description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder")
    parser.add_argument("--states", nargs="+", choices=names, default=names, help="of these only")
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), metavar="WxH", help="of the window")
    parser.add_argument("--themes", nargs="+", choices=THEMES, default=list(THEMES), help="light, dark")
    parser.add_argument("--scales", nargs="+", default=["1"], metavar="FACTOR", help="of the screen, such as 1 1.5 2")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    if len(args.scales) > 1 or os.environ.get("QT_SCALE_FACTOR", "1") != args.scales[0]:
        given = ["--out", str(args.out), "--states", *args.states, "--sizes", *args.sizes, "--themes", *args.themes]
        for scale in args.scales:
            command = [sys.executable, "-m", "tools.states", *given, "--scales", scale]
            subprocess.run(command, env={**os.environ, "QT_SCALE_FACTOR": scale}, check=True)
        return 0
    screenshots.prepare()
    take(args.out, args.states, args.sizes, args.themes)
    return 0


if __name__ == "__main__":
    sys.exit(main())
