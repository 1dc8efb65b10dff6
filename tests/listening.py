"""What tests of the engine share: one that listens to it, and what is asked of it."""

from PySide6.QtCore import QObject, Slot
from threaded import Thread

from app.engine.engine import Engine
from vssm import data
from vssm.files.examples import examples
from vssm.sampling.events import GenerationRequest


class Ear(QObject):
    """Writes down what it hears, by number of the run."""

    def __init__(self, engine):
        super().__init__()
        self.events, self.sentences, self.ends, self.ready, self.order = [], [], [], [], []
        engine.happened.connect(self.event_)
        engine.failed.connect(self.sentence)
        engine.ended.connect(self.end)
        engine.loaded.connect(self.load)

    @Slot(int, object)
    def event_(self, number, event):
        self.events.append((number, event))

    @Slot(int, str)
    def sentence(self, number, text):
        self.sentences.append((number, text))

    @Slot(int)
    def end(self, number):
        self.ends.append(number)
        self.order.append(("end", number))

    @Slot(object)
    def load(self, loaded):
        self.ready.append(loaded.model)
        self.order.append(("load", loaded.model))

    def of(self, number):
        return [event for n, event in self.events if n == number]


def started(folder=None) -> Engine:
    made = Engine(folder, link=Thread())
    made.start()
    return made


def request(samples=1, **more) -> GenerationRequest:
    return GenerationRequest(examples(data.MNIST)[0].prompt, samples, **more)
