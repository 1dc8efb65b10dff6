"""What lies on the table for one data set while the program runs: its sheet with a history, and the run looked at."""

from __future__ import annotations

from dataclasses import dataclass

from .pinned import Pinned
from .runs import Run
from .session import MOST_RECENT, Sheet
from .sketch import Sketch


@dataclass
class Desk:
    """A `Sheet` that is being worked on; `shown` is the sheet's word for pixels, `run` what the panels show;
    `pinned` the results kept, the latest last."""

    sketch: Sketch
    modes: dict[str, tuple[str, int | None]]
    temperature: float
    shown: str
    ink: tuple[int, ...]
    recent: tuple[tuple[int, ...], ...]
    run: Run | None = None
    pinned: tuple[Pinned, ...] = ()

    @classmethod
    def of(cls, sheet: Sheet) -> Desk:
        return cls(
            Sketch(sheet.prompt), dict(sheet.modes), sheet.temperature, sheet.shown, sheet.ink, tuple(sheet.recent)
        )

    @property
    def sheet(self) -> Sheet:
        """What is to be saved."""
        return Sheet(self.sketch.prompt, dict(self.modes), self.temperature, self.shown, self.ink, self.recent)

    def use(self, ink: tuple[int, ...], remember: bool) -> None:
        """Draw in that colour from now on; it stands first among those remembered, if it is to be."""
        self.ink = ink
        if remember:
            self.recent = (ink, *(c for c in self.recent if c != ink))[:MOST_RECENT]
