"""Dataclasses to plain data, as JSON has it, and back, checked against the types that their fields declare."""

from __future__ import annotations

import json
import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from swinkit.errors import InputError, reason_of

T = TypeVar("T")


def to_plain(value: Any) -> dict[str, Any]:
    """A dataclass as nested dicts, lists, numbers and strings; paths become strings."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(value), default=str))
    return plain


def from_plain(kind: type[T], values: Any, *, where: str = "") -> T:
    """The dataclass `kind` that `to_plain` wrote: nested dataclasses, tuples, unions and literals as declared.

    Fields that are not in `values` keep their defaults.

    Args:
        kind: a dataclass.
        values: a mapping of its fields.
        where: what to call `values` in an error.

    Raises:
        InputError: where there is an unknown field, one is missing that has no default, or a value is of another type
            than its field or is refused by the dataclass.
    """
    if not isinstance(values, Mapping):
        raise InputError(f"{where or kind.__name__} must be a mapping of values, not {values!r:.60}")
    types_of_fields: dict[str, Any] = _types(cast(Any, kind))
    unknown = sorted(map(str, values.keys() - types_of_fields.keys()))
    if unknown:
        raise InputError(
            f"{where or kind.__name__} has no value {unknown[0]!r}; there are {', '.join(types_of_fields)}"
        )
    given = {
        name: _decoded(types_of_fields[name], value, f"{where}.{name}" if where else name)
        for name, value in values.items()
    }
    required = [each.name for each in fields(cast(Any, kind)) if each.init and _has_no_default(each)]
    lacking = [name for name in required if name not in given]
    if lacking:
        raise InputError(f"{where or kind.__name__} is incomplete: it has no {lacking[0]}")
    try:
        return kind(**given)
    except InputError as error:
        raise InputError(f"{where or kind.__name__}: {error}") from None
    except Exception as error:  # a check of the dataclass that such values were never meant to reach
        raise InputError(f"{where or kind.__name__} has values that do not fit ({reason_of(error)})") from error


def _has_no_default(each: Field[Any]) -> bool:
    return each.default is MISSING and each.default_factory is MISSING


def takes_notes(kind: type[T]) -> type[T]:
    """A frozen dataclass whose fields stay frozen, but on which others may leave attributes of their own.

    A model's `config` is where other tools do: transformers' Trainer sets `model.config.use_cache`.
    """
    names, refuse = {each.name for each in fields(cast(Any, kind))}, kind.__setattr__

    def set_attribute(self: T, name: str, value: Any) -> None:
        (refuse if name in names else object.__setattr__)(self, name, value)

    kind.__setattr__ = set_attribute  # type: ignore[assignment]  # checkers see a method of `object` replaced
    return kind


def check_limits(config: object, most: Mapping[str, float]) -> None:
    """Raises InputError where a field of a dataclass, or a value of its tuple, is above its limit: for numbers that
    decide how much memory or time is taken and that no tensor in a file confirms."""
    for name, limit in most.items():
        value = getattr(config, name)
        if max(value if isinstance(value, tuple) else (value,), default=0) > limit:
            raise InputError(f"{name} must be at most {limit}, not {value!r:.60}")


@cache
def _types(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {each.name: hints[each.name] for each in fields(kind) if each.init}


def _decoded(kind: Any, value: Any, where: str) -> Any:
    """`value` as the declared type `kind`."""
    origin, parts = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, types.UnionType):
        return _one_of(parts, value, where)
    if is_dataclass(kind) and isinstance(kind, type):
        return from_plain(kind, value, where=where)
    if origin is Literal:
        if type(value) in map(type, parts) and value in parts:
            return value
        raise InputError(f"{where} must be one of {', '.join(map(repr, parts))}, not {value!r:.60}")
    if origin is tuple and isinstance(value, (list, tuple)):
        return _tuple(parts, value, where)
    if kind is Path and isinstance(value, str):
        return Path(value)
    plain = (int, float) if kind is float else origin or kind
    if isinstance(value, plain) and not (isinstance(value, bool) and plain is not bool) and _is_bounded(value):
        return float(value) if kind is float else value
    raise InputError(f"{where} must be {_name(kind)}, not {value!r:.60}")


def _is_bounded(value: Any) -> bool:
    """Whether a number is finite and fits into 64 bits; other values are not looked at."""
    return not isinstance(value, (int, float)) or abs(value) < 2**63


def _one_of(parts: tuple[Any, ...], value: Any, where: str) -> Any:
    errors = []
    for part in parts:
        try:
            return None if part is type(None) and value is None else _decoded(part, value, where)
        except InputError as error:
            errors.append(error)
    raise next((error for part, error in zip(parts, errors, strict=True) if part is not type(None)), errors[-1])


def _tuple(parts: tuple[Any, ...], value: list[Any] | tuple[Any, ...], where: str) -> tuple[Any, ...]:
    if len(parts) == 2 and parts[1] is Ellipsis:
        parts = (parts[0],) * len(value)
    if len(parts) != len(value):
        raise InputError(f"{where} must have {len(parts)} values, not {len(value)}")
    return tuple(_decoded(part, each, f"{where}[{n}]") for n, (part, each) in enumerate(zip(parts, value, strict=True)))


def _name(kind: Any) -> str:
    names = {int: "a whole number", float: "a number", str: "a text", bool: "true or false", tuple: "a list"}
    return names.get(get_origin(kind) or kind, getattr(kind, "__name__", str(kind)))
