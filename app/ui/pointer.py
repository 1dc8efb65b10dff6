"""One pointer (the mouse, a pen or a finger) that draws on a widget or drags in it, from its press to its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QEventPoint, QInputDevice, QPointingDevice

LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
PRESSES = QEvent.Type.MouseButtonPress, QEvent.Type.MouseButtonDblClick
MOUSE = *PRESSES, QEvent.Type.MouseMove, QEvent.Type.MouseButtonRelease
PEN = QEvent.Type.TabletPress, QEvent.Type.TabletMove, QEvent.Type.TabletRelease
TOUCH = QEvent.Type.TouchBegin, QEvent.Type.TouchUpdate, QEvent.Type.TouchEnd, QEvent.Type.TouchCancel
INTERRUPTIONS = (  # after these, the release may never come
    QEvent.Type.FocusOut,
    QEvent.Type.WindowDeactivate,
    QEvent.Type.WindowBlocked,
    QEvent.Type.Hide,
    QEvent.Type.UngrabMouse,
)


@dataclass(frozen=True)
class Contact:
    """Where the pointer is, and the button that it holds: of a pen, the right one for the rubber and for the tip while
    the barrel's button is held."""

    position: QPointF
    modifiers: Qt.KeyboardModifier
    button: Qt.MouseButton = LEFT
    double: bool = False  # whether this is the second press of a double click


class Follower(Protocol):
    """A widget that a pointer draws on."""

    def pointer_pressed(self, contact: Contact) -> bool:
        """Begin a gesture; False where there is nothing to do, so that no move or release follows."""

    def pointer_moved(self, contact: Contact) -> None: ...

    def pointer_released(self, contact: Contact) -> None: ...

    def pointer_interrupted(self) -> None:
        """End the gesture as it is: its release went elsewhere."""

    def pointer_cancelled(self) -> None:
        """Take the gesture back: the system says that it was not meant."""


class Pointer:
    """Turns a widget's events into the calls of a `Follower`. While one pointer is followed, all others change nothing:
    another button, a second finger, the palm of a hand. But a pen takes over from a finger, which was a palm then. A
    second press of what is followed begins a gesture of its own: the release of the first was lost.

    direct: whether pens and fingers are followed as such (the widget accepts touch events then); else Qt makes a mouse
    of them.
    """

    def __init__(self, widget: Follower, direct: bool = False):
        self._widget = widget
        self._direct = direct
        self._kind = ""  # of the pointer that is followed: mouse, pen or touch
        self._held: Qt.MouseButton | int = LEFT  # the mouse's button, or the number of the finger
        self._button = LEFT  # what is told of it

    @property
    def down(self) -> bool:
        """Whether a gesture is under way."""
        return bool(self._kind)

    def takes(self, event) -> bool:
        """Deal with an event of the widget; False where the widget should deal with it, too."""
        kind = event.type()
        if kind in INTERRUPTIONS:
            self.let_go()
        elif kind in MOUSE:
            return self._follow_mouse(event)
        elif self._direct and kind in PEN:
            return self._follow_pen(event)
        elif self._direct and kind in TOUCH and event.device().type() != QInputDevice.DeviceType.TouchPad:
            self._follow_finger(event)
            return True
        return False

    def let_go(self) -> None:
        """End the gesture under way."""
        if self._kind:
            self._kind = ""
            self._widget.pointer_interrupted()

    def _begin(self, kind: str, held: Qt.MouseButton | int, contact: Contact) -> bool:
        if self._widget.pointer_pressed(contact):
            self._kind, self._held, self._button = kind, held, contact.button
        return bool(self._kind)

    def _end(self, contact: Contact) -> None:
        self._kind = ""
        self._widget.pointer_released(contact)

    def _cancel(self) -> None:
        self._kind = ""
        self._widget.pointer_cancelled()

    def _contact(self, event, position: QPointF) -> Contact:
        return Contact(position, event.modifiers(), self._button)

    def _follow_mouse(self, event) -> bool:
        ours = self._kind == "mouse"
        if event.type() in PRESSES:
            if ours and event.button() == self._held:
                self.let_go()
            double = event.type() == QEvent.Type.MouseButtonDblClick
            contact = Contact(event.position(), event.modifiers(), event.button(), double)
            return self.down or self._begin("mouse", event.button(), contact)
        if event.type() == QEvent.Type.MouseButtonRelease:
            if ours and (event.button() == self._held or not event.buttons() & self._held):
                self._end(self._contact(event, event.position()))
                return True
            return self.down
        if ours and event.buttons() & self._held:
            self._widget.pointer_moved(self._contact(event, event.position()))
        elif ours:
            self.let_go()
        return False  # the widget may say what lies under the pointer

    def _follow_pen(self, event) -> bool:
        ours, tip = self._kind == "pen", bool(event.buttons() & LEFT)
        if event.type() == QEvent.Type.TabletPress:
            if self._kind == "touch":
                self._cancel()
            if ours and event.button() == LEFT:
                self.let_go()
            if not self.down and event.button() == LEFT:
                rubber = event.pointerType() == QPointingDevice.PointerType.Eraser
                button = RIGHT if rubber or event.buttons() & RIGHT else LEFT
                self._begin("pen", LEFT, Contact(event.position(), event.modifiers(), button))
        elif event.type() == QEvent.Type.TabletRelease:
            if ours and (event.button() == LEFT or not tip):
                self._end(self._contact(event, event.position()))
        elif ours and tip:
            self._widget.pointer_moved(self._contact(event, event.position()))
        else:
            self.let_go() if ours else None
            event.ignore()  # Qt makes a mouse of a pen that hovers
            return False
        event.accept()  # no click follows, neither for the tip nor for a button on the barrel
        return True

    def _follow_finger(self, event) -> None:
        for point in event.points():
            contact = self._contact(event, point.position())
            ours = self._kind == "touch" and point.id() == self._held
            if ours and point.state() != QEventPoint.State.Pressed:
                if point.state() == QEventPoint.State.Released:
                    self._end(contact)
                elif point.state() == QEventPoint.State.Updated:
                    self._widget.pointer_moved(contact)
            elif point.state() == QEventPoint.State.Pressed and (ours or not self.down):
                self.let_go()
                self._begin("touch", point.id(), Contact(point.position(), event.modifiers()))
        if self._kind == "touch":
            if event.type() == QEvent.Type.TouchCancel:
                self._cancel()
            elif event.type() == QEvent.Type.TouchEnd:
                self.let_go()
        event.accept()
