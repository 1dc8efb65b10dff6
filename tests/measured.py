"""What timing a network at some length gives, for tests of scaling."""

from vssm.evaluation import scaling
from vssm.evaluation.scaling import Measured
from vssm.models import registry

TINY = 60_000  # parameters


def point(name: str, length: int, seconds: float, **more) -> Measured:
    title = registry.get(name).title
    usual = {
        "sampler": "m",
        "parameter": None,
        "shape": scaling.grid(length),
        "repeats": 1,
        "parameters": 7,
        "positions": 1,
    }
    return Measured(name, name, title, length=length, seconds=seconds, **usual | {"network_calls": 3} | more)
