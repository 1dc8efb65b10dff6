"""A job: what the models do for a person, one at a time. No Qt."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any


class Kind(Enum):
    """What a job is for."""

    COMPLETION = auto()
    LATENT_EDIT = auto()
    RACE = auto()
    SCALING = auto()


class State(Enum):
    """How a job stands, or the models where there is none."""

    LOADING = auto()  # something waits for the models
    IDLE = auto()  # also of a job that has ended
    RUNNING = auto()
    PAUSED = auto()
    STOPPING = auto()  # asked to stop; its network call may still be under way


@dataclass(eq=False)
class Job:
    """One job. number: of its run, or the latest of its runs. data: the name of the data set. stopped: whether it was
    asked to stop, or gave way to another."""

    number: int
    data: str
    state: State = field(default=State.RUNNING, kw_only=True)
    stopped: bool = field(default=False, kw_only=True)

    @property
    def kind(self) -> Kind:
        raise NotImplementedError

    @property
    def ended(self) -> bool:
        """Finished, stopped, or failed."""
        return self.state is State.IDLE

    @property
    def more(self) -> bool:
        """Whether another run is to follow the one under way."""
        return False

    def add(self, event: Any) -> None:
        """Take what a run tells, in its order."""


class ScalingJob(Job):
    """Equal networks are timed at several lengths."""

    @property
    def kind(self) -> Kind:
        return Kind.SCALING
