"""Recordings of unlike robots are laid out by name and unit, and no row counts for what its robot has not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sayso.data.mixture import grouped, moves, places, union
from sayso.data.reader import Dataset
from sayso.data.recognition import ROBOT, named, which
from sayso.data.statistics import RELATIVE, Stats
from sayso.data.windows import Windows
from sayso.spec import ACTION, POINTS, STATE, TASK, Dimension, FeatureMismatchError, Features, image_key
from small_mixtures import ALL, BLIND, DESK, SIMULATED, SIZE, TWO_ARMS, record, unlabelled


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> list[Dataset]:
    root = tmp_path_factory.mktemp("mixture")
    return [Dataset(record(root / str(k), features, seed=k)) for k, features in enumerate(ALL)]


def test_robots_share_numbers_of_one_name_and_unit_and_cameras_of_one_name_and_size():
    both = union([SIMULATED, DESK, TWO_ARMS])
    assert both.action_names == (*SIMULATED.action_names, *TWO_ARMS.action_names)
    assert list(both.cameras) == ["front", "wrist", "desk", "hand", "top"]
    ours, desk, two = places(both)
    np.testing.assert_array_equal(ours.action, desk.action)
    assert not {*two.action.tolist()} & {*ours.action.tolist()}
    assert desk.cameras == {"desk": "desk", "hand": "hand"}
    assert Features.from_json(both.to_json()) == both


def test_one_name_for_what_cannot_be_one_is_two_numbers_and_two_cameras():
    normalized = tuple(replace(d, unit="normalized") for d in SIMULATED.action)
    other = replace(
        SIMULATED, points=(), state=normalized, action=normalized, cameras={"front": (32, 32), "wrist": SIZE}
    )
    both = union([SIMULATED, other])
    assert len(both.action) == 12 and len({*both.action_names}) == 12
    assert list(both.cameras) == ["front", "wrist", "front (32x32)"]
    assert places(both)[1].cameras == {"front (32x32)": "front", "wrist": "wrist"}


def test_a_move_and_a_target_of_one_joint_are_two_numbers():
    without = replace(SIMULATED, points=(), state=())
    both = union([SIMULATED, without])
    assert len(both.action) == 11  # the gripper is a target for both
    assert moves(both) == (True,) * 5 + (False,) * 6


def test_units_that_can_be_converted_are_and_then_it_is_one_robot():
    radians = tuple(replace(d, unit="rad") if d.unit == "deg" else d for d in SIMULATED.action)
    other = replace(SIMULATED, state=radians, action=radians)
    assert grouped([("a", SIMULATED), ("b", other)]) == ([SIMULATED], [0, 0])
    faster = grouped([("a", SIMULATED), ("b", replace(other, fps=30))])[0]
    assert len(union(faster).action) == 6


def test_a_recording_without_labels_learns_beside_one_with_labels_that_nobody_gave_it(tmp_path):
    labelled = Dataset(record(tmp_path / "a", SIMULATED))
    bare = Dataset(record(tmp_path / "b", unlabelled(SIMULATED), seed=1))
    windows = Windows([bare, labelled], chunk=2, cache=tmp_path)
    assert not windows.features.robots and windows.features.points == SIMULATED.points
    batch = windows.batch([0, len(windows) - 1])
    assert (batch[POINTS][0] == -1).all() and (batch[POINTS][1] >= 0).all()
    assert ROBOT not in batch


def test_a_window_has_what_its_robot_has_and_zeros_elsewhere(recorded, tmp_path):
    windows = Windows(recorded, chunk=3, cache=tmp_path)
    firsts = np.cumsum([0, *map(len, recorded)])[:-1]
    batch = windows.batch(firsts)
    assert batch[ROBOT].tolist() == [0, 1, 2, 3]
    for k, (dataset, place) in enumerate(zip(recorded, places(windows.features), strict=True)):
        n = place.robot.spacing
        np.testing.assert_array_equal(batch[ACTION][k][:, place.action], dataset.action[: 3 * n : n])
        np.testing.assert_array_equal(batch[STATE][k][:, place.state], dataset.state[:1])
        assert batch[ACTION][k].any(0).sum() <= len(place.action)
        for camera in windows.features.cameras:
            pixels = batch[image_key(camera)][k]
            assert bool(pixels.any()) == (camera in place.cameras)
        labels = batch[POINTS][k].reshape(len(windows.features.cameras), 2, 3)
        known = [camera in ("front", "wrist") and k == 0 for camera in windows.features.cameras]
        assert [bool((of >= 0).all()) for of in labels] == known
        assert [bool((of == -1).all()) for of in labels] == [not one for one in known]


def test_statistics_of_a_number_know_the_rows_that_have_it_and_no_others(recorded, tmp_path):
    windows = Windows(recorded, chunk=3, cache=tmp_path, heldout=[{1}, {0}, {2}, {3}])
    for k, (dataset, place) in enumerate(zip(recorded, places(windows.features), strict=True)):
        learned = np.concatenate(
            [dataset.action[e.start : e.stop] for e in dataset.episodes if e.index not in windows.heldout[k]]
        )
        if k >= 2:  # what no other has
            own, found = Stats.of(learned), place.stats(windows.stats)[ACTION]
            for name in vars(own):
                np.testing.assert_allclose(getattr(found, name), getattr(own, name), rtol=1e-6)
    shared = np.concatenate(
        [
            dataset.action[e.start : e.stop]
            for dataset, held in zip(recorded[:2], windows.heldout[:2], strict=True)
            for e in dataset.episodes
            if e.index not in held
        ]
    )
    np.testing.assert_allclose(windows.stats[ACTION].mean[:6], shared.mean(0), rtol=1e-5)
    alone = Windows(recorded[3], chunk=3, cache=tmp_path, heldout=[{3}])
    mine = places(windows.features)[3].stats(windows.stats)
    np.testing.assert_allclose(mine[RELATIVE].std, alone.stats[RELATIVE].std, rtol=1e-5)
    assert [*mine] == [STATE, ACTION, RELATIVE]


def test_a_person_is_told_what_is_learned_together_and_how_long_chunks_are(recorded, tmp_path):
    said = "\n".join(Windows(recorded, chunk=12, cache=tmp_path).remarks)
    assert "4 kinds of robots are learned together" in said and "cameras desk, hand" in said
    assert "1 at 20 a second (0.60 s), 2 at 30 a second (0.80 s)" in said


def test_chunks_of_unlike_rates_look_equally_far_ahead_where_whole_frames_allow(recorded, tmp_path):
    windows = Windows(recorded[:2], chunk=3, spacing=2, cache=tmp_path)
    assert [robot.spacing for robot in windows.features.robots] == [2, 3] and windows.spacing == 2
    batch = windows.batch([0, len(recorded[0])])
    for k, (dataset, place) in enumerate(zip(recorded, places(windows.features), strict=False)):
        shown = batch[ACTION][k][:, place.action]
        np.testing.assert_array_equal(shown, dataset.action[: 3 * (k + 2) : k + 2])
    later = Windows(recorded[1], chunk=3, like=windows.features, cache=tmp_path)
    assert later.spacing == 3 and later.features.spacing == 3


def test_a_robot_is_known_by_the_names_that_it_shows():
    both = union(ALL)
    names = dict.fromkeys(("desk", "hand", "extra", *DESK.state_names), "")
    assert named(both, names) == 1
    assert named(both, dict.fromkeys((*TWO_ARMS.action_names, "top"), "")) == 3
    with pytest.raises(FeatureMismatchError, match=r"the likest also has wrist\. If it calls"):
        named(both, dict.fromkeys(("front", *SIMULATED.state_names), ""))


def look(features: Features, **more) -> dict:
    seen = {image_key(c): np.zeros((*size, 3), np.uint8) for c, size in features.cameras.items()}
    return seen | {STATE: np.zeros(len(features.state), np.float32), TASK: "go"} | more


def test_an_observation_is_of_the_robot_that_shows_most_of_it_or_says_which():
    both = union(ALL)
    assert [which(both, look(features)) for features in ALL] == [0, 1, 2, 3]
    twins = union([SIMULATED, replace(SIMULATED, fps=30, points=())])
    with pytest.raises(FeatureMismatchError, match="as well one as another"):
        which(twins, look(SIMULATED))
    assert which(twins, look(SIMULATED, robot=1)) == 1
    with pytest.raises(FeatureMismatchError, match="must be one of 0 to 1"):
        which(twins, look(SIMULATED, robot=2))
    with pytest.raises(FeatureMismatchError, match="is none of"):
        which(both, look(replace(TWO_ARMS, cameras={"side": SIZE})))


def test_a_robot_that_shows_nothing_is_refused():
    with pytest.raises(FeatureMismatchError, match="seven has no camera left"):
        union([SIMULATED, replace(BLIND, cameras={})])


def test_features_that_are_no_union_of_their_robots_are_refused():
    both = union(ALL)
    with pytest.raises(FeatureMismatchError, match="not the union"):
        places(replace(both, action=both.action[:-1]))
    assert Dimension(name="x", unit="") in both.action
