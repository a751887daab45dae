"""Pictures are those of their rows, though times have drifted; where they cannot be, the episode is named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sayso.data import format as fmt
from sayso.data.reader import Dataset
from sayso.data.video import VideoError, encode_video
from sayso.data.windows import Windows
from sayso.spec import image_key
from small_datasets import FPS, LENGTHS, SIZE, build, grey, without_points

FRONT = image_key("front")
EPISODES = fmt.EPISODES.format(**fmt.place(0))
BEGINS = np.cumsum([0, *LENGTHS.values()])[:-1] / FPS


@pytest.fixture
def root(tmp_path) -> Path:
    """A dataset as other software would have left it."""
    root = build(tmp_path / "dataset", without_points())
    info = json.loads((root / fmt.INFO).read_text())
    del info["sayso"]
    (root / fmt.INFO).write_text(json.dumps(info))
    (root / fmt.DIGESTS).unlink()
    return root


def begin(root: Path, times: np.ndarray) -> Dataset:
    """Write when the episodes begin in the front camera's video."""
    column = f"videos/{FRONT}/from_timestamp"
    table = pq.read_table(root / EPISODES)
    at = table.column_names.index(column)
    pq.write_table(table.set_column(at, column, pa.array(times)), root / EPISODES)
    return Dataset(root)


def greys(dataset: Dataset) -> list[float]:
    return [float(image.mean()) for image in dataset.images("front", range(len(dataset)))]


def test_each_picture_is_its_rows_own_though_each_episode_drifts_a_little_more(root, tmp_path, capfd):
    dataset = begin(root, BEGINS + np.arange(4) * 0.00005 * 100)
    np.testing.assert_allclose(greys(dataset), [grey("front", n) for n in range(26)], atol=2)
    Windows(dataset, cache=tmp_path / "cache").decode()
    assert "'front': times in the table of episodes are up to 15.00 ms off" in capfd.readouterr().err
    assert dataset.drift_of("wrist") == ""


def test_times_that_are_right_are_no_remark(root, tmp_path, capfd):
    Windows(Dataset(root), cache=tmp_path / "cache").decode()
    assert "ms off" not in capfd.readouterr().err


@pytest.mark.parametrize("frames_off", [-1, 0.6, 1, 3])
def test_an_episode_that_begins_at_another_frame_is_named(root, frames_off):
    times = BEGINS.copy()
    times[2] += frames_off / FPS
    with pytest.raises(VideoError, match=rf"'front'.* episode 2 begins .*{abs(frames_off):.1f} frames off"):
        greys(begin(root, times))


def test_a_frame_that_was_never_filmed_is_named(root):
    (video,) = (root / "videos" / FRONT).rglob("*.mp4")
    encode_video(video, np.full((20, *SIZE, 3), 90, np.uint8), FPS)
    with pytest.raises(VideoError, match=r"'front', episode 2, frame 10: .* ends at 0.9500 s"):
        greys(Dataset(root))


def test_a_video_of_another_rate_is_named(root):
    (video,) = (root / "videos" / FRONT).rglob("*.mp4")
    encode_video(video, np.full((60, *SIZE, 3), 90, np.uint8), FPS / 2)
    with pytest.raises(VideoError, match=r"episode 0, frame 1: .* 50.0 ms off"):
        greys(Dataset(root))


@pytest.mark.parametrize("left", [0.3, 0.6, 0.9])
def test_a_cut_video_is_named_with_its_episode_and_the_likely_cause(root, left):
    (video,) = (root / "videos" / FRONT).rglob("*.mp4")
    video.write_bytes(video.read_bytes()[: int(left * video.stat().st_size)])
    with pytest.raises(VideoError, match=r"(?s)'front'.*file-000\.mp4.*was cut or damaged"):
        greys(Dataset(root))
