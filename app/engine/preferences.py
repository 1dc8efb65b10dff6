"""How a person wants all windows of this program to look, kept by QSettings beside the sessions: so a second window,
which has a session of its own, begins as the first was left."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from PySide6.QtCore import QSettings

from app.core.session import LOOK, Session
from vssm.errors import UserError


class Preferences:
    def __init__(self, folder: Path):
        self._settings = QSettings(str(folder / "settings.ini"), QSettings.Format.IniFormat)

    def apply(self, session: Session) -> Session:
        """A session with all that was chosen in whichever window; what makes no sense is passed over."""
        self._settings.sync()  # another program may have written since
        for name in LOOK:
            if self._settings.contains(name):
                try:
                    chosen: dict[str, Any] = {name: _read(self._settings.value(name), getattr(Session(), name))}
                    session = dataclasses.replace(session, **chosen)
                except (UserError, ValueError):
                    continue
        return session

    def keep(self, session: Session) -> None:
        """Remember the choices that a session tells of, where they are others than before."""
        before = self.apply(Session())
        for name in LOOK:
            if getattr(session, name) != getattr(before, name):
                self._settings.setValue(name, getattr(session, name))
        self._settings.sync()


def _read(value: object, like: object) -> object:
    """A value of the file, which may be text, as one of the kind of another."""
    if isinstance(like, bool):
        return str(value).lower() == "true"
    if not isinstance(value, type(like)):
        raise ValueError(f"{value!r} is not like {like!r}")
    return value
