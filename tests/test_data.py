"""Data, prompts and the known sets that training draws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vssm import data
from vssm.data import MNIST
from vssm.errors import UserError
from vssm.examples import examples
from vssm.prompt import Prompt, draw_known


def test_binarisation_is_fixed_and_follows_the_grey_levels():
    grey = np.arange(256, dtype=np.uint8).repeat(4000).reshape(-1, 16, 16, 1)
    values = data.binarise_fixed(grey)
    assert (values == data.binarise_fixed(grey)).all() and set(np.unique(values)) == {0, 1}
    share = values.reshape(256, 4000).mean(1)
    assert share[0] == 0 and share[255] == 1
    assert np.abs(share - np.arange(256) / 255).max() < 0.04  # five standard deviations of 4,000 draws


def test_binarisation_is_the_one_all_figures_stand_on():
    """A change of seed or generator would silently make scores incomparable."""
    values = data.binarise_fixed(np.full((1, 4, 8, 1), 128, np.uint8))
    assert "".join(map(str, values.ravel())) == "11000111110001101101001001100011"


@given(st.integers(0, 255))
def test_levels_and_pixels_are_inverse(value):
    pixels = np.full((1, 28, 28, 1), value, np.uint8)
    levels = data.to_levels(pixels, MNIST)
    assert (data.from_levels(levels, MNIST) == (255 if value >= 128 else 0)).all()


def test_keras_layout_is_read(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (5, 28, 28), np.uint8)
    np.savez(tmp_path / "mnist.npz", x_train=images, y_train=np.arange(5), x_test=images[:2], y_test=np.arange(2))
    x, y = data.load(MNIST, "train", tmp_path)
    assert x.shape == (5, 28, 28, 1) and (x[..., 0] == images).all() and y.tolist() == [0, 1, 2, 3, 4]
    assert len(data.load(MNIST, "test", tmp_path)[0]) == 2


def test_the_folder_is_given_or_named_or_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("VSSM_DATA", str(tmp_path))
    assert data.data_dir("here").name == "here" and data.data_dir() == tmp_path
    monkeypatch.delenv("VSSM_DATA")
    assert data.data_dir().parts[-2:] == ("vssm", "data")


def test_torchvision_data_sets_import_beside_any_torch():
    from vssm.torchvision_compat import datasets

    assert datasets.MNIST.__name__ == "MNIST"


def test_known_sets_cover_what_people_ask():
    known = draw_known(2000, 28, 28, 0.3, np.random.default_rng(0))
    empty = ~known.any((1, 2))
    assert 0.28 < empty.mean() < 0.36
    prefixes = sum(Prompt(np.zeros((28, 28, 1), np.uint8), k).is_prefix for k in known[~empty])
    assert 0.2 < prefixes / (~empty).sum() < 0.35
    assert known.mean() < 0.6 and (known.mean((1, 2)) > 0.8).any() and not known.all((1, 2)).all()


@given(st.integers(0, 784))
def test_prefix_length(length):
    prompt = Prompt.empty(28, 28, 1)
    prompt.known.reshape(-1)[:length] = True
    assert prompt.prefix == length and prompt.is_prefix
    if length < 783:
        prompt.known.reshape(-1)[783] = True
        assert prompt.prefix == length and not prompt.is_prefix


@pytest.mark.parametrize(
    ("pixels", "known"),
    [
        (np.zeros((28, 28), np.uint8), np.zeros((28, 28), bool)),
        (np.zeros((28, 28, 1), float), np.zeros((28, 28), bool)),
        (np.zeros((28, 28, 1), np.uint8), np.zeros((28, 27), bool)),
        (np.zeros((28, 28, 1), np.uint8), np.zeros((28, 28), np.uint8)),
    ],
)
def test_prompts_of_the_wrong_kind_are_refused(pixels, known):
    with pytest.raises(UserError):
        Prompt(pixels, known)


def test_rows_must_fit():
    prompt = Prompt.empty(28, 28, 1)
    assert prompt.with_rows(28).known.all() and not prompt.with_rows(0).known.any()
    for rows in (-1, 29):
        with pytest.raises(UserError, match="between 0 and 28"):
            prompt.with_rows(rows)


def test_examples_are_binary_and_completable():
    found = examples(MNIST)
    assert len(found) >= 6 and found[0].name == "seven-top"
    for example in found:
        assert not example.prompt.known.all() and set(np.unique(example.prompt.pixels)) <= {0, 255}
        assert (example.prompt.pixels[~example.prompt.known] == 0).all()
    assert any(not e.prompt.is_prefix for e in found)
