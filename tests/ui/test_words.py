"""Strings are ready for translation: with a language that brackets everything, all that is read has brackets."""

import re

import pytest
from conftest import opened
from PySide6.QtCore import QTranslator
from PySide6.QtWidgets import QAbstractButton, QApplication, QLabel

from app.ui.words import tr


class Bracketed(QTranslator):
    """⟦Every text⟧ of the context "app"."""

    def isEmpty(self) -> bool:
        return False

    def translate(self, context, source, disambiguation=None, n=-1):
        return f"⟦{source}⟧" if context == "app" and source and not source.startswith("⟦") else None


@pytest.fixture
def window(no_threads_left, qtbot, tmp_path):
    translator = Bracketed()
    QApplication.installTranslator(translator)
    yield from opened(qtbot, tmp_path / "sitting.json", tmp_path)
    QApplication.removeTranslator(translator)


def words(menu):
    for action in menu.actions():
        yield action.text()
        if action.menu():
            yield from words(action.menu())


def bare(texts) -> set[str]:
    """Those with words outside of brackets."""
    found = set()
    for text in texts:
        rest = re.sub(r" \([^()]*\)$|<[^>]*>|&\w+;", " ", text)  # keys; HTML
        while "⟦" in rest:
            rest = re.sub(r"⟦[^⟦⟧]*⟧", " ", rest)
        if re.search(r"[A-Za-z]{3}", rest):
            found.add(text)
    return found


def test_all_that_is_read_can_be_translated(window):
    assert tr("x") == "⟦x⟧" and tr("") == ""
    assert not bare(words(window.menuBar()))
    assert not bare(action.toolTip() for action in window.actions_.by_name.values())
    assert not bare(one.text() for one in window.findChildren(QLabel) if one.isVisible())
    assert not bare(one.text() for one in window.findChildren(QAbstractButton) if one.isVisible())
