"""Config overrides: changes read from words, such as ``fusion=late point_weight=0 augmentation=none``.

So every field of a model's config can be tried from the command line without a flag for each.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Collection, Sequence
from typing import Any, Literal

from sayso.spec import known


def overrides(config: type[Any], words: Sequence[str], without: Collection[str] = ()) -> dict[str, Any]:
    """Return the values that words give to fields of a config dataclass, as `dataclasses.replace` takes them.

    Numbers are written as numbers, choices and truths by their names, and a field that may be absent can be
    set to ``none``; fields of other types cannot be set.

    Args:
        config: the class.
        words: each ``name=value``.
        without: names of fields that are decided elsewhere.

    Raises:
        UnknownNameError: if there is no such field to set, naming the nearest.
        ValueError: if a word is no ``name=value``, is there twice, or its value is of another type.
    """
    kinds = typing.get_type_hints(config)
    names = [f.name for f in dataclasses.fields(config) if f.name not in without and _sayable(kinds[f.name])]
    values: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise ValueError(f"{word!r} is no change to a config; write name=value, such as {names[0]}=...")
        if known(f"field of {config.__name__} to set", name, names) in values:
            raise ValueError(f"{name} is set twice")
        values[name] = _value(name, text, kinds[name])
    return values


def _sayable(kind: Any) -> bool:
    return kind in (int, float, bool) or _choices(kind) != ()


def _choices(kind: Any) -> tuple[Any, ...]:
    """Return what a field of a type with few values may be."""
    if kind is bool:
        return (True, False)
    if typing.get_origin(kind) is Literal:
        return typing.get_args(kind)
    optional = typing.get_origin(kind) in (types.UnionType, typing.Union)
    return (None,) if optional and types.NoneType in typing.get_args(kind) else ()


def _value(name: str, text: str, kind: Any) -> Any:
    if choices := _choices(kind):
        by_name = {str(choice).lower(): choice for choice in choices}
        if text.lower() not in by_name:
            raise ValueError(f"{name} is {' or '.join(by_name)}, but got {text!r}")
        return by_name[text.lower()]
    try:
        return kind(text)
    except ValueError:
        needed = {int: "a whole number", float: "a number"}[kind]
        raise ValueError(f"{name} is {needed}, but got {text!r}") from None
