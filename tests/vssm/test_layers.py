"""The SSM block: causal and bidirectional, over a whole grid and piece by piece."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vssm.nn import ssm_block
from vssm.nn.ssm_block import SSMBlock


def block(**settings) -> SSMBlock:
    torch.manual_seed(0)
    made = SSMBlock(16, 24, 8, 4, **settings).double()
    for p in made.parameters():  # away from the initial values, so that every term counts
        p.data += 0.1 * torch.randn_like(p)
    return made


@pytest.mark.parametrize("selective", [False, True])
@given(cuts=st.lists(st.integers(1, 14), max_size=4))
@settings(max_examples=20)
def test_causal_block_equals_its_pieces(selective, cuts):
    made, x = block(causal=True, selective=selective), torch.randn(2, 3, 5, 16, dtype=torch.float64)
    state, out = tuple(s.double() for s in made.initial_state(2, columns=5)), []
    cuts = [0, *sorted(set(cuts)), 15]
    for start, end in pairwise(cuts):
        y, state = made.segment(x.flatten(1, 2)[:, start:end], state, start)
        out.append(y)
    torch.testing.assert_close(made(x).flatten(1, 2), torch.cat(out, 1), rtol=1e-9, atol=1e-9)


def influence(made: SSMBlock, target: tuple[int, int]) -> torch.Tensor:
    """Which inputs of a 4×5 grid the output at `target` depends on."""
    x = torch.randn(1, 4, 5, 16, dtype=torch.float64, requires_grad=True)
    made(x)[0][target].sum().backward()
    assert x.grad is not None
    return x.grad[0].abs().sum(-1) > 0


def test_causal_block_sees_only_the_past():
    seen = influence(block(causal=True), (2, 1)).flatten()
    assert seen[: 2 * 5 + 2].all() and not seen[2 * 5 + 2 :].any()
    first = influence(block(causal=True), (0, 4)).flatten()  # nothing wraps around an edge from later rows
    assert first[:5].all() and not first[5:].any()


@pytest.mark.parametrize("columns", [False, True])
def test_bidirectional_block_sees_everything(columns):
    assert influence(block(columns=columns), (2, 1)).all()


def test_columns_are_rows_of_the_transposed_picture():
    rows, columns = block(), block(columns=True)
    columns.load_state_dict(rows.state_dict())
    for made in (rows, columns):  # a convolution kernel that does not tell rows from columns
        made.kernel.data = made.kernel.data + made.kernel.data.transpose(-1, -2)
    x = torch.randn(1, 4, 5, 16, dtype=torch.float64)
    torch.testing.assert_close(columns(x), rows(x.transpose(1, 2).contiguous()).transpose(1, 2), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("settings", [{}, {"columns": True}, {"causal": True}])
def test_kept_decays_follow_the_weights(settings):
    made, x = block(**settings).eval(), torch.randn(1, 3, 4, 16, dtype=torch.float64)
    with torch.no_grad():
        first = made(x)
        made.train()
        made.log_rate += 0.5
        made.eval()
        second = made(x)
    assert not torch.allclose(first, second)
    torch.testing.assert_close(second, made(x), rtol=1e-12, atol=1e-12)  # with gradients, hence computed anew


def test_a_large_batch_goes_through_in_parts_and_comes_out_the_same(monkeypatch):
    made, x = block(columns=True).eval(), torch.randn(5, 3, 4, 16, dtype=torch.float64)
    monkeypatch.setattr(ssm_block, "TOKENS_IN_CACHE", 2 * 3 * 4)
    with torch.no_grad():
        parts = made(x)
    torch.testing.assert_close(parts, made(x), rtol=1e-12, atol=1e-12)  # with gradients, hence whole
