"""All contestants in the window: their modes, pausing them, what they say of a run, and a model added."""

import shutil
import time

import numpy as np
import pytest
import toy
from conftest import ended, opened, running_threads
from PySide6.QtCore import QPointF, Qt
from PySide6.QtWidgets import QApplication
from windows import LEFT, LONG, button_of, choose, complete, figure, model_button, plain, press, said, take, type_in

from app.core import formatting, session
from vssm import checkpoint, data
from vssm.files.examples import examples
from vssm.models import registry

FREE_FORM = next(i for i, e in enumerate(examples(data.MNIST)) if not e.prompt.is_prefix)


# --- modes


def test_the_modes_are_those_of_the_chosen_model(window, qtbot):
    shown = window.bar.modes
    for name in registry.PRESETS:
        choose(qtbot, window, name)
        modes = registry.get(name).samplers(data.MNIST)
        assert [shown.mode.itemText(i) for i in range(shown.mode.count())] == [mode.title for mode in modes]
        assert shown.mode.isEnabled() == (len(modes) > 1)
        for i, mode in enumerate(modes):
            assert shown.mode.currentText() == mode.title and mode.about in shown.mode.toolTip()
            assert shown.mode.itemData(i, Qt.ItemDataRole.ToolTipRole) == mode.about
            assert shown.number.isVisible() == shown.name.isVisible() == (mode.parameter is not None)
            if mode.parameter:
                assert shown.name.text() == mode.parameter.capitalize() == shown.number.accessibleName()
                assert shown.number.value() == mode.default
            press(qtbot, window, "M")
        assert shown.mode.currentText() == modes[0].title  # and round again


def test_a_mode_is_used_shown_and_remembered(tmp_path, qtbot, no_threads_left):
    state = tmp_path / "session.json"
    for window in opened(qtbot, state):
        take(qtbot, window, 0)
        choose(qtbot, window, "asarm")
        for key in (Qt.Key.Key_End, Qt.Key.Key_End):  # the second time, nothing changes
            qtbot.keyClick(window.bar.modes.mode, key)
        type_in(qtbot, window.bar.modes.number, "150")
        assert window.bar.modes.number.value() == 150
        type_in(qtbot, window.bar.modes.number, "5")
        run = complete(qtbot, window)
        assert (run.started.sampler.name, run.started.parameter) == ("masked", 5) and run.finished.network_calls < 8
        assert said(window) == "◇ AS-ARM masked 5 · 1 of 4"
        usual = complete_in(qtbot, window, "vssm")
        assert usual.variant == "" and said(window).startswith("● VSSM · ")
        legend = plain(window.timing.words.text())
        assert legend.startswith("● VSSM: 0")
        names = [item.toPlainText() for item in window.timing._names._items]
        assert sorted(names) == [f"{one.title} {formatting.seconds(one.seconds)}" for one in (run, usual)]
        row = window.completion.earlier
        thumbs = [w for w in row.findChildren(type(window.sketch.thumbs[0])) if w.isVisible()]
        assert [w.text().split("\n")[1] for w in thumbs] == ["", "masked 5"]
        choose(qtbot, window, "asarm")
        assert window.bar.modes.mode.currentText() == "Masked" and window.bar.modes.number.value() == 5
    assert session.load(state).dataset_settings.samplers == {"asarm": ("masked", 5)}
    for window in opened(qtbot, state):
        assert window.bar.modes.mode.currentText() == "Masked" and window.bar.modes.number.value() == 5


def complete_in(qtbot, window, name: str):
    choose(qtbot, window, name)
    return complete(qtbot, window)


# --- pause and continue


def begin(qtbot, window):
    """Let the Transformer write a whole picture, and wait until some of it stands."""
    window.bar.samples.setValue(1)
    press(qtbot, window, "Ctrl+D")
    choose(qtbot, window, "transformer")
    press(qtbot, window, "Return")
    run = window.runs.history[-1]
    qtbot.waitUntil(lambda: run.tokens > 0, timeout=LONG)
    return run


def pause(qtbot, window) -> None:
    """Press P, and wait for what was on its way."""
    press(qtbot, window, "P")
    qtbot.wait(200)


def test_pause_and_continue(window, qtbot):
    type_in(qtbot, window.bar.seed, "5")
    window.bar.samples.setValue(1)
    hold = window.actions_["pause"]
    assert not hold.isEnabled()
    press(qtbot, window, "Ctrl+D")
    whole = complete_in(qtbot, window, "transformer")
    begun = time.perf_counter()
    run = begin(qtbot, window)
    assert hold.isEnabled() and button_of(hold).text().startswith("Pause")
    pause(qtbot, window)
    assert said(window).endswith("· paused") and button_of(hold).text().startswith("Continue")
    assert button_of(hold).accessibleName() == "Continue"
    stands, rested = (run.tokens, run.network_calls, run.seconds, figure(window, "seconds")), time.perf_counter()
    qtbot.wait(300)
    assert (run.tokens, run.network_calls, run.seconds, figure(window, "seconds")) == stands
    assert 0 < run.tokens < run.started.tokens and figure(window, "calls") == str(run.network_calls)
    rested = time.perf_counter() - rested
    qtbot.mouseClick(button_of(hold), LEFT)
    assert said(window).endswith("· working …")
    qtbot.waitUntil(ended(window), timeout=LONG)
    assert run.finished.network_calls == whole.finished.network_calls
    assert np.array_equal(run.finished.images, whole.finished.images)
    assert run.seconds <= time.perf_counter() - begun - rested  # the clock stood still
    assert not hold.isEnabled() and button_of(hold).text().startswith("Pause")


def test_a_paused_run_can_be_stopped(window, qtbot):
    run = begin(qtbot, window)
    pause(qtbot, window)
    press(qtbot, window, "Escape")
    qtbot.waitUntil(ended(window), timeout=LONG)
    assert run.finished is None and "stopped" in said(window)
    assert complete(qtbot, window).finished is not None


def test_a_paused_run_gives_way_to_a_new_one(window, qtbot):
    run = begin(qtbot, window)
    pause(qtbot, window)
    assert complete_in(qtbot, window, "vssm").finished is not None
    assert run.ended and run.finished is None
    assert not window.actions_["pause"].isEnabled()


def test_closing_while_paused(window, qtbot):
    begin(qtbot, window)
    pause(qtbot, window)
    press(qtbot, window, "Ctrl+Q")
    assert not window.isVisible() and running_threads() == []


# --- what is said of a run


def test_drafts_are_told(window, qtbot):
    take(qtbot, window, 0)
    run = complete_in(qtbot, window, "asarm")
    end = run.finished
    assert end.drafted >= end.accepted > 0
    a_call = end.tokens / run.request.samples / end.network_calls
    assert window.completion.drafts.isVisible() and figure(window, "calls") == str(end.network_calls)
    assert window.completion.drafts.text() == (
        f"{a_call:.1f} pixels a call · {100 * end.accepted / end.drafted:.0f} % of {end.drafted:,} drafts accepted"
    )
    complete_in(qtbot, window, "vssm")
    assert not window.completion.drafts.isVisible()


def test_clamped_prompts_are_told(window, qtbot):
    """Where a model reads row by row, and only of prompts that are no prefix."""
    for name in registry.PRESETS:
        window.bar.samples.setValue(1)
        take(qtbot, window, 0)
        complete_in(qtbot, window, name)
        assert not window.completion.note.isVisible()
        take(qtbot, window, FREE_FORM)
        complete(qtbot, window)
        preset = registry.get(name)
        assert window.completion.note.isVisible() == preset.network(preset.config(data.MNIST)).prefix_only
        assert window.completion.note.text().startswith(f"{preset.title} reads row by row from the top")


def network_of(name: str):
    """The network of the shipped weights."""
    return checkpoint.load(checkpoint.shipped(name, "mnist")).network


@pytest.mark.parametrize("name", ["vssm", "transformer"])
def test_the_latent_panel_has_all_levels_and_their_posterior_or_says_why_not(window, qtbot, name):
    run = complete_in(qtbot, window, name)
    levels = list(getattr(network_of(name), "latent_levels", {}))
    assert sorted(run.latents) == sorted(run.posteriors) == levels
    assert window.latents.view.isVisible() == bool(levels)
    if levels:
        assert "KL" in window.latents.sums.text() and all(p.divergence.min() > -1e-3 for p in run.posteriors.values())
    else:
        assert window.latents._message.text().startswith("Transformer has no latents")


# --- a model added


def test_a_model_is_one_file_and_one_registry_line(monkeypatch, qtbot, tmp_path, no_threads_left):
    """The window offers, loads, runs and names it without a word of its own about it."""
    monkeypatch.setitem(registry.PRESETS, "toy", toy.PRESET)
    folder = shutil.copytree(checkpoint.SHIPPED, tmp_path / "weights")
    network = registry.build("toy", {"height": 28, "width": 28})
    checkpoint.Checkpoint("toy", data.MNIST, network).save(folder / checkpoint.shipped("toy", "mnist").name)
    for window in opened(qtbot, tmp_path / "session.json", folder):
        take(qtbot, window, FREE_FORM)
        qtbot.mouseClick(model_button(window, "toy"), LEFT)
        assert "all pixels at once" in model_button(window, "toy").toolTip()
        run = complete(qtbot, window)
        prompt = window.canvas.sketch.prompt
        assert run.finished.model == "toy" and run.finished.network_calls == 1
        assert (run.finished.images[:, prompt.known] == prompt.pixels[prompt.known]).all()
        assert run.finished.images[:, ~prompt.known].any() and said(window) == "▼ Toy · 1 of 4"
        choose(qtbot, window, "vssm")
        choose(qtbot, window, "toy")
        press(qtbot, window, "M")
        assert window.bar.modes.name.text() == "Rounds" and window.bar.modes.number.value() == 4
        type_in(qtbot, window.bar.modes.number, "7")
        run = complete(qtbot, window)
        assert run.finished.network_calls == 7 and said(window) == "▽ Toy rounds 7 · 1 of 4"
        assert any("Toy rounds 7" in one.text for one in window.timing._names._names) and window.messages.text == ""
    assert session.load(tmp_path / "session.json").dataset_settings.samplers == {"toy": ("rounds", 7)}


def test_every_pixel_tells_how_likely_it_was_and_a_sample_becomes_the_sketch(window, qtbot):
    """From Return to the pixel under the mouse, with the shipped VSSM."""
    take(qtbot, window, 0)
    run = complete(qtbot, window)
    details, known = run.details, run.request.prompt.known
    assert (details.order[:, ~known] == run.finished.network_calls).all()
    assert np.allclose(details.seconds[:, ~known], run.seconds)
    y, x = np.argwhere(run.finished.images[run.sample_index, ..., 0] * ~known)[0]
    picture = window.completion.picture
    QApplication.processEvents()  # the layout comes to rest
    scale = picture.field().width() / 28
    spot = picture.field().topLeft() + QPointF((x + 0.5) * scale, (y + 0.5) * scale)
    qtbot.mouseMove(picture, spot.toPoint())
    share = formatting.percent(float(np.exp(details.log_probability[run.sample_index, y, x])))
    calls = run.finished.network_calls
    said = window.completion.readout.text
    assert said.startswith(f"ink, {share} likely · row {y + 1}, column {x + 1}\ncall {calls} of {calls} · at ")
    gallery = window.completion.gallery
    for _ in range(2):
        qtbot.mouseClick(gallery, LEFT, pos=gallery.cells()[1].center().toPoint())
    assert np.array_equal(window.canvas.sketch.pixels, run.finished.images[run.ranking[1]])
