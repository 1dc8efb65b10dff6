"""Does all that a GPU is needed for, one command after another, and keeps what they say: for a machine that is to be
had for minutes.

`python -m tools.gpu_check --out DIR` runs the tests marked `gpu`, completions, scores, speeds, lengths and short
trainings of all models. A command that fails or takes too long does not keep the others from running. DIR gets what
each command printed as NAME.txt and a summary.json with exit codes and seconds; the weights of the trainings stay in
DIR/train. Without a GPU, `--device cpu` tries the commands themselves.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from vssm import checkpoint
from vssm.evaluation import benchmark, scaling
from vssm.files import resources
from vssm.models import registry

EXAMPLES = resources.folder("assets") / "examples"


def commands(data: str, device: str, minutes: float, out: Path) -> dict[str, tuple[str, ...]]:
    """Every command by its name, the most telling ones first."""
    models = [name for name in registry.PRESETS if checkpoint.shipped(name, data).exists()]
    prompt = next(path for path in sorted((EXAMPLES / data).glob("*.png")) if ".known" not in path.name)
    vssm, where = ("vssm",), ("--device", device)
    found: dict[str, tuple[str, ...]] = {}
    found["tests"] = ("pytest", "-n", "0", "-q", "-m", "gpu", "tests/vssm/test_gpu.py")
    found["speeds"] = (*vssm, "bench", "--data", data, "--batch", "1,64,1024", "--limit", "--json", *where)
    for name in models:
        png = str(out / f"{name}.png")
        found[f"complete-{name}"] = (
            *(*vssm, "complete", "--data", data, "--model", name, "--prompt", str(prompt)),
            *("--samples", "16", "--out", png, "--json", *where),
        )
    for name in models:
        folder = str(out / "train" / name)
        found[f"train-{name}"] = (
            *(*vssm, "train", "--data", data, "--model", name, "--minutes", str(minutes), "--batch", "256"),
            *("--compile", "--out", folder, "--json", *where),
        )
    for name in models:
        found[f"scores-{name}"] = (
            *(*vssm, "evaluate", "--data", data, "--model", name, "--limit", "500", "--parts", "nats,label,fid"),
            *("--json", *where),
        )
    lengths = ",".join(map(str, (256, 1024, 4096, 16384, scaling.MOST)))
    found["lengths"] = (*vssm, "bench", "--data", data, "--lengths", lengths, "--json", *where)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="mnist", metavar="NAME")
    parser.add_argument("--device", default="cuda", metavar="NAME", help="cuda, or another to try the commands on")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where all goes that was found")
    parser.add_argument("--minutes", type=float, default=2.0, metavar="M", help="of each training (2)")
    parser.add_argument("--limit", type=float, default=150.0, metavar="S", help="seconds of any other command (150)")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="commands whose names begin so")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    done: dict[str, dict[str, object]] = {}
    for name, words in commands(args.data, args.device, args.minutes, args.out).items():
        if args.only and not name.startswith(tuple(args.only)):
            continue
        limit = 60 * args.minutes + args.limit if name.startswith("train") else args.limit
        begun = time.perf_counter()
        with (args.out / f"{name}.txt").open("w", encoding="utf-8") as printed:
            code: int | None
            try:
                command = [sys.executable, "-m", *words]
                code = subprocess.run(command, stdout=printed, stderr=subprocess.STDOUT, timeout=limit).returncode
            except subprocess.TimeoutExpired:
                code = None
        seconds = round(time.perf_counter() - begun, 1)
        done[name] = {"command": " ".join(words), "exit_code": code, "seconds": seconds}
        (args.out / "summary.json").write_text(
            json.dumps({"machine": benchmark.machine(), "commands": done}, indent=2), "utf-8"
        )
        print(f"{name:<24}{'took too long' if code is None else f'exit code {code}':<16}{seconds:8.1f} s", flush=True)


if __name__ == "__main__":
    main()
