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


class AttentionWeights(NamedTuple):
    """The tensors of a pre-norm block of attention and a small network, with matrices transposed for addmm."""

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


def attention_weights(
    norm1: nn.LayerNorm, qkv: nn.Linear, out: nn.Linear, norm2: nn.LayerNorm, mlp: nn.Sequential
) -> AttentionWeights:
    """Collect the tensors of a block by its layers; `mlp` is a linear layer, an activation and a linear layer."""
    norms, products = (norm1, norm2), (qkv, out, linear(mlp, 0), linear(mlp, 2))
    (a, a_bias), (b, b_bias) = ((norm.weight, norm.bias) for norm in norms)
    # one row is multiplied fastest by a matrix that lies in memory along its longer side
    wide = (layer.out_features > layer.in_features for layer in products)
    turned = (layer.weight.t().contiguous() if w else layer.weight.t() for layer, w in zip(products, wide, strict=True))
    q, o, first, last = zip(turned, (layer.bias for layer in products), strict=True)
    return AttentionWeights(a, a_bias, *q, *o, b, b_bias, *first, *last)
