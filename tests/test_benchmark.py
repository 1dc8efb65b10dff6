"""The benchmark does equal work in turns and says on what machine."""

import json

import pytest
import torch
from commands import calls, small_weights, vssm, vssm_json

from vssm import benchmark, checkpoint, models
from vssm.benchmark import Contestant
from vssm.data import CIFAR10, MNIST
from vssm.generation import Generator
from vssm.prompt import Prompt

KEYS = {"machine", "threads", "batch", "models", "ratio_to_transformer"}
MODEL_KEYS = {"seconds_median", "seconds_min", "repeats", "network_calls"}


def test_models_side_by_side(capsys):
    record = vssm_json(capsys, "bench", "--repeat", 2, "--rows", 24)
    assert record.keys() >= KEYS and record["batch"] == 1 and record["threads"] == 1 and record["tokens"] == 4 * 28
    assert {"cpu", "cores", "python", "torch", "platform"} <= record["machine"].keys() and "load_average" in record
    assert list(record["models"]) == list(models.PRESETS)
    for name, m in record["models"].items():
        assert m.keys() >= MODEL_KEYS and m["repeats"] == 2 and 0 < m["seconds_min"] <= m["seconds_median"]
        assert m["images_per_second"] == pytest.approx(1 / m["seconds_median"])
        assert m["network_calls"] in calls(name, 4 * 28) and m["mode"] == models.get(name).modes(MNIST)[0].name
    ratio, seconds = record["ratio_to_transformer"], {n: m["seconds_median"] for n, m in record["models"].items()}
    assert ratio["transformer"] == 1 and ratio["vssm"] == pytest.approx(seconds["transformer"] / seconds["vssm"])


def test_samplers_side_by_side(capsys):
    entries = ["asarm:sequential", "asarm:assd:5", "asarm:masked:3", "transformer:sequential"]
    words = ["bench", "--models", ",".join(entries), "--repeat", 1, "--rows", 26]
    record = vssm_json(capsys, *words)
    found = record["models"]
    assert list(found) == entries == list(record["ratio_to_transformer"])
    assert [(m["mode"], m["size"]) for m in found.values()] == [
        ("sequential", None), ("assd", 5), ("masked", 3), ("sequential", None)
    ]  # fmt: skip
    sequential, assd, masked, _ = found.values()
    assert sequential["tokens_per_call"] < 1 + 1e-9 and masked["network_calls"] <= 4 < sequential["network_calls"]
    assert 0 < assd["acceptance"] <= 1 and assd["accepted"] <= assd["drafted"] and "acceptance" not in masked
    assert vssm(*words) == 0
    out = capsys.readouterr().out
    assert "AS-ARM, assd, draft 5" in out and f"{assd['acceptance']:.0%}" in out and "AS-ARM, masked, steps 3" in out


def test_a_sampler_for_all_that_name_none(capsys):
    words = ["--models", "asarm,asarm:masked:3", "--mode", "masked", "--steps", 2, "--repeat", 1, "--rows", 26]
    found = vssm_json(capsys, "bench", *words)["models"]
    assert [m["size"] for m in found.values()] == [2, 3]


def test_several_batches_make_a_list_and_a_table(capsys):
    words = ["bench", "--models", "vssm", "--batch", "1,3", "--repeat", 1]
    assert vssm(*words, "--json") == 0
    records = json.loads(capsys.readouterr().out)
    assert [r["batch"] for r in records] == [1, 3] and records[1]["tokens"] == 3 * 784
    assert records[0]["ratio_to_transformer"] == {}
    assert [r["models"]["vssm"]["tokens_per_call"] for r in records] == [784 / calls("vssm", 784)[0]] * 2
    assert vssm(*words) == 0
    out = capsys.readouterr().out
    assert out.count("VSSM") == 2 and "images/s" in out and "784 of 784 pixels generated" in out


def test_every_batch_size_is_full_work():
    generator = Generator(checkpoint.load(checkpoint.shipped("vssm", "mnist")), torch.device("cpu"))
    contestants = {"vssm": Contestant(generator)}
    record = benchmark.bench(contestants, Prompt.empty(28, 28, 1), batch=2, repeat=3, quiet=True)
    assert record["models"]["vssm"]["repeats"] == 3 and record["known"] == 0
    assert record["models"]["vssm"]["images_per_second"] == pytest.approx(
        2 / record["models"]["vssm"]["seconds_median"]
    )


def test_colour_side_by_side(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(checkpoint, "SHIPPED", tmp_path)
    assert vssm("bench", "--data", "cifar10") == 2 and "No weights for CIFAR-10" in capsys.readouterr().err
    for model in ("vssm", "transformer"):
        small_weights(model, CIFAR10, tmp_path)
    words = ["bench", "--data", "cifar10", "--repeat", 1, "--rows", 30]
    record = vssm_json(capsys, *words)
    assert record["data"] == "cifar10" and record["tokens"] == 64 and list(record["models"]) == ["vssm", "transformer"]
    assert {n: m["pixels"] for n, m in record["models"].items()} == {"vssm": "mean", "transformer": "sampled"}
    assert record["models"]["transformer"]["network_calls"] == 65 and record["ratio_to_transformer"]["transformer"] == 1
    assert vssm(*words) == 0 and "64 of 1024 pixels generated" in capsys.readouterr().out
