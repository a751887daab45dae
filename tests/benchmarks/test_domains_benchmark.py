"""The table of domains: what is retained and lost is counted from the rows, each of which stands alone."""

from __future__ import annotations

import pytest

from domains import ROWS, Domains, summary
from sayso.spec import UnknownNameError


def episodes(**successes: int):
    """Return ten episodes of each family, so many of which succeeded."""
    return [
        {"family": family, "seed": seed, "outcome": "success" if seed < count else "failure"}
        for family, count in successes.items()
        for seed in range(10)
    ]


def test_retention_and_loss_are_counted_from_the_rows_that_are_there():
    found = {
        "in_domain": episodes(put=10, push=8),
        "zero_shot": episodes(put=6, push=3),
        "adapted_10": episodes(put=9, push=9),
        "old_domain_after": episodes(put=10, push=7),
    }
    metrics = summary(found, "tabletop")
    assert metrics["in_domain"] == pytest.approx(0.9) and metrics["zero_shot_push"] == pytest.approx(0.3)
    assert metrics["zero_shot_retention"] == pytest.approx(0.5)
    assert metrics["adapted_10_retention"] == pytest.approx(1.0)
    assert metrics["old_domain_loss"] == pytest.approx(0.05)
    assert metrics["zero_shot/low"] < metrics["zero_shot"] < metrics["zero_shot/high"]


def test_a_row_alone_has_its_rates_and_nothing_that_needs_another():
    metrics = summary({"zero_shot": episodes(put=5)}, "tabletop")
    assert {name.partition("/")[0] for name in metrics} == {"zero_shot", "zero_shot_put"}


def test_a_row_that_is_none_is_refused():
    with pytest.raises(UnknownNameError, match="in_domian"):
        Domains(rows=("in_domian",))
    assert {"in_domain", "zero_shot", "adapted_10", "old_domain_after", "cotrained_10"} <= set(ROWS)
