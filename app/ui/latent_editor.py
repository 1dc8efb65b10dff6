"""Editing latents: some codes of a finished run are drawn anew, all others are held, and the picture follows."""

from __future__ import annotations

import dataclasses
import secrets

import numpy as np
from PySide6.QtCore import QObject, Signal, Slot

from app.core.run import Run
from app.core.settings import MOST_SEED, samplers
from app.ui.completion_controller import CompletionController
from app.ui.models import Models
from app.ui.panels.latents import LatentPanel
from app.ui.panels.scaling import ScalingPanel
from app.ui.race_controller import RaceController
from app.ui.widgets.toast import Messages
from vssm import data
from vssm.sampling.events import FixedLatents, GenerationRequest

MOST_BACK = 20  # edits that can be taken back one by one; the next one leads to the latents as drawn first


def uneditable(run: Run) -> str:
    """One sentence where the latents of a run cannot be edited; else empty."""
    if run.finished is None:
        return "Latents can be edited as soon as the run has finished."
    assert run.started is not None
    if not run.started.sampler.can_fix_latents:
        able = next((m.title for m in samplers(run.model, data.get(run.data)) if m.can_fix_latents), "")
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
    held = FixedLatents(codes, tuple(masks), seed, other)
    return dataclasses.replace(run.request, fixed_latents=held, posterior=True, details=True)


class LatentEditor(QObject):
    """Draws codes anew that a person points at, and takes that back. `given_up` asks for the run to be stopped."""

    given_up = Signal()

    def __init__(
        self,
        runs: CompletionController,
        models: Models,
        race: RaceController,
        scaling: ScalingPanel,
        panel: LatentPanel,
        messages: Messages,
    ):
        super().__init__(panel)
        self._runs, self._models, self._race, self._scaling = runs, models, race, scaling
        self._panel, self._messages = panel, messages
        panel.edited.connect(self._edit)
        panel.taken_back.connect(self.undo)
        runs.progressed.connect(self._show)
        runs.ended.connect(self._ended)

    @Slot(int, object)
    def _edit(self, level: int, anew: np.ndarray | None) -> None:
        """Draw codes of the sample shown anew; the picture shown stays until the next one is there."""
        if self._models.wait(self._edit, level, anew):
            return
        run, running = self._runs.selected_run, self._runs.running
        assert run is not None  # the panel shows its latents
        if sentence := uneditable(run) or self._models.lacks(run.model) or self._taken_up:
            self._messages.say(sentence, "note")
            return
        same = running is not None and running.base is run and not running.stopping
        request = edited(run, level, anew, running.request.fixed_latents if running is not None and same else None)
        self._runs.start(run.data, run.settings, request, picked=run.sample_index, base=run)

    @property
    def _taken_up(self) -> str:
        """One sentence where something is timed that an edit would disturb; else empty."""
        if self._scaling.running:
            return "The models are being timed: edit latents when that is done, or stop it first (Esc)."
        if self._race.number is not None:
            return "A race is run: edit latents when that is done, or stop it first (Esc)."
        return ""

    @Slot(object)
    def _show(self, run: Run) -> None:
        """Its picture is shown as soon as it is whole; once all is known of it, it takes the other's place."""
        if run.base is not None and self._runs.selected_run is run.base and run.filled.all():
            self._runs.show_run(run)

    @Slot(object)
    def _ended(self, run: Run) -> None:
        """An edited run that finished takes the place of the one it came from; another leaves that as it is."""
        if run.base is None or run.finished is None or run.base not in self._runs.history:
            return
        run.picked = run.base.sample_index
        self._runs.replace(run.base, run)
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
            self.given_up.emit()
        elif run is not None and run.base is not None:
            run.base.picked = run.sample_index
            if run in self._runs.history:
                self._runs.replace(run, run.base)
            self._runs.select(run.base)
