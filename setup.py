"""Where the packages are; all else is in pyproject.toml."""

from setuptools import find_packages, setup

DATA = ("checkpoints", "assets")  # top-level folders, which an installation has inside vssm

setup(
    packages=[*find_packages(include=["app*", "vssm*"]), *(f"vssm.{folder}" for folder in DATA)],
    package_dir={f"vssm.{folder}": folder for folder in DATA},
    package_data={f"vssm.{folder}": ["**/*"] for folder in DATA},
)
