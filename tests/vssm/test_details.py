"""What is told of every pixel: when it came, in which call, and how likely it was."""

import itertools

import numpy as np
import pytest
import torch
import toy

from vssm import checkpoint, data
from vssm.models import registry
from vssm.prompt import Prompt
from vssm.sampling.events import Details, Event, Finished, GenerationRequest, Progress
from vssm.sampling.generator import Generator

CPU = torch.device("cpu")
SMALL = {
    "vssm": {"d_model": 16, "inner": 32, "state": 4, "heads": 2, "coarse_levels": 1, "fine_levels": 1},
    "vssm-paper": {"d_model": 16, "inner": 32, "state": 4, "heads": 2, "prompt_blocks": 1, "decoder_blocks": 1},
    "transformer": {"d_model": 16, "blocks": 2, "heads": 2, "stem_hidden": 16},
    "mamba": {"d_model": 16, "blocks": 2, "inner": 16, "state": 4, "heads": 2, "stem_hidden": 16},
    "asarm": {"d_model": 16, "blocks": 2, "heads": 2, "stem_hidden": 16, "draft": 8},
}


def generator(name: str, dataset: data.DataSet) -> Generator:
    """An untrained network, small, and restless enough that pixels differ."""
    torch.manual_seed(1)
    network = registry.build(name, vars(registry.get(name).config(dataset, **SMALL[name])))
    with torch.no_grad():
        for p in network.parameters():
            p.add_(0.1 * torch.randn_like(p))
    made = Generator(checkpoint.Checkpoint(name, dataset, network), CPU)
    made._sampling_network = made.network  # in full precision, to be compared with what the network says
    made.network.half_precision = False
    return made


def prompt(dataset: data.DataSet, rows: int = 2, hole: bool = False) -> Prompt:
    """All known but a few rows near the end and, with a hole, a few pixels below them."""
    rng = np.random.default_rng(0)
    pixels = rng.choice(np.array([0, 255] if dataset.num_values == 2 else range(256), np.uint8), dataset.shape)
    known = np.ones(dataset.shape[:2], bool)
    first = len(known) - 4 - rows
    known[first : first + rows] = False
    if hole:
        known[-3:-1, 5:9] = False
    return Prompt(pixels, known)


def detailed(made: Generator, **request) -> tuple[Details, list[Event], torch.Tensor]:
    """Its details, all events, and the values of the finished pictures."""
    events = list(made.generate(GenerationRequest(details=True, **request)))
    (details,) = (e for e in events if isinstance(e, Details))
    assert events.index(details) == len(events) - 2
    assert isinstance(events[-1], Finished)
    return details, events, torch.from_numpy(data.to_values(events[-1].images, made.data)).long()


SAMPLERS = [(n, m.name) for n in registry.PRESETS for m in registry.get(n).samplers(data.MNIST)]


@pytest.mark.parametrize(("name", "mode"), SAMPLERS)
def test_order_and_time_are_those_of_the_calls(name, mode):
    """Every call reported, against what the details say without looking on."""
    made, given = generator(name, data.MNIST), prompt(data.MNIST, hole=True)
    size = {"chunked": 20, "assd": 7, "masked": 5}.get(mode)
    details, events, _ = detailed(made, prompt=given, samples=2, every=0, sampler=mode, parameter=size)
    assert np.array_equal(details.order > 0, np.broadcast_to(~given.known, details.order.shape))
    assert np.array_equal(np.isnan(details.seconds), details.order == 0)
    stood = np.zeros_like(details.order, bool)
    calls = [e for e in events if isinstance(e, Progress)]
    for e in calls:
        settled = (details.order > 0) & (details.order <= e.network_calls)
        assert np.array_equal(e.filled & ~given.known, settled)
        fresh = settled & ~stood
        stood = settled
        assert np.allclose(details.seconds[fresh], e.seconds, rtol=1e-6)
    assert stood.any() and (stood == ~given.known).all()
    blind, events, _ = detailed(made, prompt=given, samples=2, every=1e9, sampler=mode, parameter=size)
    by_call = [blind.seconds[blind.order == call] for call in range(1, blind.order.max() + 1)]
    by_call = [each for each in by_call if each.size]
    assert all((each == each[0]).all() for each in by_call)
    clock = [0.0, *(each[0] for each in by_call)]
    assert all(a < b for a, b in itertools.pairwise(clock))
    assert clock[-1] <= np.float32(events[-1].seconds + events[-1].prompt_seconds)
    assert np.array_equal(blind.order, details.order)
    assert np.array_equal(blind.log_probability, details.log_probability, equal_nan=True)


@pytest.mark.parametrize("dataset", [data.MNIST, data.CIFAR10], ids=lambda d: d.name)
@pytest.mark.parametrize("name", ["transformer", "mamba"])
def test_a_raster_model_is_scored_by_all_pixels_before(name, dataset):
    """Step by step, from the state carried along, with all pixels known; and by one call for the whole picture."""
    made = generator(name, dataset)
    network, given = made.network, prompt(dataset)
    details, _, values = detailed(made, prompt=given, samples=2, temperature=0.8)
    with torch.inference_mode():
        states, tables = network.make_states(2), network.step_tables()
        canvas = network.canvas(values) * 0
        c, expected = network.config, np.full((2, network.tokens), np.nan, np.float32)
        inner = canvas[:, :, c.stem_rows :, c.stem_columns : c.stem_columns + c.width]
        previous = canvas.new_zeros(2, c.channels)
        for t in range(network.tokens):
            row, column = t // c.width, t % c.width
            window = canvas[:, :, row : row + c.stem_rows + 1, column : column + 2 * c.stem_columns + 1]
            raw = network.next_raw(window, previous, tables.position[t], states, t, tables)
            value = values.flatten(1, 2)[:, t]
            expected[:, t] = network.likelihood.log_prob(raw, value).numpy()
            previous = network.signed(value)
            inner[:, :, row, column] = previous
        forced = network.likelihood.log_prob(network(values), values.flatten(1, 2)).numpy()
    for each in (expected, forced):
        each = np.where(given.known, np.nan, each.reshape(details.order.shape))
        assert np.allclose(details.log_probability, each, atol=2e-3, equal_nan=True)


@pytest.mark.parametrize("name", ["transformer", "mamba"])
def test_with_nothing_known_the_sum_is_the_likelihood(name):
    made = generator(name, data.MNIST)
    details, _, values = detailed(made, prompt=Prompt.empty(*data.MNIST.shape), samples=2)
    with torch.inference_mode():
        whole = made.network.log_likelihood(values).numpy()
    assert np.allclose(details.log_probability.sum((1, 2)), whole, rtol=1e-4)
    assert np.allclose(details.score, whole, rtol=1e-4)


@pytest.mark.parametrize("name", ["transformer", "asarm"])
def test_the_score_of_a_model_that_draws_by_parts_is_that_of_all_unknown_pixels(name):
    details, *_ = detailed(generator(name, data.MNIST), prompt=prompt(data.MNIST), samples=3)
    assert np.isfinite(details.score).all() and len(set(details.score.tolist())) == 3
    assert np.allclose(details.score, np.nansum(details.log_probability, (1, 2)), rtol=1e-5)


@pytest.mark.parametrize("pixel_mode", ["sampled", "mean"])
def test_the_score_of_a_vssm_is_its_bound_given_the_prompt(pixel_mode):
    made, given = generator("vssm", data.CIFAR10), prompt(data.CIFAR10)
    details, _, values = detailed(made, prompt=given, samples=2, seed=5, pixel_mode=pixel_mode)
    known = torch.from_numpy(given.known).expand(2, -1, -1)
    with torch.inference_mode():
        torch.manual_seed(5)
        log_p, levels = made.network.elbo(values, known)
    close = 5e-3 if pixel_mode == "mean" else 1e-4  # a mean is rounded when it is shown
    assert np.allclose(details.score, log_p - sum(level.divergence() for level in levels), rtol=close)
    torch.manual_seed(1)  # the noise of others does not matter
    again, *_ = detailed(made, prompt=given, samples=2, seed=5, pixel_mode=pixel_mode)
    assert np.array_equal(again.score, details.score)


def test_the_paper_s_vssm_has_a_bound_of_whole_pictures_only():
    made = generator("vssm-paper", data.MNIST)
    for given, has in ((prompt(data.MNIST), False), (Prompt.empty(*data.MNIST.shape), True)):
        details, *_ = detailed(made, prompt=given, samples=2)
        assert np.isfinite(details.score).all() == has


@pytest.mark.parametrize("dataset", [data.MNIST, data.CIFAR10], ids=lambda d: d.name)
@pytest.mark.parametrize(("mode", "size"), [("assd", 7), ("sequential", None), ("random", None), ("masked", 5)])
def test_an_any_order_model_is_scored_by_what_stood(mode, size, dataset):
    """One call a pixel, each of a network that has seen nothing but what stood when the pixel was drawn."""
    made, given = generator("asarm", dataset), prompt(dataset, rows=1)
    details, _, values = detailed(made, prompt=given, samples=1, sampler=mode, parameter=size, temperature=1.3)
    network, calls = made.network, details.order[0].ravel()
    flat, known = values.flatten(1, 2), torch.from_numpy(given.known).flatten()[None]
    mixed = torch.tensor([mode in ("random", "masked")])
    with torch.inference_mode():
        order, count = network.order(
            known, mixed, torch.Generator().manual_seed(0)
        )  # as the seed of the request has it
        for rank in range(int(count), network.tokens, 3):
            place = int(order[0, rank])
            stood = int((calls < calls[place]).sum()) if mode == "masked" else rank
            swapped = order.clone()
            swapped[0, [stood, rank]] = order[0, [rank, stood]]
            hidden = flat.clone()
            hidden[0, swapped[0, stood:]] = 0
            raw = network(hidden, swapped, count)
            expected = network.likelihood.log_prob(raw[0, stood], flat[0, place]).item()
            assert details.log_probability[0].ravel()[place] == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("dataset", [data.MNIST, data.CIFAR10], ids=lambda d: d.name)
@pytest.mark.parametrize(("name", "mode"), [s for s in SAMPLERS if s[0].startswith("vssm")])
def test_a_vssm_is_scored_by_its_latents(name, mode, dataset, monkeypatch):
    """Against the raw outputs that every draw was made from, noted as they pass."""
    from vssm.models import vssm

    made, given = generator(name, dataset), prompt(dataset, rows=6, hole=True)
    drawn: list[tuple] = []
    plain = vssm.Drawing.pixels

    def noting(self, raw):
        values = plain(self, raw)
        drawn.append((raw.clone(), values))
        return values

    monkeypatch.setattr(vssm.Drawing, "pixels", noting)
    size = 40 if mode == "chunked" else None
    details, *_ = detailed(made, prompt=given, samples=2, sampler=mode, parameter=size, pixel_mode="sampled", every=0)
    patch, rows = made.network.config.patch, []
    for raw, value in drawn:  # of whole pictures [2, H, W, ·], or of tokens [2, (h, w) or n, patch², ·]
        log_p = made.network.likelihood.log_prob(raw, value)
        if log_p.shape == details.order.shape:
            rows.append(vssm.space_to_depth(log_p.unsqueeze(-1), patch).flatten(1, 2))
        else:
            rows.append(log_p.flatten(1, -2))
    H, W = details.order.shape[1:]
    grid = H // patch, W // patch
    if name == "vssm":  # every round draws all; the round in which a pixel stood counts
        rounds = {call: i for i, call in enumerate(sorted(set(details.order[details.order > 0].tolist())))}
        each = torch.stack([vssm.depth_to_space(r.unflatten(1, grid), patch)[..., 0] for r in rows]).numpy()
        assert len(rounds) == len(each) and (len(each) > 1) == (mode == "chunked")
        turn = np.vectorize(lambda call: rounds.get(call, 0))(details.order)
        expected = np.take_along_axis(each, turn[None], 0)[0]
    else:  # tokens come once each, the last ones last
        flat = torch.cat(rows, 1)
        flat = torch.cat([torch.full((2, grid[0] * grid[1] - flat.shape[1], patch**2), torch.nan), flat], 1)
        expected = vssm.depth_to_space(flat.unflatten(1, grid), patch)[..., 0].numpy()
    expected = np.where(given.known, np.nan, expected)
    assert np.allclose(details.log_probability, expected, atol=1e-4, equal_nan=True)
    assert np.isfinite(details.log_probability[:, ~given.known]).all()


@pytest.mark.parametrize("name", ["vssm", "vssm-paper"])
def test_a_mean_is_no_draw(name):
    details, *_ = detailed(generator(name, data.CIFAR10), prompt=prompt(data.CIFAR10), samples=2, pixel_mode="mean")
    assert np.isnan(details.log_probability).all() and (details.order > 0).any()


def test_a_network_that_does_not_tell_has_order_and_time(monkeypatch):
    monkeypatch.setitem(registry.PRESETS, "toy", toy.PRESET)
    made = Generator(checkpoint.Checkpoint("toy", data.MNIST, registry.build("toy", {"height": 28, "width": 28})), CPU)
    details, *_ = detailed(made, prompt=prompt(data.MNIST), samples=3, sampler="rounds", parameter=5)
    assert np.isnan(details.log_probability).all()
    assert set(np.unique(details.order)) == set(range(6))
    for a, b in itertools.pairwise(range(1, 6)):
        assert details.seconds[details.order == a].max() < details.seconds[details.order == b].min()


def test_nothing_is_told_unasked():
    made = generator("vssm", data.MNIST)
    events = list(made.generate(GenerationRequest(prompt(data.MNIST), posterior=True)))
    assert not [e for e in events if isinstance(e, Details)]
