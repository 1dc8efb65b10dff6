"""Words of others, made fit to be shown."""

from __future__ import annotations

from PySide6.QtGui import Qt


def printable(text: str) -> str:
    """The text with what is no text in it written out: the name of a file can hold any bytes, which Qt refuses."""
    return text.encode("utf-8", "backslashreplace").decode()


def plain_tip(text: str) -> str:
    """A tooltip that shows this text as it is. Qt takes a tooltip for HTML where it looks like it, and HTML from a file
    of somebody else can name any file to be read."""
    text = printable(text)
    return Qt.convertFromPlainText(text) if Qt.mightBeRichText(text) else text
