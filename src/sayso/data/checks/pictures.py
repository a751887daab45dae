"""Pictures of a recording: cameras that are black, frozen or slower than said, pictures that are none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sayso.data import format as fmt
from sayso.data.checks import remedies
from sayso.data.checks.evidence import Evidence
from sayso.data.checks.finding import Finding, error, note, warning
from sayso.data.checks.reel import cells_of
from sayso.data.checks.seen import Seen, steps_to_see
from sayso.data.checks.videos import look_at_videos
from sayso.data.footage import of_size
from sayso.data.info import Camera
from sayso.data.reader import picture_of
from sayso.data.video import TOLERANCE_S
from sayso.spec import Array

MOST = 0.5
"""Share of the episodes in which pictures must be doubled, for the camera to be called slow."""
SLOWER = (1 / 4, 1 / 3, 1 / 2, 2 / 3)
"""Shares of the rate that a camera may give instead."""
LARGE = 300
"""Lines of a picture from which on training needs it smaller."""


def pictures(e: Evidence) -> Iterator[Finding]:
    """Find what is wrong with each camera's pictures."""
    for name, camera in e.info.cameras.items() if e.info and np.isfinite(e.fps) else ():
        seen = Seen()
        look = look_at_videos if camera.is_video else _look_at_stored
        yield from look(e, name, camera, seen)
        yield from _told(e, name, camera, seen)


def _told(e: Evidence, name: str, camera: Camera, seen: Seen) -> Iterator[Finding]:
    """Turn what was seen of a camera into findings."""
    kinds = (
        ("is black in every picture looked at: it was covered, dark or not connected", seen.black, error),
        ("shows one colour and nothing else", seen.plain, warning),
        (
            "shows the same picture from beginning to end, though the robot moves: it froze",
            seen.frozen,
            error,
        ),
    )
    for says, where, severity in kinds:
        if where:
            yield severity(
                says,
                episodes=tuple(where),
                frame=next(iter(where.values())),
                name=f"camera {name}",
                remedy=remedies.drop_episodes(e, where, name),
            )
    if seen.stopped:
        longest = max(seconds for _, seconds in seen.stopped.values())
        yield warning(
            f"shows the same picture for up to {longest:.1f} s, though the robot moves: it froze for a while",
            episodes=tuple(seen.stopped),
            frame=next(iter(seen.stopped.values()))[0],
            name=f"camera {name}",
            remedy=remedies.drop_episodes(e, seen.stopped, name),
        )
    if len(seen.doubled) > MOST * seen.moving:
        left = 1 - float(np.median(list(seen.doubled.values())))
        rate = e.fps * min(SLOWER, key=lambda slower: abs(slower - left))
        yield warning(
            f"shows pictures twice where the robot moves: it gives about {rate:.0f} per second, not "
            f"{e.fps:g}",
            episodes=tuple(seen.doubled),
            name=f"camera {name}",
            remedy=remedies.edit(e, "--fps", f"{max(1, round(rate))}"),
        )
    if seen.drift_s > TOLERANCE_S:
        yield warning(
            f"times in the table of episodes are up to {1e3 * seen.drift_s:.2f} ms off those in the videos. "
            f"Here the nearest frames are taken; LeRobot refuses above {1e3 * TOLERANCE_S:g} ms",
            name=f"camera {name}",
            remedy=remedies.edit(e),
        )
    if min(camera.size) >= LARGE:
        yield note(
            f"is recorded at {camera.size[0]} x {camera.size[1]}: train with --resize 128, or a step takes "
            "many times as long",
            name=f"camera {name}",
        )


def _look_at_stored(e: Evidence, name: str, camera: Camera, seen: Seen) -> Iterator[Finding]:
    """Look at pictures that are kept as PNG or JPEG inside the rows."""
    steps = {k: steps_to_see(e, span) for k, span in enumerate(e.episodes)}
    wanted = [span.start + step for k, span in enumerate(e.episodes) for step in steps[k]]
    cells: dict[int, Array] = {}
    first = 0
    for path in e.asked.track(list(e.files), f"camera {name}"):
        stop = first + e.files[path]
        try:
            for row, value in _values(path, camera.key, {r - first for r in wanted if first <= r < stop}):
                where = f"{camera.key!r} in row {row}"
                picture = of_size(picture_of(value, path, where), camera, path, where)
                cells[first + row] = cells_of(picture)
        except fmt.FormatError as fault:
            yield error(str(fault), name=f"camera {name}")
        first = stop
    for k, span in enumerate(e.episodes):
        mine = [step for step in steps[k] if span.start + step in cells]
        if mine:
            seen.look(e, span, mine, (cells[span.start + step] for step in mine))


def _values(path: Path, column: str, rows: set[int]) -> Iterator[tuple[int, Any]]:
    """Yield what a column holds in the given rows, a few rows in memory at a time.

    Raises:
        FormatError: if it cannot be read.
    """
    row = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=64, columns=[column]):
                for value in batch.column(0) if batch.num_columns else ():
                    if row in rows:
                        yield row, value.as_py()
                    row += 1
    except (OSError, ValueError, pa.ArrowException) as error:
        raise fmt.FormatError(f"{path}: {column!r} cannot be read ({str(error)[:80]})") from error
    if row == 0 and rows:
        raise fmt.FormatError(f"{path} lacks the column {column!r}")
