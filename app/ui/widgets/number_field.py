"""Fields for numbers, which take them as people write them: 0.5 and 0,5 are the same wherever somebody comes from."""

from __future__ import annotations

import re
import unicodedata

from PySide6.QtGui import QValidator
from PySide6.QtWidgets import QDoubleSpinBox, QSpinBox

SEPARATORS = ".,\N{ARABIC DECIMAL SEPARATOR}\N{ARABIC THOUSANDS SEPARATOR}'\N{RIGHT SINGLE QUOTATION MARK}"
DECIMAL = re.compile(r"[0-9]*\.?[0-9]*")
GROUPED = re.compile(rf"[0-9]{{1,3}}([{SEPARATORS} ][0-9]{{3}})+")


def read(text: str, whole: bool = False) -> float | None:
    """The number in a text of a person's, of a program's or of a web page: with a point or a comma, in the digits of
    any script, with spaces around it. None where there is none, or it is negative.

    whole: that it is a whole number, in which groups of three digits may be set apart.
    """
    digits = (str(unicodedata.digit(sign)) if unicodedata.category(sign) == "Nd" else sign for sign in text)
    plain = "".join(sign for sign in digits if unicodedata.category(sign) != "Cf")  # marks for right to left
    plain = re.sub(r"\s+", " ", plain).strip()
    if whole and GROUPED.fullmatch(plain):
        return float(re.sub(r"[^0-9]", "", plain))
    plain = re.sub(f"[{SEPARATORS}]", ".", plain)
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


class DecimalField(QDoubleSpinBox):
    """For a number that is not negative."""

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        return _judge(self, text, read(text)), text, position

    def valueFromText(self, text: str) -> float:
        return round(read(text) or 0.0, self.decimals())


class WholeField(QSpinBox):
    """For a whole number that is not negative; of any other, what stands before the point."""

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        return _judge(self, text, read(text, whole=True)), text, position

    def valueFromText(self, text: str) -> int:
        number = read(text, whole=True)
        return self.minimum() if number is None else int(number)  # the least value may have a word of its own
