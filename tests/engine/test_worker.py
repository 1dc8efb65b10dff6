"""The worker and the window's end of it: order of events, the latest request wins, stopping, failing, ending."""

import numpy as np
import pytest
from listening import Ear, request, started
from PySide6.QtCore import Qt

from app.engine.messages import Failed, StartRun
from app.engine.worker import Worker
from vssm import checkpoint
from vssm.evaluation import scaling
from vssm.prompt import Prompt
from vssm.sampling.events import Finished, GenerationRequest, Latents, Progress, Started


@pytest.fixture
def engine(qtbot, no_threads_left):
    made = started()
    yield made
    assert made.close()


@pytest.fixture
def broken_folder(tmp_path):
    """Checkpoints of which the VSSM's is cut short and the Transformer's whole."""
    whole = checkpoint.shipped("vssm", "mnist").read_bytes()
    (tmp_path / "vssm-mnist.safetensors").write_bytes(whole[: len(whole) // 2])
    other = checkpoint.shipped("transformer", "mnist")
    (tmp_path / other.name).write_bytes(other.read_bytes())
    return tmp_path


def test_events_arrive_in_order(engine, qtbot):
    ear = Ear(engine)
    number = engine.complete("vssm", "mnist", request(2))
    qtbot.waitUntil(lambda: ear.ends == [number], timeout=30000)
    kinds = [type(event) for event in ear.of(number)]
    assert kinds[0] is Started and kinds[-2:] == [Progress, Finished]
    assert set(kinds[1:-2]) == {Latents} and not ear.sentences


def test_the_latest_request_wins(engine, qtbot):
    ear = Ear(engine)
    first = engine.complete("transformer", "mnist", request(64))  # seconds of work: still under way on a busy machine
    qtbot.waitUntil(lambda: any(isinstance(e, Progress) for e in ear.of(first)), timeout=30000)
    second = engine.complete("transformer", "mnist", request(8))
    third = engine.complete("vssm", "mnist", request())
    qtbot.waitUntil(lambda: ear.ends == [first, second, third], timeout=30000)
    assert not any(isinstance(e, Finished) for e in ear.of(first))  # given up on the way
    assert not ear.of(second)  # never begun
    assert isinstance(ear.of(third)[-1], Finished)


def test_stop_ends_a_run_in_its_middle(engine, qtbot):
    ear = Ear(engine)
    number = engine.complete("transformer", "mnist", request(8, every=0.005))
    qtbot.waitUntil(lambda: any(isinstance(e, Progress) for e in ear.of(number)), timeout=30000)
    engine.stop()
    qtbot.waitUntil(lambda: ear.ends == [number], timeout=30000)
    assert not any(isinstance(e, Finished) for e in ear.of(number))
    again = engine.complete("vssm", "mnist", request())
    qtbot.waitUntil(lambda: again in ear.ends, timeout=30000)
    assert isinstance(ear.of(again)[-1], Finished)


def test_a_pause_holds_the_run_and_the_rest_goes_on_from_there(engine, qtbot):
    """Nothing is computed twice: as many network calls, and the same picture, as without a pause."""
    ear = Ear(engine)
    whole = engine.complete("transformer", "mnist", request(8, every=0.005))
    qtbot.waitUntil(lambda: ear.ends == [whole], timeout=30000)
    number = engine.complete("transformer", "mnist", request(8, every=0.005))
    qtbot.waitUntil(lambda: any(isinstance(e, Progress) for e in ear.of(number)), timeout=30000)
    engine.pause()
    qtbot.wait(300)
    held = ear.of(number)[-1]
    qtbot.wait(300)
    assert ear.of(number)[-1] is held and ear.ends == [whole]
    engine.go_on()
    qtbot.waitUntil(lambda: number in ear.ends, timeout=30000)
    once, twice = ear.of(whole)[-1], ear.of(number)[-1]
    assert twice.network_calls == once.network_calls and np.array_equal(twice.images, once.images)
    calls = [e.network_calls for e in ear.of(number) if isinstance(e, Progress)]
    assert calls == sorted(calls) and held.network_calls < calls[-1]


def test_a_pause_that_comes_too_late_holds_nothing(engine, qtbot):
    ear = Ear(engine)

    def late(number, event):
        if isinstance(event, Finished):
            engine.pause()

    engine.happened.connect(late, Qt.ConnectionType.DirectConnection)
    number = engine.complete("vssm", "mnist", request())
    qtbot.waitUntil(lambda: ear.ends == [number], timeout=30000)


@pytest.mark.parametrize("how", ["stop", "complete", "close"])
def test_a_paused_run_can_be_left(qtbot, no_threads_left, how):
    engine = started()
    ear = Ear(engine)
    number = engine.complete("transformer", "mnist", request(8, every=0.005))
    qtbot.waitUntil(lambda: any(isinstance(e, Progress) for e in ear.of(number)), timeout=30000)
    engine.pause()
    qtbot.wait(200)
    if how != "close":
        next_ = engine.stop() if how == "stop" else engine.complete("vssm", "mnist", request())
        qtbot.waitUntil(lambda: ear.ends == ([number] if how == "stop" else [number, next_]), timeout=30000)
    assert not any(isinstance(e, Finished) for e in ear.of(number))
    assert engine.close()


def test_a_run_comes_before_models_not_yet_asked_for(engine, qtbot):
    ear = Ear(engine)
    engine.preload(["vssm", "transformer"], "mnist")
    number = engine.complete("vssm", "mnist", request())
    qtbot.waitUntil(lambda: "transformer" in ear.ready, timeout=30000)
    assert ear.order.index(("end", number)) < ear.order.index(("load", "transformer"))


def test_a_broken_checkpoint_is_told_and_the_other_model_works(broken_folder, qtbot, no_threads_left):
    engine = started(broken_folder)
    ear = Ear(engine)
    engine.preload(["vssm", "transformer"], "mnist")
    qtbot.waitUntil(lambda: ear.ready == ["transformer"], timeout=30000)
    assert len(ear.sentences) == 1 and "vssm-mnist.safetensors is broken" in ear.sentences[0][1]
    bad = engine.complete("vssm", "mnist", request())
    qtbot.waitUntil(lambda: bad in ear.ends, timeout=30000)
    assert ear.sentences[-1][0] == bad and not ear.of(bad)
    good = engine.complete("transformer", "mnist", request())
    qtbot.waitUntil(lambda: good in ear.ends, timeout=60000)
    assert isinstance(ear.of(good)[-1], Finished)
    assert engine.close()


def test_what_a_caller_gets_wrong_is_one_sentence(engine, qtbot):
    ear = Ear(engine)
    wrong = Prompt(np.zeros((4, 4, 1), np.uint8), np.zeros((4, 4), bool))
    full = Prompt.empty(28, 28, 1).with_rows(28)
    for prompt in (wrong, full):
        number = engine.complete("vssm", "mnist", GenerationRequest(prompt))
        qtbot.waitUntil(lambda n=number: n in ear.ends, timeout=30000)
    assert "needs (28, 28, 1)" in ear.sentences[0][1] and "nothing to complete" in ear.sentences[1][1]


def test_a_mistake_in_a_model_is_one_sentence_and_the_thread_lives(engine, qtbot, capfd):
    """A request that is no request makes the generator raise something that is no UserError."""
    ear = Ear(engine)
    number = engine.complete("vssm", "mnist", "no request")
    qtbot.waitUntil(lambda: number in ear.ends, timeout=30000)
    assert ear.sentences[0][1].startswith("The model failed (AttributeError")
    assert "Traceback" in capfd.readouterr().err
    again = engine.complete("vssm", "mnist", request())
    qtbot.waitUntil(lambda: again in ear.ends, timeout=30000)
    assert isinstance(ear.of(again)[-1], Finished)


def test_too_much_for_memory_is_one_sentence(engine, qtbot):
    ear = Ear(engine)
    prompt = Prompt.empty(28, 28, 1).with_rows(14)
    number = engine.complete("transformer", "mnist", GenerationRequest(prompt, 10**9))
    qtbot.waitUntil(lambda: number in ear.ends, timeout=30000)
    assert ear.sentences == [(number, "There is not enough memory for this; ask for fewer samples.")]


def test_too_long_for_memory_is_told_what_to_do(qtbot, tmp_path):
    """Of equal networks: there are no samples to ask fewer of."""
    heard = []
    worker = Worker(tmp_path, heard.append)

    def too_much(job):
        np.zeros(2**60, np.uint8)

    worker._guard(3, too_much, StartRun(3, "", "mnist", scaling.ScalingRequest()))
    assert heard == [Failed(3, "There is not enough memory for this; choose a smaller largest T.")]


def test_an_unknown_device_is_one_sentence(engine, qtbot):
    ear = Ear(engine)
    engine.use("abacus")
    number = engine.complete("vssm", "mnist", request())
    qtbot.waitUntil(lambda: number in ear.ends, timeout=30000)
    assert "There is no device 'abacus' here" in ear.sentences[0][1]


def test_closing_in_the_middle_ends_the_thread(qtbot, no_threads_left):
    engine = started()
    ear = Ear(engine)
    number = engine.complete("transformer", "mnist", request(8))
    qtbot.waitUntil(lambda: len(ear.of(number)) > 2, timeout=30000)
    assert engine.close()
    assert ear.ends == []  # after closing nothing is heard any more
