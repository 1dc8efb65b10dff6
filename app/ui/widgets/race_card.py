"""The cards of a race: of each contestant its picture, its clock, its place, and what it has done so far."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QEvent, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QBoxLayout, QFrame, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from app.core import formatting, race
from app.core.race import Contestant, Frame, State
from app.ui import theme
from app.ui.widgets import picture
from app.ui.widgets.card import OneLine, configured, filled, label, spaced
from app.ui.widgets.colour_map import enlarge, paint, rgb, sequential

FEW = 64  # most new pixels that are outlined
TINTS = {"drafted": "#56b4e9", "accepted": "#009e73", "redrawn": "#cc79a7", "rejected": "#d55e00"}
LEAST, GAP = 84, 6  # pixels: the least side of a picture, and between two parts
TEXTS = 116, 142  # pixels: of what is said beside it, without drafts and with them
READ = 138  # pixels: the width of a card in which names, figures and the picture can be read
MARGINS = 6, 5, 6, 6
ACROSS, DOWN = QBoxLayout.Direction.LeftToRight, QBoxLayout.Direction.TopToBottom
ROUNDS = (
    "A round of drafting: drafted pixels wait for the next network call, which accepts them up to the first that does "
    "not hold; that one is drawn anew, and those after it are rejected, to be drafted again."
)
TINT = 0.6  # how much of a pixel's colour it is


def legend() -> QLabel:
    """What the tints mean, on black, as pictures are."""
    tints = (
        f'<span style="color:{tint}; background:#000000">&nbsp;■&nbsp;</span>&nbsp;{name}'
        for name, tint in TINTS.items()
    )
    made = label("", "muted", wrap=True)
    made.setTextFormat(Qt.TextFormat.RichText)
    made.setText(" &nbsp; ".join(["Drafts of this round:", *tints]))
    made.setToolTip(ROUNDS)
    return made


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
        self.contestant = contestant
        self.name, self.tokens, self.calls, self.note = (
            OneLine(),
            *(configured(OneLine(), objectName="muted") for _ in "123"),
        )
        self.name.setText(f"{theme.sign(contestant.model, not contestant.variant)} {contestant.title}")
        self.clock, self.place = label("", "number"), label(" ", "number")
        self.clock.setToolTip("The model's own time")
        self.place.setToolTip("Its finishing place; = where times are closer than repeats of them spread")
        self.picture = RacePicture(f"What {contestant.title} has")
        self._head = filled(QHBoxLayout(), (self.name, 1), self.place)
        self._texts = filled(spaced(QVBoxLayout(), 3), self.clock, self.tokens, self.calls, self.note, None)
        self._parts = filled(spaced(QBoxLayout(DOWN), GAP), (self.picture, 100), self._texts)
        filled(spaced(QVBoxLayout(self), 3, MARGINS), self._head, self._parts)

    @property
    def least(self) -> QSize:
        """Its least size, with what is said under the picture."""
        left, top, right, bottom = MARGINS
        texts = self._head.sizeHint().height() + self._texts.minimumSize().height()
        return QSize(left + LEAST + right, top + LEAST + texts + 3 + GAP + bottom)

    def least_height(self, wide: int) -> int:
        """Of a card of that width, which may have what is said beside the picture."""
        texts = self._texts.minimumSize().height()
        beside = wide >= self.least.width() + GAP + TEXTS[not self.note.isHidden()]
        return self.least.height() - (GAP + min(LEAST, texts)) * beside

    def sides(self, size: QSize) -> tuple[int, int]:
        """Of the picture in a card of that size, with what is said under it, and beside it."""
        spare, texts = size - self.least, self._texts.minimumSize().height()
        high = LEAST + spare.height() + GAP + texts
        beside = min(LEAST + spare.width() - TEXTS[not self.note.isHidden()] - GAP, high) if high >= texts else 0
        return LEAST + min(spare.width(), spare.height()), beside

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        under, beside = self.sides(self.size())
        self._parts.setDirection(ACROSS if beside > under else DOWN)
        side = max(under, beside, 1)
        self.picture.setFixedSize(side, side)

    def retheme(self) -> None:
        colour = theme.now.model(self.contestant.model)
        self.name.setStyleSheet(f"color: {colour}; font-weight: 600")
        self.picture.colour = QColor(theme.DARK.model(self.contestant.model))  # pictures are dark in either theme

    def show_state(self, state: State, said: str, resting: bool) -> None:
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
            self.picture.show_level(frame, known, shares, sequential())
        self.place.setText(race.short(state.place, state.tied) if state.place else " ")  # the line keeps its height
        self.clock.setText(said or formatting.seconds(state.seconds))
        self.tokens.setText(self._level(frame) or f"{frame.tokens:,} of {track.tokens:,} pixels")
        self.calls.setText(f"{frame.calls:,} network call{'s' * (frame.calls != 1)}")
        self.note.setText(f"{frame.accepted:,} of {frame.drafted:,} drafts stood" if frame.drafted else "")
        name = f"{state.words}, {said}" if said else state.words
        if (resting or state.done) and name != self.accessibleName():
            self.setAccessibleName(name)

    @staticmethod
    def _level(frame: Frame) -> str:
        """What is shown in the place of a picture that is still to come."""
        if frame.level is None or frame.tokens:
            return ""
        number, levels = frame.level.number, frame.level.levels
        if number == 0:
            return "entropy of the global code"
        return f"entropy of level {number} of {levels}" if levels > 1 else "entropy of the latents"


class RaceCards(QWidget):
    """Cards of one size, in as many columns as let their pictures be largest."""

    def __init__(self) -> None:
        super().__init__()
        self.cards: list[RaceCard] = []

    def deal(self, cards: list[RaceCard]) -> None:
        """Put these in the place of those before."""
        for old in self.cards:
            old.hide()
            old.deleteLater()
        self.cards = cards
        for card in cards:
            card.setParent(self)
            card.show()
        self.updateGeometry()
        self._place()

    def _cell(self, columns: int) -> QSize:
        rows = -(-len(self.cards) // columns)
        return QSize((self.width() + GAP) // columns - GAP, (self.height() + GAP) // rows - GAP)

    @property
    def _most(self) -> int:
        """Columns that can be read."""
        return min(max(1, self.width() // READ), len(self.cards))

    def minimumSizeHint(self) -> QSize:
        if not self.cards:
            return QSize()
        highs = (
            -(-len(self.cards) // columns) * (self.cards[0].least_height(self._cell(columns).width()) + GAP) - GAP
            for columns in range(1, self._most + 1)
        )
        return QSize(READ, min(highs))

    def _place(self) -> None:
        if not self.cards:
            return
        columns = max(range(self._most, 0, -1), key=lambda count: max(self.cards[0].sides(self._cell(count))))
        cell = self._cell(columns)
        for i, card in enumerate(self.cards):
            y, x = divmod(i, columns)
            card.setGeometry(x * (cell.width() + GAP), y * (cell.height() + GAP), cell.width(), cell.height())

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        self.updateGeometry()
        self._place()

    def event(self, event) -> bool:
        if event.type() == QEvent.Type.LayoutRequest:  # a card needs more room, or less
            self.updateGeometry()
            self._place()
        return super().event(event)
