"""On a GPU, where there is one: `python -m pytest -n 0 -m gpu`."""

import gc

import pytest
import torch
from commands import DATA, SEVEN, vssm, vssm_json

from vssm import checkpoint, data
from vssm.data import CIFAR10, MNIST
from vssm.evaluation import evaluate
from vssm.models.registry import LatentNetwork
from vssm.prompt import Prompt
from vssm.sampling.events import GenerationRequest, Latents, Progress
from vssm.sampling.generator import Generator

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")]

SHIPPED = sorted(path for path in checkpoint.SHIPPED.glob(f"*{checkpoint.SUFFIX}") if "classifier" not in path.name)


@pytest.fixture(params=SHIPPED, ids=lambda path: path.stem)
def shipped(request) -> checkpoint.Checkpoint:
    return checkpoint.load(request.param)


def generators(path) -> tuple[Generator, Generator]:
    """One model on the CPU and on the GPU."""
    return tuple(Generator(checkpoint.load(path), torch.device(name)) for name in ("cpu", "cuda"))


@pytest.fixture
def pictures(shipped):
    images = data.load(shipped.data, "test", DATA)[0][:8]
    return data.binarise_fixed(images) if shipped.data.num_values == 2 else images


def test_likelihoods_are_those_of_the_cpu(shipped, pictures):
    """To a thousandth of a nat in float32. A bound depends on what is drawn, so of a model with latents the first
    level's distributions are compared, which depend on the picture alone."""
    on_cpu, on_gpu = generators(shipped.path)
    if isinstance(shipped.network, LatentNetwork):
        values = torch.from_numpy(data.to_values(pictures, shipped.data)).long()
        known = torch.zeros(values.shape[:3], dtype=torch.bool)
        with torch.inference_mode():
            (_, q, p), (_, gpu_q, gpu_p) = (
                generator.network.posterior(values.to(generator.where), known.to(generator.where))[0]
                for generator in (on_cpu, on_gpu)
            )
        for ours, theirs in ((q, gpu_q), (p, gpu_p)):
            assert torch.allclose(ours, theirs.cpu(), atol=1e-3, rtol=1e-4)
    else:
        ours, theirs = (evaluate.log_likelihoods(g, pictures, quiet=True) for g in (on_cpu, on_gpu))
        assert abs(ours - theirs).max() < 1e-3


def test_every_model_completes_with_the_same_events(shipped):
    """What is told does not depend on the device; what is drawn does, as its random numbers are others."""
    prompt = Prompt.empty(*shipped.data.shape).with_rows(shipped.data.height - 2)
    kinds = []
    for generator in generators(shipped.path):
        events = list(generator.generate(GenerationRequest(prompt, samples=2, every=0)))
        assert all(e.images.shape[1:] == shipped.data.shape for e in events if isinstance(e, Progress))
        kinds.append([type(event) for event in events if isinstance(event, (Latents, Progress))])
    assert kinds[0] == kinds[1]


def test_memory_is_given_back(shipped):
    gc.collect()
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated()
    generator = Generator(shipped, torch.device("cuda"))
    generator.warm_up()
    assert torch.cuda.memory_allocated() > before
    shipped.network.cpu()
    del generator
    gc.collect()
    assert torch.cuda.memory_allocated() - before < 2**20


def test_too_little_memory_is_a_sentence(capsys, tmp_path):
    total = torch.cuda.mem_get_info()[1]
    torch.cuda.set_per_process_memory_fraction(2**26 / total)
    try:
        words = ["complete", "--model", "vssm", "--prompt", SEVEN, "--samples", 64, "--device", "cuda"]
        hold = torch.empty(2**26 - 2**22, dtype=torch.uint8, device="cuda")
        assert vssm(*words, "--out", tmp_path / "out.png") == 2
        assert "not enough memory" in capsys.readouterr().err
        del hold
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()
    assert vssm(*words, "--out", tmp_path / "out.png") == 0


@pytest.mark.parametrize("dataset", [MNIST, CIFAR10], ids=lambda dataset: dataset.name)
def test_commands_take_it_by_themselves(dataset, capsys):
    record = vssm_json(capsys, "bench", "--data", dataset.name, "--models", "vssm", "--repeat", 1, "--allow-busy")
    assert record["device"] == torch.cuda.get_device_name()
