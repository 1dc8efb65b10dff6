"""Light and dark: every colour the window uses, and how it is put on the application."""

from __future__ import annotations

from dataclasses import dataclass
from string import Template

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication

from vssm.files import resources
from vssm.models import registry as models

SHEET = resources.folder("assets") / "window.qss"


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
    models: tuple[str, ...]
    low: str  # the diverging map of latent values: low, zero, high
    zero: str
    high: str

    def model(self, name: str) -> str:
        return self.models[place(name) % len(self.models)]


LIGHT = Theme(
    dark=False,
    window="#f1f3f6",
    card="#ffffff",
    raised="#f7f8fa",
    text="#1a1f26",
    muted="#56606d",
    line="#d3d8df",
    accent="#0b62ab",
    on_accent="#ffffff",
    error="#fde8e6",
    on_error="#8a1c12",
    note="#e6f0fa",
    on_note="#0b477c",
    models=("#0069b0", "#b34a00", "#1b7a3d", "#8a2f6b", "#2b2f36"),
    low="#2166ac",
    zero="#f4f5f6",
    high="#b5471a",
)
DARK = Theme(
    dark=True,
    window="#14171c",
    card="#1c2026",
    raised="#252a32",
    text="#e7eaef",
    muted="#a3adba",
    line="#39414c",
    accent="#62b0f4",
    on_accent="#0a1420",
    error="#43201d",
    on_error="#ffbdb3",
    note="#1b3247",
    on_note="#bfe0ff",
    models=("#62b5ee", "#f0924c", "#2fd08a", "#dd8fbb", "#f0e442"),
    low="#4ba3ee",
    zero="#20252c",
    high="#f29a52",
)
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
    palette = QPalette()
    role = QPalette.ColorRole
    for roles, colour in (
        ((role.Window, role.Button), theme.raised if theme.dark else theme.window),
        ((role.Window,), theme.window),
        ((role.Base,), theme.card),
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
    sheet = Template(SHEET.read_text("utf-8")).substitute(vars(theme), off=faint.name(QColor.NameFormat.HexArgb))
    if application.styleSheet() != sheet:  # else every widget would be styled anew
        application.setStyleSheet(sheet)


def dress(plot, colours: Theme) -> None:
    """Give a pyqtgraph PlotWidget the theme's ground and axes."""
    plot.setBackground(colours.card)
    for side in ("left", "bottom"):
        axis = plot.getAxis(side)
        axis.setPen(colours.muted)
        axis.setTextPen(colours.muted)
        axis.enableAutoSIPrefix(False)
