"""Keeps None, True and False alive under PySide6 6.12, which was built for Python 3.12 and later only.

There these objects are immortal and are handed out without being counted. On Python 3.11 every call of Qt that returns
None then loses one reference to it, until the interpreter aborts ("none_dealloc: deallocating None").
"""

from __future__ import annotations

import ctypes
import sys

PLENTY = 1 << 40

if sys.version_info < (3, 12) and sys.implementation.name == "cpython":
    for one in (None, True, False, NotImplemented):
        ctypes.c_ssize_t.from_address(id(one)).value += PLENTY  # the count is an object's first field
