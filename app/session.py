"""The state of a sitting: what the program restores when it starts again. Plain JSON, no Qt."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import platformdirs

from vssm import data, models
from vssm.config import from_dict
from vssm.errors import UserError
from vssm.prompt import Prompt

FORMAT = "vssm-sitting/1"
THEMES = ("system", "light", "dark")
MOST_SAMPLES = 64
MOST_SEED = 2**31 - 1


def fresh_prompt(dataset: data.DataSet) -> Prompt:
    """Nothing drawn, the upper half known."""
    return Prompt.empty(*dataset.shape).with_rows(dataset.height // 2)


@dataclass(frozen=True, eq=False)
class Session:
    """device: a name `vssm.device.choose` takes; whether this machine has it is found out when it is used.
    modes: by model, the sampler chosen and its number (None where it has none); the usual one where none is given.
    keep_seed: use `seed` again for the next completion. live: complete whenever the pen is lifted."""

    data: str = "mnist"
    model: str = "vssm"
    samples: int = 4
    temperature: float = 1.0
    seed: int = 1
    keep_seed: bool = False
    live: bool = False
    theme: str = "system"
    device: str = "auto"
    modes: dict[str, tuple[str, int | None]] = field(default_factory=dict)
    prompt: Prompt = field(default_factory=lambda: fresh_prompt(data.MNIST))

    def __post_init__(self):
        dataset = data.get(self.data)
        models.get(self.model)
        _require(_whole(self.samples, 1, MOST_SAMPLES), "samples", f"a whole number from 1 to {MOST_SAMPLES}")
        _require(_number(self.temperature) and 0 <= self.temperature <= 10, "temperature", "a number from 0 to 10")
        _require(_whole(self.seed, 0, MOST_SEED), "seed", f"a whole number from 0 to {MOST_SEED}")
        _require(isinstance(self.keep_seed, bool), "keep_seed", "true or false")
        _require(isinstance(self.live, bool), "live", "true or false")
        _require(self.theme in THEMES, "theme", f"one of {', '.join(THEMES)}")
        _require(isinstance(self.device, str) and bool(self.device), "device", "the name of a device")
        _require(isinstance(self.modes, dict), "modes", "a mode for each model")
        for name, chosen in self.modes.items():
            modes = {mode.name: mode for mode in models.get(name).modes(dataset)}
            fits = isinstance(chosen, tuple) and len(chosen) == 2 and isinstance(chosen[0], str) and chosen[0] in modes
            _require(fits, f"mode of {name}", f"one of {', '.join(modes)}, and its number")
            size, mode = chosen[1], modes[chosen[0]]
            fits = _whole(size, 1, mode.most) if mode.size else size is None
            _require(fits, f"number of {name}", f"from 1 to {mode.most}, or null for a mode without one")
        _require(self.prompt.pixels.shape == dataset.shape, "prompt", f"of shape {dataset.shape}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Session) and self.to_dict() == other.to_dict()

    def to_dict(self) -> dict:
        """Plain values; the prompt as one line of hexadecimal and one of 0 and 1 for every row."""
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "prompt"}
        pixels = [row.tobytes().hex() for row in self.prompt.pixels]
        known = ["".join("01"[k] for k in row.astype(int)) for row in self.prompt.known]
        return {"format": FORMAT, **plain, "pixels": pixels, "known": known}

    @classmethod
    def from_dict(cls, values: dict) -> Session:
        """The reverse of `to_dict`; raises UserError for an unknown key or an impossible value."""
        if not isinstance(values, dict) or values.get("format") != FORMAT:
            raise UserError(f"The saved sitting is not in the format {FORMAT}.")
        plain = {k: v for k, v in values.items() if k not in ("format", "pixels", "known")}
        if isinstance(modes := plain.get("modes"), dict):
            plain["modes"] = {name: tuple(v) if isinstance(v, list) else v for name, v in modes.items()}
        name = plain.get("data", "mnist")
        dataset = data.get(name) if isinstance(name, str) else data.get(repr(name))
        if not isinstance(plain.get("model", ""), str):
            raise UserError("The saved model must be a name.")
        H, W, C = dataset.shape
        try:
            pixels = np.frombuffer(b"".join(map(bytes.fromhex, values["pixels"])), np.uint8).reshape(H, W, C)
            known = np.array([[int(k) for k in row] for row in values["known"]], np.uint8).reshape(H, W)
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"The saved prompt is broken ({error}).") from None
        return from_dict(cls, {**plain, "prompt": Prompt(pixels.copy(), known == 1)})


def _require(holds: bool, what: str, wanted: str) -> None:
    if not holds:
        raise UserError(f"The saved {what} must be {wanted}.")


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _whole(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def default_path() -> Path:
    """$VSSM_STATE, else sitting.json in the user's data folder."""
    given = os.environ.get("VSSM_STATE")
    return Path(given) if given else Path(platformdirs.user_data_dir("vssm-sketchpad", False)) / "sitting.json"


def load(path: Path) -> Session:
    """Read a sitting; raises UserError where the file cannot be read or does not fit."""
    try:
        return Session.from_dict(json.loads(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"The saved sitting {path} cannot be read ({error}).") from None


def save(session: Session, path: Path) -> None:
    """Write a sitting atomically; raises UserError where that cannot be."""
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(session.to_dict(), indent=1), "utf-8")
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise UserError(f"The sitting cannot be saved to {path} ({error.strerror}).") from None


def restore(path: Path) -> tuple[Session, str]:
    """The saved sitting, or a new one with a sentence that says why; a broken file is set aside, not overwritten."""
    if not path.exists():
        return Session(), ""
    try:
        return load(path), ""
    except UserError as error:
        aside = path.with_name(path.name + ".broken")
        try:
            path.replace(aside)
            where = f"it was set aside as {aside.name}"
        except OSError:
            where = "it will be replaced on exit"
        return Session(), f"{str(error).rstrip('.')}; {where}, and this is a new sitting."
