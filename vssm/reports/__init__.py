"""Pages, plots and figures that commands write."""
