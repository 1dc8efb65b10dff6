"""Training by wall clock, on one process or several."""
