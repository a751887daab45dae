"""The table of LIBERO: which suites are measured, and what is counted from their episodes."""

from __future__ import annotations

from pathlib import Path

import pytest

import libero_table
import results_file
from libero_table import Libero, Row
from sayso.spec import UnknownNameError
from sayso.tasks.libero.suites import FAMILIES, PRO_FAMILIES
from sayso.tasks.worlds import WORLDS

NOWHERE = Path("nowhere")


def tried(row, successes):
    """Return ten episodes of each task of a row, of which so many succeed."""
    return row, [
        {"family": family, "seed": k, "outcome": "success" if k < successes else "failure"}
        for family in row.families
        for k in range(10)
    ]


def test_four_suites_are_measured_then_axes_then_libero_pros_as_far_as_there_are_such_tasks():
    rows = list(libero_table.rows(Libero(checkpoint=NOWHERE, kinds=("swap", "with_milk"), axes=("camera",))))
    assert [row.name for row in rows] == [
        "spatial",
        "object",
        "goal",
        "long",
        *(f"axis_camera_{suite}" for suite in ("spatial", "object", "goal", "long")),
        *(f"pro_{suite}_swap" for suite in ("spatial", "object", "goal", "long")),
        "pro_spatial_with_milk",
        "pro_goal_with_milk",
    ]
    for row in rows:
        there = PRO_FAMILIES if row.world == "libero-pro" else FAMILIES
        assert set(row.families) <= set(there) == set(WORLDS[row.world].families)
    assert [
        row.name for row in libero_table.rows(Libero(checkpoint=NOWHERE, suites=("goal",), kinds=()))
    ] == ["goal"]


def test_means_are_over_tasks_and_libero_pros_do_not_count_in_the_average():
    found = libero_table.summary(
        [
            tried(Row(name="spatial", suite="spatial"), 10),
            tried(Row(name="goal", suite="goal"), 8),
            tried(Row(name="axis_light_goal", suite="goal", axis=("light=3",)), 5),
            tried(Row(name="pro_spatial_swap", suite="spatial_swap", world="libero-pro"), 2),
            tried(Row(name="pro_goal_swap", suite="goal_swap", world="libero-pro"), 4),
        ]
    )
    results_file.check_metrics(found)
    assert found["average"] == pytest.approx(0.9) and found["spatial"] == 1 and found["goal-3"] == 0.8
    assert found["pro_goal_swap"] == pytest.approx(0.4) and found["pro_swap"] == pytest.approx(0.3)
    assert found["axis_light_goal"] == 0.5 and "axis_light" not in found and "goal_swap-0" not in found
    assert found["average/low"] < found["average"] < found["average/high"]


@pytest.mark.parametrize("wrong", [{"suites": ("golf",)}, {"kinds": ("swop",)}, {"axes": ("colour",)}])
def test_what_there_is_none_of_is_refused_before_anything_is_measured(wrong):
    with pytest.raises(UnknownNameError):
        Libero(checkpoint=NOWHERE, **wrong)
