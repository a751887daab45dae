"""Answers of the course's exercises: when one is right, and what to think of when it is not.

Solve the exercise first; there is nothing in here that a notebook does not say.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sayso.evaluation.statistics import wilson
from sayso.tasks.axes import departures
from sayso.tasks.household.goals.grammar import read_goal
from sayso.tasks.worlds import WORLDS

Answer = tuple[Callable[[Any], bool], str]
"""What tells whether an answer is right, and a hint."""


def _costly(axis: str, metrics: dict[str, float]) -> bool:
    end = "_3_tabletop"
    left = {name.removesuffix(end): rate for name, rate in metrics.items() if name.endswith(end)}
    return axis == min(left, key=lambda name: left[name])


def _asks_twice(description: str) -> bool:
    return " and " in description and bool(read_goal(description))


def _on_an_axis(words: str) -> bool:
    return bool(departures(WORLDS["tabletop"].axes, [words])) and not words.endswith("=0")


def _fastest_ms(latency: dict[str, float]) -> float:
    return min(ms for name, ms in latency.items() if name.startswith("sayso_") and name.endswith("_ms_p50"))


ANSWERS: dict[str, Answer] = {
    "1a": (
        lambda s: abs(s - 16 / 20) < 1e-6,
        "A chunk has 16 actions, and there are fps of them in a second.",
    ),
    "1b": (
        lambda n: n == 2 * 128 * 128 * 3 + 6,
        "Two pictures of 128 x 128 pixels, three colours each, and the state.",
    ),
    "2a": (
        lambda given: abs(given[0] - 128 * (given[2][1] - given[1][1])) < 0.5,
        "v is a share of the picture's height, which is 128 pixels: the difference of the two, times 128.",
    ),
    "2b": (
        lambda pair: sorted(pair) == [0, 3],
        "Which two ask for the same thing in other words? Compare that with what the table says is alike.",
    ),
    "3a": (lambda part: part == "vision_encoder", "Look at the millions above."),
    "3b": (
        lambda given: abs(given[0] - given[1]) <= 1,
        "Divide the sum of the first table by that of the second.",
    ),
    "4a": (
        lambda share: abs(share - 1e-4 / (100 + 1e-4)) < 1e-7,
        "0.01 squared, over the sum of both squares.",
    ),
    "4b": (
        lambda said: said == "success in closed loop",
        "What did the small policy do, whose loss was low?",
    ),
    "5a": (
        lambda given: given[0] == sum("/s" in unit for unit in given[1]),
        "A velocity's unit has a /s in it.",
    ),
    "5b": (
        lambda given: abs(given[0] - 4000 / given[1]) < 1e-6,
        "Four steps, at so many a second, in milliseconds.",
    ),
    "6a": (lambda row: row == "tuned10", "Look at the two rows of the first table."),
    "6b": (
        _asks_twice,
        "Join two with 'and': 'put the red block on the mat and the mug to the left of the bowl'.",
    ),
    "7a": (lambda given: _costly(*given), "The smallest rate in the table has it."),
    "7b": (lambda low: abs(low - wilson(4, 4).low) < 0.01, "Far below one: four scenes prove little."),
    "8a": (lambda times: times == 5, "Twenty steps, four of each answer."),
    "8b": (
        lambda given: given[1][f"sayso_{given[0]}_ms_p50"] < 1.03 * _fastest_ms(given[1]),
        "The smallest number of those printed; the engine is what stands between sayso_ and _ms_p50.",
    ),
    "9a": (lambda low: abs(low - wilson(20, 20).low) < 0.005, "wilson(20, 20).low"),
    "9b": (
        lambda n: 0.085 < wilson(round(0.95 * n), n).high - wilson(round(0.95 * n), n).low <= 0.1,
        "wilson(round(0.95 * n), n) for n = 50, 100, 200: high minus low should be just below 0.1.",
    ),
    "10a": (
        lambda given: given[0] == sum(a != b for a, b in given[1]),
        "Count the pairs in which one is a success and the other is not.",
    ),
    "10b": (_on_an_axis, "An axis of docs/generalisation.md, an equals sign and a level from 1 on."),
}
