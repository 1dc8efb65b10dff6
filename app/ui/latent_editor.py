"""Touching latents: some codes of a finished run are drawn anew, all others are held, and the picture follows."""

from __future__ import annotations

import dataclasses
import secrets

import numpy as np
from PySide6.QtCore import QRectF, Slot

from app.core import history
from app.core.run import Run
from app.core.session import MOST_SEED
from vssm import data
from vssm.models import registry
from vssm.sampling.events import FixedLatents, GenerationRequest

MOST_BACK = 20  # touches that can be taken back one by one; the next one leads to the untouched latents


def untouchable(run: Run) -> str:
    """One sentence where the latents of a run cannot be touched; else empty."""
    if run.finished is None:
        return "Latents can be touched as soon as the run has finished."
    if not run.started.sampler.can_fix_latents:
        able = next((m.title for m in registry.get(run.model).samplers(data.get(run.data)) if m.can_fix_latents), "")
        return f"Latents can be touched in the mode {able} only: choose it, and complete again."
    return ""


def touched(run: Run, level: int, anew: np.ndarray | None, under_way: FixedLatents | None = None) -> GenerationRequest:
    """The request that draws these codes [h, w] of the sample shown anew, or the whole level, and holds all others of
    a finished run (with another global code, all levels of that sample follow); and those that a touch under way was
    to draw, which it may have shown already."""
    codes = tuple(run.latents[number].codes for number in sorted(run.latents))
    masks = [np.zeros(c.shape[:3], bool) for c in codes]
    for number, mask in zip(sorted(run.latents), masks, strict=True):
        if number == level:
            mask[run.shown] |= True if anew is None else anew
        elif level == 0:  # the levels below say how this digit is drawn, and another code draws another digit
            mask[run.shown] = True
    seed, other = secrets.randbelow(MOST_SEED), anew is not None
    if under_way is not None:
        if not any((mask & given).any() for mask, given in zip(masks, under_way.redraw, strict=True)):
            seed = under_way.seed  # what it draws, it draws again
        masks = [mask | given for mask, given in zip(masks, under_way.redraw, strict=True)]
        other = other and under_way.other
    held = FixedLatents(codes, tuple(masks), seed, other)
    return dataclasses.replace(run.request, fixed_latents=held, posterior=True, details=True)


class Touching:
    """What the window does when latents are touched."""

    def _connect_touch(self) -> None:
        self.latents.touched.connect(self._touch)
        self.latents.taken_back.connect(self.untouch)
        self.latents.pointed.connect(self._point_at)

    @Slot(int, object)
    def _touch(self, level: int, anew: np.ndarray | None) -> None:
        """Draw codes of the sample shown anew; the picture shown stays until the next one is there."""
        run = self.shown
        if self._waits(self._touch, level, anew):
            return
        if sentence := untouchable(run) or self._lacks(run.model) or self._taken_up:
            self.messages.say(sentence, "note")
            return
        under_way = self._running
        same = under_way is not None and under_way.base is run and not under_way.stopping
        request = touched(run, level, anew, under_way.request.fixed_latents if same else None)
        self.messages.supersede()
        number = self.engine.complete(run.model, run.data, request)
        self._running = Run(number, run.model, run.data, request, shown=run.shown, base=run)
        self.live.begun(self._running)
        self._timer.start()
        self._enable()

    @property
    def _taken_up(self) -> str:
        """One sentence where something is timed that a touch would disturb; else empty."""
        if self.scaling.running:
            return "The models are being timed: touch latents when that is done, or stop it first (Esc)."
        if self._racing is not None:
            return "A race is run: touch latents when that is done, or stop it first (Esc)."
        return ""

    def _show_touched(self, run: Run) -> None:
        """Its picture is shown as soon as it is whole; once all is told of it, it takes the other's place."""
        if self.shown is run.base and run.filled.all():
            self.completion.show_run(run, self.theme)
            self.latents.show_run(run)

    def _touch_ended(self, run: Run) -> None:
        """A touched run that finished takes the place of the one it came from; another leaves that as it is."""
        if run.finished is None or run.base not in self.history:
            return
        run.shown = run.base.shown
        self._replace(run.base, run)
        chain = [run]
        while chain[-1].base is not None:
            chain.append(chain[-1].base)
        if len(chain) > MOST_BACK + 1:
            chain[MOST_BACK - 1].base = chain[-1]

    def _replace(self, run: Run, by: Run) -> None:
        self.history = history.supersede(self.history, run, by)
        if self.shown is run:
            self.shown = by

    @Slot()
    def untouch(self) -> None:
        """Give up the touch under way, or take the last one of the run shown back."""
        run = self.shown
        if self._running is not None and self._running.base is not None:
            self.stop()
        elif run is not None and run.base is not None:
            run.base.shown = run.shown
            if run in self.history:
                self._replace(run, run.base)
            self._show(run.base)

    @Slot(object)
    def _point_at(self, part: QRectF | None) -> None:
        self.completion.picture.mark(part)
