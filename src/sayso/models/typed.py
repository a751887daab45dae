"""Validation of plain JSON: read as the types it should have; what has another is named.

    {"layers": "three"}  --VLAConfig-->  "model.layers is 'three', but must be a whole number"

What a file says decides how much memory is asked for and what a robot is told: nothing in it is trusted.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

T = TypeVar("T")

WORDS: Mapping[Any, str] = {
    int: "a whole number",
    float: "a finite number",
    bool: "true or false",
    str: "a text",
}


def read(kind: type[T], raw: object, name: str) -> T:
    """Return what JSON gave, as a value of `kind`.

    Args:
        kind: int, float, bool, str, a dataclass, or a Literal, tuple, Mapping or union of such.
        raw: what `json.loads` returned.
        name: where it stands, for the message.

    Raises:
        ValueError: if it is of another type; the message says where, what it is, and what it must be.
    """
    value: T = _read(kind, raw, name)
    return value


def within(config: object, limits: Mapping[str, tuple[float, float]]) -> None:
    """Refuse a config with a number outside its limits, both included.

    Raises:
        ValueError: naming the field, what it is and between what it must lie.
    """
    for name, (low, high) in limits.items():
        given = getattr(config, name)
        if not all(low <= number <= high for number in (given if isinstance(given, tuple) else (given,))):
            raise ValueError(f"{name} is {given}, but must lie in {low:g}..{high:g}")


def _read(kind: Any, raw: Any, name: str) -> Any:
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return raw
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _fields(kind, raw, name)
    if origin is Literal:
        if not any(raw == choice and type(raw) is type(choice) for choice in parts):
            raise _other(raw, name, " or ".join(map(repr, parts)))
        return raw
    if origin in (types.UnionType, typing.Union):
        (other,) = (part for part in parts if part is not types.NoneType)
        return None if raw is None else _read(other, raw, name)
    if origin is tuple:
        return _tuple(parts, raw, name)
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(raw, dict):
            raise _other(raw, name, "an object")
        return {key: _read(parts[1], value, f"{name}.{key}") for key, value in raw.items()}
    return _plain(kind, raw, name)


def _plain(kind: Any, raw: Any, name: str) -> Any:
    fits = isinstance(raw, kind) and (kind is bool or not isinstance(raw, bool))
    if kind is float:
        fits = isinstance(raw, int | float) and not isinstance(raw, bool) and _finite(raw)
    if not fits:
        raise _other(raw, name, WORDS[kind])
    return float(raw) if kind is float else raw


def _finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # a whole number beyond what a float holds
        return False


def _tuple(parts: tuple[Any, ...], raw: Any, name: str) -> tuple[Any, ...]:
    if not isinstance(raw, list | tuple):
        raise _other(raw, name, "a list")
    kinds = parts[:1] * len(raw) if parts[1:] == (...,) else parts
    if len(kinds) != len(raw):
        raise _other(raw, name, f"a list of {len(kinds)}")
    return tuple(
        _read(kind, item, f"{name}[{n}]") for n, (kind, item) in enumerate(zip(kinds, raw, strict=True))
    )


def _fields(kind: Any, raw: Any, name: str) -> Any:
    if not isinstance(raw, dict):
        raise _other(raw, name, "an object")
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for given in raw:
        if given not in fields:
            near = difflib.get_close_matches(given, fields, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise ValueError(f"{name} has no {given!r}{hint}")
    needed = [f.name for f in fields.values() if f.default is f.default_factory is dataclasses.MISSING]
    if missing := [field for field in needed if field not in raw]:
        raise ValueError(f"{name} lacks {', '.join(missing)}")
    kinds = typing.get_type_hints(kind)
    values = {given: _read(kinds[given], value, f"{name}.{given}") for given, value in raw.items()}
    try:
        return kind(**values)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _other(raw: object, name: str, needed: str) -> ValueError:
    shown = repr(raw)
    return ValueError(f"{name} is {shown if len(shown) < 60 else shown[:56] + ' ...'}, but must be {needed}")
