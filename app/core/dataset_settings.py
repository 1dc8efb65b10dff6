"""What a person has drawn, chosen and kept for one data set; each data set has its own."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from app.core import model_facts
from app.core.pinned import MOST_PINNED, Pinned
from app.core.settings import MOST_TEMPERATURE, PIXEL_MODES, CompletionSettings, check_sampler
from app.core.sketch import Sketch
from app.core.validation import is_colour, require
from vssm import config, data
from vssm.errors import UserError
from vssm.models import registry
from vssm.prompt import Prompt

MOST_RECENT = 12  # colours
MARKS = {"0": 0, "1": 1, "2": 2}  # of pixels: unknown, known, known because drawn on
PEN = (32, 74, 150)  # the colour a colour sketch begins with
KEYS = {"samplers": "modes", "pixel_mode": "shown"}  # in files, where they differ from the names
FIELDS = {key: name for name, key in KEYS.items()}
TUPLES = ("ink", "recent", "absent")


def is_fresh(prompt: Prompt) -> bool:
    """Tell whether nothing has been drawn or marked yet."""
    return not (prompt.pixels.any() or prompt.known.any())


@dataclass(eq=False)
class DatasetSettings:
    """The sketch of one data set with everything that is chosen for this data set alone.

    Args:
        sketch: What is drawn, with its history.
        samplers: By model, the sampler chosen and its parameter (None for a sampler without one). The usual sampler
            is taken for a model without an entry, or if the model has none of that name.
        temperature: Of completions.
        pixel_mode: "sampled" or "mean": how pixels are shown if the model can do both.
        ink: The pen's colour.
        recent: Other colours that were used, the latest first.
        absent: Models that are not ticked for a race.
        pinned: Results that are kept, the latest last.
    """

    sketch: Sketch
    samplers: dict[str, tuple[str, int | None]] = field(default_factory=dict)
    temperature: float = config.bounded(1.0, 0.0, MOST_TEMPERATURE)
    pixel_mode: str = config.one_of(*PIXEL_MODES)
    ink: tuple[int, ...] = (255,)
    recent: tuple[tuple[int, ...], ...] = ()
    absent: set[str] = field(default_factory=set)
    pinned: tuple[Pinned, ...] = ()

    @classmethod
    def fresh(cls, dataset: data.DataSet) -> DatasetSettings:
        """Return the settings to begin with."""
        ink = PEN if dataset.channels == 3 else (255,)
        return cls(Sketch(Prompt.empty(*dataset.shape)), pixel_mode=dataset.pixel_mode, ink=ink)

    def copy(self) -> DatasetSettings:
        """Return settings that later changes of these do not reach; the sketch's history is left out."""
        sketch = self.sketch
        whole = Prompt(sketch.pixels, sketch.known)  # what lies under unknown pixels, too
        return dataclasses.replace(
            self,
            sketch=Sketch(whole, sketch.drawn & ~sketch.region),
            samplers=dict(self.samplers),
            absent=set(self.absent),
        )

    # --- completions

    def completion(self, model: str, samples: int, seed: int, dataset: data.DataSet) -> CompletionSettings:
        """Return the settings with which a model completes this sketch. This loads the model's code.

        Args:
            model: The name of a preset.
            samples: How many completions are drawn at once.
            seed: Seed of all noise.
            dataset: The data set that these settings are of.
        """
        name, parameter = self.samplers.get(model, ("", None))
        offered = model_facts.samplers(model, dataset.name)
        sampler = next((s for s in offered if s.name == name), offered[0])
        if not sampler.parameter:
            parameter = None
        elif sampler.name != name or parameter is None or parameter > sampler.most:
            parameter = sampler.default
        ways = model_facts.pixel_modes(model)
        pixel_mode = self.pixel_mode if self.pixel_mode in ways else ways[0]
        return CompletionSettings(model, sampler.name, parameter, samples, self.temperature, seed, pixel_mode)

    def adopt(self, settings: CompletionSettings) -> None:
        """Take over sampler, temperature and pixel mode from a completion's settings."""
        if settings.sampler is not None:
            self.samplers[settings.model] = settings.sampler, settings.parameter
        self.temperature = settings.temperature
        self.pixel_mode = settings.pixel_mode or self.pixel_mode

    def use_ink(self, ink: tuple[int, ...], remember: bool) -> None:
        """Draw in a colour from now on; if it is to be remembered, it becomes the first of the recent ones."""
        self.ink = ink
        if remember:
            self.recent = (ink, *(c for c in self.recent if c != ink))[:MOST_RECENT]

    # --- files

    def check(self, dataset: data.DataSet) -> None:
        """Raise UserError if something does not fit the data set."""
        config.check(self)
        require(isinstance(self.samplers, dict), "modes", "a mode for each model")
        for name, chosen in self.samplers.items():
            registry.get(name)
            require(isinstance(chosen, tuple) and len(chosen) == 2, f"mode of {name}", "a name, and its number")
            check_sampler(name, *chosen, dataset)
        colour = f"of {dataset.channels} whole numbers from 0 to 255"
        require(is_colour(self.ink, dataset.channels), "ink", colour)
        fits = isinstance(self.recent, tuple) and len(self.recent) <= MOST_RECENT
        require(fits, "recent", f"at most {MOST_RECENT} colours")
        require(all(is_colour(c, dataset.channels) for c in self.recent), "recent", f"colours {colour}")
        require(self.sketch.pixels.shape == dataset.shape, "prompt", f"of shape {dataset.shape}")
        for name in self.absent:
            registry.get(name)
        require(len(self.pinned) <= MOST_PINNED, "pinned results", f"at most {MOST_PINNED}")

    def to_dict(self) -> dict[str, object]:
        """Return plain values. The sketch is two lists with a text for each row: `pixels` in hexadecimal, and `known`
        with one of 0 (unknown), 1 (known) and 2 (known because drawn on) for each pixel; pixels that are unknown keep
        their values."""
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in ("sketch", "pinned")}
        plain["absent"] = [name for name in registry.PRESETS if name in self.absent]
        sketch = self.sketch
        marks = sketch.known.astype(int) + (sketch.drawn & ~sketch.region)
        return {
            **{KEYS.get(name, name): _listed(value) for name, value in plain.items()},
            "pixels": [row.tobytes().hex() for row in sketch.pixels],
            "known": ["".join(map(str, row)) for row in marks],
            "pinned": [one.to_dict() for one in self.pinned],
        }

    @classmethod
    def from_dict(cls, values: object, dataset: data.DataSet) -> DatasetSettings:
        """Do the reverse of `to_dict`; raises UserError for an unknown key, or if there is no sketch to be read."""
        if not isinstance(values, dict):
            raise UserError(f"What is saved of {dataset.title} must be a sheet.")
        plain: dict[str, Any] = {
            str(FIELDS.get(key, key)): value for key, value in values.items() if key not in ("pixels", "known")
        }
        plain.setdefault("ink", cls.fresh(dataset).ink)
        plain.setdefault("pixel_mode", dataset.pixel_mode)
        if isinstance(chosen := plain.get("samplers"), dict):
            plain["samplers"] = {name: tuple(v) if isinstance(v, list) else v for name, v in chosen.items()}
        for name in TUPLES:
            if name in plain:
                plain[name] = _tupled(plain[name])
        absent = plain.get("absent", ())
        fits = isinstance(absent, tuple) and all(isinstance(name, str) for name in absent)
        require(fits and len(set(absent)) == len(absent), "absent", "different models")
        pinned = plain.get("pinned", [])
        require(isinstance(pinned, list), "pinned results", "a list")
        made = tuple(Pinned.from_dict(one, dataset) for one in pinned)
        return config.from_dict(
            cls, {**plain, "absent": set(absent), "pinned": made, "sketch": _sketch(values, dataset)}
        )


def _sketch(values: dict[str, Any], dataset: data.DataSet) -> Sketch:
    H, W, C = dataset.shape
    try:
        pixels = np.frombuffer(b"".join(map(bytes.fromhex, values["pixels"])), np.uint8).reshape(H, W, C)
        marks = np.array([[MARKS[k] for k in row] for row in values["known"]], np.uint8).reshape(H, W)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise UserError(f"The saved prompt is broken ({error}).") from None
    return Sketch(Prompt(pixels.copy(), marks > 0), marks == 2)


def _listed(value: object) -> object:
    """The same with lists for tuples, as JSON has them."""
    if isinstance(value, dict):
        return {k: _listed(v) for k, v in value.items()}
    return [_listed(v) for v in value] if isinstance(value, (tuple, list)) else value


def _tupled(value: object) -> object:
    return tuple(_tupled(v) for v in value) if isinstance(value, list) else value
