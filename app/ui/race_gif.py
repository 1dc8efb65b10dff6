"""A race as an animated picture: the contestants' cards side by side over their common axis, as the window plays it.

The cards and the axis are the window's own, put together on a strip that no screen shows, so that a picture needs no
window, and never looks unlike one.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Generator
from pathlib import Path

import numpy as np
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication, QHBoxLayout, QVBoxLayout, QWidget

from app.core import formatting
from app.core.race import SPEEDS, Race
from app.ui import theme
from app.ui.qimage import from_qimage
from app.ui.widgets.card import OneLine
from app.ui.widgets.race_card import RaceCard
from app.ui.widgets.time_axis import TimeAxis
from vssm.errors import UserError
from vssm.files import atomic

INTERVAL = 50  # least milliseconds between two pictures
MOST = 300  # pictures
HOLD = 2_000  # milliseconds of the last
SIDE, GAP = 170, 10  # pixels: of a contestant's picture, at most, and around all
TINTS = 255  # of a GIF, besides what is left as it was
HANDFUL = 8  # pictures in which these are looked for
SPEED = {1 / 4: ", a quarter of true speed", 1 / 16: ", a sixteenth of true speed"}


class Stopped(Exception):
    """The person did not want it any more."""


def slow(race: Race) -> float:
    """A speed at which it can be followed: a quarter for a race of less than a second."""
    return SPEEDS[1] if race.duration < 1 else SPEEDS[0]


def moments(race: Race, speed: float) -> tuple[list[float], list[int]]:
    """The seconds of the race that are pictured, from 0 to its end, and the milliseconds each picture stays."""
    lasts = max(race.duration / speed * 1000, 1)
    interval = max(INTERVAL, 10 * math.ceil(lasts / (MOST - 1) / 10))  # a GIF knows hundredths of a second
    count = math.ceil(lasts / interval)
    return [min(i * interval * speed / 1000, race.duration) for i in range(count)] + [race.duration], [
        *([interval] * count),
        HOLD,
    ]


def race_pictures(race: Race, speed: float = 1.0) -> Generator[Image.Image, None, None]:
    """The pictures at `moments`, RGB and all of one size, in the colours that the application wears; where it wears
    none it is dressed."""
    strip = Strip(race, speed)
    try:
        for seconds in moments(race, speed)[0]:
            yield strip.picture(seconds)
    finally:
        strip.close()
        strip.deleteLater()


def write(
    path: Path,
    race: Race,
    speed: float = 1.0,
    told: Callable[[int], None] = lambda done: None,
) -> None:
    """Write it as a GIF; the file appears whole or not at all. told: called with the number of pictures painted so far;
    what it raises ends the work. Raises UserError where it cannot be written."""
    if path.suffix.lower() != ".gif":
        raise UserError(f"{path.name} must end in .gif, as an animated picture is written.")
    pictures = _reduced(race, speed, told)
    with contextlib.closing(pictures), atomic.replacing(path) as part:
        next(pictures).save(
            part,
            "GIF",
            save_all=True,
            append_images=pictures,
            duration=moments(race, speed)[1],
            loop=0,
            disposal=1,
            transparency=TINTS,
            optimize=False,
        )


def _reduced(race: Race, speed: float, told: Callable[[int], None]) -> Generator[Image.Image, None, None]:
    """The pictures in one set of few colours, found on a handful of them; transparent where one is as that before."""
    handful = list(race_pictures(race, race.duration / (HANDFUL * INTERVAL / 1000) or 1.0))
    w, h = handful[0].size
    together = Image.new("RGB", (w, h * len(handful)))
    for i, one in enumerate(handful):
        together.paste(one, (0, i * h))
    tints = together.quantize(TINTS, Image.Quantize.MEDIANCUT)
    colour_table = tints.getpalette()
    assert colour_table is not None
    before = np.full((h, w), TINTS, np.uint8)
    with contextlib.closing(race_pictures(race, speed)) as pictures:
        for number, picture in enumerate(pictures, 1):
            told(number)
            now = np.asarray(picture.quantize(palette=tints, dither=Image.Dither.NONE))
            made = Image.fromarray(np.where(now == before, np.uint8(TINTS), now), "P")
            made.putpalette(colour_table)
            yield made
            before = now


class Strip(QWidget):
    """The cards and the axis of a race at any time."""

    def __init__(self, race: Race, speed: float):
        super().__init__()
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        if not application.styleSheet():
            theme.apply(theme.now)
        self._race, self._speed = race, SPEED.get(speed, "")
        self.setAttribute(Qt.WidgetAttribute.WA_DontShowOnScreen)
        rows = QVBoxLayout(self)
        rows.setContentsMargins(GAP, GAP, GAP, GAP)
        cards = QHBoxLayout()
        self._cards = [RaceCard(track.contestant) for track in race.tracks]
        for card in self._cards:
            high = len(card.contestant.prompt.known)
            side = max(1, SIDE // high) * high
            card.setFixedWidth(side + 14)
            card.picture.setFixedSize(side, side)
            card.place.setMinimumWidth(card.place.fontMetrics().horizontalAdvance("4th") * 2)  # before it has come
            card.place.setAlignment(Qt.AlignmentFlag.AlignRight)
            card.retheme()
            cards.addWidget(card)
        rows.addLayout(cards)
        self._axis = TimeAxis()
        rows.addWidget(self._axis)
        self._words = OneLine()
        rows.addWidget(self._words)
        self._show(0.0)
        self.show()

    def _show(self, seconds: float) -> None:
        for card, state in zip(self._cards, self._race.at(seconds), strict=True):
            card.show_state(state, "", False)
        self._axis.show_time(self._race, seconds, False, False)
        over = seconds >= self._race.duration
        self._words.setText(self._race.words if over else f"{formatting.seconds(seconds)}{self._speed}")

    def picture(self, seconds: float) -> Image.Image:
        """What it shows at that time."""
        self._show(seconds)
        image = QImage(self.size(), QImage.Format.Format_RGB32)
        self.render(image)
        return from_qimage(image).convert("RGB")
