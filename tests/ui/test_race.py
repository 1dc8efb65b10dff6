"""Races: what they record and say at any time; and the panel in the whole window, by real keys and clicks."""

import itertools

import numpy as np
import pytest
import torch
from commands import calls
from conftest import opened, running_threads
from hypothesis import given, settings
from hypothesis import strategies as st
from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtWidgets import QCheckBox, QComboBox, QToolButton
from racing import H, W, contestant, events, nearly_whole, raced, rest, run_race, weights
from windows import LEFT, LONG, choose, complete, press, take, type_in

from app.core import formatting, race
from app.core.race import Axis, Contestant, PlaybackClock, Race
from app.core.settings import CompletionSettings
from app.ui import theme
from app.ui.panels.race import REPLAY
from app.ui.widgets.race_card import TINTS, RaceCard, RaceCards, colours_of
from vssm import checkpoint, data
from vssm.files.examples import examples
from vssm.models import registry
from vssm.sampling.events import Drafts, Progress
from vssm.sampling.generator import Generator

NAMES = list(registry.PRESETS)


@st.composite
def races(draw) -> Race:
    """Up to five contestants, some with latents, some stopped on the way, all with clocks of their own."""
    told = []
    for model in draw(st.permutations(NAMES))[: draw(st.integers(1, 5))]:
        asked = contestant(model, draw(st.integers(0, H * W - 1)))
        unknown = H * W - int(asked.request.prompt.known.sum())
        levels = draw(st.integers(0, 3))
        tokens = sorted(draw(st.lists(st.integers(0, unknown), max_size=6)))
        end = draw(st.booleans()) or not tokens
        tokens = [*tokens, unknown] if end else tokens
        steps = draw(st.lists(st.floats(0, 2), min_size=levels + len(tokens), max_size=levels + len(tokens)))
        told.append((asked, events(asked, list(itertools.accumulate(steps)), tokens, levels, end)))
    return raced(*told)


def same(a: race.State, b: race.State) -> bool:
    return (a.frame, a.seconds, a.place, a.track) == (b.frame, b.seconds, b.place, b.track)


# --- what a race says


@settings(max_examples=60)
@given(races(), st.lists(st.floats(-1, 20), min_size=1, max_size=12))
def test_at_any_time(made, times):
    """Nobody ever loses a token; who is through has what it finished with; scrubbing to and fro changes nothing."""
    there = [made.at(t) for t in sorted(times)]
    for earlier, later in itertools.pairwise(there):
        for a, b in zip(earlier, later, strict=True):
            assert a.frame.tokens <= b.frame.tokens and a.frame.calls <= b.frame.calls and a.seconds <= b.seconds
            assert not (a.frame.filled & ~b.frame.filled).any() and (a.place is None or a.place == b.place)
    for t, before in zip(sorted(times, reverse=True), reversed(there), strict=True):  # back again
        assert all(same(a, b) for a, b in zip(before, made.at(t), strict=True))
    for state in itertools.chain(*there):
        assert state.frame.seconds <= max(state.seconds, 0) and state.seconds <= state.track.end
    for state in made.at(made.duration):
        end = state.track.finished
        assert state.done == (end is not None) and state.frame is state.track.frames[-1]
        if end is not None:
            assert np.array_equal(state.frame.picture, end.images[0]) and state.frame.filled.all()
            assert (state.frame.tokens, state.frame.calls) == (end.tokens, end.network_calls)
            assert state.seconds == end.seconds + end.prompt_seconds
    assert all(s.frame.tokens == 0 and s.frame.calls == 0 for s in made.at(-1.0))


@settings(max_examples=60)
@given(races())
def test_steps_visit_every_frame_and_come_back(made):
    """To the right until the end, then to the left to the start, over the same moments."""
    there, back = [0.0], [made.duration]
    while there[-1] < made.duration:
        there.append(made.step(there[-1], 1))
    assert there == made.moments == sorted(set(there)) and made.step(there[-1], 1) == there[-1]
    while back[-1] > 0:
        back.append(made.step(back[-1], -1))
    assert back == there[::-1] and made.step(0.0, -1) == 0.0
    for a, b in itertools.pairwise(there):  # from between two frames
        if a < (a + b) / 2 < b:
            assert (made.step((a + b) / 2, 1), made.step((a + b) / 2, -1)) == (b, a)


def test_places_and_words():
    one, two, three = contestant("vssm"), contestant("transformer"), contestant("mamba")
    made = raced(
        (two, events(two, [1.0, 3.7], [6, 12])),
        (one, events(one, [0.05, 0.08, 0.1], [12], levels=2)),
        (three, events(three, [0.5, 0.9], [1, 2], end=False)),
    )
    assert [made.place(track) for track in made.tracks] == [2, 1, None]
    assert made.words == "VSSM first in 0.10 s; Transformer takes 37 × as long" and made.duration == 3.7
    assert [s.place for s in made.at(1.0)] == [None, 1, None]
    assert [s.words for s in made.at(3.7)] == [
        "Transformer: second, 3.70 s, 12 of 12 pixels, 2 network calls",
        "VSSM: first, 0.10 s, 12 of 12 pixels, 3 network calls",
        "Mamba: 0.90 s, 2 of 12 pixels, 2 network calls",
    ]
    level = made.at(0.06)[1].frame
    assert (level.level.number, level.level.levels, level.tokens, level.calls) == (1, 2, 0, 1)
    tie = raced((one, events(one, [1.0], [12])), (two, events(two, [1.0], [12])), (three, events(three, [2.0], [12])))
    assert [tie.place(track) for track in tie.tracks] == [1, 1, 3]
    assert tie.words == "VSSM and Transformer tie in 1.00 s; Mamba takes 2.0 × as long"
    assert [s.words.partition(",")[0] for s in tie.at(2.0)] == [
        "VSSM: tied for first",
        "Transformer: tied for first",
        "Mamba: third",
    ]
    assert Race.of((one, two)).words == "" and [race.short(i) for i in (1, 2, 3, 4)] == ["1st", "2nd", "3rd", "4th"]


def test_words_on_several_who_came_later():
    one, two, three = contestant("vssm"), contestant("transformer"), contestant("mamba")
    made = raced(*((who, events(who, [end], [12])) for who, end in ((one, 0.1), (two, 1.0), (three, 0.2))))
    assert made.words == "VSSM first in 0.10 s; Mamba takes 2.0 ×, Transformer 10 × as long"


@pytest.mark.parametrize(
    ("number", "size", "columns"),
    [
        (2, (460, 440), 2),
        (2, (282, 390), 1),
        (5, (880, 240), 5),
        (5, (900, 700), 3),
        (5, (282, 600), 2),
        (5, (466, 400), 3),
    ],
)
def test_cards_lie_where_their_pictures_are_largest_and_say_all_they_have_to(qtbot, number, size, columns):
    told = [(one, events(one, [0.019], [12])) for one in map(contestant, NAMES[:number])]
    made, cards = raced(*told), RaceCards()
    qtbot.addWidget(cards)
    cards.setStyleSheet("#number { font-size: 17px; font-weight: 600 }")
    cards.deal([RaceCard(track.contestant) for track in made.tracks])
    cards.resize(*size)
    cards.show()
    assert cards.minimumSizeHint().height() <= size[1]
    for card, state in zip(cards.cards, made.at(1.0), strict=True):
        card.note.hide()
        card.show_state(state, "", True)

    def as_they_should() -> None:
        assert len({card.x() for card in cards.cards}) == columns and len({card.size() for card in cards.cards}) == 1
        for card in cards.cards:
            assert cards.rect().contains(card.geometry()) and card.picture.width() == card.picture.height() >= 84
            shown = card.picture, card.name, card.place, card.clock, card.tokens, card.calls
            lies = [QRect(one.mapTo(card, QPoint()), one.size()) for one in shown]
            assert all(card.rect().contains(one) for one in lies)
            assert not any(one.intersects(other) for one, other in itertools.combinations(lies, 2))
            assert all(one.width() >= one.sizeHint().width() for one in (card.clock, card.place))

    qtbot.waitUntil(as_they_should)


def test_a_call_that_tells_of_latents_and_pixels_is_one_frame():
    asked = contestant("vssm-paper")
    _, latents, progress, finished = events(asked, [0.1, 0.1], [12], levels=1)
    track = raced((asked, [latents, Progress(0.1, 12, 1, progress.images, progress.filled), finished])).tracks[0]
    assert [(f.calls, f.tokens) for f in track.frames] == [(0, 0), (1, 12)] and track.frames[1].level.number == 1
    assert track.frames[1].fresh.sum() == 12


def test_a_race_is_of_one_sample_with_every_call_told():
    assert contestant().request.every == 0
    with pytest.raises(ValueError, match="one sample"):
        Contestant("mnist", CompletionSettings("vssm", samples=2), contestant().prompt)


def test_marks_of_a_round():
    """Drafted, then three accepted, one drawn anew, two rejected."""
    asked = contestant("asarm", known=0)
    place = np.arange(H * W).reshape(1, H, W)
    proposed, images = place < 6, np.zeros((1, H, W, 1), np.uint8)
    nothing = np.zeros_like(proposed)
    made = raced((asked, [
        Progress(1.0, 0, 1, images, nothing, 6, 0, Drafts(images, proposed, nothing)),
        Progress(2.0, 4, 2, images, place < 4, 6, 3, Drafts(images, proposed, place < 3)),
    ]))  # fmt: skip
    drafting, verified = (made.at(t)[0].frame.marks for t in (1.0, 2.0))
    assert np.array_equal(drafting.drafted, proposed[0])
    assert not (drafting.accepted | drafting.redrawn | drafting.rejected).any() and not verified.drafted.any()
    where = [np.flatnonzero(m).tolist() for m in (verified.accepted, verified.redrawn, verified.rejected)]
    assert where == [[0, 1, 2], [3], [4, 5]]
    assert made.at(0.5)[0].frame.marks is None


@settings(max_examples=60)
@given(st.floats(1e-4, 1e3), st.booleans(), st.floats(1e-5, 1), st.floats(0, 1))
def test_the_axis_there_and_back(duration, logarithmic, least, share):
    axis = Axis(duration, logarithmic, least)
    assert axis.share(axis.seconds(share)) == pytest.approx(share, abs=1e-6)
    shares = [axis.share(s) for s in sorted([0.0, least, duration / 3, duration])]
    assert shares[0] == 0 and shares[-1] == pytest.approx(1) and shares == sorted(shares)
    assert all(0 <= t <= duration * (1 + 1e-9) for t in axis.ticks()) and len(axis.ticks()) < 12


def test_the_clock_of_a_replay():
    clock = PlaybackClock(10.0)
    assert clock.at(100.0) == 0 and not clock.going
    clock.go(100.0)
    assert clock.at(104.0) == 4
    clock.change(1 / 4, 104.0)
    assert clock.at(108.0) == 5
    clock.hold(108.0)
    assert clock.at(200.0) == 5 and not clock.going
    clock.change(1 / 16, 200.0)
    clock.go(200.0)
    assert clock.at(216.0) == 6 and clock.at(1e4) == 10
    clock.go(1e4)  # at the end: from the start
    assert clock.at(1e4) == 0
    clock.put(99.0, 1e4)
    assert clock.at(1e4) == 10


# --- what models give


@pytest.mark.parametrize(("name", "mode"), [
    ("vssm", "parallel"), ("vssm", "chunked"), ("vssm-paper", "sequential"), ("vssm-paper", "chunked"),
    ("transformer", None), ("asarm", "assd"), ("asarm", "masked"),
])  # fmt: skip
def test_recordings_of_the_shipped_weights(name, mode):
    """A frame for every call, whatever the sampler, on a third of a picture; they are small."""
    torch.set_num_threads(1)
    generator = Generator(checkpoint.load(checkpoint.shipped(name, "mnist")), torch.device("cpu"))
    prompt = examples(data.MNIST)[0].prompt.with_rows(20)
    asked = Contestant("mnist", CompletionSettings(name, mode, seed=3), prompt)
    track = raced((asked, list(generator.generate(asked.request)))).tracks[0]
    assert [f.calls for f in track.frames] == list(range(track.finished.network_calls + 1))
    assert track.frames[-1].tokens == track.tokens == track.finished.tokens
    assert track.end == pytest.approx(track.finished.seconds + track.finished.prompt_seconds)
    assert sum(f.fresh.sum() for f in track.frames) == track.tokens
    assert sum(f.picture.nbytes + f.filled.nbytes + f.fresh.nbytes for f in track.frames) < 1e6
    if mode == "assd":
        rounds = [f.marks for f in track.frames if f.marks is not None]
        assert (
            sum(m.drafted.sum() for m in rounds)
            + sum(  # the last draft may stand without being verified
                m.accepted.sum() for m, before in zip(rounds[1:], rounds, strict=False) if not before.drafted.any()
            )
            == track.finished.drafted
        )
        assert sum(m.accepted.sum() for m in rounds) == track.finished.accepted


# --- in the window


@pytest.fixture
def three(no_threads_left, qtbot, tmp_path):
    """A window with the weights of three models, which is quicker than with all."""
    yield from opened(qtbot, tmp_path / "session.json", weights(tmp_path, "vssm", "transformer", "asarm"))


def looks(window) -> list:
    """All that the cards show."""
    return [
        (r.clock.text(), r.place.text(), r.tokens.text(), r.calls.text(), r.note.text(), r.picture.grab().toImage())
        for r in window.race.cards
    ]


def tick(qtbot, box) -> None:
    """Click a check box where its mark is."""
    qtbot.mouseClick(box, LEFT, pos=QPoint(8, box.height() // 2))


def under_way(window):
    """For qtbot.waitUntil: whether the second contestant has drawn some pixels."""
    return lambda: window.race.race.tracks[1].frames[-1].tokens > 5


def test_one_key_races_all_who_are_ticked_and_plays_the_race(three, qtbot):
    window, panel = three, three.race
    nearly_whole(qtbot, window)
    window.bar.temperature.setValue(0.9)
    assert not panel.isVisible() and panel.entrants.chosen == ["vssm", "transformer", "asarm"]
    assert not panel.entrants.boxes["mamba"].isEnabled() and "has no weights" in panel.entrants.boxes["mamba"].toolTip()
    press(qtbot, window, "Shift+R")
    assert panel.isVisible() and not window.completion.isVisible() and window.sketch.isVisible()
    assert panel.running and not panel.replayable and window.actions_["stop"].isEnabled()
    seen = set()

    def over():
        seen.add((panel.words.text().partition(" (")[0], panel.cards[1].calls.text()))
        return not panel.running

    qtbot.waitUntil(over, timeout=LONG)
    assert any(words == "Transformer is on the clock" for words, _ in seen)
    made = panel.race
    assert [track.contestant.model for track in made.tracks] == ["vssm", "transformer", "asarm"]
    asked = [track.contestant.request for track in made.tracks]
    assert {(r.seed, r.temperature, r.samples, r.every) for r in asked} == {(window.bar.seed.value(), 0.9, 1, 0)}
    assert all(np.array_equal(r.prompt.known, window.canvas.sketch.known) for r in asked)
    assert [len(track.frames) for track in made.tracks][:2] == [calls("vssm", 112)[0] + 1, 114]
    assert window.runs.history == [] and window.messages.text == ""
    qtbot.waitUntil(lambda: not panel.playing, timeout=LONG)  # at true speed, to its end
    assert panel.seconds == made.duration and panel.cards[0].place.text() == "1st"
    assert [r.place.text() for r in panel.cards] == [race.short(made.place(x), made.tied(x)) for x in made.tracks]
    assert panel.words.text() == panel.words.accessibleName() == made.words and " first in " in made.words
    assert " × as long" in made.words  # of the slower two, which may be too close to tell
    qtbot.keyClick(panel.axis, Qt.Key.Key_Home)
    assert panel.words.text() == REPLAY  # who has won is seen first
    qtbot.keyClick(panel.axis, Qt.Key.Key_End)
    assert panel.words.text() == made.words
    for runner, track in zip(panel.cards, made.tracks, strict=True):
        place, prompt = race.ordinal(made.place(track)), asked[0].prompt
        place = f"tied for {place}" if made.tied(track) else place
        assert runner.accessibleName().startswith(f"{track.contestant.title}: {place}, ")
        assert "112 of 112 pixels" in runner.accessibleName()
        assert (track.finished.images[0, prompt.known] == prompt.pixels[prompt.known]).all()
    run = complete(qtbot, window)  # and back to completions
    assert run.finished is not None and window.completion.isVisible() and not panel.isVisible()
    press(qtbot, window, "V")
    assert panel.isVisible() and panel.race is made and window.actions_["pause"].isEnabled()


def test_a_card_fills_in_while_its_contestant_runs(three, qtbot):
    window, panel = three, three.race
    take(qtbot, window, 7)  # nothing is known: the slowest race
    press(qtbot, window, "V")
    for name in ("vssm", "asarm"):
        tick(qtbot, panel.entrants.boxes[name])

    held = []

    def hold(number, event):
        """In the thread of the model, so that it stands there however seldom the window paints."""
        if isinstance(event, Progress) and event.tokens >= 9 and not held:
            held.append(event)
            window.engine.pause()

    window.engine.happened.connect(hold, Qt.ConnectionType.DirectConnection)
    press(qtbot, window, "Shift+R")
    (runner,) = panel.cards
    empty = runner.picture.grab().toImage()

    def told():
        tokens = panel.race.tracks[0].frames[-1].tokens
        return tokens >= 9 and runner.tokens.text().startswith(f"{tokens} of ")

    qtbot.waitUntil(told, timeout=LONG)
    assert panel.running and runner.calls.text() == f"{panel.race.tracks[0].frames[-1].calls} network calls"
    assert runner.clock.text() == formatting.seconds(panel.race.tracks[0].end) and runner.place.text() == " "
    assert runner.picture.grab().toImage() != empty
    window.engine.go_on()
    qtbot.waitUntil(lambda: not panel.running, timeout=LONG)


def test_the_replay_by_keys_and_mouse(three, qtbot):
    window, panel, axis = three, three.race, three.race.axis
    nearly_whole(qtbot, window)
    made = run_race(qtbot, window)
    rest(qtbot, window)
    assert axis.hasFocus()
    qtbot.keyClick(axis, Qt.Key.Key_Home)
    assert panel.seconds == 0 and all(r.tokens.text() == "0 of 112 pixels" for r in panel.cards)
    found = []
    for moment in made.moments[1:10]:
        qtbot.keyClick(axis, Qt.Key.Key_Right)
        assert panel.seconds == moment
        found.append(looks(window))
    for before in reversed(found[:-1]):
        press(qtbot, window, "Shift+Left")
        assert looks(window) == before
    press(qtbot, window, "Shift+Right")
    assert looks(window) == found[1]
    said = []
    for frame in made.tracks[0].frames[1:]:
        panel.put(frame.seconds)
        said.append(panel.cards[0].tokens.text())
    levels = made.tracks[0].started.num_levels
    drawn = ["global code", *(f"level {i} of {levels}" for i in range(1, levels + 1))]
    assert said == [*(f"entropy of {what}" if i else "entropy of the global code" for i, what in enumerate(drawn)),
                    "112 of 112 pixels"]  # fmt: skip
    qtbot.keyClick(axis, Qt.Key.Key_End)
    assert panel.seconds == pytest.approx(made.duration)
    middle = QPoint(axis.width() // 2, axis.height() // 2)
    qtbot.mouseClick(axis, LEFT, pos=middle)
    half, half_way = panel.seconds, looks(window)
    assert half == pytest.approx(made.duration / 2, rel=0.02) and not panel.playing
    qtbot.mousePress(axis, LEFT, pos=middle)
    qtbot.mouseMove(axis, QPoint(axis.width() - 12, 10))
    assert panel.seconds > 0.9 * made.duration and looks(window) != half_way
    qtbot.mouseMove(axis, middle)
    qtbot.mouseRelease(axis, LEFT, pos=middle)
    assert panel.seconds == half and looks(window) == half_way
    tick(qtbot, panel.log)
    assert panel.log.isChecked() and panel.seconds == half and axis.axis.logarithmic
    assert axis.value() > 0.6 * axis.maximum()  # the fast have room now
    speeds = []
    for _ in race.SPEEDS:
        press(qtbot, window, "S")
        speeds.append(panel.speed.currentData())
    assert speeds == [1 / 4, 1 / 16, 1]
    press(qtbot, window, "S")
    press(qtbot, window, "P")
    assert panel.playing and window.actions_["pause"].text() == panel.pause.accessibleName() == "Pause"
    qtbot.waitUntil(lambda: panel.seconds > half, timeout=LONG)
    press(qtbot, window, "P")
    assert not panel.playing and window.actions_["pause"].text() == panel.pause.accessibleName() == "Continue"
    resting = panel.seconds
    qtbot.wait(60)
    assert panel.seconds == resting and made is panel.race


def test_drafts_are_coloured_round_by_round(three, qtbot):
    window, panel = three, three.race
    take(qtbot, window, 0)
    press(qtbot, window, "V")
    for name in ("vssm", "transformer"):
        tick(qtbot, panel.entrants.boxes[name])
    assert panel.entrants.chosen == ["asarm"]
    type_in(qtbot, window.bar.temperature, "1.6")  # so that drafts are rejected
    made = run_race(qtbot, window)
    rest(qtbot, window)
    assert panel.legend.isVisible() and all(name in panel.legend.text() for name in TINTS)
    known = made.tracks[0].contestant.request.prompt.known
    frames = [f for f in made.tracks[0].frames if f.marks is not None]
    drafting = next(f for f in frames if f.marks.drafted.any())
    verified = next(f for f in frames if f.marks.rejected.any())
    for frame, names in ((drafting, ["drafted"]), (verified, ["accepted", "redrawn", "rejected"])):
        colours = colours_of(frame, known)
        shades = [{tuple(c) for c in colours[getattr(frame.marks, name)].tolist()} for name in names]
        assert all(shades) and all(not a & b for a, b in itertools.combinations(shades, 2))
        assert not set().union(*shades) & {(v, v, v) for v in (0, 255)}  # as no pixel that stands
        panel.put(frame.seconds)
        assert panel.cards[0].note.text().endswith("drafts stood")
        assert f"{frame.tokens} of {made.tracks[0].tokens} pixels" in panel.cards[0].accessibleName()
        assert panel.axis.accessibleDescription().startswith(formatting.seconds(frame.seconds))
    for colours in (theme.LIGHT, theme.DARK):
        window.choose_theme("dark" if colours.dark else "light")
        assert colours.model("asarm") in panel.cards[0].name.styleSheet()


def test_escape_stops_and_another_race_begins_anew(three, qtbot):
    window, panel = three, three.race
    press(qtbot, window, "Ctrl+D")
    press(qtbot, window, "Shift+R")
    qtbot.waitUntil(under_way(window), timeout=LONG)
    press(qtbot, window, "Escape")
    assert not window.actions_["stop"].isEnabled() and panel.words.text() == "Stopping …"
    qtbot.waitUntil(lambda: not panel.running, timeout=LONG)
    first, second, third = panel.race.tracks
    assert first.finished and second.finished is None and 5 < second.frames[-1].tokens < 784 and not third.begun
    assert panel.words.text().startswith("Stopped. VSSM first in") and not panel.playing
    assert [r.clock.text() for r in panel.cards][1:] == ["stopped", "stopped"]
    assert panel.cards[0].place.text() == "1st"
    press(qtbot, window, "Shift+R")
    qtbot.waitUntil(under_way(window), timeout=LONG)
    press(qtbot, window, "Shift+R")  # in the middle of it
    assert panel.race.tracks[0].frames[1:] == () and panel.running
    qtbot.waitUntil(under_way(window), timeout=LONG)
    assert complete(qtbot, window).finished is not None  # which gives the race up
    assert not panel.running and not panel.isVisible()
    press(qtbot, window, "Shift+R")
    press(qtbot, window, "Escape")  # before anybody was asked
    qtbot.waitUntil(lambda: not panel.running, timeout=LONG)
    assert panel.words.text() == "Stopped." and not panel.replayable


def test_a_race_that_cannot_be_is_told_and_another_data_set_ends_one(three, qtbot):
    window, panel = three, three.race
    press(qtbot, window, "Ctrl+D")
    press(qtbot, window, "Shift+R")
    qtbot.waitUntil(under_way(window), timeout=LONG)
    press(qtbot, window, "Ctrl+2")
    assert panel.race is None and panel.entrants.chosen == [] and not panel.running
    press(qtbot, window, "Shift+R")
    assert "Nobody is ticked" in window.messages.text
    press(qtbot, window, "Ctrl+1")
    assert panel.entrants.chosen == ["vssm", "transformer", "asarm"]
    press(qtbot, window, "Ctrl+A")
    press(qtbot, window, "Shift+R")
    assert "nothing to race for" in window.messages.text and not panel.running


def test_closing_in_the_middle_of_a_race(three, qtbot):
    press(qtbot, three, "Ctrl+D")
    press(qtbot, three, "Shift+R")
    qtbot.waitUntil(under_way(three), timeout=LONG)
    press(qtbot, three, "Ctrl+Q")
    assert not three.isVisible() and running_threads() == []


def test_samplers_are_those_chosen_and_who_fails_does_not_hold_up_the_rest(no_threads_left, qtbot, tmp_path):
    folder = weights(tmp_path, "vssm", "asarm")
    (folder / checkpoint.shipped("transformer", "mnist").name).write_bytes(b"broken")
    for window in opened(qtbot, tmp_path / "session.json", folder):
        nearly_whole(qtbot, window)
        choose(qtbot, window, "asarm")
        for _ in range(3):
            press(qtbot, window, "M")
        made = run_race(qtbot, window)
        assert [track.contestant.title for track in made.tracks] == ["VSSM", "Transformer", "AS-ARM masked 16"]
        assert [bool(track.finished) for track in made.tracks] == [True, False, True]
        assert made.tracks[2].finished.sampler == "masked" and made.tracks[2].finished.parameter == 16
        assert window.messages.text and window.race.cards[1].clock.text() == "failed"
        rest(qtbot, window)


def test_the_race_takes_the_place_of_completions_and_gives_it_back(three, qtbot):
    window = three
    panels = window.sketch, window.completion, window.timing, window.latents
    for size in (QSize(1000, 600), window.size()):
        window.resize(size)
        qtbot.wait(20)
        before = [panel.geometry() for panel in panels]
        press(qtbot, window, "V")
        qtbot.wait(20)
        assert window.race.isVisible() and not window.completion.isVisible() and window.size() == size
        assert window.sketch.width() == pytest.approx(before[0].width(), abs=12)
        for one in itertools.chain(*map(window.race.findChildren, (QToolButton, QComboBox, QCheckBox))):
            if not one.isVisible():  # the bars' have no place yet
                continue
            assert one.width() >= one.sizeHint().width(), one.accessibleName()
            assert window.rect().contains(QRect(one.mapTo(window, QPoint()), one.size()))
        press(qtbot, window, "V")
        qtbot.wait(20)
        assert [panel.geometry() for panel in panels] == before


def test_a_pen_that_is_followed_live_does_not_disturb_the_timing(three, qtbot, draw):
    window, panel = three, three.race
    nearly_whole(qtbot, window)
    run_race(qtbot, window)
    window.live.turn(True)
    panel.bars.times.setValue(50)
    press(qtbot, window, "Ctrl+Shift+R")
    history = list(window.runs.history)
    qtbot.waitUntil(lambda: panel.repeating and panel.job.number > 0, timeout=LONG)
    draw(window.canvas, [(4, 26), (20, 27)])
    assert window.live.policy.ask_at is not None
    qtbot.waitUntil(lambda: window.live.policy.ask_at is None, timeout=LONG)
    qtbot.waitUntil(lambda: panel.job is None or panel.job.turn > 1, timeout=LONG)
    assert panel.repeating and window.runs.running is None and window.runs.history == history
    press(qtbot, window, "Escape")
    qtbot.waitUntil(lambda: panel.job is None, timeout=LONG)
