"""Training on small pictures: the state survives, outliers are skipped, the schedule ends at zero."""

import dataclasses

import pytest
import torch

from vssm import checkpoint, training
from vssm.errors import UserError
from vssm.training import Trainer, TrainingConfig

SMALL = {
    "transformer": {"d_model": 32, "blocks": 1, "heads": 1, "stem_hidden": 32},
    "vssm": {"d_model": 32, "inner": 32, "state": 8, "heads": 2, "coarse_levels": 1, "fine_levels": 1},
}


def trainer(name: str, **settings) -> Trainer:
    config = TrainingConfig(name, batch=4, warmup_steps=1, changes=SMALL[name], **settings)
    return Trainer(config, torch.device("cpu"))


def batch(seed: int = 0) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (4, 28, 28, 1), generator=rng, dtype=torch.uint8)


def steps(made: Trainer, count: int) -> list[dict]:
    return [made.train_step(batch(i), made.network.loss) for i in range(count)]


@pytest.mark.parametrize("name", SMALL)
def test_a_state_restores_exactly(name, tmp_path):
    first = trainer(name)
    steps(first, 3)
    first.seconds = 12.5
    first.save(tmp_path)
    second = trainer(name, seed=1)
    second.restore(tmp_path)
    assert (second.step, second.images, second.seconds) == (3, 12, 12.5) and second.norm == first.norm
    for p, q in zip(first.network.parameters(), second.network.parameters(), strict=True):
        assert torch.equal(p, q)
    assert all(torch.equal(v, second.average.values[k]) for k, v in first.average.values.items())
    for a, b in zip(first.optimizers, second.optimizers, strict=True):
        theirs, ours = a.state_dict()["state"], b.state_dict()["state"]
        assert theirs.keys() == ours.keys() and len(theirs) > 0
        for j in theirs:
            for k, v in theirs[j].items():
                assert torch.equal(torch.as_tensor(v), torch.as_tensor(ours[j][k])), k
    for made in (first, second):  # and the next step is the same step
        torch.manual_seed(7)
        made.config = dataclasses.replace(first.config)
        made.train_step(batch(9), made.network.loss)
    for p, q in zip(first.network.parameters(), second.network.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-5, atol=1e-6)


def test_the_kept_weights_are_the_average(tmp_path):
    made = trainer("transformer")
    steps(made, 5)
    before = {k: v.clone() for k, v in made.network.state_dict().items()}
    kept = checkpoint.load(made.save(tmp_path))
    assert all(torch.equal(v, made.network.state_dict()[k]) for k, v in before.items())  # training goes on as it was
    ours, raw = dict(kept.network.named_parameters()), dict(made.network.named_parameters())
    assert all(torch.equal(ours[k], v) for k, v in made.average.values.items())
    assert any(not torch.equal(ours[k], raw[k]) for k in ours)
    assert kept.training["images"] == 20 and kept.training["settings"]["model"] == "transformer"


def test_another_training_is_not_resumed(tmp_path):
    trainer("transformer").save(tmp_path)
    with pytest.raises(UserError, match="training of model"):
        trainer("vssm").restore(tmp_path)


def test_outliers_are_skipped_and_leave_the_weights_alone():
    made = trainer("transformer")
    steps(made, 3)
    before = [p.clone() for p in made.network.parameters()]

    def explode(values, known):
        return {"loss": made.network.loss(values, known)["loss"] * 1e6}

    def fail(values, known):
        return {"loss": made.network.loss(values, known)["loss"] * float("nan")}

    assert made.train_step(batch(), explode) is None and made.train_step(batch(), fail) is None
    assert all(torch.equal(p, q) for p, q in zip(before, made.network.parameters(), strict=True))
    assert made.train_step(batch(), made.network.loss) is not None


def test_a_training_can_start_from_another_networks_weights(tmp_path):
    first = trainer("vssm")
    steps(first, 2)
    path = first.save(tmp_path)
    changes = SMALL["vssm"] | {"fine_levels": 2}
    grown = Trainer(TrainingConfig("vssm", changes=changes, start=str(path)), torch.device("cpu"))
    ours = dict(grown.network.named_parameters())
    assert all(torch.equal(ours[k], v) for k, v in first.average.values.items()) and len(ours) > len(
        first.average.values
    )
    with pytest.raises(UserError, match="shares no tensor"):
        trainer("transformer", start=str(path))


def test_loss_terms_have_names():
    terms = steps(trainer("vssm"), 1)[0]
    assert {"loss", "kl", "pixels", "free"} == set(terms)


def test_schedule_warms_up_holds_and_ends_at_zero():
    config = TrainingConfig("vssm", warmup_steps=10, descent=0.5)
    assert training.schedule(0.0, 0, config) == 0.1
    assert training.schedule(0.4, 500, config) == 1.0
    assert training.schedule(0.75, 500, config) == pytest.approx(0.5)
    assert training.schedule(1.0, 500, config) == training.schedule(1.3, 500, config) == 0.0
