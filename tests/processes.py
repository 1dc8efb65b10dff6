"""Several processes that train together, as torchrun starts them."""

import dataclasses
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import forked
import numpy as np
import torch
from torch import nn

from vssm.cli import commands
from vssm.errors import UserError
from vssm.training import distributed
from vssm.training.trainer import Trainer, TrainingConfig

STEPS, BATCH = 3, 4


def start(call: Callable, words: list, folders: list[Path]) -> list:
    """Call a function with these words once in each folder, in processes of one training."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    training = {"WORLD_SIZE": str(len(folders)), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return [
        forked.started(call, words, folder, RANK=str(rank), LOCAL_RANK=str(rank), **training)
        for rank, folder in enumerate(folders)
    ]


def steps(model: str, settings: dict, processes: distributed.Processes) -> dict[str, np.ndarray]:
    """What a few steps read and gave: values [n, B, H, W, C] and known sets [n, B, H, W] of this process's share,
    losses [n] over all images, and in the end a weight."""
    torch.set_num_threads(1)
    config = TrainingConfig(model, batch=BATCH, warmup_steps=1, changes=settings)
    trainer = Trainer(config, processes.where, processes)
    images = torch.randint(0, 256, (50, 28, 28, 1), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    loss = processes.parallel(cast("nn.Module", trainer.network), trainer.network.loss)
    read, losses = [], []

    def noted(values, known):
        read.append((values.numpy(), known.numpy()))
        return loss(values, known)

    for _ in range(STEPS):
        terms = trainer.train_step(trainer.draw_images(images), noted)
        assert terms is not None
        losses.append(terms["loss"])
    weight = max(trainer.network.parameters(), key=torch.numel).detach().numpy()
    values, known = (np.stack(part) for part in zip(*read, strict=True))
    return {"values": values, "known": known, "losses": np.array(losses), "weight": weight}


def step(words: list[str]) -> int:
    """Write what `steps` gives of each model of settings, to a folder; then one process fails."""
    settings, out = json.loads(words[0]), Path(words[1])

    def work() -> None:
        with distributed.joined("cpu") as processes:
            for model, small in settings.items():
                found: dict[str, Any] = steps(model, small, processes)
                np.savez(out / f"{model}-{processes.rank}.npz", **found)
            print(json.dumps(dataclasses.asdict(processes) | {"where": processes.describe()}))
            with processes.together():
                if not processes.first:
                    raise UserError("Only this one fails.")

    return commands.guarded(work)
