"""A result that is kept: one picture a model made, where it came from, and how to make it again. No Qt."""

from __future__ import annotations

import base64
import dataclasses
import io
import sys
from dataclasses import MISSING, dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from app.core.settings import MOST_SAMPLES, MOST_TEMPERATURE
from vssm import data
from vssm.config import BoundedConfig, bounded, from_dict
from vssm.errors import UserError
from vssm.files.picture import open_picture
from vssm.models import registry

if TYPE_CHECKING:
    from app.core.run import Run

MOST_PINNED = 12  # for each data set
MOST_PNG = 20_000  # bytes: several times what noise of that size takes
MOST_TITLE = 200  # characters
PNG = b"\x89PNG\r\n\x1a\n"  # its first bytes
BROKEN = "A pinned result in the saved session is broken ({})."


@dataclass(frozen=True, eq=False)
class Pinned(BoundedConfig):
    """image: [H, W, C] uint8, the whole completion. known: [H, W] bool, what was given of it. model, title: the
    preset's name, and what people read ("VSSM chunked 49"). sample: which of the run's samples, from 1. seconds: the
    model's time for all of them."""

    image: np.ndarray
    known: np.ndarray
    model: str
    title: str
    seed: int = bounded(MISSING, 0, 2**63 - 1)
    temperature: float = bounded(MISSING, 0.0, MOST_TEMPERATURE)
    sample: int = bounded(MISSING, 1, MOST_SAMPLES)
    seconds: float = bounded(MISSING, 0.0, sys.float_info.max)

    @classmethod
    def of(cls, run: Run, sample: int) -> Pinned:
        """Of a finished run, the sample counted from 0."""
        settings, finished = run.settings, run.finished
        if finished is None:
            raise ValueError("the run has not finished")
        return cls(
            finished.images[sample],
            run.prompt.known,
            run.model,
            run.title,
            settings.seed,
            settings.temperature,
            sample + 1,
            run.seconds,
        )

    def __eq__(self, other: object) -> bool:
        """The same picture of the same origin; how long it took does not matter."""
        return (
            isinstance(other, Pinned)
            and self._origin == other._origin
            and np.array_equal(self.image, other.image)
            and np.array_equal(self.known, other.known)
        )

    def __hash__(self) -> int:
        return hash(self._origin)

    @property
    def _origin(self) -> tuple[object, ...]:
        return self.model, self.title, self.seed, self.temperature, self.sample

    @property
    def words(self) -> str:
        """Where it came from, in a line."""
        return f"{self.title}, seed {self.seed}, sample {self.sample}"

    def to_dict(self) -> dict[str, object]:
        """Plain values; image and known pixels as one PNG in base64, opaque where known."""
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in ("image", "known")}
        return {**plain, "png": self._png}

    @cached_property
    def _png(self) -> str:
        whole = np.concatenate([self.image, 255 * self.known[..., None].astype(np.uint8)], -1)
        file = io.BytesIO()
        Image.fromarray(whole, "LA" if whole.shape[-1] == 2 else "RGBA").save(file, "PNG")
        return base64.b64encode(file.getvalue()).decode()

    @classmethod
    def from_dict(cls, values: object, dataset: data.DataSet) -> Pinned:
        """The reverse of `to_dict`; raises UserError for what cannot be."""
        if not isinstance(values, dict):
            raise UserError(BROKEN.format("not a record"))
        try:
            whole = _decoded(values.get("png"), dataset)
            made = from_dict(cls, {k: v for k, v in values.items() if k != "png"} | whole)
        except (TypeError, ValueError) as error:
            raise UserError(BROKEN.format(error)) from None
        registry.get(made.model if isinstance(made.model, str) else repr(made.model))
        if not (isinstance(made.title, str) and len(made.title) <= MOST_TITLE and made.title.isprintable()):
            raise UserError(BROKEN.format("its title"))
        return made


def _decoded(text: object, dataset: data.DataSet) -> dict[str, object]:
    """`image` and `known` of the PNG in base64; raises ValueError for anything else."""
    if not isinstance(text, str) or len(text) > MOST_PNG:
        raise ValueError("no picture")
    content = base64.b64decode(text, validate=True)
    if not content.startswith(PNG):
        raise ValueError("its picture is not a PNG")
    with open_picture(io.BytesIO(content), "its picture") as image:
        wanted = {1: "LA", 3: "RGBA"}[dataset.channels]
        if image.size != (dataset.width, dataset.height) or image.mode != wanted:
            raise ValueError(f"its picture is not as in {dataset.title}")
        whole = np.array(image)
    return {"image": whole[..., :-1].copy(), "known": whole[..., -1] > 0}
