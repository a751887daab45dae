"""Watcher of people: clips of a hand become a LeRobotDataset, with a contact sheet and films of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture

from sayso.data import film
from sayso.data.cameras import read_cameras
from sayso.data.clips import read_clips
from sayso.data.format import Ending
from sayso.data.writer import assemble, recorded, stage_episode
from sayso.learn.watching.demonstration import demonstration, features_of
from sayso.learn.watching.drawing import drawn, telling
from sayso.learn.watching.sight import NotUnderstoodError, Tracker
from sayso.learn.watching.understanding import Understood, understand
from sayso.spec import Features, Observation, Outcome, SaysoError, above, at_least
from sayso.work.lock import locked
from sayso.work.progress import tracked
from sayso.work.replace import appearing

FAMILY = "hand"
"""Family of what a person's hand showed."""
MOMENTS = 5
"""Pictures of each clip on the contact sheet."""


@dataclass(frozen=True, kw_only=True)
class WatchConfig:
    """How clips of a hand become demonstrations."""

    cameras: Path
    """Calibration of the cameras that filmed, as `sayso calibrate` writes it."""
    out: Path
    """Folder of the dataset; contact sheet and films go beside it, into OUT-shown."""
    actions: Literal["reached", "none"] = "reached"
    """Whether the arm's joints are worked out where it reaches the hand, or frames only teach to point."""
    fps: float = 20.0
    """Frames per second of the dataset."""
    height: int = 240
    """Height in pixels to which pictures are scaled down, after the hand was looked for in the whole ones."""
    threads: int = 1
    """How many threads look for hands."""

    def __post_init__(self) -> None:
        """Refuse what cannot be filmed or kept."""
        at_least(self, height=32, threads=1)
        above(self, fps=0)


def watch(
    folder: Path,
    config: WatchConfig,
    make_tracker: Callable[[], Tracker] | None = None,
    tell: Callable[[str], None] = print,
) -> int:
    """Watch the clips of a folder, write a dataset of those that were understood, and return the exit code.

    It is 0 if all were, 1 if some were not; each of these gets a sentence.

    Raises:
        SaysoError: if no clip was understood, or something is missing or damaged.
    """
    cameras = read_cameras(config.cameras)
    clips = read_clips(folder, list(cameras))
    if make_tracker is None:
        make_tracker = _networks(config.threads)
    with locked(config.out, "watching clips"):
        if recorded(config.out) or (config.out / "meta").exists():
            raise SaysoError(f"{config.out} holds a dataset already: name another folder, or delete it")
        missed, features = 0, None
        told: list[Observation] = []
        for number, clip in enumerate(tracked(clips, "watching clips")):
            try:
                found = understand(clip, cameras, make_tracker, config.fps, config.height)
            except NotUnderstoodError as error:
                missed += 1
                tell(str(error))
                continue
            features = _one_kind(features, features_of(found, config.fps), clip.name)
            frames, share = demonstration(found, config.fps, actions=config.actions == "reached")
            ending = Ending(outcome=Outcome.SUCCESS, actor="person")
            stage_episode(config.out, features, frames, seed=number, family=FAMILY, ending=ending)
            tell(_summary(found, share, config))
            told += _film(found, config)
        if features is None:
            raise SaysoError(
                f"none of the {len(clips)} clips in {folder} was understood; what to film is said above"
            )
        assemble(config.out, features)
    tell(f"contact sheet: {_sheet(told, config)}, and a film of each clip beside it")
    tell(f"dataset: {config.out} ({len(clips) - missed} of {len(clips)} clips)")
    return int(missed > 0)


def _networks(threads: int) -> Callable[[], Tracker]:
    from sayso.models.hands.landmarks import HandTracker

    HandTracker(threads)  # what is not installed, or cannot be fetched, is said before anything begins
    return lambda: HandTracker(threads)


def _one_kind(before: Features | None, now: Features, clip: str) -> Features:
    if before is not None and before.cameras != now.cameras:
        raise SaysoError(
            f"clip {clip!r} was filmed by {_named(now)}, and those before it by {_named(before)}: put "
            "clips of other cameras or sizes into a folder of their own"
        )
    return now


def _named(features: Features) -> str:
    return " and ".join(f"{name} ({w} x {h})" for name, (h, w) in features.cameras.items())


def _summary(found: Understood, share: float, config: WatchConfig) -> str:
    grasp, release = (found.path_m[row] for row in (found.grasp, found.release))
    seconds = [row / config.fps for row in (found.grasp, found.release)]
    if config.actions == "none":
        arm = "no actions"
    else:
        arm = f"the arm reaches {share:.0%} of its way" + (
            "" if share > 0.9 else "; elsewhere it only points"
        )
    return (
        f"{found.clip.name}: grasps at {seconds[0]:.1f} s ({_place(grasp)}), lets go at {seconds[1]:.1f} s "
        f"({_place(release)}), {arm}"
    )


def _place(point: NDArray[np.float64]) -> str:
    return ", ".join(f"{axis} {value * 100:.0f} cm" for axis, value in zip("xyz", point, strict=True))


def _film(found: Understood, config: WatchConfig) -> list[Observation]:
    """Write the film of a clip, and return its pictures for the contact sheet."""
    pictures = (drawn(found, row, config.fps) for row in range(len(found.path_m)))
    film.write_film(_beside(config.out) / f"{found.clip.name}.mp4", pictures, config.fps)
    return [drawn(found, row, config.fps) for row in telling(found, MOMENTS)]


def _sheet(told: Sequence[Observation], config: WatchConfig) -> Path:
    path = _beside(config.out) / "contact_sheet.png"
    with appearing(path) as partial:
        Picture.fromarray(film.contact_sheet(told, columns=MOMENTS)).save(partial, format="PNG")
    return path


def _beside(out: Path) -> Path:
    return out.resolve().with_name(f"{out.resolve().name}-shown")
