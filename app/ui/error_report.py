"""What a report of a fault tells those who are to mend it."""

from __future__ import annotations

import platform
from importlib import metadata

from PySide6 import __version__ as pyside
from PySide6.QtCore import qVersion
from PySide6.QtGui import QGuiApplication

import vssm


def report(sentence: str, details: str = "") -> str:
    """The sentence, the versions of all that takes part, and what is known of the cause."""
    versions = {
        "VSSM Sketchpad": vssm.__version__,
        "Python": platform.python_version(),
        "torch": _torch(),
        "PySide6": pyside,
        "Qt": f"{qVersion()} ({QGuiApplication.platformName()})",
        "System": f"{platform.platform()}, {platform.machine()}",
    }
    lines = [sentence, "", *(f"{name}: {version}" for name, version in versions.items())]
    return "\n".join([*lines, "", details.strip()] if details else lines) + "\n"


def _torch() -> str:
    """Asked of its package, for it need not be loaded for that."""
    try:
        return metadata.version("torch")
    except metadata.PackageNotFoundError:
        return "not installed"
