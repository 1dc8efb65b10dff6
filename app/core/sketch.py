"""What is drawn and which pixels are known, with a history. No Qt.

Known pixels are those of a region (set by the row slider, the rectangle, the known and unknown brushes and the
buttons) and those the pen has drawn outside it. On a black ground the region follows the ink, until it is set: it is
the rows down to the lowest ink, so that blank paper below a stroke is open. What comes to lie under unknown pixels is
kept, so that moving the slider to and fro loses nothing, but it is neither shown nor given to a model.

On a black ground, as of MNIST, no ink is a colour too: the eraser takes ink away, and with it what the pen had made
known, so that a stray stroke leaves nothing behind. In colour there is no such ground: there the eraser makes unknown.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from vssm.prompt import Prompt

UNDO_STEPS = 200
TOOLS = ("brush", "fill", "pick", "eraser", "known", "unknown", "rectangle")
COLOUR_TOOLS = ("fill", "pick")
SIZES = 1, 8  # of the pen, at least and at most, in pixels


@dataclass(frozen=True)
class State:
    """pixels: [H, W, C] uint8. region, drawn: [H, W] bool; known is their union. follows: whether the region is the
    rows down to the lowest ink, whatever is drawn."""

    pixels: np.ndarray
    region: np.ndarray
    drawn: np.ndarray
    follows: bool


@dataclass(frozen=True)
class Moment:
    """A sketch as it was, with its history."""

    state: State
    undo: tuple[tuple[str, State], ...]
    redo: tuple[State, ...]


class Sketch:
    """The picture and its mask, with undo. Positions are (x, y) in pixels; a pixel's centre is at a half.

    drawn: those of the prompt's known pixels that are known only because they were drawn on. Where the known ones are
    the rows down to the lowest ink, they follow it."""

    def __init__(self, prompt: Prompt, drawn: np.ndarray | None = None):
        self._undo: list[tuple[str, State]] = []
        self._redo: list[State] = []
        drawn = np.zeros_like(prompt.known) if drawn is None else drawn.copy()
        pixels = prompt.pixels.copy()
        self._set(State(pixels, prompt.known & ~drawn, drawn, np.array_equal(prompt.known, _down_to_ink(pixels))))
        H, W = prompt.known.shape
        self._y, self._x = np.mgrid[:H, :W] + 0.5

    def _set(self, state: State) -> None:
        self.pixels, self.region, self.drawn = state.pixels, state.region, state.drawn
        self.follows = state.follows and not self.colour

    def _state(self) -> State:
        return State(self.pixels.copy(), self.region.copy(), self.drawn.copy(), self.follows)

    @property
    def colour(self) -> bool:
        return bool(self.pixels.shape[2] == 3)

    @property
    def known(self) -> np.ndarray:
        known: np.ndarray = self.region | self.drawn
        return known

    @property
    def prompt(self) -> Prompt:
        """A copy for a model; nothing stands under unknown pixels."""
        known = self.known
        return Prompt(self.pixels * known[..., None].astype(np.uint8), known)

    @property
    def rows(self) -> int:
        """How many whole rows from the top are known."""
        full = self.known.all(1)
        return int(full.size if full.all() else full.argmin())

    # --- history

    def begin(self, kind: str) -> None:
        """Remember the present for undo. Neighbouring steps of the kind "rows" become one."""
        if not (kind == "rows" and self._undo and self._undo[-1][0] == kind and not self._redo):
            self._undo.append((kind, self._state()))
            del self._undo[:-UNDO_STEPS]
        self._redo.clear()

    @property
    def can_undo(self) -> bool:
        return bool(self._undo)

    @property
    def can_redo(self) -> bool:
        return bool(self._redo)

    def undo(self) -> None:
        if self._undo:
            self._redo.append(self._state())
            self._set(self._undo.pop()[1])

    def redo(self) -> None:
        if self._redo:
            self._undo.append(("redo", self._state()))
            self._set(self._redo.pop())

    @property
    def moment(self) -> Moment:
        return Moment(self._state(), tuple(self._undo), tuple(self._redo))

    def go_back(self, moment: Moment) -> None:
        """Become as it was then, as if nothing had been done since."""
        self._set(moment.state)
        self._undo, self._redo = list(moment.undo), list(moment.redo)

    # --- changes

    def footprint(self, a: tuple[float, float], b: tuple[float, float], size: float) -> np.ndarray:
        """[H, W]: pixels whose centre lies within size / 2 of the segment from a to b, and the ones under both
        ends, so that even the thinnest stroke leaves no gap."""
        (ax, ay), (bx, by) = a, b
        dx, dy = bx - ax, by - ay
        along = ((self._x - ax) * dx + (self._y - ay) * dy) / max(dx * dx + dy * dy, 1e-9)
        along = along.clip(0, 1)
        near: np.ndarray = np.hypot(self._x - ax - along * dx, self._y - ay - along * dy) <= max(size, 1.0) / 2
        for x, y in (a, b):
            if 0 <= x < near.shape[1] and 0 <= y < near.shape[0]:
                near[int(y), int(x)] = True
        return near

    def stroke(
        self, tool: str, a: tuple[float, float], b: tuple[float, float], size: float, ink: tuple[int, ...] = (255,)
    ) -> None:
        """Draw with a tool from a to b."""
        near = self.footprint(a, b, size)
        if tool == "brush":
            self._paint(near, ink)
        elif tool == "eraser":
            self.pixels[near] = 0
            self.drawn &= ~near
            if self.colour:
                self.region &= ~near
        else:
            self._know(near, tool == "known")
        self._follow()

    def _follow(self) -> None:
        if self.follows:
            self.region, self.drawn = _down_to_ink(self.pixels), np.zeros_like(self.drawn)

    def _paint(self, where: np.ndarray, ink: tuple[int, ...]) -> None:
        self.pixels[where] = ink
        self.drawn |= where & ~self.region

    def _know(self, where: np.ndarray, known: bool) -> None:
        self.follows = False
        if known:
            self.region |= where
        else:
            self.region &= ~where
            self.drawn &= ~where

    def alike(self, x: int, y: int) -> np.ndarray:
        """[H, W]: the pixels that hang together, by their sides, with this one, and look like it: all unknown, or all
        known and of one colour."""
        known = self.known
        like = known & (self.pixels == self.pixels[y, x]).all(2) if known[y, x] else ~known
        found, todo = np.zeros_like(like), [(y, x)]
        while todo:
            j, i = todo.pop()
            if 0 <= j < like.shape[0] and 0 <= i < like.shape[1] and like[j, i] and not found[j, i]:
                found[j, i] = True
                todo += [(j - 1, i), (j + 1, i), (j, i - 1), (j, i + 1)]
        return found

    def fill(self, x: int, y: int, ink: tuple[int, ...]) -> None:
        """Paint the whole area that looks like this pixel; it becomes known."""
        self._paint(self.alike(x, y), ink)

    def rectangle(self, a: tuple[float, float], b: tuple[float, float], known: bool) -> None:
        """Make the pixels of a rectangle known, or unknown; two of its corners are given."""
        where = np.zeros_like(self.region)
        left, top, right, bottom = self.box(a, b)
        where[top:bottom, left:right] = True
        self._know(where, known)

    def box(self, a: tuple[float, float], b: tuple[float, float]) -> tuple[int, int, int, int]:
        """Left, top, right and bottom, in whole pixels, of the rectangle with these corners, as far as it lies in the
        picture."""
        H, W = self.region.shape
        (left, right), (top, bottom) = sorted((a[0], b[0])), sorted((a[1], b[1]))
        left, right = (int(min(max(v, 0), W)) for v in (math.floor(left), math.floor(right) + 1))
        top, bottom = (int(min(max(v, 0), H)) for v in (math.floor(top), math.floor(bottom) + 1))
        return left, top, right, bottom

    def set_known(self, known: np.ndarray) -> None:
        """Make exactly these pixels known."""
        self.region, self.drawn, self.follows = known.copy(), np.zeros_like(known), False

    def clear(self) -> None:
        """Begin anew: nothing is drawn, and nothing known."""
        self.take(Prompt.empty(*self.pixels.shape))

    def replace_ink(self, pixels: np.ndarray) -> None:
        """Put other ink in the place of the present one, on a black ground; a region that was set stays."""
        self.pixels = pixels.copy()
        self.drawn = pixels.any(2) & ~self.region
        self._follow()

    def take(self, prompt: Prompt) -> None:
        """Become a copy of an example."""
        self._set(Sketch(prompt)._state())


def _down_to_ink(pixels: np.ndarray) -> np.ndarray:
    """[H, W]: the rows of pixels [H, W, C] down to the lowest that has ink."""
    inked = np.flatnonzero(pixels.max((1, 2)))
    return Prompt.empty(*pixels.shape).with_rows(inked[-1] + 1 if inked.size else 0).known
