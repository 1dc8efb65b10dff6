"""The options of the command line: one function for each command."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TypeVar

import torch

from vssm import __version__, data
from vssm.errors import UserError
from vssm.evaluation import evaluate, pen_digits, scaling
from vssm.models import registry
from vssm.reports import explainer_figures, studies
from vssm.training.trainer import TrainingConfig

MOST_SAMPLES = 1000  # of one prompt at once, held in memory together
T = TypeVar("T")


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one sentence."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message[:1].upper()}{message[1:]}; see `{self.prog} --help`.")


def number(
    kind: type[int] | type[float], low: float, high: float = math.inf, above: bool = False
) -> Callable[[str], float]:
    """Make the type of an option that is a finite number from `low` (or above it) to `high`."""
    least = f"above {low}" if above else f"at least {low}"
    words = f"{least} and at most {high}" if math.isfinite(high) else least

    def parse(text: str) -> float:
        try:
            value: float = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a {'whole ' * (kind is int)}number") from None
        if not math.isfinite(value) or not low <= value <= high or (above and value == low):
            raise argparse.ArgumentTypeError(f"must be {words}, not {text}")
        return value

    return parse


def several(kind: Callable[[str], T]) -> Callable[[str], list[T]]:
    """Make the type of an option that is a list of values, separated by commas."""
    return lambda text: [kind(part.strip()) for part in text.split(",")]


class Commands:
    """The commands of a parser."""

    def __init__(self, parser: Parser) -> None:
        """Let the parser expect one command."""
        self._parsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, title="commands")

    def add(self, name: str, summary: str, text: str, example: str) -> Parser:
        """Add a command with the options that all commands have; returns its parser."""
        sub: Parser = self._parsers.add_parser(
            name,
            help=summary,
            description=text,
            epilog=f"example:\n  python -m vssm {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        common = sub.add_argument_group("common options")
        common.add_argument("--data", default="mnist", metavar="NAME", help="data set (default: mnist)")
        common.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
        common.add_argument("--threads", type=number(int, 1, 1024), metavar="N", help="CPU threads (default: torch's)")
        common.add_argument("--debug", action="store_true", help="show the traceback of an error")
        return sub


def make_parser() -> Parser:
    """Make the parser of all commands and their options."""
    parser = Parser(
        prog="python -m vssm",
        description="Train, sample, score and time variational state space models and their rivals.",
        epilog="Each command explains itself: python -m vssm complete --help",
    )
    parser.add_argument("--version", action="version", version=f"vssm {__version__} (torch {torch.__version__})")
    commands = Commands(parser)
    for add in (
        add_complete,
        add_evaluate,
        add_results,
        add_explain,
        add_study,
        add_bench,
        add_train,
        add_train_classifier,
    ):
        add(commands)
    return parser


# --- options that several commands have -----------------------------------------------------------------------------


def model_names() -> str:
    """List all registered models, for people."""
    return ", ".join(registry.PRESETS)


def parameter_names() -> dict[str, list[str]]:
    """Return the names of the parameters of all registered samplers, with the samplers that have them."""
    names: dict[str, list[str]] = {}
    for preset in registry.PRESETS.values():
        for dataset in data.DATA_SETS.values():
            for mode in preset.samplers(dataset):
                if mode.parameter and f"{preset.name} {mode.name}" not in names.setdefault(mode.parameter, []):
                    names[mode.parameter].append(f"{preset.name} {mode.name}")
    return names


def sampler_names() -> str:
    """List the samplers of all registered models, for people."""
    found = {}
    for preset in registry.PRESETS.values():
        modes = dict.fromkeys(mode.name for dataset in data.DATA_SETS.values() for mode in preset.samplers(dataset))
        found[preset.name] = ", ".join(modes)
    return "; ".join(f"{name}: {modes}" for name, modes in found.items())


def with_model(sub: Parser) -> None:
    """Add the choice of a model."""
    sub.add_argument("--model", required=True, metavar="NAME", help=f"one of: {model_names()}")


def with_mode(sub: Parser) -> None:
    """Add the choice of a sampler and of each sampler's parameter."""
    sub.add_argument(
        "--sampler",
        "--mode",
        dest="mode",
        metavar="NAME",
        help=f"the sampler, each model's first by default: {sampler_names()}",
    )
    for name, owners in parameter_names().items():
        words = f"the number of the sampler{'s' * (len(owners) > 1)} {', '.join(owners)}"
        sub.add_argument(f"--{name}", dest=f"parameter_{name}", type=number(int, 1), metavar="K", help=words)


def with_checkpoint(sub: Parser) -> None:
    """Add a file of weights."""
    sub.add_argument("--checkpoint", type=Path, metavar="FILE", help="weights (default: those that come along)")


def with_device(sub: Parser) -> None:
    """Add the choice of a device."""
    sub.add_argument("--device", default="auto", metavar="NAME", help="auto (default), cuda, mps or cpu")


def with_seed(sub: Parser) -> None:
    """Add a seed."""
    sub.add_argument("--seed", type=number(int, 0, 2**53), default=0, metavar="N", help="of all that is drawn (0)")


def with_out(sub: Parser) -> None:
    """Add the options of commands that write pages."""
    sub.add_argument("--out", type=Path, metavar="DIR", help="folder of the page (default: docs)")
    sub.add_argument("--keep-sheets", action="store_true", help="do not draw the sheets of samples anew")


def with_data_dir(sub: Parser) -> None:
    """Add the folder of the data sets."""
    sub.add_argument(
        "--data-dir",
        type=Path,
        metavar="D",
        help="folder of the data sets (default: $VSSM_DATA, else the user's cache)",
    )


# --- one command after another --------------------------------------------------------------------------------------


def add_complete(commands: Commands) -> None:
    """Add the command `complete`."""
    sub = commands.add(
        "complete",
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


def add_evaluate(commands: Commands) -> None:
    """Add the command `evaluate`."""
    sub = commands.add(
        "evaluate",
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
    which.add_argument("--model", metavar="NAME", help=f"one of: {model_names()}")
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


def add_results(commands: Commands) -> None:
    """Add the command `results`."""
    sub = commands.add(
        "results",
        "write the page of results anew",
        "Write docs/RESULTS.md and README's tables from the scores kept in the weights and from docs/studies, for\n"
        "every data set. Nothing is measured anew; only the sheets of samples of --data are drawn.",
        "results --keep-sheets",
    )
    for add in (with_device, with_out):
        add(sub)


def add_explain(commands: Commands) -> None:
    """Add the command `explain`."""
    sub = commands.add(
        "explain",
        "draw the pictures of the page that explains the models",
        "Let the models that come along complete a few prompts and draw what happens on the way, into docs/models,\n"
        "for docs/MODELS.md, whose table is written anew. Pictures:\n"
        + "".join(f"  {n}\n" for n in explainer_figures.PICTURES),
        "explain --only order.png,drafts.png",
    )
    sub.add_argument("--only", type=several(str), metavar="A,B", help="only these pictures")
    for add in (with_device, with_out):
        add(sub)


def add_study(commands: Commands) -> None:
    """Add the command `study`."""
    sub = commands.add(
        "study",
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


def add_bench(commands: Commands) -> None:
    """Add the command `bench`."""
    sub = commands.add(
        "bench",
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
        help=f"each NAME, NAME:SAMPLER or NAME:SAMPLER:NUMBER, of: {model_names()}, or a file of weights for NAME "
        "(default: all with weights)",
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
    words = "measure, too, what the machine can do, and the time that each model's matrix products take alone"
    sub.add_argument("--limit", action="store_true", help=words)
    words = "what `bench --json` printed before, on this machine: fails if a model is slower now"
    sub.add_argument("--against", type=Path, metavar="FILE", help=words)
    words = ".json: with --lengths, where the record is kept, its plot as .svg beside it"
    sub.add_argument("--out", type=Path, metavar="FILE", help=words)
    for add in (with_mode, with_device):
        add(sub)


def add_train(commands: Commands) -> None:
    """Add the command `train`."""
    sub = commands.add(
        "train",
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


def add_train_classifier(commands: Commands) -> None:
    """Add the command `train-classifier`."""
    sub = commands.add(
        "train-classifier",
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
