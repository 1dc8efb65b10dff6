"""Variational state space models and their rivals: train, sample, score and time them. No Qt in here."""

import os

# A thread of torch's that waits for the others sleeps. By default it spins, which on a busy machine takes the core that
# the others need: everything then takes ten to a hundred times as long. Torch looks at this when it is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"
