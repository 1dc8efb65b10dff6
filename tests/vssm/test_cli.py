"""The command line does what it says, on the shipped weights."""

import argparse
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import forked
import numpy as np
import pytest
import torch
from commands import (
    DATA,
    EIGHT,
    EIGHT_KNOWN,
    SEVEN,
    SMALL,
    calls,
    pixels,
    reads_in_raster_order,
    settings,
    small_weights,
    vssm,
    vssm_json,
    wait_for,
    write,
)
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

import vssm as package
from vssm import checkpoint
from vssm.cli import commands
from vssm.data import MNIST
from vssm.errors import UserError
from vssm.files.prompt_files import read_prompt
from vssm.models import registry
from vssm.sampling.generator import Generator

COMPLETE_KEYS = {
    "model",
    "data",
    "mode",
    "size",
    "samples",
    "seconds",
    "prompt_seconds",
    "network_calls",
    "tokens",
    "tokens_per_second",
    "device",
    "threads",
    "seed",
    "out",
    "tokens_per_call",
}
NAMES = list(registry.PRESETS)


@pytest.fixture(params=NAMES)
def model(request) -> str:
    return request.param


# --- complete -------------------------------------------------------------------------------------------------------


def test_samples_lie_side_by_side_and_known_pixels_come_back(model, tmp_path, capsys):
    out = tmp_path / "new" / "out.png"
    record = vssm_json(
        capsys, "complete", "--model", model, "--prompt", SEVEN, "--rows", 14, "--samples", 3, "--seed", 5, "--out", out
    )
    assert record.keys() >= COMPLETE_KEYS
    assert record["model"] == model and record["data"] == "mnist" and record["out"] == str(out)
    assert record["samples"] == 3 and record["tokens"] == 3 * 14 * 28 and record["seed"] == 5
    assert record["seconds"] > 0 and record["clamped"] is False
    assert record["network_calls"] in calls(model, 14 * 28)
    assert record["tokens_per_call"] == pytest.approx(14 * 28 / record["network_calls"])
    images = pixels(out).reshape(28, 3, 28).swapaxes(0, 1)
    assert (images[:, :14] == pixels(SEVEN)[:14]).all() and set(np.unique(images)) <= {0, 255}
    assert list(out.parent.iterdir()) == [out]


def test_raw_pixels_go_into_an_archive(tmp_path, capsys):
    out = tmp_path / "out.npz"
    vssm_json(
        capsys, "complete", "--model", "vssm", "--prompt", EIGHT, "--known", EIGHT_KNOWN, "--samples", 2, "--out", out
    )
    with np.load(out) as made:
        images, known = made["images"], made["known"]
    assert images.shape == (2, 28, 28, 1) and images.dtype == np.uint8
    assert (known == (pixels(EIGHT_KNOWN) >= 128)).all() and known.dtype == bool
    assert (images[:, known, 0] == pixels(EIGHT)[known]).all()


def test_grey_prompts_come_back_grey(tmp_path, capsys):
    grey = np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)
    vssm_json(
        capsys,
        "complete",
        "--model",
        "vssm",
        "--prompt",
        write(tmp_path / "grey.png", grey),
        "--out",
        tmp_path / "out.png",
    )
    assert (pixels(tmp_path / "out.png")[:14] == grey[:14]).all()


def test_the_same_seed_makes_the_same_pictures(tmp_path, capsys):
    def run(seed):
        vssm_json(capsys, "complete", "--model", "vssm", "--rows", 0, "--seed", seed, "--out", tmp_path / "out.png")
        return pixels(tmp_path / "out.png")

    assert (run(1) == run(1)).all() and (run(1) != run(2)).any()


def test_nothing_known_is_unconditional(tmp_path, capsys):
    record = vssm_json(
        capsys, "complete", "--model", "vssm", "--prompt", SEVEN, "--rows", 0, "--out", tmp_path / "out.png"
    )
    assert record["known"] == 0 and record["tokens"] == 784


def test_people_are_told_what_was_known(tmp_path, capsys):
    assert vssm("complete", "--model", "vssm", "--prompt", SEVEN, "--out", tmp_path / "out.png") == 0
    out, err = capsys.readouterr()
    assert "392 of 784: the upper half" in out and "network calls" in out and str(tmp_path / "out.png") in out
    assert "Traceback" not in err


INK = {
    "black ink on nothing": lambda a: np.dstack([0 * a, 0 * a, 0 * a, a]),
    "blue ink on nothing": lambda a: np.dstack([0 * a + 20, 0 * a + 30, 0 * a + 120, a]),
    "white ink on nothing": lambda a: np.dstack([0 * a + 255, 0 * a + 255, 0 * a + 255, a]),
    "grey with opacity": lambda a: np.dstack([0 * a, a]),
    "12 bits in 16": lambda a: a.astype(np.uint16) * 16,
}


@pytest.mark.parametrize("kind", INK)
def test_a_drawing_is_not_lost_whatever_its_ground(tmp_path, kind):
    """The same ink is read as from white on black; rows say what is known, or else the opaque pixels are."""
    ink = np.where(pixels(SEVEN) >= 128, 255, 0).astype(np.uint8).reshape(28, 28)
    path = write(tmp_path / "a.png", INK[kind](ink))
    prompt, _ = read_prompt(MNIST, path, rows=14)
    assert np.array_equal(prompt.pixels[..., 0], ink)
    if kind != "12 bits in 16":
        prompt, words = read_prompt(MNIST, path)
        assert np.array_equal(prompt.known, ink > 0) and "opaque" in words
        assert (prompt.pixels[prompt.known] == 255).all()


@pytest.mark.parametrize("width", [2, 4, 6, 8])
def test_black_strokes_on_nothing_are_ink_however_broad(tmp_path, width):
    drawn = Image.new("RGBA", (28, 28), (0, 0, 0, 0))
    ImageDraw.Draw(drawn).line([(6, 6), (21, 6), (12, 23)], (0, 0, 0, 255), width)
    drawn.save(tmp_path / "a.png")
    prompt, _ = read_prompt(MNIST, tmp_path / "a.png", rows=14)
    assert np.array_equal(prompt.pixels[..., 0] > 0, np.asarray(drawn)[..., 3] > 0)


def test_opacity_that_was_never_filled_in_is_none(tmp_path):
    clear = write(tmp_path / "clear.png", np.dstack([pixels(SEVEN), 0 * pixels(SEVEN)]))
    plain = write(tmp_path / "plain.png", pixels(SEVEN))
    (first, words), (second, also) = (read_prompt(MNIST, path) for path in (clear, plain))
    assert np.array_equal(first.pixels, second.pixels) and np.array_equal(first.known, second.known) and words == also


def test_faint_ink_on_nothing_is_told(tmp_path, capsys):
    ink = np.where(pixels(SEVEN).reshape(28, 28) >= 128, 100, 0).astype(np.uint8)
    path = write(tmp_path / "a.png", np.dstack([0 * ink, ink]))
    prompt, _ = read_prompt(MNIST, path, rows=28 - 1)
    assert np.array_equal(prompt.pixels[..., 0], ink)
    assert vssm("complete", "--model", "vssm", "--prompt", path, "--rows", 14, "--out", tmp_path / "out.png") == 0
    assert "no ink" in capsys.readouterr().out


def test_an_opaque_black_area_is_known_to_be_empty(tmp_path):
    picture = np.zeros((28, 28, 4), np.uint8)
    picture[:14, :, 3] = 255
    prompt, _ = read_prompt(MNIST, write(tmp_path / "a.png", picture))
    assert not prompt.pixels.any() and prompt.known[:14].all() and not prompt.known[14:].any()


def test_a_prompt_unlike_the_training_set_is_told(tmp_path, capsys):
    ink = np.roll(pixels(SEVEN).reshape(28, 28), 8, 1)
    path = write(tmp_path / "a.png", ink)
    command = ["complete", "--model", "vssm", "--rows", "12", "--out", tmp_path / "out.png", "--prompt"]
    assert vssm(*command, path) == 0 and "off-centre" in capsys.readouterr().out
    assert vssm(*command, SEVEN) == 0 and "note" not in capsys.readouterr().out


def test_transparent_pixels_are_unknown(tmp_path, capsys):
    known = np.zeros((28, 28), bool)
    known[:, :9] = True
    picture = np.dstack([pixels(EIGHT), np.where(known, 255, 0).astype(np.uint8)])  # mode LA
    path = write(tmp_path / "transparent.png", picture)
    vssm_json(capsys, "complete", "--model", "vssm", "--prompt", path, "--out", tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz") as made:
        assert (made["known"] == known).all() and (made["images"][0, known, 0] == pixels(EIGHT)[known]).all()


def test_clamping_is_admitted_by_models_that_read_in_raster_order(model, tmp_path, capsys):
    clamped = reads_in_raster_order(model)
    words = ["complete", "--model", model, "--prompt", EIGHT, "--known", EIGHT_KNOWN, "--out", tmp_path / "out.png"]
    assert vssm(*words) == 0
    assert ("cannot inform" in capsys.readouterr().out) == clamped
    assert vssm_json(capsys, *words)["clamped"] is clamped
    known = pixels(EIGHT_KNOWN) >= 128
    assert (pixels(tmp_path / "out.png")[known] == pixels(EIGHT)[known]).all()


@pytest.mark.parametrize("prefix", [True, False])
def test_clamping_is_admitted_of_archives_too(model, prefix, tmp_path, capsys):
    known = np.zeros((2, 28, 28), bool)
    known[:, :26] = True
    if not prefix:
        known[1, -1] = True  # one such prompt is enough
    np.savez(tmp_path / "in.npz", images=np.zeros((2, 28, 28), np.uint8), known=known)
    words = ["complete", "--model", model, "--prompts", tmp_path / "in.npz", "--out", tmp_path / "out.npz"]
    clamped = reads_in_raster_order(model) and not prefix
    assert vssm(*words) == 0
    assert ("cannot inform" in capsys.readouterr().out) == clamped
    assert vssm_json(capsys, *words)["clamped"] is clamped


MODES = [(name, mode) for name, preset in registry.PRESETS.items() for mode in preset.samplers(MNIST)]


@pytest.mark.parametrize(("model", "mode"), MODES, ids=lambda value: getattr(value, "name", value))
def test_every_mode_can_be_chosen(model, mode, tmp_path, capsys):
    size = ["--" + mode.parameter, 9] if mode.parameter else []
    record = vssm_json(
        capsys,
        *("complete", "--model", model, "--mode", mode.name, *size, "--prompt", SEVEN, "--rows", 25),
        *("--samples", 2, "--out", tmp_path / "out.png"),
    )
    assert record["mode"] == mode.name and record["size"] == (9 if mode.parameter else None)
    images = pixels(tmp_path / "out.png").reshape(28, 2, 28).swapaxes(0, 1)
    assert (images[:, :25] == pixels(SEVEN)[:25]).all()
    if mode.parameter == "draft":
        assert record["drafted"] >= record["accepted"] > 0
        assert record["acceptance"] == record["accepted"] / record["drafted"]
    else:
        assert "drafted" not in record
    np.savez(tmp_path / "in.npz", images=pixels(SEVEN)[None], known=np.arange(784).reshape(1, 28, 28) < 700)
    record = vssm_json(
        capsys,
        *("complete", "--model", model, "--mode", mode.name, "--prompts", tmp_path / "in.npz"),
        *("--out", tmp_path / "out.npz"),
    )
    assert record["mode"] == mode.name and record["size"] == (mode.default if mode.parameter else None)


def test_an_archive_of_prompts_is_completed(model, tmp_path, capsys):
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (3, 28, 28, 1), np.uint8)
    known = rng.random((3, 28, 28)) < 0.5
    known[2] = False
    known[0] = True  # one that is whole already comes back as it is
    np.savez(tmp_path / "in.npz", images=images, known=known)
    record = vssm_json(
        capsys,
        "complete",
        "--model",
        model,
        "--prompts",
        tmp_path / "in.npz",
        "--samples",
        2,
        "--out",
        tmp_path / "out.npz",
    )
    assert record.keys() >= COMPLETE_KEYS and record["prompts"] == 3 and record["tokens"] == 2 * (~known).sum()
    assert record["tokens_per_call"] == pytest.approx(record["tokens"] / 6 / record["network_calls"])  # one batch
    assert sorted(number for some in record["advice"].values() for number in some) == [0, 1]  # noise is no digit
    with np.load(tmp_path / "out.npz") as made:
        done = made["images"]
    assert done.shape == (3, 2, 28, 28, 1) and done.dtype == np.uint8
    for i in range(3):
        assert (done[i][:, known[i]] == images[i][known[i]]).all()
        assert set(np.unique(done[i][:, ~known[i]])) <= {0, 255}
    assert (done[2, 0] != done[2, 1]).any()


def test_archives_may_leave_out_the_only_channel(tmp_path, capsys):
    np.savez(tmp_path / "in.npz", images=np.zeros((1, 28, 28), np.uint8), known=np.zeros((1, 28, 28), bool))
    vssm_json(capsys, "complete", "--model", "vssm", "--prompts", tmp_path / "in.npz", "--out", tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz") as made:
        assert made["images"].shape == (1, 1, 28, 28, 1)


@pytest.fixture(scope="module")
def generators() -> dict[str, Generator]:
    torch.set_num_threads(1)
    weights = {name: checkpoint.load(checkpoint.shipped(name, "mnist")) for name in NAMES}
    return {name: Generator(w, torch.device("cpu")) for name, w in weights.items()}


@hypothesis_settings(max_examples=6)
@given(
    seed=st.integers(0, 2**32 - 1),
    share=st.sampled_from([0.0, 0.1, 0.5, 0.97, 1.0]),
    prefix=st.integers(0, 784),
    temperature=st.sampled_from([0.0, 0.5, 1.0, 10.0]),
)
def test_known_pixels_are_never_touched(generators, seed, share, prefix, temperature):
    """Any mask and any pixel values, in a batch whose prompts have nothing in common."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (2, 28, 28, 1), np.uint8)
    known = rng.random((2, 28, 28)) < share
    known.reshape(2, -1)[:, :prefix] = True
    before = images.copy(), known.copy()
    for generator in generators.values():
        done, seconds, calls = generator.complete_batch(images, known, temperature, seed=seed)
        assert (images == before[0]).all() and (known == before[1]).all()
        assert done.shape == images.shape and done.dtype == np.uint8 and seconds > 0 and calls > 0
        assert (done[known] == images[known]).all() and set(np.unique(done[~known])) <= {0, 255}


# --- train ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def signals_restored():
    """Training takes over two signals of this process."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def train_words(model: str, out: Path, minutes: float, *more) -> list:
    return [
        "train",
        "--model",
        model,
        "--minutes",
        minutes,
        "--data-dir",
        DATA,
        "--out",
        out,
        "--batch",
        4,
        *settings(model),
        *more,
    ]


def test_training_writes_weights_samples_and_resumes(model, tmp_path, capsys, signals_restored):
    first = vssm_json(capsys, *train_words(model, tmp_path, 0.005))
    assert {p.name for p in tmp_path.iterdir()} == {f"{model}-mnist.safetensors", "state.safetensors", "samples.png"}
    made = checkpoint.load(first["out"], model, "mnist")
    config = dataclasses.asdict(made.network.config)
    assert first["steps"] > 0 and {k: config[k] for k in SMALL[model]} == SMALL[model]
    assert pixels(tmp_path / "samples.png").shape == (28, 16 * 28)
    _, meta = checkpoint.read(tmp_path / "state.safetensors")
    second = vssm_json(capsys, *train_words(model, tmp_path, meta["seconds"] / 60 + 0.005, "--resume"))
    assert second["steps"] > first["steps"] and second["images"] == 4 * second["steps"]
    record = vssm_json(
        capsys,
        "complete",
        "--model",
        model,
        "--checkpoint",
        second["out"],
        "--rows",
        27,
        "--prompt",
        SEVEN,
        "--out",
        tmp_path / "out.png",
    )
    assert record["tokens"] == 28


def test_a_killed_training_resumes(tmp_path, capsys, signals_restored):
    state = tmp_path / "state.safetensors"
    process = forked.started(
        commands.main, train_words("vssm-paper", tmp_path, 10, "--save-minutes", 1e-6), tmp_path
    )  # saves after every step
    wait_for(state.exists)
    written = state.stat().st_mtime_ns
    wait_for(lambda: state.stat().st_mtime_ns != written)
    time.sleep(np.random.default_rng().random() / 2)
    process.kill()
    process.communicate()
    _, meta = checkpoint.read(state)  # whole, whatever was being written
    assert meta["step"] > 0
    record = vssm_json(capsys, *train_words("vssm-paper", tmp_path, meta["seconds"] / 60 + 0.005, "--resume"))
    assert record["steps"] > meta["step"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to another process")
def test_ctrl_c_saves_and_ends_well(tmp_path):
    process = forked.started(commands.main, train_words("transformer", tmp_path, 10, "--save-minutes", 1e-6), tmp_path)
    wait_for((tmp_path / "samples.png").exists)
    (tmp_path / "samples.png").unlink()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and "Traceback" not in err, err
    assert "go on with --resume" in out and (tmp_path / "samples.png").exists()
    assert checkpoint.load(tmp_path / "transformer-mnist.safetensors").training["steps"] > 0


# --- the frame ------------------------------------------------------------------------------------------------------


CLOSED, FULL = None, "/dev/full"
STREAMS = [  # what a shell does to them: the exit codes of a command that succeeds and one at fault
    ({1: CLOSED}, 0, 2),
    ({2: CLOSED}, 0, 2),
    ({0: CLOSED, 1: CLOSED, 2: CLOSED}, 0, 2),
    ({1: FULL}, 1, 2),
    ({2: FULL}, 0, 2),
    ({1: FULL, 2: FULL}, 1, 2),
]


@pytest.mark.skipif(not Path(FULL).exists(), reason="wants a system with /dev/full")
@pytest.mark.parametrize(("streams", "good", "bad"), STREAMS, ids=str)
def test_streams_that_are_closed_or_full_cost_no_file_and_no_exit_code(tmp_path, streams, good, bad):
    weights = small_weights("vssm", MNIST, tmp_path)

    def run(out: str) -> tuple[int, str]:
        words = ["complete", "--model", "vssm", "--checkpoint", str(weights), "--rows", "0", "--out", out, "--json"]
        process = forked.Forked(commands.main, words, tmp_path, {"OMP_NUM_THREADS": "1"}, streams)
        _, err = process.communicate(60)
        assert "Traceback" not in err and "Exception ignored" not in err, err
        return process.returncode, err

    code, err = run("out.png")
    assert code == good and pixels(tmp_path / "out.png").shape == (28, 28)
    assert ("could be written (" in err) == (streams == {1: FULL})
    assert run("out.jpg")[0] == bad and not (tmp_path / "out.jpg").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="shells are others there")
def test_a_shell_may_close_all_streams(tmp_path):
    words = [sys.executable, "-m", "vssm", "complete", "--model", "vssm", "--rows", "0", "--out", "out.png"]
    shell = ["sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-', *words]
    environment = os.environ | {"PYTHONPATH": str(forked.ROOT), "OMP_NUM_THREADS": "1"}
    assert subprocess.run(shell, cwd=tmp_path, env=environment, check=False).returncode == 0
    assert pixels(tmp_path / "out.png").shape == (28, 28)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes are others there")
@pytest.mark.parametrize("closed", ["stdout", "stderr", "both"])
def test_readers_that_go_away_are_no_error(tmp_path, closed):
    process = forked.started(
        commands.main, ["complete", "--model", "vssm", "--rows", 0, "--out", "out.png", "--json"], tmp_path
    )
    for name in ("stdout", "stderr"):
        if closed in (name, "both"):
            getattr(process, name).close()
    out = "" if process.stdout.closed else process.stdout.read()
    err = "" if process.stderr.closed else process.stderr.read()
    assert process.wait() == 0 and "Error" not in err and "Exception" not in err and (tmp_path / "out.png").exists()
    assert closed != "stderr" or '"tokens": 784' in out


def test_json_is_strict(capsys):
    record = {"a": [1.5, float("nan"), (float("inf"), "x")], "b": {"c": -float("inf"), "d": True}}
    commands.show(argparse.Namespace(json=True), record, "")
    assert json.loads(capsys.readouterr().out, parse_constant=pytest.fail) == {
        "a": [1.5, None, [None, "x"]],
        "b": {"c": None, "d": True},
    }


@pytest.mark.parametrize("command", ["complete", "evaluate", "results", "study", "bench", "train", "train-classifier"])
def test_every_command_explains_itself(command, capsys):
    assert vssm(command, "--help") == 0
    out = capsys.readouterr().out
    assert "example:" in out and f"python -m vssm {command}" in out and "--json" in out


def test_help_and_version(capsys):
    assert vssm("--help") == 0 and "complete" in capsys.readouterr().out
    assert vssm("--version") == 0 and package.__version__ in capsys.readouterr().out


def test_exit_codes(capsys):
    def fail(error):
        def work():
            raise error

        return commands.guarded(work), capsys.readouterr().err

    assert commands.guarded(lambda: None) == 0
    assert fail(UserError("Do this.")) == (2, "Do this.\n")
    assert fail(UserError("Two\n  lines.")) == (2, "Two lines.\n")
    assert fail(KeyboardInterrupt()) == (130, "")
    assert fail(MemoryError())[0] == 2
    code, err = fail(ZeroDivisionError("oh"))
    assert code == 1 and "ZeroDivisionError" in err and "Traceback" not in err and err.count("\n") == 1


def test_debug_shows_where(capsys, monkeypatch):
    assert vssm("complete", "--model", "nobody", "--rows", 0, "--out", "x.png", "--debug") == 2
    assert "Traceback" in capsys.readouterr().err
    monkeypatch.setenv("VSSM_DEBUG", "1")
    assert vssm("complete") == 2 and "Traceback" in capsys.readouterr().err
