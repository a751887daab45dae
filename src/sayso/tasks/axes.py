"""Axes of variation: what may differ from training, in levels from 0, as in training, to the farthest.

``sayso eval --axis camera=3 light=1`` measures at such levels. An axis is a row here, and a world's row in
the table says which it has. What a level means to an episode is said in options of the world's `reset`, so
whoever adds an axis adds a row and, where no option stands behind it yet, the option.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sayso.sim.variation import LIGHT_RANGE, PAINT_SPREAD
from sayso.spec import ConfigError, known

Options = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Axis:
    """Named thing that may differ from training."""

    name: str
    levels: tuple[float, ...]
    """How much of it there is at each level; at level 0, as in training. A choice of two has two levels."""
    trained: tuple[float, float]
    """The least and the most of it that demonstrations show; how training varies pictures is not counted."""
    change: Callable[[float], Options]
    """How much of it -> options of `reset`."""
    says: str
    """What differs, with a place for how much of it."""
    in_making: bool = False
    """The options are those of making the world, not of its `reset`."""

    def unseen(self, level: int) -> bool:
        """Tell whether training shows nothing of a level."""
        low, high = self.trained
        return not low <= self.levels[level] <= high


@dataclass(frozen=True, kw_only=True)
class Departure:
    """Level of an axis."""

    axis: Axis
    level: int

    def __str__(self) -> str:
        """Return the level, and what it means, for a person."""
        amount = self.axis.levels[self.level]
        meant = self.axis.says.format(amount) if self.level else "as in training"
        return f"{self.axis.name}={self.level} ({meant})"

    def options(self, *, in_making: bool) -> Options:
        """Return the options of `reset`, or of making the world; none at level 0."""
        if not self.level or self.axis.in_making is not in_making:
            return {}
        return self.axis.change(self.axis.levels[self.level])


def departures(offered: Iterable[Axis], words: Sequence[str]) -> tuple[Departure, ...]:
    """Read words such as ``camera=3``.

    Args:
        offered: the axes of a world.
        words: each an axis and its level.

    Raises:
        UnknownNameError: if the world has no such axis, with the nearest that it has.
        ConfigError: if there is no such level, or an axis is named twice.
    """
    axes = {axis.name: axis for axis in offered}
    found: dict[str, Departure] = {}
    for word in words:
        name, _, level = word.partition("=")
        axis = axes[known("axis of this world", name, axes)]
        if level not in map(str, range(len(axis.levels))):
            raise ConfigError(f"axis {name} has the levels 0 to {len(axis.levels) - 1}, but got {word!r}")
        if name in found:
            raise ConfigError(f"name axis {name} once, not {found[name].level} and {level}")
        found[name] = Departure(axis=axis, level=int(level))
    return tuple(found.values())


def options_of(departures: Iterable[Departure], *, in_making: bool = False) -> dict[str, Any]:
    """Return the options of `reset`, or of making the world, that bring several departures about."""
    return {k: v for each in departures for k, v in each.options(in_making=in_making).items()}


def _option(name: str, amount: float) -> Options:
    return {name: amount}


def _given(options: Options, amount: float) -> Options:
    return options


def _switch(name: str, options: Options, says: str, *, in_making: bool = False) -> Axis:
    """Return an axis of two levels: as in training, and otherwise."""
    return Axis(
        name=name,
        levels=(0.0, 1.0),
        trained=(0.0, 0.0),
        change=partial(_given, options),
        says=says,
        in_making=in_making,
    )


CAMERA = Axis(
    name="camera",
    levels=(0.0, 0.02, 0.04, 0.07, 0.10),
    trained=(0.0, 0.0),
    change=partial(_option, "camera_shift_m"),
    says="the first camera stands {:g} m off its place, in a direction that follows the seed",
)
LIGHT = Axis(
    name="light",
    levels=(1.0, 0.7, 0.5, 0.35, 0.25),
    # Training dims and brightens by itself: what is dimmed must end up darker than its darkest.
    trained=(LIGHT_RANGE[0] / LIGHT_RANGE[1], LIGHT_RANGE[1] / LIGHT_RANGE[0]),
    change=partial(_option, "light"),
    says="all lamps are {:g} times as bright",
)
BACKGROUND = Axis(
    name="background",
    levels=(0.0, 0.22, 0.3, 0.4, 0.5),
    trained=(0.0, 2 * PAINT_SPREAD),
    change=partial(_option, "background"),
    says="table, floor and walls are painted {:g} off in red, green and blue, of 1",
)
NOISE = Axis(
    name="noise",
    levels=(0.0, 5.0, 10.0, 20.0, 40.0),
    trained=(0.0, 0.0),
    change=partial(_option, "image_noise"),
    says="pictures have Gaussian noise of {:g} grey levels",
)
OBJECTS = _switch(
    "objects",
    {"objects": "heldout"},
    "asked for are kinds of things, and pairs of colour and kind, that training never shows",
)
WORDS = _switch("words", {"wording": "heldout"}, "in words that training never hears")
RENDERER = _switch(
    "renderer", {"lerobot": True}, "drawn as LeRobot draws it, with shadows and mirrors", in_making=True
)
HOUSEHOLD = (CAMERA, LIGHT, BACKGROUND, NOISE, OBJECTS, WORDS)
"""Axes of our own rooms."""
