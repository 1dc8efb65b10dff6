"""What the window works on: the chosen data set and model, and what lies there for each data set."""

from __future__ import annotations

from app.core.dataset_settings import Desk
from app.core.session import Session
from vssm import data


class Workspace:
    """data: the data set. model: the one that completes. desks: by name of the data set."""

    def __init__(self, session: Session):
        self.restore(session)

    def restore(self, session: Session) -> None:
        """Be as a session left it."""
        self.data, self.model = data.get(session.data), session.model
        self.desks = {name: Desk.of(sheet) for name, sheet in session.sheets.items()}

    @property
    def desk(self) -> Desk:
        """What lies there for the chosen data set."""
        return self.desks[self.data.name]
