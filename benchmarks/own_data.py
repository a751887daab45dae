"""Measure what own recordings are good for: a policy from scratch and one fine-tuned, on 10 and on 50.

    python benchmarks/own_data.py --recordings own50 --test test10 --threads 1

The recordings are the mock arm's (`mock_recording.py`): an SO-101 in simulation, by LeRobot's own writer,
which no policy of ours has seen. Each policy is trained as one types it, then asked what it would do in the
frames of the test's episodes, and last set before the arm. Whatever is there is not made again, so the same
command goes on where it was stopped; `--only scratch10` does one of them.

With `--labelled` two more learn from the fewest recordings, with labels made from clicks (`mock_clicks.py`
says how such a dataset is made): clicked10 from scratch, tunedclicked10 fine-tuned.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro

import mock_arm
from results_file import ROOT, write_result
from sayso import cli
from sayso.data.reader import Dataset
from sayso.data.windows import Windows
from sayso.evaluation.action_error import action_error, spread_evenly
from sayso.evaluation.statistics import wilson
from sayso.loading import load
from sayso.models.repacked import on_robot
from sayso.runtime.robot import command, look
from sayso.spec import SaysoError
from sayso.work.provenance import digest_of, training_facts, write_json

FIRST_SCENE = 2_910_000
"""Seed from which scenes of the evaluation are taken; nothing was recorded behind it."""
LONGEST_S = 40.0
"""How long a policy may try, which is as long as the demonstrator might."""
ERRORS = {"heldout": "error", "still": "still", "mean": "mean"}
"""What an error is called in the result, and by `sayso.evaluation.action_error`."""


@dataclass(frozen=True, kw_only=True)
class OwnData:
    """What to train on, for how long, and what to measure."""

    recordings: Path
    """Dataset to learn from."""
    test: Path
    """Dataset of other episodes of the same arm."""
    labelled: Path | None = None
    """The fewest recordings once more, with labels of points made from clicks."""
    runs: Path = ROOT / "runs" / "own_data"
    """Folder of all that is trained and measured."""
    only: tuple[str, ...] = ()
    """Which policies, such as scratch10 tuned50; all if left out."""
    sizes: tuple[int, ...] = (10, 50)
    """How many of the recordings, from the first on."""
    steps: int = 4000
    """Optimiser steps of each policy."""
    init: Path = ROOT / "checkpoints" / "tabletop"
    """Policy that fine-tuning begins with."""
    train: str = "--resize 128"
    """Further flags of ``sayso train``, for all of them, as in ``--train="--resize 128 --batch-size 16"``."""
    tune: str = ""
    """Further flags of ``sayso train`` where it fine-tunes."""
    episodes: int = 50
    """Scenes on the arm for each policy."""
    execute: int = 8
    """Actions of a chunk that are carried out before the next look."""
    threads: int = 1
    """Threads of training."""


def main(config: OwnData) -> None:
    """Do what is missing, print each policy's numbers, and write ``own_data.json`` when enough are there.

    That is from scratch on the most and on the fewest recordings, and fine-tuned on the fewest.
    """
    names = [f"{start}{size}" for size in config.sizes for start in ("scratch", "tuned")]
    names += [f"{start}{min(config.sizes)}" for start in ("clicked", "tunedclicked") if config.labelled]
    if wrong := [name for name in config.only if name not in names]:
        raise SaysoError(f"--only is {wrong[0]!r}, but there are {', '.join(names)}")
    found: dict[str, dict[str, Any]] = {}
    for name in config.only or names:
        policy = trained(name, config)
        found[name] = offline(name, policy, config) | on_arm(name, policy, config)
        brief = {key: value for key, value in found[name].items() if key not in ("tries", "weights")}
        print(name, json.dumps(brief, indent=1), flush=True)
    few, many = min(config.sizes), max(config.sizes)
    if {f"scratch{few}", f"tuned{few}", f"scratch{many}"} <= found.keys():
        print("wrote", written(found, config))


def trained(name: str, config: OwnData) -> Path:
    """Return the folder of a policy, trained unless it is there in full."""
    start = name.rstrip("0123456789")
    size = int(name.removeprefix(start))
    labelled = config.labelled if "clicked" in start else None
    recordings, cache = labelled or first(size, config), config.runs / "cache"
    words = ["train", "--datasets", str(recordings), "--out", str(config.runs / name)]
    words += ["--steps", str(config.steps), "--threads", str(config.threads), "--cache", str(cache)]
    words += config.train.split()
    if start.startswith("tuned"):
        words += ["--init", str(config.init), *config.tune.split()]
    before = time.monotonic()
    if cli.main(words):
        raise SaysoError("training was refused or broken off; give the same command again to go on")
    wall = config.runs / f"{name}.wall.json"
    if not wall.exists():  # decoding, which the run's own clock does not know, is in the first of them
        write_json(wall, {"seconds": time.monotonic() - before})
    return config.runs / name / "policy"


def first(size: int, config: OwnData) -> Path:
    """Return a dataset of the first recordings."""
    whole = len(Dataset(config.recordings).episodes)
    if size >= whole:
        return config.recordings
    part = config.runs / f"first{size}"
    words = ["edit", str(config.recordings), "--episodes", f"0-{size - 1}", "--out", str(part)]
    if not part.exists() and cli.main(words):
        raise SaysoError(f"the first {size} recordings could not be taken")
    return part


def offline(name: str, folder: Path, config: OwnData) -> dict[str, Any]:
    """Return how far a policy's actions are from those shown in the test, as training says it.

    The three errors are in spreads of each dimension, the mean of all; ``dimensions`` has them in its unit.
    """
    path, weights = config.runs / f"{name}.heldout.json", digest_of(folder)
    known = json.loads(path.read_text()) if path.exists() else {}
    if known.get("weights") != weights:
        policy = load(folder, config.threads)
        windows = Windows(Dataset(config.test), like=policy.features, cache=config.runs / "cache")
        found = action_error(policy, windows, spread_evenly(np.arange(len(windows))), policy.stats)
        known = {"weights": weights, **found.to_json()}
        write_json(path, known)
    errors = {f"{what}_error": known[key] for what, key in ERRORS.items()}
    dimensions = {
        f"{what}_error": {row["name"]: row[key] for row in known["dimensions"]}
        for what, key in ERRORS.items()
    }
    return {**errors, "dimensions": dimensions, "windows": known["windows"]}


def on_arm(name: str, folder: Path, config: OwnData) -> dict[str, Any]:
    """Return how often a policy does what it is told on the mock arm, from the first scene on."""
    path = config.runs / f"{name}.arm.json"
    asked = {"weights": digest_of(folder), "execute": config.execute}
    known = json.loads(path.read_text()) if path.exists() else {}
    tries = known["tries"] if {key: known.get(key) for key in asked} == asked else []
    if len(tries) < config.episodes:
        policy = load(folder, config.threads)
        features = policy.features
        with mock_arm.serving() as address:
            arm = mock_arm.MockArm(address)
            arm.connect()
            shown = dict.fromkeys((*arm.observation_features, *arm.action_features), "")
            actor, features = on_robot(policy, features, shown)
            scene = tries[-1]["seed"] if tries else FIRST_SCENE
            while len(tries) < config.episodes:
                sentence = mock_arm.SENTENCES[len(tries) % len(mock_arm.SENTENCES)]
                scene = arm.ask("scene", sentence, scene + 1)
                arm.ask("reset", scene, sentence)
                tries.append(
                    {"seed": scene, "sentence": sentence, **tried(arm, actor, features, sentence, config)}
                )
                write_json(path, {**asked, "tries": tries})
                print(f"{name} on the arm: {sum(t['success'] for t in tries)} of {len(tries)}", flush=True)
            arm.disconnect()
    tries = tries[: config.episodes]
    rate = wilson(sum(t["success"] for t in tries), len(tries))
    return {"success": rate.share, "success/low": rate.low, "success/high": rate.high, "tries": tries}


def tried(
    arm: mock_arm.MockArm, policy: Any, features: Any, sentence: str, config: OwnData
) -> dict[str, Any]:
    """Let a policy try once, and return how it ended."""
    policy.reset()
    for frame in range(round(mock_arm.FPS * LONGEST_S)):
        if frame % config.execute == 0:
            chunk = policy.act(look(arm.get_observation(), features, sentence)).actions
        arm.send_action(command(chunk[min(frame % config.execute, len(chunk) - 1)], features))
        held = arm.ask("done")
        if all(held.values()):
            return {"success": True, "frames": frame + 1, "lacking": []}
    return {
        "success": False,
        "frames": frame + 1,
        "lacking": [what for what, holds in held.items() if not holds],
    }


def written(found: Mapping[str, Mapping[str, Any]], config: OwnData) -> Path:
    """Write the result file.

    ``minutes``, ``disk_mb`` and the three errors without a policy's name are those of the most recordings,
    from scratch. ``finetune_gain`` is how many times better a policy fine-tuned on the fewest recordings is
    than one from scratch: the larger of what it gains in error and in success. ``click_gain_error`` is how
    many times smaller the error from scratch becomes with labels made from clicks.
    """
    few, many = f"{min(config.sizes)}", f"scratch{max(config.sizes)}"
    metrics: dict[str, float] = {}
    for name, numbers in found.items():
        metrics[f"heldout_error_{name}"] = numbers["heldout_error"]
        metrics |= {f"success_{name}{end}": numbers[f"success{end}"] for end in ("", "/low", "/high")}
        metrics[f"minutes_{name}"] = training_facts(config.runs / name / "policy")["seconds"] / 60
    for what in ("heldout_error", "still_error", "mean_error"):
        metrics[what] = found[many][what]
        for dimension, error in found[many]["dimensions"][what].items():
            metrics[f"{what}_{dimension}"] = error
    scratch, tuned = found[f"scratch{few}"], found[f"tuned{few}"]
    metrics["finetune_gain_error"] = scratch["heldout_error"] / tuned["heldout_error"]
    metrics["finetune_gain_success"] = tuned["success"] / max(scratch["success"], 1 / config.episodes)
    metrics["finetune_gain"] = max(metrics["finetune_gain_error"], metrics["finetune_gain_success"])
    if clicked := found.get(f"clicked{few}"):
        metrics["click_gain_error"] = scratch["heldout_error"] / clicked["heldout_error"]
    wall = json.loads((config.runs / f"{many}.wall.json").read_text())["seconds"]
    metrics["minutes"] = max(wall / 60, metrics[f"minutes_{many}"])
    metrics["disk_mb"] = cached_mb(config)
    tries = [dict(t, policy=name) for name, numbers in found.items() for t in numbers["tries"]]
    asked = {
        "steps": config.steps, "train": config.train, "tune": config.tune, "execute": config.execute,
        "threads": config.threads, "longest_s": LONGEST_S,
        "recorded": len(Dataset(config.recordings).episodes), "tested_on": len(Dataset(config.test).episodes),
        "seconds_recorded": round(len(Dataset(config.recordings)) / mock_arm.FPS),
        "pictures": list(mock_arm.SIZE), "arm": "simulated; no real arm was moved",
    }  # fmt: skip
    seeds = sorted({t["seed"] for t in tries})
    return write_result("own_data", metrics, seeds=seeds, n=config.episodes, config=asked, episodes=tries)


def cached_mb(config: OwnData) -> float:
    """Return how much room the decoded frames of all recordings take."""
    windows = Windows(
        Dataset(config.recordings),
        resize=said("--resize", config.train, ""),
        stride=int(said("--stride", config.train, "1")),
    )
    pixels = sum(height * width for height, width in windows.features.cameras.values())
    return pixels * 3 * len(windows) / 1e6


def said(flag: str, flags: str, otherwise: str) -> str:
    """Return what follows a flag among others."""
    words = flags.split()
    return words[words.index(flag) + 1] if flag in words else otherwise


if __name__ == "__main__":
    main(tyro.cli(OwnData, description=__doc__))
