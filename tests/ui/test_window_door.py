"""`python main.py`: with and without a display."""

import json
import os
import subprocess
import sys
from pathlib import Path

import broken_sessions
import numpy as np
import pytest
from commands import wait_for
from PIL import Image
from safetensors.numpy import save_file
from windows import LONG

import vssm
from app import arguments, display
from app.core import session
from app.core.link import Link
from app.core.settings import CompletionSettings
from app.ui.crop_dialog import CropDialog
from vssm import data
from vssm.prompt import Prompt

ROOT = Path(__file__).parents[2]
SCREENLESS = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")}


def start(tmp_path, **environment) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, ROOT / "main.py"],
        env=SCREENLESS | {"VSSM_STATE": str(tmp_path / "session.json")} | environment,
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
    absent = "libglib-2.0.so.7", "libNowhere1.so.7", "libnowhere.so.7"
    monkeypatch.setattr(display, "QT_LIBRARIES", absent)
    words = ", ".join(absent) + ".*sudo apt-get install libglib2.0-0 libnowhere1-7 libnowhere7$"
    with pytest.raises(display.Missing, match=words):
        display.find()


def test_the_window_opens_and_closes_from_the_command_line(tmp_path):
    """The whole door, offscreen: the program takes a link, is asked to end as Ctrl+C would, saves its session and ends
    well."""
    prompt = Prompt.empty(*data.CIFAR10.shape).with_rows(3)
    link = Link("cifar10", CompletionSettings("mamba", "sequential", None, 7, 0.7, 12345, "sampled"), prompt)
    state = tmp_path / "session.json"
    process = subprocess.Popen(
        [sys.executable, ROOT / "main.py", link.text],
        env=SCREENLESS | {"VSSM_STATE": str(state), "QT_QPA_PLATFORM": "offscreen"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(lambda: process.poll() is not None or (state.exists() and session.load(state).seed == 12345), 120)
        assert process.poll() is None  # it stays
        process.send_signal(2)
        out, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    errors = [line for line in errors.splitlines() if "propagateSizeHints" not in line]
    assert process.returncode == 0 and not errors and not out
    saved = session.load(state)
    assert (saved.data, saved.model, saved.samples, saved.seed) == ("cifar10", "mamba", 7, 12345)
    settings = saved.dataset_settings
    assert saved.keep_seed and settings.temperature == 0.7 and settings.sketch.known.sum() == 3 * 32


# --- arguments

HEAVY = "for name in ('PySide6', 'torch', 'numpy'): assert name not in sys.modules, name"


@pytest.mark.parametrize(
    ("words", "code", "out", "err"),
    [
        (["--help"], 0, "usage: vssm-sketchpad", ""),
        (["-h"], 0, "FILE_OR_LINK", ""),
        (["--version"], 0, f"VSSM Sketchpad {vssm.__version__}", ""),
        (["--nonsense"], 2, "", "Unrecognized arguments: --nonsense"),
        (["a.png", "b.png"], 2, "", "Unrecognized arguments: b.png"),
        (["-platform"], 2, "", "expected one argument"),
        ([b"--\xff"], 2, "", "Unrecognized arguments"),
    ],
)
def test_options_are_read_before_anything_is_loaded(words, code, out, err):
    """Without a display, too, and in one sentence."""
    program = f"import sys\nfrom app.application import main\ncode = main()\n{HEAVY}\nsys.exit(code)"
    done = subprocess.run([sys.executable, "-c", program, *words], env=SCREENLESS, cwd=ROOT, capture_output=True)
    said = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == code and out in said[0] and err in said[1], said
    assert bool(said[0]) == bool(out) and said[1].count("\n") == bool(err)


def test_options_of_qt_are_passed_on():
    found = arguments.parse(["main.py", "-style", "windows", "-platform", "offscreen", "a.png", "-reverse"])
    assert found.given == "a.png" and found.platform == "offscreen"
    assert found.qt == ("-platform", "offscreen", "-style", "windows", "-reverse")
    assert arguments.parse(["main.py", "--platform=minimal"]).platform == "minimal"
    assert arguments.parse(["main.py", "--", "-a.png"]).given == "-a.png"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="platforms are others there")
@pytest.mark.parametrize("name", ["foo", "foo:size=1x1", "windows", "a;b", "foo;xcb"])
@pytest.mark.parametrize("given", ["argument", "environment"])
def test_a_platform_that_is_not_there_is_one_sentence(name, given):
    """Qt would abort the process."""
    words, named = (["-platform", name], {}) if given == "argument" else ([], {"QT_QPA_PLATFORM": name})
    command = [sys.executable, ROOT / "main.py", *words]
    done = subprocess.run(command, env=SCREENLESS | named, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and not done.stdout
    assert repr(name) in done.stderr and done.stderr.count("\n") == 1 and "name none." in done.stderr


def test_platforms_that_are_there_are_taken(monkeypatch):
    for name in ("offscreen", "OFFSCREEN:x=1", "foo;offscreen", "offscreen;foo", ""):
        monkeypatch.setenv("QT_QPA_PLATFORM", name)
        display.require_platform(("-platform", name) if name else ())
    assert arguments.parse(["main.py", "-platform", ""]).qt == ()


GIVEN = """if True:
    import json, sys
    from PySide6.QtCore import QTimer
    from app import application
    from app.ui.crop_dialog import CropDialog
    look = QTimer(interval=20)

    def see(window):
        asked = window.findChildren(CropDialog)
        said = [one.text for one in window.messages.seen if "Loading" not in one.text and "Opening" not in one.text]
        if asked or said:
            print(json.dumps({"asked": len(asked), "said": said, "seed": window.bar.seed.value()}), flush=True)
            look.stop()
            for dialog in asked:
                dialog.reject()
            window.close()

    def watch(window):
        look.timeout.connect(lambda: see(window))
        look.start()

    sys.exit(application.main(sys.argv, watch))
"""


def given(tmp_path, word, **changes) -> dict:
    """What the window of a program shows of an argument."""
    environment = SCREENLESS | {"VSSM_STATE": str(tmp_path / "state" / "session.json")} | changes
    words = [sys.executable, "-c", GIVEN, "-platform", "offscreen", word]
    environment = {name: value for name, value in environment.items() if value is not None} | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, env=environment, cwd=tmp_path, capture_output=True, timeout=200)
    assert done.returncode == 0, done.stderr.decode()
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return json.loads(done.stdout)


@pytest.fixture
def opens(mnist, qtbot, tmp_path, monkeypatch):
    """opens(word): the same without a process of its own, which would take seconds a word."""
    monkeypatch.chdir(tmp_path)

    def see(word) -> dict:
        mnist.messages.clear()
        mnist.files.importer.open_argument(arguments.parse(["main.py", os.fsdecode(word)]).given)

        def shown() -> dict:
            said = [one.text for one in mnist.messages.seen]
            asked = [one for one in mnist.findChildren(CropDialog) if one.isVisible()]
            return {"asked": asked, "said": [text for text in said if "Opening" not in text]}

        qtbot.waitUntil(lambda: any(shown().values()), timeout=LONG)
        saw = shown()
        for dialog in saw["asked"]:
            dialog.reject()
        return {"asked": len(saw["asked"]), "said": saw["said"], "seed": mnist.bar.seed.value()}

    return see


def test_any_argument_is_opened_for_what_it_holds(tmp_path, opens):
    """Whatever its name says."""
    settings = CompletionSettings("vssm", "parallel", None, 4, 0.7, 12345, "sampled")
    link = Link("mnist", settings, Prompt.empty(28, 28, 1).with_rows(3)).text
    Image.new("RGB", (50, 40), "white").save(tmp_path / "picture.png")
    (tmp_path / "picture.png").rename(tmp_path / "picture.json")
    session.save(session.Session(seed=777), tmp_path / "session.json")
    (tmp_path / "session.json").rename(tmp_path / "session.png")
    (tmp_path / "mail.txt").write_text(f"Look at <{link}>.")
    assert opens("picture.json")["asked"] == 1
    assert opens((tmp_path / "picture.json").as_uri())["asked"] == 1
    saw = opens("session.png")
    assert saw["seed"] == 777 and "session.png" in saw["said"][-1]
    for word in (f"see {link}.", "mail.txt"):
        saw = given(tmp_path, word)
        assert saw["seed"] == 12345 and "From the link" in saw["said"][-1]


def unusable(tmp_path) -> list:
    """Arguments that cannot be used, and what they name."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "huge.json").write_text(broken_sessions.pinned(broken_sessions.PNGS["huge"]))
    (tmp_path / "broken.json").write_text('{"format": "vssm-sitting/3", ')
    (tmp_path / "archive.npz").write_bytes(b"PK\x03\x04" + bytes(100))
    save_file({"a": np.zeros(3, np.float32)}, tmp_path / "weights.safetensors")
    there = ["folder", "huge.json", "broken.json", "weights.safetensors", "archive.npz"]
    if sys.platform != "win32":
        os.mkfifo(tmp_path / "pipe.json")
        there.append("pipe.json")
    devices = ("/dev/zero", "/dev/full") if sys.platform == "linux" else ()
    return ["none.png", "x" * 300, "y/" * 3000, *there, *devices, "vssm://sketch/v=2/damaged", "\n"]


def require_sentence(saw: dict) -> None:
    sentence = saw["said"][-1]
    assert saw["asked"] == 0 and sentence.endswith(".") and "\n" not in sentence and len(sentence) < 400
    sentence.encode()


def test_an_argument_that_cannot_be_used_is_one_sentence(tmp_path, opens):
    for word in unusable(tmp_path):
        require_sentence(opens(word))
    assert (tmp_path / "huge.json").exists()  # unlike a session's own file it is not set aside


def test_an_argument_that_is_no_text_is_one_sentence(tmp_path):
    require_sentence(given(tmp_path, b"\xff" * 300 + b".png" if sys.platform == "linux" else "none.png"))


def test_without_a_home_it_opens(tmp_path):
    Image.new("RGB", (50, 40), "white").save(tmp_path / "a.png")
    assert given(tmp_path, "a.png", HOME=None)["asked"] == 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="fonts are taken away by fontconfig's settings")
def test_a_machine_without_fonts_gets_one_with_all_our_signs(tmp_path):
    (tmp_path / "none.conf").write_text('<?xml version="1.0"?><fontconfig></fontconfig>')
    program = """if True:
        import app.application
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
