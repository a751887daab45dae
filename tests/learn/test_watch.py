"""Clips of a hand: what is understood of them, what they become, and what is refused."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from sayso.data.clips import Clip, read_clips
from sayso.data.reader import Dataset
from sayso.data.windows import Windows
from sayso.learn.watching.events import edges, moments
from sayso.learn.watching.fingers import triangulated
from sayso.learn.watching.sight import NotUnderstoodError
from sayso.learn.watching.understanding import understand
from sayso.learn.watching.watch import WatchConfig, watch
from sayso.learn.watching.way import JAWS_PERCENT_S, way_of
from sayso.sim.jaws import percent_for
from sayso.sim.kinematics import ArmKinematics
from sayso.sim.robots import REST_RAD, from_robot_units, to_robot_units
from sayso.spec import SaysoError
from small_clips import FPS, PLACE, THING, KnownHand, cameras, film, gesture, landmarks_m


def trackers(one, *names, **how):
    """Return a function that makes a tracker for each camera in turn, clip after clip."""
    points, rng = landmarks_m(one), np.random.default_rng(0)
    turn = itertools.cycle(cameras(*names))
    return lambda: KnownHand(next(turn), points, rng, **how)


def understood(folder, one, *names, **how):
    film(folder, one, names)
    (clip,) = read_clips(folder, list(names))
    known = {camera.name: camera for camera in cameras(*names)}
    return understand(clip, known, trackers(one, *names, **how), FPS, 96)


def test_points_seen_by_two_cameras_are_found_where_they_are():
    both, points = cameras("front", "left"), np.array([[0.2, 0.1, 0.03], [0.3, -0.1, 0.2]])
    found = triangulated(both, [camera.project(points) for camera in both])
    np.testing.assert_allclose(found, points, atol=1e-9)


def test_two_cameras_tell_the_path_the_opening_and_both_moments(tmp_path):
    one = gesture()
    found = understood(tmp_path, one, "front", "left")
    off_mm = np.linalg.norm(found.path_m - one.middle_m, axis=1) * 1000
    assert np.median(off_mm) < 8
    assert np.median(np.abs(found.opening_m - one.opening_m)) < 0.008
    assert abs(found.grasp - one.grasp) <= 2
    assert abs(found.release - one.release) <= 2


@pytest.mark.parametrize("seed", range(6))
def test_a_hand_that_dwells_lets_go_when_it_opens_and_not_where_it_stands_stillest(seed):
    one = gesture(seed)
    grasp, release = moments(one.opening_m, FPS)
    assert abs(grasp - one.grasp) <= 1
    assert 0 <= release - one.release <= 2


def test_an_opening_that_seems_to_drift_while_it_holds_is_not_a_release():
    one = gesture()
    held = slice(one.grasp, one.release)
    drifting = one.opening_m.copy()
    drifting[held] += np.linspace(0.008, 0, one.release - one.grasp)
    assert abs(moments(drifting, FPS)[1] - one.release) <= 2


def test_one_camera_tells_both_moments_and_the_path_less_exactly(tmp_path):
    one = gesture()
    found = understood(tmp_path, one, "left")
    off_mm = np.linalg.norm(found.path_m - one.middle_m, axis=1) * 1000
    assert 2 < np.median(off_mm) < 40
    assert abs(found.grasp - one.grasp) <= 4
    assert abs(found.release - one.release) <= 5


def test_cameras_that_were_started_apart_are_brought_into_step_by_the_hand(tmp_path):
    one, late = gesture(), 7
    film(tmp_path, one, pads={"left": late})
    points = landmarks_m(one)
    later = np.concatenate([np.repeat(points[:1], late, axis=0), points])
    front, left = cameras("front", "left")
    turn = iter([KnownHand(front, points), KnownHand(left, later)])
    (clip,) = read_clips(tmp_path, ["front", "left"])
    found = understand(clip, {"front": front, "left": left}, lambda: next(turn), FPS, 96)
    assert abs(found.grasp - one.grasp) <= 2
    assert np.median(np.linalg.norm(found.path_m - one.middle_m[: len(found.path_m)], axis=1)) < 0.008


@pytest.mark.parametrize(
    ("how", "complaint"),
    [
        ({"lost": range(200)}, "shows a hand in 0%.*Film a bare hand"),
        ({"lost": range(30, 50)}, "leaves the picture.*1.0 s from 1.5 s on.*further away"),
        ({"count": 2}, "shows two hands.*one hand alone"),
    ],
)
def test_a_clip_that_cannot_be_understood_is_refused_with_what_to_film_instead(how, complaint, tmp_path):
    with pytest.raises(NotUnderstoodError, match=complaint):
        understood(tmp_path, gesture(), "front", "left", **how)


def test_a_hand_that_never_closes_is_refused(tmp_path):
    still = gesture()
    still.opening_m[:] = 0.05
    with pytest.raises(NotUnderstoodError, match="not seen to close"):
        understood(tmp_path, still, "front", "left")


def test_clips_become_a_dataset_whose_actions_bring_the_arm_where_the_hand_was(tmp_path):
    one, said = gesture(), []
    path = film(tmp_path / "clips", one, clips=("can", "cup"))
    config = WatchConfig(cameras=path, out=tmp_path / "seen")
    assert watch(tmp_path / "clips", config, trackers(one, "front", "left"), said.append) == 0
    dataset = Dataset(tmp_path / "seen")
    assert [episode.family for episode in dataset.episodes] == ["hand", "hand"]
    assert dataset.episodes[0].tasks == ("put the can in the bowl",)
    assert dataset.episodes[0].ending.actor == "person"
    way = way_of(understood(tmp_path / "one", one, "front", "left"), FPS)
    assert dataset.episodes[0].stop == len(way.moments)
    np.testing.assert_allclose(dataset.state[: len(way.state)], way.state, atol=1e-3)
    np.testing.assert_allclose(dataset.action[: len(way.action)], way.action, atol=1e-3)
    front = cameras("front")[0]
    for column, point in ((0, THING), (3, PLACE)):
        uv = front.project(point) / (128, 96)
        assert np.abs(dataset.points[0, column : column + 2] - uv).max() < 0.03
    assert (tmp_path / "seen-shown" / "contact_sheet.png").is_file()
    assert (tmp_path / "seen-shown" / "cup.mp4").is_file()
    assert "dataset" in said[-1]
    assert "2 of 2" in said[-1]


def jaws_m(state):
    """Return the tool centre point of an arm with this state, and the axis of its jaws."""
    point, rotation = ArmKinematics().forward(from_robot_units(state)[0][:5])
    return point, rotation[:, 0]


def test_an_arm_comes_from_rest_follows_the_hand_near_the_thing_and_leaves_straight_up(tmp_path):
    one = gesture()
    way = way_of(understood(tmp_path, one, "front", "left"), FPS)
    np.testing.assert_allclose(way.state[0, :5], to_robot_units(REST_RAD)[:5], atol=1e-3)
    assert way.moments[0] == 0 and (np.diff(way.moments) >= 0).all()
    carried = np.flatnonzero((way.moments >= one.grasp) & (way.moments <= one.release))
    off = []
    for k in carried:
        point, _ = jaws_m(way.state[k])
        off.append(np.linalg.norm(point - one.middle_m[way.moments[k]]))
    assert np.median(off) < 0.012
    aside = [jaws_m(way.state[k])[0][:2] for k in (carried[-1], -1)]
    assert np.linalg.norm(aside[1] - aside[0]) < 0.01
    assert jaws_m(way.state[-1])[0][2] > jaws_m(way.state[carried[-1]])[0][2] + 0.04


def test_an_arm_waits_until_its_jaws_which_are_slower_than_fingers_have_closed_and_opened(tmp_path):
    one = gesture()
    way = way_of(understood(tmp_path, one, "front", "left"), FPS)
    assert np.abs(np.diff(way.state[:, 5])).max() <= JAWS_PERCENT_S / FPS + 1e-3
    held = float(percent_for(np.array([one.opening_m[one.grasp + 5]]))[0])
    leaves = np.flatnonzero(way.moments > one.grasp + 1)[0]
    assert way.state[leaves, 5] == pytest.approx(held, abs=8), "it lifts before it has closed"
    assert way.action[leaves, 5] == 0 < way.state[leaves, 5], "what is held stops the jaws, which squeeze"
    opened = np.flatnonzero(way.moments > one.release + 2)[0]
    assert way.state[opened, 5] > way.state[leaves, 5] + 5


def test_where_the_arm_does_not_reach_frames_only_teach_to_point(tmp_path):
    one = gesture(place=(0.55, 0.30, 0.05))
    path = film(tmp_path / "clips", one)
    config = WatchConfig(cameras=path, out=tmp_path / "seen")
    watch(tmp_path / "clips", config, trackers(one, "front", "left"), lambda _: None)
    dataset = Dataset(tmp_path / "seen")
    way = way_of(understood(tmp_path / "one", one, "front", "left"), FPS)
    held = np.flatnonzero(way.moments == one.grasp)[0], np.flatnonzero(way.moments == one.release)[0]
    batch = Windows([dataset], chunk=4).batch(held)
    assert not batch["action_is_pad"][0].all()
    assert batch["action_is_pad"][1].all()
    assert batch["task"][1] == "put the can in the bowl"


def test_without_actions_every_frame_only_teaches_to_point(tmp_path):
    one = gesture()
    path = film(tmp_path / "clips", one)
    config = WatchConfig(cameras=path, out=tmp_path / "seen", actions="none")
    watch(tmp_path / "clips", config, trackers(one, "front", "left"), lambda _: None)
    batch = Windows([Dataset(tmp_path / "seen")], chunk=4).batch([0, one.grasp, one.release])
    assert batch["action_is_pad"].all()


def test_one_clip_that_is_not_understood_is_said_and_the_others_are_kept(tmp_path):
    one, said = gesture(), []
    path = film(tmp_path / "clips", one, clips=("can", "cup"))
    points, turn = landmarks_m(one), itertools.cycle(cameras("front", "left"))
    counts = iter([2, 2, 1, 1])
    config = WatchConfig(cameras=path, out=tmp_path / "seen")
    make = lambda: KnownHand(next(turn), points, count=next(counts))  # noqa: E731
    assert watch(tmp_path / "clips", config, make, said.append) == 1
    assert "two hands" in said[0]
    assert len(Dataset(tmp_path / "seen").episodes) == 1
    with pytest.raises(SaysoError, match="holds a dataset already"):
        watch(tmp_path / "clips", config, make, said.append)


@pytest.mark.parametrize(
    ("sentences", "complaint"),
    [
        (None, "sentences.txt is not there"),
        ("can put it", "line 1 of .* must be `CLIP: SENTENCE`"),
        ("cup: put the cup away", "no sentence for can"),
        ("can: a\ncup: b", "speaks of cup"),
        ("can: a\ncan: b", "a second time"),
    ],
)
def test_a_folder_in_which_something_is_missing_is_refused(sentences, complaint, tmp_path):
    (tmp_path / "can.front.mp4").write_bytes(b"")
    if sentences is not None:
        (tmp_path / "sentences.txt").write_text(sentences, encoding="utf-8")
    with pytest.raises(SaysoError, match=complaint):
        read_clips(tmp_path, ["front", "left"])


def test_a_camera_that_is_not_calibrated_is_refused_with_the_nearest(tmp_path):
    (tmp_path / "can.fron.mp4").write_bytes(b"")
    (tmp_path / "sentences.txt").write_text("can: a", encoding="utf-8")
    with pytest.raises(SaysoError, match="Did you mean 'front'"):
        read_clips(tmp_path, ["front", "left"])


def test_the_video_of_a_single_camera_need_not_name_it(tmp_path):
    (tmp_path / "can.mp4").write_bytes(b"")
    (tmp_path / "sentences.txt").write_text("can: a", encoding="utf-8")
    (clip,) = read_clips(tmp_path, ["front"])
    assert clip == Clip(name="can", sentence="a", videos={"front": tmp_path / "can.mp4"})
    with pytest.raises(SaysoError, match="does not say which camera"):
        read_clips(tmp_path, ["front", "left"])


def test_a_drifting_opening_still_tells_its_steepest_parts():
    one = gesture()
    drift = np.linspace(0, 0.03, len(one.opening_m))
    grasp, release = edges(one.opening_m + drift, FPS)
    assert abs(grasp - one.grasp) <= 3
    assert abs(release - one.release) <= 2


def test_an_opening_that_hardly_changes_tells_nothing():
    assert moments(np.full(50, 0.03), FPS) is None
    assert edges(np.full(50, 0.03), FPS) is None
