"""Table of LIBERO's suites: their tasks, in which words each is asked for, and how long it may take.

A family is one task: ``spatial-0`` to ``spatial-9``, and so on for ``object``, ``goal`` and ``long``, which
is LIBERO's ``libero_10``. The sentences are LIBERO's own, to the letter, as they follow from its files'
names; that is what LeRobot says, and what people said who demonstrated. LIBERO-PRO's suites are the same
tasks with one thing changed, ``spatial_swap-0``; their sentences stand in their files alone, for the names
still say what they were.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sayso.spec import known

TASKS_EACH = 10


@dataclass(frozen=True, kw_only=True)
class Suite:
    """Ten tasks of one kind."""

    folder: str
    """What LIBERO calls it."""
    steps: int
    """After so many, 20 a second, LeRobot ends an episode."""
    sentences: tuple[str, ...] = ()
    """Of each of its tasks; none of LIBERO-PRO's, whose files have them."""

    @property
    def perturbed(self) -> bool:
        """Tell whether it is one of LIBERO-PRO's."""
        return not self.sentences


GROCERIES = (
    "alphabet soup",
    "cream cheese",
    "salad dressing",
    "bbq sauce",
    "ketchup",
    "tomato sauce",
    "butter",
    "milk",
    "chocolate pudding",
    "orange juice",
)
"""What the tasks of `object` put in the basket, in their order."""


def _bowl(where: str) -> str:
    return f"pick up the black bowl {where} and place it on the plate"


def _grocery(name: str) -> str:
    return f"pick up the {name} and place it in the basket"


SUITES: Mapping[str, Suite] = {
    "spatial": Suite(
        folder="libero_spatial",
        steps=280,
        sentences=(
            _bowl("between the plate and the ramekin"),
            _bowl("next to the ramekin"),
            _bowl("from table center"),
            _bowl("on the cookie box"),
            _bowl("in the top drawer of the wooden cabinet"),
            _bowl("on the ramekin"),
            _bowl("next to the cookie box"),
            _bowl("on the stove"),
            _bowl("next to the plate"),
            _bowl("on the wooden cabinet"),
        ),
    ),
    "object": Suite(
        folder="libero_object",
        steps=280,
        sentences=tuple(map(_grocery, GROCERIES)),
    ),
    "goal": Suite(
        folder="libero_goal",
        steps=300,
        sentences=(
            "open the middle drawer of the cabinet",
            "put the bowl on the stove",
            "put the wine bottle on top of the cabinet",
            "open the top drawer and put the bowl inside",
            "put the bowl on top of the cabinet",
            "push the plate to the front of the stove",
            "put the cream cheese in the bowl",
            "turn on the stove",
            "put the bowl on the plate",
            "put the wine bottle on the rack",
        ),
    ),
    "long": Suite(
        folder="libero_10",
        steps=520,
        sentences=(
            "put both the alphabet soup and the tomato sauce in the basket",
            "put both the cream cheese box and the butter in the basket",
            "turn on the stove and put the moka pot on it",
            "put the black bowl in the bottom drawer of the cabinet and close it",
            "put the white mug on the left plate and put the yellow and white mug on the right plate",
            "pick up the book and place it in the back compartment of the caddy",
            "put the white mug on the plate and put the chocolate pudding to the right of the plate",
            "put both the alphabet soup and the cream cheese box in the basket",
            "put both moka pots on the stove",
            "put the yellow and white mug in the microwave and close it",
        ),
    ),
}
CHANGES: Mapping[str, tuple[str, ...]] = {
    "lan": tuple(SUITES),
    "object": tuple(SUITES),
    "swap": tuple(SUITES),
    "task": tuple(SUITES),
    "with_mug": tuple(SUITES),
    "with_yellow_book": ("spatial", "object", "goal"),
    "with_milk": ("spatial", "goal"),
}
"""What LIBERO-PRO changes (wording, things, places, the task, one thing more on the table), and in which
suites the package has all that this needs."""
PRO: Mapping[str, Suite] = {
    f"{suite}_{change}": Suite(folder=f"{SUITES[suite].folder}_{change}", steps=SUITES[suite].steps)
    for change, suites in CHANGES.items()
    for suite in suites
}


def families_of(suites: Mapping[str, Suite]) -> tuple[str, ...]:
    """Return the names of the tasks of some suites."""
    return tuple(f"{suite}-{number}" for suite in suites for number in range(TASKS_EACH))


FAMILIES, PRO_FAMILIES = families_of(SUITES), families_of(PRO)
"""The forty tasks, and those of LIBERO-PRO."""


def place_of(family: str) -> tuple[Suite, int]:
    """Return the suite of a family, and which of its tasks it is.

    Raises:
        UnknownNameError: if there is no such family, with the nearest that is.
    """
    suite, _, number = known("task", family, (*FAMILIES, *PRO_FAMILIES)).rpartition("-")
    return {**SUITES, **PRO}[suite], int(number)


def said(family: str) -> str:
    """Return LIBERO's sentence for one of the forty tasks."""
    suite, number = place_of(family)
    return suite.sentences[number]


def task_of(sentence: str) -> str:
    """Return which of the forty tasks a sentence asks for; case and full stop do not matter.

    Raises:
        UnknownNameError: if it is no sentence of any, with the nearest that is.
    """
    tasks = {said(family): family for family in FAMILIES}
    plain = " ".join(sentence.lower().rstrip(" .!").split())
    return tasks[known("sentence", plain, tasks)]
