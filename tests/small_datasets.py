"""Build tiny recordings whose every frame can be told from every other by its grey level."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sayso.data import format as fmt
from sayso.data.format import Ending
from sayso.data.writer import assemble, stage_episode
from sayso.spec import ACTION, POINTS, STATE, TASK, Dimension, Features, Observation, Outcome, image_key

DATA = fmt.DATA.format(**fmt.place(0))
EPISODES = fmt.EPISODES.format(**fmt.place(0))
SIZE = (16, 24)
FPS = 20
FEATURES = Features(
    robot_type="so101",
    fps=FPS,
    state=(Dimension(name="pan.pos", unit="deg"), Dimension(name="gripper.pos", unit="%")),
    action=(Dimension(name="pan.pos", unit="deg"), Dimension(name="gripper.pos", unit="%")),
    cameras={"front": SIZE, "wrist": SIZE},
    points=("front.object.u", "front.object.v", "front.object.visible"),
)
LENGTHS = {("fetch", 5): 9, ("put", 2): 1, ("put", 3): 12, ("put", 11): 4}
"""(family, seed) -> frames, in the order of the assembled dataset."""


def number(family: str, seed: int, step: int) -> int:
    """Return a number that belongs to one frame alone, at most 62."""
    places = list(LENGTHS)
    return sum(LENGTHS[place] for place in places[: places.index((family, seed))]) + step


def grey(camera: str, n: int) -> int:
    """Return the grey level of a frame."""
    return 16 + 4 * n if camera == "front" else 230 - 4 * n


def frames(family: str, seed: int, features: Features = FEATURES) -> list[Observation]:
    """Return an episode whose numbers and images say which frame they belong to."""
    return [
        _frame(number(family, seed, step), family, seed, features) for step in range(LENGTHS[family, seed])
    ]


def stage(root: Path, family: str, seed: int, features: Features = FEATURES) -> Path:
    """Stage one of the episodes."""
    ending = Ending(outcome=Outcome.SUCCESS, reward=float(seed), actor="expert")
    shown = frames(family, seed, features)
    return stage_episode(root, features, shown, seed=seed, family=family, ending=ending)


def build(root: Path, features: Features = FEATURES, **options: float) -> Path:
    """Record and assemble the whole dataset."""
    for family, seed in LENGTHS:
        stage(root, family, seed, features)
    return assemble(root, features, **options)


def without_points() -> Features:
    """Return the features of a robot that records no privileged labels."""
    return replace(FEATURES, points=())


def foreign(root: Path) -> Path:
    """Leave a dataset as other software would: nothing of ours, and no digests."""
    change_info(root, lambda info: info.pop("sayso"))
    (root / fmt.DIGESTS).unlink()
    return root


def change_info(root, change):
    """Change ``info.json`` in place."""
    info = json.loads((root / fmt.INFO).read_text())
    change(info)
    (root / fmt.INFO).write_text(json.dumps(info))


def change(root, file, key, values, kind=None):
    """Replace or drop (None) a column of a parquet file."""
    table = pq.read_table(root / file)
    table = table.drop_columns([key]) if key in table.column_names else table
    if values is not None:
        table = table.append_column(key, pa.array(values, kind))
    pq.write_table(table, root / file)


def rows(root, key):
    """Return a column of the rows as plain values."""
    return pq.read_table(root / DATA)[key].to_pylist()


def fingerprint(root: Path) -> str:
    """Return a hash over every file of a folder, videos included."""
    digest = hashlib.sha256()
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def _frame(n: int, family: str, seed: int, features: Features) -> Observation:
    frame: Observation = {
        image_key(camera): np.full((*size, 3), grey(camera, n), np.uint8)
        for camera, size in features.cameras.items()
    }
    frame |= {
        STATE: np.array([n, 100 - n], np.float32),
        ACTION: np.array([n + 0.5, -n], np.float32),
        TASK: f"{family} the block number {seed % 2}",
    }
    return frame | ({POINTS: np.array([n / 100, 0.5, n % 2], np.float32)} if features.points else {})
