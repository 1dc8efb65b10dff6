"""What the tests of the command line share."""

import dataclasses
import json
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from vssm import checkpoint
from vssm.cli import commands
from vssm.data import MNIST, DataSet
from vssm.models import registry

DATA = Path(__file__).resolve().parent / "data"  # the first training and test images: 64 each of MNIST, 20 of CIFAR-10
EXAMPLES = Path(__file__).resolve().parent.parent / "assets" / "examples" / "mnist"
SEVEN = EXAMPLES / "01-seven-top.png"
EIGHT, EIGHT_KNOWN = EXAMPLES / "05-eight-left.png", EXAMPLES / "05-eight-left.known.png"
SMALL = {  # settings of networks that train in no time
    "vssm": {
        "d_model": 32,
        "inner": 32,
        "state": 8,
        "heads": 2,
        "coarse_levels": 1,
        "fine_levels": 1,
        "encoder_blocks": 1,
    },
    "transformer": {"d_model": 32, "blocks": 1, "heads": 1, "stem_hidden": 32},
    "mamba": {"d_model": 32, "blocks": 1, "stem_hidden": 32},
    "asarm": {"d_model": 32, "blocks": 1, "heads": 1, "stem_hidden": 32},
    "vssm-paper": {"d_model": 32, "inner": 32, "state": 8, "heads": 2, "encoder_blocks": 1},
}


def vssm(*words) -> int:
    """Run a command line in this process on one thread; returns its exit code."""
    torch.set_num_threads(1)
    return commands.main([str(word) for word in words])


def vssm_json(capsys, *words) -> dict:
    """Run a command that must succeed with --json; returns what it printed."""
    code = vssm(*words, "--json")
    out, err = capsys.readouterr()
    assert code == 0, err
    return json.loads(out)  # fails where anything else is on standard output


def complete_with(weights: str | Path, out: Path) -> list:
    """The words of a completion of SEVEN by a VSSM with these weights, written to `out`."""
    return ["complete", "--model", "vssm", "--prompt", SEVEN, "--checkpoint", weights, "--out", out]


def calls(model: str, unknown: int) -> range:
    """How many network calls a shipped model's usual sampler may make where the last `unknown` pixels are unknown."""
    prompt = int(unknown < 784)  # read in a call of its own
    match registry.get(model).samplers(MNIST)[0].name:
        case "sequential":
            return range(unknown + prompt, unknown + prompt + 1)
        case "assd":
            return range(1, unknown + prompt + 1)
    network = checkpoint.load(checkpoint.shipped(model, "mnist")).network
    assert isinstance(network, registry.LatentNetwork)
    levels = len(network.latent_levels)
    return range(levels + 1, levels + 2)


def reads_in_raster_order(model: str) -> bool:
    """Whether a shipped model can only pass by pixels known further on."""
    return checkpoint.load(checkpoint.shipped(model, "mnist")).network.prefix_only


def settings(model: str) -> list[str]:
    return [word for key, value in SMALL[model].items() for word in ("--set", f"{key}={value}")]


def small_weights(model: str, dataset: DataSet, folder: Path, scores: dict | None = None) -> Path:
    """Untrained weights of a small network of that model for a data set, in a folder."""
    torch.manual_seed(0)
    config = dataclasses.asdict(registry.get(model).config(dataset, **SMALL[model]))
    training = {"minutes": 1.5, "images": 1234}
    made = checkpoint.Checkpoint(model, dataset, registry.build(model, config), scores or {}, training)
    path = folder / f"{model}-{dataset.name}.safetensors"
    made.save(path)
    return path


def pixels(path) -> np.ndarray:
    """An image file as it is, [H, W] or [H, W, C] uint8."""
    with Image.open(path) as image:
        return np.asarray(image)


def write(path: Path, array: np.ndarray) -> Path:
    Image.fromarray(array).save(path)
    return path


def wait_for(condition, seconds: float = 60) -> None:
    """Wait until something is so; fails where it takes too long."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)
