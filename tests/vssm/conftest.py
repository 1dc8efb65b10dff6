"""Fixtures of the library's tests."""

from pathlib import Path

import pytest
from commands import vssm


@pytest.fixture
def refuse(capsys, tmp_path):
    """refuse(*words, says=...): the command must end with 2, say so in one sentence and write nothing."""

    def check(*command, says: str) -> None:
        before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
        code = vssm(*command)
        out, err = capsys.readouterr()
        assert (code, out) == (2, ""), err
        assert err.count("\n") == 1 and err.endswith(".\n") and "Traceback" not in err, err
        assert says in err, err
        assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before

    return check


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "out.png"
