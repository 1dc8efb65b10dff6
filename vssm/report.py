"""docs/RESULTS.md and the table in README.md, written from the scores kept in the weights and from the studies.

Nothing is measured here but the sample sheets drawn, so that the page can be written anew at any time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from . import checkpoint, data, evaluation, models, studies
from .checkpoint import Checkpoint
from .errors import UserError
from .examples import examples
from .generation import GenerationRequest, Generator, run
from .picture import write_png
from .prompt import Prompt

DOCS = checkpoint.SHIPPED.parent / "docs"
NOTES = "notes.md"  # what a person has to say about the results, put into the page as it is
MARKS = "<!-- results: written by `python -m vssm results` -->", "<!-- end of results -->"
NONE = "–"

UNCONDITIONAL, COLUMNS = 60, 12  # pictures on a sheet, and in a row of it
ENDINGS = 3  # completions of each example prompt
ENLARGED, GAP = 2, 2
UNKNOWN = 96  # the grey of unknown pixels


# --- published figures ----------------------------------------------------------------------------------------------


class Published(NamedTuple):
    """A figure of somebody else's. remark: what to know when it is set beside ours."""

    name: str
    value: float
    remark: str = ""
    bound: bool = False


SECOND = "as quoted in later papers"
NATS = (
    Published("NADE", 88.33),
    Published("EoNADE", 84.68),
    Published("DARN", 84.13),
    Published("IWAE", 82.90, "dynamic binarisation", True),
    Published("Ladder VAE", 81.74, "dynamic binarisation", True),
    Published("PixelCNN", 81.30),
    Published("Discrete VAE", 81.01),
    Published("DRAW", 80.97, "", True),
    Published("PixelVAE", 80.64, "", True),
    Published("Gated PixelCNN", 80.10),
    Published("IAF-VAE", 79.88, SECOND),
    Published("PixelRNN", 79.20),
    Published("VLAE", 79.03, SECOND),
    Published("Gated PixelVAE", 79.02),
    Published("NVAE", 78.01, SECOND),
)
SPEEDS = (
    Published("Softmax Transformer", 0.45, "GPU"),
    Published("Softmax Transformer, key/value cache", 7.56, "GPU"),
    Published("Linear Transformer", 142.8, "GPU"),
)
SECONDS = (
    Published("Softmax Transformer", 72.6, "CPU"),
    Published("Softmax Transformer, key/value cache", 7.4, "CPU"),
    Published("Linear Transformer", 5.5, "CPU"),
)


# --- tables ---------------------------------------------------------------------------------------------------------


def shipped(dataset: data.DataSet) -> list[Checkpoint]:
    """The weights of a data set that come along, in the registry's order; raises UserError where there are none."""
    paths = [checkpoint.shipped(name, dataset.name) for name in models.PRESETS]
    found = [checkpoint.load(path, None, dataset.name) for path in paths if path.exists()]
    if not found:
        raise UserError(f"No weights for {dataset.title} are in {checkpoint.SHIPPED}; train some or restore them.")
    return found


def title(made: Checkpoint) -> str:
    return models.get(made.model).title


def nats(made: Checkpoint) -> str:
    """Nats with their standard error, and what is behind them."""
    s = made.scores
    kind = "bound" if s["bound"] != "exact" else "exact, random order" if s.get("order") == "random" else "exact"
    return f"{'≤ ' if kind == 'bound' else ''}{s['nats']:.2f} ± {s['nats_error']:.2f} ({kind})"


def importance(made: Checkpoint) -> str:
    s = made.scores
    return (
        f"≤ {s['iw_nats']:.2f} ± {s['iw_nats_error']:.2f} ({s['iw_samples']} draws, {s['iw_images']:,} images, "
        f"by one draw {s['iw_elbo']:.2f})"
    )


def sampler(made: Checkpoint) -> str:
    """The sampler that the scores were taken with."""
    found = {(m["mode"], m["size"]) for m in made.scores["measured"].values() if m["mode"]}
    return "; ".join(mode + (f", {size}" if size else "") for mode, size in sorted(found, key=str))


def trained(made: Checkpoint) -> str:
    return f"{made.training['minutes']:g} min, {made.training['images']:,} images"


def kept(made: Checkpoint) -> str:
    s = made.scores
    of = s.get("label_images", s["images"])
    return f"{s['label_kept']:.1%}" + ("" if of == s["images"] else f" (of {of:,})")


def speed(value: float) -> str:
    """Three digits, and all of them before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


ROWS: dict[str, Callable[[Checkpoint], str]] = {
    "parameters": lambda m: f"{m.parameters / 1e6:.2f} M",
    "trained": trained,
    "sampler": sampler,
    "test images": lambda m: f"{m.scores['images']:,}",
    "−log p(x), nats": nats,
    "the same, importance-weighted": importance,
    "bits a dimension": lambda m: f"{m.scores['bits_per_dim']:.4f}",
    "lower half completed, label kept": kept,
    "Fréchet distance of samples": lambda m: f"{m.scores['fid']:.1f} ({m.scores['fid_samples']:,} samples)",
    "pixels in which two endings differ": lambda m: f"{m.scores['diversity']:.1%}",
    "different digits among endings": lambda m: (
        f"{m.scores['diversity_labels']:.2f} of {m.scores['diversity_endings']}"
    ),
    "pictures a second, one at a time": lambda m: speed(m.scores["images_per_second"]),
    "pictures a second, best batch": lambda m: (
        f"{speed(m.scores['images_per_second_best'])} (batch {m.scores['best_batch']})"
    ),
    "network calls a picture": lambda m: f"{m.scores['network_calls']:,}",
    "pixels a call": lambda m: f"{m.scores['tokens_per_call']:.3g}",
    "drafts accepted": lambda m: f"{m.scores['acceptance']:.1%}",
}
SHORT = (
    "parameters",
    "−log p(x), nats",
    "lower half completed, label kept",
    "Fréchet distance of samples",
    "pictures a second, one at a time",
    "pictures a second, best batch",
    "network calls a picture",
)


def summary(weights: Sequence[Checkpoint], rows: Sequence[str] = tuple(ROWS)) -> tuple[list[str], list[list[str]]]:
    """Header and rows: measures down, models across; – for what has not been measured."""

    def cell(row: str, made: Checkpoint) -> str:
        try:
            return ROWS[row](made)
        except KeyError:
            return NONE

    cells = [[row, *(cell(row, made) for made in weights)] for row in rows]
    return ["", *map(title, weights)], [row for row in cells if set(row[1:]) != {NONE}]


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def ranked(published: Sequence[Published], ours: Sequence[Published], heading: str, form: str, most: bool) -> str:
    """Published figures and ours, these in bold, worst first. most: whether more is better."""
    entries = [(p, False) for p in published] + [(p, True) for p in ours]
    entries.sort(key=lambda entry: entry[0].value, reverse=not most)

    def row(p: Published, own: bool) -> list[str]:
        value = f"{'≤ ' if p.bound else ''}{p.value:{form}}"
        return [f"**{p.name}**", f"**{value}**", p.remark] if own else [p.name, value, p.remark]

    return markdown(["", heading, ""], [row(*entry) for entry in entries])


def circumstances(weights: Sequence[Checkpoint]) -> tuple[list[str], list[list[str]]]:
    """When, where and under which settings every part was measured; models measured alike share a row."""
    rows: dict[tuple, list[str]] = {}
    for part in evaluation.PARTS:
        for made in weights:
            m = made.scores.get("measured", {}).get(part)
            if m:
                where = f"{m['gpu'] or m['cpu']}, {m['threads']} thread{'s' * (m['threads'] > 1)}, torch {m['torch']}"
                alike = rows.setdefault((part, m["date"], where, str(m["seed"])), [])
                alike.append(f"{title(made)} {_duration(m['seconds'])}")
    cells = [[f"`{part}`", date, where, seed, ", ".join(who)] for (part, date, where, seed), who in rows.items()]
    return ["part", "date", "machine", "seed", "model and time it took"], cells


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


# --- pages ----------------------------------------------------------------------------------------------------------


def page(weights: Sequence[Checkpoint], dataset: data.DataSet, folder: Path) -> str:
    """The text of RESULTS.md; the same for the same scores, studies and notes in `folder`."""
    scored = [m for m in weights if "nats" in m.scores]
    timed = [m for m in weights if "images_per_second" in m.scores]
    parts = [
        "# Results",
        f"{dataset.title}: the test set under one fixed binarisation (seed {data.BINARISE_SEED}). "
        "`python -m vssm evaluate --all` measures everything in the first table and writes this page; "
        "`python -m vssm results` writes it from what was measured before.",
    ]
    if (folder / NOTES).exists():
        parts.append((folder / NOTES).read_text(encoding="utf-8").strip())
    parts += ["## The models side by side", markdown(*summary(weights)), _reading(weights)]
    parts += ["### Measured when and where", markdown(*circumstances(weights))]
    parts += [
        "## Likelihood beside published figures",
        "Nats an image on binarised MNIST, ours in bold. Published figures are on the static binarised set unless "
        "said; ours is a fixed binarisation of the same test images drawn from our own seed, after training on fresh "
        "binarisations. Sizes and computing time differ by orders of magnitude.",
        ranked(NATS, [_own_nats(m) for m in scored], "nats", ".2f", most=False),
        "## Speed beside published figures",
        "Pictures a second at the best batch size, and seconds for one picture alone, MNIST at 784 pixels. The "
        "published ones were measured by others on other machines (GPUs, and a CPU for single pictures; Katharopoulos "
        "et al., 2006.16236, as quoted in later papers): ratios across rows mean little.",
        ranked(SPEEDS, [_own_speed(m) for m in timed], "pictures a second", ".4g", most=True),
        ranked(SECONDS, [_own_seconds(m) for m in timed], "seconds a picture", ".3g", most=False),
        "## Samples",
        f"Drawn at temperature 1, seed 0, each by the model's usual sampler; none was chosen. First {UNCONDITIONAL} "
        "from nothing:",
        *(f"**{title(m)}**\n\n![Samples of {title(m)}](samples/{m.model}-{dataset.name}.png)" for m in weights),
        f"Every example prompt, unknown pixels grey, completed {ENDINGS} times by each model:",
        markdown(
            ["prompt", *map(title, weights)],
            [
                [
                    f"![prompts](samples/prompts-{dataset.name}.png)",
                    *(f"![{title(m)}](samples/{m.model}-{dataset.name}-completed.png)" for m in weights),
                ]
            ],
        ),
    ]
    found = [s for s in studies.STUDIES.values() if (folder / "studies" / f"{s.name}.json").exists()]
    if found:
        parts += ["## Studies", "Small runs at equal budget, one seed each: differences of a few points may be chance."]
    for study in found:
        parts += _study(study, folder / "studies")
    return "\n\n".join(parts) + "\n"


def _reading(weights: Sequence[Checkpoint]) -> str:
    """What the measures mean, with what real digits score."""
    anchors = next((m.scores for m in weights if "label_kept_whole" in m.scores), None)
    real = next((m.scores for m in weights if "fid_real" in m.scores), None)
    text = [
        "*−log p(x)*: exact for autoregressive models; for models with latents an upper bound by one hard posterior "
        "draw an image, and the tighter importance-weighted one (1509.00519).",
        "*Label kept*: the lower half of each test digit is completed once, and a small classifier still reads the "
        "true digit.",
    ]
    if anchors:
        text[-1] += (
            f" It reads {anchors['label_kept_whole']:.1%} of the whole digits rightly, and "
            f"{anchors['label_kept_top']:.1%} from the upper half alone."
        )
    text.append(
        "*Fréchet distance*: between unconditional samples and the test digits, each as a Gaussian in the classifier's "
        "penultimate layer; not comparable with distances in other networks' features."
    )
    if real:
        text[-1] += f" As many training digits score {real['fid_real']:.1f}."
    text += [
        "*Two endings*: of the completions of one prompt's lower half.",
        "*Pixels a call*: what one network call adds to one picture.",
    ]
    return "\n".join(f"- {line}" for line in text)


def _own_nats(made: Checkpoint) -> Published:
    s = made.scores
    remark = [f"{made.parameters / 1e6:.2f} M parameters, trained for {made.training['minutes']:g} minutes"]
    if s.get("order") == "random":
        remark.append("in a random order for each image")
    if "iw_nats" in s:
        remark.append(f"≤ {s['iw_nats']:.2f} by {s['iw_samples']} draws on {s['iw_images']:,} images")
    return Published(title(made), s["nats"], "; ".join(remark), s["bound"] != "exact")


def _own_speed(made: Checkpoint) -> Published:
    return Published(
        title(made), made.scores["images_per_second_best"], f"{_machine(made)}, batch {made.scores['best_batch']}"
    )


def _own_seconds(made: Checkpoint) -> Published:
    return Published(title(made), 1 / made.scores["images_per_second"], _machine(made))


def _machine(made: Checkpoint) -> str:
    m = made.scores["measured"]["speed"]
    return m["gpu"] or f"{m['threads']} CPU thread{'s' * (m['threads'] > 1)}"


def _study(study: studies.Study, folder: Path) -> list[str]:
    record = json.loads((folder / f"{study.name}.json").read_text(encoding="utf-8"))
    header, rows = studies.table(record)
    budget = f"{record['minutes']:g} minutes of training a run, " if record["minutes"] else "the shipped weights, "
    command = f"python -m vssm study {study.name}" + (f" --minutes {record['minutes']:g}" if record["minutes"] else "")
    text = [
        f"### {study.title}",
        study.question,
        markdown(header, rows),
        f"![{study.title}](studies/{study.name}.svg)",
        f"`{command} --limit {record['images']}`: {budget}scored on the first {record['images']:,} test digits; seed "
        f"{record['seed']}, {record['machine']['cpu']}, {record['device']}, {record['date']}.",
    ]
    if (notes := folder / f"{study.name}.md").exists():
        text.append(notes.read_text(encoding="utf-8").strip())
    return text


def readme(text: str, weights: Sequence[Checkpoint]) -> str:
    """README's text with its table of results written anew; raises UserError where the marks around it are missing."""
    before, first, rest = text.partition(MARKS[0])
    _, last, after = rest.partition(MARKS[1])
    if not first or not last:
        raise UserError(f"The marks {' and '.join(MARKS)} are missing in README.md; put them around its table.")
    return f"{before}{first}\n\n{markdown(*summary(weights, SHORT))}\n\n{last}{after}"


# --- sheets ---------------------------------------------------------------------------------------------------------


def write_sheets(weights: Sequence[Checkpoint], dataset: data.DataSet, folder: Path, where: torch.device) -> None:
    """Draw every model's samples from nothing, and completions of the example prompts, as PNGs in FOLDER."""
    prompts = [e.prompt for e in examples(dataset)]
    shown = np.stack([np.where(p.known[..., None], p.pixels, np.uint8(UNKNOWN)) for p in prompts])
    _write_sheet(folder / f"prompts-{dataset.name}.png", shown, 1)
    for made in weights:
        generator = Generator(made, where)
        nothing = run(generator, GenerationRequest(Prompt.empty(*dataset.shape), UNCONDITIONAL)).images
        _write_sheet(folder / f"{made.model}-{dataset.name}.png", nothing, COLUMNS)
        completed = [run(generator, GenerationRequest(p, ENDINGS)).images for p in prompts]
        _write_sheet(folder / f"{made.model}-{dataset.name}-completed.png", np.concatenate(completed), ENDINGS)


def _write_sheet(path: Path, images: np.ndarray, columns: int) -> None:
    write_png(path, images.repeat(ENLARGED, 1).repeat(ENLARGED, 2), columns, GAP)


def write(
    dataset: data.DataSet, folder: Path, where: torch.device, sheets: bool = True, readme_file: Path | None = None
) -> Path:
    """Write FOLDER/RESULTS.md with its sheets, and the table in README.md if one is named; returns the page's path.
    Raises UserError where there are no weights or a file cannot be written."""
    weights = shipped(dataset)
    if sheets:
        write_sheets(weights, dataset, folder / "samples", where)
    path = folder / "RESULTS.md"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(page(weights, dataset, folder), encoding="utf-8")
        if readme_file is not None:
            text = readme(readme_file.read_text(encoding="utf-8"), weights)
            readme_file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error}); choose a folder you may write to.") from None
    return path
