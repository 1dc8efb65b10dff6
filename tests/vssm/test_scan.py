"""The scans against the plain recurrence, in float64: any shape, any length, decays from 0 to 1."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from vssm.nn import scan

decays = st.sampled_from(["uniform", "zero", "one", "edges"])


def make_decay(kind: str, shape: tuple[int, ...]) -> torch.Tensor:
    a = torch.rand(shape, dtype=torch.float64)
    if kind == "zero":
        return a * 0
    if kind == "one":
        return a * 0 + 1
    return torch.where(a < 0.3, 0.0, torch.where(a > 0.7, 1.0, a)) if kind == "edges" else a


def recurrence(a, b, h):
    """The definition, one step after another."""
    out = []
    for t in range(b.shape[1]):
        h = scan.scan_step(a[:, t], b[:, t], h)
        out.append(h)
    return torch.stack(out, 1)


@given(st.integers(1, 3), st.integers(1, 70), st.integers(1, 5), decays, st.booleans(), st.integers(0, 99))
def test_scan_equals_the_recurrence(batch, length, width, kind, carried, seed):
    torch.manual_seed(seed)
    a = make_decay(kind, (batch, length, width))
    b = torch.randn(batch, length, width, dtype=torch.float64)
    h = torch.randn(batch, width, dtype=torch.float64) if carried else torch.zeros(batch, width, dtype=torch.float64)
    torch.testing.assert_close(scan.scan(a, b, h if carried else None), recurrence(a, b, h), rtol=1e-9, atol=1e-9)
    backwards = recurrence(a.flip(1), b.flip(1), h).flip(1)
    torch.testing.assert_close(scan.scan(a, b, h if carried else None, reverse=True), backwards, rtol=1e-9, atol=1e-9)


@given(st.integers(1, 30), decays, st.integers(0, 99))
def test_scan_has_the_gradients_of_the_recurrence(length, kind, seed):
    torch.manual_seed(seed)
    a = make_decay(kind, (2, length, 3)).requires_grad_()
    b = torch.randn(2, length, 3, dtype=torch.float64, requires_grad=True)
    h = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(2, length, 3, dtype=torch.float64)
    fast = torch.autograd.grad((scan.scan(a, b, h) * weight).sum(), (a, b, h))
    slow = torch.autograd.grad((recurrence(a, b, h) * weight).sum(), (a, b, h))
    for x, y in zip(fast, slow, strict=True):
        torch.testing.assert_close(x, y, rtol=1e-9, atol=1e-9)


def ssd_inputs(batch, length, heads, kind, seed, shared=False):
    torch.manual_seed(seed)
    x = torch.randn(batch, length, heads, 3, dtype=torch.float64)
    log_a = make_decay(kind, (1 if shared else batch, length, heads)).log()
    B, C = torch.randn(2, batch, length, 4, dtype=torch.float64)
    return x, log_a, B, C, torch.randn(batch, heads, 3, 4, dtype=torch.float64)


def ssd_recurrence(x, log_a, B, C, h):
    out = []
    for t in range(x.shape[1]):
        y, h = scan.ssd_step(x[:, t], log_a[:, t], B[:, t], C[:, t], h)
        out.append(y)
    return torch.stack(out, 1), h


@given(
    st.integers(1, 2),
    st.integers(1, 60),
    st.integers(1, 3),
    st.integers(1, 64),
    decays,
    st.booleans(),
    st.booleans(),
    st.integers(0, 99),
)
def test_ssd_equals_its_steps(batch, length, heads, chunk, kind, carried, shared, seed):
    x, log_a, B, C, h = ssd_inputs(batch, length, heads, kind, seed, shared)
    h = h if carried else h * 0
    y, last = scan.ssd(x, log_a, B, C, chunk, h if carried else None)
    y2, last2 = ssd_recurrence(x, log_a, B, C, h)
    torch.testing.assert_close(y, y2, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(last, last2, rtol=1e-9, atol=1e-9)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 99))
def test_ssd_has_the_gradients_of_its_steps(length, chunk, seed):
    x, log_a, B, C, h = ssd_inputs(2, length, 2, "uniform", seed)
    inputs = [v.requires_grad_() for v in (x, log_a, B, C, h)]
    weight = torch.randn(x.shape, dtype=torch.float64)
    fast = torch.autograd.grad((scan.ssd(x, log_a, B, C, chunk, h)[0] * weight).sum(), inputs)
    slow = torch.autograd.grad((ssd_recurrence(x, log_a, B, C, h)[0] * weight).sum(), inputs)
    for p, q in zip(fast, slow, strict=True):
        torch.testing.assert_close(p, q, rtol=1e-8, atol=1e-8)


@given(st.integers(1, 40), st.integers(1, 60), st.integers(0, 99))
def test_ssd_continues_from_a_carried_state(first, second, seed):
    x, log_a, B, C, h = ssd_inputs(2, first + second, 2, "uniform", seed)
    whole, last = scan.ssd(x, log_a, B, C, 16, h)
    one, middle = scan.ssd(x[:, :first], log_a[:, :first], B[:, :first], C[:, :first], 16, h)
    two, end = scan.ssd(x[:, first:], log_a[:, first:], B[:, first:], C[:, first:], 7, middle)
    torch.testing.assert_close(torch.cat([one, two], 1), whole, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(end, last, rtol=1e-9, atol=1e-9)


@given(st.integers(1, 40), decays, st.integers(0, 99))
def test_both_directions_are_two_scans(length, kind, seed):
    x, log_a, B, C, _ = ssd_inputs(2, length, 4, kind, seed)
    y = scan.ssd_bidirectional(x, log_a, B, C)
    forwards, _ = scan.ssd(x[:, :, :2], log_a[:, :, :2], B, C)
    flipped = [v.flip(1) for v in (x[:, :, 2:], log_a[:, :, 2:], B, C)]
    backwards, _ = scan.ssd(*flipped)
    torch.testing.assert_close(y, torch.cat([forwards, backwards.flip(1)], 2), rtol=1e-9, atol=1e-9)


def test_long_sequences_take_the_chunked_road_and_agree(monkeypatch):
    x, log_a, B, C, _ = ssd_inputs(2, 50, 4, "uniform", 0, shared=True)
    matrix = scan.ssd_bidirectional(x, log_a, B, C)
    monkeypatch.setattr(scan, "LONGEST_MATRIX", 10)
    torch.testing.assert_close(scan.ssd_bidirectional(x, log_a, B, C), matrix, rtol=1e-9, atol=1e-9)
