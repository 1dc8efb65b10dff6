"""What --json prints every reader of JSON takes, whatever numbers came out."""

import json
import math

import pytest
import torch
from commands import DATA, small_weights, vssm
from hypothesis import given
from hypothesis import strategies as st

from vssm import checkpoint
from vssm.data import MNIST
from vssm.files import strict_json

RECORDS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
)


def strictly(text: str):
    """Read JSON as a reader does that keeps to the standard."""

    def refuse(constant: str):
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def same(made, record) -> bool:
    if isinstance(record, float) and not math.isfinite(record):
        return made is None
    if isinstance(record, dict):
        return made.keys() == record.keys() and all(same(made[k], v) for k, v in record.items())
    if isinstance(record, (list, tuple)):
        return len(made) == len(record) and all(map(same, made, record))
    return made == record


@given(RECORDS)
def test_every_record_is_strict_json_and_the_same_but_for_null(record):
    assert same(strictly(strict_json.text(record)[0]), record)


def test_what_is_null_is_named():
    record = {"a": 1.0, "b": {"c": [1.0, math.nan]}, "d": math.inf, "e": -math.inf}
    assert strict_json.text(record)[1] == ["b.c[1]", "d", "e"]


@pytest.fixture
def diverged(tmp_path):
    """Weights that are finite, of a network whose outputs are not."""
    path = small_weights("transformer", MNIST, tmp_path)
    made = checkpoint.load(path)
    with torch.no_grad():
        for p in made.network.parameters():
            p.copy_(9e5 * torch.where(p < 0, -1.0, 1.0))
    made.save(path)
    return path


def test_a_score_that_is_no_number_is_null_and_told(diverged, capsys):
    words = ["evaluate", "--model", "transformer", "--checkpoint", diverged, "--data-dir", DATA, "--parts", "nats"]
    assert vssm(*words, "--limit", 3, "--json") == 0
    out, err = capsys.readouterr()
    record = strictly(out)
    assert record["nats"] is None and record["bits_per_dim"] is None and record["images"] == 3
    assert "nats" in err and "null" in err and err.strip().count("\n") == 0
    assert vssm(*words, "--limit", 3) == 0
    assert "Not a finite number: nats" in capsys.readouterr().err


def test_a_score_that_is_no_number_is_not_kept(diverged, capsys):
    before = diverged.read_bytes()
    words = ["evaluate", "--model", "transformer", "--checkpoint", diverged, "--data-dir", DATA, "--parts", "nats"]
    assert vssm(*words, "--limit", 3, "--write") == 2
    assert "no finite number" in capsys.readouterr().err and diverged.read_bytes() == before
