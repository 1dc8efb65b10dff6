"""The VSSM as its paper has it: one level of latents, everything in raster order, four ways to sample.

Lambrechts, Claes, Geurts, Ernst (2407.08415): L = 1, all blocks causal, and

    prior               p_θ(z_t) = p_ω(z_t | ∅)             a learned table: only the position enters
    posterior           q_ψ(z_t | x_{1:t})
    decoder             p_φ(x_t | z_{1:t})                  which sees no prompt
    partial posterior   p_ω(z_t | x_{1:C})                  one network with the prior, on the padded prefix

It is trained on the evidence lower bound with S = ∅ plus KL(q_ψ ‖ p_ω), with q_ψ fixed, on prefixes. Deviation: tokens
are patches, and a block's convolution also reaches the three tokens above.

Shapes: as in `vssm`; n tokens of one piece.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from vssm.config import for_data
from vssm.data import DataSet
from vssm.models.vssm import VSSM, Drawing, Inferred, VSSMConfig, chunked_sampler, depth_to_space, space_to_depth
from vssm.nn.latent_distributions import Latent
from vssm.nn.ssm_block import SSMBlock
from vssm.sampling.step import Sampler, SamplingParams, SamplingStep


class Carried(NamedTuple):
    """How many tokens have passed through a stack of causal blocks, and the state of each block."""

    start: int
    states: list[tuple[Tensor, Tensor]]


class PaperVSSM(VSSM):
    """Causal encoder, one level of latents, and causal decoder."""

    causal = True
    prefix_only = True

    @staticmethod
    def samplers(config: VSSMConfig) -> tuple[Sampler, ...]:
        """Its samplers under a config, the usual one first."""
        about = "all latents at once, then every pixel at once by one scan"
        return (
            Sampler("parallel", "Parallel", about, can_fix_latents=True),
            Sampler("sequential", "Sequential", "one latent and its token after another, the hidden state carried"),
            chunked_sampler(config),
        )

    # --- likelihood ---------------------------------------------------------------------------------------------

    def infer(self, values: Tensor, known: Tensor, draws: int = 1) -> tuple[Tensor, list[Inferred]]:
        """As `VSSM.infer`, with S = ∅ whatever is known: the decoder sees no prompt."""
        prompt = self.prompt(values[:1], torch.zeros_like(known[:1]))  # one for all images
        features, level = self.encode(values), self.fine[0]
        if draws > 1:
            features = features.repeat_interleave(draws, 0)
        _, inferred = level.infer(self.top(prompt), features)
        return self.decode(self.decoder_position + level.enter(inferred.value), prompt), [inferred]

    def elbo(self, values: Tensor, known: Tensor, draws: int = 1) -> tuple[Tensor, list[Inferred]]:
        """As `VSSM.elbo`, with S = ∅ whatever is known."""
        return super().elbo(values, torch.zeros_like(known), draws)

    def conditional_bound(self, values: Tensor, known: Tensor) -> Tensor | None:
        """As `VSSM.conditional_bound`, with S = ∅ alone: what is known enters the partial posterior, not the model."""
        return None if known.any() else super().conditional_bound(values, known)

    def loss(self, values: Tensor, known: Tensor) -> dict[str, Tensor]:
        """Terms in nats for one image; training minimises "loss". "free" is −ELBO, "partial" KL(q_ψ ‖ p_ω)."""
        log_p, (inferred,) = self.elbo(values, known)
        kl = inferred.divergence()
        bound = (kl - log_p).mean()
        partial = self.latent.divergence(inferred.q.detach(), self.partial(values, known)).sum((1, 2)).mean()
        return {"loss": bound + partial, "free": bound, "partial": partial, "kl": kl.mean(), "pixels": -log_p.mean()}

    def partial(self, values: Tensor, known: Tensor) -> Tensor:
        """The raw partial posterior given the known prefix: [B, h, w, ·]."""
        level = self.fine[0]
        raw: Tensor = level.prior_head(level.block(self.top(self.prompt(values, prefix(known)))))
        return raw

    def posterior(self, values: Tensor, known: Tensor) -> list[tuple[Latent, Tensor, Tensor]]:
        """The kind of latent, raw q_ψ given the picture, and raw p_ω given the prompt."""
        _, (inferred,) = self.infer(values, known)
        return [(self.latent, inferred.q, self.partial(values, known))]

    # --- generation ---------------------------------------------------------------------------------------------

    def complete(self, values: Tensor, known: Tensor, params: SamplingParams) -> Iterator[SamplingStep]:
        """Fill the unknown pixels by one of the `samplers`."""
        how = Drawing(self.likelihood, params)
        match params.sampler:
            case "parallel":
                return self.at_once(values, known, how)
            case "sequential":
                return self.one_by_one(values, known, how)
            case _:
                return self.in_chunks(values, known, how, params.parameter)

    def at_once(self, values: Tensor, known: Tensor, how: Drawing) -> Iterator[SamplingStep]:
        """Draw all latents from the partial posterior, then all pixels by one scan of the decoder: two steps."""
        level = self.fine[0]
        _, value, raw = level.sample(self.top(self.prompt(values, prefix(known))), how, 1)
        yield SamplingStep(latent=(self.latent, value, raw), level=1)
        raw = self.decode(self.decoder_position + level.enter(value), None)
        # noise in the order of tokens, as the other samplers draw it
        drawn = how.pixels(
            space_to_depth(raw, self.config.patch).unflatten(-1, (-1, self.likelihood.parameters))
        ).flatten(-2)
        values = torch.where(known.unsqueeze(-1), values, depth_to_space(drawn, self.config.patch))
        yield SamplingStep(values, known[0].numel(), log_probability=how.log_prob(raw, values, known))

    def one_by_one(self, values: Tensor, known: Tensor, how: Drawing) -> Iterator[SamplingStep]:
        """Read the prompt once by the partial posterior, then draw one token in each call, with the decoder's hidden
        state carried. The distribution is the same as that of `at_once`."""
        raw = self.partial(values, known).flatten(1, 2)
        first = self.num_known(known)
        value = torch.zeros_like(raw[..., : self.latent.values]).float()
        state = self.start_decoding(len(values))
        if first:  # the prompt's own latents, in one call
            value[:, :first] = how.latents(self.latent, raw[:, :first])
            _, state = self.decode_from(value[:, :first], state)
        yield SamplingStep(values, self.filled(first, known), prompt=True)
        for t in range(first, self.tokens):
            value[:, t : t + 1] = how.latents(self.latent, raw[:, t : t + 1])
            outputs, state = self.decode_from(value[:, t : t + 1], state)
            values = self.put(values, known, t, how.pixels(outputs))
            yield self.so_far(values, known, value, raw, t + 1, self.log_prob(how, outputs, values, t))

    def in_chunks(self, values: Tensor, known: Tensor, how: Drawing, chunk: int) -> Iterator[SamplingStep]:
        """Draw `chunk` tokens in each round: the partial posterior reads the tokens so far, the next latents are drawn,
        and the decoder continues from its hidden state. Both read each token once."""
        given = prefix(known)
        raw = values.new_zeros(len(values), self.tokens, self.latent.parameters, dtype=torch.float)
        value = torch.zeros_like(raw[..., : self.latent.values])
        decoding, reading = self.start_decoding(len(values)), self.start_reading(len(values))
        first, start = self.num_known(known), 0
        if first:
            found, reading = self.read_from(values, given, first, reading)
            raw[:, :first] = found
        while start < self.tokens:
            end = min(first + chunk, self.tokens)
            raw[:, first:end], _ = self.read_from(values, given, end - first, reading)
            value[:, start:end] = how.latents(self.latent, raw[:, start:end])
            outputs, decoding = self.decode_from(value[:, start:end], decoding)
            values = self.put(values, known, start, how.pixels(outputs))
            log_prob = self.log_prob(how, outputs, values, start)
            if end < self.tokens:
                given = given | (self.token_of_pixel < end)
                _, reading = self.read_from(values, given, end - first, reading)
            first = start = end
            yield self.so_far(values, known, value, raw, end, log_prob)

    def start_decoding(self, batch: int) -> Carried:
        """Make the decoder's hidden state before the first token."""
        return self.before_first(self.decoder, batch)

    def decode_from(self, value: Tensor, carried: Carried) -> tuple[Tensor, Carried]:
        """Decode the next tokens from a hidden state; earlier tokens are not read again.

        Args:
            value: The latents of these tokens, [B, n, Z].
            carried: The state before them.

        Returns:
            Raw outputs [B, n, patch², P], and the state after these tokens.
        """
        position = self.decoder_position.flatten(0, 1)[carried.start :][: value.shape[1]]
        h, carried = self.through(self.decoder, position + self.fine[0].enter(value), carried)
        raw = space_to_depth(self.head(h.unsqueeze(1), None), self.config.patch)[:, 0]
        return raw.unflatten(-1, (-1, self.likelihood.parameters)), carried

    def start_reading(self, batch: int) -> Carried:
        """Make the partial posterior's hidden state before the first token."""
        return self.before_first([*self.prompt_blocks, self.fine[0].block], batch)

    def read_from(self, values: Tensor, known: Tensor, count: int, carried: Carried) -> tuple[Tensor, Carried]:
        """Compute raw p_ω of the next `count` tokens, [B, count, ·], and the state after them; values [B, H, W, C] and
        known [B, H, W] are whole pictures."""
        patch, span = self.config.patch, slice(carried.start, carried.start + count)
        pixels = space_to_depth(self.prompt(values, known), patch).flatten(1, 2)[:, span]
        x = self.prompt_stem(depth_to_space(pixels.unsqueeze(1), patch))[:, 0] + self.fine_position.flatten(0, 1)[span]
        h, carried = self.through([*self.prompt_blocks, self.fine[0].block], x, carried)
        return self.fine[0].prior_head(h), carried

    def before_first(self, blocks: Iterable[SSMBlock], batch: int) -> Carried:
        """Make the state of a stack of causal blocks before the first token."""
        columns = self.config.width // self.config.patch
        return Carried(0, [block.initial_state(batch, columns) for block in blocks])

    @staticmethod
    def through(blocks: Iterable[SSMBlock], x: Tensor, carried: Carried) -> tuple[Tensor, Carried]:
        """Run a stack of causal blocks on the next tokens x [B, n, D]."""
        states = []
        for block, state in zip(blocks, carried.states, strict=True):
            x, state = block.segment(x, state, carried.start)
            states.append(state)
        return x, Carried(carried.start + x.shape[1], states)

    def num_known(self, known: Tensor) -> int:
        """Count the tokens at the beginning whose pixels are all known in all images; at most T − 1, so that there is
        one to decode."""
        whole = space_to_depth(prefix(known).unsqueeze(-1), self.config.patch).all(-1).flatten(1).all(0)
        return int(whole[:-1].long().cumprod(0).sum())

    def filled(self, tokens: int, known: Tensor) -> Tensor | int:
        """Return `filled` of a `SamplingStep`: the pixels of the first tokens, and the known ones."""
        return known[0].numel() if tokens == self.tokens else (self.token_of_pixel < tokens) | known

    def put(self, values: Tensor, known: Tensor, start: int, drawn: Tensor) -> Tensor:
        """Write the pixels [B, n, patch², C] of the tokens from `start` on into pixel values, except known ones."""
        tokens = space_to_depth(values.to(drawn.dtype), self.config.patch)
        flat = tokens.flatten(1, 2).clone()
        flat[:, start : start + drawn.shape[1]] = drawn.flatten(-2)
        return torch.where(known.unsqueeze(-1), values, depth_to_space(flat.view_as(tokens), self.config.patch))

    def log_prob(self, how: Drawing, outputs: Tensor, values: Tensor, start: int) -> Callable[[], Tensor] | None:
        """Like `Drawing.log_prob`, for the tokens from `start` on, drawn from raw outputs [B, n, patch², P]."""
        if how.means:
            return None
        patch, grid, later = self.config.patch, self.fine_position.shape[:2], self.tokens - start - outputs.shape[1]

        def work_out() -> Tensor:
            tokens = (
                space_to_depth(values, patch)
                .flatten(1, 2)[:, start : self.tokens - later]
                .unflatten(-1, (patch**2, -1))
            )
            log_prob = F.pad(self.likelihood.log_prob(outputs, tokens), (0, 0, start, later), value=math.nan)
            return depth_to_space(log_prob.unflatten(1, grid), patch).squeeze(-1)

        return work_out

    def so_far(
        self,
        values: Tensor,
        known: Tensor,
        value: Tensor,
        raw: Tensor,
        tokens: int,
        log_prob: Callable[[], Tensor] | None,
    ) -> SamplingStep:
        """Describe the state after so many tokens: latents drawn [B, T, Z], and the raw parameters [B, T, ·] of their
        distributions."""
        grid = self.fine_position.shape[:2]
        latent = self.latent, value.unflatten(1, grid), raw.unflatten(1, grid)
        filled = self.filled(tokens, known)
        return SamplingStep(values, filled, latent=latent, level=1, drawn=tokens, log_probability=log_prob)


def prefix(known: Tensor) -> Tensor:
    """Find the leading run of known pixels in raster order, [B, H, W]."""
    return known.flatten(1).long().cumprod(1).bool().view_as(known)


def config_for(data: DataSet, **changes: object) -> VSSMConfig:
    """Make the config of the preset `vssm-paper` for a data set."""
    return for_data(
        VSSMConfig,
        data,
        "vssm-paper",
        changes,
        patch=4,
        causal=True,
        coarse_levels=0,
        fine_levels=1,
        prompt_blocks=2,
        encoder_blocks=3,
        decoder_blocks=4,
        latent="categorical",
        latent_size=16,
        latent_classes=8,
    )
