"""Scaling in T: equal size, equal T, exponents, the order of events, and what the command makes of them."""

import contextlib
import dataclasses
import itertools
import json
import signal
import sys
import time
import xml.etree.ElementTree as ElementTree

import forked
import pytest
import torch
from commands import vssm, vssm_json
from hypothesis import given
from hypothesis import strategies as st
from measured import TINY, point

from vssm import data
from vssm.cli import commands
from vssm.errors import UserError
from vssm.evaluation import memory, scaling, scaling_runner
from vssm.evaluation.scaling import Began, Contender, Measured, ScalingRequest, Working
from vssm.models import registry
from vssm.reports import svg_plot

NAMES = list(registry.PRESETS)
CPU = torch.device("cpu")


def small(*names, lengths=(16, 64), **more) -> ScalingRequest:
    contenders = tuple(Contender(name, name) for name in names or NAMES)
    return ScalingRequest("mnist", lengths, contenders, **{"repeat": 2, "parameters": TINY} | more)


# --- pictures and networks


@pytest.mark.parametrize(
    ("length", "shape"),
    [(256, (16, 16)), (512, (16, 32)), (1024, (32, 32)), (2048, (32, 64)), (4096, (64, 64)), (784, (28, 28)),
     (4, (2, 2)), (12, (2, 6)), (16384, (128, 128))],
)  # fmt: skip
def test_pictures_are_as_near_to_a_square_as_can_be(length, shape):
    assert scaling.grid(length) == shape


@given(st.integers(-8, 20000))
def test_every_length_has_even_sides_or_is_refused_in_a_sentence(length):
    if length % 4 == 0 and 4 <= length <= scaling.MOST:
        height, width = scaling.grid(length)
        assert height * width == length and height % 2 == width % 2 == 0 and height <= width
    else:
        with pytest.raises(UserError, match=f"multiple of 4 .*, not {length}"):
            scaling.grid(length)


@pytest.mark.parametrize(
    ("dataset", "parameters"),
    [(data.MNIST, scaling.PARAMETERS), (data.MNIST, TINY), (data.CIFAR10, scaling.PARAMETERS)],
)
def test_all_have_as_many_parameters_within_a_twentieth(dataset, parameters):
    counts = []
    for preset in registry.PRESETS.values():
        config = dataclasses.replace(preset.config(dataset), **scaling_runner.widths(preset, dataset, parameters))
        counts.append(scaling_runner.body(preset, config))
    assert max(abs(n / parameters - 1) for n in counts) < 0.05
    assert max(counts) / min(counts) < 1.1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("length", [16, 32, 128])
def test_a_network_reads_pixel_tokens_of_the_length_asked_for(name, length):
    made = scaling_runner.generator(Contender(name, name), data.MNIST, length, TINY, CPU)
    assert made.network.tokens == length == made.data.pixels  # a token a pixel, for the VSSMs too
    assert getattr(made.network.config, "patch", 1) == 1
    tables = made.checkpoint.parameters - scaling_runner.body(made.preset, made.network.config)
    assert 0 < tables < made.checkpoint.parameters
    assert not made.network.training and not any(p.requires_grad for p in made.network.parameters())


def test_only_tables_of_positions_and_maps_of_the_whole_grow_with_the_picture():
    """The same body at every length: what is compared is T and nothing else."""
    for name in NAMES:
        short, long = (scaling_runner.generator(Contender(name, name), data.MNIST, n, TINY, CPU) for n in (16, 64))
        assert scaling_runner.body(short.preset, short.network.config) == scaling_runner.body(
            long.preset, long.network.config
        )
        unlike = [k for k, p in short.network.named_parameters() if p.shape != long.network.get_parameter(k).shape]
        whole = {k for k in unlike if k.startswith(("code.", "plan."))}  # what a global code reads and tells at once
        assert unlike and all("position" in k or "row" in k or "column" in k for k in set(unlike) - whole)


def test_untrained_weights_are_the_same_every_time_and_chance_goes_on():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, two = (scaling_runner.generator(Contender("mamba", "mamba"), data.MNIST, 16, TINY, CPU) for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    pairs = zip(one.network.parameters(), two.network.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_a_model_without_a_width_takes_part_as_it_is(monkeypatch):
    import toy

    monkeypatch.setitem(registry.PRESETS, "toy", toy.PRESET)
    events = list(scaling_runner.measure(small("toy"), CPU))
    assert [e.network_calls for e in events if isinstance(e, Measured)] == [1, 1]


# --- measuring


def test_events_come_in_order_and_points_are_whole():
    events = list(scaling_runner.measure(small(), CPU))
    told = [e for e in events if not isinstance(e, Working)]
    expected = [(kind, name, n) for n in (16, 64) for name in NAMES for kind in (Began, Measured)]
    assert [(type(e), e.name, e.length) for e in told] == expected
    for e in told[1::2]:
        assert e.seconds > 0 and e.repeats == 2 and e.title == registry.get(e.model).title
        assert e.shape == scaling.grid(e.length) and abs(e.parameters / TINY - 1) < 0.05 and e.positions > 0
        usual = registry.get(e.model).samplers(data.MNIST)[0]
        assert e.sampler == usual.name and e.parameter == (usual.default if usual.parameter else None)
        assert (e.acceptance is not None) == (usual.name == "assd")
        assert e.network_calls == e.length or usual.name != "sequential"
    calls = {(e.name, e.length): e.network_calls for e in told[1::2]}
    assert calls["vssm", 16] == calls["vssm", 64] and calls["vssm-paper", 16] == calls["vssm-paper", 64] == 2


def test_pictures_in_colour_are_measured_too():
    """A token is a pixel of three channels: T network calls for a model that writes one after another."""
    request = dataclasses.replace(small(lengths=(16,), repeat=1, parameters=scaling.PARAMETERS), data="cifar10")
    found = {e.name: e for e in scaling_runner.measure(request, CPU) if isinstance(e, Measured)}
    assert list(found) == NAMES and found["transformer"].network_calls == 16 and found["vssm-paper"].network_calls == 2
    assert scaling_runner.record(list(found.values()), request, "CPU")["data"] == "cifar10"


def test_lengths_go_up_and_none_is_measured_twice():
    events = list(scaling_runner.measure(small("vssm-paper", lengths=(64, 16, 64)), CPU))
    assert [e.length for e in events if isinstance(e, Measured)] == [16, 64]


def test_the_slow_are_measured_once(monkeypatch):
    monkeypatch.setattr(scaling_runner, "ENOUGH", 1e-9)
    (found,) = (
        e for e in scaling_runner.measure(small("transformer", lengths=(16,), repeat=5), CPU) if type(e) is Measured
    )
    assert found.repeats == 1


def test_someone_in_a_hurry_is_asked_after_every_network_call():
    def between(urgent) -> int:
        """Chances to stop in the measuring of one point: a run that does not count and one that does."""
        return sum(
            type(e) is Working
            for e in scaling_runner.measure(small("transformer", repeat=1, lengths=(64,)), CPU, urgent)
        )

    assert between(lambda: True) >= 2 * 64 > between(lambda: False)


def test_closing_in_the_middle_leaves_no_half_point():
    asked = []
    with contextlib.closing(scaling_runner.measure(small("transformer"), CPU, lambda: True)) as events:
        for event in events:
            asked.append(event)
            if isinstance(event, Began) and event.length == 64:
                break
        for event in itertools.islice(events, 30):  # in the middle of a picture
            asked.append(event)
    assert [e.length for e in asked if isinstance(e, Measured)] == [16] and list(events) == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"lengths": ()}, "at least one length"),
        ({"lengths": (16, 18)}, "multiple of 4"),
        ({"contenders": ()}, "at least one"),
    ],
)
def test_requests_that_make_no_sense_are_a_sentence(wrong, message):
    with pytest.raises(UserError, match=message):
        ScalingRequest(**wrong)


@pytest.mark.parametrize(
    "wrong", [Contender("x", "oracle"), Contender("x", "vssm", "chaotic"), Contender("x", "asarm", "assd", 99)]
)
def test_contenders_that_cannot_run_are_told_before_the_first_point(wrong):
    request = small(lengths=(16,))
    request = dataclasses.replace(request, contenders=(Contender("mamba", "mamba"), wrong))
    with pytest.raises(UserError):
        assert all(isinstance(e, Working) for e in scaling_runner.measure(request, CPU))


# --- what follows from points


@given(st.floats(-1, 3), st.floats(-9, 3), st.sets(st.sampled_from(scaling.LENGTHS), min_size=3))
def test_exponents_of_power_laws_are_found(slope, shift, lengths):
    lengths = sorted(lengths)
    assert scaling.exponent(lengths, [2.0**shift * n**slope for n in lengths]) == pytest.approx(slope, abs=1e-9)


def test_fewer_than_three_lengths_have_no_exponent():
    """Through two points every power law passes."""
    assert scaling.exponent([256, 512, 512], [1.0, 2.0, 3.0]) is None
    two = [point("vssm", 256, 1.0), point("vssm", 512, 2.0)]
    assert scaling.exponents(two) == {"vssm": (None, None)}
    assert scaling.exponent([256], [1.0]) is None and scaling.exponent([256, 256], [1.0, 2.0]) is None
    assert scaling.exponents([point("vssm", 256, 1.0)]) == {"vssm": (None, None)}


def test_the_last_three_lengths_have_an_exponent_of_their_own():
    """A fixed cost at small T hides what follows."""
    points = [point("transformer", n, 1 + (n / 1024) ** 2) for n in (4096, 256, 2048, 1024)]
    whole, last = scaling.exponents(points)["transformer"]
    assert whole < last == pytest.approx(scaling.exponent([1024, 2048, 4096], [2, 5, 17]))


def test_a_record_of_what_there_is():
    """Stopped after the second model at the last length."""
    points = [
        point("vssm", 16, 1.0),
        point("transformer", 16, 3.0),
        point("mamba", 16, 2.0),
        point("vssm", 36, 2.25),
        point("vssm", 64, 4.0, acceptance=0.25, memory=7_400_000),
        point("transformer", 64, 6.0),
    ]
    made = json.loads(json.dumps(scaling_runner.record(points, small(), "CPU")))
    assert made["lengths"] == [16, 36, 64] and made["shapes"]["64"] == [8, 8]
    assert made["models"]["transformer"]["exponent"] is None  # of two points
    assert made["models"]["vssm"]["exponent"] == made["models"]["vssm"]["exponent_last"] == pytest.approx(1)
    assert made["models"]["mamba"]["seconds"] == {"16": 2.0} and made["models"]["mamba"]["exponent"] is None
    assert made["models"]["vssm"]["acceptance"] == {"64": 0.25} and "acceptance" not in made["models"]["mamba"]
    assert made["ratio_to_transformer"]["16"] == {"vssm": 3.0, "transformer": 1.0, "mamba": 1.5}
    assert made["ratio_to_transformer"]["64"] == {"vssm": 1.5, "transformer": 1.0}
    header, rows = scaling.table(made)
    assert [len(row) for row in rows] == [len(header)] * 3
    assert rows[0] == ["VSSM", "7", "1.0000 s (3.0 ×)", "2.2500 s", "4.0000 s, 7 MB (1.5 ×)", "1.00", "1.00"]
    assert rows[1][3:] == ["–", "6.0000 s (1.0 ×)", "–", "–"] and rows[2][3:] == ["–"] * 4
    assert "fitted over T = 16 to 64." in scaling.notes(made) and "VSSM kept 25% of its drafts" in scaling.notes(made)
    drawn = scaling.picture(made)
    assert ">VSSM ∝ T^1.00<" in drawn and ">Mamba<" in drawn and ">Transformer<" in drawn
    shorter = [*points, *(point("mamba", n, 1.0 * n) for n in (4, 8, 36))]
    made = scaling_runner.record(shorter, small(), "CPU")  # each is told with the lengths that it was measured at
    assert "fitted over T = 16 to 64 (VSSM); T = 4 to 36 (Mamba)." in scaling.notes(made)
    assert ">Mamba ∝ T^0.75, T = 4 to 36<" in scaling.picture(made)
    header, (first, _, third) = scaling.table(made)  # Mamba has four lengths
    assert header[-2:] == ["fixed cost", "∝ T^ without it"] and first[-2:] == ["–", "–"] and third[-1] != "–"
    assert "c · T^a" in scaling.notes(made)
    alone = scaling_runner.record([point("vssm", 16, 1.0)], small(), "CPU")
    assert alone["ratio_to_transformer"] == {} and "fitted" not in scaling.notes(alone)
    assert scaling.table(alone)[1] == [["VSSM", "7", "1.0000 s", "–", "–"]]
    assert "Memory: by" in scaling.notes(made) and "Memory: by" not in scaling.notes(alone)


@given(st.floats(0.2, 2.5), st.floats(0, 2), st.floats(-9, 3))
def test_a_fixed_cost_is_told_from_what_grows(slope, fixed, shift):
    """Of times that are exactly such a law, within the grid of exponents."""
    lengths, scale = scaling.LENGTHS, 2.0**shift
    seconds = [scale * (fixed + (n / lengths[0]) ** slope) for n in lengths]
    found, exponent = scaling.fixed_cost(lengths, seconds)
    assert exponent == pytest.approx(slope, abs=0.011) and found == pytest.approx(scale * fixed, abs=0.1 * seconds[0])


def test_a_cost_below_nothing_is_not_found():
    """The least times lie below every power law: none is fixed, and four lengths are needed."""
    seconds = [0.1, 2.0, 4.0, 8.0]
    assert scaling.fixed_cost([256, 512, 1024, 2048], seconds)[0] == 0
    assert scaling.fixed_cost([256, 512, 1024], seconds[:3]) is None


@pytest.mark.skipif(not memory.RESET.exists(), reason="only Linux tells it")
def test_the_peak_of_memory_is_measured():
    meter = memory.PeakMemory(CPU)
    torch.ones(2**24)  # 64 MiB, freed at once
    assert 60e6 < meter.read() < 120e6
    assert memory.PeakMemory(CPU).read() < 30e6  # begins anew
    (found,) = (e for e in scaling_runner.measure(small("vssm", lengths=(1024,)), CPU) if type(e) is Measured)
    assert found.memory is not None and 4 * found.parameters < found.memory + 30e6


def test_curves_are_told_apart_and_have_a_legend():
    named = [(f"law <{i}>", [(n, n ** (i / 3)) for n in (1.0, 10.0, 100.0)]) for i in range(5)]
    drawn = svg_plot.curves(named, svg_plot.Axis("T", log=True), svg_plot.Axis("s", log=True))
    root = ElementTree.fromstring(drawn)
    paths = [p for p in root.iter() if p.tag.endswith("path") and "fill" in p.attrib and p.get("fill") != "none"]
    assert len(paths) == 5 * (3 + 1)  # its points, and one in the legend
    assert len({(p.get("d"), p.get("fill")) for p in paths}) == 5
    assert [t.text for t in root.iter() if (t.text or "").startswith("law")][::2] == [f"law <{i}>" for i in range(5)]
    for wrong in ([], [("a", [])], [("a", [(1.0, 0.0)])], [("a", [(1.0, float("nan"))])]):
        with pytest.raises(ValueError):
            svg_plot.curves(wrong, svg_plot.Axis("T", log=True), svg_plot.Axis("s", log=True))


# --- the command

MODEL_KEYS = {"parameters", "seconds", "repeats", "network_calls", "exponent", "exponent_last", "mode"}


def test_the_command_prints_a_record_with_stable_keys(capsys, tmp_path):
    out = tmp_path / "new" / "scaling.json"
    made = vssm_json(capsys, "bench", "--lengths", "64,16", "--repeat", 1, "--allow-busy", "--out", out)
    assert made.keys() >= {"machine", "threads", "batch", "data", "lengths", "models", "ratio_to_transformer"}
    assert made["threads"] == made["batch"] == 1 and made["data"] == "mnist" and made["lengths"] == [16, 64]
    assert list(made["models"]) == NAMES
    for m in made["models"].values():
        assert m.keys() >= MODEL_KEYS and set(m["seconds"]) == set(m["repeats"]) == set(m["network_calls"]) == {
            "16",
            "64",
        }
        assert set(m["repeats"].values()) == {1} and abs(m["parameters"] / scaling.PARAMETERS - 1) < 0.05
        assert m["exponent"] is None is m["exponent_last"]  # two lengths
    for n, ratios in made["ratio_to_transformer"].items():
        rival = made["models"]["transformer"]["seconds"][n]
        assert ratios == {name: pytest.approx(rival / m["seconds"][n]) for name, m in made["models"].items()}
    assert json.loads(out.read_text("utf-8")) == made
    drawn = out.with_suffix(".svg").read_text("utf-8")
    assert ">Transformer<" in drawn and "∝" not in drawn
    assert len(list(out.parent.iterdir())) == 2


def test_the_command_prints_a_table_and_takes_modes(capsys):
    words = [
        "bench",
        "--lengths",
        "16,64",
        "--models",
        "asarm:sequential,asarm:assd:4,transformer",
        "--repeat",
        1,
        "--allow-busy",
    ]
    assert vssm(*words) == 0
    out = capsys.readouterr().out
    assert (
        "T = 16" in out and "T = 64" in out and "last three" in out and "AS-ARM, sequential" in out and "(1.0 ×)" in out
    )
    assert out.count("of its drafts") == 1 and "without those that grow with T" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--lengths", "256,255"], "multiple of 4 from 4 to 16,384, not 255"),
        (["--lengths", "256,20000"], "not 20000"),
        (["--lengths", "0"], "at least 1"),
        (["--lengths", "-4"], "at least 1"),
        (["--lengths", "many"], "not a whole number"),
        (["--lengths", "16,"], "not a whole number"),
        (["--lengths", "16", "--batch", "2"], "leave out --batch and --rows"),
        (["--lengths", "16", "--rows", "2"], "leave out --batch and --rows"),
        (["--lengths", "16", "--models", "oracle"], "no model 'oracle'"),
        (["--lengths", "16", "--models", "vssm:chaotic"], "no sampler 'chaotic'"),
        (["--lengths", "16,256", "--models", "asarm:assd:99"], "between 1 and 16"),
        (["--lengths", "16", "--data", "faces"], "no data set 'faces'"),
        (["--lengths", "16", "--device", "abacus"], "no device"),
        (["--lengths", "16", "--out", "scaling.txt"], "must end in .json"),
        (["--out", "scaling.json"], "give --lengths"),
    ],
)
def test_what_a_caller_gets_wrong_is_one_sentence(capsys, words, message):
    assert vssm("bench", *words) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in err and err.count("\n") == 1


def test_ctrl_c_shows_the_points_there_are(capsys, monkeypatch):
    measure = scaling_runner.measure

    def interrupted(*given):
        for i, event in enumerate(e for e in measure(*given) if isinstance(e, (Began, Measured))):
            if i == 5:
                raise KeyboardInterrupt
            yield event

    monkeypatch.setattr(scaling_runner, "measure", interrupted)
    assert vssm("bench", "--lengths", "16", "--repeat", 1, "--json") == 130
    made = json.loads(capsys.readouterr().out)
    assert list(made["models"]) == NAMES[:2] and made["lengths"] == [16]


def test_ctrl_c_before_the_first_point_prints_nothing(capsys, monkeypatch):
    def interrupted(*_):
        yield Began("vssm", "vssm", "VSSM", 16)
        raise KeyboardInterrupt

    monkeypatch.setattr(scaling_runner, "measure", interrupted)
    assert vssm("bench", "--lengths", "16", "--json") == 130
    assert capsys.readouterr().out == ""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to another process")
def test_ctrl_c_in_another_process_ends_in_a_whole_record(tmp_path):
    words = ["bench", "--lengths", "16,16384", "--models", "vssm-paper,transformer", "--threads", "1", "--json"]
    process = forked.started(commands.main, words, tmp_path)
    try:
        told, begun = "", time.monotonic()
        while "16,384" not in told and time.monotonic() - begun < 180:
            told += process.stderr.read(1)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=180)
    finally:
        process.kill()
    assert process.returncode == 130
    assert json.loads(out)["lengths"][0] == 16


def test_the_parser_knows_the_lengths():
    assert commands.make_parser().parse_args(["bench", "--lengths", "256, 512"]).lengths == [256, 512]
