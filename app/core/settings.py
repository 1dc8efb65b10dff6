"""The settings of a completion: the one list that runs, races, links, sessions and tables read."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from app.core import model_facts
from app.core.validation import is_name, is_whole, require
from vssm import data
from vssm.config import BoundedConfig, bounded, from_dict, one_of
from vssm.models import registry
from vssm.prompt import Prompt
from vssm.sampling.events import GenerationRequest, Started
from vssm.sampling.step import Sampler

MOST_SAMPLES = 64
MOST_SEED = 2**31 - 1
MOST_TEMPERATURE = 10
PIXEL_MODES = ("sampled", "mean")
KEYS = {"sampler": "mode", "parameter": "size", "pixel_mode": "pixels"}  # in records, where they differ from the names
FIELDS = {key: name for name, key in KEYS.items()}


@dataclass(frozen=True)
class CompletionSettings(BoundedConfig):
    """How a model completes a sketch.

    Args:
        model: The name of a preset.
        sampler: The name of one of its samplers; None for the usual one.
        parameter: The sampler's whole number; None for the usual value, and for a sampler without one.
        samples: How many completions are drawn at once.
        temperature: 1 samples the model as trained; towards 0 it takes the most likely choice at every step.
        seed: Seed of all noise.
        pixel_mode: "sampled" or "mean"; None for the data set's usual one if the model has it.
    """

    model: str
    sampler: str | None = None
    parameter: int | None = None
    samples: int = bounded(1, 1, MOST_SAMPLES)
    temperature: float = bounded(1.0, 0.0, MOST_TEMPERATURE)
    seed: int = bounded(0, 0, MOST_SEED)
    pixel_mode: str | None = one_of(None, *PIXEL_MODES)

    def check(self, dataset: data.DataSet) -> None:
        """Raise UserError if there is no such model, or if it cannot have this sampler for a data set."""
        registry.get(self.model if isinstance(self.model, str) else repr(self.model))
        if self.sampler is not None:
            check_sampler(self.model, self.sampler, self.parameter, dataset)

    def to_request(self, prompt: Prompt, every: float, details: bool) -> GenerationRequest:
        """Make the request to complete a prompt.

        Args:
            prompt: The known pixels.
            every: Least time between two Progress events, in seconds; 0 reports every network call.
            details: Whether to report what is worked out after the clock has stopped: posterior, details and influence.
        """
        how = dataclasses.asdict(self)
        del how["model"]
        influence = -1 if details else None
        return GenerationRequest(prompt, every=every, posterior=details, details=details, influence=influence, **how)

    def to_dict(self) -> dict[str, object]:
        """Return plain values, by the keys that records of the command line have."""
        return {KEYS.get(name, name): value for name, value in dataclasses.asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> CompletionSettings:
        """Do the reverse of `to_dict`; raises UserError for an unknown key."""
        return from_dict(cls, {FIELDS.get(key, key): value for key, value in values.items()})

    def as_started(self, started: Started | None) -> CompletionSettings:
        """Return these settings with the sampler, parameter and pixel mode that the model took, once it has begun."""
        if started is None:
            return self
        return dataclasses.replace(
            self,
            sampler=started.sampler.name,
            parameter=started.parameter or None,
            pixel_mode=started.pixel_mode,
        )

    @property
    def without_seed(self) -> CompletionSettings:
        """The same for any seed: runs with equal ones are repeats of one task."""
        return dataclasses.replace(self, seed=0)


class Task:
    """A model completes a picture of a data set: what runs and the contestants of races have in common."""

    data: str
    settings: CompletionSettings

    @property
    def model(self) -> str:
        """The name of its preset."""
        return self.settings.model

    @property
    def sampler(self) -> Sampler:
        """The one named, or the model's usual one."""
        usual, *others = model_facts.samplers(self.model, self.data)
        return next((s for s in others if s.name == self.settings.sampler), usual)

    @cached_property
    def variant(self) -> str:
        """The sampler if it is not the model's usual one, such as "sequential" or "chunked 49"; else empty."""
        if self.settings.sampler is None:
            return ""
        sampler, usual = self.sampler, model_facts.samplers(self.model, self.data)[0]
        parameter = self.settings.parameter or sampler.default
        if sampler == usual and parameter == usual.default:
            return ""
        name = sampler.title if sampler.title.isupper() else sampler.title.lower()
        return f"{name} {parameter}" if sampler.parameter else name

    @property
    def title(self) -> str:
        """Model and, where it is not the usual one, sampler: "VSSM", "VSSM chunked 49"."""
        return f"{registry.get(self.model).title} {self.variant}".rstrip()


def check_sampler(model: str, sampler: object, parameter: object, dataset: data.DataSet) -> None:
    """Raise UserError if this cannot be a sampler's name and parameter for a data set."""
    require(is_name(sampler), f"mode of {model}", "a name, and its number")
    fits = parameter is None or is_whole(parameter, 1, dataset.pixels)
    require(fits, f"number of {model}", f"from 1 to {dataset.pixels}, or null for a mode without one")
