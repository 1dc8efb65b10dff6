"""The lock on a file: one holder at a time, and none once its process has ended."""

import subprocess
import sys
import threading

import pytest

from vssm.files.file_lock import FileLock

HOLD = (
    "import sys; from vssm.files.file_lock import FileLock; "
    "lock = FileLock(sys.argv[1]); print('held', flush=True); input()"
)


def test_there_is_one_holder_at_a_time(tmp_path):
    with FileLock(tmp_path / "a.lock"):
        with pytest.raises(BlockingIOError):
            FileLock(tmp_path / "a.lock")
        FileLock(tmp_path / "b.lock").release()  # each file has a lock of its own
    FileLock(tmp_path / "a.lock").release()
    assert not list(tmp_path.iterdir())


def test_the_lock_of_a_killed_program_is_free(tmp_path):
    path = tmp_path / "a.lock"
    program = subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with program:
        assert program.stdout.readline() == "held\n"
        with pytest.raises(BlockingIOError):
            FileLock(path)
        program.kill()
    assert path.exists()  # and yet
    FileLock(path).release()


def test_where_no_lock_can_be_made_the_reason_is_told(tmp_path):
    with pytest.raises(FileNotFoundError):
        FileLock(tmp_path / "none" / "a.lock")
    with pytest.raises(OSError):
        FileLock(tmp_path)


def test_holders_that_come_and_go_never_meet(tmp_path):
    held, met = [], []

    def come_and_go():
        for _ in range(300):
            try:
                with FileLock(tmp_path / "a.lock"):
                    held.append(1)
                    met.append(len(held))
                    held.pop()
            except BlockingIOError:
                pass

    threads = [threading.Thread(target=come_and_go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(met) == {1}
