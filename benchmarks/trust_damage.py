"""Changes of files that somebody may have made on purpose: by their structure, or by their bytes.

JSON          a value becomes another, a list longer, a name another; or the whole nests too deep
a table       a column is gone, twice, of another kind, or its rows are others
weights       the header lies about its length, or about kind, shape and place of a tensor
a video       a box lies about its length, is of another kind, or holds other numbers
"""

from __future__ import annotations

import copy
import json
import random
import struct
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))
from mistakes import damage, entries


def changed(path: Path, draw: random.Random) -> str:
    """Change a file by its structure if there is a way, else by its bytes, and return what was done."""
    ways = {".json": _json, ".parquet": _table, ".safetensors": _weights, ".mp4": _video}
    way = ways.get(path.suffix)
    if way is None or draw.random() < 0.3:
        return damage(path, draw)
    return way(path, draw)


WHOLE = ("[" * 100_000, '{"a":' * 50_000, "NaN", "1" * 10_000, '"\\ud800"', "null", "[]", "{}", "\ufeff{}")
WHOLE += ('{"a": 1e999}',)
HARD: tuple[Any, ...] = (1e308, -1e308, 2**63, -(2**63), 10**400, 0, -1, 1.5, "\0", "\ud800", "a" * 100_000)
HARD += ("..", "/etc/passwd", [[[]]] * 3, {"": None}, [1e400], "nan", "1", True)


def _json(path: Path, draw: random.Random) -> str:
    if draw.random() < 0.15:
        text = draw.choice(WHOLE)
        path.write_text(text, encoding="utf-8")
        return f"became {text[:20]}"
    if draw.random() < 0.5:
        return damage(path, draw)
    whole = json.loads(path.read_text(encoding="utf-8"))
    places = list(entries(whole))
    holder, key = draw.choice(places)
    value = copy.deepcopy(draw.choice(HARD))
    if isinstance(holder, dict) and draw.random() < 0.15:
        holder[draw.choice(("", "a" * 1000, "..", "\0", "x/y"))] = holder.pop(key)
        said = f"{key!r} was renamed"
    elif isinstance(holder, list) and draw.random() < 0.3:
        holder[:] = draw.choice((holder * 50, holder[:-1], holder[::-1], [list(holder)]))
        said = f"the list with {key} has other members"
    else:
        holder[key] = value
        said = f"{key!r} became {str(value)[:30]!r}"
    path.write_text(json.dumps(whole), encoding="utf-8")
    return said


def _table(path: Path, draw: random.Random) -> str:
    table = pq.read_table(path)
    name = draw.choice(table.column_names)
    k, rows = table.column_names.index(name), len(table)
    numbers = [draw.choice((0, -1, 2**62, 7)) for _ in range(rows)]
    columns: dict[str, Any] = {
        "nothing": pa.nulls(rows),
        "numbers": pa.array(numbers, pa.int64()),
        "not finite": pa.array([draw.choice((float("nan"), float("inf"), 1e300)) for _ in range(rows)]),
        "words": pa.array([draw.choice(("", "\0", "a" * 9999, "../x")) for _ in range(rows)]),
        "lists": pa.array([[0.5] * draw.choice((0, 1, 6, 500)) for _ in range(rows)], pa.list_(pa.float32())),
        "bytes": pa.array([draw.randbytes(9) for _ in range(rows)]),
        "lists of words": pa.array([["x", None]] * rows),
        "maps": pa.array([{"a": 1}] * rows),
    }
    match draw.randrange(8):
        case 0:
            said, table = f"without {name}", table.drop_columns([name])
        case 1:
            said, table = f"{name} twice", table.append_column(name, table[name])
        case 2:
            said, table = "no rows", table.slice(0, 0)
        case 3:
            said, table = "fewer rows", table.slice(draw.randrange(rows), draw.randrange(rows) + 1)
        case 4:
            said, table = "rows in another order", table.take(draw.sample(range(rows), rows))
        case _:
            what = draw.choice(list(columns))
            said, table = f"{name} became {what}", table.set_column(k, name, columns[what])
    pq.write_table(table, path)
    return said


def _weights(path: Path, draw: random.Random) -> str:
    """Change the header of a file of weights: its length, or what it says of a tensor."""
    whole = path.read_bytes()
    (length,) = struct.unpack("<Q", whole[:8])
    header, rest = json.loads(whole[8 : 8 + length]), whole[8 + length :]
    if draw.random() < 0.3:
        length = draw.choice((0, 1, 2**63, 2**40, len(whole), length - 1, length + 1))
        path.write_bytes(struct.pack("<Q", length) + whole[8:])
        return f"its header is {length} long"
    name = draw.choice([key for key in header if key != "__metadata__"])
    about, what = header[name], draw.choice(("dtype", "shape", "data_offsets", "name", "gone", "metadata"))
    match what:
        case "dtype":
            about["dtype"] = draw.choice(("F64", "F16", "BF16", "I8", "BOOL", "U64", "F8_E4M3", "X", 7, None))
        case "shape":
            about["shape"] = draw.choice(
                ([], [0], [2**62, 4], [-1], [1, *about["shape"]], about["shape"][::-1], "x")
            )
        case "data_offsets":
            about["data_offsets"] = draw.choice(([0, 2**62], [-4, 0], [8, 4], [0, 0], [0], [0, 4, 8], "x"))
        case "name":
            header[draw.choice(("", "\0", "a" * 99_999, "__class__", "weight"))] = header.pop(name)
        case "gone":
            del header[name]
        case _:
            header["__metadata__"] = draw.choice(
                ({"format": "pt", "x": "y" * 99_999}, {"format": 7}, [], "x", None)
            )
    packed = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(packed)) + packed + rest)
    return f"{what} of {name}"


BOXES = (
    b"moov",
    b"trak",
    b"stts",
    b"stsz",
    b"stco",
    b"stsc",
    b"mdhd",
    b"tkhd",
    b"elst",
    b"avcC",
    b"av1C",
    b"stsd",
    b"mvhd",
)


def _video(path: Path, draw: random.Random) -> str:
    """Change a box of a video: its length, its kind, or the numbers in it."""
    whole = bytearray(path.read_bytes())
    places = [whole.find(box) for box in BOXES]
    at = draw.choice([place for place in places if place >= 4] or [4])
    match draw.randrange(3):
        case 0:
            whole[at - 4 : at] = struct.pack("!I", draw.choice((0, 1, 7, 8, 2**31, 2**32 - 1, 999)))
            said = "length"
        case 1:
            whole[at : at + 4] = draw.choice((b"free", b"mdat", b"\0\0\0\0", *BOXES))
            said = "kind"
        case _:
            for _ in range(draw.choice((1, 4, 30))):
                whole[min(len(whole) - 1, at + 4 + draw.randrange(120))] = draw.choice(
                    (0, 1, 0x7F, 0x80, 0xFF)
                )
            said = "numbers"
    path.write_bytes(whole)
    return f"{said} of the box at {at}"
