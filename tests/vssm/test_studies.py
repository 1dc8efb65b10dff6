"""The studies can be made, keep what they find, and get onto the page of results."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch
import toy
from commands import DATA, SMALL, small_weights, vssm, vssm_json

from vssm import checkpoint, data
from vssm.data import CIFAR10, MNIST
from vssm.errors import UserError
from vssm.evaluation import evaluate, metrics
from vssm.evaluation.evaluate import Settings
from vssm.models import registry
from vssm.reports import results_page, studies
from vssm.reports.studies import Run, Study
from vssm.sampling.events import FixedLatents
from vssm.sampling.generator import Generator

SHORT = ("--minutes", 0.005, "--limit", 4, "--data-dir", DATA)


@pytest.mark.parametrize("name", studies.STUDIES)
def test_every_run_can_be_made(name):
    study = studies.get(name)
    assert study.name == name and len({run.label for run in study.runs}) == len(study.runs)
    assert {study.x, study.y} <= set(study.columns) <= set(studies.COLUMNS)
    assert all((run.sampler is None) == study.trains for run in study.runs)
    for run in study.runs:
        config = registry.get(run.model).config(MNIST, **run.changes)
        with torch.device("meta"):
            registry.get(run.model).network(config)
        if run.sampler:
            mode = next(m for m in registry.get(run.model).network.samplers(config) if m.name == run.sampler)
            assert (mode.parameter is None) == (run.parameter is None)


@pytest.fixture
def trained(monkeypatch):
    """A study of two runs that differ in what is known in training."""
    small = SMALL["vssm"]
    runs = (Run("any <subset>", changes=small), Run("prefix", changes=small, known="prefix"))
    study = Study("tiny", "A tiny study", "Is it made?", runs, studies.TRAINED, "nats", "label_kept")
    monkeypatch.setattr(studies, "STUDIES", {"tiny": study})
    return study


def test_a_study_trains_scores_and_is_kept(trained, tmp_path, capsys):
    record = vssm_json(capsys, "study", "tiny", *SHORT, "--out", tmp_path)
    assert [row["label"] for row in record["rows"]] == ["any <subset>", "prefix"]
    for row in record["rows"]:
        assert row["images"] > 0 and row["nats"] > 100
        assert 0 <= row["label_kept"] <= 1 and 0 <= row["label_kept_upper"] <= 1
    path = tmp_path / "studies" / "tiny-mnist.json"
    assert record["out"] == str(path) and {p.suffix for p in path.parent.iterdir()} == {".json", ".svg"}
    kept = json.loads(path.read_text(encoding="utf-8"))
    assert kept == {k: v for k, v in record.items() if k != "out"}  # no path of this machine
    (tmp_path / "studies" / "tiny-mnist.md").write_text("A person's words about it.")
    page = results_page.section([], MNIST, tmp_path)
    assert "### A tiny study" in page and "(studies/tiny-mnist.svg)" in page and "A person's words about it." in page
    assert f"| prefix | {record['rows'][1]['images']:,} | {record['rows'][1]['nats']:.1f} |" in page
    assert (
        "python -m vssm study tiny --minutes 0.005 --data mnist --limit 4" in page and "the first 4 test digits" in page
    )
    assert "tiny" not in results_page.section([], CIFAR10, tmp_path)


def test_a_study_in_colour_is_told_in_bits(trained, tmp_path, capsys):
    record = vssm_json(capsys, "study", "tiny", *SHORT, "--data", "cifar10", "--out", tmp_path)
    for row in record["rows"]:
        assert "nats" not in row and 3 < row["bits_per_dim"] < 20 and 0 <= row["label_kept"] <= 1
    assert {p.name for p in (tmp_path / "studies").iterdir()} == {"tiny-cifar10.json", "tiny-cifar10.svg"}
    assert "bits a dimension" in (tmp_path / "studies" / "tiny-cifar10.svg").read_text(encoding="utf-8")
    page = results_page.section([], CIFAR10, tmp_path)
    assert f"| {record['rows'][0]['bits_per_dim']:.3f} |" in page and "−ELBO, bits a dimension" in page
    assert "--data cifar10 --limit 4" in page and "the first 4 test pictures" in page


def test_people_read_a_table(trained, tmp_path, capsys):
    assert vssm("study", "tiny", *SHORT, "--out", tmp_path) == 0
    out = capsys.readouterr().out
    assert "Is it made?" in out and "images seen" in out and "tiny-mnist.json" in out


def test_runs_differ_in_what_they_name_alone():
    configs = [studies.training_config(run, MNIST, 3, 7) for run in studies.get("known").runs]
    assert [c.known for c in configs] == [None, "prefix"]  # the preset's own, which is any subset
    assert registry.get("vssm").known == "any"
    assert configs[0] == dataclasses.replace(configs[1], known=None)
    assert {(c.minutes, c.seed, c.model, c.data) for c in configs} == {(3, 7, "vssm", "mnist")}


def test_a_study_of_samplers_uses_them(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(registry.PRESETS, "toy", toy.PRESET)
    classifier = checkpoint.shipped("classifier", "mnist")
    monkeypatch.setattr(checkpoint, "SHIPPED", tmp_path)
    shutil.copy(classifier, tmp_path)
    made = checkpoint.Checkpoint("toy", MNIST, registry.build("toy", {"height": 28, "width": 28}))
    made.save(checkpoint.shipped("toy", "mnist"))
    runs = (Run("once", "toy", sampler="parallel"), Run("thrice", "toy", sampler="rounds", parameter=3))
    study = Study("toys", "Toys", "Rounds?", runs, (*studies.SAMPLED, "acceptance"), "seconds", "label_kept", True)
    monkeypatch.setattr(studies, "STUDIES", {"toys": study})
    record = vssm_json(capsys, "study", "toys", "--limit", 12, "--data-dir", DATA, "--out", tmp_path)
    once, thrice = record["rows"]
    assert record["minutes"] is None and (once["network_calls"], thrice["network_calls"]) == (1, 3)
    assert thrice["tokens_per_call"] == pytest.approx(784 / 3) and once["seconds"] > 0 and once["acceptance"] is None
    generator = Generator(checkpoint.load(checkpoint.shipped("toy", "mnist")))
    scored = evaluate.Evaluation(generator, Settings(12, sampler="rounds", parameter=3), DATA, quiet=True)
    assert thrice["label_kept"] == scored.kept(metrics.lower_half_unknown(scored.images))
    assert "the shipped weights" in results_page.section([], MNIST, tmp_path)


def test_a_study_without_its_weights(monkeypatch, tmp_path):
    monkeypatch.setattr(checkpoint, "SHIPPED", tmp_path)
    with pytest.raises(UserError, match="no checkpoint"):
        studies.study(studies.get("chunks"), limit=4, data_folder=DATA, quiet=True)


@pytest.mark.parametrize("name", ["vssm", "vssm-paper"])
def test_the_first_levels_can_be_drawn_from_the_posterior(name, tmp_path):
    generator = Generator(checkpoint.load(small_weights(name, MNIST, tmp_path)), torch.device("cpu"))
    images = data.to_pixels(data.fixed_values(data.load(MNIST, "test", DATA)[0][:3], MNIST), MNIST)
    known = metrics.lower_half_unknown(images)
    codes = generator.encode(images, known, seed=4)
    assert len(codes) == len(generator.network.latent_levels)
    assert all((a == b).all() for a, b in zip(codes, generator.encode(images, known, seed=4), strict=True))
    others = generator.encode(np.where(known[..., None], images, 255 - images), known, seed=4)
    assert any((a != b).any() for a, b in zip(codes, others, strict=True))  # it sees what is to be completed

    def completed(held, seed):
        return generator.complete_batch(images, known, 1.0, seed, pixel_mode="mean", fixed_latents=held)[0]

    free = (None,) * len(codes)
    given = FixedLatents(codes, free)
    assert (completed(given, 1) == completed(given, 2)).all()  # nothing is left to chance
    assert (completed(None, 1) != completed(None, 2)).any()
    assert (completed(FixedLatents(free, free), 1) == completed(None, 1)).all()


def test_the_study_of_levels_from_the_posterior(monkeypatch, tmp_path, capsys):
    shutil.copy(checkpoint.shipped("classifier", "mnist"), tmp_path)
    path = small_weights("vssm", MNIST, tmp_path)
    monkeypatch.setattr(checkpoint, "SHIPPED", tmp_path)
    words = ["study", "levels-from-posterior", "--limit", 8, "--data-dir", DATA, "--out", tmp_path]
    record = vssm_json(capsys, *words)
    levels = len(checkpoint.load(path).network.latent_levels)
    assert [row["label"] for row in record["rows"]] == [f"k = {k}" for k in range(levels + 1)]
    assert [row["levels_held"] for row in record["rows"]] == list(range(levels + 1))
    scored = evaluate.Evaluation(Generator(checkpoint.load(path)), Settings(8, sampler="parallel"), DATA, quiet=True)
    assert record["rows"][0]["label_kept"] == scored.kept(metrics.lower_half_unknown(scored.images))
    page = results_page.section([], MNIST, tmp_path)
    assert "study levels-from-posterior --data mnist --limit 8" in page and "| k = 0 |" in page
