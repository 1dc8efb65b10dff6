"""Who races: a box for each model; or, in the simple view, the same two always."""

from __future__ import annotations

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QCheckBox, QWidget

from app.core.run import PAIR
from app.ui import theme
from app.ui.widgets.card import configured, emptied, plain_tip
from app.ui.widgets.flow import Flow
from vssm.models import registry


class Entrants(QWidget):
    """boxes: by model."""

    def __init__(self) -> None:
        super().__init__()
        self.boxes: dict[str, QCheckBox] = {}
        self._offered: dict[str, str] = {}
        self._absent: set[str] = set()  # models not ticked
        self._row = Flow(10)
        self.setLayout(self._row)

    def offer(self, offered: dict[str, str], absent: set[str]) -> None:
        """Models, with why one cannot race, empty where it can; those in `absent`, which is kept up to date, are not
        ticked."""
        if offered == self._offered and absent is self._absent:
            return
        self._offered, self._absent = offered, absent
        emptied(self._row)
        self.boxes = {}
        for model, lacks in offered.items():
            title = registry.get(model).title
            box = self.boxes[model] = QCheckBox(f"{theme.sign(model)} {title}")
            tip = plain_tip(lacks) or f"Whether {title} takes part, by the sampler chosen for it"
            configured(box, accessibleName=f"{title} races", toolTip=tip)
            box.setEnabled(not lacks)
            box.setChecked(not lacks and model not in absent)
            box.toggled.connect(self._tick_off)
            self._row.addWidget(box)
        self.retheme()

    @Slot()
    def _tick_off(self) -> None:
        for model, box in self.boxes.items():
            change = self._absent.discard if box.isChecked() or not box.isEnabled() else self._absent.add
            change(model)

    @property
    def chosen(self) -> list[str]:
        """Models that are to race."""
        if self.isHidden():
            return [model for model in PAIR if not self._offered[model]]
        return [model for model, box in self.boxes.items() if box.isChecked()]

    def allow(self, on: bool) -> None:
        """Let people choose now, or not."""
        for model, box in self.boxes.items():
            box.setEnabled(on and not self._offered[model])

    def retheme(self) -> None:
        for model, box in self.boxes.items():
            box.setStyleSheet(f"QCheckBox:enabled {{ color: {theme.now.model(model)} }}")
