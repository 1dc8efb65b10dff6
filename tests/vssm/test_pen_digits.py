"""Digits written with a pen: read, drawn as MNIST's are, and completed. The strokes here are our own."""

import numpy as np
import pytest
from commands import DATA, vssm, vssm_json
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vssm import checkpoint
from vssm.data import MNIST
from vssm.evaluation import classifier, evaluate, pen_digits
from vssm.evaluation.evaluate import Settings

STROKES = """\
 50,100,  5, 75,  0, 35, 40,  0, 85, 12,100, 55, 85, 90, 50,100, 0
  5, 80, 50,100, 95, 75, 60, 40,  0,  5, 30, 12, 65,  5,100,  0, 2
 10, 92, 60,100, 90, 75, 45, 55, 95, 40,100, 15, 50,  0,  0, 12, 3
 80,100, 40, 75, 10, 45,  5, 15, 45,  0, 90, 10, 80, 35, 25, 30, 6
 50,100, 50, 86, 50, 71, 50, 57, 50, 43, 50, 29, 50, 14, 50,  0, 1
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "strokes.tra"
    path.write_text(STROKES)
    return path


def test_the_archive_s_format(file):
    written = pen_digits.read(file)
    assert written.points.shape == (5, 8, 2) and written.labels.tolist() == [0, 2, 3, 6, 1]
    assert written.points[1, :2].tolist() == [[5, 80], [50, 100]]
    spaced = file.with_name("spaced.tra")
    spaced.write_text(STROKES.replace(" ", "").replace("\n", "\r\n\r\n"))
    assert (pen_digits.read(spaced).points == written.points).all()


def test_the_classifier_reads_what_is_drawn(file):
    written = pen_digits.read(file)
    assert (classifier.classify(classifier.load(MNIST), pen_digits.draw(written.points)) == written.labels).all()


def test_the_curve_passes_through_the_points_and_straight_lines_stay_straight():
    points = np.random.default_rng(0).uniform(0, 100, (8, 2))
    assert pen_digits.curve(points)[:: pen_digits.SAMPLES] == pytest.approx(points)
    line = np.linspace((0, 0), (70, 35), 8)
    path = pen_digits.curve(line)
    assert path == pytest.approx(np.linspace((0, 0), (70, 35), len(path)))
    angle = np.arange(8) * np.pi / 4  # on a circle it stays near the circle between the points, too
    radius = np.linalg.norm(pen_digits.curve(np.stack([np.cos(angle), np.sin(angle)], 1))[24:-24], axis=1)
    assert radius == pytest.approx(1, abs=0.03)


@settings(max_examples=60)
@given(points=arrays(np.float64, (1, 8, 2), elements=st.floats(0, 100)))
def test_every_digit_fills_the_box_and_lies_with_its_mass_in_the_middle(points):
    (image,) = pen_digits.draw(points)[..., 0]
    assert image.shape == (28, 28) and image.dtype == np.uint8 and set(np.unique(image)) == {0, 255}
    rows, columns = np.nonzero(image)
    high, wide = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert high <= 21 and wide <= 21  # a pixel more where the box lies between pixels
    if np.ptp(points, 1).max() > 1e-6:
        assert max(high, wide) >= 19
    inside = rows.min() > 0 and columns.min() > 0 and rows.max() < 27 and columns.max() < 27
    if inside:  # else the picture's edge holds it
        assert rows.mean() == pytest.approx(14, abs=1.01) and columns.mean() == pytest.approx(14, abs=1.01)


def test_upwards_is_upwards_and_the_brush_is_two_pixels_wide():
    (one,) = pen_digits.draw(np.linspace((0, 0), (0, 100), 8)[None])[..., 0]
    assert (one > 0).any(0).sum() in (2, 3) and (one > 0).any(1).sum() in (19, 20, 21)
    seven = np.array([[(0, 100), (35, 100), (70, 100), (60, 80), (50, 60), (40, 40), (30, 20), (20, 0)]], float)
    (image,) = pen_digits.draw(seven)[..., 0]
    rows = np.flatnonzero((image > 0).any(1))
    assert (image[rows[0] : rows[0] + 2] > 0).sum() > 3 * (image[rows[-2] :] > 0).sum() / 2  # the bar is at the top


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"1,2,3\n",
        STROKES.replace("100", "101").encode(),
        STROKES.replace(", 2\n", ",12\n").encode(),
        STROKES.replace(", 2\n", ",2.5\n").encode(),
        STROKES.replace("80", "nan").encode(),
        STROKES.replace("80", "-1").encode(),
        STROKES.replace("80", "x").encode(),
        b"<!DOCTYPE html><html></html>",
        b"\x00\xff\xfe" * 30,
        b"0,0," * 400_000,
    ],
)
def test_other_files_are_refused_in_a_sentence(content, tmp_path, capsys):
    path = tmp_path / "bad.tra"
    path.write_bytes(content)
    assert vssm("evaluate", "--model", "vssm", "--parts", "pen", "--pen", path, "--data-dir", DATA) == 2
    error = capsys.readouterr().err
    assert str(path) in error and "Unexpected" not in error and error.count("\n") == 1 and len(error) < 400


def test_a_file_that_is_missing_or_holds_none_of_the_digits(tmp_path, file, capsys):
    words = ["evaluate", "--model", "vssm", "--parts", "pen", "--data-dir", DATA]
    for pen in (tmp_path / "none.tra", tmp_path):
        assert vssm(*words, "--pen", pen) == 2
        assert "pendigits.tra" in capsys.readouterr().err
    assert vssm(*words) == 2  # the usual place
    assert "archive.ics.uci.edu" in capsys.readouterr().err
    file.write_text(STROKES.splitlines()[-1])
    assert vssm(*words, "--pen", file) == 2
    assert "name a larger file" in capsys.readouterr().err
    assert vssm(*words, "--pen", file, "--data", "cifar10") == 2
    assert "no prompts for CIFAR-10" in capsys.readouterr().err


def test_the_part_pen(file, tmp_path, capsys):
    words = ["evaluate", "--model", "vssm", "--parts", "pen", "--data-dir", DATA, "--pen", file]
    record = vssm_json(capsys, *words)
    assert record["pen_images"] == 4 and record["pen_whole"] == 1  # the one is left out
    assert record["pen_kept"] in (0, 0.25, 0.5, 0.75, 1) and 0 <= record["pen_kept_top"] <= 1
    assert record["pen_kept_error"] == pytest.approx((record["pen_kept"] * (1 - record["pen_kept"]) / 4) ** 0.5)
    assert str(tmp_path) not in str(record)  # what is kept in weights names no place of this machine
    assert vssm_json(capsys, *words, "--limit", 3)["pen_images"] == 3
    assert vssm(*words) == 0
    assert "pen digits" in capsys.readouterr().out


def test_all_models_complete_the_same_upper_halves(file, monkeypatch):
    seen = []

    def completions(generator, images, known, *_):
        seen.append((images, known))
        return images

    monkeypatch.setattr(evaluate, "completions", completions)
    for name in ("vssm", "asarm"):
        made = checkpoint.load(checkpoint.shipped(name, "mnist"))
        found = evaluate.evaluate(made, ["pen"], Settings(limit=3, pen=file), DATA, quiet=True)
        assert found["pen_kept"] == 1 and found["pen_kept_error"] == 0
    (images, known), (others, masks) = seen
    assert (images == others).all() and (known == masks).all() and len(images) == 3
    assert known[:, :14].all() and not known[:, 14:].any()


def test_it_is_a_usual_part_where_the_file_lies_in_the_data_folder(file, tmp_path):
    assert "pen" not in evaluate.usual_parts(MNIST, Settings(), tmp_path)
    assert "pen" in evaluate.usual_parts(MNIST, Settings(pen=file), tmp_path)
    file.rename(tmp_path / pen_digits.NAME)
    assert evaluate.usual_parts(MNIST, Settings(), tmp_path) == list(evaluate.PARTS)
