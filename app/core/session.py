"""The state of a session: what the program restores when it starts again. Plain JSON, no Qt."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs

from app.core.dataset_settings import DatasetSettings
from app.core.settings import MOST_SAMPLES, MOST_SEED
from app.core.sketch import SIZES, TOOLS
from app.core.validation import is_name, require
from vssm import data
from vssm.config import BoundedConfig, bounded, flag, from_dict, one_of
from vssm.errors import UserError
from vssm.files import atomic
from vssm.models import registry

FORMAT, OLDER = "vssm-sitting/3", ("vssm-sitting/2", "vssm-sitting/1")
THEMES = ("system", "light", "dark")
DEVICES = ("auto", "cuda", "mps", "cpu")  # names that `vssm.device.choose` takes
LOOK = ("theme", "device", "layout", "toured", "more", "less_motion")  # of a person's window, not of what is done in it
MOST_BYTES = 2_000_000  # of a file: several times what the fullest session takes, and little when it is parsed
MOST_LAYOUT = 100_000  # characters
LONGEST_NAME = 255  # bytes: of a file, on most disks
MOST_REASON = 200  # characters of what a library says


@dataclass(frozen=True, eq=False)
class Session(BoundedConfig):
    """device: a name `vssm.device.choose` takes; whether this machine has it is found out when it is used.
    keep_seed: use `seed` again for the next completion. live: complete whenever the pen is lifted. layout: where the
    panels stand, as Qt's main window saves it, in base64; empty for the usual places. toured: whether the tour has been
    offered. more: show all settings and models. less_motion: play nothing by itself. by_score: show the likeliest
    sample first. tool: the sketch's; pen: its width in pixels. datasets: their settings; fresh ones where none are
    given."""

    data: str = "mnist"
    model: str = "vssm"
    samples: int = bounded(4, 1, MOST_SAMPLES)
    seed: int = bounded(1, 0, MOST_SEED)
    keep_seed: bool = flag(False)
    live: bool = flag(True)
    theme: str = one_of(*THEMES)
    device: str = "auto"
    layout: str = ""
    toured: bool = flag(False)
    more: bool = flag(False)
    less_motion: bool = flag(False)
    by_score: bool = flag(True)
    tool: str = one_of(*TOOLS)
    pen: int = bounded(2, *SIZES)
    datasets: dict[str, DatasetSettings] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, known in (("data", data.get), ("model", registry.get)):
            value = getattr(self, name)
            known(value if isinstance(value, str) else repr(value))
        require(is_name(self.device), "device", "the name of a device")
        require(_base64(self.layout), "layout", "base64")
        for name, settings in self.datasets.items():
            settings.check(data.get(name))
        whole = {d.name: self.datasets.get(d.name) or DatasetSettings.fresh(d) for d in data.DATA_SETS.values()}
        object.__setattr__(self, "datasets", whole)

    @property
    def dataset_settings(self) -> DatasetSettings:
        """Those of the chosen data set."""
        return self.datasets[self.data]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Session) and self.to_dict() == other.to_dict()

    def to_dict(self) -> dict[str, object]:
        """Plain values."""
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "datasets"}
        sheets = {name: settings.to_dict() for name, settings in self.datasets.items()}
        return {"format": FORMAT, **plain, "sheets": sheets}

    @classmethod
    def from_dict(cls, values: Any) -> Session:
        """The reverse of `to_dict`, for older formats too; raises UserError for an unknown key or an impossible
        value."""
        named = values.get("format") if isinstance(values, dict) else None
        if named not in (FORMAT, *OLDER):
            if isinstance(named, str) and named.startswith(FORMAT.partition("/")[0]):
                raise UserError(f"The session is in the format {named}, of another version of this program.")
            raise UserError(f"The saved session is not in the format {FORMAT}.")
        plain = {k: v for k, v in values.items() if k != "format"}
        if values["format"] == OLDER[-1]:  # it had one sheet, that of its data set
            sheet = {k: plain.pop(k) for k in ("pixels", "known", "modes", "temperature") if k in plain}
            plain["sheets"] = {str(plain.get("data", "mnist")): sheet}
        sheets = plain.pop("sheets", {})
        if not isinstance(sheets, dict):
            raise UserError("The saved sheets must be one for each data set.")
        if "datasets" in plain:
            raise UserError("The saved session has an unknown entry: datasets.")
        plain["datasets"] = {name: DatasetSettings.from_dict(one, data.get(name)) for name, one in sheets.items()}
        return from_dict(cls, plain)


def _base64(value: object) -> bool:
    if not isinstance(value, str) or len(value) > MOST_LAYOUT:
        return False
    try:
        return bool(base64.b64decode(value, validate=True)) or not value
    except ValueError:
        return False


def default_path() -> Path:
    """$VSSM_STATE, else sitting.json in the user's data folder; where the user has no home, in a folder for temporary
    files."""
    if given := os.environ.get("VSSM_STATE"):
        return Path(given)
    folder = Path(platformdirs.user_data_dir("vssm-sketchpad", False))
    if not folder.is_absolute():  # "~" could not be expanded
        folder = Path(tempfile.gettempdir()) / f"vssm-sketchpad-{os.getuid()}"
    return folder / "sitting.json"  # the name that the first versions gave it, so that theirs is found


def load(path: Path) -> Session:
    """Read a session; raises UserError where the file cannot be read or does not fit, whatever stands in it."""
    try:
        if path.exists() and not path.is_file():
            raise UserError(f"{path} is not a file, so it holds no session.")
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise UserError(f"{path} is too large to be a session.")
        return Session.from_dict(json.loads(content.decode("utf-8-sig")))
    except Exception as error:  # decoders of pictures and numbers may stumble over a broken file in any way
        raise UserError(f"The saved session {path} cannot be read ({reason(error)}).") from None


def reason(error: Exception) -> str:
    """What went wrong, in one line that is not too long."""
    words = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return words if len(words) <= MOST_REASON else f"{words[:MOST_REASON]} …"


def text(session: Session) -> str:
    """As it is written."""
    return json.dumps(session.to_dict(), indent=1)


def save(session: Session, path: Path) -> None:
    """Write a session, whole or not at all; raises UserError where that cannot be."""
    atomic.write_text(path, text(session), surely=True)


def restore(path: Path) -> tuple[Session, str]:
    """The saved session, or a new one with a sentence that says why; a broken file is set aside, and none that was set
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
    """Give the file of a session that cannot be used another name; returns `why` with what became of the file."""
    path = path.resolve()  # a link to it stays, and will lead to the next one
    kept = os.fsencode(path.name)[: LONGEST_NAME - len(".broken-999")]
    names = (os.fsdecode(kept) + f".broken{number}" for number in ("", *(f"-{n}" for n in range(2, 1000))))
    aside = next((one for one in map(path.with_name, names) if not os.path.lexists(one)), path)
    where = "it was left as it is"
    if path.is_file() and aside != path:
        with contextlib.suppress(OSError):
            path.rename(aside)
            where = f"it was set aside as {aside.name}"
    return f"{why.rstrip('.')}; {where}, and this is a new session."
