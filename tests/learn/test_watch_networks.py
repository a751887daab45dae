"""The networks that find hands, on clips of a rendered hand whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from hand_clips import calibrated, pictures
from sayso.data.cameras import write_cameras
from sayso.data.clips import read_clips
from sayso.data.video import encode_video
from sayso.learn.watching.understanding import understand
from sayso.models.hands import networks
from sayso.sim.filmed_hand import SKINS, STANDS, FilmedHand
from sayso.sim.gesture import pick_and_place
from sayso.sim.objects import Item, shape_of
from sayso.sim.scene import Layout

FPS, SIZE = 20, (480, 640)


def filmed(folder, *, seed, skin, kind="can"):
    """Film a rendered hand that puts a thing into a bowl; return its gesture and the cameras."""
    rng = np.random.default_rng(seed)
    thing = Item(name="thing", kind=kind, rgb=(0.75, 0.15, 0.12), position_m=(0.21, -0.06, 0.0), yaw_rad=0.4)
    bowl = Item(name="bowl", kind="bowl", rgb=(0.3, 0.5, 0.35), position_m=(0.22, 0.10, 0.0))
    shape = shape_of(thing)
    gesture = pick_and_place(
        np.add(thing.position_m, (0, 0, shape.grasp_m)),
        np.add(bowl.position_m, (0, 0, shape.grasp_m + 0.03)),
        width_m=shape.width_m,
        yaw_rad=thing.yaw_rad,
        symmetry=shape.symmetry,
        from_rad=np.pi,
        rng=rng,
        fps=FPS,
    )
    with FilmedHand(Layout(items=(thing, bowl)), "thing", SKINS[skin], size=SIZE) as scene:
        cameras = {name: calibrated(scene, name) for name in STANDS}
        for name in STANDS:
            encode_video(folder / f"can.{name}.mp4", pictures(scene, gesture, name), FPS)
    (folder / "sentences.txt").write_text("can: put the can in the bowl", encoding="utf-8")
    write_cameras(folder / "cameras.json", list(cameras.values()))
    return gesture, cameras


@pytest.mark.networks
@pytest.mark.parametrize("skin", ["pale", "brown"])
def test_the_networks_tell_path_opening_and_moments_of_a_filmed_hand(skin, tmp_path):
    from sayso.models.hands.landmarks import HandTracker

    gesture, cameras = filmed(tmp_path, seed=3, skin=skin)
    (clip,) = read_clips(tmp_path, list(cameras))
    found = understand(clip, cameras, HandTracker, FPS, 240)
    off_mm = np.linalg.norm(found.path_m - gesture.middle_m, axis=1)[8:-8] * 1000
    assert np.median(off_mm) < 10
    assert np.median(np.abs(found.opening_m - gesture.opening_m)[8:-8]) < 0.012
    assert abs(found.grasp - gesture.grasp) <= 3
    assert abs(found.release - gesture.release) <= 3


def test_networks_that_cannot_be_fetched_are_asked_for_in_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setenv("SAYSO_CACHE", str(tmp_path))
    monkeypatch.setattr(networks.sys, "executable", "/bin/false")
    with pytest.raises(networks.NetworksError, match=rf"download {networks.WHEEL} from .* put it into"):
        networks.fetched(lambda _: None)


def test_a_network_that_is_not_what_it_should_be_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("SAYSO_CACHE", str(tmp_path))
    (tmp_path / "hands").mkdir()
    for name in networks.DIGESTS:
        (tmp_path / "hands" / name).write_bytes(b"another")
    with pytest.raises(networks.NetworksError, match="delete it"):
        networks.fetched(lambda _: None)


def test_a_wheel_that_was_put_there_and_is_none_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("SAYSO_CACHE", str(tmp_path))
    (tmp_path / "hands").mkdir()
    (tmp_path / "hands" / networks.WHEEL).write_bytes(b"no wheel")
    with pytest.raises(networks.NetworksError, match="is no wheel that holds the networks"):
        networks.fetched(lambda _: None)
