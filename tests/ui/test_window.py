"""The whole window, by real mouse and key events, with the shipped models."""

import dataclasses
import importlib.metadata
import json

import numpy as np
import pytest
from conftest import at, ended, opened, running_threads
from making import asked_run
from PIL import Image
from PySide6.QtCore import Qt, qVersion
from PySide6.QtWidgets import QFileDialog, QLineEdit, QTextBrowser
from windows import LEFT, LONG, accept, choose, complete, figure, model_button, plain, press, said, take, type_in

from app.core import formatting, session
from app.core import run as runs
from app.core.run import Run
from app.ui import actions, theme
from vssm import checkpoint, data
from vssm.files.examples import examples
from vssm.models import registry
from vssm.prompt import Prompt
from vssm.sampling.events import Finished, Latents, Progress, Started
from vssm.sampling.step import Sampler

# --- what a person gives


def test_a_mouse_draws_and_undo_takes_back(window, draw, qtbot):
    draw(window.canvas, [(5, 3), (22, 5)])
    assert window.canvas.sketch.pixels[3, 5] == 255
    press(qtbot, window, "Ctrl+Z")
    assert not window.canvas.sketch.pixels.any()
    press(qtbot, window, "Ctrl+Shift+Z")
    assert window.canvas.sketch.pixels[3, 5] == 255
    press(qtbot, window, "Ctrl+Backspace")
    assert not window.canvas.sketch.pixels.any()


def test_tools_by_key_and_click(window, draw, qtbot):
    press(qtbot, window, "U")
    draw(window.canvas, [(5, 3), (22, 3)])
    assert not window.canvas.sketch.known[3, 5:23].any()
    press(qtbot, window, "K")
    draw(window.canvas, [(5, 3), (22, 3)])
    assert window.canvas.sketch.known[3, 5:23].all() and not window.canvas.sketch.pixels.any()
    press(qtbot, window, "]")
    assert window.canvas.pen == 3
    press(qtbot, window, "[")
    press(qtbot, window, "[")
    assert window.canvas.pen == 1


def test_the_row_slider_sets_known_rows_exactly(window, draw, qtbot):
    draw(window.canvas, [(5, 20), (22, 20)])  # ink below, which makes pixels known there
    window.sketch.rows.setFocus()
    for key, rows in ((Qt.Key.Key_Home, 0), (Qt.Key.Key_Right, 1), (Qt.Key.Key_End, 28), (Qt.Key.Key_Left, 27)):
        qtbot.keyClick(window.sketch.rows, key)
        expected = np.zeros((28, 28), bool)
        expected[:rows] = True
        assert np.array_equal(window.canvas.sketch.known, expected)
    assert window.canvas.sketch.prompt.pixels[20, 10] == 255  # ink that was unknown for a while is not lost
    press(qtbot, window, "Ctrl+Z")
    assert window.canvas.sketch.known[20, 10] and window.sketch.rows.value() > 20


def test_all_and_none_known(window, qtbot):
    press(qtbot, window, "Ctrl+A")
    assert window.canvas.sketch.known.all() and window.sketch.rows.value() == 28
    press(qtbot, window, "Ctrl+D")
    assert not window.canvas.sketch.known.any() and window.sketch.rows.value() == 0


def test_every_example_is_one_click_away(window, qtbot):
    shown = examples(data.MNIST)
    assert len(window.sketch.thumbs) == len(shown) > 3
    for i, example in enumerate(shown):
        take(qtbot, window, i)
        prompt = window.canvas.sketch.prompt
        assert np.array_equal(prompt.known, example.prompt.known)
        assert np.array_equal(prompt.pixels[prompt.known], example.prompt.pixels[prompt.known])


def test_models_by_click_and_key(window, qtbot):
    names = list(registry.PRESETS)
    assert [a.data() for a in window.actions_.choices("choose_model")] == names
    for i, name in enumerate(names, 1):
        press(qtbot, window, str(i))
        assert window.workspace.model == name and model_button(window, name).isChecked()
    for name in names:
        qtbot.mouseClick(model_button(window, name), LEFT)
        assert window.workspace.model == name
        qtbot.waitUntil(lambda n=name: registry.get(n).title in window.status.text(), timeout=LONG)


def test_digits_typed_into_a_field_choose_no_model(window, qtbot):
    window.bar.samples.setFocus()
    window.bar.samples.selectAll()
    qtbot.keyClicks(window.bar.samples.findChild(QLineEdit), "12")
    assert window.bar.samples.value() == 12 and window.workspace.model == "vssm"


# --- what a model makes of it


@pytest.mark.parametrize("name", list(registry.PRESETS))
def test_return_completes_and_leaves_known_pixels_alone(window, qtbot, name):
    take(qtbot, window, 0)
    qtbot.mouseClick(model_button(window, name), LEFT)
    run = complete(qtbot, window)
    prompt = window.canvas.sketch.prompt
    assert isinstance(run.finished, Finished) and run.finished.model == name and run is window.runs.selected_run
    assert run.finished.images.shape == (4, *data.MNIST.shape) and run.filled.all()
    assert (run.finished.images[:, prompt.known] == prompt.pixels[prompt.known]).all()
    assert run.finished.images[:, ~prompt.known].any()  # it drew something
    assert formatting.seconds(run.finished.seconds + run.finished.prompt_seconds) == figure(window, "seconds")
    assert figure(window, "calls") == str(run.finished.network_calls)
    assert window.messages.text == ""
    assert bool(run.latents) == bool(run.started.num_levels) == window.latents.view.isVisible()
    assert len(run.latents) == run.started.num_levels + (0 in run.latents)  # of the levels, the code is none


def test_the_transformer_fills_in_live(window, qtbot):
    take(qtbot, window, 0)
    press(qtbot, window, "2")
    press(qtbot, window, "Return")
    seen = []

    def half_way():
        seen.append((window.runs.selected_run.tokens, window.runs.selected_run.filled.sum(), figure(window, "calls")))
        return ended(window)()

    qtbot.waitUntil(half_way, timeout=LONG)
    tokens = sorted({t for t, _, _ in seen})
    assert len(tokens) > 4 and tokens[-1] == window.runs.selected_run.started.tokens
    assert len({calls for _, _, calls in seen}) > 4  # and the panel showed it


def test_stop_in_the_middle(window, qtbot):
    press(qtbot, window, "Ctrl+D")
    press(qtbot, window, "2")
    press(qtbot, window, "Return")
    run = window.runs.history[-1]
    qtbot.waitUntil(lambda: run.tokens > 0, timeout=LONG)
    press(qtbot, window, "Escape")
    qtbot.waitUntil(ended(window), timeout=LONG)
    assert run.finished is None and 0 < run.tokens < run.started.tokens and run.ended
    assert "stopped" in said(window)
    assert not window.actions_["stop"].isEnabled()
    assert complete(qtbot, window).finished is not None


def test_the_latest_request_wins(window, qtbot):
    press(qtbot, window, "2")
    press(qtbot, window, "Return")
    first = window.runs.history[-1]
    qtbot.waitUntil(lambda: first.tokens > 0, timeout=LONG)
    press(qtbot, window, "1")
    press(qtbot, window, "Return")
    qtbot.waitUntil(lambda: first.ended and ended(window)(), timeout=LONG)
    assert first.finished is None
    assert window.runs.selected_run.model == "vssm" and window.runs.selected_run.finished is not None


def test_earlier_runs_are_kept_and_compared(window, qtbot):
    take(qtbot, window, 0)
    fast = complete(qtbot, window)
    press(qtbot, window, "2")
    slow = complete(qtbot, window)
    ratio = formatting.times(slow.seconds / fast.seconds)
    assert plain(window.timing.words.text()) == (
        f"● VSSM {ratio} faster than the ■ Transformer: "
        f"{formatting.seconds(fast.seconds)} against {formatting.seconds(slow.seconds)}"
    )
    assert len(window.timing._curves) == 2
    thumbs = [w for w in window.completion.earlier.findChildren(type(window.sketch.thumbs[0])) if w.isVisible()]
    assert len(thumbs) == 2
    qtbot.mouseClick(thumbs[1], LEFT)  # the newest stands first
    assert window.runs.selected_run is fast
    press(qtbot, window, "2")
    assert window.runs.selected_run is slow
    press(qtbot, window, "Ctrl+Shift+Backspace")
    assert window.runs.history == [slow]


def test_a_sample_is_shown_large_by_click(window, qtbot):
    run = complete(qtbot, window)
    qtbot.mouseClick(window.completion.gallery, LEFT, pos=window.completion.gallery.cells()[2].center().toPoint())
    assert run.sample_index == run.ranking[2] and "3 of 4" in said(window)
    qtbot.keyClick(window.completion.gallery, Qt.Key.Key_Right)
    assert run.sample_index == run.ranking[3]


def test_nothing_known_is_generation_and_everything_known_is_told(window, qtbot):
    press(qtbot, window, "Ctrl+D")
    assert complete(qtbot, window).started.tokens == 4 * 784
    press(qtbot, window, "Ctrl+A")
    press(qtbot, window, "Return")
    qtbot.waitUntil(lambda: window.messages.text != "", timeout=LONG)
    assert "Every pixel of the prompt is known" in window.messages.text
    qtbot.waitUntil(ended(window), timeout=LONG)
    press(qtbot, window, "Ctrl+D")
    complete(qtbot, window)
    assert window.messages.text == ""


def test_live_completes_when_the_pen_is_lifted(window, draw, qtbot):
    press(qtbot, window, "L")
    qtbot.waitUntil(ended(window), timeout=LONG)
    draw(window.canvas, [(8, 4), (18, 6)])
    qtbot.waitUntil(lambda: len(window.runs.history) == 2 and ended(window)(), timeout=LONG)
    assert (window.runs.selected_run.finished.images[:, 4, 8] == 255).all()


def test_seeds(window, qtbot):
    """New ones by default; a given one is kept, and gives the same completion again."""
    a, b = complete(qtbot, window), complete(qtbot, window)
    assert a.request.seed != b.request.seed
    type_in(qtbot, window.bar.seed, "77")
    c, d = complete(qtbot, window), complete(qtbot, window)
    assert c.request.seed == d.request.seed == 77
    assert np.array_equal(c.finished.images, d.finished.images)
    assert not np.array_equal(a.finished.images, c.finished.images)


# --- when something is wrong


def test_a_broken_checkpoint_is_told_and_the_other_model_works(tmp_path, qtbot, no_threads_left):
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "vssm-mnist.safetensors").write_bytes(b"not weights")
    other = checkpoint.shipped("transformer", "mnist")
    (folder / other.name).write_bytes(other.read_bytes())
    for window in opened(qtbot, tmp_path / "session.json", folder):
        qtbot.waitUntil(lambda w=window: "is broken" in w.messages.text, timeout=LONG)
        press(qtbot, window, "Return")
        qtbot.waitUntil(lambda w=window: w.runs.running is None, timeout=LONG)
        assert "vssm-mnist.safetensors is broken" in window.messages.text and window.runs.history == []
        press(qtbot, window, "2")
        assert complete(qtbot, window).finished.model == "transformer"


def test_missing_weights_are_told(tmp_path, qtbot, no_threads_left):
    """By the button's tooltip, and in one sentence once the model is wanted; nothing is started."""
    for window in opened(qtbot, tmp_path / "session.json", tmp_path):
        for name, preset in registry.PRESETS.items():
            qtbot.waitUntil(lambda w=window: w.messages.text != "", timeout=LONG)  # of the first, at once
            train = f"python -m vssm train --model {name} --data mnist --minutes"
            assert train in " ".join(model_button(window, name).toolTip().split())  # its lines are broken
            qtbot.mouseClick(model_button(window, name), LEFT)
            assert window.messages.text.startswith(f"{preset.title} has no weights for MNIST: run “{train}")
            assert window.messages.text.count("\n") == 0 and window.status.text() == f"{preset.title} has no weights"
            window.messages.clear()
            press(qtbot, window, "Return")
            assert "has no weights" in window.messages.text and window.runs.history == []


def test_closing_in_the_middle_of_a_run(window, qtbot, draw):
    draw(window.canvas, [(5, 3), (22, 5)])
    press(qtbot, window, "2")
    press(qtbot, window, "Return")
    run = window.runs.history[-1]
    qtbot.waitUntil(lambda: run.tokens > 0, timeout=LONG)
    press(qtbot, window, "Ctrl+Q")
    assert not window.isVisible() and running_threads() == []
    saved = session.load(window.autosave.path)
    assert saved.model == "transformer" and saved.dataset_settings.sketch.pixels[3, 5] == 255


def test_closing_at_once(tmp_path, qtbot, no_threads_left):
    for window in opened(qtbot, tmp_path / "session.json"):
        window.close()
        assert window.engine.closed


def test_a_session_comes_back(tmp_path, qtbot, draw, no_threads_left):
    state = tmp_path / "session.json"
    for window in opened(qtbot, state):
        draw(window.canvas, [(5, 3), (22, 5)])
        window.bar.samples.setValue(9)
        window.bar.temperature.setValue(0.7)
        press(qtbot, window, "2")
        window.actions_["choose_theme", "dark"].trigger()
        left = window.session()
    for window in opened(qtbot, state):
        assert window.session() == left == session.load(state)
        assert window.workspace.model == "transformer" and window.bar.samples.value() == 9 and theme.now.dark
        assert model_button(window, "transformer").isChecked()


def test_a_broken_session_is_told_and_set_aside(tmp_path, qtbot, no_threads_left):
    state = tmp_path / "session.json"
    state.write_text(json.dumps(session.Session().to_dict() | {"samples": 4000}))
    for window in opened(qtbot, state):
        assert "set aside as session.json.broken" in window.messages.text and window.bar.samples.value() == 4
    assert session.load(state) == window.session()
    assert json.loads((tmp_path / "session.json.broken").read_text())["samples"] == 4000


# --- files, pages, looks


def test_completions_are_saved(window, qtbot, tmp_path):
    run = complete(qtbot, window)
    press(qtbot, window, "Ctrl+S")
    accept(qtbot, window, tmp_path / "one.png")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "one.png")), run.finished.images[run.sample_index, ..., 0])
    press(qtbot, window, "Ctrl+Shift+S")
    accept(qtbot, window, tmp_path / "all")
    sheet = np.asarray(Image.open(tmp_path / "all.png"))
    prompt = run.request.prompt
    assert sheet.shape == (28, 5 * 28 + 4 * 2)  # the prompt, and four samples
    assert np.array_equal(sheet[:, :28], np.where(prompt.known, prompt.pixels[..., 0], 128))
    assert np.array_equal(sheet[:, -28:], run.finished.images[3, ..., 0])
    assert window.messages.text.startswith("Saved ")


def test_a_place_that_cannot_be_written_is_one_sentence(window, qtbot, tmp_path):
    complete(qtbot, window)
    window.files.save_one()
    dialog = window.findChild(QFileDialog)
    (tmp_path / "file").write_text("")
    dialog.fileSelected.emit(str(tmp_path / "file" / "one.png"))
    dialog.close()
    assert "cannot be written" in window.messages.text


@pytest.mark.parametrize("name", ["a.jpg", "a.gif", "a.json", "a.png.txt"])
def test_a_name_that_says_something_else_is_refused(window, qtbot, tmp_path, name):
    """For a completion, all samples, and the session: nothing is written."""
    if not window.runs.history:
        complete(qtbot, window)
    for save in (
        window.files.save_one,
        window.files.save_all,
        *([window.files.save_session] if name != "a.json" else []),
    ):
        window.messages.clear()
        save()
        accept(qtbot, window, tmp_path / name)
        assert "must end in" in window.messages.text and window.messages.text.count(". ") == 0
        assert not (tmp_path / name).exists()


def test_nothing_to_save_is_no_dialog(window, qtbot):
    press(qtbot, window, "Ctrl+S")
    assert window.findChild(QFileDialog) is None


def test_the_cheat_sheet_holds_every_shortcut(window, qtbot):
    page = actions.cheat_sheet()
    for spec in actions.table():
        assert all(actions.shown(key) in page for key in spec.keys) and (not spec.keys or spec.text in page)
    press(qtbot, window, "F1")
    assert window._dialog.isVisible()
    window._dialog.close()
    window.actions_["show_about"].trigger()
    told = window._dialog.findChild(QTextBrowser).toPlainText()
    versions = importlib.metadata.version("torch"), qVersion(), window.models.device_name
    assert window._dialog.isVisible() and all(one in told for one in versions)
    window._dialog.close()


def test_no_key_is_given_twice_and_every_action_explains_itself():
    keys = [key for spec in actions.table() for key in spec.keys]
    assert len(keys) == len(set(keys))
    assert all(spec.tip for spec in actions.table())


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_colours_can_be_read(window, colours):
    """WCAG AA: 4.5 to 1 for all text."""
    window.actions_["choose_theme", colours].trigger()
    t = theme.now
    assert t.dark == (colours == "dark")
    for text in (t.text, t.muted, *t.models):
        for ground in (t.window, t.card):
            assert contrast(text, ground) >= 4.5, (text, ground)
    for text, ground in ((t.on_accent, t.accent), (t.on_error, t.error), (t.on_note, t.note), (t.text, t.raised)):
        assert contrast(text, ground) >= 4.5, (text, ground)


def contrast(a: str, b: str) -> float:
    def luminance(colour):
        parts = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("size", [(1024, 640), (1280, 760), (1920, 1080)])
def test_everything_fits(window, qtbot, size):
    """No panel sticks out of the window, and no button is cut off, whichever model's mode is shown."""
    for name in registry.PRESETS:
        choose(qtbot, window, name)
        assert window.centralWidget().minimumSizeHint().width() <= size[0]
    complete(qtbot, window)
    window.resize(*size)
    qtbot.wait(20)
    assert (window.width(), window.height()) == size
    for button in window.findChildren(type(window.sketch.thumbs[0])):
        if button.isVisible():
            assert window.rect().contains(button.rect().translated(button.mapTo(window, button.rect().topLeft())))
            assert button.width() >= button.minimumSizeHint().width(), button.text()
            assert button.accessibleName() or button.objectName().startswith("qt_"), button.text()


def test_the_sketch_is_where_the_mouse_is_after_resizing(window, qtbot, draw):
    window.resize(1024, 640)
    qtbot.wait(20)
    draw(window.canvas, [(7, 9)])
    assert window.canvas.sketch.pixels[9, 7] == 255
    assert window.canvas.rect().contains(at(window.canvas, 27, 27))


# --- what is said of runs


def made_run(name: str, seconds: float, tokens: int = 448, samples: int = 1, rows: int = 12, **mode) -> Run:
    prompt = Prompt.empty(28, 28, 1).with_rows(rows)
    run = asked_run(1, name, "mnist", prompt, samples=samples, **mode)
    images = np.zeros((samples, 28, 28, 1), np.uint8)
    run.add(Started(name, name, tokens, samples, 0, "CPU", 2, False, Sampler("parallel", "Parallel", "at once"), 0, ""))
    run.add(Finished(name, images, seconds, 0.0, 8, tokens, "CPU", 2, "parallel", 0))
    return run


def test_the_vssm_is_compared_with_the_transformer():
    assert runs.compare([]) == ""
    assert runs.compare([made_run("vssm", 0.008)]) == "VSSM: 0.008 s. Complete with the Transformer to compare."
    assert runs.compare([made_run("mamba", 1.0)]) == "Complete with the VSSM and the Transformer to compare."
    made = [
        made_run("transformer", 9),
        made_run("vssm", 0.014),
        made_run("asarm", 0.002),
        made_run("transformer", 0.66),
    ]
    assert runs.compare(made) == "VSSM 47 × faster than the Transformer: 0.014 s against 0.66 s"
    text = runs.compare([made_run("vssm", 0.3), made_run("transformer", 0.1)])
    assert text == "Transformer 3.0 × faster than the VSSM: 0.10 s against 0.30 s"


def test_unlike_runs_are_compared_by_seconds_a_picture_and_that_is_said():
    text = runs.compare([made_run("vssm", 0.04, samples=4, tokens=1792), made_run("transformer", 0.5)])
    assert text == "VSSM 50 × faster than the Transformer: 0.010 s against 0.50 s a picture, of 4 and 1 at once"
    far = made_run("transformer", 0.5)
    far.started = dataclasses.replace(far.started, device="GPU")
    text = runs.compare([made_run("vssm", 0.01), far])
    assert text == "VSSM 50 × faster than the Transformer: 0.010 s against 0.50 s on CPU and on GPU"


def test_equal_numbers_of_samples_are_compared_where_there_are_such():
    four = {"samples": 4, "tokens": 1792}
    made = [
        made_run("vssm", 0.05),
        made_run("transformer", 1.25),
        made_run("vssm", 0.064, **four),
    ]
    head = "VSSM 25 × faster than the Transformer: 0.050 s against 1.25 s for 1 sample each"
    assert runs.compare(made) == runs.compare(made[::-1]) == head
    made += [made_run("transformer", 2.56, **four), made_run("transformer", 1.3, samples=2, tokens=896)]
    head = "VSSM 40 × faster than the Transformer: 0.064 s against 2.56 s for 4 samples each"
    assert runs.compare(made) == head  # the newest such pair
    made.append(made_run("vssm", 0.0625))
    assert runs.compare(made).startswith("VSSM 20 × faster than the Transformer:")


def test_usual_modes_are_compared_where_there_are_such():
    usual, other = made_run("transformer", 0.5), made_run("transformer", 0.1, sampler="chunked", parameter=49)
    text = runs.compare([made_run("vssm", 0.01), other])
    assert text == f"VSSM 10 × faster than the {other.title}: 0.010 s against 0.10 s"
    assert "the Transformer: 0.010 s against 0.50 s" in runs.compare([made_run("vssm", 0.01), usual, other])


@pytest.mark.parametrize(
    ("mode", "size", "said"),
    [(None, None, ""), ("assd", 32, ""), ("assd", 8, "ASSD 8"), ("random", None, "random order")],
)
def test_a_mode_is_named_where_it_is_not_the_usual_one(mode, size, said):
    assert made_run("asarm", 1, sampler=mode, parameter=size).title == f"AS-ARM {said}".rstrip()


def test_latents_move_the_curve_until_pixels_do():
    run = asked_run(1, "vssm-paper", "mnist", Prompt.empty(28, 28, 1).with_rows(14))
    nothing = np.zeros((1, 14, 14), np.float32)
    for calls in (1, 2):
        run.add(Latents(0.1 * calls, 1, 1, "gaussian", 0, nothing[..., None], nothing))
        run.add(Progress(0.1 * calls, 4 * calls, calls, run.images, run.filled))
    assert run.points == [(0.1, 0), (0.1, 4), (0.2, 8)]


def test_scores_and_counts():
    assert formatting.score({}) == ""
    assert formatting.score({"nats": 88.06, "bound": "elbo"}) == "surprise (−ELBO) 88.1 nats"
    told = formatting.score({"nats": 82.5, "bound": "exact", "label_kept": 0.678})
    assert told == "surprise (NLL) 82.5 nats · digit still readable 67.8 %"
    assert [formatting.count(n) for n in (12, 850_000, 1_900_000)] == ["12", "850 k", "1.9 M"]
