"""Every world of the table keeps the contract, says what its row says, and departs along its axes."""

from __future__ import annotations

import numpy as np
import pytest

from contracts.world_contract import WorldContract
from sayso.spec import SaysoError, seeds
from sayso.tasks.axes import Departure, options_of
from sayso.tasks.contract import Drawn
from sayso.tasks.worlds import WORLDS

MANY = 10
"""Of so many families, two stand for all: they differ in nothing that is ours."""
SMALLER = {"metaworld": {"draw_px": 128}}
"""Extra -> options with which its worlds are drawn faster."""


class TestEveryWorld(WorldContract):
    @pytest.fixture(autouse=True, params=list(WORLDS))
    def row(self, request):
        try:
            self.entry = WORLDS.ready(request.param)
        except SaysoError as error:
            pytest.skip(str(error))
        self.named = request.param

    def make(self, **options):
        world = self.entry.make(**SMALLER.get(self.entry.extra, {}) | options)
        if len(world.families) > MANY:
            world.families = world.families[:: len(world.families) // 2][:2]
        return world

    def test_its_row_says_what_it_says_of_itself(self, world):
        row = self.entry
        assert (world.name, world.features) == (self.named, row.features)
        assert set(world.families) <= set(row.families)
        for family in world.families:
            world.reset(seed=1, options={"family": family})
            assert 0 < world.task.horizon <= row.horizon

    def test_what_can_be_drawn_names_each_eye_after_a_camera(self, world):
        if isinstance(world, Drawn):
            world.reset(seed=1)
            physics = world.physics()
            assert set(physics.eyes) <= set(world.features.cameras) and physics.model.nbody > 1
            assert all(physics.model.camera(eye.name).id >= 0 for eye in physics.eyes.values())

    def test_each_level_of_each_axis_changes_what_is_seen_or_said_and_the_least_changes_nothing(self, world):
        family = world.families[0]
        before = self.begun(world, family)
        for axis in self.entry.axes:
            for level in {0, 1, len(axis.levels) - 1}:
                departs = [Departure(axis=axis, level=level)]
                making = options_of(departs, in_making=True)
                there = self.make(**making) if making else world
                after = self.begun(there, family, **options_of(departs))
                assert all(np.array_equal(after[key], before[key]) for key in before) is (level == 0), axis
                if making:
                    there.close()

    @staticmethod
    def begun(world, family, **options):
        observation, _ = world.reset(seed=seeds("test", 1)[0], options={"family": family, **options})
        return observation


del WorldContract  # pytest would collect it here as tests of its own
