"""Links: a text that gives the sketch, the seed and the settings of a completion exactly. No Qt.

Such as `vssm://sketch?v=1&data=mnist&model=vssm&…&prompt=…&check=…`. The prompt is packed: a bit for every pixel, known
or not, then the values of the known ones, deflated, in base64 for URLs. `check` is the CRC-32 of all before it, so any
character changed on the way is noticed.
"""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlencode

import numpy as np

from vssm import data
from vssm.errors import UserError
from vssm.prompt import Prompt

from .session import Session, Sheet

START, VERSION = "vssm://sketch?", "1"
HUNDREDTHS = 100  # of a temperature; a link has no finer ones, as the window has none
MOST_TEMPERATURE = 2  # in the window
MOST = 20_000  # characters
DAMAGED = "The link is damaged: copy it whole, once more."


@dataclass(frozen=True, eq=False)
class Link:
    """What a completion starts from; `pixels` is "sampled" or "mean"."""

    data: str
    model: str
    mode: str
    size: int | None
    samples: int
    temperature: float
    seed: int
    pixels: str
    prompt: Prompt

    def __post_init__(self):
        """Raises UserError for what the window cannot be set to."""
        hundredths = round(self.temperature * HUNDREDTHS)
        if hundredths / HUNDREDTHS != self.temperature or not 0 <= self.temperature <= MOST_TEMPERATURE:
            raise UserError(f"The temperature must be from 0 to {MOST_TEMPERATURE}, in hundredths.")
        self.sitting()

    def sitting(self) -> Session:
        """All this as a sitting."""
        modes = {self.model: (self.mode, self.size)}
        dataset = data.get(self.data)
        sheet = Sheet(self.prompt, modes, self.temperature, self.pixels, Sheet.fresh(dataset).ink)
        return Session(self.data, self.model, self.samples, self.seed, True, sheets={self.data: sheet})

    @property
    def text(self) -> str:
        fields = {"v": VERSION, "data": self.data, "model": self.model, "mode": self.mode}
        if self.size is not None:
            fields["number"] = self.size
        fields |= {"samples": self.samples, "temperature": self.temperature, "seed": self.seed, "pixels": self.pixels}
        body = START + urlencode(fields | {"prompt": _packed(self.prompt)}, quote_via=quote)
        return f"{body}&check={_check(body)}"

    @classmethod
    def read(cls, text: str) -> Link:
        """The reverse of `text`; raises UserError for anything else. White space, which mail programs put in, is passed
        over."""
        text = "".join(text.split())
        if not text.startswith(START):
            raise UserError(f"This is not a link of this program: one begins with {START}.")
        body, _, check = text.rpartition("&check=")
        if len(text) > MOST or check != _check(body):
            raise UserError(DAMAGED)
        fields = dict(parse_qsl(body.removeprefix(START), keep_blank_values=True))
        if fields.pop("v", "") != VERSION:
            raise UserError("The link is of another version of this program, and cannot be opened here.")
        try:
            prompt = _unpacked(fields.pop("prompt"), data.get(fields["data"]))
            size = int(fields.pop("number")) if "number" in fields else None
            for name, kind in (("samples", int), ("seed", int), ("temperature", float)):
                fields[name] = kind(fields[name])
            return cls(**fields, size=size, prompt=prompt)
        except UserError as error:
            raise UserError(f"The link does not fit this program: {error}") from None
        except (KeyError, TypeError, ValueError, OverflowError, zlib.error):
            raise UserError(DAMAGED) from None


def is_link(text: str) -> bool:
    """Whether it is meant as one."""
    return text.lstrip()[: len(START)] == START


def _check(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"


def _packed(prompt: Prompt) -> str:
    plain = np.packbits(prompt.known).tobytes() + prompt.pixels[prompt.known].tobytes()
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    return base64.urlsafe_b64encode(deflate.compress(plain) + deflate.flush()).decode().rstrip("=")


def _unpacked(text: str, dataset: data.DataSet) -> Prompt:
    """Raises ValueError or zlib.error for anything but a packed prompt of that data set."""
    H, W, C = dataset.shape
    inflate, bits = zlib.decompressobj(-15), (H * W + 7) // 8
    plain = inflate.decompress(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), bits + H * W * C + 1)
    known = np.unpackbits(np.frombuffer(plain[:bits], np.uint8), count=H * W).reshape(H, W) == 1
    pixels = np.zeros(dataset.shape, np.uint8)
    pixels[known] = np.frombuffer(plain[bits:], np.uint8).reshape(int(known.sum()), C)
    return Prompt(pixels, known)
