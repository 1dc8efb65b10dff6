"""Rows that become more rows where a window is narrow."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtWidgets import QHBoxLayout, QLayout, QLayoutItem


class Flow(QLayout):
    """Puts its items side by side as long as there is room, then into a further row. What was added after a stretch
    lies at the right end of its row. Every item has its preferred size."""

    def __init__(self, spacing: int):
        super().__init__()
        self.setContentsMargins(0, 0, 0, 0)
        self.setSpacing(spacing)
        self._items: list[QLayoutItem] = []
        self._before: list[int] = []  # the space in front of each, where it does not begin a row
        self._first_right: int | None = None  # the number of the first item at the right end
        self._extra = 0
        self._corner: int | None = None  # the number of an item that stays in the first row

    def addItem(self, item: QLayoutItem) -> None:
        self._items.append(item)
        self._before.append(self.spacing() + self._extra)
        self._extra = 0
        self.invalidate()

    def group(self, spacing: int) -> QHBoxLayout:
        """Add a row of its own, which is never divided."""
        made = QHBoxLayout()
        made.setSpacing(spacing)
        self.addChildLayout(made)
        self.addItem(made)
        return made

    def addSpacing(self, size: int) -> None:
        self._extra += size

    def addStretch(self) -> None:
        self._first_right = len(self._items)

    def keep_in_first_row(self) -> None:
        """Let the item added last lie at the right end of the first row, as long as that takes no further row."""
        self._corner = len(self._items) - 1

    def count(self) -> int:
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:
        if not 0 <= index < len(self._items):
            return None
        del self._before[index]
        return self._items.pop(index)

    def expandingDirections(self) -> Qt.Orientation:
        return Qt.Orientation.Horizontal

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        rows = self._rows(width)
        return sum(high for _, high in rows) + self.spacing() * max(len(rows) - 1, 0)

    def sizeHint(self) -> QSize:
        """All in one row."""
        sizes = [item.sizeHint() for item in self._items if not item.isEmpty()]
        wide = sum(size.width() for size in sizes) + sum(self._before[1:])
        return QSize(wide, max((size.height() for size in sizes), default=0))

    def minimumSize(self) -> QSize:
        sizes = [item.minimumSize() for item in self._items if not item.isEmpty()]
        return QSize(*(max((side(size) for size in sizes), default=0) for side in (QSize.width, QSize.height)))

    def setGeometry(self, rect: QRect) -> None:
        super().setGeometry(rect)
        top = rect.top()
        for numbers, high in self._rows(rect.width()):
            left = rect.left()
            free = rect.width() - self._width(numbers)
            for number in numbers:
                size = self._items[number].sizeHint()
                if number != numbers[0]:
                    left += self._before[number]
                if self._first_right is not None and number >= self._first_right:
                    left, free = left + max(free, 0), 0
                self._items[number].setGeometry(QRect(QPoint(left, top + (high - size.height()) // 2), size))
                left += size.width()
            top += high + self.spacing()

    def _width(self, numbers: list[int]) -> int:
        return sum(self._items[n].sizeHint().width() for n in numbers) + sum(self._before[n] for n in numbers[1:])

    def _rows(self, width: int) -> list[tuple[list[int], int]]:
        """The numbers of the items of each row, and its height."""
        visible = [number for number, item in enumerate(self._items) if not item.isEmpty()]
        rows = self._divide(visible, width)
        if self._corner in visible:
            number = visible.pop(visible.index(self._corner))
            beside = self._divide(visible, width, self._width([number]) + self._before[number])
            if beside and len(beside) <= len(rows):
                beside[0].append(number)
                rows = beside
        return [(row, max(self._items[n].sizeHint().height() for n in row)) for row in rows]

    def _divide(self, numbers: list[int], width: int, reserved: int = 0) -> list[list[int]]:
        """Rows of these items; so much of the first one's width is left free."""
        rows: list[list[int]] = []
        taken = 0
        for number in numbers:
            wide = self._items[number].sizeHint().width()
            taken += self._before[number] + wide
            if not rows or taken > width - reserved * (len(rows) == 1):
                rows.append([])
                taken = wide
            rows[-1].append(number)
        return rows
