"""Data, prompts and the known sets that training draws."""

import functools
import gzip
import hashlib
import http.server
import io
import re
import struct
import tarfile
import threading
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from commands import DATA
from hypothesis import given
from hypothesis import strategies as st

from vssm import data
from vssm.data import CIFAR10, MNIST, DataSet
from vssm.errors import UserError
from vssm.files.examples import examples
from vssm.prompt import Prompt, draw_known


def test_binarisation_is_fixed_and_follows_the_grey_levels():
    grey = np.arange(256, dtype=np.uint8).repeat(4000).reshape(-1, 16, 16, 1)
    values = data.binarise_fixed(grey)
    assert (values == data.binarise_fixed(grey)).all() and set(np.unique(values)) == {0, 1}
    share = values.reshape(256, 4000).mean(1)
    assert share[0] == 0 and share[255] == 1
    assert np.abs(share - np.arange(256) / 255).max() < 0.04  # five standard deviations of 4,000 draws


def test_binarisation_is_the_one_all_figures_stand_on():
    """A change of seed or generator would silently make scores incomparable."""
    values = data.binarise_fixed(np.full((1, 4, 8, 1), 128, np.uint8))
    assert "".join(map(str, values.ravel())) == "11000111110001101101001001100011"


@given(st.integers(0, 255))
def test_levels_and_pixels_are_inverse(value):
    pixels = np.full((1, 28, 28, 1), value, np.uint8)
    levels = data.to_values(pixels, MNIST)
    assert (data.to_pixels(levels, MNIST) == (255 if value >= 128 else 0)).all()


def pictures(dataset: DataSet, count: int = 12) -> np.ndarray:
    """Light things on black, [N, H, W, C] uint8."""
    images = np.random.default_rng(count).integers(0, 256, (count, *dataset.shape)).astype(np.uint8)
    images[:, :3] = images[:, -3:] = 0
    return images


def keras(folder, dataset: DataSet, **changes) -> Path:
    """An archive in Keras' layout with some arrays changed, or left out by None."""
    images = pictures(dataset)
    arrays = {"x_train": images, "y_train": np.arange(12) % 10, "x_test": images[:5], "y_test": np.arange(5)}
    path = folder / f"{dataset.name}.npz"
    np.savez(path, **{name: value for name, value in (arrays | changes).items() if value is not None})
    return path


def test_keras_layout_is_read(tmp_path):
    keras(tmp_path, MNIST)
    x, y = data.load(MNIST, "train", tmp_path)
    assert x.shape == (12, 28, 28, 1) and (x == pictures(MNIST)).all() and y.tolist() == [*range(10), 0, 1]
    assert len(data.load(MNIST, "test", tmp_path)[0]) == 5


LAYOUTS = {  # of a data set's images [N, H, W, C]
    "as they are": (MNIST, lambda x: x),
    "without channel": (MNIST, lambda x: x[..., 0]),
    "flat": (MNIST, lambda x: x.reshape(-1, 784)),
    "channel first": (MNIST, lambda x: x.transpose(0, 3, 1, 2)),
    "Fortran's order": (MNIST, np.asfortranarray),
    "colour": (CIFAR10, lambda x: x),
    "colour, channels first": (CIFAR10, lambda x: x.transpose(0, 3, 1, 2)),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_is_read_as_the_same_pictures(tmp_path, name):
    dataset, stored = LAYOUTS[name]
    keras(tmp_path, dataset, x_train=stored(pictures(dataset)), y_train=(np.arange(12) % 10)[:, None])
    x, y = data.load(dataset, "train", tmp_path)
    assert x.dtype == np.uint8 and x.flags.writeable and (x == pictures(dataset)).all()
    assert y.shape == (12,) and y.dtype == np.int64


def mixed(images: np.ndarray, first: np.ndarray) -> np.ndarray:
    """A set whose first pictures are other ones."""
    return np.concatenate([first, images[len(first) :]])


REFUSED = {
    "flat colour": (CIFAR10, "x_train", lambda x: x.reshape(12, -1), "put the values of each picture in that order"),
    "flat planes": (
        CIFAR10,
        "x_train",
        lambda x: x.transpose(0, 3, 1, 2).reshape(12, -1),
        "needs uint8 [N, 32, 32, 3]",
    ),
    "number last": (CIFAR10, "x_train", lambda x: x.transpose(1, 2, 3, 0), "needs uint8 [N, 32, 32, 3]"),
    "number last, grey": (MNIST, "x_train", lambda x: x[..., 0].transpose(1, 2, 0), "needs uint8 [N, 28, 28, 1]"),
    "channels between": (CIFAR10, "x_train", lambda x: x.transpose(0, 1, 3, 2), "needs uint8 [N, 32, 32, 3]"),
    "grey as colour": (MNIST, "x_train", lambda x: x.repeat(3, -1), "needs uint8 [N, 28, 28, 1]"),
    "other size": (MNIST, "x_train", lambda x: x[:, :14], "needs uint8 [N, 28, 28, 1]"),
    "regrouped": (MNIST, "x_train", lambda x: x.reshape(3, 56, 56, 1), "needs uint8 [N, 28, 28, 1]"),
    "one long row": (MNIST, "x_train", np.ravel, "needs uint8 [N, 28, 28, 1]"),
    "none": (MNIST, "x_train", lambda x: x[:0], "at least one picture"),
    "floats to 1": (MNIST, "x_train", lambda x: x / 255, "is float64"),
    "floats to 255": (MNIST, "x_train", lambda x: x.astype(np.float32), "is float32"),
    "floats from −1": (CIFAR10, "x_train", lambda x: x / 127.5 - 1, "is float64"),
    "int8": (CIFAR10, "x_train", lambda x: x.view(np.int8), "is int8"),
    "int64": (MNIST, "x_train", lambda x: x.astype(np.int64), "is int64"),
    "booleans": (MNIST, "x_train", lambda x: x > 127, "is bool"),
    "0 and 1": (MNIST, "x_train", lambda x: (x > 127).astype(np.uint8), "no value is above 1"),
    "0 and 1 in colour": (CIFAR10, "x_train", lambda x: (x > 127).astype(np.uint8), "multiply them by 255"),
    "0 to 15": (MNIST, "x_train", lambda x: x // 16, "no value is above 15"),
    "0 to 127": (CIFAR10, "x_train", lambda x: x // 2, "no value is above 127"),
    "black": (MNIST, "x_train", np.zeros_like, "no value is above 0"),
    "one of 0 and 1": (MNIST, "x_train", lambda x: mixed(x, x[:1] // 128), "In 1 of 12 pictures"),
    "some of 0 and 1": (CIFAR10, "x_train", lambda x: mixed(x, x[:5] // 128), "In 5 of 12 pictures"),
    "some to 15": (MNIST, "x_train", lambda x: mixed(x, x[:2] // 16), "no value is above 15"),
    "dark on light": (MNIST, "x_train", lambda x: 255 - x, "12 of 12 pictures are dark on light"),
    "some dark on light": (MNIST, "x_train", lambda x: mixed(x, 255 - x[:5]), "5 of 12 pictures are dark on light"),
    "another split": (MNIST, "x_test", lambda x: x[:5] / 255, "x_test in"),
    "fewer labels": (MNIST, "y_train", lambda y: y[:5], "12 pictures need as many"),
    "one label more": (MNIST, "y_train", lambda y: np.append(y, 1), "12 pictures need as many"),
    "fewer labels of another split": (MNIST, "y_test", lambda y: y[:4], "5 pictures need as many"),
    "labels below": (MNIST, "y_train", lambda y: y - 7, "go from -7 to 2"),
    "labels from 1": (CIFAR10, "y_train", lambda y: y + 1, "go from 1 to 10"),
    "labels as floats": (MNIST, "y_train", lambda y: y / 1, "float64 [12]"),
    "labels as text": (MNIST, "y_train", lambda y: y.astype(str), "need as many whole numbers"),
    "one-hot labels": (MNIST, "y_train", lambda y: np.eye(10, dtype=int)[y], "int64 [12, 10]"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_the_set_is_refused(tmp_path, name):
    dataset, array, change, says = REFUSED[name]
    usual = {"x_train": pictures(dataset), "x_test": pictures(dataset), "y_train": np.arange(12) % 10}
    path = keras(tmp_path, dataset, **{array: change(usual.get(array, np.arange(5)))})
    with pytest.raises(UserError, match=re.escape(says)) as caught:
        data.load(dataset, "train", tmp_path)
    assert str(path) in str(caught.value)


def test_a_night_or_a_blank_among_the_pictures_is_no_fault(tmp_path):
    for dark in (pictures(CIFAR10)[:1] // 3, np.zeros((1, *CIFAR10.shape), np.uint8)):
        keras(tmp_path, CIFAR10, x_train=mixed(pictures(CIFAR10), dark))
        assert len(data.load(CIFAR10, "train", tmp_path)[0]) == 12


def test_the_real_test_images_are_within_the_bounds():
    for dataset in (MNIST, CIFAR10):
        for split in ("train", "test"):
            assert len(data.load(dataset, split, DATA)[0]) >= 20


# --- MNIST's own files ----------------------------------------------------------------------------------------------

IDX = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


def idx(values: np.ndarray) -> bytes:
    return struct.pack(f">{1 + values.ndim}I", 0x0800 + values.ndim, *values.shape) + values.tobytes()


@pytest.fixture
def published(tmp_path):
    """Writes the test images and labels as they are published, some of them changed: published(images=…, suffix=…)."""
    sound = idx(pictures(MNIST)[..., 0]), idx(np.arange(12, dtype=np.uint8) % 10)

    def write(images=sound[0], labels=sound[1], suffix="", inside="MNIST/raw") -> Path:
        folder = tmp_path / inside
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in zip(IDX, (images, labels), strict=True):
            (folder / f"{name}{suffix}").write_bytes(content)
        return tmp_path

    return write


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("inside", ["MNIST/raw", "", "{odd} name/%s"])
@pytest.mark.parametrize("packed", [False, True])
def test_published_files_are_read(published, suffix, inside, packed):
    whole = published(suffix=suffix, inside=inside)
    if packed:  # whatever the name says
        for path in (whole / inside).iterdir():
            path.write_bytes(gzip.compress(path.read_bytes()))
    x, y = data.load(MNIST, "test", whole / inside if "odd" in inside else whole)
    assert (x == pictures(MNIST)).all() and y.tolist() == [*range(10), 0, 1]


WHOLE = idx(pictures(MNIST)[..., 0])
BROKEN = {
    "empty": b"",
    "a page of the web": b"<!DOCTYPE html><html><head><title>404 Not Found</title></head></html>" * 20,
    "cut short": WHOLE[:5000],
    "header only": WHOLE[:16],
    "header cut": WHOLE[:9],
    "too long": WHOLE + b"\0",
    "floats": struct.pack(">I", 0x0D03) + WHOLE[4:],
    "other size": idx(np.zeros((12, 20, 20), np.uint8)),
    "labels": idx(np.arange(12, dtype=np.uint8)),
    "nothing": idx(np.zeros((0, 28, 28), np.uint8)),
    "very many": struct.pack(">4I", 0x0803, 2**32 - 1, 28, 28) + WHOLE[16:],
    "packed and cut": gzip.compress(WHOLE)[:2000],
    "packed and broken": gzip.compress(WHOLE)[:2000] + bytes(100) + gzip.compress(WHOLE)[2100:],
    "packed, of another check": gzip.compress(WHOLE)[:-8] + bytes(8),
    "packed only at its start": b"\x1f\x8b" + bytes(3000),
}


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_published_file_is_named(published, kind, suffix):
    folder = published(images=BROKEN[kind], suffix=suffix)
    with pytest.raises(UserError, match=f"{IDX[0]}{suffix} is no sound file of MNIST's") as caught:
        data.load(MNIST, "test", folder)
    assert str(caught.value).endswith("delete it, and it is fetched again.")
    folder = published(labels=BROKEN[kind], suffix=suffix)
    with pytest.raises(UserError, match=IDX[1] if kind != "labels" else "go from 0 to 11"):
        data.load(MNIST, "test", folder)


def test_published_labels_for_other_images(published):
    with pytest.raises(UserError, match=f"{IDX[1]} holds is uint8 \\[11\\], and 12 pictures"):
        data.load(MNIST, "test", published(labels=idx(np.arange(11, dtype=np.uint8) % 10)))


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A server of MNIST's files, which the program takes for one of those on the network; what it holds is broken."""
    from vssm.files.torchvision_compat import datasets  # before torchvision itself

    there = tmp_path / "server"
    there.mkdir()
    contents = {f"{IDX[0]}.gz": WHOLE, f"{IDX[1]}.gz": idx(np.arange(12, dtype=np.uint8) % 10)}
    for name, content in contents.items():
        (there / name).write_bytes(gzip.compress(content))
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=there)
    monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        monkeypatch.setattr(datasets.MNIST, "mirrors", [f"{address}gone/", address])
        sums = [(name, hashlib.md5((there / name).read_bytes()).hexdigest()) for name in contents]
        monkeypatch.setattr(datasets.MNIST, "resources", sums)
        for name in ("http_proxy", "HTTP_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(urllib.request, "_opener", None)  # an earlier test's knows of the proxy then
        yield there
        server.shutdown()


def test_what_is_missing_is_fetched_from_the_next_mirror(mirror, tmp_path, capsys):
    legacy = tmp_path / "data" / "MNIST" / "processed"
    legacy.mkdir(parents=True)
    for name in ("training.pt", "test.pt"):
        (legacy / name).write_bytes(b"never read")
    x, y = data.load(MNIST, "test", tmp_path / "data")
    assert (x == pictures(MNIST)).all() and len(y) == 12 and capsys.readouterr().out == ""
    assert {path.name for path in (tmp_path / "data" / "MNIST" / "raw").iterdir()} == {f"{name}.gz" for name in IDX}


def test_what_is_fetched_broken_is_not_kept(mirror, tmp_path):
    (mirror / f"{IDX[0]}.gz").write_bytes(b"<html>")
    with pytest.raises(UserError, match="could not be downloaded"):
        data.load(MNIST, "test", tmp_path / "data")
    assert not (tmp_path / "data").exists()


# --- CIFAR-10's own files -------------------------------------------------------------------------------------------

TRAIN = [f"data_batch_{i}.bin" for i in range(1, 6)]


def records(images: np.ndarray, labels: np.ndarray) -> bytes:
    planes = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
    return np.concatenate([labels.astype(np.uint8)[:, None], planes], 1).tobytes()


COLOURS, CLASSES = pictures(CIFAR10), np.arange(12) % 10
RECORDS = records(COLOURS, CLASSES)


def tarred(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return made.getvalue()


@pytest.mark.parametrize("inside", ["cifar-10-batches-bin", ""])
def test_published_files_of_colour_are_read(tmp_path, inside):
    folder = tmp_path / inside
    folder.mkdir(exist_ok=True)
    for i, name in enumerate((*TRAIN, "test_batch.bin")):
        (folder / name).write_bytes(records(COLOURS[i : i + 2], CLASSES[i : i + 2]))
    x, y = data.load(CIFAR10, "test", tmp_path)
    assert (x == COLOURS[5:7]).all() and y.tolist() == [5, 6] and y.dtype == np.int64
    x, y = data.load(CIFAR10, "train", tmp_path)
    assert y.tolist() == [0, 1, 1, 2, 2, 3, 3, 4, 4, 5] and (x == COLOURS[y]).all()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "0 bytes"),
        (b"<!DOCTYPE html>" * 300, "4,500 bytes are no records of 3,073"),
        (RECORDS[:-1], "are no records"),
        (RECORDS + b"\0", "are no records"),
        (b"<" * 3073, "label 60"),
        (gzip.compress(RECORDS)[:2000], "no sound file"),
    ],
)
def test_a_broken_published_file_of_colour_is_named(tmp_path, content, says):
    (tmp_path / "test_batch.bin").write_bytes(content)
    with pytest.raises(UserError, match=r"test_batch\.bin is no sound file of CIFAR-10's") as caught:
        data.load(CIFAR10, "test", tmp_path)
    assert says in str(caught.value)


def test_the_archive_of_colour_is_taken_apart(tmp_path):
    names = {f"../cifar-10-batches-bin/{name}": RECORDS for name in (*TRAIN, "test_batch.bin")}
    whole = tarred(names | {"cifar-10-batches-bin/readme.html": b"<html>"})
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "cifar-10-binary.tar.gz").write_bytes(whole)
    assert (data.load(CIFAR10, "test", tmp_path / "here")[0] == COLOURS).all()
    assert len(data.load(CIFAR10, "train", tmp_path / "here")[0]) == 60
    taken = {path.name for path in (tmp_path / "here" / "cifar-10-batches-bin").iterdir()}
    assert taken == {*TRAIN, "test_batch.bin"} and [path.name for path in tmp_path.iterdir()] == ["here"]
    for content in (b"<html>", whole[:300], b"", tarred({"readme.html": b"<html>"}), gzip.compress(b"<html>" * 200)):
        (tmp_path / "cifar-10-binary.tar.gz").write_bytes(content)
        with pytest.raises(UserError, match=r"cifar-10-binary\.tar\.gz is no sound file of CIFAR-10's"):
            data.load(CIFAR10, "test", tmp_path)


def test_colour_is_fetched_and_what_is_fetched_broken_is_not_kept(mirror, tmp_path, monkeypatch, capsys):
    from vssm.files.torchvision_compat import datasets

    whole = tarred({f"cifar-10-batches-bin/{name}": RECORDS for name in (*TRAIN, "test_batch.bin")})
    (mirror / "cifar-10-binary.tar.gz").write_bytes(b"<html>")
    url = f"{datasets.MNIST.mirrors[1]}cifar-10-binary.tar.gz"
    monkeypatch.setattr(data, "RECORDS", (url, hashlib.md5(whole).hexdigest()))
    with pytest.raises(UserError, match=r"CIFAR-10 is not in .* could not be downloaded"):
        data.load(CIFAR10, "test", tmp_path / "data")
    assert not (tmp_path / "data").exists()
    (mirror / "cifar-10-binary.tar.gz").write_bytes(whole)
    assert (data.load(CIFAR10, "test", tmp_path / "data")[0] == COLOURS).all() and capsys.readouterr().out == ""


def test_pickled_files_are_never_read(tmp_path, monkeypatch):
    monkeypatch.setattr(urllib.request, "_opener", None)  # an earlier test's knows of the proxy then
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody answers there: the download fails at once
    (tmp_path / "cifar-10-batches-py").mkdir()
    (tmp_path / "cifar-10-batches-py" / "test_batch").write_bytes(b"never read")
    with pytest.raises(UserError, match="could not be downloaded"):
        data.load(CIFAR10, "test", tmp_path)


def test_the_folder_is_given_or_named_or_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("VSSM_DATA", str(tmp_path))
    assert data.data_dir("here").name == "here" and data.data_dir() == tmp_path
    monkeypatch.delenv("VSSM_DATA")
    assert data.data_dir().parts[-2:] == ("vssm", "data")


def test_torchvision_data_sets_import_beside_any_torch():
    from vssm.files.torchvision_compat import datasets

    assert datasets.MNIST.__name__ == "MNIST"


def test_known_sets_cover_what_people_ask():
    known = draw_known(2000, 28, 28, 0.3, np.random.default_rng(0))
    empty = ~known.any((1, 2))
    assert 0.28 < empty.mean() < 0.36
    prefixes = sum(Prompt(np.zeros((28, 28, 1), np.uint8), k).is_prefix for k in known[~empty])
    assert 0.2 < prefixes / (~empty).sum() < 0.35
    assert known.mean() < 0.6 and (known.mean((1, 2)) > 0.8).any() and not known.all((1, 2)).all()


@given(st.integers(0, 784))
def test_prefix_length(length):
    prompt = Prompt.empty(28, 28, 1)
    prompt.known.reshape(-1)[:length] = True
    assert prompt.prefix == length and prompt.is_prefix
    if length < 783:
        prompt.known.reshape(-1)[783] = True
        assert prompt.prefix == length and not prompt.is_prefix


@pytest.mark.parametrize(
    ("pixels", "known"),
    [
        (np.zeros((28, 28), np.uint8), np.zeros((28, 28), bool)),
        (np.zeros((28, 28, 1), float), np.zeros((28, 28), bool)),
        (np.zeros((28, 28, 1), np.uint8), np.zeros((28, 27), bool)),
        (np.zeros((28, 28, 1), np.uint8), np.zeros((28, 28), np.uint8)),
    ],
)
def test_prompts_of_the_wrong_kind_are_refused(pixels, known):
    with pytest.raises(UserError):
        Prompt(pixels, known)


def test_rows_must_fit():
    prompt = Prompt.empty(28, 28, 1)
    assert prompt.with_rows(28).known.all() and not prompt.with_rows(0).known.any()
    for rows in (-1, 29):
        with pytest.raises(UserError, match="between 0 and 28"):
            prompt.with_rows(rows)


def test_examples_are_binary_and_completable():
    found = examples(MNIST)
    assert len(found) >= 6 and found[0].name == "seven-top"
    for example in found:
        assert not example.prompt.known.all() and set(np.unique(example.prompt.pixels)) <= {0, 255}
        assert (example.prompt.pixels[~example.prompt.known] == 0).all()
    assert any(not e.prompt.is_prefix for e in found)
