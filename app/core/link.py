"""Links: a text that gives the sketch, the seed and the settings of a completion exactly. No Qt.

Such as `vssm://sketch/v=2/data=mnist/model=vssm/…/prompt=…/check=…`, of characters that no shell takes for its own. The
prompt is packed: a bit for every pixel, known or not, then the values of the known ones, deflated, in base64 for URLs.
`check` is the CRC-32 of all before it, so any character changed on the way is noticed. Version 1, with `?` and `&` for
the strokes, is still read.
"""

from __future__ import annotations

import base64
import html
import quopri
import re
import unicodedata
import zlib
from dataclasses import dataclass
from urllib.parse import quote, unquote

import numpy as np

from app.core import model_facts
from app.core.settings import CompletionSettings
from vssm import data
from vssm.errors import UserError
from vssm.models import registry
from vssm.prompt import Prompt

SCHEME = "vssm:"
START, VERSION = f"{SCHEME}//sketch", "2"
SEPARATORS = {"?": "&", "/": "/"}  # by what follows the start: versions 1 and 2
WHOLE = re.compile(rf"{START}([?/])([A-Za-z0-9=&/._%~+-]*?)([&/])check=([0-9a-f]{{8}})")
ANY_CASE = re.compile(re.escape(START), re.IGNORECASE | re.ASCII)  # as that of any scheme and host
QUOTED = re.compile(r"\n[ \t]*(>[ \t]*)+")  # the beginning of a line that a mail program quotes
SOFT = re.compile(r"=\s+")  # the end of a line in quoted-printable text where the line goes on
HUNDREDTHS = 100  # of a temperature; a link has no finer ones, as the window has none
MOST_TEMPERATURE = 2  # in the window
KEYS = {"size": "number"}  # where they differ from those of records
FIELDS = {key: name for name, key in KEYS.items()}
KINDS = {"model": str, "mode": str, "number": int, "samples": int, "temperature": float, "seed": int, "pixels": str}
MOST = 20_000  # characters
SEARCHED = 200_000  # characters of a text in which a link is sought
DAMAGED = "The link is damaged: copy it whole, once more."


@dataclass(frozen=True, eq=False)
class Link:
    """What a completion starts from.

    Args:
        data: The name of the data set.
        settings: How its picture is to be completed, with a sampler and a pixel mode.
        prompt: The sketch.

    Raises:
        UserError: The window cannot be set to this.
    """

    data: str
    settings: CompletionSettings
    prompt: Prompt

    def __post_init__(self) -> None:
        hundredths = round(self.settings.temperature * HUNDREDTHS)
        if hundredths / HUNDREDTHS != self.settings.temperature or not 0 <= hundredths <= HUNDREDTHS * MOST_TEMPERATURE:
            raise UserError(f"The temperature must be from 0 to {MOST_TEMPERATURE}, in hundredths.")
        self.settings.check(data.get(self.data))

    def require_possible(self) -> None:
        """Raise UserError for a sampler, a parameter or a pixel mode that the model does not have: the completion would
        be another."""
        settings = self.settings
        offered = {sampler.name: sampler for sampler in model_facts.samplers(settings.model, self.data)}
        sampler = offered.get(settings.sampler or "")
        title = registry.get(settings.model).title
        if sampler is None:
            names = ", ".join(offered)
            raise UserError(f"The link asks {title} for the sampler {settings.sampler!r}, and it has only {names}.")
        given, wanted = settings.parameter, f"a number from 1 to {sampler.most}" if sampler.parameter else "no number"
        if (given is not None) != bool(sampler.parameter) or (given is not None and not 1 <= given <= sampler.most):
            raise UserError(f"The link does not fit {title}, whose sampler {settings.sampler} takes {wanted}.")
        ways = model_facts.pixel_modes(settings.model)
        if settings.pixel_mode not in ways:
            only = ", ".join(ways)
            raise UserError(f"The link asks {title} for {settings.pixel_mode} pixels, and it has only {only} ones.")

    @property
    def text(self) -> str:
        """The link as one text."""
        settings = {KEYS.get(name, name): v for name, v in self.settings.to_dict().items() if v is not None}
        fields = {"v": VERSION, "data": self.data, **settings, "prompt": _packed(self.prompt)}
        body = "/".join((START, *(f"{name}={quote(str(value), safe='')}" for name, value in fields.items())))
        return f"{body}/check={_check(body)}"

    @classmethod
    def read(cls, text: str) -> Link:
        """The reverse of `text`: the first link in a text, however it is wrapped and whatever stands around it. Raises
        UserError where there is none, or a damaged one."""
        readings = [reading for reading in _readings(text) if START in reading]
        if not readings:
            raise UserError(f"This is not a link of this program: one begins with {START}.")
        found = next(filter(_sound, map(WHOLE.search, readings)), None)
        if found is None:
            raise UserError(DAMAGED)
        separator, inner, *_ = found.groups()
        pairs = [pair.partition("=") for pair in inner.split(SEPARATORS[separator])]
        fields = {name: unquote(value) for name, equals, value in pairs if equals}
        if len(fields) < len(pairs):
            raise UserError(DAMAGED)
        if (fields.pop("v", ""), separator) not in (("1", "?"), (VERSION, "/")):
            raise UserError("The link is of another version of this program, and cannot be opened here.")
        try:
            name, packed = fields.pop("data"), fields.pop("prompt")
            prompt = _unpacked(packed, data.get(name))
            values = {"size": None, **{FIELDS.get(key, key): KINDS[key](value) for key, value in fields.items()}}
            if missing := CompletionSettings("").to_dict().keys() - values.keys():
                raise KeyError(*missing)
            return cls(name, CompletionSettings.from_dict(values), prompt)
        except UserError as error:
            raise UserError(f"The link does not fit this program: {error}") from None
        except (KeyError, TypeError, ValueError, OverflowError, zlib.error):
            raise UserError(DAMAGED) from None


def is_link(text: str) -> bool:
    """Whether there is one in it, or what is left of one."""
    return any(START in reading for reading in _readings(text))


def _readings(text: str) -> tuple[str, ...]:
    """A text as it is; as a mail program's file may have it, quoted-printable; and as the address of a page that leads
    on has it, percent-encoded. Only the check of a link tells which it is, for a link may have "=3D" or "%2B" of its
    own."""
    plain = text[:SEARCHED]
    soft = SOFT.sub("", QUOTED.sub("\n", plain))
    printable = quopri.decodestring(soft.encode("utf-8", "replace")).decode("utf-8", "replace")
    return _joined(plain), _joined(printable), _joined(unquote(plain))


def _sound(found: re.Match[str] | None) -> bool:
    """Whether it is a whole link, and has the check that belongs to it."""
    if found is None or len(found[0]) > MOST:
        return False
    separator, _, before_check, check = found.groups()
    body = found[0][: -len("/check=") - len(check)]
    return before_check == SEPARATORS[separator] and check == _check(body)


def _joined(text: str) -> str:
    """The text without all that programs put into a link on its way: line breaks and other space, quotation marks of
    mail, entities of HTML, backslashes of Markdown and marks that are not seen."""
    text = html.unescape(html.unescape(text))
    text = QUOTED.sub("", text.replace("\\", ""))
    text = "".join(one for one in "".join(text.split()) if one.isascii() or unicodedata.category(one) != "Cf")
    return ANY_CASE.sub(START, text)


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
