"""The latents of one sample: every level as a picture over positions, to be looked at and to be edited."""

from __future__ import annotations

import math

import numpy as np
from PySide6.QtCore import QRectF, Qt, Signal, Slot
from PySide6.QtGui import QColor, QPainter, QPixmap
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from app.core import formatting
from app.core.run import VISIBLE, Run
from app.ui import theme
from app.ui.widgets.card import (
    Card,
    OneLine,
    configured,
    filled,
    hint,
    label,
    narrow_choice,
    plain_button,
    plain_tip,
    spaced,
    wrapped,
)
from app.ui.widgets.colour_map import class_colours, diverging, paint, sequential
from app.ui.widgets.latent_map import KEYS, SPAN, CodeSlider, LatentMap, LevelStrip, level_name
from app.ui.widgets.number_field import WholeField
from vssm import data
from vssm.models import registry

SCALE = 40, 16  # of the colours of the scale, in pixels
VIEWS = {
    "values": "The values drawn, one map for each variable of a level",
    "prior entropy": "Entropy of the distributions the latents were drawn from: how open the drawing was",
    "posterior entropy": "Entropy of the posterior: how open the latents are to one who sees the finished picture",
    "KL": "KL divergence of the posterior from the prior: what the picture tells of the latents beyond the prompt",
}
EMPTY = "Latents appear here as a VSSM draws them: the plan of the picture, coarse levels first."
NONE = (
    "{} has no latents: it settles each pixel when it comes to it, with no plan drawn before. A VSSM shows its plan "
    "here, and lets it be edited."
)
LATER = "The posterior is worked out when the picture is finished."
LEVEL = (
    "Draw the whole level anew, given the prompt and the levels above; the levels below keep their codes, although "
    "they would be drawn otherwise now"
)
VARIABLE = (
    "Which of a position's variables is shown and walked; “strongest” is, for each level, the one that moves the "
    "picture most"
)
ANOTHER = "Draw another code, and with it another {}, that the sketch may become"
BEFORE = "Hold to see the picture as it was before the last edit; framed is what has changed to the eye"
ENTROPY, ENTROPIES = "entropy: prior {} nats", "surprise (KL) {2} · entropy: prior {0}, posterior {1} nats"
SURPRISE = "how surprised the model is at this plan (KL): {} nats"
PLAN = "The plan of the picture, which was drawn before its pixels."
TOUCH = "Click a code: another is drawn in its place, and the picture follows."
PICKED = -1  # in the place of a level: the code framed is a person's choice
NOTHING = "no change to be seen: try a larger dot"


class LatentPanel(Card):
    """Values, entropies or divergence of the sample that the completion panel shows large. `edited` asks for codes of
    a level to be drawn anew, [h, w] or None for all of them; `walked` for a variable of one to take a value: level, row
    and column, variable, value, and whether more are to come; `taken_back` for the last edit to be undone; `compared`
    for the picture before it, or the one after; `pointed` tells what part of the picture, as shares of its sides, lies
    under the code that is looked at, or None."""

    edited = Signal(int, object)
    walked = Signal(int, tuple, int, float, bool)
    compared = Signal(bool)
    taken_back = Signal()
    pointed = Signal(object)

    def __init__(self) -> None:
        super().__init__("Latents", "Latent: a variable the model draws before the pixels, and from which they follow")
        self._run: Run | None = None
        self._more = True
        self._known: dict[tuple[str, str], dict[int, int]] = {}  # strengths, by model and data set
        self._level: int | None = None  # None: the first
        self._shown = 1  # the level shown large
        self._framed: tuple[Run, int] | None = None  # the run and the level of which the strongest is framed
        self._cell: tuple[int, int] | None = None
        self.what = narrow_choice("What is shown of the latents", 150)
        for i, (view, tip) in enumerate(VIEWS.items()):
            self.what.addItem(view)
            self.what.setItemData(i, tip, Qt.ItemDataRole.ToolTipRole)
        self.what.currentIndexChanged.connect(self._draw)
        self.header.addWidget(self.what, 100)
        self._message = hint(EMPTY)
        self._stack = self.add_pages(self._message, self._levels())
        self.sums = label("", "muted", wrap=True)
        self.sums.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        self.sums.setFixedHeight(2 * self.sums.fontMetrics().lineSpacing())  # whatever it says, no map moves
        self.sums.setAccessibleName("About the latents")
        self._scale = configured(label(""), accessibleName="Colour scale")
        self._scale.hide()
        row = QHBoxLayout()
        row.addWidget(self.sums, 1)
        row.addWidget(self._scale, 0, Qt.AlignmentFlag.AlignTop)
        self.body.addLayout(row)

    def _levels(self) -> QWidget:
        """One level large, all of them small, and what can be done."""
        self.view = QWidget()
        self.map, self.strip = LatentMap(), LevelStrip()
        self.map.edited.connect(self._edit)
        self.map.pointed.connect(self._point)
        self.map.picked.connect(self._pick)
        self.map.turned.connect(self._turn)
        self.map.back.connect(self.taken_back)
        self.strip.chosen.connect(self._choose)
        self.strip.edited.connect(self._edit_level)
        self.title = OneLine()
        self.variable = configured(WholeField(), maximum=1, specialValueText="strongest")
        configured(self.variable, accessibleName="Variable shown", toolTip=VARIABLE)
        self.variable.valueChanged.connect(self._draw)
        self.anew = plain_button("", LEVEL, self._edit_level)
        tip = "Take the last edit of the latents back, until they are as they were drawn"
        self.back = plain_button("Back", tip, self.taken_back, "Take the last edit back")
        self.before = plain_button("Before", BEFORE, lambda: None, "Show the picture before the last edit")
        self.before.pressed.connect(lambda: self.compared.emit(True))
        self.before.released.connect(lambda: self.compared.emit(False))
        self.walk = CodeSlider()
        self.walk.walked.connect(self._walk)
        above = filled(spaced(QHBoxLayout(), 4), self.variable, self.before, None)
        below = filled(spaced(QHBoxLayout(), 4), self.anew, self.back, None)
        side = filled(spaced(QVBoxLayout(), 4), self.title, (self.strip, 1), above, self.walk, below)
        filled(spaced(QHBoxLayout(self.view), 10), (self.map, 100), (side, 1))
        return self.view

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        layout, around = self.layout(), self._stack.parentWidget()
        assert layout is not None and around is not None
        layout.activate()
        self.map.setMaximumWidth(max(90, around.height()))  # more it cannot use, the strip can

    def retheme(self) -> None:
        self._draw()

    def show_more(self, on: bool) -> None:
        """Let people choose what is shown, or show the values drawn; what was chosen before stays in sight."""
        self._more = on
        self.what.setVisible(on or self.what.currentIndex() > 0)
        self.variable.setVisible(on or self.variable.value() > 0)
        self._draw()

    def show_run(self, run: Run | None) -> None:
        self._run = run
        self._draw()

    @Slot()
    def _draw(self) -> None:
        run, view = self._run, self.what.currentText()
        self.what.setToolTip(VIEWS[view])
        self.what.setEnabled(bool(run and run.latents))
        message = self._nothing(run)
        maps = {} if message or run is None else self._maps(run, view)
        if run is None or not maps:
            self._message.setText(message or LATER)
            self._stack.setCurrentWidget(self._message)
            self._scale.hide()
            if self._cell is not None:
                self._point(None)
            self._tell()
            return
        self._stack.setCurrentWidget(self.view)
        order = list(self._strengths(run)) or sorted(maps)
        maps = {level: maps[level] for level in order if level in maps}
        self._shown = next(iter(maps)) if self._level not in maps else self._level
        event = run.latents[self._shown]
        self.variable.setEnabled(view == "values" and event.plan is None)
        self.variable.setMaximum(event.codes.shape[-1])
        self.pictures = {level: self._painted(run, view, level, grid) for level, grid in maps.items()}
        assert run.started is not None
        many = run.started.num_levels > 1
        self.strip.show_levels(self.pictures if many else {}, self._shown)
        effects, grid = self._effects(), maps[self._shown].shape[:2]
        self.map.show_level(self.pictures[self._shown], grid, effects)
        self._frame_strongest(effects)
        name = level_name(self._shown)
        self.map.setAccessibleName(f"Codes of {name.lower()}")
        self.title.setText(self._title(maps))
        subject = data.get(run.data).subject
        self.anew.setText(f"↻ {subject.capitalize()}" if self._shown == 0 else f"↻ {name}" if many else "↻ All")
        self.anew.setToolTip(ANOTHER.format(subject) if self._shown == 0 else wrapped(LEVEL))
        self.anew.setAccessibleName(f"Resample {name.lower()}, all other codes held")
        self.back.setEnabled(run.base is not None)
        self.before.setEnabled(run.base is not None)
        self._show_value()
        palette, least, most = self._palette(run, view, self._shown)
        classes = event.classes if event.kind == "categorical" else 0
        self._show_scale(view, palette, classes, (least, most), event.plan is not None)
        self._tell()

    def _painted(self, run: Run, view: str, level: int, grid: np.ndarray) -> np.ndarray:
        """Colours [rows, columns, 3] of a level's maps [h, w, maps]; of the global code the plan that it stands for."""
        event = run.latents[level]
        if view == "values" and event.plan is not None:
            plan = event.plan[run.sample_index]
            return np.ascontiguousarray(np.broadcast_to(plan, (*plan.shape[:2], 3)))
        palette, least, most = self._palette(run, view, level)
        values = grid[..., self._variable(level) if view == "values" else 0]
        by_class = event.kind == "categorical" and view == "values"
        return paint(values if by_class else (values - least) / (most - least) * 255, palette)

    def _strengths(self, run: Run) -> dict[int, int]:
        """The levels, those first that move the picture most, with the variable that does; by the model's first whole
        run, so that they stay as they are in later ones."""
        whole = 0 < len(run.latents) == len(run.influence)
        if whole and (run.model, run.data) not in self._known:
            found = sorted(run.influence.values(), key=lambda one: -one.total)
            strongest = {one.level: int(np.square(one.moves).sum((0, 1)).argmax()) for one in found}
            self._known[run.model, run.data] = strongest
        return self._known.get((run.model, run.data), {})

    def _variable(self, level: int) -> int:
        """Which variable is shown of that level, from 0."""
        assert self._run is not None
        event, strengths = self._run.latents[level], self._strengths(self._run)
        if self.variable.value():
            return min(self.variable.value(), event.codes.shape[-1]) - 1
        if level in strengths:
            return strengths[level]
        codes = event.codes[self._run.sample_index].reshape(-1, event.codes.shape[-1])
        codes = codes[~np.isnan(codes).any(-1)]  # before it is known: the one that differs most by position
        if event.kind == "gaussian" or not len(codes):
            return int(codes.var(0).argmax()) if len(codes) else 0
        shares = (codes[..., None] == np.arange(event.classes)).mean(0)
        return int((shares**2).sum(-1).argmin())

    def _effects(self) -> np.ndarray | None:
        """Of the dots on the level shown [h, w]: how far each code moves the picture, 1 for the one of all levels that
        does most, 0 for those that can change no pixel to the eye; None where it is not known of the sample shown."""
        assert self._run is not None
        known = {n: one for n, one in self._run.influence.items() if one.moves.shape[:2] != (1, 1)}
        if self._shown not in known or known[self._shown].sample != self._run.sample_index:
            return None
        lengths = {n: np.sqrt(np.square(one.moves).sum(-1)) for n, one in known.items()}
        seen = lengths[self._shown] >= VISIBLE / 255
        return np.where(seen, lengths[self._shown] / max(1e-9, *(one.max() for one in lengths.values())), 0)

    def _frame_strongest(self, effects: np.ndarray | None) -> None:
        """Whoever begins at the framed code sees something; once somebody has picked one, that stays."""
        assert self._run is not None
        picked = self._framed == (self._run.origin, PICKED)
        if effects is not None and not picked and self._framed != (self._run.origin, self._shown):
            self._framed = self._run.origin, self._shown
            y, x = np.unravel_index(effects.argmax(), effects.shape)
            self.map.go_to((int(y), int(x)))

    def _title(self, maps: dict[int, np.ndarray]) -> str:
        """Of the level shown large: its grid, and which variable or what sum."""
        assert self._run is not None
        grid = maps[self._shown]
        event = self._run.latents[self._shown]
        if event.plan is not None and self.what.currentText() == "values":
            codes = event.codes[self._run.sample_index].ravel().astype(int) + 1
            return " · ".join(["plan", " ".join(map(str, codes))][: 1 + self._more])
        words = f"{grid.shape[0]}×{grid.shape[1]} codes"
        if self.what.currentText() == "values":
            return f"{words} · variable {self._variable(self._shown) + 1}"
        return f"{words} · {formatting.nats(np.nansum(grid))} nats"

    # --- editing

    @Slot(int)
    def _choose(self, level: int) -> None:
        self._level = level
        self._draw()
        if self._cell is not None:
            self._point(self.map.cell)

    @Slot(int)
    def _turn(self, by: int) -> None:
        levels = list(self.pictures)
        self._choose(levels[min(max(levels.index(self._shown) + by, 0), len(levels) - 1)])

    @Slot(object)
    def _edit(self, anew: np.ndarray) -> None:
        self.edited.emit(self._shown, anew)

    @Slot()
    def _edit_level(self) -> None:
        self.edited.emit(self._shown, None)

    @Slot()
    def _pick(self) -> None:
        if self._run is not None:
            self._framed = self._run.origin, PICKED
            self._show_value()

    @Slot()
    def _show_value(self) -> None:
        """Let the slider stand where the code meant does, if that can be walked."""
        run = self._run
        assert run is not None and run.started is not None
        event, (y, x) = run.latents[self._shown], self.map.cell
        able = event.kind == "gaussian" and run.started.sampler.can_fix_latents and self.what.currentText() == "values"
        value = float(event.codes[run.sample_index, y, x, self._variable(self._shown)]) if able else math.nan
        self.walk.show_value(None if math.isnan(value) else value)

    @Slot(float, bool)
    def _walk(self, value: float, more: bool) -> None:
        self.walked.emit(self._shown, self.map.cell, self._variable(self._shown), value, more)

    @Slot(object)
    def _point(self, cell: tuple[int, int] | None) -> None:
        if self._run is None or self._shown not in self._run.latents:  # its map is about to go
            cell = None
        self._cell, part = cell, None
        if cell is not None:
            assert self._run is not None
            (h, w), (y, x) = self._run.latents[self._shown].entropy.shape[1:], cell
            part = QRectF(x / w, y / h, 1 / w, 1 / h)
        self.pointed.emit(part)
        self._tell()

    def _tell(self) -> None:
        """Of the code that is looked at, else of all levels; and what the last edit has changed."""
        run = self._run
        if run is None or self._nothing(run):
            self.sums.setText("")
            self.sums.hide()
            return
        words = [self._sums(run)]
        if self._cell is not None and self._stack.currentWidget() is self.view:
            words = self._code_words(run, self._cell)
        changed = 0 if run.changed is None else int(run.changed.sum())
        for text in ("{} px changed", "Δ {} px"):  # as fits
            told = words if run.changed is None else [*words, text.format(changed) if changed else NOTHING]
            self.sums.setText(" · ".join(told))
            self.map.setAccessibleDescription(f"{self.sums.text()}. {KEYS}")
            if self.sums.heightForWidth(self.sums.width()) <= self.sums.height():
                break
        whole = "Of this sample, over all levels and positions:\n" + "\n".join(list(VIEWS.values())[1:])
        self.sums.setToolTip(plain_tip(self.sums.text() if self._cell is not None else whole))
        self.sums.show()

    def _code_words(self, run: Run, cell: tuple[int, int]) -> list[str]:
        """Of one code: its place, the variable shown, and how open its drawing was."""
        event, variable = run.latents[self._shown], self._variable(self._shown)
        y, x = (min(i, n - 1) for i, n in zip(cell, event.entropy.shape[1:], strict=True))
        value, entropy = event.codes[run.sample_index, y, x, variable], event.entropy[run.sample_index, y, x]
        if np.isnan(entropy):
            return [f"row {y + 1}, column {x + 1}: still to be drawn"]
        gaussian = event.kind == "gaussian"
        what = f"{value:.2f}".replace("-", "−") if gaussian else f"class {int(value) + 1}"
        if event.plan is not None:
            where = "the whole picture's code: click to draw another"
        else:
            where = f"row {y + 1}, column {x + 1}: {what}"
        return [where, f"entropy {formatting.nats(entropy / math.log(2))} bits"]

    def _nothing(self, run: Run | None) -> str:
        """Why there is nothing to see; empty where there is."""
        if run is None or run.started is None or (run.started.num_levels and not run.latents):
            return EMPTY
        return "" if run.started.num_levels else NONE.format(registry.get(run.model).title)

    def _maps(self, run: Run, view: str) -> dict[int, np.ndarray]:
        """[h, w, maps] by level, of the sample shown; not a number where nothing has been drawn yet."""
        if view == "values":
            return {level: event.codes[run.sample_index] for level, event in run.latents.items()}
        if view == "prior entropy":
            return {level: event.entropy[run.sample_index, ..., None] for level, event in run.latents.items()}
        if view == "posterior entropy":
            return {level: event.entropy[run.sample_index, ..., None] for level, event in run.posteriors.items()}
        return {level: event.divergence[run.sample_index, ..., None] for level, event in run.posteriors.items()}

    def _palette(self, run: Run, view: str, level: int) -> tuple[np.ndarray, float, float]:
        """Colours of a level, and the values that take the first and the last of them. Both entropies share theirs,
        and those of the global code, one number for the whole picture, are apart."""
        event = run.latents[level]
        if view == "values":
            palette = class_colours(event.classes) if event.kind == "categorical" else diverging()
            return palette, -SPAN, SPAN
        views = ("KL",) if view == "KL" else ("prior entropy", "posterior entropy")
        shown = [maps for v in views for n, maps in self._maps(run, v).items() if (n == 0) == (level == 0)]
        values = np.concatenate([maps.ravel() for maps in shown])
        values = values[~np.isnan(values)]
        low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
        low = 0.0 if view == "KL" else low
        return sequential(), low, max(high, low + 1e-6)

    def _sums(self, run: Run) -> str:
        """How surprising the latents are, over all levels, and, with everything shown, how open they were; as far as it
        is known."""
        sums = {view: formatting.nats(sum(map(np.nansum, self._maps(run, view).values()))) for view in list(VIEWS)[1:]}
        if not self._more:
            return SURPRISE.format(sums["KL"]) if run.posteriors else PLAN if run.recorded else TOUCH
        shown = ENTROPIES if run.posteriors else ENTROPY
        return shown.format(*(sums[view] for view in ("prior entropy", "posterior entropy", "KL")))

    def _show_scale(self, view: str, palette: np.ndarray, classes: int, ends: tuple[float, float], plan: bool) -> None:
        """The colours between their two ends: of values, nats, or classes; none beside a plan."""
        self._scale.setVisible(not (plan and view == "values"))
        classes = classes if view == "values" else 0
        self._scale.setToolTip(f"Classes 1 to {classes}" if classes else "Values" if view == "values" else "In nats")
        texts = ("1", f"{classes}") if classes else (formatting.signed(ends[0]), formatting.signed(ends[1]))
        steps = classes or SCALE[0]
        left, right = (self.fontMetrics().horizontalAdvance(text) + 4 for text in texts)
        made = QPixmap((left + SCALE[0] + right) * 2, SCALE[1] * 2)
        made.setDevicePixelRatio(2)
        made.fill(Qt.GlobalColor.transparent)
        painter = QPainter(made)
        painter.setPen(QColor(theme.now.muted))
        painter.setFont(self.font())
        painter.drawText(QRectF(0, 0, left, SCALE[1]), Qt.AlignmentFlag.AlignVCenter, texts[0])
        for i in range(steps):
            colour = QColor(*map(int, palette[i * (len(palette) - 1) // max(steps - 1, 1)]))
            painter.fillRect(QRectF(left + i * SCALE[0] / steps, 3, SCALE[0] / steps + 0.1, 10), colour)
        painter.drawText(QRectF(left + SCALE[0] + 4, 0, right, SCALE[1]), Qt.AlignmentFlag.AlignVCenter, texts[1])
        painter.end()
        self._scale.setPixmap(made)
