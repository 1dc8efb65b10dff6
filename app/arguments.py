"""What stands after the program's name: read before Qt and torch are loaded. Qt's own options are passed on."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from vssm import __version__

# Options of Qt's that have a value; a few of the rest have none.
QT_VALUES = (
    "platform", "platformpluginpath", "platformtheme", "plugin", "style", "stylesheet", "display", "geometry",
    "qwindowgeometry", "qwindowicon", "qwindowtitle", "session", "title", "icon", "fontname",
)  # fmt: skip
QT_FLAGS = "reverse", "widgetcount", "nograb", "dograb", "sync"


@dataclass(frozen=True)
class Arguments:
    """given: what is to be opened, empty for nothing. qt: the options for Qt; platform: the value of one of them."""

    given: str
    qt: tuple[str, ...]
    platform: str = ""


class Parser(argparse.ArgumentParser):
    """Its errors are one sentence."""

    def error(self, message: str):
        self.exit(2, f"{message[:1].upper()}{message[1:]}; see --help.\n".encode("utf-8", "replace").decode())


def parse(argv: list[str]) -> Arguments:
    """Read a command line, its first word the program's name. Exits with 0 after --help and --version, with 2 and a
    sentence for what it does not know."""
    parser = Parser(
        prog="vssm-sketchpad",
        description="Sketch part of a picture, and watch models complete it.",
        epilog="Qt's own options, such as -platform and -style, are passed on. Without a window: python -m vssm -h.",
        allow_abbrev=False,
    )
    words = "a picture, a saved session, a text with a link, or a vssm:// link"
    parser.add_argument("given", nargs="?", default="", metavar="FILE_OR_LINK", help=words)
    parser.add_argument("--version", action="version", version=f"VSSM Sketchpad {__version__}")
    for name in QT_VALUES:
        parser.add_argument(f"-{name}", f"--{name}", dest=f"qt_{name}", help=argparse.SUPPRESS)
    for name in QT_FLAGS:
        parser.add_argument(f"-{name}", f"--{name}", dest=f"qt_{name}", action="store_true", help=argparse.SUPPRESS)
    found = vars(parser.parse_args(argv[1:]))
    qt: list[str] = []
    for name in QT_VALUES:
        if found[f"qt_{name}"]:  # Qt ends for an empty name of a platform
            qt += [f"-{name}", found[f"qt_{name}"]]
    qt += [f"-{name}" for name in QT_FLAGS if found[f"qt_{name}"]]
    return Arguments(found["given"], tuple(qt), found["qt_platform"] or "")
