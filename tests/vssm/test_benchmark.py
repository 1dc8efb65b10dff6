"""The benchmark does equal work in turns and says on what machine."""

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from commands import calls, small_weights, vssm, vssm_json

import vssm as package
from vssm import checkpoint
from vssm.data import CIFAR10, MNIST
from vssm.errors import UserError
from vssm.evaluation import benchmark, machine_limit
from vssm.evaluation.benchmark import Contestant
from vssm.evaluation.machine_load import LoadMeter, MachineLoad
from vssm.models import registry
from vssm.prompt import Prompt
from vssm.sampling.generator import Generator

KEYS = {"machine", "threads", "batch", "models", "ratio_to_transformer"}
MODEL_KEYS = {"seconds_median", "seconds_min", "repeats", "network_calls"}


def test_models_side_by_side(capsys):
    record = vssm_json(capsys, "bench", "--repeat", 2, "--rows", 24, "--allow-busy")
    assert record.keys() >= KEYS and record["batch"] == 1 and record["threads"] == 1 and record["tokens"] == 4 * 28
    assert {"cpu", "cores", "python", "torch", "platform"} <= record["machine"].keys() and "load_average" in record
    assert list(record["models"]) == list(registry.PRESETS)
    for name, m in record["models"].items():
        assert m.keys() >= MODEL_KEYS and m["repeats"] == 2 and 0 < m["seconds_min"] <= m["seconds_median"]
        assert m["images_per_second"] == pytest.approx(1 / m["seconds_median"])
        assert m["network_calls"] in calls(name, 4 * 28) and m["mode"] == registry.get(name).samplers(MNIST)[0].name
        assert m["seconds_median"] == pytest.approx(sum(m["seconds"]) / 2)
    ratio, low_and_high = record["ratio_to_transformer"], record["ratio_spread"]
    of_turns = [a / b for a, b in zip(*(record["models"][n]["seconds"] for n in ("transformer", "vssm")), strict=True)]
    assert ratio["transformer"] == 1 and ratio["vssm"] == pytest.approx(sum(of_turns) / 2)
    assert min(of_turns) <= low_and_high["vssm"][0] <= ratio["vssm"] <= low_and_high["vssm"][1] <= max(of_turns)


def test_samplers_side_by_side(capsys):
    entries = ["asarm:sequential", "asarm:assd:5", "asarm:masked:3", "transformer:sequential"]
    words = ["bench", "--models", ",".join(entries), "--repeat", 1, "--rows", 26, "--allow-busy"]
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
    words = ["bench", "--data", "cifar10", "--repeat", 1, "--rows", 30, "--allow-busy"]
    record = vssm_json(capsys, *words)
    assert record["data"] == "cifar10" and record["tokens"] == 64 and list(record["models"]) == ["vssm", "transformer"]
    assert {n: m["pixels"] for n, m in record["models"].items()} == {"vssm": "mean", "transformer": "sampled"}
    assert record["models"]["transformer"]["network_calls"] == 65 and record["ratio_to_transformer"]["transformer"] == 1
    assert vssm(*words) == 0 and "64 of 1024 pixels generated" in capsys.readouterr().out


def test_files_of_weights_side_by_side(tmp_path, capsys):
    path = small_weights("vssm", MNIST, tmp_path)
    entries = [f"{path}", f"{path}:chunked:100", "vssm"]
    words = ["bench", "--models", ",".join(entries), "--repeat", 1, "--rows", 26, "--allow-busy"]
    found = vssm_json(capsys, *words)["models"]
    assert list(found) == entries and [m["size"] for m in found.values()] == [None, 100, None]
    assert [m["title"] for m in found.values()] == ["VSSM, parallel", "VSSM, chunked, chunk 100", "VSSM, parallel"]
    assert vssm("bench", "--models", tmp_path / "none.safetensors") == 2
    assert "none.safetensors" in capsys.readouterr().err


# --- the limit ------------------------------------------------------------------------------------------------------


def test_every_product_is_counted_once():
    """Of a linear layer, a convolution, an attention and a batch of products, by hand."""
    torch.manual_seed(0)
    layer, conv = torch.nn.Linear(6, 5), torch.nn.Conv2d(3, 4, 3, padding=1)
    x, picture, heads = torch.randn(2, 7, 6), torch.randn(2, 3, 8, 8), torch.randn(2, 3, 10, 4)
    with torch.inference_mode(), machine_limit.recorded() as products:
        layer(x)
        assert products.operations == 2 * 2 * 7 * 6 * 5
        assert products.bytes == 4 * (2 * 7 * 6 + 6 * 5 + 5)
        conv(picture)
        assert products.operations == 420 * 2 + 2 * (2 * 4 * 64) * 27
        before = products.operations
        torch.nn.functional.scaled_dot_product_attention(heads, heads, heads)
        assert products.operations == before + 2 * 2 * (2 * 3 * 10 * 10 * 4)
        before = products.operations
        for _ in range(3):
            torch.matmul(heads, heads.mT) + heads.sum()
        assert products.operations == before + 3 * 2 * (2 * 3 * 10 * 10 * 4)
        before = products.operations
        torch.addmv(layer.bias, layer.weight, x[0, 0]).addmv_(layer.weight, x[0, 1])
        assert products.operations == before + 2 * 2 * 6 * 5
        torch.bmm(heads[0], torch.ones(4, 1).expand(3, 4, 5))  # all of whose elements share a few places
        torch.mm(torch.ones(0, 4), torch.ones(4, 5))
    assert sorted(products.calls.values()) == [1, 1, 1, 1, 1, 1, 1, 3]
    assert products.seconds(torch.device("cpu")) > 0
    before = products.operations
    layer(x)
    assert products.operations == before


def test_the_limit_of_the_machine(capsys, monkeypatch):
    monkeypatch.setattr(machine_limit, "ROUNDS", 1)  # quicker, as no figure is kept
    monkeypatch.setattr(machine_limit, "LARGE", 2**22)
    words = ["bench", "--models", "vssm,vssm-paper", "--limit", "--repeat", 1, "--batch", "1,2", "--allow-busy"]
    every = ",".join([*registry.PRESETS, "transformer:predictive", "mamba:predictive"])
    found = vssm_json(capsys, *words[:2], every, *words[3:6], "--rows", 26, "--allow-busy")["models"]
    assert all(m["limit_share"] > 0 and m["operations"] > 0 for m in found.values())
    assert vssm(*words, "--json") == 0
    one, two = json.loads(capsys.readouterr().out)
    assert one["rates"]["products"].keys() == {"float32", "bfloat16"} and one["rates"]["cache"] > 0
    for name, m in one["models"].items():
        other = two["models"][name]
        assert m["operations"] < other["operations"] <= 2 * m["operations"] and m["bytes"] < other["bytes"]
        assert m["limit_share"] == pytest.approx(m["products_seconds"] / m["seconds_median"])
    assert 2e8 < one["models"]["vssm"]["operations"] < 5e8  # of a picture; see docs/MODELS.md
    assert vssm(*words[:2], "vssm", *words[3:6], "--rows", 26, "--allow-busy") == 0
    assert "share of the limit" in capsys.readouterr().out


# --- against an earlier record --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def earlier(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("bench") / "earlier.json"
    generator = Generator(checkpoint.load(checkpoint.shipped("vssm-paper", "mnist")), torch.device("cpu"))
    contestants = {"vssm-paper": Contestant(generator)}
    record = benchmark.bench(contestants, Prompt.empty(28, 28, 1), repeat=3, quiet=True, allow_busy=True)
    path.write_text(json.dumps(record | {"too_busy": False}))
    return path


def test_what_became_slower_fails(earlier, tmp_path, capsys):
    """Against times a hundred times as long and as short."""
    record = json.loads(earlier.read_text())
    words = ["bench", "--models", "vssm-paper", "--repeat", 3, "--allow-busy", "--against"]
    for factor, code in ((100, 0), (0.01, 2)):
        changed = json.loads(earlier.read_text())
        for key in ("seconds_median", "seconds_min"):
            changed["models"]["vssm-paper"][key] = factor * record["models"]["vssm-paper"][key]
        path = tmp_path / f"{factor}.json"
        path.write_text(json.dumps([changed]))
        assert vssm(*words, path) == code
        out, err = capsys.readouterr()
        assert out.rstrip().endswith("slower") == (code == 2) == ("Slower than" in err)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"machine": {"cpu": "Abacus 3000"}}, "the processor Abacus 3000"),
        ({"threads": 63}, "the number of threads 63"),
        ({"tokens": 3}, "the number of pixels 3"),
        ({"models": {"vssm": {"seconds_median": 1.0, "seconds_min": 1.0}}}, "none of these models"),
        ({"too_busy": True}, "too busy in the earlier record"),
    ],
)
def test_only_like_is_compared_with_like(earlier, change, sentence):
    record = json.loads(earlier.read_text())
    assert benchmark.compare(record, record)["vssm-paper"] == {"ratio": 1.0, "slower": False}
    with pytest.raises(UserError, match=sentence):
        benchmark.compare(record, record | change)


def test_every_batch_needs_one_before(earlier, capsys):
    assert vssm("bench", "--models", "vssm-paper", "--batch", "1,3", "--against", earlier) == 2
    assert "has no batch 3" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "[]]", "{}", "[3]", '{"machine": 3}', '{"models": {}}'])
def test_what_is_no_record_is_refused(text, tmp_path, capsys):
    path = tmp_path / "record.json"
    path.write_text(text)
    assert vssm("bench", "--models", "vssm-paper", "--against", path) == 2
    assert "is not what `bench --json` prints" in capsys.readouterr().err
    assert vssm("bench", "--models", "vssm-paper", "--against", tmp_path) == 2
    assert "cannot be read" in capsys.readouterr().err


# --- other programs -------------------------------------------------------------------------------------------------


CORES = os.cpu_count() or 1


@contextlib.contextmanager
def busy(loops: int):
    """So many busy loops."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(loops)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
        for loop in loops:
            loop.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells it at once")
def test_a_busy_machine_shows_no_ratios_unless_told_to(capsys):
    words = ["bench", "--models", "vssm,transformer", "--repeat", 1, "--rows", 27, "--threads", CORES]
    with busy(1 + CORES // 8):  # each gets half a core or more, and a twentieth of all is too much
        record = vssm_json(capsys, *words)
        assert vssm(*words) == 0
        out = capsys.readouterr().out
        allowed = vssm_json(capsys, *words, "--allow-busy")
        lengths = vssm_json(capsys, "bench", "--lengths", "16", *words[1:5], *words[7:])
    assert record["too_busy"] and record["ratio_to_transformer"] == {} and record["others_busy_cores"] > 0.5
    assert record["models"]["vssm"]["seconds_median"] > 0 and len(record["load_average"]) == 3
    assert "too many for ratios" in out and "--allow-busy" in out and "×" not in out
    assert allowed["too_busy"] and allowed["ratio_to_transformer"]["transformer"] == 1
    assert lengths["ratio_to_transformer"] == {}


@pytest.mark.parametrize(
    ("others", "cores", "threads", "busy"),
    [
        (0.1, 2, 2, False),
        (0.29, 2, 2, False),
        (0.5, 2, 2, True),
        (1.2, 2, 1, False),
        (1.5, 2, 1, True),
        (40.0, 64, 8, False),
        (60.0, 64, 8, True),
        (3.0, 64, 64, False),
        (4.0, 64, 64, True),
        (0.2, 2, 16, False),
        (None, 2, 2, False),
    ],
)
def test_what_is_too_busy(others, cores, threads, busy):
    load = MachineLoad(others, (1.0, 1.0, 1.0), cores, threads)
    assert load.too_busy is busy and ("--allow-busy" in load.words) is busy
    assert load.to_dict()["others_busy_cores"] == others


def test_own_work_is_not_that_of_others():
    meter, end = LoadMeter(), time.process_time() + 0.3
    while time.process_time() < end:
        pass
    load = meter.read(1)
    assert load.others is not None and load.others <= (os.cpu_count() or 1) + 0.1  # own cores are not counted


def environment(**changes) -> dict:
    root = Path(package.__file__).resolve().parent.parent
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_", "KMP_"))}
    return plain | {"PYTHONPATH": str(root)} | changes


PASSIVE = "print(os.environ['OMP_WAIT_POLICY'], os.environ.get('GOMP_SPINCOUNT'), 'torch' in sys.modules)"


@pytest.mark.parametrize(
    ("module", "given", "told"),
    [
        ("vssm", {}, "PASSIVE 10000 False"),
        ("app.application", {}, "PASSIVE 10000 False"),
        ("vssm", {"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE None False"),
    ],
)
def test_threads_are_to_spin_briefly_and_then_sleep(module, given, told):
    """In every way in, before torch is loaded; a user's wish is kept."""
    program = f"import os, sys, {module}; {PASSIVE}"
    done = subprocess.run([sys.executable, "-c", program], env=environment(**given), capture_output=True, text=True)
    assert done.stdout.split() == told.split(), done.stderr


def test_torch_reads_how_its_threads_are_to_wait():
    """What its runtime says of itself, where it does, once commands have loaded it."""
    program = f"import os, sys, vssm.cli.commands; {PASSIVE}"
    variables = environment(OMP_DISPLAY_ENV="verbose")
    done = subprocess.run([sys.executable, "-c", program], env=variables, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["PASSIVE", "10000", "True"]
    for name, value in (("OMP_WAIT_POLICY", "PASSIVE"), ("GOMP_SPINCOUNT", "10000")):
        assert name not in done.stderr or f"{name} = '{value}'" in done.stderr


@pytest.mark.parametrize("older", [{"ATEN_CPU_CAPABILITY": "avx2"}, {"ONEDNN_MAX_CPU_ISA": "avx2"}])
def test_a_cpu_that_is_to_compute_as_an_older_one_has_no_bfloat16(older):
    code = "import torch; from vssm import device; print(device.fast_dtype(torch.device('cpu')))"
    ran = subprocess.run([sys.executable, "-c", code], env=os.environ | older, capture_output=True, text=True)
    assert ran.stdout.strip() == "torch.float32", ran.stderr
