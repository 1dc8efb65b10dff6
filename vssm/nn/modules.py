"""Small modules that several models share, and types for those of torch that have none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)

if TYPE_CHECKING:

    class ModuleList(nn.ModuleList, Generic[M]):
        """A list of modules of one class."""

        def __iter__(self) -> Iterator[M]: ...

        def __getitem__(self, index: int) -> M: ...  # type: ignore[override]

else:
    ModuleList = nn.ModuleList


class Foldable(nn.Module):
    """A module that can compute beforehand what depends on its weights alone, if these stay as they are."""

    def fold(self) -> None:
        raise NotImplementedError


class Linear(nn.Linear):
    """nn.Linear that takes its input in the precision of its weights, as autocast does where it is on."""

    def forward(self, x: Tensor) -> Tensor:
        if not torch.is_autocast_enabled(x.device.type):
            x = x.to(self.weight.dtype)
        return F.linear(x, self.weight, self.bias)


class SquaredReLU(nn.Module):
    """max(0, x)² (Primer, 2109.08668): cheaper than GELU on a CPU."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x).square()


def linear(layers: nn.Sequential, number: int) -> nn.Linear:
    """Return a layer that is known to be linear."""
    return cast("nn.Linear", layers[number])


# --- rows and single vectors: what a step of generation is made of ---------------------------------------------------


def by_columns(weight: Tensor) -> Tensor:
    """Lay weights [out, in] in memory column by column: so a single vector is multiplied fastest."""
    return weight.t().contiguous().t()


def affine(bias: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """Compute W x + bias of rows x [N, in], or of one vector [in]: a row would be multiplied more slowly than it."""
    return torch.addmv(bias, weight, x) if x.ndim == 1 else torch.addmm(bias, x, weight.t())


def add_product(x: Tensor, y: Tensor, weight: Tensor) -> Tensor:
    """Add W y to x in place, both as in `affine`; returns x."""
    return x.addmv_(weight, y) if x.ndim == 1 else x.addmm_(y, weight.t())


class AttentionWeights(NamedTuple):
    """The tensors of a pre-norm block of attention and a small network, matrices [out, in] as `by_columns` lays them.

    Its methods are the block but for the attention itself, for tokens [N, D] or one token [D].
    """

    norm1: Tensor
    norm1_bias: Tensor
    qkv: Tensor
    qkv_bias: Tensor
    out: Tensor
    out_bias: Tensor
    norm2: Tensor
    norm2_bias: Tensor
    first: Tensor
    first_bias: Tensor
    last: Tensor
    last_bias: Tensor

    def project(self, x: Tensor) -> Tensor:
        """Compute the queries, keys and values [N, 3D] of tokens."""
        return affine(self.qkv_bias, torch.layer_norm(x, self.norm1.shape, self.norm1, self.norm1_bias), self.qkv)

    def finish(self, x: Tensor, y: Tensor) -> None:
        """Add what attention found, y [N, D], to the tokens, and what the small network makes of them, in place."""
        add_product(x.add_(self.out_bias), y, self.out)  # the bias by itself: else it is copied to every row first
        h = torch.layer_norm(x, self.norm2.shape, self.norm2, self.norm2_bias)
        h = affine(self.first_bias, h, self.first).relu_()
        add_product(x.add_(self.last_bias), h.mul_(h), self.last)


def attention_weights(
    norm1: nn.LayerNorm, qkv: nn.Linear, out: nn.Linear, norm2: nn.LayerNorm, mlp: nn.Sequential
) -> AttentionWeights:
    """Collect the tensors of a block by its layers; `mlp` is a linear layer, an activation and a linear layer."""
    norms, products = (norm1, norm2), (qkv, out, linear(mlp, 0), linear(mlp, 2))
    (a, a_bias), (b, b_bias) = ((norm.weight, norm.bias) for norm in norms)
    q, o, first, last = ((by_columns(layer.weight), layer.bias) for layer in products)
    return AttentionWeights(a, a_bias, *q, *o, b, b_bias, *first, *last)
