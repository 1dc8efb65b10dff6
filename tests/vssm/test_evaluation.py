"""Scores, and the classifiers that judge completions, on 64 test digits and 20 colour pictures."""

import itertools
import math
import shutil

import numpy as np
import pytest
import torch
from commands import DATA, calls, small_weights, vssm, vssm_json
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vssm import checkpoint, data
from vssm.data import CIFAR10, MNIST
from vssm.errors import UserError
from vssm.evaluation import classifier, evaluate, metrics
from vssm.evaluation.evaluate import Settings
from vssm.sampling.generator import Generator

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


def test_the_judge_of_colour(tmp_path):
    file = classifier.path(CIFAR10)
    assert file.stat().st_size < 2_000_000
    _, meta = checkpoint.read(file)
    assert meta["scores"].keys() == {"accuracy"} and meta["scores"]["accuracy"] > 0.8
    images, labels = data.load(CIFAR10, "test", DATA)
    network = classifier.load(CIFAR10)
    assert (classifier.classify(network, images) == labels).mean() > 0.7
    assert (classifier.classify(network, images[:, :, ::-1].copy()) == labels).mean() > 0.7  # in a mirror
    assert classifier.features(network, images[:3]).shape == (3, network.config.features)


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
    x = classifier.augment(images, MNIST, torch.Generator().manual_seed(0))
    assert x.shape == images.shape and x.min() >= 0 and x.max() <= 1
    binary = ((x == 0) | (x == 1)).flatten(1).all(1)
    assert 0.65 < binary.float().mean() < 0.85
    rows = x.amax((2, 3)).gt(0).float().argmax(1)
    assert set(rows.tolist()) >= {8, 9, 10, 11, 12}


@settings(max_examples=20)
@given(image=arrays(np.uint8, (1, 32, 32, 3)), seed=st.integers(0, 2**32))
def test_augmented_colour_is_the_picture_shifted_and_perhaps_in_a_mirror(image, seed):
    (x,) = classifier.augment(torch.from_numpy(image), CIFAR10, torch.Generator().manual_seed(seed))
    found = np.round(x.numpy() * 255)
    framed = np.pad(image[0], ((2, 2), (2, 2), (0, 0)), "reflect")
    shifted = [framed[y : y + 32, x : x + 32] for y, x in itertools.product(range(5), repeat=2)]
    assert any((found == one).all() or (found == one[:, ::-1]).all() for one in shifted)


def mirrored(dataset: data.DataSet) -> float:
    """The share of pictures that augmentation mirrors."""
    images = torch.zeros(400, *dataset.shape, dtype=torch.uint8)
    images[:, :, 20:] = 255  # the right is bright
    x = classifier.augment(images, dataset, torch.Generator().manual_seed(0))
    return float((x[:, 14, 4, 0] > x[:, 14, 23, 0]).float().mean())


def test_only_what_may_be_mirrored_is():
    assert mirrored(MNIST) == 0 and 0.4 < mirrored(CIFAR10) < 0.6


def test_a_judge_can_be_trained(tmp_path, capsys):
    out = tmp_path / "judge.safetensors"
    record = vssm_json(capsys, "train-classifier", "--minutes", 0.003, "--data-dir", DATA, "--out", out)
    assert record["images"] > 0 and 0 <= record["accuracy"] <= 1 and record["out"] == str(out)
    assert classifier.load(MNIST, out).config == classifier.ClassifierConfig()


def test_a_judge_of_colour_can_be_trained(tmp_path, capsys):
    words = ["train-classifier", "--data", "cifar10", "--minutes", 0.003, "--data-dir", DATA]
    record = vssm_json(capsys, *words, "--out", tmp_path / "judge.safetensors")
    assert record["images"] > 0 and "accuracy_binarised" not in record
    assert classifier.load(CIFAR10, record["out"]).config == classifier.config_for(CIFAR10)
    assert vssm(*words, "--out", tmp_path / "judge.safetensors") == 0
    assert "of the test pictures" in capsys.readouterr().out


def test_a_judge_of_another_make_is_refused(tmp_path):
    with pytest.raises(UserError, match="train-classifier"):
        classifier.load(MNIST, tmp_path / "none.safetensors")
    with pytest.raises(UserError, match="no classifier"):
        classifier.load(MNIST, checkpoint.shipped("vssm", "mnist"))


QUICK = (
    *("--fid-samples", 20, "--prompts", 3, "--endings", 4, "--iw-images", 2, "--iw-samples", 16),
    *("--best-images", 3, "--best-endings", 4, "--repeats", 1),
)


@pytest.fixture
def quick_speeds(monkeypatch):
    monkeypatch.setattr(evaluate, "SPEED_BATCHES", (1, 2))


def test_every_score_of_a_model_with_latents(capsys, quick_speeds):
    record = vssm_json(capsys, "evaluate", "--model", "vssm", "--data-dir", DATA, *QUICK)
    assert record.keys() >= KEYS and record["images"] == record["label_images"] == 64
    assert record["bound"] == "elbo" and record["order"] is None and 40 < record["nats"] < 130
    assert record["bits_per_dim"] == pytest.approx(record["nats"] / 784 / math.log(2))
    assert record["bits_per_dim_error"] == pytest.approx(record["nats_error"] / 784 / math.log(2))
    assert 0.3 < record["label_kept"] <= 1 and record["label_kept_whole"] > 0.95
    assert 0.2 < record["label_kept_top"] < 0.9
    assert record["label_kept_error"] == pytest.approx((record["label_kept"] * (1 - record["label_kept"]) / 64) ** 0.5)
    assert record["kid_error"] > 0 and abs(record["kid_real"]) < 6 * record["kid_real_error"]
    assert record["iw_nats"] < record["iw_elbo"] and (record["iw_images"], record["iw_samples"]) == (2, 16)
    assert record["fid"] > 0 and record["fid_real"] > 0 and record["fid_samples"] == 20
    assert 0 < record["diversity"] < 0.5 and 1 <= record["diversity_labels"] <= 4
    assert (record["diversity_prompts"], record["diversity_endings"]) == (3, 4)
    assert 0 < record["best_mse"] < record["mean_mse"] < 0.3 and record["best_mse_error"] > 0
    assert (record["best_images"], record["best_endings"]) == (3, 4)
    assert record["limit_shares"].keys() == {"1", "2"} and min(record["limit_shares"].values()) > 0
    assert record["speeds"].keys() == {"1", "2"} and record["speeds"]["1"] == record["images_per_second"]
    assert (
        record["images_per_second_best"] == record["speeds"][str(record["best_batch"])] >= record["images_per_second"]
    )
    assert record["network_calls"] == calls("vssm", 784)[0]
    assert record["too_busy"] in (False, True)
    measured = record["measured"]
    assert list(measured) == [part for part in evaluate.PARTS if part != "pen"] and measured["nats"]["mode"] is None
    assert measured["label"]["mode"] == "parallel" and measured["label"]["threads"] == 1
    assert measured["label"]["pixels"] == "sampled" and measured["nats"]["pixels"] is None
    assert measured["label"]["options"] == {} and measured["speed"]["options"] == {"repeats": 1}
    assert measured["best"]["options"] == {"best-images": 3, "best-endings": 4}
    assert sum(m["seconds"] for m in measured.values()) == pytest.approx(record["seconds"], rel=0.05)


def test_parts_alone_by_another_sampler(capsys, monkeypatch):
    monkeypatch.setattr(evaluate, "SPEED_BATCHES", (1,))
    words = ["evaluate", "--model", "asarm", "--data-dir", DATA, "--limit", 2, *QUICK]
    record = vssm_json(capsys, *words, "--parts", "speed,diversity", "--mode", "masked", "--steps", 3)
    assert record["network_calls"] == 3 and "nats" not in record and "fid" not in record
    assert {k: (m["mode"], m["size"]) for k, m in record["measured"].items()} == {
        "speed": ("masked", 3),
        "diversity": ("masked", 3),
    }
    assert record["measured"]["diversity"]["options"] == {
        "limit": 2, "prompts": 3, "endings": 4, "mode": "masked", "steps": 3
    }  # fmt: skip
    assert record["diversity_prompts"] == 2 and "acceptance" not in record
    record = vssm_json(capsys, *words, "--parts", "speed,nats,iw")
    assert 0 < record["acceptance"] <= 1 and record["network_calls"] <= 784
    assert record["bound"] == "exact" and record["order"] == "random"
    assert "iw_nats" not in record and list(record["measured"]) == ["speed", "nats"]


def test_scores_are_of_the_first_images_and_repeat():
    network = checkpoint.load(checkpoint.shipped("transformer", "mnist"))
    parts, first = ("nats", "label"), Settings(limit=2)
    few = evaluate.evaluate(network, parts, first, DATA, quiet=True)
    again = evaluate.evaluate(Generator(network, torch.device("cpu")), parts, first, DATA, quiet=True)
    taken = {"seconds", "measured"}
    assert {k: v for k, v in few.items() if k not in taken} == {k: v for k, v in again.items() if k not in taken}
    values = data.binarise_fixed(data.load(MNIST, "test", DATA)[0])[:2]  # of the whole set, then the first
    with torch.inference_mode():
        exact = -network.network.log_likelihood(torch.from_numpy(values).long()).mean()
    assert few["nats"] == pytest.approx(float(exact), rel=1e-4)
    assert few["bound"] == "exact" and few["order"] == "raster"


def test_one_posterior_draw_follows_the_seed(test_set):
    generator = Generator(checkpoint.load(checkpoint.shipped("vssm", "mnist")), torch.device("cpu"))
    values = data.binarise_fixed(test_set[0])[:3]
    state = torch.get_rng_state()
    first, same, other = (evaluate.log_likelihoods(generator, values, seed, quiet=True) for seed in (0, 0, 1))
    assert (first == same).all() and (first != other).any() and (first < 0).all()
    assert torch.equal(state, torch.get_rng_state())  # the caller's own random numbers are left alone


def test_people_read_a_table(capsys, quick_speeds):
    assert vssm("evaluate", "--model", "vssm", "--limit", 3, "--data-dir", DATA, *QUICK) == 0
    out = capsys.readouterr().out
    for words in ("at most", "nats", "label kept", "Fréchet", "differ", "16 draws", "in batches of", "pixels each"):
        assert words in out
    assert "binarised once" in out and "of whole digits" in out and "of the best of 4 completions" in out


# --- in colour ------------------------------------------------------------------------------------------------------


def test_every_score_in_colour(tmp_path, capsys, quick_speeds):
    path = small_weights("vssm", CIFAR10, tmp_path)
    words = ["evaluate", "--data", "cifar10", "--model", "vssm", "--checkpoint", path, "--data-dir", DATA, *QUICK]
    record = vssm_json(capsys, *words)
    assert record.keys() >= KEYS and record["data"] == "cifar10" and record["images"] == 20
    assert record["bits_per_dim"] == pytest.approx(record["nats"] / 3072 / math.log(2)) and record["bound"] == "elbo"
    assert 3 < record["bits_per_dim"] < 20  # untrained
    assert record["iw_bits_per_dim"] < record["iw_elbo_bits_per_dim"]
    assert record["label_kept_whole"] > 0.7 > record["label_kept_top"]
    assert 0 < record["best_mse"] < record["mean_mse"] < 1 and record["fid"] > 0
    assert "pen" not in record["measured"] and len(record["measured"]) == len(evaluate.PARTS) - 1
    drawn = {part: m["pixels"] for part, m in record["measured"].items()}
    assert drawn == dict.fromkeys(record["measured"], "mean") | {"nats": None, "iw": None}
    record = vssm_json(capsys, *words, "--parts", "best", "--pixels", "sampled")
    assert record["measured"]["best"]["pixels"] == "sampled"
    assert record["measured"]["best"]["options"]["pixels"] == "sampled"
    assert vssm(*words, "--limit", 3) == 0
    out = capsys.readouterr().out
    assert "binarised" not in out and "digit" not in out and "bits a dimension" in out
    assert "samples from nothing, mean pixels" in out and "of whole pictures" in out and "of the range" in out


def test_exact_scores_in_colour(tmp_path, capsys):
    path = small_weights("transformer", CIFAR10, tmp_path)
    words = ["evaluate", "--data", "cifar10", "--model", "transformer", "--checkpoint", path, "--data-dir", DATA]
    record = vssm_json(capsys, *words, "--limit", 4, "--parts", "nats,best", "--best-images", 1, "--best-endings", 2)
    made = checkpoint.load(path)
    values = data.load(CIFAR10, "test", DATA)[0][:4]  # as they are
    with torch.inference_mode():
        exact = -made.network.log_likelihood(torch.from_numpy(values).long()).mean()
    assert record["nats"] == pytest.approx(float(exact), rel=1e-4) and record["bound"] == "exact"
    assert record["measured"]["best"]["pixels"] == "sampled"
    assert vssm(*words, "--parts", "best", "--pixels", "mean") == 2  # it draws each pixel before the next
    assert "no 'mean' pixels" in capsys.readouterr().err


def test_scores_are_kept_in_the_weights_part_by_part(tmp_path, capsys):
    path = shutil.copy(checkpoint.shipped("vssm", "mnist"), tmp_path / "copy.safetensors")
    before = checkpoint.load(path)
    words = ["evaluate", "--model", "vssm", "--data-dir", DATA, "--checkpoint", path, "--write"]
    record = vssm_json(capsys, *words, "--limit", 5, "--parts", "nats,label")
    first = checkpoint.load(path)
    assert first.scores["nats"] == record["nats"] and first.scores["images"] == 5
    assert first.training == before.training and first.network.config == before.network.config
    ours, theirs = before.network.state_dict(), first.network.state_dict()
    assert ours.keys() == theirs.keys() and all(torch.equal(v, theirs[k]) for k, v in ours.items())
    record = vssm_json(capsys, *words, "--limit", 4, "--parts", "label", "--seed", 3)
    scores = checkpoint.load(path).scores
    assert scores["label_images"] == 4 and scores["measured"]["label"] == record["measured"]["label"]
    assert scores["label_kept"] == record["label_kept"] and scores["measured"]["label"]["seed"] == 3
    for key in ("nats", "images", "bound"):  # not measured anew: as before
        assert scores[key] == first.scores[key]
    assert scores["measured"]["nats"] == first.scores["measured"]["nats"]


# --- measures against what is known ---------------------------------------------------------------------------------


def gaussian(mean, root, count: int = 500) -> np.ndarray:
    """A sample [count, D] whose mean and covariance are exactly `mean` and root·rootᵀ."""
    x = np.random.default_rng(len(mean)).normal(size=(count, len(mean)))
    x -= x.mean(0)
    x = np.linalg.solve(np.linalg.cholesky(np.cov(x, rowvar=False, bias=True)), x.T).T
    return np.asarray(mean) + x @ np.asarray(root, float).T


def test_frechet_distance_of_known_gaussians():
    a, b = gaussian([1, 2, 3], np.diag([1, 2, 3])), gaussian([1, 0, 3], np.diag([2, 2, 0.5]), 700)
    assert metrics.frechet(a, a) == pytest.approx(0, abs=1e-6)
    assert metrics.frechet(a, b) == pytest.approx(4 + 1 + 2.5**2)  # diagonal: Σ (μ₁−μ₂)² + (σ₁−σ₂)²
    assert metrics.frechet(b, a) == pytest.approx(metrics.frechet(a, b))
    # not commuting, two dimensions: tr (Σ₁Σ₂)^½ = (tr Σ₁Σ₂ + 2 det(Σ₁Σ₂)^½)^½
    first, second = np.array([[2.0, 0.0], [1.0, 0.5]]), np.array([[1.0, 0.7], [0.0, 1.5]])
    one, two = first @ first.T, second @ second.T
    root = math.sqrt(np.trace(one @ two) + 2 * math.sqrt(np.linalg.det(one @ two)))
    expected = 2 + np.trace(one) + np.trace(two) - 2 * root
    assert metrics.frechet(gaussian([0, 0], first), gaussian([1, 1], second)) == pytest.approx(expected)
    flat = gaussian([0, 0], [[1, 0], [0, 0]])  # a feature that is always the same
    assert metrics.frechet(flat, gaussian([0, 0], np.eye(2))) == pytest.approx(1)


def test_the_kernel_distance_is_the_mean_over_pairs_and_unbiased():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(5, 3)), rng.normal(size=(7, 3)) + 0.5

    def k(x, y):
        return (x @ y / 3 + 1) ** 3

    expected = (
        np.mean([k(x, y) for x, y in itertools.permutations(a, 2)])
        + np.mean([k(x, y) for x, y in itertools.permutations(b, 2)])
        - 2 * np.mean([k(x, y) for x in a for y in b])
    )
    assert metrics._discrepancy(a, b) == pytest.approx(expected)
    found = np.array(
        [
            metrics.kernel_distance(rng.normal(size=(n, 4)), rng.normal(size=(200, 4)))
            for n in (40, 400)
            for _ in range(60)
        ]
    )
    small, large = found[:60], found[60:]
    for part in (small, large):  # of one distribution: 0 on average, whatever the number
        assert abs(part[:, 0].mean()) < 4 * part[:, 0].std() / math.sqrt(60)
        assert part[:, 1].mean() == pytest.approx(part[:, 0].std(), rel=0.4)  # the error says how far it varies
    assert small[:, 1].mean() > large[:, 1].mean()
    frechet = [metrics.frechet(rng.normal(size=(n, 4)), rng.normal(size=(2000, 4))) for n in (40, 2000)]
    assert frechet[0] > 3 * frechet[1]  # which is why it is only compared at equal numbers


def test_the_kernel_distance_takes_its_blocks_from_everywhere():
    """Pictures lie in no particular order in a data set, but not in none either."""
    a = np.random.default_rng(1).normal(size=(400, 2))
    ordered = a[a[:, 0].argsort()]
    error = metrics.kernel_distance(ordered, np.random.default_rng(2).normal(size=(400, 2)))[1]
    assert error < 2 * metrics.kernel_distance(a, np.random.default_rng(2).normal(size=(400, 2)))[1]


def test_samples_are_set_beside_as_many_training_pictures(capsys):
    words = ["evaluate", "--model", "vssm", "--parts", "fid", "--data-dir", DATA]
    assert vssm(*words, "--fid-samples", 65) == 2
    assert "4 to 64" in capsys.readouterr().err
    assert vssm(*words, "--fid-samples", 3) == 2


def test_difference_between_endings():
    images = np.zeros((3, 3, 2, 4, 1), np.uint8)
    known = np.zeros((3, 2, 4), bool)
    known[0, 0] = known[2] = True
    images[0, :, 0] = np.arange(3)[:, None, None]  # known pixels count for nothing
    images[0, 2, 1, 0] = 255  # of four unknown ones: differs in 2 of 3 pairs
    images[1, 0, :, :2] = images[1, 1, :, 2:] = 255  # of eight: 8, 4 and 4 differ
    images[2] = np.random.default_rng(0).integers(0, 2, images[2].shape)  # all known: left out
    assert metrics.pairwise_difference(images, known) == pytest.approx(((2 / 3 / 4) + 16 / 3 / 8) / 2)


@settings(max_examples=30)
@given(data=st.data())
def test_squared_errors_are_those_of_a_plain_loop(data):
    M, K, H, W, C = data.draw(st.tuples(*[st.integers(1, 3)] * 5))
    images = data.draw(arrays(np.uint8, (M, K, H, W, C)))
    truth = data.draw(arrays(np.uint8, (M, H, W, C)))
    known = data.draw(arrays(bool, (M, H, W)))
    known[:, -1, -1] = False  # something is unknown
    found = metrics.squared_errors(images, truth, known)
    assert found.shape == (M, K)
    for m, k in itertools.product(range(M), range(K)):
        errors = [
            ((int(images[m, k, y, x, c]) - int(truth[m, y, x, c])) / 255) ** 2
            for y, x, c in itertools.product(range(H), range(W), range(C))
            if not known[m, y, x]
        ]
        assert found[m, k] == pytest.approx(sum(errors) / len(errors), rel=1e-5, abs=1e-12)


def test_the_best_ending_counts(monkeypatch):
    """A model whose endings are the truth, its negative, and what lies between."""
    generator = Generator(checkpoint.load(checkpoint.shipped("vssm", "mnist")), torch.device("cpu"))
    scored = evaluate.Evaluation(generator, Settings(best_images=5, best_endings=3), DATA, quiet=True)

    def complete(images, known):
        assert len(images) == 15 and (known == metrics.lower_half_unknown(images)).all()
        made = images.copy()
        made[::3] = 255 - made[::3]
        made[1::3] = 51
        return made

    monkeypatch.setattr(scored, "_complete", complete)
    white = (scored.images[:5, 14:] == 255).mean()
    between = white * 0.8**2 + (1 - white) * 0.2**2
    found = scored.best()
    assert found["best_mse"] == found["best_mse_error"] == 0
    assert found["mean_mse"] == pytest.approx((1 + between) / 3, rel=1e-5)


def test_difference_between_endings_in_colour():
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 5, 3), np.uint8)
    known = np.zeros((2, 4, 5), bool)
    known[:, :2] = True
    expected = [
        np.abs(images[m, i, 2:].astype(int) - images[m, j, 2:]).mean() / 255
        for m in range(2)
        for i, j in itertools.combinations(range(3), 2)
    ]
    assert metrics.pairwise_difference(images, known) == pytest.approx(np.mean(expected))


def test_a_uniform_guess_is_eight_bits():
    assert metrics.bits_per_dim(3072 * math.log(256), CIFAR10) == pytest.approx(8)
    assert metrics.bits_per_dim(784 * math.log(2), MNIST) == pytest.approx(1)
