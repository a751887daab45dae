"""Facts about a recording, in its folder: what is recorded there, and how long that took."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sayso.data.format import RECORDING as RECORDING
from sayso.data.writer import recorded
from sayso.evaluation.noise import ActionNoise
from sayso.sim.domains import DOMAINS
from sayso.spec import SaysoError
from sayso.spec.files import parsed
from sayso.tasks.axes import departures
from sayso.tasks.worlds import WORLDS
from sayso.work.provenance import provenance, write_json


def recording_seconds(dataset: Path) -> float:
    """Return how long it took to record a dataset; 0.0 for one from elsewhere, of which that is not known."""
    path = dataset / RECORDING
    return float(_read(path)["seconds"]) if path.exists() else 0.0


def shown_within(dataset: Path) -> dict[str, tuple[float, float]]:
    """Return the least and the most of each axis that a dataset was recorded with, if it says any."""
    path = dataset / RECORDING
    config = _read(path)["config"] if path.exists() else {}
    words = config.get("axis") or ()
    named = departures(WORLDS[config["world"]].axes, words) if words else ()
    spans = {each.axis.name: each.span for each in named}
    return spans | ({DOMAINS[domain].key: (1.0, 1.0)} if (domain := config.get("domain")) else {})


@contextlib.contextmanager
def claimed(out: Path, decides: Mapping[str, Any]) -> Iterator[None]:
    """Write down in its folder what is recorded there, or check that it is the same, and how long it takes.

    The time that passes inside the `with` is added to what recording took before, also if an error ends it.
    """
    path, began = out / RECORDING, time.monotonic()
    if path.exists():
        _refuse_other(out, decides, _read(path)["config"])
    elif recorded(out):
        raise SaysoError(
            f"{out} holds episodes, but no {RECORDING} that says which ones belong there; "
            "record into another folder"
        )
    else:
        write_json(path, {"config": decides, **provenance()})
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # a full disk has been told of already
            written = _read(path)
            written["seconds"] = round(written["seconds"] + time.monotonic() - began, 1)
            write_json(path, written)


def _refuse_other(out: Path, decides: Mapping[str, Any], there: dict[str, Any]) -> None:
    # What there was not yet when it began was as its default is.
    before: dict[str, Any] = {"keep": "corrections", "axis": [], "domain": "", "handover": 0.0}
    there = before | there
    there["noise"] = dataclasses.asdict(ActionNoise()) | there.get("noise", {})
    begun, asked = _flags(there), _flags(decides)
    if differing := [
        f"{flag}: {begun.get(flag, 'nothing')} there, {value} now"
        for flag, value in asked.items()
        if begun.get(flag) != value
    ]:
        raise SaysoError(
            f"{out} holds a recording that was asked for in other words ({'; '.join(differing)}). Give those "
            "that it was begun with to continue it, or record into another folder"
        )


def _flags(config: Mapping[str, Any], prefix: str = "--") -> dict[str, str]:
    """Return what was asked for as a person types it: ``--noise.deg`` -> ``2.5``."""
    flags: dict[str, str] = {}
    for name, value in config.items():
        flag = prefix + name.replace("_", "-")
        if isinstance(value, dict):
            flags |= _flags(value, f"{flag}.")
        else:
            flags[flag] = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return flags


def _read(path: Path) -> dict[str, Any]:
    """Read what is written down about a recording: ``config``, ``seconds`` and where it comes from."""
    try:
        about = parsed(path.read_bytes())
        return {**about, "config": dict(about["config"]), "seconds": float(about.get("seconds", 0.0))}
    except (ValueError, KeyError, TypeError) as error:
        raise SaysoError(
            f"{path} is damaged ({error}), and it says what was asked for when this was recorded. Take it "
            "from a copy, or record into another folder; if the dataset beside it is finished, just delete it"
        ) from error
