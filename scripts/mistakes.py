"""Make the mistakes of disks and people: damage a file, mistype a command. `damage.py` counts what comes."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

NONSENSE: tuple[Any, ...] = (None, -1, 0, 1e30, "", "../../x", "nonsense", [], {}, [[]], True, 29.97, [None])
"""What takes the place of a value in a JSON file."""


def damage(path: Path, draw: random.Random) -> str:
    """Damage one file and return what was done."""
    bytes_there = path.read_bytes()
    ways: list[Callable[[], str]] = [
        lambda: _write(path, bytes_there[: draw.randrange(len(bytes_there) + 1)], "cut"),
        lambda: _write(path, b"", "emptied"),
        lambda: _gone(path),
        lambda: _write(path, _flipped(bytes_there, draw), "a bit flipped"),
        lambda: _write(path, _block(bytes_there, draw, b"\0"), "a block of zeros"),
        lambda: _write(path, _block(bytes_there, draw, None), "a block of noise"),
        lambda: _write(path, bytes_there + draw.randbytes(50), "bytes behind the end"),
        lambda: _folder(path),
        lambda: _swapped(path, draw),
    ]
    if path.suffix in (".json", ".jsonl"):
        ways += 6 * [lambda: _edited(path, draw)]
    return draw.choice(ways)()


def _write(path: Path, content: bytes, said: str) -> str:
    path.write_bytes(content)
    return said


def _gone(path: Path) -> str:
    path.unlink()
    return "deleted"


def _folder(path: Path) -> str:
    path.unlink()
    path.mkdir()
    return "a folder in its place"


def _swapped(path: Path, draw: random.Random) -> str:
    others = sorted(p for p in path.parent.rglob("*") if p.is_file() and p != path)
    if not others:
        return _gone(path)
    other = draw.choice(others)
    kept = path.read_bytes()
    path.write_bytes(other.read_bytes())
    other.write_bytes(kept)
    return f"swapped with {other.name}"


def _flipped(content: bytes, draw: random.Random) -> bytes:
    if not content:
        return b"\0"
    at = draw.randrange(len(content))
    return content[:at] + bytes([content[at] ^ (1 << draw.randrange(8))]) + content[at + 1 :]


def _block(content: bytes, draw: random.Random, fill: bytes | None) -> bytes:
    length = min(len(content), draw.choice((8, 64, 512, 4096)))
    at = draw.randrange(len(content) - length + 1)
    return content[:at] + (fill * length if fill else draw.randbytes(length)) + content[at + length :]


def _edited(path: Path, draw: random.Random) -> str:
    """Change one value of a JSON file, or take it out, as somebody with an editor might."""
    lines = path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]
    number = draw.randrange(len(lines))
    try:
        whole = json.loads(lines[number])
    except json.JSONDecodeError:
        return _gone(path)
    places = list(entries(whole))
    if not places:
        return _gone(path)
    holder, key = draw.choice(places)
    said = f"{key!r}: {json.dumps(holder[key])[:40]}"
    if isinstance(holder, dict) and draw.random() < 0.25:
        del holder[key]
        said += " taken out"
    else:
        holder[key] = draw.choice(NONSENSE)
        said += f" became {json.dumps(holder[key])}"
    lines[number] = json.dumps(whole)
    path.write_text("\n".join(lines) + "\n")
    return said


def entries(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each list or map of plain JSON with each of its keys, at every depth."""
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from entries(value[key])


RIGHT = (
    "record --world tabletop --families push --episodes 1 --workers 1 --out new",
    "show dataset",
    "train --datasets dataset --out new --preset tiny --batch-size 4 --threads 1 --steps 1",
    "paraphrase policy --wordings wordings.json --out new --steps 1",
    "eval expert --world tabletop --families push --episodes 1 --workers 1 --out new.json",
    "export policy --engine torchscript --frames 1 --calls 1 --calibrate dataset --out new",
    "run policy words --robot dry --seconds 0.1",
)
WRONG = (
    "-1",
    "0",
    "nonsense",
    "1e99",
    "nan",
    "",
    "nowhere/at/all",
    "/dev/null/x",
    "/dev/full",
    "x" * 300,
    "99999999",
)


def mistyped(draw: random.Random) -> list[str]:
    """Return a command line with one mistake."""
    words = draw.choice(RIGHT).split()
    flags = [k for k, word in enumerate(words) if word.startswith("--")]
    values = [k for k in range(1, len(words)) if k not in flags]
    match draw.randrange(6):
        case 0:  # a letter is missing in a flag, or in the verb
            at = draw.choice([0, *flags])
            letter = draw.randrange(2, len(words[at]))
            words[at] = words[at][:letter] + words[at][letter + 1 :]
        case 1:  # a value is missing
            del words[draw.choice(values)]
        case 2:  # a flag and all behind it is missing
            if flags:
                del words[draw.choice(flags) :]
            else:
                words = words[:1]
        case 3:
            words.append(draw.choice(WRONG))
        case _:
            words[draw.choice(values)] = draw.choice(WRONG)
    return words
