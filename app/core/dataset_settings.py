"""What lies on the table for one data set while the program runs: its sheet with a history, and the run looked at."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.pinned import Pinned
from app.core.run import Run
from app.core.session import MOST_RECENT, Sheet
from app.core.sketch import Sketch
from vssm.models import registry
from vssm.prompt import Prompt


@dataclass
class Desk:
    """A `Sheet` that is being worked on; `shown` is the sheet's word for pixels, `absent` who is not ticked for a race,
    `run` what the panels show; `pinned` the results kept, the latest last."""

    sketch: Sketch
    modes: dict[str, tuple[str, int | None]]
    temperature: float
    shown: str
    ink: tuple[int, ...]
    recent: tuple[tuple[int, ...], ...]
    absent: set[str]
    run: Run | None = None
    pinned: tuple[Pinned, ...] = ()

    @classmethod
    def of(cls, sheet: Sheet) -> Desk:
        return cls(
            Sketch(sheet.prompt, sheet.touched),
            dict(sheet.modes),
            sheet.temperature,
            sheet.shown,
            sheet.ink,
            tuple(sheet.recent),
            set(sheet.absent),
            pinned=sheet.pinned,
        )

    @property
    def sheet(self) -> Sheet:
        """What is to be saved; of the sketch all that stands, under unknown pixels too."""
        sketch = self.sketch
        return Sheet(
            Prompt(sketch.pixels.copy(), sketch.known),
            dict(self.modes),
            self.temperature,
            self.shown,
            self.ink,
            self.recent,
            sketch.touched & ~sketch.region,
            tuple(name for name in registry.PRESETS if name in self.absent),
            self.pinned,
        )

    def use(self, ink: tuple[int, ...], remember: bool) -> None:
        """Draw in that colour from now on; it stands first among those remembered, if it is to be."""
        self.ink = ink
        if remember:
            self.recent = (ink, *(c for c in self.recent if c != ink))[:MOST_RECENT]
