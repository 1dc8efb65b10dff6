"""Light and dark: every colour the window uses, and how it is put on the application."""

from __future__ import annotations

import json
from dataclasses import dataclass
from string import Template

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication

from vssm.files import resources
from vssm.models import registry as models

ASSETS = resources.folder("assets")


@dataclass(frozen=True)
class Theme:
    """Text colours keep a contrast of at least 4.5 to `window` and `card`; models are told apart by colours after
    Okabe and Ito, safe for the colour-blind, and by symbols. Both begin again where there are more models, at
    different lengths, so that no two models look the same."""

    dark: bool
    window: str
    card: str
    raised: str
    text: str
    muted: str
    line: str
    accent: str
    on_accent: str
    error: str
    on_error: str
    note: str
    on_note: str
    models: list[str]
    low: str  # the diverging map of latent values: low, zero, high
    zero: str
    high: str

    def model(self, name: str) -> str:
        return self.models[place(name) % len(self.models)]


LIGHT, DARK = (Theme(**colours) for colours in json.loads((ASSETS / "themes.json").read_text("utf-8")).values())
now = LIGHT  # what the application wears
SYMBOLS = ("o", "s", "t1", "d", "star", "t")  # pyqtgraph's names
SIGNS = ("●○", "■□", "▲△", "◆◇", "★☆", "▼▽")  # the same in text, full and hollow


def place(model: str) -> int:
    """The model's place in the registry, from which its looks follow."""
    return list(models.PRESETS).index(model)


def symbol(model: str) -> str:
    return SYMBOLS[place(model) % len(SYMBOLS)]


def sign(model: str, usual: bool = True) -> str:
    """Hollow for a run that is not in the model's usual mode."""
    return SIGNS[place(model) % len(SIGNS)][not usual]


def chosen(name: str) -> Theme:
    """The theme for "light", "dark", or "system", which asks the desktop."""
    if name == "system":
        return DARK if QGuiApplication.styleHints().colorScheme() == Qt.ColorScheme.Dark else LIGHT
    return DARK if name == "dark" else LIGHT


def request(name: str) -> None:
    """Tell Qt, for title bars and dialogs that the desktop draws; "system" follows the desktop again."""
    scheme = {"light": Qt.ColorScheme.Light, "dark": Qt.ColorScheme.Dark}.get(name, Qt.ColorScheme.Unknown)
    QGuiApplication.styleHints().setColorScheme(scheme)


def apply(theme: Theme) -> None:
    """Put the colours on the whole application."""
    global now
    now = theme
    palette = QPalette()
    role = QPalette.ColorRole
    for roles, colour in (
        ((role.Window, role.Button), theme.raised if theme.dark else theme.window),
        ((role.Window,), theme.window),
        ((role.Base,), theme.raised if theme.dark else theme.card),  # fields are seen on a card
        ((role.AlternateBase, role.ToolTipBase), theme.raised),
        ((role.WindowText, role.Text, role.ButtonText, role.ToolTipText, role.BrightText), theme.text),
        ((role.PlaceholderText,), theme.muted),
        ((role.Mid, role.Midlight, role.Dark), theme.line),
        ((role.Highlight, role.Accent, role.Link), theme.accent),
        ((role.HighlightedText,), theme.on_accent),
    ):
        for one in roles:
            palette.setColor(one, QColor(colour))
    faint = QColor(theme.muted)
    faint.setAlpha(140)
    for one in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, one, faint)
    QApplication.setPalette(palette)
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    sheet = Template((ASSETS / "window.qss").read_text("utf-8")).substitute(
        vars(theme), off=faint.name(QColor.NameFormat.HexArgb)
    )
    if application.styleSheet() != sheet:  # else every widget would be styled anew
        application.setStyleSheet(sheet)


def dress(plot) -> None:
    """Give a pyqtgraph PlotWidget the theme's ground and axes."""
    plot.setBackground(now.card)
    for side in ("left", "bottom"):
        axis = plot.getAxis(side)
        axis.setPen(now.muted)
        axis.setTextPen(now.muted)
