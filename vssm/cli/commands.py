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
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from vssm import checkpoint, data, device
from vssm.cli import tables
from vssm.cli.parser import make_parser, parameter_names
from vssm.errors import UserError
from vssm.evaluation import benchmark, classifier, evaluate, machine_limit, scaling, scaling_runner
from vssm.evaluation.machine_load import LoadMeter
from vssm.files import prompt_files, resources, streams, strict_json
from vssm.models import registry
from vssm.prompt import Prompt
from vssm.prompt_advice import advise
from vssm.reports import explainer_figures, results_page, studies
from vssm.sampling.events import Event, Finished, GenerationRequest, Latents, Progress, Started
from vssm.sampling.generator import Generator
from vssm.training import distributed, optimizers
from vssm.training.trainer import TrainingConfig, train

# --- commands -------------------------------------------------------------------------------------------------------


def run_complete(args: argparse.Namespace) -> None:
    """Complete one prompt, or a whole archive of them."""
    dataset = data.get(args.data)
    if args.prompts is not None:
        return run_complete_batch(args)
    prompt_files.check_out(args.out, (".png", ".npz"))
    prompt, words = prompt_files.read_prompt(dataset, args.prompt, args.known, args.rows)
    generator = make_generator(args)
    mode, size = choose_sampler(args, generator)
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
        ("model", f"{started.title}, {started.sampler.words(started.parameter)}"),
        ("known pixels", f"{record['known']} of {dataset.pixels}: {words}"),
        *([("note", record["advice"])] if record["advice"] else []),
        *tables.clamping_rows(record),
        *tables.speed_rows(record),
    ]
    show(args, record, tables.facts(rows))


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
    mode, size = generator.find_sampler(*choose_sampler(args, generator))
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
    model = f"{generator.preset.title}, {mode.words(size)}"
    notes = [("note", f"{len(some)} of {M} prompts, number {some[0]} first: {words}") for words, some in advice.items()]
    rows = [("model", model), ("prompts", f"{M}"), *notes, *tables.clamping_rows(record), *tables.speed_rows(record)]
    show(args, record, tables.facts(rows))


def run_evaluate(args: argparse.Namespace) -> None:
    """Score one model, or all that come along."""
    if args.all:
        return run_evaluate_all(args)
    generator = make_generator(args)
    if args.write and (path := generator.checkpoint.path) is not None:
        prompt_files.check_out(path, (path.suffix,))
    record = evaluate.evaluate(generator, args.parts, make_settings(args, generator), args.data_dir)
    if args.write:
        evaluate.write_scores(generator.checkpoint, record)
    rows = [("model", generator.preset.title), *tables.score_rows(record)]
    rows.append(("time", f"{record['seconds']:.0f} s on {device.describe(generator.where)}"))
    if args.write:
        rows.append(("written into", str(generator.checkpoint.path)))
    show(args, record, tables.facts(rows))


def run_evaluate_all(args: argparse.Namespace) -> None:
    """Score every model that comes along, keep the scores in their weights and write the page of results."""
    if (
        args.checkpoint is not None
        or args.mode is not None
        or args.pixel_mode is not None
        or any(sampler_parameters(args).values())
    ):
        raise UserError("--all scores the weights that come along with their usual samplers; leave out the others.")
    dataset, records = data.get(args.data), []
    for made in results_page.shipped(dataset):
        generator = Generator(made, device.choose(args.device))
        wanted = make_settings(args, generator)
        parts = args.parts or evaluate.usual_parts(dataset, wanted, args.data_dir)
        for part in parts:  # each is kept as soon as it is measured: the whole takes its time
            record = evaluate.evaluate(generator, [part], wanted, args.data_dir)
            evaluate.write_scores(made, record)
        records.append({"model": made.model, "data": dataset.name} | made.scores)
    path = write_results(args)
    text = f"{tables.table(*results_page.summary(results_page.shipped(dataset)))}\n\nThe page of results is {path}."
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
    text = f"{what.title}\n{what.question}\n\n{tables.table(*studies.table(record))}\n\nKept in {path}."
    show(args, record | {"out": str(path)}, text)


def run_bench(args: argparse.Namespace) -> None:
    """Time models side by side."""
    if args.lengths is not None:
        return run_scaling(args)
    if args.out is not None:
        raise UserError("--out keeps the record of --lengths; give --lengths, or redirect what --json prints.")
    dataset = data.get(args.data)
    earlier = {} if args.against is None else {record["batch"]: record for record in read_bench(args.against)}
    if args.against is not None and (missing := set(args.batch) - set(earlier)):
        raise UserError(f"{args.against} has no batch {min(missing)}; choose another --batch.")
    entries = args.models or [n for n in registry.PRESETS if checkpoint.shipped(n, dataset.name).exists()]
    if not entries:
        raise UserError(f"No weights for {dataset.title} are in {checkpoint.SHIPPED}; train some or restore them.")
    prompt = Prompt.empty(*dataset.shape).with_rows(args.rows)
    generators = {name: make_generator(args, name) for name in dict.fromkeys(split_entry(e)[0] for e in entries)}
    contestants = {entry: make_contestant(args, entry, generators[split_entry(entry)[0]]) for entry in entries}
    records = [
        benchmark.bench(contestants, prompt, batch, args.repeat, allow_busy=args.allow_busy, limit=args.limit)
        | {"data": dataset.name}
        for batch in args.batch
    ]
    if args.limit:
        rates = machine_limit.measure_rates(next(iter(generators.values())).where).to_dict()
        records = [record | {"rates": rates} for record in records]
    text = tables.bench(records)
    if earlier:
        for record in records:
            record["against"] = benchmark.compare(record, earlier[record["batch"]], args.allow_busy)
        text += f"\n\n{tables.against(records, args.against)}"
    show(args, records[0] if len(records) == 1 else records, text)
    if slower := [n for record in records for n, found in record.get("against", {}).items() if found["slower"]]:
        raise UserError(f"Slower than in {args.against}: {', '.join(dict.fromkeys(slower))}.")


def read_bench(path: Path) -> list[dict[str, Any]]:
    """Read what `bench --json` printed; raises UserError for anything else."""
    try:
        found = json.loads(path.read_text("utf-8"))
        records = found if isinstance(found, list) else [found]
        for record in records:
            benchmark.compare(record | {"too_busy": False}, record | {"too_busy": False})
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, ZeroDivisionError, UserError):
        raise UserError(f"{path} is not what `bench --json` prints; make it anew by that command.") from None
    return records


def split_entry(entry: str) -> tuple[str, list[str]]:
    """Split what `bench --models` names into the model's name or its file of weights, and the rest at colons."""
    file, dot, rest = entry.rpartition(checkpoint.SUFFIX)
    name, *words = rest.split(":")
    return file + dot + name, words


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

    def made() -> dict[str, Any]:
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
    show(args, record, tables.facts(rows))


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
    show(args, record, tables.facts(rows))


# --- parts of commands ----------------------------------------------------------------------------------------------


def make_generator(args: argparse.Namespace, name: str | None = None) -> Generator:
    """Load the model that the options name, on the device that they name."""
    dataset, where = data.get(args.data), device.choose(args.device)
    if name is not None and name.endswith(checkpoint.SUFFIX):
        return Generator(checkpoint.load(name, expect_data=dataset.name), where)
    preset = registry.get(args.model if name is None else name)
    path = getattr(args, "checkpoint", None) or checkpoint.shipped(preset.name, dataset.name)
    return Generator(checkpoint.load(path, preset.name, dataset.name), where)


def sampler_parameters(args: argparse.Namespace) -> dict[str, int | None]:
    """Return the values of the options for samplers' parameters, by name."""
    return {name: getattr(args, f"parameter_{name}") for name in parameter_names()}


def choose_sampler(args: argparse.Namespace, generator: Generator) -> tuple[str, int | None]:
    """Return the sampler and the parameter that the options ask for; raises UserError if these do not fit."""
    mode, _ = generator.find_sampler(args.mode)
    given = {name: size for name, size in sampler_parameters(args).items() if size is not None}
    for name in given:
        if name != mode.parameter:
            fitting = [m.name for m in generator.network.samplers(generator.network.config) if m.parameter == name]
            remedy = f"choose --sampler {fitting[0]}" if fitting else "leave it out"
            raise UserError(f"{generator.preset.title}'s sampler {mode.name!r} has no --{name}; {remedy}.")
    parameter = given.get(mode.parameter or "")
    return generator.find_sampler(mode.name, parameter)[0].name, parameter


def make_contestant(args: argparse.Namespace, entry: str, generator: Generator) -> benchmark.Contestant:
    """Make the contestant that `bench --models` names by NAME[:SAMPLER[:NUMBER]]; raises UserError for others."""
    _, rest = split_entry(entry)
    if not rest:
        return benchmark.Contestant(generator, *choose_sampler(args, generator))
    mode, *numbers = rest
    if len(numbers) > 1 or not all(n.isdecimal() for n in numbers):
        raise UserError(f"--models takes NAME, NAME:SAMPLER or NAME:SAMPLER:NUMBER with a whole number, not {entry!r}.")
    size = int(numbers[0]) if numbers else None
    return benchmark.Contestant(generator, generator.find_sampler(mode, size)[0].name, size)


def scaling_contenders(args: argparse.Namespace) -> tuple[scaling.Contender, ...]:
    """Return the contenders that `bench --models` names, or all of them."""
    found = []
    for entry in dict.fromkeys(args.models or registry.PRESETS):
        usual = scaling.Contender(entry, registry.get(entry.partition(":")[0]).name)
        shortest = scaling_runner.generator(usual, data.get(args.data), min(args.lengths), where=torch.device("cpu"))
        made = make_contestant(args, entry, shortest)
        found.append(dataclasses.replace(usual, sampler=made.sampler, parameter=made.parameter))
    return tuple(found)


def make_settings(args: argparse.Namespace, generator: Generator) -> evaluate.Settings:
    """Make the settings of `evaluate` from the options."""
    mode, size = choose_sampler(args, generator)
    names = {f.name for f in dataclasses.fields(evaluate.Settings)} - {"sampler", "parameter"}
    return evaluate.Settings(sampler=mode, parameter=size, **{name: getattr(args, name) for name in names})


def write_results(args: argparse.Namespace) -> Path:
    """Write the page of results, and README's tables unless the page goes elsewhere; returns the page's path."""
    readme = results_page.DOCS.parent / "README.md" if resources.CHECKOUT and not args.out else None
    where = device.choose(args.device)
    return results_page.write(data.get(args.data), args.out or results_page.DOCS, where, not args.keep_sheets, readme)


def follow(events: Iterator[Event], samples: int) -> tuple[Started, Finished]:
    """Show the events of a run as a progress bar on standard error; returns the first and the last event."""
    started = next(events)
    assert isinstance(started, Started)
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


def parse_changes(model: str, dataset: data.DataSet, pairs: list[str]) -> dict[str, Any]:
    """Convert `KEY=VALUE` pairs to changes of a preset's config.

    Raises:
        UserError: A key is unknown, a value has another type than the preset's, or no network can be made.
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


def _literal(text: str) -> Any:
    try:
        return json.loads(text.lower())
    except json.JSONDecodeError:
        return text


# --- output ---------------------------------------------------------------------------------------------------------


def show(args: argparse.Namespace, record: dict[str, Any] | list[dict[str, Any]], text: str) -> None:
    """Print the record as JSON, or the text for people, and name numbers that are not finite."""
    written, missing = strict_json.text(record)
    print(written if args.json else text)
    if missing:
        null = ", and null in the JSON" if args.json else ""
        print(f"Not a finite number{null}: {', '.join(missing)}.", file=sys.stderr)


def show_scaling(args: argparse.Namespace, record: dict[str, Any]) -> None:
    """Print a record of `bench --lengths`."""
    title = f"Seconds for one picture of T pixels, each of {data.get(record['data']).title}'s kind"
    show(
        args, record, f"{title}\n\n{tables.table(*scaling.table(record))}\n\n{scaling.notes(record)}\n{record['load']}"
    )


COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    "complete": run_complete,
    "evaluate": run_evaluate,
    "results": run_results,
    "explain": run_explain,
    "study": run_study,
    "bench": run_bench,
    "train": run_train,
    "train-classifier": run_train_classifier,
}


# --- main -----------------------------------------------------------------------------------------------------------


def guarded(work: Callable[[], int | None], debug: bool = False) -> int:
    """Run `work` and turn what it raises into an exit code and at most one line on standard error."""
    debug = debug or bool(os.environ.get("VSSM_DEBUG"))
    with streams.lasting() as out:
        try:
            code = work() or 0
        except SystemExit as stop:  # argparse after --help and --version
            code = stop.code if isinstance(stop.code, int) else int(bool(stop.code))
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
        COMMANDS[args.command](args)

    return guarded(work, "--debug" in argv)
