"""What the machine could do: its rates of matrix products and of reading, and the time that a model's own matrix
products take when nothing else is done.

A network is its matrix products and all that stands between them. The products are recorded while a picture is made,
with the shapes, strides and types of their operands, and then repeated alone, on other numbers. No way of writing the
network passes the time of these products, so their share of the whole time says how much is left to win.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import conv_flop_count, flop_registry

from vssm import device

SIDE = 1024  # of the matrices whose product tells the machine's best rate
CACHED, LARGE = 2**18, 2**26  # numbers read to tell the rates of reading: 1 MiB, and more than most caches hold
LEAST, ROUNDS = 0.001, 3  # seconds of one round of equal calls, and rounds, of which the fastest counts

aten = torch.ops.aten
Operations = Callable[..., int]  # of an operator, by its arguments and its result


def _product(out: Tensor, inner: int) -> int:
    return 2 * out.numel() * inner


OPERATIONS: dict[Any, Operations] = {
    aten.addmm_: lambda _, a, b, out: _product(out, a.shape[-1]),
    aten.addmv: lambda _, a, b, out: _product(out, a.shape[-1]),
    aten.addmv_: lambda _, a, b, out: _product(out, a.shape[-1]),
    aten.baddbmm_: lambda _, a, b, out: _product(out, a.shape[-1]),
    aten.mkldnn_convolution: lambda x, w, *_, out: int(conv_flop_count(x.shape, w.shape, out.shape)),
    aten._scaled_dot_product_flash_attention_for_cpu: lambda q, k, v, *_, out, **__: (
        2 * q[..., 0].numel() * k.shape[-2] * (q.shape[-1] + v.shape[-1])
    ),
}


@dataclass(frozen=True)
class MachineRates:
    """What the machine does in a second, at best.

    Args:
        products: Floating-point operations of large matrix products, by the type of their numbers.
        cache: Bytes read from the cache.
        memory: Bytes read from memory.
    """

    products: dict[str, float]
    cache: float
    memory: float

    @property
    def words(self) -> str:
        """One sentence for people."""
        rates = " and ".join(f"{rate / 1e9:,.0f} GFLOP/s in {name}" for name, rate in self.products.items())
        reading = f"{self.cache / 1e9:,.0f} GB/s are read from the cache, {self.memory / 1e9:,.0f} GB/s from memory"
        return f"Large matrix products reach {rates}; {reading}."

    def to_dict(self) -> dict[str, Any]:
        """Return the keys of a record."""
        return {"products": self.products, "cache": self.cache, "memory": self.memory}


def measure_rates(where: torch.device) -> MachineRates:
    """Measure what a device does in a second."""
    products = {}
    for dtype in (torch.float32, torch.bfloat16):
        a, b = (torch.randn(SIDE, SIDE, device=where).to(dtype) for _ in range(2))
        products[str(dtype).removeprefix("torch.")] = 2 * SIDE**3 / seconds_of(partial(torch.mm, a, b), where)
    cache, memory = (4 * n / seconds_of(torch.ones(n, device=where).sum, where) for n in (CACHED, LARGE))
    return MachineRates(products, cache, memory)


class Described(NamedTuple):
    """What a tensor is like, without its numbers."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: torch.dtype

    def made(self, where: torch.device) -> Tensor:
        """Make a tensor like that, of random numbers or, of whole ones, zeros; where it is expanded, elements share a
        place."""
        places = 1 + sum((n - 1) * stride for n, stride in zip(self.shape, self.strides, strict=True))
        base = torch.zeros(max(places, 0), dtype=self.dtype, device=where)
        if self.dtype.is_floating_point:
            base.normal_()
        return base.as_strided(self.shape, self.strides)


class Call(NamedTuple):
    """A call of an operator: its arguments, flat, with tensors described, and how they are nested."""

    operator: Any
    arguments: tuple[Any, ...]
    nesting: str


@dataclass
class Products:
    """The matrix products of a run.

    Args:
        operations: Floating-point operations; a multiplication and an addition are two.
        bytes: Bytes of all operands: so much is read, from the cache where it is there.
        calls: How often each product occurs.
    """

    operations: int = 0
    bytes: int = 0
    calls: Counter[Call] = field(default_factory=Counter)
    _nestings: dict[str, pytree.TreeSpec] = field(default_factory=dict)

    def add(self, operator: Any, args: tuple[Any, ...], kwargs: dict[str, Any], operations: int) -> None:
        """Count one call."""
        flat, nesting = pytree.tree_flatten((args, kwargs))
        tensors = [x for x in flat if isinstance(x, Tensor)]
        self.operations += operations
        self.bytes += sum(x.numel() * x.element_size() for x in tensors)
        described = tuple(Described(tuple(x.shape), x.stride(), x.dtype) if isinstance(x, Tensor) else x for x in flat)
        self._nestings[repr(nesting)] = nesting
        self.calls[Call(operator, described, repr(nesting))] += 1

    def seconds(self, where: torch.device) -> float:
        """Measure how long all of them take, alone."""
        total = 0.0
        for call, count in self.calls.items():
            flat = [x.made(where) if isinstance(x, Described) else x for x in call.arguments]
            args, kwargs = pytree.tree_unflatten(flat, self._nestings[call.nesting])
            total += count * seconds_of(partial(call.operator, *args, **kwargs), where)
        return total


class _Recorder(TorchDispatchMode):
    """Records the matrix products of all that is computed while it is active."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found = Products()

    def __torch_dispatch__(
        self, func: Any, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        packet, kwargs = func.overloadpacket, kwargs or {}
        if packet not in OPERATIONS and packet not in flop_registry:
            with self:  # an operator that is made of others: those are looked at
                made_of = func.decompose(*args, **kwargs)
            return func(*args, **kwargs) if made_of is NotImplemented else made_of
        out = func(*args, **kwargs)
        if packet in OPERATIONS:
            operations = OPERATIONS[packet](*args, out=out, **kwargs)
        else:
            operations = flop_registry[packet](*args, out_val=out, **kwargs)
        self.found.add(func, args, kwargs, operations)
        return out


@contextmanager
def recorded() -> Iterator[Products]:
    """In this context, matrix products are recorded."""
    with _Recorder() as recorder:
        yield recorder.found


@torch.inference_mode()
def seconds_of(call: Callable[[], object], where: torch.device) -> float:
    """Measure the least seconds of one call, in rounds of so many that the clock is fine enough."""

    def took(count: int) -> float:
        device.synchronise(where)
        begun = time.perf_counter()
        for _ in range(count):
            call()
        device.synchronise(where)
        return time.perf_counter() - begun

    took(1)
    count = math.ceil(LEAST / max(took(1), 1e-7))
    return min(took(count) for _ in range(ROUNDS)) / count
