"""Files have their places, and the hash follows the content."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sayso.data import format as fmt
from sayso.data.integrity import dataset_hash
from small_datasets import build


@pytest.mark.parametrize(
    ("number", "chunk", "file"), [(0, 0, 0), (999, 0, 999), (1000, 1, 0), (2345, 2, 345)]
)
def test_a_thousand_files_fill_a_chunk(number, chunk, file):
    assert fmt.place(number) == {"chunk_index": chunk, "file_index": file}


def test_the_hash_is_the_same_for_the_same_dataset_and_changes_with_one_number(tmp_path):
    first, second = build(tmp_path / "a"), build(tmp_path / "b")
    assert dataset_hash(first) == dataset_hash(second)
    path = second / fmt.DATA.format(**fmt.place(0))
    table = pq.read_table(path)
    changed = table["frame_index"].to_numpy().copy()
    changed[-1] += 1
    place = table.column_names.index("frame_index")
    pq.write_table(table.set_column(place, "frame_index", pa.array(changed)), path)
    assert dataset_hash(first) != dataset_hash(second)


def test_the_hash_does_not_see_what_is_not_part_of_the_dataset(tmp_path):
    root = build(tmp_path)
    before = dataset_hash(root)
    (root / ".frames").mkdir()
    (root / ".frames" / "front.npy").write_bytes(b"cache")
    assert dataset_hash(root) == before
