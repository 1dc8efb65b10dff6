"""Predictive sampling (Wiggers & Hoogeboom, 2002.09928): the sequential picture of a raster model in fewer calls.

With all noise ε drawn beforehand, a pixel is a fixed function of those before it, x_t = f(x_{<t}, ε_t). So a window of
pixels can be guessed and checked in one call, which computes f for all of them: as long as outputs agree with the
guesses x̂, the inputs of the next pixel were right, and its output stands whatever its guess was.

    call       y_t = f(x_{<front}, x̂_{front … t−1}, ε_t)      for all t of the window
    settled    the pixels before the first with y_t ≠ x̂_t, and that one
    guesses    x̂_t = y_t of the call before; for pixels that no call has reached yet, the value that ε_t draws from the
               raw outputs of the pixel above (those of the pixel before it, or of several, stand less often)

Every sample of a batch has its own front. A call settles at least one pixel of each, so that there are never more
calls than pixels. The pixels are those of the sequential sampler. Rounding alone may part them, where a draw is as near
to a tie as some 10⁻⁶: a product of many rows is summed in another order than one of a single row.

Shapes: K samples, R pixels in a window, T pixels in a picture, C channels, P raw outputs; buffers have T + W places, W
being a picture's width, so that windows need not end at a picture's end.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from vssm.config import PictureConfig
from vssm.sampling.step import Drafted, SamplingStep

if TYPE_CHECKING:
    from vssm.models.raster import Decoding


def usual(c: PictureConfig) -> int:
    """Return the usual size of a window.

    Of two values nearly all guesses stand, and of 12 to 40 pixels a row is fastest (MNIST: 47 calls in place of 784; a
    call of 28 pixels costs three or four of one). In colour nine of ten guesses fail (CIFAR-10, windows of 4: 964
    calls for 1,024 pixels, each dearer): a window of one pixel is the sequential sampler.
    """
    return c.width if c.num_values == 2 else 1


class Span:
    """R places in a row of each sample, from `first` [K] on: slices for one sample, which cost less than gathering."""

    def __init__(self, first: Tensor, size: int) -> None:
        self.size, self.one = size, slice(int(first), int(first) + size) if len(first) == 1 else None
        self.where = first[:, None] + torch.arange(size, device=first.device) if self.one is None else None

    def read(self, buffer: Tensor) -> Tensor:
        """Return the span [K, R, N] of a buffer [K, places, N]."""
        if self.where is None:
            return buffer[:, self.one]
        return buffer.gather(1, self.where.unsqueeze(-1).expand(-1, -1, buffer.shape[-1]))

    def write(self, buffer: Tensor, values: Tensor) -> None:
        """Write values [K, R, N] to the span of a buffer [K, places, N]."""
        if self.where is None:
            buffer[:, self.one] = values
        else:
            buffer.scatter_(1, self.where.unsqueeze(-1).expand_as(values), values)

    def rows(self, table: Tensor) -> Tensor:
        """Return the rows [K, R, N] of a table [places, N] that all samples share."""
        return table[self.one].unsqueeze(0) if self.where is None else table[self.where]


class Window:
    """The pixels that are guessed and checked, from each sample's front on."""

    def __init__(self, run: Decoding) -> None:
        c, network, where = run.network.config, run.network, run.mask.device
        self.run, self.T, self.width, framed = run, network.tokens, c.width, c.width + 2 * c.stem_columns
        pad = 0, 0, 0, c.width
        self.noise = F.pad(run.noise.transpose(0, 1), pad)
        self.mask = F.pad(run.mask, (0, c.width), value=True).unsqueeze(-1)
        self.later = bool(run.mask[:, run.prefix :].any())  # known pixels after an unknown one: to be kept
        self.values = F.pad(run.given * run.mask.unsqueeze(-1), pad)  # settled up to the front, guesses beyond
        # of t, at W + t: outputs that pixels below may be guessed by; the head's bias where there are none
        self.raw = network.head.bias.repeat(len(run.mask), self.T + 2 * c.width, 1)
        if run.prefix_raw is not None:
            self.raw[:, c.width : c.width + run.prefix] = run.prefix_raw
        self.front = torch.full((len(run.mask),), run.prefix, device=where)
        self.reached = self.front  # the first places that no call has reached
        self.position = F.pad(run.tables.position, pad)
        # windows are cut out of the canvas by index; its last place is for all pixels beyond T
        t, rows, columns = (torch.arange(n, device=where) for n in (self.T, c.stem_rows + 1, 2 * c.stem_columns + 1))
        corner = F.pad(t // c.width * framed + t % c.width, (0, c.width))
        self.around = corner[:, None] + (rows[:, None] * framed + columns).flatten()
        self.canvas = F.pad(run.canvas.flatten(2), (0, 1)).transpose(1, 2).contiguous()  # [K, places, C]
        self.place = corner + c.stem_rows * framed + c.stem_columns
        self.place[self.T :] = self.canvas.shape[1] - 1
        self.signed = F.pad(self.values * run.canvas.new_zeros(1), (0, 0, 1, 0))  # of t, at t + 1
        self.put(Span(self.front * 0, self.T), self.values[:, : self.T].clone())

    @property
    def done(self) -> bool:
        """Whether all pixels of all samples are settled."""
        return bool((self.front >= self.T).all())

    def put(self, span: Span, values: Tensor) -> None:
        """Make values [K, R, C] the guesses of a span."""
        signed = self.run.network.signed(values)
        span.write(self.values, values)
        span.write(self.signed[:, 1:], signed)
        place = span.rows(self.place.unsqueeze(-1)).expand_as(signed)
        self.canvas.scatter_(1, place, signed)

    def draw(self, raw: Tensor, span: Span) -> Tensor:
        """Return what the noise of a span draws from raw outputs [K, R, P], [K, R, C]; known pixels as they are."""
        drawn = self.run.network.likelihood.choose(raw, span.read(self.noise), self.run.temperature)
        return torch.where(span.read(self.mask), span.read(self.values), drawn) if self.later else drawn

    def forecast(self, span: Span) -> None:
        """Guess the pixels of a span that no call has reached yet by the outputs above them."""
        new = self.draw(span.read(self.raw), span)  # at t, of t − W
        if span.where is not None:
            new = torch.where((span.where < self.reached[:, None]).unsqueeze(-1), span.read(self.values), new)
        elif (old := int(self.reached) - int(self.front)) > 0:
            new = torch.cat([span.read(self.values)[:, :old], new[:, old:]], 1)
        self.put(span, new)

    def outputs(self, span: Span) -> tuple[Tensor, list[object]]:
        """Call the network for a span: raw outputs [K, R, P], and what `keep` needs."""
        network, tables, K = self.run.network, self.run.tables, len(self.front)
        index = span.rows(self.around).expand(K, -1, -1).flatten(1).unsqueeze(-1).expand(-1, -1, self.canvas.shape[-1])
        window = self.canvas.gather(1, index).unflatten(1, (span.size, -1)).transpose(2, 3).reshape(K * span.size, -1)
        position = span.rows(self.position).expand(K, -1, -1).flatten(0, 1)
        x = network.enter(window, span.read(self.signed).flatten(0, 1), position, tables)
        x, pending = network.segment(x.view(K, span.size, -1), self.run.states, self.front, tables.blocks)
        return network.leave(x.flatten(0, 1), window, tables).view(K, span.size, -1), pending

    def advance(self, size: int) -> SamplingStep:
        """Guess the pixels of a window, check them in one call, and move the fronts."""
        span = Span(self.front, size)
        self.forecast(span)
        guess = span.read(self.values).clone()
        raw, pending = self.outputs(span)
        drawn = self.draw(raw, span)
        stood = (drawn == guess).all(-1).long().cumprod(1)
        count = torch.minimum(stood.sum(1).add_(1).clamp_max_(size), self.T - self.front)
        self.run.network.keep(self.run.states, pending, count)
        span.write(self.raw[:, self.width :], raw)
        self.put(span, drawn)
        self.reached, self.front = torch.maximum(self.reached, self.front + size), self.front + count
        return self.report(span, guess, ~span.read(self.mask).squeeze(-1), stood.bool())

    def report(self, span: Span, guess: Tensor, unknown: Tensor, stood: Tensor) -> SamplingStep:
        """Describe a call: guesses [K, R, C], which of them are of unknown pixels, and which stood [K, R]."""
        run, passed = self.run, unknown & stood
        run.flat = self.values[:, : self.T]
        filled: Tensor | int = int(self.front.min())
        whole = filled == self.T
        if len(self.front) > 1 and not whole:
            filled = (torch.arange(self.T, device=guess.device) < self.front[:, None]).view(run.shape[:3])
        raw = self.raw[:, self.width :][:, run.prefix : self.T]
        return SamplingStep(
            run.flat.view(run.shape),
            filled,
            drafted=int(unknown.sum()),
            accepted=int(passed.sum()),
            drafts=partial(self.drafted, span, guess, unknown, passed),
            log_probability=partial(run.log_probability, raw) if whole else None,
        )

    def drafted(self, span: Span, guess: Tensor, proposed: Tensor, passed: Tensor) -> Drafted:
        """Describe a window as a round of drafting."""
        values = self.values.clone()
        span.write(values, guess)
        marks = torch.zeros(*values.shape[:2], 2, dtype=torch.bool, device=values.device)
        span.write(marks, torch.stack([proposed, passed], -1))
        drafts, accepted = marks[:, : self.T].unbind(-1)
        shape = self.run.shape
        return Drafted(values[:, : self.T].view(shape), drafts.view(shape[:3]), accepted.view(shape[:3]))
