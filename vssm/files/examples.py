"""The example prompts that come with the program: assets/examples/DATA/NAME.png with NAME.known.png beside it."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

from vssm.data import DataSet
from vssm.files import resources
from vssm.prompt import Prompt, read_image

FOLDER = resources.folder("assets") / "examples"


@dataclass(frozen=True)
class Example:
    """An example prompt; its name is that of the file ("seven-top"), its title is for people ("Seven top")."""

    name: str
    title: str
    prompt: Prompt
    path: Path


@functools.cache
def examples(data: DataSet) -> tuple[Example, ...]:
    """Read all example prompts of a data set, in the order of their names; once, so their arrays are read-only."""
    found = []
    for path in sorted((FOLDER / data.name).glob("*.png")):
        if path.name.endswith(".known.png"):
            continue
        pixels = read_image(path, *data.shape)
        known = read_image(path.with_suffix(".known.png"), data.height, data.width, 1)[..., 0] >= 128
        for array in (pixels, known):
            array.setflags(write=False)
        name = path.stem.split("-", 1)[1]  # "01-seven-top" sorts by its number
        found.append(Example(name, name.replace("-", " ").capitalize(), Prompt(pixels, known), path))
    return tuple(found)
