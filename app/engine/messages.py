"""What the window's process and the models' process say to each other, and how it is written on a pipe.

A message is a length in 8 bytes and a pickle of one of the records below. Both ends are this program, and nobody else
holds the pipe: nothing that comes from a file or from a person is ever unpickled. Nor is anything but our own records,
arrays and plain data: so nothing of torch's can reach the window's process, which would load it.
"""

from __future__ import annotations

import io
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from app.core.model_facts import Facts
from vssm.evaluation import scaling
from vssm.models.registry import Preset
from vssm.sampling.events import Event, GenerationRequest

LENGTH = 8  # bytes
PACKAGES = "app", "vssm", "numpy", "pathlib"  # whose objects may cross

# --- from the window


@dataclass(frozen=True)
class Setup:
    """The first message. folder: where the checkpoints lie. presets: the registry of the window's process."""

    folder: Path
    presets: dict[str, Preset]


@dataclass(frozen=True)
class StartRun:
    """Complete a picture with a model, or time equal networks, where model and data set mean nothing. A new job makes
    all earlier ones end."""

    number: int
    model: str
    data: str
    request: GenerationRequest | scaling.ScalingRequest


@dataclass(frozen=True)
class UseDevice:
    """Compute on this device from now on."""

    name: str


@dataclass(frozen=True)
class Preload:
    """Load these models while there is no job; this replaces what is left of an earlier list."""

    models: tuple[str, ...]
    data: str


@dataclass(frozen=True)
class Stop:
    """End the running job."""


@dataclass(frozen=True)
class Pause:
    """Hold the running job at its next event."""


@dataclass(frozen=True)
class GoOn:
    """Continue the paused job."""


@dataclass(frozen=True)
class Close:
    """End the worker; for one that is a thread, as a process just ends."""


Request = StartRun | UseDevice | Preload | Stop | Pause | GoOn | Close

# --- from the models


@dataclass(frozen=True)
class Ready:
    """Torch and the models' code are loaded."""

    facts: Facts


@dataclass(frozen=True)
class Unready:
    """They cannot be loaded. sentence: why; cause: the traceback."""

    sentence: str
    cause: str


@dataclass(frozen=True)
class Loading:
    """The loading of a model begins, which can take long and cannot be stopped. `Loaded` or `Failed` follows."""


@dataclass(frozen=True)
class Loaded:
    """A model that is ready. parameters: their number. device: its name for people."""

    model: str
    data: str
    parameters: int
    scores: dict
    device: str


@dataclass(frozen=True)
class Dropped:
    """No model is loaded any more: another device is used, or memory was short."""


@dataclass(frozen=True)
class Happened:
    """Events of a job, gathered."""

    number: int
    events: tuple[Event | scaling.Event, ...]


@dataclass(frozen=True)
class Failed:
    """number: of the job; 0 outside one. sentence: what failed; cause: a traceback, empty where that says all."""

    number: int
    sentence: str
    cause: str = ""


@dataclass(frozen=True)
class Ended:
    """The last message about a job, whether it finished, failed, was stopped or never began."""

    number: int


Report = Ready | Unready | Loading | Loaded | Dropped | Happened | Failed | Ended

# --- on the pipe


def pack(message: Setup | Request | Report) -> bytes:
    """A message as bytes."""
    body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return len(body).to_bytes(LENGTH, "little") + body


def read(stream: BinaryIO):
    """Wait for the next message of a stream; raises EOFError at its end."""
    length = stream.read(LENGTH)
    body = stream.read(int.from_bytes(length, "little"))
    if not length or not body:
        raise EOFError
    return _Unpickler(io.BytesIO(body)).load()


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        if module.partition(".")[0] not in PACKAGES:
            raise pickle.UnpicklingError(f"{module}.{name} must not cross")
        return super().find_class(module, name)


class Unpacker:
    """Makes messages of bytes that arrive in pieces."""

    def __init__(self):
        self._held = bytearray()

    def take(self, piece: bytes) -> list:
        """All messages that are complete with this piece."""
        self._held += piece
        found = []
        while len(self._held) >= LENGTH:
            end = LENGTH + int.from_bytes(self._held[:LENGTH], "little")
            if len(self._held) < end:
                break
            found.append(_Unpickler(io.BytesIO(self._held[LENGTH:end])).load())
            del self._held[:end]
        return found
