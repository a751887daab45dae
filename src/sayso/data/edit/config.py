"""Settings of an edit, in the words of a command line.

--episodes 0-9,12              numbers and spans, as the dataset counts them
--relabel "old=new"            a pair; so are --rename-cameras and --rename-dimensions
--split heldout=0.1            a share, or the episodes: --split heldout=3,7
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sayso.data.crop import read_crops
from sayso.data.resize import read_size
from sayso.spec import FASTEST_HZ, ConfigError

REST = "train"
"""What the episodes are called that no part of a split is named for."""
MARK = "#"
"""What stands before episodes whose sentence is given anew, whatever it was."""
_SPAN = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?")
_MOST_EPISODES = 10_000_000
_PART = re.compile(r"\w[\w.-]{0,99}")


@dataclass(frozen=True, kw_only=True)
class EditConfig:
    """What to change, and where to write what comes of it."""

    out: Path
    """Folder of the new dataset, which must not exist; with --split, of the new datasets."""
    episodes: str = ""
    """Episodes to keep, such as 0-9,12; all if left out."""
    drop_episodes: str = ""
    """Episodes to leave out, such as 3,7."""
    tasks: tuple[str, ...] = ()
    """Instructions whose episodes are kept, each as it was recorded; all if left out."""
    drop_tasks: tuple[str, ...] = ()
    """Instructions whose episodes are left out."""
    relabel: tuple[str, ...] = ()
    """New instructions: "old=new" wherever the old one stands, "#0-9=new" in these episodes, "=new" where
    there is none."""
    cameras: tuple[str, ...] = ()
    """Cameras to keep; all if left out."""
    drop_cameras: tuple[str, ...] = ()
    """Cameras to leave out."""
    rename_cameras: tuple[str, ...] = ()
    """New names of cameras, such as observation.images.image=front."""
    dimensions: tuple[str, ...] = ()
    """Dimensions of state and action to keep, in this order; all if left out."""
    drop_dimensions: tuple[str, ...] = ()
    """Dimensions of state and action to leave out."""
    rename_dimensions: tuple[str, ...] = ()
    """New names of dimensions, such as shoulder=shoulder_pan.pos."""
    crop: tuple[str, ...] = ()
    """Part of each camera's picture to keep, as in training: desk=0,80,480,480 is top, left, height and width
    in pixels, 480x480 the middle of every camera's picture; either may be in per cent."""
    resize: str = ""
    """Size to scale pictures down to, as in training: 128 for the shorter side, 96x128 for just that."""
    fps: float | None = None
    """Rate to keep of a faster recording: every second, third, ... frame of it."""
    robot: str = ""
    """What the robot is called in the new dataset; as it was if left out."""
    points: Path | None = None
    """File of clicks (`sayso label`) in one recording: what was clicked is followed through its episode, and
    training learns to point at it."""
    split: tuple[str, ...] = ()
    """Parts to write as datasets of their own below --out, such as heldout=0.1 or heldout=3,7-9; the other
    episodes go into train."""
    seed: int = 0
    """Which episodes a share of --split draws."""

    def __post_init__(self) -> None:
        """Refuse what cannot be understood, before a file is opened."""
        for name in ("episodes", "drop_episodes"):
            read_episodes(name, getattr(self, name))
        for name in ("relabel", "rename_cameras", "rename_dimensions"):
            read_pairs(name, getattr(self, name))
        for old in read_pairs("relabel", self.relabel):
            read_episodes("relabel", old.removeprefix(MARK) if old.startswith(MARK) else "")
        read_split(self.split)
        read_crops(self.crop)
        read_size(self.resize)
        if self.fps is not None and not 0 < self.fps <= FASTEST_HZ:
            raise ConfigError(f"fps is {self.fps:g}, but must be above 0 and at most {FASTEST_HZ:g}")
        if not self.robot.isprintable():
            raise ConfigError(f"robot is {self.robot!r}, but must be a printable text")

    @property
    def counts_episodes(self) -> bool:
        """Tell whether it names episodes by number, which says something of one dataset only."""
        numbered = any(old.startswith(MARK) for old in read_pairs("relabel", self.relabel))
        parts = read_split(self.split).values()
        return bool(self.episodes or self.drop_episodes or numbered) or any(
            not isinstance(part, float) for part in parts
        )


def read_episodes(name: str, text: str) -> frozenset[int]:
    """Return the episodes that ``0-9,12`` names.

    Raises:
        ConfigError: if it names none in that way.
    """
    found: set[int] = set()
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = _SPAN.fullmatch(part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if last < first or last > _MOST_EPISODES:
            raise ConfigError(f"{name} is {text!r}, but must be numbers and spans of episodes such as 0-9,12")
        found.update(range(first, last + 1))
    return frozenset(found)


def read_pairs(name: str, texts: Sequence[str]) -> dict[str, str]:
    """Return what each ``old=new`` makes of what.

    Raises:
        ConfigError: if one is no pair, says nothing new, or a name is changed twice.
    """
    pairs: dict[str, str] = {}
    for text in texts:
        old, equals, new = (part.strip() for part in text.partition("="))
        if not equals or not new or new == old:
            raise ConfigError(f'{name} is {text!r}, but must be a pair: "old=new"')
        if old in pairs:
            raise ConfigError(f"{name} says twice what becomes of {old!r}: {pairs[old]!r} and {new!r}")
        pairs[old] = new
    return pairs


def read_split(texts: Sequence[str]) -> dict[str, float | frozenset[int]]:
    """Return the share or the episodes of each part of a split.

    Raises:
        ConfigError: if one is neither, or the shares leave nothing for the rest.
    """
    parts: dict[str, float | frozenset[int]] = {}
    for text in texts:
        name, _, what = (part.strip() for part in text.partition("="))
        if not _PART.fullmatch(name) or name in parts or name == REST:
            raise ConfigError(
                f"split is {text!r}, but each part needs a plain name of its own other than {REST!r}, which "
                "is what the rest is called: heldout=0.1"
            )
        parts[name] = read_part("split", what)
        if not parts[name]:
            raise ConfigError(
                f"split is {text!r}, but must say a share or episodes: heldout=0.1, heldout=3,7"
            )
    if sum(part for part in parts.values() if isinstance(part, float)) >= 1:
        raise ConfigError(f"split is {' '.join(texts)!r}, but the shares must leave something for {REST!r}")
    return parts


def read_part(name: str, text: str) -> float | frozenset[int]:
    """Return the share of all episodes, or the episodes, that ``0.1`` or ``3,7`` names.

    Raises:
        ConfigError: if it names neither.
    """
    if "." not in text:
        return read_episodes(name, text)
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise ConfigError(f"{name} is {text!r}, but a share is between 0 and 1, such as 0.1")
    return share


def known_numbers(name: str, given: Collection[int], there: Collection[int]) -> frozenset[int]:
    """Return episodes by number if there are such.

    Raises:
        ConfigError: if there is one that the dataset lacks.
    """
    if lacking := sorted(set(given) - set(there)):
        raise ConfigError(
            f"{name} names episode {lacking[0]}, but there is none; the dataset has {spans(there)}"
        )
    return frozenset(given)


def spans(numbers: Collection[int]) -> str:
    """Return numbers as they are typed: ``0-9,12``."""
    ordered, parts = sorted(numbers), list[str]()
    for number in ordered:
        if parts and int(re.split("-", parts[-1])[-1]) == number - 1:
            parts[-1] = f"{parts[-1].partition('-')[0]}-{number}"
        else:
            parts.append(str(number))
    return ",".join(parts)


def renamed(names: Sequence[str], pairs: Mapping[str, str]) -> list[str]:
    """Return names, the old ones replaced."""
    return [pairs.get(name, name) for name in names]
