"""Weights, data sets, archives and pictures of any content: refused in a sentence, or accepted and right."""

import dataclasses
import gzip
import io
import json
import struct
import tempfile
import zipfile
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import torch
from commands import SEVEN, SMALL
from fuzzing import fuzz, survives
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save, save_file

from vssm import checkpoint, data
from vssm.cli import commands
from vssm.data import MNIST
from vssm.files import prompt_files
from vssm.models import registry
from vssm.training.trainer import Trainer, TrainingConfig


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
    config = dataclasses.asdict(registry.get(model).config(MNIST, **SMALL[model]))
    meta = {"model": model, "data": "mnist", "config": config, "scores": {"nats": 90.5}, "training": {"minutes": 1.0}}
    return registry.build(model, config).state_dict(), meta


@st.composite
def spoilt(draw, tensors: dict, meta: dict) -> bytes:
    """A file of these tensors and metadata in which something was changed: a setting, the metadata, a tensor, or some
    bytes."""
    kind = draw(st.sampled_from(["config", "config", "meta", "tensor", "bytes", "cut"]))
    names = st.sampled_from(sorted(tensors))
    if kind == "config":
        for name in draw(st.sets(st.sampled_from(sorted(meta["config"])), min_size=1, max_size=3)):
            meta["config"][name] = draw(SCALARS | WHOLE, label=name)
    elif kind == "meta":
        name = draw(st.sampled_from(sorted(meta)))
        meta[name] = draw(JSON)
        if draw(st.booleans(), label="no such entry"):
            del meta[name]
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


@pytest.mark.parametrize("model", registry.PRESETS)
@fuzz(few=6)
@given(drawn=st.data())
def test_weights(folder, model, drawn):
    here = folder()
    (here / "w.safetensors").write_bytes(drawn.draw(spoilt(*small(model))))
    words = ["complete", "--model", model, "--checkpoint", str(here / "w.safetensors"), "--prompt", str(SEVEN)]
    outcome = survives(
        commands.main,
        [*words, "--rows", "27", "--out", str(here / "out.png"), "--threads", "1", "--json"],
        files=here,
        made=("out.png",),
    )
    if outcome.accepted:
        record = json.loads(outcome.out, parse_constant=pytest.fail)
        assert record["tokens"] == 28 and (here / "out.png").read_bytes()[:4] == b"\x89PNG"


@pytest.fixture(scope="module")
def state(tmp_path_factory) -> Path:
    """The state of a training of a few steps."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("state")
    config = TrainingConfig("transformer", batch=2, changes=SMALL["transformer"])
    trainer = Trainer(config, torch.device("cpu"))
    for _ in range(2):
        trainer.train_step(torch.full((2, 28, 28, 1), 99, dtype=torch.uint8), trainer.network.loss)
    trainer.save(folder)
    return folder / "state.safetensors"


MADE_BY_RESUMING = ("next", "next/state.safetensors", "next/transformer-mnist.safetensors")


def resume(path: Path) -> tuple:
    """Take up a state and go a step on."""
    torch.set_num_threads(1)
    trainer = Trainer(TrainingConfig("transformer", batch=2, changes=SMALL["transformer"]), torch.device("cpu"))
    trainer.restore(path)
    before = trainer.step, trainer.images, trainer.skipped
    trainer.train_step(torch.full((2, 28, 28, 1), 99, dtype=torch.uint8), trainer.network.loss)
    checkpoint.load(trainer.save(path.parent / "next"))
    return before


@fuzz
@given(drawn=st.data())
def test_states(folder, state, drawn):
    here = folder()
    (here / "state.safetensors").write_bytes(drawn.draw(spoilt(*checkpoint.read(state))))
    outcome = survives(resume, here / "state.safetensors", files=here, made=MADE_BY_RESUMING)
    if outcome.accepted:
        _, meta = checkpoint.read(here / "state.safetensors")
        assert outcome.value == (meta["step"], meta["images"], meta["step"] - meta["average_steps"])


def test_weights_that_name_a_great_network_cost_nothing(folder):
    """A few bytes cannot take the machine's memory."""
    here = folder()
    _, meta = small("vssm")
    meta["config"] |= {"d_model": 2048, "inner": 4096, "fine_levels": 64, "encoder_blocks": 64}
    save_file({"w": torch.zeros(1)}, here / "w.safetensors", {"format": checkpoint.FORMAT, "meta": json.dumps(meta)})
    outcome = survives(checkpoint.load, here / "w.safetensors", files=here)
    assert outcome.code == 2 and "larger network than its 1 numbers" in outcome.err


# --- archives -------------------------------------------------------------------------------------------------------

SIDES = st.sampled_from([(28, 28), (28, 28, 1), (28, 28, 3), (784,), (27, 28), (), (0, 28), (1, 28, 28)])
TYPES = st.sampled_from(["|u1", "|b1", "|i1", "<i8", ">u2", "<f4", "<f8", "<U2", "|O", "<M8[s]", "|V3", "<c16"])
SHAPES = st.tuples(st.sampled_from([0, 1, 3, 10**6, 2**40]), SIDES).map(lambda shape: (shape[0], *shape[1]))
SOUND = {
    "images": np.zeros((3, 28, 28, 1), np.uint8),
    "known": np.tile(np.arange(28) < 27, (3, 28, 1)).swapaxes(1, 2),
    "x_test": np.full((3, 28, 28), 255, np.uint8) * np.tri(28, dtype=np.uint8),
    "y_test": np.arange(3),
}


def member(shape: tuple, kind: str, content: bytes) -> bytes:
    """An array whose header may say anything."""
    file = io.BytesIO()
    np.lib.format.write_array_header_2_0(file, {"descr": kind, "fortran_order": False, "shape": shape})
    return file.getvalue() + content


@st.composite
def archives(draw, names: tuple[str, str]) -> bytes:
    """A zip file of two arrays in which something was changed."""
    members = {}
    for name in names:
        file = io.BytesIO()
        np.save(file, SOUND[name])
        members[f"{name}.npy"] = file.getvalue()
    kind = draw(st.sampled_from(["sound", "header", "values", "name", "bytes", "cut", "packing"]))
    which = f"{draw(st.sampled_from(names))}.npy"
    if kind == "header":
        members[which] = member(draw(SHAPES), draw(TYPES), bytes(draw(st.sampled_from([0, 9, 2352, 10**7]))))
    elif kind == "values":
        values = np.asarray(draw(st.lists(st.integers(-2, 300), min_size=1, max_size=9)))
        made = np.resize(values, draw(st.sampled_from([(3,), (3, 28, 28), (3, 28, 28, 1), (3, 784)])))
        file = io.BytesIO()
        np.save(file, made.astype(draw(st.sampled_from([np.uint8, np.int64, np.float32, bool]))))
        members[which] = file.getvalue()
    elif kind == "name":
        members[draw(st.text(min_size=1, max_size=4))] = members.pop(which)
    packing = draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2]))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", packing if kind == "packing" else zipfile.ZIP_DEFLATED) as into:
        for name, content in members.items():
            into.writestr(name, content)
    raw = file.getvalue()
    if kind == "bytes":
        place = draw(st.integers(0, len(raw) - 1))
        return raw[:place] + draw(st.binary(min_size=1, max_size=4)) + raw[place + draw(st.integers(0, 4)) :]
    return raw[: draw(st.integers(0, len(raw)))] if kind == "cut" else raw


def array_of(path: Path, name: str) -> np.ndarray:
    """An array of an archive, which may begin with something else."""
    with zipfile.ZipFile(path) as file:
        return np.load(io.BytesIO(file.read(f"{name}.npy")))


@fuzz
@given(raw=archives(("images", "known")))
def test_archives_of_prompts(folder, raw):
    here = folder()
    (here / "in.npz").write_bytes(raw)
    words = ["complete", "--model", "vssm", "--prompts", str(here / "in.npz"), "--out", str(here / "out.npz"), "--json"]
    outcome = survives(commands.main, [*words, "--threads", "1"], files=here, made=("out.npz",))
    if outcome.accepted:
        images, known = (array_of(here / "in.npz", name) for name in ("images", "known"))
        images = images.reshape(-1, 1, 28, 28, 1)
        with np.load(here / "out.npz") as made:
            assert made["images"].shape == images.shape
            assert (made["images"][:, 0][known] == images[:, 0][known]).all()


@fuzz
@given(raw=archives(("x_test", "y_test")))
def test_data_sets(folder, raw):
    here = folder()
    (here / "mnist.npz").write_bytes(raw)
    outcome = survives(data.load, MNIST, "test", here, files=here)
    if outcome.accepted:
        images, labels = outcome.value
        assert images.shape == (len(labels), 28, 28, 1) and images.dtype == np.uint8 and images.max() > 127
        assert labels.shape == (len(images),) and labels.min() >= 0 and labels.max() < 10
        assert (images.ravel() == array_of(here / "mnist.npz", "x_test").ravel()).all()
        assert (labels == array_of(here / "mnist.npz", "y_test").ravel()).all()


@pytest.mark.parametrize("names", [("images", "known"), ("x_test", "y_test")])
def test_archives_that_unpack_to_gigabytes(folder, names):
    here = folder()
    with zipfile.ZipFile(here / "mnist.npz", "w", zipfile.ZIP_DEFLATED) as into:
        for name in names:
            with into.open(f"{name}.npy", "w", force_zip64=True) as file:
                file.write(member((3_000_000, 28, 28), "|u1", b""))
                for _ in range(3):
                    file.write(bytes(10_000_000))
    if names[0] == "images":
        words = ["complete", "--model", "vssm", "--prompts", str(here / "mnist.npz"), "--out", str(here / "out.npz")]
        outcome = survives(commands.main, words, files=here)
    else:
        outcome = survives(data.load, MNIST, "test", here, files=here)
    assert outcome.code == 2 and "3000000" in outcome.err.replace(",", "")


# --- MNIST's own files ----------------------------------------------------------------------------------------------


@fuzz
@given(
    header=st.lists(st.sampled_from([0x801, 0x803, 0x80D, 0, 1, 3, 28, 2**31, 2**32 - 1]), min_size=0, max_size=5),
    size=st.integers(0, 3000),
    packed=st.booleans(),
    keep=st.integers(0, 4000),
)
def test_published_files(folder, header, size, packed, keep):
    here = folder()
    raw = struct.pack(f">{len(header)}I", *header) + b"\xff" * size
    raw = (gzip.compress(raw) if packed else raw)[:keep]
    (here / "t10k-images-idx3-ubyte").write_bytes(raw)
    (here / "t10k-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 0x801, 3) + bytes(3))
    outcome = survives(data.load, MNIST, "test", here, files=here)
    assert outcome.accepted == (header == [0x803, 3, 28, 28] and size == 2352 and keep >= len(raw))


# --- pictures -------------------------------------------------------------------------------------------------------


@st.composite
def pictures_in_files(draw) -> bytes:
    """A picture of any mode and format, whole, cut or with some bytes changed."""
    size = draw(st.sampled_from([(28, 28), (28, 28), (1, 28), (300, 200)]))
    mode = draw(st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I", "I;16", "F"]))
    picture, file = Image.new("L", size, draw(st.integers(0, 255))), io.BytesIO()
    try:
        picture.convert(mode).save(
            file, draw(st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "ICO", "PDF"]))
        )
    except (OSError, ValueError):
        hypothesis.reject()
    raw = file.getvalue()
    match draw(st.sampled_from(["whole", "cut", "bytes", "bytes"])):
        case "cut":
            return raw[: draw(st.integers(0, len(raw)))]
        case "bytes":
            place = draw(st.integers(0, min(len(raw) - 1, 200)))
            return raw[:place] + draw(st.binary(min_size=1, max_size=6)) + raw[place + draw(st.integers(0, 6)) :]
    return raw


@fuzz
@given(raw=pictures_in_files())
def test_pictures(folder, raw):
    here = folder()
    (here / "in.png").write_bytes(raw)
    outcome = survives(prompt_files.read_prompt, MNIST, here / "in.png", None, 14, files=here)
    if outcome.accepted:
        prompt, _ = outcome.value
        assert prompt.pixels.shape == (28, 28, 1) and prompt.known.sum() == 14 * 28
