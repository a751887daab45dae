"""Paraphrases in a JSON file: sentences that a policy knows, each with other ways to say it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from sayso.learn.source import Meant
from sayso.spec import SaysoError

Wordings = Mapping[str, Sequence[str]]
"""A sentence the policy knows, to other ways to say it; with none it is only kept from being forgotten."""


def read_wordings(path: Path) -> Wordings:
    """Return the wordings in a JSON file.

    Raises:
        SaysoError: if it is not an object of lists of sentences, or one sentence stands for two.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise SaysoError(f"{path} is not JSON: {error}") from error
    if not isinstance(found, dict) or len(found) < 2:
        raise SaysoError(f"{path} holds no object from two sentences or more to lists of other wordings")
    meant_by: dict[str, str] = {}
    for known, others in found.items():
        if not isinstance(others, list) or not all(isinstance(other, str) for other in others):
            raise SaysoError(f"{path}: what stands for {known!r} is not a list of sentences")
        for sentence in (known, *others):
            other = meant_by.setdefault(sentence.lower(), known)
            if other != known:
                raise SaysoError(f"{path}: {sentence!r} stands for {other!r} and for {known!r}")
    if not any(found.values()):
        raise SaysoError(f"{path} has no other wording of any sentence")
    return found


def parted(wordings: Wordings, probe_share: float) -> tuple[Meant, Meant]:
    """Return the wordings to teach, and the last ones of each sentence, which are asked for at the end."""
    taught: list[tuple[int, str]] = []
    probe: list[tuple[int, str]] = []
    for meaning, others in enumerate(wordings.values()):
        cut = len(others) - round(probe_share * len(others))
        taught += [(meaning, other) for other in others[:cut]]
        probe += [(meaning, other) for other in others[cut:]]
    return taught, probe
