"""Measure and picture the program; no part of it."""
