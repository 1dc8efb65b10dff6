"""What a person brings: pictures of all kinds, decoded beside the window, cut, and used as they are shown."""

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from bringing import accept, brought, crop, dropped, files, known, paste, refusal
from conftest import at
from pictures import ALPHA, OUTSIDE, RED, as_digit, picture, seven, svg
from PIL import Image
from PySide6.QtCore import QByteArray, QMimeData, Qt, QUrl
from PySide6.QtGui import QColor, QDragEnterEvent, QDragLeaveEvent, QImage
from PySide6.QtWidgets import QApplication, QFileDialog, QLineEdit
from windows import LEFT, LONG, press, take

from app.core import session
from app.core.link import Link
from app.core.settings import CompletionSettings
from app.ui import image_import
from app.ui.crop_dialog import HALF, CropDialog
from app.ui.image_import import Importer
from vssm.prompt import Prompt


def pixel(window, x, y) -> tuple[int, ...]:
    return tuple(window.canvas.sketch.pixels[y, x].tolist())


# --- in the window


def test_nothing_of_the_current_folder_is_run(qtbot, tmp_path, monkeypatch):
    """Where others may have put files that are named as ours, or as Python's."""
    picture().save(tmp_path / "picture.png")
    for name in ("app", "vssm", "json", "numpy"):
        (tmp_path / f"{name}.py").write_text("open('run', 'w').close()")
    monkeypatch.chdir(tmp_path)
    assert brought(qtbot, Path("picture.png")).size == (64, 48) and not Path("run").exists()


def open_by_dialog(qtbot, window, path) -> None:
    press(qtbot, window, "Ctrl+O")
    dialog = window.findChild(QFileDialog)
    dialog.selectFile(str(path))
    qtbot.keyClick(dialog.findChild(QLineEdit), Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: window.findChild(QFileDialog) is None)


def test_a_file_is_opened_cut_and_used_as_shown(colour, tmp_path, qtbot):
    picture((64, 64)).save(tmp_path / "a.png")
    open_by_dialog(qtbot, colour, tmp_path / "a.png")
    shown = crop(qtbot, colour).prompt
    means = np.asarray(picture((64, 64)), float).reshape(32, 2, 32, 2, 3).mean((1, 3))
    assert np.abs(shown.pixels - means).max() <= 1  # every pixel is the mean of what it covers
    preview = crop(qtbot, colour).preview.grab().toImage()
    assert preview.pixelColor(4, 4).getRgb()[:3] == tuple(shown.pixels[0, 0])
    assert crop(qtbot, colour).which.currentText() == HALF and "512 of 1,024" in crop(qtbot, colour)._says.text()
    accept(qtbot, colour)
    assert np.array_equal(colour.canvas.sketch.pixels, shown.pixels)
    assert np.array_equal(known(colour), Prompt.empty(32, 32, 3).with_rows(16).known)
    press(qtbot, colour, "Ctrl+Z")
    assert not known(colour).any() and not colour.canvas.sketch.pixels.any()


def test_pasting_pictures_and_files(colour, tmp_path, qtbot):
    image = QImage(40, 40, QImage.Format.Format_RGB32)
    image.fill(0xFF3366)
    mime = QMimeData()
    mime.setImageData(image)
    paste(qtbot, colour, mime)
    assert (crop(qtbot, colour).prompt.pixels == (0xFF, 0x33, 0x66)).all()
    accept(qtbot, colour)
    picture((10, 10)).save(tmp_path / "small.bmp")
    paste(qtbot, colour, files(tmp_path / "small.bmp"))  # smaller than the sketch: enlarged
    assert crop(qtbot, colour).cropper.box == (0, 0, 10, 10)
    accept(qtbot, colour)
    assert pixel(colour, 0, 0) == picture((10, 10)).getpixel((0, 0))


@pytest.mark.parametrize("name", ["Format_Grayscale16", "Format_RGBX64", "Format_RGBA64_Premultiplied"])
def test_pasted_pictures_of_more_than_8_bits_are_stretched(colour, qtbot, name):
    """A camera's 12 bits in 16 are nearly black as they are."""
    image = QImage(64, 64, QImage.Format.Format_RGBA64)
    image.fill(QColor.fromRgba64(0, 0, 0, 65535))
    for x in range(32):
        for y in range(64):
            image.setPixelColor(x, y, QColor.fromRgba64(4095, 4095, 4095, 65535))
    mime = QMimeData()
    mime.setImageData(image.convertToFormat(getattr(QImage.Format, name)))
    paste(qtbot, colour, mime)
    pixels = crop(qtbot, colour).prompt.pixels
    assert (pixels[:, :16] == 255).all() and not pixels[:, 16:].any()


def broken(folder, kind: str):
    path = folder / f"{kind}.png"
    if kind == "text":
        path.write_text("Dear reader,\nthis is no picture.")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "half":
        picture((200, 200)).save(path)
        path.write_bytes(path.read_bytes()[:600])
    elif kind == "bomb":
        Image.new("1", (20_000, 20_000)).save(path)
    elif kind == "large":
        Image.new("1", (11_000, 10_000)).save(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    return path


@pytest.mark.parametrize(
    "kind", ["text", "empty", "half", "bomb", "large", "folder", "missing", *["pipe"] * hasattr(os, "mkfifo")]
)
def test_what_cannot_be_used_is_one_sentence(colour, tmp_path, qtbot, kind):
    take(qtbot, colour, 0)
    before = colour.canvas.sketch.prompt
    path = broken(tmp_path, kind)
    assert dropped(colour, files(path))
    qtbot.waitUntil(lambda: bool(colour.messages.text) and not colour.files.importer.busy, timeout=LONG)
    said = colour.messages.text
    assert said.endswith(".") and said.count(". ") == 0 and "\n" not in said and "Traceback" not in said
    assert path.name in said and not colour.findChildren(CropDialog)
    assert np.array_equal(colour.canvas.sketch.prompt.pixels, before.pixels)


def test_nothing_on_the_clipboard_is_one_sentence(colour, qtbot):
    words = QMimeData()
    words.setText("words")
    for mime in (QMimeData(), words):
        colour.messages.clear()
        paste(qtbot, colour, mime)
        assert colour.messages.text == "There is no picture on the clipboard, and no link."
    far = QMimeData()
    far.setUrls([QUrl("https://example.org/a.png")])
    assert dropped(colour, far) and "Only files on this machine" in colour.messages.text
    assert not dropped(colour, words) and not colour.canvas.dropping


def test_what_hovers_and_goes_leaves_no_frame(colour, tmp_path):
    place, mime = at(colour.canvas, 10, 10), files(tmp_path / "a.png")
    given = place, Qt.DropAction.CopyAction, mime, LEFT, Qt.KeyboardModifier.NoModifier
    QApplication.sendEvent(colour.canvas, QDragEnterEvent(*given))
    assert colour.canvas.dropping
    QApplication.sendEvent(colour, QDragLeaveEvent())
    assert not colour.canvas.dropping


def test_a_good_picture_after_a_bad_one_clears_the_message(colour, tmp_path, qtbot):
    dropped(colour, files(broken(tmp_path, "text")))
    qtbot.waitUntil(lambda: "text.png" in colour.messages.text, timeout=LONG)
    picture().save(tmp_path / "a.png")
    dropped(colour, files(tmp_path / "a.png"))
    crop(qtbot, colour)
    assert colour.messages.text == ""
    accept(qtbot, colour)


# --- what the dialog proposes


# --- decoded beside the window


def bomb(levels: int = 9) -> str:
    """Drawn, it is ten to that many rectangles."""
    groups = [f'<g id="a{i}">' + f'<use href="#a{i + 1}"/>' * 10 + "</g>" for i in range(levels)]
    return svg(f'<defs>{"".join(groups)}<rect id="a{levels}" width="1" height="1"/></defs><use href="#a0"/>')


def test_a_drawing_without_end_is_given_up_and_the_window_goes_on(mnist, qtbot, tmp_path, monkeypatch):
    monkeypatch.setattr(image_import, "LIMIT", 2000)
    (tmp_path / "bomb.svg").write_text(bomb())
    dropped(mnist, files(tmp_path / "bomb.svg"))
    assert mnist.files.importer.busy and mnist.actions_["stop"].isEnabled()
    longest, last = 0.0, time.monotonic()

    def ended() -> bool:
        nonlocal longest, last
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
        return "too much time" in mnist.messages.text or "too long" in mnist.messages.text

    qtbot.waitUntil(ended, timeout=LONG)
    assert longest < 2 and not mnist.files.importer.busy  # no wait for it; the machine may be busy
    assert "bomb.svg" in mnist.messages.text and not mnist.findChildren(CropDialog)


def test_esc_gives_an_opening_up(mnist, qtbot, tmp_path):
    mnist.messages.clear()
    (tmp_path / "bomb.svg").write_text(bomb())
    before = mnist.canvas.sketch.prompt
    dropped(mnist, files(tmp_path / "bomb.svg"))
    qtbot.waitUntil(lambda: "Opening bomb.svg" in mnist.messages.text, timeout=LONG)
    process = mnist.files.importer._process
    mnist.canvas.setFocus()
    press(qtbot, mnist, "Escape")
    assert not mnist.files.importer.busy and mnist.messages.text == "" and not mnist.actions_["stop"].isEnabled()
    assert process.state() == process.ProcessState.NotRunning
    assert np.array_equal(mnist.canvas.sketch.prompt.pixels, before.pixels)
    dropped(mnist, files(tmp_path / "bomb.svg"))  # another one takes its place
    picture().save(tmp_path / "a.png")
    dropped(mnist, files(tmp_path / "a.png"))
    assert crop(qtbot, mnist).brought.size == (64, 48)
    accept(qtbot, mnist, ok=False)


def test_bounds_are_looked_at_before_anything_is_decoded(qtbot, tmp_path):
    """Of each side, of all pixels and of the file."""
    Image.new("1", (1, 40_000)).save(tmp_path / "high.png")
    assert "40,000" in refusal(qtbot, tmp_path / "high.png")
    with (tmp_path / "large.png").open("wb") as file:
        file.truncate(2_000_000_000)  # takes no room
    assert "larger than" in refusal(qtbot, tmp_path / "large.png")


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n(touched) (w) file closefile\nshowpage\n"


def test_no_other_program_is_started(qtbot, tmp_path, monkeypatch):
    """Whatever the name: a Ghostscript that would leave a trace stands in the way of the real one."""
    for name in ("gs", "gsc", "gswin32c", "gswin64c"):
        (tmp_path / name).write_text(f"#!/bin/sh\ntouch {tmp_path / 'started'}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    for name in ("a.eps", "b.png", "c.ps"):
        (tmp_path / name).write_bytes(EPS)
        assert "cannot be read as a picture" in refusal(qtbot, tmp_path / name)
    assert not (tmp_path / "started").exists()


def test_pictures_on_the_clipboard_are_decoded_beside_the_window_too(qtbot, tmp_path):
    """As bytes, in the kinds that other programs put there."""
    Image.fromarray(seven()).save(tmp_path / "a.png")
    importer = Importer()
    for kind, content in (("image/png", (tmp_path / "a.png").read_bytes()), ("image/svg+xml", svg(RED).encode())):
        mime = QMimeData()
        mime.setData(kind, QByteArray(content))
        with qtbot.waitSignal(importer.picture, timeout=LONG) as caught:
            importer.open_mime(mime, "on the clipboard")
        assert caught.args[0].size == ((280, 280) if kind == "image/png" else (20, 10))
    mime = QMimeData()
    mime.setData("image/svg+xml", QByteArray(OUTSIDE["a file URL"].encode()))
    with qtbot.waitSignal(importer.refused, timeout=LONG) as caught:
        importer.open_mime(mime, "on the clipboard")
    assert "outside itself" in caught.args[0]


def test_ink_on_transparency_is_kept_when_it_is_pasted(qtbot):
    clear = Image.fromarray(ALPHA["alpha alone, over black"](seven()))
    mime, importer = QMimeData(), Importer()
    mime.setImageData(QImage(clear.tobytes(), 280, 280, 4 * 280, QImage.Format.Format_RGBA8888).copy())
    with qtbot.waitSignal(importer.picture, timeout=LONG) as caught:
        importer.open_mime(mime, "on the clipboard")
    wanted = as_digit(Image.fromarray(seven()).convert("RGB"))
    assert (as_digit(caught.args[0].image) != wanted).mean() < 0.02


def test_a_dropped_file_is_opened_for_what_it_holds(mnist, qtbot, tmp_path):
    session.save(session.Session(seed=777), tmp_path / "kept.png")
    dropped(mnist, files(tmp_path / "kept.png"))
    assert mnist.bar.seed.value() == 777 and "kept.png" in mnist.messages.text
    words = QMimeData()
    words.setText(f"Look at {mnist.files.link().text}.")
    assert dropped(mnist, words) and "From the link" in mnist.messages.text
    link = mnist.files.link().text
    for encoding, text in (
        ("utf-8-sig", f"Look at\n<{link}>."),
        ("utf-16", f"Look at\n<{link}>."),
        ("utf-8", f"<{link}>"),
        ("utf-8", f'<!DOCTYPE html><html><a href="{link}">look</a></html>'),
        ("utf-8", link.replace("vssm:", "VSSM:")),
    ):
        (tmp_path / "mail.txt").write_text(text, encoding)
        mnist.messages.clear()
        dropped(mnist, files(tmp_path / "mail.txt"))
        assert "From the link" in mnist.messages.text
    (tmp_path / "edited.json").write_text(session.text(session.Session(seed=778)), "utf-8-sig")
    dropped(mnist, files(tmp_path / "edited.json"))
    assert mnist.bar.seed.value() == 778
    for name, content, said in (
        ("a.safetensors", (2).to_bytes(8, "little") + b"{}", "weights"),
        ("a.npz", b"PK\x03\x04", "an archive"),
    ):
        (tmp_path / name).write_bytes(content)
        dropped(mnist, files(tmp_path / name))
        assert said in mnist.messages.text and name in mnist.messages.text


def mime(text: str, html: str = "") -> QMimeData:
    made = QMimeData()
    made.setText(text)
    if html:
        made.setHtml(html)
    return made


def address(text: str) -> QMimeData:
    made = QMimeData()
    made.setUrls([QUrl(text)])
    return made


def written(folder: Path, text: str) -> str:
    (folder / "a.txt").write_text(text)
    return str(folder / "a.txt")


WAYS = {
    "a bare argument": lambda importer, link, _: importer.open_argument(link),
    "an argument in a sentence": lambda importer, link, _: importer.open_argument(f"see <{link}>."),
    "text": lambda importer, link, _: importer.open_mime(mime(link), "here"),
    "a word that leads to it": lambda importer, link, _: importer.open_mime(
        mime("see", f'<a href="{link}">see</a>'), ""
    ),
    "an address": lambda importer, link, _: importer.open_mime(address(link), "here"),
    "a file": lambda importer, link, folder: importer.open_path(written(folder, link)),
    "a file of JSON": lambda importer, link, folder: importer.open_path(written(folder, json.dumps({"url": link}))),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_link_is_found_by_every_way_in(qtbot, tmp_path, way):
    settings = CompletionSettings("vssm", "parallel", None, 4, 0.7, 12345, "sampled")
    link = Link("mnist", settings, Prompt.empty(28, 28, 1).with_rows(3)).text
    importer = Importer()
    with qtbot.waitSignal(importer.link) as caught:
        WAYS[way](importer, link, tmp_path)
    assert Link.read(caught.args[0]).text == link


def test_a_path_is_found_however_it_was_copied(qtbot, tmp_path):
    path = tmp_path / "a b.png"
    Image.new("RGB", (50, 40)).save(path)
    for text in (str(path), f'"{path}"', f"'{path}'\n", path.as_uri(), f" {path}"):
        importer = Importer()
        with qtbot.waitSignal(importer.picture, timeout=LONG):
            importer.open_mime(mime(text), "here")
    for text in ("https://example.org/a.png", "HTTP://example.org"):
        for do in (importer.open_argument, lambda text: importer.open_mime(mime(text), "here")):
            with qtbot.waitSignal(importer.refused) as caught:
                do(text)
            assert "on this machine" in caught.args[0]


def test_of_several_files_the_rest_is_told(mnist, qtbot, tmp_path):
    Image.fromarray(seven()).save(tmp_path / "a.png")
    session.save(session.Session(seed=779), tmp_path / "b.json")
    (tmp_path / "c.bin").write_bytes(b"\0\1\2")
    paths = [tmp_path / name for name in ("a.png", "b.json", "c.bin")]
    dropped(mnist, files(*paths[1:]))
    assert mnist.bar.seed.value() == 779 and mnist.messages.text.endswith("b.json was, and the other one was not.")
    dropped(mnist, files(*paths[::-1]))  # the first cannot be opened
    qtbot.waitUntil(lambda: mnist.messages.text.endswith("c.bin was, and the other 2 were not."), timeout=LONG)
    assert any("c.bin" in toast.text and "one file" not in toast.text for toast in mnist.messages.toasts)
    dropped(mnist, files(*paths))
    crop(qtbot, mnist).accept()
    assert mnist.messages.text.endswith("a.png was, and the other 2 were not.") and mnist.bar.seed.value() == 779
    mnist.messages.clear()
    dropped(mnist, files(paths[1]))
    assert "one file" not in mnist.messages.text
