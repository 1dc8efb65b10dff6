"""Races for tests: made of events, and run in the window."""

import numpy as np
from PySide6.QtCore import Qt
from windows import LONG, press, take

from app.core.race import Contestant, Race
from app.core.settings import CompletionSettings
from vssm import checkpoint, data
from vssm.models import registry
from vssm.prompt import Prompt
from vssm.sampling.events import Finished, Latents, Progress, Started

H = W = 4


def contestant(model: str = "transformer", known: int = 4) -> Contestant:
    """On a picture of 4×4, the first so many pixels known."""
    mask = (np.arange(H * W) < known).reshape(H, W)
    return Contestant("mnist", CompletionSettings(model), Prompt(np.zeros((H, W, 1), np.uint8), mask))


def events(asked: Contestant, seconds: list[float], tokens: list[int], levels: int = 0, end: bool = True) -> list:
    """As a generator tells them: so many levels, then pixels."""
    known = asked.request.prompt.known
    modes = registry.get(asked.model).samplers(data.MNIST)
    unknown = int((~known).sum())
    made = [Started(asked.model, asked.model, unknown, 1, levels, "CPU", 1, False, modes[0], 0, "sampled")]
    for i in range(levels):
        made.append(Latents(seconds[i], i + 1, levels, "gaussian", 0, np.zeros((1, 2, 2, 1)), np.full((1, 2, 2), i)))
    for i, (when, count) in enumerate(zip(seconds[levels:], tokens, strict=False), levels + 1):
        filled = (np.arange(H * W) < count + H * W - unknown).reshape(1, H, W)
        made.append(Progress(when, count, i, (filled[..., None] * 255).astype(np.uint8), filled | known))
    if end:
        last = made[-1]
        done = last.images, last.seconds, 0.0, last.network_calls, unknown, "CPU", 1, modes[0].name, 0
        made.append(Finished(asked.model, *done))
    return made


def raced(*told: tuple[Contestant, list]) -> Race:
    made = Race.of(tuple(asked for asked, _ in told))
    for i, (_, happened) in enumerate(told):
        for event in happened:
            made = made.add(i, event)
    return made


def weights(tmp_path, *names: str):
    """A folder with the shipped weights of these models."""
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    for name in names:
        path = checkpoint.shipped(name, "mnist")
        (folder / path.name).symlink_to(path)
    return folder


def nearly_whole(qtbot, window) -> None:
    """An example of which only the last rows are unknown."""
    take(qtbot, window, 0)
    window.sketch.rows.setFocus()
    qtbot.keyClick(window.sketch.rows, Qt.Key.Key_End)
    for _ in range(4):
        qtbot.keyClick(window.sketch.rows, Qt.Key.Key_Left)
    assert (~window.canvas.sketch.known).sum() == 4 * 28


def run_race(qtbot, window) -> Race:
    """The key, and wait until all have run."""
    press(qtbot, window, "Shift+R")
    assert window.race.isVisible() and window.race.running
    qtbot.waitUntil(lambda: not window.race.running, timeout=LONG)
    return window.race.race


def rest(qtbot, window) -> None:
    """Hold the replay by its key."""
    if window.race.playing:
        press(qtbot, window, "P")
    assert not window.race.playing
