"""The device that computes, and its fast precision."""

from __future__ import annotations

import contextlib
import functools
import os
import random

import torch

from vssm.errors import UserError

WITHOUT_BFLOAT16 = "SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX512_CORE", "AVX512_CORE_VNNI"  # oneDNN's instruction sets


def choose(name: str = "auto") -> torch.device:
    """Find a device by its name; "auto" takes cuda, else mps, else cpu.

    Raises:
        UserError: This machine has no such device.
    """
    here = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(n for n, available in here.items() if available))
    if name == "cuda" and torch.version.cuda is None:
        raise UserError(
            f"This torch, {torch.__version__}, is built without CUDA; install a build with it (https://pytorch.org/"
            "get-started/locally), or choose the device cpu."
        )
    if not here.get(name, False):
        raise UserError(
            f"There is no device {name!r} here; choose one of: auto, {', '.join(n for n in here if here[n])}."
        )
    return torch.device(name)


def available() -> list[str]:
    """Return the names of this machine's devices, the best one first."""
    return [n for n in ("cuda", "mps", "cpu") if choose("auto").type == n or n == "cpu"]


def synchronise(device: torch.device) -> None:
    """Wait until a device has finished its work; on a CPU it always has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


@functools.cache
def fast_dtype(device: torch.device) -> torch.dtype:
    """Return bfloat16 if the device has instructions for it (newer CUDA cards, some CPUs), else float32.

    A CPU is taken for an older one where torch and oneDNN are told to compute as on one, by ATEN_CPU_CAPABILITY=avx2
    and ONEDNN_MAX_CPU_ISA=AVX2 in the environment.
    """
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()
        fast = fast and torch.backends.cpu.get_cpu_capability() == "AVX512"
        fast = fast and os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper() not in WITHOUT_BFLOAT16
    return torch.bfloat16 if fast else torch.float32


def autocast(device: torch.device) -> contextlib.AbstractContextManager[object]:
    """Return a context in which matrix products use the device's fast precision."""
    dtype = fast_dtype(device)
    return contextlib.nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype)


def require_compiler(device: torch.device) -> None:
    """Raise UserError if `torch.compile` does not work for the device: it needs a compiler on the machine."""
    number = random.randrange(2**30)  # a new constant: code compiled earlier would hide a missing compiler
    try:
        torch.compile(lambda x: x + number, dynamic=False)(torch.ones(8, dtype=torch.long, device=device))
    except Exception as error:  # whatever a compiler may say
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"Nothing can be compiled here ({reason}); install a C++ compiler such as g++, or leave --compile out."
        ) from None


def describe(device: torch.device) -> str:
    """Return a short name for people: "CPU · 2 threads" or the GPU's own name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return "Apple GPU"
    threads = torch.get_num_threads()
    return f"CPU · {threads} thread{'s' * (threads > 1)}"
