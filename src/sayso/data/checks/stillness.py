"""Movement in a recording: numbers that never move, sensors that are stuck, episodes without action."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from sayso.data.checks import remedies
from sayso.data.checks.evidence import Evidence, Floats
from sayso.data.checks.finding import Finding, error, note, warning
from sayso.data.checks.joints import WORD, shared
from sayso.data.statistics import Stats, hardly_moves
from sayso.data.units import with_units
from sayso.robots import DEGREES, NORMALIZED, PERCENT, RADIANS
from sayso.spec import ACTION, STATE, SaysoError

STILL_SHARE = 0.02
"""Share of its range in the dataset within which a number counts as standing still."""
NOISE: Mapping[str, float] = {DEGREES: 1.0, NORMALIZED: 0.5, RADIANS: 0.02, PERCENT: 0.5}
"""Range up to which a joint moves no more than its sensor trembles, by unit."""
LEAVE_IT = "nothing, if it is meant to stay there; else look at its motor; or leave it out: "
IDLE_S, IDLE_SHARE = 2.0, 0.15
"""How long, and for which share of an episode, a robot may stand still at one end without a word."""
COMMON = 0.05
"""Share of the recording that may be idle at the ends of episodes before that is said of all of it."""


def still_dimensions(e: Evidence) -> Iterator[Finding]:
    """Find numbers that never move in the whole dataset, and sensors that stay while they are commanded."""
    still = {key: _still(values) for key, values in e.numbers.items()}
    moving = {
        name for key in still for name, stays in zip(e.names(key), still[key], strict=True) if not stays
    }
    for key, stays in still.items():
        for k in np.flatnonzero(stays).tolist():
            name = e.names(key)[k]
            value = float(np.nanmean(e.numbers[key][:, k])) if np.isfinite(e.numbers[key][:, k]).any() else 0
            if name not in moving:
                if key == ACTION or name not in e.names(ACTION):
                    yield _unmoved(e, key, name, value)
            elif key == STATE:
                yield error(
                    f"stays at {value:.4g} in every frame, though the action of that name moves: the sensor "
                    "is stuck or was never read",
                    name=f"state {name}",
                    remedy="look at what reads it, and record again; or leave it out: "
                    + remedies.drop_dimensions(e, name),
                )
            else:
                yield warning(
                    f"stays at {value:.4g} in every frame, though the state of that name moves",
                    name=f"action {name}",
                    remedy=remedies.drop_dimensions(e, name),
                )


def _still(values: Floats) -> NDArray[np.bool_]:
    known = values[np.isfinite(values).all(1)]
    if len(known) < 2:
        return np.zeros(values.shape[1], np.bool_)
    return hardly_moves(known.mean(0), known.std(0))


def _unmoved(e: Evidence, key: str, name: str, value: float) -> Finding:
    return warning(
        f"hardly moves in the whole dataset: it stays at {value:.4g}. Nothing can be learned of it, and a "
        "policy will hold it there",
        name=f"{WORD[key]} {name}",
        remedy=LEAVE_IT + remedies.drop_dimensions(e, name),
    )


def only_noise(e: Evidence) -> Iterator[Finding]:
    """Find joints that move no further than their sensor's noise, which a policy would take for movement."""
    for k, name in enumerate(e.names(ACTION)):
        unit = next((unit for unit, names in _units(e).items() if name in names), "")
        width = float(e.widths[ACTION][k]) if ACTION in e.widths else 0.0
        if 0 < width < NOISE.get(unit, 0.0) and not _still(e.numbers[ACTION])[k]:
            yield warning(
                f"moves by {width:.2g} {unit} only, in all but a few frames: as little as noise, which "
                "training scales up to as much as the others move",
                name=f"action {name}",
                remedy=LEAVE_IT + remedies.drop_dimensions(e, name),
            )


def _units(e: Evidence) -> dict[str, set[str]]:
    """Return the names of the action's numbers by their units, as far as those are known."""
    known = {key: values[np.isfinite(values).all(1)] for key, values in e.numbers.items()}
    if not all(map(len, known.values())):
        return {}
    try:
        features, _ = with_units(e.features, {key: Stats.of(values) for key, values in known.items()})
    except SaysoError:  # told by the check of units
        features = e.features
    found: dict[str, set[str]] = {}
    for dimension in features.action:
        found.setdefault(dimension.unit, set()).add(dimension.name)
    return found


def stuck_sensors(e: Evidence) -> Iterator[Finding]:
    """Find episodes in which a number of the state never changes though its action moves."""
    if STATE not in e.vectors:
        return
    moves = {key: e.highs[key] - e.lows[key] for key in e.vectors}
    still = _still(e.numbers[STATE])
    for name, s, a in shared(e):
        width = e.widths[ACTION][a]
        stuck = (moves[STATE][:, s] == 0) & (moves[ACTION][:, a] > 5 * STILL_SHARE * width) & (width > 0)
        if stuck.any() and not still[s]:
            episodes = _numbered(e, stuck)
            yield error(
                "does not change at all while the action of that name moves: the sensor was stuck",
                episodes=episodes,
                name=f"state {name}",
                remedy=remedies.drop_episodes(e, episodes),
            )


def still_episodes(e: Evidence) -> Iterator[Finding]:
    """Find episodes in which nobody moves, and those that wait long at one end."""
    still = np.all([_share_moved(e, key) < STILL_SHARE for key in e.vectors], axis=0)
    if not e.vectors or still.all():
        if e.vectors and len(e.episodes):
            yield error("nothing moves in any episode: there is nothing to learn from", remedy="record again")
        return
    if still.any():
        episodes = _numbered(e, still)
        yield warning(
            f"nobody moves: state and action stay within {STILL_SHARE:.0%} of their range",
            episodes=episodes,
            remedy=remedies.drop_episodes(e, episodes),
        )
    yield from _idle(e, still)


def _share_moved(e: Evidence, key: str) -> Floats:
    """Return for each stretch the largest share of its range that a number moved, ``[E]``."""
    width = e.widths[key]
    moved = (e.highs[key] - e.lows[key])[:, width > 0] / width[width > 0]
    return np.asarray(np.nan_to_num(moved).max(axis=1, initial=0.0))


def _idle(e: Evidence, still: NDArray[np.bool_]) -> Iterator[Finding]:
    key = STATE if e.vectors.get(STATE, np.empty((0, 0))).shape[1] else ACTION
    width = e.widths[key]
    spans = [span for span, stays in zip(e.episodes, still, strict=True) if not stays]
    waits = np.zeros((2, len(spans)))
    for k, span in enumerate(spans):
        for at, end in enumerate((1, -1)):
            rows = e.numbers[key][span.start : span.stop][::end, width > 0]
            away = (np.abs(rows - rows[0]) > STILL_SHARE * width[width > 0]).any(1)
            waits[at, k] = np.argmax(away) if away.any() else 0
    lengths = np.array([len(span) for span in spans])
    if (share := float(waits.sum() / lengths.sum())) >= COMMON:
        before, after = waits.mean(1) / e.fps
        yield note(
            f"{share:.0%} of the recording is idle: on average {before:.1f} s pass before the robot moves "
            f"and {after:.1f} s after it has stopped. A policy that learns from them waits as long",
            remedy="training leaves out the idle beginning by default; end an episode once the thing is done",
        )
        return
    for words, waited in zip(("before the robot moves", "after it has stopped"), waits, strict=True):
        if (long := waited > np.maximum(IDLE_S * e.fps, IDLE_SHARE * lengths)).any():
            yield note(
                f"{waited[long].mean() / e.fps:.1f} s pass {words}; a policy may learn to wait as long",
                episodes=tuple(spans[k].index for k in np.flatnonzero(long).tolist()),
            )


def _numbered(e: Evidence, which: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(e.episodes[k].index for k in np.flatnonzero(which).tolist()))
