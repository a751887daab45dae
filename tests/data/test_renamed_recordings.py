"""Recordings whose cameras, numbers or units differ are read, and learned from, as one."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from sayso.data.fit import read_names
from sayso.data.reader import Dataset
from sayso.data.windows import Windows
from sayso.spec import STATE, Dimension, UnknownNameError, image_key
from small_datasets import build, grey, without_points

OURS = dataclasses.replace(without_points(), cameras={"front": (16, 24), "wrist": (24, 16)})
THEIRS = dataclasses.replace(
    OURS,
    cameras={"image": (16, 24), "wrist_image": (24, 16)},
    state=(Dimension(name="shoulder", unit="rad"), Dimension(name="gripper.pos", unit="%")),
    action=(Dimension(name="shoulder", unit="rad"), Dimension(name="gripper.pos", unit="%")),
)
RENAME = read_names(["observation.images.image=front", "wrist_image=wrist", "shoulder=pan.pos"])


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Dataset]:
    folder = tmp_path_factory.mktemp("recordings")
    return Dataset(build(folder / "ours", OURS)), Dataset(build(folder / "theirs", THEIRS))


def windows(both: tuple[Dataset, ...], tmp_path: Path, **options: object) -> Windows:
    return Windows(both, chunk=2, cache=tmp_path / "cache", **options)


def test_recordings_that_call_things_otherwise_are_one_when_they_are_renamed(both, tmp_path):
    found = windows(both, tmp_path, rename=RENAME)
    assert found.features == dataclasses.replace(OURS, renamed=RENAME)
    first, second = found.batch([3]), found.batch([3 + len(both[0])])
    for camera, there, size in (("front", "image", (16, 24)), ("wrist", "wrist_image", (24, 16))):
        picture = second[image_key(camera)]
        assert picture.shape == (1, 1, *size, 3) and abs(int(picture.mean()) - grey(there, 3)) <= 2
    np.testing.assert_allclose(second[STATE], first[STATE] * [180 / math.pi, 1], rtol=1e-5)
    np.testing.assert_allclose(second["action"], first["action"] * [180 / math.pi, 1], rtol=1e-5)


def test_statistics_are_those_of_the_units_that_are_learned(both, tmp_path):
    largest = both[1].state[:, 0].max() * 180 / math.pi
    assert windows(both, tmp_path, rename=RENAME).stats[STATE].max[0] == pytest.approx(largest, rel=1e-5)


def test_one_recording_alone_is_learned_under_the_new_names_in_its_own_unit(both, tmp_path):
    found = windows(both[1:], tmp_path, rename=RENAME)
    assert [d.unit for d in found.features.state] == ["rad", "%"]
    assert list(found.features.cameras) == ["front", "wrist"] and found.features.state_names[0] == "pan.pos"
    np.testing.assert_array_equal(found.stats[STATE].max, both[1].stats[STATE].max)


def test_decoded_frames_are_kept_under_the_recording_s_own_names(both, tmp_path):
    windows(both[1:], tmp_path, rename=RENAME).decode()
    windows(both[1:], tmp_path).decode()
    names = {path.name.partition("-")[0] for path in (tmp_path / "cache").rglob("*.npy")}
    assert names == {"image", "wrist_image"}


def test_renamed_pictures_are_scaled_like_others(both, tmp_path):
    found = windows(both, tmp_path, rename=RENAME, resize="8")
    assert found.features.cameras == {"front": (8, 16), "wrist": (16, 8)}
    again = windows(both[1:], tmp_path, like=found.features)
    assert again.features.cameras == found.features.cameras and again.features.renamed == RENAME
    picture = image_key("front")
    np.testing.assert_array_equal(found.batch([3 + len(both[0])])[picture], again.batch([3])[picture])


def test_without_a_rename_they_are_two_robots(both, tmp_path):
    assert len(windows(both, tmp_path).features.robots) == 2


def test_a_name_that_no_recording_has_is_refused_with_the_nearest(both, tmp_path):
    with pytest.raises(UnknownNameError, match=r"camera or number to rename 'imgae'. Did you mean 'image'"):
        windows(both, tmp_path, rename={"imgae": "front"})
