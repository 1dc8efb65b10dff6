"""What `python main.py` does without a display."""

import shutil

import numpy as np
import pytest
import torch
from commands import pixels

from vssm import checkpoint
from vssm.cli import demo
from vssm.data import CIFAR10, MNIST
from vssm.files.examples import examples
from vssm.models import registry


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    torch.set_num_threads(1)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_model_is_shown_and_the_picture_written(here, capsys):
    assert demo.main() == 0
    out, err = capsys.readouterr()
    assert err == "" and "network calls" in out and all(preset.title in out for preset in registry.PRESETS.values())
    assert str(here / "vssm-demo.png") in out and "█" not in out  # no art where no terminal reads
    picture = pixels(here / "vssm-demo.png")
    side, gap = 28 * demo.ENLARGED, demo.ENLARGED
    assert picture.shape == tuple(n * (side + gap) - gap for n in (len(registry.PRESETS), 1 + demo.SAMPLES))
    prompt = examples(MNIST)[0].prompt
    for row in range(len(registry.PRESETS)):
        tiles = picture[row * (side + gap) :: demo.ENLARGED, :: demo.ENLARGED][:28]
        assert (tiles[:, :28] == np.where(prompt.known, prompt.pixels[..., 0], demo.UNKNOWN)).all()
        assert (tiles[:, 29 : 29 + 28][prompt.known] == prompt.pixels[..., 0][prompt.known]).all()


def test_a_missing_model_is_said_and_the_others_run(here, capsys, monkeypatch):
    monkeypatch.setattr(checkpoint, "SHIPPED", here)
    shutil.copy(checkpoint.Path(checkpoint.__file__).parents[1] / "checkpoints" / "vssm-mnist.safetensors", here)
    assert demo.main() == 0
    out, err = capsys.readouterr()
    assert err.count("\n") == len(registry.PRESETS) - 1 and "transformer-mnist.safetensors" in err
    assert "VSSM" in out and (here / "vssm-demo.png").exists()


def test_no_model_at_all_is_one_sentence_more(here, capsys, monkeypatch):
    monkeypatch.setattr(checkpoint, "SHIPPED", here)
    assert demo.main() == 2
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == len(registry.PRESETS) + 1 and "No model" in err
    assert not (here / "vssm-demo.png").exists()


def test_where_the_folder_cannot_be_written_the_picture_goes_elsewhere(here, capsys, monkeypatch):
    (here / "temporary").mkdir()
    (here / "vssm-demo.png").mkdir()  # a folder of that name: no file can be written there, not even by root
    monkeypatch.setattr(demo.tempfile, "tempdir", str(here / "temporary"))
    assert demo.main() == 0
    out, err = capsys.readouterr()
    assert "temporary files" in err and str(here / "temporary" / "vssm-demo.png") in out
    assert pixels(here / "temporary" / "vssm-demo.png").size > 0


def test_text_art():
    grey = np.array([[255, 0, 255, 0], [255, 255, 0, 0], [0, 255, 0, 0]], np.uint8)
    known = np.ones((3, 4), bool)
    known[:2, 3] = False
    assert demo.half_blocks(grey[..., None], known) == ["█▄▀░", " ▀  "]


def test_text_art_in_colour():
    """Both pixels of a character, one of them, none."""
    image, known = np.arange(18, dtype=np.uint8).reshape(3, 2, 3), np.ones((3, 2), bool)
    known[0, 1] = known[2, 1] = False
    assert demo.colour_blocks(image, known) == [
        "\x1b[38;2;0;1;2;48;2;6;7;8m▀\x1b[0m\x1b[38;2;9;10;11m▄\x1b[0m",
        "\x1b[38;2;12;13;14m▀\x1b[0m░",
    ]
    prompt = examples(CIFAR10)[0].prompt
    lines = demo.text_art(prompt, {"One": prompt.pixels}).splitlines()
    assert len(lines) == 17 and lines[0].split() == ["Prompt", "One"] and lines[-1].count("░") == 32


def test_text_art_fits_the_terminal(monkeypatch):
    prompt = examples(MNIST)[0].prompt
    images = dict.fromkeys(("One", "Two", "Three"), prompt.pixels)
    monkeypatch.setenv("COLUMNS", "60")
    narrow = demo.text_art(prompt, images)
    assert max(map(len, narrow.splitlines())) <= 60 and len(narrow.splitlines()) == 2 * 15 + 1
    monkeypatch.setenv("COLUMNS", "200")
    assert len(demo.text_art(prompt, images).splitlines()) == 15
    monkeypatch.setenv("COLUMNS", "10")  # narrower than one picture: one under another
    assert len(demo.text_art(prompt, images).splitlines()) == 4 * 15 + 3
