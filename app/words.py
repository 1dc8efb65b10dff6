"""Words a person reads, in the person's language where there is a translation."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication


def tr(text: str) -> str:
    """What a translation of the context "app" has for this text, else the text. Values are put in afterwards:
    `tr("{} of {}").format(a, b)`."""
    return text and QCoreApplication.translate("app", text)
