"""Whatever is written: the old content or the new, through links, with the mode of the file, and nothing left over."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import SEVEN, small_weights, vssm

import vssm as package
from vssm import checkpoint
from vssm.data import MNIST
from vssm.errors import UserError
from vssm.files import atomic, picture, prompt_files

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 28, 28, 1), np.uint8)
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="modes and links are those of other systems")
WRITERS = {
    "a.txt": lambda path: atomic.write_text(path, "new" * 5000),
    "a.png": lambda path: picture.write_png(path, IMAGES),
    "a.npz": lambda path: prompt_files.write_npz(path, images=IMAGES),
    "a.safetensors": lambda path: checkpoint.write(path, {"w": torch.zeros(1000)}, {}),
}


@pytest.fixture(params=WRITERS)
def writer(request, tmp_path):
    """A way to write, and a file for it."""
    return WRITERS[request.param], tmp_path / request.param


def test_a_full_disk_costs_nothing(writer, full_disk):
    write, path = writer
    path.write_bytes(b"old")
    full_disk()
    with pytest.raises(UserError, match="cannot be written"):
        write(path)
    assert path.read_bytes() == b"old" and list(path.parent.iterdir()) == [path]


def test_a_new_file_has_the_usual_mode_and_an_old_one_its_own(writer):
    write, path = writer
    before = os.umask(0o027)
    try:
        write(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    path.chmod(0o606)
    write(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o606 and list(path.parent.iterdir()) == [path]


def test_a_link_stays_and_its_target_is_written(writer, tmp_path):
    write, path = writer
    target = tmp_path / "elsewhere" / "real"
    target.parent.mkdir()
    target.write_bytes(b"old")
    target.chmod(0o600)
    (tmp_path / "between").symlink_to(target)
    path.symlink_to("between")
    write(path)
    assert path.is_symlink() and target.read_bytes() != b"old" and stat.S_IMODE(target.stat().st_mode) == 0o600
    target.unlink()
    write(path)  # a link to a file that is yet to be
    assert path.is_symlink() and target.is_file()


def test_what_is_no_file_is_refused(writer, tmp_path):
    write, path = writer
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for target in ("folder", "pipe", "/dev/null", path.name):  # the last one leads to itself
        path.symlink_to(target)
        with pytest.raises(UserError, match="cannot be written"):
            write(path)
        with pytest.raises(UserError, match="cannot be written"):
            atomic.require_writable(path)
        assert path.is_symlink()
        path.unlink()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder", "pipe"]


def test_writers_do_not_meet(tmp_path):
    """Two at once, each with a file of its own; the last one wins."""
    path = tmp_path / "a"
    with atomic.replacing(path) as first, atomic.replacing(path) as second:
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first" and list(tmp_path.iterdir()) == [path]


def test_an_error_in_between_leaves_the_old_content(tmp_path):
    path = tmp_path / "a"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic.replacing(path) as part:
        part.write_text("new")
        1 / 0  # noqa: B018
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_what_a_killed_writer_left_is_removed_after_a_while(tmp_path):
    path = tmp_path / "a[1]"
    program = (
        "import os, sys\nfrom vssm.files import atomic\n"
        "with atomic.replacing(sys.argv[1]) as part: os.kill(os.getpid(), 9)"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(package.__file__).parents[1])}
    subprocess.run([sys.executable, "-c", program, path], env=environment, check=False)
    (left,) = tmp_path.iterdir()
    (tmp_path / ".a[1].notes.part").write_text("a person's")
    atomic.write_text(path, "new")
    assert left.exists()  # may be in use
    for file in tmp_path.iterdir():
        os.utime(file, (0, 0))
    atomic.write_text(path, "newer")
    assert sorted(p.name for p in tmp_path.iterdir()) == [".a[1].notes.part", "a[1]"]


def test_names_as_long_as_can_be(tmp_path):
    path = tmp_path / ("é" * 125 + ".txt")
    atomic.write_text(path, "new")
    assert path.read_text() == "new"


@pytest.mark.parametrize("name", ["a.jpg", "a", "a.npz.jpg", "a.svg"])
def test_the_suffix_decides_or_is_refused(tmp_path, name):
    for write in (WRITERS["a.png"], WRITERS["a.npz"]):
        with pytest.raises(UserError, match=r"must end in \.(png|npz)"):
            write(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_suffixes_in_capitals(tmp_path):
    WRITERS["a.png"](tmp_path / "A.PNG")
    WRITERS["a.npz"](tmp_path / "A.NPZ")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["A.NPZ", "A.PNG"]


def test_the_command_line_writes_through_links(tmp_path):
    (tmp_path / "real.png").write_bytes(b"old")
    (tmp_path / "real.png").chmod(0o600)
    (tmp_path / "out.png").symlink_to("real.png")
    weights = small_weights("vssm", MNIST, tmp_path)
    words = ["complete", "--model", "vssm", "--checkpoint", weights, "--prompt", SEVEN, "--out", tmp_path / "out.png"]
    assert vssm(*words) == 0
    assert (tmp_path / "out.png").is_symlink() and (tmp_path / "real.png").read_bytes()[:4] == b"\x89PNG"
    assert stat.S_IMODE((tmp_path / "real.png").stat().st_mode) == 0o600
