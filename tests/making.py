"""Makes what tests of runs and sessions need."""

from app.core.dataset_settings import DatasetSettings
from app.core.run import Run
from app.core.settings import CompletionSettings
from app.core.sketch import Sketch
from vssm.prompt import Prompt


def asked_run(
    number: int, model: str, dataset: str, prompt: Prompt, gesture: int = 0, details: bool = False, **settings
) -> Run:
    """A run that has been asked for."""
    chosen = CompletionSettings(model, **settings)
    return Run(number, dataset, chosen, chosen.to_request(prompt, 0.02, details), gesture=gesture)


def sketched(prompt: Prompt, **settings) -> DatasetSettings:
    """The settings of a data set with this sketch."""
    return DatasetSettings(Sketch(prompt), **settings)
