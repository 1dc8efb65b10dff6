"""The page of results is what the weights and the studies say, and its plots are drawn where the numbers are."""

import itertools
import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
import toy
from commands import DATA, pixels, small_weights, vssm, vssm_json

from vssm import checkpoint
from vssm.data import CIFAR10, MNIST
from vssm.errors import UserError
from vssm.evaluation import evaluate
from vssm.models import registry
from vssm.reports import results_page, svg_plot

ROOT = Path(__file__).resolve().parents[2]
QUICK = (
    *("--limit", 4, "--fid-samples", 20, "--prompts", 2, "--endings", 3, "--repeats", 1),
    *("--best-images", 2, "--best-endings", 3, "--data-dir", DATA),
)
README = f"# Words\n\n{results_page.MARKS[0]}\nold\n{results_page.MARKS[1]}\n\nMore words.\n"


@pytest.fixture
def two_toys(tmp_path, monkeypatch):
    """A program whose only models are two toys, untrained and unscored."""
    folder = tmp_path / "checkpoints"
    monkeypatch.setattr(registry, "PRESETS", {"toy": toy.PRESET, "other": toy.preset("other", "Other")})
    shutil.copytree(checkpoint.SHIPPED, folder, ignore=lambda _, names: {n for n in names if "classifier" not in n})
    monkeypatch.setattr(checkpoint, "SHIPPED", folder)
    monkeypatch.setattr(evaluate, "SPEED_BATCHES", (1, 2))
    for seed, name in enumerate(registry.PRESETS):
        torch.manual_seed(seed)
        training = {"minutes": 1.5, "images": 1234}
        made = checkpoint.Checkpoint(name, MNIST, registry.build(name, {"height": 28, "width": 28}), {}, training)
        made.save(checkpoint.shipped(name, "mnist"))
    return tmp_path / "docs"


def images_of(page: str) -> list[str]:
    return re.findall(r"!\[[^]]*\]\(([^)]+)\)", page)


def test_one_command_scores_all_and_writes_the_page(two_toys, capsys):
    records = vssm_json(capsys, "evaluate", "--all", "--out", two_toys, *QUICK)
    assert [r["model"] for r in records] == ["toy", "other"]
    assert all(set(evaluate.PARTS) - set(r["measured"]) == {"iw", "pen"} for r in records)  # exact: no bound to tighten
    for record in records:
        assert checkpoint.load(checkpoint.shipped(record["model"], "mnist")).scores["nats"] == record["nats"]
    page = (two_toys / "RESULTS.md").read_text(encoding="utf-8")
    for record in records:
        assert f"{record['nats']:.2f} ± {record['nats_error']:.2f} (exact)" in page
        assert f"**{record['nats']:.2f}**" in page and f"{record['label_kept']:.1%}" in page
        assert f"| {record['fid']:.1f} |" in page and "Fréchet distance of 20 samples" in page
        assert f"{record['kid']:.2f} ± {record['kid_error']:.2f} |" in page
        assert f"{record['best_mse']:.4f} ± {record['best_mse_error']:.4f} |" in page
        assert f"| {record['mean_mse']:.4f} |" in page
    assert "squared error of the best of 3 endings, 2 digits" in page
    assert f"20 training digits score {records[0]['fid_real']:.1f}." in page
    assert "`--parts best --limit 4 --best-images 2 --best-endings 3`" in page and "`--parts nats --limit 4`" in page
    assert "## MNIST" in page and "CIFAR" not in page  # there are no weights for colour
    for word in ("| Toy | Other |", "PixelCNN | 81.30", "NVAE", "Linear Transformer", "**Other**", "1,234 images"):
        assert word in page
    assert evaluate.datetime.date.today().isoformat() in page and "1 thread" in page
    pictures = images_of(page)
    assert len(pictures) == 5
    for name in pictures:
        assert 0 < (two_toys / name).stat().st_size < 300_000
    assert pixels(two_toys / "samples" / "toy-mnist.png").shape == (5 * 58 - 2, 12 * 58 - 2)

    before = {p: p.stat().st_mtime_ns for p in (two_toys / "samples").iterdir()}
    assert vssm("results", "--out", two_toys, "--keep-sheets") == 0  # nothing is measured anew
    assert (two_toys / "RESULTS.md").read_text(encoding="utf-8") == page
    assert {p: p.stat().st_mtime_ns for p in (two_toys / "samples").iterdir()} == before
    capsys.readouterr()

    vssm_json(capsys, "evaluate", "--all", "--parts", "label", "--out", two_toys, "--keep-sheets", *QUICK, "--limit", 3)
    page = (two_toys / "RESULTS.md").read_text(encoding="utf-8")
    assert "label kept, 3 digits" in page and f"{records[0]['nats']:.2f} ± " in page


def test_what_was_measured_on_other_pictures_is_not_set_beside_the_rest(two_toys, tmp_path):
    """One number of pictures for all models of a row, what real ones score included; every share with its error."""
    shares = {"label_images": 100, "label_kept": 0.8, "pen_images": 400, "pen_kept": 0.5, "pen_kept_top": 0.4}
    made = results_page.shipped(MNIST) + results_page.shipped(MNIST)[:1]
    for one, fid, samples in zip(made, (5.0, 6.0, 7.0), (1000, 1000, 300), strict=True):
        one.scores = shares | {"fid": fid, "fid_samples": samples, "fid_real": 1000 / samples}
        one.scores["measured"] = measured("sampled")
    made[0].scores |= {
        "label_images": 64,
        "kid": 12.3,
        "kid_error": 0.45,
        "kid_real": 0.1,
        "kid_real_error": 0.2,
    }
    rows = {row[0]: row[1:] for row in results_page.summary(made)[1]}
    assert rows["Fréchet distance of 1,000 samples"] == ["5.0", "6.0", "–"]
    assert rows["kernel distance of the same"] == ["12.30 ± 0.45", "–", "–"]
    assert rows["lower half completed, label kept, 100 digits"] == ["–", "80.0% ± 4.0%", "80.0% ± 4.0%"]
    assert rows["pen digits' lower half completed, label kept, 400 digits"] == ["50.0% ± 2.5%"] * 3
    text = results_page._reading(made)
    assert "1,000 training digits score 1.0." in text and "The same training digits score 0.10 ± 0.20." in text
    made[2].scores["fid_samples"] = 1000
    made[0].scores["fid_samples"] = 2000  # the only one of its kind
    assert {row[0]: row[1:] for row in results_page.summary(made)[1]}["Fréchet distance of 1,000 samples"] == [
        "–",
        "6.0",
        "7.0",
    ]


def test_what_was_not_measured_is_a_dash(two_toys, capsys):
    path = checkpoint.shipped("other", "mnist")
    words = ["evaluate", "--model", "other", "--checkpoint", path, "--parts", "nats", "--write", *QUICK]
    vssm_json(capsys, *words)
    header, rows = results_page.summary(results_page.shipped(MNIST))
    cells = {row[0]: row[1:] for row in rows}
    assert (
        header == ["", "Toy", "Other"]
        and cells["−log p(x), nats, 4 digits"][0] == "–" != cells["−log p(x), nats, 4 digits"][1]
    )
    assert "label kept" not in " ".join(cells)  # measured for none
    page = results_page.page(results_page.all_shipped(), two_toys)
    assert "## Speed" in page and "**Toy**" in page


def test_a_person_s_notes_are_kept(two_toys):
    two_toys.mkdir()
    (two_toys / "notes-mnist.md").write_text("## Why\n\nWhat limited it.\n")
    (two_toys / "notes-cifar10.md").write_text("Of another set.\n")
    assert "\n\n### Why\n\nWhat limited it.\n\n### The models" in results_page.page(
        results_page.all_shipped(), two_toys
    )


def test_the_readme_s_table(two_toys):
    text = results_page.readme(README, results_page.all_shipped())
    assert text.startswith("# Words\n") and text.endswith("\n\nMore words.\n") and "old" not in text
    assert "| parameters | 0.08 M | 0.08 M |" in text and results_page.readme(text, results_page.all_shipped()) == text
    with pytest.raises(UserError, match="marks"):
        results_page.readme("# Words", results_page.all_shipped())


SCORES = {
    "images": 10_000,
    "nats": 8000.0,
    "nats_error": 20.0,
    "bits_per_dim": 3.757,
    "bits_per_dim_error": 0.0094,
    "bound": "elbo",
    "order": None,
    "iw_nats": 7900.0,
    "iw_nats_error": 40.0,
    "iw_elbo": 8050.0,
    "iw_bits_per_dim": 3.71,
    "iw_bits_per_dim_error": 0.0188,
    "iw_elbo_bits_per_dim": 3.78,
    "iw_images": 500,
    "iw_samples": 64,
    "fid": 123.45,
    "fid_real": 6.5,
    "fid_samples": 1000,
    "best_mse": 0.02,
    "best_mse_error": 0.001,
    "mean_mse": 0.05,
    "best_images": 200,
    "best_endings": 16,
    "images_per_second": 40.0,
    "images_per_second_best": 400.0,
    "best_batch": 16,
    "network_calls": 9,
    "tokens_per_call": 1024 / 9,
}
EXACT = SCORES | {
    "bound": "exact",
    "order": "raster",
    "bits_per_dim": 3.4,
    "images_per_second": 0.5,
    "network_calls": 1024,
}


def measured(pixels: str) -> dict:
    common: dict[str, object] = {
        "date": "2026-11-22",
        "cpu": "A fine CPU",
        "gpu": None,
        "torch": "2.13.0",
        "threads": 2,
        "seed": 0,
    }
    common |= {"mode": "parallel", "size": None, "seconds": 30.0, "options": {}}
    parts = {part: common | {"pixels": pixels} for part in evaluate.PARTS}
    return parts | {"fid": parts["fid"] | {"options": {"fid-samples": 500}}}


def test_no_ratio_of_times_from_a_machine_that_was_too_busy(monkeypatch, tmp_path):
    monkeypatch.setattr(checkpoint, "SHIPPED", tmp_path)
    for busy in (False, True):
        small_weights("vssm", CIFAR10, tmp_path, SCORES | {"measured": measured("mean"), "too_busy": busy})
        small_weights("transformer", CIFAR10, tmp_path, EXACT | {"measured": measured("sampled")})
        page = results_page.page(results_page.all_shipped(), tmp_path)
        ratio = "– | 1 ×" if busy else "80 × | 1 ×"
        assert f"| speed ratio to the Transformer | {ratio} |" in page


def test_a_section_for_every_data_set_with_weights(monkeypatch, tmp_path):
    monkeypatch.setattr(checkpoint, "SHIPPED", tmp_path)
    assert results_page.page(results_page.all_shipped(), tmp_path).count("\n#") == 0
    small_weights("vssm", CIFAR10, tmp_path, SCORES | {"measured": measured("mean")})
    page = results_page.page(results_page.all_shipped(), tmp_path)
    assert "## CIFAR-10" in page and "MNIST" not in page and "digit" not in page and "speed ratio" not in page
    exact = {k: v for k, v in EXACT.items() if not k.startswith("iw")}
    small_weights("transformer", CIFAR10, tmp_path, exact | {"measured": measured("sampled")})
    small_weights("vssm", MNIST, tmp_path)
    page = results_page.page(results_page.all_shipped(), tmp_path)
    mnist, colour = page.split("## CIFAR-10")
    assert "## MNIST" in mnist and "PixelCNN | 81.30" in mnist and "VDVAE" not in mnist
    for words in (
        "| −log p(x), bits a dimension, 10,000 pictures | ≤ 3.7570 ± 0.0094 (ELBO) | 3.4000 ± 0.0094 (exact) |",
        "| ≤ 3.7100 ± 0.0188 (64 draws, 500 images, by one draw 3.7800) | – |",
        "| nats | 8000.00 | 8000.00 |",
        "| Fréchet distance of 1,000 samples | 123.5, mean pixels | 123.5, sampled pixels |",
        "| squared error of the best of 16 endings, 200 pictures | 0.0200 ± 0.0010, mean pixels | 0.0200 ± 0.0010, sa",
        "| the same, of all | 0.0500 | 0.0500 |",
        "| speed ratio to the Transformer | 80 × | 1 × |",
        "| network calls a picture | 9 | 1,024 |",
        "`--parts fid --fid-samples 500` | 2026-11-22 | A fine CPU, 2 threads, torch 2.13.0 | 0 | VSSM 30 s",
        "--data cifar10 --model NAME --write",
        "| **VSSM** | **≤ 3.76** |",
        "ELBO; IW-64 ≤ 3.71 on 500 images",
        "| Linear Transformer | 3.40 | as quoted in later papers |",
        "| VDVAE | ≤ 2.86 | 39 M parameters |",
        "| S4 | 20.84 | A100, largest batch |",
        "| **VSSM** | **400** | 2 CPU threads, batch 16 |",
        "Of VSSM the mean of each pixel is shown",
        "1,000 training pictures score 6.5.",
    ):
        assert words in colour, words
    assert colour.index("Softmax Transformer | 3.47") < colour.index("**3.40**") < colour.index("PixelCNN | 3.14")
    text = results_page.readme(README, results_page.all_shipped())
    assert "### MNIST" in text and "CIFAR-10" not in text and text.endswith("\n\nMore words.\n") and "old" not in text
    assert "| squared error of the best of 16 endings, 200 pictures | 0.0200" in colour


def test_no_weights_no_page(two_toys, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(checkpoint, "SHIPPED", tmp_path / "none")
    assert vssm("results", "--out", two_toys) == 2
    assert "No weights" in capsys.readouterr().err and not two_toys.exists()


# --- the repository's own pages -------------------------------------------------------------------------------------


def test_the_shipped_page_says_what_the_shipped_weights_say():
    """After new scores or studies: `python -m vssm results`."""
    page = (results_page.DOCS / "RESULTS.md").read_text(encoding="utf-8")
    assert page == results_page.page(results_page.all_shipped(), results_page.DOCS)
    for name in images_of(page):
        assert (results_page.DOCS / name).stat().st_size < 300_000
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme == results_page.readme(readme, results_page.all_shipped())


def test_the_readme_names_every_model_and_mode():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    for name, preset in registry.PRESETS.items():
        (row,) = (line for line in lines if line.startswith(f"| `{name}` |"))
        for mode in preset.samplers(MNIST):
            assert f"`{mode.name}`" in row and (mode.parameter is None or f"`--{mode.parameter} " in row), (
                name,
                mode.name,
            )


def test_every_part_of_every_shipped_model_is_measured():
    """After new weights: `python -m vssm evaluate --model NAME --write`."""
    for made in itertools.chain.from_iterable(results_page.all_shipped().values()):
        parts = set(evaluate.PARTS) - ({"iw"} if made.network.exact else set()) - {"pen"}  # that needs a file more
        assert set(made.scores.get("measured", {})) - {"pen"} == parts, (made.model, made.data.name)


# --- plots ----------------------------------------------------------------------------------------------------------


def circles(svg: str) -> list[tuple[float, float]]:
    root = ElementTree.fromstring(svg)
    return [(float(c.attrib["cx"]), float(c.attrib["cy"])) for c in root.iter("{http://www.w3.org/2000/svg}circle")]


def test_points_lie_where_their_values_are():
    x, y = svg_plot.Axis("seconds", log=True), svg_plot.Axis("kept", percent=True)
    svg = svg_plot.scatter([(0.01, 0.5, "a < b"), (0.1, 0.7, "c"), (1, 0.6, "d")], x, y, joined=True)
    (x1, y1), (x2, y2), (x3, y3) = circles(svg)
    assert x2 - x1 == pytest.approx(x3 - x2, abs=0.2) and x1 < x2  # equal factors, equal steps
    assert y1 > y3 > y2 and (y1 - y3) == pytest.approx(y3 - y2, abs=0.2)
    assert "a &lt; b" in svg and "60 %" in svg and ">0.1<" in svg and "seconds" in svg
    assert len(circles(svg_plot.scatter([(1, 1, "alone")], svg_plot.Axis("x"), svg_plot.Axis("y")))) == 1


@pytest.mark.parametrize("points", [[], [(float("nan"), 1, "a")], [(1, 0, "zero on a log axis")]])
def test_what_cannot_be_plotted(points):
    with pytest.raises(ValueError):
        svg_plot.scatter(points, svg_plot.Axis("x"), svg_plot.Axis("y", log=True))


def test_ticks_are_round_and_few():
    assert svg_plot.ticks(0.9, 5.2) == [1, 2, 3, 4, 5]
    assert svg_plot.ticks(0.42, 0.68) == [0.45, 0.5, 0.55, 0.6, 0.65]
    assert svg_plot.ticks(97, 123) == [100, 105, 110, 115, 120]
    assert svg_plot.ticks(-1.1, 0.1, log=True) == pytest.approx([0.1, 0.2, 0.5, 1])
