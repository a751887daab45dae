"""Errors that are raised on purpose, and checks of what was given that raise them."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable


class SaysoError(Exception):
    """Every error that this package raises on purpose."""


class ConfigError(SaysoError, ValueError):
    """Setting that cannot work: which one, what it is, and what is allowed."""


class NotFiniteError(SaysoError):
    """NaN or an infinity, and where it appeared."""


class FeatureMismatchError(SaysoError):
    """Two things with different features that were put together."""


class UnknownNameError(SaysoError, KeyError):
    """Unknown name: one that is not in a table, with the nearest that is."""

    def __init__(self, kind: str, given: str, allowed: Iterable[str]) -> None:
        """Compose the message from what was given and what is allowed."""
        names = sorted(filter(None, allowed))
        near = difflib.get_close_matches(given, names, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        self.message = f"there is no {kind} {given!r}.{hint} Known: {', '.join(names)}."
        super().__init__(self.message)

    def __str__(self) -> str:
        """Return the message without KeyError's quotes."""
        return self.message


def known(kind: str, given: str, allowed: Iterable[str]) -> str:
    """Return `given` if it is allowed, else raise `UnknownNameError` naming the nearest match."""
    names = list(allowed)
    if given not in names:
        raise UnknownNameError(kind, given, names)
    return given


def at_least(config: object, **lowest: float) -> None:
    """Raise `ConfigError` unless each named field of a config is None or finite and at least so large."""
    for name, low in lowest.items():
        value = getattr(config, name)
        if value is not None and not low <= value < math.inf:
            raise ConfigError(f"{name} is {getattr(config, name)}, but must be at least {low:g}")


def above(config: object, **bounds: float) -> None:
    """Raise `ConfigError` unless each named field of a config is finite and larger than its bound."""
    for name, bound in bounds.items():
        if not bound < getattr(config, name) < math.inf:
            raise ConfigError(f"{name} is {getattr(config, name)}, but must be above {bound:g}")
