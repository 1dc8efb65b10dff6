"""One table of actions: the menus, the toolbar, the shortcuts, the tooltips and the cheat-sheet come from it."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QMenu, QMenuBar

from app.core.job import State
from app.core.session import DEVICES, THEMES
from app.core.sketch import COLOUR_TOOLS
from app.ui.docks import AREAS, SIZES
from app.ui.help import about, glossary
from app.ui.widgets import number_field
from vssm import data
from vssm.files import resources
from vssm.models import registry

if TYPE_CHECKING:
    from app.ui.main_window import Window


@dataclass(frozen=True)
class Spec:
    """One action: what it is called, where it is found, what it does, and when it can be done.

    do: is called with the window; then, if there is one, with the `value`, else with whether a checkable action is on.
    menu: where it stands. check: whether it can be on. One of the actions of the same name with values is on, or any
    number of them (several). enabled: says of the window whether it can be done now. fits: for which data sets it is.
    """

    name: str
    text: str
    menu: str
    tip: str
    do: Callable[..., object]
    keys: tuple[str, ...] = ()
    value: str = ""
    check: bool = False
    several: bool = False
    rule: bool = False  # a line above it in the menu
    repeats: bool = False  # whether it is done again and again while its key is held, as a step by step change is
    enabled: Callable[[Window], bool] | None = None  # None: always
    fits: Callable[[data.DataSet], bool] | None = None  # None: all

    @property
    def key(self) -> str | tuple[str, str]:
        """Its name in `Actions`."""
        return (self.name, self.value) if self.value else self.name

    @property
    def explanation(self) -> str:
        """The tip with the first of the keys."""
        return f"{self.tip} ({shown(self.keys[0])})" if self.keys else self.tip


def in_colour(dataset: data.DataSet) -> bool:
    return dataset.channels == 3


def of_ink(dataset: data.DataSet) -> bool:
    """Whether its pictures are of ink and ground."""
    return dataset.num_values == 2


def can_pause(window: Window) -> bool:
    """Whether there is a run or a race that can be held or let go on."""
    return window.jobs.can_pause or replaying(window)


def can_stop(window: Window) -> bool:
    """Whether something is under way, or waits for the models or a picture."""
    return window.jobs.state in (State.LOADING, State.RUNNING, State.PAUSED) or window.files.importer.busy


def has_result(window: Window) -> bool:
    """Whether the run shown has finished."""
    return window.runs.selected_run is not None and window.runs.selected_run.finished is not None


def has_timings(window: Window) -> bool:
    """Whether there are runs that were made here."""
    return any(not run.recorded for run in window.runs.here)


def replaying(window: Window) -> bool:
    """Whether a race can be played, and is shown."""
    return window.race.replayable and window.race.isVisibleTo(window)


TOOLS = (
    ("brush", "Brush", "B", "Draws; pixels it touches become known (right button: erase)"),
    ("fill", "Fill", "F", "Paints an area of one colour, or an unknown one, as a whole; it becomes known"),
    ("pick", "Eyedropper", "I", "Takes the colour of a pixel; so does Alt and a click with any other tool"),
    ("eraser", "Eraser", "E", "Takes away what is drawn"),
    ("known", "Known", "K", "Marks pixels as known: the models must keep them as they are"),
    ("unknown", "Unknown", "U", "Marks pixels as unknown: the models fill them"),
    ("rectangle", "Rectangle", "R", "Marks a rectangle as known; with Shift or the right button, as unknown"),
)

GESTURES = resources.folder("assets") / "gestures.csv"  # what is done without an action, by menu
PANELS = {"completion": "Completion", "timing": "Timing", "latents": "Latents"}  # the others have actions of their own


def table() -> list[Spec]:
    """All actions, in the order of the menus."""
    many = len(data.DATA_SETS) > 1
    return [
        Spec("open_picture", "Open picture…", "File", "Use part of any picture as the sketch; one can be dropped here, "
             "too", lambda w: w.files.open_picture(), ("Ctrl+O",)),
        Spec("paste", "Paste picture", "File", "Use part of the picture on the clipboard as the sketch, or a link that "
             "was copied", lambda w: w.files.paste(), ("Ctrl+V",)),
        Spec("save_one", "Save this completion…", "File", "Write the large picture as a PNG",
             lambda w: w.files.save_one(), ("Ctrl+S",), rule=True, enabled=has_result),
        Spec("save_large", "Save enlarged…", "File", "Write the large picture as a PNG, with 10 × 10 or 40 × 40 pixels "
             "for one", lambda w: w.files.save_one(1), enabled=has_result),
        Spec("copy_one", "Copy this completion", "File", "Put the large picture on the clipboard, enlarged",
             lambda w: w.files.copy_one(), ("Ctrl+C",), enabled=has_result),
        Spec("save_all", "Save all samples…", "File", "Write the prompt and all samples as one PNG",
             lambda w: w.files.save_all(), ("Ctrl+Shift+S",), enabled=has_result),
        Spec("save_race", "Save race…", "File", "Write the race shown as an animated picture, at true speed or slowed",
             lambda w: w.files.save_race(), ("Ctrl+R",), enabled=lambda w: w.race.replayable),
        Spec("save_timings", "Save timings…", "File", "Write the runs that are compared as CSV, with machine and "
             "versions", lambda w: w.timing.plot.save("csv"), ("Ctrl+E",), enabled=has_timings),
        Spec("open_session", "Open session…", "File", "Go on with a saved session: sketches, settings, pinned results; "
             "the present one is kept", lambda w: w.files.open_session(), ("Ctrl+Shift+O",), rule=True),
        Spec("save_session", "Save session as…", "File", "Write sketches, settings and pinned results as one file",
             lambda w: w.files.save_session(), ("Ctrl+Alt+S",)),
        Spec("previous_session", "Previous session", "File", "Bring back the one that gave way to that opened last",
             lambda w: w.files.previous_session(), enabled=lambda w: w.autosave.before is not None),
        Spec("copy_link", "Copy link", "File", "Put a text on the clipboard that gives anybody this sketch, seed and "
             "settings", lambda w: w.files.copy_link(), ("Ctrl+L",), rule=True),
        Spec("open_link", "Open link…", "File", "Take sketch, seed and settings from such a text; it can be pasted, "
             "too", lambda w: w.files.open_link(), ("Ctrl+Shift+L",)),
        Spec("close", "Quit", "File", "Close the program; the sketch is kept", lambda w: w.close(), ("Ctrl+Q",),
             rule=True),
        Spec("undo", "Undo", "Sketch", "Take the last change of the sketch back", lambda w: w.canvas.undo(),
             ("Ctrl+Z",), repeats=True, enabled=lambda w: w.canvas.sketch.can_undo),
        Spec("redo", "Redo", "Sketch", "Do it again", lambda w: w.canvas.redo(), ("Ctrl+Shift+Z", "Ctrl+Y"),
             repeats=True, enabled=lambda w: w.canvas.sketch.can_redo),
        Spec("clear", "Clear", "Sketch", "Take away all that is drawn: nothing is known then",
             lambda w: w.sketch.clear(), ("Ctrl+Backspace",)),
        Spec("centre_sketch", "Centre and size", "Sketch", "Move and size the ink as MNIST's digits are: 20 pixels, "
             "the middle of its weight in the middle", lambda w: w.sketch.centre(), ("Ctrl+M",), fits=of_ink),
        *(
            Spec("choose_tool", text, "Sketch", tip, lambda w, tool: w.sketch.choose_tool(tool), (key,), value,
                 check=True, rule=value == "brush", fits=in_colour if value in COLOUR_TOOLS else None)
            for value, text, key, tip in TOOLS
        ),
        Spec("choose_colour", "Colour…", "Sketch", "Choose any colour to draw with", lambda w: w.sketch.ask_colour(),
             ("C",), rule=True, fits=in_colour),
        Spec("next_colour", "Next colour", "Sketch", "Draw in the palette's next colour",
             lambda w: w.sketch.step_colour(1), (".",), fits=in_colour),
        Spec("last_colour", "Previous colour", "Sketch", "Draw in the palette's previous colour",
             lambda w: w.sketch.step_colour(-1), (",",), fits=in_colour),
        Spec("thinner", "Thinner pen", "Sketch", "Make the pen one pixel thinner",
             lambda w: w.sketch.pen.setValue(w.canvas.pen - 1), ("[",), rule=True, repeats=True),
        Spec("thicker", "Thicker pen", "Sketch", "Make the pen one pixel thicker",
             lambda w: w.sketch.pen.setValue(w.canvas.pen + 1), ("]",), repeats=True),
        Spec("know_all", "All known", "Sketch", "Mark every pixel as known", lambda w: w.sketch.know(True), ("Ctrl+A",),
             rule=True),
        Spec("know_none", "None known", "Sketch", "Mark no pixel as known: the model invents all",
             lambda w: w.sketch.know(False), ("Ctrl+D",)),
        *(
            Spec("choose_data", d.title, "Model", f"Draw and complete pictures as in {d.title}",
                 lambda w, name: w.choose_data(name), (f"Ctrl+{i}",), d.name, check=True)
            for i, d in enumerate(data.DATA_SETS.values(), 1)
            if many
        ),
        *(
            Spec("choose_model", preset.title, "Model", f"{preset.title}: {preset.about}",
                 lambda w, name: w.choose_model(name), (str(i),) if i <= 9 else (), preset.name, check=True,
                 rule=many and i == 1)
            for i, preset in enumerate(registry.PRESETS.values(), 1)
        ),
        Spec("next_sampler", "Next sampler", "Model", "Turn to the chosen model's next way of generating",
             lambda w: w.bar.modes.next(), ("M",)),
        Spec("next_pixels", "Sampled or mean pixels", "Model", "Where a model offers both: draw every pixel, or show "
             "the mean of what it may be", lambda w: w.bar.modes.next_pixels(), ("X",)),
        Spec("complete", "Complete", "Model", "Let the chosen model fill the unknown pixels",
             lambda w: w.runs.complete(), ("Return", "Enter"), rule=True),
        Spec("pause", "Pause", "Model", "Hold the run between two network calls, or the race that is played; or let it "
             "go on from there", lambda w: w.pause(), ("P",), enabled=can_pause),
        Spec("stop", "Stop", "Model", "Give up the run under way", lambda w: w.stop(), ("Escape",),
             enabled=can_stop),
        Spec("set_live", "Live", "Model", "The completion follows the pen",
             lambda w, on: w.set_live(on), ("L",), check=True),
        Spec("set_keep_seed", "Keep seed", "Model", "Use the same seed again: same sketch, same result",
             lambda w, on: None, check=True),
        Spec("clear_history", "Clear history", "Model", "Forget earlier runs", lambda w: w.runs.clear_history(),
             ("Ctrl+Shift+Backspace",), rule=True),
        Spec("pin_sample", "Pin", "Result", "Keep the large picture in the row of pinned results, or let it go; so "
             "does a click on a sample", lambda w: w.completion.pin_shown(), ("Shift+P",), enabled=has_result),
        Spec("use_sample", "Use as sketch", "Result", "Make the large picture the sketch; so does a click on a pinned "
             "result", lambda w: w.completion.use_shown(), ("Shift+Return",), enabled=has_result),
        Spec("sort_by_score", "Likeliest sample first", "Result", "Show samples in the order of the model's own score, "
             "or as they were drawn", lambda w, on: w.completion.sort_by_score(on), check=True, rule=True),
        Spec("show_spread", "Spread", "Result", "Lay over the large picture how far the samples lie apart at each "
             "pixel: where the model is unsure", lambda w, on: w.completion.show_spread(on), ("D",),
             check=True),
        Spec("undo_latents", "Take back an edit", "Result", "Take the last edit of the latents back",
             lambda w: w.editor.undo(), ("Shift+Z",), repeats=True),
        Spec("start_race", "Race", "Race", "Let the VSSM and the Transformer complete the sketch from one seed, each "
             "alone on the clock; or, with More, all ticked ones", lambda w: w.racing.start(), ("Shift+R",)),
        Spec("show_race", "Race view", "Race", "Show the race in place of completions, or these again",
             lambda w, on: w.docks.show_race(on), ("V",), check=True),
        Spec("show_times", "Times of the race", "Race", "Show bars of the contestants' seconds, and how repeats "
             "spread, in place of the pictures, or these again", lambda w, on: w.racing.show_times(on), ("Shift+T",),
             check=True),
        Spec("repeat_race", "Repeat the timing", "Race", "Time the contestants of the last race some more times, for "
             "the median and the spread of their seconds; the pictures stay", lambda w: w.racing.repeat(),
             ("Ctrl+Shift+R",), enabled=lambda w: w.race.repeatable),
        Spec("earlier_frame", "Previous frame", "Race", "Take the race back by one network call",
             lambda w: w.race.step(-1), ("Shift+Left",), rule=True, repeats=True, enabled=replaying),
        Spec("later_frame", "Next frame", "Race", "Take the race on by one network call", lambda w: w.race.step(1),
             ("Shift+Right",), repeats=True, enabled=replaying),
        Spec("next_speed", "Next speed", "Race", "Play the race at true speed, a quarter or a sixteenth of it",
             lambda w: w.race.next_speed(), ("S",), enabled=replaying),
        *(
            Spec("choose_theme", name.capitalize(), "View/Theme", f"{name.capitalize()} colours",
                 lambda w, name: w.choose_theme(name), (), name, check=True)
            for name in THEMES
        ),
        *(
            Spec("choose_device", name.upper() if name != "auto" else "Automatic", "View/Device", "Compute on the "
                 "fastest device there is" if name == "auto" else f"Compute on {name.upper()}",
                 lambda w, name: w.choose_device(name), (), name, check=True)
            for name in DEVICES
        ),
        Spec("show_more", "More", "View", "All models and settings, and more of the latents, or the simple view "
             "of two models", lambda w, on: w.show_more(on), ("Shift+M",), check=True, rule=True),
        Spec("less_motion", "Less motion", "View", "Let nothing play by itself, neither the recorded race nor edits",
             lambda w, on: w.story.rest(on), check=True),
        Spec("show_scaling", "Scaling", "View", "Show how the time for a picture grows with its number of pixels, "
             "in place of the latents", lambda w, on: w.docks.show_scaling(on), ("T",), check=True),
        *(
            Spec("show_panel", text, "View/Panels", f"Show the panel {text}, or close it",
                 lambda w, name: w.docks.toggle(name), (f"Alt+{i}",), value, check=True, several=True)
            for i, (value, text) in enumerate(PANELS.items(), 1)
        ),
        Spec("next_panel", "Next panel", "View/Panels", "Go to the next panel with the keyboard",
             lambda w: w.room.step(1), ("F6",), rule=True),
        Spec("last_panel", "Previous panel", "View/Panels", "Go to the panel before with the keyboard",
             lambda w: w.room.step(-1), ("Shift+F6",)),
        Spec("float_panel", "Float panel, or dock it", "View/Panels", "Make the panel that has the keyboard's focus a "
             "window of its own, or put it back", lambda w: w.docks.float_current(), ("Ctrl+Shift+F",)),
        Spec("close_panel", "Close panel", "View/Panels", "Close the panel that has the keyboard's focus; the View "
             "menu brings it back", lambda w: w.docks.close_current(), ("Ctrl+Shift+W",)),
        *(
            Spec("move_panel", f"Move to the {where}", "View/Panels", f"Move the panel that has the keyboard's focus "
                 f"to the {where}", lambda w, where: w.docks.move_current(where), (), where, several=True,
                 rule=where == "left")
            for where in AREAS
        ),
        *(
            Spec("size_panel", f"{how.capitalize()} panel", "View/Panels", f"Make the panel that has the keyboard's "
                 f"focus {how}", lambda w, how: w.docks.size_current(how), (key,), how, several=True,
                 rule=how == "wider", repeats=True)
            for how, key in zip(SIZES, ("Alt+Shift+Right", "Alt+Shift+Left", "Alt+Shift+Down", "Alt+Shift+Up"),
                                strict=True)
        ),
        Spec("reset_layout", "Reset layout", "View/Panels", "Put all panels back where they were at first",
             lambda w: w.docks.reset(), rule=True),
        Spec("to_message", "Go to the message", "View", "Bring the keyboard to the latest message; Esc closes it",
             lambda w: w.messages.focus_latest(), ("F8",), rule=True),
        Spec("close_message", "Close the message", "View", "Close the latest message",
             lambda w: w.messages.close_latest(), ("Shift+F8",)),
        Spec("show_shortcuts", "Keyboard shortcuts", "Help", "All keys on one page",
             lambda w: w.show_page("Keyboard shortcuts", cheat_sheet(), 900), ("F1", "?")),
        Spec("show_glossary", "Glossary", "Help", "The terms of this window, each with a picture",
             lambda w: w.show_page("Glossary", glossary.page(), 760), ("Shift+F1",)),
        Spec("show_tour", "Show me around", "Help", "Five steps that show what there is; they can be left at any time",
             lambda w: w.tour.begin(), rule=True),
        Spec("show_about", "About VSSM Sketchpad", "Help", "What this is",
             lambda w: w.show_page("About VSSM Sketchpad", about.page(w.models.device_name)), rule=True),
    ]  # fmt: skip


class Actions:
    """The table as QActions of a window: `by_name["undo"]`, or `by_name["choose_model", "vssm"]` with a value."""

    def __init__(self, window: Window):
        self.specs = table()
        self.by_name: dict[str | tuple[str, str], QAction] = {}
        self._window = window
        groups: dict[str, QActionGroup] = {}
        for spec in self.specs:
            action = self.by_name[spec.key] = QAction(spec.text, window)
            action.setShortcuts([QKeySequence(k) for k in spec.keys])
            action.setAutoRepeat(spec.repeats)
            action.setToolTip(spec.explanation)
            action.setCheckable(spec.check)
            action.setMenuRole(QAction.MenuRole.NoRole)
            if spec.value:
                action.setData(spec.value)
                group = groups.setdefault(spec.name, QActionGroup(window))
                if spec.several:
                    group.setExclusionPolicy(QActionGroup.ExclusionPolicy.None_)
                group.addAction(action)
            action.triggered.connect(_call(window, spec))
            window.addAction(action)
        self._fill(window.menuBar())

    def __getitem__(self, name: str | tuple[str, str]) -> QAction:
        return self.by_name[name]

    def choices(self, name: str) -> list[QAction]:
        """The actions of that name, one for every value."""
        return [action for key, action in self.by_name.items() if isinstance(key, tuple) and key[0] == name]

    def choose(self, name: str, value: str) -> None:
        """Do what the action with that value does, and let it be the one that is on."""
        self[name, value].setChecked(True)
        next(spec for spec in self.specs if spec.key == (name, value)).do(self._window, value)

    def of_a_panel(self) -> list[QAction]:
        """What can be done with any panel."""
        return [self["float_panel"], *self.choices("move_panel"), self["close_panel"], self["reset_layout"]]

    def refresh(self) -> None:
        """Enable what can be done now, and show what fits the data set."""
        for spec in self.specs:
            if spec.enabled or spec.fits:
                fits = spec.fits is None or spec.fits(self._window.workspace.data)
                self[spec.key].setVisible(fits)
                self[spec.key].setEnabled(fits and (spec.enabled is None or spec.enabled(self._window)))

    def _fill(self, bar: QMenuBar) -> None:
        menus: dict[str, QMenu] = {}
        for spec in self.specs:
            above, _, below = spec.menu.partition("/")
            if above not in menus:
                menus[above] = bar.addMenu(f"&{above}")
            if spec.menu not in menus:
                menus[spec.menu] = menus[above].addMenu(below)
            if spec.rule:
                menus[spec.menu].addSeparator()
            menus[spec.menu].addAction(self[spec.key])


def _call(window: Window, spec: Spec) -> Callable[[bool], None]:
    """What a trigger of that action calls."""

    def do(on: bool) -> None:
        number_field.end_typing()  # a button takes no focus, and what is done goes by the number that was typed
        given = (spec.value,) if spec.value else (on,) if spec.check else ()
        spec.do(window, *given)

    return do


def shown(key: str) -> str:
    """A key as people read it."""
    return {"Escape": "Esc", "Return": "↵"}.get(key) or QKeySequence(key).toString(
        QKeySequence.SequenceFormat.NativeText
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
    with GESTURES.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            menus.setdefault(row["menu"], []).append(f"<tr><td colspan=2><b>{row['keys']}</b>: {row['text']}</td></tr>")
    columns = _columns(menus)
    cells = "".join(f"<td width='{100 // len(columns)}%'>{column}</td>" for column in columns)
    return f"<table cellspacing=8 width='100%'><tr>{cells}</tr></table>"


def _columns(menus: dict[str, list[str]], number: int = 3) -> list[str]:
    """Each menu's rows under its name, in so many columns, in order, of about the same height."""
    whole = sum(len(rows) + 3 for rows in menus.values())
    columns, done = [""] * number, 0
    for name, rows in menus.items():
        height = len(rows) + 3
        section = f"<h3>{name}</h3><table cellspacing=3 width='100%'>{''.join(rows)}</table>"
        columns[min(number - 1, (done + height // 2) * number // whole)] += section
        done += height
    return [column for column in columns if column]
