"""Whether a window can be opened here. Qt aborts the whole process where it cannot, so this is found out before."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path

from vssm.errors import UserError

# What QtGui and its platform plugins link to (readelf -d on the libraries).
QT_LIBRARIES = (
    "libGL.so.1", "libEGL.so.1", "libX11.so.6", "libxkbcommon.so.0", "libfontconfig.so.1", "libfreetype.so.6",
    "libglib-2.0.so.0", "libgthread-2.0.so.0", "libdbus-1.so.3", "libzstd.so.1",
)  # fmt: skip
XCB_LIBRARIES = (
    "libxcb.so.1", "libX11-xcb.so.1", "libxkbcommon-x11.so.0", "libxcb-cursor.so.0", "libxcb-icccm.so.4",
    "libxcb-image.so.0", "libxcb-keysyms.so.1", "libxcb-randr.so.0", "libxcb-render.so.0", "libxcb-render-util.so.0",
    "libxcb-shape.so.0", "libxcb-shm.so.0", "libxcb-sync.so.1", "libxcb-util.so.1", "libxcb-xfixes.so.0",
    "libxcb-xkb.so.1",
)  # fmt: skip
WAYLAND_LIBRARIES = "libwayland-client.so.0", "libwayland-cursor.so.0"
SURE = "xcb", "wayland", "offscreen", "minimal", "windows", "cocoa"  # `find` has seen to what these need
BEGIN = "import os, sys; from PySide6.QtGui import QGuiApplication; app = QGuiApplication(sys.argv); os._exit(0)"


class Missing(Exception):
    """A sentence about system libraries that Qt cannot do without."""


def find() -> str:
    """Empty where a window can be opened, else one sentence that says why there is no display; raises Missing where
    there is one and only libraries lack. Narrows QT_QPA_PLATFORM to what answers, where it is not set."""
    if not sys.platform.startswith("linux"):
        return ""
    wanted = os.environ.get("QT_QPA_PLATFORM", "").split(":")[0].split(";")[0].lower()
    if wanted and wanted != "xcb" and not wanted.startswith("wayland"):
        _need(QT_LIBRARIES)
        return ""
    display, wayland = os.environ.get("DISPLAY", ""), os.environ.get("WAYLAND_DISPLAY", "")
    if not display and not wayland:
        return "There is no display here (neither DISPLAY nor WAYLAND_DISPLAY is set)"
    if wayland and wanted != "xcb" and _wayland_answers(wayland):
        _need(QT_LIBRARIES + WAYLAND_LIBRARIES)
        if not wanted:
            os.environ["QT_QPA_PLATFORM"] = "wayland"
        return ""
    if display and not wanted.startswith("wayland"):
        _need(("libxcb.so.1",))
        if not _x_answers():
            return f"The display {display!r} cannot be connected to"
        _need(QT_LIBRARIES + XCB_LIBRARIES)
        os.environ["QT_QPA_PLATFORM"] = "xcb"
        return ""
    return f"The Wayland display {wayland!r} cannot be connected to"


def require_platform(options: tuple[str, ...]) -> None:
    """Raise UserError where Qt, with these options, has not the platform that QT_QPA_PLATFORM names, or cannot begin on
    it."""
    wanted = os.environ.get("QT_QPA_PLATFORM", "")
    names = [one.split(":")[0].lower() for one in wanted.split(";")]
    there = _platforms(options)
    if not wanted or not there:
        return
    if not there & set(names):
        raise UserError(f"Qt has no platform {wanted!r} here; choose one of {', '.join(sorted(there))}, or name none.")
    if names[0] in SURE:
        return
    with contextlib.suppress(subprocess.TimeoutExpired):  # it goes on, so it has begun
        words = [sys.executable, "-P", "-c", BEGIN, *options]
        if subprocess.run(words, capture_output=True, timeout=20, check=False).returncode:
            raise UserError(f"Qt cannot begin on the platform {wanted!r} here; choose another one, or name none.")


def _platforms(options: tuple[str, ...]) -> set[str]:
    """The names of those that Qt has a plugin for."""
    from PySide6.QtCore import QCoreApplication, QPluginLoader

    folders = [Path(folder) / "platforms" for folder in QCoreApplication.libraryPaths()]
    given = [options[at + 1] for at, word in enumerate(options[:-1]) if word == "-platformpluginpath"]
    folders += map(Path, filter(None, (*given, os.environ.get("QT_QPA_PLATFORM_PLUGIN_PATH"))))
    files = [path for folder in folders if folder.is_dir() for path in folder.iterdir()]
    return {name for path in files for name in _keys(QPluginLoader(str(path)).metaData())}


def _keys(plugin: object) -> list[str]:
    """Of what a plugin tells of itself; none where it tells nothing."""
    told = plugin.get("MetaData") if isinstance(plugin, dict) else None
    return told.get("Keys", []) if isinstance(told, dict) else []


def _need(libraries: Iterable[str]) -> None:
    """Raise Missing unless all can be loaded."""
    absent = []
    for name in libraries:
        try:
            ctypes.CDLL(name)
        except OSError:
            absent.append(name)
    if absent:
        packages = " ".join(sorted(set(map(_package, absent))))
        raise Missing(
            f"The window needs {', '.join(absent)}, which this system lacks; run: sudo apt-get install {packages}"
        )


def _package(library: str) -> str:
    """The Debian package of a library, by Debian's rule for their names; GLib's are in one, named by its whole."""
    name, _, version = library.lower().partition(".so.")
    return "libglib2.0-0" if name.endswith("-2.0") else f"{name}{'-' * name[-1].isdigit()}{version}"


def _wayland_answers(name: str) -> bool:
    path = Path(os.environ.get("XDG_RUNTIME_DIR", "/run/user/0")) / name  # an absolute name stays as it is
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as there:
        there.settimeout(3)
        there.connect(str(path))
        return True
    return False


def _x_answers(seconds: float = 5) -> bool:
    """Whether the X server that DISPLAY names accepts us: only libxcb knows all forms of that name, and the keys."""
    answers = []

    def ask():
        xcb = ctypes.CDLL("libxcb.so.1")
        xcb.xcb_connect.restype = ctypes.c_void_p
        connection = ctypes.c_void_p(xcb.xcb_connect(None, None))
        answers.append(xcb.xcb_connection_has_error(connection) == 0)
        xcb.xcb_disconnect(connection)

    # In a thread of its own, because a host that does not answer would hold us for minutes.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(seconds)
    return answers == [True]
