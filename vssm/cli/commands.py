"""The command line: `python -m vssm complete | evaluate | results | explain | bench | study | train
| train-classifier`.

Every command prints a table for people or, by --json, one JSON document and nothing else; progress goes to standard
error. The exit code is 0 on success, 2 with one sentence where the caller is at fault, 130 after Ctrl-C, else 1.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import math
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from vssm import __version__, checkpoint, data, device
from vssm.errors import UserError
from vssm.evaluation import benchmark, classifier, evaluate, pen_digits, scaling, scaling_runner
from vssm.evaluation.machine_load import LoadMeter
from vssm.files import prompt_files, resources, streams, strict_json
from vssm.models import registry
from vssm.prompt import Prompt
from vssm.prompt_advice import advise
from vssm.reports import explainer_figures, results_page, studies
from vssm.sampling.events import Finished, GenerationRequest, Latents, Progress, Started
from vssm.sampling.generator import Generator
from vssm.sampling.step import Sampler
from vssm.training import distributed, optimizers
from vssm.training.trainer import TrainingConfig, train

MOST_SAMPLES = 1000  # of one prompt at once, held in memory together


# --- commands -------------------------------------------------------------------------------------------------------


def run_complete(args: argparse.Namespace) -> None:
    """Complete one prompt, or a whole archive of them."""
    dataset = data.get(args.data)
    if args.prompts is not None:
        return run_complete_batch(args)
    prompt_files.check_out(args.out, (".png", ".npz"))
    prompt, words = prompt_files.read_prompt(dataset, args.prompt, args.known, args.rows)
    generator = make_generator(args)
    mode, size = sampler(args, generator)
    generator.warm_up()
    request = GenerationRequest(
        prompt, args.samples, args.temperature, args.seed, 0.1, mode, size, pixel_mode=args.pixel_mode
    )
    with contextlib.closing(generator.generate(request)) as events:
        started, finished = follow(events, args.samples)
    prompt_files.write_completions(args.out, finished.images, prompt.known)
    record = {
        "model": finished.model,
        "data": dataset.name,
        **benchmark.sampler_record(finished),
        "samples": args.samples,
        "seconds": finished.seconds,
        "prompt_seconds": finished.prompt_seconds,
        "network_calls": finished.network_calls,
        "tokens": finished.tokens,
        "tokens_per_second": finished.tokens_per_second,
        "device": finished.device,
        "threads": finished.threads,
        "seed": args.seed,
        "out": str(args.out),
        "temperature": args.temperature,
        "known": int(prompt.known.sum()),
        "clamped": started.clamped,
        "advice": advise(prompt, dataset),
        **benchmark.drafting([finished], args.samples),
    }
    rows = [
        ("model", f"{started.title}, {sampler_words(started.sampler, started.parameter)}"),
        ("known pixels", f"{record['known']} of {dataset.pixels}: {words}"),
        *([("note", record["advice"])] if record["advice"] else []),
        *clamping_rows(record),
        *speed_rows(record),
    ]
    show(args, record, facts(rows))


def run_complete_batch(args: argparse.Namespace) -> None:
    """Complete every prompt of an archive."""
    if args.known is not None or args.rows is not None:
        raise UserError("The archive of --prompts says itself what is known; leave out --known and --rows.")
    dataset = data.get(args.data)
    prompt_files.check_out(args.out, (".npz",))
    images, known = prompt_files.read_prompts(args.prompts, dataset)
    if images.nbytes * args.samples > prompt_files.MOST_COMPLETED:
        most = prompt_files.MOST_COMPLETED // images.nbytes
        raise UserError(
            f"{args.samples} samples of each of {len(images):,} prompts are too many; ask for {most} at most."
        )
    generator = make_generator(args)
    mode, size = generator.find_sampler(*sampler(args, generator))
    pixels = generator.find_pixel_mode(args.pixel_mode)
    generator.warm_up()
    M, K = len(images), args.samples
    batch = evaluate.batch_size(evaluate.COMPLETION_BATCH, generator)
    completed = np.empty((M * K, *dataset.shape), np.uint8)
    seconds, calls, looks = 0.0, 0, 0
    with tqdm(total=M * K, unit=" images", desc=generator.preset.title, leave=False, dynamic_ncols=True) as bar:
        for start in range(0, M * K, batch):
            which = np.arange(start, min(start + batch, M * K)) // K  # each prompt's K samples follow one another
            completed[start : start + batch], took, made = generator.complete_batch(
                images[which],
                known[which],
                args.temperature,
                args.seed + start,
                mode.name,
                size if mode.parameter else None,
                pixels,
            )
            seconds, calls, looks = seconds + took, calls + made, looks + made * len(which)
            bar.update(len(which))
    prompt_files.write_npz(args.out, images=completed.reshape(M, K, *dataset.shape), known=known)
    tokens = int((~known).sum()) * K
    prompts = [Prompt(*pair) for pair in zip(images, known, strict=True)]
    prefixes = all(prompt.is_prefix for prompt in prompts)
    advice: dict[str, list[int]] = {}
    for number, prompt in enumerate(prompts):
        if words := advise(prompt, dataset):
            advice.setdefault(words, []).append(number)
    record = {
        "model": generator.preset.name,
        "data": dataset.name,
        "mode": mode.name,
        "size": size or None,
        "pixels": pixels,
        "prompts": M,
        "samples": K,
        "seconds": seconds,
        "prompt_seconds": 0.0,
        "network_calls": calls,
        "tokens": tokens,
        "tokens_per_second": tokens / max(seconds, 1e-9),
        "device": device.describe(generator.where),
        "threads": torch.get_num_threads(),
        "seed": args.seed,
        "out": str(args.out),
        "temperature": args.temperature,
        "batch": batch,
        "tokens_per_call": tokens / looks,
        "clamped": generator.network.prefix_only and not prefixes,
        "advice": advice,
    }
    model = f"{generator.preset.title}, {sampler_words(mode, size)}"
    notes = [("note", f"{len(some)} of {M} prompts, number {some[0]} first: {words}") for words, some in advice.items()]
    rows = [("model", model), ("prompts", f"{M}"), *notes, *clamping_rows(record), *speed_rows(record)]
    show(args, record, facts(rows))


def run_evaluate(args: argparse.Namespace) -> None:
    """Score one model, or all that come along."""
    if args.all:
        return run_evaluate_all(args)
    generator = make_generator(args)
    if args.write:
        prompt_files.check_out(generator.checkpoint.path, (generator.checkpoint.path.suffix,))
    record = evaluate.evaluate(generator, args.parts, settings(args, generator), args.data_dir)
    if args.write:
        evaluate.write_scores(generator.checkpoint, record)
    rows = [("model", generator.preset.title), *score_rows(record)]
    rows.append(("time", f"{record['seconds']:.0f} s on {device.describe(generator.where)}"))
    if args.write:
        rows.append(("written into", str(generator.checkpoint.path)))
    show(args, record, facts(rows))


def run_evaluate_all(args: argparse.Namespace) -> None:
    """Score every model that comes along, keep the scores in their weights and write the page of results."""
    if args.checkpoint is not None or args.mode is not None or args.pixel_mode is not None or any(sizes(args).values()):
        raise UserError("--all scores the weights that come along with their usual samplers; leave out the others.")
    dataset, records = data.get(args.data), []
    for made in results_page.shipped(dataset):
        generator = Generator(made, device.choose(args.device))
        wanted = settings(args, generator)
        parts = args.parts or evaluate.usual_parts(dataset, wanted, args.data_dir)
        for part in parts:  # each is kept as soon as it is measured: the whole takes its time
            record = evaluate.evaluate(generator, [part], wanted, args.data_dir)
            evaluate.write_scores(made, record)
        records.append({"model": made.model, "data": dataset.name} | made.scores)
    path = write_results(args)
    text = f"{table(*results_page.summary(results_page.shipped(dataset)))}\n\nThe page of results is {path}."
    show(args, records, text)


def run_results(args: argparse.Namespace) -> None:
    """Write the page of results from the scores kept in the weights."""
    path = write_results(args)
    show(args, {"out": str(path)}, f"The page of results is {path}.")


def run_explain(args: argparse.Namespace) -> None:
    """Draw the pictures of the page that explains the models."""
    paths = explainer_figures.write(args.out or results_page.DOCS, device.choose(args.device), args.only or ())
    show(args, {"out": list(map(str, paths))}, "\n".join(map(str, paths)))


def run_study(args: argparse.Namespace) -> None:
    """Answer one of the papers' open questions by a few runs."""
    what, dataset, folder = studies.get(args.name), data.get(args.data), (args.out or results_page.DOCS) / "studies"
    prompt_files.check_out(studies.path(what, dataset, folder), (".json",))
    record = studies.study(what, dataset, args.minutes, args.limit, args.seed, args.device, args.data_dir)
    path = studies.write(record, folder)
    text = f"{what.title}\n{what.question}\n\n{table(*studies.table(record))}\n\nKept in {path}."
    show(args, record | {"out": str(path)}, text)


def run_bench(args: argparse.Namespace) -> None:
    """Time models side by side."""
    if args.lengths is not None:
        return run_scaling(args)
    if args.out is not None:
        raise UserError("--out keeps the record of --lengths; give --lengths, or redirect what --json prints.")
    dataset = data.get(args.data)
    entries = args.models or [n for n in registry.PRESETS if checkpoint.shipped(n, dataset.name).exists()]
    if not entries:
        raise UserError(f"No weights for {dataset.title} are in {checkpoint.SHIPPED}; train some or restore them.")
    prompt = Prompt.empty(*dataset.shape).with_rows(args.rows)
    generators = {name: make_generator(args, name) for name in dict.fromkeys(e.partition(":")[0] for e in entries)}
    contestants = {entry: contestant(args, entry, generators[entry.partition(":")[0]]) for entry in entries}
    records = [
        benchmark.bench(contestants, prompt, batch, args.repeat, allow_busy=args.allow_busy) | {"data": dataset.name}
        for batch in args.batch
    ]
    header = ("batch", "model", "median", "least", "calls", "tokens/call", "accepted", "images/s", "ratio")
    rows = []
    for record in records:
        for entry, m in record["models"].items():
            ratio = record["ratio_to_transformer"].get(entry)
            words = sampler_words(*contestants[entry].generator.find_sampler(m["mode"], m["size"]))
            rows.append(
                (
                    str(record["batch"]),
                    f"{contestants[entry].generator.preset.title}, {words}",
                    f"{m['seconds_median']:.4f} s",
                    f"{m['seconds_min']:.4f} s",
                    str(m["network_calls"]),
                    f"{m['tokens_per_call']:.1f}",
                    f"{m['acceptance']:.0%}" if "acceptance" in m else "",
                    f"{m['images_per_second']:.2f}",
                    "" if ratio is None else f"{ratio:.1f} ×",
                )
            )
    first = records[0]
    unknown = dataset.pixels - first["known"]
    title = f"{dataset.title}, {unknown} of {dataset.pixels} pixels generated, {first['device']}"
    notes = (
        f"{first['machine']['cpu']}; {args.repeat} runs each, in turns. The ratio is to the Transformer's median.\n"
        "Tokens a call: pixels that one network call adds to one picture. Accepted: of the drafted tokens.\n"
        + "\n".join(dict.fromkeys(record["load"] for record in records))
    )
    show(args, records[0] if len(records) == 1 else records, f"{title}\n\n{table(header, rows)}\n\n{notes}")


def run_scaling(args: argparse.Namespace) -> None:
    """Time untrained models of one size at several lengths; Ctrl-C ends it, and what was measured is still shown."""
    if args.batch != [1] or args.rows:
        raise UserError("--lengths times single pictures made from nothing; leave out --batch and --rows.")
    if args.out is not None:
        prompt_files.check_out(args.out, (".json",))
    dataset, where = data.get(args.data), device.choose(args.device)
    request = scaling.ScalingRequest(dataset.name, tuple(args.lengths), scaling_contenders(args), args.repeat)
    points: list[scaling.Measured] = []
    meter = LoadMeter()

    def made() -> dict:
        load = meter.read(torch.get_num_threads() if where.type == "cpu" else 1)
        record = scaling_runner.record(points, request, device.describe(where)) | load.to_dict() | {"load": load.words}
        return record | ({"ratio_to_transformer": {}} if load.too_busy and not args.allow_busy else {})

    total = len(request.contenders) * len(set(request.lengths))
    try:
        with (
            contextlib.closing(scaling_runner.measure(request, where)) as events,
            tqdm(total=total, unit=" points", leave=False, dynamic_ncols=True) as bar,
        ):
            for event in events:
                match event:
                    case scaling.Began():
                        bar.set_description_str(f"{event.title}, T = {event.length:,}")
                    case scaling.Measured():
                        points.append(event)
                        bar.update()
    except KeyboardInterrupt:
        if points:
            show_scaling(args, made())
        raise
    record = made()
    if args.out is not None:
        scaling.write(record, args.out)
    show_scaling(args, record)


def run_train(args: argparse.Namespace) -> None:
    """Train a model."""
    dataset = data.get(args.data)
    config = TrainingConfig(
        model=registry.get(args.model).name,
        data=dataset.name,
        minutes=args.minutes,
        batch=args.batch,
        lr=args.lr,
        start=args.start,
        part=args.part,
        freeze=args.freeze,
        seed=args.seed,
        empty_share=args.empty_share,
        augment=args.augment,
        known=args.known,
        save_minutes=args.save_minutes,
        changes=parse_changes(args.model, dataset, args.set),
    )
    device.choose(args.device)
    out = args.out or Path("runs") / f"{config.model}-{config.data}"
    path = train(config, out, args.device, args.resume, args.compile, args.data_dir)
    if not distributed.is_first():
        return
    made = checkpoint.load(path)
    record = {"model": config.model, "data": config.data, "minutes": config.minutes, "seed": config.seed}
    record |= {k: made.training[k] for k in ("images", "steps", "skipped")} | {"out": str(path)}
    skipped = f", {record['skipped']:,} more skipped as their gradients were far too large" if record["skipped"] else ""
    rows = [
        ("model", f"{registry.get(config.model).title}, {made.parameters:,} parameters"),
        ("trained", f"{record['steps']:,} steps on {record['images']:,} images{skipped}"),
        ("time", f"{made.training['minutes']} of {config.minutes:g} minutes; go on with --resume"),
        ("weights", str(path)),
        ("samples", str(out / "samples.png")),
    ]
    show(args, record, facts(rows))


def run_train_classifier(args: argparse.Namespace) -> None:
    """Train the judge of completions."""
    dataset = data.get(args.data)
    if args.out is not None:
        prompt_files.check_out(args.out, (".safetensors",))
    record = classifier.train(dataset, args.minutes, args.out, args.seed, data_folder=args.data_dir)
    rows = [
        ("trained", f"on {record['images']:,} images in {record['minutes']:g} minutes"),
        ("named right", f"{record['accuracy']:.2%} of the test {dataset.subject}s"),
    ]
    if "accuracy_binarised" in record:
        rows.append(("", f"{record['accuracy_binarised']:.2%} of the same, binarised"))
    rows.append(("weights", record["out"]))
    show(args, record, facts(rows))


# --- parts of commands ----------------------------------------------------------------------------------------------


def make_generator(args: argparse.Namespace, name: str | None = None) -> Generator:
    """The model that the options name, with its weights, on its device."""
    preset, dataset = registry.get(args.model if name is None else name), data.get(args.data)
    where = device.choose(args.device)
    path = getattr(args, "checkpoint", None) or checkpoint.shipped(preset.name, dataset.name)
    return Generator(checkpoint.load(path, preset.name, dataset.name), where)


def size_names() -> dict[str, list[str]]:
    """What the numbers of all registered samplers are called, with the modes that have them."""
    names: dict[str, list[str]] = {}
    for preset in registry.PRESETS.values():
        for dataset in data.DATA_SETS.values():
            for mode in preset.samplers(dataset):
                if mode.parameter and f"{preset.name} {mode.name}" not in names.setdefault(mode.parameter, []):
                    names[mode.parameter].append(f"{preset.name} {mode.name}")
    return names


def mode_names() -> str:
    """The samplers of all registered models, for people."""
    found = {}
    for preset in registry.PRESETS.values():
        modes = dict.fromkeys(mode.name for dataset in data.DATA_SETS.values() for mode in preset.samplers(dataset))
        found[preset.name] = ", ".join(modes)
    return "; ".join(f"{name}: {modes}" for name, modes in found.items())


def sizes(args: argparse.Namespace) -> dict[str, int | None]:
    """What the options of samplers' numbers say, by the number's name."""
    return {name: getattr(args, f"size_{name}") for name in size_names()}


def sampler(args: argparse.Namespace, generator: Generator) -> tuple[str, int | None]:
    """The mode and its number that the options ask for; raises UserError where they do not fit each other."""
    mode, _ = generator.find_sampler(args.mode)
    given = {name: size for name, size in sizes(args).items() if size is not None}
    for name in given:
        if name != mode.parameter:
            fitting = [m.name for m in generator.network.samplers(generator.network.config) if m.parameter == name]
            remedy = f"choose --mode {fitting[0]}" if fitting else "leave it out"
            raise UserError(f"{generator.preset.title}'s mode {mode.name!r} has no --{name}; {remedy}.")
    return generator.find_sampler(mode.name, given.get(mode.parameter))[0].name, given.get(mode.parameter)


def contestant(args: argparse.Namespace, entry: str, generator: Generator) -> benchmark.Contestant:
    """What `bench --models` names by NAME[:MODE[:SIZE]]; raises UserError for anything else."""
    _, *rest = entry.split(":")
    if not rest:
        return benchmark.Contestant(generator, *sampler(args, generator))
    mode, *numbers = rest
    if len(numbers) > 1 or not all(n.isdecimal() for n in numbers):
        raise UserError(f"--models takes NAME, NAME:MODE or NAME:MODE:SIZE with a whole number, not {entry!r}.")
    size = int(numbers[0]) if numbers else None
    return benchmark.Contestant(generator, generator.find_sampler(mode, size)[0].name, size)


def scaling_contenders(args: argparse.Namespace) -> tuple[scaling.Contender, ...]:
    """What `bench --models` names, or everyone, for pictures of the shortest length."""
    found = []
    for entry in dict.fromkeys(args.models or registry.PRESETS):
        usual = scaling.Contender(entry, registry.get(entry.partition(":")[0]).name)
        shortest = scaling_runner.generator(usual, data.get(args.data), min(args.lengths), where=torch.device("cpu"))
        made = contestant(args, entry, shortest)
        found.append(dataclasses.replace(usual, sampler=made.sampler, parameter=made.parameter))
    return tuple(found)


def settings(args: argparse.Namespace, generator: Generator) -> evaluate.Settings:
    """How the options want a model scored."""
    mode, size = sampler(args, generator)
    names = {f.name for f in dataclasses.fields(evaluate.Settings)} - {"sampler", "parameter"}
    return evaluate.Settings(sampler=mode, parameter=size, **{name: getattr(args, name) for name in names})


def write_results(args: argparse.Namespace) -> Path:
    """Write the page of results, and README's tables unless the page goes elsewhere; returns the page's path."""
    readme = results_page.DOCS.parent / "README.md" if resources.CHECKOUT and not args.out else None
    where = device.choose(args.device)
    return results_page.write(data.get(args.data), args.out or results_page.DOCS, where, not args.keep_sheets, readme)


def follow(events, samples: int) -> tuple[Started, Finished]:
    """Show a generation's events as a progress bar on standard error; returns the first and the last."""
    started = next(events)
    with tqdm(total=started.tokens, desc=started.title, unit=" tokens", leave=False, dynamic_ncols=True) as bar:
        for event in events:
            match event:
                case Latents():
                    level = f"latent level {event.level} of {event.num_levels}" if event.level else "global code"
                    bar.set_postfix_str(level)
                case Progress():
                    bar.update(event.tokens - bar.n)
                case Finished():
                    return started, event
    raise RuntimeError("the generator ended without a Finished event")


def parse_changes(model: str, dataset: data.DataSet, pairs: list[str]) -> dict:
    """`KEY=VALUE` pairs to changes of a preset's config, each of the type that the preset has there.

    Raises UserError for unknown keys, values of another type, and settings of which no network can be made.
    """
    preset = registry.get(model)
    usual = dataclasses.asdict(preset.config(dataset))
    free = {k: v for k, v in usual.items() if not hasattr(dataset, k)}  # the picture's shape is the data set's
    changes = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or key not in free:
            raise UserError(f"--set {pair!r} is not KEY=VALUE with one of the keys {', '.join(free)}.")
        value = text if isinstance(free[key], str) else _literal(text)
        if type(value) is not type(free[key]) and not (type(free[key]) is float and type(value) is int):
            raise UserError(f"--set {pair!r} must give a value like {key}={json.dumps(free[key])}.")
        changes[key] = value
    if changes:
        try:
            network = registry.build(model, usual | changes)
            blank = torch.zeros(1, *dataset.shape, dtype=torch.long)
            with torch.no_grad():
                network.loss(blank, torch.zeros(blank.shape[:3], dtype=torch.bool))
            optimizers.make(network, 1e-3, 0.0)
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise UserError(f"No network can be made with --set {' '.join(pairs)} ({reason}); change it.") from error
    return changes


def _literal(text: str):
    try:
        return json.loads(text.lower())
    except json.JSONDecodeError:
        return text


# --- output ---------------------------------------------------------------------------------------------------------


def show(args: argparse.Namespace, record, text: str) -> None:
    """Print the record as JSON, or the text for people. What is not a finite number is told either way."""
    written, missing = strict_json.text(record)
    print(written if args.json else text)
    if missing:
        null = ", and null in the JSON" if args.json else ""
        print(f"Not a finite number{null}: {', '.join(missing)}.", file=sys.stderr)


def show_scaling(args: argparse.Namespace, record: dict) -> None:
    """A record of `bench --lengths`."""
    title = f"Seconds for one picture of T pixels, each of {data.get(record['data']).title}'s kind"
    show(args, record, f"{title}\n\n{table(*scaling.table(record))}\n\n{scaling.notes(record)}\n{record['load']}")


def facts(rows: Sequence[tuple[str, str]]) -> str:
    """Names and what belongs to them, in two columns."""
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns under a header: words to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    words = [not any(cell[:1].isdigit() for cell in column) for column in zip(*rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = (f"{c:<{w}}" if left else f"{c:>{w}}" for c, w, left in zip(cells, widths, words, strict=True))
        return "  ".join(padded).rstrip()

    return "\n".join([line(header), line(["─" * w for w in widths]), *map(line, rows)])


def sampler_words(mode: Sampler, size: int) -> str:
    """A sampler and its number, for people."""
    return f"{mode.name}, {mode.parameter} {size}" if mode.parameter else mode.name


def clamping_rows(record: dict) -> list[tuple[str, str]]:
    """What to say where known pixels are only passed by."""
    text = "this model reads in raster order: a pixel known later cannot inform those before it"
    return [("", text)] if record["clamped"] else []


def score_rows(record: dict) -> list[tuple[str, str]]:
    """The scores in a record of `evaluate`, those that were measured."""
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


def speed_rows(record: dict) -> list[tuple[str, str]]:
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


# --- options --------------------------------------------------------------------------------------------------------


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one sentence."""

    def error(self, message: str):
        raise UserError(f"{message[:1].upper()}{message[1:]}; see `{self.prog} --help`.")


def number(kind: type, low: float, high: float = math.inf, above: bool = False) -> Callable[[str], float]:
    """An option's type: a finite number from `low` (or above it) to `high`."""
    least = f"above {low}" if above else f"at least {low}"
    words = f"{least} and at most {high}" if math.isfinite(high) else least

    def parse(text: str):
        try:
            value = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a {'whole ' * (kind is int)}number") from None
        if not math.isfinite(value) or not low <= value <= high or (above and value == low):
            raise argparse.ArgumentTypeError(f"must be {words}, not {text}")
        return value

    return parse


def several(kind: Callable) -> Callable[[str], list]:
    """An option's type: values separated by commas."""
    return lambda text: [kind(part.strip()) for part in text.split(",")]


def make_parser() -> Parser:
    """All commands and their options."""
    names = ", ".join(registry.PRESETS)
    parser = Parser(
        prog="python -m vssm",
        description="Train, sample, score and time variational state space models and their rivals.",
        epilog="Each command explains itself: python -m vssm complete --help",
    )
    parser.add_argument("--version", action="version", version=f"vssm {__version__} (torch {torch.__version__})")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, title="commands")

    def command(name: str, run: Callable, summary: str, text: str, example: str) -> Parser:
        sub = commands.add_parser(
            name,
            help=summary,
            description=text,
            epilog=f"example:\n  python -m vssm {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.set_defaults(run=run)
        common = sub.add_argument_group("common options")
        common.add_argument("--data", default="mnist", metavar="NAME", help="data set (default: mnist)")
        common.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
        common.add_argument("--threads", type=number(int, 1, 1024), metavar="N", help="CPU threads (default: torch's)")
        common.add_argument("--debug", action="store_true", help="show the traceback of an error")
        return sub

    def with_model(sub) -> None:
        sub.add_argument("--model", required=True, metavar="NAME", help=f"one of: {names}")

    def with_mode(sub: Parser) -> None:
        sub.add_argument("--mode", metavar="NAME", help=f"the sampler, each model's first by default: {mode_names()}")
        for size, owners in size_names().items():
            words = f"the number of the sampler{'s' * (len(owners) > 1)} {', '.join(owners)}"
            sub.add_argument(f"--{size}", dest=f"size_{size}", type=number(int, 1), metavar="K", help=words)

    def with_checkpoint(sub: Parser) -> None:
        sub.add_argument("--checkpoint", type=Path, metavar="FILE", help="weights (default: those that come along)")

    def with_device(sub: Parser) -> None:
        sub.add_argument("--device", default="auto", metavar="NAME", help="auto (default), cuda, mps or cpu")

    def with_seed(sub: Parser) -> None:
        sub.add_argument("--seed", type=number(int, 0, 2**53), default=0, metavar="N", help="of all that is drawn (0)")

    def with_out(sub: Parser) -> None:
        sub.add_argument("--out", type=Path, metavar="DIR", help="folder of the page (default: docs)")
        sub.add_argument("--keep-sheets", action="store_true", help="do not draw the sheets of samples anew")

    def with_data_dir(sub: Parser) -> None:
        sub.add_argument(
            "--data-dir",
            type=Path,
            metavar="D",
            help="folder of the data sets (default: $VSSM_DATA, else the user's cache)",
        )

    sub = command(
        "complete",
        run_complete,
        "complete a picture, or an archive of them",
        "Complete a picture of which some pixels are known.\n\n"
        "Known are: the pixels of 128 or more in --known, or the first --rows rows, or the opaque pixels of\n"
        "a picture with transparency, or else the upper half. --rows 0 makes pictures from nothing.\n"
        "Known pixels come back exactly as given.",
        "complete --model vssm --prompt digit.png --rows 14 --samples 4 --out completed.png",
    )
    with_model(sub)
    source = sub.add_mutually_exclusive_group()
    source.add_argument("--prompt", type=Path, metavar="PNG", help="the picture, of the data set's size")
    source.add_argument(
        "--prompts", type=Path, metavar="NPZ", help="many: images [M,H,W,C] uint8 and known [M,H,W] bool"
    )
    mask = sub.add_mutually_exclusive_group()
    mask.add_argument("--known", type=Path, metavar="PNG", help="which pixels are known: those of 128 or more")
    mask.add_argument("--rows", type=number(int, 0), metavar="R", help="so many rows are known, from the top")
    sub.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE",
        help=".png: the samples side by side; .npz: images [K,H,W,C] and known [H,W]"
        " (with --prompts .npz only: images [M,K,H,W,C])",
    )
    sub.add_argument("--samples", type=number(int, 1, MOST_SAMPLES), default=1, metavar="K", help="of each prompt (1)")
    sub.add_argument(
        "--temperature",
        type=number(float, 0, 10),
        default=1.0,
        metavar="T",
        help="1 (default) as trained, towards 0 the likeliest choices",
    )
    sub.add_argument(
        "--pixels",
        dest="pixel_mode",
        choices=("sampled", "mean"),
        help="of models that draw pixels independently given latents: sampled, or the mean of each (the default for "
        "the data sets whose record says so)",
    )
    for add in (with_mode, with_seed, with_checkpoint, with_device, with_data_dir):
        add(sub)

    sub = command(
        "evaluate",
        run_evaluate,
        "score a model, or all, on the test set",
        "Score a model on the test set; one of two levels is binarised once and for all. Parts, all by default (pen\n"
        "where its file is at hand):\n"
        + "".join(f"  {part:<10} {words}\n" for part, words in evaluate.PARTS.items())
        + f"Pen digits are read from the training file of the archive's Pen-Based Recognition of Handwritten Digits,\n"
        f"{pen_digits.WHERE}.\n"
        "--all scores every model of --data that comes along, keeps the scores in its weights, and writes\n"
        "docs/RESULTS.md.",
        "evaluate --model vssm --limit 1000 --parts nats,label",
    )
    which = sub.add_mutually_exclusive_group(required=True)
    which.add_argument("--model", metavar="NAME", help=f"one of: {names}")
    which.add_argument("--all", action="store_true", help="every model that comes along")
    usual = evaluate.Settings
    sub.add_argument("--parts", type=several(str), metavar="A,B", help="what to measure (all)")
    sub.add_argument(
        "--pen", type=Path, metavar="FILE", help=f"for pen, the digits ({pen_digits.NAME} in the folder of the data)"
    )
    sub.add_argument("--write", action="store_true", help="keep the scores in the file of the weights")
    for option, name, words in (
        ("--limit", "N", "for nats, label, pen, diversity and best, only the first N images (default: all)"),
        ("--iw-images", "N", "for iw, the first N test images"),
        ("--iw-samples", "K", "for iw, draws an image"),
        ("--fid-samples", "N", "for fid, unconditional samples"),
        ("--prompts", "N", "for diversity, prompts"),
        ("--endings", "K", "for diversity, completions of each prompt"),
        ("--best-images", "N", "for best, the first N test images"),
        ("--best-endings", "K", "for best, completions of each"),
        ("--repeats", "R", "for speed, runs that count"),
    ):
        default = getattr(usual, option[2:].replace("-", "_"))
        low = {"--fid-samples": evaluate.LEAST_SAMPLES, "--endings": 2}.get(option, 1)
        shown = f"{words} ({default:,})" if default else words
        sub.add_argument(option, type=number(int, low), default=default, metavar=name, help=shown)
    sub.add_argument(
        "--pixels",
        dest="pixel_mode",
        choices=("sampled", "mean"),
        help="of models that draw pixels independently given latents (the data set's own way)",
    )
    sub.add_argument(
        "--precision",
        choices=("float32", "bfloat16"),
        default=usual.precision,
        help="of likelihoods; bfloat16, as in training, is faster on a CPU that has it (float32)",
    )
    for add in (with_mode, with_seed, with_checkpoint, with_device, with_data_dir, with_out):
        add(sub)

    sub = command(
        "results",
        run_results,
        "write the page of results anew",
        "Write docs/RESULTS.md and README's tables from the scores kept in the weights and from docs/studies, for\n"
        "every data set. Nothing is measured anew; only the sheets of samples of --data are drawn.",
        "results --keep-sheets",
    )
    for add in (with_device, with_out):
        add(sub)

    sub = command(
        "explain",
        run_explain,
        "draw the pictures of the page that explains the models",
        "Let the models that come along complete a few prompts and draw what happens on the way, into docs/models,\n"
        "for docs/MODELS.md, whose table is written anew. Pictures:\n"
        + "".join(f"  {n}\n" for n in explainer_figures.PICTURES),
        "explain --only order.png,drafts.png",
    )
    sub.add_argument("--only", type=several(str), metavar="A,B", help="only these pictures")
    for add in (with_device, with_out):
        add(sub)

    sub = command(
        "study",
        run_study,
        "answer one of the papers' open questions",
        "Make a few runs of equal budget and compare them. Studies:\n"
        + "".join(f"  {s.name:<22} {s.title}\n" for s in studies.STUDIES.values())
        + "Table and plot are kept in docs/studies, from which `results` writes the page.",
        "study levels --minutes 4",
    )
    sub.add_argument("name", metavar="STUDY", help=f"one of: {', '.join(studies.STUDIES)}")
    sub.add_argument(
        "--minutes", type=number(float, 0, above=True), default=4.0, metavar="M", help="of training, each run (4)"
    )
    words = "test images to score on, and samples (1,000)"
    sub.add_argument("--limit", type=number(int, evaluate.LEAST_SAMPLES), default=1000, metavar="N", help=words)
    sub.add_argument("--out", type=Path, metavar="DIR", help="folder of the docs (default: docs)")
    for add in (with_seed, with_device, with_data_dir):
        add(sub)

    sub = command(
        "bench",
        run_bench,
        "time models side by side",
        "Time models at equal work in one run, in turns, after a warm-up. Several batch sizes give a list in JSON.\n\n"
        "With --lengths: untrained models of equal parameter count make single pictures of so many pixels, at one\n"
        "pixel a token for all, and the table tells how their time grows with T. Ctrl-C shows what was measured.",
        "bench --models vssm,transformer,asarm:assd:64 --batch 1,16 --repeat 5",
    )
    sub.add_argument(
        "--models",
        type=several(str),
        metavar="A,B",
        help=f"each NAME, NAME:MODE or NAME:MODE:SIZE, of: {names} (default: all with weights)",
    )
    sub.add_argument(
        "--batch",
        type=several(number(int, 1, MOST_SAMPLES)),
        default=[1],
        metavar="B[,B2]",
        help="pictures made at once (1)",
    )
    sub.add_argument("--repeat", type=number(int, 1), default=5, metavar="R", help="runs that count, of each model (5)")
    sub.add_argument("--rows", type=number(int, 0), default=0, metavar="R", help="known rows (0: all is generated)")
    lengths = f"pixels of a picture, multiples of 4 up to {scaling.MOST:,}, as {','.join(map(str, scaling.LENGTHS))}"
    sub.add_argument("--lengths", type=several(number(int, 1)), metavar="T,T2", help=lengths)
    words = "print ratios even where other programs kept the machine too busy for them to mean much"
    sub.add_argument("--allow-busy", action="store_true", help=words)
    words = ".json: with --lengths, where the record is kept, its plot as .svg beside it"
    sub.add_argument("--out", type=Path, metavar="FILE", help=words)
    for add in (with_mode, with_device):
        add(sub)

    sub = command(
        "train",
        run_train,
        "train a model",
        "Train a model for so many minutes of wall-clock time. Ctrl-C stops and saves; --resume goes on.\n"
        "Writes MODEL-DATA.safetensors (the weights), state.safetensors and samples.png into --out.\n\n"
        "Several processes share the images of every step when torchrun starts them, on one machine or several:\n"
        "  torchrun --nproc-per-node N -m vssm train --model vssm --minutes 60\n"
        "Each computes on a GPU of its own or on a share of the cores; the first one writes the files.",
        "train --model vssm --minutes 60 --set d_model=96 --set fine_levels=3",
    )
    with_model(sub)
    usual = TrainingConfig
    sub.add_argument(
        "--minutes",
        type=number(float, 0, above=True),
        required=True,
        metavar="M",
        help="the budget, over all resumed parts",
    )
    sub.add_argument("--out", type=Path, metavar="DIR", help="folder to write to (default: runs/MODEL-DATA)")
    sub.add_argument("--resume", action="store_true", help="go on with the training in --out")
    sub.add_argument(
        "--batch",
        type=number(int, 1),
        default=usual.batch,
        metavar="B",
        help=f"images a step, over all processes ({usual.batch})",
    )
    sub.add_argument(
        "--lr",
        type=number(float, 0, 1, above=True),
        default=usual.lr,
        metavar="X",
        help="learning rate (the preset's own)",
    )
    sub.add_argument(
        "--empty-share",
        type=number(float, 0, 1),
        default=usual.empty_share,
        metavar="X",
        help=f"share of images of which nothing is known ({usual.empty_share:g})",
    )
    sub.add_argument(
        "--augment",
        type=number(float, 0, 1),
        default=usual.augment,
        metavar="X",
        help=f"share of the others changed as other hands would write them ({usual.augment:g})",
    )
    sub.add_argument(
        "--known",
        choices=("any", "prefix"),
        default=usual.known,
        help=f"what is known of the others: any kind of set, or prefixes alone ({usual.known or 'the model decides'})",
    )
    sub.add_argument(
        "--save-minutes",
        type=number(float, 0, above=True),
        default=usual.save_minutes,
        metavar="M",
        help=f"between saves on the way ({usual.save_minutes:g})",
    )
    sub.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a setting of the model")
    sub.add_argument("--start", metavar="FILE", help="a checkpoint to take all tensors from that fit")
    sub.add_argument("--part", metavar="NAME", help="train this part alone (vssm: code, the prior of the global code)")
    sub.add_argument("--freeze", metavar="NAME", help="train all but this part (vssm: code)")
    sub.add_argument("--compile", action="store_true", help="compile the loss: faster after some minutes")
    for add in (with_seed, with_device, with_data_dir):
        add(sub)

    sub = command(
        "train-classifier",
        run_train_classifier,
        "train the classifier that judges completions",
        "Train the small classifier by which `evaluate` tells whether a completion kept its label.",
        "train-classifier --minutes 3",
    )
    sub.add_argument("--minutes", type=number(float, 0, above=True), default=3.0, metavar="M", help="the budget (3)")
    sub.add_argument(
        "--out", type=Path, metavar="FILE", help=".safetensors: where the weights go (default: where they are sought)"
    )
    for add in (with_seed, with_data_dir):
        add(sub)
    return parser


# --- main -----------------------------------------------------------------------------------------------------------


def guarded(work: Callable[[], int | None], debug: bool = False) -> int:
    """Run `work` and turn what it raises into an exit code and at most one line on standard error."""
    debug = debug or bool(os.environ.get("VSSM_DEBUG"))
    with streams.lasting() as out:
        try:
            code = work() or 0
        except SystemExit as stop:  # argparse after --help and --version
            code = stop.code or 0
        except KeyboardInterrupt:
            return 130
        except Exception as error:
            if debug:
                traceback.print_exc()
            code, sentence = explain(error)
            print(sentence, file=sys.stderr)
        out.flush()
        if out.failure is None or isinstance(out.failure, BrokenPipeError):  # whoever read it wanted no more
            return code
        print(f"Not all that was to be printed could be written ({out.failure}).", file=sys.stderr)
        return code or 1


def explain(error: Exception) -> tuple[int, str]:
    """The exit code and the one line for an error."""
    text = "".join(c if c.isprintable() else "?" for c in " ".join(str(error).split()))
    if isinstance(error, UserError):
        return 2, text
    if isinstance(error, OSError) and error.filename is not None:  # no right to look there, a name too long, …
        return 2, f"{error.filename} cannot be used ({error.strerror}); choose another path."
    allocation = isinstance(error, RuntimeError) and ("allocate memory" in text or "not enough memory" in text)
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)) or allocation:
        return 2, "There is not enough memory for this; ask for fewer samples or a smaller batch."
    return 1, f"Unexpected {type(error).__name__}: {text} (--debug shows where)."


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; returns its exit code."""
    argv = sys.argv[1:] if argv is None else list(argv)

    def work() -> None:
        args = make_parser().parse_args(argv)
        if args.threads:
            torch.set_num_threads(args.threads)
        args.run(args)

    return guarded(work, "--debug" in argv)
