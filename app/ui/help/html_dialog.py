"""A page of text over the window, which scrolls where it is too long for the screen."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QTextDocument
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QFrame, QTextBrowser, QVBoxLayout, QWidget

from app.ui.widgets.card import configured, filled, spaced

MARGIN = 10
AROUND = 40  # pixels of the window that are seen around it at least


class Page(QDialog):
    """As large as its text, or nearly as the window; arrow keys scroll, Esc closes. wide: of the text, in pixels."""

    def __init__(self, title: str, html: str, over: QWidget, wide: int):
        super().__init__(over)
        self.setWindowTitle(title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.text = configured(QTextBrowser(), openExternalLinks=True, tabChangesFocus=True, accessibleName=title)
        self.text.setFrameShape(QFrame.Shape.NoFrame)
        self.text.document().setDocumentMargin(MARGIN)
        self.text.setHtml(html)
        wide = min(wide, over.width() - 2 * AROUND)
        measured = QTextDocument()  # the browser's own has the width it is shown with
        measured.setDefaultFont(self.text.font())
        measured.setDocumentMargin(MARGIN)
        measured.setHtml(html)
        measured.setTextWidth(wide)
        bar = self.text.verticalScrollBar().sizeHint().width()
        self.text.setMinimumSize(wide + bar + 2, min(int(measured.size().height()) + 4, over.height() - 3 * AROUND))
        close = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        close.rejected.connect(self.close)
        filled(spaced(QVBoxLayout(self), 6, (6, 6, 10, 10)), self.text, close)
        self.text.setFocus()
