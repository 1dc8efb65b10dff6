"""The program as a person meets it: a process of its own on a real X server, with a real pointer and real keys."""

import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from making import sketched
from PIL import ImageGrab

from app import display
from app.core import session
from app.ui.widgets import picture
from vssm.data import MNIST
from vssm.prompt import Prompt

ROOT = Path(__file__).parents[2]
LONG = 120  # seconds; the machine may be busy
MARKS = (2, 3), (25, 3)  # pixels (x, y) of ink by which a sketch is found on the screen
STROKE = (6, 8), (20, 8), (20, 12)


@pytest.fixture
def screen(tmp_path):
    """A display of Xvfb's, as an environment for programs."""
    if absent := [name for name in ("Xvfb", "xdotool") if shutil.which(name) is None]:
        pytest.skip(f"{' and '.join(absent)} not here; apt-get install xvfb xdotool")
    try:
        display._need(display.QT_LIBRARIES + display.XCB_LIBRARIES)
    except display.Missing as missing:
        pytest.skip(str(missing))
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1600x900x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL)
    os.close(writing)
    try:
        with os.fdopen(reading) as told:
            number = told.readline().strip()  # once it is ready; empty where it has ended
        if not number:
            pytest.skip("Xvfb does not start here")
        plain = {k: v for k, v in os.environ.items() if k not in ("WAYLAND_DISPLAY", "XAUTHORITY", "VSSM_STATE")}
        folders = {name: str(tmp_path) for name in ("HOME", "XDG_RUNTIME_DIR", "XDG_DATA_HOME", "XDG_CACHE_HOME")}
        yield plain | folders | {"DISPLAY": f":{number}", "QT_QPA_PLATFORM": "xcb", "OMP_NUM_THREADS": "1"}
    finally:
        server.terminate()
        server.wait(30)


def test_a_person_draws_completes_and_quits(screen, tmp_path):
    tmp_path.chmod(0o700)  # as a runtime folder must be
    state = tmp_path / "session.json"
    prompt = Prompt.empty(*MNIST.shape).with_rows(14)
    for x, y in MARKS:
        prompt.pixels[y, x] = 255
    begun = session.Session(samples=1, theme="light", toured=True, datasets={"mnist": sketched(prompt)})
    session.save(begun, state)
    process = subprocess.Popen(
        [sys.executable, ROOT / "main.py"],
        env=screen | {"VSSM_STATE": str(state)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        (origin, scale), *_ = until(lambda: pictures(screen), process)
        act(screen, "search", "--sync", "--onlyvisible", "--name", "VSSM Sketchpad", "windowfocus")
        places = [(origin + (np.array(point) + 0.5) * scale).round().astype(int) for point in STROKE]
        way = [a + (b - a) * share for a, b in itertools.pairwise(places) for share in np.linspace(0, 1, 8)]
        moves = [word for place in way for word in ("mousemove", *place.round().astype(int), "sleep", "0.02")]
        act(screen, "mousemove", *places[0], "mousedown", "1", *moves, "mouseup", "1", "mousemove", "5", "5")
        act(screen, "key", "Return")

        def completed():
            found = [values(screen, *place) for place in pictures(screen)[1:]]
            return next((made for made in found if np.isin(made[14:], (0, 255)).all()), None)

        made = until(completed, process)
        act(screen, "key", "ctrl+q")
        out, err = process.communicate(timeout=LONG)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.communicate()
    assert process.returncode == 0 and (out, err) == ("", "")
    saved = session.load(state).datasets["mnist"].sketch.pixels[..., 0]
    drawn = saved == 255
    assert all(drawn[y, x] for x, y in (*STROKE, (13, 8), (20, 10)))
    far = np.ones_like(drawn)
    far[6:15, 4:23] = False
    assert (saved[far] == prompt.pixels[..., 0][far]).all()  # the stroke is where the pointer was, and nowhere else
    assert (made[:14] == saved[:14]).mean() > 0.97  # the completion keeps the sketch, but for the outline's pixels


def test_shortcuts_on_keyboards_with_one_layout_that_is_not_latin(screen, tmp_path):
    """And on one without digits but with Shift. Keys are pressed by their code, which is their place."""
    if shutil.which("setxkbmap") is None:
        pytest.skip("setxkbmap not here; apt-get install x11-xkb-utils")
    run(screen, tmp_path, "pressing.py", *("ru", 38, 24), *("gr", 38, 24), *("il", 38, 24), *("fr", 24, 38))


def test_every_panel_is_dragged_everywhere(screen, tmp_path):
    """By its title: out, about, onto another, into tabs and out of them; and while keys move panels."""
    # some 25 seconds: 63 drags and double clicks, each at the pace at which the window follows the pointer
    run(screen, tmp_path, "dragging.py")


def run(screen: dict, folder: Path, program: str, *words) -> None:
    """One of the programs beside the tests, on that screen."""
    folder.chmod(0o700)
    command = [sys.executable, "-X", "faulthandler", ROOT / "tests" / program, folder, *map(str, words)]
    given = screen | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=given, capture_output=True, text=True, timeout=2 * LONG)
    assert done.returncode == 0, done.stderr


def act(screen: dict, *words) -> None:
    subprocess.run(["xdotool", *map(str, words)], env=screen, check=True, timeout=LONG, stdout=subprocess.DEVNULL)


def until(found: Callable, process: subprocess.Popen):
    """What `found` returns as soon as it is something."""
    end = time.monotonic() + LONG
    while time.monotonic() < end:
        assert process.poll() is None, process.stderr.read()
        made = found()
        if made is not None and len(made):
            return made
        time.sleep(0.1)
    raise AssertionError("it does not appear")


def look(screen: dict) -> np.ndarray:
    """What is on the screen, [height, width, 3] uint8."""
    return np.asarray(ImageGrab.grab(xdisplay=screen["DISPLAY"]).convert("RGB"))


def pictures(screen: dict) -> list[tuple[np.ndarray, float]]:
    """Where pictures with both marks are on the screen, from the left: place (x, y) of the corner, pixels a pixel."""
    (x, y), (across, _) = MARKS
    spots = squares(look(screen))
    found = []
    for a, side in spots:
        for b, _ in spots:
            scale = (b - a)[0] / (across - x)
            if abs(scale - side) <= 1 and abs(b - a)[1] <= 1:
                found.append((a - (np.array((x, y)) + 0.5) * scale, scale))
    return sorted(found, key=lambda place: place[0][0])


def squares(shot: np.ndarray) -> list[tuple[np.ndarray, int]]:
    """Middles (x, y) and sides of squares of a person's ink with black around them: single pixels of a picture."""
    ink = np.pad((shot == np.array(picture.GOLD)).all(-1), 2)
    black = np.pad(~shot.any(-1), 2)
    found = []
    for y, x in np.argwhere(ink & ~np.roll(ink, 1, 0) & ~np.roll(ink, 1, 1)):  # upper left corners
        side = int(np.argmin(ink[y, x:]))
        around = black[y - 2 : y + side + 2, x - 2 : x + side + 2]
        if side >= 6 and ink[y : y + side, x : x + side].all() and around[[0, -1]].all() and around[:, [0, -1]].all():
            found.append((np.array((x, y)) - 2 + (side - 1) / 2, side))
    return found


def values(screen: dict, origin: np.ndarray, scale: float) -> np.ndarray:
    """The levels [28, 28] of a picture on the screen, at the middles of its pixels: gold and white are full of red."""
    shot = look(screen)
    at = (np.arange(28) + 0.5) * scale
    rows, columns = (np.clip((origin[i] + at).astype(int), 0, shot.shape[1 - i] - 1) for i in (1, 0))
    return shot[rows[:, None], columns, 0]
