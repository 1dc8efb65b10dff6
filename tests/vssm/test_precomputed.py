"""The recorded races: they are what the shipped weights make, and a broken file is passed over."""

import itertools
import json

import numpy as np
import pytest

from vssm import checkpoint, data
from vssm.reports import precomputed
from vssm.sampling.events import Finished, Latents, Progress, Started
from vssm.sampling.generator import Generator, run

SETS = pytest.mark.parametrize("dataset", data.DATA_SETS.values(), ids=lambda d: d.name)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A copy of the recordings, from where they are read."""
    for path in precomputed.FOLDER.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(precomputed, "FOLDER", tmp_path)
    return tmp_path


@SETS
def test_a_recording_is_what_the_shipped_weights_make(dataset):
    """Up to what another processor rounds otherwise."""
    found = precomputed.find(dataset)
    assert [told.model for told in found.runs] == ["vssm", "transformer"] and found.machine and found.date
    vssm, transformer = found.runs
    assert 0 < vssm.seconds < transformer.seconds < 30
    known = vssm.request.prompt.known
    assert 0 < known.sum() < known.size
    made = run(Generator(checkpoint.load(checkpoint.shipped("vssm", dataset.name))), vssm.request).images[0]
    image = vssm.events[-1].images[0]
    assert (image[known] == made[known]).all() and np.abs(image.astype(float) - made).mean() < 0.03 * 255


@SETS
def test_its_events_come_as_a_generator_tells_them(dataset):
    for told in precomputed.find(dataset).runs:
        started, *between, finished = told.events
        assert isinstance(started, Started) and isinstance(finished, Finished)
        assert started.model == finished.model == told.model
        seconds = [event.seconds for event in between]
        assert seconds == sorted(seconds) and seconds[-1] == pytest.approx(told.seconds)
        progress = [event for event in between if isinstance(event, Progress)]
        assert progress[-1].filled.all() and (progress[-1].images == finished.images).all()
        assert progress[-1].tokens == finished.tokens == started.tokens
        assert progress[-1].network_calls == finished.network_calls
        for before, after in itertools.pairwise(progress):
            assert (after.filled >= before.filled).all() and after.tokens == before.tokens + 1
        levels = [event for event in between if isinstance(event, Latents)]
        assert len({event.level for event in levels}) == len(levels) >= started.num_levels


def test_what_is_written_is_read_again(folder):
    made = precomputed.make(data.MNIST, repeat=1)
    found = precomputed.find(data.MNIST)
    assert (found.machine, found.date) == (made.machine, made.date)
    for one, other in zip(made.runs, found.runs, strict=True):
        assert one.request.prompt.same_as(other.request.prompt) and one.seconds == other.seconds
        assert [type(event) for event in one.events] == [type(event) for event in other.events]
        for a, b in zip(one.events, other.events, strict=True):
            if isinstance(a, Progress):
                assert (a.seconds, a.tokens, a.network_calls) == (b.seconds, b.tokens, b.network_calls)
                assert (a.images == b.images).all() and (a.filled == b.filled).all()
            if isinstance(a, Latents):
                assert (a.level, a.kind) == (b.level, b.kind) and np.allclose(a.codes, b.codes, rtol=1e-3, atol=1e-3)
                assert (a.plan is None) == (b.plan is None) and (a.plan is None or (a.plan == b.plan).all())


@pytest.mark.parametrize("broken", ["mnist.npz", "mnist.json"])
@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"PK\x05\x06" + bytes(18), None])
def test_a_broken_recording_is_passed_over(folder, broken, content):
    assert precomputed.find(data.MNIST) is not None
    path = folder / broken
    path.unlink() if content is None else path.write_bytes(content)
    assert precomputed.find(data.MNIST) is None and precomputed.find(data.CIFAR10) is not None


def test_what_does_not_fit_together_is_passed_over(folder):
    """Each of these arrays is sound by itself."""
    with np.load(folder / "mnist.npz") as file:
        arrays = dict(file)
    record = json.loads((folder / "mnist.json").read_text())
    for name, wrong in {
        "0.image": np.zeros((28, 28, 3), np.uint8),
        "1.order": np.zeros((28, 28), np.int32),
        "1.seconds": np.full(arrays["1.seconds"].shape, np.nan),
        "1.calls": arrays["1.calls"][:-1],
        "0.0.codes": np.zeros((1, 2, 2, 1), np.float16),
        "big": np.zeros(precomputed.MOST_BYTES + 1, np.uint8),
    }.items():
        np.savez(folder / "mnist.npz", allow_pickle=False, **{**arrays, name: wrong})
        assert precomputed.find(data.MNIST) is None, name
    np.savez(folder / "mnist.npz", allow_pickle=False, **arrays)
    assert precomputed.find(data.MNIST) is not None
    for run_ in record["runs"]:
        run_["started"]["model"] = "nobody"
    (folder / "mnist.json").write_text(json.dumps(record))
    assert precomputed.find(data.MNIST) is None
