"""Whatever a caller gives: one sentence that says what to do, exit code 2, and nothing half-written."""

import json
import os
import pickle
import shutil
import struct
import subprocess
import sys
import urllib.request
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import DATA, EIGHT, SEVEN, pixels, settings, vssm, write
from safetensors.torch import save_file

import vssm as package
from vssm import checkpoint
from vssm.cli import commands
from vssm.data import CIFAR10, MNIST
from vssm.errors import UserError
from vssm.evaluation import classifier

BLANK = np.zeros((28, 28), np.uint8)


@pytest.fixture
def refuse(capsys, tmp_path):
    """refuse(*words, says=...): the command must end with 2, say so in one sentence and write nothing."""

    def check(*command, says: str) -> None:
        before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
        code = vssm(*command)
        out, err = capsys.readouterr()
        assert (code, out) == (2, ""), err
        assert err.count("\n") == 1 and err.endswith(".\n") and "Traceback" not in err, err
        assert says in err, err
        assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before

    return check


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "out.png"


# --- options --------------------------------------------------------------------------------------------------------

COMPLETE = ["complete", "--model", "vssm", "--prompt", SEVEN, "--out", "never.png"]
TRAIN = ["train", "--model", "vssm", "--out", "never", "--data-dir", DATA]


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ([], "required: COMMAND"),
        (["fly"], "invalid choice"),
        (["complete"], "required: --model, --out"),
        ([*COMPLETE, "--colour"], "nrecognized arguments"),
        ([*COMPLETE, "--samples", "0"], "--samples: must be at least 1"),
        ([*COMPLETE, "--samples", "-3"], "--samples: must be at least 1"),
        ([*COMPLETE, "--samples", "1.5"], "not a whole number"),
        ([*COMPLETE, "--samples", "1000000000"], "at most 1000"),
        ([*COMPLETE, "--temperature", "nan"], "--temperature: must be at least 0"),
        ([*COMPLETE, "--temperature", "inf"], "--temperature: must be at least 0"),
        ([*COMPLETE, "--temperature", "-1"], "--temperature: must be at least 0"),
        ([*COMPLETE, "--temperature", "hot"], "not a number"),
        ([*COMPLETE, "--seed", "-1"], "--seed: must be at least 0"),
        ([*COMPLETE, "--rows", "-1"], "--rows: must be at least 0"),
        ([*COMPLETE, "--rows", "29"], "between 0 and 28"),
        ([*COMPLETE, "--rows", "28"], "Every pixel of the prompt is known"),
        ([*COMPLETE, "--rows", "1", "--known", SEVEN], "not allowed with"),
        ([*COMPLETE, "--prompts", "x.npz"], "not allowed with"),
        ([*COMPLETE, "--threads", "0"], "--threads: must be at least 1"),
        ([*COMPLETE, "--device", "abacus"], "no device 'abacus'"),
        ([*COMPLETE, "--data", "imagenet"], "no data set 'imagenet'"),
        ([*COMPLETE, "--model", "oracle"], "no model 'oracle'"),
        ([*COMPLETE, "--mode", "chaotic"], "no mode 'chaotic'; choose one of: parallel"),
        ([*COMPLETE, "--draft", "8"], "mode 'parallel' has no --draft; leave it out"),
        ([*COMPLETE, "--model", "asarm", "--steps", "8"], "mode 'assd' has no --steps; choose --mode masked"),
        ([*COMPLETE, "--model", "asarm", "--draft", "0"], "--draft: must be at least 1"),
        ([*COMPLETE, "--model", "asarm", "--draft", "785"], "between 1 and 784"),
        ([*COMPLETE, "--model", "transformer", "--mode", "sequential", "--chunk", "4"], "has no --chunk"),
        (["complete", "--model", "vssm", "--out", "never.png"], "--prompt"),
        (["complete", "--model", "vssm", "--rows", "3", "--out", "never.png"], "--prompt"),
        (["evaluate", "--model", "vssm", "--limit", "0"], "--limit: must be at least 1"),
        (["evaluate", "--model", "vssm", "--limit", "65", "--data-dir", DATA], "64 test images"),
        (["evaluate", "--model", "oracle"], "no model 'oracle'"),
        (["evaluate"], "arguments --model --all is required"),
        (["evaluate", "--all", "--model", "vssm"], "not allowed with"),
        (["evaluate", "--all", "--mode", "parallel"], "--all scores the weights that come along"),
        (["evaluate", "--all", "--checkpoint", "x.safetensors"], "--all scores the weights that come along"),
        (["evaluate", "--model", "vssm", "--parts", "nats,beauty"], "called 'beauty'; choose among: nats, label"),
        (["evaluate", "--model", "vssm", "--parts", ""], "called ''"),
        (["evaluate", "--model", "vssm", "--mode", "chaotic"], "no mode 'chaotic'"),
        (["evaluate", "--model", "vssm", "--endings", "1"], "--endings: must be at least 2"),
        (["study", "everything"], "no study 'everything'; choose one of: latents"),
        (["study", "levels", "--minutes", "0"], "--minutes: must be above 0"),
        (["study", "levels", "--minutes", "1", "--limit", "65", "--data-dir", DATA], "64 test images"),
        (["study", "levels", "--device", "abacus"], "no device"),
        (["bench", "--models", "vssm,oracle"], "no model 'oracle'"),
        (["bench", "--models", ""], "no model ''"),
        (["bench", "--models", "vssm:chaotic"], "no mode 'chaotic'"),
        (["bench", "--models", "vssm:parallel:3"], "'parallel' has no number"),
        (["bench", "--models", "vssm:parallel:3:4"], "NAME:MODE:SIZE"),
        (["bench", "--models", "asarm:assd:few"], "NAME:MODE:SIZE"),
        (["bench", "--models", "asarm:assd:0"], "between 1 and 784"),
        (["bench", "--models", "asarm", "--steps", "3"], "choose --mode masked"),
        (["bench", "--batch", "1,0"], "--batch: must be at least 1"),
        (["bench", "--batch", ","], "not a whole number"),
        (["bench", "--repeat", "0"], "--repeat: must be at least 1"),
        (["bench", "--rows", "29"], "between 0 and 28"),
        (["bench", "--rows", "28"], "nothing to complete"),
        (["bench", "--device", "abacus"], "no device"),
        (["train", "--model", "vssm"], "required: --minutes"),
        ([*TRAIN, "--minutes", "0"], "--minutes: must be above 0"),
        ([*TRAIN, "--minutes", "nan"], "--minutes: must be above 0"),
        ([*TRAIN, "--minutes", "inf"], "--minutes: must be above 0"),
        ([*TRAIN, "--minutes", "1", "--batch", "0"], "--batch: must be at least 1"),
        ([*TRAIN, "--minutes", "1", "--lr", "0"], "--lr: must be above 0"),
        ([*TRAIN, "--minutes", "1", "--empty-share", "1.1"], "--empty-share: must be at least 0 and at most 1"),
        ([*TRAIN, "--minutes", "1", "--device", "abacus"], "no device"),
        ([*TRAIN, "--minutes", "1", "--model", "oracle"], "no model"),
        ([*TRAIN, "--minutes", "1", "--set", "d_model"], "KEY=VALUE"),
        ([*TRAIN, "--minutes", "1", "--set", "depth=3"], "one of the keys components, patch, d_model"),
        ([*TRAIN, "--minutes", "1", "--set", "height=32"], "one of the keys"),
        ([*TRAIN, "--minutes", "1", "--set", "d_model=wide"], "d_model=128"),
        ([*TRAIN, "--minutes", "1", "--set", "selective=3"], "selective=false"),
        ([*TRAIN, "--minutes", "1", "--set", "d_model=-4"], "No network can be made"),
        ([*TRAIN, "--minutes", "1", "--set", "heads=3"], "No network can be made"),
        ([*TRAIN, "--minutes", "1", "--set", "patch=0"], "No network can be made"),
        ([*TRAIN, "--minutes", "1", "--set", "latent=square"], "No network can be made"),
        (["train-classifier", "--minutes", "-1"], "--minutes: must be above 0"),
    ],
    ids=lambda value: " ".join(str(getattr(v, "name", v)) for v in value[-4:]) if isinstance(value, list) else "",
)
def test_options(refuse, tmp_path, monkeypatch, command, says):
    monkeypatch.chdir(tmp_path)
    refuse(*command, says=says)


# --- pictures -------------------------------------------------------------------------------------------------------


def text_file(path: Path) -> Path:
    path.write_text("not a picture")
    return path


def cut(path: Path, source: Path, keep: int) -> Path:
    path.write_bytes(source.read_bytes()[:keep])
    return path


def pipe(path: Path) -> Path:
    """What a reader would wait at for ever."""
    os.mkfifo(path)
    return path


def postscript(path: Path) -> Path:
    """What Pillow hands to another program unless told not to."""
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 28 28\n%%EndComments\nshowpage\n%%EOF\n")
    return path


def png_header(path: Path, width: int, height: int) -> Path:
    """A PNG in colour that says it has that size."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = b"IDAT" + zlib.compress(bytes(100_000))
    chunks = (struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (header, rows, b"IEND"))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    return path


PICTURES = {
    "missing": (lambda d: d / "none.png", "There is no file"),
    "too wide": (lambda d: write(d / "p.png", np.zeros((28, 29), np.uint8)), "29×28"),
    "too small": (lambda d: write(d / "p.png", np.zeros((1, 1), np.uint8)), "1×1"),
    "text": (lambda d: text_file(d / "p.png"), "cannot be read as a picture"),
    "empty": (lambda d: cut(d / "p.png", SEVEN, 0), "cannot be read as a picture"),
    "truncated": (lambda d: cut(d / "p.png", SEVEN, 60), "cannot be read as a picture"),
    "header only": (lambda d: cut(d / "p.png", SEVEN, 33), "cannot be read as a picture"),
    "folder": (lambda d: d, "cannot be read as a picture"),
    "pipe": (lambda d: pipe(d / "p.png"), "cannot be read as a picture"),
    "PostScript": (lambda d: postscript(d / "p.png"), "cannot be read as a picture"),
    "too wide for memory": (lambda d: png_header(d / "p.png", 100_000_000, 1), "100,000,000 × 1 pixels"),
    "too high for memory": (lambda d: png_header(d / "p.png", 1, 2**31 - 1), "too many pixels"),
    "too large": (lambda d: png_header(d / "p.png", 20_000, 20_000), "too many pixels"),
    "large": (lambda d: png_header(d / "p.png", 9_000, 9_000), "9,000 × 9,000 pixels"),
}


@pytest.mark.parametrize("kind", PICTURES)
def test_prompts(refuse, tmp_path, out, kind):
    make, says = PICTURES[kind]
    refuse("complete", "--model", "vssm", "--prompt", make(tmp_path), "--out", out, says=says)


@pytest.mark.parametrize("kind", PICTURES)
def test_known_masks(refuse, tmp_path, out, kind):
    make, says = PICTURES[kind]
    refuse("complete", "--model", "vssm", "--prompt", SEVEN, "--known", make(tmp_path), "--out", out, says=says)


@pytest.mark.parametrize("option", ["--prompt", "--known"])
def test_pictures_stored_as_0_and_1(refuse, tmp_path, out, option):
    path = write(tmp_path / "p.png", np.tri(28, dtype=np.uint8))
    words = {"--prompt": [SEVEN], "--known": [SEVEN]} | {option: [path]}
    given = [word for name, value in words.items() for word in (name, *value)]
    refuse("complete", "--model", "vssm", *given, "--out", out, says=f"values in {path} are 0 and 1")


def test_everything_known(refuse, tmp_path, out):
    known = write(tmp_path / "known.png", BLANK + 255)
    refuse("complete", "--model", "vssm", "--prompt", SEVEN, "--known", known, "--out", out, says="Every pixel")
    opaque = write(tmp_path / "opaque.png", np.dstack([pixels(EIGHT), BLANK + 255]))
    refuse("complete", "--model", "vssm", "--prompt", opaque, "--out", out, says="--rows")


# --- where to write -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["out.jpg", "out", ".png", "out.png.txt"])
def test_suffixes(refuse, tmp_path, name):
    refuse("complete", "--model", "vssm", "--prompt", SEVEN, "--out", tmp_path / name, says=".png or .npz")


def test_names_that_no_system_takes(refuse, tmp_path, out):
    name = tmp_path / ("x" * 300) / "y.png"
    refuse("complete", "--model", "vssm", "--prompt", SEVEN, "--out", name, says="choose another path")
    refuse("complete", "--model", "vssm", "--prompt", name, "--out", out, says="cannot be read")
    refuse("complete", "--model", "vssm", "--prompt", SEVEN, "--checkpoint", name, "--out", out, says="choose another")


@pytest.mark.parametrize("suffix", [".png", ".npz"])
def test_places_that_cannot_be_written(refuse, tmp_path, suffix):
    (tmp_path / "file").write_text("I am no folder")
    (tmp_path / f"folder{suffix}").mkdir()
    places = [tmp_path / "file" / f"out{suffix}", tmp_path / f"folder{suffix}"]
    if sys.platform == "linux":
        places.append(Path("/proc/none") / f"out{suffix}")
    for place in places:
        refuse("complete", "--model", "vssm", "--prompt", SEVEN, "--out", place, says="cannot be written")


def test_a_classifier_goes_into_safetensors(refuse, tmp_path):
    refuse("train-classifier", "--minutes", 1, "--out", tmp_path / "c.png", says="must end in .safetensors")


def test_a_batch_goes_into_an_archive(refuse, tmp_path, out):
    np.savez(tmp_path / "in.npz", images=BLANK[None], known=np.zeros((1, 28, 28), bool))
    refuse("complete", "--model", "vssm", "--prompts", tmp_path / "in.npz", "--out", out, says="must end in .npz")
    refuse(
        "complete",
        "--model",
        "vssm",
        "--prompts",
        tmp_path / "in.npz",
        "--rows",
        3,
        "--out",
        tmp_path / "o.npz",
        says="leave out --known and --rows",
    )


def test_scores_that_cannot_be_written(refuse, tmp_path, full_disk):
    path = shutil.copy(checkpoint.shipped("vssm", "mnist"), tmp_path / "copy.safetensors")
    full_disk()
    words = ["evaluate", "--model", "vssm", "--limit", 1, "--parts", "nats", "--data-dir", DATA]
    refuse(*words, "--checkpoint", path, "--write", says="cannot be written")


# --- archives -------------------------------------------------------------------------------------------------------


class Trap:
    """Unpickling this would leave a file behind."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


ONE, NONE = np.zeros((1, 28, 28, 1), np.uint8), np.zeros((1, 28, 28), bool)
ARCHIVES = {
    "no known": ({"images": ONE}, "known"),
    "no images": ({"known": NONE}, "images"),
    "too wide": ({"images": np.zeros((1, 28, 29, 1), np.uint8), "known": NONE}, "uint8 [M, 28, 28, 1]"),
    "in colour": ({"images": np.zeros((1, 28, 28, 3), np.uint8), "known": NONE}, "uint8 [M, 28, 28, 1]"),
    "one picture": ({"images": BLANK, "known": NONE[0]}, "uint8 [M, 28, 28, 1]"),
    "none at all": ({"images": ONE[:0], "known": NONE[:0]}, "uint8 [M, 28, 28, 1]"),
    "a number": ({"images": np.uint8(3), "known": NONE}, "uint8 [M, 28, 28, 1]"),
    "known as numbers": ({"images": ONE, "known": NONE.astype(np.uint8)}, "must be bool"),
    "more known": ({"images": ONE, "known": np.concatenate([NONE, NONE])}, "must be bool"),
    "known by channel": ({"images": ONE, "known": NONE[..., None]}, "must be bool"),
    "all known": ({"images": ONE, "known": ~NONE}, "Every pixel"),
    "0 and 1": ({"images": ONE + 1, "known": np.tri(28, dtype=bool)[None]}, "multiply them by 255"),
}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_archives_of_prompts(refuse, tmp_path, kind):
    arrays, says = ARCHIVES[kind]
    np.savez(tmp_path / "in.npz", **arrays)
    refuse("complete", "--model", "vssm", "--prompts", tmp_path / "in.npz", "--out", tmp_path / "out.npz", says=says)


def test_more_completions_than_memory_holds(refuse, tmp_path):
    np.savez(tmp_path / "in.npz", images=ONE.repeat(1000, 0), known=NONE.repeat(1000, 0))
    words = ["complete", "--model", "vssm", "--prompts", tmp_path / "in.npz", "--out", tmp_path / "out.npz"]
    refuse(*words, "--samples", 1000, says="ask for 637 at most")


def test_objects_are_never_unpickled(refuse, tmp_path):
    trap = tmp_path / "sprung"
    objects = np.empty(1, object)
    objects[0] = Trap(trap)
    np.savez(tmp_path / "in.npz", images=objects, known=NONE)
    (tmp_path / "plain.npz").write_bytes(pickle.dumps(Trap(trap)))
    for name in ("in.npz", "plain.npz"):
        refuse(
            "complete",
            "--model",
            "vssm",
            "--prompts",
            tmp_path / name,
            "--out",
            tmp_path / "out.npz",
            says="plain arrays",
        )
    for name in ("vssm.safetensors", "plain.npz"):
        (tmp_path / name).write_bytes(pickle.dumps(Trap(trap)))
        refuse(
            "complete",
            "--model",
            "vssm",
            "--prompt",
            SEVEN,
            "--checkpoint",
            tmp_path / name,
            "--out",
            tmp_path / "out.png",
            says="not a safetensors file",
        )
    assert not trap.exists()


def repacked(path: Path, compression: int, suffix: str = ".npy") -> None:
    """The same archive, packed another way or with other names."""
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in members.items():
            file.writestr(name.removesuffix(".npy") + suffix, content)


KINDS = [
    "missing",
    "empty",
    "text",
    "truncated",
    "flipped",
    "npy",
    "folder",
    "lzma",
    "plain member",
    "encrypted",
    "many",
]


@pytest.mark.parametrize("kind", KINDS)
def test_files_that_are_no_archives(refuse, tmp_path, kind):
    path = tmp_path / "in.npz"
    np.savez_compressed(path, images=np.arange(784, dtype=np.uint8).reshape(1, 28, 28, 1), known=NONE)
    whole = path.read_bytes()
    match kind:
        case "missing":
            path.unlink()
        case "empty":
            path.write_bytes(b"")
        case "text":
            path.write_text("not an archive")
        case "truncated":
            path.write_bytes(whole[: len(whole) // 2])
        case "flipped":
            path.write_bytes(whole[:150] + bytes(255 - b for b in whole[150:200]) + whole[200:])
        case "npy":
            with path.open("wb") as file:
                np.save(file, ONE)
        case "folder":
            path.unlink()
            path.mkdir()
        case "lzma":
            repacked(path, zipfile.ZIP_LZMA)
        case "plain member":
            repacked(path, zipfile.ZIP_STORED, suffix="")
        case "encrypted":
            at = whole.index(b"PK\x01\x02") + 8
            path.write_bytes(whole[:at] + bytes([whole[at] | 1]) + whole[at + 1 :])
        case "many":
            with zipfile.ZipFile(path, "a") as file:
                for number in range(3000):
                    file.writestr(f"{number}.npy", b"")
    refuse("complete", "--model", "vssm", "--prompts", path, "--out", tmp_path / "out.npz", says=str(path))


# --- checkpoints ----------------------------------------------------------------------------------------------------


def shipped() -> bytes:
    return checkpoint.shipped("vssm", "mnist").read_bytes()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (lambda: None, "There is no checkpoint"),
        (lambda: b"", "not a safetensors file"),
        (lambda: b"this is a text, and not a short one", "not a safetensors file"),
        (lambda: shipped()[:4], "not a safetensors file"),
        (lambda: shipped()[:100_000], "not a safetensors file"),
        (lambda: shipped()[:-1], "not a safetensors file"),
    ],
    ids=["missing", "empty", "text", "header cut", "truncated", "one byte short"],
)
def test_broken_checkpoints(refuse, tmp_path, out, content, says):
    path = tmp_path / "weights.safetensors"
    if (raw := content()) is not None:
        path.write_bytes(raw)
    for command in (["complete", "--prompt", SEVEN, "--out", out], ["evaluate", "--data-dir", DATA]):
        refuse(*command, "--model", "vssm", "--checkpoint", path, says=says)


def altered(**changes):
    """Metadata with some settings of the config changed; None removes one."""

    def change(meta: dict) -> dict:
        config = {k: v for k, v in (meta["config"] | changes).items() if v is not None}
        return meta | {"config": config}

    return change


def nested(levels: int) -> dict:
    return {"deeper": nested(levels - 1)} if levels else {}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (altered(wings=2), "no setting 'wings'"),
        (altered(height=None), "needs the setting 'height'"),
        (altered(d_model=96), "and its network needs F32 ["),
        (altered(d_model="wide"), "setting d_model must be a whole number from 1"),
        (altered(fine_levels=9), "it has no tensor 'fine.2."),
        (altered(latent="square"), "setting latent must be one of 'gaussian', 'categorical'"),
        (altered(d_model=-1), "setting d_model must be a whole number from 1"),
        (altered(heads=0), "setting heads must be a whole number from 1 to 64"),
        (altered(heads=3), "setting heads must be a divisor of inner"),
        (altered(fine_levels=10**9), "setting fine_levels must be"),
        (altered(fine_levels=64, d_model=2048, inner=4096), "larger network than its"),
        (altered(height=32), "pictures have height 28, and its config says 32"),
        (altered(num_values=256, likelihood="logistic-mixture"), "pictures have num_values 2"),
        (lambda meta: {k: v for k, v in meta.items() if k != "config"}, "its config is missing"),
        (lambda meta: meta | {"config": [1, 2]}, "its config is missing or no record"),
        (lambda meta: meta | {"scores": {"nats": float("nan")}}, "its scores holds what is neither"),
        (lambda meta: meta | {"scores": {"nats": 10**400}}, "its scores holds what is neither"),
        (lambda meta: meta | {"scores": [1]}, "its scores is missing or no record"),
        (lambda meta: meta | {"scores": {"measured": 3}}, "'measured' is no record"),
        (lambda meta: meta | {"training": nested(100)}, "its training holds what is neither"),
        (lambda meta: meta | {"model": {"vssm": 1}}, "its model is missing or no text"),
        (lambda meta: meta | {"model": "transformer"}, "holds the model 'transformer'"),
        (lambda meta: meta | {"model": "oracle"}, "holds the model 'oracle'"),
        (lambda meta: meta | {"data": "cifar10"}, "trained on 'cifar10'"),
    ],
)
def test_checkpoints_of_another_make(refuse, tmp_path, out, change, says):
    tensors, meta = checkpoint.read(checkpoint.shipped("vssm", "mnist"))
    checkpoint.write(tmp_path / "weights.safetensors", tensors, change(meta))
    refuse(
        "complete",
        "--model",
        "vssm",
        "--prompt",
        SEVEN,
        "--checkpoint",
        tmp_path / "weights.safetensors",
        "--out",
        out,
        says=says,
    )


def put(value: float):
    """One of the weights changed."""

    def change(tensors: dict) -> dict:
        changed = tensors["fine.1.block.into.weight"].clone()
        changed[3, 5] = value
        return tensors | {"fine.1.block.into.weight": changed}

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (put(float("nan")), "weights 'fine.1.block.into.weight' are not finite"),
        (put(float("inf")), "weights 'fine.1.block.into.weight' are not finite"),
        (put(-1e30), "weights 'fine.1.block.into.weight' are not finite, or too large"),
        (lambda t: t | {"fine_position": t["fine_position"].half()}, "'fine_position' is F16 [14, 14, 128]"),
        (lambda t: t | {"fine_position": t["fine_position"].double()}, "its network needs F32 [14, 14, 128]"),
        (lambda t: t | {"fine_position": t["fine_position"][:13].clone()}, "'fine_position' is F32 [13, 14, 128]"),
        (lambda t: t | {"wings": torch.zeros(2)}, "a tensor 'wings' that its network does not know"),
        (lambda t: {k: v for k, v in t.items() if k != "fine_position"}, "it has no tensor 'fine_position'"),
        (lambda t: {}, "larger network than its 0 numbers are"),
    ],
)
def test_weights_that_are_none(refuse, tmp_path, out, change, says):
    tensors, meta = checkpoint.read(checkpoint.shipped("vssm", "mnist"))
    path = tmp_path / "weights.safetensors"
    checkpoint.write(path, change(tensors), meta)
    refuse("complete", "--model", "vssm", "--prompt", SEVEN, "--checkpoint", path, "--out", out, says=says)


def test_a_classifier_with_a_broken_weight(tmp_path):
    tensors, meta = checkpoint.read(classifier.path(MNIST))
    path = tmp_path / "weights.safetensors"
    checkpoint.write(path, tensors | {"head.bias": torch.full((10,), float("nan"))}, meta)
    with pytest.raises(UserError, match=r"head\.bias' are not finite"):
        classifier.load(MNIST, path)
    checkpoint.write(path, tensors, meta | {"config": meta["config"] | {"features": 10**9}})
    with pytest.raises(UserError, match="setting features must be a whole number from 1 to 4,096"):
        classifier.load(MNIST, path)
    with pytest.raises(UserError, match="no classifier of CIFAR-10's pictures"):
        classifier.load(CIFAR10, classifier.path(MNIST))


def test_metadata_that_are_nested_too_deep(refuse, tmp_path, out):
    path = tmp_path / "weights.safetensors"
    save_file({"w": torch.zeros(1)}, path, {"format": checkpoint.FORMAT, "meta": '{"a":' * 5000 + "1" + "}" * 5000})
    words = ["complete", "--model", "vssm", "--prompt", SEVEN, "--checkpoint", path, "--out", out]
    refuse(*words, says="is broken or not a safetensors file")
    path.write_bytes((2**40).to_bytes(8, "little") + bytes(1000))
    refuse(*words, says="its header is too large")


def test_safetensors_of_another_program(refuse, tmp_path, out):
    save_file({"weight": torch.zeros(3)}, tmp_path / "weights.safetensors")
    refuse(
        "complete",
        "--model",
        "vssm",
        "--prompt",
        SEVEN,
        "--checkpoint",
        tmp_path / "weights.safetensors",
        "--out",
        out,
        says="not made by this program",
    )


def test_weights_of_another_model(refuse, out):
    refuse(
        "complete",
        "--model",
        "vssm",
        "--prompt",
        SEVEN,
        "--checkpoint",
        checkpoint.shipped("transformer", "mnist"),
        "--out",
        out,
        says="not 'vssm'",
    )


# --- data -----------------------------------------------------------------------------------------------------------


def test_no_data_and_no_network(refuse, tmp_path, monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody answers there: the download fails at once
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setattr(urllib.request, "_opener", None)  # which keeps the proxies of the first request
    monkeypatch.delenv("NO_PROXY", raising=False)
    refuse("evaluate", "--model", "vssm", "--data-dir", tmp_path, says="could not be downloaded")


@pytest.mark.parametrize("kind", ["text", "truncated", "keys"])
def test_a_broken_data_set(refuse, tmp_path, kind):
    path = tmp_path / "mnist.npz"
    match kind:
        case "text":
            path.write_text("not an archive")
        case "truncated":
            path.write_bytes((DATA / "mnist.npz").read_bytes()[:9000])
        case "keys":
            np.savez(path, images=ONE)
    refuse("evaluate", "--model", "vssm", "--data-dir", tmp_path, says="Keras' layout")
    refuse(
        "train-classifier",
        "--minutes",
        1,
        "--data-dir",
        tmp_path,
        "--out",
        tmp_path / "c.safetensors",
        says="Keras' layout",
    )


# --- training -------------------------------------------------------------------------------------------------------


def test_training_where_another_training_lies(refuse, tmp_path, capsys):
    def words(model: str, *more) -> list:
        return ["train", "--model", model, "--minutes", 0.002, "--data-dir", DATA, "--out", tmp_path, *more]

    assert vssm(*words("vssm", *settings("vssm"))) == 0
    capsys.readouterr()
    refuse(*words("vssm", *settings("vssm")), says="--resume")
    refuse(*words("vssm", "--resume"), says="same settings")
    refuse(*words("transformer", "--resume"), says="training of model 'vssm'")


def test_training_into_a_place_that_cannot_be_written(refuse, tmp_path):
    (tmp_path / "file").write_text("I am no folder")
    refuse(
        "train",
        "--model",
        "vssm",
        "--minutes",
        1,
        "--data-dir",
        DATA,
        "--out",
        tmp_path / "file" / "run",
        *settings("vssm"),
        says="cannot be written",
    )


# --- memory ---------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="limits its own memory by means of Linux")
def test_too_little_memory(tmp_path):
    program = """
import resource, sys
from vssm.cli import commands as cli
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 400 * 2**20,) * 2)
sys.exit(cli.main(sys.argv[1:]))
"""
    words = ["complete", "--model", "transformer", "--rows", "0", "--samples", "1000", "--out", "out.png"]
    environment = os.environ | {"PYTHONPATH": str(Path(package.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2 and done.stdout == "" and not list(tmp_path.iterdir())
    assert done.stderr.splitlines()[-1].startswith("There is not enough memory"), done.stderr


def test_memory_errors_of_torch_are_told_apart():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60)
    assert commands.explain(caught.value)[0] == 2
    assert commands.explain(RuntimeError("shapes do not fit"))[0] == 1
    assert json.dumps(commands.explain(torch.OutOfMemoryError("CUDA out of memory"))[0]) == "2"
