"""How figures and texts are written for a person."""

from __future__ import annotations

import math
from collections.abc import Mapping

from vssm import data


def seconds(value: float) -> str:
    """0.008 s, 0.23 s, 12.3 s."""
    return f"{value:.3f} s" if value < 0.0995 else f"{value:.2f} s" if value < 9.95 else f"{value:.1f} s"


def times(ratio: float) -> str:
    """29 ×, 3.4 ×."""
    return f"{ratio:.0f} ×" if ratio >= 9.95 else f"{ratio:.1f} ×"


def rate(pixels_per_second: float) -> str:
    """98,000: two digits are what a single run is good for."""
    digits = max(0, len(str(int(pixels_per_second))) - 2)
    return f"{round(pixels_per_second, -digits):,.0f}"


def count(number: int) -> str:
    """1.9 M, 850 k, 12."""
    if number >= 999_500:
        return f"{number / 1e6:.1f} M"
    return f"{number / 1e3:.0f} k" if number >= 1000 else str(number)


def score(scores: Mapping[str, object], dataset: data.DataSet = data.MNIST) -> str:
    """How surprised the model is by pictures it has not seen, and how often what it completes can still be told; empty
    where the checkpoint carries none."""
    parts = []
    whole = dataset.unit == "nats"
    if isinstance(value := scores.get("nats" if whole else "bits_per_dim"), (int, float)):
        name = "NLL" if scores.get("bound") == "exact" else "−ELBO" if scores.get("bound") == "elbo" else "−log p ≤"
        parts.append(f"surprise ({name}) " + (f"{value:.1f} nats" if whole else f"{value:.2f} {dataset.unit}"))
    if isinstance(kept := scores.get("label_kept"), (int, float)):
        told = "readable" if dataset.channels == 1 else "recognised"
        parts.append(f"{dataset.subject} still {told} {100 * kept if kept <= 1 else kept:.1f} %")
    return " · ".join(parts)


def likelihood(nats_of_it: float, pixels: int, dataset: data.DataSet) -> str:
    """How likely a model finds so many pixels together: −72.3 (nats); in colour how surprising: 3.95 (bits/dim). Empty
    where that is not a number."""
    if math.isnan(nats_of_it):
        return ""
    if dataset.unit == "nats":
        return nats(nats_of_it)
    return f"{-nats_of_it / math.log(2) / (pixels * dataset.channels):.2f}"


def percent(share: float) -> str:
    """97 %, 99.7 %, 0.3 %."""
    value = 100 * share
    if value >= 99.95:
        return "> 99.9 %"
    if value < 0.05:
        return "< 0.1 %"
    return f"{value:.0f} %" if 1 <= value <= 99 else f"{value:.1f} %"


def nats(value: float) -> str:
    """22.6, 10,712."""
    value = round(float(value), 1) + 0.0  # no −0.0
    return (f"{value:.1f}" if abs(value) < 999.5 else f"{value:,.0f}").replace("-", "−")


def signed(value: float) -> str:
    """−3, 0.4, 12: short enough for the scale."""
    return f"{round(value, 1) + 0.0:.1f}".removesuffix(".0").replace("-", "−")


def printable(text: str) -> str:
    """The text with what is no text in it written out: the name of a file can hold any bytes, which Qt refuses."""
    return text.encode("utf-8", "backslashreplace").decode()
