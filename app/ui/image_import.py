"""The one way in for whatever a person brings: an argument, a file that is chosen or dropped, what is pasted.

It looks at the content, not at the name: a picture, a saved session, a text with a link, a model's weights. Pictures
are decoded in a process of their own (`app.decoder`), so the window goes on, and one that takes too long is given up.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from PySide6.QtCore import QMimeData, QObject, QProcess, QProcessEnvironment, QTimer, QUrl, Signal, Slot
from PySide6.QtGui import QImage, QPixmap

from app.core import link as links
from app.core.content import Kind, look, shown, text_of
from app.ui.qimage import from_qimage
from vssm.errors import UserError
from vssm.files.image import Picture, flat, reduced
from vssm.files.picture import require_size

ELSEWHERE = "https://", "http://", "ftp://"
NOT_HERE = "Only files on this machine can be opened; save it to a file first."
LIMIT = 20_000  # milliseconds for a picture
SUFFIXES = ("png", "jpg", "jpeg", "webp", "gif", "bmp", "tif", "tiff", "avif", "jp2", "ppm", "pgm", "ico", "svg")
RAW = ("image/png", "image/jpeg", "image/webp", "image/tiff", "image/bmp", "image/gif", "image/svg+xml")
ROOT = Path(__file__).resolve().parents[2]


class Importer(QObject):
    """One thing at a time: what is asked for next takes the place of what is being opened.

    Signals: `picture` brings a `Picture` and its name; `session` the path of a session; `link` a text with a link;
    `refused` one sentence about what cannot be used; `changed` follows the beginning and the end of an opening.
    """

    picture = Signal(object, str)
    session = Signal(str)
    link = Signal(str)
    refused = Signal(str)
    changed = Signal()

    def __init__(self, parent: QObject | None = None):
        super().__init__(parent)
        self.name = ""  # of the picture that is being decoded
        self._process: QProcess | None = None
        self._left = ""  # to be said of files that were brought with it
        self._limit = QTimer(self, singleShot=True)
        self._limit.timeout.connect(self._late)

    @property
    def busy(self) -> bool:
        return self._process is not None

    # --- ways in

    def open_argument(self, given: str) -> None:
        """What stands after the program's name on a command line: a link or a file."""
        if links.is_link(given) or given.lower().startswith(links.SCHEME):  # which may have lost the rest
            self.link.emit(given)
        elif given.lower().startswith("file:"):
            self.open_path(QUrl(given).toLocalFile())
        elif given.lower().startswith(ELSEWHERE):
            self.refused.emit(NOT_HERE)
        else:
            self.open_path(given)

    @Slot(str)
    def open_path(self, given: str) -> None:
        """A file of any kind."""
        path = Path(given)
        try:
            kind = look(path)
        except UserError as error:
            self.refused.emit(str(error))
            return
        name = shown(path)
        if kind is Kind.PICTURE:
            self._decode(name, path=path)
        elif kind is Kind.SESSION:
            self.session.emit(given)
        elif kind is Kind.LINK:
            with path.open("rb") as file:
                self.link.emit(text_of(file.read(4 * links.SEARCHED)))
        elif kind is Kind.WEIGHTS:
            self.refused.emit(f"{name} holds a model's weights: name it by --checkpoint to “python -m vssm complete”.")
        else:
            self.refused.emit(f"{name} is an archive: take out what is to be opened, or give it to “python -m vssm”.")

    def open_mime(self, mime: QMimeData | None, place: str) -> None:
        """What was pasted or dropped; `place` says where it is sought, such as "on the clipboard"."""
        urls = mime.urls() if mime is not None and mime.hasUrls() else []
        text = mime.text() if mime is not None and mime.hasText() else ""
        rich = mime.html() if mime is not None and mime.hasHtml() else ""  # where a word may lead to a link
        path = text.strip().strip("\"'")  # as some systems copy paths
        files = [url.toLocalFile() for url in urls if url.isLocalFile()]
        raw = next((kind for kind in RAW if mime is not None and kind in mime.formats()), None)
        if files:
            self.open_path(files[0])
            self._leave(shown(Path(files[0])), len(urls) - 1)
        elif raw is not None:
            assert mime is not None
            self._decode(f"The picture {place}", content=bytes(mime.data(raw).data()))
        elif mime is not None and mime.hasImage():
            self._take(mime.imageData(), f"The picture {place}")
        elif links.is_link(text) or links.is_link(rich):
            self.link.emit(text if links.is_link(text) else rich)
        elif urls and any(links.is_link(url.toString()) for url in urls):
            self.link.emit(next(url.toString() for url in urls if links.is_link(url.toString())))
        elif urls:
            self.refused.emit(NOT_HERE)
        elif "\n" not in path and (path.lower().startswith(("file:", *ELSEWHERE)) or Path(path).is_absolute()):
            self.open_argument(path)
        else:
            self.refused.emit(f"There is no picture {place}, and no link.")

    def _leave(self, name: str, others: int) -> None:
        """Say that of several files only one was opened: once it is there, for what is new takes older answers away."""
        which = "the other one was" if others == 1 else f"the other {others:,} were"
        self._left = f"Only one file is taken at a time: {name} was, and {which} not." if others else ""
        if not self.busy:
            self._say_left()

    def _say_left(self) -> None:
        said, self._left = self._left, ""
        if said:
            self.refused.emit(said)

    @staticmethod
    def takes(mime: QMimeData) -> bool:
        """Whether it may be something that can be opened."""
        return mime.hasImage() or mime.hasUrls() or links.is_link(mime.text()) or links.is_link(mime.html())

    # --- pictures

    def _take(self, image: QImage | QPixmap, name: str) -> None:
        """A picture that Qt has decoded already."""
        image = image if isinstance(image, QImage) else image.toImage()
        try:
            require_size((image.width(), image.height()), name)
            picture = Picture(reduced(flat(from_qimage(image))), (image.width(), image.height()))
        except UserError as error:
            self.refused.emit(str(error))
        else:
            self.picture.emit(picture, name)

    def _decode(self, name: str, path: Path | None = None, content: bytes = b"") -> None:
        self.stop()
        words = [os.fsencode(one).hex() for one in ((name, path) if path is not None else (name,))]
        process = self._process = QProcess(self)
        environment = QProcessEnvironment.systemEnvironment()
        paths = (str(ROOT), environment.value("PYTHONPATH"))
        environment.insert("PYTHONPATH", os.pathsep.join(one for one in paths if one))
        environment.insert("OPENBLAS_NUM_THREADS", "1")  # nothing is computed that many threads could share
        environment.insert("QT_QPA_PLATFORM", "offscreen")
        process.setProcessEnvironment(environment)
        process.finished.connect(self._decoded)
        process.errorOccurred.connect(self._not_started)
        self.name = name
        isolated = "-P"  # nothing of the current folder is run
        process.start(sys.executable, [isolated, "-m", "app.decoder", *words])
        process.write(content)
        process.closeWriteChannel()
        self._limit.start(LIMIT)
        self.changed.emit()

    @Slot()
    def stop(self) -> None:
        """Give up what is being opened."""
        self._left = ""
        process = self._end()
        if process is not None:
            process.finished.disconnect(self._decoded)
            process.errorOccurred.disconnect(self._not_started)
            process.kill()
            process.waitForFinished(1000)
            process.deleteLater()

    def _end(self) -> QProcess | None:
        """Whatever was under way is so no longer."""
        process, self._process = self._process, None
        self._limit.stop()
        if process is not None:
            self.changed.emit()
        return process

    @Slot()
    def _late(self) -> None:
        left = self._left
        self.stop()
        self.refused.emit(f"{self.name} takes too long to open; save it as a smaller picture first.")
        self._left = left
        self._say_left()

    @Slot(QProcess.ProcessError)
    def _not_started(self, error: QProcess.ProcessError) -> None:
        process = self._end() if error == QProcess.ProcessError.FailedToStart else None
        if process is not None:
            process.deleteLater()
            self.refused.emit(f"{self.name} cannot be opened: no process for it can be started.")
            self._say_left()

    @Slot()
    def _decoded(self) -> None:
        process = self._end()
        if process is None:
            return
        whole = bytes(process.readAllStandardOutput().data())
        process.deleteLater()
        self._give(whole)
        self._say_left()

    def _give(self, whole: bytes) -> None:
        """What the process of a picture wrote: the picture, or why there is none."""
        line, _, pixels = whole.partition(b"\n")
        try:
            head = json.loads(line)
            if "error" in head:
                self.refused.emit(head["error"])
                return
            array = np.frombuffer(pixels, np.uint8).reshape(head["shape"])
        except ValueError:  # it was ended by the system, for the time or the memory that it took
            self.refused.emit(f"{self.name} takes too much time or memory to open; save it as a smaller picture first.")
            return
        self.picture.emit(Picture(Image.fromarray(array), tuple(head["size"])), self.name)
