"""What a disk, a person or another recorder did to a dataset is told in one sentence that names the file."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sayso.data import format as fmt
from sayso.data import integrity
from sayso.data.reader import Dataset
from sayso.data.windows import Windows
from sayso.spec import ACTION, STATE, NotFiniteError, image_key
from small_datasets import DATA, EPISODES, FEATURES, build, change, change_info, foreign, rows, without_points

FRONT = image_key("front")
VIDEO = fmt.VIDEO.format(video_key=FRONT, **fmt.place(0))


@pytest.fixture
def root(tmp_path):
    """A dataset as other software would have left it: nothing of ours, and no digests."""
    return foreign(build(tmp_path / "dataset", without_points()))


# Instructions


def test_an_instruction_is_found_by_its_index_though_others_were_deleted(root):
    table = pa.table({"task_index": [0, 2, 3], "task": ["take it", "leave it", "push it"]})
    pq.write_table(table, root / fmt.TASKS)
    change(root, DATA, "task_index", [0] * 9 + [2] * 17)
    dataset = Dataset(root)
    assert [episode.tasks for episode in dataset.episodes] == [("take it",), *[("leave it",)] * 3]
    assert [dataset.tasks[k] for k in dataset.task_index[[8, 9]]] == ["take it", "leave it"]


@pytest.mark.parametrize("index", [-1, 1, 7])
def test_an_index_without_an_instruction_is_refused_with_its_frame(root, index):
    pq.write_table(pa.table({"task_index": [0, 3], "task": ["take it", "push it"]}), root / fmt.TASKS)
    change(root, DATA, "task_index", [0] * 12 + [index] + [3] * 13)
    with pytest.raises(fmt.FormatError, match=rf"task_index is {index}, .*tasks.parquet.*episode 2, frame 2"):
        Dataset(root)


@pytest.mark.parametrize(
    "columns",
    [
        {"task_index": [1, 0], "task": ["b", "a"]},
        {"task_index": [1, 0], "__index_level_0__": ["b", "a"]},
        {"task": ["b", "a"], "task_index": [1, 0], "subtask": ["x", "y"], "difficulty": [3, 4]},
        {"subtask": ["x", "y"], "task_index": [1.0, 0.0], "task": ["b", "a"]},
        {"task_index": [1, 0], "instruction": ["b", "a"]},
    ],
)
def test_instructions_are_read_in_every_form_lerobot_has_stored_them(root, columns):
    pq.write_table(pa.table(columns), root / fmt.TASKS)
    change(root, DATA, "task_index", [0] * 9 + [1] * 17)
    assert Dataset(root).tasks == ("a", "b")


@pytest.mark.parametrize("text", ["", "  "])
def test_an_instruction_that_says_nothing_is_refused(root, text):
    pq.write_table(pa.table({"task_index": [0], "task": [text]}), root / fmt.TASKS)
    change(root, DATA, "task_index", [0] * 26)
    with pytest.raises(fmt.FormatError, match=r"empty text for task_index 0.*--relabel"):
        Dataset(root)


@pytest.mark.parametrize(
    "columns",
    [{"task_index": [0, 0], "task": ["a", "b"]}, {"task_index": [0], "task": [None]}, {"task": ["a"]}],
)
def test_a_table_of_instructions_that_is_not_one_is_refused(root, columns):
    kinds = {"task_index": pa.int64(), "task": pa.string()}
    pq.write_table(pa.table({k: pa.array(v, kinds[k]) for k, v in columns.items()}), root / fmt.TASKS)
    with pytest.raises(fmt.FormatError, match=r"tasks\.parquet"):
        Dataset(root)


def test_instructions_come_from_the_rows_where_the_table_of_episodes_has_none(root):
    before = [episode.tasks for episode in Dataset(root).episodes]
    change(root, EPISODES, "tasks", None)
    assert [episode.tasks for episode in Dataset(root).episodes] == before


# Numbers


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300])
@pytest.mark.parametrize("key", [ACTION, STATE])
def test_a_number_that_is_not_finite_is_refused_with_its_episode_and_frame(root, key, value):
    values = rows(root, key)
    values[12][1] = value
    change(root, DATA, key, values, pa.list_(pa.float64()))
    with pytest.raises(NotFiniteError, match=rf"'{key}' is not finite in episode 2, frame 2: number 1"):
        Dataset(root)


@pytest.mark.parametrize("odd", [[1.0], [1.0, 2.0, 3.0], [], None])
def test_a_row_of_another_length_is_refused_by_its_number(root, odd):
    values = rows(root, ACTION)
    values[5] = odd
    change(root, DATA, ACTION, values, pa.list_(pa.float32()))
    with pytest.raises(fmt.FormatError, match=rf"row 5 of 'action' holds {len(odd or [])} numbers, not 2"):
        Dataset(root)


def test_rows_that_are_missing_or_exchanged_are_refused(root):
    table = pq.read_table(root / DATA)
    for wrong in (table.slice(3), pa.concat_tables([table.slice(4, 4), table.slice(0, 4), table.slice(8)])):
        pq.write_table(wrong, root / DATA)
        with pytest.raises(fmt.FormatError, match="missing, doubled or exchanged"):
            Dataset(root)


def test_an_episode_that_only_one_of_both_tables_knows_is_refused(root):
    table = pq.read_table(root / EPISODES)
    pq.write_table(table.slice(0, 3), root / EPISODES)
    with pytest.raises(fmt.FormatError, match=r"data holds episode 3, but .*episodes does not"):
        Dataset(root)
    pq.write_table(table, root / EPISODES)
    pq.write_table(pq.read_table(root / DATA).slice(0, 22), root / DATA)
    with pytest.raises(fmt.FormatError, match=r"episodes holds episode 3, but .*data does not"):
        Dataset(root)


def test_an_episode_shorter_than_its_table_says_is_refused(root):
    pq.write_table(pq.read_table(root / DATA).slice(0, 24), root / DATA)
    with pytest.raises(fmt.FormatError, match=r"episode 3 has 4 frames, but .* has 2"):
        Dataset(root)


def test_a_rate_that_is_no_whole_number_is_kept_and_finds_its_frames(tmp_path):
    features = replace(without_points(), fps=29.97)
    root = build(tmp_path, features)
    dataset = Dataset(root)
    assert dataset.fps == dataset.features.fps == 29.97
    shown = [frame[FRONT].mean() for frame in dataset.frames(dataset.episodes[2])]
    assert np.abs(np.array(shown) - (16 + 4 * np.arange(10, 22))).max() <= 2


# Files


@pytest.mark.parametrize("file", [DATA, EPISODES, fmt.TASKS])
@pytest.mark.parametrize("damage", ["cut", "empty", "zeroed"])
def test_a_damaged_table_is_named(root, file, damage):
    content = (root / file).read_bytes()
    left = {"cut": content[:-200], "empty": b"", "zeroed": bytes(len(content))}[damage]
    (root / file).write_bytes(left)
    with pytest.raises(fmt.FormatError, match=rf"{file}.* cannot be read.*finalised.*record again"):
        Dataset(root)


def test_a_damaged_file_of_rows_is_told_with_its_episodes(tmp_path):
    root = foreign(build(tmp_path / "dataset", without_points(), data_file_mb=0.0005))
    file = root / "data/chunk-000/file-001.parquet"
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(fmt.FormatError, match=r"file-001.parquet \(episodes \d to \d\) cannot be read"):
        Dataset(root)


@pytest.mark.parametrize(
    ("file", "said"), [(DATA, "data"), (EPISODES, "meta/episodes"), (fmt.TASKS, fmt.TASKS)]
)
def test_a_missing_table_is_named(root, file, said):
    (root / file).unlink()
    with pytest.raises(fmt.FormatError, match=rf"{root}/{said} (is missing|holds no parquet files)"):
        Dataset(root)


@pytest.mark.parametrize("left", [None, b""])
def test_a_missing_or_empty_video_is_told_before_anything_is_decoded(root, left):
    (root / VIDEO).unlink()
    if left is not None:
        (root / VIDEO).write_bytes(left)
    with pytest.raises(fmt.FormatError, match=rf"{VIDEO} is (missing|empty), .*camera 'front' from"):
        Dataset(root)


def test_a_place_that_is_missing_is_refused_with_its_episode(root):
    change(root, EPISODES, f"videos/{FRONT}/file_index", [0, None, 0, 0], pa.int64())
    with pytest.raises(fmt.FormatError, match=rf"episode 1 has None as 'videos/{FRONT}/file_index'"):
        Dataset(root)


def test_pictures_of_another_size_than_said_are_refused(root):
    change_info(root, lambda info: info["features"][FRONT].update(shape=[32, 24, 3]))
    dataset = Dataset(root)
    with pytest.raises(fmt.FormatError, match=r"'front', episode 0 is 16 x 24, but .* says 32 x 24"):
        next(dataset.images("front", [0]))


@pytest.mark.parametrize(
    ("value", "said"),
    [({"bytes": None, "path": "/etc/passwd"}, "the name of a picture"), ({"bytes": b"GIF89a"}, "no picture")],
)
def test_stored_pictures_that_are_none_are_refused(root, value, said):
    change_info(root, lambda info: info["features"][FRONT].update(dtype="image"))
    change(root, DATA, FRONT, [value] * 26)
    with pytest.raises(fmt.FormatError, match=said):
        next(Dataset(root).images("front", [3]))


def test_files_are_read_in_the_order_of_their_numbers(root):
    """Chunk 1000 comes after chunk 999, though its name does not."""
    table = pq.read_table(root / DATA)
    (root / DATA).unlink()
    for chunk, part in ((999, table.slice(0, 10)), (1000, table.slice(10))):
        path = root / f"data/chunk-{chunk:03d}/file-000.parquet"
        path.parent.mkdir()
        pq.write_table(part, path)
    assert len(Dataset(root)) == 26


def test_files_that_other_recorders_wrote_with_another_list_type_are_read_together(root):
    table = pq.read_table(root / DATA)
    other = table.slice(10).set_column(
        table.column_names.index(ACTION), ACTION, pa.array(rows(root, ACTION)[10:], pa.list_(pa.float64()))
    )
    pq.write_table(table.slice(0, 10), root / DATA)
    pq.write_table(other, root / DATA.replace("file-000", "file-001"))
    np.testing.assert_array_equal(Dataset(root).action[:, 0], np.arange(26) + 0.5)


# Without a state, or without a camera


def test_a_dataset_without_a_state_is_served_with_a_state_of_no_numbers(root):
    change_info(root, lambda info: info["features"].pop(STATE))
    dataset = Dataset(root)
    windows = Windows(dataset, chunk=4)
    assert windows.stats[STATE].mean == () and len(windows.remarks) == 1
    batch = windows.batch([0, 5])
    assert batch[STATE].shape == (2, 1, 0) and batch[ACTION].shape == (2, 4, 2)
    assert any("no state" in remark for remark in dataset.remarks)


def test_a_dataset_without_cameras_is_served(root):
    change_info(root, lambda info: [info["features"].pop(image_key(c)) for c in FEATURES.cameras])
    assert set(Windows(Dataset(root)).batch([0])) == {STATE, ACTION, "action_is_pad", "task"}


# Digests


def flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize("file", [DATA, EPISODES, fmt.TASKS, fmt.INFO])
def test_a_flipped_bit_of_a_recording_is_told_by_the_files_name(tmp_path, file):
    root = build(tmp_path)
    flipped(root / file)
    with pytest.raises(fmt.FormatError, match=file.rpartition("/")[2]):
        Dataset(root)


def test_a_flipped_bit_of_a_video_is_told_before_it_is_decoded(tmp_path):
    root = build(tmp_path)
    assert integrity.verify(root) == 7
    flipped(root / VIDEO)
    with pytest.raises(fmt.FormatError, match=VIDEO):
        integrity.verify(root)
    with pytest.raises(fmt.FormatError, match=VIDEO):
        Windows(Dataset(root)).decode()


@pytest.mark.parametrize("kept", [True, False])
def test_digests_no_longer_count_once_lerobots_tools_have_written_the_dataset_anew(tmp_path, kept):
    """LeRobot 0.4 keeps keys that it does not know, 0.6 does not; both indent by four."""
    root = build(tmp_path)
    info = json.loads((root / fmt.INFO).read_text())
    info = info if kept else {key: value for key, value in info.items() if key != "sayso"}
    (root / fmt.INFO).write_text(json.dumps(info, indent=4, ensure_ascii=False))
    pq.write_table(pa.table({"task_index": [0, 1, 2], "task": ["a", "b", "c"]}), root / fmt.TASKS)
    dataset = Dataset(root)
    assert dataset.features == FEATURES and dataset.tasks == ("a", "b", "c")
    assert any("no longer count" in remark for remark in dataset.remarks)


def test_damaged_digests_are_told_and_missing_ones_are_not_needed(tmp_path):
    root = build(tmp_path)
    (root / fmt.DIGESTS).write_text("{")
    with pytest.raises(fmt.FormatError, match="or delete it"):
        Dataset(root)
    (root / fmt.DIGESTS).unlink()
    assert len(Dataset(root)) == 26


def test_statistics_computed_anew_by_lerobot_do_no_harm(tmp_path):
    root = build(tmp_path)
    (root / fmt.STATS).write_text("{}")
    assert len(Dataset(root)) == 26


@pytest.mark.parametrize("file", ["meta/tasks.parquet", "data/chunk-000/file-000.parquet"])
def test_a_column_that_is_there_twice_is_refused_by_its_name(root, file):
    table = pq.read_table(root / file)
    pq.write_table(table.append_column("task_index", table["task_index"]), root / file)
    with pytest.raises(fmt.FormatError, match="has the column 'task_index' more than once"):
        Dataset(root)


@pytest.mark.parametrize("seed", [float("inf"), float("nan"), -np.inf])
def test_a_seed_that_is_no_number_is_none(root, seed):
    path = root / "meta" / "episodes" / "chunk-000" / "file-000.parquet"
    table = pq.read_table(path)
    place = table.column_names.index(fmt.SEED_COLUMN)
    pq.write_table(table.set_column(place, fmt.SEED_COLUMN, pa.array([seed] * len(table))), path)
    assert {episode.seed for episode in Dataset(root).episodes} == {None}


@pytest.mark.parametrize("kind", ["dictionary", "string_view"])
def test_a_text_may_be_stored_as_a_category_or_a_view(root, kind):
    path = root / fmt.TASKS
    table = pq.read_table(path)
    text = table["task"].combine_chunks()
    text = text.dictionary_encode() if kind == "dictionary" else text.cast(pa.string_view())
    before = Dataset(root).tasks
    pq.write_table(table.set_column(table.column_names.index("task"), "task", text), path)
    assert Dataset(root).tasks == before


@pytest.mark.parametrize("value", [1e10, -3.4e38])
def test_a_number_that_no_robot_can_have_is_refused_before_anything_is_learned(root, value):
    action = rows(root, ACTION)
    action[3] = [value, 0.0]
    change(root, "data/chunk-000/file-000.parquet", ACTION, action, pa.list_(pa.float32()))
    with pytest.raises(NotFiniteError, match="nothing that a robot can have in episode 0, frame 3"):
        Dataset(root)


def test_digests_of_files_outside_of_the_dataset_are_not_looked_at(tmp_path):
    root = build(tmp_path / "data")
    (root / fmt.DIGESTS).write_text('{"files": {"../secret": {"size": 1, "sha256": "a"}}}')
    with pytest.raises(fmt.FormatError, match=r"sayso.json cannot be read"):
        Dataset(root)


def test_a_name_of_a_feature_that_a_terminal_would_obey_is_not_said_as_it_is(root):
    change_info(root, lambda info: info["features"].update({"\x1b[31m": info["features"]["timestamp"]}))
    assert Dataset(root).remarks == (r"not read: '\x1b[31m'",)


def test_after_an_interrupted_resume_the_files_to_remove_are_named(root):
    begun = [root / folder / "chunk-000" / "file-001.parquet" for folder in ("data", "meta/episodes")]
    for path in begun:
        whole = path.with_name("file-000.parquet").read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(fmt.FormatError, match=f"remove {begun[0]} and {begun[1]};"):
        Dataset(root)
    for path in begun:
        path.unlink()
    assert len(Dataset(root).episodes) == 4
    (root / DATA).write_bytes(b"PAR1")
    begun[0].write_bytes(b"")
    with pytest.raises(fmt.FormatError, match="cannot be read, so it is cut") as told:
        Dataset(root)
    assert "remove" not in str(told.value), "nothing would be left"
