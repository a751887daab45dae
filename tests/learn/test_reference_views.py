"""A training keeps reference pictures with its policy: of the recordings' first frames, digests and all."""

from __future__ import annotations

import numpy as np
import pytest

from sayso.data.registration import WIDTH
from sayso.data.views_files import FILES
from sayso.learn.imitate import train
from sayso.models.checkpoint import CheckpointError, load, save
from sayso.spec import STATE
from sayso.work.digests import SUMS
from small_trainings import record, tiny
from small_worlds import FEATURES


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    root = tmp_path_factory.mktemp("views")
    return train(tiny(record(root / "data", range(5)), root / "run", steps=1))


def test_a_new_policy_has_them_of_each_camera_and_where_the_robot_stood(trained):
    views = load(trained).views
    assert list(views.cameras) == list(FEATURES.cameras)
    for view in views.cameras.values():
        assert view.pictures.shape[0] == 5 and view.pictures.shape[2] == WIDTH
        assert view.states.shape == (5, len(FEATURES.state)) and view.per_level == 0
        assert view.pictures.std() > 1, "pictures, and not nothing"
    assert views.costs is None
    listed = (trained / SUMS).read_text(encoding="utf-8")
    assert all(name in listed for name in FILES)


def test_they_stay_with_a_policy_that_is_saved_again(trained, tmp_path):
    save(load(trained), tmp_path / "again")
    before, after = load(trained).views, load(tmp_path / "again").views
    for name, view in before.cameras.items():
        np.testing.assert_array_equal(after.cameras[name].states, view.states)
        assert after.cameras[name].usual.off == pytest.approx(view.usual.off, abs=1e-4)


def test_damaged_ones_are_refused_and_a_policy_without_any_loads(trained, tmp_path):
    save(load(trained), tmp_path / "policy")
    path = tmp_path / "policy" / FILES[1]
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(CheckpointError, match=rf"{FILES[1]} was damaged"):
        load(tmp_path / "policy")
    path.unlink()
    with pytest.raises(CheckpointError, match=r"views\.json"):
        load(tmp_path / "policy")
    (tmp_path / "policy" / FILES[0]).unlink()
    assert not load(tmp_path / "policy").views, "as policies are that were trained before there were any"
    assert load(tmp_path / "policy").stats[STATE].mean
