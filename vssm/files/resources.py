"""The folders of files that come with the program: weights, examples, fonts."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
CHECKOUT = not (PACKAGE / "checkpoints").is_dir()  # whether this is the repository, not an installation


def folder(name: str) -> Path:
    """Return a folder of such files: inside the installed package, or beside it in a checkout."""
    return (PACKAGE.parent if CHECKOUT else PACKAGE) / name
