"""What the window's controllers share: where things stand, who does them, and what shows them."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.workspace import Workspace
from app.engine.jobs import Jobs
from app.ui.actions import Actions
from app.ui.models import Models
from app.ui.panels.completion import CompletionPanel
from app.ui.panels.latents import LatentPanel
from app.ui.panels.race import RacePanel
from app.ui.panels.scaling import ScalingPanel
from app.ui.panels.sketch import SketchPanel
from app.ui.panels.timing import TimingPanel
from app.ui.settings_bar import SettingsBar
from app.ui.widgets.toast import Messages


@dataclass(frozen=True)
class Context:
    """What a controller reads, asks and tells: the workspace, what runs, the models, the bar with its settings, all
    actions, and the messages to a person."""

    workspace: Workspace
    jobs: Jobs
    models: Models
    bar: SettingsBar
    actions: Actions
    messages: Messages


@dataclass(frozen=True)
class Panels:
    """All panels of a window."""

    sketch: SketchPanel
    completion: CompletionPanel
    timing: TimingPanel
    latents: LatentPanel
    scaling: ScalingPanel
    race: RacePanel
