"""What the window thinks, without a window: no Qt in here."""
