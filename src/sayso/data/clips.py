"""Clips of a person's hand: videos beside a list of sentences, from one camera or several.

clips/
  sentences.txt       can: put the can in the bowl
  can.front.mp4       the clip `can`, as the camera `front` filmed it
  can.left.mp4        and as `left` did; a single camera need not be named: can.mp4
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sayso.data.video import frames_at, opened
from sayso.spec import Image, SaysoError, known

SENTENCES = "sentences.txt"
VIDEOS = (".mp4", ".mov", ".mkv", ".avi", ".webm", ".m4v")
SHORTEST_S = 0.5


@dataclass(frozen=True, kw_only=True)
class Clip:
    """What one or more cameras filmed while a person did what a sentence says."""

    name: str
    sentence: str
    videos: dict[str, Path]
    """Camera -> its video."""


def read_clips(folder: Path, cameras: Sequence[str]) -> list[Clip]:
    """Return the clips of a folder, in the order of its sentences.

    Args:
        folder: of the videos and `SENTENCES`.
        cameras: names of those that are calibrated.

    Raises:
        SaysoError: if a video or a sentence is missing, or a camera is not known.
    """
    said = _sentences(folder)
    videos: dict[str, dict[str, Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in VIDEOS:
            continue
        name, _, camera = path.stem.partition(".")
        if not camera and len(cameras) > 1:
            raise SaysoError(
                f"{path} does not say which camera filmed it: call it {name}.{cameras[0]}{path.suffix}, or "
                "give a calibration with one camera only"
            )
        videos.setdefault(name, {})[known("camera", camera or cameras[0], cameras)] = path
    if mute := sorted(videos.keys() - said.keys()):
        raise SaysoError(
            f"{folder / SENTENCES} has no sentence for {', '.join(mute)}: add a line such as `{mute[0]}: put "
            "the can in the bowl`"
        )
    if unseen := [name for name in said if name not in videos]:
        raise SaysoError(
            f"{folder / SENTENCES} speaks of {', '.join(unseen)}, of which there is no video there: call it "
            f"{unseen[0]}.{cameras[0]}.mp4, or take the line away"
        )
    return [Clip(name=name, sentence=sentence, videos=videos[name]) for name, sentence in said.items()]


def frames(path: Path, fps: float) -> Iterator[Image]:
    """Yield the pictures of a video at a rate of ours, each the nearest in time, uint8 ``[H, W, 3]``.

    Raises:
        VideoError: if it is damaged.
        SaysoError: if it is too short to show anything.
    """
    with opened(path) as container:
        stream = container.streams.video[0]
        unit = float(stream.time_base or 0)
        first_s = float(stream.start_time or 0) * unit
        long_s = float(stream.duration or 0) * unit or float(container.duration or 0) / 1e6
        own_fps = float(stream.average_rate or fps)
    if long_s < SHORTEST_S:
        raise SaysoError(
            f"{path} is {long_s:.1f} s long: film the hand from before it comes until it has left"
        )
    count = int((long_s - 0.5 / own_fps) * fps) + 1
    times = first_s + np.arange(count) / fps
    slack = max(1 / own_fps, 1 / fps, 0.1)  # phones skip frames where it is dark
    yield from (shown.image for shown in frames_at(path, times.tolist(), within_s=slack))


def _sentences(folder: Path) -> dict[str, str]:
    path = folder / SENTENCES
    if not path.is_file():
        raise SaysoError(
            f"{path} is not there: it says what is done in each clip, a line each, such as `can: put the can "
            "in the bowl` for can.front.mp4"
        )
    found: dict[str, str] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise SaysoError(f"{path} is no text in UTF-8 ({error.reason}): save it as such") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        name, colon, sentence = line.partition(":")
        if not colon or not name.strip() or not sentence.strip():
            raise SaysoError(f"line {number} of {path} is {line!r}, but must be `CLIP: SENTENCE`")
        if name.strip() in found:
            raise SaysoError(f"line {number} of {path} names {name.strip()!r} a second time")
        found[name.strip()] = sentence.strip()
    if not found:
        raise SaysoError(f"{path} is empty: write a line for each clip, `CLIP: SENTENCE`")
    return found
