"""Verification of what was finished against its digests: which file was changed, is missing or is unknown.

    a policy, an export, a step of a training    SHA256SUMS
    a dataset                                    meta/sayso.json

A folder that has none of both is searched for those below it that do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sayso.data import integrity
from sayso.data.format import DIGESTS, INFO, FormatError
from sayso.data.info import read_info
from sayso.spec import SaysoError
from sayso.spec.files import CARD, CONFIG
from sayso.work import digests
from sayso.work.progress import tracked

DAMAGED, UNVOUCHED = 1, 2
"""Exit codes."""
OLDER = "older versions wrote none"
TOLD = 4
"""How many files of a kind a sentence names."""
_BESIDE = (CARD, digests.SUMS, "policy_preprocessor.json", "policy_postprocessor.json")
"""What may lie beside the files of a policy though its list does not name it: the card, which a person may
write anew, and LeRobot's steps, which older versions did not list."""


@dataclass(frozen=True, kw_only=True)
class VerifyConfig:
    """Nothing but where to look.

    Exit code 0: all is as it was written. 1: a file was changed, is missing or unknown. 2: something has no
    digests, so that nobody can tell; or there is nothing of ours.
    """


@dataclass(frozen=True)
class Verdict:
    """What a folder's files are, held against its digests."""

    folder: Path
    files: int = 0
    changed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    unvouched: str = ""
    """Why nobody can tell; empty if there are digests."""

    @property
    def code(self) -> int:
        """Return the exit code that stands for it."""
        return DAMAGED if self.changed or self.missing or self.unknown else UNVOUCHED if self.unvouched else 0

    def __str__(self) -> str:
        """Return one sentence."""
        wrong = (
            _told(self.changed, "was changed", "were changed"),
            _told(self.missing, "is missing", "are missing"),
            _told(self.unknown, "is unknown", "are unknown"),
        )
        if said := "; ".join(filter(None, wrong)):
            return f"{self.folder}: not as it was written: {said}"
        if self.unvouched:
            return f"{self.folder}: nobody can tell, for {self.unvouched}"
        return f"{self.folder}: whole, {self.files} file{'s' * (self.files != 1)} as written"


def verify(paths: Sequence[Path], config: VerifyConfig, tell: Callable[[str], None] = print) -> int:
    """Hold what lies in folders against its digests, say of each what it is, and return the exit code.

    Args:
        paths: of policies, exports, trainings or datasets, or of folders that hold such.
        config: of the verb.
        tell: what to do with each sentence.

    Raises:
        SaysoError: if a path is no folder, or holds nothing of ours.
    """
    verdicts = [verdict(folder) for path in paths for folder in found_in(path)]
    for one in verdicts:
        tell(str(one))
    return min((one.code for one in verdicts if one.code), default=0)


def found_in(path: Path) -> list[Path]:
    """Return the folders at or below a path that can be verified, or should be.

    Raises:
        SaysoError: if it is no folder, or there are none.
    """
    if not path.is_dir():
        what = "is a file: name the folder that it lies in" if path.exists() else "does not exist"
        raise SaysoError(f"{str(path)!r} {what}")
    if not (found := list(_below(path))):
        raise SaysoError(f"{str(path)!r} holds no policy, no export, no training and no dataset")
    return found


def _below(folder: Path) -> Iterator[Path]:
    if _is_dataset(folder) or _is_ours(folder):
        yield folder
        return
    for one in sorted(folder.iterdir()):
        if one.is_dir() and not one.is_symlink() and not one.name.startswith("."):
            yield from _below(one)


def _is_dataset(folder: Path) -> bool:
    return (folder / INFO).exists() or (folder / DIGESTS).exists()


def _is_ours(folder: Path) -> bool:
    listed = (folder / digests.SUMS).exists() or (folder / "state.safetensors").exists()
    return listed or ((folder / CONFIG).exists() and any(folder.glob("model.*")))


def verdict(folder: Path) -> Verdict:
    """Hold one folder against its digests."""
    return _of_dataset(folder) if _is_dataset(folder) else _of_list(folder)


def _of_list(folder: Path) -> Verdict:
    if not (folder / digests.SUMS).is_file():
        return Verdict(folder, unvouched=f"it has no {digests.SUMS}: {OLDER}")
    try:
        written = digests.read(folder)
    except ValueError:
        return Verdict(folder, changed=(digests.SUMS,))
    there = _names(folder, folder.rglob("*"))
    return _held(folder, written, there - {*_BESIDE})


def _of_dataset(folder: Path) -> Verdict:
    try:
        written = {name: one.sha256 for name, one in integrity.read(folder).items()}
    except FormatError:
        return Verdict(folder, changed=(DIGESTS,))
    if not written:
        return Verdict(folder, unvouched=f"it has no {DIGESTS}: {OLDER}, and other software writes none")
    there = _names(folder, integrity.files_of(folder))
    held = _held(folder, written, there)
    if INFO in held.changed and _rewritten(folder):
        why = f"other software has written it since, so that {DIGESTS} does not count"
        return Verdict(folder, unvouched=why)
    return held


def _rewritten(folder: Path) -> bool:
    """Tell whether the metadata can be read, and is not as sayso writes it."""
    try:
        return not read_info(folder).ours
    except FormatError:
        return False


def _names(folder: Path, paths: Iterator[Path]) -> set[str]:
    """Return the files among some paths, by their names below a folder, hidden ones left out."""
    names = {path.relative_to(folder) for path in paths if path.is_file()}
    return {name.as_posix() for name in names if not any(part.startswith(".") for part in name.parts)}


def _held(folder: Path, written: Mapping[str, str], there: set[str]) -> Verdict:
    missing = [name for name in written if not (folder / name).is_file()]
    present = [name for name in sorted(written) if name not in missing]
    size = dict(zip(present, ((folder / name).stat().st_size for name in present), strict=True))
    changed = [
        name
        for name in tracked(present, f"verifying {folder.name}", size=size.__getitem__)
        if digests.digest(folder / name) != written[name]
    ]
    unknown = sorted(there - {*written})
    return Verdict(folder, len(written), tuple(changed), tuple(sorted(missing)), tuple(unknown))


def _told(names: Sequence[str], one: str, several: str) -> str:
    more = len(names) - TOLD
    listed = ", ".join(names[:TOLD]) + (f" and {more} more" if more > 0 else "")
    return f"{listed} {one if len(names) == 1 else several}" if names else ""
