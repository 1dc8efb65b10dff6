"""How the chosen model generates: one of its modes and, where that has one, its number; and how it shows pixels."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Qt, Signal, Slot
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QWidget

from app.ui.widgets.card import named, spaced
from app.ui.widgets.number_field import WholeField
from vssm.sampling.step import Sampler

PIXELS = (
    "Sampled: every pixel is drawn. Mean: the expected colour of each pixel is shown in its place, which removes pixel "
    "noise; for models that draw all pixels independently of one another, given their latents."
)


class SamplerPicker(QWidget):
    """`chosen` follows every choice of a person's: the mode's name, and its number or None; `shown` that of how pixels
    are shown."""

    chosen = Signal(str, object)
    shown = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        row = spaced(QHBoxLayout(self), 6)
        self._offered: Sampler | None = None
        self.mode, self.number = QComboBox(), WholeField()
        self.mode.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.mode.activated.connect(self._choose)
        self.number.valueChanged.connect(self._count)
        named(row, "Sampler", self.mode)
        self.name = named(row, "Number", self.number)
        self.pixels = QComboBox()
        self.pixels.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.pixels.activated.connect(self._show)
        self._pixels_name = named(row, "Pixels", self.pixels, PIXELS)

    def wait(self) -> None:
        """Offer nothing while the models are being loaded."""
        self.mode.clear()
        self.mode.addItem("loading …")
        self.mode.setEnabled(False)
        for one in (self.name, self.number, self._pixels_name, self.pixels):
            one.hide()

    @property
    def counted(self) -> str:
        """What the number of the chosen mode is of; empty where it has none."""
        return (self._offered.parameter or "") if self._offered else ""

    def offer(self, modes: tuple[Sampler, ...], name: str, number: int | None) -> None:
        """Show a model's modes, which of them is chosen, and its number."""
        chosen = next(mode for mode in modes if mode.name == name)
        self._offered = chosen
        self.mode.clear()
        for i, mode in enumerate(modes):
            self.mode.addItem(mode.title, mode)
            self.mode.setItemData(i, mode.about, Qt.ItemDataRole.ToolTipRole)
        self.mode.setCurrentIndex(modes.index(chosen))
        self.mode.setEnabled(len(modes) > 1)
        self.mode.setToolTip(f"{chosen.title}: {chosen.about}")
        for one in (self.name, self.number):
            one.setVisible(chosen.parameter is not None)
        if chosen.parameter:
            self.name.setText(chosen.parameter.capitalize())
            self.number.setAccessibleName(chosen.parameter.capitalize())
            self.number.setToolTip(f"{chosen.title}: {chosen.about} ({chosen.parameter}: usually {chosen.default})")
            with QSignalBlocker(self.number):
                self.number.setRange(1, chosen.most)
                if number is not None and number != self.number.value():  # else it is being typed
                    self.number.setValue(number)

    def offer_pixels(self, ways: tuple[str, ...], chosen: str) -> None:
        """Show how a model can show pixels, where there is a choice."""
        for one in (self._pixels_name, self.pixels):
            one.setVisible(len(ways) > 1)
        self.pixels.clear()
        for way in ways:
            self.pixels.addItem(way.capitalize(), way)
        self.pixels.setCurrentIndex(ways.index(chosen))

    def next_pixels(self) -> None:
        """Choose the way after this one."""
        if self.pixels.count() > 1:
            self._show((self.pixels.currentIndex() + 1) % self.pixels.count())

    @Slot(int)
    def _show(self, index: int) -> None:
        self.shown.emit(self.pixels.itemData(index))

    def next(self) -> None:
        """Choose the mode after this one."""
        self._choose((self.mode.currentIndex() + 1) % self.mode.count())

    @Slot(int)
    def _choose(self, index: int) -> None:
        mode: Sampler = self.mode.itemData(index)
        if mode != self._offered:
            self.chosen.emit(mode.name, mode.default if mode.parameter else None)

    @Slot(int)
    def _count(self, number: int) -> None:
        assert self._offered is not None
        self.chosen.emit(self._offered.name, number)
