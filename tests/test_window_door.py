"""`python main.py`: with and without a display."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app import display, session
from app.links import Link
from vssm import data
from vssm.prompt import Prompt

ROOT = Path(__file__).parent.parent
SCREENLESS = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")}


def start(tmp_path, **environment) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, ROOT / "main.py"],
        env=SCREENLESS | {"VSSM_STATE": str(tmp_path / "sitting.json")} | environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,  # the machine may be busy
    )


def test_without_a_display_the_demonstration_runs(tmp_path):
    done = start(tmp_path, OMP_NUM_THREADS="1")  # two threads would wait for each other on a busy machine
    assert done.returncode == 0, done.stderr
    first, rest = done.stdout.split("\n", 1)
    assert first.startswith("There is no display here") and rest.strip()
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only there is a display named by DISPLAY")
@pytest.mark.parametrize("name", ["DISPLAY", "WAYLAND_DISPLAY"])
def test_a_display_that_does_not_answer_is_told(monkeypatch, name):
    for other in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, ":987" if name == "DISPLAY" else "wayland-987")
    assert "cannot be connected to" in display.find()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="libraries are named by Debian packages")
def test_a_missing_library_is_one_sentence_with_its_package(monkeypatch):
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    monkeypatch.setitem(display.QT_LIBRARIES, "libnowhere.so.7", "libnowhere7")
    with pytest.raises(display.Missing, match=r"libnowhere\.so\.7.*sudo apt-get install libnowhere7$"):
        display.find()


def test_the_window_opens_and_closes_from_the_command_line(tmp_path):
    """The whole door, offscreen: the program takes a link, is asked to end as Ctrl+C would, saves its sitting and ends
    well."""
    prompt = Prompt.empty(*data.CIFAR10.shape).with_rows(3)
    link = Link("cifar10", "mamba", "sequential", None, 7, 0.7, 12345, "sampled", prompt)
    process = subprocess.Popen(
        [sys.executable, ROOT / "main.py", link.text],
        env=SCREENLESS | {"VSSM_STATE": str(tmp_path / "sitting.json"), "QT_QPA_PLATFORM": "offscreen"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for_qt(process)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(6)  # it stays
        process.send_signal(2)
        out, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    errors = [line for line in errors.splitlines() if "propagateSizeHints" not in line]
    assert process.returncode == 0 and not errors and not out
    saved = session.load(tmp_path / "sitting.json")
    assert (saved.data, saved.model, saved.samples, saved.seed) == ("cifar10", "mamba", 7, 12345)
    assert saved.keep_seed and saved.sheet.temperature == 0.7 and saved.sheet.prompt.known.sum() == 3 * 32


def wait_for_qt(process: subprocess.Popen) -> None:
    """Until it has loaded Qt's platform, which on a busy machine takes long, or has ended."""
    maps, end = Path(f"/proc/{process.pid}/maps"), time.monotonic() + 120
    while maps.exists() and process.poll() is None and time.monotonic() < end:
        if "libqoffscreen" in maps.read_text():
            return
        time.sleep(0.2)
    time.sleep(2)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="fonts are taken away by fontconfig's settings")
def test_a_machine_without_fonts_gets_one_with_all_our_signs(tmp_path):
    (tmp_path / "none.conf").write_text('<?xml version="1.0"?><fontconfig></fontconfig>')
    program = """if True:
        import app.application, torch
        from PySide6.QtGui import QFontInfo, QFontMetrics
        from PySide6.QtWidgets import QApplication
        font = app.application.prepare(QApplication([])).font()
        lacks = [c for c in "aZ0●■▲◆★▼○□△◇☆▽↵×·−…–" if not QFontMetrics(font).inFontUcs4(ord(c))]
        print(QFontInfo(font).family(), lacks)
    """
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=SCREENLESS | {"QT_QPA_PLATFORM": "offscreen", "FONTCONFIG_FILE": str(tmp_path / "none.conf")},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.split("\n")[0] == "Inter []", done.stderr
