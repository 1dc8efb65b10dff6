"""Where Tab goes: through the parts of the window one after another, and through each as one reads."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtWidgets import QAbstractScrollArea, QApplication, QWidget

ROW = 10  # pixels by which the middles of widgets in one row may differ


def order(window: QWidget, parts: Sequence[QWidget]) -> list[QWidget]:
    """All that Tab stops at, as it lies now: panels can be moved."""
    stops: dict[int, list[tuple[QRect, QWidget]]] = {i: [] for i in range(len(parts) + 1)}
    for one in window.findChildren(QWidget):
        if one.window() is window and _stops(one) and _to_be_seen(one, window):
            where = QRect(one.mapTo(window, QPoint()), one.size())
            part = next((i for i, part in enumerate(parts) if part.isAncestorOf(one)), len(parts))
            stops[part].append((where, one))
    return [one for part in stops.values() for one in _read(part)]


def _to_be_seen(one: QWidget, window: QWidget) -> bool:
    """Whether it lies within all that it is in, or can be scrolled there; a panel behind others does not."""
    while one is not window:
        above = one.parentWidget()
        assert above is not None  # the window is above all of its widgets
        scrolled = isinstance(above.parentWidget(), QAbstractScrollArea)
        if not (scrolled or above.rect().intersects(one.geometry())):
            return False
        one = above
    return True


def _stops(one: QWidget) -> bool:
    return bool(
        one.focusPolicy() & Qt.FocusPolicy.TabFocus and one.isVisible() and one.isEnabled() and not one.focusProxy()
    )


def _read(found: list[tuple[QRect, QWidget]]) -> list[QWidget]:
    """In rows from the top, each from the left."""
    rows: list[list[tuple[QRect, QWidget]]] = []
    for where, one in sorted(found, key=lambda pair: pair[0].center().y()):
        if not rows or where.center().y() - rows[-1][0][0].center().y() > ROW:
            rows.append([])
        rows[-1].append((where, one))
    return [one for row in rows for _, one in sorted(row, key=lambda pair: pair[0].left())]


def step(window: QWidget, parts: Sequence[QWidget], onward: bool) -> bool:
    """Give the focus to the next, or to the one before; False where it is none of them that has it."""
    stops, here = order(window, parts), QApplication.focusWidget()
    if here not in stops:
        return False
    to = stops[(stops.index(here) + (1 if onward else -1)) % len(stops)]
    to.setFocus(Qt.FocusReason.TabFocusReason if onward else Qt.FocusReason.BacktabFocusReason)
    return True
