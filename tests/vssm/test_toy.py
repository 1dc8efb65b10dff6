"""A model that the program has never heard of: one file and one registry line, and every command takes it."""

import numpy as np
import pytest
import torch
import toy
from commands import DATA, EIGHT, EIGHT_KNOWN, pixels, vssm, vssm_json

from vssm import checkpoint
from vssm.data import MNIST
from vssm.evaluation import evaluate
from vssm.models import registry


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """The toy registered, and a file of its (untrained) weights."""
    monkeypatch.setitem(registry.PRESETS, "toy", toy.PRESET)
    torch.manual_seed(0)
    path = tmp_path / "toy.safetensors"
    checkpoint.Checkpoint("toy", MNIST, registry.build("toy", {"height": 28, "width": 28})).save(path)
    return path


@pytest.mark.parametrize(
    ("mode", "calls"), [((), 1), (("--mode", "rounds"), 4), (("--mode", "rounds", "--rounds", 7), 7)]
)
def test_it_completes_a_prompt(weights, mode, calls, tmp_path, capsys):
    words = ["complete", "--model", "toy", "--checkpoint", weights, "--prompt", EIGHT, "--known", EIGHT_KNOWN, *mode]
    record = vssm_json(capsys, *words, "--samples", 2, "--out", tmp_path / "out.npz")
    assert record["model"] == "toy" and record["network_calls"] == calls and record["clamped"] is False
    assert record["size"] == (calls if mode else None)
    with np.load(tmp_path / "out.npz") as made:
        known = pixels(EIGHT_KNOWN) >= 128
        assert (made["images"][:, known, 0] == pixels(EIGHT)[known]).all()
        assert (made["images"][0] != made["images"][1]).any()


def test_it_is_trained_and_scored(weights, tmp_path, capsys, monkeypatch):
    words = ["--model", "toy", "--data-dir", DATA]
    record = vssm_json(capsys, "train", *words, "--minutes", 0.01, "--set", "hidden=40", "--out", tmp_path / "run")
    assert record["steps"] > 0 and checkpoint.load(record["out"]).network.config.hidden == 40
    monkeypatch.setattr(evaluate, "SPEED_BATCHES", (1, 2))
    record = vssm_json(capsys, "evaluate", *words, "--checkpoint", record["out"], "--fid-samples", 20)
    assert record["bound"] == "exact" and 100 < record["nats"] < 600 and record["network_calls"] == 1


def test_help_names_it(weights, capsys):
    assert vssm("complete", "--help") == 0
    out = " ".join(capsys.readouterr().out.split())
    assert f"one of: {', '.join(registry.PRESETS)}" in out and "--rounds K" in out
    assert "toy: parallel, rounds" in out
