"""Weights, data sets and archives of any content: refused in a sentence, or accepted and right."""

import dataclasses
import json
import tempfile
from pathlib import Path

import pytest
import torch
from commands import SEVEN, SMALL
from fuzzing import fuzz, survives
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save, save_file

from vssm import checkpoint, cli, models
from vssm.data import MNIST


@pytest.fixture
def folder(tmp_path_factory):
    """Makes an empty folder whenever it is called: an example must not see the files of the one before."""
    return lambda: Path(tempfile.mkdtemp(dir=tmp_path_factory.getbasetemp()))


# --- weights --------------------------------------------------------------------------------------------------------

WHOLE = st.one_of(st.integers(-2, 9), st.integers(), st.sampled_from([64, 2048, 4096, 10**9]))
SCALARS = st.one_of(st.none(), st.booleans(), WHOLE, st.floats(), st.text(max_size=5), st.just("gaussian"))
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner))


def small(model: str) -> tuple[dict, dict]:
    """Tensors and metadata of an untrained network, small and sound."""
    torch.manual_seed(0)
    config = dataclasses.asdict(models.get(model).config(MNIST, **SMALL[model]))
    meta = {"model": model, "data": "mnist", "config": config, "scores": {"nats": 90.5}, "training": {"minutes": 1.0}}
    return models.build(model, config).state_dict(), meta


@st.composite
def weights(draw, model: str) -> bytes:
    """A file of weights in which something was changed: a setting, the metadata, a tensor, or some bytes."""
    tensors, meta = small(model)
    kind = draw(st.sampled_from(["config", "config", "meta", "tensor", "bytes", "cut"]))
    names = st.sampled_from(sorted(tensors))
    if kind == "config":
        for name in draw(st.sets(st.sampled_from(sorted(meta["config"])), min_size=1, max_size=3)):
            meta["config"][name] = draw(SCALARS | WHOLE, label=name)
    elif kind == "meta":
        meta[draw(st.sampled_from(sorted(meta)))] = draw(JSON)
    elif kind == "tensor":
        name = draw(names)
        value = tensors[name].clone()
        match draw(st.sampled_from(["value", "type", "shape", "gone", "more"])):
            case "value":
                value.view(-1)[0] = draw(st.sampled_from([float("nan"), float("inf"), 1e38, -3e7, 1e5, 0.0]))
            case "type":
                value = value.to(draw(st.sampled_from([torch.float16, torch.bfloat16, torch.int64, torch.bool])))
            case "shape":
                value = draw(st.sampled_from([value.view(-1)[:-1].clone(), value[None], torch.zeros(())]))
            case "more":
                tensors["more"] = value.clone()
        tensors[name] = value
        if draw(st.booleans(), label="gone"):
            del tensors[name]
    raw = save(tensors, {"format": checkpoint.FORMAT, "meta": json.dumps(meta)})
    if kind == "bytes":
        place = draw(st.integers(0, 3000) | st.integers(0, len(raw) - 1))
        return raw[:place] + draw(st.binary(min_size=1, max_size=8)) + raw[place + draw(st.integers(0, 8)) :]
    return raw[: draw(st.integers(0, len(raw)))] if kind == "cut" else raw


@pytest.mark.parametrize("model", models.PRESETS)
@fuzz(few=6)
@given(data=st.data())
def test_weights(folder, model, data):
    here = folder()
    (here / "w.safetensors").write_bytes(data.draw(weights(model)))
    words = ["complete", "--model", model, "--checkpoint", str(here / "w.safetensors"), "--prompt", str(SEVEN)]
    outcome = survives(
        cli.main,
        [*words, "--rows", "27", "--out", str(here / "out.png"), "--threads", "1", "--json"],
        files=here,
        made=("out.png",),
    )
    if outcome.accepted:
        record = json.loads(outcome.out, parse_constant=pytest.fail)
        assert record["tokens"] == 28 and (here / "out.png").read_bytes()[:4] == b"\x89PNG"


def test_weights_that_name_a_great_network_cost_nothing(folder):
    """A few bytes cannot take the machine's memory."""
    here = folder()
    _, meta = small("vssm")
    meta["config"] |= {"d_model": 2048, "inner": 4096, "fine_levels": 64, "encoder_blocks": 64}
    save_file({"w": torch.zeros(1)}, here / "w.safetensors", {"format": checkpoint.FORMAT, "meta": json.dumps(meta)})
    outcome = survives(checkpoint.load, here / "w.safetensors", files=here)
    assert outcome.code == 2 and "larger network than its 1 numbers" in outcome.err
