"""Checkpoints that are missing, broken or foreign: one sentence that says what to do, and exit code 2."""

import pytest
import torch
from commands import DATA, SEVEN, complete_with
from safetensors.torch import save_file

from vssm import checkpoint
from vssm.data import CIFAR10, MNIST
from vssm.errors import UserError
from vssm.evaluation import classifier


def shipped() -> bytes:
    return checkpoint.shipped("vssm", "mnist").read_bytes()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (lambda: None, "There is no checkpoint"),
        (lambda: b"", "not a safetensors file"),
        (lambda: b"this is a text, and not a short one", "not a safetensors file"),
        (lambda: shipped()[:4], "not a safetensors file"),
        (lambda: shipped()[:100_000], "not a safetensors file"),
        (lambda: shipped()[:-1], "not a safetensors file"),
    ],
    ids=["missing", "empty", "text", "header cut", "truncated", "one byte short"],
)
def test_broken_checkpoints(refuse, tmp_path, out, content, says):
    path = tmp_path / "weights.safetensors"
    if (raw := content()) is not None:
        path.write_bytes(raw)
    for command in (["complete", "--prompt", SEVEN, "--out", out], ["evaluate", "--data-dir", DATA]):
        refuse(*command, "--model", "vssm", "--checkpoint", path, says=says)


def altered(**changes):
    """Metadata with some settings of the config changed; None removes one."""

    def change(meta: dict) -> dict:
        config = {k: v for k, v in (meta["config"] | changes).items() if v is not None}
        return meta | {"config": config}

    return change


def nested(levels: int) -> dict:
    return {"deeper": nested(levels - 1)} if levels else {}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (altered(wings=2), "no setting 'wings'"),
        (altered(height=None), "needs the setting 'height'"),
        (altered(d_model=96), "and its network needs F32 ["),
        (altered(d_model="wide"), "setting d_model must be a whole number from 2"),
        (altered(fine_levels=9), "it has no tensor 'fine.2."),
        (altered(latent="square"), "setting latent must be one of 'gaussian', 'categorical'"),
        (altered(d_model=1), "setting d_model must be a whole number from 2"),
        (altered(heads=0), "setting heads must be a whole number from 1 to 64"),
        (altered(heads=3), "setting heads must be a divisor of inner"),
        (altered(fine_levels=10**9), "setting fine_levels must be"),
        (altered(fine_levels=64, d_model=2048, inner=4096), "larger network than its"),
        (altered(height=32), "pictures have height 28, and its config says 32"),
        (altered(num_values=256, likelihood="logistic-mixture"), "pictures have num_values 2"),
        (lambda meta: {k: v for k, v in meta.items() if k != "config"}, "its config is missing"),
        (lambda meta: meta | {"config": [1, 2]}, "its config is missing or no record"),
        (lambda meta: meta | {"scores": {"nats": float("nan")}}, "its scores holds what is neither"),
        (lambda meta: meta | {"scores": {"nats": 10**400}}, "its scores holds what is neither"),
        (lambda meta: meta | {"scores": [1]}, "its scores is missing or no record"),
        (lambda meta: meta | {"scores": {"measured": 3}}, "'measured' is no record"),
        (lambda meta: meta | {"training": nested(100)}, "its training holds what is neither"),
        (lambda meta: meta | {"model": {"vssm": 1}}, "its model is missing or no text"),
        (lambda meta: meta | {"model": "transformer"}, "holds the model 'transformer'"),
        (lambda meta: meta | {"model": "oracle"}, "holds the model 'oracle'"),
        (lambda meta: meta | {"data": "cifar10"}, "trained on 'cifar10'"),
    ],
)
def test_checkpoints_of_another_make(refuse, tmp_path, out, change, says):
    tensors, meta = checkpoint.read(checkpoint.shipped("vssm", "mnist"))
    checkpoint.write(tmp_path / "weights.safetensors", tensors, change(meta))
    refuse(*complete_with(tmp_path / "weights.safetensors", out), says=says)


def put(value: float):
    """One of the weights changed."""

    def change(tensors: dict) -> dict:
        changed = tensors["fine.1.block.into.weight"].clone()
        changed[3, 5] = value
        return tensors | {"fine.1.block.into.weight": changed}

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (put(float("nan")), "weights 'fine.1.block.into.weight' are not finite"),
        (put(float("inf")), "weights 'fine.1.block.into.weight' are not finite"),
        (put(-1e30), "weights 'fine.1.block.into.weight' are not finite, or too large"),
        (lambda t: t | {"fine_position": t["fine_position"].bfloat16()}, "'fine_position' is BF16 [14, 14, 128]"),
        (lambda t: t | {"fine_position": t["fine_position"].double()}, "its network needs F32 [14, 14, 128]"),
        (lambda t: t | {"fine_position": t["fine_position"][:13].clone()}, "'fine_position' is F32 [13, 14, 128]"),
        (lambda t: t | {"wings": torch.zeros(2)}, "a tensor 'wings' that its network does not know"),
        (lambda t: {k: v for k, v in t.items() if k != "fine_position"}, "it has no tensor 'fine_position'"),
        (lambda t: {}, "larger network than its 0 numbers are"),
    ],
)
def test_weights_that_are_none(refuse, tmp_path, out, change, says):
    tensors, meta = checkpoint.read(checkpoint.shipped("vssm", "mnist"))
    path = tmp_path / "weights.safetensors"
    checkpoint.write(path, change(tensors), meta)
    refuse(*complete_with(path, out), says=says)


def test_a_classifier_with_a_broken_weight(tmp_path):
    tensors, meta = checkpoint.read(classifier.path(MNIST))
    path = tmp_path / "weights.safetensors"
    checkpoint.write(path, tensors | {"head.bias": torch.full((10,), float("nan"))}, meta)
    with pytest.raises(UserError, match=r"head\.bias' are not finite"):
        classifier.load(MNIST, path)
    checkpoint.write(path, tensors, meta | {"config": meta["config"] | {"features": 10**9}})
    with pytest.raises(UserError, match="setting features must be a whole number from 1 to 4,096"):
        classifier.load(MNIST, path)
    with pytest.raises(UserError, match="no classifier of CIFAR-10's pictures"):
        classifier.load(CIFAR10, classifier.path(MNIST))


def test_metadata_that_are_nested_too_deep(refuse, tmp_path, out):
    path = tmp_path / "weights.safetensors"
    save_file({"w": torch.zeros(1)}, path, {"format": checkpoint.FORMAT, "meta": '{"a":' * 5000 + "1" + "}" * 5000})
    words = complete_with(path, out)
    refuse(*words, says="is broken or not a safetensors file")
    path.write_bytes((2**40).to_bytes(8, "little") + bytes(1000))
    refuse(*words, says="its header is too large")


def test_safetensors_of_another_program(refuse, tmp_path, out):
    save_file({"weight": torch.zeros(3)}, tmp_path / "weights.safetensors")
    refuse(*complete_with(tmp_path / "weights.safetensors", out), says="not made by this program")


def test_weights_of_another_model(refuse, out):
    refuse(*complete_with(checkpoint.shipped("transformer", "mnist"), out), says="not 'vssm'")
