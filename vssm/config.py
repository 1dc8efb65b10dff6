"""Configs are frozen dataclasses made from plain dictionaries; an unknown or missing key, or a value out of bounds, is
an error.

A field tells its bounds where it is declared:

    heads: int = bounded(4, 1, 64, divides=("d_model",))
    latent: str = one_of("gaussian", "categorical")

Configs come from files that anybody may have made, so every value is looked at before a network is built of it.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any, TypeVar

from vssm.data import DataSet
from vssm.errors import UserError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


def bounded(default: Any, least: float, most: float, divides: tuple[str, ...] = (), length: int | None = None) -> Any:
    """A field of a config for a number: a whole one where `least` is whole.

    Args:
        default: Its usual value; `dataclasses.MISSING` where it must be given.
        least: The smallest value.
        most: The largest.
        divides: Fields declared before it, each of which must be a multiple of this one.
        length: For a tuple of so many such numbers.
    """
    bounds = {"least": least, "most": most, "divides": divides, "length": length}
    return dataclasses.field(default=default, metadata={"bounds": bounds})


def one_of(default: Any, *others: Any) -> Any:
    """A field of a config for one of some values, the first of which is usual."""
    return dataclasses.field(default=default, metadata={"options": (default, *others)})


def flag(default: bool) -> Any:
    """A field of a config that is true or false."""
    return one_of(default, not default)


@dataclasses.dataclass(frozen=True)
class BoundedConfig:
    """What a frozen dataclass with such fields inherits: it cannot be made with a value out of bounds."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            _check(self, field)


@dataclasses.dataclass(frozen=True)
class PictureConfig(BoundedConfig):
    """What every model's config says about the pictures.

    height, width, channels, num_values (of a channel) and likelihood (its name) are those of the data set; components:
    how many a mixture has.
    """

    height: int = bounded(dataclasses.MISSING, 1, 16384)
    width: int = bounded(dataclasses.MISSING, 1, 16384)
    channels: int = bounded(1, 1, 4)
    num_values: int = bounded(2, 2, 256)
    likelihood: str = one_of("bernoulli", "logistic-mixture")
    components: int = bounded(10, 1, 100)


PICTURE = ("height", "width", "channels", "num_values", "likelihood")  # fields that a data set has by the same name


def from_dict(cls: type[T], values: dict[str, Any]) -> T:
    """Make the dataclass `cls` from `values`; raises UserError for a key it does not have or a missing one, and where a
    BoundedConfig's value is out of bounds."""
    if not isinstance(values, dict):
        raise UserError(f"{cls.__name__} is made from settings by name, not from {type(values).__name__}.")
    fields = {f.name: f for f in dataclasses.fields(cls)}
    if unknown := sorted(set(map(str, values)) - set(fields)):
        raise UserError(f"{cls.__name__} has no setting {', '.join(map(repr, unknown))}; it has: {', '.join(fields)}.")
    required = {n for n, f in fields.items() if f.default is f.default_factory is dataclasses.MISSING}
    if missing := sorted(required - set(values)):
        raise UserError(f"{cls.__name__} needs the setting {', '.join(map(repr, missing))}.")
    return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


def _check(made: Any, field: dataclasses.Field[Any]) -> None:
    """Raises UserError where a field's value is not what the field allows."""
    value = getattr(made, field.name)
    if options := field.metadata.get("options"):
        if not any(type(value) is type(option) and value == option for option in options):
            raise _refusal(field, f"one of {', '.join(map(repr, options))}", value)
        return
    if not (bounds := field.metadata.get("bounds")):
        return
    least, most, length = bounds["least"], bounds["most"], bounds["length"]
    numbers = value if length else (value,)
    whole = isinstance(least, int)
    if (
        not isinstance(numbers, tuple)
        or len(numbers) != (length or 1)
        or not all(_is_number(n, whole) and least <= n <= most for n in numbers)
    ):
        words = f"{'whole ' * whole}number{'s' * (length is not None)} from {least:,} to {most:,}"
        raise _refusal(field, f"{length} {words}" if length else f"a {words}", value)
    for name in bounds["divides"]:
        other = getattr(made, name)
        if other % value:
            raise _refusal(field, f"a divisor of {name}, which is {other}", value)


def _is_number(value: Any, whole: bool) -> bool:
    return type(value) is int or (not whole and type(value) is float and math.isfinite(value))


def _refusal(field: dataclasses.Field[Any], wanted: str, value: Any) -> UserError:
    shown = repr(value)
    return UserError(
        f"The setting {field.name} must be {wanted}, not {shown if len(shown) < 60 else shown[:60] + '…'}."
    )


def for_data(cls: type[T], data: DataSet, model: str, changes: dict[str, Any], **usual: Any) -> T:
    """The preset `model` for a data set: the picture's shape and likelihood, the `usual` settings, those of the data
    set's record, and `changes`, later ones before earlier; raises UserError as `from_dict` does."""
    picture = {k: getattr(data, k) for k in PICTURE}
    return from_dict(cls, {**picture, **usual, **data.presets.get(model, {}), **changes})
