"""What a model made of the sketch: one sample large, all samples below, those pinned, and earlier runs to compare."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPoint, Qt, Signal, Slot
from PySide6.QtWidgets import QBoxLayout, QHBoxLayout, QLabel, QMenu, QStackedLayout, QVBoxLayout, QWidget

from app.core import formatting
from app.core.pinned import MOST_PINNED, Pinned
from app.core.run import Run
from app.ui import theme
from app.ui.widgets import picture
from app.ui.widgets.card import Card, OneLine, filled, hint, label, spaced
from app.ui.widgets.comparison import Comparison
from app.ui.widgets.pixel_inspector import (
    ALONE,
    LEAST,
    POINT,
    InspectedPicture,
    PixelReadout,
    figures,
    overlaid,
    spread,
)
from app.ui.widgets.run_strip import RunStrip
from app.ui.widgets.thumbnail_gallery import ThumbnailGallery
from vssm import data
from vssm.models import registry
from vssm.prompt_advice import advise
from vssm.sampling.events import Finished

MANY = 16  # samples, from which on they take more room
LARGE, GAP = (4, 3), 8  # parts of the room for the large picture, with few samples and with many; pixels between them
SAMPLE, PIN = (72, 400), (26, 40)  # least and largest side of a sample and of a pinned result, where there is room
PINS, STRIP = 116, 74  # width of the pinned ones, height of the strip with them and the runs
RULE = """\
Point at one: it lies over your sketch. Click: it is pinned. Click a pinned one: it becomes your sketch.
A right click has more, and unpins a pinned one. By keyboard: arrows, Space for a click, Return for the sketch, Delete
to unpin."""
FULL = "{} results are pinned, the most there can be: unpin one first, by a right click on it."
SCORE = {
    "nats": "\n{} nats: how likely the model finds it, given the sketch",
    "bits/dim": "\n{} bits/dim: how surprising the model finds it, given the sketch",
}
CLAMPED = "{} reads row by row from the top:\npixels known further down come late"
DRAFTS = (
    "Pixels a network call settles in each sample. Pixels are drafted, or guessed, and verified by a call, which "
    "accepts them up to the first that does not hold."
)
MIXTURE, INK = "Pixels: mean of the mixture", "Pixels: mean (how likely ink is)"
MEAN = (
    "This model draws all pixels independently of one another, given its latents. Shown is the expected colour of each "
    "pixel in place of a draw, which removes pixel noise."
)
EMPTY = "Sketch something: the picture follows your pen here (Live), or fills in when you press Complete (↵)."


class CompletionPanel(Card):
    """Shows one run; `run_chosen` asks for an earlier one, `sample_chosen` follows the choice of a sample, `pinned`
    the pinning or unpinning of one, `previewed` (colours [H, W, 3] or None) a look at one; `taken` asks for a result
    to become the sketch, `said` tells a person something."""

    run_chosen = Signal(int)
    sample_chosen = Signal()
    pinned = Signal(tuple)
    previewed = Signal(object)
    taken = Signal(object)
    said = Signal(str)

    def __init__(self) -> None:
        super().__init__("Completion", "What the model made of the sketch")
        self.run: Run | None = None
        self._finished: Finished | None = None  # its last event, as far as it has been shown
        self._model = OneLine()
        self._model.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.header.addWidget(self._model, 100)
        self.picture = InspectedPicture()
        self.picture.looked_at.connect(self._read)
        self._hint = hint(EMPTY)
        filled(spaced(QVBoxLayout(self.picture), 6, (24, 0, 24, 0)), self._hint)
        self.readout = PixelReadout()
        self.tools = QHBoxLayout()
        self.body.addLayout(self.tools)
        self._spread = False
        self.comparison = Comparison(self)
        self.comparison.turned.connect(self._redraw)
        self._apart: np.ndarray | None = None  # [H, W]
        self._figures: dict[str, QLabel] = {}
        self.body.addLayout(self._figure_row())
        self.pixels, self.drafts, self.note = (label("", "muted") for _ in range(3))
        self.pixels.setToolTip(MEAN)
        self.drafts.setToolTip(DRAFTS)
        self.advice = label("", "muted", wrap=True)
        self.notes = Column(self.pixels, self.drafts, self.note, self.advice)
        self.notes.setMinimumWidth(1)
        self.notes.setMaximumHeight(self.readout.height())
        self._said = QStackedLayout()  # what is said of a pixel, or of the run, in the same place
        self._said.addWidget(self.readout)
        self._said.addWidget(self.notes)
        self.tools.addLayout(self._said, 1)
        self.centre = Column()  # with a button that does what is advised
        self.tools.addWidget(self.centre)
        self._hide_notes()
        self.gallery = ThumbnailGallery("Samples of this run", RULE, *SAMPLE)
        self.menu = QMenu(self)  # of the sample shown large
        self.picture.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.picture.customContextMenuRequested.connect(self._open_menu)
        self._by_score = True
        self._order: list[int] = []  # the samples as the gallery shows them
        self.gallery.chosen.connect(self._choose_shown)
        self.gallery.pointed.connect(self._preview_sample)
        self.gallery.clicked.connect(self._click_sample)
        self.gallery.used.connect(self._use_sample)
        self.gallery.unpinned.connect(self._unpin_sample)
        self.gallery.more.connect(self._ask_more)
        self.pictures = Pictures(self.picture, self.gallery)
        self.body.insertWidget(1, self.pictures, 50)
        self._pins: tuple[Pinned, ...] = ()
        self.pins = ThumbnailGallery("Pinned results", RULE, *PIN)
        self.pins.pointed.connect(self._preview_pin)
        self.pins.clicked.connect(self._use_pin)
        self.pins.used.connect(self._use_pin)
        self.pins.unpinned.connect(self._unpin)
        self.pins.more.connect(self._unpin)
        self._no_pins = label("", "muted", wrap=True)
        self._pins_name = label("Pinned", "muted")
        self._pin_row = Column(self._pins_name, self.pins, self._no_pins)
        self._pin_row.setFixedWidth(PINS)
        self.earlier = RunStrip()
        self.earlier.chosen.connect(self.run_chosen)
        self.strip = QWidget()  # always as high, so that nothing moves when a run ends or is pinned
        self.strip.setFixedHeight(STRIP)
        filled(spaced(QHBoxLayout(self.strip), 6), self._pin_row, (self.earlier, 1000), None)
        self.earlier.hide()
        self._pin_row.hide()
        self.body.addWidget(self.strip)

    def _figure_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        for name, unit, tip in (
            ("seconds", "model's time", "The time the model itself worked, reading the prompt included"),
            ("calls", "network calls", "Network call: one forward pass of a network, whatever it covers"),
            ("rate", "pixels/s", "Pixels generated a second, over all samples"),
        ):
            value, caption = label("–", "number"), label(unit, "muted")
            for one in (value, caption):
                one.setToolTip(tip)
                one.setAlignment(Qt.AlignmentFlag.AlignHCenter)
            cell = Column(value, caption)
            row.addWidget(cell, 1)
            self._figures[name] = value
        return row

    def figure(self, name: str) -> list[QLabel]:
        """A figure, and what it is."""
        row = self._figures[name].parentWidget()
        assert row is not None
        return row.findChildren(QLabel)

    def show_run(self, run: Run | None) -> None:
        """Draw a run as it stands; cheap enough to be called thirty times a second."""
        if run is not self.run:
            self.gallery.forget_pointer()
        if run is not None and run is not self.run:
            whole = run.request.details  # a glance while the pen moves is of no finished sketch
            advice = advise(run.prompt, data.get(run.data)) if whole else ""
            how = advice.removeprefix("This sketch is ").partition(", unlike")[0]
            self.advice.setText(f"Unlike MNIST's digits: {how}" if how else "")
            self.advice.setToolTip(advice)
        finishing = run is self.run and run is not None and run.finished is not self._finished
        self.run, self._finished = run, run.finished if run is not None else None
        self._hint.setVisible(run is None)
        self._pin_row.setVisible(run is not None or bool(self._pins))
        alone = run is not None and run.settings.samples == 1
        self._no_pins.setText("No pins yet: Shift+P pins this one" if alone else "No pins yet: click a sample")
        if run is None:
            self.picture.show_picture(None, None)
            self.gallery.show_pictures([], 0, [], [], set())
            self._read()
            self._hide_notes()
            self._model.setText("")
            for value in self._figures.values():
                value.setText("–")
            return
        known = run.prompt.known
        drawn = picture.compose(run.images, known, run.filled)
        self._show_large(run, drawn[run.sample_index])
        self._show_samples(drawn)
        if finishing:  # what is pointed at can be looked at now
            self._preview_sample(self.gallery.pointer)
        self._read()
        sample = (
            f"{self._order.index(run.sample_index) + 1} of {run.settings.samples}" if run.settings.samples > 1 else ""
        )
        name = f"{theme.sign(run.model, not run.variant)} {run.title}"
        self._model.setText(" · ".join(part for part in (name, run.status or sample) if part))
        self._model.setStyleSheet(f"color: {theme.now.model(run.model)}")
        self._figures["seconds"].setText(formatting.seconds(run.seconds) if run.points else "–")
        self._figures["calls"].setText(f"{run.network_calls:,}" if run.points else "–")
        rate = run.tokens / run.seconds if run.tokens and run.seconds else 0
        self._figures["rate"].setText(formatting.rate(rate) if rate else "–")
        if run.finished and run.finished.prompt_seconds:
            self._figures["seconds"].setToolTip(
                f"{formatting.seconds(run.finished.prompt_seconds)} for reading the prompt, "
                f"{formatting.seconds(run.finished.seconds)} for writing the pixels"
            )
        self.pixels.setText(MIXTURE if run.images.shape[-1] == 3 else INK)
        self.drafts.setText(run.drafts)
        self.drafts.setVisible(bool(run.drafts))
        self.note.setText(CLAMPED.format(registry.get(run.model).title))
        self.note.setVisible(bool(run.started and run.started.clamped))
        self.pixels.setVisible(run.mean and self.note.isHidden())  # there is room for two lines
        self.advice.setVisible(bool(self.advice.text()) and self.note.isHidden())
        self.centre.setVisible(not self.advice.isHidden())
        self._read()

    # --- the large picture

    def _show_large(self, run: Run, drawn: np.ndarray) -> None:
        """The sample looked at; under the spread of all of them, where that is wanted and there are others."""
        known, filled = run.prompt.known, run.filled
        colour = run.images.shape[-1] == 3
        self._apart = None
        before = run.base.images[run.sample_index] if self.comparison.before and run.base is not None else None
        if before is not None:
            drawn = picture.compose(before[None], known, known | True)[0]
        elif self._spread and run.settings.samples > 1:
            stands = np.asarray(filled.all(0))
            self._apart = np.where(stands, spread(run.images), 0)
            drawn = np.where(stands[..., None], overlaid(drawn, self._apart, self._most), drawn)
        outlined = None if colour and run.finished else known  # a finished picture in colour is to be seen as one
        self.picture.show_picture(drawn, outlined, filled[run.sample_index] if colour else None)
        self.picture.frame_changes(run.changed if before is not None or self.comparison.blinks else None)

    @property
    def _most(self) -> float:
        """The end of the spread's scale."""
        return LEAST if self._apart is None else max(LEAST, float(self._apart.max()))

    def show_spread(self, on: bool) -> None:
        """Lay over the large picture how far the samples lie apart at each pixel, or take it away."""
        self._spread = on
        self._redraw()

    @Slot()
    def _redraw(self) -> None:
        self.show_run(self.run)

    def _hide_notes(self) -> None:
        for one in (self.pixels, self.drafts, self.note, self.advice, self.centre):
            one.hide()

    @Slot()
    def _read(self) -> None:
        """Say what is known of the pixel looked at; else what the spread's colours mean, or what there is to do."""
        if self.run is None:
            self.readout.tell()
        elif self.picture.at is not None:
            self.readout.tell(*figures(self.run, *self.picture.at))
        elif self._apart is not None:
            self.readout.show_scale(self._most)
        else:
            self.readout.tell(*(ALONE if self._spread else POINT))
        self.picture.describe(self.readout.text if self.picture.at is not None else "")
        notes = any(not one.isHidden() for one in (self.pixels, self.drafts, self.note, self.advice))
        at_rest = self.picture.at is None and not self._spread
        self._said.setCurrentWidget(self.notes if notes and at_rest else self.readout)

    # --- the gallery: pointing previews, a click pins, a click on a pinned one makes it the sketch

    def _show_samples(self, drawn: np.ndarray) -> None:
        """All of them, [K, H, W, 3]; a single one is seen large enough."""
        run, K = self.run, len(drawn) if len(drawn) > 1 else 0
        assert run is not None
        self._order = run.ranking if self._by_score else list(range(run.settings.samples))
        pins = {place for place in range(K) if self._pins and self._result(place) in self._pins}
        self.pictures.share(K)
        dataset, unknown = data.get(run.data), int((~run.prompt.known).sum())
        scores = [formatting.likelihood(score, unknown, dataset) for score in run.scores[self._order]]
        told = SCORE[dataset.unit]
        tips = [
            f"Sample {place + 1} of {K}{', pinned' * (place in pins)}{told.format(score) if score else ''}"
            for place, score in enumerate(scores)
        ][:K]
        self.gallery.show_pictures(
            drawn[self._order][:K],
            self._order.index(run.sample_index),
            [theme.now.model(run.model)] * K,
            tips,
            pins,
            [] if run.finished or run.images.shape[-1] == 1 else picture.outline(run.prompt.known),
            captions=scores,
        )

    def sort_by_score(self, on: bool) -> None:
        """Show the likeliest sample first, or all in the order in which they were drawn."""
        self._by_score = on
        self.gallery.forget_pointer()
        self.show_run(self.run)

    @Slot(QPoint)
    def _open_menu(self, place: QPoint) -> None:
        if self.run is not None:
            self.menu.popup(self.picture.mapToGlobal(place))

    @Slot(int, QPoint)
    def _ask_more(self, place: int, where: QPoint) -> None:
        """What can be done with a sample, which is shown large for it."""
        self._choose_shown(place)
        self.menu.popup(where)

    @Slot(int)
    def _choose_shown(self, place: int) -> None:
        self.choose_sample(self._order[place])

    def _result(self, place: int) -> Pinned | None:
        """A sample of the run shown, by its place in the gallery, as it would be pinned; None before the run has
        finished."""
        return self._as_pinned(self._order[place]) if place < len(self._order) else None

    def _as_pinned(self, number: int) -> Pinned | None:
        return Pinned.of(self.run, number) if self.run is not None and self.run.finished else None

    def show_pinned(self, pins: tuple[Pinned, ...]) -> None:
        """Show these results as pinned."""
        self._pins = pins
        self._show_pins()
        self.show_run(self.run)

    def _show_pins(self) -> None:
        pins = self._pins
        drawn = [picture.compose(p.image[None], p.known, p.known | True)[0] for p in pins]
        frames, tips = [theme.now.model(p.model) for p in pins], [p.words for p in pins]
        self.pins.show_pictures(drawn, len(pins) - 1, frames, tips, set(), marked=False)
        self.pins.setVisible(bool(pins))
        self._no_pins.setVisible(not pins)
        self._pins_name.setVisible(bool(pins))  # the runs beside them are no pins

    def _pin(self, result: Pinned) -> None:
        if len(self._pins) >= MOST_PINNED:
            self.said.emit(FULL.format(MOST_PINNED))
        else:
            self.pinned.emit((*self._pins, result))

    def _let_go(self, result: Pinned | None) -> None:
        if result in self._pins:
            self.pinned.emit(tuple(p for p in self._pins if p != result))

    @Slot(int)
    def _preview_sample(self, number: int) -> None:
        self._preview(self._result(number) if number >= 0 else None)

    @Slot(int)
    def _preview_pin(self, number: int) -> None:
        self._preview(self._pins[number] if number >= 0 else None)

    def _preview(self, result: Pinned | None) -> None:
        whole = None if result is None else picture.compose(result.image[None], result.known, result.known | True)[0]
        self.previewed.emit(whole)

    @Slot(int)
    def _click_sample(self, number: int) -> None:
        result = self._result(number)
        self._choose_shown(number)
        if result is None:
            return  # nothing to keep yet
        if result in self._pins:
            self.taken.emit(result)
        else:
            self._pin(result)

    @Slot(int)
    def _use_sample(self, number: int) -> None:
        if result := self._result(number):
            self.taken.emit(result)

    @Slot(int)
    def _unpin_sample(self, number: int) -> None:
        self._let_go(self._result(number))

    @Slot(int)
    def _use_pin(self, number: int) -> None:
        self.taken.emit(self._pins[number])

    @Slot(int)
    def _unpin(self, number: int) -> None:
        self._let_go(self._pins[number])

    def pin_shown(self) -> None:
        """Pin the sample shown large, or unpin it."""
        if result := self._as_pinned(self.run.sample_index if self.run else 0):
            self._let_go(result) if result in self._pins else self._pin(result)

    def use_shown(self) -> None:
        """Ask for the sample shown large to become the sketch."""
        if result := self._as_pinned(self.run.sample_index if self.run else 0):
            self.taken.emit(result)

    @Slot(int)
    def choose_sample(self, number: int) -> None:
        if self.run is not None and number < self.run.settings.samples:
            self.run.picked = number
            self.sample_chosen.emit()


class Column(QWidget):
    """Widgets one under another, close together."""

    def __init__(self, *widgets: QWidget):
        super().__init__()
        filled(spaced(QVBoxLayout(self), 0), *widgets)


class Pictures(QWidget):
    """The large picture and the samples, beside it or under it, wherever it is larger."""

    def __init__(self, large: QWidget, samples: QWidget):
        super().__init__()
        self._row = filled(spaced(QHBoxLayout(self), GAP), (large, 4), (samples, 1))
        self._parts = LARGE[0]

    def share(self, samples: int) -> None:
        """Give the samples a fifth of the room, or a quarter where there are many."""
        self._parts = LARGE[samples > MANY]
        self._row.setStretch(0, self._parts)
        self._turn()

    def _sides(self, parts: int) -> tuple[float, float]:
        """Of the large picture, which has so many parts of the room, beside the samples and over them."""
        share, wide, high = parts / (parts + 1), self.width() - GAP, self.height()
        return min(share * wide, high), min(wide, share * (high - GAP))

    @property
    def least(self) -> float:
        """The side of the large picture with many samples."""
        return max(self._sides(LARGE[True])) - 1  # as layouts round

    def _turn(self) -> None:
        beside, over = self._sides(self._parts)
        ways = QBoxLayout.Direction
        self._row.setDirection(ways.TopToBottom if over > beside else ways.LeftToRight)

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        self._turn()
