"""What the window remembers of a run, and what may be said of several. No Qt."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from vssm import models
from vssm.generation import Event, Finished, GenerationRequest, Latents, Progress, Started


@dataclass
class Run:
    """One completion, from being asked for to its end; `add` takes the events in their order.

    points: (seconds of the model's time, tokens done), for the curve. ended: finished, stopped, or failed.
    """

    number: int
    model: str
    data: str
    request: GenerationRequest
    started: Started | None = None
    progress: Progress | None = None
    finished: Finished | None = None
    latents: dict[int, Latents] = field(default_factory=dict)
    points: list[tuple[float, int]] = field(default_factory=list)
    stopping: bool = False  # asked to stop; its network call may still be under way
    ended: bool = False
    shown: int = 0  # the sample a person looks at

    @property
    def title(self) -> str:
        return models.get(self.model).title

    def add(self, event: Event) -> None:
        match event:
            case Started():
                self.started = event
            case Latents():
                self.latents[event.level] = event
                self.points.append((event.seconds, self.tokens))
            case Progress():
                self.progress = event
                self.points.append((event.seconds, event.tokens))
            case Finished():
                self.finished = event

    @property
    def images(self) -> np.ndarray:
        """[K, H, W, C]: what stands so far; before the first progress, the prompt alone."""
        if self.progress is not None:
            return self.progress.images
        prompt = self.request.prompt
        return np.repeat((prompt.pixels * prompt.known[..., None])[None], self.request.samples, 0)

    @property
    def filled(self) -> np.ndarray:
        """[H, W]: pixels known or generated."""
        return self.request.prompt.known if self.progress is None else self.progress.filled

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
    def network_calls(self) -> int:
        return self.progress.network_calls if self.progress else len(self.latents)

    @property
    def work(self) -> tuple:
        """Two runs are alike, and their seconds may be compared, where this is equal."""
        started, known = self.started, self.request.prompt.known
        return self.data, self.request.samples, started.tokens, started.device, started.threads, known.tobytes()


def compare(runs: list[Run]) -> str:
    """One line on the latest finished run of each model; seconds are compared between like runs only."""
    latest = list({run.model: run for run in runs if run.finished}.values())
    latest.sort(key=lambda run: list(models.PRESETS).index(run.model))
    if not latest:
        return ""
    if len({run.work for run in latest}) == 1:
        text = " · ".join(f"{run.title} {seconds(run.seconds)}" for run in latest)
        if len(latest) == 1:
            return text
        slow, fast = max(r.seconds for r in latest), min(r.seconds for r in latest)
        name = next(r.title for r in latest if r.seconds == fast)
        return f"{text}: {name} {times(slow / max(fast, 1e-9))} faster"
    rates = " · ".join(f"{run.title} {rate(run.finished.tokens_per_second)}" for run in latest)
    return f"{rates} (unlike runs: rates, not seconds)"


def seconds(value: float) -> str:
    """0.008 s, 0.23 s, 12.3 s."""
    return f"{value:.3f} s" if value < 0.0995 else f"{value:.2f} s" if value < 9.95 else f"{value:.1f} s"


def times(ratio: float) -> str:
    """29 ×, 3.4 ×."""
    return f"{ratio:.0f} ×" if ratio >= 9.95 else f"{ratio:.1f} ×"


def rate(tokens_per_second: float) -> str:
    """98,000 tokens/s: two digits are what a single run is good for."""
    digits = max(0, len(str(int(tokens_per_second))) - 2)
    return f"{round(tokens_per_second, -digits):,.0f} tokens/s"


def count(number: int) -> str:
    """1.9 M, 850 k, 12."""
    if number >= 999_500:
        return f"{number / 1e6:.1f} M"
    return f"{number / 1e3:.0f} k" if number >= 1000 else str(number)


def score(scores: dict) -> str:
    """−ELBO 88.1 nats, or NLL 82.5 nats for an exact likelihood; empty where the checkpoint carries none."""
    parts = []
    if isinstance(nats := scores.get("nats"), (int, float)):
        name = "NLL" if scores.get("bound") == "exact" else "−ELBO" if scores.get("bound") == "elbo" else "−log p ≤"
        parts.append(f"{name} {nats:.1f} nats")
    if isinstance(kept := scores.get("label_kept"), (int, float)):
        parts.append(f"label kept {100 * kept if kept <= 1 else kept:.1f} %")
    return " · ".join(parts)
