"""Measures of pictures and of likelihoods, computed from arrays without a model."""

from __future__ import annotations

import math

import numpy as np

from vssm.data import DataSet

KERNEL_BLOCKS = 10  # disjoint parts of the pictures, whose distances differ by chance alone


def lower_half_unknown(images: np.ndarray) -> np.ndarray:
    """Make masks [N, H, W] by which the upper halves of images [N, H, W, C] are known."""
    known = np.zeros(images.shape[:3], bool)
    known[:, : images.shape[1] // 2] = True
    return known


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    """Compute the squared Fréchet distance of two samples [N, D] and [M, D], each fitted by a Gaussian (1706.08500):
    |μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 (Σ₁^½ Σ₂ Σ₁^½)^½), in float64."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    first, second = (np.atleast_2d(np.cov(x, rowvar=False, bias=True)) for x in (a, b))
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    product = np.linalg.eigvalsh(root @ second @ root)  # symmetric, as Σ₁Σ₂ is not
    distance = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(first) + np.trace(second)
    return float(distance - 2 * np.sqrt(product.clip(0)).sum())


def kernel_distance(a: np.ndarray, b: np.ndarray, blocks: int = KERNEL_BLOCKS) -> tuple[float, float]:
    """Compute the kernel distance of two samples [N, D] and [M, D] (1801.01401), and its standard error.

    It is the squared maximum mean discrepancy under the kernel (x·y / D + 1)³, by the unbiased estimator: a mean over
    pairs of different pictures only. Unlike the Fréchet distance, it has the same expectation for any N, and 0 for
    samples of one distribution. Both samples are cut into blocks in a fixed random order; the result is the mean of
    the blocks' distances, with its standard error.
    """
    blocks = min(blocks, len(a) // 2, len(b) // 2)
    rng = np.random.default_rng(0)
    parts = zip(*(np.array_split(x.astype(np.float64)[rng.permutation(len(x))], blocks) for x in (a, b)), strict=True)
    found = np.array([_discrepancy(x, y) for x, y in parts])
    return float(found.mean()), float(found.std(ddof=1) / math.sqrt(blocks))


def _discrepancy(a: np.ndarray, b: np.ndarray) -> float:
    """Compute the unbiased squared maximum mean discrepancy of [n, D] and [m, D]."""

    def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.asarray((x @ y.T / x.shape[1] + 1) ** 3)

    def within(x: np.ndarray) -> float:
        k = kernel(x, x)
        return float((k.sum() - np.trace(k)) / (len(x) * (len(x) - 1)))

    return within(a) + within(b) - 2 * float(kernel(a, b).mean())


def pairwise_difference(images: np.ndarray, known: np.ndarray) -> float:
    """Compute by how much two completions of a prompt differ in an unknown pixel, as a share of the range 0 to 255.

    Args:
        images: Completions [M, K, H, W, C] uint8 of M prompts.
        known: The prompts' masks [M, H, W].

    Returns:
        The mean over pairs of completions, then over prompts that have unknown pixels.
    """
    differences = []
    for endings, mask in zip(images, known, strict=True):
        if not mask.all():
            unknown = endings[:, ~mask].astype(np.float32) / 255  # [K, unknown, C]
            pairs = [np.abs(unknown[i] - other).mean() for i in range(len(unknown)) for other in unknown[i + 1 :]]
            differences.append(np.mean(pairs))
    return float(np.mean(differences))


def squared_errors(images: np.ndarray, truth: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Compute the mean squared error of every completion, over unknown pixels and their channels, on a scale of 0 to 1.

    Args:
        images: Completions [M, K, H, W, C] uint8 of M prompts.
        truth: The true pictures [M, H, W, C] uint8.
        known: The prompts' masks [M, H, W].

    Returns:
        [M, K] float64.
    """
    differences = (images.astype(np.float32) - truth[:, None]) / 255
    unknown = ~known[:, None, ..., None]
    total = np.square(differences, dtype=np.float64).sum((2, 3, 4), where=unknown)
    return np.asarray(total / (unknown.sum((2, 3, 4)) * images.shape[-1]))


def bits_per_dim(nats: float, dataset: DataSet) -> float:
    """Convert nats for an image to bits for a channel of a pixel."""
    return nats / (math.log(2) * dataset.pixels * dataset.channels)


def share_error(share: float, count: int) -> float:
    """Compute the standard error of a share of `count` independent cases, by the binomial distribution."""
    return math.sqrt(share * (1 - share) / count)


def standard_error(nats: np.ndarray) -> float:
    """Compute the standard error of the mean of values [N]."""
    return float(nats.std() / math.sqrt(len(nats)))
