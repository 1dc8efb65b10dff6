"""The sitting is saved and restored; a broken file is set aside."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from app import session
from app.session import Session, Sheet
from vssm import data, models
from vssm.errors import UserError
from vssm.prompt import Prompt


def choices(name: str, dataset: data.DataSet) -> st.SearchStrategy:
    """A mode of that model and, where it has one, its number."""
    return st.sampled_from(models.get(name).modes(dataset)).flatmap(
        lambda mode: st.tuples(st.just(mode.name), st.integers(1, mode.most) if mode.size else st.none())
    )


def sheets(dataset: data.DataSet) -> st.SearchStrategy:
    H, W, C = dataset.shape
    colours = st.tuples(*[st.integers(0, 255)] * C)
    return st.builds(
        Sheet,
        prompt=st.builds(Prompt, arrays(np.uint8, (H, W, C)), arrays(np.bool_, (H, W))),
        modes=st.fixed_dictionaries({}, optional={name: choices(name, dataset) for name in models.PRESETS}),
        temperature=st.floats(0, 10),
        shown=st.sampled_from(session.PIXELS),
        ink=colours,
        recent=st.lists(colours, max_size=session.MOST_RECENT).map(tuple),
    )


SESSIONS = st.builds(
    Session,
    data=st.sampled_from(list(data.DATA_SETS)),
    model=st.sampled_from(list(models.PRESETS)),
    samples=st.integers(1, 64),
    seed=st.integers(0, session.MOST_SEED),
    keep_seed=st.booleans(),
    live=st.booleans(),
    theme=st.sampled_from(session.THEMES),
    device=st.sampled_from(["auto", "cpu", "cuda"]),
    sheets=st.fixed_dictionaries({}, optional={d.name: sheets(d) for d in data.DATA_SETS.values()}),
)


@given(SESSIONS)
@settings(max_examples=40, deadline=None)
def test_round_trip(tmp_path_factory, sitting):
    path = tmp_path_factory.mktemp("state") / "deep" / "sitting.json"
    session.save(sitting, path)
    again = session.load(path)
    assert again == sitting
    assert list(again.sheets) == list(data.DATA_SETS) and again.sheet is again.sheets[sitting.data]
    for name, sheet in sitting.sheets.items():
        assert np.array_equal(again.sheets[name].prompt.pixels, sheet.prompt.pixels)
        assert np.array_equal(again.sheets[name].prompt.known, sheet.prompt.known)
        assert again.sheets[name].modes == sheet.modes and again.sheets[name].recent == sheet.recent
    assert [p.name for p in path.parent.iterdir()] == ["sitting.json"]


@pytest.mark.parametrize(
    "change",
    [
        {"colour": "red"},
        {"samples": 0},
        {"samples": 65},
        {"samples": True},
        {"samples": "4"},
        {"seed": 2**31},
        {"model": "unheard-of"},
        {"model": 7},
        {"data": "imagenet"},
        {"data": []},
        {"theme": "pink"},
        {"keep_seed": 1},
        {"device": ""},
        {"temperature": 1.0},
        {"sheets": []},
        {"sheets": {"imagenet": {}}},
        {"sheets": {"mnist": None}},
        {"sheets": {"cifar10": {}}},
        {"format": "vssm-sitting/99"},
    ],
)
def test_impossible_values_are_told(tmp_path, change):
    path = tmp_path / "sitting.json"
    path.write_text(json.dumps(Session().to_dict() | change))
    with pytest.raises(UserError):
        session.load(path)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("mnist", {"temperature": -1}),
        ("mnist", {"temperature": None}),
        ("mnist", {"shown": "median"}),
        ("mnist", {"shown": []}),
        ("mnist", {"modes": []}),
        ("mnist", {"modes": {"unheard-of": ["parallel", None]}}),
        ("mnist", {"modes": {"transformer": ["backwards", None]}}),
        ("mnist", {"modes": {"transformer": ["sequential", 3]}}),
        ("mnist", {"modes": {"transformer": "sequential"}}),
        ("mnist", {"modes": {"transformer": [["sequential"], None]}}),
        ("mnist", {"modes": {"asarm": ["assd", None]}}),
        ("mnist", {"modes": {"asarm": ["assd", 785]}}),
        ("mnist", {"modes": {"asarm": ["assd", 0]}}),
        ("cifar10", {"modes": {"asarm": ["assd", 1025]}}),
        ("mnist", {"pixels": ["00"]}),
        ("mnist", {"pixels": "zz"}),
        ("mnist", {"known": [[2, 3]]}),
        ("mnist", {"known": [["1000000000000"]]}),
        ("mnist", {"ink": [1, 2, 3]}),
        ("cifar10", {"ink": [255]}),
        ("cifar10", {"ink": [0, 0, 256]}),
        ("cifar10", {"ink": "#ffffff"}),
        ("cifar10", {"recent": [[1, 2]]}),
        ("cifar10", {"recent": [[1, 2, 3]] * 13}),
        ("cifar10", {"recent": 7}),
        ("cifar10", {"colour": "red"}),
    ],
)
def test_impossible_sheets_are_told(tmp_path, name, change):
    path = tmp_path / "sitting.json"
    saved = Session().to_dict()
    saved["sheets"][name] |= change
    path.write_text(json.dumps(saved))
    with pytest.raises(UserError):
        session.load(path)


OLD = {
    "format": "vssm-sitting/1",
    "data": "mnist",
    "model": "asarm",
    "samples": 9,
    "temperature": 0.7,
    "seed": 5,
    "keep_seed": True,
    "live": False,
    "theme": "dark",
    "device": "cpu",
    "modes": {"asarm": ["masked", 5]},
    "pixels": ["ff" * 28] * 28,
    "known": ["1" * 28] * 3 + ["0" * 28] * 25,
}


def test_a_sitting_of_the_first_format_is_read(tmp_path):
    path = tmp_path / "sitting.json"
    path.write_text(json.dumps(OLD))
    sitting, said = session.restore(path)
    assert said == "" and (sitting.samples, sitting.theme, sitting.model) == (9, "dark", "asarm")
    sheet = sitting.sheets["mnist"]
    assert sheet.temperature == 0.7 and sheet.modes == {"asarm": ("masked", 5)} and sheet.shown == "sampled"
    assert sheet.prompt.known.sum() == 3 * 28 and (sheet.prompt.pixels == 255).all()
    assert not sitting.sheets["cifar10"].prompt.known.any()
    assert sitting.to_dict()["format"] == "vssm-sitting/2"


@pytest.mark.parametrize("change", [{"temperature": 11}, {"pixels": ["00"]}, {"data": 3}, {"ink": 2}])
def test_a_broken_sitting_of_the_first_format_is_told(tmp_path, change):
    path = tmp_path / "sitting.json"
    path.write_text(json.dumps(OLD | change))
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
