"""Tables that the command line prints for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vssm import data
from vssm.evaluation import machine_limit


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


def bench(records: Sequence[dict[str, Any]]) -> str:
    """Write records of `bench`, of one machine and prompt."""
    rows = []
    for record in records:
        for entry, m in record["models"].items():
            ratio = record["ratio_to_transformer"].get(entry)
            spread = " to ".join(f"{x:.3g}" for x in record["ratio_spread"].get(entry, ()))
            rows.append(
                (
                    str(record["batch"]),
                    m["title"],
                    f"{m['seconds_median']:.4f} s",
                    f"{m['seconds_min']:.4f} s",
                    str(m["network_calls"]),
                    f"{m['tokens_per_call']:.1f}",
                    f"{m['acceptance']:.0%}" if "acceptance" in m else "",
                    f"{m['images_per_second']:.2f}",
                    "" if ratio is None else f"{ratio:.1f} × ({spread})",
                )
            )
    first = records[0]
    dataset = data.get(first["data"])
    header = ("batch", "model", "median", "least", "calls", "tokens/call", "accepted", "images/s", "ratio")
    lines = [
        f"{dataset.title}, {dataset.pixels - first['known']} of {dataset.pixels} pixels generated, {first['device']}",
        "",
        table(header, rows),
        "",
        f"{first['machine']['cpu']}; {next(iter(first['models'].values()))['repeats']} runs each, in turns. The ratio "
        "is to the Transformer in the same turn:",
        "the median, and in brackets what half of the turns lie between.",
        "Tokens a call: pixels that one network call adds to one picture. Accepted: of the drafted tokens.",
        *dict.fromkeys(record["load"] for record in records),
    ]
    if "rates" in first:
        lines += ["", limits(records), "", machine_limit.MachineRates(**first["rates"]).words]
    return "\n".join(lines)


def limits(records: Sequence[dict[str, Any]]) -> str:
    """Write how near every model comes to the time of its own matrix products."""
    header = ("batch", "model", "GFLOP", "MB read", "products alone", "their rate", "share of the limit")
    rows = [
        (
            str(record["batch"]),
            m["title"],
            f"{m['operations'] / 1e9:.3g}",
            f"{m['bytes'] / 1e6:,.0f}",
            f"{m['products_seconds']:.4f} s",
            f"{m['operations'] / m['products_seconds'] / 1e9:,.0f} GFLOP/s",
            f"{m['limit_share']:.0%}",
        )
        for record in records
        for m in record["models"].values()
    ]
    return table(header, rows)


def against(records: Sequence[dict[str, Any]], path: object) -> str:
    """Write how records compare with those of before, in the file `path`."""
    rows = [
        (str(record["batch"]), record["models"][name]["title"], f"{m['ratio']:.2f} ×", "slower" if m["slower"] else "")
        for record in records
        for name, m in record["against"].items()
    ]
    return table(("batch", "model", f"seconds, of those in {path}", ""), rows)


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
