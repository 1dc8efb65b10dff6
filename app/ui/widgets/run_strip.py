"""Earlier runs to look at again, each as a thumbnail with its seconds."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QToolButton, QWidget

from app.core import formatting
from app.core.run import Run
from app.ui import theme
from app.ui.widgets import picture
from app.ui.widgets.card import configured, spaced, thumb

THUMB = 40


class RunStrip(QWidget):
    """The latest run of each model first, then the newest, as many as there is room for; `chosen` asks for one, by its
    number."""

    chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setToolTip("Runs to compare, the latest of each model first")
        self.setMinimumWidth(1)
        self._row = spaced(QHBoxLayout(self), 4)
        self._thumbs: list[QToolButton] = []

    def show_runs(self, history: Sequence[Run], current: Run | None) -> None:
        while self._row.takeAt(0):
            pass
        for old in self._thumbs:
            old.hide()  # deleted only when the event loop is reached
            old.deleteLater()
        made = [run for run in reversed(history) if run.progress]
        latest = {run.model: run for run in reversed(made)}.values()
        made.sort(key=lambda run: run not in latest)
        lines = 1 + any(run.variant for run in made)
        self._thumbs = [self._thumb(run, lines, run is current) for run in made]
        for one in self._thumbs:
            self._row.addWidget(one)
        self._row.addStretch(1)
        self._fit()
        self.setVisible(len(history) > 1)

    def _thumb(self, run: Run, lines: int, current: bool) -> QToolButton:
        took = formatting.seconds(run.seconds)
        words = f"{run.title}, {run.settings.samples} samples, {took}, seed {run.settings.seed}"
        image, filled = run.images[run.sample_index], run.filled[run.sample_index]
        small = picture.thumbnail(image, run.prompt.known, filled, THUMB, run.finished is None)
        made = thumb(small, f"Earlier run: {words}", f"Look at this run again: {words}", self._choose)
        text = "\n".join([f"{theme.sign(run.model, not run.variant)} {took}", run.variant][:lines])
        colour = f"color: {theme.now.model(run.model)}"
        configured(made, text=text, styleSheet=colour, checkable=True, checked=current)
        made.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        made.setProperty("number", run.number)
        return made

    @Slot()
    def _choose(self) -> None:
        self.chosen.emit(self.sender().property("number"))

    def _fit(self) -> None:
        room = self.width() + self._row.spacing()
        for one in self._thumbs:
            room -= one.sizeHint().width() + self._row.spacing()
            one.setVisible(room >= 0)

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        self._fit()

    def showEvent(self, event) -> None:
        super().showEvent(event)
        self._fit()
