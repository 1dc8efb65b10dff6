"""Configs from files: every value has bounds, and what lies within them makes a network that works."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from commands import SMALL
from fuzzing import fuzz
from hypothesis import given
from hypothesis import strategies as st

from vssm import checkpoint
from vssm.config import BoundedConfig, bounded, flag, from_dict, one_of
from vssm.data import CIFAR10, MNIST
from vssm.errors import UserError
from vssm.evaluation import classifier
from vssm.models import registry
from vssm.sampling.generator import Generator

# in an order that every process of a test run agrees on
CONFIGS = list(dict.fromkeys([*(p.network.Config for p in registry.PRESETS.values()), classifier.ClassifierConfig]))


@dataclasses.dataclass(frozen=True)
class Example(BoundedConfig):
    wide: int = bounded(dataclasses.MISSING, 1, 100)
    heads: int = bounded(4, 1, 64, divides=("wide",))
    share: float = bounded(0.5, 0.0, 1.0)
    kind: str = one_of("round", "square")
    on: bool = flag(False)
    sizes: tuple[int, int] = bounded((1, 2), 1, 9, length=2)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.__name__)
def test_every_field_has_bounds(config):
    for field in dataclasses.fields(config):
        assert field.metadata.keys() & {"bounds", "options"}, f"{field.name} could be anything"


@pytest.mark.parametrize(
    "changes",
    [
        {"wide": 0},
        {"wide": 101},
        {"wide": 10**30},
        {"wide": 8.0},
        {"wide": True},
        {"wide": "8"},
        {"wide": None},
        {"wide": [8]},
        {"wide": 6},
        {"heads": 0},
        {"share": -0.1},
        {"share": math.nan},
        {"share": math.inf},
        {"share": False},
        {"kind": "oval"},
        {"kind": ["round"]},
        {"on": 1},
        {"on": None},
        {"sizes": 3},
        {"sizes": [1, 2, 3]},
        {"sizes": [1, 10]},
        {"sizes": [1, 2.0]},
    ],
)
def test_what_is_out_of_bounds_is_refused_by_name(changes):
    with pytest.raises(UserError, match=f"setting ({'|'.join({*changes, 'heads'})}) must be"):
        from_dict(Example, {"wide": 8} | changes)


def test_what_is_within_is_taken():
    made = from_dict(Example, {"wide": 100, "heads": 25, "share": 1, "kind": "square", "on": True, "sizes": [9, 1]})
    assert made == Example(100, 25, 1, "square", True, (9, 1))


@pytest.mark.parametrize("values", [None, 3, "wide", [["wide", 8]], {8: "wide"}, {"wide": 8, None: 1}])
def test_what_holds_no_settings(values):
    with pytest.raises(UserError):
        from_dict(Example, values)


WHOLE, WORDS = st.integers(0, 9), st.sampled_from(["gaussian", "categorical", "reinmax", "gumbel"])


@pytest.mark.parametrize("dataset", [MNIST, CIFAR10], ids=lambda dataset: dataset.name)
@pytest.mark.parametrize("model", registry.PRESETS)
@fuzz(few=4)
@given(data=st.data())
def test_whatever_is_accepted_works(model, dataset, data):
    """A config that is within its bounds makes a network that completes a picture in every mode."""
    height, width = data.draw(st.sampled_from([(4, 8), (8, 4)]))
    small = dataclasses.replace(dataset, height=height, width=width, presets={})
    usual = dataclasses.asdict(registry.get(model).config(small, **SMALL[model]))
    free = {k: v for k, v in usual.items() if k not in ("height", "width", "channels", "num_values", "likelihood")}
    kinds = {bool: st.booleans(), int: WHOLE, float: st.floats(0, 1), str: WORDS}
    changes = data.draw(st.dictionaries(st.sampled_from(sorted(free)), st.none(), max_size=4))
    changes = {name: data.draw(kinds[type(free[name])], label=name) for name in changes}
    try:
        network = registry.build(model, usual | changes)
    except UserError:
        return
    generator = Generator(
        checkpoint.Checkpoint(model, small, network.eval().requires_grad_(False)), torch.device("cpu")
    )
    images, known = np.zeros((1, *small.shape), np.uint8), np.zeros((1, height, width), bool)
    known[:, 0] = True
    for mode in network.samplers(network.config):
        done, _, _ = generator.complete_batch(images, known, sampler=mode.name)
        assert done.shape == images.shape


def test_settings_of_older_files_are_read_by_todays_names(tmp_path):
    """Files say "levels" where it is "num_values" now."""
    tensors, meta = checkpoint.read(checkpoint.shipped("transformer", "mnist"))
    number = meta["config"].pop("levels", None) or meta["config"].pop("num_values")
    checkpoint.write(tmp_path / "old.safetensors", tensors, meta | {"config": meta["config"] | {"levels": number}})
    checkpoint.write(tmp_path / "new.safetensors", tensors, meta | {"config": meta["config"] | {"num_values": number}})
    old, new = (checkpoint.load(tmp_path / f"{name}.safetensors").network.config for name in ("old", "new"))
    assert old == new and old.num_values == 2
