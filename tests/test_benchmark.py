"""The benchmark does equal work in turns and says on what machine."""

import json

import pytest
import torch
from commands import calls, vssm, vssm_json

from vssm import benchmark, checkpoint
from vssm.generation import Generator
from vssm.prompt import Prompt

KEYS = {"machine", "threads", "batch", "models", "ratio_to_transformer"}
MODEL_KEYS = {"seconds_median", "seconds_min", "repeats", "network_calls"}


def test_both_models_side_by_side(capsys):
    record = vssm_json(capsys, "bench", "--repeat", 2, "--rows", 24)
    assert record.keys() >= KEYS and record["batch"] == 1 and record["threads"] == 1 and record["tokens"] == 4 * 28
    assert {"cpu", "cores", "python", "torch", "platform"} <= record["machine"].keys() and "load_average" in record
    assert set(record["models"]) == {"vssm", "transformer"}
    for name, m in record["models"].items():
        assert m.keys() >= MODEL_KEYS and m["repeats"] == 2 and 0 < m["seconds_min"] <= m["seconds_median"]
        assert m["images_per_second"] == pytest.approx(1 / m["seconds_median"])
        assert m["network_calls"] == calls(name, 4 * 28)
    ratio, seconds = record["ratio_to_transformer"], {n: m["seconds_median"] for n, m in record["models"].items()}
    assert ratio["transformer"] == 1 and ratio["vssm"] == pytest.approx(seconds["transformer"] / seconds["vssm"])


def test_several_batches_make_a_list_and_a_table(capsys):
    words = ["bench", "--models", "vssm", "--batch", "1,3", "--repeat", 1]
    assert vssm(*words, "--json") == 0
    records = json.loads(capsys.readouterr().out)
    assert [r["batch"] for r in records] == [1, 3] and records[1]["tokens"] == 3 * 784
    assert records[0]["ratio_to_transformer"] == {}
    assert vssm(*words) == 0
    out = capsys.readouterr().out
    assert out.count("VSSM") == 2 and "images/s" in out and "784 of 784 pixels generated" in out


def test_every_batch_size_is_full_work():
    generator = Generator(checkpoint.load(checkpoint.shipped("vssm", "mnist")), torch.device("cpu"))
    record = benchmark.bench({"vssm": generator}, Prompt.empty(28, 28, 1), batch=2, repeat=3, quiet=True)
    assert record["models"]["vssm"]["repeats"] == 3 and record["known"] == 0
    assert record["models"]["vssm"]["images_per_second"] == pytest.approx(
        2 / record["models"]["vssm"]["seconds_median"]
    )
