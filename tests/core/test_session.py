"""The session is saved and restored; a broken file is set aside."""

import base64
import json
import os
from pathlib import Path

import broken_sessions
import numpy as np
import platformdirs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from making import sketched

from app.core import session
from app.core.dataset_settings import MOST_RECENT, DatasetSettings
from app.core.pinned import MOST_PINNED, MOST_TITLE, Pinned
from app.core.session import Session
from app.core.settings import MOST_SEED, PIXEL_MODES
from app.core.sketch import SIZES, TOOLS, Sketch
from vssm import data
from vssm.errors import UserError
from vssm.models import registry
from vssm.prompt import Prompt


def choices(name: str, dataset: data.DataSet) -> st.SearchStrategy:
    """A mode of that model and, where it has one, its number."""
    return st.sampled_from(registry.get(name).samplers(dataset)).flatmap(
        lambda mode: st.tuples(st.just(mode.name), st.integers(1, mode.most) if mode.parameter else st.none())
    )


@st.composite
def sketches(draw, dataset: data.DataSet) -> Sketch:
    """Some of its known pixels are known because they were drawn on."""
    H, W, C = dataset.shape
    marks = draw(arrays(np.uint8, (H, W), elements=st.integers(0, 2)))
    return Sketch(Prompt(draw(arrays(np.uint8, (H, W, C))), marks > 0), marks == 2)


def pins(dataset: data.DataSet) -> st.SearchStrategy:
    return st.builds(
        Pinned,
        image=arrays(np.uint8, dataset.shape),
        known=arrays(np.bool_, dataset.shape[:2]),
        model=st.sampled_from(list(registry.PRESETS)),
        title=st.text(max_size=40).filter(str.isprintable),
        seed=st.integers(0, MOST_SEED),
        temperature=st.floats(0, 10),
        sample=st.integers(1, 64),
        seconds=st.floats(0, 1e6),
    )


def sheets(dataset: data.DataSet) -> st.SearchStrategy:
    C = dataset.channels
    colours = st.tuples(*[st.integers(0, 255)] * C)
    return st.builds(
        DatasetSettings,
        sketch=sketches(dataset),
        samplers=st.fixed_dictionaries({}, optional={name: choices(name, dataset) for name in registry.PRESETS}),
        temperature=st.floats(0, 10),
        pixel_mode=st.sampled_from(PIXEL_MODES),
        ink=colours,
        recent=st.lists(colours, max_size=MOST_RECENT).map(tuple),
        absent=st.lists(st.sampled_from(list(registry.PRESETS)), unique=True).map(set),
        pinned=st.lists(pins(dataset), max_size=2).map(tuple),
    )


def pinned() -> dict:
    """As it is saved."""
    noise = np.random.default_rng(0).integers(0, 256, (28, 28, 1)).astype(np.uint8)
    return Pinned(noise, noise[..., 0] > 99, "vssm", "VSSM", 1, 1.0, 1, 0.01).to_dict()


SESSIONS = st.builds(
    Session,
    data=st.sampled_from(list(data.DATA_SETS)),
    model=st.sampled_from(list(registry.PRESETS)),
    samples=st.integers(1, 64),
    seed=st.integers(0, MOST_SEED),
    keep_seed=st.booleans(),
    live=st.booleans(),
    theme=st.sampled_from(session.THEMES),
    device=st.sampled_from(["auto", "cpu", "cuda"]),
    layout=st.binary(max_size=300).map(lambda state: base64.b64encode(state).decode()),
    toured=st.booleans(),
    tool=st.sampled_from(TOOLS),
    pen=st.integers(*SIZES),
    datasets=st.fixed_dictionaries({}, optional={d.name: sheets(d) for d in data.DATA_SETS.values()}),
)


@given(SESSIONS)
@settings(max_examples=40)
def test_round_trip(tmp_path_factory, kept):
    path = tmp_path_factory.mktemp("state") / "deep" / "session.json"
    session.save(kept, path)
    again = session.load(path)
    assert again == kept
    assert list(again.datasets) == list(data.DATA_SETS) and again.dataset_settings is again.datasets[kept.data]
    for name, left in kept.datasets.items():
        found = again.datasets[name]
        for part in ("pixels", "region", "drawn"):
            assert np.array_equal(getattr(found.sketch, part), getattr(left.sketch, part))
        for part in ("samplers", "temperature", "pixel_mode", "ink", "recent", "absent", "pinned"):
            assert getattr(found, part) == getattr(left, part)
        assert [pin.seconds for pin in found.pinned] == [pin.seconds for pin in left.pinned]
    assert [p.name for p in path.parent.iterdir()] == ["session.json"]


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
        {"device": "x" * 41},
        {"keep_seed": 1},
        {"device": ""},
        {"temperature": 1.0},
        {"sheets": []},
        {"sheets": {"imagenet": {}}},
        {"sheets": {"mnist": None}},
        {"sheets": {"cifar10": {}}},
        {"format": "vssm-sitting/99"},
        {"layout": "not base64"},
        {"layout": "AAAA" * 30_000},
        {"layout": None},
        {"toured": 1},
    ],
)
def test_impossible_values_are_told(tmp_path, change):
    path = tmp_path / "session.json"
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
        ("mnist", {"modes": {"transformer": "sequential"}}),
        ("mnist", {"modes": {"transformer": [["sequential"], None]}}),
        ("mnist", {"modes": {"asarm": ["assd", 785]}}),
        ("mnist", {"modes": {"asarm": ["assd", 0]}}),
        ("mnist", {"modes": {"asarm": ["x" * 41, 1]}}),
        ("mnist", {"temperature": float("nan")}),
        ("mnist", {"temperature": 10**400}),
        ("cifar10", {"modes": {"asarm": ["assd", 1025]}}),
        ("mnist", {"pixels": ["00"]}),
        ("mnist", {"pixels": "zz"}),
        ("mnist", {"known": [[2, 3]]}),
        ("mnist", {"known": [["1000000000000"]]}),
        ("mnist", {"known": ["3" * 28] * 28}),
        ("mnist", {"absent": ["unheard-of"]}),
        ("mnist", {"absent": ["vssm", "vssm"]}),
        ("mnist", {"absent": "vssm"}),
        ("mnist", {"absent": [1]}),
        ("mnist", {"pinned": {}}),
        ("mnist", {"pinned": [7]}),
        ("mnist", {"pinned": [pinned()] * 13}),
        ("mnist", {"pinned": [pinned() | {"model": "unheard-of"}]}),
        ("mnist", {"pinned": [pinned() | {"seed": -1}]}),
        ("mnist", {"pinned": [pinned() | {"seconds": "1"}]}),
        ("mnist", {"pinned": [pinned() | {"sample": True}]}),
        ("mnist", {"pinned": [pinned() | {"colour": "red"}]}),
        ("mnist", {"pinned": [pinned() | {"png": None}]}),
        ("mnist", {"pinned": [pinned() | {"png": "AAAA"}]}),
        ("mnist", {"pinned": [pinned() | {"png": pinned()["png"][:100]}]}),
        ("cifar10", {"pinned": [pinned()]}),
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
    path = tmp_path / "session.json"
    saved = Session().to_dict()
    saved["sheets"][name] |= change
    path.write_text(json.dumps(saved))
    with pytest.raises(UserError):
        session.load(path)


@pytest.mark.parametrize("png", broken_sessions.PNGS.values(), ids=broken_sessions.PNGS)
def test_a_broken_picture_is_told(tmp_path, png, recwarn):
    """Whatever its decoder raises; nothing is decoded that is not as large as it should be."""
    path = tmp_path / "session.json"
    text = broken_sessions.pinned(png)
    path.write_text(text)
    with pytest.raises(UserError, match="pinned result"):
        session.load(path)
    restored, said = session.restore(path)
    assert restored == Session() and "set aside as session.json.broken" in said and not recwarn.list
    assert (tmp_path / "session.json.broken").read_text() == text


def test_a_sound_picture_is_read(tmp_path):
    path = tmp_path / "session.json"
    path.write_text(broken_sessions.pinned())
    assert session.load(path).dataset_settings.pinned[0].image.shape == (28, 28, 1)


def test_the_fullest_session_is_small_enough(tmp_path):
    """Noise everywhere, in all that can be pinned."""
    rng = np.random.default_rng(0)
    sheets = {}
    for dataset in data.DATA_SETS.values():
        noise = rng.integers(0, 256, dataset.shape).astype(np.uint8)
        known = rng.random(dataset.shape[:2]) > 0.5
        pin = Pinned(noise, known, "vssm", "x" * MOST_TITLE, MOST_SEED, 10.0, 64, 1e300)
        sheets[dataset.name] = sketched(Prompt(noise, known), ink=(9,) * dataset.channels, pinned=(pin,) * MOST_PINNED)
    full = Session(datasets=sheets, layout=base64.b64encode(bytes(session.MOST_LAYOUT * 3 // 4)).decode())
    session.save(full, tmp_path / "full.json")
    assert session.load(tmp_path / "full.json") == full
    assert (tmp_path / "full.json").stat().st_size < session.MOST_BYTES / 2


def test_a_name_as_long_as_can_be_is_set_aside_too(tmp_path):
    path = tmp_path / ("x" * session.LONGEST_NAME)
    for number in ("", "-2"):
        path.write_text("{")
        assert f".broken{number}" in session.restore(path)[1]
    assert not path.exists() and len(list(tmp_path.iterdir())) == 2


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_what_is_no_file_is_left_as_it_is(tmp_path):
    """A folder, a pipe, a device."""
    folder, pipe = tmp_path / "folder", tmp_path / "pipe"
    folder.mkdir()
    os.mkfifo(pipe)
    for path in (folder, pipe, Path(os.devnull)):
        restored, said = session.restore(path)
        assert restored == Session() and "is not a file" in said and "left as it is" in said and path.exists()
        with pytest.raises(UserError):
            session.save(Session(), path)
        assert path.exists() and not path.is_file()


def test_a_file_behind_a_link_is_set_aside_and_the_link_stays(tmp_path):
    path, target = tmp_path / "session.json", tmp_path / "mine.json"
    target.write_text("{")
    path.symlink_to(target)
    assert "mine.json.broken" in session.restore(path)[1] and path.is_symlink() and not target.exists()
    assert session.restore(path) == (Session(), "")  # it leads nowhere
    session.save(Session(samples=9), path)
    assert path.is_symlink() and session.load(target).samples == 9


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


def test_a_session_of_the_first_format_is_read(tmp_path):
    path = tmp_path / "session.json"
    path.write_text(json.dumps(OLD))
    kept, said = session.restore(path)
    assert said == "" and (kept.samples, kept.theme, kept.model) == (9, "dark", "asarm")
    found = kept.datasets["mnist"]
    assert found.temperature == 0.7 and found.samplers == {"asarm": ("masked", 5)} and found.pixel_mode == "sampled"
    assert found.sketch.known.sum() == 3 * 28 and (found.sketch.pixels == 255).all()
    assert not kept.datasets["cifar10"].sketch.known.any()
    assert kept.to_dict()["format"] == "vssm-sitting/3"


def test_a_session_of_the_second_format_is_read(tmp_path):
    path = tmp_path / "session.json"
    plain = Session(samples=9).to_dict() | {"format": "vssm-sitting/2"}
    del plain["layout"], plain["toured"]
    for sheet in plain["sheets"].values():
        del sheet["absent"], sheet["pinned"]
    path.write_text(json.dumps(plain))
    assert session.restore(path) == (Session(samples=9), "")


@pytest.mark.parametrize("change", [{"temperature": 11}, {"pixels": ["00"]}, {"data": 3}, {"ink": 2}])
def test_a_broken_session_of_the_first_format_is_told(tmp_path, change):
    path = tmp_path / "session.json"
    path.write_text(json.dumps(OLD | change))
    with pytest.raises(UserError):
        session.load(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": 3}', "\x00\xff"])
def test_a_broken_file_is_set_aside(tmp_path, text):
    path = tmp_path / "session.json"
    path.write_bytes(text.encode("latin-1"))
    restored, said = session.restore(path)
    assert restored == Session()
    assert "session.json.broken" in said and said.count(". ") == 0
    assert not path.exists() and (tmp_path / "session.json.broken").read_bytes() == text.encode("latin-1")


def test_without_a_file_there_is_nothing_to_say(tmp_path):
    assert session.restore(tmp_path / "none.json") == (Session(), "")


def test_where_saving_fails_it_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        session.save(Session(), tmp_path / "file" / "session.json")


def test_the_place_can_be_chosen(monkeypatch, tmp_path):
    monkeypatch.setenv("VSSM_STATE", str(tmp_path / "mine.json"))
    assert session.default_path() == tmp_path / "mine.json"
    monkeypatch.delenv("VSSM_STATE")
    assert session.default_path().name == "sitting.json" and isinstance(session.default_path(), Path)
    monkeypatch.setattr(platformdirs, "user_data_dir", lambda *_: "~/.local/share")  # as of a user without a home
    assert session.default_path().is_absolute()
