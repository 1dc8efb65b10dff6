"""Everything can be reached on every screen: rows and panels give way, and what has no room is scrolled."""

import pytest
from PIL import Image
from PySide6.QtCore import QPoint, QPointF, QRect, QSize
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDialogButtonBox, QLabel, QScrollArea, QWidget
from windows import LEFT, press

from app.ui import placement, tab_order
from app.ui.crop_dialog import CropDialog
from app.ui.widgets.flow import Flow

SIZES = [(640, 400), (720, 500), (900, 560), (910, 440), (1000, 600), (1280, 760), (2560, 1440)]


@pytest.fixture
def window(bare, qtbot):
    window = bare
    window.messages.clear()
    window.docks.show_race(False)
    window.docks.reset()
    yield window
    window.choose_data("mnist")
    window.resize(1280, 760)


def lies(widget: QWidget, within: QWidget) -> QRect:
    return QRect(widget.mapTo(within, QPoint()), widget.size())


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_everything_can_be_reached(window, qtbot, size, name):
    window.resize(*size)
    window.choose_data(name)
    for race in (False, True):
        window.docks.show_race(race)
        qtbot.wait(20)
        assert window.size() == QSize(*size)
        bar = [one for one in window.bar.findChildren(QWidget) if one.focusPolicy() and one.isVisible()]
        assert len(bar) > 12
        for one in bar:
            assert window.rect().contains(lies(one, window)), one.accessibleName()
            assert one.width() >= min(one.sizeHint().width(), one.minimumSizeHint().width())
        view = window.room.viewport()
        docks = [dock for dock in window.docks.parts if dock is not window.sketch]
        for one in (*window.sketch.thumbs, window.sketch.rows, *window.sketch.findChildren(QWidget, "thumb"), *docks):
            if one.isVisible() and one.size() == one.size().boundedTo(view.size()):
                window.room.ensureWidgetVisible(one, 0, 0)
                assert view.rect().contains(lies(one, view)), one.accessibleName()
        for dock in window.docks.docks.values():
            if not dock.isHidden():
                dock.raise_()
                qtbot.wait(1)
                assert window.docks.rect().contains(dock.geometry())
                assert dock.width() >= dock.minimumSizeHint().width()
                assert dock.height() >= dock.minimumSizeHint().height()


def test_narrow_windows_have_tabs_and_wide_ones_columns(window, qtbot):
    docks = window.docks.docks
    window.resize(720, 500)
    qtbot.wait(20)
    assert set(window.docks.tabifiedDockWidgets(docks["completion"])) >= {docks["timing"], docks["latents"]}
    assert docks["completion"].x() > 0 and window.docks.layout_ == ""
    press(qtbot, window, "V")
    assert not docks["race"].visibleRegion().isEmpty()
    window.resize(1280, 760)
    press(qtbot, window, "V")
    qtbot.wait(20)
    assert not window.docks.tabifiedDockWidgets(docks["completion"])
    window.docks.show_panel("timing", False)  # now it is somebody's arrangement
    window.resize(720, 500)
    qtbot.wait(20)
    assert set(window.docks.tabifiedDockWidgets(docks["completion"])) >= {docks["timing"], docks["latents"]}
    assert not window.room.horizontalScrollBar().maximum()
    window.resize(1280, 760)
    qtbot.wait(20)
    assert not window.docks.tabifiedDockWidgets(docks["completion"]) and docks["timing"].isHidden()


def test_a_click_on_a_panel_is_no_arrangement(window, qtbot):
    qtbot.mouseClick(window.completion, LEFT, pos=window.completion.rect().bottomRight() - QPoint(30, 4))
    assert window.docks.layout_ == ""


def test_keys_reach_what_must_be_scrolled_to(window, qtbot):
    window.resize(640, 400)
    qtbot.wait(20)
    parts = window.bar, *window.docks.parts
    reached = tab_order.order(window, parts)
    assert set(window.sketch.thumbs) <= set(reached)
    window.sketch.pen.setFocus()
    for _ in range(30):
        press(qtbot, window, "Tab")
        widget = QGuiApplication.focusObject()
        if widget in window.sketch.thumbs:
            break
    assert widget in window.sketch.thumbs
    assert window.room.viewport().rect().contains(lies(widget, window.room.viewport()))


def turn_wheel(widget: QWidget) -> None:
    window = widget.window()
    QTest.wheelEvent(window.windowHandle(), QPointF(lies(widget, window).center()), QPoint(0, -120))


def test_the_wheel_scrolls_past_sliders(window, qtbot):
    rows, bar = window.sketch.rows, window.room.verticalScrollBar()
    for size, scrolls in (((720, 500), True), ((1280, 760), False)):
        window.resize(*size)
        window.canvas.setFocus()
        rows.setValue(14)
        qtbot.waitUntil(lambda: (window.canvas.height() > 250) == (not scrolls))  # noqa: B023 - all is laid out
        qtbot.wait(20)
        bar.setValue(0)
        window.room.ensureWidgetVisible(rows)
        before = bar.value()
        turn_wheel(rows)
        assert (rows.value() == 14) == scrolls and (bar.value() > before) == scrolls
        rows.setFocus()
        rows.setValue(14)
        window.room.ensureWidgetVisible(rows)
        turn_wheel(rows)
        assert rows.value() != 14


@pytest.mark.parametrize("room", [QRect(0, 0, 910, 480), QRect(50, 40, 600, 350), QRect(0, 30, 800, 700)])
def test_a_window_fits_its_screen_with_its_frame(window, qtbot, room):
    window.resize(1280, 760)
    window.move(-200, 900)
    placement.fit(window, room)
    qtbot.wait(10)
    assert room.contains(window.frameGeometry())
    window.setMinimumSize(640, 400)
    small = window.geometry()
    placement.fit(window, QRect(0, 0, 4000, 3000))
    assert window.geometry() == small  # what fits stays


def test_a_floating_panel_comes_back_to_the_screen(window, qtbot):
    dock = window.docks.docks["timing"]
    dock.setFloating(True)
    dock.resize(400, 300)
    dock.move(5000, -3000)
    qtbot.wait(20)
    kept = window.docks.layout_
    window.docks.reset()
    window.docks.restore(kept)
    qtbot.wait(20)
    assert dock.isFloating() and dock.screen().availableGeometry().contains(dock.frameGeometry())


@pytest.mark.parametrize(("width", "rows"), [(400, 1), (310, 1), (309, 2), (140, 2), (139, 4), (20, 4)])
def test_a_flow_breaks_where_it_must(qtbot, width, rows):
    holder = QWidget()
    row = Flow(10)
    holder.setLayout(row)
    labels = [QLabel() for _ in range(4)]
    for i, one in enumerate(labels):
        one.setFixedSize(65, 20)
        if i == 2:
            row.addSpacing(20)
        if i == 3:
            row.addStretch()
        row.addWidget(one)
    qtbot.addWidget(holder)
    row.setGeometry(QRect(0, 0, width, 200))
    places = [one.geometry() for one in labels]
    assert len({place.top() for place in places}) == rows
    assert row.heightForWidth(width) == rows * 20 + (rows - 1) * 10
    assert not any(a.intersects(b) for i, a in enumerate(places) for b in places[:i])
    assert width < 65 or places[3].right() == width - 1
    labels[1].hide()
    assert row.heightForWidth(400) == 20


@pytest.mark.parametrize("size", [(640, 380), (800, 440), (880, 600)])
def test_the_opening_dialog_can_be_answered_on_a_small_screen(window, qtbot, tmp_path, size):
    Image.new("RGB", (400, 300), "red").save(tmp_path / "picture.png")
    window.files.importer.open_argument(str(tmp_path / "picture.png"))
    qtbot.waitUntil(lambda: window.findChild(CropDialog) is not None)
    dialog = window.findChild(CropDialog)
    dialog.resize(*size)
    qtbot.wait(20)
    assert dialog.size() == QSize(*size)
    for one in (*dialog.findChild(QDialogButtonBox).buttons(), dialog.cropper):
        assert dialog.rect().contains(lies(one, dialog))
    area = dialog.findChild(QScrollArea)
    for one in (dialog.size_, dialog.which, dialog.invert, dialog.offer):
        area.ensureWidgetVisible(one)
        assert area.viewport().rect().contains(lies(one, area.viewport()))
    dialog.reject()
    qtbot.waitUntil(lambda: window.findChild(CropDialog) is None)
