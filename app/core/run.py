"""What the window remembers of a run, and what may be said of several. No Qt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from app.core import formatting, places
from app.core.job import Job, Kind, State
from app.core.places import Times
from app.core.settings import CompletionSettings, Task
from vssm.models import registry
from vssm.prompt import Prompt
from vssm.sampling.events import (
    Details,
    Event,
    Finished,
    GenerationRequest,
    Influence,
    Latents,
    Posterior,
    Progress,
    Started,
)

STATUS = {State.RUNNING: "working …", State.PAUSED: "paused", State.STOPPING: "stopping …"}  # else it has ended
VISIBLE = 16  # of 255: a pixel that differs by more has changed to the eye
PAIR = "vssm", "transformer"  # whose seconds are compared


@dataclass(eq=False)
class Run(Job, Task):
    """One completion, from being asked for to its end.

    points: (seconds of the model's time, tokens done), for the curve. gesture: of the pen, which it follows live; runs
    of one gesture replace each other. recorded: whether it was run earlier, and perhaps elsewhere. base: the run whose
    latents it holds, but for those that an edit has drawn anew.
    """

    settings: CompletionSettings
    request: GenerationRequest
    started: Started | None = None
    progress: Progress | None = None
    finished: Finished | None = None
    latents: dict[int, Latents] = field(default_factory=dict)  # the latest of each level
    posteriors: dict[int, Posterior] = field(default_factory=dict)
    influence: dict[int, Influence] = field(default_factory=dict)
    details: Details | None = None
    points: list[tuple[float, int]] = field(default_factory=list)
    picked: int | None = None  # the sample that a person chose to look at
    gesture: int = 0
    recorded: bool = False
    base: Run | None = field(default=None, repr=False)

    @property
    def kind(self) -> Kind:
        return Kind.LATENT_EDIT if self.base else Kind.COMPLETION

    @property
    def prompt(self) -> Prompt:
        """What is given of the picture."""
        return self.request.prompt

    @property
    def mean(self) -> bool:
        """Whether it shows the mean of what each pixel may be, not a draw."""
        return self.settings.pixel_mode == "mean"

    @property
    def title(self) -> str:
        return super().title + (", edited" if self.base else "")

    @property
    def origin(self) -> Run:
        """The run before any edit, whose time is that of completing the prompt."""
        return self if self.base is None else self.base.origin

    @property
    def ranking(self) -> list[int]:
        """The samples, the one first that the model finds the likeliest; in the order of drawing where it has no
        scores."""
        drawn = range(self.settings.samples)
        return list(drawn) if self.details is None else sorted(drawn, key=lambda i: -np.nan_to_num(self.scores[i]))

    @property
    def scores(self) -> np.ndarray:
        """[K] in nats: the log-probability of each sample given what is known, or a bound of it; NaN where there is
        none."""
        return np.full(self.settings.samples, np.nan) if self.details is None else self.details.score

    @property
    def sample_index(self) -> int:
        """The sample that is looked at: the one chosen, else the likeliest."""
        return self.ranking[0] if self.picked is None else self.picked

    @property
    def changed(self) -> np.ndarray | None:
        """[H, W]: the pixels of the sample shown that the last edit has changed to the eye; None where there was no
        edit, or before its picture is whole."""
        if self.base is None or not self.filled.all():
            return None
        now, before = (run.images[self.sample_index].astype(int) for run in (self, self.base))
        return np.asarray((np.abs(now - before) > VISIBLE).any(-1))

    def add(self, event: Event) -> None:
        match event:
            case Started():
                self.started = event
            case Latents():
                self.latents[event.level] = event
                if self.progress is None:
                    self.points.append((event.seconds, 0))
            case Progress():
                self.progress = event
                self.points.append((event.seconds, event.tokens))
            case Posterior():
                self.posteriors[event.level] = event
            case Influence():
                self.influence[event.level] = event
            case Details():
                self.details = event
            case Finished():
                self.finished = event

    @property
    def images(self) -> np.ndarray:
        """[K, H, W, C]: what stands so far; before the first progress, the prompt alone."""
        if self.progress is not None:
            return self.progress.images
        prompt = self.prompt
        return np.repeat((prompt.pixels * prompt.known[..., None])[None], self.settings.samples, 0)

    @property
    def filled(self) -> np.ndarray:
        """[K, H, W]: pixels known or generated."""
        if self.progress is not None:
            return self.progress.filled
        return np.repeat(self.prompt.known[None], self.settings.samples, 0)

    @property
    def seconds(self) -> float:
        """The model's time so far, reading the prompt included."""
        if self.finished is not None:
            return self.finished.seconds + self.finished.prompt_seconds
        return self.points[-1][0] if self.points else 0.0

    @property
    def tokens(self) -> int:
        return self.progress.tokens if self.progress else 0

    @property
    def has_pixels(self) -> bool:
        """Whether it shows anything beside its prompt."""
        return self.tokens > 0

    @property
    def network_calls(self) -> int:
        return self.progress.network_calls if self.progress else len(self.points)

    @property
    def status(self) -> str:
        """What becomes of it, in a word; empty once it has finished here."""
        if self.finished:
            return "recorded" if self.recorded else ""
        return STATUS.get(self.state, "stopped")

    @property
    def drafts(self) -> str:
        """For a model that drafts: what its calls brought, and how many drafted tokens stood; else empty."""
        if self.progress is None or not self.progress.drafted:
            return ""
        drafted, accepted = self.progress.drafted, self.progress.accepted
        a_call = self.tokens / self.settings.samples / self.network_calls
        return f"{a_call:.1f} pixels a call · {100 * accepted / drafted:.0f} % of {drafted:,} drafts accepted"

    @property
    def work(self) -> tuple[object, ...]:
        """Two runs are alike, and their seconds may be compared, where this is equal."""
        known, started = self.prompt.known, self.started
        did = (started.tokens, started.device, started.threads) if started else ()
        return self.data, self.settings.samples, *did, known.tobytes()


def comparable(runs: list[Run]) -> list[Run]:
    """Of runs on one sketch, one of every model and mode, to be seen beside one another: those that `compare` compares,
    but for one that is under way; of all others the latest, Live's where there is no other."""
    latest = {run.title: run for run in by_wish(runs)}
    pair = {run.title: run for run in _opponents(runs).values() if latest[run.title].ended}
    return list((latest | pair).values())


def compare(runs: list[Run], name: Callable[[Run], str] = lambda run: run.title, each: bool = False) -> str:
    """One line on the VSSM and the Transformer: how many times one was faster than the other on a sketch, by their
    latest finished runs of equal numbers of samples. Only where there are none, or that is asked for (each), seconds a
    picture are compared, and that is said, as is whatever else differs beside the model. Where two times are too close
    to tell, they tie. As long as one of the two is missing, the line says so. `name` says how a run is called."""
    latest = _opponents(runs)
    if len(latest) < len(PAIR):
        missing = " and ".join(_the(registry.get(model).title) for model in PAIR if model not in latest)
        took = {name(run): _alone(run) if each else run.seconds for run in latest.values()}
        so_far = "".join(f"{one}: {formatting.seconds(seconds)}. " for one, seconds in took.items())
        return f"{so_far}Complete with {missing} to compare." if runs else ""
    a, b = sorted(latest.values(), key=_alone)
    many, others = a.settings.samples, b.settings.samples
    each = each or many != others
    figures = [formatting.seconds(_alone(run) if each else run.seconds) for run in (a, b)]
    notes = []
    if each:
        notes.append("a picture" + (f", of {many} and {others} at once" if many != others else ""))
    elif any(run.settings.samples != many for run in runs if run.finished and run.model in PAIR):  # which may be later
        notes.append(f"for {many} sample{'s' * (many != 1)} each")
    if a.started and b.started and (a.started.device, a.started.threads) != (b.started.device, b.started.threads):
        notes.append(f"on {a.started.device} and on {b.started.device}")
    told = " ".join([" against ".join(figures), *notes])
    if not places.ahead(*(Times({0: _alone(run)}, _spread(runs, run)) for run in (a, b))):
        return f"{name(a)} and {_the(name(b))} tie: {told}"
    ratio = formatting.times(_alone(b) / max(_alone(a), 1e-9))
    return f"{name(a)} {ratio} faster than {_the(name(b))}: {told}"


def _opponents(runs: list[Run]) -> dict[str, Run]:
    """The finished runs that are compared, by model: the last two of equal numbers of samples, else the last of each;
    in their usual modes, if there are such."""
    done = [run for run in by_wish(runs) if run.finished and run.model in PAIR]
    usual = {run.model for run in done if not run.variant}
    latest: dict[str, Run] = {}
    batches: dict[int, dict[str, Run]] = {}  # by the number of samples
    alike: dict[str, Run] = {}
    for run in done:
        if run.variant and run.model in usual:
            continue
        latest[run.model] = run
        batch = batches.setdefault(run.settings.samples, {})
        batch[run.model] = run
        if len(batch) == len(PAIR):
            alike = batch
    return alike or latest


def by_wish(runs: list[Run]) -> list[Run]:
    """Those that Live made, then those that a person asked for."""
    return sorted(runs, key=lambda run: not run.gesture)


def _alone(run: Run) -> float:
    """Seconds for one of its pictures."""
    return run.seconds / run.settings.samples


def _the(name: str) -> str:
    return f"the {name}"


def _spread(runs: list[Run], like: Run) -> float:
    """Of the seconds of runs of that model and mode, as its repeats tell."""
    series: dict[tuple[object, ...], list[float]] = {}
    for run in runs:
        if run.finished and run.title == like.title:
            series.setdefault(run.work, []).append(run.seconds)
    return places.spread(series.values())
