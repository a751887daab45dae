"""Videos against the tables: size, rate and channels, and each frame where it should be."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sayso.data.checks import remedies
from sayso.data.checks.evidence import Evidence, Span
from sayso.data.checks.finding import Finding, error, many
from sayso.data.checks.reel import Reel
from sayso.data.checks.seen import Seen, steps_to_see
from sayso.data.checks.times import OTHER_RATE
from sayso.data.info import Camera
from sayso.data.video import VideoError, opened


def look_at_videos(e: Evidence, name: str, camera: Camera, seen: Seen) -> Iterator[Finding]:
    """Look at a camera's videos, each once, however many episodes it holds."""
    held: dict[Path, list[Span]] = {}
    for span in e.episodes:
        if (place := e.places.get(span.index)) and name in place.clips:
            held.setdefault(place.clips[name].path, []).append(span)
    ticks = iter(e.asked.track(e.episodes, f"camera {name}"))
    for path in held:
        spans = sorted(held[path], key=lambda span: _begins(e, name, span))
        try:
            with opened(path) as container:
                reel = Reel.of(container)
                faults = list(_as_said(e, reel, name, camera, path))
                yield from faults
                if not faults:
                    shifted = list(_shifted(e, reel, name, spans))
                    yield from shifted
                    wrong = {episode for finding in shifted for episode in finding.episodes}
                    yield from _frames(e, reel, name, [s for s in spans if s.index not in wrong], seen, ticks)
        except VideoError as fault:
            remedy = remedies.drop_episodes(e, (span.index for span in spans), name)
            yield error(str(fault), **_about(name, spans), remedy=remedy)
    deque(ticks, maxlen=0)  # episodes that were not looked at count as done, too


def _about(name: str, spans: Sequence[Span]) -> dict[str, object]:
    return {"episodes": tuple(span.index for span in spans), "name": f"camera {name}"}


def _begins(e: Evidence, name: str, span: Span) -> float:
    return e.places[span.index].clips[name].begins_s


def _as_said(e: Evidence, reel: Reel, name: str, camera: Camera, path: Path) -> Iterator[Finding]:
    """Find a video that is of another kind than ``info.json`` says."""
    relative = path.relative_to(e.root)
    if reel.size != camera.size:
        (high, wide), (h, w) = reel.size, camera.size
        yield error(
            f"{relative} is {high} x {wide}, but meta/info.json says {h} x {w} (height x width)",
            name=f"camera {name}",
            remedy=f"correct the shape of {camera.key!r} in meta/info.json, if all its videos are so; "
            f"or leave it out: {remedies.drop_camera(e, name)}",
        )
    if reel.channels < 3:
        yield error(
            f"{relative} has one channel, grey or depth, where three colours are read",
            name=f"camera {name}",
            remedy=remedies.drop_camera(e, name),
        )
    if abs(reel.fps / e.fps - 1) > OTHER_RATE:
        yield error(
            f"{relative} shows {reel.fps:.4g} pictures per second, but meta/info.json says {e.fps:g}",
            name=f"camera {name}",
            remedy="correct fps in meta/info.json, if the video is right; or record again",
        )


def _shifted(e: Evidence, reel: Reel, name: str, spans: Sequence[Span]) -> Iterator[Finding]:
    """Find episodes that begin elsewhere in a video than their table says, or share pictures.

    The first can be told where the video holds just the frames of its episodes.
    """
    begins = np.array([_begins(e, name, span) for span in spans])
    lengths = np.array([len(span) for span in spans])
    off = np.zeros(len(spans))
    if len(reel.times_s) == lengths.sum():
        off = begins - (reel.times_s[0] + (np.cumsum(lengths) - lengths) / e.fps)
    else:
        ends = begins + lengths / e.fps
        off[1:] = np.minimum(0, begins[1:] - ends[:-1])
    wrong = np.flatnonzero(np.abs(off) > 0.5 / e.fps)
    if len(wrong):
        moved = [spans[k] for k in wrong.tolist()]
        yield error(
            f"begins at {begins[wrong[0]]:.4f} s of the video by the table of episodes, "
            f"{abs(off[wrong[0]]) * e.fps:.1f} frames off, so that each picture belongs to another state",
            **_about(name, moved),
            remedy="correct from_timestamp in meta/episodes, or leave them out: "
            + remedies.drop_episodes(e, (span.index for span in moved), name),
        )


def _frames(
    e: Evidence, reel: Reel, name: str, spans: Sequence[Span], seen: Seen, ticks: Iterator[Any]
) -> Iterator[Finding]:
    """Find frames that the video does not show, and look at some that it does."""
    half_s = 0.5 / e.fps
    lost: dict[int, tuple[int, int, float]] = {}
    for span in spans:
        next(ticks, None)
        times = _begins(e, name, span) + np.arange(len(span)) / e.fps
        numbers = reel.nearest(times)
        off = np.abs(reel.times_s[numbers] - times)
        missing = np.flatnonzero(off > half_s)
        if len(missing):
            lost[span.index] = (int(missing[0]), len(missing), float(off[missing].max()))
            continue
        seen.drift_s = max(seen.drift_s, float(off.max(initial=0.0)))
        steps = steps_to_see(e, span, reel.is_empty[numbers])
        try:
            seen.look(e, span, steps, reel.pictures(numbers[steps].tolist()))
        except VideoError as fault:
            yield error(
                str(fault), **_about(name, [span]), remedy=remedies.drop_episodes(e, [span.index], name)
            )
    if lost:
        first = next(iter(lost.values()))
        yield error(
            f"the video shows nothing near its time, the nearest picture is {1e3 * first[2]:.0f} ms off "
            f"({many(sum(count for _, count, _ in lost.values()), 'such frame')}): they were lost while "
            "recording, or the video is cut",
            episodes=tuple(lost),
            frame=first[0],
            name=f"camera {name}",
            remedy=remedies.drop_episodes(e, lost, name),
        )
