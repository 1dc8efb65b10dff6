"""What stands where a completion will: words on what to do, and an example made beforehand, marked as such."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.core import formatting
from app.ui.widgets import picture
from app.ui.widgets.card import label, plain_tip, spaced
from vssm.models import registry
from vssm.reports.precomputed import PrecomputedExample

EXAMPLE = "Example, made beforehand: the likeliest of four by {} in {} ({}). Draw, and press Complete (↵) for your own."
LEAST = 84  # the side of the example's picture; a window as small as can be still shows it whole


class Placeholder(QWidget):
    """`words` where there is no example."""

    def __init__(self, words: str):
        super().__init__()
        self._words = words
        self.example: PrecomputedExample | None = None
        self.picture = picture.Picture("Example")
        self.picture.setMinimumSize(LEAST, LEAST)
        self.words = label(words, "muted", wrap=True)
        self.words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        column = spaced(QVBoxLayout(self), 8, (0, 12, 0, 12))
        column.addWidget(self.picture, 1)
        column.addWidget(self.words)
        self.picture.hide()

    def offer(self, example: PrecomputedExample | None) -> None:
        """Show this example, or none."""
        if example is self.example:
            return
        self.example = example
        self.picture.setVisible(example is not None)
        if example is None:
            self.words.setText(self._words)
            return
        known = example.prompt.known
        outlined = known if example.image.shape[-1] == 1 else None
        self.picture.show_picture(picture.compose(example.image[None], known, known | True)[0], outlined)
        title, taken = (
            registry.get(example.model).title,
            formatting.seconds(example.seconds).replace(" ", "\N{NO-BREAK SPACE}"),
        )
        self.words.setText(EXAMPLE.format(title, taken, example.machine))
        self.picture.setToolTip(plain_tip(self.words.text()))
