"""Scores and speeds of models."""
