"""One table of actions: the menus, the toolbar, the shortcuts, the tooltips and the cheat-sheet come from it."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QMainWindow

from app.core.session import DEVICES, THEMES
from app.core.sketch import COLOUR_TOOLS
from app.ui.docks import AREAS, SIZES
from vssm import data
from vssm.models import registry


@dataclass(frozen=True)
class Spec:
    """name: the window's method it calls; with a `value`, the method is given that value.

    menu: where it stands. check: whether it can be on. One of the actions of the same name with values is on, or any
    number of them (several).
    """

    name: str
    text: str
    menu: str
    tip: str
    keys: tuple[str, ...] = ()
    value: str = ""
    check: bool = False
    several: bool = False
    rule: bool = False  # a line above it in the menu
    repeats: bool = False  # whether it is done again and again while its key is held, as a step by step change is
    colour: bool = False  # only for pictures in colour
    binary: bool = False  # only for pictures of ink and ground

    @property
    def key(self) -> str | tuple[str, str]:
        """Its name in `Actions`."""
        return (self.name, self.value) if self.value else self.name

    @property
    def explanation(self) -> str:
        """The tip with the first of the keys."""
        return f"{self.tip} ({shown(self.keys[0])})" if self.keys else self.tip


TOOLS = (
    ("brush", "Brush", "B", "Draws; pixels it touches become known (right button: erase)"),
    ("fill", "Fill", "F", "Paints an area of one colour, or an unknown one, as a whole; it becomes known"),
    ("pick", "Eyedropper", "I", "Takes the colour of a pixel; so does Alt and a click with any other tool"),
    ("eraser", "Eraser", "E", "Takes away what is drawn"),
    ("known", "Known", "K", "Marks pixels as known: the models must keep them as they are"),
    ("unknown", "Unknown", "U", "Marks pixels as unknown: the models fill them"),
    ("rectangle", "Rectangle", "R", "Marks a rectangle as known; with Shift or the right button, as unknown"),
)

PANELS = {"completion": "Completion", "timing": "Timing", "latents": "Latents"}  # the others have actions of their own


def table() -> list[Spec]:
    """All actions, in the order of the menus."""
    many = len(data.DATA_SETS) > 1
    return [
        Spec("open_picture", "Open picture…", "File", "Use part of any picture as the sketch; one can be dropped here, "
             "too", ("Ctrl+O",)),
        Spec("paste", "Paste picture", "File", "Use part of the picture on the clipboard as the sketch, or a link that "
             "was copied", ("Ctrl+V",)),
        Spec("save_one", "Save this completion…", "File", "Write the large picture as a PNG", ("Ctrl+S",),
             rule=True),
        Spec("save_all", "Save all samples…", "File", "Write the prompt and all samples as one PNG", ("Ctrl+Shift+S",)),
        Spec("save_race", "Save race…", "File", "Write the race shown as an animated picture, at true speed or slowed",
             ("Ctrl+R",)),
        Spec("save_timings", "Save timings…", "File", "Write the runs that are compared as CSV, with machine and "
             "versions", ("Ctrl+E",)),
        Spec("open_sitting", "Open sitting…", "File", "Go on with a saved sitting: sketches, settings, pinned results; "
             "the present one is kept", ("Ctrl+Shift+O",), rule=True),
        Spec("save_sitting", "Save sitting as…", "File", "Write sketches, settings and pinned results as one file",
             ("Ctrl+Alt+S",)),
        Spec("sitting_before", "Sitting before", "File", "Bring back the sitting that gave way to the one opened last"),
        Spec("copy_link", "Copy link", "File", "Put a text on the clipboard that gives anybody this sketch, seed and "
             "settings", ("Ctrl+L",), rule=True),
        Spec("open_link", "Open link…", "File", "Take sketch, seed and settings from such a text; it can be pasted, "
             "too", ("Ctrl+Shift+L",)),
        Spec("close", "Quit", "File", "Close the program; the sketch is kept", ("Ctrl+Q",), rule=True),
        Spec("undo", "Undo", "Sketch", "Take the last change of the sketch back", ("Ctrl+Z",),
             repeats=True),
        Spec("redo", "Redo", "Sketch", "Do it again", ("Ctrl+Shift+Z", "Ctrl+Y"), repeats=True),
        Spec("clear", "Clear", "Sketch", "Take away all that is drawn", ("Ctrl+Backspace",)),
        Spec("centre_sketch", "Centre and size", "Sketch", "Move and size the ink as MNIST's digits are: 20 pixels, "
             "the middle of its weight in the middle", ("Ctrl+M",), binary=True),
        *(
            Spec("choose_tool", text, "Sketch", tip, (key,), value, check=True, rule=value == "brush",
                 colour=value in COLOUR_TOOLS)
            for value, text, key, tip in TOOLS
        ),
        Spec("choose_colour", "Colour…", "Sketch", "Choose any colour to draw with", ("C",), rule=True, colour=True),
        Spec("next_colour", "Next colour", "Sketch", "Draw in the palette's next colour", (".",), colour=True),
        Spec("last_colour", "Previous colour", "Sketch", "Draw in the palette's previous colour", (",",), colour=True),
        Spec("thinner", "Thinner pen", "Sketch", "Make the pen one pixel thinner", ("[",), rule=True, repeats=True),
        Spec("thicker", "Thicker pen", "Sketch", "Make the pen one pixel thicker", ("]",), repeats=True),
        Spec("know_all", "All known", "Sketch", "Mark every pixel as known", ("Ctrl+A",), rule=True),
        Spec("know_none", "None known", "Sketch", "Mark no pixel as known: the model invents all", ("Ctrl+D",)),
        *(
            Spec("choose_data", d.title, "Model", f"Draw and complete pictures as in {d.title}",
                 (f"Ctrl+{i}",), d.name, check=True)
            for i, d in enumerate(data.DATA_SETS.values(), 1)
            if many
        ),
        *(
            Spec(
                "choose_model",
                preset.title,
                "Model",
                f"{preset.title}: {preset.about}",
                (str(i),) if i <= 9 else (),
                preset.name,
                check=True,
                rule=many and i == 1,
            )
            for i, preset in enumerate(registry.PRESETS.values(), 1)
        ),
        Spec("next_mode", "Next mode", "Model", "Turn to the chosen model's next way of generating", ("M",)),
        Spec("next_pixels", "Sampled or mean pixels", "Model", "Where a model offers both: draw every pixel, or show "
             "the mean of what it may be", ("X",)),
        Spec(
            "complete",
            "Complete",
            "Model",
            "Let the chosen model fill the unknown pixels",
            ("Return", "Enter"),
            rule=True,
        ),
        Spec("pause", "Pause", "Model", "Hold the run between two network calls, or the race that is played; or let it "
             "go on from there", ("P",)),
        Spec("stop", "Stop", "Model", "Give up the run under way", ("Escape",)),
        Spec(
            "set_live", "Complete as I draw", "Model", "Live: the completion follows the pen", ("L",), check=True
        ),
        Spec("set_keep_seed", "Keep seed", "Model", "Use the same seed again: same sketch, same result", check=True),
        Spec("clear_history", "Clear history", "Model", "Forget earlier runs", ("Ctrl+Shift+Backspace",), rule=True),
        Spec("pin_sample", "Pin", "Result", "Keep the large picture in the row of pinned results, or let it go; so "
             "does a click on a sample", ("Shift+P",)),
        Spec("use_sample", "Use as sketch", "Result", "Make the large picture the sketch; so does a click on a pinned "
             "result", ("Shift+Return",)),
        Spec("show_spread", "Where samples differ", "Result", "Spread: lay over the large picture how far the samples "
             "lie apart at each pixel: where the model is unsure", ("D",), check=True, rule=True),
        Spec("untouch", "Take back a touch", "Result", "Take the last touch of the latents back", ("Shift+Z",),
             repeats=True),
        Spec("start_race", "Race", "Race", "Let all ticked models complete the sketch from one seed, each alone on the "
             "clock", ("Shift+R",)),
        Spec("show_race", "Race view", "Race", "Show the race in place of completions, or these again", ("V",),
             check=True),
        Spec("show_times", "Times of the race", "Race", "Show bars of the contestants' seconds, and how repeats "
             "spread, in place of the pictures, or these again", ("Shift+T",), check=True),
        Spec("repeat_race", "Repeat the timing", "Race", "Time the contestants of the last race some more times, for "
             "the median and the spread of their seconds; the pictures stay", ("Ctrl+Shift+R",)),
        Spec("earlier_frame", "Previous frame", "Race", "Take the race back by one network call", ("Shift+Left",),
             rule=True, repeats=True),
        Spec("later_frame", "Next frame", "Race", "Take the race on by one network call", ("Shift+Right",),
             repeats=True),
        Spec("next_speed", "Next speed", "Race", "Play the race at true speed, a quarter or a sixteenth of it",
             ("S",)),
        *(
            Spec("choose_theme", name.capitalize(), "View/Theme", f"{name.capitalize()} colours", (), name, check=True)
            for name in THEMES
        ),
        *(
            Spec("choose_device", name.upper() if name != "auto" else "Automatic", "View/Device",
                 "Compute on the fastest device there is" if name == "auto" else
                 f"Compute on {name.upper()}", (), name, check=True)
            for name in DEVICES
        ),
        Spec("show_scaling", "Scaling in T", "View", "Show how the time for a picture grows with its number of pixels, "
             "in place of the latents", ("T",), check=True, rule=True),
        *(
            Spec("show_panel", text, "View/Panels", f"Show the panel {text}, or close it",
                 (f"Alt+{i}",), value, check=True, several=True)
            for i, (value, text) in enumerate(PANELS.items(), 1)
        ),
        Spec("next_panel", "Next panel", "View/Panels", "Go to the next panel with the keyboard", ("F6",), rule=True),
        Spec("last_panel", "Previous panel", "View/Panels", "Go to the panel before with the keyboard", ("Shift+F6",)),
        Spec("float_panel", "Float panel, or dock it", "View/Panels", "Make the panel that has the keyboard's focus a "
             "window of its own, or put it back", ("Ctrl+Shift+F",)),
        Spec("close_panel", "Close panel", "View/Panels", "Close the panel that has the keyboard's focus; the View "
             "menu brings it back", ("Ctrl+Shift+W",)),
        *(
            Spec("move_panel", f"Move to the {where}", "View/Panels",
                 f"Move the panel that has the keyboard's focus to the {where}", (), where,
                 several=True, rule=where == "left")
            for where in AREAS
        ),
        *(
            Spec("size_panel", f"{how.capitalize()} panel", "View/Panels", f"Make the panel that has the keyboard's "
                 f"focus {how}", (key,), how, several=True, rule=how == "wider", repeats=True)
            for how, key in zip(SIZES, ("Alt+Shift+Right", "Alt+Shift+Left", "Alt+Shift+Down", "Alt+Shift+Up"),
                                strict=True)
        ),
        Spec("reset_layout", "Reset layout", "View/Panels", "Put all panels back where they were at first", rule=True),
        Spec("to_message", "Go to the message", "View", "Bring the keyboard to the latest message; Esc closes it",
             ("F8",), rule=True),
        Spec("close_message", "Close the message", "View", "Close the latest message", ("Shift+F8",)),
        Spec("show_shortcuts", "Keyboard shortcuts", "Help", "All keys on one page", ("F1", "?")),
        Spec("show_glossary", "Glossary", "Help", "The terms of this window, each with a picture", ("Shift+F1",)),
        Spec("show_tour", "Show me around", "Help", "Five steps that show what there is; they can be left at any time",
             rule=True),
        Spec("show_about", "About VSSM Sketchpad", "Help", "What this is", rule=True),
    ]  # fmt: skip


class Actions:
    """The table as QActions of a window: `by_name["undo"]`, or `by_name["choose_model", "vssm"]` with a value."""

    def __init__(self, window: QMainWindow):
        self.specs = table()
        self.by_name: dict = {}
        groups: dict[str, QActionGroup] = {}
        for spec in self.specs:
            action = QAction(spec.text, window)
            action.setShortcuts([QKeySequence(k) for k in spec.keys])
            action.setAutoRepeat(spec.repeats)
            action.setStatusTip("")
            action.setCheckable(spec.check)
            action.setMenuRole(QAction.MenuRole.NoRole)
            if spec.value:
                action.setData(spec.value)
                if spec.name not in groups:
                    groups[spec.name] = QActionGroup(window)
                    if spec.several:
                        groups[spec.name].setExclusionPolicy(QActionGroup.ExclusionPolicy.None_)
                    groups[spec.name].triggered.connect(Choice(window, spec.name))
                groups[spec.name].addAction(action)
            else:
                action.triggered.connect(getattr(window, spec.name))
            window.addAction(action)
            self.by_name[spec.key] = action
            action.setToolTip(spec.explanation)
        self._fill(window.menuBar())

    def __getitem__(self, name) -> QAction:
        return self.by_name[name]

    def choices(self, name: str) -> list[QAction]:
        """The actions of that name, one for every value."""
        return [action for key, action in self.by_name.items() if isinstance(key, tuple) and key[0] == name]

    def of_a_panel(self) -> list[QAction]:
        """What can be done with any panel."""
        return [self["float_panel"], *self.choices("move_panel"), self["close_panel"], self["reset_layout"]]

    def _fill(self, bar) -> None:
        menus: dict[str, object] = {}
        for spec, action in zip(self.specs, self.by_name.values(), strict=True):
            above, _, below = spec.menu.partition("/")
            if above not in menus:
                menus[above] = bar.addMenu(f"&{above}")
            if spec.menu not in menus:
                menus[spec.menu] = menus[above].addMenu(below)
            if spec.rule:
                menus[spec.menu].addSeparator()
            menus[spec.menu].addAction(action)


class Choice:
    """Gives the value of a chosen action to the window."""

    def __init__(self, window: QMainWindow, name: str):
        self._window, self._name = window, name

    def __call__(self, action: QAction) -> None:
        getattr(self._window, self._name)(action.data())


def shown(key: str) -> str:
    """A key as people read it."""
    return {"Escape": "Esc", "Return": "↵"}.get(key) or QKeySequence(key).toString(
        QKeySequence.SequenceFormat.NativeText
    )


GESTURES = (  # what is done without an action, by menu
    ("Sketch", "Left button, pen, finger", "Draw with the chosen tool"),
    ("Sketch", "Right button, pen's rubber", "Erase"),
    ("Sketch", "Shift, with the rectangle", "Make unknown"),
    ("Sketch", "Alt + click", "Take a pixel's colour"),
    ("Sketch", "Arrows, Space, Delete", "Move the pen, draw, erase (with the sketch in focus)"),
    ("Result", "Point at a sample", "Lay it over the sketch"),
    ("Result", "Click a sample, Space", "Pin it; once more, make it the sketch"),
    ("Result", "Right click on it, Delete", "Unpin it"),
    ("Result", "Arrows", "From sample to sample, or from pixel to pixel"),
    ("Result", "Click or drag on latents", "Draw these codes anew, all others held"),
    ("Result", "Arrows, Shift, Space, Backspace", "Move, mark several, draw anew, take back (on the latents)"),
    ("Race", "Arrows, Home, End", "Frame by frame (on the race's axis)"),
    ("View", "Drag a panel's title", "Move the panel"),
    ("View", "Double click on a title", "Float the panel, or dock it"),
    ("View", "Drag a border", "Resize panels"),
    ("View", "Esc, in a message", "Close the message"),
    ("Plots", "Wheel, drag", "Zoom (over an axis: that one); Shift + drag moves"),
    ("Plots", "Double click, Home", "The whole again"),
    ("Plots", "Arrows", "From point to point, with its values (with the plot in focus)"),
    ("Plots", "+, −, Shift + arrows", "Zoom, move"),
    ("Plots", "Right button, menu key", "Copy or save as PNG, SVG, CSV"),
)


def cheat_sheet() -> str:
    """All shortcuts and gestures as one page of HTML."""
    menus: dict[str, list[str]] = {}
    for spec in table():
        if spec.keys:
            keys = ", ".join(f"<b>{shown(k)}</b>" for k in spec.keys)
            menus.setdefault(spec.menu.partition("/")[0], []).append(
                f"<tr><td align=right width='45%' style='white-space: nowrap'>{keys}&nbsp;&nbsp;</td>"
                f"<td>{spec.text}</td></tr>"
            )
    for menu, keys, text in GESTURES:
        menus.setdefault(menu, []).append(f"<tr><td colspan=2><b>{keys}</b>: {text}</td></tr>")
    sections = {name: _section(name, rows) for name, rows in menus.items()}
    columns = _columns(sections, {name: len(rows) for name, rows in menus.items()})
    cells = "".join(f"<td width='{100 // len(columns)}%'>{column}</td>" for column in columns)
    return f"<table cellspacing=8 width='100%'><tr>{cells}</tr></table>"


def _columns(sections: dict[str, str], rows: dict[str, int], number: int = 3) -> list[str]:
    """In so many columns, in order, of about the same height."""
    heights = [rows[name] + 3 for name in sections]
    columns, done = [""] * number, 0
    for (_, section), height in zip(sections.items(), heights, strict=True):
        columns[min(number - 1, (done + height // 2) * number // sum(heights))] += section
        done += height
    return [column for column in columns if column]


def _section(name: str, rows: list[str]) -> str:
    return f"<h3>{name}</h3><table cellspacing=3 width='100%'>{''.join(rows)}</table>"
