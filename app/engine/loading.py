"""Loads torch and the models beside a window that goes on listening."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
from pathlib import Path

from vssm.models import registry

TURN = 1e-3  # seconds after which a thread that computes lets the window have its turn; five times as long is usual


def load() -> None:
    """Import all that computes. Raises ImportError or OSError where it is not there, or broken."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(TURN)
    try:
        _load_libraries()
        from vssm.evaluation import scaling_runner  # noqa: F401 - to be there when they are needed

        for preset in registry.PRESETS.values():
            preset.network  # noqa: B018 - likewise
    finally:
        sys.setswitchinterval(usual)


def _load_libraries() -> None:
    """Load torch's compiled parts, as `import torch` does, which would hold the window up all the while; a foreign call
    does not. Where this fails, the import does it, or says why it cannot be done."""
    found = importlib.util.find_spec("torch")
    if found is None or sys.platform == "win32" or "torch" in sys.modules:
        return
    suffix = "dylib" if sys.platform == "darwin" else "so"
    dlopen = ctypes.CDLL(None).dlopen
    dlopen.argtypes, dlopen.restype = (ctypes.c_char_p, ctypes.c_int), ctypes.c_void_p
    for name, scope in ("torch_global_deps", os.RTLD_GLOBAL), ("torch_python", os.RTLD_LOCAL):
        path = Path(found.origin).parent / "lib" / f"lib{name}.{suffix}"
        dlopen(os.fsencode(path), os.RTLD_NOW | scope)
