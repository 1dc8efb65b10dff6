"""Texts that are not ours are shown as they are: Qt takes markup in them for its own, and reads the files it names."""

import json
import os

import broken_sessions
import pytest
from conftest import opened
from PySide6.QtCore import QEvent, QPointF
from PySide6.QtGui import QHelpEvent, Qt
from PySide6.QtWidgets import QApplication, QLabel, QToolTip
from windows import LONG, plain

from app.core.session import Session
from app.ui.crop_dialog import CropDialog
from app.ui.widgets.card import LINE, plain_tip
from vssm.errors import UserError

IMAGE = '<img src="{}"> <b>bold</b>'


@pytest.fixture
def bait(tmp_path):
    """Markup that names a pipe: who reads it waits for ever."""
    if not hasattr(os, "mkfifo"):
        pytest.skip("needs pipes")
    os.mkfifo(tmp_path / "pipe")
    return IMAGE.format(tmp_path / "pipe")


def shows(text: str, bait: str) -> bool:
    """Whether it reads so, wherever its lines are broken."""
    read = plain(text) if Qt.mightBeRichText(text) else text
    return "".join(bait.split()) in "".join(read.split())


def shown_plain(text: str, bait: str) -> None:
    """Where it has the bait, it shows it."""
    if "<img" in text or "&lt;img" in text:
        assert shows(text, bait)


def look_everywhere(bait: str) -> None:
    """At all texts of all windows that can be rich."""
    for widget in QApplication.allWidgets():
        shown_plain(widget.toolTip(), bait)
        shown_plain(widget.whatsThis(), bait)
        if isinstance(widget, QLabel) and widget.textFormat() != Qt.TextFormat.PlainText:
            shown_plain(widget.text(), bait)


def point(widget, place: QPointF) -> str:
    """The tooltip that comes up there."""
    here = place.toPoint()
    QApplication.sendEvent(widget, QHelpEvent(QEvent.Type.ToolTip, here, widget.mapToGlobal(here)))
    return QToolTip.text()


def test_markup_in_a_session_file_is_text(qtbot, tmp_path, no_threads_left, bait):
    path = tmp_path / "session.json"
    plain_session = json.loads(broken_sessions.pinned(title=bait))
    plain_session["device"] = "<b>cpu</b>"
    plain_session["sheets"]["mnist"]["modes"] = {"vssm": ["<b>mode</b>", None]}
    path.write_text(json.dumps(plain_session))
    folder = tmp_path / "<b>weights</b>"
    folder.mkdir(parents=True)
    for window in opened(qtbot, path, folder):
        pins = window.completion.pins
        text = point(pins, pins.cells()[0].center())
        assert shows(text, bait) and Qt.mightBeRichText(text) and "&lt;img" in text
        assert bait in pins.accessibleDescription()
        window.completion.pins.used.emit(0)  # the message names the title
        assert bait in window.messages.text
        assert shows(window.race.entrants.boxes["vssm"].toolTip(), "<b>weights</b>")
        look_everywhere(bait)


def test_markup_in_names_of_files_is_text(bare, tmp_path, bait):
    """As messages and questions name them."""
    window = bare
    name = bait.replace("/", "∕")
    for do in (window.files.importer.open_argument, window.files.importer.open_path, window.files.follow):
        do(str(tmp_path / name))
    window.messages.say(bait, details=bait)
    window.files._ask_to_leave(bait)
    assert window.files.dialog.textFormat() == Qt.TextFormat.PlainText
    look_everywhere(bait)
    window.files.dialog.close()
    window.messages.clear()


def test_markup_in_the_name_of_a_picture_is_text(bare, qtbot, tmp_path):
    """That can be opened, and one that cannot."""
    window, bait = bare, "<b>bold</b><img src=x>".replace("/", "∕")
    (tmp_path / f"{bait}.png").write_bytes(broken_sessions.SOUND)
    (tmp_path / f"{bait}.jpg").write_bytes(broken_sessions.SOUND[:40])
    window.files.importer.open_path(str(tmp_path / f"{bait}.jpg"))
    qtbot.waitUntil(lambda: bait in window.messages.text, timeout=LONG)
    window.files.importer.open_path(str(tmp_path / f"{bait}.png"))
    qtbot.waitUntil(lambda: window.findChild(CropDialog) is not None, timeout=LONG)
    look_everywhere(bait)
    window.findChild(CropDialog).close()
    window.messages.clear()


@pytest.mark.parametrize("text", ["", "plain", "1 < 2 > 0", "a & b", "<b>x</b>\nmore  space", "<img src='/dev/zero'>"])
def test_a_tip_reads_as_it_was_given(text):
    tip = plain_tip(text)
    read = plain(tip).replace("\N{NO-BREAK SPACE}", " ") if Qt.mightBeRichText(tip) else tip
    assert read == text


@pytest.mark.parametrize("before", range(LINE - 18, LINE + 2))
@pytest.mark.parametrize("gap", ["", " "])
def test_a_long_tip_is_broken_between_characters_of_what_is_escaped(before, gap):
    """Wherever the markup lies in it: never within an entity."""
    text = "<i>" + "x" * before + gap + "<b>&amp; & 1</b>"
    tip = plain_tip(text)
    assert shows(tip, text) and tip.count("&amp;") == 2 and len(plain(tip).split("\n")) == 2


def test_names_that_are_no_text_can_be_shown(bare):
    bare.messages.say("\udcff.json cannot be read.", details="\udcff")
    assert bare.messages.text == "\\udcff.json cannot be read."
    bare.messages.clear()


@pytest.mark.parametrize("title", ["x" * 201, "\ud800", "a\nb", "\0", "\N{RIGHT-TO-LEFT OVERRIDE}x"])
def test_titles_are_lines_of_text(title):
    with pytest.raises(UserError, match="its title"):
        Session.from_dict(json.loads(broken_sessions.pinned(title=title)))
