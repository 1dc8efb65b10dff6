"""Several processes that train one network together, started by `torchrun`; a single process needs no special case.

Each process has the whole network and a share of the images of every step. torch's DistributedDataParallel averages
the gradients, so that all processes take the same steps. What depends on more than the gradients (the clock, a signal,
an error) is agreed upon here: no process may wait for another that has gone another way.
"""

from __future__ import annotations

import contextlib
import math
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from vssm import device
from vssm.errors import UserError

B = TypeVar("B", Tensor, NDArray[Any])
Loss = Callable[[Tensor, Tensor], dict[str, Tensor]]  # of values and known sets, terms by name


@dataclass(frozen=True)
class Processes:
    """The processes of one training, from the view of one of them.

    Args:
        rank: Its number, from 0.
        count: How many processes there are.
        where: Its device.
    """

    rank: int
    count: int
    where: torch.device

    @property
    def first(self) -> bool:
        """Whether this is the first process, which reads and writes files and prints."""
        return self.rank == 0

    def share(self, batch: B) -> B:
        """Return this process's share of a batch [B, ...], one entry for each image."""
        return batch[self.rank :: self.count]

    def describe(self) -> str:
        """Describe the device for people: "2 × CPU · 1 thread" for two processes."""
        return f"{self.count} × " * (self.count > 1) + device.describe(self.where)

    def parallel(self, network: nn.Module, loss: Loss) -> Loss:
        """Wrap the loss of a network so that its backward pass computes gradients over the images of all processes.

        The parameters and buffers of the first process are copied to the others.
        """
        if self.count == 1:
            return loss
        warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")  # of small kernels, harmless
        devices = [self.where] if self.where.type == "cuda" else None
        return DistributedDataParallel(_LossModule(network, loss), device_ids=devices)

    def divide(self, function: Callable[[Tensor], Tensor], items: Tensor) -> Tensor:
        """Apply a function to items [N, ...] that all processes have; each process computes its share."""
        if self.count == 1:
            return function(items)
        found = torch.zeros_like(items)
        if len(share := self.share(items)):
            found[self.rank :: self.count] = function(share)
        dist.all_reduce(found)
        return found

    def maximum(self, *numbers: float) -> list[float]:
        """Return the largest value of each number over all processes."""
        if self.count == 1:
            return list(numbers)
        found = torch.tensor(numbers, dtype=torch.float64)
        dist.all_reduce(found, dist.ReduceOp.MAX)
        return found.tolist()

    def mean(self, terms: dict[str, float]) -> dict[str, float]:
        """Return the mean of each term over the processes where it is finite; NaN if there are none."""
        if self.count == 1:
            return terms
        finite = [math.isfinite(v) for v in terms.values()]
        values = [v if ok else 0.0 for v, ok in zip(terms.values(), finite, strict=True)]
        found = torch.tensor([values, finite], dtype=torch.float64)
        dist.all_reduce(found)
        return dict(zip(terms, (found[0] / found[1]).tolist(), strict=True))

    def broadcast(self, content: bytes) -> bytes:
        """Send the first process's bytes to all processes; returns them."""
        if self.count == 1:
            return content
        size = torch.tensor(len(content))
        dist.broadcast(size, 0)
        into = torch.frombuffer(bytearray(content), dtype=torch.uint8) if self.first and content else None
        into = torch.empty(int(size), dtype=torch.uint8) if into is None else into
        dist.broadcast(into, 0)
        return into.numpy().tobytes()

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """In this context, an error in one process becomes an error in all; only one of them says why. The block must
        not wait for other processes."""
        error: Exception | None = None
        try:
            yield
        except Exception as raised:
            error = raised
        failed = self.count - self.maximum(self.count - self.rank if error else 0)[0]  # the first that did
        if error is not None and failed == self.rank:
            raise error
        if failed < self.count:
            raise SystemExit(2)


class _LossModule(nn.Module):
    """The loss as the forward pass of a module, as DistributedDataParallel needs it."""

    def __init__(self, network: nn.Module, loss: Loss) -> None:
        super().__init__()
        self.network, self._loss = network, loss

    def forward(self, values: Tensor, known: Tensor) -> dict[str, Tensor]:
        return self._loss(values, known)


def _from_environment() -> tuple[int, int]:
    """Return this process's number and how many there are, from torchrun's environment variables."""
    if "RANK" not in os.environ:
        return 0, 1
    return int(os.environ["RANK"]), int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Whether this process is the first of its training, or the only one."""
    return _from_environment()[0] == 0


@contextlib.contextmanager
def joined(device_name: str = "auto") -> Iterator[Processes]:
    """The processes that `torchrun` has started, inside the block joined to each other; or this process alone.

    Raises UserError for a device that is not here or does not suit, and where the processes cannot meet.
    """
    where, (rank, count) = device.choose(device_name), _from_environment()
    if count == 1:
        yield Processes(0, 1, where)
        return
    here = int(os.environ.get("LOCAL_RANK", rank))
    backend = "gloo"
    if where.type == "mps":
        raise UserError("Several processes cannot share an Apple GPU; train with --device cpu, or in one process.")
    if where.type == "cuda":
        if here >= torch.cuda.device_count():
            raise UserError(
                f"There are more processes than GPUs here; start at most {torch.cuda.device_count()} a machine, or "
                "train with --device cpu."
            )
        where = torch.device("cuda", here)
        torch.cuda.set_device(where)
        backend = "cpu:gloo,cuda:nccl"  # what is agreed upon never waits for a GPU
    try:
        dist.init_process_group(backend)
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"The processes cannot meet ({reason}); start them by torchrun.") from None
    try:
        yield Processes(rank, count, where)
    finally:
        dist.destroy_process_group()
