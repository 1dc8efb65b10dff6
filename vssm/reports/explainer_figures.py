"""The pictures of docs/MODELS.md: how the models make a picture, drawn from their events.

Every picture is made by the one flow of events from the weights that come along and from fixed seeds; the figures in
them are counts of network calls, and the seconds are those kept in the weights. Nothing is chosen by hand but prompts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from vssm import data
from vssm.checkpoint import Checkpoint
from vssm.errors import UserError
from vssm.files import atomic
from vssm.files.examples import FOLDER, examples
from vssm.models import registry
from vssm.prompt import Prompt
from vssm.reports import results_page, svg_plot
from vssm.sampling.events import Drafts, FixedLatents, GenerationRequest, Latents, Posterior, Progress
from vssm.sampling.generator import Generator, run

MARKS = "<!-- models: written by `python -m vssm explain` -->", "<!-- end of models -->"
FONT = FOLDER.parent / "fonts" / "Inter-Regular.otf"
GROUND, INK, FAINT, EMPTY = (255, 255, 255), (26, 31, 38), (86, 96, 109), (214, 221, 230)
DRAFTED, ACCEPTED, REDRAWN = (230, 159, 0), (0, 130, 90), (204, 60, 60)  # told apart by lightness too
VIRIDIS = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))
SIDE, GAP, MARGIN, TEXT = 224, 12, 20, 26  # screen pixels: a picture's side (28 × 8, 32 × 7), and letters' height
ENDINGS, MANY = 6, 32  # of one prompt; those that a mean is taken over


class Frame(NamedTuple):
    """The state after a network call: picture [H, W, C] uint8, and the filled pixels [H, W] bool."""

    call: int
    picture: np.ndarray
    filled: np.ndarray
    drafts: Drafts | None = None


class Recording(NamedTuple):
    """A recorded run of one sample: the prompt, every call that brought pixels, and latents and posteriors by level."""

    frames: list[Frame]
    latents: list[Latents]
    posteriors: list[Posterior]

    @property
    def calls(self) -> int:
        return self.frames[-1].call

    def at(self, share: float) -> Frame:
        """Return the state after this share (0 to 1) of the calls."""
        return [frame for frame in self.frames if frame.call <= share * self.calls + 1e-9][-1]

    def order(self) -> np.ndarray:
        """Return the call that brought each pixel, [H, W], NaN for known pixels."""
        order, before = np.full(self.frames[0].filled.shape, np.nan), self.frames[0].filled
        for frame in self.frames[1:]:
            order[frame.filled & ~before] = frame.call
            before = frame.filled
        return order


class Cell(NamedTuple):
    """An image [H, W, C] of a table, with a line of text below it."""

    image: np.ndarray
    words: str = ""


class Row(NamedTuple):
    """Cells beside a name, with a fainter line below it."""

    title: str
    words: str
    cells: list[Cell]


class Workshop:
    """The models of every data set, each loaded once."""

    def __init__(self, where: torch.device | None = None) -> None:
        self.where = where
        self._made: dict[str, dict[str, Generator]] = {}
        self.weights = results_page.all_shipped()

    def models(self, dataset: data.DataSet) -> dict[str, Generator]:
        """Return the models of a data set by name, in the registry's order."""
        if dataset.name not in self._made:
            found = self.weights.get(dataset.name, ())
            self._made[dataset.name] = {made.model: Generator(made, self.where) for made in found}
        return self._made[dataset.name]

    def record(self, dataset: data.DataSet, model: str, prompt: Prompt, seed: int = 0, **how: Any) -> Recording:
        """Complete a prompt once, and record what every call brought."""
        frames = [Frame(0, prompt.pixels * prompt.known[..., None], prompt.known)]
        latents, posteriors = [], []
        request = GenerationRequest(prompt, seed=seed, every=0, **how)
        for event in self.models(dataset)[model].generate(request):
            match event:
                case Progress():
                    frame = Frame(event.network_calls, event.images[0], event.filled[0], event.drafts)
                    if frames[-1].call == frame.call:  # the last call is reported again when the clock has stopped
                        frames.pop()
                    frames.append(frame)
                case Latents():
                    latents.append(event)
                case Posterior():
                    posteriors.append(event)
        return Recording(frames, latents, posteriors)

    def endings(self, dataset: data.DataSet, model: str, prompt: Prompt, samples: int, **how: Any) -> np.ndarray:
        """Complete a prompt several times: [K, H, W, C] uint8."""
        return run(self.models(dataset)[model], GenerationRequest(prompt, samples, **how)).images

    def title(self, model: str) -> str:
        """Return what people call a model."""
        return registry.get(model).title


# --- the pictures ---------------------------------------------------------------------------------------------------


def completing(shop: Workshop, dataset: data.DataSet) -> Image.Image:
    """Draw one prompt, completed by every model: the picture after equal shares of its calls."""
    prompt, shares = examples(dataset)[0].prompt, [i / 6 for i in range(7)]
    rows = []
    for name in shop.models(dataset):
        found = shop.record(dataset, name, prompt)
        cells = [Cell(seen(frame.picture, frame.filled)) for frame in map(found.at, shares)]
        rows.append(Row(shop.title(name), calls(found.calls), cells))
    heads = ["the prompt", *(f"{number} ⁄ 6 of its calls" for number in range(1, 6)), "finished"]
    return table(heads, rows, side=SIDE * 3 // 4)


def order(shop: Workshop, dataset: data.DataSet) -> Image.Image:
    """Draw which network call settled each pixel of a picture from nothing."""
    nothing, cells = Prompt.empty(*dataset.shape), []
    for name, mode, size in (
        ("transformer", None, None),
        ("asarm", "random", None),
        ("asarm", None, None),
        ("asarm", "masked", None),
        ("vssm", None, None),
        ("vssm", "chunked", None),
        ("vssm-paper", None, None),
        ("vssm-paper", "chunked", 7),
    ):
        found = shop.record(dataset, name, nothing, sampler=mode, parameter=size)
        sampler, number = shop.models(dataset)[name].find_sampler(mode, size)
        title = shop.title(name) if name != "transformer" else f"{shop.title(name)}, {shop.title('mamba')}"
        way = sampler.title if sampler.title.isupper() else sampler.title.lower()
        words = f"{title}\n{way}{f' {number}' if sampler.parameter else ''}: {calls(found.calls)}"
        cells.append(Cell(coloured((found.order() - 1) / max(1, found.calls - 1)), words))
    rows = [Row("", "", cells[:4]), Row("", "", cells[4:])]
    return table([], rows, side=SIDE * 3 // 2, scale=("first call", "last call"))


def drafts(shop: Workshop) -> Image.Image:
    """Draw rounds of ASSD: which pixels were drafted, accepted and redrawn."""
    rows = []
    for dataset in data.DATA_SETS.values():
        found = shop.record(dataset, "asarm", examples(dataset)[0].prompt)
        rounds = [frame for frame in found.frames if frame.drafts is not None and frame.drafts.passed[0].any()]
        middle = rounds[len(rounds) // 2 :][:3]
        before = {after.call: found.at((after.call - 2) / found.calls) for after in middle}
        cells = [Cell(fate(before[after.call], after), f"after call {after.call}") for after in middle]
        accepted, redrawn = np.zeros((2, *found.frames[0].filled.shape), bool)
        for frame in rounds:
            if frame.drafts is not None:
                accepted |= frame.drafts.passed[0]
                redrawn |= frame.drafts.proposed[0] & frame.filled & ~frame.drafts.passed[0]
        last = found.frames[-1]
        whole = seen(last.picture, found.frames[0].filled)
        whole[accepted], whole[redrawn] = ACCEPTED, REDRAWN
        cells += [Cell(whole, "all rounds"), Cell(last.picture, "the picture")]
        size = shop.models(dataset)["asarm"].find_sampler()[1]
        rows.append(Row(dataset.title, f"{size} drafts a round,\n{calls(found.calls)}", cells))
    legend = (("accepted as drafted", ACCEPTED), ("redrawn", REDRAWN), ("rejected, drafted again", DRAFTED))
    return table([], rows, legend=legend)


def levels(shop: Workshop, dataset: data.DataSet) -> Image.Image:
    """Draw the levels of the VSSM: what each of them settles, the entropy of its distribution, and the information that
    it has about the picture."""
    prompt = examples(dataset)[0].prompt
    found = shop.record(dataset, "vssm", prompt, posterior=True)
    entropies = [latents.entropy[0] for latents in found.latents]
    gains = [posterior.divergence[0] for posterior in found.posteriors]
    heads = [f"level {latents.level}" if latents.level else "code" for latents in found.latents]
    low, high = min(e.min() for e in entropies), max(e.max() for e in entropies)
    most = max(g.max() for g in gains if g.size > 1)  # a global code says at one place what levels say at many
    codes = [latents.codes.repeat(MANY, 0) for latents in found.latents]
    means = []
    for level in range(1, len(codes) + 1):
        fixed = FixedLatents((*codes[:level], *[None] * (len(codes) - level)), (None,) * len(codes))
        images = shop.endings(dataset, "vssm", prompt, MANY, fixed_latents=fixed, pixel_mode="mean")
        means.append(Cell(images.mean(0).round().astype(np.uint8)))
    rows = [
        Row("settled", "mean of endings\nwith the levels\nso far", means),
        Row("entropy", "of what the\nlatents are\ndrawn from", [
            Cell(coloured((e - low) / (high - low)), f"{e.shape[0]} × {e.shape[1]}") for e in entropies
        ]),
        Row("information", "nats that the\npicture adds to\nthe prompt", [
            Cell(coloured((g / most).clip(max=1)), f"{g.sum():.1f} nats") for g in gains
        ]),
    ]  # fmt: skip
    return table(heads, rows, side=SIDE * 3 // 4, scale=("least", "most"))


def chunks(shop: Workshop) -> Image.Image:
    """Draw pictures of the paper's model from nothing: all latents at once, in chunks, and one by one."""
    dataset = data.MNIST
    nothing, generator = Prompt.empty(*dataset.shape), shop.models(dataset)["vssm-paper"]
    tokens, rows = generator.network.tokens, []
    for size in (tokens, 7, 1):
        how: dict[str, Any] = {"sampler": "chunked", "parameter": size} if size < tokens else {}
        images = shop.endings(dataset, "vssm-paper", nothing, 8, **how)
        found = shop.record(dataset, "vssm-paper", nothing, **how)
        title = f"{size} tokens at a time" if size > 1 else "one token at a time"
        rows.append(Row(title if how else f"all {size} tokens at once", calls(found.calls), list(map(Cell, images))))
    return table([], rows, side=SIDE * 5 // 8)


def anywhere(shop: Workshop) -> Image.Image:
    """Draw prompts that are no prefixes, completed by every model."""
    rows, heads = [], ["the prompt", *map(shop.title, registry.PRESETS)]
    for dataset, names in ((data.MNIST, ("two-bottom", "eight-left")), (data.CIFAR10, ("frog-bottom", "truck-right"))):
        for example in examples(dataset):
            if example.name in names:
                images = [shop.endings(dataset, name, example.prompt, 1)[0] for name in shop.models(dataset)]
                cells = [Cell(seen(example.prompt.pixels, example.prompt.known)), *map(Cell, images)]
                rows.append(Row(dataset.title, example.title.lower(), cells))
    return table(heads, rows)


def endings(shop: Workshop) -> Image.Image:
    """Draw several completions of one prompt, and where they differ."""
    rows = []
    for dataset in data.DATA_SETS.values():
        prompt = examples(dataset)[1].prompt
        for name in ("vssm", "transformer"):
            images = shop.endings(dataset, name, prompt, ENDINGS)
            spread = images.astype(float).std(0).mean(-1) / 127.5
            spread[prompt.known] = np.nan
            cells = [*map(Cell, images), Cell(coloured(spread))]
            rows.append(Row(shop.title(name), dataset.title, cells))
    heads = [*(f"ending {number}" for number in range(1, ENDINGS + 1)), "where they differ"]
    return table(heads, rows, side=SIDE * 3 // 4, scale=("alike", "different"))


def cost(shop: Workshop, dataset: data.DataSet) -> str:
    """Plot seconds for a picture against network calls as SVG, from the scores in the weights."""
    points = [
        (shop.title(made.model), [(made.scores["network_calls"], 1 / made.scores["images_per_second"])])
        for made in shop.weights[dataset.name]
        if {"network_calls", "images_per_second"} <= made.scores.keys()
    ]
    return svg_plot.curves(
        points, svg_plot.Axis("network calls for a picture", log=True), svg_plot.Axis("seconds", log=True)
    )


PICTURES: dict[str, Callable[[Workshop], Image.Image | str]] = {
    **{
        f"{made.__name__}-{dataset.name}.{kind}": partial(made, dataset=dataset)
        for made, kind in ((completing, "png"), (levels, "png"), (cost, "svg"))
        for dataset in data.DATA_SETS.values()
    },
    "order.png": lambda shop: order(shop, data.MNIST),
    **{f"{made.__name__}.png": made for made in (drafts, chunks, anywhere, endings)},
}


# --- the page's table -----------------------------------------------------------------------------------------------


def facts(weights: Sequence[Checkpoint]) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of a table that compares the models of one data set."""
    rows = []
    for made in weights:
        network, c = made.network, made.network.config
        grid = [(c.height // n, c.width // n, k) for n, k in _grids(c)]
        code = ["a global code"] if getattr(c, "codes", 0) else []
        rows.append([
            results_page.title(made),
            f"{network.tokens:,}",
            " + ".join([*code, *(f"{k} of {h}×{w}" for h, w, k in grid)]) or results_page.NONE,
            f"{made.scores['network_calls']:,}" if "network_calls" in made.scores else results_page.NONE,
            "exact" if network.exact else "a bound",
            "raster order" if network.prefix_only else "any known pixels",
        ])  # fmt: skip
    return ["", "tokens", "levels of latents", "network calls a picture", "likelihood", "prompts"], rows


def _grids(c: Any) -> list[tuple[int, int]]:
    """Return, for a config with latents, how many pixels wide a position is, and how many levels have that grid."""
    if not hasattr(c, "fine_levels"):
        return []
    return [(n, k) for n, k in ((2 * c.patch, c.coarse_levels), (c.patch, c.fine_levels)) if k]


def page(text: str, weights: dict[str, list[Checkpoint]]) -> str:
    """Return the page's text with a new table; raises UserError if the marks around it are missing."""
    tables = [
        f"**{data.get(name).title}**\n\n{results_page.markdown(*facts(found))}" for name, found in weights.items()
    ]
    return results_page.between(MARKS, text, tables, "MODELS.md")


def write(folder: Path, where: torch.device | None = None, names: Sequence[str] = ()) -> list[Path]:
    """Draw the pictures of those names (all by default) into FOLDER/models, and write the table of FOLDER/MODELS.md
    anew if there is one; returns the pictures' paths. Raises UserError for an unknown name, where there are no
    weights, or where a file cannot be written."""
    for name in names:
        if name not in PICTURES:
            raise UserError(f"There is no picture {name!r}; choose some of: {', '.join(PICTURES)}.")
    shop, paths, text = Workshop(where), [], folder / "MODELS.md"
    for name in names or PICTURES:
        made, path = PICTURES[name](shop), folder / "models" / name
        with atomic.replacing(path) as part:
            if isinstance(made, str):
                part.write_text(made, encoding="utf-8")
            else:
                made.save(part, path.suffix[1:].upper(), optimize=True)
        paths.append(path)
    if text.exists():
        atomic.write_text(text, page(text.read_text(encoding="utf-8"), shop.weights))
    return paths


# --- drawing --------------------------------------------------------------------------------------------------------


def calls(number: int) -> str:
    return f"{number:,} network call{'s' * (number != 1)}"


def seen(picture: np.ndarray, filled: np.ndarray) -> np.ndarray:
    """Convert [H, W, C] uint8 to colours [H, W, 3], with a colour of its own for pixels that are not filled."""
    colours = np.broadcast_to(picture, (*filled.shape, 3))
    return np.where(filled[..., None], colours, np.array(EMPTY, np.uint8))


def fate(before: Frame, after: Frame) -> np.ndarray:
    """Draw a verified round, [H, W, 3] uint8: the picture before it, and its drafts coloured by their result."""
    assert after.drafts is not None
    proposed, passed = after.drafts.proposed[0], after.drafts.passed[0]
    shown = seen(before.picture, before.filled)
    shown[proposed], shown[proposed & after.filled], shown[passed] = DRAFTED, REDRAWN, ACCEPTED
    return shown


def coloured(shares: np.ndarray) -> np.ndarray:
    """Convert shares [H, W] of 0 to 1 to colours from dark to light, [H, W, 3]; NaN has a colour of its own."""
    at = np.linspace(0, 1, len(VIRIDIS))
    channels = [np.interp(np.nan_to_num(shares), at, levels) for levels in zip(*VIRIDIS, strict=True)]
    return np.where(np.isnan(shares)[..., None], EMPTY, np.stack(channels, -1)).round().astype(np.uint8)


def table(
    heads: Sequence[str],
    rows: Sequence[Row],
    side: int = SIDE,
    scale: tuple[str, str] | None = None,
    legend: Sequence[tuple[str, tuple[int, int, int]]] = (),
) -> Image.Image:
    """Draw cells in rows and columns, each `side` screen pixels wide and high, with words around them; below, a scale
    of colours with a word at each end, or a legend. The ground is white, so that it can be read on any page."""
    large, small = (ImageFont.truetype(str(FONT), size) for size in (TEXT, TEXT * 4 // 5))
    line = TEXT * 5 // 4
    left = MARGIN + max(
        (math.ceil(font.getlength(part)) for row in rows for font, text in ((large, row.title), (small, row.words))
         for part in text.split("\n")), default=0,
    )  # fmt: skip
    left += 2 * GAP if left > MARGIN else 0
    below = max(cell.words.count("\n") + bool(cell.words) for row in rows for cell in row.cells) * line
    top, foot = MARGIN + (line if heads else 0), MARGIN + (line + GAP if scale or legend else 0)
    columns = max(len(row.cells) for row in rows)
    width = left + columns * (side + GAP) - GAP + MARGIN
    sheet = Image.new("RGB", (width, top + len(rows) * (side + below + GAP) - GAP + foot), GROUND)
    pen = ImageDraw.Draw(sheet)
    for i, head in enumerate(heads):
        pen.text((left + i * (side + GAP) + side / 2, MARGIN - 6), head, FAINT, small, "ma")
    for j, row in enumerate(rows):
        y = top + j * (side + below + GAP)
        lines = [(large, INK, row.title), *((small, FAINT, part) for part in row.words.split("\n"))]
        for k, (font, colour, words) in enumerate(lines):
            pen.text((MARGIN, y + side / 2 + (k - len(lines) / 2) * line), words, colour, font)
        for i, cell in enumerate(row.cells):
            x = left + i * (side + GAP)
            sheet.paste(enlarged(cell.image, side), (x, y))
            for k, words in enumerate(cell.words.split("\n")):
                pen.text((x + side / 2, y + side + 4 + k * line), words, INK if k == 0 else FAINT, small, "ma")
    y = sheet.height - MARGIN - line + 4
    if scale:
        ramp = Image.fromarray(coloured(np.linspace(0, 1, side)[None])).resize((side, TEXT), Image.Resampling.NEAREST)
        start = left + small.getlength(scale[0]) + GAP
        pen.text((left, y), scale[0], FAINT, small)
        sheet.paste(ramp, (round(start), y))
        pen.text((start + side + GAP, y), scale[1], FAINT, small)
    at = float(left)
    for words, colour in legend:
        pen.rectangle((at, y, at + TEXT, y + TEXT), colour)
        pen.text((at + TEXT + GAP, y), words, FAINT, small)
        at += TEXT + small.getlength(words) + 4 * GAP
    return sheet


def enlarged(image: np.ndarray, side: int) -> Image.Image:
    """Enlarge an image [H, W, 1 or 3] uint8 to a square with sharp pixels."""
    colours = np.broadcast_to(image, (*image.shape[:2], 3))
    return Image.fromarray(np.ascontiguousarray(colours)).resize((side, side), Image.Resampling.NEAREST)
