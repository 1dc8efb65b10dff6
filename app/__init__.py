"""The window of VSSM Sketchpad: it draws and listens, and never computes; the models' work comes from vssm."""
