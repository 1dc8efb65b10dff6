"""Writes docs/RESULTS.md and the tables in README.md from the scores in the weights and from the studies.

Nothing is measured here, only the sheets of samples are drawn; so the page can be written again at any time.
"""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from vssm import checkpoint, data
from vssm.checkpoint import Checkpoint
from vssm.errors import UserError
from vssm.evaluation import evaluate, metrics, pen_digits, scaling
from vssm.files import atomic, resources
from vssm.files.examples import examples
from vssm.files.picture import write_png
from vssm.models import registry
from vssm.prompt import Prompt
from vssm.reports import studies
from vssm.reports.published import LITERATURE, Literature, Published
from vssm.sampling.events import GenerationRequest
from vssm.sampling.generator import Generator, run

DOCS = resources.folder("docs") if resources.CHECKOUT else Path("docs")
MARKS = "<!-- results: written by `python -m vssm results` -->", "<!-- end of results -->"
NONE = "–"

UNCONDITIONAL, COLUMNS = 60, 12  # pictures on a sheet, and in a row of it
ENDINGS = 3  # completions of each example prompt
ENLARGED, GAP = 2, 2
UNKNOWN = 96  # the grey of unknown pixels


# --- tables ---------------------------------------------------------------------------------------------------------


def shipped(dataset: data.DataSet) -> list[Checkpoint]:
    """Read the shipped weights of a data set, in the registry's order; raises UserError if there are none."""
    paths = [checkpoint.shipped(name, dataset.name) for name in registry.PRESETS]
    found = [checkpoint.load(path, None, dataset.name) for path in paths if path.exists()]
    if not found:
        raise UserError(f"No weights for {dataset.title} are in {checkpoint.SHIPPED}; train some or restore them.")
    return found


def all_shipped() -> dict[str, list[Checkpoint]]:
    """Read the shipped weights of all data sets that have some, by the data set's name."""
    names = [
        d.name for d in data.DATA_SETS.values() if any(checkpoint.shipped(m, d.name).exists() for m in registry.PRESETS)
    ]
    return {name: shipped(data.get(name)) for name in names}


def title(made: Checkpoint) -> str:
    """Return what people call a model."""
    return registry.get(made.model).title


class Unit(NamedTuple):
    """A unit of likelihoods: its name for people, the names of its scores, and its format."""

    words: str
    mean: str
    error: str
    importance: str
    importance_error: str
    one_draw: str
    form: str

    def plain(self, made: Checkpoint) -> str:
        """Write the likelihood in this unit."""
        return f"{made.scores[self.mean]:{self.form}}"


NATS = Unit("nats", "nats", "nats_error", "iw_nats", "iw_nats_error", "iw_elbo", ".2f")
BITS = Unit(
    "bits a dimension",
    "bits_per_dim",
    "bits_per_dim_error",
    "iw_bits_per_dim",
    "iw_bits_per_dim_error",
    "iw_elbo_bits_per_dim",
    ".4f",
)
UNITS = {"nats": NATS, "bits/dim": BITS}
OTHER = {"nats": BITS, "bits/dim": NATS}


def kind(made: Checkpoint) -> str:
    """Say whether a likelihood is exact, or which bound it is."""
    if made.scores["bound"] != "exact":
        return "ELBO"
    return "exact, random order" if made.scores.get("order") == "random" else "exact"


def likelihood(made: Checkpoint) -> str:
    """Write the likelihood in the data set's unit, with its standard error and its kind."""
    s, unit = made.scores, UNITS[made.data.unit]
    sign = "≤ " if s["bound"] != "exact" else ""
    return f"{sign}{s[unit.mean]:{unit.form}} ± {s[unit.error]:{unit.form}} ({kind(made)})"


def importance(made: Checkpoint) -> str:
    s, unit = made.scores, UNITS[made.data.unit]
    return (
        f"≤ {s[unit.importance]:{unit.form}} ± {s[unit.importance_error]:{unit.form}} ({s['iw_samples']} draws, "
        f"{s['iw_images']:,} images, by one draw {s[unit.one_draw]:{unit.form}})"
    )


def sampler(made: Checkpoint) -> str:
    """Name the sampler of the scores."""
    found = {(m["mode"], m["size"]) for m in made.scores["measured"].values() if m["mode"]}
    return "; ".join(mode + (f", {size}" if size else "") for mode, size in sorted(found, key=str))


def pixels(made: Checkpoint, part: str) -> str:
    """Say how a part's pictures show pixels, to be appended to a cell; nothing for binarised sets."""
    return f", {made.scores['measured'][part]['pixels']} pixels" if made.data.num_values > 2 else ""


def trained(made: Checkpoint) -> str:
    count = len(checkpoint.parts(made.training))
    text = f"{made.total('minutes'):g} min, {made.total('images'):,} images"
    return text + (f" in {count} parts" if count > 1 else "")


def share(made: Checkpoint, name: str, images: str) -> str:
    """Write a share of images with its standard error."""
    s = made.scores
    return f"{s[name]:.1%} ± {metrics.share_error(s[name], s[images]):.1%}"


def best(made: Checkpoint) -> str:
    s = made.scores
    return f"{s['best_mse']:.4f} ± {s['best_mse_error']:.4f}{pixels(made, 'best')}"


def common(weights: Sequence[Checkpoint], name: str) -> int | None:
    """Return the number of pictures on which most models were measured, by the score of that name; None if there is
    none. Of equally frequent numbers it is the largest. Scores on other pictures cannot be compared."""
    counts = [m.scores[name] for m in weights if name in m.scores]
    return max(statistics.multimode(counts), default=None)


def speed(value: float) -> str:
    """Write a speed with three digits, or all digits before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


class Row(NamedTuple):
    """A measure, one row of the table.

    Args:
        heading: What people read; {n} stands for the number of pictures.
        cell: Writes the measure of a model; raises KeyError if it was not measured.
        short: Whether the README has it too.
        counted: The score that is the number of pictures; models with another number than most have no cell.
    """

    heading: str
    cell: Callable[[Checkpoint], str]
    short: bool = False
    counted: str | None = None


def rows(weights: Sequence[Checkpoint]) -> list[Row]:
    """Return all measures of the models of one data set."""
    dataset, subject = weights[0].data, weights[0].data.subject
    unit, other = UNITS[dataset.unit], OTHER[dataset.unit]
    rival = next((m for m in weights if m.model == "transformer"), None)

    def ratio(made: Checkpoint) -> str:
        if rival is None:
            raise KeyError("transformer")
        if made.scores.get("too_busy") or rival.scores.get("too_busy"):
            raise KeyError("too_busy")  # a ratio of such times means little
        return f"{speed(made.scores['images_per_second'] / rival.scores['images_per_second'])} ×"

    binary, endings = dataset.num_values == 2, common(weights, "best_endings")
    return [
        Row("parameters", lambda m: f"{m.parameters / 1e6:.2f} M", True),
        Row("trained", trained),
        Row("sampler", sampler),
        Row(f"−log p(x), {unit.words}, {{n}} {subject}s", likelihood, True, "images"),
        Row("the same, importance-weighted (IW)", importance, counted="iw_images"),
        Row(other.words, other.plain, counted="images"),
        Row(
            f"lower half completed, label kept, {{n}} {subject}s",
            lambda m: share(m, "label_kept", "label_images") + pixels(m, "label"),
            True,
            "label_images",
        ),
        Row(
            "pen digits' lower half completed, label kept, {n} digits",
            lambda m: share(m, "pen_kept", "pen_images"),
            True,
            "pen_images",
        ),
        Row(
            "Fréchet distance of {n} samples",
            lambda m: f"{m.scores['fid']:.1f}{pixels(m, 'fid')}",
            True,
            "fid_samples",
        ),
        Row(
            "kernel distance of the same",
            lambda m: f"{m.scores['kid']:.2f} ± {m.scores['kid_error']:.2f}",
            True,
            "fid_samples",
        ),
        Row(f"squared error of the best of {endings} endings, {{n}} {subject}s", best, not binary, "best_images"),
        Row("the same, of all", lambda m: f"{m.scores['mean_mse']:.4f}", counted="best_images"),
        Row(
            ("pixels in which two endings differ" if binary else "mean difference of two endings, of the range")
            + f", {{n}} {subject}s",
            lambda m: f"{m.scores['diversity']:.1%}",
            counted="diversity_prompts",
        ),
        Row(
            f"different {subject}s among endings" if binary else "different labels among endings",
            lambda m: f"{m.scores['diversity_labels']:.2f} of {m.scores['diversity_endings']}",
            counted="diversity_prompts",
        ),
        Row("pictures a second, one at a time", lambda m: speed(m.scores["images_per_second"]), True),
        Row("speed ratio to the Transformer", ratio, True),
        Row(
            "pictures a second, best batch",
            lambda m: f"{speed(m.scores['images_per_second_best'])} (batch {m.scores['best_batch']})",
            True,
        ),
        Row(
            "share of that time for matrix products alone, batch 1, 64",
            lambda m: ", ".join(f"{m.scores['limit_shares'][batch]:.0%}" for batch in ("1", "64")),
        ),
        Row("network calls a picture", lambda m: f"{m.scores['network_calls']:,}", True),
        Row("pixels a call", lambda m: f"{m.scores['tokens_per_call']:.3g}"),
        Row("drafts accepted", lambda m: f"{m.scores['acceptance']:.1%}"),
    ]


def summary(weights: Sequence[Checkpoint], short: bool = False) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of a table: a row for each measure, a column for each model of one data set. "–" marks
    what was not measured, or not on as many pictures as for the other models."""

    def line(row: Row) -> list[str]:
        number = common(weights, row.counted) if row.counted else None

        def cell(made: Checkpoint) -> str:
            try:
                return row.cell(made) if row.counted is None or made.scores[row.counted] == number else NONE
            except KeyError:
                return NONE

        return [row.heading.format(n=f"{number or 0:,}"), *map(cell, weights)]

    cells = [line(row) for row in rows(weights) if row.short or not short]
    return ["", *map(title, weights)], [row for row in cells if set(row[1:]) != {NONE}]


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def ranked(published: Sequence[Published], ours: Sequence[Published], heading: str, form: str, most: bool) -> str:
    """Write a table of published figures and ours (in bold), worst first; most: whether more is better."""
    entries = [(p, False) for p in published] + [(p, True) for p in ours]
    entries.sort(key=lambda entry: entry[0].value, reverse=not most)

    def row(p: Published, own: bool) -> list[str]:
        value = f"{'≤ ' if p.bound else ''}{p.value:{form}}"
        return [f"**{p.name}**", f"**{value}**", p.remark] if own else [p.name, value, p.remark]

    return markdown(["", heading, ""], [row(*entry) for entry in entries])


def circumstances(weights: Sequence[Checkpoint]) -> tuple[list[str], list[list[str]]]:
    """Return a table of when, where and under which settings every part was measured; equal rows are joined."""
    found: dict[tuple[str, ...], list[str]] = {}
    for part in evaluate.PARTS:
        for made in weights:
            m = made.scores.get("measured", {}).get(part)
            if m:
                where = f"{m['gpu'] or m['cpu']}, {m['threads']} thread{'s' * (m['threads'] > 1)}, torch {m['torch']}"
                options = {"parts": part} | m.get("options", {})
                words = " ".join(f"--{name} {value}" for name, value in options.items())
                alike = found.setdefault((words, m["date"], where, str(m["seed"])), [])
                alike.append(f"{title(made)} {_duration(m['seconds'])}")
    cells = [[f"`{words}`", date, where, seed, ", ".join(who)] for (words, date, where, seed), who in found.items()]
    return ["options", "date", "machine", "seed", "model and time it took"], cells


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


# --- pages ----------------------------------------------------------------------------------------------------------


def page(weights: dict[str, list[Checkpoint]], folder: Path) -> str:
    """Write the text of RESULTS.md, with a section for every data set; it depends only on the scores in the weights,
    and on the studies and notes in `folder`."""
    intro = (
        "Scores lie in the weights' own files. `python -m vssm evaluate --data NAME --all` measures everything in a "
        "data set's first table and writes this page; `python -m vssm results` writes it from what was measured before."
    )
    sections = [section(found, data.get(name), folder) for name, found in weights.items()]
    return "\n\n".join(["# Results", intro, *sections]) + "\n"


def section(weights: Sequence[Checkpoint], dataset: data.DataSet, folder: Path) -> str:
    """Write the section of one data set."""
    parts = [f"## {dataset.title}", _tested(dataset)]
    if (notes := folder / f"notes-{dataset.name}.md").exists():  # what a person has to say
        parts.append(_demoted(notes.read_text(encoding="utf-8").strip()))
    if weights:
        parts += ["### The models side by side", markdown(*summary(weights)), _reading(weights)]
        parts += ["#### Measured when and where", _commands(dataset), markdown(*circumstances(weights))]
        parts += _beside(weights, LITERATURE[dataset.name]) if dataset.name in LITERATURE else []
        parts += _samples(weights, dataset)
    kept = folder / "studies"
    found = [s for s in studies.STUDIES.values() if studies.path(s, dataset, kept).exists()]
    if found:
        parts += [
            "### Studies",
            "Small runs at equal budget, one seed each: differences of a few points may be chance.",
        ]
    for study in found:
        parts += _study(study, dataset, kept)
    if (file := kept / f"scaling-{dataset.name}.json").exists():
        parts += _scaling(file)
    return "\n\n".join(parts)


def _tested(dataset: data.DataSet) -> str:
    if dataset.num_values == 2:
        return f"The test set under one fixed binarisation (seed {data.BINARISE_SEED})."
    return f"The test set as it is, {dataset.num_values} levels in each of {dataset.channels} channels."


def _demoted(text: str) -> str:
    """Markdown with every heading a level lower."""
    return re.sub(r"^(#+ )", r"#\1", text, flags=re.MULTILINE)


def _commands(dataset: data.DataSet) -> str:
    return (
        f"Each by `python -m vssm evaluate --data {dataset.name} --model NAME --write` with these options, with "
        "`--threads` and `--seed` as told."
    )


def _beside(weights: Sequence[Checkpoint], literature: Literature) -> list[str]:
    """Our figures beside published ones."""
    unit = UNITS[weights[0].data.unit]
    scored = [m for m in weights if unit.mean in m.scores]
    timed = [m for m in weights if "images_per_second" in m.scores]
    number = common(scored, "images")
    likelihoods = [_own_likelihood(m, unit) for m in scored if m.scores["images"] == number]
    speeds, seconds = [_own_speed(m) for m in timed], [_own_seconds(m) for m in timed]
    return [
        "### Likelihood beside published figures",
        literature.about_likelihoods,
        ranked(literature.likelihoods, likelihoods, unit.words, ".2f", most=False),
        "### Speed beside published figures",
        literature.about_speeds,
        ranked(literature.speeds, speeds, "pictures a second", ".4g", most=True),
        *([ranked(literature.seconds, seconds, "seconds a picture", ".3g", most=False)] if literature.seconds else []),
    ]


def _samples(weights: Sequence[Checkpoint], dataset: data.DataSet) -> list[str]:
    """The sheets that `write_sheets` draws."""
    mean = [title(m) for m in weights if dataset.pixel_mode == "mean" and "mean" in m.network.pixel_modes]
    shown = f" Of {' and '.join(mean)} the mean of each pixel is shown, of the others a draw." if mean else ""
    parts = [
        "### Samples",
        f"Drawn at temperature 1, seed 0, each by the model's usual sampler; none was chosen.{shown} First "
        f"{UNCONDITIONAL} from nothing:",
        *(f"**{title(m)}**\n\n![Samples of {title(m)}](samples/{m.model}-{dataset.name}.png)" for m in weights),
    ]
    if not examples(dataset):
        return parts
    sheets = [f"![{title(m)}](samples/{m.model}-{dataset.name}-completed.png)" for m in weights]
    return [
        *parts,
        f"Every example prompt, unknown pixels grey, completed {ENDINGS} times by each model:",
        markdown(["prompt", *map(title, weights)], [[f"![prompts](samples/prompts-{dataset.name}.png)", *sheets]]),
    ]


def _reading(weights: Sequence[Checkpoint]) -> str:
    """What the measures mean, with what real pictures score."""
    dataset = weights[0].data
    subject, colour = dataset.subject, dataset.num_values > 2
    anchors = next((m.scores for m in weights if "label_kept_whole" in m.scores), None)
    number = common(weights, "fid_samples")
    real = next((m.scores for m in weights if m.scores.get("fid_samples") == number and "fid" in m.scores), None)
    text = [
        "*−log p(x)*: exact for autoregressive models; for models with latents an upper bound by one hard posterior "
        "draw an image (ELBO), and the tighter importance-weighted one (IW, 1509.00519).",
        f"*Label kept*: the lower half of each test {subject} is completed once, and a small classifier still reads "
        f"the true {'label' if colour else subject}.",
    ]
    if anchors:
        text[-1] += (
            f" It reads {anchors['label_kept_whole']:.1%} of the whole {subject}s rightly, and "
            f"{anchors['label_kept_top']:.1%} from the upper half alone."
        )
    pen = next((m.scores for m in weights if "pen_kept" in m.scores), None)
    if pen:
        text.append(
            "*Pen digits*: the same for digits that people wrote with a pen on a tablet (Alpaydin & Alimoglu, UCI "
            f"Machine Learning Repository, CC BY 4.0), {', '.join(map(str, pen_digits.DIGITS))} of them, as far as the "
            f"classifier reads the whole. It reads {pen['pen_kept_top']:.1%} from the upper half alone."
        )
    text.append(
        f"*Fréchet distance*: between unconditional samples and the test {subject}s, each as a Gaussian in the "
        "classifier's penultimate layer; not comparable with distances in other networks' features."
    )
    if real:
        text[-1] += (
            f" The fewer samples, the larger it is: {number:,} training {subject}s score {real['fid_real']:.1f}."
        )
        text.append(
            "*Kernel distance* (KID, 1801.01401): the squared maximum mean discrepancy of the same features under the "
            "kernel (x·y/D + 1)³, unbiased: the same on average at any number of samples."
        )
        if "kid_real" in real:
            kid, error = real["kid_real"], real["kid_real_error"]
            text[-1] += f" The same training {subject}s score {kid:.2f} ± {error:.2f}."
    if any("best_mse" in m.scores for m in weights):
        text.append(
            "*Squared error*: of the completed lower half to the true one, a mean over pixels and channels on a scale "
            "of 0 to 1; of the best of some completions of each picture, and of all."
        )
    text += [
        "*Two endings*: of the completions of one prompt's lower half.",
        "*±*: standard errors, of shares by the binomial distribution. All models of a row were measured on the same "
        "pictures; – where one was measured on another number of them.",
        "*Pixels a call*: what one network call adds to one picture.",
    ]
    if colour:
        text.append(
            "*Sampled pixels, mean pixels*: whether pictures show draws of the pixels' likelihood or, where pixels are "
            "independent given latents, its mean, which has no noise of its own: smoother, and nearer in squared error."
        )
    return "\n".join(f"- {line}" for line in text)


def _own_likelihood(made: Checkpoint, unit: Unit) -> Published:
    s, exact = made.scores, made.scores["bound"] == "exact"
    remark = [f"{made.parameters / 1e6:.2f} M parameters, trained for {made.total('minutes'):g} minutes"]
    if s.get("order") == "random":
        remark.append("in a random order for each image")
    remark.append("exact" if exact else "ELBO")
    if unit.importance in s:
        remark.append(f"IW-{s['iw_samples']} ≤ {s[unit.importance]:.2f} on {s['iw_images']:,} images")
    return Published(title(made), s[unit.mean], "; ".join(remark), not exact)


def _own_speed(made: Checkpoint) -> Published:
    return Published(
        title(made), made.scores["images_per_second_best"], f"{_machine(made)}, batch {made.scores['best_batch']}"
    )


def _own_seconds(made: Checkpoint) -> Published:
    return Published(title(made), 1 / made.scores["images_per_second"], _machine(made))


def _machine(made: Checkpoint) -> str:
    m = made.scores["measured"]["speed"]
    return m["gpu"] or f"{m['threads']} CPU thread{'s' * (m['threads'] > 1)}"


def _study(study: studies.Study, dataset: data.DataSet, folder: Path) -> list[str]:
    file = studies.path(study, dataset, folder)
    record = json.loads(file.read_text(encoding="utf-8"))
    header, cells = studies.table(record)
    budget = f"{record['minutes']:g} minutes of training a run, " if record["minutes"] else "the shipped weights, "
    command = f"python -m vssm study {study.name}" + (f" --minutes {record['minutes']:g}" if record["minutes"] else "")
    command, scored = f"{command} --data {dataset.name}", ""
    if record["images"] is not None:
        command += f" --limit {record['images']}"
        scored = f"scored on the first {record['images']:,} test {dataset.subject}s; "
    text = [
        f"#### {study.title}",
        study.question,
        markdown(header, cells),
        f"![{study.title}](studies/{file.stem}.svg)",
        f"`{command}`: {budget}{scored}seed {record['seed']}, {record['machine']['cpu']}, {record['device']}, "
        f"{record['date']}.",
    ]
    if (notes := file.with_suffix(".md")).exists():
        text.append(notes.read_text(encoding="utf-8").strip())
    return text


def _scaling(file: Path) -> list[str]:
    record = json.loads(file.read_text(encoding="utf-8"))
    lengths = ",".join(map(str, record["lengths"]))
    return [
        "### Seconds against sequence length, at equal T and equal size",
        markdown(*scaling.table(record)),
        f"![Seconds against T](studies/{file.stem}.svg)",
        f"`python -m vssm bench --data {record['data']} --lengths {lengths} --threads {record['threads']} "
        f"--out docs/studies/{file.name}`, {record['date']}.",
        scaling.notes(record).replace("\n", " "),
    ]


def readme(text: str, weights: dict[str, list[Checkpoint]]) -> str:
    """Return README's text with a new table of results, of the first data set; raises UserError if the marks around it
    are missing."""
    name, found = next(iter(weights.items()))
    return between(MARKS, text, [f"### {data.get(name).title}\n\n{markdown(*summary(found, True))}"], "README.md")


# --- sheets ---------------------------------------------------------------------------------------------------------


def write_sheets(weights: Sequence[Checkpoint], dataset: data.DataSet, folder: Path, where: torch.device) -> None:
    """Draw every model's samples from nothing, and completions of the example prompts, as PNGs in FOLDER."""
    prompts = [e.prompt for e in examples(dataset)]
    if prompts:
        shown = np.stack([np.where(p.known[..., None], p.pixels, np.uint8(UNKNOWN)) for p in prompts])
        _write_sheet(folder / f"prompts-{dataset.name}.png", shown, 1)
    for made in weights:
        generator = Generator(made, where)
        nothing = run(generator, GenerationRequest(Prompt.empty(*dataset.shape), UNCONDITIONAL)).images
        _write_sheet(folder / f"{made.model}-{dataset.name}.png", nothing, COLUMNS)
        if prompts:
            completed = [run(generator, GenerationRequest(p, ENDINGS)).images for p in prompts]
            _write_sheet(folder / f"{made.model}-{dataset.name}-completed.png", np.concatenate(completed), ENDINGS)


def _write_sheet(path: Path, images: np.ndarray, columns: int) -> None:
    write_png(path, images.repeat(ENLARGED, 1).repeat(ENLARGED, 2), columns, GAP)


def write(
    dataset: data.DataSet, folder: Path, where: torch.device, sheets: bool = True, readme_file: Path | None = None
) -> Path:
    """Write FOLDER/RESULTS.md with the sheets of one data set, and the tables in README.md if one is named; returns
    the page's path. Raises UserError where that data set has no weights or a file cannot be written."""
    weights = shipped(dataset)
    if sheets:
        write_sheets(weights, dataset, folder / "samples", where)
    path, every = folder / "RESULTS.md", all_shipped()
    atomic.write_text(path, page(every, folder))
    if readme_file is not None:
        atomic.write_text(readme_file, readme(readme_file.read_text(encoding="utf-8"), every))
    return path


def between(marks: tuple[str, str], text: str, tables: list[str], name: str) -> str:
    """Return a page's text with these tables between two marks; raises UserError if the marks are missing."""
    before, first, rest = text.partition(marks[0])
    _, last, after = rest.partition(marks[1])
    if not first or not last:
        raise UserError(f"The marks {' and '.join(marks)} are missing in {name}; put them around its tables.")
    return "\n\n".join([before + first, *tables, last + after])
