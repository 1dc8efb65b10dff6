"""What runs: one job at a time, of any kind; and contestants of a race one after another."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from listening import request, started
from PySide6.QtCore import QObject

from app.core.job import Kind, ScalingJob, State
from app.core.race import Contestant, RaceJob
from app.core.run import Run
from app.core.settings import CompletionSettings
from app.engine.engine import Engine
from app.engine.jobs import Jobs
from app.engine.race_runner import RaceRunner
from vssm import data
from vssm.files.examples import examples
from vssm.sampling.events import Finished, Started

LONG = 30000  # milliseconds


class Ear(QObject):
    """Writes down which jobs end, and in what states the one under way has been."""

    def __init__(self, jobs: Jobs):
        super().__init__()
        self.ends, self.states = [], []
        jobs.ended.connect(self.ends.append)
        jobs.changed.connect(lambda: self.states.append(jobs.state))


def run(model: str = "vssm", samples: int = 1, **more) -> Run:
    return Run(0, "mnist", CompletionSettings(model, samples=samples), request(samples, **more))


def begin(jobs: Jobs, job: Run) -> Run:
    jobs.begin(job, job.model, job.request)
    return job


@pytest.fixture
def jobs(qtbot, no_threads_left):
    engine = started()
    yield Jobs(engine)
    assert engine.close()


def test_a_job_takes_its_events_and_ends(jobs, qtbot):
    ear, told = Ear(jobs), []
    jobs.happened.connect(lambda job, event: told.append((job, type(event))))
    job = begin(jobs, run())
    assert jobs.current is job and jobs.kind is Kind.COMPLETION and jobs.state is State.RUNNING and jobs.can_pause
    qtbot.waitUntil(lambda: jobs.current is None, timeout=LONG)
    assert job.finished is not None and job.ended and not job.stopped and job.status == ""
    assert told[0] == (job, Started) and told[-1] == (job, Finished)
    assert ear.ends == [job] and ear.states == [State.RUNNING, State.IDLE] and not jobs.can_pause


def test_it_is_held_goes_on_and_stops(jobs, qtbot):
    ear = Ear(jobs)
    job = begin(jobs, run("transformer", 64, every=0.005))
    qtbot.waitUntil(lambda: job.tokens > 0, timeout=LONG)
    jobs.pause()
    assert jobs.state is State.PAUSED and job.status == "paused"
    jobs.pause()
    assert jobs.state is State.RUNNING
    jobs.stop()
    assert jobs.current is job and jobs.state is State.STOPPING and not jobs.can_pause and job.status == "stopping …"
    qtbot.waitUntil(lambda: jobs.current is None, timeout=LONG)
    assert job.stopped and job.finished is None and job.status == "stopped" and ear.ends == [job]


def test_a_job_gives_way_to_another_at_once(jobs, qtbot):
    ear = Ear(jobs)
    first = begin(jobs, run("transformer", 64, every=0.005))
    qtbot.waitUntil(lambda: first.tokens > 0, timeout=LONG)
    second = begin(jobs, run())
    assert ear.ends == [first] and first.stopped and jobs.current is second and jobs.state is State.RUNNING
    had = first.tokens
    qtbot.waitUntil(lambda: jobs.current is None, timeout=LONG)  # not by the end of the first one's network call
    assert second.finished is not None and ear.ends == [first, second] and first.tokens == had


def test_a_run_that_fails_says_so_and_ends(jobs, qtbot):
    with qtbot.waitSignal(jobs.failed, timeout=LONG) as failed:
        job = begin(jobs, Run(0, "cifar10", CompletionSettings("vssm"), request()))
    assert failed.args[1] == "cifar10" and failed.args[0]
    qtbot.waitUntil(lambda: jobs.current is None, timeout=LONG)
    assert not job.stopped and job.finished is None


def test_what_waits_for_the_models_is_the_last_thing_asked_or_nothing(jobs):
    done = []
    jobs.wait(lambda: done.append(1))
    jobs.wait(lambda: done.append(2))
    assert jobs.state is State.LOADING
    jobs.do_waiting()
    jobs.do_waiting()
    assert done == [2] and jobs.state is State.IDLE
    jobs.wait(lambda: done.append(3))
    jobs.stop()
    jobs.do_waiting()
    assert done == [2] and jobs.state is State.IDLE


@settings(max_examples=50)
@given(st.lists(st.sampled_from(["completion", "race", "scaling", "pause", "stop", "end"]), max_size=12))
def test_every_job_ends_once_whatever_is_done(done):
    """With models that never come."""
    engine = Engine()
    jobs = Jobs(engine)
    ear, begun = Ear(jobs), []
    for one in done:
        if one == "pause" and jobs.can_pause:
            jobs.pause()
        elif one in ("stop", "end"):
            jobs.stop(at_once=one == "end")
        elif one != "pause":
            job = {"completion": run, "race": race, "scaling": lambda: ScalingJob(0, "mnist")}[one]()
            jobs.begin(job, "vssm", None if one == "race" else request())
            begun.append(job)
        assert ear.ends == [job for job in begun if job is not jobs.current]
        assert jobs.state is (State.IDLE if jobs.current is None else jobs.current.state)
        assert all(job.ended and job.stopped for job in ear.ends) and not (jobs.current and jobs.current.ended)
    jobs.stop(at_once=True)
    assert ear.ends == begun and jobs.current is None
    engine.close()


# --- races


def race(turns: int = 0) -> RaceJob:
    """Of two quick models, on the last rows of a picture."""
    prompt = examples(data.MNIST)[0].prompt.with_rows(26)
    names = "vssm", "vssm-paper"
    return RaceJob.of(tuple(Contestant("mnist", CompletionSettings(name), prompt) for name in names), turns)


class Marshal(QObject):
    """Writes down how a race goes."""

    def __init__(self, runner: RaceRunner):
        super().__init__()
        self.races, self.turns, self.ends = [], [], []
        runner.recorded.connect(self.races.append)
        runner.turned.connect(lambda: self.turns.append(runner.parent().current.contestant.model))
        runner.ended.connect(self.ends.append)


def test_contestants_run_one_after_another(jobs, qtbot):
    runner = RaceRunner(jobs)
    marshal, job = Marshal(runner), race()
    with qtbot.waitSignal(runner.began) as began:
        runner.begin(job)
    assert began.args == [job] and jobs.kind is Kind.RACE and not jobs.can_pause
    qtbot.waitUntil(lambda: jobs.current is None, timeout=LONG)
    assert marshal.turns == ["vssm-paper"] and marshal.races == [job.race] and marshal.ends == [job]
    assert all(track.finished for track in job.race.tracks) and not job.stopped


def test_their_timing_is_repeated(jobs, qtbot):
    runner = RaceRunner(jobs)
    marshal, job = Marshal(runner), race(turns=2)
    runner.begin(job)
    qtbot.waitUntil(lambda: jobs.current is None, timeout=LONG)
    assert marshal.turns == ["vssm-paper", "vssm", "vssm-paper"] and marshal.ends == [job] and job.turn == 2
    assert len(marshal.races) == 2 and all(track.finished for one in marshal.races for track in one.tracks)


@pytest.mark.parametrize("when", ["in the gap", "on the clock"])
def test_a_stop_keeps_what_contestants_came_to(jobs, qtbot, when):
    runner = RaceRunner(jobs)
    marshal, job = Marshal(runner), race()
    runner.begin(job)
    if when == "on the clock":
        qtbot.waitUntil(lambda: job.number > 0, timeout=LONG)
    jobs.stop()
    qtbot.waitUntil(lambda: jobs.current is None, timeout=LONG)
    assert job.stopped and marshal.ends == [job] and marshal.races == [job.race]
    assert job.race.tracks[1].finished is None
    qtbot.wait(100)  # nobody is asked after that
    assert jobs.current is None and marshal.turns == []
