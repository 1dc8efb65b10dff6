"""How busy other programs keep the processor during a measurement: if they do, its times mean little."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STAT = Path("/proc/stat")  # Linux tells there how long its cores have been busy
SLACK = 0.3  # cores that a desktop at rest keeps busy
SLACK_SHARE = 0.05  # of all cores, on larger machines


@dataclass(frozen=True)
class MachineLoad:
    """The load of the machine during a measurement.

    Args:
        others: How many cores other programs kept busy, on average; None if unknown.
        average: The load averages over 1, 5 and 15 minutes, before the measurement; None if unknown.
        cores: How many cores there are.
        threads: How many threads the measurement used.
    """

    others: float | None
    average: tuple[float, ...] | None
    cores: int
    threads: int

    @property
    def too_busy(self) -> bool:
        """Whether fewer cores were left than there were threads."""
        slack = max(SLACK, SLACK_SHARE * self.cores)
        return self.others is not None and self.others > self.cores - min(self.threads, self.cores) + slack

    @property
    def words(self) -> str:
        """One sentence for people: how busy the machine was and, if too busy, what to do."""
        if self.others is None:
            return "How busy the machine was cannot be told here."
        taken = f"Other programs kept {self.others:.1f} of {self.cores} cores busy"
        if not self.too_busy:
            return f"{taken}."
        return f"{taken}, too many for ratios: end them and run it again, or add --allow-busy to see these."

    def to_dict(self) -> dict[str, Any]:
        """Return the keys of a record."""
        average = None if self.average is None else [round(x, 2) for x in self.average]
        others = None if self.others is None else round(self.others, 2)
        return {"load_average": average, "others_busy_cores": others, "too_busy": self.too_busy}


class LoadMeter:
    """Measures the load from the moment when it is made."""

    def __init__(self) -> None:
        self._average = os.getloadavg() if hasattr(os, "getloadavg") else None
        self._began = time.perf_counter(), _busy_seconds(), time.process_time()

    def read(self, threads: int) -> MachineLoad:
        """Return the load so far, while this program used so many threads."""
        began, busy, own = self._began
        passed, now = time.perf_counter() - began, _busy_seconds()
        if busy is not None and now is not None and passed > 0:
            others: float | None = max(0.0, (now - busy - (time.process_time() - own)) / passed)
        else:
            others = self._average[0] if self._average else None
        return MachineLoad(others, self._average, os.cpu_count() or 1, threads)


def _busy_seconds() -> float | None:
    """Return for how many seconds all cores together have been busy, also for other virtual machines; None if
    unknown."""
    try:
        numbers = [int(n) for n in STAT.read_text().split("\n", 1)[0].split()[1:9]]
        user, nice, system, _, _, interrupts, soft_interrupts, stolen = numbers
        return (user + nice + system + interrupts + soft_interrupts + stolen) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, AttributeError):
        return None
