"""The one flow of events, on the shipped weights."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch

from vssm import checkpoint, data
from vssm.errors import UserError
from vssm.files.examples import examples
from vssm.models import registry
from vssm.prompt import Prompt
from vssm.sampling.events import Finished, GenerationRequest, Latents, Posterior, Progress, Started
from vssm.sampling.generator import Generator, run

CPU = torch.device("cpu")


@pytest.fixture(scope="module", params=list(registry.PRESETS))
def generator(request) -> Generator:
    return Generator(checkpoint.load(checkpoint.shipped(request.param, "mnist")), CPU)


@pytest.fixture(scope="module")
def seven() -> Prompt:
    return examples(data.MNIST)[0].prompt


@pytest.fixture(scope="module")
def foot(seven) -> Prompt:
    """A seven that lacks its foot only, which is written sooner."""
    return seven.with_rows(20)


def test_events_come_in_order_and_agree(generator, seven):
    events = list(generator.generate(GenerationRequest(seven, samples=2, every=0)))
    started, finished = events[0], events[-1]
    assert isinstance(started, Started) and isinstance(finished, Finished)
    assert all(isinstance(e, (Latents, Progress)) for e in events[1:-1]) and isinstance(events[-2], Progress)
    unknown = int((~seven.known).sum())
    assert started.tokens == finished.tokens == events[-2].tokens == 2 * unknown
    assert finished.images.shape == (2, 28, 28, 1) and finished.images.dtype == np.uint8
    assert set(np.unique(finished.images)) <= {0, 255}
    assert (finished.images[:, seven.known] == seven.pixels[seven.known]).all()
    seconds = [e.seconds for e in events[1:-1]]
    assert seconds == sorted(seconds)
    assert finished.seconds + finished.prompt_seconds == pytest.approx(seconds[-1])
    assert finished.sampler == started.sampler.name and finished.parameter == started.parameter
    if started.num_levels:
        levels = [e.level for e in events if isinstance(e, Latents)]
        assert levels == list(generator.network.latent_levels) and finished.network_calls == len(levels) + 1
        return
    tokens = [e.tokens for e in events if isinstance(e, Progress)]
    assert tokens[0] == 0 and tokens == sorted(tokens)  # the prompt is one call
    if finished.drafted:
        assert 2 * unknown <= finished.accepted + 2 * finished.network_calls and finished.network_calls < unknown
        assert finished.accepted <= finished.drafted
    else:
        assert finished.network_calls == unknown + 1 and tokens[1:-1] == [2 * t for t in range(1, unknown)]


def every_sampler() -> list[tuple[str, str]]:
    return [(name, mode.name) for name in registry.PRESETS for mode in registry.get(name).samplers(data.MNIST)]


@pytest.mark.parametrize(("name", "mode"), every_sampler())
def test_every_sampler_of_the_shipped_weights_draws_ink(name, mode, seven):
    """A seven's lower half in every mode: some ink, not noise all over; and what it tells fits."""
    generator = Generator(checkpoint.load(checkpoint.shipped(name, "mnist")), CPU)
    events = list(generator.generate(GenerationRequest(seven, samples=4, seed=1, sampler=mode, posterior=True)))
    finished = events[-1]
    assert finished.sampler == mode and 0.02 < (finished.images[:, 14:] > 0).mean() < 0.25
    found = [e for e in events if isinstance(e, Posterior)]
    assert [e.level for e in found] == list(getattr(generator.network, "latent_levels", ()))
    shapes = {e.level: e.entropy.shape for e in events if isinstance(e, Latents)}
    for e in found:
        assert e.entropy.shape == e.divergence.shape == shapes[e.level]
        assert np.isfinite(e.entropy).all() and (e.divergence > -1e-3).all() and e.divergence.max() > 0


def test_latents_still_to_come_are_not_shown(seven):
    generator = Generator(checkpoint.load(checkpoint.shipped("vssm-paper", "mnist")), CPU)
    request = GenerationRequest(seven, samples=2, every=0, sampler="sequential")
    latents = [e for e in generator.generate(request) if isinstance(e, Latents)]
    drawn = [int(np.isfinite(e.entropy[0]).sum()) for e in latents]
    positions = latents[0].entropy[0].size
    assert drawn == list(range(drawn[0], positions + 1)) and drawn[0] == positions * 3 // 7 + 1  # 3 of 7 rows known
    for e in latents:
        assert (np.isfinite(e.codes).all(-1) == np.isfinite(e.entropy)).all()


def test_whoever_waits_is_answered_after_the_next_call(seven):
    generator = Generator(checkpoint.load(checkpoint.shipped("transformer", "mnist")), CPU)
    asked = iter([False] * 5 + [True] * 3 + [False] * 1000)
    request = GenerationRequest(seven, every=1e9)
    calls = [e.network_calls for e in generator.generate(request, lambda: next(asked)) if isinstance(e, Progress)]
    assert calls[:3] == [6, 7, 8] and len(calls) == 4


def test_unfilled_pixels_are_marked(generator, foot):
    for event in generator.generate(GenerationRequest(foot, every=0)):
        if isinstance(event, Progress):
            assert event.filled.shape == event.images.shape[:3] and event.filled[:, foot.known].all()
            assert (event.images[~event.filled] == 0).all()
            assert event.tokens == int((event.filled & ~foot.known).sum())


def test_a_seed_recreates_a_completion(generator, foot):
    images = [run(generator, GenerationRequest(foot, samples=3, seed=s)).images for s in (5, 5, 6)]
    assert (images[0] == images[1]).all() and (images[0] != images[2]).any()


def test_samples_differ_and_have_no_stray_pixels_on_the_frame(generator):
    """One in 8,000 pixels on a digit's frame is inked; noise of too little precision would sprinkle one in 500."""
    images = run(generator, GenerationRequest(Prompt.empty(28, 28, 1), samples=32, seed=2)).images > 0
    assert len({image.tobytes() for image in images}) == 32
    frame = np.ones((28, 28), bool)
    frame[1:-1, 1:-1] = False
    assert images[:, frame].mean() < 0.0015


def test_closing_the_iterator_cancels(generator, seven):
    events = generator.generate(GenerationRequest(seven, samples=2, every=0))
    taken = list(itertools.islice(events, 3))
    events.close()
    assert len(taken) == 3 and next(events, None) is None
    assert isinstance(run(generator, GenerationRequest(seven.with_rows(25))), Finished)  # and the generator lives on


def test_grey_known_pixels_come_back_exactly(generator):
    rng = np.random.default_rng(0)
    prompt = Prompt(rng.integers(0, 256, (28, 28, 1), np.uint8), rng.random((28, 28)) < 0.5)
    images = run(generator, GenerationRequest(prompt, samples=2)).images
    assert (images[:, prompt.known] == prompt.pixels[prompt.known]).all()


def test_what_lies_under_the_unknown_part_does_not_matter(generator, foot):
    other = Prompt(np.where(foot.known[..., None], foot.pixels, 255).astype(np.uint8), foot.known)
    first, second = (run(generator, GenerationRequest(p, seed=9)).images for p in (foot, other))
    assert (first == second).all()


def test_batches_agree_with_single_prompts(generator, foot):
    """Row by row a batch of one prompt repeated draws what the event flow draws for that many samples."""
    pixels, known = np.repeat(foot.pixels[None], 4, 0), np.repeat(foot.known[None], 4, 0)
    images, seconds, calls = generator.complete_batch(pixels, known, seed=3)
    finished = run(generator, GenerationRequest(foot, samples=4, seed=3))
    assert (images == finished.images).all() and calls == finished.network_calls and seconds > 0


def test_raster_models_say_that_they_clamp(generator):
    lower = Prompt.empty(28, 28, 1)
    lower.known[14:] = True
    started = next(generator.generate(GenerationRequest(lower)))
    assert started.clamped == generator.network.prefix_only
    assert not next(generator.generate(GenerationRequest(lower.with_rows(14)))).clamped


def test_bad_requests_are_one_sentence(generator, seven):
    full = Prompt(seven.pixels, np.ones_like(seven.known))
    with pytest.raises(UserError, match="nothing to complete"):
        run(generator, GenerationRequest(full))
    with pytest.raises(UserError, match="needs \\(28, 28, 1\\)"):
        run(generator, GenerationRequest(Prompt.empty(32, 32, 3)))
    with pytest.raises(UserError, match="samples"):
        GenerationRequest(seven, samples=0)
    with pytest.raises(UserError, match="no sampler 'backwards'"):
        run(generator, GenerationRequest(seven, sampler="backwards"))
    sized = next((m for m in generator.network.samplers(generator.network.config) if m.parameter), None)
    for size in (0, sized.most + 1 if sized else 3):
        with pytest.raises(UserError, match="must lie between 1" if sized else "no number to set"):
            run(generator, GenerationRequest(seven, sampler=sized.name if sized else None, parameter=size))
    for temperature in (-1.0, float("nan"), 11.0):
        with pytest.raises(UserError, match="temperature"):
            GenerationRequest(seven, temperature=temperature)


def test_shipped_weights_carry_their_scores():
    for name in registry.PRESETS:
        shipped = checkpoint.load(checkpoint.shipped(name, "mnist"))
        assert {"nats", "bound", "label_kept", "images"} <= set(shipped.scores)
        assert shipped.scores["images"] == 10_000 and shipped.training["images"] > 15_000
        assert shipped.path.stat().st_size < 16 * 2**20


def test_requests_and_events_are_plain_frozen_data(generator, foot):
    for event in generator.generate(GenerationRequest(foot)):
        with pytest.raises(dataclasses.FrozenInstanceError):
            event.seconds = 0
        assert not any(isinstance(v, torch.Tensor) for v in vars(event).values())


def test_every_round_of_drafts_is_told(seven):
    """A call drafts, the next one verifies: passed drafts stand as they were, one rejected is drawn anew, the rest is
    drafted again."""
    generator = Generator(checkpoint.load(checkpoint.shipped("asarm", "mnist")), CPU)
    request = GenerationRequest(seven, samples=2, every=0, sampler="assd", parameter=16, temperature=1.5)
    told = [e for e in generator.generate(request) if isinstance(e, Progress)]
    assert told[0].drafts is None  # the prompt was read
    rejected = drafted = accepted = 0
    for last, now in itertools.pairwise(told):
        drafts = now.drafts
        assert not (drafts.images[~drafts.proposed]).any() and not (drafts.passed & ~drafts.proposed).any()
        if now.drafted > last.drafted:
            assert drafts.proposed.sum() == now.drafted - last.drafted and not (drafts.proposed & last.filled).any()
            drafted += int(drafts.proposed.sum())
        if now.accepted == last.accepted:
            assert not drafts.passed.any() and np.array_equal(now.filled, last.filled)
            continue
        accepted += int(drafts.passed.sum())
        assert drafts.passed.sum() == now.accepted - last.accepted
        assert np.array_equal(now.images[drafts.passed], drafts.images[drafts.passed])
        settled, failed = now.filled & ~last.filled, drafts.proposed & ~drafts.passed
        again = settled & ~drafts.passed
        assert (drafts.passed <= settled).all() and not (again & ~drafts.proposed).any()
        assert again.sum((1, 2)).tolist() == failed.any((1, 2)).tolist()  # one a sample, where any was rejected
        if last.drafts is not None and now.drafted == last.drafted:  # the same round
            assert np.array_equal(drafts.proposed, last.drafts.proposed)
            assert np.array_equal(drafts.images, last.drafts.images)
        rejected += int(failed.sum())
    assert rejected and (drafted, accepted) == (told[-1].drafted, told[-1].accepted)
    assert not [e for e in generator.generate(dataclasses.replace(request, sampler="sequential", parameter=None))
                if isinstance(e, Progress) and e.drafts]  # fmt: skip
