"""What replaces a rejected draft, and which drafts are rejected, against probabilities that are listed one by one."""

import itertools
import math

import pytest
import torch

from vssm.models import assd
from vssm.nn import likelihoods

BINARY = likelihoods.make("bernoulli", 1, 2, 1)
GREY = likelihoods.make("logistic-mixture", 1, 256, 3)
COLOUR = likelihoods.make("logistic-mixture", 3, 6, 2)  # 216 colours can be listed


DRAWS = {id(BINARY): 5000, id(GREY): 1500, id(COLOUR): 4000}  # 256 values take their time


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def logit(p: float) -> torch.Tensor:
    return torch.tensor([math.log(p) - math.log1p(-p)])


def listed(kind, raw: torch.Tensor, temperature: float = 1.0) -> torch.Tensor:
    """The probability of every value, [V^C] float64."""
    values = torch.tensor(list(itertools.product(range(kind.num_values), repeat=kind.channels)))
    return kind.log_prob(raw.double().expand(len(values), -1), values, temperature).softmax(0)


def counts(kind, tokens: torch.Tensor) -> torch.Tensor:
    """How often every value came: tokens [N, C] to [V^C]."""
    places = kind.num_values ** torch.arange(kind.channels - 1, -1, -1)
    return torch.bincount((tokens * places).sum(-1), minlength=kind.num_values**kind.channels).double()


def fits(found: torch.Tensor, p: torch.Tensor) -> bool:
    """Whether counts follow probabilities: chi-square at about 1 in 100,000; what is too rare is taken together."""
    assert found[p == 0].sum() == 0
    expected = found.sum() * p / p.sum()
    often = expected >= 5
    found = torch.cat([found[often], found[~often].sum()[None]])
    expected = torch.cat([expected[often], expected[~often].sum()[None]])
    found, expected = found[expected > 0], expected[expected > 0]
    freedom = len(expected) - 1
    square = float(((found - expected) ** 2 / expected).sum())
    return square <= freedom + 4.3 * math.sqrt(2 * freedom) + 12  # above Wilson and Hilferty's bound everywhere


def replaced(kind, q: torch.Tensor, p: torch.Tensor, temperature: float = 1.0, draws: int | None = None, first=0):
    """Tokens [N, C] drawn in the place of drafts of black that were rejected."""
    draws = draws or DRAWS[id(kind)]
    drafts = torch.zeros(draws, kind.channels, dtype=torch.long)
    stay = torch.full((draws,), first)
    q, p = (raw.expand(draws, -1) for raw in (q, p))
    return assd.replace(kind, q, p, drafts, stay, temperature, rng())


@pytest.mark.parametrize("temperature", [likelihoods.LEAST, 0.01, 0.1, 0.7, 1.0, 3.0])
@pytest.mark.parametrize(
    ("p", "q"),
    [
        (1e-30, 0.5),
        (1e-30, 1e-20),
        (1e-4, 3e-4),
        (1e-3, 2e-3),
        (1e-4, 1e-4 + 1e-6),
        (0.5, 0.5 + 1e-6),
        (1e-6, 2e-6),
        (0.999, 0.999 + 1e-6),
        (0.1, 0.9),
    ],
)
def test_of_two_values_the_residual_is_always_the_one_that_was_drafted_too_seldom(p, q, temperature):
    assert (replaced(BINARY, logit(q), logit(p), temperature, 1000) == 1).all()
    assert (replaced(BINARY, logit(p), logit(q), temperature, 1000) == 0).all()


def test_rare_ink_is_not_lost():
    """In MNIST's black ground, p(1) = 1e-4 drafted where q(1) = 3e-4 is right: what stands in the end has ink as often
    as q says, out of a million."""
    draws, p, q = 1_000_000, logit(1e-4), logit(3e-4)
    drafts = (torch.rand(draws, 1, generator=rng()) < 1e-4).long()
    raw_q, raw_p = q.expand(draws, -1), p.expand(draws, -1)
    stay = assd.passing_channels(BINARY, raw_q, raw_p, drafts, 1.0, rng(1))
    wrong = (stay == 0).nonzero().squeeze(1)
    drafts[wrong] = assd.replace(BINARY, raw_q[wrong], raw_p[wrong], drafts[wrong], stay[wrong], 1.0, rng(2))
    assert int(drafts.sum()) == pytest.approx(300, abs=5 * math.sqrt(300))


def mixture(kind, seed: int) -> torch.Tensor:
    return torch.randn(kind.parameters, generator=rng(seed)) + kind.initial_bias() + 0.2


@pytest.mark.parametrize(("apart", "temperature"), [(1.0, 1.0), (1e-2, 0.5), (1e-4, 1.0), (1e-6, 1.0), (1e-6, 2.0)])
def test_the_residual_of_256_values_is_the_listed_one(apart, temperature):
    p = mixture(GREY, 1)
    q = p + apart * torch.randn(p.shape, generator=rng(3))
    residual = (listed(GREY, q, temperature) - listed(GREY, p, temperature)).clamp_min(0)
    assert residual.sum() > 0
    assert fits(counts(GREY, replaced(GREY, q, p, temperature)), residual)


@pytest.mark.parametrize("temperature", [likelihoods.LEAST, 0.05, 0.3])
@pytest.mark.parametrize("kind", [GREY, COLOUR], ids=["grey", "colour"])
def test_however_cold_it_is_a_replacement_is_a_value_that_was_drafted_too_seldom(kind, temperature):
    p = mixture(kind, 1)
    q = p + 3 * torch.randn(p.shape, generator=rng(3))
    tokens = replaced(kind, q, p, temperature, 300)[:, :1]
    one, other = (
        kind.next_channel(raw[None].double(), tokens[:1, :0], temperature).log_softmax(-1)[0] for raw in (q, p)
    )
    assert (one[tokens] > other[tokens]).all()


@pytest.mark.parametrize("first", [0, 1, 2])
@pytest.mark.parametrize("apart", [1.0, 1e-6])
def test_the_residual_of_a_channel_given_those_that_stay(apart, first):
    p = mixture(COLOUR, 1).double()
    q = p + apart * torch.randn(p.shape, generator=rng(3))
    tokens = replaced(COLOUR, q, p, first=first)
    assert (tokens[:, :first] == 0).all()
    grid = (6,) * 3
    one, other = listed(COLOUR, q).view(grid), listed(COLOUR, p).view(grid)
    for _ in range(first):  # given black
        one, other = one[0], other[0]
    later = tuple(range(1, one.dim()))
    q_c, p_c = (x.sum(later) / x.sum() if later else x / x.sum() for x in (one, other))
    residual = (q_c - p_c).clamp_min(0)
    after = one / one.sum(later, keepdim=True) if later else torch.ones_like(one)
    expected = residual.view(-1, *[1] * len(later)) * after
    whole = torch.zeros(grid, dtype=torch.double)
    whole[(0,) * first] = expected
    assert fits(counts(COLOUR, tokens), whole.flatten())


@pytest.mark.parametrize("kind", [BINARY, GREY, COLOUR], ids=["binary", "grey", "colour"])
@pytest.mark.parametrize(("apart", "temperature"), [(2.0, 1.0), (0.3, 0.6), (0.3, 2.0)])
def test_whatever_was_drafted_what_stands_in_the_end_follows_the_verification(kind, apart, temperature):
    p = mixture(kind, 5)
    q = p + apart * torch.randn(p.shape, generator=rng(6))
    draws = DRAWS[id(kind)]
    drafted = torch.multinomial(listed(kind, p, temperature), draws, True, generator=rng(7))
    values = torch.tensor(list(itertools.product(range(kind.num_values), repeat=kind.channels)))
    drafts, raw_q, raw_p = values[drafted], q.expand(draws, -1), p.expand(draws, -1)
    stay = assd.passing_channels(kind, raw_q, raw_p, drafts, temperature, rng(8))
    stands = torch.where(
        (stay == kind.channels)[:, None],
        drafts,
        assd.replace(kind, raw_q, raw_p, drafts, stay.clamp_max(kind.channels - 1), temperature, rng(9)),
    )
    assert 0 < (stay < kind.channels).float().mean() < 1
    assert fits(counts(kind, stands), listed(kind, q, temperature))


@pytest.mark.parametrize("kind", [BINARY, GREY, COLOUR], ids=["binary", "grey", "colour"])
def test_a_draft_from_the_very_distribution_always_stays(kind):
    raw = mixture(kind, 2).expand(5000, -1)
    drafts = kind.choose(raw, kind.noise(5000, rng=rng()), 1.0)
    stay = assd.passing_channels(kind, raw, raw.clone(), drafts, 1.0, rng(1))
    assert (stay == kind.channels).all()
