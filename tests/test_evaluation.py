"""Scores, and the classifier that judges completions, on 64 test images."""

import math
import shutil

import numpy as np
import pytest
import torch
from commands import DATA, vssm, vssm_json

from vssm import checkpoint, classifier, data, evaluation
from vssm.data import MNIST
from vssm.errors import UserError
from vssm.generation import Generator

KEYS = {"model", "data", "images", "nats", "bits_per_dim", "bound", "label_kept"}


@pytest.fixture(scope="module")
def test_set():
    torch.set_num_threads(1)
    return data.load(MNIST, "test", DATA)


@pytest.fixture(scope="module")
def judge():
    return classifier.load(MNIST)


def test_the_judge_knows_digits(judge, test_set):
    images, labels = test_set
    binary = 255 * data.binarise_fixed(images)
    assert (classifier.classify(judge, images) == labels).mean() > 0.96
    assert (classifier.classify(judge, binary, batch=7) == labels).mean() > 0.96
    assert (classifier.classify(judge, np.zeros_like(images)) == labels).mean() < 0.3


def test_the_judge_is_small_and_says_how_good_it_is(judge):
    assert classifier.path(MNIST).stat().st_size < 500_000
    _, meta = checkpoint.read(classifier.path(MNIST))
    assert meta["scores"]["accuracy"] > 0.99 and meta["scores"]["accuracy_binarised"] > 0.985
    x = torch.rand(3, 28, 28, 1)
    assert judge.features(x).shape == (3, judge.config.features) and (judge.features(x) >= 0).all()
    torch.testing.assert_close(judge(x), judge.head(judge.features(x)))


def test_augmented_digits_are_shifted_and_mostly_binary():
    images = torch.zeros(400, 28, 28, 1, dtype=torch.uint8)
    images[:, 10:18, 10:18] = 128
    x = classifier.augment(images, torch.Generator().manual_seed(0))
    assert x.shape == images.shape and x.min() >= 0 and x.max() <= 1
    binary = ((x == 0) | (x == 1)).flatten(1).all(1)
    assert 0.65 < binary.float().mean() < 0.85
    rows = x.amax((2, 3)).gt(0).float().argmax(1)
    assert set(rows.tolist()) >= {8, 9, 10, 11, 12}


def test_a_judge_can_be_trained(tmp_path, capsys):
    out = tmp_path / "judge.safetensors"
    record = vssm_json(capsys, "train-classifier", "--minutes", 0.02, "--data-dir", DATA, "--out", out)
    assert record["images"] > 0 and 0 <= record["accuracy"] <= 1 and record["out"] == str(out)
    assert classifier.load(MNIST, out).config == classifier.ClassifierConfig()


def test_a_judge_of_another_make_is_refused(tmp_path):
    with pytest.raises(UserError, match="train-classifier"):
        classifier.load(MNIST, tmp_path / "none.safetensors")
    with pytest.raises(UserError, match="no classifier"):
        classifier.load(MNIST, checkpoint.shipped("vssm", "mnist"))


def test_scores_of_the_shipped_vssm(capsys):
    record = vssm_json(capsys, "evaluate", "--model", "vssm", "--data-dir", DATA)
    assert record.keys() >= KEYS and record["images"] == 64 and record["bound"] == "elbo"
    assert 40 < record["nats"] < 130
    assert record["bits_per_dim"] == pytest.approx(record["nats"] / 784 / math.log(2))
    assert 0.3 < record["label_kept"] <= 1 and record["label_kept_whole"] > 0.95
    assert 0.2 < record["label_kept_top"] < 0.9


def test_scores_are_of_the_first_images_and_repeat():
    network = checkpoint.load(checkpoint.shipped("transformer", "mnist"))
    few = evaluation.evaluate(network, limit=2, data_folder=DATA, quiet=True)
    again = evaluation.evaluate(Generator(network, torch.device("cpu")), limit=2, data_folder=DATA, quiet=True)
    assert {k: v for k, v in few.items() if k != "seconds"} == {k: v for k, v in again.items() if k != "seconds"}
    values = data.binarise_fixed(data.load(MNIST, "test", DATA)[0])[:2]  # of the whole set, then the first
    with torch.inference_mode():
        exact = -network.network.log_likelihood(torch.from_numpy(values).long()).mean()
    assert few["nats"] == pytest.approx(float(exact), rel=1e-4) and few["bound"] == "exact"


def test_one_posterior_draw_follows_the_seed(test_set):
    generator = Generator(checkpoint.load(checkpoint.shipped("vssm", "mnist")), torch.device("cpu"))
    values = data.binarise_fixed(test_set[0])[:3]
    state = torch.get_rng_state()
    first, same, other = (evaluation.log_likelihoods(generator, values, seed, quiet=True) for seed in (0, 0, 1))
    assert (first == same).all() and (first != other).any() and (first < 0).all()
    assert torch.equal(state, torch.get_rng_state())  # the caller's own random numbers are left alone


def test_people_read_a_table(capsys):
    assert vssm("evaluate", "--model", "vssm", "--limit", 3, "--data-dir", DATA) == 0
    out = capsys.readouterr().out
    assert "at most" in out and "nats" in out and "label kept" in out


def test_scores_can_be_written_into_the_weights(tmp_path, capsys):
    path = shutil.copy(checkpoint.shipped("vssm", "mnist"), tmp_path / "copy.safetensors")
    before = checkpoint.load(path)
    record = vssm_json(capsys, "evaluate", "--model", "vssm", "--limit", 5, "--data-dir", DATA, "--checkpoint", path,
                       "--write")
    after = checkpoint.load(path)
    assert after.scores["nats"] == record["nats"] and after.scores["images"] == 5
    assert after.training == before.training and after.network.config == before.network.config
    ours, theirs = before.network.state_dict(), after.network.state_dict()
    assert ours.keys() == theirs.keys() and all(torch.equal(v, theirs[k]) for k, v in ours.items())
