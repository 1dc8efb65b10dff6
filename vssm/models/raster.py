"""What the models that write pixel after pixel share: the way in, the likelihood and the loop of generation.

    p(x_{1:T}) = Π_t p(x_t | x_{<t})

A token enters as the value before it, its row + column position, and a causal 2-D stem as in PixelCNN (1601.06759):
the pixels of the `stem_rows` rows above and those to the left, within ± `stem_columns` columns, through a small MLP.
A model adds the blocks in between: `read`, all tokens at once, and `step`, one token from a carried state.

Shapes: B images, T = H·W tokens, D = d_model, K samples decoded at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..work import Mode, Work

SEQUENTIAL = Mode("sequential", "Sequential", "one pixel after another, each drawn given all before it")


class SquaredReLU(nn.Module):
    """max(0, x)² (Primer, 2109.08668): cheaper than GELU on a CPU."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x).square()


class StepTables(NamedTuple):
    """What a step needs, as plain tensors: stem over the whole window, embedding, positions [T, D], blocks, head."""

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


class RasterModel(nn.Module):
    """Maps pixel values to the logits of each pixel given those before it in raster order.

    A model calls `make_ends` and provides
        read(x [B, T, D], states or None) -> [B, T, D], causal; fills `states` with what the next step needs;
        make_states(samples) -> list of tensors, samples first;
        block_tables() -> what `step` needs of the blocks, made once a generation;
        step(x [K, D], states, t, tables) -> [K, D], `states` brought up to date in place.
    """

    exact = True
    prefix_only = True
    half_precision = False  # many and small matrix products: bfloat16 makes a step slower

    @staticmethod
    def modes(config) -> tuple[Mode, ...]:
        return (SEQUENTIAL,)

    def make_ends(self, c) -> None:
        """The way in and the way out; c: a config with height, width, levels, d_model, stem_rows, stem_columns and
        stem_hidden."""
        self.config = c
        self.patch = (c.stem_rows + 1) * (2 * c.stem_columns + 1)
        self.seen = self.patch - c.stem_columns - 1  # of the window in raster order, the entries before the centre
        self.stem = nn.Sequential(
            nn.Linear(self.seen, c.stem_hidden),
            SquaredReLU(),
            nn.Linear(c.stem_hidden, c.d_model, bias=False),
        )
        self.previous = nn.Embedding(c.levels + 1, c.d_model)  # x_{t-1}; the last entry stands for "none yet"
        self.row = nn.Parameter(torch.zeros(c.height, 1, c.d_model))
        self.column = nn.Parameter(torch.zeros(1, c.width, c.d_model))
        self.norm = nn.LayerNorm(c.d_model)
        self.head = nn.Linear(c.d_model, c.levels)

    @staticmethod
    def init_linear(module: nn.Module) -> None:
        """For `apply`: GPT-2's small weights, but the stem's first layer at the scale of its inputs."""
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=0.02)
            if getattr(module, "bias", None) is not None:
                nn.init.zeros_(module.bias)
        if isinstance(module, nn.Linear) and module.in_features < 100:
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    @property
    def tokens(self) -> int:
        return self.config.height * self.config.width

    def canvas(self, values: Tensor) -> Tensor:
        """Pixel values [B, H, W] as -1 … 1, framed by zeros so that every pixel has its window."""
        c = self.config
        signed = values.float() * (2 / (c.levels - 1)) - 1
        return F.pad(signed, (c.stem_columns, c.stem_columns, c.stem_rows, 0))

    def embed(self, values: Tensor) -> Tensor:
        """Pixel values [B, H, W] to inputs [B, T, D]; the one at t has seen x_{<t} only."""
        c = self.config
        window = F.unfold(self.canvas(values)[:, None], (c.stem_rows + 1, 2 * c.stem_columns + 1))
        previous = F.pad(values.flatten(1)[:, :-1].long(), (1, 0), value=c.levels)
        position = (self.row + self.column).flatten(0, 1)
        return self.stem(window[:, : self.seen].transpose(1, 2)) + self.previous(previous) + position

    def forward(self, values: Tensor, states: list[Tensor] | None = None, tokens: int | None = None) -> Tensor:
        """Pixel values [B, H, W] to logits [B, T, levels]; with `tokens`, of the first ones only.

        `states` are filled on the way: the prefill of generation.
        """
        return self.head(self.norm(self.read(self.embed(values)[:, :tokens], states)))

    def log_likelihood(self, values: Tensor) -> Tensor:
        """Exact log p(x) in nats, [B], of pixel values [B, H, W, 1]."""
        values = values[..., 0]
        logits = self(values).float()
        return -F.cross_entropy(logits.transpose(1, 2), values.flatten(1).long(), reduction="none").sum(1)

    def loss(self, values: Tensor, known: Tensor) -> dict[str, Tensor]:
        """Terms in nats an image; "loss" is the one to minimise. `known` [B, H, W] is not used by these models."""
        return {"loss": -self.log_likelihood(values).mean()}

    # --- generation ---------------------------------------------------------------------------------------------

    def step_tables(self) -> StepTables:
        """Made once a generation."""
        return StepTables(
            F.pad(self.stem[0].weight, (0, self.patch - self.seen)).t().contiguous(),
            self.stem[0].bias,
            self.stem[2].weight.t(),
            self.previous.weight,
            (self.row + self.column).flatten(0, 1),
            self.block_tables(),
            self.norm.weight,
            self.norm.bias,
            self.head.weight.t(),
            self.head.bias,
        )

    def next_logits(self, canvas: Tensor, previous: Tensor, states: list[Tensor], t: int, tables: StepTables) -> Tensor:
        """Logits [K, levels] of the pixel at t. canvas: framed [K, H+rows, W+2·columns], zeros from t on;
        previous: [K], the value of x_{t-1} (`levels` at t = 0).

        `forward` for one token, written flat: at this size calling a module costs as much as its work.
        """
        c, K = self.config, len(canvas)
        r, q = divmod(t, c.width)
        window = canvas[:, r : r + c.stem_rows + 1, q : q + 2 * c.stem_columns + 1].reshape(K, -1)
        hidden = torch.addmm(tables.window_bias, window, tables.window).relu_()
        x = torch.addmm(tables.position[t], hidden * hidden, tables.stem) + F.embedding(previous, tables.previous)
        x = self.step(x, states, t, tables.blocks)
        x = torch.layer_norm(x, self.norm.normalized_shape, tables.norm, tables.norm_bias)
        return torch.addmm(tables.head_bias, x, tables.head)

    def complete(
        self, values: Tensor, known: Tensor, temperature: float, rng: torch.Generator, mode: str, size: int
    ) -> Iterator[Work]:
        """Read the prefix that all prompts know in one call, then one token a call; known pixels are clamped."""
        c, T, K = self.config, self.tokens, len(values)
        flat, mask = values.flatten(1).clone(), known.flatten(1)
        shared = mask.all(0)
        prefix = int(shared.long().cumprod(0).sum())
        flat.mul_(torch.arange(T, device=flat.device) < prefix)  # pixels known later enter the canvas as they pass
        some, every = mask.any(0).tolist(), shared.tolist()
        given = values.flatten(1)
        noise = torch.empty(T, K, c.levels, device=flat.device).exponential_(generator=rng).log_().mul_(-temperature)
        states, tables = self.make_states(K), self.step_tables()
        canvas = self.canvas(values[..., 0] * 0)
        inner = canvas[:, c.stem_rows :, c.stem_columns : c.stem_columns + c.width]
        inner.zero_()
        signed = torch.linspace(-1, 1, c.levels, device=flat.device).unsqueeze(1)
        previous = torch.full((K,), c.levels, device=flat.device)
        if prefix:
            if (given[:, :prefix] == given[:1, :prefix]).all():  # one prompt, many samples: read it once
                first = self.make_states(1)
                self(values[:1, ..., 0], first, tokens=prefix)
                for state, one in zip(states, first, strict=True):
                    state.copy_(one.expand_as(state))
            else:
                self(values[..., 0], states, tokens=prefix)
            inner.copy_(
                torch.where(
                    torch.arange(T, device=flat.device) < prefix, F.embedding(given, signed)[..., 0], 0.0
                ).view_as(inner)
            )
            previous = given[:, prefix - 1]
            yield Work(flat.view_as(values), prefix, prompt=True)
        for t in range(prefix, T):
            logits = self.next_logits(canvas, previous, states, t, tables)
            previous = logits.add_(noise[t]).argmax(-1)
            if every[t]:
                previous = given[:, t]
            elif some[t]:
                previous = torch.where(mask[:, t], given[:, t], previous)
            flat[:, t] = previous
            inner[:, t // c.width, t % c.width] = F.embedding(previous, signed)[:, 0]
            yield Work(flat.view_as(values), t + 1)
