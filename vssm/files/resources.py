"""Where the files lie that come with the program: weights, examples, fonts."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
CHECKOUT = not (PACKAGE / "checkpoints").is_dir()  # whether this is the repository, not an installation


def folder(name: str) -> Path:
    """A folder of such files: inside this package where it was installed, beside it in a checkout."""
    return (PACKAGE.parent if CHECKOUT else PACKAGE) / name
