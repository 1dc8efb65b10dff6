"""The panels around the sketch, as docks: they can be moved, resized, floated, closed and brought back, and they
remember. There are two arrangements of them, one for completions and one for races; in the simple view the race lies
where the completion does, as only two models race."""

from __future__ import annotations

import itertools
import zlib
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QPointF, QSize, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QCursor, QMouseEvent
from PySide6.QtWidgets import (
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDockWidget,
    QFrame,
    QHBoxLayout,
    QLayout,
    QMainWindow,
    QMenu,
    QScrollArea,
    QTabBar,
    QTabWidget,
    QToolButton,
    QWidget,
)

from app.core import dock_state
from app.ui import placement
from app.ui.tab_order import order
from app.ui.widgets.card import Card, configured, filled, spaced

if TYPE_CHECKING:
    from app.ui.actions import Actions

AREAS = {
    "left": Qt.DockWidgetArea.LeftDockWidgetArea,
    "right": Qt.DockWidgetArea.RightDockWidgetArea,
    "top": Qt.DockWidgetArea.TopDockWidgetArea,
    "bottom": Qt.DockWidgetArea.BottomDockWidgetArea,
}
PANELS, RACE = "panels", "race"  # the two arrangements
TABS = " in tabs"  # of either, where there is no room for columns
SHARES = {  # of the whole width and height, until somebody changes them
    "completion": (0.41, 1.0),
    "timing": (0.32, 0.497),
    "latents": (0.32, 0.497),
    "scaling": (0.32, 0.497),
    "race": (0.41, 1.0),
}
WIDE = SHARES | {"race": (0.48, 1.0)} | dict.fromkeys(("timing", "latents"), (0.25, 0.497))  # of a race of many
COLUMNS, MANY = 1000, 1500  # pixels, from which on there is room for columns; for those of a race of many
DRAGGED = QSize(150, 100)  # pixels, the least size of a panel meanwhile
STEP = 40  # pixels, by which a key makes a panel wider or higher
SIZES = {"wider": (STEP, 0), "narrower": (-STEP, 0), "higher": (0, STEP), "lower": (0, -STEP)}


class Dock(QDockWidget):
    """A card whose header is the handle to move it by; a menu at the header's end says what else can be done."""

    def __init__(self, name: str, card: Card):
        title = card.accessibleName()
        super().__init__(title)
        self.setObjectName(name)
        self.setAccessibleName(title)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)  # the frame is the dock's, not the card's
        card.setObjectName("docked")
        card.body.setContentsMargins(13, 4, 13, 8)
        self.setWidget(card)
        tip = "Float, move or close this panel; its title can be dragged, too"
        self.more = QToolButton(popupMode=QToolButton.ToolButtonPopupMode.InstantPopup)
        name = f"Place of the panel {title}"
        configured(self.more, text="⋮", objectName="more", accessibleName=name, toolTip=tip)
        self.more.setMenu(QMenu(self.more))
        self.more.menu().aboutToShow.connect(self.more.setFocus)  # so that the actions know which panel is meant
        bar = QWidget()
        row = spaced(QHBoxLayout(bar), 2, (13, 9, 5, 0))  # as a card has them, which has its frame outside of them
        filled(row, (card.head, 1), self.more)
        self.setTitleBarWidget(bar)

    def event(self, event) -> bool:
        """While it is dragged it needs little room: Qt offers a place only where a panel fits, but docks can scroll."""
        if event.type() == QEvent.Type.MouseButtonPress:
            self.widget().setMinimumSize(DRAGGED)
        done = super().event(event)
        if event.type() == QEvent.Type.MouseButtonRelease:
            self.widget().setMinimumSize(0, 0)  # what its contents need
        return done


class Docks(QMainWindow):
    """Holds the sketch in the middle, with its canvas, and docks around it; the actions say which are open. `turned`
    tells that some were shown or hidden."""

    turned = Signal()

    def __init__(self, middle: QWidget, canvas: QWidget, cards: dict[str, Card], actions: Actions):
        super().__init__(None, Qt.WindowType.Widget)
        self.setDockOptions(QMainWindow.DockOption.AllowNestedDocks | QMainWindow.DockOption.AllowTabbedDocks)
        self.setTabPosition(Qt.DockWidgetArea.AllDockWidgetAreas, QTabWidget.TabPosition.North)
        self.setCorner(Qt.Corner.BottomLeftCorner, AREAS["left"])
        self.setCorner(Qt.Corner.BottomRightCorner, AREAS["right"])
        self.setCentralWidget(middle)
        layout = self.layout()
        assert layout is not None
        layout.setSizeConstraint(QLayout.SizeConstraint.SetMinimumSize)  # a scroll area alone comes late
        self._middle, self._canvas, self._actions = middle, canvas, actions
        self.arrangement = PANELS
        self._kept: dict[str, dock_state.Arrangement] = {}  # the other arrangements
        self._shares = dict(SHARES)
        self._wide, self._tabbed = COLUMNS, False  # as far as is known
        self._turning = False
        self._pressed: list[QSize] = []  # the panels' sizes when the mouse went down
        self._away = True  # not on screen: docks come and go with the window, which is nobody's wish
        self._text: str | None = ""  # the layout kept last, as long as nobody changes it
        self._settle = QTimer(self, interval=0, singleShot=True)  # what was moved has its size a moment later
        self._settle.timeout.connect(self._note)
        self._open: set[str] = set()  # the panels that are not closed, as told last
        # Qt hides a panel that is dragged out for a moment: who took that for closed, and moved panels, would crash it.
        self._look = QTimer(self, interval=0, singleShot=True)
        self._look.timeout.connect(self._tell)
        self.docks = {name: Dock(name, card) for name, card in cards.items()}
        for dock in self.docks.values():
            dock.more.menu().addActions(actions.of_a_panel())
            dock.dockLocationChanged.connect(self._moved)
            dock.topLevelChanged.connect(self._moved)
            dock.topLevelChanged.connect(self._landed)
            dock.toggleViewAction().toggled.connect(self._toggled)
        self.reset()

    # --- arrangements

    def reset(self) -> None:
        """Both arrangements as they were at first."""
        self._kept.clear()
        self._begin()
        self._text = ""

    def _begin(self) -> None:
        """The present arrangement as it was at first."""
        self._let_go()
        self._turning = True
        race, completion, timing, latents, scaling = (
            self.docks[name] for name in ("race", "completion", "timing", "latents", "scaling")
        )
        for dock in self.docks.values():
            dock.setFloating(False)
        self.addDockWidget(AREAS["right"], race)
        self._tabbed = self._wide < self._columns
        if self._tabbed:
            for first, second in itertools.pairwise((race, completion, timing, latents, scaling)):
                self.tabifyDockWidget(first, second)
        else:
            self.splitDockWidget(race, completion, Qt.Orientation.Horizontal)
            self.splitDockWidget(completion, timing, Qt.Orientation.Horizontal)
            self.splitDockWidget(timing, latents, Qt.Orientation.Vertical)
            self.tabifyDockWidget(latents, scaling)
        shown = {PANELS: completion, RACE: race}[self.arrangement], timing, latents
        for dock in self.docks.values():
            dock.setVisible(dock in shown)
        shown[0].raise_()
        many = self._columns == MANY
        tabs = dict.fromkeys(SHARES, (0.73 if many else 0.56, 1.0))
        self._shares = tabs if self._tabbed else dict(WIDE if many else SHARES)
        self._turned()

    def renew(self) -> None:
        """Begin the present arrangement anew where nobody has changed one; else fit it to the room there is."""
        if self._text == "":
            self._begin()
        else:
            self.fit(self._wide)

    def turn(self, arrangement: str) -> None:
        """To that of completions or that of races."""
        if arrangement != self.arrangement:
            self._change(arrangement)

    def _change(self, arrangement: str) -> None:
        """To that one, in columns or in tabs, as somebody left it; else as it was at first."""
        if self._text != "":
            self._kept[self._way] = self._present
        self.arrangement = arrangement
        self._tabbed = self._wide < self._columns
        self.setUpdatesEnabled(False)
        if self._way not in self._kept or not self._restore(*self._kept.pop(self._way)):
            self._begin()
        for one in (self, *self.docks.values()):  # one that floats now is no part of it any more, and would stay blank
            one.setUpdatesEnabled(True)

    def show_race(self, on: bool) -> None:
        """Put the race in the place of all but the sketch, or take it away; it goes on meanwhile."""
        self._actions["show_race"].setChecked(on)
        self.turn(RACE if on else PANELS)

    def fit(self, width: int) -> None:
        """Be columns or tabs, as there is room; each is kept as somebody has arranged it."""
        self._wide = width
        if self._tabbed != (width < self._columns):
            self._change(self.arrangement)

    @property
    def _way(self) -> str:
        """The name that the present arrangement is kept under."""
        return self.arrangement + TABS * self._tabbed

    @property
    def _columns(self) -> int:
        """The width from which on there is room for them."""
        return MANY if self.arrangement == RACE and self._actions["show_more"].isChecked() else COLUMNS

    @property
    def _present(self) -> dock_state.Arrangement:
        return bytes(self.saveState(self._version).data()), dict(self._shares)

    @property
    def _version(self) -> int:
        """Other panels, another number: what was kept of them is of no use."""
        return zlib.crc32(" ".join(self.docks).encode()) >> 1

    def _let_go(self) -> None:
        """End the drag of a panel or a border as a release does: Qt crashes where panels change in mid-drag."""
        turning, self._turning = self._turning, True
        left, none, keys = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier
        for one in (*self.docks.values(), self):
            there = QPointF(QCursor.pos())
            here = one.mapFromGlobal(there)
            release = QMouseEvent(QEvent.Type.MouseButtonRelease, here, there, left, none, keys)
            QApplication.sendEvent(one, release)
        self._turning = turning

    def _restore(self, state: bytes, shares: dict) -> bool:
        self._let_go()
        self._turning = True
        if not self.restoreState(state, self._version):
            return False
        self._shares = shares
        for dock in self.docks.values():
            if dock.isFloating():  # on a screen, perhaps, that is not there any more
                placement.fit(dock, dock.screen().availableGeometry())
        self._turned()
        return True

    def _turned(self) -> None:
        self._settle.stop()
        self._look.stop()
        self._turning = False
        self._open = self._not_closed
        self._spread()
        self._say_open()

    @property
    def layout_(self) -> str:
        """Both arrangements, to be kept; empty as long as they are as at first."""
        if self._text is not None:
            return self._text
        return dock_state.write({**self._kept, self._way: self._present})

    def restore(self, layout: str) -> None:
        """What was kept; as at first where that is nothing, broken, or of another program."""
        if self._away:  # else floating panels would be on screen before the window
            self._text = layout
            return
        ways = (PANELS, RACE, PANELS + TABS, RACE + TABS)
        self._kept = dock_state.read(layout, ways, self.docks, self._version)
        whole = bool(self._kept)
        present = self._kept.pop(self._way, None)
        if whole and present is None:  # nobody has changed this one
            self._begin()
        elif present is None or not self._restore(*present):
            self.reset()
            return
        self._text = layout

    def showEvent(self, event) -> None:
        super().showEvent(event)
        self._away = False
        if self._text and not event.spontaneous():
            self.restore(self._text)

    def hideEvent(self, event) -> None:
        """Floating panels go with the window."""
        super().hideEvent(event)
        if not event.spontaneous():
            self._text, self._away = self.layout_, True
            for dock in self.docks.values():
                if dock.isFloating():
                    dock.hide()

    # --- sizes

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        if not self._turning:
            self._spread()

    def _docked(self) -> dict[str, Dock]:
        return {n: dock for n, dock in self.docks.items() if not dock.isHidden() and not dock.isFloating()}

    def _spread(self) -> None:
        """Give every dock its share."""
        docked = self._docked()
        room = self.contentsRect()
        for i, way, whole in (
            (0, Qt.Orientation.Horizontal, room.width()),
            (1, Qt.Orientation.Vertical, room.height()),
        ):
            wanted = [max(1, round(self._shares[name][i] * whole)) for name in docked]
            self.resizeDocks(list(docked.values()), wanted, way)
        for bar in self.findChildren(QTabBar):  # which Qt makes where panels lie one over the other
            bar.setAccessibleName("Panels in one place")

    @Slot()
    def _note(self) -> None:
        """The shares as they are now."""
        self._text = None
        room = self.contentsRect()
        for name, dock in self._docked().items():
            wide, high = dock.width() / max(1, room.width()), dock.height() / max(1, room.height())
            self._shares[name] = min(1.0, wide), min(1.0, high)  # one may hang over while the others make room

    def event(self, event) -> bool:
        if event.type() == QEvent.Type.MouseButtonPress:  # on a border between two docks, or on what heeds no mouse
            self._pressed = self._sizes
        done = super().event(event)
        if event.type() == QEvent.Type.MouseButtonRelease and self._heeding and self._sizes != self._pressed:
            self._note()
        return done

    @property
    def _sizes(self) -> list[QSize]:
        return [dock.size() for dock in self.docks.values()]

    @property
    def _heeding(self) -> bool:
        """Whether what happens to docks is somebody's wish."""
        return self.isVisible() and not (self._turning or self._away)

    @Slot()
    def _moved(self) -> None:
        if self._heeding:
            self._text = None
            self._settle.start()

    @Slot(bool)
    def _landed(self, floating: bool) -> None:
        """Bring a panel that comes back among tabs to the front, once Qt has put it there."""
        if self._heeding and not floating:
            dock = self.sender()
            assert isinstance(dock, Dock)
            QTimer.singleShot(0, dock.raise_)

    @Slot()
    def _toggled(self) -> None:
        if self._heeding:
            self._look.start()

    @Slot()
    def _tell(self) -> None:
        """Make room for panels that were opened or closed, and tell of them."""
        if self._heeding and self._open != self._not_closed:
            self._open, self._text = self._not_closed, None
            self._spread()
            self._say_open()

    def _say_open(self) -> None:
        """Let the menu say which panels are open. A race that was closed gives way to completions."""
        for action in self._actions.choices("show_panel"):
            action.setChecked(not self.docks[action.data()].isHidden())
        self._actions["show_scaling"].setChecked(not self.docks["scaling"].isHidden())
        self.show_race(self.arrangement == RACE and not self.docks["race"].isHidden())
        self.turned.emit()

    @property
    def _not_closed(self) -> set[str]:
        return {name for name, dock in self.docks.items() if not dock.isHidden()}

    # --- one panel

    @property
    def current(self) -> Dock | None:
        """The one that has the keyboard's focus."""
        widget = QApplication.focusWidget()
        while widget is not None and not isinstance(widget, Dock):
            widget = widget.parentWidget()
        return widget

    def show_panel(self, name: str, on: bool) -> None:
        self._let_go()
        self.docks[name].setVisible(on)
        if on:
            self.docks[name].raise_()
        self._tell()

    def toggle(self, name: str) -> None:
        """Show that panel, or close it."""
        self.show_panel(name, self.docks[name].isHidden())

    def show_scaling(self, on: bool) -> None:
        """Put the scaling in the place of the latents, or take it away."""
        come, go = ("scaling", "latents") if on else ("latents", "scaling")
        least = self.docks["latents"].minimumSizeHint().width()
        self.docks["scaling"].setMinimumWidth(least)  # so that the other panels keep their widths
        self.show_panel(come, True)
        self.show_panel(go, False)

    def step(self, by: int) -> None:
        """Give the focus to the next part of the window, the sketch among them."""
        parts = self.parts
        here = self.current or self.centralWidget()
        to = parts[((parts.index(here) if here in parts else 0) + by) % len(parts)]
        if isinstance(to, Dock):
            to.raise_()
        to.window().activateWindow()
        ways = order(to.window(), (to.widget(), to)) if isinstance(to, Dock) else [self._canvas]
        inside = [one for one in ways if to.isAncestorOf(one)]
        (inside[0] if inside else to).setFocus(Qt.FocusReason.TabFocusReason)

    @property
    def parts(self) -> list[QWidget]:
        """The sketch and all docks in sight, from the left, each column from the top."""
        docks = [dock for dock in self.docks.values() if dock.isVisible()]
        floating = [dock for dock in docks if dock.isFloating()]
        docked: list[QWidget] = [self._middle, *(dock for dock in docks if not dock.isFloating() and dock.x() >= 0)]
        return [*sorted(docked, key=lambda one: (one.x(), one.y())), *floating]

    def close_current(self) -> None:
        if dock := self.current:
            dock.close()

    def float_current(self) -> None:
        if dock := self.current:
            focus = QApplication.focusWidget()  # lost with the change of window
            dock.setFloating(not dock.isFloating())
            assert focus is not None  # it lies in the dock
            focus.window().activateWindow()
            focus.setFocus()

    def move_current(self, where: str) -> None:
        if dock := self.current:
            focus = QApplication.focusWidget()
            dock.setFloating(False)
            self.addDockWidget(AREAS[where], dock)
            assert focus is not None
            focus.setFocus()

    def size_current(self, how: str) -> None:
        """A step wider or narrower, higher or lower."""
        if dock := self.current:
            wide, high = SIZES[how]
            if dock.isFloating():
                dock.resize(dock.width() + wide, dock.height() + high)
            elif wide:
                self.resizeDocks([dock], [max(1, dock.width() + wide)], Qt.Orientation.Horizontal)
            else:
                self.resizeDocks([dock], [max(1, dock.height() + high)], Qt.Orientation.Vertical)
            self._settle.start()


class Room(QScrollArea):
    """Holds the docks, and scrolls where they need more room than there is."""

    def __init__(self, docks: Docks):
        super().__init__()
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setWidgetResizable(True)
        self.setWidget(docks)
        self._docks = docks
        for kind in (QAbstractSlider, QAbstractSpinBox, QComboBox):
            for one in docks.findChildren(kind):
                one.installEventFilter(self)

    def eventFilter(self, watched, event) -> bool:
        """Let nobody who scrolls past a slider or a number move it."""
        passing = (
            event.type() == QEvent.Type.Wheel
            and not watched.hasFocus()
            and self.verticalScrollBar().maximum() > 0
            and self._docks.isAncestorOf(watched)  # else it lies in a floating panel
        )
        if passing:
            event.ignore()
        return passing or super().eventFilter(watched, event)

    def resizeEvent(self, event) -> None:
        self._docks.fit(self.width())  # whether bars are shown or not
        super().resizeEvent(event)

    def step(self, by: int) -> None:
        """Give the focus to the next part of the window, wherever it is scrolled to."""
        self._docks.step(by)
        self.reveal()

    def reveal(self) -> None:
        """Scroll to what has the focus, for those who went there by keys."""
        widget = QApplication.focusWidget()
        if widget is not None and self._docks.isAncestorOf(widget):
            self.ensureWidgetVisible(widget)
