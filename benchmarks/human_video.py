"""Measure what clips of a person's hand teach (docs/human_video.md).

    python benchmarks/human_video.py --rows tracker                  the tracker alone, no training
    python benchmarks/human_video.py --rows none videos_10 --tabletop ../data/tabletop
    python benchmarks/human_video.py --rows robot_10 videos_30 known --tabletop ../data/tabletop

A rendered hand in four skins and two lights does what `--task` describes, which no demonstration in
`--tabletop` shows, among the things of training scenes, before two cameras; `sayso watch` never sees the
truth, which scores it. ``tracker_path_mm`` and ``tracker_opening_mm`` are medians over all moments of the
clips that were understood, ``tracker_understood`` their share, ``events_within_2`` the share of grasps and
releases found within two frames, ``pointing_share`` how far labels of thing and place are off in the middle,
as a share of the picture's width.

``replayed_share`` is of clips whose watched way the arm was driven along, blindly, in the scene that was
filmed, and the goal held in the end; ``replayed_true_share`` the same of the hand's true way.

``none`` is the shipped policy, which never saw the relation. Each other policy begins as that one and is
fine-tuned alike on `--tabletop`, what it learned from, beside clips for pointing alone (``pointing_10``),
with actions (``videos_10``, ``videos_30``), with the hand's true path (``true_path_10``), or demonstrations
by the robot, of a recipe that practice found (``robot_10``). Success is from pictures on fresh seeds;
``videos_10_share`` is of what the robot's ten reach. ``known_before`` and ``known_after`` are the means of
the families that the policies of ``none`` and ``videos_30`` know. Each row can be asked for alone, is kept
in a folder and goes on where it was stopped; the file holds the rows that are there.
"""

from __future__ import annotations

import os

os.environ.setdefault("MUJOCO_GL", "egl")

import json
import shutil
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from hand_clips import FPS, WORLD, film_clip, replayed, said, score, truly, truth_of
from language_only import counted, read
from results_file import evaluated, write_result
from sayso.data.cameras import read_cameras
from sayso.data.clips import Clip, read_clips
from sayso.data.format import Ending
from sayso.data.reader import Dataset
from sayso.data.writer import assemble, stage_episode
from sayso.evaluation.measure import EvalConfig
from sayso.learn.practice import PracticeConfig, practice
from sayso.learn.watching.demonstration import demonstration, features_of
from sayso.learn.watching.sight import NotUnderstoodError
from sayso.learn.watching.understanding import Understood, understand
from sayso.learn.watching.watch import FAMILY, WatchConfig, watch
from sayso.shipped import shipped
from sayso.sim.gesture import Gesture
from sayso.sim.scene import SPECS
from sayso.spec import SaysoError, at_least, known, seeds
from sayso.tasks.household.goals.grammar import read_goal
from sayso.tasks.household.goals.world import described
from sayso.tasks.worlds import WORLDS, chosen_families
from sayso.work.provenance import write_json

HEIGHT = 128
"""Of the pictures that are learned from: as the tabletop's own."""
STRIDE = 2
"""Frames between neighbouring windows: the next one tells little more."""
COUNTS: Mapping[str, int] = {
    "pointing_10": 10,
    "videos_10": 10,
    "true_path_10": 10,
    "robot_10": 10,
    "videos_30": 30,
}
"""Row of a policy -> of how many clips, or demonstrations."""
ROWS = ("tracker", "none", *COUNTS, "known")


@dataclass(frozen=True, kw_only=True)
class HumanVideo:
    """What to measure, and where the parts are kept."""

    rows: tuple[str, ...] = ROWS
    """Which rows."""
    task: str = "put the block beside the mug"
    """What the hand does: one thing that is carried, which no demonstration shows."""
    tracker_task: str = "put the can on the mat"
    """What it does where the tracker is scored; the shipped policy can do that already."""
    clips: int = 16
    """How many clips the tracker is scored on; their number is a multiple of four skins and two lights."""
    tabletop: tuple[Path, ...] = ()
    """Recordings of what the shipped policy knows, to be learned beside what is new."""
    steps: int = 500
    """Steps of each training."""
    batch_size: int = 64
    """Windows of a step."""
    lr: float = 3e-4
    """Peak of the learning rate."""
    new_share: float = 0.5
    """Share of the windows that are of what is new."""
    episodes: int = 100
    """Fresh seeds of each policy."""
    workers: int = 0
    """Processes side by side; 0 is one per core."""
    threads: int = 1
    """Threads of a training."""
    parts: Path = Path("runs/human_video")
    """Folder of clips, datasets, trainings and reports."""

    def __post_init__(self) -> None:
        """Refuse rows that there are none of, and trainings on nothing."""
        for row in self.rows:
            known("row", row, ROWS)
        at_least(self, clips=1, steps=1, batch_size=1, episodes=1, workers=0, threads=1)
        if not 0 < self.new_share < 1:
            raise SaysoError(f"--new-share is {self.new_share:g}, but must be between 0 and 1")
        if {*self.rows} & {*COUNTS} and not self.tabletop:
            raise SaysoError("--tabletop is missing: name recordings of what the shipped policy knows")


def main(config: HumanVideo) -> None:
    """Measure the rows that are asked for, and write all that are there."""
    for row in config.rows:
        print(row, flush=True)
        if row == "tracker":
            scored(config)
        elif row == "known":
            known_families(config)
        else:
            succeeded(config, row)
    metrics = summary(config)
    settings = {
        "task": config.task,
        "tracker_task": config.tracker_task,
        "rows": sorted(config.rows),
        **{name: getattr(config, name) for name in ("steps", "batch_size", "lr", "new_share", "clips")},
    }
    fresh = list(seeds("test", config.episodes, 0))
    print(write_result("human_video", metrics, seeds=fresh, n=config.episodes, config=settings))
    print(json.dumps(metrics, indent=2))


def filmed(parts: Path, task: str, count: int) -> Path:
    """Film the first clips of a task, unless they are there, and return a folder of so many."""
    pool, folder = (parts / f"clips {task}" / name for name in ("all", str(count)))
    goal = read_goal(task)
    for each in (pool, folder):
        each.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        if not (pool / f"{number:03}.npz").exists():
            film_clip(pool, goal, number)
            print(f"clip {number + 1} of {count} is filmed", flush=True)
        for path in (*pool.glob(f"{number:03}.*"), pool / "cameras.json"):
            shutil.copy(path, folder / path.name)
    lines = [f"{number:03}: {said(goal, number)}" for number in range(count)]
    (folder / "sentences.txt").write_text("\n".join(lines), encoding="utf-8")
    return folder


def understood(folder: Path, but: Container[str] = ()) -> Iterator[tuple[Clip, Gesture, Understood | str]]:
    """Yield each clip but some, what the hand did, and what the tracker understood, or why it did not."""
    from sayso.models.hands.landmarks import HandTracker

    cameras = read_cameras(folder / "cameras.json")
    for clip in read_clips(folder, list(cameras)):
        if clip.name in but:
            continue
        try:
            found: Understood | str = understand(clip, cameras, HandTracker, FPS, HEIGHT)
        except NotUnderstoodError as error:
            found = str(error)
        yield clip, truth_of(folder, clip), found


def scored(config: HumanVideo) -> None:
    """Score the tracker on clips, one after the other, and keep each score."""
    folder = filmed(config.parts, config.tracker_task, config.clips)
    path, goal = config.parts / "tracker.json", read_goal(config.tracker_task)
    kept = read(path)
    scores = kept.get("clips", {}) if kept.get("task") == config.tracker_task else {}
    for clip, true, found in understood(folder, but=scores):
        one: dict[str, Any] = {"why": found}
        if not isinstance(found, str):
            one = score(found, true) | {
                name: replayed(goal, int(clip.name), way)
                for name, way in (("replayed", found), ("replayed_true", truly(found, true)))
            }
        scores[clip.name] = one
        write_json(path, {"clips": scores, "task": config.tracker_task})
        print(clip.name, {key: one[key] for key in one if not key.endswith("_mm")}, flush=True)


def learned_from(config: HumanVideo, row: str) -> Path | None:
    """Return the dataset that a row's policy learns from beside the recordings, made if it is not there."""
    if row == "none":
        return None
    out = config.parts / row / "shown"
    if row == "robot_10":
        practised = PracticeConfig(
            world=WORLD,
            out=config.parts / row,
            until="recorded",
            episodes=COUNTS[row],
            workers=config.workers,
        )
        practice(config.task, practised)
        return practised.out / "demonstrations"
    if (out / "meta").exists():
        return out
    folder = filmed(config.parts, config.task, COUNTS[row])
    if row == "true_path_10":
        return true_demonstrations(folder, out)
    watch(
        folder,
        WatchConfig(
            cameras=folder / "cameras.json",
            out=out,
            actions="none" if row == "pointing_10" else "reached",
            fps=FPS,
            height=HEIGHT,
        ),
    )
    return out


def true_demonstrations(folder: Path, out: Path) -> Path:
    """Write the demonstrations that a tracker without error would have made of clips."""
    features = None
    for number, (_, true, found) in enumerate(understood(folder)):
        if isinstance(found, str) or len(found.path_m) != len(true.middle_m):
            continue  # it has no pictures in step with the truth
        features = features_of(found, FPS)
        frames, _ = demonstration(truly(found, true), FPS)
        stage_episode(out, features, frames, seed=number, family=FAMILY, ending=Ending(actor="person"))
    if features is None:
        raise SaysoError(f"none of the clips in {folder} was understood")
    return assemble(out, features)


def trained(config: HumanVideo, row: str) -> Path:
    """Return the policy of a row, trained as far as it is not."""
    from sayso.learn.imitate import TrainConfig, train

    new = learned_from(config, row)
    begun_with = shipped(WORLDS[WORLD].checkpoint)
    if new is None:
        return begun_with
    return train(
        TrainConfig(
            datasets=(*config.tabletop, new),
            weights=weights(config, new),
            cameras=(*SPECS[WORLD][0].cameras,),
            init=begun_with,
            out=config.parts / row / "training",
            steps=config.steps,
            batch_size=config.batch_size,
            stride=STRIDE,
            lr=config.lr,
            ema=0.99,
            threads=config.threads,
        )
    )


def weights(config: HumanVideo, new: Path) -> tuple[float, ...]:
    """Return how often a window of each dataset is drawn, for `new_share` of them to be new."""
    old, fresh = sum(len(Dataset(root)) for root in config.tabletop), len(Dataset(new))
    often = (1 - config.new_share) / config.new_share * fresh / old
    return (*(float(f"{often:.4g}") for _ in config.tabletop), 1.0)


def succeeded(config: HumanVideo, row: str) -> None:
    """Train the policy of a row, and measure it on the task from pictures."""
    wanted = EvalConfig(
        world=WORLD,
        goal=config.task,
        episodes=config.episodes,
        workers=config.workers,
        out=config.parts / f"{row}.json",
    )
    evaluated(trained(config, row), wanted, place=described(WORLD, config.task))


def known_families(config: HumanVideo) -> None:
    """Measure what policies without and with clips can of the families in the recordings."""
    for row in ("none", "videos_30"):
        policy = trained(config, row) if row == "none" else config.parts / row / "training" / "policy"
        if not policy.exists():
            continue
        for family in chosen_families(WORLDS[WORLD].families, ()):
            wanted = EvalConfig(
                world=WORLD,
                families=(family,),
                episodes=config.episodes,
                workers=config.workers,
                out=config.parts / f"known_{row}_{family}.json",
            )
            evaluated(policy, wanted)


def summary(config: HumanVideo) -> dict[str, float]:
    """Return every metric of what is there."""
    metrics: dict[str, float] = {}
    clips = [*read(config.parts / "tracker.json").get("clips", {}).values()]
    if found := [clip for clip in clips if "why" not in clip]:
        for name in ("path_mm", "opening_mm"):
            metrics[f"tracker_{name}"] = float(np.median(np.concatenate([clip[name] for clip in found])))
        events = [abs(clip[f"{event}_frames"]) <= 2 for clip in found for event in ("grasp", "release")]
        metrics["events_within_2"] = float(np.mean(events))
        metrics["pointing_share"] = float(np.median([clip["pointing"] for clip in found]))
        metrics["tracker_understood"] = len(found) / len(clips)
        for name in ("replayed", "replayed_true"):
            metrics[f"{name}_share"] = float(np.mean([clip[name] for clip in found]))
    for row in ("none", *COUNTS):
        if report := read(config.parts / f"{row}.json"):
            metrics |= counted(row, report)
    if metrics.get("robot_10") and "videos_10" in metrics:
        metrics["videos_10_share"] = metrics["videos_10"] / metrics["robot_10"]
    for name, row in (("known_before", "none"), ("known_after", "videos_30")):
        paths = sorted(config.parts.glob(f"known_{row}_*.json"))
        reports = [read(path) for path in paths if not path.stem.endswith((".old", ".episodes"))]
        if reports:
            metrics[name] = float(np.mean([counted(name, report)[name] for report in reports]))
    return metrics


if __name__ == "__main__":
    main(tyro.cli(HumanVideo, description=__doc__))
