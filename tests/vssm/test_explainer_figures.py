"""The page that explains the models: its pictures can be made, are there, and its numbers are the code's."""

import re
from pathlib import Path

import numpy as np
import pytest
from commands import small_weights, vssm_json
from PIL import Image

from vssm import checkpoint, data
from vssm.data import MNIST
from vssm.errors import UserError
from vssm.files.examples import examples
from vssm.models import registry
from vssm.reports import explainer_figures, results_page

PAGE = results_page.DOCS / "MODELS.md"
MOST = 100_000  # bytes of a picture


@pytest.fixture
def few(monkeypatch, tmp_path):
    """Untrained small networks in the place of the shipped ones."""
    folder = tmp_path / "weights"
    monkeypatch.setattr(checkpoint, "SHIPPED", folder)
    for name in ("vssm", "asarm", "vssm-paper"):
        scores = {"network_calls": 9, "images_per_second": 3.5}
        small_weights(name, MNIST, folder, scores)
    return tmp_path


def test_pictures_are_made_by_the_command(few, capsys):
    names = "completing-mnist.png", "levels-mnist.png", "chunks.png", "cost-mnist.svg"
    (few / "MODELS.md").write_text("Before\n" + "\n".join(explainer_figures.MARKS) + "\nafter", encoding="utf-8")
    record = vssm_json(capsys, "explain", "--out", few, "--only", ",".join(names))
    assert record["out"] == [str(few / "models" / name) for name in names]
    with Image.open(few / "models" / names[0]) as image:
        pixels = np.asarray(image.convert("RGB"))
    black = (pixels == 0).all(-1)  # known pixels and drawn ones
    assert black.mean() > 0.1 and (pixels == explainer_figures.EMPTY).all(-1).mean() > 0.1
    text = (few / "MODELS.md").read_text(encoding="utf-8")
    assert text.startswith("Before") and text.endswith("after")
    assert "| VSSM | 196 | a global code + 1 of 7×7 + 1 of 14×14 | 9 | a bound | any known pixels |" in text
    assert "| AS-ARM | 784 | – | 9 | exact | any known pixels |" in text


def test_a_record_holds_every_call(few):
    shop, prompt = explainer_figures.Workshop(), examples(MNIST)[0].prompt
    found = shop.record(MNIST, "asarm", prompt)
    calls = [frame.call for frame in found.frames]
    assert calls == list(range(len(calls))) and found.calls == calls[-1]
    assert found.at(0) is found.frames[0] and found.at(1) is found.frames[-1]
    assert (found.frames[0].filled == prompt.known).all() and found.frames[-1].filled.all()
    order = found.order()
    assert (np.isnan(order) == prompt.known).all() and np.nanmax(order) == found.calls
    standing = (np.diff([frame.filled.sum() for frame in found.frames]) > 0).sum()
    assert len(np.unique(order[~prompt.known])) == standing
    found = shop.record(MNIST, "vssm", prompt, posterior=True)
    assert [frame.call for frame in found.frames] == [0, 4] and len(found.latents) == len(found.posteriors) == 3


def test_a_verified_round_is_coloured_by_what_became_of_it(few):
    found = explainer_figures.Workshop().record(MNIST, "asarm", examples(MNIST)[0].prompt)
    before, after = next(
        (found.frames[i - 2], frame)
        for i, frame in enumerate(found.frames)
        if frame.drafts is not None
        and frame.drafts.passed.any()
        and not frame.drafts.passed[frame.drafts.proposed].all()
    )
    shown = explainer_figures.fate(before, after)
    count = {
        c: int((shown == c).all(-1).sum())
        for c in (explainer_figures.ACCEPTED, explainer_figures.REDRAWN, explainer_figures.DRAFTED)
    }
    assert count[explainer_figures.ACCEPTED] == after.drafts.passed.sum() and count[explainer_figures.REDRAWN] == 1
    assert sum(count.values()) == after.drafts.proposed.sum()


def test_what_cannot_be_drawn_is_said(few):
    with pytest.raises(UserError, match="no picture 'portrait'"):
        explainer_figures.write(few, names=["portrait"])
    with pytest.raises(UserError, match="marks"):
        explainer_figures.page("no marks", {})


def test_the_page_shows_what_is_there():
    text = PAGE.read_text(encoding="utf-8")
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    assert links and all((PAGE.parent / link).exists() for link in links)
    shown = {Path(link).name for link in links if link.startswith("models/")}
    assert shown == set(explainer_figures.PICTURES) == {path.name for path in (PAGE.parent / "models").iterdir()}
    assert all(path.stat().st_size <= MOST for path in (PAGE.parent / "models").iterdir())


def test_the_numbers_of_the_page_are_the_codes():
    text, weights = PAGE.read_text(encoding="utf-8"), results_page.all_shipped()
    assert text == explainer_figures.page(text, weights)  # the table
    before, _, rest = text.partition(explainer_figures.MARKS[0])
    prose = re.sub(r"\]\([^)]*\)", "]", before + rest.partition(explainer_figures.MARKS[1])[2])  # without addresses
    for title in (d.title for d in data.DATA_SETS.values()):
        prose = prose.replace(title, "")
    prose = re.sub(r"^\d+\. |seed 0|min\(1, |level = 1 |t−1", "", prose, flags=re.MULTILINE)
    known = {f"{n:,}" for d in data.DATA_SETS.values() for n in (d.height, d.width, d.pixels)}
    assert set(re.findall(r"\d[\d,.]*\d|\d", prose)) <= known
    assert len(registry.PRESETS) == 5  # "Five models"
