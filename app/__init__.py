"""The window of VSSM Sketchpad: it draws and listens, and never computes; the models' work comes from vssm."""

import vssm  # noqa: F401 - before torch: says how its threads wait
