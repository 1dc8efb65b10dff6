"""Generation by the AS-ARM: rows of the network one call after another, with the keys and values of all rows kept.

A call at this size costs as much in calling modules and small operations as in its work, so that it is written flat, on
tables of weights, like a step of the models in `raster`.

Shapes: as in `asarm`; N = B · R rows of one call, S positions in the window around a target.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from vssm.models import assd
from vssm.nn import likelihoods
from vssm.nn.modules import AttentionWeights, add_product, affine, attention_weights, by_columns, linear
from vssm.sampling.step import Drafted, SamplingStep

if TYPE_CHECKING:
    from vssm.models.asarm import ASARM


class Tables(NamedTuple):
    """What a call needs of the network, as plain tensors, matrices [out, in] as `by_columns` lays them.

    stem [hidden, S · (C + 1)] and direct have a window's positions before its channels. Of every position, and of T,
    which stands for no position: place and aim [T + 1, D], for the token that a row carries and for its target (place
    includes the bias of `value`, and for T the input "none yet"); around [T + 1, S] and centre [T + 1], where its
    window and the position itself are in the framed picture.
    """

    stem: Tensor
    stem_bias: Tensor
    stem_out: Tensor
    value: Tensor
    place: Tensor
    aim: Tensor
    around: Tensor
    centre: Tensor
    blocks: list[AttentionWeights]
    norm: Tensor
    norm_bias: Tensor
    head: Tensor
    head_bias: Tensor
    direct: Tensor | None


def tables(network: ASARM) -> Tables:
    """Collect the weights of a network; once for each run."""

    def by_position(weight: Tensor) -> Tensor:
        """Weights [out, (C + 1) · S] of a window as a matrix [out, S · (C + 1)]."""
        return by_columns(weight.unflatten(1, (-1, network.around.shape[1])).transpose(1, 2).flatten(1))

    value, first = network.value, linear(network.stem, 0)
    place = (network.row[:, None] + network.column).flatten(0, 1)
    aim = (network.target_row[:, None] + network.target_column).flatten(0, 1)
    around = F.pad(network.around, (0, 0, 0, 1))
    return Tables(
        by_position(first.weight),
        first.bias,
        by_columns(linear(network.stem, 2).weight),
        by_columns(value.weight[:, :-1]),
        torch.cat([place, value.weight[:, -1:].t()]) + value.bias,
        F.pad(aim, (0, 0, 0, 1)),
        around,
        around[:, around.shape[1] // 2].contiguous(),
        [attention_weights(b.norm1, b.qkv, b.out, b.norm2, b.mlp) for b in network.blocks],
        network.norm.weight,
        network.norm.bias,
        by_columns(network.head.weight),
        network.head.bias,
        by_position(network.direct_head.weight) if network.config.direct else None,
    )


class Decoding:
    """The state of a run: values by position, how many tokens are there, and the keys and values of every row by rank.

    Ranks from T on, `spare` of them (T by default), are for rows that a sample does not need while others of the batch
    do.
    """

    def __init__(
        self,
        network: ASARM,
        values: Tensor,
        order: Tensor,
        known: Tensor,
        temperature: float,
        rng: torch.Generator,
        spare: int | None = None,
    ) -> None:
        self.network, self.order, self.known = network, order, known
        self.temperature, self.rng, self.T = max(temperature, likelihoods.LEAST), rng, network.tokens
        self.likelihood, self.tables = network.likelihood, tables(network)
        self.ranks = torch.empty_like(order).scatter_(
            1, order, torch.arange(self.T, device=order.device).expand_as(order)
        )
        self.num_done = known.clone()
        self.round: tuple[Tensor, Tensor, int, Tensor | int] | None = None  # as `drafted` takes it
        self.drawn: tuple[Tensor, Tensor] | None = None  # by the last call: ranks, and raw outputs
        c, slots = network.config, self.T + (self.T if spare is None else spare)
        shape = (len(values), 2, c.heads, slots, c.d_model // c.heads)
        self.caches = [network.norm.weight.new_zeros(shape) for _ in network.blocks]  # keys and values, one a block
        self.padded = F.pad(order, (0, slots - self.T), value=self.T)
        self.written = F.pad(values, (0, 0, 0, 1))  # [B, T + 1, C]; what is written at T is dropped
        # the framed picture [B · framed pixels, C + 2]: colours, ones (visible, unless the rank is too high), and ranks
        ones = torch.ones_like(self.ranks)
        flags = torch.stack([ones, self.ranks], -1).float()
        framed = torch.cat([network.frame(network.signed(values), 0), network.frame(flags, self.T)], -1)
        self.picture = framed.flatten(0, 1)
        self.batch = torch.arange(len(values), device=order.device)[:, None]
        self.begins = self.batch * framed.shape[1]  # of each sample in `picture`

    @property
    def values(self) -> Tensor:
        """Pixel values by position, [B, T, C]."""
        return self.written[:, :-1]

    def report(self, shape: torch.Size, drafted: int = 0, accepted: int = 0, prompt: bool = False) -> SamplingStep:
        """Describe the last call as a step; shape: of pixel values, [B, H, W, C]."""
        whole = bool((self.num_done == self.T).all())
        filled = self.T if whole else (self.ranks < self.num_done[:, None]).view(shape[:3])
        drafts = partial(self.drafted, shape, *self.round) if self.round else None
        log_prob = partial(self.log_probability, shape, *self.drawn) if self.drawn else None
        return SamplingStep(
            self.values.view(shape),
            filled,
            prompt=prompt,
            drafted=drafted,
            accepted=accepted,
            drafts=drafts,
            log_probability=log_prob,
        )

    def log_probability(self, shape: torch.Size, ranks: Tensor, raw: Tensor) -> Tensor:
        """Compute the log-probability of a `SamplingStep` for those of the ranks [B, R] that are settled; raw: the
        outputs [B, R, P] of their rows."""
        place = self.padded.gather(1, ranks)
        log_prob = self.likelihood.log_prob(raw, self.written.gather(1, place.unsqueeze(-1).expand(-1, -1, shape[-1])))
        log_prob = log_prob.masked_fill(ranks >= self.num_done[:, None], math.nan)
        made = log_prob.new_full((shape[0], self.T + 1), math.nan)
        return made.scatter_(1, place, log_prob)[:, :-1].reshape(shape[:3])

    def drafted(self, shape: torch.Size, values: Tensor, num_done: Tensor, size: int, passed: Tensor | int) -> Drafted:
        """Describe a round of drafting: `size` drafts for each sample, from the rank `num_done` [B] on, of which the
        first `passed` were accepted."""
        first = num_done[:, None]
        proposed = (self.ranks >= first) & (self.ranks < first + size)
        accepted = proposed & (self.ranks < first + (passed if isinstance(passed, int) else passed[:, None]))
        return Drafted(values.view(shape), proposed.view(shape[:3]), accepted.view(shape[:3]))

    def call(self, ranks: Tensor, seen: Tensor) -> Tensor:
        """Call the network once: the raw outputs [B, R, P] of rows of unknown tokens; ranks and seen as in
        `ASARM.embed`."""
        w, (B, R), D = self.tables, ranks.shape, self.network.config.d_model
        target = self.padded.gather(1, ranks)
        window = self.picture[(w.around[target] + self.begins.unsqueeze(2)).view(-1)].view(B, R, w.around.shape[1], -1)
        visible = window[..., -1:] < seen[:, :, None, None]
        # a single row is a vector from here on
        window = (window[..., :-1] * visible).view(B * R, -1).squeeze(0)
        # the token that a row carries is the last one that it sees; the first rows after the prompt carry none
        carried = self.padded.gather(1, (seen - 1).clamp_min(0)).masked_fill(seen <= self.known[:, None], self.T)
        value = self.picture[(w.centre[carried] + self.begins).view(-1), : w.value.shape[1]].squeeze(0)
        hidden = affine(w.stem_bias, window, w.stem).relu_()
        x = affine((w.aim[target] + w.place[carried]).view(B * R, D).squeeze(0), hidden.mul_(hidden), w.stem_out)
        x = self.attend(add_product(x, value, w.value), ranks, seen)
        raw = affine(w.head_bias, torch.layer_norm(x, (D,), w.norm, w.norm_bias), w.head)
        return (raw if w.direct is None else add_product(raw, window, w.direct)).view(B, R, -1)

    def attend(self, x: Tensor, ranks: Tensor, seen: Tensor) -> Tensor:
        """Run the blocks on rows x [N, D], or [D] of a single one, and keep their keys and values."""
        c, (B, R) = self.network.config, ranks.shape
        first, last = map(int, ranks.aminmax())
        alone = R == 1 and first == last  # one row a sample, of the same rank: it attends to all there is
        bias = None if alone else self.mask(ranks, seen, last + 1)
        for w, cache in zip(self.tables.blocks, self.caches, strict=True):
            qkv = w.project(x).view(B, R, 3, c.heads, -1)
            if alone:
                cache[:, :, :, last] = qkv[:, 0, 1:]
            else:
                cache[self.batch, :, :, ranks] = qkv[:, :, 1:]
            past = cache[:, :, :, : last + 1]
            y = F.scaled_dot_product_attention(qkv[:, :, 0].transpose(1, 2), past[:, 0], past[:, 1], attn_mask=bias)
            w.finish(x, y.transpose(1, 2).reshape(x.shape))
        return x

    def mask(self, ranks: Tensor, seen: Tensor, columns: int) -> Tensor:
        """Make the mask [B, 1, R, columns] that is added to scores: a row attends to what it sees, and to itself."""
        column = torch.arange(columns, device=ranks.device)
        hidden = (column >= seen.unsqueeze(-1)) & (column != ranks.unsqueeze(-1))
        return self.picture.new_zeros(hidden.shape).masked_fill_(hidden, float("-inf")).unsqueeze(1)

    def read_prompt(self) -> None:
        """Fill the caches with the rows of the known tokens; only one row each if all samples have the same prompt."""
        N = int(self.known.max())
        ranks = torch.arange(N, device=self.values.device)
        shared = (self.order[:, :N] == self.order[:1, :N]).all() and (self.values == self.values[:1]).all()
        if shared and (self.known == N).all():
            one = Decoding(self.network, self.values[:1], self.order[:1], self.known[:1], 1.0, self.rng, 0)
            one.read_rows(ranks.unsqueeze(0))
            for cache, first in zip(self.caches, one.caches, strict=True):
                cache[:, :, :, :N] = first[:, :, :, :N]
        else:
            self.read_rows(ranks.expand(len(self.values), N))

    def read_rows(self, ranks: Tensor) -> None:
        """Fill the caches with rows of known tokens; those of a sample that has fewer are written over later."""
        network, seen = self.network, self.known[:, None].expand_as(ranks)
        order = self.padded.clamp_max(self.T - 1)
        x, _ = network.embed(self.values, order, self.known, ranks, seen, network.rank_map(self.order))
        self.attend(x.flatten(0, 1), ranks, seen)

    def draw(self, raw: Tensor) -> Tensor:
        """Draw tokens [..., C] from raw outputs [..., P]."""
        noise = self.likelihood.noise(*raw.shape[:-1], rng=self.rng, device=raw.device)
        return self.likelihood.choose(raw, noise, self.temperature)

    def put(self, ranks: Tensor, tokens: Tensor) -> None:
        """Write tokens [B, R, C] of the given ranks [B, R]; ranks from T on are dropped."""
        place = self.padded.gather(1, ranks)
        self.written.scatter_(1, place.unsqueeze(-1).expand_as(tokens), tokens)
        self.picture[self.tables.centre[place] + self.begins, : tokens.shape[-1]] = self.network.signed(tokens)

    def speculative(self, k: int) -> Iterator[tuple[int, int]]:
        """Run ASSD with k drafts in each round (k = 1: one token in each call); yields (drafted, accepted) after every
        call."""
        T = self.T
        while (most := int((T - self.num_done).max())) > 0:
            R, num_done = min(k, most), self.num_done[:, None]
            ranks = num_done + torch.arange(R, device=num_done.device)
            p = self.call(ranks, num_done.expand_as(ranks))
            drafts, valid = self.draw(p), ranks < T
            self.put(ranks, drafts)
            before, written = self.num_done, self.values
            self.drawn = ranks, p
            if R == 1:  # given all tokens so far: nothing to verify
                self.round = (written, before, 1, 1) if k > 1 else None
                self.num_done = (self.num_done + 1).clamp_max(T)
                yield (int(valid.sum()),) * 2 if k > 1 else (0, 0)
                continue
            self.round, self.drawn = (written, before, R, 0), None
            yield int(valid.sum()), 0
            q = torch.cat([p[:, :1], self.call(ranks[:, 1:], ranks[:, 1:].clamp_max(T))], 1)
            stay = assd.passing_channels(self.likelihood, q, p, drafts, self.temperature, self.rng)
            passed = ((stay == self.likelihood.channels) & valid).long().cumprod(1).sum(1)  # in order
            rejected = passed < valid.sum(1)
            if rejected.any():
                written = written.clone()
                self.put_instead(q, p, drafts, stay, passed, rejected)
            self.round, self.drawn = (written, before, R, passed), (ranks, q)
            self.num_done = self.num_done + passed + rejected
            yield 0, int(passed.sum())

    def put_instead(self, q: Tensor, p: Tensor, drafts: Tensor, stay: Tensor, passed: Tensor, rejected: Tensor) -> None:
        """Replace the first rejected draft of every sample that has one.

        Args:
            q: Raw outputs [B, R, P] of the verification.
            p: Raw outputs [B, R, P] of the draft.
            drafts: [B, R, C].
            stay: [B, R], how many channels of each draft are accepted.
            passed: [B], how many drafts are accepted.
            rejected: [B], whether there is one to replace.
        """
        sample = rejected.nonzero().squeeze(1)
        at = sample, passed[sample]
        token = assd.replace(self.likelihood, q[at], p[at], drafts[at], stay[at], self.temperature, self.rng)
        tokens = drafts[:, :1].clone()
        tokens[sample, 0] = token
        self.put(torch.where(rejected, self.num_done + passed, self.T).unsqueeze(1), tokens)

    def masked(self, steps: int) -> Iterator[tuple[int, int]]:
        """Draw all unknown tokens in `steps` calls, those of one call independently; few at first (the cosine schedule
        of MaskGIT, 2202.04200)."""
        T, left = self.T, self.T - self.known
        before = num_done = self.known
        for step in range(1, steps + 1):
            share = 1 - math.cos(math.pi / 2 * step / steps)
            goal = self.known + torch.minimum(left, (left * share).ceil().long().clamp_min(step))
            goal = torch.full_like(goal, T) if step == steps else goal
            late, new = self.span(before + 1, num_done, T), self.span(num_done, goal, T)
            new = torch.where(new < T, new, new + late.shape[1])
            # the rows of the last call's tokens, now that their values are there, and those of the next tokens
            ranks = torch.cat([late, new], 1)
            if new.shape[1] == 0:
                break
            seen = torch.cat([late.clamp_max(T), num_done[:, None].expand_as(new)], 1)
            raw = self.call(ranks, seen)[:, late.shape[1] :]
            self.put(new, self.draw(raw))
            self.drawn = new, raw
            before, num_done = num_done, goal
            self.num_done = goal
            yield 0, 0

    def span(self, first: Tensor, end: Tensor, spare: int) -> Tensor:
        """Return the ranks first … end − 1 of every sample, [B, R]; ranks from `spare` on fill shorter rows."""
        steps = torch.arange(max(0, int((end - first).max())), device=first.device)
        ranks = first[:, None] + steps
        return torch.where(ranks < end[:, None], ranks, spare + steps)
