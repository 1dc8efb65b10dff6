"""Scores of a model on the test set, in parts that can be measured apart and are kept in its weights.

A set of two levels is binarised as a whole first, so that a limit chooses from the one set that every figure is
measured on. Parts differ in what they cost: a likelihood is one pass over the images, a sample of an autoregressive
model one a pixel.
"""

from __future__ import annotations

import contextlib
import datetime
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from vssm import data, device
from vssm.checkpoint import Checkpoint
from vssm.errors import UserError
from vssm.evaluation import benchmark, classifier, metrics, pen_digits
from vssm.files import strict_json
from vssm.models.registry import LatentNetwork
from vssm.prompt import Prompt
from vssm.sampling.events import FixedLatents
from vssm.sampling.generator import Generator

# Images at once, of two levels and of more: larger batches leave a CPU's cache, or a device's memory.
LIKELIHOOD_BATCH = {"cpu": (10, 10), "mps": (100, 30), "cuda": (500, 150)}
COMPLETION_BATCH = {"cpu": (10, 30), "mps": (200, 60), "cuda": (1000, 300)}
IMPORTANCE_BATCH = {"cpu": (1, 1), "mps": (4, 1), "cuda": (32, 10)}  # each image stands for `iw_samples`
SPEED_BATCHES = (1, 4, 16, 64)
LEAST_SAMPLES = 4  # two blocks of two

PARTS = {
    "nats": "−log p(x) or its bound, in nats and in bits a dimension",
    "label": "how often a picture whose lower half is completed keeps its label",
    "pen": "the same as label for digits that people wrote with a pen, which no model was trained on",
    "iw": "the importance-weighted bound of models with latents",
    "fid": "the Fréchet and the kernel distance of unconditional samples in the classifier's features",
    "diversity": "how much the completions of one prompt differ",
    "best": "the squared error of the best of some completions of the lower half",
    "speed": "pictures a second and network calls; measure it alone, on a quiet machine",
}
LIKELIHOODS = ("nats", "iw")  # parts in which nothing is generated
OPTIONS = {  # by part, the settings that it depends on
    "nats": ("limit", "precision"),
    "label": ("limit",),
    "pen": ("limit",),
    "iw": ("iw_images", "iw_samples", "precision"),
    "fid": ("fid_samples",),
    "diversity": ("limit", "prompts", "endings"),
    "best": ("limit", "best_images", "best_endings"),
    "speed": ("repeats",),
}


@dataclass(frozen=True)
class Settings:
    """How a model is scored.

    Args:
        limit: How many test images, from the first one on (and how many pen digits); None for all.
        pen: The file of pen digits; None for the archive's own file in the data folder.
        seed: Seed of everything that is drawn.
        sampler: The name of a sampler; None for the model's usual one.
        parameter: Its whole number; None for the usual value.
        pixel_mode: "sampled" or "mean"; None for the data set's usual way.
        iw_images: How many images "iw" takes.
        iw_samples: How many draws "iw" takes for each image.
        fid_samples: How many unconditional samples "fid" takes.
        prompts: How many prompts "diversity" takes.
        endings: How many completions "diversity" takes of each prompt.
        best_images: How many prompts "best" takes.
        best_endings: How many completions "best" takes of each prompt.
        repeats: How many runs "speed" counts.
        precision: Of "nats" and "iw": "float32", or "bfloat16" for matrix products as in training, which is faster on
            a CPU that has it.
    """

    limit: int | None = None
    pen: Path | None = None
    seed: int = 0
    sampler: str | None = None
    parameter: int | None = None
    pixel_mode: str | None = None
    iw_images: int = 500
    iw_samples: int = 64
    fid_samples: int = 1000
    prompts: int = 100
    endings: int = 8
    best_images: int = 200
    best_endings: int = 16
    repeats: int = 3
    precision: str = "float32"


def evaluate(
    model: Generator | Checkpoint,
    parts: Sequence[str] | None = None,
    settings: Settings | None = None,
    data_folder: str | Path | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """Score a model.

    Args:
        model: The model, or its checkpoint.
        parts: Names in PARTS; None for those of `usual_parts`.
        settings: How to score it.
        data_folder: The folder of the data sets; see `data.data_dir`.
        quiet: Whether to hide progress bars.

    Returns:
        The record of `python -m vssm evaluate`. The methods of `Evaluation` explain its keys; "measured" says for each
        part when, where, how long and under which settings it was measured.

    Raises:
        UserError: A part is unknown, the data or the classifier are missing, or the test set or the model does not
            allow the settings.
    """
    settings, generator = settings or Settings(), model if isinstance(model, Generator) else Generator(model)
    if parts is None:
        parts = usual_parts(generator.data, settings, data_folder)
    if unknown := [p for p in parts if p not in PARTS]:
        raise UserError(f"There is nothing to measure called {unknown[0]!r}; choose among: {', '.join(PARTS)}.")
    evaluation = Evaluation(generator, settings, data_folder, quiet)
    record = {"model": generator.preset.name, "data": generator.data.name, "seed": evaluation.settings.seed}
    measured, begun = {}, time.perf_counter()
    for part in parts:
        start = time.perf_counter()
        if found := getattr(evaluation, part)():
            record |= found
            measured[part] = evaluation.circumstances(part) | {"seconds": time.perf_counter() - start}
    return record | {"seconds": time.perf_counter() - begun, "measured": measured}


def usual_parts(dataset: data.DataSet, settings: Settings, data_folder: str | Path | None = None) -> list[str]:
    """Return all parts that can be measured; "pen" only for digits, and if the file of pen digits is there."""
    pen = dataset.name == data.MNIST.name and (settings.pen or pen_digits.find(None, data_folder).is_file())
    return [part for part in PARTS if part != "pen" or pen]


class Evaluation:
    """A model and the test set; each part is a method that returns its keys of the record."""

    def __init__(
        self, generator: Generator, settings: Settings, data_folder: str | Path | None = None, quiet: bool = False
    ) -> None:
        self.generator, self.settings, self.data_folder, self.quiet = generator, settings, data_folder, quiet
        self.data = generator.data
        self.sampler, self.parameter = generator.find_sampler(settings.sampler, settings.parameter)
        self.pixel_mode = generator.find_pixel_mode(settings.pixel_mode)
        test, labels = data.load(self.data, "test", data_folder)
        limit = check_limit(settings.limit, len(test))
        self.test_values = data.fixed_values(test, self.data)
        self.values, self.labels = self.test_values[:limit], labels[:limit]
        self.images = data.to_pixels(self.values, self.data)

    @cached_property
    def judge(self) -> classifier.Classifier:
        """The classifier of the data set."""
        return classifier.load(self.data)

    def circumstances(self, part: str) -> dict[str, Any]:
        """Describe when, where and under which settings a part is measured; "options" are the unusual ones, by their
        names on the command line, without seed and threads."""
        where, drawn = benchmark.machine(), part not in LIKELIHOODS
        return {
            "date": datetime.date.today().isoformat(),
            "cpu": where["cpu"],
            "gpu": where["gpu"] if self.generator.where.type == "cuda" else None,
            "torch": where["torch"],
            "threads": torch.get_num_threads(),
            "seed": self.settings.seed,
            "mode": self.sampler.name if drawn else None,
            "size": self.parameter or None if drawn else None,
            "pixels": self.pixel_mode if drawn else None,
            "options": self._options(part),
        }

    def _options(self, part: str) -> dict[str, Any]:
        given = {k: getattr(self.settings, k) for k in OPTIONS[part]}
        options = {k.replace("_", "-"): v for k, v in given.items() if v != getattr(Settings, k)}
        if part in LIKELIHOODS:
            return options
        if self.sampler != self.generator.find_sampler()[0]:
            options["mode"] = self.sampler.name
        if self.sampler.parameter and self.parameter != self.sampler.default:
            options[self.sampler.parameter] = self.parameter
        if self.pixel_mode != self.generator.find_pixel_mode():
            options["pixels"] = self.pixel_mode
        return options

    def nats(self) -> dict[str, Any]:
        """Score the likelihood of test images.

        Returns:
            images: How many.
            nats, nats_error: −log p(x) or its bound, a mean over images, and its standard error.
            bits_per_dim, bits_per_dim_error: The same in bits for a channel of a pixel.
            bound: "exact", or "elbo" by one posterior draw for each image, with nothing known.
            order: Of the tokens: "raster", "random" (another one for each image), or None for a model without order.
        """
        network = self.generator.network
        nats = -self._log_likelihoods(self.values)
        raster = network.exact and network.prefix_only
        return {
            "images": len(nats),
            "nats": float(nats.mean()),
            "nats_error": metrics.standard_error(nats),
            "bits_per_dim": metrics.bits_per_dim(float(nats.mean()), self.data),
            "bits_per_dim_error": metrics.bits_per_dim(metrics.standard_error(nats), self.data),
            "bound": "exact" if network.exact else "elbo",
            "order": getattr(network, "likelihood_order", "raster" if raster else None),
        }

    def label(self) -> dict[str, Any]:
        """Complete the lower half of test images once, at temperature 1, and let the classifier read the results.

        Returns:
            label_images: How many.
            label_kept, label_kept_error: The share that keeps its label, and its standard error.
            label_kept_whole: The same share of the pictures as they are.
            label_kept_top: The same share of upper halves alone, with black below.
        """
        known = metrics.lower_half_unknown(self.images)
        kept = self.kept(known)
        return {
            "label_images": len(self.images),
            "label_kept": kept,
            "label_kept_error": metrics.share_error(kept, len(self.images)),
            "label_kept_whole": self._read_rightly(self.images),
            "label_kept_top": self._read_rightly(self.images * known[..., None]),
        }

    def pen(self) -> dict[str, Any]:
        """Complete the lower half of pen digits once, at temperature 1, and let the classifier read the results.

        The pictures depend only on the file and the limit, so that all models complete the same ones.

        Returns:
            pen_images: How many.
            pen_kept, pen_kept_error: The share that keeps its label, and its standard error.
            pen_kept_top: The same share of upper halves alone, with black below.
            pen_whole: The share of whole digits that the classifier reads; only these are completed.
        """
        images, labels, whole = self.pen_pictures
        known = metrics.lower_half_unknown(images)
        kept = self._share_read(self._complete(images, known), labels)
        return {
            "pen_images": len(images),
            "pen_kept": kept,
            "pen_kept_error": metrics.share_error(kept, len(images)),
            "pen_kept_top": self._share_read(images * known[..., None], labels),
            "pen_whole": whole,
        }

    @cached_property
    def pen_pictures(self) -> tuple[np.ndarray, np.ndarray, float]:
        """The pen digits that the classifier reads, up to the limit.

        Returns:
            Pictures [N, H, W, C], labels [N], and the share of all digits that it reads.

        Raises:
            UserError: The data set has no digits, or the classifier reads none of them.
        """
        if self.data.name != data.MNIST.name:
            raise UserError(f"Pen digits are no prompts for {self.data.title}; leave the part out or use --data mnist.")
        path = pen_digits.find(self.settings.pen, self.data_folder)
        written = pen_digits.read(path)
        able = np.isin(written.labels, pen_digits.DIGITS)
        images, labels = pen_digits.draw(written.points[able]), written.labels[able]
        read = classifier.classify(self.judge, images) == labels if len(images) else able[:0]
        if not read.any():
            digits = ", ".join(map(str, pen_digits.DIGITS))
            raise UserError(f"{path} has no digit among {digits} that the classifier reads; name a larger file.")
        first = np.flatnonzero(read)[: self.settings.limit]
        return images[first], labels[first], float(read.mean())

    def kept(self, known: np.ndarray) -> float:
        """Compute the share of pictures that keep their label when all but `known` [N, H, W] is completed."""
        return self._read_rightly(self._complete(self.images, known))

    def iw(self) -> dict[str, Any]:
        """Compute the importance-weighted bound −log (1/K) Σ_k p(x, z_k) / q(z_k | x) (1509.00519).

        Returns:
            Nothing for a model with an exact likelihood; else
            iw_nats, iw_nats_error: The bound by K = iw_samples draws, a mean over images, and its standard error.
            iw_elbo: The bound by one draw on the same images.
            iw_bits_per_dim, iw_bits_per_dim_error, iw_elbo_bits_per_dim: The three in bits for a channel of a pixel.
        """
        s, network = self.settings, self.generator.network
        if network.exact or not isinstance(network, LatentNetwork):
            return {}
        values = self.test_values[: s.iw_images]

        def bound(images: torch.Tensor) -> torch.Tensor:
            return network.importance_bound(images, s.iw_samples)

        batch = batch_size(IMPORTANCE_BATCH, self.generator)
        with self._precision():
            nats = -_over_images(self.generator, bound, values, s.seed, batch, "importance", self.quiet)
        elbo = -self._log_likelihoods(values)
        return {
            "iw_nats": float(nats.mean()),
            "iw_nats_error": metrics.standard_error(nats),
            "iw_images": len(values),
            "iw_samples": s.iw_samples,
            "iw_elbo": float(elbo.mean()),
            "iw_bits_per_dim": metrics.bits_per_dim(float(nats.mean()), self.data),
            "iw_bits_per_dim_error": metrics.bits_per_dim(metrics.standard_error(nats), self.data),
            "iw_elbo_bits_per_dim": metrics.bits_per_dim(float(elbo.mean()), self.data),
        }

    def fid(self) -> dict[str, Any]:
        """Compute the Fréchet and the kernel distance of unconditional samples, in the classifier's features.

        Returns:
            fid_samples: How many samples.
            fid: The Fréchet distance to all test pictures; it is larger for fewer samples.
            kid, kid_error: The kernel distance, which does not depend on the number of samples on average, and its
                standard error.
            fid_real, kid_real, kid_real_error: The same for as many training pictures: the score of a perfect model.
        """
        s = self.settings
        train = data.load(self.data, "train", self.data_folder)[0]
        if not LEAST_SAMPLES <= s.fid_samples <= len(train):
            raise UserError(
                f"Samples are set beside as many training pictures, of which there are {len(train):,}: ask for "
                f"{LEAST_SAMPLES} to {len(train):,}, not {s.fid_samples:,}."
            )
        nothing = np.zeros((s.fid_samples, *self.data.shape), np.uint8)
        samples = self._complete(nothing, np.zeros(nothing.shape[:3], bool))
        train = train[: s.fid_samples]
        drawn = data.binarise_fixed(train, s.seed) if self.data.num_values == 2 else train
        ours, real = self._distances(samples), self._distances(data.to_pixels(drawn, self.data))
        return {
            "fid": ours["fid"],
            "fid_real": real["fid"],
            "fid_samples": s.fid_samples,
            "kid": ours["kid"],
            "kid_error": ours["kid_error"],
            "kid_real": real["kid"],
            "kid_real_error": real["kid_error"],
        }

    def from_posterior(self, levels: int) -> dict[str, Any]:
        """Score the model as if its first levels of latents were right.

        They are drawn from the posterior, which sees the whole picture, and the other levels from the prior.

        Returns:
            fid, kid, kid_error: Of as many pictures from nothing as there are test images.
            label_kept: Of completed lower halves.
        """
        upper, nothing = metrics.lower_half_unknown(self.images), np.zeros(self.images.shape[:3], bool)
        made, completed = (self._complete(self.images, known, levels) for known in (nothing, upper))
        return self._distances(made) | {"label_kept": self._read_rightly(completed)}

    def diversity(self) -> dict[str, Any]:
        """Compare several completions of the lower half of the first test images.

        Returns:
            diversity_prompts: How many prompts.
            diversity_endings: How many completions of each.
            diversity: The mean difference of two completions in an unknown pixel, as a share of the range (for a
                binarised set the share of pixels that differ).
            diversity_labels: How many different classes the classifier reads, on average.
        """
        s = self.settings
        images = self.images[: s.prompts]
        known = metrics.lower_half_unknown(images)
        M, K = len(images), s.endings
        completed = self._complete(images.repeat(K, 0), known.repeat(K, 0))
        labels = classifier.classify(self.judge, completed).reshape(M, K)
        return {
            "diversity": metrics.pairwise_difference(completed.reshape(M, K, *self.data.shape), known),
            "diversity_labels": float(np.mean([len(set(row)) for row in labels.tolist()])),
            "diversity_prompts": M,
            "diversity_endings": K,
        }

    def best(self) -> dict[str, Any]:
        """Compute the squared error of the best of several completions of the lower half of the first test images.

        Returns:
            best_images: How many images.
            best_endings: How many completions of each.
            best_mse, best_mse_error: The error of the best completion, 0 to 1, a mean over unknown pixels, channels and
                images, and its standard error.
            mean_mse: The mean error of all completions.
        """
        s = self.settings
        images = self.images[: s.best_images]
        known, (M, K) = metrics.lower_half_unknown(images), (len(images), s.best_endings)
        completed = self._complete(images.repeat(K, 0), known.repeat(K, 0))
        errors = metrics.squared_errors(completed.reshape(M, K, *self.data.shape), images, known)
        best = errors.min(1)
        return {
            "best_mse": float(best.mean()),
            "best_mse_error": metrics.standard_error(best),
            "mean_mse": float(errors.mean()),
            "best_images": M,
            "best_endings": K,
        }

    def speed(self) -> dict[str, Any]:
        """Measure how fast whole pictures are made from nothing.

        Returns:
            images_per_second: One picture at a time.
            images_per_second_best, best_batch: At the best batch size, and that size.
            speeds: Pictures per second at every batch size.
            limit_shares: The share of the time that the matrix products take alone, at the least and largest size.
            others_busy_cores: How many cores other programs kept busy, at most; None if unknown.
            too_busy: Whether the times mean little for that reason.
            network_calls, tokens_per_call, acceptance: Of one picture; the last one only if tokens are drafted.
        """
        s = self.settings
        contestant = benchmark.Contestant(self.generator, s.sampler, s.parameter, s.pixel_mode)
        prompt = Prompt.empty(*self.data.shape)
        ends = SPEED_BATCHES[0], SPEED_BATCHES[-1]
        records = {
            b: benchmark.bench({"": contestant}, prompt, b, s.repeats, self.quiet, limit=b in ends)
            for b in SPEED_BATCHES
        }
        speeds = {batch: record["models"][""]["images_per_second"] for batch, record in records.items()}
        first = records[SPEED_BATCHES[0]]["models"][""]
        best = max(speeds, key=lambda batch: speeds[batch])
        busy = [r["others_busy_cores"] for r in records.values() if r["others_busy_cores"] is not None]
        return {
            "images_per_second": speeds[1],
            "images_per_second_best": speeds[best],
            "best_batch": best,
            "speeds": {str(batch): speed for batch, speed in speeds.items()},
            "limit_shares": {str(b): records[b]["models"][""]["limit_share"] for b in ends},
            "others_busy_cores": max(busy, default=None),
            "too_busy": any(record["too_busy"] for record in records.values()),
            **{k: first[k] for k in ("network_calls", "tokens_per_call", "acceptance") if k in first},
        }

    # --- parts of parts -----------------------------------------------------------------------------------------

    def _precision(self) -> contextlib.AbstractContextManager[object]:
        half = self.settings.precision == "bfloat16"
        return device.autocast(self.generator.where) if half else contextlib.nullcontext()

    def _log_likelihoods(self, values: np.ndarray) -> np.ndarray:
        with self._precision():
            return log_likelihoods(self.generator, values, self.settings.seed, self.quiet)

    def _complete(self, images: np.ndarray, known: np.ndarray, levels: int = 0) -> np.ndarray:
        s = self.settings
        return completions(
            self.generator, images, known, s.seed, self.quiet, s.sampler, s.parameter, s.pixel_mode, levels
        )

    def _distances(self, images: np.ndarray) -> dict[str, Any]:
        """Compute fid, kid and kid_error of pictures against the test set."""
        features = self._features(images)
        kid, kid_error = metrics.kernel_distance(features, self.test_features)
        return {"fid": metrics.frechet(features, self.test_features), "kid": kid, "kid_error": kid_error}

    @cached_property
    def test_features(self) -> np.ndarray:
        """The classifier\'s features of all test pictures, [N, features]."""
        return self._features(data.to_pixels(self.test_values, self.data))

    def _read_rightly(self, images: np.ndarray) -> float:
        return self._share_read(images, self.labels)

    def _share_read(self, images: np.ndarray, labels: np.ndarray) -> float:
        return float((classifier.classify(self.judge, images) == labels).mean())

    def _features(self, images: np.ndarray) -> np.ndarray:
        return classifier.features(self.judge, images)


def check_limit(limit: int | None, images: int) -> int:
    """Return how many test images to take, all of them for None; raises UserError if there are fewer."""
    limit = images if limit is None else limit
    if not 1 <= limit <= images:
        raise UserError(f"There are {images} test images; the limit must lie between 1 and that, not {limit}.")
    return limit


# --- batches --------------------------------------------------------------------------------------------------------


def batch_size(table: dict[str, tuple[int, int]], generator: Generator) -> int:
    """Return how many images are computed at once, by one of the tables above."""
    return table[generator.where.type][generator.data.num_values > 2]


def log_likelihoods(generator: Generator, values: np.ndarray, seed: int = 0, quiet: bool = False) -> np.ndarray:
    """Compute log p(x) in nats, or its bound by one posterior draw: values [N, H, W, C] to float64 [N]."""
    batch = batch_size(LIKELIHOOD_BATCH, generator)
    return _over_images(generator, generator.network.log_likelihood, values, seed, batch, "likelihood", quiet)


def completions(
    generator: Generator,
    images: np.ndarray,
    known: np.ndarray,
    seed: int = 0,
    quiet: bool = False,
    sampler: str | None = None,
    parameter: int | None = None,
    pixel_mode: str | None = None,
    levels: int = 0,
) -> np.ndarray:
    """Complete every prompt once, at temperature 1.

    Args:
        generator: The model.
        images: [N, H, W, C] uint8.
        known: [N, H, W] bool.
        seed: Seed of all noise.
        quiet: Whether to hide the progress bar.
        sampler: As in `Settings`, like the next two.
        parameter: The sampler's whole number.
        pixel_mode: "sampled" or "mean".
        levels: How many levels of latents, from the first one on, come from the posterior, which sees whole images.

    Returns:
        [N, H, W, C] uint8.
    """

    def complete(part: slice) -> np.ndarray:
        fixed, begun = None, seed + part.start
        if levels:
            codes = generator.encode(images[part], known[part], begun)
            free = (None,) * (len(codes) - levels)
            fixed = FixedLatents(codes[:levels] + free, (None,) * len(codes))
        return generator.complete_batch(images[part], known[part], 1.0, begun, sampler, parameter, pixel_mode, fixed)[0]

    batch = batch_size(COMPLETION_BATCH, generator)
    return np.concatenate([complete(part) for part in _slices(len(images), batch, "completion", quiet)])


def _over_images(
    generator: Generator,
    measure: Callable[[torch.Tensor], torch.Tensor],
    values: np.ndarray,
    seed: int,
    batch: int,
    title: str,
    quiet: bool,
) -> np.ndarray:
    """Apply `measure`, of values [B, H, W, C] to [B], batch by batch, with all noise from `seed`: float64 [N]."""
    where, parts = generator.where, list[torch.Tensor]()
    with torch.inference_mode(), torch.random.fork_rng([where] if where.type == "cuda" else []):
        torch.manual_seed(seed)
        for part in _slices(len(values), batch, title, quiet):
            parts.append(measure(torch.from_numpy(values[part]).long().to(where)).cpu())
    found: np.ndarray = torch.cat(parts).double().numpy()
    return found


def _slices(count: int, batch: int, title: str, quiet: bool) -> Iterator[slice]:
    """Cut `count` into slices of at most `batch`, with a progress bar."""
    with tqdm(total=count, desc=title, unit=" images", leave=False, dynamic_ncols=True, disable=quiet) as bar:
        for start in range(0, count, batch):
            yield slice(start, min(start + batch, count))
            bar.update(min(batch, count - start))


# --- scores kept in the weights -------------------------------------------------------------------------------------


def write_scores(checkpoint: Checkpoint, record: dict[str, Any]) -> None:
    """Save the checkpoint to its file, with the record of `evaluate` added to its scores.

    Parts that are not in the record keep their earlier scores.

    Raises:
        UserError: A score is not a finite number, or the checkpoint comes from no file.
    """
    if missing := strict_json.text(record)[1]:
        raise UserError(
            f"{', '.join(missing)} came out as no finite number; the scores in the weights stay as they are."
        )
    whole = {k: v for k, v in record.items() if k not in ("model", "data", "seed", "seconds", "measured")}
    old = {k: v for k, v in checkpoint.scores.items() if k not in ("seed", "seconds")}  # each part has its own
    measured = old.get("measured", {}) | record["measured"]
    checkpoint.scores = old | whole | {"measured": measured}
    if checkpoint.path is None:
        raise UserError("These weights come from no file, so their scores cannot be kept.")
    checkpoint.save(checkpoint.path)
