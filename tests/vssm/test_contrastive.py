"""Features of what a picture shows: the loss, the folded network, and what a training leaves behind."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from vssm import checkpoint, data
from vssm.errors import UserError
from vssm.models.global_code import PictureFeatures
from vssm.models.vssm import VSSM, config_for
from vssm.training import contrastive
from vssm.training.contrastive import TEMPERATURE, Learner, contrast
from vssm.training.trainer import Trainer, TrainingConfig


@pytest.fixture
def strokes() -> torch.Tensor:
    """Eight pictures [8, 28, 28, 1] with a bar each, in other places and directions."""
    images = torch.zeros(8, 28, 28, 1, dtype=torch.uint8)
    for i in range(4):
        images[i, 5 + 5 * i : 8 + 5 * i, 4:24] = 255
        images[4 + i, 4:24, 5 + 5 * i : 8 + 5 * i] = 255
    return images


def test_the_loss_is_that_of_naming_ones_twin_among_all_others():
    torch.manual_seed(0)
    first, second = (F.normalize(torch.randn(3, 5), dim=1) for _ in range(2))
    both, nats = torch.cat([first, second]), 0.0
    for i in range(6):
        others = [math.exp(float(both[i] @ both[k]) / TEMPERATURE) for k in range(6) if k != i]
        nats -= float(both[i] @ both[(i + 3) % 6]) / TEMPERATURE - math.log(sum(others))
    assert float(contrast(first, second)) == pytest.approx(nats / 6, rel=1e-5)


@torch.no_grad()
def test_folded_norms_compute_what_they_did():
    torch.manual_seed(0)
    features = PictureFeatures(28, 28, 1, 6, wide=4)
    learner = Learner(features)
    for norm in learner.norms:
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
        norm.weight.normal_()
        norm.bias.normal_()
    x, learner = torch.randn(5, 28, 28, 1), learner.eval()
    before = learner(x)
    learner.fold()
    assert torch.allclose(F.normalize(learner.project(features(x)), dim=1), before, atol=1e-5)


def test_pictures_become_told_apart(strokes):
    """After a short training a distorted picture is nearest to another distortion of the same one much more often than
    by chance, one of eight; features have the variance asked for, fit in half precision and learn no more."""
    torch.manual_seed(0)
    rng, features = np.random.default_rng(0), PictureFeatures(28, 28, 1, 8, wide=8)
    images = strokes.repeat(8, 1, 1, 1)
    contrastive.train(features, images, steps=60, variance=3.0, rng=rng, batch=32)
    first, second = (features(contrastive.drawn(contrastive.augment(images, rng), rng)) for _ in range(2))
    nearest = torch.cdist(first, second).argmin(1)
    assert (nearest % 8 == torch.arange(len(images)) % 8).float().mean() > 0.5
    found = features(contrastive.drawn(images, rng))
    assert float(found.var(0).sum()) == pytest.approx(3.0, rel=0.05)
    assert all(torch.equal(p, p.half().float()) and not p.requires_grad for p in features.parameters())


def test_a_training_fits_features_first_and_keeps_them(strokes, tmp_path):
    """In what is saved, too, which are averaged weights."""
    changes = {
        "d_model": 32, "inner": 32, "state": 4, "heads": 2, "coarse_levels": 1, "fine_levels": 1, "head_channels": 4,
        "codes": 2, "code_classes": 4, "code_blocks": 1, "code_hidden": 32, "code_semantics": 4,
    }  # fmt: skip
    for setting in ({}, {"part": "code"}):
        config = TrainingConfig("vssm", batch=4, minutes=0.1, changes=changes, **setting)
        trainer = Trainer(config, torch.device("cpu"))
        untrained = trainer.network.code.quantiser.features.out.weight.clone()
        trainer.prepare(strokes)
        features = {k: v.clone() for k, v in trainer.network.code.quantiser.state_dict().items()}
        assert not torch.equal(features["features.out.weight"], untrained)
        assert trainer.network.code.quantiser.centroids.shape[-1] == 14 * 14 + 4
        trainer.prepare(strokes)  # again, as when a training goes on: nothing happens
        for _ in range(2):
            trainer.train_step(strokes, trainer.loss)
        kept, _ = checkpoint.read(trainer.save(tmp_path))
        assert all(torch.equal(kept[f"code.quantiser.{k}"], v) for k, v in features.items())


def test_pictures_in_colour_have_none():
    with pytest.raises(UserError, match="one channel"):
        config_for(data.CIFAR10, code_semantics=4)
    assert config_for(data.CIFAR10).code_semantics == 0 < config_for(data.MNIST).code_semantics
    assert VSSM(config_for(data.CIFAR10)).code.quantiser.features is None
