"""Small modules that several models share, and types for those of torch that have none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Generic, TypeVar, cast

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


class SquaredReLU(nn.Module):
    """max(0, x)² (Primer, 2109.08668): cheaper than GELU on a CPU."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x).square()


def linear(layers: nn.Sequential, number: int) -> nn.Linear:
    """Return a layer that is known to be linear."""
    return cast("nn.Linear", layers[number])
