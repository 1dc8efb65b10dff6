"""The optimizers: torch's own Muon, in the precision that the device is quick in."""

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from vssm import device
from vssm.training import optimizers

SHAPES = [(40, 64), (64, 40), (48, 48), (40, 64)]


def matrices() -> list[nn.Parameter]:
    rng = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(s, generator=rng)) for s in SHAPES]


def test_it_takes_the_steps_of_torchs_own():
    ours, theirs = matrices(), matrices()
    mine = optimizers.Muon(ours, lr=0.1, weight_decay=0.02)
    reference = torch.optim.Muon(theirs, lr=0.1, weight_decay=0.02, adjust_lr_fn="match_rms_adamw")
    start = [p.detach().clone() for p in ours]
    for number in range(3):
        rng = torch.Generator().manual_seed(number)
        for p, q in zip(ours, theirs, strict=True):
            p.grad = torch.randn(p.shape, generator=rng)
            q.grad = p.grad.clone()
        mine.step()
        reference.step()
    for p, q, s in zip(ours, theirs, start, strict=True):
        moved = (q - s).norm()
        assert moved > 0 and (p - q).norm() < 0.02 * moved  # bfloat16 has two to three digits
    ours, theirs = mine.state_dict()["state"], reference.state_dict()["state"]
    assert all(torch.equal(v["momentum_buffer"], theirs[k]["momentum_buffer"]) for k, v in ours.items())


@pytest.mark.parametrize("shape", [(40, 64), (64, 64)])
def test_orthogonalised_matrices_have_singular_values_near_one(shape):
    given = torch.randn(3, *shape, generator=torch.Generator().manual_seed(1))
    found = optimizers.orthogonalise(given, torch.float32)
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.3 and values.max() < 1.3
    one = optimizers.orthogonalise(given[1:2], torch.float32)  # whatever else is in the batch
    torch.testing.assert_close(one[0], found[1], rtol=1e-4, atol=1e-5)
    assert not optimizers.orthogonalise(torch.zeros(1, *shape), torch.float32).any()


class Precisions(TorchDispatchMode):
    """Notes the precision of every result."""

    def __init__(self):
        super().__init__()
        self.seen = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        results = found if isinstance(found, (tuple, list)) else [found]
        self.seen |= {r.dtype for r in results if isinstance(r, torch.Tensor) and r.is_floating_point()}
        return found


def test_a_step_computes_in_the_fast_precision():
    ours = matrices()
    optimizer = optimizers.Muon(ours, lr=0.1, weight_decay=0.0)
    for p in ours:
        p.grad = torch.ones_like(p)
    with Precisions() as noted:
        optimizer.step()
    assert noted.seen == {torch.float32, device.fast_dtype(torch.device("cpu"))}
