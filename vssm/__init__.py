"""Variational state space models and their rivals: train, sample, score and time them. No Qt in here."""

__version__ = "0.1.0"
