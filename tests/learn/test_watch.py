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
from sayso.sim.kinematics import ArmKinematics
from sayso.sim.robots import from_robot_units
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
    arm, rows = ArmKinematics(), range(one.grasp - 5, one.release)
    off = [
        np.linalg.norm(arm.forward(from_robot_units(dataset.state[k])[0])[0] - one.middle_m[k]) for k in rows
    ]
    assert np.median(off) < 0.012
    np.testing.assert_array_equal(dataset.action[one.grasp], dataset.state[one.grasp + 1])
    assert dataset.state[one.grasp - 5, 5] > 20 > dataset.state[one.release - 5, 5]
    front = cameras("front")[0]
    for column, point in ((0, THING), (3, PLACE)):
        uv = front.project(point) / (128, 96)
        assert np.abs(dataset.points[0, column : column + 2] - uv).max() < 0.03
    assert (tmp_path / "seen-shown" / "contact_sheet.png").is_file()
    assert (tmp_path / "seen-shown" / "cup.mp4").is_file()
    assert "dataset" in said[-1]
    assert "2 of 2" in said[-1]


def test_where_the_arm_does_not_reach_frames_only_teach_to_point(tmp_path):
    one = gesture(place=(0.55, 0.30, 0.05))
    path = film(tmp_path / "clips", one)
    config = WatchConfig(cameras=path, out=tmp_path / "seen")
    watch(tmp_path / "clips", config, trackers(one, "front", "left"), lambda _: None)
    dataset = Dataset(tmp_path / "seen")
    batch = Windows([dataset], chunk=4).batch([one.grasp, one.release])
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
