"""LeRobot's own writer makes a recording, and its own reader opens what was edited: frame by frame the same.

It runs where LeRobot is installed: `make lerobot`.
"""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image as Picture

from sayso.data.edit.config import EditConfig
from sayso.data.edit.verb import edit
from sayso.data.reader import Dataset
from sayso.spec import image_key
from small_datasets import build
from small_old_datasets import as_v21

pytest.importorskip("lerobot.datasets.lerobot_dataset", reason="needs LeRobot: `make lerobot`")

LENGTHS = (9, 14, 6)
NAMES = ["shoulder_pan.pos", "elbow_flex.pos", "gripper.pos"]
FRONT, WRIST = image_key("front"), image_key("wrist")


def opened(root):
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    return LeRobotDataset("somebody/something", root=root)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Record three episodes with LeRobot's writer, as AV1, with a reward and a table of numbers besides."""
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    root = tmp_path_factory.mktemp("lerobot") / "d"
    vector = {"dtype": "float32", "shape": (3,), "names": NAMES}
    video = {"dtype": "video", "names": ["height", "width", "channels"]}
    features = {
        "observation.state": vector,
        "action": vector,
        "next.reward": {"dtype": "float32", "shape": (1,), "names": None},
        "observation.grid": {"dtype": "float32", "shape": (2, 3), "names": ["row", "column"]},
        FRONT: video | {"shape": (96, 128, 3)},
        WRIST: video | {"shape": (64, 64, 3)},
    }
    new = LeRobotDataset.create("somebody/something", 30, features, root=root, robot_type="so101_follower")
    rng = np.random.default_rng(0)
    for episode, length in enumerate(LENGTHS):
        coarse = Picture.fromarray(rng.integers(0, 255, (6, 8, 3), np.uint8))
        smooth = np.asarray(coarse.resize((128, 96), Picture.Resampling.BICUBIC))
        for step in range(length):
            seen = np.roll(smooth, 3 * step, 1)
            new.add_frame(
                {
                    "observation.state": np.float32([episode, step, 1]),
                    "action": np.float32([episode, step + 1, 2]),
                    "next.reward": np.float32([step]),
                    "observation.grid": np.full((2, 3), step, np.float32),
                    FRONT: seen,
                    WRIST: np.ascontiguousarray(seen[:64, :64]),
                    "task": ("pick the cube", "push the cube")[episode % 2],
                }
            )
        new.save_episode()
    new.finalize()
    try:
        opened(root)[0]
    except (ImportError, AttributeError, RuntimeError, ValueError, OSError) as error:
        pytest.skip(f"LeRobot cannot decode its own recording here: {error}")
    return root


def rows(dataset, episodes, every=1):
    """Return the frames of some episodes, one of so many of each."""
    about = dataset.meta.episodes
    return [
        dataset[k]
        for e in episodes
        for k in range(int(about[e]["dataset_from_index"]), int(about[e]["dataset_to_index"]), every)
    ]


def assert_alike(new, old, names=(), tolerance=0.0):
    """Hold every value that does not count something against what it was, by its old or its new name."""
    assert len(new) == len(old)
    counters = {"index", "frame_index", "episode_index", "task_index", "timestamp"}
    renamed = dict(names)
    for one, other in zip(new, old, strict=True):
        for key, value in one.items():
            if key == "task":
                assert value == other["task"]
            elif key not in counters:
                given = np.asarray(other[renamed.get(key, key)], np.float64)
                limit = tolerance if "images" in key else 0.0
                assert np.abs(np.asarray(value, np.float64) - given).max() <= limit, key


@pytest.mark.parametrize(
    ("changes", "kept", "names"),
    [
        ({}, (0, 1, 2), {}),
        ({"drop_episodes": "1"}, (0, 2), {}),
        (
            {"rename_cameras": ("front=top",), "drop_cameras": ("wrist",)},
            (0, 1, 2),
            {image_key("top"): FRONT},
        ),
        ({"tasks": ("push the cube",)}, (1,), {}),
    ],
)
def test_what_is_kept_is_bit_for_bit_what_lerobot_recorded(root, tmp_path, changes, kept, names):
    edit([root], EditConfig(out=tmp_path / "new", **changes))
    new = opened(tmp_path / "new")
    assert new.num_episodes == len(kept)
    assert_alike(rows(new, range(len(kept))), rows(opened(root), kept), names)


def test_a_merge_and_a_split_open_as_well(root, tmp_path):
    edit([root, root], EditConfig(out=tmp_path / "both"))
    assert_alike(rows(opened(tmp_path / "both"), range(6)), rows(opened(root), (0, 1, 2, 0, 1, 2)))
    edit([root], EditConfig(out=tmp_path / "parts", split=("heldout=1",)))
    assert_alike(rows(opened(tmp_path / "parts/train"), (0, 1)), rows(opened(root), (0, 2)))
    assert_alike(rows(opened(tmp_path / "parts/heldout"), (0,)), rows(opened(root), (1,)))


def test_thinned_out_pictures_are_those_of_their_frames(root, tmp_path):
    edit([root], EditConfig(out=tmp_path / "new", fps=10))
    new = opened(tmp_path / "new")
    assert new.fps == 10
    for episode in range(3):
        given = rows(opened(root), [episode])
        looks = np.array([np.asarray(frame[FRONT]) for frame in given])
        for step, one in enumerate(rows(new, [episode])):
            off = np.abs(looks - np.asarray(one[FRONT])).mean((1, 2, 3))
            assert (int(off.argmin()), off.min() < 0.02) == (3 * step, True)
            np.testing.assert_array_equal(one["action"], given[3 * step]["action"])


def test_a_scaled_recording_and_one_of_v21_open_as_well(root, tmp_path):
    edit([root], EditConfig(out=tmp_path / "small", resize="48"))
    assert opened(tmp_path / "small")[5][FRONT].shape == (3, 48, 64)
    old = as_v21(build(tmp_path / "ours"), tmp_path / "old")
    edit([old], EditConfig(out=tmp_path / "new"))
    whole, new = Dataset(tmp_path / "ours"), opened(tmp_path / "new")
    assert len(new) == len(whole)
    for k in (0, 8, 9, 25):
        np.testing.assert_array_equal(new[k]["action"], whole.action[k])
        (image,) = whole.images("front", [k])
        assert np.abs(np.asarray(new[k][FRONT]).transpose(1, 2, 0) * 255 - image).mean() < 3


def test_statistics_are_those_that_lerobot_counts(root, tmp_path):
    edit([root], EditConfig(out=tmp_path / "new"))
    given, found = (opened(folder).meta.stats for folder in (root, tmp_path / "new"))
    for key in given:
        for name in ("min", "max", "mean", "std", "count"):
            np.testing.assert_allclose(found[key][name], given[key][name], rtol=1e-4, atol=1e-5, err_msg=key)
