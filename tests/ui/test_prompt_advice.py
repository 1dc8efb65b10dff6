"""A sketch that is unlike what the models were trained on is told in a sentence, and can be made like it."""

import numpy as np
import pytest
from commands import DATA
from conftest import opened
from making import sketched
from PIL import Image, ImageDraw
from PySide6.QtCore import Qt
from windows import complete, press, take

from app.core import session
from vssm import checkpoint, data, prompt_advice
from vssm.files.examples import examples
from vssm.files.ink import stroke_width
from vssm.prompt import Prompt

DIGITS = {  # in shares of the box that MNIST's digits fill
    "seven": [(0.1, 0.05), (0.9, 0.05), (0.6, 0.45), (0.4, 1.0)],
    "zero": [(0.5, 0.0), (0.2, 0.2), (0.1, 0.5), (0.2, 0.9), (0.5, 1.0), (0.8, 0.8), (0.9, 0.5), (0.8, 0.2), (0.5, 0)],
    "three": [(0.2, 0.1), (0.6, 0.0), (0.8, 0.2), (0.5, 0.45), (0.85, 0.75), (0.6, 1.0), (0.15, 0.9)],
}
ALL = np.ones((28, 28), bool)
UPPER = np.arange(28)[:, None].repeat(28, 1) < 14


def digit(name: str, middle=(14.5, 14.5), size: float = 18, width: float = 2.5) -> np.ndarray:
    """[28, 28, 1] uint8 of 0 and 255; its centre of mass in `middle` (x, y)."""
    places = np.array(DIGITS[name]) * size

    def drawn(left: float, top: float) -> np.ndarray:
        large = Image.new("L", (28 * 8, 28 * 8))
        line = [(8 * (x + left), 8 * (y + top)) for x, y in places]
        ImageDraw.Draw(large).line(line, 255, round(8 * width), joint="curve")
        return np.asarray(large.resize((28, 28), Image.Resampling.BOX)) >= 128

    left, top = 14 - size / 2, 14 - size / 2
    y, x = (p.mean() + 0.5 for p in np.nonzero(drawn(left, top)))
    return np.where(drawn(left + middle[0] - x, top + middle[1] - y), 255, 0).astype(np.uint8)[..., None]


def said(pixels: np.ndarray, known: np.ndarray = ALL) -> str:
    return prompt_advice.advise(Prompt(pixels, known), data.MNIST)


@pytest.mark.parametrize("name", DIGITS)
@pytest.mark.parametrize("known", [ALL, UPPER], ids=["all", "upper"])
def test_nothing_is_said_of_a_digit_like_those_of_the_set(name, known):
    assert said(digit(name), known) == ""


def test_nothing_is_said_of_the_examples_and_of_empty_sketches():
    for dataset in data.DATA_SETS.values():
        assert all(prompt_advice.advise(one.prompt, dataset) == "" for one in examples(dataset))
        assert prompt_advice.advise(Prompt.empty(*dataset.shape).with_rows(14), dataset) == ""


ROW, COLUMN = np.mgrid[:28, :28]
PARTS = {
    "left half": COLUMN < 14,
    "right half": COLUMN >= 14,
    "upper left": (ROW < 14) & (COLUMN < 14),
    "lower right": (ROW >= 14) & (COLUMN >= 14),
    "all but a hole": (abs(ROW - 12) > 4) | (abs(COLUMN - 12) > 4),
    "frame": (abs(ROW - 13.5) > 7) | (abs(COLUMN - 13.5) > 7),
}


@pytest.mark.parametrize("part", PARTS)
def test_place_and_size_are_not_told_of_parts_of_real_digits(part):
    """They show only where the whole breadth of a digit is known."""
    images = np.concatenate([data.load(data.MNIST, split, DATA)[0] for split in ("train", "test")])
    sentences = [said(np.where(PARTS[part][..., None], image, 0).astype(np.uint8), PARTS[part]) for image in images]
    assert not any(word in one for word in ("off-centre", "larger", "smaller") for one in sentences)


@pytest.mark.parametrize("name", DIGITS)
@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"middle": (19, 14.5)}, "off-centre"),
        ({"middle": (10, 14.5), "size": 14}, "off-centre"),
        ({"middle": (14.5, 18)}, "off-centre"),
        ({"middle": (14.5, 11)}, "off-centre"),
        ({"size": 10, "width": 1.5}, "smaller"),
        ({"size": 25, "middle": (14.5, 11.5)}, "larger"),
        ({"width": 7}, "thicker"),
    ],
    ids=lambda value: str(value),
)
def test_what_is_unlike_them_is_named(name, changes, word):
    sentence = said(digit(name, **changes))
    assert word in sentence and sentence.endswith(".") and sentence.count(". ") == 0


def test_thin_and_inverted_digits_are_named():
    thin = Image.new("L", (28, 28))
    ImageDraw.Draw(thin).line([(6, 5), (21, 5), (14, 12), (11, 24)], 255, 1)
    for known in (ALL, UPPER):
        assert "thinner" in said(np.asarray(thin)[..., None], known)
    for known in (ALL, UPPER):
        assert "dark on light" in said(255 - digit("three"), known)


@pytest.mark.parametrize("name", DIGITS)
@pytest.mark.parametrize(("middle", "size"), [((20, 20), 9), ((9, 12), 12), ((14.5, 14.5), 26)])
def test_centring_makes_it_like_them(name, middle, size):
    made = prompt_advice.centred(Prompt(digit(name, middle, size, 2), ALL))
    assert said(made) == "" and set(np.unique(made)) == {0, 255}
    y, x = (p.mean() + 0.5 for p in np.nonzero(made[..., 0]))
    assert abs(x - 14.5) < 0.8 and abs(y - 14.5) < 0.8
    rows, columns = np.flatnonzero(made.any((1, 2))), np.flatnonzero(made.any((0, 2)))
    assert 19 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= 21
    assert 1.5 < stroke_width(made[..., 0] > 0) < 5
    again = prompt_advice.centred(Prompt(made, ALL))
    assert np.array_equal(again, made)  # it stays there


def test_the_upper_part_of_a_digit_goes_on_below():
    """Its end stays at the border of what is known, and nothing comes beyond."""
    pixels = digit("seven", (21, 14.5), 12)
    made = prompt_advice.centred(Prompt(pixels, UPPER))
    assert not made[14:].any() and made[13].any()
    assert abs(np.nonzero(made[..., 0])[1].mean() - 14.5) < 1
    assert np.flatnonzero(made.any((1, 2)))[0] < np.flatnonzero(pixels.any((1, 2)))[0]


@pytest.mark.parametrize("name", DIGITS)
def test_what_is_drawn_beyond_the_known_region_is_a_whole_digit(name):
    """Its pixels are known one by one."""
    for region in (UPPER, ALL & False):
        small = digit(name, (19, 13), 10, 2)
        known = region | (small[..., 0] > 0)
        assert "smaller" in said(small, known)
        made = prompt_advice.centred(Prompt(small, known))
        assert np.array_equal(made, prompt_advice.centred(Prompt(small, ALL)))


def test_half_a_digit_beside_the_unknown_is_left_where_it_is():
    left = digit("zero") * (UPPER.T[..., None])
    assert np.array_equal(prompt_advice.centred(Prompt(left, UPPER.T.copy())), left)


# --- in the window


@pytest.fixture
def mnist(no_threads_left, qtbot, tmp_path):
    """With the weights of one model."""
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    path = checkpoint.shipped("vssm", "mnist")
    (folder / path.name).symlink_to(path)
    yield from opened(qtbot, tmp_path / "session.json", folder)


def test_it_is_told_beside_the_completion_and_put_right_by_a_click(mnist, qtbot, draw):
    window = mnist
    take(qtbot, window, 0)
    complete(qtbot, window)
    assert not window.completion.advice.isVisible()
    press(qtbot, window, "Ctrl+Backspace")
    window.sketch.rows.setValue(14)
    draw(window.canvas, [(18, 1), (25, 1), (25, 7)])
    before = window.canvas.sketch.prompt
    complete(qtbot, window)
    assert window.completion.advice.isVisible() and "off-centre" in window.completion.advice.text()
    row = window.completion.centre
    buttons = [one for one in window.actions_["centre_sketch"].associatedObjects() if row.isAncestorOf(one)]
    qtbot.mouseClick(buttons[0], Qt.MouseButton.LeftButton)
    after = window.canvas.sketch.prompt
    assert np.array_equal(after.pixels, prompt_advice.centred(before))
    assert abs(np.nonzero(after.pixels[..., 0])[1].mean() - 14) < 2
    press(qtbot, window, "Ctrl+Z")
    assert np.array_equal(window.canvas.sketch.prompt.pixels, before.pixels)


def test_centring_is_for_ink_alone(mnist, qtbot):
    action = mnist.actions_["centre_sketch"]
    assert action.isVisible() and action.isEnabled()
    press(qtbot, mnist, "Ctrl+2")
    assert not action.isVisible() and not action.isEnabled()


def test_greys_that_come_from_elsewhere_are_shown_as_the_models_read_them(mnist, qtbot):
    grey = np.arange(784, dtype=np.uint32).reshape(28, 28, 1).astype(np.uint8)
    mnist.sketch.give(Prompt(grey, ALL), "example")
    assert np.array_equal(mnist.canvas.sketch.pixels, np.where(grey >= 128, 255, 0))


def test_greys_of_an_old_session_are_shown_as_the_models_read_them(no_threads_left, qtbot, tmp_path):
    grey = np.arange(784, dtype=np.uint32).reshape(28, 28, 1).astype(np.uint8)
    session.save(session.Session(datasets={"mnist": sketched(Prompt(grey, ALL))}), tmp_path / "session.json")
    for window in opened(qtbot, tmp_path / "session.json", tmp_path):
        assert np.array_equal(window.canvas.sketch.prompt.pixels, np.where(grey >= 128, 255, 0))


def test_ink_that_no_model_sees_is_told():
    faint = digit("seven") // 255 * np.uint8(102)
    assert "no ink" in prompt_advice.advise(Prompt(faint, UPPER), data.MNIST)
    assert prompt_advice.advise(Prompt(faint // 10, UPPER), data.MNIST) == ""  # noise of an empty page
