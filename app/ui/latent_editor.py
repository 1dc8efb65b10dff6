"""Editing latents: some codes of a finished run are drawn anew, all others are held, and the picture follows."""

from __future__ import annotations

import dataclasses
import secrets

import numpy as np
from PySide6.QtCore import QObject, QTimer, Slot

from app.core import model_facts
from app.core.job import Kind
from app.core.run import Run
from app.core.settings import MOST_SEED
from app.ui.completion_controller import CompletionController
from app.ui.context import Context, Panels
from vssm.sampling.events import FixedLatents, GenerationRequest

TRIES = 4  # draws of a code in a row that may change nothing to the eye
MOST_BACK = 20  # edits that can be taken back one by one; the next one leads to the latents as drawn first


def uneditable(run: Run) -> str:
    """One sentence where the latents of a run cannot be edited; else empty."""
    if run.recorded:
        return "These latents are recorded: draw something, and those of your own picture can be edited."
    if run.finished is None:
        return "Latents can be edited as soon as the run has finished."
    assert run.started is not None
    if not run.started.sampler.can_fix_latents:
        able = next((m.title for m in model_facts.samplers(run.model, run.data) if m.can_fix_latents), "")
        return f"Latents can be edited with the sampler {able} only: choose it, and complete again."
    return ""


def edited(run: Run, level: int, anew: np.ndarray | None, under_way: FixedLatents | None = None) -> GenerationRequest:
    """The request that draws these codes [h, w] of the sample shown anew, or the whole level, and holds all others of
    a finished run (with another global code, all levels of that sample follow); and those that an edit under way was
    to draw, which it may have shown already."""
    codes = tuple(run.latents[number].codes for number in sorted(run.latents))
    masks = [np.zeros(c.shape[:3], bool) for c in codes]
    for number, mask in zip(sorted(run.latents), masks, strict=True):
        if number == level:
            mask[run.sample_index] |= True if anew is None else anew
        elif level == 0:  # the levels below say how this digit is drawn, and another code draws another digit
            mask[run.sample_index] = True
    seed, other = secrets.randbelow(MOST_SEED), anew is not None
    if under_way is not None:
        if not any((mask & given).any() for mask, given in zip(masks, under_way.redraw, strict=True)):
            seed = under_way.seed  # what it draws, it draws again
        masks = [mask | given for mask, given in zip(masks, under_way.redraw, strict=True)]
        other = other and under_way.other
    return _request(run, FixedLatents(codes, tuple(masks), seed, other))


def walked(run: Run, level: int, cell: tuple[int, int], variable: int, value: float, whole: bool) -> GenerationRequest:
    """The request in which a variable of one code of the sample shown has this value, and all else of a finished run is
    held; else than whole, for its picture alone."""
    codes = {number: event.codes for number, event in sorted(run.latents.items())}
    codes[level] = codes[level].copy()
    codes[level][run.sample_index, *cell, variable] = value
    return _request(run, FixedLatents(tuple(codes.values()), (None,) * len(codes)), whole)


def _request(run: Run, held: FixedLatents, whole: bool = True) -> GenerationRequest:
    sample = run.sample_index if whole else None
    return dataclasses.replace(run.request, fixed_latents=held, posterior=whole, details=whole, influence=sample)


def _draws(run: Run) -> bool:
    """Whether it draws codes anew."""
    held = run.request.fixed_latents
    return held is not None and any(mask is not None for mask in held.redraw)


def _is_glance(run: Run) -> bool:
    """Whether it is an edited run of which the picture alone was asked for."""
    return run.base is not None and not run.request.details


class LatentEditor(QObject):
    """Draws codes anew that a person points at, walks them, and takes that back."""

    def __init__(self, context: Context, panels: Panels, runs: CompletionController):
        super().__init__(panels.latents)
        self._runs, self._jobs, self._models, self._messages = runs, context.jobs, context.models, context.messages
        self._comparison = panels.completion.comparison
        self._walking: Run | None = None  # shows where a code has been walked to, as long as its picture is not whole
        self._next: tuple[int, tuple[int, int], int, float, bool] | None = None  # where it has been walked to since
        self._tries = 0  # draws that have changed nothing
        panels.latents.edited.connect(self._edit)
        panels.latents.walked.connect(self._walk)
        panels.latents.compared.connect(panels.completion.comparison.show_before)
        panels.latents.taken_back.connect(self.undo)
        runs.progressed.connect(self._show)
        runs.ended.connect(self._ended)

    @Slot(int, object)
    def _edit(self, level: int, anew: np.ndarray | None) -> None:
        """Draw codes of the sample shown anew; the picture shown stays until the next one is there."""
        if self._models.wait(self._edit, level, anew):
            return
        run, running = self._runs.selected_run, self._runs.running
        assert run is not None  # the panel shows its latents
        if sentence := uneditable(run) or self._models.lacks(run.model):
            self._messages.say(sentence, "note")
        elif not self._models.refuse("edit latents", Kind.SCALING, Kind.RACE):
            self._tries = 0
            same = running is not None and running.base is run and not running.stopped
            request = edited(run, level, anew, running.request.fixed_latents if running is not None and same else None)
            self._runs.start(run.data, run.settings, request, picked=run.sample_index, base=run)

    def _in_vain(self, run: Run) -> bool:
        """Whether the codes that were drawn change nothing to the eye, and others are to be drawn in their place."""
        return self._tries < TRIES - 1 and _draws(run) and run.changed is not None and not run.changed.any()

    def _draw_again(self, run: Run) -> None:
        """Draw other codes than those that changed nothing."""
        before, held = run.base, run.request.fixed_latents
        assert before is not None and held is not None
        self._tries += 1
        request = _request(before, dataclasses.replace(held, seed=secrets.randbelow(MOST_SEED)))
        self._runs.start(run.data, run.settings, request, picked=before.sample_index, base=before)

    @Slot(int, tuple, int, float, bool)
    def _walk(self, level: int, cell: tuple[int, int], variable: int, value: float, more: bool) -> None:
        """Follow a slider: the picture alone as long as it is dragged, all that is known of it at the end. A run that
        has not shown its picture is not given up for the next, or none would ever be seen."""
        self._next = level, cell, variable, value, more
        if self._walking is None:
            self._walk_on()

    @Slot()
    def _walk_on(self) -> None:
        where, selected = self._next, self._runs.selected_run
        self._walking = self._next = None
        if where is None or selected is None or self._models.lacks(selected.model):
            return
        run = selected.base if _is_glance(selected) else selected
        assert run is not None
        if not self._models.refuse("edit latents", Kind.SCALING, Kind.RACE) and not uneditable(run):
            level, cell, variable, value, more = where
            request = walked(run, level, cell, variable, value, not more)
            known = dict(run.influence)  # until that of the new latents is
            self._walking = self._runs.start(
                run.data, run.settings, request, picked=run.sample_index, base=run, influence=known
            )

    def _replaced(self, run: Run) -> Run | None:
        """The run whose place an edited one takes: that which it came from, or a glance at the same; None for none."""
        selected = self._runs.selected_run
        if run.base is None or selected is None:
            return None
        if _is_glance(selected) and selected.base is run.base:
            return selected
        return run.base

    @Slot(object)
    def _show(self, run: Run) -> None:
        """Its picture is shown as soon as it is whole; once all is known of it, it takes the other's place."""
        if run.base is None or not run.filled.all() or self._runs.selected_run is not self._replaced(run):
            return
        if self._in_vain(run):
            return
        self._runs.show_run(run)
        if _draws(run):  # else a person sees it move
            self._comparison.blink()
        if run is self._walking and run.request.details:
            self._walking = None  # it gives way to the next
            if self._next is not None:
                self._walk_on()

    @Slot(object)
    def _ended(self, run: Run) -> None:
        """An edited run that finished takes the place of the one it came from; another leaves that as it is."""
        if run is self._walking:
            QTimer.singleShot(0, self._walk_on)  # once nothing is under way
        before = self._replaced(run)
        if run.base is None or before is None or run.finished is None or before not in self._runs.history:
            return
        if self._in_vain(run):
            self._draw_again(run)
            return
        run.picked = run.base.sample_index
        self._runs.replace(before, run)
        chain = [run]
        while chain[-1].base is not None:
            chain.append(chain[-1].base)
        if len(chain) > MOST_BACK + 1:
            chain[MOST_BACK - 1].base = chain[-1]

    @Slot()
    def undo(self) -> None:
        """Give up the edit under way, or take the last one of the run shown back."""
        run, running = self._runs.selected_run, self._runs.running
        if running is not None and running.base is not None:
            self._jobs.stop()
        elif run is not None and run.base is not None:
            run.base.picked = run.sample_index
            if run in self._runs.history:
                self._runs.replace(run, run.base)
            self._runs.select(run.base)
