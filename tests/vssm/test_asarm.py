"""AS-ARM on small pictures: exact densities of any subset, exact samplers, and what it learns."""

import itertools

import pytest
import torch
from networks import KINDS, chi_square, complete, every_picture, other_at, pictures, small

from vssm.models.asarm import ASARM, ASARMConfig, Decoding


def orders(network, count: int, known: torch.Tensor, seed: int = 0) -> torch.Tensor:
    """One order [count, T] with the known positions [T] first, the others as `seed` shuffles them."""
    key = torch.rand(network.tokens, generator=torch.Generator().manual_seed(seed)) - 2 * known.float()
    return key.argsort().expand(count, -1)


def conditional(network, order: torch.Tensor, known: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
    """Probabilities of all pictures of a small network, 0 for those that differ from `given` [T] where known."""
    every = every_picture(network.config.height, network.config.width).flatten(1)
    p = (
        network.log_density(every.unsqueeze(-1), order.expand(len(every), -1), known.sum().expand(len(every)))
        .sum(1)
        .exp()
    )
    return torch.where((every == given)[:, known].all(1), p, 0.0)


def decoding(network, given: torch.Tensor, known: torch.Tensor, order: torch.Tensor, seed: int) -> Decoding:
    count = known.sum().expand(len(order)).clone()
    rng = torch.Generator().manual_seed(seed)
    made = Decoding(network, (given * known).expand(len(order), -1).clone().unsqueeze(-1), order, count, 1.0, rng)
    if known.any():
        made.read_prompt()
    return made


KNOWN_SETS = [(0, 0, 0, 0, 0, 0), (1, 0, 0, 1, 0, 0), (0, 0, 1, 0, 0, 0), (0, 1, 1, 0, 1, 1)]


@pytest.mark.parametrize("known", KNOWN_SETS)
@pytest.mark.parametrize("k", [1, 2, 3, 6])
def test_assd_draws_from_the_exact_joint(known, k):
    """20,000 draws of a 2×3 picture against the enumerated joint of an order (chi-square); calls, first drafts."""
    network = small("asarm", height=2, width=3)
    known, given = torch.tensor(known, dtype=torch.bool), torch.tensor([1, 0, 1, 1, 0, 0])
    order = orders(network, 20_000, known, seed=4)
    p = conditional(network, order[:1], known, given)
    assert abs(p.sum() - 1) < 1e-4
    run, unknown = decoding(network, given, known, order, seed=k), int((~known).sum())
    calls = list(run.speculative(k))
    assert chi_square(run.values[..., 0], p) < {63: 115, 15: 45, 31: 70, 3: 22}[int((p > 0).sum()) - 1]  # p ≈ 0.0001
    assert len(calls) <= unknown  # the slowest of 20,000
    drafted, accepted = map(sum, zip(*calls, strict=True))
    assert (drafted == accepted == 0) if k == 1 else 0 < accepted <= drafted


@pytest.mark.parametrize("k", [1, 2, 4])
def test_assd_draws_from_the_exact_joint_of_a_mixture(k):
    """20,000 draws of a 2×2 picture of three values a pixel: what is drawn in place of a rejected draft comes from
    max(0, q − p) though its values are never listed."""
    network = small("asarm", height=2, width=2, num_values=3, likelihood="logistic-mixture", components=2)
    every = torch.tensor(list(itertools.product(range(3), repeat=4)))
    nothing = torch.zeros(4, dtype=torch.bool)
    order = orders(network, 20_000, nothing, seed=1)
    count = torch.zeros(81, dtype=torch.long)
    p = network.log_density(every.unsqueeze(-1), order[:81], count).sum(1).double().exp()
    assert abs(p.sum() - 1) < 1e-4
    run = decoding(network, nothing.long(), nothing, order, seed=k)
    accepted = sum(a for _, a in run.speculative(k))
    codes = (run.values[..., 0] * 3 ** torch.arange(3, -1, -1)).sum(1)
    expected = torch.cat([20_000 * p[20_000 * p >= 5], (20_000 * p[20_000 * p < 5]).sum()[None].clamp_min(0.1)])
    counts = torch.bincount(codes, minlength=81).double()
    counts = torch.cat([counts[20_000 * p >= 5], counts[20_000 * p < 5].sum()[None]])
    assert float(((counts - expected) ** 2 / expected).sum()) < 137  # 81 degrees: p ≈ 0.0001
    assert k == 1 or 0 < accepted < 4 * 20_000  # some drafts were rejected


def test_assd_always_keeps_the_first_draft_and_never_needs_more_calls_than_tokens():
    """Sample by sample, on a network whose drafts are mostly wrong."""
    network = small("asarm")
    for p in network.parameters():
        p.data *= 3
    rejections = 0
    for k in (2, 3, 8, 24):
        nothing = torch.zeros(24, dtype=torch.bool)
        run = decoding(network, nothing.long(), nothing, orders(network, 1, nothing, seed=k), seed=k)
        stands, calls = 0, 0
        for drafted, _ in run.speculative(k):
            calls += 1
            if not drafted:  # a verification: its round is over
                gained = int(run.num_done) - stands
                assert gained >= 2 and calls <= int(run.num_done)
                rejections += gained < min(k, 24 - stands)
                stands = int(run.num_done)
        assert int(run.num_done) == 24 and calls <= 24
    assert rejections > 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_density_of_any_subset_in_one_call_is_the_sum_over_steps(kind):
    network = small("asarm", **KINDS[kind])
    values = pictures(network.config, 3).flatten(1, 2)
    known = torch.rand(24, generator=torch.Generator().manual_seed(2)) < 0.3
    order = orders(network, 3, known, seed=1)
    count = known.sum().expand(3)
    whole = network.log_density(values, order, count)
    run = Decoding(network, values * known[:, None], order, count.clone(), 1.0, torch.Generator())
    run.read_prompt()
    for t in range(int(count[0]), 24):
        ranks = torch.full((3, 1), t)
        token = values.gather(1, order[:, t : t + 1, None].expand(-1, -1, values.shape[-1]))
        step = network.likelihood.log_prob(run.call(ranks, ranks), token)
        torch.testing.assert_close(step[:, 0], whole[:, t], rtol=0, atol=1e-4)
        run.put(ranks, token)
    assert not whole[:, : int(count[0])].any()


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_depends_on_what_stands_before_it_alone(kind):
    network = small("asarm", **KINDS[kind])
    values = pictures(network.config, 1)
    order = orders(network, 1, torch.zeros(24, dtype=torch.bool), seed=5)
    nothing = torch.zeros(1, dtype=torch.long)
    first = network(values.flatten(1, 2), order, nothing)
    for rank in range(24):
        other = other_at(values, int(order[0, rank]))
        changed = (network(other.flatten(1, 2), order, nothing) - first).abs().sum(-1)[0] > 1e-4
        assert not changed[: rank + 1].any() and (rank == 23 or changed[rank + 1])


def test_masked_decoding_takes_its_steps_and_is_exact_with_one_token_a_step():
    network = small("asarm", height=2, width=3)
    nothing = torch.zeros(6, dtype=torch.bool)
    order = orders(network, 20_000, nothing, seed=4)
    p = conditional(network, order[:1], nothing, nothing.long())
    found = []
    for steps in (1, 3, 6):
        run = decoding(network, nothing.long(), nothing, order, seed=steps)
        assert len(list(run.masked(steps))) == steps and int(run.num_done.min()) == 6
        found.append(chi_square(run.values[..., 0], p))
    assert found[0] > found[1] > 115 > found[2]  # independent within a step, hence inexact with fewer


def test_prompts_of_one_batch_may_differ():
    """Every prompt of a mixed batch gets what it gets alone; at temperature 0 in raster order nothing is random."""
    network = small("asarm")
    values, known = pictures(network.config, 4), torch.rand(4, 4, 6, generator=torch.Generator().manual_seed(0)) < 0.4
    known[0] = False
    together = complete(network, values, known, temperature=0.0, mode="sequential")[-1].values
    for i in range(4):
        alone = complete(network, values[i : i + 1], known[i : i + 1], temperature=0.0, mode="sequential")[-1].values
        assert torch.equal(alone[0], together[i])


TWO = torch.stack([torch.zeros(4, 4, 1), torch.ones(4, 4, 1)]).long()


@pytest.fixture(scope="module")
def trained() -> ASARM:
    """A network after some steps on two pictures."""
    torch.manual_seed(0)
    network = ASARM(ASARMConfig(4, 4, d_model=32, blocks=2, heads=2, reach=1, stem_hidden=16))
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(80):
        known = torch.rand(16, 4, 4) < torch.rand(16, 1, 1) * 0.6
        optimizer.zero_grad()
        network.loss(TWO[torch.randint(0, 2, (16,))], known)["loss"].backward()
        optimizer.step()
    return network.eval()


@pytest.mark.parametrize("mode", ["assd", "sequential", "random", "masked"])
def test_asarm_learns_in_every_mode(trained, mode):
    """It completes either picture from its first row."""
    known = torch.zeros(2, 4, 4, dtype=torch.bool)
    known[:, 0] = True
    with torch.no_grad():
        assert torch.equal(complete(trained, TWO, known, temperature=0.5, mode=mode)[-1].values, TWO)
