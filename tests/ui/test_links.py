"""A link gives sketch, seed and settings exactly; a damaged one is told in a sentence, and changes nothing."""

import dataclasses
import quopri
import re
import shutil
import subprocess
from urllib.parse import quote

import numpy as np
import pytest
from conftest import opened
from hypothesis import example as such_as
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QInputDialog, QLineEdit
from windows import complete, press, type_in

from app.core import link as links
from app.core.link import Link
from app.core.settings import CompletionSettings
from vssm import checkpoint, data
from vssm.errors import UserError
from vssm.files.examples import examples
from vssm.models import registry
from vssm.prompt import Prompt


@st.composite
def made(draw) -> Link:
    dataset = draw(st.sampled_from(list(data.DATA_SETS.values())))
    model = draw(st.sampled_from(list(registry.PRESETS)))
    mode = draw(st.sampled_from(registry.get(model).samplers(dataset)))
    return Link(
        dataset.name,
        CompletionSettings(
            model,
            mode.name,
            draw(st.integers(1, mode.most)) if mode.parameter else None,
            draw(st.integers(1, 64)),
            draw(st.integers(0, 200)) / 100,
            draw(st.integers(0, 2**31 - 1)),
            draw(st.sampled_from(["sampled", "mean"])),
        ),
        Prompt(draw(arrays(np.uint8, dataset.shape)), draw(arrays(np.bool_, dataset.shape[:2]))),
    )


def example(number: int = 0, dataset: data.DataSet = data.MNIST) -> Link:
    settings = CompletionSettings("vssm", "parallel", None, 4, 0.7, 2**31 - 1, "sampled")
    return Link(dataset.name, settings, examples(dataset)[number].prompt)


def other(link: Link, **changes) -> Link:
    """With other settings."""
    return dataclasses.replace(link, settings=dataclasses.replace(link.settings, **changes))


@given(made())
@settings(max_examples=60)
def test_there_and_back(link):
    again = Link.read(f" {link.text[:90]}\n{link.text[90:]} ")
    assert again.data == link.data and again.settings == link.settings
    known = link.prompt.known
    assert np.array_equal(again.prompt.known, known)
    assert np.array_equal(again.prompt.pixels, link.prompt.pixels * known[..., None])  # what is unknown is nobody's
    assert again.text == link.text


@given(st.integers(min_value=0), st.characters(codec="utf-8"))
@such_as(0, "V")
@such_as(10, "T")
@such_as(2, "\N{LATIN SMALL LETTER LONG S}")
@such_as(8, "\N{KELVIN SIGN}")
@such_as(-len("/check=01234567"), "&")
@settings(max_examples=100)
def test_any_character_changed_is_noticed(place, character):
    """But for capitals in the scheme and the host, which mean the same in any URL."""
    text = example().text
    place %= len(text)
    changed = text[:place] + character + text[place + 1 :]
    capital = place < len(links.START) and character.isascii() and character.lower() == text[place]
    if changed == text or capital:
        assert Link.read(changed).text == text
    else:
        with pytest.raises(UserError):
            Link.read(changed)


def test_they_are_short():
    """Most of an example's link is its pixels; noise, which nothing can pack, is the worst there is."""
    for dataset, usual, noise in ((data.MNIST, 300, 1300), (data.CIFAR10, 3000, 4500)):
        lengths = [len(example(i, dataset).text) for i in range(len(examples(dataset)))]
        assert max(lengths) < usual
        pixels = np.random.default_rng(0).integers(0, 256, dataset.shape).astype(np.uint8)
        worst = Prompt(pixels, np.arange(pixels[..., 0].size).reshape(dataset.shape[:2]) > 0)
        assert (
            len(dataclasses.replace(other(example(0, dataset), samples=64, temperature=0.75), prompt=worst).text)
            < noise
        )


def checked(body: str, separator: str = "/") -> str:
    """With the sum that belongs to it."""
    return f"{body}{separator}check={links._check(body)}"


def older(link: Link) -> str:
    """As version 1 wrote it."""
    inner = link.text.removeprefix(f"{links.START}/v=2/").rpartition("/check=")[0]
    return checked(f"{links.START}?v=1&{inner.replace('/', '&')}", "&")


@given(made())
@settings(max_examples=20)
def test_links_of_version_1_are_read(link):
    assert Link.read(older(link)).text == Link.read(link.text).text


@given(made())
@settings(max_examples=20)
def test_no_shell_takes_a_character_for_its_own(link):
    assert set(link.text) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-=.:/")


def test_a_shell_gives_it_as_it_is(tmp_path):
    link = example().text
    for shell in filter(None, map(shutil.which, ("sh", "bash", "dash", "zsh"))):
        done = subprocess.run([shell, "-c", f"echo {link}"], capture_output=True, text=True, cwd=tmp_path)
        assert done.stdout.strip() == link


AROUND = [
    "Look at {}",
    "Look at {}.",
    "see <{}>, please",
    "<{}>.",
    '"{}"',
    "“{}”",
    "'{}'",
    "`{}`",
    "({})",
    "[my seven]({})",
    "[my seven]({} 'a title')",
    "**{}**",
    '<a href="{}">this</a>',
    "{}, or the other; which?",
    "{}!",
    "Dear you,\n\n  {}\n\nYours",
    "\ufeff{}\u200b",
    "https://example.org/ and {} again",
    "{}/",
    "{}abcdef",
]


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("version", [1, 2])
def test_a_link_is_found_whatever_stands_around_it(around, version):
    link = example(2)
    text = link.text if version == 2 else older(link)
    changes = {
        "as it is": text,
        "entities": text.replace("&", "&amp;"),
        "entities twice": text.replace("&", "&amp;amp;"),
        "wrapped": "\n".join(text[at : at + 60] for at in range(0, len(text), 60)),
        "wrapped by mail": "\r\n> ".join(text[at : at + 71] for at in range(0, len(text), 71)),
        "wrapped narrowly": "\n   ".join(text[at : at + 7] for at in range(0, len(text), 7)),
        "Markdown": text.replace("_", "\\_"),
        "quoted-printable": quopri.encodestring(text.encode()).decode(),
        "quoted-printable, of Windows": quopri.encodestring(text.encode()).decode().replace("\n", "\r\n"),
        "quoted-printable, in small letters": text.replace("=", "=3d"),
        "quoted-printable, narrow": "=\n".join(one.replace("=", "=3D") for one in re.findall(".{1,5}", text)),
        "quoted-printable, quoted": quopri.encodestring(text.encode()).decode().replace("\n", "\n> "),
        "quoted-printable, lines joined": quopri.encodestring(text.encode()).decode().replace("\n", " "),
        "percent-encoded": quote(text, safe=""),
        "percent-encoded in part": text.replace("=", "%3D"),
        "soft hyphens": "\u00ad".join(text[at : at + 40] for at in range(0, len(text), 40)),
    }
    for how, changed in changes.items():
        given = around.format(changed)
        assert links.is_link(given), how
        assert Link.read(given).text == link.text, how


def test_a_plain_link_that_is_broken_behind_its_equals_signs_is_read():
    """As quoted-printable text has its soft line breaks; and the check of a quoted one is looked at, too."""
    text = example().text
    assert Link.read(text.replace("=", "=\n")).text == text
    with pytest.raises(UserError, match="damaged"):
        Link.read(text.replace("=", "=3D").replace("seed=3D", "seed=3D1"))


@given(st.text(max_size=200), st.text(max_size=200))
@settings(max_examples=200)
def test_any_text_around_it_leaves_it_whole(before, after):
    """But for another beginning of a link before it."""
    link = example(1).text
    assert Link.read(f"{before} {link} {after}").text == link


@given(st.text(max_size=400) | st.binary(max_size=400).map(lambda b: links.START + b.decode("latin-1")))
@settings(max_examples=200)
def test_any_text_is_a_link_or_one_sentence(text):
    try:
        Link.read(text)
    except UserError as error:
        assert str(error).count(". ") == 0 and "\n" not in str(error)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sampler": "backwards"}, "sampler 'backwards'"),
        ({"parameter": 3}, "takes no number"),
        ({"model": "asarm", "sampler": "assd", "parameter": None}, "a number from 1"),
        ({"model": "transformer", "sampler": "sequential", "pixel_mode": "mean"}, "mean pixels"),
    ],
)
def test_what_a_model_has_not_is_refused(changes, says):
    """Else something would be shown that is not the same."""
    link = Link.read(other(example(), **changes).text)
    with pytest.raises(UserError, match=says):
        link.require_possible()


def test_what_models_have_is_possible():
    for dataset in data.DATA_SETS.values():
        for model, preset in registry.PRESETS.items():
            for mode in preset.samplers(dataset):
                changes = {"model": model, "sampler": mode.name}
                size = mode.default if mode.parameter else None
                whole = other(example(0, dataset), **changes, parameter=size)
                whole.require_possible()


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("v=2", "v=3", "another version"),
        ("model=vssm", "model=unheard-of", "does not fit"),
        ("data=mnist", "data=imagenet", "does not fit"),
        ("data=mnist", "data=cifar10", "damaged"),
        ("samples=4", "samples=65", "does not fit"),
        ("samples=4", "samples=many", "damaged"),
        ("temperature=0.7", "temperature=0.701", "does not fit"),
        ("temperature=0.7", "temperature=nan", "does not fit"),
        ("temperature=0.7", "temperature=3", "does not fit"),
        ("seed=2147483647", "seed=2147483648", "does not fit"),
        ("/seed=2147483647", "", "damaged"),
        ("pixels=sampled", "pixels=median", "does not fit"),
        ("pixels=sampled", "pixels=sampled/colour=red", "damaged"),
        ("prompt=", "prompt=AAAA", "damaged"),
    ],
)
def test_what_another_program_may_have_written(old, new, sentence):
    body = example().text.rpartition("/check=")[0]
    with pytest.raises(UserError, match=sentence) as told:
        Link.read(checked(body.replace(old, new)))
    assert str(told.value).count(". ") == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "https://example.org",
        "vssm://sketch",
        "vssm://sketch?",
        "vssm://sketch?check=",
        "vssm://sketch/check=00000000",
    ],
)
def test_what_is_no_link(text):
    with pytest.raises(UserError):
        Link.read(text)


# --- in the window


@pytest.fixture
def mnist(no_threads_left, qtbot, tmp_path, clipboard):
    """With the weights of one model."""
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    path = checkpoint.shipped("vssm", "mnist")
    (folder / path.name).symlink_to(path)
    yield from opened(qtbot, tmp_path / "session.json", folder)


def test_a_link_gives_the_same_completion(mnist, qtbot, draw, clipboard):
    window = mnist
    draw(window.canvas, [(5, 3), (22, 5)])
    type_in(qtbot, window.bar.temperature, "0.85")
    type_in(qtbot, window.bar.samples, "3")
    window.canvas.setFocus()
    first, seed = complete(qtbot, window), window.bar.seed.value()
    press(qtbot, window, "Ctrl+L")
    link = clipboard.text()
    assert links.is_link(link) and "clipboard" in window.messages.text
    press(qtbot, window, "Ctrl+Backspace")
    press(qtbot, window, "Ctrl+2")
    for name, text in (("samples", "1"), ("temperature", "1.5"), ("seed", "5")):
        type_in(qtbot, getattr(window.bar, name), text)
    window.actions_["set_keep_seed"].setChecked(False)
    window.canvas.setFocus()
    press(qtbot, window, "Ctrl+V")
    assert window.workspace.data is data.MNIST and window.bar.seed.value() == seed and window.bar.samples.value() == 3
    assert window.bar.temperature.value() == 0.85 and window.actions_["set_keep_seed"].isChecked()
    assert window.files.link().text == link
    again = complete(qtbot, window)
    assert again is not first and np.array_equal(again.finished.images, first.finished.images)
    press(qtbot, window, "Ctrl+Z")
    assert not window.canvas.sketch.pixels.any()  # as it was before the link


def test_a_link_can_be_typed_in_and_given_at_the_start(mnist, qtbot, clipboard):
    window, wanted = mnist, example(4)
    clipboard.setText("nothing of ours")
    press(qtbot, window, "Ctrl+Shift+L")
    dialog = window.findChild(QInputDialog)
    assert dialog.textValue() == ""
    field = dialog.findChild(QLineEdit)
    field.insert(wanted.text)
    qtbot.keyClick(field, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: window.findChild(QInputDialog) is None)
    with qtbot.waitActive(window):
        window.activateWindow()
    assert np.array_equal(window.canvas.sketch.known, wanted.prompt.known) and window.bar.temperature.value() == 0.7
    press(qtbot, window, "Ctrl+Z")
    window.files.importer.open_argument(wanted.text)
    assert window.files.link().text == wanted.text
    before = window.session()
    for changes, says in (({"sampler": "backwards"}, "sampler 'backwards'"), ({"parameter": 7}, "takes no number")):
        clipboard.setText(other(wanted, **changes, seed=3).text)
        press(qtbot, window, "Ctrl+V")
        assert says in window.messages.text and window.session() == before
    clipboard.setText(f"Look at <{wanted.text}>.")
    press(qtbot, window, "Ctrl+V")
    assert "From the link" in window.messages.text
    press(qtbot, window, "Ctrl+2")
    before = window.session()
    clipboard.setText(wanted.text[:-1])
    press(qtbot, window, "Ctrl+V")
    assert "damaged" in window.messages.text and window.session() == before
