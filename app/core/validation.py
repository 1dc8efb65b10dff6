"""Checks of values that come from files and links."""

from __future__ import annotations

from typing import TypeGuard

from vssm.errors import UserError

LONGEST_NAME = 40  # characters: of a sampler, of a device


def require(holds: bool, what: str, wanted: str) -> None:
    """Raise UserError unless a condition on a saved value holds."""
    if not holds:
        raise UserError(f"The saved {what} must be {wanted}.")


def is_whole(value: object, least: int, most: int) -> TypeGuard[int]:
    """Tell whether it is a whole number in a range, both ends included."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def is_name(value: object) -> TypeGuard[str]:
    """Tell whether it is a short text that is not empty."""
    return isinstance(value, str) and 0 < len(value) <= LONGEST_NAME


def is_colour(value: object, channels: int) -> bool:
    """Tell whether it is a tuple of so many whole numbers from 0 to 255."""
    return isinstance(value, tuple) and len(value) == channels and all(is_whole(v, 0, 255) for v in value)
