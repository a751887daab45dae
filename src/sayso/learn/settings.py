"""Settings of a former run as flags: what ``--config run.json`` means where no flag says otherwise."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sayso.learn.claim import RUN, TYPED
from sayso.learn.config import TrainConfig
from sayso.spec import SaysoError
from sayso.spec.files import parsed

FLAG = "--config"
CHANGES = "model_config"
"""Field of changes to the model, whose flags have names of their own."""


def expanded(given: Sequence[str], path: str) -> list[str]:
    """Return a command line in which ``--config`` is the flags that it stands for, before those typed.

    Args:
        given: the command line behind the verb.
        path: the ``run.json`` of a training, or the folder of one; nothing for no ``--config``.

    Raises:
        SaysoError: if it cannot be read.
    """
    if not path:
        return list(given)
    rest = [part for k, part in enumerate(given) if not _is_config(given, k)]
    typed = {_bare(part.partition("=")[0]) for part in rest if part.startswith("--")}
    return [
        part for name, parts in _flags(_read(Path(path))) if _bare(name) not in typed for part in parts
    ] + rest


def _is_config(given: Sequence[str], k: int) -> bool:
    return given[k] == FLAG or given[k].startswith(FLAG + "=") or (k > 0 and given[k - 1] == FLAG)


def _bare(flag: str) -> str:
    return flag.removeprefix("--").replace("_", "-").replace(".no-", ".").removeprefix("no-")


def _read(path: Path) -> Mapping[str, Any]:
    path = path / RUN if path.is_dir() else path
    try:
        found = parsed(path.read_bytes())
        settings = {**found, **found.get(TYPED, {})}
        return {**settings, CHANGES: dict(settings.get(CHANGES) or {})}
    except OSError as error:
        raise SaysoError(
            f"--config is {path}, which cannot be read ({error.strerror}): give the folder of a training, or "
            f"the {RUN} in it"
        ) from error
    except (ValueError, AttributeError, TypeError) as error:
        raise SaysoError(f"--config is {path}, which is no {RUN} of a training ({error})") from error


def _flags(found: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Yield the flag of each setting that is not as it is by default, and its words."""
    for field in dataclasses.fields(TrainConfig):
        value, name = found.get(field.name), "--" + field.name.replace("_", "-")
        if field.name == CHANGES:
            yield from _changes(found[CHANGES], "--model.")
        elif field.name not in ("out", "config") and value not in (None, "", [], False):
            yield name, _words(name, value)


def _changes(changes: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, list[str]]]:
    for field, value in changes.items():
        name = prefix + field.replace("_", "-")
        switched = value is None or isinstance(value, bool | Mapping)
        yield (
            name,
            _words(name, value)
            if not switched
            else [name if value else f"{prefix}no-{field.replace('_', '-')}"],
        )


def _words(name: str, value: Any) -> list[str]:
    if value is True:
        return [name]
    return [name, *map(str, value)] if isinstance(value, list) else [f"{name}={value}"]
