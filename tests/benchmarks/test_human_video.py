"""The benchmark of clips: what it films has a truth that is kept, and a tracker without error has none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import hand_clips
import human_video
from hand_clips import film_clip, replayed, score, truly, truth_of
from human_video import HumanVideo, summary, weights
from sayso.data.clips import Clip
from sayso.learn.watching.sight import View
from sayso.learn.watching.understanding import Understood
from sayso.spec import SaysoError
from sayso.tasks.household.goals.grammar import read_goal
from small_clips import cameras, gesture


def understood_as(one, path_m) -> Understood:
    """Return a clip of which all is understood but the path, which is given."""
    views = [
        View(
            camera=camera,
            pixels=np.zeros((len(path_m), 21, 2)),
            world_m=np.zeros((len(path_m), 21, 3)),
            images=[np.zeros((*camera.size, 3), np.uint8)] * len(path_m),
            hands=np.ones(1),
        )
        for camera in cameras("front", "left")
    ]
    clip = Clip(name="can", sentence="put the can on the mat", videos={})
    rough = Understood(
        clip=clip,
        views=views,
        path_m=path_m,
        opening_m=one.opening_m,
        closing=np.tile([0.0, 1.0, 0.0], (len(path_m), 1)),
        grasp=one.grasp,
        release=one.release,
    )
    return replace(truly(rough, one), path_m=path_m)


def test_a_tracker_is_scored_by_how_far_it_is_off():
    one = gesture()
    right = score(understood_as(one, one.middle_m), one)
    assert max(right["path_mm"]) == 0 == right["grasp_frames"] and right["pointing"] == 0
    off = score(understood_as(one, one.middle_m + [0.0, 0.006, 0.0]), one)
    assert np.median(off["path_mm"]) == pytest.approx(6.0) and 0.003 < off["pointing"] < 0.03


def test_the_truth_of_a_clip_is_kept_beside_it(tmp_path, monkeypatch):
    monkeypatch.setattr(hand_clips, "SIZE", (64, 64))
    film_clip(tmp_path, read_goal("put the can on the mat"), 0)
    assert {path.name for path in tmp_path.iterdir()} == {
        "000.front.mp4", "000.left.mp4", "000.npz", "cameras.json",
    }  # fmt: skip
    true = truth_of(tmp_path, Clip(name="000", sentence="", videos={}))
    assert 0 < true.grasp < true.release < len(true.middle_m) == len(true.opening_m)
    carried = true.middle_m[true.release] - true.middle_m[true.grasp]
    assert np.linalg.norm(carried[:2]) > 0.03 and 0.0 < carried[2] < 0.03, "the can was not put on the mat"


def test_an_arm_that_is_driven_along_the_true_way_does_what_the_clip_shows_and_elsewhere_it_does_not(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(hand_clips, "SIZE", (64, 64))
    goal = read_goal("put the can on the mat")
    film_clip(tmp_path, goal, 0)
    true = truth_of(tmp_path, Clip(name="000", sentence="", videos={}))
    right = understood_as(true, true.middle_m)
    assert replayed(goal, 0, right)
    assert not replayed(goal, 0, replace(right, path_m=true.middle_m + [0.0, 0.05, 0.0]))


def test_so_many_windows_are_new_as_are_asked_for(monkeypatch):
    monkeypatch.setattr(
        human_video, "Dataset", lambda root: range({"a": 300, "b": 500, "new": 40}[root.name])
    )
    config = HumanVideo(rows=("tracker",), tabletop=(Path("a"), Path("b")), new_share=0.25)
    old_a, old_b, new = weights(config, Path("new"))
    assert new * 40 / (old_a * 300 + old_b * 500 + new * 40) == pytest.approx(0.25, rel=1e-3)


def test_the_rows_that_are_there_are_summed_up(tmp_path):
    clips = {
        "000": {
            "path_mm": [4.0, 6.0], "opening_mm": [3.0, 3.0], "pointing": 0.01,
            "grasp_frames": 2, "release_frames": -3, "replayed": True, "replayed_true": False,
        },
        "001": {"why": "no hand"},
    }  # fmt: skip
    (tmp_path / "tracker.json").write_text(json.dumps({"clips": clips}), encoding="utf-8")
    for row, wins in (("videos_10", 3), ("robot_10", 4)):
        episodes = [{"outcome": "success" if k < wins else "failure"} for k in range(5)]
        (tmp_path / f"{row}.json").write_text(json.dumps({"episodes": episodes}), encoding="utf-8")
    found = summary(HumanVideo(rows=("tracker",), parts=tmp_path))
    assert found["tracker_path_mm"] == 5.0
    assert found["events_within_2"] == found["tracker_understood"] == 0.5
    assert found["replayed_share"] == 1.0 and found["replayed_true_share"] == 0.0
    assert found["videos_10_share"] == pytest.approx(0.75) and "known_after" not in found


def test_a_policy_without_recordings_is_refused_before_anything_is_filmed():
    with pytest.raises(SaysoError, match="--tabletop is missing"):
        HumanVideo(rows=("videos_10",))
