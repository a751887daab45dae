"""Episodes against each other: lengths unlike all others, copies, and a leak into the held-out ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from sayso.data.checks import remedies
from sayso.data.checks.evidence import Evidence, Span, gather
from sayso.data.checks.finding import Finding, error, note, warning
from sayso.data.format import FAMILY_COLUMN, SEED_COLUMN
from sayso.spec import ACTION, STATE

UNLIKE = 3.0
"""How many times shorter or longer than the middle one an episode may be."""
ENOUGH = 4
"""Episodes of one task from which on they are compared among themselves."""
SHORTEST_S = 0.5
COPIED = 0.5
"""Share of an episode's different frames that must be another's as well, for it to count as its copy."""


def lengths(e: Evidence) -> Iterator[Finding]:
    """Find episodes far shorter or longer than the others of their task."""
    groups: dict[int, list[Span]] = {}
    for span in e.episodes:
        groups.setdefault(int(e.counters["task_index"][span.start]), []).append(span)
    if any(len(group) < ENOUGH for group in groups.values()):
        groups = {0: list(e.episodes)}
    far = [found for group in groups.values() for found in _far(e, group)]
    for word in ("shorter", "longer"):
        mine = [(span, middle) for span, middle, how in far if how == word]
        if mine:
            span, middle = mine[0]
            numbers = tuple(sorted(span.index for span, _ in mine))
            yield warning(
                f"has {len(span)} frames ({len(span) / e.fps:.1f} s), far {word} than the others "
                f"(the middle one has {middle}): it was cut, or begun or ended by mistake",
                episodes=numbers,
                remedy=remedies.drop_episodes(e, numbers),
            )


def _far(e: Evidence, group: Sequence[Span]) -> Iterator[tuple[Span, int, str]]:
    middle = int(np.median([len(span) for span in group]))
    for span in group:
        if len(span) * UNLIKE < middle or len(span) < min(SHORTEST_S * e.fps, middle):
            yield span, middle, "shorter"
        elif len(span) > UNLIKE * middle:
            yield span, middle, "longer"


def copies(e: Evidence) -> Iterator[Finding]:
    """Find episodes that were recorded once and are there twice."""
    keys = _frames(e)
    found: dict[int, int] = {}
    for k, other in _overlaps(keys, e, keys, e):
        if other < k:
            found.setdefault(e.episodes[k].index, e.episodes[other].index)
    if found:
        yield warning(
            f"holds the same numbers as an earlier one ({_pairs('{} of {}', found)}): "
            "a copy counts twice in training, and may end up on both sides of a split",
            episodes=tuple(found),
            remedy=remedies.drop_episodes(e, found),
        )


def leaks(e: Evidence) -> Iterator[Finding]:
    """Find episodes that are in a held-out dataset as well, so that nothing measured there is new."""
    for heldout in e.asked.heldout:
        other = gather(heldout)
        if not other.info or _shape(other) != _shape(e):
            yield note(f"{heldout} has other numbers, so no frame of it can be among these")
            continue
        pairs: dict[int, int] = {}
        scenes = {scene: span.index for span in other.episodes if (scene := _scene(other, span))}
        pairs |= {s.index: scenes[scene] for s in e.episodes if (scene := _scene(e, s)) in scenes}
        for k, theirs in _overlaps(_frames(e), e, _frames(other), other):
            pairs.setdefault(e.episodes[k].index, other.episodes[theirs].index)
        if pairs:
            yield error(
                f"is also in the held-out {heldout} ({_pairs('{} is {} there', pairs)}): what is "
                "measured there was trained on",
                episodes=tuple(pairs),
                remedy=remedies.drop_episodes(e, pairs),
            )


def _pairs(how: str, found: Mapping[int, int]) -> str:
    """Return the first six pairs of episodes as a person reads them."""
    shown = [how.format(*pair) for pair in found.items()]
    return ", ".join([*shown[:6], *("...",) * (len(shown) > 6)])


def _scene(e: Evidence, span: Span) -> tuple[object, ...]:
    """Return what the simulated scene of an episode was drawn from; nothing where that is not known."""
    extras = e.places[span.index].extras if span.index in e.places else {}
    known = FAMILY_COLUMN in extras and SEED_COLUMN in extras
    return (extras[FAMILY_COLUMN], extras[SEED_COLUMN]) if known else ()


def _shape(e: Evidence) -> dict[str, int]:
    return {key: values.shape[1] for key, values in e.vectors.items()}


def _frames(e: Evidence) -> NDArray[np.int64]:
    """Return a number for each frame's state and action; the same for the same numbers, ``[N]``."""
    joined = [np.nan_to_num(e.vectors[key]) for key in (STATE, ACTION) if key in e.vectors]
    rows = np.concatenate(joined, axis=1) + 0.0 if joined else None
    if rows is None or not rows.shape[1]:
        return np.arange(len(e))
    keys = [hash(row.tobytes()) for row in rows]
    return np.array(keys, np.int64)


def _overlaps(
    mine: NDArray[np.int64], e: Evidence, theirs: NDArray[np.int64], other: Evidence
) -> Iterator[tuple[int, int]]:
    """Yield stretches of two datasets, or of one, that share most of their different frames."""
    same = e is other
    owners: dict[int, list[int]] = {}
    for k, span in enumerate(other.episodes):
        for key in set(theirs[span.start : span.stop].tolist()):
            owners.setdefault(key, []).append(k)
    for k, span in enumerate(e.episodes):
        keys = set(mine[span.start : span.stop].tolist())
        shared = Counter(j for key in keys for j in owners.get(key, ())[:8] if not (same and j == k))
        for j, count in shared.most_common(1):
            if count > max(1, COPIED * len(keys)):  # standing still, all are alike
                yield k, j
