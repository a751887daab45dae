"""Dry run in words: what it shows and what not, and what would have been sent beside the demonstrations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sayso.data.statistics import Stats
from sayso.runtime.robot import DryRun, is_imagined
from sayso.spec import ACTION, Features, Robot

NO_ROBOT = (
    "dry: there is no robot, its cameras show grey, and it is at once where it is told to be. That shows "
    "whether the policy is fast enough and what would be sent, not whether it does what is asked; "
    "`sayso eval CHECKPOINT --datasets RECORDING` measures it on pictures"
)
NOTHING_SENT = "dry run: the robot is looked through and nothing is sent to it"
SLACK = 1e-3
"""Share of the range that was shown by which a number may lie beside it without a word: rounding."""


def beforehand(robot: Robot) -> Iterator[str]:
    """Yield what a person should know of a dry run before it; nothing of a robot that is sent everything."""
    if isinstance(robot, DryRun):
        yield NO_ROBOT if is_imagined(robot) else NOTHING_SENT


def account(robot: Robot, features: Features, stats: Mapping[str, Stats]) -> Iterator[str]:
    """Yield lines on what would have been sent of each number, beside the range that was shown.

    Args:
        robot: of them only a dry run, in which something would have been sent, is told of.
        features: of the policy, in the robot's names and units.
        stats: of the demonstrations; empty if the policy does not tell.
    """
    if not isinstance(robot, DryRun) or not robot.least:
        return
    shown = stats.get(ACTION)
    yield "what would have been sent" + (", and what the demonstrations show:" if shown else ":")
    width, beyond = max(map(len, features.action_names)), []
    for k, d in enumerate(features.action):
        low, high = robot.least[d.name], robot.most[d.name]
        line = f"  {d.name:{width}}  {f'{low:.2f} to {high:.2f} {d.unit}':26}"
        if shown:
            line += f"  {shown.min[k]:.2f} to {shown.max[k]:.2f}"
            off = max(shown.min[k] - low, high - shown.max[k])
            if off > SLACK * (shown.max[k] - shown.min[k]):
                beyond.append(f"{d.name} by {off:.2g} {d.unit}".rstrip())
        yield line.rstrip()
    if shown:
        yield (
            f"beyond what they show: {', '.join(beyond)}"
            if beyond
            else "all of it lies within what they show"
        )
