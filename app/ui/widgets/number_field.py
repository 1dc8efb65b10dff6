"""Fields for numbers, which take them as people write them: 0.5 and 0,5 are the same wherever somebody comes from."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from PySide6.QtCore import QEvent, QObject, QSignalBlocker, Qt, Signal, SignalInstance
from PySide6.QtGui import QKeyEvent, QValidator
from PySide6.QtWidgets import QApplication, QDoubleSpinBox, QSpinBox

from app.ui.widgets.keys import RETURN

SEPARATORS = ".,\N{ARABIC DECIMAL SEPARATOR}\N{ARABIC THOUSANDS SEPARATOR}'\N{RIGHT SINGLE QUOTATION MARK}"
SIGNS, EXPONENT = f"{SEPARATORS} -", "eE+"
DECIMAL = re.compile(r"[0-9]*\.?[0-9]*")
LONGEST = 20  # characters of a text that are repeated
GROUPED = re.compile(rf"[0-9]{{1,3}}([{SEPARATORS} ][0-9]{{3}})+")


def end_typing() -> None:
    """Take what is being typed into a field as if the field had been left."""
    field = QApplication.focusWidget()
    if isinstance(field, _Number):
        field.interpretText()
        field.editingFinished.emit()


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
    number = float(plain) if DECIMAL.fullmatch(plain) and plain not in ("", ".") else None
    return None if whole and number is not None and not number.is_integer() else number


class _Typing(QObject):
    """What belongs to a field while it has the focus: the signs of a number, once typing has begun all that needs no
    modifier, and the keys that edit. Any other key does what it does elsewhere, Enter too, which ends the typing. A
    click on the arrows leaves the focus where it is."""

    def __init__(self, field: _Number):
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
        return sign.isprintable() and sign != "" and not self._belongs(sign, event.modifiers())

    def _belongs(self, sign: str, modifiers: Qt.KeyboardModifier) -> bool:
        """Whether it is one of a number, or, behind others, mistyped: to be refused as a whole."""
        if unicodedata.category(sign[0]) == "Nd" or sign in SIGNS:
            return True
        return self._field.typed and (modifiers == Qt.KeyboardModifier.NoModifier or sign in EXPONENT)


_Box: Any = object  # one of Qt's spin boxes, which have no class in common that has a number


class _Number(_Box):
    """What both kinds of field share. A text that is no number of theirs stays until the typing ends; meanwhile, and
    after it, the number is the one from before the typing, and `refused` says in a sentence what is wrong. `withdrawn`
    takes that sentence back: a person has changed the field since. `given` tells that a person, not the program, has
    given another number."""

    refused: SignalInstance
    withdrawn: SignalInstance
    given: SignalInstance
    whole: bool

    def __init__(self) -> None:
        super().__init__()
        _Typing(self)
        self._before: float | None = None  # the number when the typing began; None where nobody types
        self._refusal = ""  # the last sentence that stands
        self._filling = False  # whether the program sets the number
        self.lineEdit().textEdited.connect(self._edited)
        self.editingFinished.connect(self._finished)
        self.valueChanged.connect(self._changed)

    @property
    def typed(self) -> bool:
        """Whether somebody has typed and not ended it."""
        return self._before is not None

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        fits = text == self.specialValueText() != "" or self._number(text) is not None
        return QValidator.State.Acceptable if fits else QValidator.State.Intermediate, text, position

    def fixup(self, text: str) -> str:
        """Called where the typing ends with no such number."""
        if text.strip() and not self.specialValueText().startswith(text):
            least, most = (self.textFromValue(bound) for bound in (self.minimum(), self.maximum()))
            kind = "a whole number" if self.whole else "a number"
            given = text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
            name = self.accessibleName() or "The field"
            self._refusal = f"{name} is {kind} from {least} to {most}, not “{given}”."
            self.refused.emit(self._refusal)
        return text

    def setValue(self, value: float) -> None:
        self._before, self._filling = None, True
        super().setValue(value)
        self._filling = False

    def stepBy(self, steps: int) -> None:
        self._withdraw()
        super().stepBy(steps)
        self._before = None

    def valueFromText(self, text: str) -> Any:
        number = self._number(text)
        return self.minimum() if number is None else int(number) if self.whole else number

    def _number(self, text: str) -> float | None:
        """The number of a text, where the field may have it."""
        number = read(text, self.whole)
        number = number if number is None or self.whole else round(number, self.decimals())
        return number if number is not None and self.minimum() <= number <= self.maximum() else None

    def _edited(self, text: str) -> None:
        """Before Qt takes the text for a number."""
        self._withdraw()
        if self._before is None:
            self._before = self.value()
        edit = self.lineEdit()
        position = edit.cursorPosition()
        if self.validate(text, position)[0] != QValidator.State.Acceptable and self.value() != self._before:
            super().setValue(self._before)
            with QSignalBlocker(edit):
                edit.setText(text)
                edit.setCursorPosition(position)

    def _changed(self) -> None:
        if not self._filling:
            self.given.emit()

    def _finished(self) -> None:
        self._before = None

    def _withdraw(self) -> None:
        if self._refusal:
            refusal, self._refusal = self._refusal, ""
            self.withdrawn.emit(refusal)


class DecimalField(_Number, QDoubleSpinBox):
    """For a number that is not negative."""

    refused = Signal(str)
    withdrawn = Signal(str)
    given = Signal()
    whole = False


class WholeField(_Number, QSpinBox):
    """For a whole number that is not negative. Its least value may have a word of its own."""

    refused = Signal(str)
    withdrawn = Signal(str)
    given = Signal()
    whole = True
