"""What `python main.py` does without a display: every shipped model completes the first example prompt.

Prints a timing table, draws the completions as text where standard output is a terminal, and writes a picture.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

from vssm import checkpoint, data
from vssm.cli.commands import guarded
from vssm.cli.tables import table
from vssm.errors import UserError
from vssm.files.examples import examples
from vssm.files.picture import write_png
from vssm.models import registry
from vssm.prompt import Prompt
from vssm.sampling.events import Finished, GenerationRequest
from vssm.sampling.generator import Generator, run

PICTURE = "vssm-demo.png"
SAMPLES = 4
ENLARGED = 4  # screen pixels a pixel in the picture
UNKNOWN = 96  # the grey of unknown pixels there


def main() -> int:
    """Run the demonstration; returns the exit code."""
    return guarded(demonstrate)


def demonstrate(dataset: data.DataSet = data.MNIST) -> None:
    """Complete a prompt by all models, compare them, and draw the results.

    A model that cannot be loaded is left out, with a line on standard error.

    Raises:
        UserError: No model can be loaded.
    """
    example = examples(dataset)[0]
    finished: dict[str, Finished] = {}
    for preset in registry.PRESETS.values():
        try:
            weights = checkpoint.load(checkpoint.shipped(preset.name, dataset.name), preset.name, dataset.name)
        except UserError as error:
            print(error, file=sys.stderr)
            continue
        generator = Generator(weights)
        generator.warm_up()
        finished[preset.title] = run(generator, GenerationRequest(example.prompt, SAMPLES))
    if not finished:
        raise UserError(f"No model could be loaded from {checkpoint.SHIPPED}; restore its files.")
    known = f"{int(example.prompt.known.sum())} of {dataset.pixels} pixels known"
    print(f"{dataset.title}, “{example.title}”: {known}, completed {SAMPLES} times by each model.\n")
    print(comparison(finished))
    if sys.stdout.isatty():
        print("\n" + text_art(example.prompt, {title: f.images[0] for title, f in finished.items()}))
    path = write_picture(example.prompt, finished)
    print(f"\nThe prompt and the completions, a row for each model ({', '.join(finished)}), are in {path}.")


def comparison(finished: dict[str, Finished]) -> str:
    """A table of what each model took, and how many times faster than the Transformer it was."""
    seconds = {title: f.seconds + f.prompt_seconds for title, f in finished.items()}
    rival = seconds.get(registry.get("transformer").title)
    rows = [
        (
            title,
            f"{seconds[title]:.4f} s",
            str(f.network_calls),
            f"{f.tokens_per_second:,.0f}",
            f"{rival / seconds[title]:.1f} ×" if rival else "",
        )
        for title, f in finished.items()
    ]
    return table(("model", "time", "network calls", "tokens/s", "faster than the Transformer"), rows)


def write_picture(prompt: Prompt, finished: dict[str, Finished]) -> Path:
    """Write a row for each model, the prompt and its samples; returns where: this folder, or else the one for
    temporary files. Raises UserError where neither can be written."""
    shown = np.where(prompt.known[..., None], prompt.pixels, np.uint8(UNKNOWN))
    images = np.concatenate([[shown, *f.images] for f in finished.values()])
    images = images.repeat(ENLARGED, 1).repeat(ENLARGED, 2)
    path = Path(PICTURE)
    try:
        write_png(path, images, 1 + SAMPLES, ENLARGED)
    except UserError:
        path = Path(tempfile.gettempdir()) / PICTURE
        write_png(path, images, 1 + SAMPLES, ENLARGED)
        print("This folder cannot be written, so the picture goes to the one for temporary files.", file=sys.stderr)
    return path.resolve()


def text_art(prompt: Prompt, images: dict[str, np.ndarray]) -> str:
    """The prompt and one picture [H, W, C] a model in half blocks, two rows of pixels a line, as many side by side as
    the terminal is wide."""
    blocks_of = colour_blocks if prompt.pixels.shape[-1] == 3 else half_blocks
    drawn = {"Prompt": blocks_of(prompt.pixels, prompt.known)}
    drawn |= {title: blocks_of(image, prompt.known | True) for title, image in images.items()}
    width = prompt.known.shape[1]
    abreast = max(1, (shutil.get_terminal_size().columns + 2) // (width + 2))
    titles = list(drawn)
    blocks = []
    for group in (titles[i : i + abreast] for i in range(0, len(titles), abreast)):
        lines = zip(*(drawn[title] for title in group), strict=True)
        blocks.append("\n".join(["  ".join(f"{title:<{width}}" for title in group).rstrip(), *map("  ".join, lines)]))
    return "\n\n".join(blocks)


def colour_blocks(image: np.ndarray, known: np.ndarray) -> list[str]:
    """Colours [H, W, 3] as lines of text, one character of two colours for two pixels, in the codes of terminals;
    unknown pixels in the terminal's own colour."""
    lines = []
    for y in range(0, len(image), 2):
        line = ""
        for x in range(image.shape[1]):
            upper, lower = ((j, x) if j < len(image) and known[j, x] else None for j in (y, y + 1))
            ink, paper = (upper, lower) if upper else (lower, None)
            codes = [f"{kind};2;{';'.join(map(str, image[at]))}" for kind, at in ((38, ink), (48, paper)) if at]
            line += f"\x1b[{';'.join(codes)}m{'▀' if upper else '▄'}\x1b[0m" if codes else "░"
        lines.append(line)
    return lines


def half_blocks(image: np.ndarray, known: np.ndarray) -> list[str]:
    """Grey levels [H, W, 1] as lines of text, one character for two pixels, ░ where both are unknown."""
    lit = (image[..., 0] >= 128) & known
    if len(lit) % 2:
        lit, known = (np.concatenate([a, np.zeros_like(a[:1])]) for a in (lit, known))
    pairs = lit[::2].astype(int) * 2 + lit[1::2]
    nothing = ~known[::2] & ~known[1::2]
    characters = np.where(nothing, "░", np.array(list(" ▄▀█"))[pairs])
    return ["".join(line) for line in characters]


if __name__ == "__main__":
    sys.exit(main())
