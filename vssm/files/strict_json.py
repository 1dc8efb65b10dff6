"""JSON that every reader accepts: numbers that are not finite become null, because the format has none."""

from __future__ import annotations

import json
import math
from typing import Any


def text(record: Any) -> tuple[str, list[str]]:
    """Write a record as JSON.

    Returns:
        The text, and the names of the values in it that were not finite and are null now, such as "models.vssm.nats".
    """
    found: list[str] = []
    plain = _finite(record, "", found)
    return json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False), found


def _finite(value: Any, name: str, found: list[str]) -> Any:
    """Return a value in which what is not finite is None; its name, and those in it, are added to `found`."""
    if isinstance(value, float) and not math.isfinite(value):
        found.append(name or "the value")
        return None
    if isinstance(value, dict):
        return {key: _finite(part, f"{name}.{key}".lstrip("."), found) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(part, f"{name}[{number}]", found) for number, part in enumerate(value)]
    return value
