"""Muon for the matrices inside the blocks, AdamW for everything else."""

from __future__ import annotations

from collections import defaultdict

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from vssm import device
from vssm.models.registry import TorchModule
from vssm.training.distributed import Processes

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic Newton-Schulz step, as in torch.optim.Muon
ITERATIONS = 5


class Muon(Optimizer):
    """Momentum whose update of each matrix is orthogonalised, with the size of AdamW's updates (2502.16982).

    torch.optim.Muon computes in bfloat16 everywhere; a processor without bfloat16 instructions emulates that, and the
    optimizer then takes most of the time of a step. This one computes in the precision that is fast on the device,
    matrices of one size together, and each matrix in one process of several. Its state is the same.
    """

    def __init__(
        self,
        matrices: list[nn.Parameter],
        lr: float,
        weight_decay: float,
        momentum: float = 0.95,
        processes: Processes | None = None,
    ) -> None:
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})
        where = matrices[0].device
        self._processes, self._dtype = processes or Processes(0, 1, where), device.fast_dtype(where)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update every matrix that has a gradient."""
        for group in self.param_groups:
            by_shape: dict[tuple[int, ...], list[Tensor]] = defaultdict(list)
            for p in group["params"]:
                if p.grad is not None:
                    by_shape[tuple(sorted(p.shape))].append(p)
            for shape, parameters in by_shape.items():
                gradients = [p.grad for p in parameters if p.grad is not None]
                momenta = [self._momentum(p) for p in parameters]
                torch._foreach_lerp_(momenta, gradients, 1 - group["momentum"])
                updates = torch._foreach_lerp(gradients, momenta, group["momentum"])  # Nesterov's
                wide = torch.stack([_turned(u, shape) for u in updates])
                found = self._processes.divide(lambda x: orthogonalise(x, self._dtype), wide)
                torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
                turned = [_turned(u, p.shape) for u, p in zip(found, parameters, strict=True)]
                torch._foreach_add_(parameters, turned, alpha=-group["lr"] * 0.2 * shape[1] ** 0.5)

    def _momentum(self, p: Tensor) -> Tensor:
        state = self.state[p]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(p)
        return state["momentum_buffer"]


# what an optimizer of `make` keeps of a parameter: tensors of its shape, and the number of its steps
KEPT = {Muon: ("momentum_buffer",), torch.optim.AdamW: ("exp_avg", "exp_avg_sq", "step")}


def _turned(matrix: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return the matrix or its transpose, whichever has that shape."""
    return matrix if matrix.shape == shape else matrix.t()


def orthogonalise(matrices: Tensor, dtype: torch.dtype) -> Tensor:
    """Move the singular values of every matrix [N, R, C], R ≤ C, towards 1, by Newton-Schulz iteration in `dtype`."""
    a, b, c = COEFFICIENTS
    x = matrices.to(dtype)
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)  # no singular value above 1
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.to(matrices.dtype)


def make(network: TorchModule, lr: float, weight_decay: float, processes: Processes | None = None) -> list[Optimizer]:
    """Make the optimizers of a network: Muon for the inner matrices, and AdamW for heads, embeddings, positions,
    vectors and convolutions. Parameters without gradient are left out."""
    matrices: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, p in network.named_parameters():
        if not p.requires_grad:
            continue
        inner = p.ndim == 2 and min(p.shape) >= 32 and "head" not in name
        (matrices if inner else others).append(p)
    muon = Muon(matrices, lr=lr, weight_decay=weight_decay, processes=processes)
    adam = torch.optim.AdamW(others, lr=lr, betas=(0.9, 0.95), weight_decay=0.0, fused=True)
    return [muon, adam]
