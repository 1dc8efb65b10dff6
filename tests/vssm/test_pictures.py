"""The pictures of README.md can be made: a person's moves arrive, and the animation keeps their time."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtTest import QTest

from tools import screenshots


@pytest.fixture
def stage(bare):
    bare.sketch.clear()
    return screenshots.Stage(bare)


def test_a_stroke_is_drawn_where_it_is_meant(stage):
    stage.draw([(5, 5), (20, 5), (20, 10)], 0.1)
    drawn = stage.window.canvas.sketch.pixels[..., 0] > 0
    assert drawn[5, 5] and drawn[5, 12] and drawn[5, 20] and drawn[9, 20]
    assert not drawn[12:].any() and not drawn[8:, :17].any()
    assert stage.pointer == stage.on_sketch((20, 10))


def test_a_click_goes_to_the_button(stage):
    before = stage.window.canvas.tool
    stage.click(stage.button(("choose_tool", "eraser")))
    assert before != "eraser" and stage.window.canvas.tool == "eraser"
    stage.click(stage.button(("choose_tool", before)))
    assert stage.window.canvas.tool == before


def test_the_animation_keeps_its_time(stage, tmp_path):
    recorder = screenshots.Recorder(stage)
    stage.draw([(5, 5), (20, 5)], 0.4)
    QTest.qWait(200)  # nothing moves: one long frame
    recorder.save(tmp_path / "one.gif", rest=0.5)
    with Image.open(tmp_path / "one.gif") as image:
        lasts, shots = [], []
        for number in range(image.n_frames):
            image.seek(number)
            lasts.append(image.info["duration"])
            shots.append(np.asarray(image.convert("RGB"), int))
    assert 2 < image.n_frames <= len(recorder.frames)
    assert sum(lasts) == pytest.approx(1000 * (recorder._last - recorder.frames[0][0] + 0.5), abs=10)
    assert lasts[-1] > 500  # nothing moved, and then it rested
    assert shots[0].shape == (stage.window.height(), stage.window.width(), 3)
    assert np.abs(shots[-1] - recorder.frames[-1][1]).mean() < 3  # of 255: few colours
    assert (shots[0] != shots[-1]).any()


def test_the_kept_pictures_are_small():
    docs = Path(__file__).parents[2] / "docs"
    assert (docs / "window.gif").stat().st_size <= 2_500_000
    assert all((docs / f"{name}.png").stat().st_size <= 300_000 for name in ("window", "window-dark", "window-colour"))
