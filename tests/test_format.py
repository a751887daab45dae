"""Features survive info.json, datasets by others are understood, and the hash follows the content."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sayso.data import format as fmt
from small_datasets import FEATURES, build, without_points


def info(features=FEATURES):
    return json.loads(json.dumps(fmt.make_info(features, episodes=3, frames=70, tasks=2)))


@pytest.mark.parametrize("features", [FEATURES, without_points()])
def test_features_survive_info_json_with_their_units(features):
    assert fmt.features_of(info(features)) == features


def test_features_are_understood_without_our_extras():
    theirs = info()
    del theirs["sayso"]
    features = fmt.features_of(theirs)
    assert features.action_names == FEATURES.action_names and features.cameras == FEATURES.cameras
    assert {d.unit for d in features.action} == {""}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a", "b"], ("a", "b")),
        ({"motors": ["a", "b"]}, ("a", "b")),
        ({"a": 0, "b": 1}, ("a", "b")),
        (None, ("0", "1")),
        (["only one"], ("0", "1")),
    ],
)
def test_names_are_read_in_every_form_they_are_given(names, expected):
    theirs = info()
    del theirs["sayso"]
    theirs["features"]["action"]["names"] = names
    assert fmt.features_of(theirs).action_names == expected


def test_images_with_channels_first_are_read_with_their_size():
    theirs = info()
    del theirs["sayso"]
    entry = {"dtype": "image", "shape": [3, 10, 20], "names": ["channels", "height", "width"]}
    theirs["features"] = {**info()["features"], "observation.image": entry}
    assert fmt.features_of(theirs).cameras["image"] == (10, 20)


def test_a_dataset_without_actions_is_refused():
    theirs = info()
    del theirs["sayso"], theirs["features"]["action"]
    with pytest.raises(fmt.FormatError, match="'action' must be a vector"):
        fmt.features_of(theirs)


@pytest.mark.parametrize(
    ("number", "chunk", "file"), [(0, 0, 0), (999, 0, 999), (1000, 1, 0), (2345, 2, 345)]
)
def test_a_thousand_files_fill_a_chunk(number, chunk, file):
    assert fmt.place(number) == {"chunk_index": chunk, "file_index": file}


def test_another_version_is_refused_by_name(tmp_path):
    (tmp_path / "meta").mkdir()
    (tmp_path / fmt.INFO).write_text(json.dumps({"codebase_version": "v2.1"}))
    with pytest.raises(fmt.FormatError, match=r"'v2\.1'.*'v3\.0'"):
        fmt.read_info(tmp_path)


def test_a_folder_without_a_dataset_is_refused(tmp_path):
    with pytest.raises(fmt.FormatError, match="holds no finished dataset"):
        fmt.read_info(tmp_path)


@pytest.mark.parametrize("kind", [pa.list_(pa.float64()), pa.list_(pa.float32(), 2)])
def test_vectors_are_read_whatever_list_type_holds_them(kind):
    values = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
    table = pa.concat_tables([pa.table({"x": pa.array(part, kind)}) for part in (values[:1], values[1:])])
    found = fmt.matrix(table, "x")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, values)


def test_the_hash_is_the_same_for_the_same_dataset_and_changes_with_one_number(tmp_path):
    first, second = build(tmp_path / "a"), build(tmp_path / "b")
    assert fmt.dataset_hash(first) == fmt.dataset_hash(second)
    path = second / fmt.DATA.format(**fmt.place(0))
    table = pq.read_table(path)
    changed = table["frame_index"].to_numpy().copy()
    changed[-1] += 1
    place = table.column_names.index("frame_index")
    pq.write_table(table.set_column(place, "frame_index", pa.array(changed)), path)
    assert fmt.dataset_hash(first) != fmt.dataset_hash(second)


def test_the_hash_does_not_see_what_is_not_part_of_the_dataset(tmp_path):
    root = build(tmp_path)
    before = fmt.dataset_hash(root)
    (root / ".frames").mkdir()
    (root / ".frames" / "front.npy").write_bytes(b"cache")
    assert fmt.dataset_hash(root) == before
