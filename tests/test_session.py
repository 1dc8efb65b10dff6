"""The sitting is saved and restored; a broken file is set aside."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from app import session
from app.session import Session
from vssm import data, models
from vssm.errors import UserError
from vssm.prompt import Prompt


def choices(name: str) -> st.SearchStrategy:
    """A mode of that model and, where it has one, its number."""
    return st.sampled_from(models.get(name).modes(data.MNIST)).flatmap(
        lambda mode: st.tuples(st.just(mode.name), st.integers(1, mode.most) if mode.size else st.none())
    )


PROMPTS = st.builds(Prompt, arrays(np.uint8, data.MNIST.shape), arrays(np.bool_, (data.MNIST.height, data.MNIST.width)))
SESSIONS = st.builds(
    Session,
    model=st.sampled_from(list(models.PRESETS)),
    samples=st.integers(1, 64),
    temperature=st.floats(0, 10),
    seed=st.integers(0, session.MOST_SEED),
    keep_seed=st.booleans(),
    live=st.booleans(),
    theme=st.sampled_from(session.THEMES),
    device=st.sampled_from(["auto", "cpu", "cuda"]),
    modes=st.fixed_dictionaries({}, optional={name: choices(name) for name in models.PRESETS}),
    prompt=PROMPTS,
)


@given(SESSIONS)
@settings(max_examples=40, deadline=None)
def test_round_trip(tmp_path_factory, sitting):
    path = tmp_path_factory.mktemp("state") / "deep" / "sitting.json"
    session.save(sitting, path)
    again = session.load(path)
    assert again == sitting
    assert np.array_equal(again.prompt.pixels, sitting.prompt.pixels)
    assert np.array_equal(again.prompt.known, sitting.prompt.known)
    assert [p.name for p in path.parent.iterdir()] == ["sitting.json"]


@pytest.mark.parametrize(
    "change",
    [
        {"colour": "red"},
        {"samples": 0},
        {"samples": 65},
        {"samples": True},
        {"samples": "4"},
        {"temperature": -1},
        {"temperature": None},
        {"seed": 2**31},
        {"model": "unheard-of"},
        {"model": 7},
        {"data": "imagenet"},
        {"data": []},
        {"theme": "pink"},
        {"keep_seed": 1},
        {"device": ""},
        {"modes": []},
        {"modes": {"unheard-of": ["parallel", None]}},
        {"modes": {"transformer": ["backwards", None]}},
        {"modes": {"transformer": ["sequential", 3]}},
        {"modes": {"transformer": "sequential"}},
        {"modes": {"transformer": [["sequential"], None]}},
        {"modes": {"asarm": ["assd", None]}},
        {"modes": {"asarm": ["assd", 785]}},
        {"modes": {"asarm": ["assd", 0]}},
        {"pixels": ["00"]},
        {"pixels": "zz"},
        {"known": [[2, 3]]},
        {"format": "vssm-sitting/99"},
    ],
)
def test_impossible_values_are_told(tmp_path, change):
    path = tmp_path / "sitting.json"
    path.write_text(json.dumps(Session().to_dict() | change))
    with pytest.raises(UserError):
        session.load(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": 3}', "\x00\xff"])
def test_a_broken_file_is_set_aside(tmp_path, text):
    path = tmp_path / "sitting.json"
    path.write_bytes(text.encode("latin-1"))
    restored, said = session.restore(path)
    assert restored == Session()
    assert "sitting.json.broken" in said and said.count(". ") == 0
    assert not path.exists() and (tmp_path / "sitting.json.broken").read_bytes() == text.encode("latin-1")


def test_without_a_file_there_is_nothing_to_say(tmp_path):
    assert session.restore(tmp_path / "none.json") == (Session(), "")


def test_where_saving_fails_it_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be saved"):
        session.save(Session(), tmp_path / "file" / "sitting.json")


def test_the_place_can_be_chosen(monkeypatch, tmp_path):
    monkeypatch.setenv("VSSM_STATE", str(tmp_path / "mine.json"))
    assert session.default_path() == tmp_path / "mine.json"
    monkeypatch.delenv("VSSM_STATE")
    assert session.default_path().name == "sitting.json" and isinstance(session.default_path(), Path)
