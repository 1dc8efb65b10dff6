"""Places and ties: what one noisy measurement may not decide."""

import csv
import io
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from making import asked_run
from racing import contestant, events

from app.core import csv_export, places, race, race_timing
from app.core import run as runs
from app.core.places import SPREAD, Place, Times, ahead
from app.ui import race_gif
from app.ui.panels.race import RacePanel

SECONDS = st.floats(1e-3, 1e2)
TIMES = st.builds(Times, st.dictionaries(st.integers(0, 9), SECONDS, min_size=1), st.floats(places.LEAST, 0.5))


@given(st.lists(TIMES, min_size=1, max_size=6), st.randoms())
@settings(max_examples=200)
def test_places_are_those_of_a_competition(times, rng):
    made = places.places(times)
    order = sorted(range(len(times)), key=lambda i: times[i].median)
    numbers = [made[i].number for i in order]
    assert numbers[0] == 1 and numbers == sorted(numbers)
    for at, number in enumerate(numbers, 1):
        shared = numbers.count(number)
        assert number == 1 + numbers.index(number) and number <= at < number + shared  # 1, 1, 3
        assert made[order[at - 1]].tied == (shared > 1)
    for i in order:
        leader = times[order[numbers.index(made[i].number)]]
        assert not ahead(leader, times[i]) or leader is times[i]
    assert not any(ahead(a, b) and ahead(b, a) for a in times for b in times)


@given(TIMES, st.floats(1.5, 50))
def test_the_same_contestant_ties_with_itself_and_not_with_one_far_slower(times, factor):
    assert places.places([times, times]) == [Place(1, True)] * 2
    steady = Times({0: 1.0}, 0.02)
    assert places.places([Times({0: factor}, 0.02), steady]) == [Place(2), Place(1)]


def test_equals_do_not_swap_from_race_to_race():
    """Two of the same model: one time each, and repeats, on a machine whose load comes and goes."""
    rng = np.random.default_rng(3)
    decided = {1: 0, 6: 0}
    for _ in range(400):
        for turns in decided:
            load = np.exp(rng.normal(0, 0.3, turns)) if turns > 1 else np.ones(1)
            a, b = (dict(enumerate(load * np.exp(rng.normal(0, 0.1, turns)))) for _ in range(2))
            decided[turns] += ahead(Times(a), Times(b)) + ahead(Times(b), Times(a))
    assert decided[1] < 0.08 * 400 and decided[6] < 0.08 * 400


def test_repeats_tell_what_one_time_cannot():
    """A contestant a twentieth slower: lost in the noise at first, seen in pairs, however the load changes."""
    rng = np.random.default_rng(4)
    load = np.exp(rng.normal(0, 0.5, 8))
    fast = dict(enumerate(load * np.exp(rng.normal(0, 0.01, 8))))
    slow = dict(enumerate(1.05 * load * np.exp(rng.normal(0, 0.01, 8))))
    assert ahead(Times(fast), Times(slow)) and not ahead(Times(slow), Times(fast))
    assert not ahead(Times({0: fast[0]}), Times({0: slow[0]}))
    few = {turn: fast[turn] for turn in range(places.PAIRS - 1)}
    assert not ahead(Times(few), Times(slow))
    outlier = fast | {3: 50.0}  # a turn on a busy machine
    assert ahead(Times(outlier), Times(slow))


def test_the_tolerance_is_learned_from_repeats():
    assert places.spread([]) == places.spread([[1.0], [3.0]]) == places.spread([[1.0, 1.01], [3.0]]) == SPREAD
    rng = np.random.default_rng(5)
    for true in (0.03, 0.3):
        series = [base * np.exp(rng.normal(0, true, 20)) for base in (0.01, 1.0, 5.0)]
        assert places.spread(series) == pytest.approx(true, rel=0.4)
    drift = np.exp(np.linspace(0, 1, 50))  # a machine that slows down
    assert places.spread([drift]) < 0.03
    assert places.spread([[1.0] * 9]) == places.LEAST
    assert ahead(Times({0: 1.0}, 0.02), Times({0: 1.1}, 0.02)) and not ahead(Times({0: 1.0}), Times({0: 1.1}))


def test_a_few_repeats_that_differ_much_make_ties():
    """Times of two models on a busy machine, race after race, none of which tells who is faster."""
    first, second = (12.7, 14.8, 35.0, 20.3), (9.8, 21.1, 6.3, 30.0)
    for races in range(2, places.PAIRS):
        a, b = (Times(dict(enumerate(t[:races])), places.spread([t[:races]])) for t in (first, second))
        assert not ahead(a, b) and not ahead(b, a)
    assert places.spread([[1.0, 2.0]]) > SPREAD


# --- wherever a race is told of


def one_race(a: float, b: float, c: float) -> race.Race:
    made = race.Race.of(tuple(contestant(name) for name in ("vssm", "vssm-paper", "transformer")))
    for number, seconds in enumerate((a, b, c)):
        for event in events(made.tracks[number].contestant, [seconds], [12]):
            made = made.add(number, event)
    return made


def test_what_is_said_of_a_race_gets_sure_with_repeats():
    record = race_timing.TimingLog()
    first = one_race(0.0140, 0.0147, 0.7)
    record.add(first)
    judged = record.judge(first)
    assert [judged.place(track) for track in judged.tracks] == [1, 1, 3]
    assert judged.words.endswith(" tie in 0.014 s; Transformer takes 50 × as long") and " and " in judged.winners
    for turn in range(6):
        load = 1 + turn / 10
        record.add(one_race(0.0140 * load, 0.0147 * load, 0.7 * load))
    judged = record.judge(first)
    assert [(judged.place(track), judged.tied(track)) for track in judged.tracks] == [
        (1, False),
        (2, False),
        (3, False),
    ]
    assert judged.words.startswith("VSSM first in 0.017 s; ") and judged.words.endswith("(medians of 7 runs)")
    assert record.judge(judged) is judged
    rows = list(csv.DictReader(io.StringIO(csv_export.text(race_timing.table(record.bars(first))))))
    assert {(row["model"], row["place"], row["tied"]) for row in rows} == {
        ("vssm", "1", "False"), ("vssm-paper", "2", "False"), ("transformer", "3", "False")
    }  # fmt: skip


def test_a_tie_is_shown_on_cards_bars_csv_and_in_the_animated_picture(bare, qtbot):
    panel = RacePanel(bare.actions_)
    qtbot.addWidget(panel)
    panel.offer("mnist", {}, set())
    panel.resize(900, 600)
    panel.show()
    job = race.RaceJob.of(tuple(track.contestant for track in one_race(1, 1, 1).tracks))
    panel.begin(job)
    job.race = one_race(0.0140, 0.0142, 0.7)
    panel.record(job.race)
    panel.end(job)
    panel.hold()
    panel.put(panel.race.duration)
    assert [runner.place.text() for runner in panel.cards] == ["=1st", "=1st", "3rd"]
    assert "tied for first" in panel.cards[0].accessibleName()
    assert " tie in 0.014 s; Transformer takes 50 × as long" in panel.words.text() and panel.past["mnist"][
        0
    ].title.count(" and ")
    panel.show_times(True)
    bars = panel.bars._bars
    assert [bar.words for bar in bars] == ["0.014 s · tie", "0.014 s · tie", "0.70 s · 50 ×"]
    assert [row["tied"] for row in race_timing.table(bars)] == [True, True, False]
    strip = race_gif.Strip(panel.race, 1.0)
    qtbot.addWidget(strip)
    strip._show(panel.race.duration)
    assert [runner.place.text() for runner in strip._cards] == ["=1st", "=1st", "3rd"]
    assert strip._words.text() == panel.race.words


def test_the_words_on_two_runs_are_no_more_certain_than_their_times():
    def finished(number: int, model: str, seconds: float) -> runs.Run:
        asked = contestant(model)
        made = asked_run(number, model, "mnist", asked.request.prompt)
        for event in events(asked, [seconds], [12]):
            made.add(event)
        return made

    near = [finished(1, "vssm", 0.0140), finished(2, "transformer", 0.0143)]
    assert runs.compare(near) == "VSSM and the Transformer tie: 0.014 s against 0.014 s"
    far = [finished(1, "vssm", 0.0140), finished(2, "transformer", 0.7)]
    assert runs.compare(far).startswith("VSSM 50 × faster than")
    close = [finished(i, "vssm", 0.0140 * (1 + i % 2 / 1000)) for i in range(6)]
    close += [finished(6 + i, "transformer", 0.0150 * (1 + i % 2 / 1000)) for i in range(6)]
    assert runs.compare(close).startswith("VSSM 1.1 × faster than")  # their repeats hardly spread
    assert math.isclose(runs._spread(close, close[0]), places.LEAST)


def test_a_single_slow_repeat_makes_no_tie_of_everything():
    """A program's first run may take thirty times as long as its second; the other model is slower all the same."""
    noisy = places.spread([[0.3, 0.008]])
    assert places.ahead(places.Times({0: 0.008}, noisy), places.Times({1: 0.23}))
    assert not places.ahead(places.Times({0: 0.1}, noisy), places.Times({1: 0.2}))
