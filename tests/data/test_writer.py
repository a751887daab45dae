"""Datasets are what LeRobot v3.0 says, whoever recorded them and whatever was killed meanwhile."""

from __future__ import annotations

import json
import multiprocessing
import time

import av
import numpy as np
import pyarrow.parquet as pq
import pytest

from sayso.data.format import Ending
from sayso.data.reader import Dataset
from sayso.data.writer import STAGING, EpisodeKey, assemble, recorded, stage_episode, staged
from sayso.spec import (
    ACTION,
    OTHER_POINTS,
    OTHER_TASK,
    POINTS,
    STATE,
    FeatureMismatchError,
    NotFiniteError,
    SaysoError,
    image_key,
)
from small_datasets import FEATURES, FPS, LENGTHS, build, fingerprint, frames, grey, stage, without_points

KEYS = [EpisodeKey(family=family, seed=seed) for family, seed in LENGTHS]
COUNTERS = {"timestamp", "frame_index", "episode_index", "index", "task_index"}


def read_independently(root):
    """Read a LeRobotDataset v3.0 straight from the facts of the format, with nothing of ours.

    Yields, per frame: every column, the instruction, and each camera's decoded image.
    """
    info = json.loads((root / "meta/info.json").read_text())
    tasks = pq.read_table(root / "meta/tasks.parquet")
    (index,) = json.loads(tasks.schema.metadata[b"pandas"])["index_columns"]
    instruction = dict(zip(tasks["task_index"].to_pylist(), tasks[index].to_pylist(), strict=True))
    for path in sorted(root.glob("meta/episodes/*/*.parquet")):
        for episode in pq.read_table(path).to_pylist():
            place = {name: episode[f"data/{name}"] for name in ("chunk_index", "file_index")}
            rows = pq.read_table(root / info["data_path"].format(**place)).to_pylist()
            mine = [row for row in rows if row["episode_index"] == episode["episode_index"]]
            for row in mine:
                row["task"] = instruction[row["task_index"]]
                for key, feature in info["features"].items():
                    if feature["dtype"] == "video":
                        row[key] = image_independently(root, info, episode, key, row["timestamp"])
                yield row


def image_independently(root, info, episode, key, timestamp):
    """Decode the one frame within 1e-4 s of from_timestamp + timestamp."""
    place = {name: episode[f"videos/{key}/{name}"] for name in ("chunk_index", "file_index")}
    wanted = episode[f"videos/{key}/from_timestamp"] + timestamp
    with av.open(str(root / info["video_path"].format(video_key=key, **place))) as container:
        found = [
            f.to_ndarray(format="rgb24") for f in container.decode(video=0) if abs(f.time - wanted) < 1e-4
        ]
    assert len(found) == 1
    return found[0]


def test_an_independent_reader_finds_every_number_and_image(tmp_path):
    read = list(read_independently(build(tmp_path)))
    shown = [frame for key in KEYS for frame in frames(key.family, key.seed)]
    assert len(read) == len(shown) == sum(LENGTHS.values())
    for index, (row, frame) in enumerate(zip(read, shown, strict=True)):
        assert row["index"] == index
        assert row["task"] == frame["task"]
        for key in (STATE, ACTION, POINTS):
            np.testing.assert_array_equal(np.float32(row[key]), frame[key])
        for camera in FEATURES.cameras:
            error = np.abs(row[image_key(camera)].astype(int) - frame[image_key(camera)])
            assert error.max() <= 2  # neighbouring frames differ by 4


def test_times_and_counters_follow_the_format(tmp_path):
    rows = list(read_independently(build(tmp_path)))
    expected = [(n, k) for n, length in enumerate(LENGTHS.values()) for k in range(length)]
    assert [(row["episode_index"], row["frame_index"]) for row in rows] == expected
    np.testing.assert_allclose([row["timestamp"] for row in rows], [k / FPS for _, k in expected], atol=1e-6)


def test_files_that_would_grow_too_large_are_rolled(tmp_path):
    root = build(tmp_path, data_file_mb=1e-3, video_file_mb=3e-3)
    assert len(list(root.glob("data/chunk-000/*.parquet"))) > 1
    assert len(list(root.glob(f"videos/{image_key('front')}/chunk-000/*.mp4"))) > 1
    greys = [row[image_key("front")].mean() for row in read_independently(root)]
    np.testing.assert_allclose(greys, [grey("front", n) for n in range(len(greys))], atol=2)


def test_info_says_what_is_there(tmp_path):
    info = json.loads((build(tmp_path) / "meta/info.json").read_text())
    assert info["codebase_version"] == "v3.0"
    assert (info["total_episodes"], info["total_frames"], info["total_tasks"]) == (4, 26, 3)
    assert info["splits"] == {"train": "0:4"}
    assert set(info["features"]) == {STATE, ACTION, POINTS, *COUNTERS, image_key("front"), image_key("wrist")}
    state = {"dtype": "float32", "shape": [2], "names": ["pan.pos", "gripper.pos"]}
    assert info["features"][STATE] == state | {"info": {"units": ["deg", "%"]}}
    assert info["features"][image_key("front")]["shape"] == [16, 24, 3]
    assert info["features"][image_key("front")]["info"]["video.codec"] == "h264"


def test_data_has_one_row_group_per_episode_and_no_video_columns(tmp_path):
    file = pq.ParquetFile(build(tmp_path) / "data/chunk-000/file-000.parquet")
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == list(LENGTHS.values())
    assert set(file.schema_arrow.names) == {STATE, ACTION, POINTS, *COUNTERS}
    assert file.metadata.row_group(0).column(0).compression == "SNAPPY"


def test_episodes_know_their_seed_family_range_and_files(tmp_path):
    rows = pq.read_table(build(tmp_path) / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    assert [(row["sayso/family"], row["sayso/seed"]) for row in rows] == list(LENGTHS)
    assert [(row["sayso/outcome"], row["sayso/reward"], row["sayso/actor"]) for row in rows] == [
        ("success", float(seed), "expert") for _, seed in LENGTHS
    ]
    assert [row["dataset_from_index"] for row in rows] == [0, 9, 10, 22]
    assert [row["dataset_to_index"] for row in rows] == [9, 10, 22, 26]
    wrist = f"videos/{image_key('wrist')}"
    np.testing.assert_allclose(
        [row[f"{wrist}/from_timestamp"] for row in rows], np.array([0, 9, 10, 22]) / FPS
    )
    np.testing.assert_allclose(
        [row[f"{wrist}/to_timestamp"] for row in rows], np.array([9, 10, 22, 26]) / FPS
    )
    assert all(row["meta/episodes/file_index"] == 0 for row in rows)


def test_what_nobody_said_of_an_episode_is_no_column(tmp_path):
    stage_episode(tmp_path, FEATURES, frames("put", 3), seed=3, family="put")
    names = pq.read_schema(assemble(tmp_path, FEATURES) / "meta/episodes/chunk-000/file-000.parquet").names
    assert [name for name in names if name.startswith("sayso/")] == ["sayso/seed", "sayso/family"]
    assert Dataset(tmp_path).episodes[0].ending == Ending()


def test_what_a_person_said_in_an_episode_is_kept_and_is_none_of_another(tmp_path):
    endings = [Ending(actor="person", said="a bit higher"), Ending(actor="person")]
    for seed, ending in enumerate(endings):
        stage_episode(tmp_path, FEATURES, frames("put", 3), seed=seed, family="put", ending=ending)
    dataset = Dataset(assemble(tmp_path, FEATURES))
    assert [episode.ending for episode in dataset.episodes] == endings


def test_statistics_cover_every_feature_exactly(tmp_path):
    root = build(tmp_path)
    stats = json.loads((root / "meta/stats.json").read_text())
    names = {"min", "max", "mean", "std", "count", "q01", "q10", "q50", "q90", "q99"}
    assert all(set(entry) == names for entry in stats.values())
    assert set(stats) == {STATE, ACTION, POINTS, *COUNTERS, image_key("front"), image_key("wrist")}
    actions = np.array([[n + 0.5, -n] for n in range(26)])
    np.testing.assert_allclose(stats[ACTION]["mean"], actions.mean(0), rtol=1e-6)
    np.testing.assert_allclose(stats[ACTION]["q90"], np.quantile(actions, 0.9, axis=0), rtol=1e-6)
    front = np.array([grey("front", n) for n in range(26)]) / 255
    np.testing.assert_allclose(np.ravel(stats[image_key("front")]["mean"]), front.mean())
    assert np.shape(stats[image_key("front")]["q50"]) == (3, 1, 1)
    first = pq.read_table(root / "meta/episodes/chunk-000/file-000.parquet").to_pylist()[0]
    np.testing.assert_allclose(first[f"stats/{ACTION}/max"], actions[:9].max(0))
    assert first[f"stats/{ACTION}/count"] == [9]
    assert np.shape(first[f"stats/{image_key('wrist')}/std"]) == (3, 1, 1)


def test_pandas_reads_instructions_as_the_index(tmp_path):
    pandas = pytest.importorskip("pandas")
    tasks = pandas.read_parquet(build(tmp_path) / "meta/tasks.parquet")
    assert tasks.index.name == "task"
    assert list(tasks.columns) == ["task_index"]
    assert tasks.loc["put the block number 0"]["task_index"] == 1
    assert tasks["task_index"].dtype == np.int64


def test_points_may_be_absent(tmp_path):
    (first, *_) = read_independently(build(tmp_path, without_points()))
    assert POINTS not in first


def test_instructions_may_change_within_an_episode(tmp_path):
    shown = frames("put", 3)
    for frame in shown[5:]:
        frame["task"] = "now something else"
    stage_episode(tmp_path, FEATURES, shown, seed=3, family="put")
    read = [row["task"] for row in read_independently(assemble(tmp_path, FEATURES))]
    assert read == [frame["task"] for frame in shown]


def test_other_instructions_are_kept_frame_by_frame(tmp_path):
    labelled = [
        frame | {OTHER_TASK: f"other {k % 2}", OTHER_POINTS: np.array([k, 0, 1], np.float32)}
        for k, frame in enumerate(frames("put", 11))
    ]
    stage_episode(tmp_path, FEATURES, labelled, seed=11, family="put")
    rows = list(read_independently(assemble(tmp_path, FEATURES)))
    info = json.loads((tmp_path / "meta/info.json").read_text())
    tasks = pq.read_table(tmp_path / "meta/tasks.parquet")["task"].to_pylist()
    assert info["features"]["label.other_task_index"] == {"dtype": "int64", "shape": [1], "names": None}
    assert info["total_tasks"] == len(tasks) == 3
    assert [row["label.other_points"] for row in rows] == [[k, 0, 1] for k in range(4)]
    assert [tasks[row["label.other_task_index"]] for row in rows] == ["other 0", "other 1"] * 2
    assert set(rows[0]) == {*info["features"], "task"}


def test_episodes_with_and_without_other_instructions_do_not_mix(tmp_path):
    labelled = [
        frame | {OTHER_TASK: "other", OTHER_POINTS: np.zeros(3, np.float32)} for frame in frames("put", 11)
    ]
    stage_episode(tmp_path, FEATURES, labelled, seed=11, family="put")
    stage(tmp_path, "put", 3)
    with pytest.raises(FeatureMismatchError, match="folders of their own"):
        assemble(tmp_path, FEATURES)


def test_order_of_recording_leaves_no_trace(tmp_path):
    for key in reversed(KEYS):
        stage(tmp_path / "backwards", key.family, key.seed)
    assemble(tmp_path / "backwards", FEATURES)
    assert fingerprint(tmp_path / "backwards") == fingerprint(build(tmp_path / "forwards"))


def test_what_is_staged_is_known_and_gone_after_assembly(tmp_path):
    for key in KEYS[:2]:
        stage(tmp_path, key.family, key.seed)
    assert staged(tmp_path) == KEYS[:2] == recorded(tmp_path)
    assemble(tmp_path, FEATURES)
    assert staged(tmp_path) == []
    assert recorded(tmp_path) == KEYS[:2]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "meta", "videos"]


def record_for_ever(root, started):
    """Stage the same episodes again and again, as a worker that gets killed."""
    started.set()
    for seed in range(10_000):
        stage_episode(root, FEATURES, frames("put", 3) * 5, seed=seed, family="put")


def test_a_killed_worker_loses_only_the_episode_in_flight(tmp_path):
    context = multiprocessing.get_context("spawn")
    started = context.Event()
    workers = [context.Process(target=record_for_ever, args=(tmp_path, started)) for _ in range(2)]
    for worker in workers:
        worker.start()
    assert started.wait(30)
    while len(staged(tmp_path)) < 3:
        time.sleep(0.002)
    for worker in workers:
        worker.kill()
        worker.join()
    kept = staged(tmp_path)
    assemble(tmp_path, FEATURES)
    assert recorded(tmp_path) == kept
    assert len(list(read_independently(tmp_path))) == 60 * len(kept)
    assert not (tmp_path / STAGING).exists()


def test_staging_twice_keeps_the_first(tmp_path):
    stage(tmp_path, "put", 3)
    before = fingerprint(tmp_path)
    stage_episode(tmp_path, FEATURES, frames("fetch", 5), seed=3, family="put")
    assert fingerprint(tmp_path) == before


@pytest.mark.parametrize("moved", [(), ("data",), ("data", "videos")])
def test_assembly_interrupted_at_any_point_starts_again(tmp_path, moved):
    """The states a kill leaves behind: built in full or in part, and some of it moved into place."""
    expected = fingerprint(build(tmp_path / "whole"))
    root = build(tmp_path / "cut", keep_staging=True)
    assembling = root / ".assembling"
    assembling.mkdir()
    for name in {"data", "videos", "meta"} - set(moved):
        (root / name).rename(assembling / name)
    (assembling / "meta" / "info.json").write_text("{half a fi")
    assert recorded(root) == KEYS
    assemble(root, FEATURES)
    assert fingerprint(root) == expected


def test_assembly_interrupted_before_the_cleaning_only_cleans(tmp_path):
    root = build(tmp_path, keep_staging=True)
    before = (root / "meta/info.json").stat().st_mtime_ns
    assemble(root, FEATURES)
    assert (root / "meta/info.json").stat().st_mtime_ns == before
    assert not (root / STAGING).exists()


def test_a_dataset_whose_staging_was_kept_can_grow(tmp_path):
    for key in KEYS[1:]:
        stage(tmp_path / "grown", key.family, key.seed)
    assemble(tmp_path / "grown", FEATURES, keep_staging=True)
    stage(tmp_path / "grown", KEYS[0].family, KEYS[0].seed)
    assemble(tmp_path / "grown", FEATURES)
    assert fingerprint(tmp_path / "grown") == fingerprint(build(tmp_path / "at_once"))


def test_a_finished_dataset_is_never_overwritten(tmp_path):
    stage(tmp_path, "put", 3)
    assemble(tmp_path, FEATURES)
    stage(tmp_path, "put", 11)
    with pytest.raises(SaysoError, match="already holds a finished dataset of 1 episodes"):
        assemble(tmp_path, FEATURES)
    assert recorded(tmp_path) == [EpisodeKey(family="put", seed=3), EpisodeKey(family="put", seed=11)]


def test_folders_that_are_not_ours_are_never_removed(tmp_path):
    (tmp_path / "data").mkdir()
    stage(tmp_path, "put", 3)
    with pytest.raises(SaysoError, match="unknown origin"):
        assemble(tmp_path, FEATURES)


def test_assembling_nothing_is_an_error(tmp_path):
    with pytest.raises(SaysoError, match="nothing is staged"):
        assemble(tmp_path, FEATURES)


def test_episodes_of_other_features_are_refused(tmp_path):
    stage(tmp_path, "put", 3, without_points())
    with pytest.raises(FeatureMismatchError, match="staged with other features"):
        assemble(tmp_path, FEATURES)


@pytest.mark.parametrize("key", [STATE, ACTION, POINTS, image_key("wrist")])
def test_a_frame_of_another_shape_is_refused_by_name(tmp_path, key):
    shown = frames("put", 3)
    shown[4][key] = np.zeros((5, 7), np.float32)
    with pytest.raises(FeatureMismatchError, match=f"frame 4 must have '{key}'"):
        stage_episode(tmp_path, FEATURES, shown, seed=0, family="put")
    assert staged(tmp_path) == []
    assert list((tmp_path / STAGING).iterdir()) == []


@pytest.mark.parametrize("key", [ACTION, image_key("front")])
def test_a_frame_that_lacks_a_feature_is_refused_by_name(tmp_path, key):
    shown = frames("put", 3)
    del shown[4][key]
    with pytest.raises(FeatureMismatchError, match=f"frame 4 must have '{key}'"):
        stage_episode(tmp_path, FEATURES, shown, seed=0, family="put")


def test_numbers_that_are_not_finite_are_refused(tmp_path):
    shown = frames("put", 3)
    shown[7][ACTION] = np.array([np.nan, 0], np.float32)
    with pytest.raises(NotFiniteError, match="'action' is not finite in frame 7"):
        stage_episode(tmp_path, FEATURES, shown, seed=0, family="put")


@pytest.mark.parametrize(("family", "length"), [("put/../..", 3), ("", 3), ("put", 0)])
def test_an_episode_needs_frames_and_a_plain_family(tmp_path, family, length):
    with pytest.raises(ValueError, match="needs frames"):
        stage_episode(tmp_path, FEATURES, frames("put", 3)[:length], seed=0, family=family)
