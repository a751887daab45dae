"""Request to the checks, besides a dataset: whose ears count, what is held out, how closely to look."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

T = TypeVar("T")


class Heard(Protocol):
    """What reaches a policy of a sentence."""

    @property
    def ids(self) -> tuple[int, ...]:
        """Return word pieces; sentences with the same ones are the same to the policy."""
        ...

    @property
    def lost(self) -> str:
        """Return the end that is not read."""
        ...

    @property
    def unknown(self) -> tuple[str, ...]:
        """Return words that cannot be read."""
        ...

    @property
    def is_foreign(self) -> bool:
        """Tell whether most words cannot be read."""
        ...


class Track(Protocol):
    """Function that shows how a long piece of work is getting on."""

    def __call__(self, work: Sequence[T], what: str, /) -> Iterable[T]:
        """Yield the pieces of work, one after the other."""
        ...


def in_silence(work: Sequence[T], what: str, /) -> Iterable[T]:
    """Yield the pieces of work and show nothing."""
    del what
    return work


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is wanted of the checks."""

    hear: Callable[[str], Heard] | None = None
    """Reads a sentence as the policy does; None leaves that out. It is handed in, for recordings know no
    policies."""
    heldout: tuple[Path, ...] = ()
    """Datasets that are kept for measuring."""
    all_frames: bool = False
    """Whether to decode every picture, and read every file whole."""
    track: Track = in_silence


NOTHING_MORE = Asked()
"""What is asked where only a dataset is given."""
