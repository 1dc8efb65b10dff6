"""Scores of a model: likelihood on the fixed binarised test set, and whether completions keep the digit.

Both are taken on the same images. The whole test set is binarised first, so that a limit chooses from the one set
that every figure is measured on.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from . import classifier, data
from .checkpoint import Checkpoint
from .errors import UserError
from .generation import Generator

# Images at once: larger batches leave a CPU's cache and are slower there.
LIKELIHOOD_BATCH = {"cpu": 10, "mps": 100, "cuda": 500}
COMPLETION_BATCH = {"cpu": 10, "mps": 200, "cuda": 1000}


def evaluate(
    model: Generator | Checkpoint,
    limit: int | None = None,
    seed: int = 0,
    data_folder: str | Path | None = None,
    quiet: bool = False,
) -> dict:
    """Score a model on the first `limit` test images (all by default).

    Returns the record of `python -m vssm evaluate`, among others
      nats              −log p(x) or its bound, a mean over images; nats_error is that mean's standard error
      bound             "exact", or "elbo" by one hard posterior draw an image with nothing known
      label_kept        the share of digits that, their lower half completed once at temperature 1, still read as
                        the true digit to the classifier
      label_kept_whole  the same share of the digits as they are; label_kept_top: of their upper halves alone

    Raises UserError where the data or the classifier are missing, or `limit` is out of range.
    """
    generator = model if isinstance(model, Generator) else Generator(model)
    dataset, begun = generator.data, time.perf_counter()
    images, labels = data.load(dataset, "test", data_folder)
    limit = len(images) if limit is None else limit
    if not 1 <= limit <= len(images):
        raise UserError(f"There are {len(images)} test images; the limit must lie between 1 and that, not {limit}.")
    judge = classifier.load(dataset)
    values = data.binarise_fixed(images)[:limit]
    images, labels = data.from_levels(values, dataset), labels[:limit]

    nats = -log_likelihoods(generator, values, seed, quiet)
    known = np.zeros(images.shape[:3], bool)
    known[:, : dataset.height // 2] = True
    completed = completions(generator, images, known, seed, quiet)

    def kept(pictures: np.ndarray) -> float:
        return float((classifier.classify(judge, pictures) == labels).mean())

    return {
        "model": generator.preset.name,
        "data": dataset.name,
        "images": limit,
        "nats": float(nats.mean()),
        "nats_error": float(nats.std() / math.sqrt(limit)),
        "bits_per_dim": float(nats.mean() / (math.log(2) * dataset.pixels * dataset.channels)),
        "bound": "exact" if generator.network.exact else "elbo",
        "label_kept": kept(completed),
        "label_kept_whole": kept(images),
        "label_kept_top": kept(images * known[..., None]),
        "seed": seed,
        "seconds": time.perf_counter() - begun,
    }


def log_likelihoods(generator: Generator, values: np.ndarray, seed: int = 0, quiet: bool = False) -> np.ndarray:
    """log p(x) in nats, or its bound under one posterior draw from `seed`: values [N, H, W, C] to float64 [N]."""
    where = generator.where
    parts = []
    with torch.inference_mode(), torch.random.fork_rng([where] if where.type == "cuda" else []):
        torch.manual_seed(seed)
        for part in _slices(len(values), LIKELIHOOD_BATCH[where.type], "likelihood", quiet):
            parts.append(generator.network.log_likelihood(torch.from_numpy(values[part]).long().to(where)).cpu())
    return torch.cat(parts).double().numpy()


def completions(
    generator: Generator, images: np.ndarray, known: np.ndarray, seed: int = 0, quiet: bool = False
) -> np.ndarray:
    """One completion of every prompt at temperature 1: images [N, H, W, C] uint8, known [N, H, W] to images."""
    parts = [
        generator.complete_batch(images[part], known[part], seed=seed + part.start)[0]
        for part in _slices(len(images), COMPLETION_BATCH[generator.where.type], "completion", quiet)
    ]
    return np.concatenate(parts)


def write_scores(checkpoint: Checkpoint, record: dict) -> None:
    """Save the checkpoint to the file it came from, with the record of `evaluate` as its scores."""
    checkpoint.scores = {k: v for k, v in record.items() if k not in ("model", "data")}
    checkpoint.save(checkpoint.path)


def _slices(count: int, batch: int, title: str, quiet: bool) -> Iterator[slice]:
    """Slices of at most `batch` that cover `count`, under a progress bar."""
    with tqdm(total=count, desc=title, unit=" images", leave=False, dynamic_ncols=True, disable=quiet) as bar:
        for start in range(0, count, batch):
            yield slice(start, min(start + batch, count))
            bar.update(min(batch, count - start))
