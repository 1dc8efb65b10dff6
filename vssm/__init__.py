"""Variational state space models and their rivals: train, sample, score and time them. No Qt in here."""

import os

# A thread of torch's that waits for the others spins for some tens of microseconds and then sleeps. By default it spins
# for milliseconds, which on a busy machine takes the core that the others need: everything then takes ten to a hundred
# times as long. To sleep at once would double the time of small operators on a quiet one. Torch reads this when loaded.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")

__version__ = "0.1.0"
