"""Reads pictures in a process of its own, which the window starts and can end; it imports no other room of `app`."""
