"""One model a file; `registry` finds them by name."""
