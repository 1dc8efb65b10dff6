"""The terms of the window: each with a line, and a small picture that the program draws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from html import escape

import numpy as np
from PySide6.QtCore import QBuffer, QEvent, QIODevice, QObject, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPainterPath, QPen
from PySide6.QtWidgets import QToolTip, QWidget

from app.ui import theme
from app.ui.widgets.card import button_of

WIDE, HIGH = 220, 76  # pixels, of a picture
DIGIT = ("..####..", ".....##.", "....##..", "...###..", ".....##.", ".....##.", "..###...", "........")  # a three


@dataclass(frozen=True)
class Term:
    title: str
    line: str
    picture: Callable[[Drawing], None]


class Drawing:
    """A painter with the few things that the pictures are made of. Places are in pixels of a picture."""

    def __init__(self, painter: QPainter, colours: theme.Theme):
        self.painter, self.t = painter, colours

    def pen(self, colour: str, width: float = 1.5) -> None:
        self.painter.setPen(QPen(QColor(colour), width))
        self.painter.setBrush(Qt.BrushStyle.NoBrush)

    def cells(self, x: float, y: float, side: float, rows: list[list[str]]) -> None:
        """Squares of these colours; "" for an open one."""
        for j, row in enumerate(rows):
            for i, colour in enumerate(row):
                box = QRectF(x + i * side, y + j * side, side - 1, side - 1)
                self.painter.fillRect(box, QColor(colour or self.t.line))

    def digit(self, x: float, y: float, side: float, known: int = 8, unknown: str = "") -> None:
        """The example, of which so many rows are known."""
        ink = {"#": self.t.text, ".": self.t.raised}
        rows = [[ink[c] if j < known else unknown for c in row] for j, row in enumerate(DIGIT)]
        self.cells(x, y, side, rows)
        self.pen(self.t.muted, 1)
        self.painter.drawRect(QRectF(x - 1, y - 1, 8 * side + 1, 8 * side + 1))

    def codes(self, x: float, y: float, side: float, number: int, salt: int = 0) -> None:
        """A square map of latents."""
        shades = [self.t.low, self.t.zero, self.t.high, self.t.muted]
        chosen = np.random.default_rng(number + 10 * salt).integers(len(shades), size=(number, number))
        self.cells(x, y, side, [[shades[i] for i in row] for row in chosen])

    def arrow(self, x: float, y: float, to_x: float, to_y: float | None = None) -> None:
        to_y = y if to_y is None else to_y
        self.pen(self.t.muted)
        self.painter.drawLine(QPointF(x, y), QPointF(to_x, to_y))
        way = np.array([to_x - x, to_y - y]) / max(np.hypot(to_x - x, to_y - y), 1e-6)
        for side in (-1, 1):
            back = np.array([to_x, to_y]) - 5 * way + 3.5 * side * np.array([-way[1], way[0]])
            self.painter.drawLine(QPointF(to_x, to_y), QPointF(*back))

    def bell(self, x: float, wide: float, sharp: float, colour: str, high: float = 44, foot: float = 66) -> None:
        """A distribution: the sharper, the narrower."""
        at = np.linspace(-1, 1, 60)
        path = QPainterPath(QPointF(x, foot))
        for one, tall in zip(at, np.exp(-((at * sharp) ** 2) / 2), strict=True):
            path.lineTo(x + (one + 1) / 2 * wide, foot - high * float(tall))
        self.pen(colour, 2)
        self.painter.drawPath(path)

    def bars(self, x: float, heights: list[float], colour: str, foot: float = 56) -> None:
        for i, tall in enumerate(heights):
            self.painter.fillRect(QRectF(x + i * 13, foot - tall, 10, tall), QColor(colour))

    def words(self, x: float, y: float, text: str, colour: str = "", wide: float = 100) -> None:
        """In the middle of a line of that width that begins at x."""
        font = self.painter.font()
        font.setPixelSize(11)
        self.painter.setFont(font)
        self.painter.setPen(QColor(colour or self.t.text))
        self.painter.drawText(QRectF(x, y, wide, 16), Qt.AlignmentFlag.AlignCenter, text)


def _token(d: Drawing) -> None:
    d.digit(14, 6, 8)
    d.pen(d.t.accent, 2)
    d.painter.drawRect(QRectF(14 + 4 * 8 - 1, 6 + 3 * 8 - 1, 9, 9))
    d.arrow(58, 33, 96)
    d.words(98, 25, "one token", d.t.accent, 110)


def _call(d: Drawing) -> None:
    d.digit(6, 6, 8, 4)
    d.arrow(76, 38, 90)
    d.pen(d.t.accent, 2)
    d.painter.drawRoundedRect(QRectF(93, 22, 36, 32), 5, 5)
    d.words(93, 30, "1 ×", d.t.accent, 36)
    d.arrow(132, 38, 146)
    d.digit(150, 6, 8)


def _latent(d: Drawing) -> None:
    d.codes(18, 16, 11, 4)
    d.arrow(72, 38, 132)
    d.digit(144, 6, 8)
    d.words(70, 40, "decoder", d.t.muted, 64)


def _global_code(d: Drawing) -> None:
    d.cells(8, 28, 20, [[d.t.accent]])
    d.words(0, 58, "code", d.t.accent, 36)
    d.arrow(36, 38, 54)
    d.codes(60, 20, 9, 4)
    d.arrow(102, 38, 118)
    d.digit(126, 6, 8)


def _level(d: Drawing) -> None:
    d.codes(6, 22, 16, 2)
    d.arrow(42, 38, 54)
    d.codes(58, 20, 9, 4)
    d.arrow(97, 38, 109)
    d.codes(113, 20, 4.5, 8)
    d.arrow(152, 38, 164)
    d.digit(168, 20, 5)
    for x, wide, text in ((6, 32, "1"), (58, 36, "2"), (113, 36, "3")):
        d.words(x, 58, text, d.t.muted, wide)


def _prior(d: Drawing) -> None:
    d.digit(6, 14, 6, 4)
    d.bell(78, 56, 3, d.t.accent, 40, 58)
    d.arrow(58, 38, 76)
    d.arrow(136, 38, 154)
    d.codes(160, 18, 10, 4)
    d.words(78, 58, "p(z | …)", d.t.muted, 56)


def _live(d: Drawing) -> None:
    d.digit(14, 6, 8, 3)
    d.pen(d.t.accent, 2)
    d.painter.drawLine(QPointF(70, 8), QPointF(56, 28))
    d.arrow(88, 38, 128)
    d.digit(140, 6, 8)


def _spread(d: Drawing) -> None:
    for i, known in enumerate((8, 6, 5)):
        d.digit(8 + 46 * i, 18, 5, known)
    d.arrow(146, 38, 160)
    d.digit(166, 18, 5, 5, d.t.accent)


def _partial(d: Drawing) -> None:
    d.digit(6, 8, 7, 4)
    d.arrow(66, 36, 84)
    d.bell(88, 60, 2.2, d.t.accent, 36, 56)
    d.words(80, 57, "z", d.t.muted, 76)
    d.codes(164, 6, 7, 4)
    d.codes(164, 42, 7, 4, 1)
    d.arrow(148, 30, 160, 20)
    d.arrow(148, 42, 160, 56)


def _posterior(d: Drawing) -> None:
    d.digit(10, 8, 7)
    d.arrow(72, 36, 96)
    d.bell(104, 90, 6, d.t.accent, 46, 56)
    d.words(104, 57, "z", d.t.muted, 90)


def _entropy(d: Drawing) -> None:
    d.bell(10, 90, 6, d.t.accent, 44, 54)
    d.bell(120, 90, 1.6, d.t.high, 24, 54)
    d.words(10, 57, "low", d.t.accent, 90)
    d.words(120, 57, "high", d.t.high, 90)


def _divergence(d: Drawing) -> None:
    d.bell(20, 120, 2, d.t.muted, 26, 54)
    d.bell(84, 100, 5, d.t.accent, 44, 54)
    d.words(14, 57, "prior", d.t.muted, 80)
    d.words(110, 57, "posterior", d.t.accent, 80)


def _cache(d: Drawing) -> None:
    d.pen(d.t.accent, 1.5)
    d.painter.drawRoundedRect(QRectF(10, 40, 150, 24), 4, 4)
    d.cells(14, 44, 18, [[d.t.muted] * 8])
    d.cells(180, 44, 18, [[d.t.accent]])
    for i in range(8):
        path = QPainterPath(QPointF(188, 42))
        path.quadTo(QPointF((188 + 22 + 18 * i) / 2, 2 + 3 * i), QPointF(22 + 18 * i, 42))
        d.pen(d.t.muted, 1)
        d.painter.drawPath(path)


def _temperature(d: Drawing) -> None:
    d.bars(14, [3, 46, 5, 2], d.t.accent)
    d.bars(84, [14, 34, 20, 9], d.t.muted)
    d.bars(154, [22, 26, 23, 19], d.t.high)
    for x, text in ((9, "0.3"), (79, "1"), (149, "2")):
        d.words(x, 58, text, d.t.muted, 60)


def _seed(d: Drawing) -> None:
    for x, text, salt in ((6, "7", 0), (82, "7", 0), (158, "8", 1)):
        d.codes(x + 8, 22, 10, 4, salt)
        d.words(x, 2, f"seed {text}", d.t.accent if text == "7" else d.t.high, 56)
    d.words(62, 36, "=", d.t.text, 24)
    d.words(138, 36, "≠", d.t.text, 24)


def _draft(d: Drawing) -> None:
    good, bad = d.t.accent, d.t.line
    d.cells(10, 26, 24, [[good] * 4 + [d.t.high] + [bad] * 3])
    d.pen(d.t.muted)
    for i in range(5, 8):
        x = 10 + 24 * i
        d.painter.drawLine(QPointF(x + 5, 31), QPointF(x + 18, 44))
        d.painter.drawLine(QPointF(x + 18, 31), QPointF(x + 5, 44))
    d.words(10, 54, "accepted", good, 96)
    d.words(94, 6, "drawn anew", d.t.high, 48 + 20)
    d.words(130, 54, "rejected", d.t.muted, 72)


def _chunk(d: Drawing) -> None:
    for i, colour in enumerate((d.t.muted, d.t.muted, d.t.accent)):
        d.cells(8 + 70 * i, 30, 16, [[colour] * 4])
        d.pen(d.t.text, 1.5)
        x = 7 + 70 * i
        d.painter.drawPolyline([QPointF(x, 52), QPointF(x, 57), QPointF(x + 64, 57), QPointF(x + 64, 52)])
    d.arrow(40, 20, 96)
    d.arrow(112, 20, 168)


def _bound(d: Drawing) -> None:
    d.pen(d.t.muted)
    d.painter.drawLine(QPointF(20, 18), QPointF(200, 18))
    d.words(20, 1, "log p(x)", d.t.muted, 60)
    d.bars(120, [], d.t.accent)
    d.painter.fillRect(QRectF(128, 28, 34, 44), QColor(d.t.accent))
    d.words(166, 34, "ELBO", d.t.accent, 44)
    d.arrow(145, 27, 145, 19)


def _nats(d: Drawing) -> None:
    for j in range(4):
        parts = 2**j
        wide = 200 / parts
        for i in range(parts):
            shade = d.t.accent if i == 0 else d.t.line
            d.painter.fillRect(QRectF(10 + i * wide, 4 + j * 18, wide - 1, 15), QColor(shade))


def _mean(d: Drawing) -> None:
    noise = np.random.default_rng(4).random((8, 8))
    ends = QColor(d.t.low), QColor(d.t.high)
    low, high = (np.array((end.red(), end.green(), end.blue())) for end in ends)

    def grid(x: float, share: np.ndarray) -> None:
        rgb = (low + (high - low) * share[..., None]).astype(int)
        d.cells(x, 4, 7, [[QColor(*map(int, c)).name() for c in row] for row in rgb])

    smooth = np.linspace(0.1, 0.9, 8)[None].repeat(8, 0)
    grid(34, (noise < smooth).astype(float))
    grid(130, smooth)
    d.words(24, 60, "sampled", d.t.muted, 76)
    d.words(120, 60, "mean", d.t.muted, 76)


def _clamped(d: Drawing) -> None:
    rows = [[d.t.muted] * 8] * 3 + [[d.t.muted] * 3 + [d.t.accent] + [""] * 4] + [[""] * 8] * 2
    d.cells(20, 6, 9, [*rows, [d.t.high] * 8, [d.t.high] * 8])
    d.arrow(98, 37, 60)
    d.words(100, 29, "reads here", d.t.accent, 80)
    d.words(100, 60, "known, not yet read", d.t.high, 116)


def terms() -> dict[str, Term]:
    """By a short name, in the order of the page."""
    return {
        "token": Term(
            "Token",
            (
                "One element of the sequence that a picture is to a model: here one pixel. A picture has T of them, "
                "counted row by row."
            ),
            _token,
        ),
        "call": Term(
            "Network call",
            (
                "One forward pass of a network, however much it covers: one pixel of a Transformer, a whole "
                "level or all pixels of a VSSM."
            ),
            _call,
        ),
        "latent": Term(
            "Latent",
            "A variable that is drawn before the pixels, and from which they follow.",
            _latent,
        ),
        "code": Term(
            "Global code",
            "A few classes drawn for the whole picture before all levels: roughly which picture it is to be. "
            "Another code draws another digit.",
            _global_code,
        ),
        "level": Term(
            "Level",
            "A group of latents that are drawn at once; the next, finer level is given all levels above.",
            _level,
        ),
        "prior": Term(
            "Prior; ladder",
            (
                "The prior is what latents are drawn from. In a ladder of levels it is given the levels above"
                " and the prompt, so every level agrees with what is decided."
            ),
            _prior,
        ),
        "partial": Term(
            "Partial posterior",
            (
                "What the latents may be, given only the known pixels. It lets a model complete a sketch "
                "without trying pictures out."
            ),
            _partial,
        ),
        "posterior": Term(
            "Posterior",
            (
                "What the latents may be for one who sees the whole picture; used in training, and to see "
                "what a level holds."
            ),
            _posterior,
        ),
        "entropy": Term(
            "Entropy",
            (
                "How open a draw is, in nats: 0 where a class is certain; more, the more there is to choose "
                "from. Of continuous latents it can be below 0."
            ),
            _entropy,
        ),
        "divergence": Term(
            "KL divergence",
            "How much the whole picture tells of the latents beyond what the prior knew, in nats.",
            _divergence,
        ),
        "cache": Term(
            "KV cache",
            (
                "The keys and values of all earlier tokens, kept by a Transformer, so that a new token costs "
                "one small network call and not the whole picture again."
            ),
            _cache,
        ),
        "temperature": Term(
            "Temperature",
            (
                "At 1 the model draws as it was trained; below, likely choices come more often, and at 0 only the "
                "likeliest; above 1, unlikely ones come more often."
            ),
            _temperature,
        ),
        "seed": Term(
            "Seed",
            "The number that chance begins with: the same seed, sketch and settings give the same picture.",
            _seed,
        ),
        "draft": Term(
            "Draft, accepted (ASSD, predictive)",
            (
                "Several tokens are drafted in one call and verified in another. They are accepted up to the "
                "first that does not hold, which is drawn anew; the result has the distribution of drawing "
                "one by one. In the mode predictive a draft is a guess, and the result the very same picture."
            ),
            _draft,
        ),
        "chunk": Term(
            "Chunk",
            (
                "So many tokens are made at once, then read, before the next are drawn: all at once and one "
                "by one are its two ends."
            ),
            _chunk,
        ),
        "bound": Term(
            "Surprise: −ELBO, NLL",
            (
                "How surprised the model is by pictures that it has not seen: −log p(x), lower is better. NLL is "
                "exact; models with latents have a bound, the ELBO, and are at most as surprised as −ELBO says."
            ),
            _bound,
        ),
        "nats": Term(
            "Nats, bits per dimension",
            (
                "Units of surprise. One bit is a choice of one in two, one nat is 1.44 bits; bits per "
                "dimension share a picture's bits among its values."
            ),
            _nats,
        ),
        "mean": Term(
            "Mean pixels",
            (
                "The expected value of each pixel shown in place of a draw, for models that draw all pixels "
                "independently, given the latents: no noise, but softer."
            ),
            _mean,
        ),
        "live": Term(
            "Live",
            (
                "The completion follows the pen: one sample while it moves, all of them when it rests, from the same "
                "seed, so that what changes comes of the stroke."
            ),
            _live,
        ),
        "spread": Term(
            "Spread",
            (
                "How far the samples of a run lie apart at each pixel, as a standard deviation: where it is large the "
                "sketch leaves the picture open."
            ),
            _spread,
        ),
        "clamped": Term(
            "Clamped",
            (
                "A model that reads row by row keeps known pixels as it passes them, but cannot know those "
                "further down before it gets there."
            ),
            _clamped,
        ),
    }


def image(term: Term, colours: theme.Theme) -> QImage:
    """Its picture, for screens of twice the usual density, too."""
    made = QImage(2 * WIDE, 2 * HIGH, QImage.Format.Format_ARGB32_Premultiplied)
    made.setDevicePixelRatio(2)
    made.fill(Qt.GlobalColor.transparent)
    painter = QPainter(made)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    term.picture(Drawing(painter, colours))
    painter.end()
    return made


def tag(term: Term, colours: theme.Theme) -> str:
    """Its picture as HTML."""
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image(term, colours).save(buffer, "PNG")  # type: ignore[call-overload]  # the stub asks for bytes, Qt refuses them
    data = bytes(buffer.data().toBase64().data()).decode()
    return f'<img width="{WIDE}" height="{HIGH}" src="data:image/png;base64,{data}">'


def tip(name: str, colours: theme.Theme, plain: str = "") -> str:
    """A tooltip: what the widget itself has to say, then the term."""
    term = terms()[name]
    first = f"<p>{escape(plain)}</p>".replace("\n", "<br>") if plain else ""
    line = f"<p><b>{escape(term.title)}</b>: {escape(term.line)}</p>"
    return f"<table width='{WIDE + 60}'><tr><td>{first}{line}<p>{tag(term, colours)}</p></td></tr></table>"


def page(colours: theme.Theme) -> str:
    """All terms, with their pictures."""
    rows = (
        f"<tr><td>{tag(term, colours)}</td><td><b>{escape(term.title)}</b><br>{escape(term.line)}</td></tr>"
        for term in terms().values()
    )
    return f"<table cellspacing=10 width='100%'>{''.join(rows)}</table>"


class Explainer(QObject):
    """Shows the tooltips of widgets with a term; the picture is drawn when it is asked for, in the colours of then."""

    def __init__(self, parent: QObject, colours: Callable[[], theme.Theme]):
        super().__init__(parent)
        self._colours = colours
        self._terms: dict[QObject, Callable[[], str]] = {}

    def explain(self, name: str | Callable[[], str], *widgets: QWidget) -> None:
        """name: of a term; or what gives it, "" for none, where it changes."""
        for widget in widgets:
            self._terms[widget] = name if callable(name) else lambda: name
            widget.installEventFilter(self)

    def eventFilter(self, watched, event) -> bool:
        if event.type() == QEvent.Type.ToolTip and (name := self._terms[watched]()):
            QToolTip.showText(event.globalPos(), tip(name, self._colours(), watched.toolTip()), watched)
            return True
        return False


VIEWS = {"values": "level", "prior entropy": "entropy", "posterior entropy": "posterior", "KL": "divergence"}
MODELS = {"vssm": "prior", "transformer": "cache", "asarm": "draft", "vssm-paper": "chunk"}


def explain(window) -> None:
    """Give the widgets of the window their terms."""
    give = Explainer(window, lambda: window.theme).explain
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
