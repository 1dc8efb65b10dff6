"""Tables that the command line prints for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vssm import data
from vssm.sampling.step import Sampler


def facts(rows: Sequence[tuple[str, str]]) -> str:
    """Write names and their values in two columns."""
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write columns under a header, with words to the left and numbers to the right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    words = [not any(cell[:1].isdigit() for cell in column) for column in zip(*rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = (f"{c:<{w}}" if left else f"{c:>{w}}" for c, w, left in zip(cells, widths, words, strict=True))
        return "  ".join(padded).rstrip()

    return "\n".join([line(header), line(["─" * w for w in widths]), *map(line, rows)])


def sampler_words(mode: Sampler, size: int) -> str:
    """Write a sampler and its parameter for people."""
    return f"{mode.name}, {mode.parameter} {size}" if mode.parameter else mode.name


def clamping_rows(record: dict[str, Any]) -> list[tuple[str, str]]:
    """Return a row that explains clamping, if known pixels do not influence those before them."""
    text = "this model reads in raster order: a pixel known later cannot inform those before it"
    return [("", text)] if record["clamped"] else []


def score_rows(record: dict[str, Any]) -> list[tuple[str, str]]:
    """Return rows for all scores in a record of `evaluate`."""
    rows, dataset = [], data.get(record["data"])
    shown = {
        part: f", {m['pixels']} pixels" if dataset.num_values > 2 else "" for part, m in record["measured"].items()
    }
    if "nats" in record:
        bound = "" if record["bound"] == "exact" else "at most "
        order = ", each image in a random order of its own" if record["order"] == "random" else ""
        fixed = f", binarised once with seed {data.BINARISE_SEED}" if dataset.num_values == 2 else ""
        rows += [
            ("test images", f"{record['images']:,}{fixed}"),
            ("−log p(x)", f"{bound}{record['nats']:.2f} ± {record['nats_error']:.2f} nats{order}"),
            ("", f"{bound}{record['bits_per_dim']:.4f} ± {record['bits_per_dim_error']:.4f} bits a dimension"),
        ]
    if "iw_nats" in record:
        how = f"by {record['iw_samples']} draws an image on {record['iw_images']:,} images"
        rows.append(("", f"at most {record['iw_nats']:.2f} ± {record['iw_nats_error']:.2f} nats {how}"))
        rows.append(("", f"at most {record['iw_bits_per_dim']:.4f} bits a dimension, the same"))
        one = f"{record['iw_elbo']:.2f} nats or {record['iw_elbo_bits_per_dim']:.4f} bits"
        rows.append(("", f"at most {one} by one draw on the same images"))
    if "label_kept" in record:
        whole, top = record["label_kept_whole"], record["label_kept_top"]
        kept = f"{record['label_kept']:.1%} ± {record['label_kept_error']:.1%}"
        rows.append(("label kept", f"{kept} when the lower half is completed once{shown['label']}"))
        rows.append(("", f"{whole:.1%} of whole {dataset.subject}s, {top:.1%} of upper halves alone"))
    if "pen_kept" in record:
        share, of = f"{record['pen_kept']:.1%} ± {record['pen_kept_error']:.1%}", f"{record['pen_images']:,}"
        rows.append(("pen digits", f"{share} of {of} read as themselves when their lower half is completed once"))
        rows.append(("", f"{record['pen_kept_top']:.1%} of upper halves alone"))
    if "fid" in record:
        samples = f"{record['fid_samples']:,} samples from nothing{shown['fid']}"
        rows.append(("Fréchet distance", f"{record['fid']:.2f} of {samples}"))
        rows.append(("", f"{record['fid_real']:.2f} of as many training {dataset.subject}s"))
        kid, real = (f"{record[k]:.2f} ± {record[f'{k}_error']:.2f}" for k in ("kid", "kid_real"))
        rows.append(("kernel distance", f"{kid} of the samples, {real} of the training {dataset.subject}s"))
    if "diversity" in record:
        prompts, endings = record["diversity_prompts"], record["diversity_endings"]
        differ = "differ in" if dataset.num_values == 2 else "differ by"
        of = "of the rest" if dataset.num_values == 2 else f"of the range{shown['diversity']}"
        rows.append(("diversity", f"two completions of one upper half {differ} {record['diversity']:.1%} {of}"))
        rows.append(("", f"{record['diversity_labels']:.2f} labels among {endings} completions of {prompts} prompts"))
    if "best_mse" in record:
        best, error, mean = (record[k] for k in ("best_mse", "best_mse_error", "mean_mse"))
        of = f"{record['best_endings']} completions of {record['best_images']:,} upper halves{shown['best']}"
        rows.append(("squared error", f"{best:.4f} ± {error:.4f} of the best of {of}"))
        rows.append(("", f"{mean:.4f} of all of them"))
    if "speed" in record["measured"]:
        best = f"{record['images_per_second_best']:.4g} in batches of {record['best_batch']}"
        rows.append(("pictures a second", f"{record['images_per_second']:.4g} one at a time, {best}"))
        if record["too_busy"]:
            taken = f"other programs kept up to {record['others_busy_cores']:.1f} cores busy"
            rows.append(("", f"of little meaning, as {taken}: end them and measure again"))
        calls = f"{record['network_calls']:,}, {record['tokens_per_call']:.1f} pixels each"
        accepted = f", {record['acceptance']:.0%} of drafts accepted" if "acceptance" in record else ""
        rows.append(("network calls", calls + accepted))
    return rows


def speed_rows(record: dict[str, Any]) -> list[tuple[str, str]]:
    """Return rows for the settings and the speed of a completion."""
    prompt = f", and {record['prompt_seconds']:.4f} s to read the prompt" if record["prompt_seconds"] else ""
    drafts = f", {record['acceptance']:.0%} of {record['drafted']:,} drafts accepted" if "acceptance" in record else ""
    return [
        ("samples", f"{record['samples']} at temperature {record['temperature']:g}, seed {record['seed']}"),
        ("time", f"{record['seconds']:.4f} s{prompt}"),
        ("network calls", f"{record['network_calls']:,}{drafts}"),
        ("tokens", f"{record['tokens']:,}, that is {record['tokens_per_second']:,.0f} a second"),
        ("device", record["device"]),
        ("written to", record["out"]),
    ]
