"""Configs are frozen dataclasses made from plain dictionaries; an unknown or missing key is an error."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

from .data import DataSet
from .errors import UserError

T = TypeVar("T")


def from_dict(cls: type[T], values: dict[str, Any]) -> T:
    """Make the dataclass `cls` from `values`; raises UserError for a key it does not have or a missing one."""
    fields = {f.name: f for f in dataclasses.fields(cls)}
    if unknown := sorted(set(values) - set(fields)):
        raise UserError(f"{cls.__name__} has no setting {', '.join(map(repr, unknown))}; it has: {', '.join(fields)}.")
    required = {n for n, f in fields.items() if f.default is dataclasses.MISSING}
    if missing := sorted(required - set(values)):
        raise UserError(f"{cls.__name__} needs the setting {', '.join(map(repr, missing))}.")
    return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


def for_data(cls: type[T], data: DataSet, model: str, changes: dict[str, Any], **usual: Any) -> T:
    """The preset `model` for a data set: the picture's shape and likelihood, the `usual` settings, those of the data
    set's record, and `changes`, later ones before earlier; raises UserError as `from_dict` does."""
    picture = {k: getattr(data, k) for k in ("height", "width", "channels", "levels", "likelihood")}
    return from_dict(cls, {**picture, **usual, **data.presets.get(model, {}), **changes})
