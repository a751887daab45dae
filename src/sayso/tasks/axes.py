"""Axes of generalisation: what may differ from training, in levels from 0, as in training, to the farthest.

``sayso eval --axis camera=3 light=1`` measures at such levels. `HOUSEHOLD` and `METAWORLD` are the one table
of them; a world's row says which it has. What a level means to an episode is said in options of the world's
`reset`, so whoever adds an axis adds a row and, where no option stands behind it yet, the option. Each level
is drawn from seed and family alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from sayso.spec import ConfigError, known

Options = Mapping[str, Any]
Range = tuple[float, float]
Within = Mapping[str, Range]
"""Name of an axis -> the least and the most of it that a training shows, by its own record."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """Named thing that may differ from training."""

    name: str
    differs: str = ""
    """What differs, in a few words."""
    levels: tuple[float, ...]
    """How much of it there is at each level; at level 0, as in training."""
    trained: Range = (0.0, 0.0)
    """The least and the most of it that demonstrations show, unless a training's own record says otherwise;
    how training varies pictures is not counted."""
    change: Callable[[float], Options]
    """How much of it -> options of `reset`."""
    says: str | Callable[[float], str]
    """What differs at a level, with a place for how much of it; or what tells that."""
    graded: bool = True
    """Whether there is more of the same from level to level, and anything between them; else each level is
    a thing of its own, and training must show none of them."""
    families: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    """Level -> the families of tasks in which there is such a thing; all, where it does not stand here."""
    needs: Mapping[int, Callable[[], None]] = field(default_factory=dict)
    """Level -> what raises `SaysoError`, with what to type, if something for it is not installed."""
    in_making: bool = False
    """The options are those of making the world, not of its `reset`."""

    def unseen(self, level: int, within: Within | None = None) -> bool:
        """Tell whether training shows nothing of a level, by a training's own record where that knows it."""
        low, high = (within or {}).get(self.name, self.trained)
        return not low <= self.levels[level] <= high

    def meant(self, level: int) -> str:
        """Return what a level means, for a person."""
        amount = self.levels[level]
        if not level:
            return "as in training"
        return self.says.format(amount) if isinstance(self.says, str) else self.says(amount)


@dataclass(frozen=True, kw_only=True)
class Departure:
    """Level of an axis."""

    axis: Axis
    level: int

    def __str__(self) -> str:
        """Return the level, and what it means, for a person."""
        return f"{self.axis.name}={self.level} ({self.axis.meant(self.level)})"

    @property
    def span(self) -> Range:
        """Return the least and the most there is of it from level 0 to this one."""
        amounts = self.axis.levels[: self.level + 1]
        return min(amounts), max(amounts)

    def told(self, within: Within | None) -> str:
        """Return the same, and whether a training shows it; None is of no training at all."""
        if within is None or not self.level:
            return str(self)
        seen = "unseen in training" if self.axis.unseen(self.level, within) else "within what training shows"
        return f"{self.axis.name}={self.level} ({self.axis.meant(self.level)}; {seen})"

    @property
    def wordless(self) -> Departure:
        """Return the same without what tells of it, which cannot be sent to other processes."""
        return replace(self, axis=replace(self.axis, says=""))

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
        SaysoError: if what a level needs is not installed.
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
        if need := axis.needs.get(int(level)):
            need()
    return tuple(found.values())


def options_of(departures: Iterable[Departure], *, in_making: bool = False) -> dict[str, Any]:
    """Return the options of `reset`, or of making the world, that bring several departures about."""
    return {k: v for each in departures for k, v in each.options(in_making=in_making).items()}


def families_of(departures: Iterable[Departure], offered: Sequence[str]) -> tuple[str, ...]:
    """Return the families in which there are such departures.

    Raises:
        ConfigError: if there are none.
    """
    able = tuple(offered)
    for each in departures:
        having = each.axis.families.get(each.level, able)
        if not any(family in having for family in able):
            raise ConfigError(
                f"{each.axis.name}={each.level} ({each.axis.meant(each.level)}) is nothing that "
                f"{' or '.join(able)} can show; choose among {', '.join(having)}"
            )
        able = tuple(family for family in able if family in having)
    return able


def drawn(departures: Iterable[Departure], seed: int) -> dict[str, Any]:
    """Return the options of `reset` of one demonstration that varies along axes, up to a level of each.

    How much of each there is follows the seed, evenly from level 0 to that level.

    Raises:
        ConfigError: if an axis is none of which there may be a little.
    """
    found: dict[str, Any] = {}
    for each in departures:
        axis = each.axis
        if not axis.graded or axis.in_making:
            raise ConfigError(
                f"axis {axis.name} is kept for measuring: a training that shows it proves nothing"
            )
        rng = np.random.default_rng([_DRAWN_STREAM, *axis.name.encode(), seed])
        amount = rng.uniform(*each.span)
        found |= axis.change(float(amount)) if each.level else {}
    return found


_DRAWN_STREAM = 0x048A
STEPS = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0)
"""Levels of most axes: so many times what level 1 is."""


def _camera(k: float) -> Options:
    front = {"camera_shift_m": round(0.03 * k, 6), "camera_tumble_deg": 3.0 * k}
    return front | {"wrist_shift_m": round(0.002 * k, 6), "wrist_tumble_deg": k}


def _light(k: float) -> Options:
    return {"light": 0.8 - 0.1 * k, "light_tint": 0.06 * k, "light_aside_m": 0.6 + 0.2 * k}


def _background(k: float) -> Options:
    paint: Options = {"background": round(float(np.interp(k, (0, 1, 2), (0.0, 0.22, 0.4))), 6)}
    if k > 3:
        return {**paint, "photographs": round(0.5 * (k - 3), 6)}
    return {**paint, "patterns": True} if k > 2 else paint


def _image(k: float) -> Options:
    spoilt = {"image_noise": 3.0 * k, "image_blur_px": 0.25 * k, "image_exposure": 0.15 * k}
    return spoilt | {"image_white": 0.05 * k, "image_jpeg": round(95 - 15 * k)}


def _layout(k: float) -> Options:
    return {"distractors": round(k), "gap_m": round(0.052 - 0.006 * k, 6)}


def _start(k: float) -> Options:
    return {"start_beyond_m": round(0.02 * k, 6)}


def _dynamics(late_s: float, k: float) -> Options:
    matter = {"friction": 1.0 + 0.15 * k, "mass": 1.0 + 0.3 * k}
    return matter | {"lag_s": late_s * k, "delay_s": late_s * k}


def _slower(late_s: float, k: float) -> str:
    return (
        f"friction {1 + 0.15 * k:g} times as much or as little, things {1 + 0.3 * k:.2g} times as heavy or "
        f"as light, motors lag by {1000 * late_s * k:g} ms and hear of commands as late"
    )


def _chosen(option: str, values: Sequence[str], k: float) -> Options:
    return {option: values[int(k) - 1]}


def _named(names: Sequence[str], k: float) -> str:
    return names[int(k) - 1]


def _switch(name: str, options: Options, says: str) -> Axis:
    """Return an axis of two levels that belongs to making the world: as in training, and otherwise."""
    return Axis(
        name=name,
        differs=says,
        levels=(0.0, 1.0),
        change=lambda k: options,
        says=says,
        graded=False,
        in_making=True,
    )


CAMERA = Axis(
    name="camera",
    differs="where the cameras are and where they look",
    levels=STEPS,
    change=_camera,
    says=lambda k: (
        f"front camera {3 * k:g} cm and {3 * k:g} degrees off its place, in a direction and about an axis "
        f"that follow the seed; wrist camera {2 * k:g} mm and {k:g} degrees"
    ),
)
LIGHT = Axis(
    name="light",
    differs="strength, colour and direction of the lamps",
    levels=STEPS,
    change=_light,
    says=lambda k: (
        f"all lamps {0.8 - 0.1 * k:.0%} as bright, their strongest colour {0.06 * k:.0%} off, hung "
        f"{0.6 + 0.2 * k:g} m aside"
    ),
)
BACKGROUND = Axis(
    name="background",
    differs="paint and textures of table, floor and walls",
    levels=STEPS,
    change=_background,
    says=partial(
        _named,
        (
            "table, floor and walls painted 0.22 of 1 off in each of red, green and blue",
            "painted 0.4 off",
            "covered with patterns: stripes, checks, dots, grain, clouds",
            "covered with photographs, of half their contrast",
            "covered with photographs",
        ),
    ),
)
IMAGE = Axis(
    name="image",
    differs="noise, blur, exposure, white balance and compression of every picture, all at once",
    levels=STEPS,
    change=_image,
    says=lambda k: (
        f"noise of {3 * k:g} grey levels, blur of {0.25 * k:g} pixels, {0.15 * k:.2g} stops too bright or "
        f"too dark, white {0.05 * k:.0%} off, JPEG quality {95 - 15 * k:g}"
    ),
)
LAYOUT = Axis(
    name="layout",
    differs="more things, and one of them close to the one that is named",
    levels=STEPS,
    change=_layout,
    says=lambda k: (
        f"{k:g} more thing{'s' * (k > 1)}, one of them {52 - 6 * k:g} mm from the one that is named "
        "(training: 52 mm and more)"
    ),
)
START = Axis(
    name="start",
    differs="the robot's first pose",
    levels=STEPS,
    change=_start,
    says=lambda k: (
        f"the hand starts {2 * k:g} cm higher than training has it at most; a base stands {2 * k:g} cm "
        f"farther aside and is turned {4 * k:g} degrees farther"
    ),
)
DYNAMICS = Axis(
    name="dynamics",
    differs="friction, mass, lag of the motors and delay of their commands",
    levels=STEPS,
    change=partial(_dynamics, 0.01),
    says=partial(_slower, 0.01),
)
UNSEEN_THINGS = ("pairs", "kinds", "meshes", "meshes alone")
"""What is asked for at each level of `OBJECTS`."""
OBJECTS = Axis(
    name="objects",
    differs="things that training never shows",
    levels=STEPS[:5],
    change=partial(_chosen, "objects", UNSEEN_THINGS),
    says=partial(
        _named,
        (
            "asked for are pairs of colour and kind that training never shows, though it shows each",
            "asked for are kinds of things that training never shows",
            "asked for are real things as meshes, such as the ketchup or the book, beside everyday ones",
            "the same, and everything that can be grasped there is such a thing",
        ),
    ),
    graded=False,
)
WORDS = Axis(
    name="words",
    differs="how the task is asked for",
    levels=STEPS,
    change=partial(_chosen, "wording", ("heldout", "free", "typed", "wrong", "blank")),
    says=partial(
        _named,
        (
            "held-out sentences and synonyms",
            "free paraphrases, by other authors",
            "typing errors, and capitals, another order or other courtesies",
            "the sentence of another task: success should fall",
            "nothing is said",
        ),
    ),
    graded=False,
)
RENDERER = _switch("renderer", {"lerobot": True}, "drawn as LeRobot draws it, with shadows and mirrors")

METAWORLD_CAMERA = replace(
    CAMERA,
    differs="where the camera is and where it looks",
    says=lambda k: (
        f"the camera {3 * k:g} cm and {3 * k:g} degrees off its place, in a direction and about an axis that "
        "follow the seed"
    ),
)
METAWORLD_START = Axis(
    name="start",
    differs="the robot's first pose",
    levels=STEPS,
    change=_start,
    says=lambda k: f"the hand starts {2 * k:g} cm off its place, upwards or aside, as the seed has it",
)
METAWORLD_DYNAMICS = Axis(
    name="dynamics",
    differs="friction, mass, lag of the motors and delay of their commands",
    levels=STEPS,
    # Its scripted experts have gains at which 30 ms make them swing.
    change=partial(_dynamics, 0.004),
    says=partial(_slower, 0.004),
)
HOUSEHOLD = (CAMERA, LIGHT, BACKGROUND, IMAGE, LAYOUT, START, OBJECTS, WORDS, DYNAMICS)
"""Axes of our own rooms."""


def household_axes(
    families_with: Callable[[str], tuple[str, ...]], require: Callable[[str], None]
) -> tuple[Axis, ...]:
    """Return the axes of a world, told which of its families ask for things, and if those are installed."""
    things = dict(enumerate(UNSEEN_THINGS, start=1))
    having = {level: families_with(name) for level, name in things.items()}
    needs = {level: partial(require, name) for level, name in things.items()}
    objects = replace(OBJECTS, families=having, needs=needs)
    return tuple(objects if axis is OBJECTS else axis for axis in HOUSEHOLD)


METAWORLD = (METAWORLD_CAMERA, LIGHT, BACKGROUND, IMAGE, METAWORLD_START, WORDS, METAWORLD_DYNAMICS)
"""Axes of Meta-World: its scenes are laid out for one task each, with that task's things."""
PAIRS = (
    ("camera", "light"),
    ("camera", "background"),
    ("camera", "words"),
    ("light", "image"),
    ("background", "words"),
    ("layout", "words"),
    ("objects", "camera"),
    ("start", "dynamics"),
)
"""Axes that are measured together, both at one level, in worlds that have both."""
