"""Races and scaling runs: who may take part, and what is asked for them."""

from __future__ import annotations

import dataclasses

from PySide6.QtCore import QObject, Signal, Slot

from app.core.job import Job, Kind, ScalingJob, State
from app.core.race import Contestant, RaceJob
from app.core.run import Run
from app.engine.race_runner import RaceRunner
from app.ui.completion_controller import CompletionController
from app.ui.context import Context, Panels
from app.ui.docks import Docks
from vssm.evaluation import scaling
from vssm.models import registry
from vssm.sampling.events import Event, Started


class ScalingController(QObject):
    """Times equal networks where the panel asks for it, and tells it how that goes."""

    def __init__(self, context: Context, panels: Panels):
        super().__init__(panels.scaling)
        self._context, self._panel = context, panels.scaling
        self._panel.asked.connect(self._measure)
        self._panel.stopped.connect(context.jobs.stop)
        context.jobs.changed.connect(self._job_changed)
        context.jobs.happened.connect(self._happened)

    @Slot(tuple)
    def _measure(self, lengths: tuple[int, ...]) -> None:
        """Time equal networks at these lengths; a run under way is given up."""
        if self._context.models.wait(self._measure, lengths):
            return
        self._context.messages.supersede()
        dataset = self._context.workspace.data.name
        request = scaling.ScalingRequest(dataset, lengths, parameters=scaling.PARAMETERS)
        self._panel.begin(len(lengths) * len(request.contenders))
        self._context.jobs.begin(ScalingJob(0, dataset), request=request)

    @Slot(object, object)
    def _happened(self, job: Job, event: scaling.Event) -> None:
        if job.kind is Kind.SCALING:
            self._panel.add(event)

    @Slot()
    def _job_changed(self) -> None:
        jobs = self._context.jobs
        self._panel.show_state(jobs.state if jobs.kind is Kind.SCALING else State.IDLE)


class RaceController(QObject):
    """Begins races and repeats of their timing; `asked` tells that a person wants a race. What a contestant makes is a
    run like any other."""

    asked = Signal()

    def __init__(self, context: Context, panels: Panels, docks: Docks, runs: CompletionController):
        super().__init__(panels.race)
        self.runner = RaceRunner(context.jobs)
        self._context, self._panels, self._docks, self._runs = context, panels, docks, runs
        self._made: list[Run] = []  # by the race under way
        self._done: list[Run] = []  # by one that is played for the first time: no panel is to tell the winner before
        self._panel = panel = panels.race
        self.runner.began.connect(panel.begin)
        self.runner.turned.connect(panel.follow)
        self.runner.recorded.connect(panel.record)
        self.runner.ended.connect(self._end)
        panel.changed.connect(self._adopt)
        docks.turned.connect(self._adopt)
        context.jobs.changed.connect(panel.follow)
        context.jobs.happened.connect(self._happened)

    def offer(self) -> None:
        """Let people choose who races."""
        work, lacks = self._context.workspace, self._context.models.lacks
        self._panel.offer(
            work.data.name, {name: lacks(name) for name in registry.PRESETS}, work.dataset_settings.absent
        )

    def start(self) -> None:
        """Let all ticked models complete the sketch; a run or a race under way is given up, but not a scaling run."""
        models, messages, bar = self._context.models, self._context.messages, self._context.bar
        if models.wait(self.start) or models.refuse("race", Kind.SCALING):
            return
        self.asked.emit()
        self._docks.show_race(True)
        prompt = self._panels.sketch.canvas.sketch.prompt
        if not self._panel.entrants.chosen:
            messages.refuse("Nobody is ticked for the race.")
        elif prompt.known.all():
            messages.refuse("Every pixel is known, so there is nothing to race for; erase some first.")
        else:
            messages.supersede()
            bar.turn_seed()
            chosen = (dataclasses.replace(bar.settings(model), samples=1) for model in self._panel.entrants.chosen)
            dataset = self._context.workspace.data.name
            self.runner.begin(RaceJob.of(tuple(Contestant(dataset, settings, prompt) for settings in chosen)))
            self._panel.axis.setFocus()

    @Slot(object, object)
    def _happened(self, job: Job, event: Event) -> None:
        """Follow a contestant of a race; repeats are for their times alone."""
        if isinstance(job, RaceJob) and not job.turns:
            if isinstance(event, Started):
                self._made.append(Run(job.number, job.data, job.contestant.settings, job.contestant.request))
            self._made[-1].add(event)

    @Slot(object)
    def _end(self, job: RaceJob) -> None:
        for run in self._made:
            run.state, run.stopped = State.IDLE, run.finished is None
        self._done, self._made = [run for run in self._made if run.has_pixels], []
        self._panel.end(job)

    @Slot()
    def _adopt(self) -> None:
        """Once the race has been played, held or left, its runs stand with all others."""
        playing = bool(self._done) and self._panel.playing and self._panel.isVisible()
        self._panels.timing.wait_for_race(playing or self._panel.running)
        if self._done and not playing:
            done, self._done = self._done, []
            self._runs.adopt(done)

    def show_times(self, on: bool) -> None:
        """Put the bars of all times in the place of the race's pictures, or these again."""
        if on:
            self._docks.show_race(True)
        self._panel.show_times(on)

    def repeat(self) -> None:
        """Time the last race some more times; its pictures stay. A run under way is given up, but not a scaling run."""
        if self._context.models.refuse("repeat", Kind.SCALING) or not self._panel.repeatable:
            return
        self._context.messages.supersede()
        self._context.actions["show_times"].setChecked(True)
        self.show_times(True)
        self.runner.begin(RaceJob.of(self._panel.finishers, self._panel.bars.times.value()))
