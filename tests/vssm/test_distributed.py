"""Two processes that train together take the steps of one, stop together, and leave the files to the first."""

import json
import signal
import sys

import forked
import numpy as np
import pytest
import torch
from commands import DATA, SMALL, settings, wait_for
from processes import start, step, steps
from torch.distributed import run as torchrun

from vssm import checkpoint, device
from vssm.cli import commands
from vssm.training.distributed import Processes


def train_words(minutes: float, *more) -> list:
    words = ["train", "--model", "transformer", "--minutes", minutes, "--batch", 4, "--data-dir", DATA]
    return [*words, "--out", "run", "--json", *settings("transformer"), *more]


def ended(started) -> list[tuple[int, str, str]]:
    """Exit code, output and errors of each."""
    return [(process.returncode, *texts) for process in started for texts in [process.communicate(timeout=120)]]


def test_two_processes_take_the_steps_of_one(tmp_path):
    small = {model: SMALL[model] for model in ("transformer", "vssm")}
    started = start(step, [json.dumps(small), tmp_path], [tmp_path] * 2)
    (code, out, err), (other_code, _, other_err) = ended(started)
    assert json.loads(out) == {"rank": 0, "count": 2, "where": "2 × CPU · 1 thread"}, err
    # what fails in one ends all, and is told once
    assert (code, err, other_code, other_err) == (2, "", 2, "Only this one fails.\n")
    for model in small:
        alone = steps(model, small[model], Processes(0, 1, torch.device("cpu")))
        both = [np.load(tmp_path / f"{model}-{rank}.npz") for rank in range(2)]
        for name in ("values", "known"):  # each has read its half of the same batch
            union = np.empty_like(alone[name])
            union[:, 0::2], union[:, 1::2] = both[0][name], both[1][name]
            assert np.array_equal(union, alone[name])
        assert np.array_equal(both[0]["losses"], both[1]["losses"])
        assert np.array_equal(both[0]["weight"], both[1]["weight"])
        if model == "transformer":
            rough = device.fast_dtype(torch.device("cpu")) == torch.bfloat16  # sums of halves are rounded otherwise
            np.testing.assert_allclose(both[0]["losses"], alone["losses"], rtol=1e-2 if rough else 1e-5)
            np.testing.assert_allclose(both[0]["weight"], alone["weight"], rtol=1e-3, atol=1e-3 if rough else 1e-5)
        else:  # every process draws latents of its own
            np.testing.assert_allclose(both[0]["losses"], alone["losses"], rtol=0.02)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGTERM to another process")
def test_a_signal_to_one_process_stops_all_and_they_resume(tmp_path):
    folders = [tmp_path / "first", tmp_path / "second"]  # on two machines that share no files
    for folder in folders:
        folder.mkdir()
    started = start(commands.main, train_words(10, "--save-minutes", 1e-6), folders)
    wait_for(lambda: (folders[0] / "run" / "samples.png").exists() or started[0].poll() is not None, 120)
    started[1].send_signal(signal.SIGTERM)
    (code, out, err), (other_code, other_out, other_err) = ended(started)
    assert code == other_code == 0, err + other_err
    before = json.loads(out)
    assert before["steps"] > 0 and before["images"] == 4 * before["steps"] and not other_out
    _, meta = checkpoint.read(folders[0] / "run" / "state.safetensors")
    started = start(commands.main, train_words(meta["seconds"] / 60 + 0.005, "--resume"), folders)
    (code, out, err), (other_code, _, other_err) = ended(started)
    assert code == other_code == 0, err + other_err
    assert json.loads(out)["steps"] > before["steps"]
    assert not any(folders[1].iterdir())


def test_torchrun_trains(tmp_path):
    words = ["--nproc-per-node", 2, "-m", "vssm", *train_words(0.003)]
    process = forked.started(torchrun.main, words, tmp_path)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert json.loads(out)["images"] > 0 and "Warning" not in err
    assert {p.name for p in (tmp_path / "run").iterdir()} == {
        "samples.png",
        "state.safetensors",
        "transformer-mnist.safetensors",
    }
