"""Links and beginnings of files of any content: refused in a sentence, or read and written again as the same."""

import re

import pytest
from fuzzing import fuzz, is_a_sentence
from hypothesis import given
from hypothesis import strategies as st

from app.core import link as links
from app.core.content import Kind, kind_of
from app.core.link import Link
from app.core.settings import CompletionSettings
from vssm import data
from vssm.errors import UserError
from vssm.files.examples import examples


@fuzz(few=200)
@given(
    st.binary(max_size=200), st.sampled_from([b"", b"{", b"PK\x03\x04", b"\x93NUMPY", b"\xff\xfe", b"vssm://sketch"])
)
def test_any_beginning_is_of_some_kind(raw, start):
    assert isinstance(kind_of(start + raw), Kind)


@st.composite
def spoilt_links(draw) -> str:
    """A link of either version whose parts were changed, with the sum that belongs to it."""
    settings = CompletionSettings("vssm", "parallel", None, 4, 0.7, 5, "sampled")
    text = Link("mnist", settings, examples(data.MNIST)[0].prompt).text
    parts = text.removeprefix(f"{links.START}/").rpartition("/check=")[0].split("/")
    word = st.text("abzAZ019-_.%=&/?+~", max_size=12)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(parts) - 1))
        name = parts[at].partition("=")[0]
        parts[at : at + 1] = draw(
            st.sampled_from([[], [parts[at]] * 2, [f"{name}={draw(word)}"], [draw(word)], [parts[at][:-1]]])
        )
        parts = parts or ["v=2"]
    first, between = draw(st.sampled_from(["//", "?&"]))
    body = f"{links.START}{first}{between.join(parts)}"
    return f"{body}{between}check={links._check(body)}"


@fuzz(few=200)
@given(st.text(max_size=300) | spoilt_links() | st.text(max_size=300).map(f"{links.START}/{{}}/check=00000000".format))
def test_any_link(text):
    """And what is read is written again as the same."""
    try:
        link = Link.read(text)
        link.require_possible()
    except UserError as error:
        assert is_a_sentence(str(error)) and len(str(error)) < 400
        return
    assert Link.read(link.text).text == link.text
    assert re.fullmatch(r"[\w/:=.~%-]+", link.text, re.ASCII)


@pytest.mark.parametrize("length", [30_000, 3_000_000])
def test_a_very_long_text_takes_no_time(length):
    for text in ("a" * length, f"{links.START}/" + "a" * length, "vssm://" * (length // 7), "&amp;" * (length // 5)):
        with pytest.raises(UserError):
            Link.read(text)
