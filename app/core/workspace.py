"""What the window works on: the chosen data set and model, and what lies there for each data set."""

from __future__ import annotations

from app.core.dataset_settings import DatasetSettings
from app.core.session import Session
from vssm import data


class Workspace:
    """data: the data set. model: the one that completes. datasets: the settings of each data set."""

    def __init__(self, session: Session):
        self.restore(session)

    def restore(self, session: Session) -> None:
        """Be as a session left it."""
        self.data, self.model = data.get(session.data), session.model
        self.datasets = {name: settings.copy() for name, settings in session.datasets.items()}

    @property
    def dataset_settings(self) -> DatasetSettings:
        """Those of the chosen data set."""
        return self.datasets[self.data.name]
