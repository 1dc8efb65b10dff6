"""The global code: its posterior is the nearest centroid, its prior a distribution that adds up, its draws exact."""

import copy
import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import complete, pictures, small

from vssm import checkpoint, data
from vssm.checkpoint import Checkpoint
from vssm.errors import UserError
from vssm.models import registry
from vssm.models.global_code import Quantiser, k_means, nearest
from vssm.models.vssm import VSSM, VSSMConfig
from vssm.prompt import Prompt
from vssm.sampling.events import GenerationRequest, Latents, Posterior
from vssm.sampling.generator import Generator
from vssm.sampling.step import FixedLatentTensors, FixedLevel, SamplingParams
from vssm.training.trainer import Trainer, TrainingConfig

CODES, CLASSES = 2, 3
CONFIG = VSSMConfig(
    8, 8, d_model=16, inner=16, state=8, heads=2, coarse_levels=1, fine_levels=1, latent_size=2, head_channels=4,
    codes=CODES, code_classes=CLASSES, code_blocks=1, code_hidden=8, code_features=4,
)  # fmt: skip


@pytest.fixture(scope="module")
def network() -> VSSM:
    """Untrained, but for centroids; its prior is made far from uniform."""
    torch.manual_seed(2)
    network = VSSM(CONFIG).eval().requires_grad_(False)
    network.code.quantiser.fit(torch.randint(0, 2, (200, 8, 8, 1)))
    for head, features in zip(network.code.prior.heads, network.code.prior.features, strict=True):
        head.weight.normal_()
        features.out.weight.normal_()
    return network


def prompts(network: VSSM, count: int = 1, seed: int = 0) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    values = torch.randint(0, 2, (count, 8, 8, 1), generator=rng)
    return network.prompt(values, torch.rand(count, 8, 8, generator=rng) < 0.5)


def enumerated(network: VSSM, prompt: torch.Tensor) -> dict[tuple[int, ...], float]:
    """The probability of every code given one prompt, by the prior's own logits."""
    code, found = network.code, {}
    read = code.prior.read_prompt(prompt)
    for codes in itertools.product(range(CLASSES), repeat=CODES):
        plans = code.quantiser.partial_plans(torch.tensor([codes]))
        classes = code.classes()
        logits = [code.prior.logits(read, plans[:, m], m, classes[m])[0] for m in range(CODES)]
        found[codes] = math.exp(sum(x.log_softmax(-1)[k] for x, k in zip(logits, codes, strict=True)))
    return found


@given(seed=st.integers(0, 10**6), pool=st.sampled_from([2, 4]), channels=st.sampled_from([1, 3]))
@settings(max_examples=20)
def test_each_code_is_the_nearest_centroid_to_what_is_left(seed, pool, channels):
    rng = torch.Generator().manual_seed(seed)
    quantiser = Quantiser(8, 8, channels, 256, pool, codes=3, classes=4)
    values = torch.randint(0, 256, (30, 8, 8, channels), generator=rng)
    quantiser.fit(values, rounds=3)
    codes, rest = quantiser.codes(values), quantiser.reduce(values)
    assert rest.abs().max() <= 1 and codes.shape == (30, 3)
    for m, centroids in enumerate(quantiser.centroids):
        distances = torch.cdist(rest, centroids)
        assert torch.allclose(distances.gather(1, codes[:, m : m + 1])[:, 0], distances.min(1).values, atol=1e-3)
        rest = rest - centroids[codes[:, m]]
    plans = quantiser.partial_plans(codes)
    assert not plans[:, 0].any()
    assert torch.allclose(plans[:, -1] + rest, quantiser.reduce(values), atol=1e-5)


def test_more_codes_say_more_of_the_picture():
    values = torch.from_numpy(data.binarise_fixed(blobs(400)))[..., None].long()
    quantiser = Quantiser(8, 8, 1, 2, 2, codes=3, classes=8)
    quantiser.fit(values)
    plans, small = quantiser.partial_plans(quantiser.codes(values)), quantiser.reduce(values)
    left = (small.unsqueeze(1) - plans).square().mean((0, 2))
    assert (left.diff() < 0).all() and left[-1] < 0.5 * small.var(0).mean()


def blobs(count: int):
    """Grey pictures [count, 8, 8] uint8 of one bright square each."""
    places = torch.randint(0, 5, (count, 2), generator=torch.Generator().manual_seed(3))
    pictures = torch.zeros(count, 8, 8)
    for picture, (y, x) in zip(pictures, places.tolist(), strict=True):
        picture[y : y + 4, x : x + 4] = 255
    return pictures.byte().numpy()


def test_k_means_leaves_no_class_without_members():
    torch.manual_seed(0)
    x = torch.cat([torch.zeros(500, 2), torch.randn(500, 2) + 5])
    centroids = k_means(x, 8, 20)
    assert len(nearest(x, centroids).unique()) >= 7  # all points at zero may share theirs with one more


def test_the_prior_adds_up_to_one(network):
    assert sum(enumerated(network, prompts(network)).values()) == pytest.approx(1, abs=1e-5)


def test_what_classes_are_compared_by_is_computed_beforehand(network):
    """For generation; and a class's features are added to its centroid, which the logits of old files are made of."""
    folded, prompt = copy.deepcopy(network.code), prompts(network, 3)
    folded.fold()
    drawn = [code.draw(prompt, 3, lambda number, logits: logits.argmax(-1)) for code in (network.code, folded)]
    assert all(torch.equal(a, b) for a, b in zip(*drawn, strict=True))
    for classes, centroids in zip(folded.folded, network.code.quantiser.centroids, strict=True):
        assert torch.equal(classes[:, : centroids.shape[1]], centroids)
        assert classes.shape[1] == centroids.shape[1] + CONFIG.code_features
    assert all(torch.equal(a, b) for a, b in zip(folded.folded, network.code.classes(), strict=True))
    without = VSSM(dataclasses.replace(CONFIG, code_features=0)).code
    assert all(torch.equal(a, b) for a, b in zip(without.classes(), without.quantiser.centroids, strict=True))


def test_a_generator_computes_them_once(network):
    generator = Generator(Checkpoint("vssm", data.MNIST, network))
    assert generator._sampling_network.code.folded is not None and network.code.folded is None


def test_centroids_take_two_bytes_a_number_in_a_file(network, tmp_path):
    """As all tensors whose numbers are no finer; what is read is the same."""
    Checkpoint("vssm", data.MNIST, network).save(tmp_path / "a.safetensors")
    layout = checkpoint.read_header(tmp_path / "a.safetensors").layout
    assert layout["code.quantiser.centroids"][0] == "F16" and layout["code.prior.read.weight"][0] == "F32"
    again, _ = checkpoint.read_network(tmp_path / "a.safetensors", lambda meta: VSSM(CONFIG))
    ours, theirs = network.state_dict(), again.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) and theirs[name].dtype == ours[name].dtype for name in ours)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_codes_are_drawn_as_the_prior_says(network, temperature):
    """Chi-square of many draws against every code's probability; a temperature sharpens each variable in turn."""
    prompt, count = prompts(network), 4000
    p = enumerated(network, prompt)
    if temperature != 1:
        first = [sum(v for k, v in p.items() if k[0] == a) for a in range(CLASSES)]
        sharp = {k: first[k[0]] ** 2 * (v / first[k[0]]) ** 2 for k, v in p.items()}
        of_first = [sum((v / first[a]) ** 2 for k, v in p.items() if k[0] == a) for a in range(CLASSES)]
        whole = sum(f**2 for f in first)
        p = {k: v / of_first[k[0]] / whole for k, v in sharp.items()}
    values = torch.zeros(count, 8, 8, 1)
    known = torch.zeros(count, 8, 8, dtype=torch.bool)
    values[:], known[:] = (prompt[..., :1] > 0).float(), prompt[..., 1] > 0
    params = SamplingParams(torch.Generator().manual_seed(1), "parallel", temperature=temperature)
    works = network.complete(values.long(), known, params)
    latent, value, _ = next(works).latent
    codes = latent.codes(value)[:, 0, 0]
    chi = sum(((codes == torch.tensor(k)).all(1).sum().item() - count * q) ** 2 / (count * q) for k, q in p.items())
    assert sum(p.values()) == pytest.approx(1, abs=1e-5) and chi < 30  # 8 degrees of freedom: one in 5,000 is above


def test_the_code_costs_what_the_prior_gives_it(network):
    """Its KL is the cross-entropy of the code that the picture has, and the bound counts it."""
    values, known = torch.randint(0, 2, (5, 8, 8, 1)), torch.zeros(5, 8, 8, dtype=torch.bool)
    codes = network.code.quantiser.codes(values)
    p = enumerated(network, network.prompt(values[:1], known[:1]))
    _, found = network.elbo(values, known)
    cost = -torch.tensor([math.log(p[tuple(c)]) for c in codes.tolist()])
    assert torch.allclose(found[0].divergence(), cost, atol=1e-4)
    assert torch.allclose(found[0].log_ratio(), -cost, atol=1e-4)
    assert torch.allclose(network.code_loss(values, known)["loss"], cost.mean(), atol=1e-4)


@pytest.mark.parametrize("other", [False, True])
def test_a_held_code_stays_and_one_drawn_anew_differs_if_it_must(network, other):
    values, known = torch.zeros(64, 8, 8, 1, dtype=torch.long), torch.zeros(64, 8, 8, dtype=torch.bool)
    before = next(network.complete(values, known, SamplingParams(torch.Generator(), "parallel"))).latent[1]
    anew = torch.zeros(64, 1, 1, dtype=torch.bool)
    anew[32:] = True
    held = FixedLatentTensors({0: FixedLevel(before, anew)}, torch.Generator().manual_seed(5), other)
    params = SamplingParams(torch.Generator(), "parallel", fixed_latents=held)
    after = next(network.complete(values, known, params)).latent[1]
    assert torch.equal(after[:32], before[:32])
    first = (before != after)[32:, 0, 0, :CLASSES].any(-1)
    assert first.all() if other else first.any() and not first.all()


def test_a_part_is_trained_alone_and_another_left_as_it_is():
    changes = {
        "d_model": 32, "inner": 32, "state": 4, "heads": 2, "coarse_levels": 1, "fine_levels": 1,
        "codes": 2, "code_classes": 4, "code_blocks": 1, "code_hidden": 32, "head_channels": 4,
        "code_semantics": 0,
    }  # fmt: skip
    images = torch.randint(0, 256, (32, 28, 28, 1), dtype=torch.uint8)
    for setting, moves in (({"part": "code"}, True), ({"freeze": "code"}, False)):
        trainer = Trainer(TrainingConfig("vssm", batch=4, changes=changes, **setting), torch.device("cpu"))
        trainer.prepare(images)
        before = {k: v.clone() for k, v in trainer.network.state_dict().items()}
        trainer.train_step(images[:4], trainer.loss)
        moved = {k.partition(".")[0] for k, v in trainer.network.state_dict().items() if not torch.equal(v, before[k])}
        assert moved == {"code"} if moves else moved and "code" not in moved
    for setting in ({"part": "head"}, {"freeze": "nobody"}):
        with pytest.raises(UserError, match="leave --"):
            Trainer(TrainingConfig("vssm", changes=changes, **setting), torch.device("cpu"))


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_the_preset_has_a_code_that_fits_the_data_set(name):
    dataset = data.get(name)
    preset = registry.get("vssm")
    network = preset.network(preset.config(dataset))
    rows, columns, channels = network.code.quantiser.shape
    assert network.config.codes > 1 and rows * columns * channels <= 200 and channels == dataset.channels
    assert network.latent_levels[0][1] == (1, 1, network.config.codes)
    assert list(network.latent_levels) == list(range(network.num_levels + 1))


def test_the_event_of_a_code_has_its_plan(network):
    """The plan is the sum of the chosen centroids, as a picture; levels of the ladder have none, and count from 1."""
    checkpoint = Checkpoint("vssm", dataclasses.replace(data.MNIST, height=8, width=8), network)
    request = GenerationRequest(Prompt.empty(8, 8, 1), samples=3, posterior=True)
    events = list(Generator(checkpoint, torch.device("cpu")).generate(request))
    found = [e for e in events if isinstance(e, Latents)]
    assert [e.level for e in found] == [0, 1, 2] == [e.level for e in events if isinstance(e, Posterior)]
    assert found[0].num_levels == 2 and all(e.plan is None for e in found[1:])
    codes = torch.from_numpy(found[0].codes[:, 0, 0]).long()
    plan = network.code.quantiser.partial_plans(codes)[:, -1].view(3, *network.code.quantiser.shape)
    assert found[0].plan.dtype == np.uint8
    assert np.abs(found[0].plan - ((plan.numpy() + 1) * 127.5).clip(0, 255)).max() <= 0.5


def test_what_a_prompt_alone_decides_is_computed_once_with_equal_results():
    """A last prompt of another kind changes no row before it, though then each prompt is read for itself."""
    network = small("vssm")
    values, known = pictures(network.config, 1).expand(4, -1, -1, -1), torch.zeros(4, 8, 8, dtype=torch.bool)
    known[:, :4] = True
    others = known.clone()
    others[-1] = False
    alike, apart = (complete(network, values, k)[-1].values for k in (known, others))
    assert torch.equal(alike[:3], apart[:3]) and len({tuple(x.flatten().tolist()) for x in alike}) > 1
