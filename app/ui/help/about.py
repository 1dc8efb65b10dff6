"""What the program is and who takes part, as a page."""

from __future__ import annotations

import importlib.metadata
from html import escape
from string import Template

from PySide6.QtCore import qVersion

import vssm
from vssm.files import resources
from vssm.models import registry

PAGE = resources.folder("assets") / "about.html"


def page(device: str) -> str:
    """The page as HTML. device: that models compute on, in words."""
    rows = (f"<li><b>{preset.title}</b>: {preset.about}</li>" for preset in registry.PRESETS.values())
    versions = {"version": vssm.__version__, "torch": importlib.metadata.version("torch"), "qt": qVersion()}
    return Template(PAGE.read_text("utf-8")).substitute(versions, device=escape(device), models="".join(rows))
