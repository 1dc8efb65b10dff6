"""Checkpoints: safetensors with the config, the scores and the history of training in the metadata.

Nothing is ever unpickled. Writing is atomic: a kill at any moment leaves the old file or the new one, never half.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

from . import atomic, data, models
from .errors import UserError

if TYPE_CHECKING:
    from torch import Tensor, nn

FORMAT = "vssm-checkpoint/1"
SHIPPED = Path(__file__).resolve().parent.parent / "checkpoints"


@dataclass
class Checkpoint:
    """A trained network and what is known about it.

    scores: figures of `evaluate` by name. training: how it was made. `network` is in eval mode, float32, on the CPU.
    """

    model: str
    data: data.DataSet
    network: nn.Module
    scores: dict = field(default_factory=dict)
    training: dict = field(default_factory=dict)
    path: Path | None = None

    @property
    def parameters(self) -> int:
        return sum(p.numel() for p in self.network.parameters())

    def save(self, path: str | Path) -> None:
        """Write to `path` atomically; raises UserError where that cannot be."""
        meta = {
            "model": self.model,
            "data": self.data.name,
            "config": dataclasses.asdict(self.network.config),
            "scores": self.scores,
            "training": self.training,
        }
        write(path, {k: v.detach().cpu().contiguous() for k, v in self.network.state_dict().items()}, meta)


def shipped(model: str, dataset: str) -> Path:
    """Where the weights of a preset that come with the program lie."""
    return SHIPPED / f"{model}-{dataset}.safetensors"


def load(path: str | Path, expect_model: str | None = None, expect_data: str | None = None) -> Checkpoint:
    """Read a checkpoint. Raises UserError, in one sentence, where the file is missing, broken, foreign, or of
    another model or data set than expected."""
    tensors, meta = read(path)
    name, dataset = meta.get("model"), meta.get("data")
    if expect_model and name != expect_model:
        raise UserError(f"{path} holds the model {name!r}, not {expect_model!r}; name the right file or model.")
    if expect_data and dataset != expect_data:
        raise UserError(f"{path} was trained on {dataset!r}, not {expect_data!r}; name the right file or data set.")
    try:
        network = models.build(name, meta["config"])
        network.load_state_dict(tensors)
    except UserError as error:
        raise UserError(f"{path} does not fit this version of the program: {error}") from None
    except (RuntimeError, KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError) as error:
        reason = str(error).splitlines()[-1].strip()
        raise UserError(f"{path} does not fit its own config ({reason}); train or fetch it again.") from None
    network.eval().requires_grad_(False)
    return Checkpoint(name, data.get(dataset), network, meta.get("scores", {}), meta.get("training", {}), Path(path))


def write(path: str | Path, tensors: dict[str, Tensor], meta: dict) -> None:
    """Write tensors and JSON metadata to a safetensors file, atomically."""
    from safetensors.torch import save_file  # here, as it brings torch: where files lie is asked before that is loaded

    with atomic.replacing(path) as part:
        try:
            save_file(tensors, part, {"format": FORMAT, "meta": json.dumps(meta)})
        except SafetensorError as error:  # as of a full disk
            raise OSError(str(error)) from None


def read(path: str | Path) -> tuple[dict[str, Tensor], dict]:
    """Tensors and metadata of a file that `write` made; raises UserError for anything else."""
    path = Path(path)
    if not path.is_file():
        raise UserError(f"There is no checkpoint {path}; train one with `python -m vssm train` or restore the file.")
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            if header.get("format") != FORMAT:
                raise UserError(f"{path} was not made by this program; train one with `python -m vssm train`.")
            tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118 - not a dict
        meta = dict(json.loads(header["meta"]))
    except UserError:
        raise
    except (SafetensorError, OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(f"{path} is broken or not a safetensors file ({error}); restore or retrain it.") from None
    return tensors, meta
