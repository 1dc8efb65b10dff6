"""The tour: offered once, ticked by what a person does, left and begun again; by real events."""

import pytest
from conftest import ended
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtWidgets import QApplication
from windows import LEFT, LONG, choose, complete, press

from app.core import session
from app.ui.widgets.card import button_of


@pytest.fixture
def quiet(bare, qtbot):
    """A window without weights, before anybody has seen the tour."""
    bare.resize(1280, 760)
    bare.tour.leave()
    bare.tour.toured = False
    bare.messages.clear()
    bare.activateWindow()
    bare.canvas.setFocus()
    qtbot.waitUntil(bare.canvas.hasFocus)
    return bare


def test_all_five_steps_are_ticked_by_what_is_done(window, draw, qtbot):
    """The first test here, for the window of the others has a thread of its own."""
    card = window.tour_card
    window.tour.offer()
    qtbot.mouseClick(card.start, LEFT)
    draw(window.canvas, [(5, 3), (22, 5)])
    assert card.title.text() == "2 of 5: Complete"
    window.sketch.rows.setValue(26)  # little to draw
    complete(qtbot, window)
    assert card.title.text() == "3 of 5: Compare"
    choose(qtbot, window, "transformer")
    complete(qtbot, window)
    assert card.title.text() == "4 of 5: Another ending"
    window.completion.gallery.setFocus()
    qtbot.keyClick(window.completion.gallery, Qt.Key.Key_Right)
    assert card.title.text() == "5 of 5: Race"
    window.tour.leave()
    window.tour.begin()  # on a sketch that two models have completed
    assert card.title.text() == "4 of 5: Another ending"
    qtbot.keyClick(window.completion.gallery, Qt.Key.Key_Left)
    assert card.title.text() == "5 of 5: Race"
    for model, box in window.race.entrants.boxes.items():
        box.setChecked(model == "vssm")
    press(qtbot, window, "Shift+R")
    qtbot.waitUntil(lambda: card.title.text() == "All five steps done", timeout=LONG)
    assert not card.outline.isVisible()
    qtbot.waitUntil(lambda: not window.race.running, timeout=LONG)
    assert ended(window)()
    qtbot.mouseClick(card.end, LEFT)
    assert not card.isVisible()


def test_it_is_offered_once_and_can_be_begun_again(quiet, qtbot):
    window, card = quiet, quiet.tour_card
    assert not card.isVisible() and not window.session().toured
    window.tour.offer()
    assert card.isVisible() and card.title.text() == "Show me around: five steps" and window.canvas.hasFocus()
    assert not card.outline.isVisible()
    qtbot.mouseClick(card.end, LEFT)
    assert not card.isVisible() and window.session().toured
    window.tour.offer()
    assert not card.isVisible()
    window.actions_["show_tour"].trigger()
    assert card.isVisible() and card.title.text() == "1 of 5: Draw"
    card.end.setFocus()
    qtbot.keyClick(card.end, Qt.Key.Key_Escape)
    assert not card.isVisible() and not card.outline.isVisible()
    assert session.Session.from_dict(window.session().to_dict()).toured


def test_the_outline_is_around_what_the_step_is_done_with(quiet, qtbot):
    window, card = quiet, quiet.tour_card
    window.actions_["show_tour"].trigger()

    def around(widget):
        where = QRect(widget.mapTo(window, QPoint()), widget.size())
        return card.outline.isVisible() and card.outline.geometry().contains(where)

    assert around(window.canvas)
    assert window.childAt(window.canvas.mapTo(window, QPoint(20, 20))) is window.canvas  # the mouse goes through
    window.resize(1000, 600)
    qtbot.waitUntil(lambda: around(window.canvas))
    window.canvas.setFocus()
    qtbot.keyClick(window.canvas, Qt.Key.Key_Space)  # drawn by a key
    assert card.title.text() == "2 of 5: Complete" and around(button_of(window.actions_["complete"]))
    press(qtbot, window, "Ctrl+Z")


@pytest.mark.parametrize("size", [(720, 800), (900, 560), (1000, 600), (1280, 760)])
def test_the_card_and_messages_cover_neither_what_it_speaks_of_nor_one_another(quiet, qtbot, size):
    window, card = quiet, quiet.tour_card
    window.resize(*size)
    qtbot.wait(20)
    window.actions_["show_tour"].trigger()
    window.messages.say("wrong")
    for step in window.tour.steps:
        card._follow()
        assert window.rect().contains(card.geometry())
        assert card.height() >= card.layout().totalHeightForWidth(card.width())
        where = window.tour.step.where(window)
        if where is not None and where.isVisible():
            shown = where.visibleRegion().boundingRect()
            assert not card.geometry().intersects(QRect(where.mapTo(window, shown.topLeft()), shown.size()))
        window.tour._tick(step.name)
        assert not card.geometry().intersects(window.messages.geometry())
    assert QApplication.focusWidget() is window.canvas
    window.tour.leave()
