"""The completion that follows the pen, decided without a window: what is asked for, and when."""

import numpy as np
import pytest
from making import asked_run

from app.core.live_policy import KEPT, LOOK, PATIENCE, REST, Answer, LivePolicy, Meter
from app.core.run import Run
from vssm.prompt import Prompt
from vssm.sampling.events import Finished, Progress, Started
from vssm.sampling.step import Sampler

EMPTY = Prompt.empty(28, 28, 1).with_rows(14)
PARALLEL = Sampler("parallel", "Parallel", "at once")


def drawn(step: int) -> Prompt:
    """The sketch after so many strokes."""
    pixels = EMPTY.pixels.copy()
    pixels[0, : step + 1] = 255
    return Prompt(pixels, EMPTY.known)


@pytest.fixture
def policy():
    made = LivePolicy(EMPTY)
    made.turn(True, EMPTY)
    return made


class Machine:
    """Runs what is asked for."""

    def __init__(self, policy: LivePolicy):
        self.policy, self.run, self.prompt = policy, None, EMPTY

    def change(self, step: int, now: float) -> None:
        self.prompt = drawn(step)
        assert self.policy.change(self.prompt, now)

    def ask(self, now: float) -> Run:
        """The time has come: a run begins."""
        assert self.policy.ask_at is not None and self.policy.ask_at <= now
        assert self.policy.due(now) is Answer.COMPLETE
        whole = self.policy.resting
        number = 1 if self.run is None else self.run.number + 1
        self.run = asked_run(
            number, "vssm", "mnist", self.prompt, self.policy.gesture, whole, samples=4 if whole else 1
        )
        self.policy.begun(self.run, now)
        return self.run

    def begin(self) -> None:
        run = self.run
        run.add(Started("vssm", "VSSM", 392, run.request.samples, 4, "CPU", 1, False, PARALLEL, 0, "sampled"))

    def show(self) -> None:
        images = np.zeros((self.run.request.samples, 28, 28, 1), np.uint8)
        self.run.add(Progress(0.01, 392, 1, images, images[..., 0] == 0))

    def end(self, now: float) -> Answer:
        run = self.run
        images = np.zeros((run.request.samples, 28, 28, 1), np.uint8)
        run.add(Finished("vssm", images, 0.01, 0.0, 1, 392, "CPU", 1, "parallel", 0))
        return self.policy.ended(now)


def test_nothing_is_asked_for_while_it_is_off():
    policy = LivePolicy(EMPTY)
    assert not policy.change(drawn(1), 1.0)
    policy.rest(False, 1.1)
    policy.again(False, 1.2)
    assert policy.ask_at is policy.rest_at is None


def test_a_change_is_asked_for_at_once_and_an_equal_sketch_is_none(policy):
    assert policy.change(drawn(1), 1.0) and policy.ask_at == 1.0 and policy.rest_at == 1.0 + REST
    assert not policy.change(drawn(1), 1.1) and policy.rest_at == 1.0 + REST


def test_a_fast_model_answers_glances_and_then_the_whole(policy):
    machine = Machine(policy)
    for step in range(3):
        machine.change(step, 1 + step / 10)
        assert machine.ask(1 + step / 10).request.samples == 1
        machine.begin()
        machine.show()
        assert machine.end(1.05 + step / 10) is Answer.WAIT and policy.ask_at is None  # the pen has not rested yet
    policy.rest(False, 1.3)
    assert machine.ask(1.3).request.samples == 4
    machine.begin()
    machine.show()
    assert machine.end(1.5) is Answer.SETTLE and policy.ask_at is None


def test_a_slow_model_has_patience_and_is_not_given_up_before_it_shows_something(policy):
    machine = Machine(policy)
    machine.change(0, 1.0)
    machine.ask(1.0)
    machine.change(1, 1.01)
    assert policy.ask_at == pytest.approx(1.0 + PATIENCE)
    machine.begin()
    machine.change(2, 1.2)
    assert policy.due(1.2) is Answer.WAIT and policy.ask_at == pytest.approx(1.2 + LOOK)  # as its successor would fare
    machine.show()
    assert machine.ask(1.22).number == 2


def test_the_pen_does_not_wait_for_a_whole_run(policy):
    machine = Machine(policy)
    machine.change(0, 1.0)
    policy.rest(False, 1.0)
    assert machine.ask(1.0).request.samples == 4
    machine.change(1, 1.01)
    assert policy.ask_at == 1.01


def test_a_pen_that_is_lifted_ends_its_gesture_and_one_that_rests_does_not(policy):
    machine = Machine(policy)
    machine.change(0, 1.0)
    policy.rest(True, 1.2)
    first = policy.gesture
    machine.change(1, 1.3)
    assert policy.gesture == first
    policy.rest(False, 1.5)
    machine.change(2, 2.0)
    assert policy.gesture == first + 1


def test_dropping_asks_for_nothing_until_the_next_change(policy):
    policy.change(drawn(1), 1.0)
    policy.drop()
    assert policy.ask_at is policy.rest_at is None and policy.resting
    assert policy.change(drawn(2), 2.0) and policy.ask_at == 2.0


def test_a_run_that_a_person_asked_for_settles(policy):
    machine = Machine(policy)
    machine.run = asked_run(1, "vssm", "mnist", EMPTY, details=True)
    policy.begun(machine.run, 1.0)
    machine.begin()
    assert machine.end(2.0) is Answer.SETTLE


def test_completions_are_counted_over_the_last_second():
    meter = Meter()
    assert meter.words(1) == "Draw: the completion follows"
    meter.change(99)
    assert meter.words(99.1) == "Draw: the completion follows"  # none has come yet
    meter.forget()
    for i in range(200):  # one each 20 ms, 10 ms after its change
        meter.change(100 + i / 50)
        meter.ask()
        meter.show(100.01 + i / 50)
    assert meter.rate(100.01 + 199 / 50) == pytest.approx(50, rel=0.05)
    assert meter.delay(104) == pytest.approx(0.01)
    assert meter.words(104) == "50 completions/s · 10 ms delay"
    assert meter.words(104 + KEPT) == "Draw: the completion follows"  # the pen rests


def test_a_slow_model_is_counted_by_what_it_takes():
    """From the first change that waited for it, given up runs included."""
    meter = Meter()
    for i in range(20):
        meter.change(50 + i / 10)
        meter.ask()
    assert meter.rate(52) == 0 and meter.delay(52) == 2
    meter.show(52.5)
    assert meter.rate(52.5) == pytest.approx(0.4) and meter.delay(55) == pytest.approx(2.5)
    meter.change(60)  # after a rest, a new count
    meter.ask()
    meter.change(60.1)
    meter.show(61.25)
    assert meter.rate(61.25) == pytest.approx(0.8)
    meter.ask()
    meter.show(61.5)
    assert meter.delay(62) == pytest.approx(1.4)  # the second change came after the first run was asked for
    meter.show(70)  # shown anew: nobody waited
    assert meter.delay(70) == pytest.approx(1.4)
