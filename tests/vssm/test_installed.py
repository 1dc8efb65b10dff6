"""The program as an installation has it: weights, examples and fonts inside the package, started from elsewhere."""

import json
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import setuptools

from vssm import checkpoint
from vssm.files import resources

ROOT = resources.PACKAGE.parent


@pytest.fixture
def packages(monkeypatch) -> dict:
    """What setup.py hands on."""
    given = {}
    monkeypatch.setattr(setuptools, "setup", lambda **words: given.update(words))
    monkeypatch.chdir(ROOT)
    runpy.run_path("setup.py")
    return given


def test_every_module_and_every_file_goes_along(packages):
    folders = {name: packages["package_dir"].get(name, name.replace(".", "/")) for name in packages["packages"]}
    parts = {path.parent for top in ("app", "vssm") for path in (ROOT / top).rglob("*.py")}
    assert parts == {ROOT / folder for name, folder in folders.items() if name not in packages["package_data"]}
    assert {folders[name] for name, globs in packages["package_data"].items() if globs == ["**/*"]} == {
        "checkpoints",
        "assets",
    }


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder as an installation makes it, with the weights of one model."""
    site = tmp_path_factory.mktemp("site")
    for top in ("app", "vssm"):
        shutil.copytree(ROOT / top, site / top, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "assets", site / "vssm" / "assets")
    (site / "vssm" / "checkpoints").mkdir()
    shutil.copy(checkpoint.shipped("vssm", "mnist"), site / "vssm" / "checkpoints")
    return site


def run(site: Path, words: list, where: Path) -> str:
    variables = os.environ | {"PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *map(str, words)]
    return subprocess.run(command, cwd=where, env=variables, capture_output=True, text=True, check=True).stdout


def test_an_example_is_completed_from_elsewhere(installed, tmp_path):
    example = installed / "vssm" / "assets" / "examples" / "mnist" / "01-seven-top.png"
    words = ["-m", "vssm", "complete", "--model", "vssm", "--prompt", example, "--out", "out.png", "--json"]
    assert json.loads(run(installed, words, tmp_path))["tokens"] == 392 and (tmp_path / "out.png").exists()


def test_everything_is_found_inside(installed, tmp_path):
    program = """
from app import application
from vssm import checkpoint, data
from vssm.files import examples
from vssm.reports import precomputed, results_page as report
print(len(examples.examples(data.MNIST)), precomputed.find(data.MNIST) is not None, checkpoint.SHIPPED, report.DOCS)
print((application.FONTS / "Inter-Regular.otf").exists())
"""
    count, precomputed, weights, docs, fonts = run(installed, ["-c", program], tmp_path).split()
    assert int(count) >= 6 and (precomputed, fonts) == ("True", "True")
    assert Path(weights) == installed / "vssm" / "checkpoints" and docs == "docs"
