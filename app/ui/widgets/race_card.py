"""The card of a contestant of a race: its picture, its clock, its place, and what it has done so far."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QRectF, QSize
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QBoxLayout, QFrame, QHBoxLayout, QSizePolicy, QVBoxLayout

from app.core import formatting, race
from app.core.race import Contestant, Frame, State
from app.ui import theme
from app.ui.widgets import picture
from app.ui.widgets.card import OneLine, label, spaced
from app.ui.widgets.colour_map import enlarge, paint, rgb, sequential

FEW = 64  # most new pixels that are outlined
TINTS = {"drafted": "#56b4e9", "accepted": "#009e73", "redrawn": "#cc79a7", "rejected": "#d55e00"}
WIDEST = "0.000 s", "=4th"  # a clock and a place
ACROSS, DOWN = QBoxLayout.Direction.LeftToRight, QBoxLayout.Direction.TopToBottom
TINT = 0.6  # how much of a pixel's colour it is


def colours_of(frame: Frame, known: np.ndarray) -> np.ndarray:
    """A frame as it is shown, [H, W, 3]: its picture, and the pixels of a round of drafting tinted."""
    drawn = picture.compose(frame.picture[None], known, frame.filled)[0]
    marks = frame.marks
    if marks is None:
        return drawn
    everywhere = np.ones_like(known)
    drafts = picture.compose(marks.values[None], np.zeros_like(known), everywhere)[0]
    for name, tint in TINTS.items():
        mask = getattr(marks, name)[..., None]
        under = drafts if name in ("drafted", "rejected") else drawn
        tinted = (1 - TINT) * under + TINT * np.array(rgb(QColor(tint)))
        drawn = np.where(mask, tinted.astype(np.uint8), drawn)
    return drawn


class RacePicture(picture.Picture):
    """A contestant's picture, in which a few new pixels are outlined and rejected ones crossed out."""

    def __init__(self, name: str):
        super().__init__(name)
        self.colour = QColor("white")
        self._frame: Frame | None = None

    def minimumSizeHint(self) -> QSize:
        return QSize(88, 88)

    def show_frame(self, frame: Frame, known: np.ndarray) -> None:
        self._frame = frame
        shown = frame.filled if frame.drafts is None else frame.filled | frame.drafts.proposed[0]
        self.show_picture(colours_of(frame, known), known, shown if frame.picture.shape[-1] == 3 else None)

    def show_level(self, frame: Frame, known: np.ndarray, shares: np.ndarray, palette: np.ndarray) -> None:
        """A map of latents [h, w] in the place of a picture that is still to come."""
        self._frame = None
        self.show_picture(paint(enlarge(shares, len(known)), palette), known)

    def paint_over(self, painter: QPainter, field: QRectF) -> None:
        if self._frame is None:
            return
        scale = field.width() / self._frame.filled.shape[1]
        marks = self._frame.marks
        if marks is not None:
            painter.setPen(QPen(QColor(255, 255, 255, 210), 1))
            for y, x in np.argwhere(marks.rejected):
                cell = QRectF(field.x() + x * scale, field.y() + y * scale, scale, scale).adjusted(1, 1, -1, -1)
                painter.drawLine(cell.topLeft(), cell.bottomRight())
        elif 0 < self._frame.fresh.sum() <= FEW:
            painter.setPen(QPen(self.colour, 2))
            for y, x in np.argwhere(self._frame.fresh):
                painter.drawRect(QRectF(field.x() + x * scale, field.y() + y * scale, scale, scale))


class RaceCard(QFrame):
    """The card of a contestant."""

    def __init__(self, contestant: Contestant):
        super().__init__()
        self.setObjectName("card")
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.contestant = contestant
        rows = spaced(QVBoxLayout(self), 3, (6, 5, 6, 6))
        self.name = OneLine()
        self.name.setText(f"{theme.sign(contestant.model, not contestant.variant)} {contestant.title}")
        rows.addWidget(self.name)
        self.picture = RacePicture(f"What {contestant.title} has")
        rows.addWidget(self.picture, 100)
        self.clock, self.place = label("", "number"), label(" ", "number")
        self.clock.setToolTip("The model's own time")
        self.place.setToolTip("Its finishing place; = where times are closer than repeats of them spread")
        self._finish = QHBoxLayout()
        self._finish.addWidget(self.clock, 1)
        self._finish.addWidget(self.place)
        rows.addLayout(self._finish)
        self.tokens, self.calls, self.note = OneLine(), OneLine(), OneLine()
        for one in (self.tokens, self.calls, self.note):
            rows.addWidget(one)
        rows.addStretch(1)
        for one in (self.tokens, self.calls, self.note):
            one.setObjectName("muted")

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        self.picture.setMaximumHeight(max(88, self.picture.width()))  # no more than it has use for
        width = self.clock.fontMetrics().horizontalAdvance
        narrow = self.picture.width() < self._finish.spacing() + sum(map(width, WIDEST))
        self._finish.setDirection(DOWN if narrow else ACROSS)  # the place does not cover the time

    def retheme(self, colours: theme.Theme) -> None:
        colour = colours.model(self.contestant.model)
        self.name.setStyleSheet(f"color: {colour}; font-weight: 600")
        self.picture.colour = QColor(theme.DARK.model(self.contestant.model))  # pictures are dark in either theme

    def show_state(self, state: State, said: str, colours: theme.Theme, resting: bool) -> None:
        """said: a word on a contestant that has not come to its end; empty for a replay. resting: whether this stays
        for a while, so that a screen reader may read it out."""
        frame, track = state.frame, state.track
        known = self.contestant.prompt.known
        level = frame.level if frame.tokens == 0 else None
        if level is None:
            self.picture.show_frame(frame, known)
        else:
            every = np.concatenate([f.level.entropy.ravel() for f in track.frames if f.level is not None])
            low, high = float(np.nanmin(every)), float(np.nanmax(every))
            shares = (level.entropy - low) / max(high - low, 1e-6) * 255
            self.picture.show_level(frame, known, shares, sequential(colours))
        self.place.setText(race.short(state.place, state.tied) if state.place else " ")  # the line keeps its height
        self.clock.setText(said or formatting.seconds(state.seconds))
        self.tokens.setText(f"{frame.tokens:,} of {track.tokens:,} pixels")
        self.calls.setText(f"{frame.calls:,} network call{'s' * (frame.calls != 1)}")
        self.note.setText(self._note(frame))
        name = f"{state.words}, {said}" if said else state.words
        if (resting or state.done) and name != self.accessibleName():
            self.setAccessibleName(name)

    @staticmethod
    def _note(frame: Frame) -> str:
        if frame.level is not None:
            number, levels = frame.level.number, frame.level.levels
            if number == 0:
                return "entropy of the global code"
            return f"entropy of level {number} of {levels}" if levels > 1 else "entropy of the latents"
        if frame.drafted:
            return f"{frame.accepted:,} of {frame.drafted:,} drafts stood"
        return ""
