"""The command line, `python -m vssm`."""
