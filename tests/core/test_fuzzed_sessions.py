"""Session files of any content: refused in a sentence, or accepted and right; as the file to start with and as one that
is opened, and nothing of the user's is lost."""

import base64
import gzip
import io
import json
import tempfile
import zipfile
from pathlib import Path

import broken_sessions
import numpy as np
import pytest
from conftest import bury
from fuzzing import fuzz, isolated, survives
from hypothesis import given
from hypothesis import strategies as st
from layouts import ALL, group, inside, layout, state
from threaded import Thread

from app.core import session
from app.core.dataset_settings import DatasetSettings
from app.core.pinned import Pinned
from app.core.session import Session
from app.core.sketch import Sketch
from app.ui.main_window import Window
from vssm import data
from vssm.errors import UserError
from vssm.prompt import Prompt

MARKUP = '<img src="/dev/zero"><b>x</b>'
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 70),
    st.sampled_from([2**31, 10**400, -(2**63), 1e308, float("nan"), float("inf"), 0.5]),
    st.sampled_from(["", "vssm", "mnist", "sampled", "\ud800", "\0", MARKUP, "x" * 1000, "vssm-sitting/1", "AAAA"]),
    st.text(max_size=8),
    st.floats(),
)
ANYTHING = st.recursive(
    VALUES,
    lambda more: st.lists(more, max_size=4) | st.dictionaries(st.text(max_size=5), more, max_size=4),
    max_leaves=8,
)
STATE = state((1, group(*ALL[:2], inside(group(*ALL[2:], tabs=True, direction=2)))))


def whole() -> dict:
    """A session with something of everything, as it is saved."""
    rng = np.random.default_rng(0)
    sheets = {}
    for dataset in data.DATA_SETS.values():
        noise, known = rng.integers(0, 256, dataset.shape).astype(np.uint8), rng.random(dataset.shape[:2]) > 0.5
        pin = Pinned(noise, known, "vssm", "VSSM", 3, 0.7, 2, 0.01)
        ink = (9,) * dataset.channels
        modes = {"asarm": ("assd", 4), "transformer": ("sequential", None)}
        sheets[dataset.name] = DatasetSettings(
            Sketch(Prompt(noise, known), known), modes, 0.7, "sampled", ink, (ink,), {"mamba"}, (pin, pin)
        )
    return Session(samples=9, layout=layout(STATE), datasets=sheets).to_dict()


def places(plain: object, above: tuple = ()) -> list[tuple]:
    """The keys that lead to its values, to the first two of a list."""
    inner = plain.items() if isinstance(plain, dict) else enumerate(plain[:2]) if isinstance(plain, list) else ()
    return [above, *(place for key, value in inner for place in places(value, (*above, key)))]


WHOLE = whole()
PLACES = places(WHOLE)[1:]


@st.composite
def pictures(draw) -> bytes:
    """A PNG in which something was changed, its checksums right."""
    width, height = draw(st.sampled_from([28, 32, 0, 1, 14_000, 2**31 - 1])), draw(st.sampled_from([28, 28, 10_000]))
    header = broken_sessions.header(width, height, draw(st.integers(0, 7)), draw(st.sampled_from([1, 8, 8, 16])))
    kinds = st.sampled_from([b"iCCP", b"zTXt", b"iTXt", b"tRNS", b"PLTE", b"acTL", b"fcTL", b"gAMA", b"eXIf", b"IHDR"])
    more = st.lists(st.builds(broken_sessions.chunk, kinds, st.binary(max_size=30)), max_size=2).map(b"".join)
    pixels = st.sampled_from([broken_sessions.PIXELS, broken_sessions.chunk(b"IDAT", b"x"), b""])
    parts = (broken_sessions.SIGNATURE, header, draw(more), draw(pixels), draw(more), draw(pixels), broken_sessions.END)
    return draw(st.sampled_from([b"".join(parts), b"".join(parts)[:-20], draw(st.binary(max_size=40))]))


@st.composite
def files(draw) -> bytes:
    """A session in which a value, a picture, the layout or some bytes were changed; or something else altogether."""
    plain = json.loads(json.dumps(WHOLE))
    kind = draw(st.sampled_from(["values", "values", "picture", "layout", "keys", "bytes", "cut", "other"]))
    if kind == "values":
        for place in draw(st.lists(st.sampled_from(PLACES), min_size=1, max_size=3, unique=True)):
            put(plain, place, draw(ANYTHING))
    elif kind == "picture":
        plain["sheets"]["mnist"]["pinned"][0]["png"] = base64.b64encode(draw(pictures())).decode()
    elif kind == "layout":
        changed = bytearray(STATE)
        at = draw(st.integers(0, len(changed) - 4))
        changed[at : at + 4] = draw(st.binary(min_size=4, max_size=4))
        plain["layout"] = layout(bytes(changed), draw(ANYTHING | st.just({"timing": [0.5, 1e400]})))
    elif kind == "keys":
        plain |= draw(st.dictionaries(st.sampled_from([*WHOLE, "colour"]), ANYTHING, max_size=2))
        plain.pop(draw(st.sampled_from(list(plain))))
    elif kind == "other":
        return draw(others())
    raw = json.dumps(plain).encode()
    if kind == "bytes":
        at = draw(st.integers(0, len(raw) - 1))
        return raw[:at] + draw(st.binary(min_size=1, max_size=8)) + raw[at + draw(st.integers(0, 8)) :]
    return raw[: draw(st.integers(0, len(raw)))] if kind == "cut" else raw


def others() -> st.SearchStrategy[bytes]:
    """What is no session at all."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as into:
        into.writestr("session.json", json.dumps(WHOLE))
    return st.one_of(
        st.binary(max_size=200),
        ANYTHING.map(json.dumps).map(str.encode),
        st.sampled_from([archive.getvalue(), gzip.compress(json.dumps(WHOLE).encode())]),
        st.sampled_from(
            [b"[" * 10**6, b'{"a":' * 10**6, b"[{}," * 400_000, b"1" * 10**6, b" " * 10**7, b"\xff\xfe{\0"]
        ),
    )


def put(plain: dict, place: tuple, value: object) -> None:
    """At that place, if it is still there."""
    for key in place[:-1]:
        try:
            plain = plain[key]
        except (LookupError, TypeError):
            return
    if isinstance(plain, (dict, list)) and (isinstance(plain, dict) or place[-1] in range(len(plain))):
        plain[place[-1]] = value


@pytest.fixture
def folder(tmp_path_factory):
    """Makes an empty folder whenever it is called."""
    return lambda: Path(tempfile.mkdtemp(dir=tmp_path_factory.getbasetemp()))


@fuzz
@given(content=files())
def test_a_session_file_is_read_or_told(folder, content):
    path = folder() / "given.json"
    path.write_bytes(content)
    outcome = survives(broken_sessions.read, path, files=path.parent)
    if outcome.accepted:
        path.write_text(outcome.value)
        assert broken_sessions.read(path) == outcome.value


@fuzz(few=6)
@given(content=files())
def test_a_session_to_start_with_is_restored_or_set_aside(folder, content):
    path = folder() / "session.json"
    path.write_bytes(content)
    outcome = isolated(broken_sessions.restored, path)
    assert outcome.code == 0 and not outcome.out and not outcome.err
    (kept,) = path.parent.iterdir()
    text, said = outcome.value
    assert kept.read_bytes() == content and (kept == path) == (not said)
    assert not said or (kept.name in said and text == session.text(Session()))


@fuzz
@given(content=files())
def test_the_window_opens_it_or_says_why_not(bare, folder, content):
    """And what was there before is kept, or still there."""
    window, path = bare, folder() / "given.json"
    path.write_bytes(content)
    window.messages.clear()
    before = window.session()
    window.files._open_session(str(path))
    window.grab()
    assert window.messages.text
    try:
        given = session.load(path)
    except UserError:
        assert window.session() == before
    else:
        assert window.session().datasets.keys() == given.datasets.keys() and window.bar.seed.value() == given.seed
        assert session.load(window.autosave.before) == before
    assert path.read_bytes() == content


@fuzz(few=4)
@given(content=files())
def test_the_window_starts_with_it(qtbot, folder, content):
    here = folder()
    (here / "session.json").write_bytes(content)
    bury()
    window = Window(here / "session.json", here, link=Thread())
    qtbot.addWidget(window)
    window.show()
    qtbot.waitUntil(lambda: window.models.are_ready, timeout=60000)
    left = window.session()
    window.close()
    assert window.engine.closed
    assert session.load(here / "session.json") == left
    if window.autosave.said:
        assert (here / "session.json.broken").read_bytes() == content
