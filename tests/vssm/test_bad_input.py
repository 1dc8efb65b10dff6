"""Whatever a caller gives: one sentence that says what to do, exit code 2, and nothing half-written."""

import json
import os
import pickle
import shutil
import struct
import sys
import urllib.request
import zipfile
import zlib
from pathlib import Path

import forked
import numpy as np
import pytest
import torch
from commands import DATA, EIGHT, SEVEN, complete_with, pixels, settings, vssm, write

from vssm import checkpoint
from vssm.cli import commands

BLANK = np.zeros((28, 28), np.uint8)


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
        pytest.param(
            [*COMPLETE, "--device", "cuda"],
            "is built without CUDA; install a build with it",
            marks=pytest.mark.skipif(torch.version.cuda is not None, reason="this torch is built with CUDA"),
        ),
        ([*COMPLETE, "--data", "imagenet"], "no data set 'imagenet'"),
        ([*COMPLETE, "--model", "oracle"], "no model 'oracle'"),
        ([*COMPLETE, "--mode", "chaotic"], "no sampler 'chaotic'; choose one of: parallel"),
        ([*COMPLETE, "--draft", "8"], "sampler 'parallel' has no --draft; leave it out"),
        ([*COMPLETE, "--model", "asarm", "--steps", "8"], "sampler 'assd' has no --steps; choose --sampler masked"),
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
        (["evaluate", "--model", "vssm", "--mode", "chaotic"], "no sampler 'chaotic'"),
        (["evaluate", "--model", "vssm", "--endings", "1"], "--endings: must be at least 2"),
        (["study", "everything"], "no study 'everything'; choose one of: latents"),
        (["study", "levels", "--minutes", "0"], "--minutes: must be above 0"),
        (["study", "levels", "--minutes", "1", "--limit", "65", "--data-dir", DATA], "64 test images"),
        (["study", "levels", "--device", "abacus"], "no device"),
        (["bench", "--models", "vssm,oracle"], "no model 'oracle'"),
        (["bench", "--models", ""], "no model ''"),
        (["bench", "--models", "vssm:chaotic"], "no sampler 'chaotic'"),
        (["bench", "--models", "vssm:parallel:3"], "'parallel' has no number"),
        (["bench", "--models", "vssm:parallel:3:4"], "NAME:SAMPLER:NUMBER"),
        (["bench", "--models", "asarm:assd:few"], "NAME:SAMPLER:NUMBER"),
        (["bench", "--models", "asarm:assd:0"], "between 1 and 784"),
        (["bench", "--models", "asarm", "--steps", "3"], "choose --sampler masked"),
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
    refuse("complete", "--model", "vssm", *given, "--out", out, says=f"in {path} are 0 and 1")


def test_everything_known(refuse, tmp_path, out):
    known = write(tmp_path / "known.png", BLANK + 255)
    refuse("complete", "--model", "vssm", "--prompt", SEVEN, "--known", known, "--out", out, says="Every pixel")
    opaque = write(tmp_path / "opaque.png", np.dstack([pixels(EIGHT), BLANK + 255]))
    refuse("complete", "--model", "vssm", "--prompt", opaque, "--out", out, says="--rows")


def test_nothing_known_by_opacity(refuse, tmp_path, out):
    faint = write(tmp_path / "faint.png", np.dstack([BLANK, pixels(EIGHT) // 3]))
    refuse("complete", "--model", "vssm", "--prompt", faint, "--out", out, says="No pixel")


# --- where to write -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["out.jpg", "out", ".png", "out.png.txt"])
def test_suffixes(refuse, tmp_path, name):
    refuse("complete", "--model", "vssm", "--prompt", SEVEN, "--out", tmp_path / name, says=".png or .npz")


def test_names_that_no_system_takes(refuse, tmp_path, out):
    name = tmp_path / ("x" * 300) / "y.png"
    refuse("complete", "--model", "vssm", "--prompt", SEVEN, "--out", name, says="choose another path")
    refuse("complete", "--model", "vssm", "--prompt", name, "--out", out, says="cannot be read")
    refuse(*complete_with(name, out), says="choose another")


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
HALF = np.tile(np.arange(28)[:, None] < 14, (2, 1, 28))
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
    "one of 0 and 1": ({"images": np.concatenate([ONE + 255, ONE + 1]), "known": HALF}, "are 0 and 1"),
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
        refuse(*complete_with(tmp_path / name, tmp_path / "out.png"), says="not a safetensors file")
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


def with_little_memory(words: list[str]) -> int:
    import resource

    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 400 * 2**20,) * 2)
    return commands.main(words)


@pytest.mark.skipif(sys.platform != "linux", reason="limits its own memory by means of Linux")
def test_too_little_memory(tmp_path):
    words = ["complete", "--model", "transformer", "--rows", "0", "--samples", "1000", "--out", "out.png"]
    process = forked.started(with_little_memory, words, tmp_path)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 2 and out == "" and not list(tmp_path.iterdir())
    assert err.splitlines()[-1].startswith("There is not enough memory"), err


def test_memory_errors_of_torch_are_told_apart():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60)
    assert commands.explain(caught.value)[0] == 2
    assert commands.explain(RuntimeError("shapes do not fit"))[0] == 1
    assert json.dumps(commands.explain(torch.OutOfMemoryError("CUDA out of memory"))[0]) == "2"
