"""The table of experience: what is counted from the reports of policies before and after."""

from __future__ import annotations

import pytest

import experience
from sayso.learn.experience.table import SOURCES
from sayso.spec import UnknownNameError


def report(still: int = 0, **successes: int):
    """Return the report of ten episodes of each family, of which so many succeed."""
    episodes = [
        {"family": family, "seed": k, "outcome": "success" if k < count else "failure"}
        for family, count in successes.items()
        for k in range(10)
    ]
    return {"episodes": episodes, "metrics": {"still_failures": still}}


def test_a_gain_is_the_mean_over_the_worlds_of_what_was_added_to_the_policy_begun_with():
    found = experience.summary(
        {
            ("start", "tabletop"): report(put=2, push=4),
            ("corrections", "tabletop"): report(put=6, push=8),
            ("start", "home"): report(put=1),
            ("corrections", "home"): report(put=3),
            ("successes", "home"): report(put=0),
        }
    )
    assert found["start_tabletop"] == pytest.approx(0.3)
    assert found["corrections_tabletop/low"] < found["corrections_tabletop"] == pytest.approx(0.7)
    assert found["corrections_gain"] == pytest.approx((0.4 + 0.2) / 2)
    assert found["successes_gain"] == pytest.approx(-0.1)
    assert not [name for name in found if name.startswith(("still", "reinforcement"))]


def test_failures_that_stand_still_are_counted_without_and_with_recovery():
    found = experience.summary(
        {
            ("shipped", "tabletop"): report(5, put=4),
            ("recovered", "tabletop"): report(1, put=8),
            ("shipped", "home"): report(2, put=4),
        }
    )
    assert (found["still_failures_before"], found["still_failures_after"]) == (7, 1)
    assert found["recovered_tabletop"] == pytest.approx(0.8)


def test_rows_are_the_sources_that_there_are_and_a_row_there_is_none_of_is_refused():
    assert set(experience.Experience().rows) == {"start", "recovery", *SOURCES.own}
    with pytest.raises(UnknownNameError, match="there is no row 'sucesses'"):
        experience.Experience(rows=("sucesses",))
