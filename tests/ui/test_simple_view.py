"""The simple view: two models and what a newcomer needs; More has the rest, and what is in use stays in sight."""

import dataclasses

import pytest
from conftest import opened
from PySide6.QtWidgets import QAbstractSpinBox, QComboBox, QToolButton
from windows import LEFT, LONG, button_of, model_button, press, type_in

from app.core.link import Link
from app.core.session import Session, save
from app.core.settings import CompletionSettings
from app.engine.preferences import Preferences
from vssm import data
from vssm.models import registry
from vssm.prompt import Prompt


@pytest.fixture
def simple(no_threads_left, qtbot, tmp_path, clipboard):
    """A window without weights, in the simple view."""
    save(Session(live=False), tmp_path / "session.json")
    yield from opened(qtbot, tmp_path / "session.json", tmp_path)


def models(window) -> list[str]:
    """Those with a button in sight."""
    return [name for name in registry.PRESETS if window.bar.models[name].isVisible()]


def in_bar(window) -> list[QToolButton | QComboBox | QAbstractSpinBox]:
    """What can be used in the bar."""
    return [one for kind in (QToolButton, QComboBox, QAbstractSpinBox) for one in window.bar.findChildren(kind)
            if one.isVisible()]  # fmt: skip


def test_a_newcomer_sees_two_models_and_what_starts_them(simple, qtbot):
    window = simple
    assert models(window) == ["vssm", "transformer"]
    few = in_bar(window)
    assert len(few) == 11  # two data sets, two models, samples, Live, Complete, Race, Pause, Stop, More
    assert not window.latents.what.isVisible() and not window.bar.temperature.isVisible()
    complete, race = (button_of(window.actions_[name]) for name in ("complete", "start_race"))
    assert complete.objectName() == race.objectName() == "primary" and complete.height() == race.height()

    qtbot.mouseClick(button_of(window.actions_["show_more"]), LEFT)
    assert models(window) == list(registry.PRESETS) and len(in_bar(window)) > len(few) + 5
    assert window.latents.what.isVisible() and window.bar.temperature.isVisible() and window.bar.seed.isVisible()
    press(qtbot, window, "Shift+M")
    assert in_bar(window) == few and not window.latents.what.isVisible()


@pytest.mark.parametrize("width", [1000, 1280, 1600])
def test_a_second_click_at_the_same_place_undoes_more(simple, qtbot, width):
    window, made = simple, button_of(simple.actions_["show_more"])
    window.resize(width, 760)
    qtbot.waitUntil(lambda: window.width() == width)
    place = made.mapTo(window, made.rect().center())
    for more in (True, False):
        qtbot.mouseClick(window.childAt(place), LEFT)
        qtbot.waitUntil(lambda: window.bar.models["mamba"].isVisible() == more)  # noqa: B023
        window.bar.layout().activate()
        assert window.actions_["show_more"].isChecked() == more and window.childAt(place) is made


def test_more_is_remembered(simple, qtbot, tmp_path):
    press(qtbot, simple, "Shift+M")
    assert Preferences(tmp_path).apply(Session()).more and simple.session().more


def test_a_model_that_is_chosen_by_its_key_comes_in_sight(simple, qtbot):
    press(qtbot, simple, str(1 + list(registry.PRESETS).index("mamba")))
    assert models(simple) == ["vssm", "transformer", "mamba"] and model_button(simple, "mamba").isChecked()
    press(qtbot, simple, "1")
    assert models(simple) == ["vssm", "transformer"]


def test_a_sampler_that_is_chosen_by_its_key_comes_in_sight(simple, qtbot):
    press(qtbot, simple, "2")
    assert not simple.bar.modes.isVisible()
    press(qtbot, simple, "M")
    assert simple.bar.modes.isVisible() and simple.bar.modes.mode.currentText() == "Predictive"
    press(qtbot, simple, "1")
    assert not simple.bar.modes.isVisible()  # the VSSM's is the usual one
    press(qtbot, simple, "2")
    assert simple.bar.modes.isVisible()
    press(qtbot, simple, "M")
    assert not simple.bar.modes.isVisible()


def test_what_a_link_uses_comes_in_sight(simple, qtbot, clipboard):
    settings = CompletionSettings("mamba", "sequential", None, 2, 0.7, 99, "sampled")
    clipboard.setText(Link("mnist", settings, Prompt.empty(*data.MNIST.shape).with_rows(14)).text)
    press(qtbot, simple, "Ctrl+V")
    assert models(simple) == ["vssm", "transformer", "mamba"]
    assert simple.bar.temperature.isVisible() and simple.bar.temperature.value() == 0.7
    assert simple.bar.seed.isVisible() and simple.bar.seed.value() == 99
    qtbot.mouseClick(button_of(simple.actions_["set_keep_seed"]), LEFT)
    assert not simple.bar.seed.isVisible() and simple.bar.temperature.isVisible()


def test_what_a_session_uses_comes_in_sight(simple, qtbot, tmp_path):
    used = Session(model="mamba", seed=5, keep_seed=True)
    used.datasets["cifar10"].temperature = 0.5
    save(used, tmp_path / "other.json")
    simple.files.importer.open_path(str(tmp_path / "other.json"))
    qtbot.waitUntil(lambda: "Opened other.json" in simple.messages.text, timeout=LONG)
    assert models(simple) == ["vssm", "transformer", "mamba"] and simple.bar.seed.isVisible()
    assert not simple.bar.temperature.isVisible()
    press(qtbot, simple, "Ctrl+2")
    assert simple.bar.temperature.isVisible() and simple.bar.temperature.value() == 0.5
    press(qtbot, simple, "Ctrl+1")
    assert not simple.bar.temperature.isVisible()


def test_what_was_chosen_under_more_stays_in_sight(simple, qtbot):
    press(qtbot, simple, "Shift+M")
    type_in(qtbot, simple.bar.temperature, "0.4")
    simple.latents.what.setCurrentIndex(1)
    simple.canvas.setFocus()
    press(qtbot, simple, "Shift+M")
    assert simple.bar.temperature.isVisible() and simple.latents.what.isVisible()
    assert not simple.bar.seed.isVisible() and not simple.latents.variable.isVisible()


def test_two_race_in_the_simple_view_and_all_that_are_ticked_under_more(no_threads_left, qtbot, tmp_path):
    save(dataclasses.replace(Session(live=False), samples=1), tmp_path / "session.json")
    for window in opened(qtbot, tmp_path / "session.json"):
        assert window.race.entrants.chosen == ["vssm", "transformer"]
        press(qtbot, window, "V")
        assert not window.race.entrants.isVisible()
        press(qtbot, window, "Shift+M")
        assert window.race.entrants.isVisible() and window.race.entrants.chosen == list(registry.PRESETS)
