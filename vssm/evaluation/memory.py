"""How much memory some work takes at its peak."""

from __future__ import annotations

import contextlib
import ctypes
from pathlib import Path

import torch

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")  # which only Linux has


class PeakMemory:
    """Measures from the moment when it is made: on a GPU what tensors take there, on a CPU of Linux by how much this
    process grows."""

    def __init__(self, where: torch.device) -> None:
        self.where, self._before = where, None
        if where.type == "cuda":
            torch.cuda.reset_peak_memory_stats(where)
            self._before = torch.cuda.memory_allocated(where)
        elif where.type == "cpu":
            with contextlib.suppress(OSError, AttributeError):
                ctypes.CDLL(None).malloc_trim(0)  # memory that was freed would be taken again without a trace
            with contextlib.suppress(OSError):
                RESET.write_text("5")  # the peak becomes what is used now
                self._before = _status("VmRSS")

    def read(self) -> int | None:
        """Return the bytes at the peak so far, less those at the beginning; None if this cannot be told here."""
        if self._before is None:
            return None
        peak = torch.cuda.max_memory_allocated(self.where) if self.where.type == "cuda" else _status("VmHWM")
        return None if peak is None else max(0, peak - self._before)


def _status(name: str) -> int | None:
    """Return a number of the process's status in bytes."""
    lines = (line.split() for line in STATUS.read_text().splitlines())
    return next((int(words[1]) * 1024 for words in lines if words[0] == f"{name}:"), None)
