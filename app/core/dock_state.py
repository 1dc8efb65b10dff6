"""The places of the panels as text, and a check of what stands in it. No Qt.

Qt's main window writes its state as bytes and reads them back without looking: bytes that somebody crafted end the
program. Here they are read first, in Qt's own order, and must be of the kind that this program's window writes.
"""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Collection, Mapping

START, DOCKS, SEQUENCE, TABS, WIDGET, TOOLBARS = 0xFF, 0xFD, 0xFC, 0xFA, 0xFB, 0xFC  # Qt's marks
FLAGS, FLOATING = range(16), 2  # of a panel: visible 1, floating 2, closed by a person 8
AREAS, CORNERS = range(4), (1, 2, 4, 8)
LARGEST = 2**24 - 1  # pixels: QWIDGETSIZE_MAX
TAB_BAR = 1000  # pixels at most: Qt adds its height to the largest size of panels that lie one over the other
FARTHEST = 2**15  # pixels from the screen's corner to a floating panel
MOST_PANELS = 100
DEEPEST = 8  # rows in columns in rows
Arrangement = tuple[bytes, dict[str, tuple[float, float]]]  # Qt's bytes, and every panel's share of width and height


def write(arrangements: Mapping[str, Arrangement]) -> str:
    """One line of text for all arrangements."""
    plain = {name: [base64.b64encode(state).decode(), shares] for name, (state, shares) in arrangements.items()}
    text = json.dumps(plain, separators=(",", ":")).encode()
    return base64.b64encode(zlib.crc32(text).to_bytes(4) + text).decode()


def read(layout: str, names: Collection[str], panels: Collection[str], version: int) -> dict[str, Arrangement]:
    """The arrangements of these names in the text; none where anything in it is broken or cannot be of this program.

    Args:
        layout: what `write` gave.
        names: of the arrangements there can be.
        panels: the object names of the docks, each of which must occur.
        version: of Qt's state.
    """
    try:
        whole = base64.b64decode(layout, validate=True)
        if int.from_bytes(whole[:4]) != zlib.crc32(whole[4:]):
            return {}
        kept = {}
        for name, (state, shares) in json.loads(whole[4:]).items():
            state = base64.b64decode(state, validate=True)
            each = {panel: (float(shares[panel][0]), float(shares[panel][1])) for panel in panels}
            if name not in names or not all(0 <= v <= 1 for pair in each.values() for v in pair):
                return {}
            _Reader(state).check(panels, version)
            kept[name] = state, each
        return kept
    except (AttributeError, LookupError, TypeError, ValueError, RecursionError, OverflowError, struct.error):
        return {}


class _Reader:
    """Reads the state of a main window without toolbars; raises ValueError or struct.error for any other."""

    def __init__(self, state: bytes):
        self._state, self._at = state, 0
        self._panels: list[str] = []

    def check(self, panels: Collection[str], version: int) -> None:
        """Whether a window with these panels may have written it: each stands in it, and again where it once lay."""
        self._expect(self._int(), (START,))
        self._expect(self._int(), (version,))
        self._expect(self._byte(), (DOCKS,))
        seen = []
        for _ in range(self._expect(self._int(), range(1, len(AREAS) + 1))):
            seen.append(self._expect(self._int(), AREAS))
            self._sizes(2)
            self._group(self._byte(), 0)
        self._sizes(2)  # of the middle
        for _ in CORNERS:
            self._expect(self._int(), CORNERS)
        self._expect(self._byte(), (TOOLBARS,))
        self._expect(self._int(), (0,))
        if self._at != len(self._state) or len(set(seen)) != len(seen) or set(self._panels) != set(panels):
            raise ValueError("not the state of this window")

    def _group(self, kind: int, depth: int) -> None:
        """Panels side by side, or one over the other as tabs."""
        current = self._int() if self._expect(kind, (SEQUENCE, TABS)) == TABS else -1
        self._expect(self._byte(), (1, 2))  # its direction
        count = self._expect(self._int(), range(1, LARGEST))
        self._expect(current, range(-1, count))
        for _ in range(count):
            if self._expect(self._byte(), (WIDGET, SEQUENCE)) == WIDGET:
                self._panel()
            else:
                self._sizes(4)
                self._group(self._byte(), self._expect(depth + 1, range(DEEPEST)))

    def _panel(self) -> None:
        length = self._expect(self._int(), range(0, 200, 2))
        self._panels.append(self._take(length).decode("utf-16-be"))
        self._expect(len(self._panels), range(MOST_PANELS))
        if self._expect(self._byte(), FLAGS) & FLOATING:
            for least in (-FARTHEST, -FARTHEST, 0, 0):  # its place, its size
                self._expect(self._int(), range(least, FARTHEST))
        else:
            self._sizes(4)

    def _sizes(self, count: int) -> None:
        for _ in range(count):
            self._expect(self._int(), range(-1, LARGEST + TAB_BAR + 1))

    def _take(self, length: int) -> bytes:
        found = self._state[self._at : self._at + length]
        if len(found) != length:
            raise ValueError("cut short")
        self._at += length
        return found

    def _int(self) -> int:
        return int(struct.unpack(">i", self._take(4))[0])

    def _byte(self) -> int:
        return self._take(1)[0]

    @staticmethod
    def _expect(value: int, allowed: Collection[int]) -> int:
        if value not in allowed:
            raise ValueError(f"{value} where it cannot be")
        return value
