"""Whatever is damaged at random, check says so in words, and lets through only what training opens."""

from __future__ import annotations

import json
import random
import shutil

import pytest

from sayso.data.check import findings
from sayso.data.checks.asked import Asked
from sayso.data.checks.evidence import gather
from sayso.data.checks.finding import Severity
from sayso.data.format import INFO
from sayso.data.reader import Dataset
from sayso.models.words import Reading
from sayso.spec import SaysoError
from small_arms import arm

VALUES = (None, -1, 0, 2**40, float("nan"), "x", "", [], {}, True, -0.5, "../..", ["a", "b"])


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    root = tmp_path_factory.mktemp("healthy")
    return [arm(root / str(theirs), theirs=theirs, lengths=(20, 20, 20)) for theirs in (True, False)]


def change_a_file(root, draw):
    path = draw.choice(sorted(path for path in root.rglob("*") if path.is_file()))
    content = bytearray(path.read_bytes())
    kind = draw.choice(("flip", "cut", "zero", "remove", "folder"))
    if kind == "flip":
        for _ in range(20):
            content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    elif kind == "cut":
        del content[draw.randrange(len(content)) :]
    elif kind == "zero":
        place = draw.randrange(len(content))
        content[place : place + 50] = bytes(len(content[place : place + 50]))
    if kind in ("remove", "folder"):
        path.unlink()
        _ = kind == "folder" and path.mkdir()
    else:
        path.write_bytes(content)


def change_a_field(root, draw):
    raw = json.loads((root / INFO).read_text())
    node = raw
    while True:
        key = draw.choice(list(node) if isinstance(node, dict) else range(len(node)))
        if not isinstance(node[key], dict | list) or not node[key] or draw.random() < 0.25:
            break
        node = node[key]
    node[key] = draw.choice(VALUES)
    (root / INFO).write_text(json.dumps(raw))


@pytest.mark.parametrize("seed", range(24))
def test_damage_is_told_without_a_traceback(healthy, tmp_path, seed):
    draw = random.Random(seed)
    root = shutil.copytree(draw.choice(healthy), tmp_path / "arm")
    draw.choice((change_a_file, change_a_field))(root, draw)
    found = findings(gather(root, Asked(hear=Reading.of, all_frames=bool(seed % 2))))
    assert all(json.dumps(finding.to_json()) and finding.line for finding in found)
    try:
        Dataset(root)
    except (SaysoError, OSError):
        assert any(finding.severity is Severity.ERROR for finding in found)
