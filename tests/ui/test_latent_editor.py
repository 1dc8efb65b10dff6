"""Latents edited in the real window: by click, drag and key; the picture follows, all other codes are held."""

import numpy as np
import pytest
from conftest import PatientBot, ended, opened
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QStyle, QStyleOptionSlider
from windows import LEFT, LONG, choose, press, said, take
from windows import complete as complete_any

from app.core.run import Run
from app.ui import latent_editor
from vssm import checkpoint


@pytest.fixture(scope="module")
def able(request, qapp, tmp_path_factory):
    """A window for all tests of this file, with the models that have latents."""
    folder = tmp_path_factory.mktemp("able")
    for name, data in (("vssm", "mnist"), ("vssm-paper", "mnist"), ("vssm", "cifar10")):
        path = checkpoint.shipped(name, data)
        (folder / path.name).symlink_to(path)
    yield from opened(PatientBot(request), folder / "session.json", folder)


@pytest.fixture
def window(able, qtbot):
    """It, with a sketch and VSSM in its usual mode."""
    able.stop()
    qtbot.waitUntil(lambda: able.runs.running is None, timeout=LONG)
    able.choose_data("mnist")
    able.runs.history, able.workspace.dataset_settings.samplers = [], {}
    able.runs.select(None)
    able.messages.clear()
    choose(qtbot, able, "vssm")
    able.bar.samples.setValue(2)
    take(qtbot, able, 0)
    able.latents._choose(1)
    return able


def complete(qtbot, window) -> Run:
    """The same, and look at its first sample, be it the likeliest or not."""
    run = complete_any(qtbot, window)
    run.picked = 0
    window.runs.select(run)
    return run


def code(window, row: int, column: int) -> QPoint:
    """The middle of a code on the map, which has rows and columns from 0."""
    side = window.latents.map.field.width() / window.latents.map._picture.shape[1]
    return QPoint(round((column + 0.5) * side), round((row + 0.5) * side))


def done(window, qtbot) -> Run:
    """The run shown, once nothing is under way."""
    qtbot.waitUntil(ended(window), timeout=LONG)
    return window.runs.selected_run


def click(window, qtbot, row: int, column: int) -> Run:
    qtbot.mouseClick(window.latents.map, LEFT, pos=code(window, row, column))
    assert window.runs.running is not None
    run = done(window, qtbot)
    assert run.base is not None and window.messages.text == ""
    return run


def differing(one: Run, other: Run) -> dict[int, np.ndarray]:
    """By level, where codes differ, [K, h, w]."""
    return {n: (one.latents[n].codes != other.latents[n].codes).any(-1) for n in one.latents}


def only(mask: np.ndarray, *cells: tuple[int, int], sample: int = 0) -> bool:
    """Whether these codes of one sample differ and no others."""
    return {tuple(map(int, c)) for c in np.argwhere(mask)} == {(sample, *cell) for cell in cells}


def test_a_click_draws_one_code_anew_and_holds_all_others(window, qtbot):
    run = complete(qtbot, window)
    shown = window.completion.picture._image.copy()
    window.completion.choose_sample(1)
    edited = click(window, qtbot, 5, 3)
    assert edited is not run and edited.base is run and edited.sample_index == 1
    differ = differing(run, edited)
    assert only(differ.pop(1), (5, 3), sample=1) and not any(d.any() for d in differ.values())
    assert np.array_equal(edited.images[0], run.images[0])  # the other sample
    window.completion.choose_sample(0)
    qtbot.waitUntil(lambda: not window.completion.comparison.blinks)
    assert window.completion.picture._image == shown
    assert edited.request.seed == run.request.seed and window.messages.text == ""


def test_a_level_drawn_anew_changes_the_picture_at_once_and_back_undoes_it(window, qtbot):
    run = complete(qtbot, window)
    before_edit = window.completion.picture._image.copy()
    assert not window.latents.back.isEnabled()
    qtbot.mouseClick(
        window.latents.strip, LEFT, pos=window.latents.strip.cells()[list(run.latents).index(2)].center().toPoint()
    )
    for _ in range(2):
        qtbot.mouseClick(window.latents.anew, LEFT)
        edited = done(window, qtbot)
        differ = differing(run, edited)
        assert differ[2][0].all() and not differ[2][1].any()
        assert not any(d.any() for level, d in differ.items() if level != 2)
        qtbot.waitUntil(lambda: not window.completion.comparison.blinks)
        count = int(edited.changed.sum())  # of fine levels there may be none
        assert (f"{count} px changed" if count else "no change to be seen") in window.latents.sums.text()
        assert edited.origin is run and window.runs.history == [edited]
    qtbot.mouseClick(window.latents.back, LEFT)
    assert window.runs.selected_run.base is run and window.runs.history == [window.runs.selected_run]
    press(qtbot, window, "Shift+Z")
    assert window.runs.selected_run is run and window.runs.history == [run] and not window.latents.back.isEnabled()
    assert window.completion.picture._image == before_edit
    press(qtbot, window, "Shift+Z")  # nothing is left to take back
    assert window.runs.selected_run is run


def test_another_code_draws_another_digit(window, qtbot):
    run = complete(qtbot, window)
    window.latents._choose(0)
    assert window.latents.map._picture.shape[:2] == run.latents[0].plan.shape[1:3]
    assert window.latents.anew.text() == "↻ Digit" and not window.latents.walk.isVisible()
    qtbot.mouseClick(window.latents.map, LEFT, pos=window.latents.map.field.center().toPoint())
    edited = done(window, qtbot)
    assert edited.base is run and window.messages.text == ""
    differ = differing(run, edited)
    assert all(d[0].all() for d in differ.values() if d.shape[1:] == (1, 1)) and not any(
        d[1].any() for d in differ.values()
    )
    assert all(d[0].any() for n, d in differ.items() if run.latents[n].kind == "gaussian")  # all levels follow
    assert edited.changed.sum() > 20 and np.array_equal(edited.images[1], run.images[1])


def test_undo_stays_the_sketchs(window, qtbot):
    take(qtbot, window, 1)
    complete(qtbot, window)
    edited = click(window, qtbot, 5, 3)
    before = window.canvas.sketch.pixels.copy()
    press(qtbot, window, "Ctrl+Z")
    assert window.runs.selected_run is edited and not np.array_equal(window.canvas.sketch.pixels, before)


def test_a_drag_draws_a_rectangle_of_codes_anew(window, qtbot):
    run, map_ = complete(qtbot, window), window.latents.map
    qtbot.mousePress(map_, LEFT, pos=code(window, 4, 2))
    qtbot.mouseMove(map_, code(window, 5, 4))
    qtbot.mouseRelease(map_, LEFT, pos=code(window, 5, 4))
    differ = differing(run, done(window, qtbot))
    assert only(differ[1], *((y, x) for y in (4, 5) for x in (2, 3, 4)))


def test_keys_move_mark_edit_and_take_back(window, qtbot):
    run, map_ = complete(qtbot, window), window.latents.map
    order = list(window.latents.pictures)  # by how far they move the picture, as measured
    assert order[0] == 0  # which stands for the whole
    one, two = order[1:3]
    window.latents._choose(one)
    map_.setFocus()
    for _ in range(9):
        qtbot.keyClick(map_, Qt.Key.Key_Up)
        qtbot.keyClick(map_, Qt.Key.Key_Left)
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Down, Qt.Key.Key_Space):
        qtbot.keyClick(map_, key)
    assert only(differing(run, done(window, qtbot))[one], (1, 1))
    qtbot.keyClick(map_, Qt.Key.Key_Backspace)
    assert window.runs.selected_run is run
    qtbot.keyClick(map_, Qt.Key.Key_PageDown)
    qtbot.keyClick(map_, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    qtbot.keyClick(map_, Qt.Key.Key_Return)  # which completes wherever else it is pressed
    edited = done(window, qtbot)
    assert only(differing(run, edited)[two], (1, 1), (1, 2)) and window.runs.history == [edited]
    for _ in range(9):
        qtbot.keyClick(map_, Qt.Key.Key_PageDown)
    assert window.latents.anew.accessibleName().startswith(f"Resample level {order[-1]},")
    window.latents.strip.setFocus()
    qtbot.keyClick(window.latents.strip, Qt.Key.Key_Left)
    assert window.latents.anew.accessibleName().startswith(f"Resample level {order[-2]},")
    qtbot.keyClick(window.latents.strip, Qt.Key.Key_Return)
    assert differing(edited, done(window, qtbot))[order[-2]][0].all() and len(window.runs.history) == 1


def test_a_code_pointed_at_is_told_and_framed_on_the_picture(window, qtbot):
    run = complete(qtbot, window)
    rest = window.latents.sums.text()
    qtbot.mouseMove(window.latents.map, code(window, 5, 3))
    part = window.completion.picture._part
    assert (part.x() * 28, part.y() * 28, part.width() * 28) == pytest.approx((12, 20, 4))
    entropy = run.latents[1].entropy[0, 5, 3] / np.log(2)
    assert window.latents.sums.text().startswith("row 6, column 4: ")
    assert window.latents.sums.text().endswith(f"entropy {entropy:.1f} bits".replace("-", "−"))
    qtbot.mouseMove(window.latents.strip)
    assert window.completion.picture._part is None and window.latents.sums.text() == rest


def test_times_are_those_of_the_first_run(window, qtbot):
    run = complete(qtbot, window)
    words = window.timing.words.text()
    edited = click(window, qtbot, 5, 3)
    assert said(window).startswith("● VSSM, edited") and edited.title == "VSSM, edited"
    assert window.timing.words.text() == words and window.timing._runs == [run]
    again = complete(qtbot, window)  # a run of its own: the edited one stays beside it
    assert window.runs.history == [edited, again] and again.base is None


@pytest.mark.parametrize(("model", "mode"), [("vssm", "chunked"), ("vssm-paper", "sequential")])
def test_a_mode_that_cannot_hold_latents_says_so(window, qtbot, model, mode):
    choose(qtbot, window, model)
    press(qtbot, window, "M")
    run = complete(qtbot, window)
    assert run.finished.sampler == mode
    qtbot.mouseClick(window.latents.map, LEFT, pos=code(window, 5, 3))
    assert (
        "sampler Parallel only" in window.messages.text
        and window.runs.running is None
        and window.runs.selected_run is run
    )


def test_the_papers_classes_can_be_edited(window, qtbot):
    choose(qtbot, window, "vssm-paper")
    run = complete(qtbot, window)
    assert only(differing(run, click(window, qtbot, 4, 3))[1], (4, 3))  # another code, every time
    assert "class" in window.latents.sums.text()


def test_stop_leaves_what_stood_and_a_second_click_joins_the_first(window, qtbot):
    press(qtbot, window, "Ctrl+2")
    window.bar.samples.setValue(16)  # so that an edit takes long enough to be met, on a busy machine too
    run = complete(qtbot, window)
    qtbot.mouseClick(window.latents.map, LEFT, pos=code(window, 5, 3))
    assert window.actions_["stop"].isEnabled()
    press(qtbot, window, "Escape")
    assert done(window, qtbot) is run and window.runs.history == [run] and not window.actions_["stop"].isEnabled()
    for column in (1, 2):
        qtbot.mouseClick(window.latents.map, LEFT, pos=code(window, 5, column))
    edited = done(window, qtbot)
    assert edited.base is run and only(differing(run, edited)[1], (5, 1), (5, 2))


def test_an_edit_that_joins_another_draws_again_what_that_drew(window, qtbot):
    run = complete(qtbot, window)
    masks = np.zeros((3, 7, 7), bool)
    masks[0, 5, 1] = masks[1, 5, 2] = masks[2, 5, 1:4] = True
    first = latent_editor.edited(run, 1, masks[0]).fixed_latents
    second, third = (latent_editor.edited(run, 1, mask, first).fixed_latents for mask in masks[1:])
    assert second.seed == first.seed != third.seed  # where they meet, the later one draws anew
    one, two = (list(run.latents).index(number) for number in (1, 2))
    assert only(second.redraw[one], (5, 1), (5, 2)) and only(third.redraw[one], (5, 1), (5, 2), (5, 3))
    level = latent_editor.edited(run, 2, None, second).fixed_latents
    assert not level.other and only(level.redraw[one], (5, 1), (5, 2)) and level.redraw[two][0].all()


def test_colour(window, qtbot):
    press(qtbot, window, "Ctrl+2")
    run = complete_any(qtbot, window)
    cell = window.latents.map.cell  # the one that moves the picture most
    edited = click(window, qtbot, *cell)
    assert only(differing(run, edited)[1], cell, sample=run.sample_index)
    assert (edited.images != run.images).any()


def test_a_slider_walks_the_framed_code(window, qtbot):
    """The picture follows the hand; what is let go of takes the run's place, as one edit."""
    press(qtbot, window, "Ctrl+2")
    run = complete_any(qtbot, window)
    sample = run.sample_index
    slider, cell, shown = window.latents.walk.slider, window.latents.map.cell, window.completion.picture._image.copy()
    option = QStyleOptionSlider()
    slider.initStyleOption(option)
    part = QStyle.ComplexControl.CC_Slider, option, QStyle.SubControl.SC_SliderHandle, slider
    handle = slider.style().subControlRect(*part).center()
    qtbot.mousePress(slider, LEFT, pos=handle)
    qtbot.mouseMove(slider, QPoint(slider.width() // 3, handle.y()))
    qtbot.waitUntil(lambda: window.completion.picture._image != shown, timeout=LONG)
    glance = window.completion.run
    assert glance.base is run and glance.details is None
    for end in (0, slider.width() - 1):
        qtbot.mouseMove(slider, QPoint(end, handle.y()))
    qtbot.mouseRelease(slider, LEFT, pos=QPoint(slider.width() - 1, handle.y()))
    qtbot.waitUntil(lambda: ended(window)() and window.runs.selected_run.details is not None, timeout=LONG)
    edited = window.runs.selected_run
    assert edited.base is run and window.runs.history == [edited] and edited.details is not None
    differ = differing(run, edited)
    assert only(differ.pop(1), cell, sample=sample) and not any(d.any() for d in differ.values())
    before, after = (one.latents[1].codes[(sample, *cell)] for one in (run, edited))
    assert (before != after).sum() == 1 and after[before != after] == 3
    assert (edited.images != run.images).any()
    qtbot.keyClick(slider, Qt.Key.Key_Home)
    walked = done(window, qtbot)
    assert walked.latents[1].codes[(sample, *cell)].min() == -3 and walked.base is edited
    qtbot.mouseClick(window.latents.back, LEFT)
    assert window.runs.selected_run is edited and slider.value() == slider.maximum()


def test_an_edit_blinks_and_what_was_before_is_seen_while_a_button_is_held(window, qtbot):
    complete(qtbot, window)
    picture = window.completion.picture
    window.latents._choose(0)
    before = picture._image.copy()
    qtbot.mouseClick(window.latents.anew, LEFT)
    qtbot.waitUntil(lambda: bool(picture._changed) and picture._image == before, timeout=LONG)  # outlined before
    qtbot.waitUntil(lambda: bool(picture._changed) and picture._image != before, timeout=LONG)
    done(window, qtbot)
    qtbot.waitUntil(lambda: not picture._changed, timeout=LONG)
    after = picture._image.copy()
    assert after != before
    qtbot.mousePress(window.latents.before, LEFT)
    assert picture._image == before and picture._changed
    qtbot.mouseRelease(window.latents.before, LEFT)
    assert picture._image == after and not picture._changed


def test_edits_to_be_taken_back_are_bounded(window, qtbot, monkeypatch):
    monkeypatch.setattr(latent_editor, "MOST_BACK", 2)
    run = complete(qtbot, window)
    for i in range(5):
        click(window, qtbot, i % 7, 3)
    backs = 0
    while window.latents.back.isEnabled():
        qtbot.mouseClick(window.latents.back, LEFT)
        backs += 1
    assert window.runs.selected_run is run and backs == 2
