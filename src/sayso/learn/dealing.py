"""Dealing of a step's random numbers: each share of a batch gets those that one device would draw for it.

::

    one device     rand(8, 3) from (seed, step)          rows 0 1 2 3 4 5 6 7
    two devices    the same 8 rows, drawn by both        0 2 4 6  and  1 3 5 7, as the examples are dealt

So how a picture is varied depends on the example, not on how many devices there are. What is drawn inside
torch's own kernels, as by dropout, has no rows to deal and comes from a stream of each share's own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.overrides import TorchFunctionMode


@dataclass(frozen=True)
class Share:
    """Share of a batch: its examples number, number + of, number + 2 of and so on."""

    number: int = 0
    of: int = 1
    size: int = 0
    """Examples of the whole batch."""

    def __len__(self) -> int:
        """Return the number of its examples."""
        return len(range(self.number, self.size, self.of))


@contextlib.contextmanager
def seeded(*numbers: int) -> Iterator[None]:
    """Let torch's own generator depend on these numbers only, inside a `with`, and restore it behind it."""
    with torch.random.fork_rng():
        torch.manual_seed(_mixed(numbers))
        yield


@contextlib.contextmanager
def dealt(seed: int, step: int, share: Share) -> Iterator[None]:
    """Let what is drawn inside a `with` depend on seed, step and share, and be a whole batch's together."""
    if share.of == 1:
        with seeded(seed, step):
            yield
        return
    # Numbers that end in zeros are the same to a SeedSequence, however many; so no share is number 0 there.
    with (
        seeded(seed, step, share.number + 1),
        _Dealt(torch.Generator().manual_seed(_mixed((seed, step))), share),
    ):
        yield


def _mixed(numbers: Sequence[int]) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])


class _Dealt(TorchFunctionMode):
    """Drawing of a whole batch's numbers, of which a share keeps its rows."""

    def __init__(self, generator: torch.Generator, share: Share) -> None:
        super().__init__()
        self._generator, self._share = generator, share

    def __torch_function__(
        self, function: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = dict(kwargs or {})
        if function not in (torch.rand, torch.randn, torch.randint) or given.get("generator") is not None:
            return function(*args, **given)
        limits, size = _parted(function, args, given)
        elsewhere = torch.device(given.get("device") or "cpu").type != "cpu"
        if not size or size[0] != len(self._share) or elsewhere:
            return function(*args, **given)
        given["generator"] = self._generator
        drawn = function(*limits, (self._share.size, *size[1:]), **given)
        return drawn[self._share.number :: self._share.of]


def _parted(function: Any, args: Sequence[Any], given: dict[str, Any]) -> tuple[Sequence[Any], Sequence[int]]:
    """Return what stands before the size of what is drawn, and the size; empty where it is named."""
    if "size" in given or not args:
        return args, ()
    if function is torch.randint:
        return args[:-1], args[-1]
    return (), args if isinstance(args[0], int) else args[0]
