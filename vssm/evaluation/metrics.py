"""Measures of pictures and of likelihoods: numbers of arrays, without a model."""

from __future__ import annotations

import math

import numpy as np

from vssm.data import DataSet

KERNEL_BLOCKS = 10  # disjoint parts of the pictures, whose distances differ by chance alone


def lower_half_unknown(images: np.ndarray) -> np.ndarray:
    """Known masks [N, H, W] of the upper halves of images [N, H, W, C]."""
    known = np.zeros(images.shape[:3], bool)
    known[:, : images.shape[1] // 2] = True
    return known


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    """The squared Fréchet distance of two samples [N, D] and [M, D], each taken as a Gaussian (1706.08500):
    |μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 (Σ₁^½ Σ₂ Σ₁^½)^½), in float64."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    first, second = (np.atleast_2d(np.cov(x, rowvar=False, bias=True)) for x in (a, b))
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    product = np.linalg.eigvalsh(root @ second @ root)  # symmetric, as Σ₁Σ₂ is not
    distance = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(first) + np.trace(second)
    return float(distance - 2 * np.sqrt(product.clip(0)).sum())


def kernel_distance(a: np.ndarray, b: np.ndarray, blocks: int = KERNEL_BLOCKS) -> tuple[float, float]:
    """The kernel distance of two samples [N, D] and [M, D] (1801.01401), and its standard error.

    It is the squared maximum mean discrepancy under the kernel (x·y / D + 1)³, by the unbiased estimator: a mean over
    pairs of different pictures alone, so that, other than the Fréchet distance, it is the same on average at any N and
    0 for samples of one distribution. Both samples are cut into as many blocks, in a fixed random order; the mean of
    the blocks' distances is told, and its standard error.
    """
    blocks = min(blocks, len(a) // 2, len(b) // 2)
    rng = np.random.default_rng(0)
    parts = zip(*(np.array_split(x.astype(np.float64)[rng.permutation(len(x))], blocks) for x in (a, b)), strict=True)
    found = np.array([_discrepancy(x, y) for x, y in parts])
    return float(found.mean()), float(found.std(ddof=1) / math.sqrt(blocks))


def _discrepancy(a: np.ndarray, b: np.ndarray) -> float:
    """The unbiased squared maximum mean discrepancy of [n, D] and [m, D]."""

    def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.asarray((x @ y.T / x.shape[1] + 1) ** 3)

    def within(x: np.ndarray) -> float:
        k = kernel(x, x)
        return float((k.sum() - np.trace(k)) / (len(x) * (len(x) - 1)))

    return within(a) + within(b) - 2 * float(kernel(a, b).mean())


def pairwise_difference(images: np.ndarray, known: np.ndarray) -> float:
    """By how much of the range of 0 to 255 two of the completions [M, K, H, W, C] of a prompt differ in an unknown
    pixel: a mean over pairs, then over prompts with known masks [M, H, W] (those with nothing unknown left out)."""
    differences = []
    for endings, mask in zip(images, known, strict=True):
        if not mask.all():
            unknown = endings[:, ~mask].astype(np.float32) / 255  # [K, unknown, C]
            pairs = [np.abs(unknown[i] - other).mean() for i in range(len(unknown)) for other in unknown[i + 1 :]]
            differences.append(np.mean(pairs))
    return float(np.mean(differences))


def squared_errors(images: np.ndarray, truth: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Mean squared differences [M, K], on a scale of 0 to 1, between the completions [M, K, H, W, C] uint8 of prompts
    with known masks [M, H, W] and the true pictures [M, H, W, C], over unknown pixels and their channels."""
    differences = (images.astype(np.float32) - truth[:, None]) / 255
    unknown = ~known[:, None, ..., None]
    total = np.square(differences, dtype=np.float64).sum((2, 3, 4), where=unknown)
    return np.asarray(total / (unknown.sum((2, 3, 4)) * images.shape[-1]))


def bits_per_dim(nats: float, dataset: DataSet) -> float:
    """Nats an image in bits a channel of a pixel."""
    return nats / (math.log(2) * dataset.pixels * dataset.channels)


def share_error(share: float, count: int) -> float:
    """The standard error of a share of so many independent cases, by the binomial distribution."""
    return math.sqrt(share * (1 - share) / count)


def standard_error(nats: np.ndarray) -> float:
    """The standard error of the mean."""
    return float(nats.std() / math.sqrt(len(nats)))
