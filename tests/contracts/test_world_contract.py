"""Every world of the table keeps the contract, says what its row says, and departs along its axes."""

from __future__ import annotations

import pytest

from contracts.world_contract import WorldContract
from sayso.spec import SaysoError
from sayso.tasks.worlds import WORLDS

MANY = 10
"""Of so many families, two stand for all: they differ in nothing that is ours."""
SMALLER = {"metaworld": {"draw_px": 128}, "libero": {"draw_px": 128}}
"""Extra -> options with which its worlds are drawn faster."""


class TestEveryWorld(WorldContract):
    @pytest.fixture(autouse=True, params=list(WORLDS))
    def row(self, request):
        try:
            self.entry = WORLDS.ready(request.param)
        except SaysoError as error:
            pytest.skip(str(error))
        self.name = request.param

    def make(self, **options):
        world = self.entry.make(**SMALLER.get(self.entry.extra, {}) | options)
        if len(world.families) > MANY:
            world.families = world.families[:: len(world.families) // 2][:2]
        return world


del WorldContract  # pytest would collect it here as tests of its own
