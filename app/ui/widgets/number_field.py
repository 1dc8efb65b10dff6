"""Fields for numbers, which take them as people write them: 0.5 and 0,5 are the same wherever somebody comes from."""

from __future__ import annotations

import re
import unicodedata

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent, QValidator
from PySide6.QtWidgets import QDoubleSpinBox, QSpinBox

from app.ui.widgets.keys import RETURN

SEPARATORS = ".,\N{ARABIC DECIMAL SEPARATOR}\N{ARABIC THOUSANDS SEPARATOR}'\N{RIGHT SINGLE QUOTATION MARK}"
SIGNS = f"{SEPARATORS} -"
DECIMAL = re.compile(r"[0-9]*\.?[0-9]*")
GROUPED = re.compile(rf"[0-9]{{1,3}}([{SEPARATORS} ][0-9]{{3}})+")


def read(text: str, whole: bool = False) -> float | None:
    """The number in a text of a person's, of a program's or of a web page: with a point or a comma, in the digits of
    any script, with spaces around it. None where there is none, or it is negative.

    whole: that it is a whole number, in which groups of three digits may be set apart.
    """
    shown = (sign for sign in text if unicodedata.category(sign) != "Cf")  # without marks for right to left
    plain = "".join(str(unicodedata.decimal(sign, sign)) for sign in shown)
    plain = re.sub(r"\s+", " ", plain).strip()
    if whole and GROUPED.fullmatch(plain):
        return float(re.sub(r"[^0-9]", "", plain))
    plain = re.sub(f" ?[{SEPARATORS}] ?", ".", plain)
    return float(plain) if DECIMAL.fullmatch(plain) and plain not in ("", ".") else None


def _judge(field: QSpinBox | QDoubleSpinBox, text: str, number: float | None) -> QValidator.State:
    """Whether the field may keep a text: as its number, as the beginning of one, or not at all."""
    if text == field.specialValueText() != "":
        return QValidator.State.Acceptable
    if number is None:
        begun = not text.strip() or text.strip() in SEPARATORS or field.specialValueText().startswith(text)
        grouped = isinstance(field, QSpinBox) and read(_filled(text), whole=True) is not None
        begun = begun or grouped
        return QValidator.State.Intermediate if begun else QValidator.State.Invalid
    if number > field.maximum():
        return QValidator.State.Invalid
    return QValidator.State.Acceptable if number >= field.minimum() else QValidator.State.Intermediate


def _filled(text: str) -> str:
    """A whole number that is being typed, its last group of digits made whole."""
    return text + "0" * max(0, 3 - len(re.split(rf"[{SEPARATORS}\s]", text)[-1]))


class _Typing(QObject):
    """What belongs to a field while it has the focus: the signs of a number, and the keys that edit. Any other key does
    what it does elsewhere, Enter too, which ends the typing. A click on the arrows leaves the focus where it is."""

    def __init__(self, field: QSpinBox | QDoubleSpinBox):
        super().__init__(field)
        self._field = field
        field.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        field.installEventFilter(self)
        field.lineEdit().installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is not self._field:
            if event.type() == QEvent.Type.MouseButtonPress:
                self._field.setFocus(Qt.FocusReason.MouseFocusReason)
            return False
        if event.type() != QEvent.Type.ShortcutOverride:
            return False
        assert isinstance(event, QKeyEvent)
        if event.key() in RETURN:
            self._field.clearFocus()
        sign = event.text()
        return sign.isprintable() and sign != "" and not (unicodedata.category(sign[0]) == "Nd" or sign in SIGNS)


class DecimalField(QDoubleSpinBox):
    """For a number that is not negative."""

    def __init__(self) -> None:
        super().__init__()
        _Typing(self)

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        return _judge(self, text, read(text)), text, position

    def valueFromText(self, text: str) -> float:
        return round(read(text) or 0.0, self.decimals())


class WholeField(QSpinBox):
    """For a whole number that is not negative; of any other, what stands before the point."""

    def __init__(self) -> None:
        super().__init__()
        _Typing(self)

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        return _judge(self, text, read(text, whole=True)), text, position

    def valueFromText(self, text: str) -> int:
        number = read(text, whole=True)
        return self.minimum() if number is None else int(number)  # the least value may have a word of its own
