"""Units against the arm: numbers it cannot reach, radians called degrees, targets in another unit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from sayso.data.checks import remedies
from sayso.data.checks.evidence import Evidence
from sayso.data.checks.finding import Finding, error, many, note, warning
from sayso.data.checks.joints import WORD, is_joint, shared
from sayso.data.checks.numbers import bounds
from sayso.data.statistics import Stats
from sayso.data.units import joint_of, with_units
from sayso.robots import DEGREES, GRIPPER, PERCENT, RADIANS, known_robot
from sayso.spec import ACTION, STATE, SaysoError

MARGIN = 0.1
"""Share of an arm's range that a reading may lie beyond it: calibrations differ."""
ALIKE = 0.9
"""Correlation from which action and state tell of the same joint."""
TIMES, BESIDE, LEAST_BESIDE = 3.0, 0.15, 5.0
"""How many times as wide as the state an action may be, and how far beside it: as a share of its range, and
at least so many degrees or per cent, for arms hang through."""
DEGREES_PER_RADIAN = 180 / np.pi


def units(e: Evidence) -> Iterator[Finding]:
    """Find joints in units that they cannot have, and say which were assumed."""
    known = {key: values[np.isfinite(values).all(1)] for key, values in e.numbers.items()}
    if not all(map(len, known.values())):
        return
    stats = {key: Stats.of(values) for key, values in known.items()}
    try:
        features, assumed = with_units(e.features, stats)
    except SaysoError as fault:
        yield error(str(fault), remedy="train with --units and the unit they are in: deg, normalized or rad")
        return
    joints = {d.name: d.unit for d in (*features.state, *features.action) if is_joint(e, d.name)}
    arm = {name: unit for name, unit in joints.items() if joint_of(name)}
    if arm and _look_like_radians(e, set(arm)):
        if set(arm.values()) != {RADIANS}:
            yield warning(
                f"no joint leaves -{np.pi:.2f}..{np.pi:.2f}, so they look like radians, but are taken for "
                f"{' and '.join(sorted(set(arm.values())))}",
                remedy="train with --units rad, if they are; or record again in degrees",
            )
        return
    for said in assumed:
        yield note(said)
    yield from _beyond(e, {d.name: d.unit for d in (*features.state, *features.action)})


def _look_like_radians(e: Evidence, names: set[str]) -> bool:
    most = [
        float(np.nanmax(np.abs(e.numbers[key][:, k]), initial=0.0))
        for key in e.numbers
        for k, name in enumerate(e.names(key))
        if name in names
    ]
    return bool(most) and 0 < max(most) <= 1.1 * np.pi


def _beyond(e: Evidence, units: dict[str, str]) -> Iterator[Finding]:
    """Find numbers further out than the robot's row in the table of robots lets them go."""
    robot = known_robot(e.features.robot_type)
    ranges = dict(robot.ranges) if robot else {}
    for key in e.numbers:
        for k, name in enumerate(e.names(key)):
            expected = PERCENT if joint_of(name) == GRIPPER else DEGREES
            if name not in ranges or units[name] != expected:
                continue
            low, high = ranges[name]
            margin = MARGIN * (high - low)
            values = e.numbers[key][:, k]
            lowest, highest = bounds(values)  # what lies beyond these has been told to be an outlier
            rows = np.flatnonzero(
                ((values < low - margin) & (values >= lowest))
                | ((values > high + margin) & (values <= highest))
            )
            if len(rows):
                row = rows[np.argmax(np.abs(values[rows]))]
                yield warning(
                    f"goes to {values[row]:.4g}, but the {e.features.robot_type} reaches "
                    f"{low:.4g} to {high:.4g} {units[name]} only ({many(len(rows), 'such frame')}): "
                    "another unit, or another calibration",
                    name=f"{WORD[key]} {name}",
                    remedy="say the unit at training (--units normalized, deg or rad), or calibrate the arm "
                    "and record again",
                    **e.place(rows),
                )


def action_and_state(e: Evidence) -> Iterator[Finding]:
    """Find actions that are in another unit than the state, stand beside it, or are steps, not targets."""
    steps: list[str] = []
    unlike: dict[float, list[tuple[str, float]]] = {}
    for name, s, a in shared(e):
        state, action = e.numbers[STATE][:, s], e.numbers[ACTION][:, a]
        known = np.isfinite(state) & np.isfinite(action)
        state, action = state[known], action[known]
        width, wide = e.widths[STATE][s], e.widths[ACTION][a]
        if not is_joint(e, name) or len(state) < 3 or not (width > 0 and wide > 0):
            continue
        alike = float(np.corrcoef(state, action)[0, 1])
        times, beside = float(wide / width), float(np.median(action - state))
        if alike > ALIKE and not 1 / TIMES < times < TIMES:
            unlike.setdefault(round(float(np.log(times)), 1), []).append((name, times))
        elif alike > ALIKE and abs(beside) > _allowed_beside(width):
            yield warning(
                f"lies {beside:+.4g} beside the state in the middle of all frames: one of both arms was "
                "calibrated otherwise, or the two are out of step",
                name=f"action {name}",
                remedy="calibrate leader and follower, and record again",
            )
        elif abs(alike) < 0.5 and times < 1 / TIMES and abs(np.mean(action)) < wide:
            steps.append(name)
    for group in unlike.values():
        yield _another_unit(e, group)
    if steps:
        yield warning(
            f"moves much less than the state does, and not with it ({', '.join(steps)}): these look like "
            "changes per step, while sayso takes an action with a state's name for its target",
            name="action",
            remedy="if they are, give the action's numbers names of their own in meta/info.json",
        )


def _allowed_beside(width: float) -> float:
    least = LEAST_BESIDE if width > 2 * np.pi else np.radians(LEAST_BESIDE)
    return max(BESIDE * width, float(least))


def _another_unit(e: Evidence, group: Sequence[tuple[str, float]]) -> Finding:
    """Tell of numbers whose actions are by one factor as wide as their states."""
    names, times = ", ".join(name for name, _ in group), group[0][1]
    wide, narrow = ("action", "state") if times > 1 else ("state", "action")
    why = (
        f"the {wide} is in degrees and the {narrow} in radians"
        if abs(max(times, 1 / times) / DEGREES_PER_RADIAN - 1) < 0.15
        else "they are in different units"
    )
    return error(
        f"moves with the state, but {times:.3g} times as far: {why}",
        name=f"action {names}",
        remedy="record both in one unit; or train without: "
        + remedies.drop_dimensions(e, *(name for name, _ in group)),
    )
