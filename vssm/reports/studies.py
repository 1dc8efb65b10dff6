"""Studies of the papers' open questions by runs of equal budget: `python -m vssm study NAME`.

A study trains small models for the same time, one after another, and scores them on the first test images; or it takes
shipped weights and changes the sampler. The result is docs/studies/NAME-DATA.json with a plot beside it, from which
`results_page` writes the page.
"""

from __future__ import annotations

import datetime
import math
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from vssm import checkpoint, data, device
from vssm.errors import UserError
from vssm.evaluation import benchmark, decoders
from vssm.evaluation.evaluate import Evaluation, Settings, check_limit
from vssm.evaluation.metrics import lower_half_unknown, share_error
from vssm.files import atomic, strict_json
from vssm.models.registry import LatentNetwork
from vssm.prompt import Prompt
from vssm.reports import svg_plot
from vssm.reports.svg_plot import Axis
from vssm.sampling.generator import Generator
from vssm.training.trainer import TrainingConfig, train


@dataclass(frozen=True)
class Run:
    """One row of a study: a model to be trained or, with a sampler, the shipped weights.

    Args:
        label: The name of the row.
        model: The name of the preset.
        changes: Changes of the preset's config, for training.
        known: The known sets for training, as in `Preset`; None for the preset's.
        sampler: The sampler of shipped weights; None to train a model.
        parameter: The sampler's whole number; None for the usual value.
        levels_held: How many levels of latents, from the first one on, come from the posterior; None for none.
        decoder: What decodes the shipped weights, one of `decoders.DECODERS`; None where that is not the question.
    """

    label: str
    model: str = "vssm"
    changes: dict[str, Any] = field(default_factory=dict)
    known: str | None = None
    sampler: str | None = None
    parameter: int | None = None
    levels_held: int | None = None
    decoder: str | None = None


@dataclass(frozen=True)
class Column:
    """A measure of a run: its heading, its format, and its axis in a plot; share: whether it is a share of the test
    images."""

    heading: str
    form: str
    axis: Axis
    share: bool = False


COLUMNS = {
    "images": Column("images seen", ",", Axis("images seen")),
    "nats": Column("−ELBO, nats", ".1f", Axis("−ELBO, nats")),
    "bits_per_dim": Column("−ELBO, bits a dimension", ".3f", Axis("−ELBO, bits a dimension")),
    "label_kept": Column(
        "label kept, lower half completed", ".1%", Axis("label kept, lower half completed", percent=True), share=True
    ),
    "label_kept_upper": Column(
        "label kept, upper half completed", ".1%", Axis("label kept, upper half completed", percent=True), share=True
    ),
    "fid": Column("Fréchet distance", ".1f", Axis("Fréchet distance of unconditional samples")),
    "kid": Column("kernel distance", ".2f", Axis("kernel distance of unconditional samples")),
    "levels_held": Column("levels from the posterior", "d", Axis("levels drawn from the posterior")),
    "seconds": Column("seconds a picture", ".4f", Axis("seconds a picture, one at a time", log=True)),
    "network_calls": Column("network calls", ",", Axis("network calls", log=True)),
    "tokens_per_call": Column("tokens a call", ".1f", Axis("tokens a call", log=True)),
    "acceptance": Column("drafts accepted", ".1%", Axis("drafts accepted", percent=True)),
    "same": Column("pictures equal to ours", ".0%", Axis("pictures equal to ours", percent=True)),
}
DECODED = {
    batch: {
        f"seconds_{batch}": Column(
            f"seconds, batch {batch}", ".3f", Axis(f"seconds a run, {batch} at a time", log=True)
        ),
        f"ratio_{batch}": Column("times as fast as ours", ".2f", Axis("times as fast as ours")),
        f"low_{batch}": Column("a quarter of turns below", ".2f", Axis("a quarter of turns below")),
        f"high_{batch}": Column("a quarter above", ".2f", Axis("a quarter above")),
        f"busy_{batch}": Column("cores that others used", ".1f", Axis("cores that others used")),
    }
    for batch in decoders.BATCHES
}
COLUMNS |= {name: column for columns in DECODED.values() for name, column in columns.items()}
LIKELIHOODS = {"nats": "nats", "bits/dim": "bits_per_dim"}  # by the unit that a data set's likelihoods are told in
TRAINED = ("images", "nats", "label_kept", "label_kept_upper")
SAMPLED = ("label_kept", "fid", "seconds", "network_calls", "tokens_per_call")


@dataclass(frozen=True)
class Study:
    """A question and the runs that answer it.

    Args:
        name: What the command line calls it.
        title: What people read.
        question: The question.
        runs: The rows.
        columns: What is measured; "nats" is the likelihood in the data set's unit.
        x: The column along the plot's horizontal axis.
        y: The column along its vertical axis.
        joined: Whether the runs are a series, with a line through them.
        each_level: Whether the only run is repeated for every number of levels from the posterior, from none to all.
    """

    name: str
    title: str
    question: str
    runs: tuple[Run, ...]
    columns: tuple[str, ...]
    x: str
    y: str
    joined: bool = False
    each_level: bool = False

    @property
    def trains(self) -> bool:
        """Whether its models are trained; otherwise they are the shipped ones."""
        return self.runs[0].sampler is None

    @property
    def decodes(self) -> bool:
        """Whether it compares what decodes the shipped weights; nothing is scored then."""
        return self.runs[0].decoder is not None


STUDIES = {
    s.name: s
    for s in (
        Study(
            "latents",
            "Categorical against Gaussian latents",
            "The paper's latents are categorical. Does the kind matter, at equal training time?",
            (
                Run("Gaussian 8", changes={"latent": "gaussian", "latent_size": 8}),
                Run(
                    "categorical 16 × 4, ReinMax",
                    changes={"latent": "categorical", "latent_size": 16, "estimator": "reinmax"},
                ),
                Run(
                    "categorical 16 × 4, Gumbel",
                    changes={"latent": "categorical", "latent_size": 16, "estimator": "gumbel"},
                ),
            ),
            TRAINED,
            "nats",
            "label_kept",
        ),
        Study(
            "levels",
            "One level of latents against several",
            "The paper's model has one level. What do levels that see those above them give, all on the fine grid?",
            tuple(Run(f"L = {n}", changes={"codes": 0, "coarse_levels": 0, "fine_levels": n}) for n in (1, 2, 4)),
            TRAINED,
            "nats",
            "label_kept",
            joined=True,
        ),
        Study(
            "known",
            "A known prefix against any known subset",
            "Does training on every kind of prompt cost anything where prompts are prefixes, and what does it give "
            "where they are not?",
            (Run("any subset known"), Run("prefix known", known="prefix")),
            TRAINED,
            "label_kept",
            "label_kept_upper",
        ),
        Study(
            "chunks",
            "Chunk size against quality and time",
            "The paper's model writes K tokens at a time: K = T is parallel, K = 1 autoregressive. What does the dial "
            "buy?",
            (
                *(Run(f"K = {k}", "vssm-paper", sampler="chunked", parameter=k) for k in (1, 2, 4, 7, 14, 25)),
                Run("parallel", "vssm-paper", sampler="parallel"),
            ),
            SAMPLED,
            "seconds",
            "fid",
            joined=True,
        ),
        Study(
            "drafts",
            "Drafting and verifying against one pixel after another",
            "ASSD draws from the same distribution as one pixel after another, in fewer network calls. How many fewer?",
            (
                *(Run(f"ASSD, {k} drafted", "asarm", sampler="assd", parameter=k) for k in (8, 32, 128)),
                Run("sequential", "asarm", sampler="sequential"),
                Run("random order", "asarm", sampler="random"),
                *(Run(f"masked, {k} steps", "asarm", sampler="masked", parameter=k) for k in (16, 64)),
            ),
            (*SAMPLED, "acceptance"),
            "seconds",
            "fid",
        ),
        Study(
            "levels-from-posterior",
            "The first levels drawn from the posterior",
            "Where is quality lost? The posterior sees the whole picture. What would the samples be like if the first "
            "k levels of latents were drawn from it and only the rest from the prior?",
            (Run("k", "vssm", sampler="parallel"),),
            ("fid", "kid", "label_kept", "levels_held"),
            "levels_held",
            "fid",
            joined=True,
            each_level=True,
        ),
        Study(
            "decoders",
            "The Transformer decoded by others",
            "Is the loop that decodes our Transformer the fastest there is? The same weights by torch.compile and by "
            "ONNX Runtime, each with static caches, in turns.",
            tuple(
                Run(label, "transformer", sampler="sequential", decoder=decoder)
                for decoder, label in (
                    ("ours", "ours"),
                    ("inductor", "torch.compile (Inductor)"),
                    ("onnx", "ONNX Runtime"),
                )
            ),
            (*(name for columns in DECODED.values() for name in columns), "same"),
            "seconds_1",
            "seconds_64",
        ),
    )
}


def get(name: str) -> Study:
    """Return the study of that name; raises UserError for an unknown name."""
    if name not in STUDIES:
        raise UserError(f"There is no study {name!r}; choose one of: {', '.join(STUDIES)}.")
    return STUDIES[name]


def study(
    what: Study,
    dataset: data.DataSet = data.MNIST,
    minutes: float = 4.0,
    limit: int = 1000,
    seed: int = 0,
    device_name: str = "auto",
    data_folder: str | Path | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """Make all runs of a study, one after another; returns its record.

    "rows" holds for every run its label and the measures: on the first `limit` test images, and with as many
    unconditional samples. Training, if any, takes `minutes` a run. Raises UserError for missing data, weights, modes or
    packages.
    """
    where, decoded = device.choose(device_name), dict[str, dict[str, Any]]()
    if what.decodes:  # pictures from nothing, on the CPU: no test images
        where, names = torch.device("cpu"), [run.decoder for run in what.runs if run.decoder]
        made = checkpoint.load(checkpoint.shipped(what.runs[0].model, dataset.name), what.runs[0].model)
        decoded = decoders.compare(made, names, quiet=quiet)
    else:
        check_limit(limit, len(data.load(dataset, "test", data_folder)[0]))  # before the training, not after
    rows = []
    for run in each_level(what.runs[0], dataset) if what.each_level else what.runs:
        if run.decoder:
            found = decoded[run.decoder]
        elif what.trains:
            found = _trained(run, dataset, minutes, limit, seed, device_name, data_folder, quiet)
        else:
            found = _sampled(run, dataset, limit, seed, where, data_folder, quiet)
        rows.append({"label": run.label} | {k: found.get(k) for k in columns(what, dataset)})
    return {
        "study": what.name,
        "data": dataset.name,
        "minutes": minutes if what.trains else None,
        "images": None if what.decodes else limit,
        "seed": seed,
        "threads": torch.get_num_threads(),
        "device": device.describe(where),
        "machine": benchmark.machine(),
        "date": datetime.date.today().isoformat(),
        "rows": rows,
    }


def each_level(run: Run, dataset: data.DataSet) -> list[Run]:
    """Return a run for every number of levels that the shipped weights have, and one for none."""
    network = checkpoint.load(checkpoint.shipped(run.model, dataset.name), run.model).network
    levels = len(network.latent_levels) if isinstance(network, LatentNetwork) else 0
    return [replace(run, label=f"k = {k}", levels_held=k) for k in range(levels + 1)]


def columns(what: Study, dataset: data.DataSet) -> tuple[str, ...]:
    """Return the keys of a study's rows for a data set; they are names in COLUMNS."""
    return tuple(_key(name, dataset) for name in what.columns)


def _key(name: str, dataset: data.DataSet) -> str:
    return LIKELIHOODS[dataset.unit] if name == "nats" else name


def training_config(run: Run, dataset: data.DataSet, minutes: float, seed: int) -> TrainingConfig:
    """Make the config by which the model of a run is trained."""
    return TrainingConfig(
        run.model,
        dataset.name,
        minutes,
        seed=seed,
        known=run.known,
        changes=run.changes,
        save_minutes=2 * minutes,  # once, at the end
    )


def _trained(
    run: Run,
    dataset: data.DataSet,
    minutes: float,
    limit: int,
    seed: int,
    device_name: str,
    data_folder: str | Path | None,
    quiet: bool,
) -> dict[str, Any]:
    config = training_config(run, dataset, minutes, seed)
    with tempfile.TemporaryDirectory() as folder:
        made = checkpoint.load(train(config, Path(folder), device_name, data_folder=data_folder, quiet=quiet))
    generator = Generator(made, device.choose(device_name))
    evaluation = Evaluation(generator, Settings(limit=limit, seed=seed), data_folder, quiet)
    upper_known = lower_half_unknown(evaluation.images)
    return evaluation.nats() | {
        "images": made.training["images"],
        "label_kept": evaluation.kept(upper_known),
        "label_kept_upper": evaluation.kept(~upper_known),
    }


def _sampled(
    run: Run,
    dataset: data.DataSet,
    limit: int,
    seed: int,
    where: torch.device,
    data_folder: str | Path | None,
    quiet: bool,
) -> dict[str, Any]:
    generator = Generator(checkpoint.load(checkpoint.shipped(run.model, dataset.name), run.model), where)
    settings = Settings(limit=limit, seed=seed, sampler=run.sampler, parameter=run.parameter, fid_samples=limit)
    evaluation = Evaluation(generator, settings, data_folder, quiet)
    if run.levels_held is not None:
        return evaluation.from_posterior(run.levels_held) | {"levels_held": run.levels_held}
    contestant = benchmark.Contestant(generator, run.sampler, run.parameter)
    timed = benchmark.bench({"": contestant}, Prompt.empty(*generator.data.shape), quiet=quiet)["models"][""]
    kept = evaluation.kept(lower_half_unknown(evaluation.images))
    return {**timed, **evaluation.fid()} | {"label_kept": kept, "seconds": timed["seconds_median"]}


# --- what is kept ---------------------------------------------------------------------------------------------------


def path(what: Study, dataset: data.DataSet, folder: Path) -> Path:
    """Return the path of a study's record in a folder; the plot (.svg) and a person's notes (.md) are beside it."""
    return folder / f"{what.name}-{dataset.name}.json"


def write(record: dict[str, Any], folder: Path) -> Path:
    """Write a study's record and its plot to a folder; returns the record's path.

    Raises:
        UserError: A file cannot be written, or nothing was found.
    """
    what, dataset = STUDIES[record["study"]], data.get(record["data"])
    x, y = _key(what.x, dataset), _key(what.y, dataset)
    points = [(r[x], r[y], r["label"]) for r in record["rows"] if math.isfinite(r[x]) and math.isfinite(r[y])]
    if not points:
        raise UserError(f"The study {what.name} found no {COLUMNS[y].heading} that is a number; look at the weights.")
    picture, file = svg_plot.scatter(points, COLUMNS[x].axis, COLUMNS[y].axis, what.joined), path(what, dataset, folder)
    atomic.write_text(file.with_suffix(".svg"), picture)
    atomic.write_text(file, strict_json.text(record)[0] + "\n")
    return file


def table(record: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows of a study as text."""
    keys = columns(STUDIES[record["study"]], data.get(record["data"]))

    def cell(value: float | None, column: Column) -> str:
        if value is None:
            return "–"
        error = f" ± {share_error(value, record['images']):{column.form}}" if column.share else ""
        return f"{value:{column.form}}{error}"

    rows = [[row["label"], *(cell(row.get(k), COLUMNS[k]) for k in keys)] for row in record["rows"]]
    return ["", *(COLUMNS[k].heading for k in keys)], rows
