"""Training on small pictures: the state survives, outliers are skipped, the schedule ends at zero."""

import dataclasses

import commands
import pytest
import torch
from commands import DATA
from torch._inductor import config as inductor

from vssm import checkpoint
from vssm.errors import UserError
from vssm.files.file_lock import FileLock
from vssm.models import registry
from vssm.reports import results_page
from vssm.training import trainer as training
from vssm.training.trainer import Trainer, TrainingConfig

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


def steps(made: Trainer, count: int) -> list[dict[str, float] | None]:
    return [made.train_step(batch(i), made.network.loss) for i in range(count)]


@pytest.mark.parametrize("name", SMALL)
def test_a_state_restores_exactly(name, tmp_path):
    first = trainer(name)
    steps(first, 3)
    first.seconds = 12.5
    first.save(tmp_path)
    second = trainer(name, seed=1)
    second.restore(tmp_path / "state.safetensors")
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


def test_a_training_that_has_used_its_time_stays_as_it_is(tmp_path):
    made = trainer("transformer", minutes=0.05)
    steps(made, 2)
    made.seconds = 200.0
    made.save(tmp_path)
    path = training.train(made.config, tmp_path, "cpu", resume=True, data_folder=DATA)
    assert checkpoint.load(path).training["steps"] == 2


def test_the_kept_weights_are_the_average(tmp_path):
    made = trainer("transformer")
    steps(made, 5)
    before = {k: v.clone() for k, v in made.network.state_dict().items()}
    kept = checkpoint.load(made.save(tmp_path))
    assert all(torch.equal(v, made.network.state_dict()[k]) for k, v in before.items())  # training goes on as it was
    ours, raw = dict(kept.network.named_parameters()), dict(made.network.named_parameters())
    assert all(torch.equal(ours[k], v) for k, v in made.average.values.items())
    assert any(not torch.equal(ours[k], raw[k]) for k in ours)
    assert kept.training["images"] == 20 and checkpoint.parts(kept.training)[0]["settings"]["model"] == "transformer"


def test_another_training_is_not_resumed(tmp_path):
    trainer("transformer").save(tmp_path)
    with pytest.raises(UserError, match="training of model"):
        trainer("vssm").restore(tmp_path / "state.safetensors")


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


def train(folder, *, model: str = "transformer", **settings):
    small = TrainingConfig(model, minutes=settings.pop("minutes", 0.004), batch=4, changes=SMALL[model], **settings)
    return lambda **more: training.train(small, folder, "cpu", data_folder=DATA, quiet=True, **more)


def test_a_diverging_training_ends_with_a_sentence_and_keeps_the_last_good_weights(tmp_path):
    torch.set_num_threads(1)
    with pytest.raises(UserError, match=r"diverges.*nothing was written.*smaller --lr than 1e\+30"):
        train(tmp_path / "new", lr=1e30, minutes=10)()
    assert not (tmp_path / "new").exists()
    path = train(tmp_path)()
    before, good = path.read_bytes(), checkpoint.load(path).training
    with pytest.raises(UserError, match=r"diverges.*keeps the weights from before"):
        train(tmp_path, lr=1e30, minutes=10)(resume=True)
    assert path.read_bytes() == before and good["skipped"] == 0
    seconds = checkpoint.read(tmp_path / "state.safetensors")[1]["seconds"]
    assert train(tmp_path, minutes=seconds / 60 + 0.004)(resume=True) == path  # and it can go on
    assert checkpoint.load(path).training["steps"] > good["steps"]


def test_steps_are_counted_where_something_was_learned(tmp_path):
    made = trainer("transformer")
    steps(made, 3)

    def fail(values, known):
        return {"loss": made.network.loss(values, known)["loss"] * float("inf")}

    for number in range(1, 3):
        assert made.train_step(batch(), fail) is None and made.skip_surplus == number
    made.train_step(batch(), made.network.loss)
    assert (made.step, made.skipped, made.skip_surplus, made.images) == (6, 2, 1, 16)
    kept = checkpoint.load(made.save(tmp_path)).training
    assert (kept["steps"], kept["skipped"], kept["images"]) == (4, 2, 16)
    again = trainer("transformer")
    again.restore(tmp_path / "state.safetensors")
    assert (again.step, again.skipped, again.images) == (6, 2, 16)


def test_weights_tell_the_parts_of_their_training(tmp_path):
    """A part ends where a training is resumed or started from; old files tell of one."""
    made = trainer("transformer", lr=1e-3)
    steps(made, 3)
    made.seconds = 60.0
    made.save(tmp_path)
    made = trainer("transformer", lr=2e-3)
    assert made.changed_settings() == ""  # it goes on from nothing
    made.restore(tmp_path / "state.safetensors")
    assert made.changed_settings() == "lr 0.002 (0.001 before)"
    steps(made, 2)
    made.seconds = 90.0
    path = made.save(tmp_path)
    kept = checkpoint.load(path)
    assert [(p["steps"], p["images"], p["minutes"], p["settings"]["lr"]) for p in checkpoint.parts(kept.training)] == [
        (3, 12, 1.0, 1e-3),
        (2, 8, 0.5, 2e-3),
    ]
    assert (kept.training["steps"], kept.training["minutes"]) == (5, 1.5) and kept.total("images") == 20

    made = trainer("transformer", start=str(path))  # the parts of the start come first
    steps(made, 1)
    made.save(tmp_path / "next")
    made = trainer("transformer")
    made.restore(tmp_path / "next" / "state.safetensors")
    assert made.save(tmp_path / "next") == made.save(tmp_path / "next")  # a part of no steps is none
    steps(made, 4)
    kept = checkpoint.load(made.save(tmp_path / "next"))
    found = checkpoint.parts(kept.training)
    assert [p["steps"] for p in found] == [3, 2, 1, 4] and kept.training["steps"] == 5 and kept.total("steps") == 10
    assert [p["settings"]["start"] for p in found] == [None, None, str(path), None]


def test_the_parts_of_older_files(tmp_path):
    made = trainer("transformer")
    steps(made, 2)
    path = made.save(tmp_path)
    tensors, meta = checkpoint.read(path)
    settings = meta["training"].pop("parts")[0]["settings"]
    meta["training"] |= {"minutes": 7.5, "settings": settings}
    checkpoint.write(path, tensors, meta)
    kept = checkpoint.load(path)
    assert kept.total("minutes") == 7.5 and checkpoint.parts(kept.training)[0]["settings"] == settings
    grown = trainer("transformer", start=str(path))
    steps(grown, 1)
    assert [p["steps"] for p in checkpoint.parts(grown.as_checkpoint().training)] == [2, 1]

    tensors, meta = checkpoint.read(tmp_path / "state.safetensors")
    del meta["parts"]
    checkpoint.write(tmp_path / "state.safetensors", tensors, meta)
    again = trainer("transformer")
    again.restore(tmp_path / "state.safetensors")
    steps(again, 1)
    found = checkpoint.parts(again.as_checkpoint().training)
    assert [p["steps"] for p in found] == [2, 1] and found[0]["settings"]["model"] == "transformer"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e7])
def test_weights_that_are_not_finite_are_not_kept(value, tmp_path):
    made = trainer("transformer")
    path = made.save(tmp_path)
    before = path.read_bytes(), (tmp_path / "state.safetensors").read_bytes()
    next(iter(made.average.values.values())).view(-1)[0] = value
    with pytest.raises(UserError, match="grown without bounds"):
        made.save(tmp_path)
    assert (path.read_bytes(), (tmp_path / "state.safetensors").read_bytes()) == before


def test_weights_without_a_state_are_not_written_over(tmp_path):
    path = train(tmp_path)()
    (tmp_path / "state.safetensors").unlink()
    before = path.read_bytes()
    for resume in (False, True):
        with pytest.raises(UserError, match=r"no state.safetensors to go on from"):
            train(tmp_path)(resume=resume)
    assert path.read_bytes() == before and {*tmp_path.iterdir()} == {path, tmp_path / "samples.png"}
    train(tmp_path / "other", start=str(path))(resume=True)  # nothing there yet: it begins


def test_a_folder_has_one_training_at_a_time(tmp_path):
    with FileLock(tmp_path / "training.lock"):
        for resume in (False, True):
            with pytest.raises(UserError, match="Another training writes to"):
                train(tmp_path)(resume=resume)
    (tmp_path / "training.lock").touch()  # left behind by a training that was killed
    train(tmp_path)()
    assert not (tmp_path / "training.lock").exists()


def test_without_a_compiler_nothing_is_begun(tmp_path):
    torch.set_num_threads(1)
    nothing = inductor.patch({"cpp.cxx": "no-such-compiler"})
    with nothing, pytest.raises(UserError, match=r"install a C\+\+ compiler"):
        train(tmp_path / "a" / "b")(compiled=True)
    assert not (tmp_path / "a").exists()


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
    tensors, meta = checkpoint.read(path)
    tensors["fine.0.prior_head.weight"][0] = float("nan")
    checkpoint.write(path, tensors, meta)
    with pytest.raises(UserError, match="not finite"):
        trainer("vssm", start=str(path))


def test_loss_terms_have_names():
    terms = steps(trainer("vssm"), 1)[0]
    assert {"loss", "kl", "pixels", "free"} == set(terms)


def test_schedule_warms_up_holds_and_ends_at_zero():
    config = TrainingConfig("vssm", warmup_steps=10, descent=0.5)
    assert training.schedule(0.0, 0, config) == 0.1
    assert training.schedule(0.4, 500, config) == 1.0
    assert training.schedule(0.75, 500, config) == pytest.approx(0.5)
    assert training.schedule(1.0, 500, config) == training.schedule(1.3, 500, config) == 0.0


def test_the_table_of_results_adds_up_the_parts(tmp_path):
    made = trainer("transformer")
    made.seconds = 90.0
    steps(made, 3)
    made.save(tmp_path)
    made = trainer("transformer")
    made.restore(tmp_path / "state.safetensors")
    assert results_page.trained(made.as_checkpoint()) == "1.5 min, 12 images"
    steps(made, 1)
    made.seconds = 120.0
    assert results_page.trained(made.as_checkpoint()) == "2 min, 16 images in 2 parts"


@pytest.mark.parametrize("name", registry.PRESETS)
def test_every_step_teaches_every_parameter(name):
    """Several processes wait for all gradients of each other."""
    made = Trainer(TrainingConfig(name, batch=2, changes=commands.SMALL[name]), torch.device("cpu"))
    for empty in (True, False):
        known = torch.zeros(2, 28, 28, dtype=torch.bool)
        known[:, :9] = not empty
        made.network.zero_grad()
        made.network.loss(made.values(batch()[:2]), known)["loss"].backward()
        assert [n for n, p in made.network.named_parameters() if p.requires_grad and p.grad is None] == []
