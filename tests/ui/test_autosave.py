"""Nothing is lost: the session is kept while the window is open, opened and saved as a file, and survives whatever
becomes of its file."""

import contextlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import at, opened
from hypothesis import given, settings
from hypothesis import strategies as st
from making import sketched
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QLineEdit, QMessageBox
from racing import contestant, events, weights
from windows import LEFT, accept, press, type_in

from app.core import session
from app.core.pinned import Pinned
from app.core.race import RaceJob
from app.core.session import Session
from app.engine import autosave
from app.engine.autosave import Autosave
from app.ui import theme
from app.ui.panels.race import RacePanel
from vssm import data
from vssm.errors import UserError
from vssm.files import atomic
from vssm.prompt import Prompt


@pytest.fixture
def mnist(no_threads_left, qtbot, tmp_path):
    """The window without weights, which is quick."""
    yield from opened(qtbot, tmp_path / "session.json", tmp_path)


def look(window) -> None:
    """What happens every few seconds."""
    window.autosave._timer.timeout.emit()


def pin(number: int, dataset: data.DataSet = data.MNIST) -> Pinned:
    rng = np.random.default_rng(number)
    image, known = rng.integers(0, 256, dataset.shape).astype(np.uint8), rng.random(dataset.shape[:2]) > 0.5
    return Pinned(image, known, "vssm", "VSSM", number, 0.5, 1, 0.01)


# --- kept while the program runs


def test_all_comes_back(qtbot, tmp_path, draw, no_threads_left):
    """Sketches, what is known and why, who races, settings, seed, pinned results."""
    state = tmp_path / "session.json"
    for window in opened(qtbot, state, tmp_path):
        window.sketch.rows.setValue(14)
        draw(window.canvas, [(5, 20), (22, 20)])
        press(qtbot, window, "U")
        draw(window.canvas, [(5, 20)])
        window.workspace.dataset_settings.absent |= {"mamba", "vssm"}
        window.workspace.dataset_settings.pinned = (pin(1), pin(2))
        type_in(qtbot, window.bar.seed, "77")
        left = window.session()
    for window in opened(qtbot, state, tmp_path):
        assert window.session() == left == session.load(state)
        assert window.bar.seed.value() == 77 and window.workspace.dataset_settings.pinned == (pin(1), pin(2))
        sketch = window.canvas.sketch
        assert not sketch.known[20, 5] and sketch.pixels[20, 5] == 255  # ink under what was made unknown
        press(qtbot, window, "K")
        draw(window.canvas, [(5, 20)])
        assert sketch.known[20, 5] and sketch.prompt.pixels[20, 5] == 255
        press(qtbot, window, "E")
        draw(window.canvas, [(20, 20), (20, 5)])
        assert (
            not sketch.known[20, 20] and sketch.known[5, 20]
        )  # known only because it was drawn on, and the upper half


def test_it_is_kept_before_the_end(mnist, qtbot, draw):
    window, path = mnist, mnist.autosave.path
    assert window.autosave._timer.isActive() and window.autosave._timer.interval() <= 60_000 and not path.exists()
    draw(window.canvas, [(5, 3), (22, 5)])
    look(window)
    assert session.load(path) == window.session() and sorted(p.name for p in path.parent.iterdir()) == [
        "session.json",
        "session.json.lock",
        "settings.ini",  # as everything is shown
    ]
    written = path.stat().st_ino
    look(window)
    assert path.stat().st_ino == written  # nothing has changed
    window.bar.samples.setValue(9)
    look(window)
    assert path.stat().st_ino != written and session.load(path).samples == 9


def test_a_save_waits_for_the_pen(mnist, qtbot):
    window, path = mnist, mnist.autosave.path
    qtbot.mousePress(window.canvas, LEFT, pos=at(window.canvas, 5, 3))
    look(window)
    assert not path.exists()
    window.autosave._when -= autosave.LONGEST  # but not for ever
    look(window)
    assert session.load(path).dataset_settings.sketch.pixels[3, 5] == 255
    qtbot.mouseMove(window.canvas, at(window.canvas, 20, 3))
    qtbot.mouseRelease(window.canvas, LEFT, pos=at(window.canvas, 20, 3))
    look(window)
    assert session.load(path).dataset_settings.sketch.pixels[3, 20] == 255


def test_a_folder_that_takes_no_files_is_told_once(qtbot, tmp_path, no_threads_left):
    """Where nothing was done, nobody is asked on leaving."""
    (tmp_path / "file").write_text("")
    for window in opened(qtbot, tmp_path / "file" / "session.json", tmp_path):
        window.messages.clear()
        look(window)
        assert "cannot be written" in window.messages.text and "\n" not in window.messages.text
        window.messages.clear()
        look(window)
        assert window.messages.text == ""
        window.close()
        assert window.engine.closed


def two(number: int) -> str:
    """One of two sessions that differ in every row, and take a while to write."""
    rng = np.random.default_rng(number)
    sheet = sketched(Prompt(rng.integers(0, 256, (28, 28, 1)).astype(np.uint8), np.full((28, 28), number == 0)))
    return session.text(Session(samples=number + 1, datasets={"mnist": sheet}))


def in_a_child(do, *given) -> int:
    """Start it in a process of its own; returns its number."""
    child = os.fork()
    if child:
        return child
    try:
        do(*given)
    finally:
        os._exit(0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("surely", [False, True])
def test_a_kill_in_the_middle_of_a_write_leaves_a_whole_file(tmp_path, surely):
    """Fifteen times, at any moment."""
    path, texts = tmp_path / "session.json", [two(0), two(1)]
    atomic.write_text(path, texts[0])

    def write_on():
        for i in range(10**6):
            atomic.write_text(path, texts[i % 2], surely)

    for kill in range(15):
        child = in_a_child(write_on)
        first, deadline = path.stat().st_ino, time.monotonic() + 30
        while path.stat().st_ino == first and time.monotonic() < deadline:
            pass  # until it writes
        time.sleep(kill / 1500)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert path.read_text() in texts and session.restore(path)[1] == ""
    for left in tmp_path.glob("*.part"):  # what was left behind goes with a later write
        os.utime(left, (0, 0))
    atomic.write_text(path, texts[1])
    assert [p.name for p in tmp_path.iterdir()] == ["session.json"]


# --- two programs at once


def test_a_second_window_keeps_a_session_of_its_own(mnist, qtbot, tmp_path, draw):
    draw(mnist.canvas, [(5, 3), (22, 5)])
    for second in opened(qtbot, tmp_path / "session.json", tmp_path):
        assert any("kept apart, as session-2.json" in toast.text for toast in second.messages.toasts)
        assert not second.canvas.sketch.pixels.any()
        second.bar.samples.setValue(9)
        look(second)
        look(mnist)
    assert session.load(tmp_path / "session-2.json").samples == 9
    assert session.load(tmp_path / "session.json") == mnist.session()
    for second in opened(qtbot, tmp_path / "session.json", tmp_path):  # it has not lost its own
        assert second.bar.samples.value() == 9
    mnist.close()
    for third in opened(qtbot, tmp_path / "session.json", tmp_path):
        assert third.autosave.path.name == "session.json" and third.canvas.sketch.pixels.any()
    assert not list(tmp_path.glob("*.lock"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_program_that_was_killed_holds_nothing(tmp_path, qapp):
    path = tmp_path / "session.json"

    def die():
        kept = Autosave(path)
        assert kept.path == path
        os.kill(os.getpid(), signal.SIGKILL)

    os.waitpid(in_a_child(die), 0)
    assert Path(f"{path}.lock").exists()
    kept = Autosave(path)
    assert kept.path == path
    kept.close()


@pytest.mark.parametrize("holder", ["1\npython\nanother-host\n", "{}\npython\nthis-host\n"])
def test_a_lock_that_only_names_its_holder_holds_nothing(tmp_path, qapp, holder):
    """As programs leave it that crash, be it on another host, or with a number that is this program's own now."""
    path = tmp_path / "session.json"
    session.save(Session(samples=9), path)
    Path(f"{path}.lock").write_text(holder.format(os.getpid()))
    kept = Autosave(path)
    assert kept.path == path and kept.restored.samples == 9 and kept.apart == ""
    kept.close()


def test_a_session_behind_a_link_is_the_same_session(tmp_path, qapp):
    """Its link stays, the file keeps its mode, and two windows do not share it."""
    (tmp_path / "cloud").mkdir()
    path, target = tmp_path / "session.json", tmp_path / "cloud" / "mine.json"
    session.save(Session(samples=9), target)
    target.chmod(0o640)
    path.symlink_to(target)
    first, second = Autosave(path), Autosave(target)
    assert first.restored.samples == 9 and first.path == path and second.path == target.with_name("mine-2.json")
    first.begin(lambda: Session(samples=8), lambda: False)
    first.look()
    assert path.is_symlink() and session.load(target).samples == 8 and target.stat().st_mode & 0o777 == 0o640
    first.close()
    target.write_text("{")
    assert "set aside as mine.json.broken" in Autosave(path).said and path.is_symlink() and not path.exists()
    second.close()


# --- full disks


class FullDisk:
    """A folder of a real disk that is full until something is removed."""

    def __init__(self, folder: Path):
        self.folder = folder

    def fill(self) -> None:
        with contextlib.suppress(OSError), (self.folder / "ballast").open("wb") as file:
            while True:
                file.write(bytes(4096))
                file.flush()

    def empty(self) -> None:
        (self.folder / "ballast").unlink()


@pytest.fixture
def disk(tmp_path):
    """Of 256 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", folder], capture_output=True).returncode:
        pytest.skip("needs the right to mount")
    yield FullDisk(folder)
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture
def asked(qtbot):
    """Closes a window that cannot be saved, and answers: asked(window, "Discard")."""

    def close_and_answer(window, words: str) -> None:
        window.close()
        question = window.files.dialog
        assert isinstance(question, QMessageBox) and question.isVisible() and not window.engine.closed
        assert "cannot be written" in question.text() and "lost" in question.text()
        answer(qtbot, window, words)

    return close_and_answer


def full_window(qtbot, tmp_path, draw, full_disk):
    """Its drawing cannot be saved."""
    for window in opened(qtbot, tmp_path / "session.json", tmp_path):
        look(window)
        draw(window.canvas, [(5, 3), (22, 5)])
        full_disk()
        yield window


def test_on_a_full_disk_it_is_asked_before_a_drawing_is_lost(qtbot, tmp_path, no_threads_left, draw, full_disk, asked):
    """And the window stays, for as long as one likes."""
    for window in full_window(qtbot, tmp_path, draw, full_disk):
        drawn, before = window.session(), (tmp_path / "session.json").read_bytes()
        for _ in range(2):
            asked(window, "Stay")
            assert window.isVisible() and not window.engine.closed and window.session() == drawn
        asked(window, "Try again")
        assert window.files.dialog.isVisible() and not window.engine.closed  # it is still full
        qtbot.keyClick(window.files.dialog, Qt.Key.Key_Escape)
        assert (tmp_path / "session.json").read_bytes() == before
        for _ in range(2):
            window.close()
        assert len([one for one in window.findChildren(QMessageBox) if one.isVisible()]) == 1
        asked(window, "Discard")
        assert window.engine.closed and not window.isVisible()
    assert (tmp_path / "session.json").read_bytes() == before


@pytest.fixture
def on_disk(qtbot, tmp_path, no_threads_left, draw, disk):
    """A window with a drawing that a full disk has no room for."""
    for window in opened(qtbot, disk.folder / "session.json", tmp_path):
        look(window)
        draw(window.canvas, [(5, 3), (22, 5)])
        disk.fill()
        yield window


def answer(qtbot, window, words: str) -> None:
    """Click a button of the question that is asked."""
    qtbot.mouseClick(next(one for one in window.files.dialog.buttons() if one.text().startswith(words)), LEFT)


def test_once_there_is_room_again_the_window_closes(on_disk, qtbot, disk, asked):
    drawn = on_disk.session()
    asked(on_disk, "Try again")
    assert on_disk.files.dialog.isVisible() and not on_disk.engine.closed
    disk.empty()
    answer(qtbot, on_disk, "Try again")
    assert on_disk.engine.closed and session.load(disk.folder / "session.json") == drawn


def test_a_drawing_is_saved_elsewhere(on_disk, qtbot, tmp_path, disk, asked):
    drawn = on_disk.session()
    asked(on_disk, "Save elsewhere")
    choose(qtbot, on_disk, disk.folder / "again.json")
    qtbot.waitUntil(lambda: isinstance(on_disk.files.dialog, QMessageBox))
    assert not on_disk.engine.closed and "again.json cannot be written" in on_disk.files.dialog.text()
    answer(qtbot, on_disk, "Save elsewhere")
    choose(qtbot, on_disk, tmp_path / "elsewhere.png")
    qtbot.waitUntil(lambda: isinstance(on_disk.files.dialog, QMessageBox))
    assert "must end in .json" in on_disk.files.dialog.text() and not (tmp_path / "elsewhere.png").exists()
    answer(qtbot, on_disk, "Save elsewhere")
    choose(qtbot, on_disk, tmp_path / "elsewhere.json")
    qtbot.waitUntil(lambda: on_disk.engine.closed)
    assert session.load(tmp_path / "elsewhere.json") == drawn


def choose(qtbot, window, path: Path) -> None:
    """In the file dialog that is open."""
    window.files.dialog.selectFile(str(path))
    qtbot.keyClick(window.files.dialog.findChild(QLineEdit), Qt.Key.Key_Return)


def test_two_windows_on_a_full_disk_do_not_share_a_file(tmp_path, qapp):
    """Where no lock could be had at first, neither writes before it has one."""
    (tmp_path / "place").touch()  # in which no file can be made
    path = tmp_path / "place" / "session.json"
    first, second = Autosave(path), Autosave(path)
    for number, saver in enumerate((first, second), 1):
        saver.begin(lambda number=number: Session(samples=number), lambda: False)
        with pytest.raises(UserError, match="cannot be written"):
            saver.save()
    (tmp_path / "place").unlink()
    told = []
    second.failed.connect(told.append)
    first.look(), second.look()
    assert (first.path.name, second.path.name) == ("session.json", "session-2.json") and "kept apart" in told[0]
    first.look(), second.look()
    assert session.load(first.path).samples == 1 and session.load(second.path).samples == 2
    first.close(), second.close()


def test_a_file_that_was_written_meanwhile_is_not_overwritten(tmp_path, qapp):
    """By a window that had no lock when it read it."""
    path = tmp_path / "session.json"
    session.save(Session(samples=9), path)
    Path(f"{path}.lock").mkdir()
    late = Autosave(path)
    assert late.restored.samples == 9
    Path(f"{path}.lock").rmdir()
    session.save(Session(samples=7), path)
    late.begin(lambda: Session(samples=8), lambda: False)
    late.look()
    assert late.path.name == "session-2.json" and session.load(late.path).samples == 8
    assert session.load(path).samples == 7
    late.close()


# --- files of sessions


def test_a_session_is_saved_and_opened_and_the_one_before_brought_back(mnist, qtbot, tmp_path, draw):
    window = mnist
    draw(window.canvas, [(5, 3), (22, 5)])
    window.workspace.dataset_settings.pinned = (pin(3),)
    window.actions_["choose_theme", "dark"].trigger()
    digits = window.session()
    press(qtbot, window, "Ctrl+Alt+S")
    accept(qtbot, window, tmp_path / "digits")
    assert session.load(tmp_path / "digits.json") == digits and not window.actions_["previous_session"].isEnabled()
    press(qtbot, window, "Ctrl+2")
    draw(window.canvas, [(5, 20), (25, 20)])
    press(qtbot, window, "I")
    window.bar.samples.setValue(9)
    window.actions_["choose_theme", "light"].trigger()
    colour = window.session()
    press(qtbot, window, "Ctrl+Shift+O")
    accept(qtbot, window, tmp_path / "digits.json")
    assert (
        window.workspace.data is data.MNIST
        and window.windowTitle().startswith("MNIST")
        and window.canvas.tool == "brush"
    )
    assert window.workspace.dataset_settings.pinned == (pin(3),) and window.canvas.sketch.pixels[3, 5] == 255
    assert theme.now.dark is False  # how the window looks is not the session's business
    kept = window.autosave.before
    assert kept.name in window.messages.text and session.load(kept) == colour
    draw(window.canvas, [(5, 10)])
    drawn = window.session()
    window.actions_["previous_session"].trigger()
    assert window.session() == colour and window.canvas.sketch.pixels.shape == (32, 32, 3)
    window.actions_["previous_session"].trigger()
    assert window.session() == drawn
    assert window.race.entrants.boxes["mamba"].isEnabled() is False
    assert window.messages.text.startswith("Opened session-before-")


def test_only_the_latest_of_those_before_are_kept(tmp_path, qapp):
    path = tmp_path / "session.json"
    saver = Autosave(path)
    saver._current = Session
    made = [saver.put_by() for _ in range(autosave.MOST_BEFORE + 2)]
    saver.close()
    assert saver.before == made[-1] and [p.exists() for p in made] == [False] * 2 + [True] * autosave.MOST_BEFORE
    again = Autosave(path)
    assert again.before == made[-1]
    again.close()


BROKEN = {
    "half": json.dumps(Session().to_dict())[:2000],
    "foreign": '{"hello": "world"}',
    "newer": json.dumps(Session().to_dict() | {"format": "vssm-sitting/99"}),
    "unknown key": json.dumps(Session().to_dict() | {"colour": "red"}),
    "endless number": "1" * 5000,
    "deep": "[" * 100_000,
    "huge": " " * (session.MOST_BYTES + 1),
    "not text": "\xff\xfe\x00",
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_gives_a_sentence(tmp_path, text):
    path = tmp_path / "session.json"
    for number in ("", "-2"):  # what was set aside stays, however often it happens
        path.write_bytes(text.encode("latin-1"))
        restored, said = session.restore(path)
        aside = tmp_path / f"session.json.broken{number}"
        assert restored == Session() and aside.name in said and aside.read_bytes() == text.encode("latin-1")
    assert len(said) < 500 and not path.exists()


def test_a_broken_file_changes_nothing(mnist, qtbot, tmp_path, draw):
    draw(mnist.canvas, [(5, 3), (22, 5)])
    before = mnist.session()
    for text in (BROKEN["half"], BROKEN["newer"], BROKEN["unknown key"]):
        (tmp_path / "given.json").write_text(text)
        mnist.files.importer.open_argument(str(tmp_path / "given.json"))
        assert mnist.messages.text and mnist.session() == before and mnist.canvas.sketch.can_undo
    mnist.files.importer.open_argument(str(tmp_path))
    assert "is a folder" in mnist.messages.text
    mnist.files.importer.open_argument(str(tmp_path / "none.json"))
    assert "There is no file none.json" in mnist.messages.text and mnist.autosave.before is None


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=5), inside, max_size=3),
    max_leaves=5,
)
WHOLE = Session(
    datasets={"mnist": sketched(Prompt.empty(28, 28, 1), samplers={"asarm": ("assd", 4)}, pinned=(pin(4),))}
)


def places(plain: object, above: tuple = ()) -> list[tuple]:
    """The keys that lead to every value of it."""
    inside = plain.items() if isinstance(plain, dict) else enumerate(plain[:2]) if isinstance(plain, list) else ()
    return [above, *(place for key, value in inside for place in places(value, (*above, key)))]


@given(st.sampled_from(places(WHOLE.to_dict())[1:]), ANYTHING)
@settings(max_examples=150)
def test_a_value_changed_to_anything_is_read_or_told(place, value):
    plain = json.loads(session.text(WHOLE))
    inside = plain
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = value
    try:
        made = Session.from_dict(json.loads(json.dumps(plain)))
    except UserError:
        return
    assert Session.from_dict(json.loads(session.text(made))) == made


def test_race_ticks_come_back(qtbot, tmp_path, no_threads_left):
    folder = weights(tmp_path, "vssm", "transformer")
    for window in opened(qtbot, tmp_path / "session.json", folder):
        press(qtbot, window, "V")
        box = window.race.entrants.boxes["transformer"]
        qtbot.mouseClick(box, LEFT, pos=QPoint(8, box.height() // 2))
        assert window.race.entrants.chosen == ["vssm"]
    for window in opened(qtbot, tmp_path / "session.json", folder):
        assert window.race.entrants.chosen == ["vssm"] and window.session().dataset_settings.absent == {"transformer"}
        window.race.entrants.boxes["transformer"].setFocus()
        press(qtbot, window, "V")
        qtbot.keyClick(window.race.entrants.boxes["transformer"], Qt.Key.Key_Space)
        assert window.race.entrants.chosen == ["vssm", "transformer"]
        assert window.session().dataset_settings.absent == set()


# --- races of before


def run_recorded(qtbot, panel, seconds: float) -> None:
    """A race of two, whose events are told to the panel as the models' would be."""
    job = RaceJob.of((contestant("vssm"), contestant("transformer")))
    panel.begin(job)
    while True:
        for event in events(job.contestant, [seconds / 2, seconds], [6, 12]):
            job.add(event)
        if not job.more:
            break
        job.turn_to_next()
        panel.follow()
    panel.record(job.race)
    panel.end(job)
    assert not panel.running


def test_the_latest_races_can_be_looked_at_again(mnist, qtbot):
    panel = RacePanel(mnist.actions_)
    qtbot.addWidget(panel)
    panel.offer("mnist", {}, set())
    panel.resize(800, 600)
    panel.show()
    run_recorded(qtbot, panel, 0.1)
    assert not panel.races.isVisible() and len(panel.past["mnist"]) == 1  # it is the one that is shown
    for seconds in (0.2, 0.3, 0.4):
        run_recorded(qtbot, panel, seconds)
    texts = [panel.races.itemText(i) for i in range(panel.races.count())]
    assert texts == [f"Race {n}: VSSM and Transformer 0.{n}0 s" for n in (2, 3, 4)]
    assert panel.races.isVisible() and panel.races.currentIndex() == 2
    panel.races.setFocus()
    qtbot.keyClick(panel.races, Qt.Key.Key_Up)
    assert panel.race.duration == 0.3 == panel.seconds and not panel.playing and panel.replayable
    assert [runner.clock.text() for runner in panel.cards] == ["0.30 s"] * 2
    panel.step(-1)
    assert panel.seconds == 0.15
    panel.offer("cifar10", {}, set())
    assert panel.race is None and not panel.races.isVisible()
    panel.offer("mnist", {}, set())
    assert panel.race.duration == 0.3 and panel.seconds == 0.15 and panel.races.currentIndex() == 1  # as it was left
