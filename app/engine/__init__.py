"""The models' work and the saving of files, beside the window: of Qt, QtCore alone."""
