"""Cameras that are black, frozen, slow or not as said are found by a few pictures of each episode."""

from __future__ import annotations

import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sayso.data import format as fmt
from sayso.data.check import findings
from sayso.data.checks.asked import Asked
from sayso.data.checks.evidence import gather
from sayso.data.checks.finding import Severity
from sayso.data.video import encode_video
from sayso.spec import image_key
from small_arms import FPS, FRAMES, SIZE, arm, picture, pose
from small_datasets import DATA, EPISODES, change, change_info, rows

ERROR, WARNING = Severity.ERROR, Severity.WARNING
FRONT = image_key("front")
VIDEO = fmt.VIDEO.format(video_key=FRONT, **fmt.place(0))
FROM = f"videos/{FRONT}/from_timestamp"
LONG = (90,) * 4


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    return arm(tmp_path_factory.mktemp("healthy") / "theirs")


@pytest.fixture
def root(healthy, tmp_path):
    return shutil.copytree(healthy, tmp_path / "arm")


def told(root, all_frames=False):
    """Return what the check of pictures found that is more than a note."""
    found = findings(gather(root, Asked(all_frames=all_frames)))
    return [f for f in found if f.check == "pictures" and f.severity is not Severity.NOTE]


def bad(episode, instead):
    """Return pictures of which those of one episode are others."""
    return lambda e, step: instead(step) if e == episode else picture(e, step)


@pytest.mark.parametrize("all_frames", [False, True])
@pytest.mark.parametrize(
    ("instead", "severity", "said"),
    [
        (lambda step: np.zeros((*SIZE, 3), np.uint8), ERROR, "black"),
        (lambda step: np.full((*SIZE, 3), 90, np.uint8), WARNING, "one colour"),
        (lambda step: picture(2, 0), ERROR, "from beginning to end"),
    ],
)
def test_a_black_plain_or_frozen_camera_is_told_with_its_episode(
    tmp_path, instead, severity, said, all_frames
):
    (only,) = told(arm(tmp_path / "arm", pictures=bad(2, instead)), all_frames)
    assert (only.severity, only.episodes, only.name) == (severity, (2,), "camera front")
    assert said in only.says and "--drop-episodes 2" in only.remedy


def test_a_camera_that_is_black_throughout_is_left_out_as_a_whole(tmp_path):
    root = arm(tmp_path / "arm", cameras=("front", "wrist"))
    (root / VIDEO).unlink()
    encode_video(root / VIDEO, [np.zeros((*SIZE, 3), np.uint8)] * (5 * FRAMES), FPS)
    (only,) = told(root)
    assert only.remedy.endswith("--drop-cameras front")


@pytest.mark.parametrize("all_frames", [False, True])
def test_a_camera_that_hangs_for_more_than_a_second_is_told_with_the_frame(tmp_path, all_frames):
    def hangs(episode, step):
        return picture(0, (20 if episode == 1 and 20 <= step < 65 else step) % 40)

    (only,) = told(arm(tmp_path / "arm", pictures=hangs, lengths=LONG), all_frames)
    assert (only.severity, only.episodes, only.frame) == (WARNING, (1,), 20) and "1.5 s" in only.says


def test_a_camera_that_gives_each_picture_twice_is_told_with_its_rate(tmp_path):
    (only,) = told(arm(tmp_path / "arm", pictures=lambda e, step: picture(e, step - step % 2)))
    assert "about 15 per second, not 30" in only.says
    assert only.severity is WARNING and only.remedy.endswith("--fps 15")


def test_a_camera_may_stand_still_while_the_robot_does(tmp_path):
    def waits(step):
        return max(0, step - 60)

    root = arm(
        tmp_path / "arm",
        poses=lambda e, step: pose(e, waits(step)),
        pictures=lambda e, step: picture(e, waits(step) % 40),
        lengths=(110,) * 3,
    )
    assert told(root) == []


@pytest.mark.parametrize("all_frames", [False, True])
def test_a_camera_did_not_freeze_while_somebody_pressed_a_key(tmp_path, all_frames):
    """The arm idles for 1.3 s, then turns so that the camera sees it a little later, and idles again."""

    def acted(step):
        return min(max(0, step - 39), 30)

    def shown(episode, step):
        return picture(episode, max(0, acted(step) - 4) % 40)

    root = arm(
        tmp_path / "arm", poses=lambda e, step: pose(e, acted(step)), pictures=shown, lengths=(110,) * 3
    )
    assert told(root, all_frames) == []


@pytest.mark.parametrize(
    ("off_s", "severity", "said"), [(2e-3, WARNING, "2.00 ms off"), (0.1, ERROR, "frames off")]
)
def test_times_of_episodes_that_drift_or_lie_are_told_by_how_much(root, off_s, severity, said):
    begins = pq.read_table(root / EPISODES)[FROM].to_pylist()
    change(root, EPISODES, FROM, [t + off_s * (k == 2) for k, t in enumerate(begins)], pa.float64())
    (only,) = told(root)
    assert only.severity is severity and said in only.says


def test_frames_that_a_video_lacks_are_told_with_the_first(root):
    pictures = [picture(k // FRAMES, k % FRAMES) for k in range(4 * FRAMES + 10)]
    (root / VIDEO).unlink()
    encode_video(root / VIDEO, pictures, FPS)
    (only,) = told(root)
    assert (only.severity, only.episodes, only.frame) == (ERROR, (4,), 10) and "35 such frames" in only.says


def test_a_video_of_another_size_or_rate_is_an_error(root):
    change_info(root, lambda info: info["features"][FRONT].update(shape=[24, 32, 3]))
    (only,) = told(root)
    assert only.severity is ERROR and "is 48 x 64, but meta/info.json says 24 x 32" in only.says
    change_info(root, lambda info: info["features"][FRONT].update(shape=[*SIZE, 3]))
    change_info(root, lambda info: info.update(fps=15))
    assert "shows 30 pictures per second, but meta/info.json says 15" in told(root)[0].says


@pytest.mark.parametrize(("left", "said"), [(None, "is missing"), (b"", "is empty"), (b"RIFF", "no video")])
def test_a_video_that_is_none_is_told_and_the_other_camera_still_looked_at(tmp_path, left, said):
    def dark(episode, step):
        return np.zeros((*SIZE, 3), np.uint8)

    root = arm(tmp_path / "arm", pictures=dark, cameras=("front", "wrist"))
    (root / VIDEO).unlink()
    if left is not None:
        (root / VIDEO).write_bytes(left)
    found = told(root)
    assert [f.name for f in found] == ["camera front", "camera wrist"] and said in found[0].says


def test_a_damaged_place_of_a_video_costs_its_episode_only(root):
    content = bytearray((root / VIDEO).read_bytes())
    content[len(content) // 2 : len(content) // 2 + 40] = bytes(40)
    (root / VIDEO).write_bytes(content)
    (only,) = told(root, all_frames=True)
    assert only.severity is ERROR and len(only.episodes) == 1 and "--drop-episodes" in only.remedy


def test_half_a_video_is_told(root):
    content = (root / VIDEO).read_bytes()
    (root / VIDEO).write_bytes(content[: len(content) // 2])
    assert told(root)[0].severity is ERROR


def test_pictures_that_are_kept_in_the_rows_are_looked_at_too(root, tmp_path):
    import io

    from PIL import Image as Picture

    def png(row):
        file = io.BytesIO()
        black = row // FRAMES == 3
        Picture.fromarray(picture(row // FRAMES, row % FRAMES) * (not black)).save(file, "PNG")
        return {"bytes": file.getvalue(), "path": None}

    change_info(root, lambda info: info["features"][FRONT].update(dtype="image"))
    change(root, DATA, FRONT, [png(row) for row in range(len(rows(root, "index")))])
    (only,) = told(root)
    assert (only.severity, only.episodes) == (ERROR, (3,)) and "black" in only.says
    change(root, DATA, FRONT, [{"bytes": None, "path": "images/1.png"}] * len(rows(root, "index")))
    assert any("the name of a picture" in f.says for f in told(root))
