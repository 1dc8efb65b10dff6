"""Messages over the window, low and to the right where that is free, which wait for nobody and move nothing."""

from __future__ import annotations

import time

from PySide6.QtCore import QEvent, QSize, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication, QFrame, QHBoxLayout, QMainWindow, QPlainTextEdit, QVBoxLayout, QWidget

from app.core.formatting import printable
from app.ui import error_report, placement
from app.ui.widgets.card import announce, configured, filled, label, plain_button, spaced

MOST = 3  # at a time
STAY = 6000  # milliseconds that what goes by itself stays, and longer where somebody reads it
WIDE, OFF = 560, 12  # pixels: of a message at most, and from the edges
DETAILS = 150  # pixels


def _has_focus_in(widget: QWidget) -> bool:
    focus = QApplication.focusWidget()
    return focus is not None and (focus is widget or widget.isAncestorOf(focus))


class Toast(QFrame):
    """One message: "error" stays until it is closed, "note" goes by itself, "answer" refuses what a person asked for
    and goes when something else is asked for, "slip" tells what was mistyped and goes by itself, whatever is asked for.
    about: the data set that it belongs to; empty for all. `closed` asks to be taken away."""

    closed = Signal()

    def __init__(self, text: str, kind: str, details: str, about: str):
        super().__init__()
        self.setObjectName("note" if kind == "note" else "error")
        self.setAccessibleName(text)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.text, self.kind, self.about, self._details = text, kind, about, details
        self.cause = configured(QPlainTextEdit(details), readOnly=True, tabChangesFocus=True, accessibleName="Cause")
        self.cause.setFixedHeight(DETAILS)
        self.cause.hide()
        row = spaced(QHBoxLayout(), 6)
        words = label(text, wrap=True)
        words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        row.addWidget(words, 1)
        if details:
            self.more = plain_button("Details", "Show what is known of the cause, or hide it", self._unfold)
            self.more.setCheckable(True)
            row.addWidget(self.more, 0, Qt.AlignmentFlag.AlignTop)
        if kind == "error":  # of a refusal there is nothing to report
            tip = "Copy this message, its cause and the versions of all that takes part, for a report"
            self.copy = plain_button("Copy report", tip, self._copy)
            row.addWidget(self.copy, 0, Qt.AlignmentFlag.AlignTop)
        close = plain_button("×", "Close the message (Esc)", self.closed, "Close the message")
        row.addWidget(close, 0, Qt.AlignmentFlag.AlignTop)
        filled(spaced(QVBoxLayout(self), 6, (14, 8, 8, 8)), row, self.cause)
        self._since = time.monotonic()
        self.end = QTimer(self, singleShot=True, interval=STAY)
        self.end.timeout.connect(self._go)
        if kind in ("note", "slip"):
            self.end.start()

    @property
    def readable(self) -> bool:
        """Whether there has been time to read it."""
        return time.monotonic() - self._since > STAY / 1000

    @property
    def read(self) -> bool:
        """Whether somebody has the mouse or the keyboard's focus on it."""
        return self.underMouse() or _has_focus_in(self)

    @Slot()
    def _go(self) -> None:
        if self.read:
            self.end.start()
        else:
            self.closed.emit()

    @Slot()
    def _unfold(self) -> None:
        self.cause.setVisible(self.more.isChecked())

    @Slot()
    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(error_report.report(self.text, self._details))
        self.copy.setText("Copied")

    def event(self, event) -> bool:
        """Esc closes it, and stops nothing."""
        if event.type() in (QEvent.Type.ShortcutOverride, QEvent.Type.KeyPress) and event.key() == Qt.Key.Key_Escape:
            event.accept()
            if event.type() == QEvent.Type.KeyPress and not event.isAutoRepeat():  # one that is held closes one
                self.closed.emit()
            return True
        return super().event(event)


class Messages(QWidget):
    """A stack of messages over the window, the latest at the bottom. The last few are seen; an
    earlier one comes back when one of these is closed, so that none is lost unread."""

    def __init__(self, over: QMainWindow):
        super().__init__(over)
        self._window = over
        self.setAccessibleName("Messages")
        self.toasts: list[Toast] = []  # seen or not
        self._about = ""  # the data set in front of the person
        self._before: QWidget | None = None  # had the focus
        self.kept_free: tuple[QWidget, ...] = ()  # widgets that are not to be covered
        self._rows = spaced(QVBoxLayout(self), 6)
        self._pace = QTimer(self, interval=250)  # what is to be kept free moves
        self._pace.timeout.connect(self._follow)
        self._pace.start()
        over.installEventFilter(self)
        self.hide()

    @property
    def text(self) -> str:
        """What was said last; empty where nothing is being said."""
        return self.seen[-1].text if self.seen else ""

    @property
    def seen(self) -> list[Toast]:
        """Those on screen."""
        return [one for one in self.toasts if one.about in ("", self._about)][-MOST:]

    def say(self, text: str, kind: str = "error", details: str = "", about: str = "") -> None:
        """details: what is known of the cause, for those who ask. about: the data set that it belongs to, if any."""
        text, details = printable(text), printable(details)
        for one in [t for t in self.toasts if (t.text, t.about) == (text, about)]:
            self._take(one)
        toast = Toast(text, kind, details, about)
        toast.closed.connect(self._closed)
        self.toasts.append(toast)
        self._rows.addWidget(toast)
        self.place()
        if toast in self.seen:
            announce(toast, text, kind != "note")

    def refuse(self, text: str) -> None:
        """Say why what is asked for cannot be done; it is about the data set in front of the person."""
        self.say(text, "answer", about=self._about)

    def add(self, text: str, kind: str = "error", details: str = "", about: str = "") -> None:
        """Say it where it is not being said already."""
        if printable(text) not in [one.text for one in self.seen]:
            self.say(text, kind, details, about)

    def turn_to(self, about: str) -> None:
        """Another data set is in front of the person: what belongs to the one before waits until that comes back."""
        self._about = about
        self.place()

    def supersede(self, asked: bool = True) -> None:
        """Something new is asked for: answers to what was asked before go, and notes; errors and slips stay. asked: by
        a person, not by Live, for which nothing goes that could not be read yet."""
        for one in [one for one in self.seen if one.kind in ("answer", "note") and (asked or one.readable)]:
            self._take(one)
        self.place()

    def take_back(self, text: str) -> None:
        """Say it no longer, where it is still being said."""
        for one in [one for one in self.toasts if one.text == printable(text)]:
            self._take(one)
        self.place()

    @Slot()
    def clear(self) -> None:
        """Take all away, read or not."""
        for one in list(self.toasts):
            self._take(one)
        self.place()

    def focus_latest(self) -> None:
        """Bring the keyboard to the latest message."""
        if self.seen:
            self._before = QApplication.focusWidget()
            self.seen[-1].setFocus(Qt.FocusReason.ShortcutFocusReason)

    def close_latest(self) -> None:
        if self.seen:
            self.seen[-1].closed.emit()

    @Slot()
    def _closed(self) -> None:
        toast = self.sender()
        assert isinstance(toast, Toast)
        self._take(toast)
        self.place()

    def _take(self, toast: Toast) -> None:
        if _has_focus_in(toast):
            (self._before or self._window).setFocus()
        toast.end.stop()
        self.toasts.remove(toast)
        self._rows.removeWidget(toast)
        toast.hide()
        toast.deleteLater()

    @Slot()
    def place(self) -> None:
        """Low and to the right, where they cover nothing that is to be kept free."""
        seen = self.seen
        for one in self.toasts:
            one.setVisible(one in seen)
        self.setVisible(bool(seen))
        if not seen:
            return
        over = self._window
        wide = min(WIDE, over.width() - 2 * OFF)
        size = QSize(wide, self._rows.totalHeightForWidth(wide))
        self.setGeometry(placement.beside(over, size, self.kept_free, OFF))
        self.raise_()

    @Slot()
    def _follow(self) -> None:
        if self.isVisible() and not any(one.read for one in self.toasts):
            self.place()

    def event(self, event) -> bool:
        if event.type() == QEvent.Type.LayoutRequest:  # details were unfolded
            self.place()
        return super().event(event)

    def eventFilter(self, watched, event) -> bool:
        if event.type() == QEvent.Type.Resize:
            self.place()
        return False
