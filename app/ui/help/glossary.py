"""The terms of the window: each with a line, and a small picture."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from string import Template

from PySide6.QtCore import QBuffer, QByteArray, QEvent, QIODevice, QObject, Qt
from PySide6.QtGui import QImage, QPainter
from PySide6.QtWidgets import QToolTip, QWidget

from app.ui import theme
from app.ui.widgets.card import button_of
from vssm.files import resources

FOLDER = resources.folder("assets") / "glossary"
WIDE, HIGH = 220, 76  # pixels, of a picture


@dataclass(frozen=True)
class Term:
    """picture: SVG, in which colours have the names of those of a theme, as in "$accent"."""

    title: str
    line: str
    picture: str


@functools.cache
def terms() -> dict[str, Term]:
    """By a short name, in the order of the page. Each is a file of SVG, whose title and description are its words."""
    from xml.etree import ElementTree

    found = {}
    for path in sorted(FOLDER.glob("*.svg")):
        picture = path.read_text("utf-8")
        words = ElementTree.fromstring(picture)
        title, line = (words.findtext(f"{{*}}{tag}", "") for tag in ("title", "desc"))
        found[path.stem.partition("-")[2]] = Term(title, " ".join(line.split()), picture)
    return found


def image(term: Term) -> QImage:
    """Its picture, for screens of twice the usual density, too."""
    from PySide6.QtSvg import QSvgRenderer

    made = QImage(2 * WIDE, 2 * HIGH, QImage.Format.Format_ARGB32_Premultiplied)
    made.fill(Qt.GlobalColor.transparent)
    painter = QPainter(made)
    QSvgRenderer(QByteArray(Template(term.picture).substitute(vars(theme.now)).encode())).render(painter)
    painter.end()
    made.setDevicePixelRatio(2)
    return made


def tag(term: Term) -> str:
    """Its picture as HTML."""
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image(term).save(buffer, "PNG")  # type: ignore[call-overload]  # the stub asks for bytes, Qt refuses them
    data = bytes(buffer.data().toBase64().data()).decode()
    return f'<img width="{WIDE}" height="{HIGH}" src="data:image/png;base64,{data}">'


def tip(name: str, plain: str = "") -> str:
    """A tooltip: what the widget itself has to say, then the term."""
    term = terms()[name]
    first = f"<p>{escape(plain)}</p>".replace("\n", "<br>") if plain else ""
    line = f"<p><b>{escape(term.title)}</b>: {escape(term.line)}</p>"
    return f"<table width='{WIDE + 60}'><tr><td>{first}{line}<p>{tag(term)}</p></td></tr></table>"


def page() -> str:
    """All terms, with their pictures."""
    rows = (
        f"<tr><td>{tag(term)}</td><td><b>{escape(term.title)}</b><br>{escape(term.line)}</td></tr>"
        for term in terms().values()
    )
    return f"<table cellspacing=10 width='100%'>{''.join(rows)}</table>"


class Explainer(QObject):
    """Shows the tooltips of widgets with a term; the picture is drawn when it is asked for, in the colours of then."""

    def __init__(self, parent: QObject):
        super().__init__(parent)
        self._terms: dict[QObject, Callable[[], str]] = {}

    def explain(self, name: str | Callable[[], str], *widgets: QWidget) -> None:
        """name: of a term; or what gives it, "" for none, where it changes."""
        for widget in widgets:
            self._terms[widget] = name if callable(name) else lambda: name
            widget.installEventFilter(self)

    def eventFilter(self, watched, event) -> bool:
        if event.type() == QEvent.Type.ToolTip and (name := self._terms[watched]()):
            QToolTip.showText(event.globalPos(), tip(name, watched.toolTip()), watched)
            return True
        return False


VIEWS = {"values": "level", "prior entropy": "entropy", "posterior entropy": "posterior", "KL": "divergence"}
MODELS = {"vssm": "prior", "transformer": "cache", "asarm": "draft", "vssm-paper": "chunk"}


def explain(window) -> None:
    """Give the widgets of the window their terms."""
    give = Explainer(window).explain
    modes, completion, latents = window.bar.modes, window.completion, window.latents
    give("temperature", window.bar.temperature)
    give("seed", window.bar.seed)
    give("mean", modes.pixels, completion.pixels)
    give(lambda: modes.counted if modes.counted in terms() else "", modes.number, modes.name)
    give("call", *completion.figure("calls"))
    give("token", *completion.figure("rate"))
    give("clamped", completion.note)
    give(lambda: VIEWS.get(latents.what.currentText(), ""), latents.what)
    give("nats", latents.sums)
    give("bound", window.status)
    give("partial", window.sketch.name)
    give("latent", latents.name)
    for name, term in (("set_live", "live"), ("show_spread", "spread")):
        shown = button_of(window.actions_[name])
        assert shown is not None
        give(term, shown)
    for model, term in MODELS.items():
        give(term, window.bar.models[model])
