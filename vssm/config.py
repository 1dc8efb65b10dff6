"""Configs: frozen dataclasses that are made from dictionaries, with bounds for every value.

A field has its bounds in its declaration:

    heads: int = bounded(4, 1, 64, divides=("d_model",))
    latent: str = one_of("gaussian", "categorical")

A config may come from any file, so every value is checked before a network is built from it.
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
    """Declare a field for a number; for a whole number if `least` is an int.

    Args:
        default: Its usual value; `dataclasses.MISSING` if there is none.
        least: The smallest value.
        most: The largest.
        divides: Names of fields above, each of which must be a multiple of this one.
        length: How many numbers, for a field that is a tuple; None for one number.
    """
    bounds = {"least": least, "most": most, "divides": divides, "length": length}
    return dataclasses.field(default=default, metadata={"bounds": bounds})


def one_of(default: Any, *others: Any) -> Any:
    """Declare a field for one of some values; the first one is usual."""
    return dataclasses.field(default=default, metadata={"options": (default, *others)})


def flag(default: bool) -> Any:
    """Declare a field that is true or false."""
    return one_of(default, not default)


@dataclasses.dataclass(frozen=True)
class BoundedConfig:
    """The base of configs: one with a value out of bounds cannot be made (UserError)."""

    def __post_init__(self) -> None:
        check(self)


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
    """Make a config from a dictionary.

    Raises:
        UserError: A key is unknown or missing, or a value is out of bounds.
    """
    if not isinstance(values, dict):
        raise UserError(f"{cls.__name__} is made from settings by name, not from {type(values).__name__}.")
    fields = {f.name: f for f in dataclasses.fields(cls)}
    if unknown := sorted(set(map(str, values)) - set(fields)):
        raise UserError(f"{cls.__name__} has no setting {', '.join(map(repr, unknown))}; it has: {', '.join(fields)}.")
    required = {n for n, f in fields.items() if f.default is f.default_factory is dataclasses.MISSING}
    if missing := sorted(required - set(values)):
        raise UserError(f"{cls.__name__} needs the setting {', '.join(map(repr, missing))}.")
    return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


def check(made: DataclassInstance) -> None:
    """Raise UserError if the value of any field is out of its bounds."""
    for field in dataclasses.fields(made):
        _check(made, field)


def _check(made: Any, field: dataclasses.Field[Any]) -> None:
    """Raise UserError if the value of a field is out of its bounds."""
    value = getattr(made, field.name)
    if options := field.metadata.get("options"):
        if not any(type(value) is type(option) and value == option for option in options):
            raise _refusal(field, f"one of {', '.join(map(repr, options))}", value)
        return
    if not (bounds := field.metadata.get("bounds")):
        return
    least, most, length = bounds["least"], bounds["most"], bounds["length"]
    span = " to ".join(f"{bound:,}".removesuffix(".0") for bound in (least, most))
    numbers = value if length else (value,)
    whole = isinstance(least, int)
    if (
        not isinstance(numbers, tuple)
        or len(numbers) != (length or 1)
        or not all(_is_number(n, whole) and least <= n <= most for n in numbers)
    ):
        words = f"{'whole ' * whole}number{'s' * (length is not None)} from {span}"
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
    """Make the config of a preset for a data set.

    Args:
        cls: The class of the config.
        data: The data set; it gives the picture's fields, and its own settings for the preset.
        model: The name of the preset.
        changes: Settings that come before all others.
        usual: The preset's settings, unless the data set has others.

    Raises:
        UserError: As `from_dict` does.
    """
    picture = {k: getattr(data, k) for k in PICTURE}
    return from_dict(cls, {**picture, **usual, **data.presets.get(model, {}), **changes})
