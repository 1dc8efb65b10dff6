"""The state of a sitting: what the program restores when it starts again. Plain JSON, no Qt."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import platformdirs

from app.core.pinned import MOST_PINNED, Pinned
from app.core.sketch import SIZES, TOOLS
from vssm import data
from vssm.config import from_dict
from vssm.errors import UserError
from vssm.files import atomic
from vssm.models import registry
from vssm.prompt import Prompt

FORMAT, OLDER = "vssm-sitting/3", ("vssm-sitting/2", "vssm-sitting/1")
THEMES = ("system", "light", "dark")
DEVICES = ("auto", "cuda", "mps", "cpu")  # names that `vssm.device.choose` takes
MOST_SAMPLES = 64
MOST_SEED = 2**31 - 1
PIXELS = ("sampled", "mean")
LOOK = ("theme", "device", "layout", "toured")  # of a person's window, not of what is done in it
MOST_RECENT = 12  # colours
MOST_BYTES = 2_000_000  # of a file: several times what the fullest session takes, and little when it is parsed
MOST_LAYOUT = 100_000  # characters
LONGEST_NAME = 255  # bytes: of a file, on most disks
MOST_NAME = 40  # characters: of a mode, of a device
MOST_REASON = 200  # characters of what a library says
MARKS = {"0": 0, "1": 1, "2": 2}  # of pixels: unknown, known, known because drawn on
PEN = (32, 74, 150)  # the colour a colour sketch begins with


def fresh_prompt(dataset: data.DataSet) -> Prompt:
    """Nothing drawn. On a black ground the upper half is known, to be drawn in; in colour nothing is."""
    return Prompt.empty(*dataset.shape).with_rows(dataset.height // 2 if dataset.channels == 1 else 0)


def is_fresh(prompt: Prompt, dataset: data.DataSet) -> bool:
    """Whether nothing has been done to it."""
    fresh = fresh_prompt(dataset)
    return bool((prompt.pixels == fresh.pixels).all() and (prompt.known == fresh.known).all())


@dataclass(frozen=True)
class Sheet:
    """What each data set has for itself. modes: by model, the sampler chosen and its number (None where it has none);
    the usual one where none is given, or where the model has none such, which shows when it is loaded. shown:
    "sampled" or "mean", how pixels are shown where a model offers both. ink: the pen's colour; recent: other colours
    used, the latest first. touched: [H, W] bool, the pixels known only because they were drawn on, which an eraser
    makes unknown again; None for none. absent: models not ticked for a race. pinned: results kept, the latest last."""

    prompt: Prompt
    modes: dict[str, tuple[str, int | None]] = field(default_factory=dict)
    temperature: float = 1.0
    shown: str = "sampled"
    ink: tuple[int, ...] = (255,)
    recent: tuple[tuple[int, ...], ...] = ()
    touched: np.ndarray | None = None
    absent: tuple[str, ...] = ()
    pinned: tuple[Pinned, ...] = ()

    @classmethod
    def fresh(cls, dataset: data.DataSet) -> Sheet:
        return cls(fresh_prompt(dataset), shown=dataset.pixel_mode, ink=PEN if dataset.channels == 3 else (255,))

    def check(self, dataset: data.DataSet) -> None:
        """Raises UserError where it does not fit the data set."""
        _require(_number(self.temperature) and 0 <= self.temperature <= 10, "temperature", "a number from 0 to 10")
        _require(self.shown in PIXELS, "shown", f"one of {', '.join(PIXELS)}")
        _require(isinstance(self.modes, dict), "modes", "a mode for each model")
        for name, chosen in self.modes.items():
            registry.get(name)
            fits = isinstance(chosen, tuple) and len(chosen) == 2 and _name(chosen[0])
            _require(fits, f"mode of {name}", "a name, and its number")
            fits = chosen[1] is None or _whole(chosen[1], 1, dataset.pixels)
            _require(fits, f"number of {name}", f"from 1 to {dataset.pixels}, or null for a mode without one")
        colour = f"of {dataset.channels} whole numbers from 0 to 255"
        _require(_colour(self.ink, dataset.channels), "ink", colour)
        fits = isinstance(self.recent, tuple) and len(self.recent) <= MOST_RECENT
        _require(fits, "recent", f"at most {MOST_RECENT} colours")
        _require(all(_colour(c, dataset.channels) for c in self.recent), "recent", f"colours {colour}")
        _require(self.prompt.pixels.shape == dataset.shape, "prompt", f"of shape {dataset.shape}")
        fits = self.touched is None or (
            self.touched.shape == self.prompt.known.shape and not (self.touched & ~self.prompt.known).any()
        )
        _require(fits, "touched", "among the known pixels")
        fits = isinstance(self.absent, tuple) and all(isinstance(name, str) for name in self.absent)
        _require(fits and len(set(self.absent)) == len(self.absent), "absent", "different models")
        for name in self.absent:
            registry.get(name)
        _require(len(self.pinned) <= MOST_PINNED, "pinned results", f"at most {MOST_PINNED}")

    def to_dict(self) -> dict:
        """Plain values; the prompt as one line of hexadecimal and, for every row, one of 0 (unknown), 1 (known) and 2
        (known because drawn on)."""
        other = ("prompt", "touched", "pinned")
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in other}
        pixels = [row.tobytes().hex() for row in self.prompt.pixels]
        marks = self.prompt.known.astype(int) + (0 if self.touched is None else self.touched)
        known = ["".join(map(str, row)) for row in marks]
        pinned = [one.to_dict() for one in self.pinned]
        return {**_listed(plain), "pixels": pixels, "known": known, "pinned": pinned}

    @classmethod
    def from_dict(cls, values: dict, dataset: data.DataSet) -> Sheet:
        """The reverse of `to_dict`; raises UserError for an unknown key, or where no prompt can be read."""
        if not isinstance(values, dict):
            raise UserError(f"What is saved of {dataset.title} must be a sheet.")
        fresh = cls.fresh(dataset)
        plain = {"modes": {}, "shown": fresh.shown, "ink": fresh.ink}
        plain |= {k: v for k, v in values.items() if k not in ("pixels", "known")}
        if isinstance(modes := plain.get("modes"), dict):
            plain["modes"] = {name: tuple(v) if isinstance(v, list) else v for name, v in modes.items()}
        for name in ("ink", "recent", "absent"):
            plain[name] = _tupled(plain.get(name, ()))
        _require(isinstance(pinned := plain.get("pinned", []), list), "pinned results", "a list")
        plain["pinned"] = tuple(Pinned.from_dict(one, dataset) for one in pinned)
        H, W, C = dataset.shape
        try:
            pixels = np.frombuffer(b"".join(map(bytes.fromhex, values["pixels"])), np.uint8).reshape(H, W, C)
            known = np.array([[MARKS[k] for k in row] for row in values["known"]], np.uint8).reshape(H, W)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise UserError(f"The saved prompt is broken ({error}).") from None
        return from_dict(cls, {**plain, "prompt": Prompt(pixels.copy(), known > 0), "touched": known == 2})


@dataclass(frozen=True, eq=False)
class Session:
    """device: a name `vssm.device.choose` takes; whether this machine has it is found out when it is used.
    keep_seed: use `seed` again for the next completion. live: complete whenever the pen is lifted. layout: where the
    panels stand, as Qt's main window saves it, in base64; empty for the usual places. toured: whether the tour has been
    offered. tool: the sketch's; pen: its width in pixels. sheets: by data set; a fresh one where none is given."""

    data: str = "mnist"
    model: str = "vssm"
    samples: int = 4
    seed: int = 1
    keep_seed: bool = False
    live: bool = False
    theme: str = "system"
    device: str = "auto"
    layout: str = ""
    toured: bool = False
    tool: str = "brush"
    pen: int = 3
    sheets: dict[str, Sheet] = field(default_factory=dict)

    def __post_init__(self):
        for name, known in (("data", data.get), ("model", registry.get)):
            value = getattr(self, name)
            known(value if isinstance(value, str) else repr(value))
        _require(_whole(self.samples, 1, MOST_SAMPLES), "samples", f"a whole number from 1 to {MOST_SAMPLES}")
        _require(_whole(self.seed, 0, MOST_SEED), "seed", f"a whole number from 0 to {MOST_SEED}")
        _require(isinstance(self.keep_seed, bool), "keep_seed", "true or false")
        _require(isinstance(self.live, bool), "live", "true or false")
        _require(self.theme in THEMES, "theme", f"one of {', '.join(THEMES)}")
        _require(_name(self.device), "device", "the name of a device")
        _require(_base64(self.layout), "layout", "base64")
        _require(isinstance(self.toured, bool), "toured", "true or false")
        _require(self.tool in TOOLS, "tool", f"one of {', '.join(TOOLS)}")
        _require(_whole(self.pen, *SIZES), "pen", f"a whole number from {SIZES[0]} to {SIZES[1]}")
        for name, sheet in self.sheets.items():
            sheet.check(data.get(name))
        whole = {d.name: self.sheets.get(d.name) or Sheet.fresh(d) for d in data.DATA_SETS.values()}
        object.__setattr__(self, "sheets", whole)

    @property
    def sheet(self) -> Sheet:
        """Of the chosen data set."""
        return self.sheets[self.data]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Session) and self.to_dict() == other.to_dict()

    def to_dict(self) -> dict:
        """Plain values."""
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "sheets"}
        return {"format": FORMAT, **plain, "sheets": {name: sheet.to_dict() for name, sheet in self.sheets.items()}}

    @classmethod
    def from_dict(cls, values: dict) -> Session:
        """The reverse of `to_dict`, for older formats too; raises UserError for an unknown key or an impossible
        value."""
        named = values.get("format") if isinstance(values, dict) else None
        if named not in (FORMAT, *OLDER):
            if isinstance(named, str) and named.startswith(FORMAT.partition("/")[0]):
                raise UserError(f"The sitting is in the format {named}, of another version of this program.")
            raise UserError(f"The saved sitting is not in the format {FORMAT}.")
        plain = {k: v for k, v in values.items() if k != "format"}
        if values["format"] == OLDER[-1]:  # it had one sheet, that of its data set
            sheet = {k: plain.pop(k) for k in ("pixels", "known", "modes", "temperature") if k in plain}
            plain["sheets"] = {str(plain.get("data", "mnist")): sheet}
        sheets = plain.get("sheets", {})
        if not isinstance(sheets, dict):
            raise UserError("The saved sheets must be one for each data set.")
        plain["sheets"] = {name: Sheet.from_dict(sheet, data.get(name)) for name, sheet in sheets.items()}
        return from_dict(cls, plain)


def _require(holds: bool, what: str, wanted: str) -> None:
    if not holds:
        raise UserError(f"The saved {what} must be {wanted}.")


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MOST_NAME


def _colour(value: object, channels: int) -> bool:
    return isinstance(value, tuple) and len(value) == channels and all(_whole(v, 0, 255) for v in value)


def _base64(value: object) -> bool:
    if not isinstance(value, str) or len(value) > MOST_LAYOUT:
        return False
    try:
        return bool(base64.b64decode(value, validate=True)) or not value
    except ValueError:
        return False


def _listed(value: object) -> object:
    """The same with lists for tuples, as JSON has them."""
    if isinstance(value, dict):
        return {k: _listed(v) for k, v in value.items()}
    return [_listed(v) for v in value] if isinstance(value, (tuple, list)) else value


def _tupled(value: object) -> object:
    return tuple(_tupled(v) for v in value) if isinstance(value, list) else value


def _whole(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def default_path() -> Path:
    """$VSSM_STATE, else sitting.json in the user's data folder; where the user has no home, in a folder for temporary
    files."""
    if given := os.environ.get("VSSM_STATE"):
        return Path(given)
    folder = Path(platformdirs.user_data_dir("vssm-sketchpad", False))
    if not folder.is_absolute():  # "~" could not be expanded
        folder = Path(tempfile.gettempdir()) / f"vssm-sketchpad-{os.getuid()}"
    return folder / "sitting.json"


def load(path: Path) -> Session:
    """Read a sitting; raises UserError where the file cannot be read or does not fit, whatever stands in it."""
    try:
        if path.exists() and not path.is_file():
            raise UserError(f"{path} is not a file, so it holds no sitting.")
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise UserError(f"{path} is too large to be a sitting.")
        return Session.from_dict(json.loads(content.decode("utf-8-sig")))
    except Exception as error:  # decoders of pictures and numbers may stumble over a broken file in any way
        raise UserError(f"The saved sitting {path} cannot be read ({reason(error)}).") from None


def reason(error: Exception) -> str:
    """What went wrong, in one line that is not too long."""
    words = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return words if len(words) <= MOST_REASON else f"{words[:MOST_REASON]} …"


def text(session: Session) -> str:
    """As it is written."""
    return json.dumps(session.to_dict(), indent=1)


def save(session: Session, path: Path) -> None:
    """Write a sitting, whole or not at all; raises UserError where that cannot be."""
    atomic.write_text(path, text(session), surely=True)


def restore(path: Path) -> tuple[Session, str]:
    """The saved sitting, or a new one with a sentence that says why; a broken file is set aside, and none that was set
    aside before is overwritten."""
    try:
        if not path.exists():
            return Session(), ""
    except (OSError, ValueError):  # its folder may not be read, or nothing can have such a name
        return Session(), ""
    try:
        return load(path), ""
    except UserError as error:
        return Session(), set_aside(path, str(error))


def set_aside(path: Path, why: str) -> str:
    """Give the file of a sitting that cannot be used another name; returns `why` with what became of the file."""
    path = path.resolve()  # a link to it stays, and will lead to the next one
    kept = os.fsencode(path.name)[: LONGEST_NAME - len(".broken-999")]
    names = (os.fsdecode(kept) + f".broken{number}" for number in ("", *(f"-{n}" for n in range(2, 1000))))
    aside = next((one for one in map(path.with_name, names) if not os.path.lexists(one)), path)
    where = "it was left as it is"
    if path.is_file() and aside != path:
        with contextlib.suppress(OSError):
            path.rename(aside)
            where = f"it was set aside as {aside.name}"
    return f"{why.rstrip('.')}; {where}, and this is a new sitting."
