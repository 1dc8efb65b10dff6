"""An event owns its arrays: whatever comes after it, it stays as it was."""

import dataclasses

import numpy as np
import pytest
import torch
from commands import SMALL, small_weights

from vssm import checkpoint
from vssm.data import CIFAR10, MNIST
from vssm.models import registry
from vssm.prompt import Prompt
from vssm.sampling.events import GenerationRequest, Latents, Started
from vssm.sampling.generator import Generator


def arrays(event) -> list[np.ndarray]:
    """All arrays in an event, those in its parts too."""
    found = []
    for field in dataclasses.fields(event):
        value = getattr(event, field.name)
        if isinstance(value, np.ndarray):
            found.append(value)
        elif dataclasses.is_dataclass(value):
            found += arrays(value)
    return found


def generator(name: str, dataset, folder, **changes) -> Generator:
    """Untrained, small, with a causal Gaussian model for the asking."""
    made = checkpoint.load(small_weights(name, dataset, folder))
    if changes:
        config = dataclasses.asdict(registry.get(name).config(dataset, **SMALL[name], **changes))
        made = dataclasses.replace(made, network=registry.build(name, config).eval().requires_grad_(False))
    return Generator(made, torch.device("cpu"))


CASES = [
    *((name, mode.name, {}) for name in SMALL for mode in registry.get(name).samplers(MNIST)),
    *(("vssm-paper", mode.name, {"latent": "gaussian"}) for mode in registry.get("vssm-paper").samplers(MNIST)),
    *(("vssm", mode.name, {"latent": "categorical"}) for mode in registry.get("vssm").samplers(MNIST)),
]


@pytest.mark.parametrize("dataset", [MNIST, CIFAR10], ids=lambda d: d.name)
@pytest.mark.parametrize(("name", "mode", "changes"), CASES)
def test_no_later_call_changes_an_event(name, mode, changes, dataset, tmp_path):
    prompt = Prompt.empty(*dataset.shape).with_rows(dataset.height - 4)
    sampler = next(m for m in registry.get(name).samplers(dataset) if m.name == mode)
    request = GenerationRequest(
        prompt,
        2,
        every=0,
        sampler=mode,
        parameter=min(4, sampler.most) if sampler.parameter else None,
        posterior=True,
        details=True,
    )
    kept = []
    for event in generator(name, dataset, tmp_path, **changes).generate(request):
        kept.append((event, [array.copy() for array in arrays(event)]))
    assert isinstance(kept[0][0], Started) and len(kept) > 3
    for event, before in kept:
        for now, then in zip(arrays(event), before, strict=True):
            np.testing.assert_array_equal(now, then)
    whole = [(type(event).__name__, array) for event, _ in kept for array in arrays(event)]
    for i, (one, a) in enumerate(whole):  # nor can whoever gets one change another
        for other, b in whole[i + 1 :]:
            assert not np.shares_memory(a, b), (one, other)
    if "latent" in changes and mode != "parallel" and name == "vssm-paper":
        drawn = [np.isfinite(event.codes).all(-1).sum() for event, _ in kept if isinstance(event, Latents)]
        assert drawn == sorted(drawn) and drawn[0] < drawn[-1]  # those still to come are not a number, the rest stays


def test_what_is_done_to_an_event_does_not_reach_the_model(tmp_path):
    """A receiver may draw over its copy; the run goes on as if it had not."""
    made = generator("vssm-paper", MNIST, tmp_path, latent="gaussian")
    request = GenerationRequest(Prompt.empty(*MNIST.shape).with_rows(24), every=0, sampler="sequential")
    untouched = list(made.generate(request))[-1]
    images = []
    for event in made.generate(request):
        images += [event.images.copy()] if hasattr(event, "images") else []
        for array in arrays(event):
            array[...] = 0
    assert (images[-1] == untouched.images).all()
