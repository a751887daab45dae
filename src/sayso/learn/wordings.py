"""Other wordings of sentences: those of a world, by its name, or those in a JSON file."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path

from sayso.learn.source import Meant
from sayso.spec import SaysoError
from sayso.spec.files import parsed
from sayso.tasks.worlds import WORLDS, OtherWordings

Wordings = Mapping[str, Sequence[str]]
"""A sentence the policy knows, to other ways to say it; with none it is only kept from being forgotten."""


def named_wordings() -> Mapping[str, Path | OtherWordings]:
    """Return the wordings that come with worlds, by the names under which they are asked for."""
    rows = {name: WORLDS[name] for name in WORLDS}
    own = {name: row.wordings for name, row in rows.items() if row.wordings}
    return own | {row.language: row.wordings for row in rows.values() if row.wordings and row.language}


def refuse_unknown_wordings(named: str) -> None:
    """Raise `SaysoError` unless wordings of this name come with a world, or there is such a file."""
    names = named_wordings()
    if named in names or Path(named).is_file():
        return
    near = difflib.get_close_matches(named, names, n=1)
    raise SaysoError(
        f"--wordings is {named}, which is no file, and no world has such words; give a JSON file of other "
        f"wordings, or {', '.join(sorted(names))}" + (f". Did you mean {near[0]}?" if near else "")
    )


def others_of(named: str, sentences: Sequence[str], count: int) -> Wordings:
    """Return other wordings of sentences, about so many of each where they are drawn; all that a file has.

    Raises:
        SaysoError: if the file of that name is not one of wordings.
    """
    known = named_wordings().get(named, Path(named))
    if callable(known):
        return {sentence: known(sentence, count) for sentence in sentences}
    listed = {said.lower(): others for said, others in read_wordings(known, fewest=1).items()}
    return {sentence: listed.get(sentence.lower(), ()) for sentence in sentences}


def read_wordings(path: Path, *, fewest: int = 2) -> Wordings:
    """Return the wordings in a JSON file.

    Raises:
        SaysoError: if it is not an object of lists of sentences, at least so many, or one sentence stands
            for two.
    """
    try:
        found = parsed(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SaysoError(f"{path} is not JSON: {error}") from error
    if not isinstance(found, dict) or len(found) < fewest:
        many = "two sentences or more" if fewest > 1 else "sentences"
        raise SaysoError(f"{path} holds no object from {many} to lists of other wordings")
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
