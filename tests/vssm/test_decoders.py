"""Other programs decode the Transformer to the same pictures, and a missing one is told in a sentence."""

import dataclasses
import math
import sys

import pytest
import torch

from vssm import checkpoint
from vssm.data import CIFAR10, MNIST
from vssm.errors import UserError
from vssm.evaluation import decoders
from vssm.models import transformer
from vssm.prompt import Prompt
from vssm.reports import results_page, studies
from vssm.sampling.events import GenerationRequest
from vssm.sampling.generator import Generator, run

SMALL = {"d_model": 32, "blocks": 2, "window": 20, "stem_hidden": 16}


def made(dataset) -> checkpoint.Checkpoint:
    """A Transformer with random weights that are large enough to make pictures of all sorts."""
    record = dataclasses.replace(dataset, height=8, width=8)
    network = transformer.Transformer(transformer.config_for(record, **SMALL)).eval().requires_grad_(False)
    rng = torch.Generator().manual_seed(3)
    for p in network.parameters():
        p.copy_(torch.randn(p.shape, generator=rng) * 0.2)
    return checkpoint.Checkpoint("transformer", record, network)


def pictures(generator: Generator, samples: int, seed: int):
    request = GenerationRequest(Prompt.empty(*generator.data.shape), samples, seed=seed, every=math.inf)
    return run(generator, request).images


@pytest.mark.parametrize("dataset", [MNIST, CIFAR10], ids=lambda d: d.name)
def test_onnx_runtime_makes_the_same_pictures(dataset):
    pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    weights = made(dataset)
    ours, theirs = (decoders.generator(weights, name) for name in ("ours", "onnx"))
    for samples, seed in ((1, 0), (3, 1), (1, 2)):  # one session for all
        expected = pictures(ours, samples, seed)
        off = abs(pictures(theirs, samples, seed).astype(int) - expected)
        assert off.max() <= (0 if dataset is MNIST else 1) and expected.std() > 10


def test_the_step_can_be_compiled_as_one_graph(monkeypatch):
    """By a backend that needs no compiler; tracing takes its time, once for each number of samples."""
    weights = made(MNIST)
    monkeypatch.setattr(decoders.device, "require_compiler", lambda where: None)
    monkeypatch.setattr(decoders.CompiledTransformer.__init__, "__defaults__", ("eager",))
    ours, theirs = (decoders.generator(weights, name) for name in ("ours", "inductor"))
    for samples in (3, 2):
        assert (pictures(theirs, samples, 0) == pictures(ours, samples, 0)).all()


def test_a_missing_runtime_is_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(UserError, match="pip install onnx onnxruntime"):
        decoders.generator(made(MNIST), "onnx")


def test_the_study_of_decoders_gets_onto_the_page(monkeypatch, tmp_path):
    weights = made(MNIST)
    monkeypatch.setattr(checkpoint, "load", lambda *given: weights)
    monkeypatch.setattr(decoders.compare, "__defaults__", (("ours",), {1: 2, 64: 1}, 2, True))
    study = dataclasses.replace(studies.get("decoders"), runs=studies.get("decoders").runs[:1])
    monkeypatch.setitem(studies.STUDIES, "decoders", study)
    record = studies.study(study, quiet=True)
    (row,) = record["rows"]
    assert row["label"] == "ours" and row["same"] == row["ratio_1"] == row["low_64"] == 1 and row["seconds_64"] > 0
    studies.write(record, tmp_path / "studies")
    page = results_page.section([], MNIST, tmp_path)
    assert "### The Transformer decoded by others" in page and "| ours |" in page
    assert "`python -m vssm study decoders --data mnist`: the shipped weights, seed 0" in page
