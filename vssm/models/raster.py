"""What the models that write pixel after pixel share: the way in, the likelihood and the loop of generation.

    p(x_{1:T}) = Π_t p(x_t | x_{<t})

A token enters as the pixel before it, its row + column position, and a causal 2-D stem as in PixelCNN (1601.06759):
the pixels of the `stem_rows` rows above and those to the left, within ± `stem_columns` columns, through a small MLP.
With `direct` these pixels also reach the raw outputs by one linear map: a prediction from the neighbours, in float32,
that the blocks correct. A model adds the blocks in between: `read`, all tokens at once, and `step`, one token from a
carried state.

Shapes: B images, T = H·W tokens, C channels, D = d_model, P raw outputs of the likelihood, K samples decoded at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vssm.config import PictureConfig, bounded, flag
from vssm.models import predictive
from vssm.nn import likelihoods
from vssm.nn.modules import SquaredReLU, add_product, affine, by_columns, linear
from vssm.nn.ssm_block import at_least_float32
from vssm.sampling.step import Sampler, SamplingParams, SamplingStep

NEIGHBOURS = 0.75, 0.75, -0.5  # how a pixel follows those to the left, above, and above left, before training
SEQUENTIAL = Sampler("sequential", "Sequential", "one pixel after another, each drawn given all before it")
PREDICTIVE = "guesses up to so many pixels, checks them in one call; the sequential picture, as its noise is the same"


@dataclass(frozen=True)
class RasterConfig(PictureConfig):
    """What the configs of all raster models have.

    stem_rows, stem_columns: how far the stem sees above, and to either side; direct: whether a linear map leads from
    the stem's window to the outputs.
    """

    d_model: int = bounded(128, 1, 2048)
    stem_rows: int = bounded(5, 1, 16)
    stem_columns: int = bounded(5, 1, 16)
    stem_hidden: int = bounded(256, 1, 4096)
    direct: bool = flag(False)


class StepTables(NamedTuple):
    """The weights that a step needs, as plain tensors, matrices [out, in] as `by_columns` lays them.

    position [T, D] includes the bias of `previous` and, at t = 0, the input "none yet"; blocks: of the model; direct:
    the direct map, or None.
    """

    window: Tensor
    window_bias: Tensor
    stem: Tensor
    previous: Tensor
    position: Tensor
    blocks: list[Any]
    norm: Tensor
    norm_bias: Tensor
    head: Tensor
    head_bias: Tensor
    direct: Tensor | None


class RasterModel(nn.Module):
    """Maps pixel values to the raw outputs of each pixel's likelihood, given the pixels before it in raster order.

    A model calls `make_ends` and implements `read`, `make_states`, `block_tables`, `step`, `segment` and `keep`.
    """

    config: RasterConfig
    exact = True
    prefix_only = True
    half_precision = False  # many and small matrix products: bfloat16 makes a step slower
    pixel_modes = ("sampled",)  # a pixel is drawn before the next can be

    @staticmethod
    def samplers(config: RasterConfig) -> tuple[Sampler, ...]:
        """Its samplers under a config, the usual one first."""
        usual, most = predictive.usual(config), config.width
        return SEQUENTIAL, Sampler("predictive", "Predictive", PREDICTIVE, "draft", usual, most)

    def read(self, x: Tensor, states: list[Tensor] | None = None) -> Tensor:
        """Run the blocks, which are causal: x [B, T, D] to [B, T, D]; fills `states` for the next step."""
        raise NotImplementedError

    def make_states(self, samples: int, spare: int = 0) -> list[Tensor]:
        """Make what is carried from step to step: tensors [K, ...]. spare: how far a segment may reach beyond T."""
        raise NotImplementedError

    def block_tables(self) -> list[Any]:
        """Return what `step` needs of the blocks; once for each run."""
        raise NotImplementedError

    def step(self, x: Tensor, states: list[Tensor], t: int, tables: list[Any]) -> Tensor:
        """Run the blocks on the token at t: x [K, D], or [D] of one sample, to the same; updates `states` in place."""
        raise NotImplementedError

    def segment(self, x: Tensor, states: list[Tensor], first: Tensor, tables: list[Any]) -> tuple[Tensor, list[Any]]:
        """Run the blocks on R tokens of each sample, which may be wrong from some token on.

        Args:
            x: The tokens [K, R, D].
            states: As they were before the first of these tokens. They are so afterwards, too, unless R is 1.
            first: [K], at which t a sample's tokens begin.
            tables: As `block_tables` makes them.

        Returns:
            [K, R, D], and what `keep` needs to carry the states on.
        """
        raise NotImplementedError

    def keep(self, states: list[Tensor], pending: list[Any], count: Tensor) -> None:
        """Carry the states past the first `count` [K] tokens of a segment; by default they need no change."""

    def make_ends(self, c: RasterConfig) -> None:
        """Make what comes before the blocks and after them."""
        self.config = c
        self.likelihood = likelihoods.of(c)
        self.patch = (c.stem_rows + 1) * (2 * c.stem_columns + 1)
        self.seen = self.patch - c.stem_columns - 1  # of the window in raster order, the entries before the centre
        self.stem = nn.Sequential(
            nn.Linear(c.channels * self.seen, c.stem_hidden),
            SquaredReLU(),
            nn.Linear(c.stem_hidden, c.d_model, bias=False),
        )
        self.previous = nn.Linear(c.channels + 1, c.d_model)  # x_{t-1}; the last input stands for "none yet"
        self.row = nn.Parameter(torch.zeros(c.height, 1, c.d_model))
        self.column = nn.Parameter(torch.zeros(1, c.width, c.d_model))
        self.norm = nn.LayerNorm(c.d_model)
        self.head = nn.Linear(c.d_model, self.likelihood.parameters)
        if c.direct:
            self.direct_head = nn.Linear(c.channels * self.seen, self.likelihood.parameters, bias=False)

    def init_linear(self, module: nn.Module) -> None:
        """Initialise a module, for `apply`: GPT-2's small weights, but the first layer of the stem by its fan-in."""
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        if module is linear(self.stem, 0):
            nn.init.kaiming_normal_(linear(self.stem, 0).weight, nonlinearity="relu")
        if module is self.head:
            module.bias.data.copy_(self.likelihood.initial_bias())
            module.weight.data *= 0.1 if self.config.direct else 1
        if self.config.direct and module is self.direct_head:
            # from the pixels to the left and above: found by descent only slowly, a step being small
            expected = torch.zeros(self.seen)
            row = 2 * self.config.stem_columns + 1
            expected[-1], expected[-row], expected[-row - 1] = NEIGHBOURS
            module.weight.data.copy_(self.likelihood.linear_start(expected).flatten(1))

    @property
    def tokens(self) -> int:
        """T, one token for each pixel."""
        return self.config.height * self.config.width

    def signed(self, values: Tensor) -> Tensor:
        """Scale pixel values to −1 … 1, in float32."""
        return (values * (2 / (self.config.num_values - 1))).sub_(1)

    def canvas(self, values: Tensor) -> Tensor:
        """Scale pixel values [B, H, W, C] to −1 … 1 and pad them by zeros, so that every pixel has a whole window:
        [B, C, H + rows, W + 2 · columns]."""
        c = self.config
        return F.pad(self.signed(values).permute(0, 3, 1, 2), (c.stem_columns, c.stem_columns, c.stem_rows, 0))

    def windows(self, values: Tensor) -> Tensor:
        """Cut out the window of every pixel of [B, H, W, C], as far as it lies before the pixel: [B, T, C · seen]."""
        c = self.config
        window = F.unfold(self.canvas(values), (c.stem_rows + 1, 2 * c.stem_columns + 1))
        return window.unflatten(1, (c.channels, -1))[:, :, : self.seen].flatten(1, 2).transpose(1, 2)

    def embed(self, values: Tensor, window: Tensor) -> Tensor:
        """Map pixel values [B, H, W, C] and their windows to inputs [B, T, D]; the one at t depends on x_{<t} only."""
        before = F.pad(self.signed(values).flatten(1, 2)[:, :-1], (0, 1, 1, 0))
        before[:, 0, -1] = 1
        return self.stem(window) + self.previous(before) + (self.row + self.column).flatten(0, 1)

    def forward(self, values: Tensor, states: list[Tensor] | None = None, tokens: int | None = None) -> Tensor:
        """Map pixel values [B, H, W, C] to raw outputs [B, T, P] in float32.

        Args:
            values: The pixel values.
            states: Filled for the next step, if given: the prefill of a run.
            tokens: How many outputs to compute, from the first one on; None for all.
        """
        window = self.windows(values)
        x = self.norm(self.read(self.embed(values, window)[:, :tokens], states))
        with torch.autocast(x.device.type, enabled=False):  # a mean needs more digits than bfloat16 has
            raw = self.head(at_least_float32(x))
            return raw + self.direct_head(window[:, :tokens]) if self.config.direct else raw

    def log_likelihood(self, values: Tensor) -> Tensor:
        """Compute log p(x) in nats, [B], of pixel values [B, H, W, C]; it is exact."""
        return self.likelihood.log_prob(self(values), values.flatten(1, 2)).sum(1)

    def loss(self, values: Tensor, known: Tensor) -> dict[str, Tensor]:
        """Terms in nats for one image; training minimises "loss". These models do not use `known` [B, H, W]."""
        return {"loss": -self.log_likelihood(values).mean()}

    # --- generation ---------------------------------------------------------------------------------------------

    def step_tables(self) -> StepTables:
        """Collect the weights that a step needs; once for each run."""
        position = (self.row + self.column).flatten(0, 1) + self.previous.bias
        position[0] += self.previous.weight[:, -1]
        return StepTables(
            self.whole_window(linear(self.stem, 0).weight),
            linear(self.stem, 0).bias,
            by_columns(linear(self.stem, 2).weight),
            by_columns(self.previous.weight[:, :-1]),
            position,
            self.block_tables(),
            self.norm.weight,
            self.norm.bias,
            by_columns(self.head.weight),
            self.head.bias,
            self.whole_window(self.direct_head.weight) if self.config.direct else None,
        )

    def whole_window(self, weight: Tensor) -> Tensor:
        """Extend weights [out, C · seen] to a matrix [out, C · patch] for whole windows of the canvas."""
        weight = weight.unflatten(1, (self.config.channels, self.seen))
        return by_columns(F.pad(weight, (0, self.patch - self.seen)).flatten(1))

    def next_raw(
        self, window: Tensor, previous: Tensor, position: Tensor, states: list[Tensor], t: int, tables: StepTables
    ) -> Tensor:
        """Compute the raw outputs [K, P] of the pixel at t; all without the axis K where there is one sample.

        `forward` for one token, written flat: at this size calling a module costs as much as its work.

        Args:
            window: Its window in the canvas, [K, C, rows + 1, 2 · columns + 1], zeros from the pixel on.
            previous: [K, C], x_{t−1} as −1 … 1 (zeros at t = 0).
            position: [D], its row of the tables' positions.
            states: What is carried; moved on by one token.
            t: Its number.
            tables: As `step_tables` makes them.
        """
        window = window.flatten(-3)
        x = self.enter(window, previous, position, tables)
        return self.leave(self.step(x, states, t, tables.blocks), window, tables)

    def enter(self, window: Tensor, previous: Tensor, position: Tensor, tables: StepTables) -> Tensor:
        """Inputs [N, D] of tokens with windows [N, C · patch], pixels before them [N, C], and positions [N, D] or [D];
        for one token all may be without the axis N, as in `leave`."""
        hidden = affine(tables.window_bias, window, tables.window).relu_()
        return add_product(affine(position, hidden.mul_(hidden), tables.stem), previous, tables.previous)

    def leave(self, x: Tensor, window: Tensor, tables: StepTables) -> Tensor:
        """Raw outputs [N, P] of tokens [N, D] after the blocks, with their windows."""
        x = torch.layer_norm(x, self.norm.normalized_shape, tables.norm, tables.norm_bias)
        raw = affine(tables.head_bias, x, tables.head)
        return raw if tables.direct is None else add_product(raw, window, tables.direct)

    def complete(self, values: Tensor, known: Tensor, params: SamplingParams) -> Iterator[SamplingStep]:
        """Read the prefix that all prompts have in one call, then draw the rest; known pixels are kept."""
        run = Decoding(self, values, known, params)
        if run.prefix:
            run.read_prefix()
            yield SamplingStep(run.flat.view_as(values), run.prefix, prompt=True)
        yield from run.sequential() if run.window == 1 else run.predictive()


class Decoding:
    """The state of a run: the pixels, all noise, and what the network carries from token to token."""

    def __init__(self, network: RasterModel, values: Tensor, known: Tensor, params: SamplingParams) -> None:
        c, T, K = network.config, network.tokens, len(values)
        self.network, self.shape, self.temperature = network, values.shape, params.temperature
        # pixels drawn in a call; windows may reach so far beyond T
        self.window = min(params.parameter, c.width) if params.sampler == "predictive" else 1
        self.prefix_raw: Tensor | None = None
        self.given, self.mask = values.flatten(1, 2), known.flatten(1)
        self.every = self.mask.all(0)
        self.prefix = int(self.every.long().cumprod(0).sum())
        in_prefix = (torch.arange(T, device=values.device) < self.prefix).unsqueeze(1)
        self.flat = self.given * in_prefix  # pixels known later enter the canvas as they pass
        self.noise = network.likelihood.noise(T, K, rng=params.rng, device=values.device)
        self.states, self.tables = network.make_states(K, self.window), network.step_tables()
        self.canvas = network.canvas(values) * 0
        self.inner = self.canvas[:, :, c.stem_rows :, c.stem_columns : c.stem_columns + c.width]
        self.inner.copy_((network.signed(self.given) * in_prefix).transpose(1, 2).view_as(self.inner))

    def read_prefix(self) -> None:
        """Fill the states with the pixels that are known at the beginning of all prompts."""
        network, prefix, given = self.network, self.prefix, self.given
        if (given[:, :prefix] == given[:1, :prefix]).all():  # one prompt, many samples: read it once
            first = network.make_states(1, self.window)
            self.prefix_raw = network(given[:1].view(1, *self.shape[1:]), first, tokens=prefix)
            for state, one in zip(self.states, first, strict=True):
                state.copy_(one.expand_as(state))
        else:
            self.prefix_raw = network(given.view(self.shape), self.states, tokens=prefix)

    def sequential(self) -> Iterator[SamplingStep]:
        """Draw one token a call. One sample has no axis K here, as vectors are multiplied faster than rows."""
        c, network, T = self.network.config, self.network, self.network.tokens
        some, every = self.mask.any(0).tolist(), self.every.tolist()
        # the views of every pixel, made at once: one by one they cost each step a few calls
        cut = self.canvas.squeeze(0).unfold(-2, c.stem_rows + 1, 1).unfold(-2, 2 * c.stem_columns + 1, 1)
        windows = [window for row in cut.unbind(-4) for window in row.unbind(-3)]
        pixels = [pixel for row in self.inner.squeeze(0).unbind(-2) for pixel in row.unbind(-1)]
        given, flat = self.given.squeeze(0).unbind(-2), self.flat.squeeze(0).unbind(-2)
        noise, positions = self.noise.squeeze(1).unbind(), self.tables.position.unbind()
        previous = pixels[self.prefix - 1] if self.prefix else torch.zeros_like(pixels[0])
        raws: list[Tensor] = []  # of every step, by reference
        for t in range(self.prefix, T):
            raw = network.next_raw(windows[t], previous, positions[t], self.states, t, self.tables)
            raws.append(raw)
            drawn = given[t] if every[t] else network.likelihood.choose(raw, noise[t], self.temperature)
            if some[t] and not every[t]:
                drawn = torch.where(self.mask[:, t, None], given[t], drawn)
            flat[t].copy_(drawn)
            previous = pixels[t].copy_(network.signed(drawn))
            log_prob = (lambda: self.log_probability(torch.stack(raws, -2))) if t + 1 == T else None
            yield SamplingStep(self.flat.view(self.shape), t + 1, log_probability=log_prob)

    def predictive(self) -> Iterator[SamplingStep]:
        """Draw the same pixels by windows of pixels, at most a row each; see `vssm.models.predictive`."""
        window = predictive.Window(self)
        while not window.done:
            yield window.advance(self.window)

    def log_probability(self, raw: Tensor) -> Tensor:
        """Compute the log-probability of a `SamplingStep`, as one call of `forward` for the finished picture would.

        raw: the outputs [K, n, P] that the last n pixels were drawn from, or [n, P] of one sample.
        """
        raw = raw.view(len(self.flat), -1, raw.shape[-1])
        first = self.flat.shape[1] - raw.shape[1]
        log_prob = self.network.likelihood.log_prob(raw, self.flat[:, first:])
        return F.pad(log_prob, (first, 0), value=math.nan).view(self.shape[:3])
