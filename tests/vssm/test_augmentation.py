"""Pictures as other hands would write them, and which of a training's images are changed."""

import numpy as np
import pytest
import torch

from vssm import data
from vssm.errors import UserError
from vssm.training.augmentation import augment
from vssm.training.trainer import Trainer, TrainingConfig

CPU = torch.device("cpu")


def digits(count: int = 8) -> torch.Tensor:
    bars = np.zeros((count, 28, 28, 1), np.uint8)
    bars[:, 6:22, 11:17] = 255
    return torch.from_numpy(bars)


def test_every_picture_changes_in_its_own_way_and_stays_a_picture():
    before = digits()
    after = augment(before, np.random.default_rng(0))
    assert after.dtype == torch.uint8 and after.shape == before.shape
    assert all(not torch.equal(after[i], after[j]) for i in range(8) for j in range(i))
    ink = after.float().sum((1, 2, 3)) / before.float().sum((1, 2, 3))
    assert float(ink.min()) > 0.2 and float(ink.max()) < 3
    assert not augment(torch.zeros_like(before), np.random.default_rng(0)).any()


def test_the_same_numbers_change_the_same_way():
    first, second = (augment(digits(), np.random.default_rng(3)) for _ in range(2))
    assert torch.equal(first, second)


def test_only_images_of_which_something_is_known_are_augmented():
    trainer = Trainer(TrainingConfig("vssm", batch=8, augment=1.0, empty_share=0.5, seed=2), CPU)
    given: list[tuple[torch.Tensor, torch.Tensor]] = []

    def loss(values: torch.Tensor, known: torch.Tensor) -> dict[str, torch.Tensor]:
        given.append((values, known))
        return {"loss": sum(p.sum() for p in trainer.network.parameters())}

    trainer.train_step(digits(), loss)
    (values, known), untouched = given[0], (digits() > 0).long()
    empty = ~known.flatten(1).any(1)
    assert 0 < int(empty.sum()) < 8
    assert torch.equal(values[empty], untouched[empty])
    assert not any(torch.equal(a, b) for a, b in zip(values[~empty], untouched[~empty], strict=True))


def test_colour_pictures_are_refused():
    with pytest.raises(UserError, match="CIFAR-10"):
        Trainer(TrainingConfig("vssm", data=data.CIFAR10.name, augment=0.5), CPU)
