"""What all panels share: a frame with a title, and small makers of labels and buttons."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Callable
from typing import TypeVar

from PySide6.QtCore import QObject, QRect, SignalInstance
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent, QAction, QIcon, QPainter, QPixmap, Qt
from PySide6.QtWidgets import (
    QBoxLayout,
    QCheckBox,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QScrollArea,
    QSizePolicy,
    QStackedLayout,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.core.formatting import printable

Box = TypeVar("Box", bound=QBoxLayout)
Made = TypeVar("Made", bound=QObject)
LINE = 84  # characters of a line of a tooltip
HEAD = 30  # so that the titles of neighbours stand on one line, with buttons beside them or without


class Card(QFrame):
    """A titled frame: `header` takes what stands beside the title, `body` the rest. The `head`, which holds the
    header, can be taken out, for a dock's title bar."""

    def __init__(self, title: str, tip: str = ""):
        super().__init__()
        self.setObjectName("card")
        self.setAccessibleName(title)
        self.body = spaced(QVBoxLayout(self), 8, (12, 8, 12, 10))
        self.head = QWidget()
        self.header = spaced(QHBoxLayout(self.head), 4)
        self.name = configured(label(title, "title"), toolTip=tip, minimumHeight=HEAD)
        self.header.addWidget(self.name)
        self.header.addStretch(1)
        self.body.addWidget(self.head)

    def add_pages(self, *pages: QWidget, stretch: int = 1) -> QStackedLayout:
        """Pages in one place of the body, of which one is shown at a time."""
        holder = QWidget()
        made = QStackedLayout(holder)
        for page in pages:
            made.addWidget(page)
        self.body.addWidget(holder, stretch)
        return made


def spaced(layout: Box, spacing: int, margins: tuple[int, int, int, int] = (0, 0, 0, 0)) -> Box:
    """A layout with so much between its parts, and at its left, top, right and bottom."""
    layout.setSpacing(spacing)
    layout.setContentsMargins(*margins)
    return layout


def filled(layout: Box, *parts: QWidget | QLayout | tuple[QWidget | QLayout, int] | None) -> Box:
    """A layout with these parts added, one after another, each perhaps with its stretch; None is an empty stretch."""
    for part in parts:
        one, stretch = part if isinstance(part, tuple) else (part, 0)
        if isinstance(one, QWidget):
            layout.addWidget(one, stretch)
        elif one is not None:
            layout.addLayout(one, stretch)
        else:
            layout.addStretch(1)
    return layout


def configured(made: Made, **properties: object) -> Made:
    """An object of Qt's with these of its properties, such as toolTip and accessibleName."""
    for name, value in properties.items():
        if not made.setProperty(name, value):
            raise AttributeError(f"{type(made).__name__} has no property {name}")
    return made


def emptied(layout: QLayout) -> None:
    """Take all widgets out of a layout, for good."""
    while item := layout.takeAt(0):
        if widget := item.widget():
            widget.hide()  # deleted only when the event loop is reached
            widget.deleteLater()


class OneLine(QLabel):
    """A label that ends in … where there is no room; its text and tooltip stay whole."""

    def __init__(self):
        super().__init__()
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def setText(self, text: str) -> None:
        super().setText(text)
        self.setToolTip(plain_tip(text))

    def paintEvent(self, event) -> None:
        painter = QPainter(self)
        painter.setPen(self.palette().color(self.foregroundRole()))
        text = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, self.width())
        if text != "…":  # alone it says nothing
            painter.drawText(self.rect(), int(self.alignment()), text)


class Headline(QLabel):
    """A title as high as the longest text that it may come to show, so that nothing moves when it does."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("title")
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.reserved = ""

    def heightForWidth(self, width: int) -> int:
        whole = QRect(0, 0, width, 1000)
        reserved = self.fontMetrics().boundingRect(whole, Qt.TextFlag.TextWordWrap, self.reserved).height()
        return max(super().heightForWidth(width), reserved)


def scrolled(widget: QWidget) -> QScrollArea:
    """An area that shows all of it where there is room, and scrolls it elsewhere."""
    made = QScrollArea(widgetResizable=True)
    made.setFrameShape(QFrame.Shape.NoFrame)
    made.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    made.setWidget(widget)
    return made


def label(text: str, kind: str = "", wrap: bool = False) -> QLabel:
    """kind: a name the style sheet knows: title, muted, number."""
    made = QLabel(text, wordWrap=wrap, textFormat=Qt.TextFormat.PlainText)
    made.setObjectName(kind)
    return made


def hint(text: str) -> QLabel:
    """Words on what will stand in their place."""
    made = label(text, "muted", wrap=True)
    made.setAlignment(Qt.AlignmentFlag.AlignCenter)
    return made


def button(action: QAction, text: str = "") -> QToolButton:
    """A button for an action, reachable by Tab; with a text of its own where the menu's would be too long."""
    if text:
        action.setIconText(text)
    made = QToolButton()
    made.setDefaultAction(action)
    made.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    made.setAccessibleName(action.text())
    return made


def plain_button(text: str, tip: str, clicked: Callable[[], object] | SignalInstance, name: str = "") -> QToolButton:
    """A button without an action, reachable by Tab. name: for a person who does not see it; else its text."""
    made = configured(QToolButton(), text=text, toolTip=tip, accessibleName=name or text)
    made.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    made.clicked.connect(clicked)
    return made


def checkbox(text: str, tip: str, toggled: Callable[..., object], on: bool = False) -> QCheckBox:
    """A box to tick, and what is said of it."""
    made = configured(QCheckBox(text), toolTip=tip, checked=on)
    made.toggled.connect(toggled)
    return made


def narrow_choice(name: str, widest: int, tip: str = "") -> QComboBox:
    """A choice that may be narrow, so that its panel may be, and is at most so wide, in pixels."""
    made = configured(QComboBox(), accessibleName=name, toolTip=tip, minimumContentsLength=2, maximumWidth=widest)
    made.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    return made


def thumb(shown: QPixmap, name: str, tip: str, chosen: Callable[[], object]) -> QToolButton:
    """A small picture, sharp on screens of twice the usual density, to be clicked."""
    made = configured(QToolButton(), objectName="thumb", toolTip=plain_tip(tip), accessibleName=name)
    made.setIcon(QIcon(shown))
    made.setIconSize(shown.deviceIndependentSize().toSize())
    made.clicked.connect(chosen)
    return made


def button_of(action: QAction) -> QToolButton | None:
    """The button of an action that is not hidden."""
    buttons = (one for one in action.associatedObjects() if isinstance(one, QToolButton))
    return next((one for one in buttons if not one.isHidden()), None)


def named(row: QHBoxLayout, name: str, field: QWidget, tip: str = "") -> QLabel:
    """Add a field with its name and an explanation; returns the label."""
    words = label(name, "muted")
    words.setBuddy(field)
    for one in (words, field):
        one.setToolTip(tip)
    field.setAccessibleName(name)
    field.setMinimumHeight(26)
    if row.count():
        row.addSpacing(4)
    filled(row, words, field)
    return words


def announce(widget: QWidget, text: str, urgent: bool = False) -> None:
    """Let a screen reader say it, at once where it is urgent."""
    told = QAccessibleAnnouncementEvent(widget, text)
    politeness = QAccessible.AnnouncementPoliteness
    told.setPoliteness(politeness.Assertive if urgent else politeness.Polite)
    QAccessible.updateAccessibility(told)


def plain_tip(text: str) -> str:
    """A tooltip that shows this text as it is. Qt takes a tooltip for HTML where it looks like it, and HTML from a file
    of somebody else can name any file to be read."""
    text = wrapped(printable(text))
    return Qt.convertFromPlainText(text) if Qt.mightBeRichText(text) else text


@functools.lru_cache(512)  # a button has the tip of its action
def wrapped(text: str) -> str:
    """A text with lines that are no longer than a tooltip should be."""
    return "\n".join(textwrap.fill(line, LINE) for line in text.split("\n"))


def wrap_tips(window: QWidget) -> None:
    """Break the long lines of all tooltips, which Qt does in HTML only."""
    tipped: list[QWidget | QAction] = [*window.findChildren(QWidget), *window.findChildren(QAction)]
    for one in tipped:
        if len(tip := one.toolTip()) > LINE and not Qt.mightBeRichText(tip):
            one.setToolTip(wrapped(tip))
