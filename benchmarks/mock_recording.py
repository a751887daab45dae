"""Recording of the mock arm by LeRobot's own writer, as ``lerobot-record`` would make it.

Runs where LeRobot is (``make lerobot``); the arm's process runs where sayso is::

    .venv-lerobot/bin/python benchmarks/mock_recording.py --python .venv/bin/python --out own --episodes 50

Which scene each episode shows is kept beside the dataset's folders, in `mock_arm.SCENES`: what was recorded
can then be asked of the simulation again (`mock_clicks.py`).

The small recording that tests use is ``--out tests/recordings/desk --episodes 6 --seconds 2 --height 72``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

import mock_arm

IDLE_S = (0.5, 2.0)
"""How long nothing happens before and after, at least and at most: somebody presses a key."""
LONGEST_S = 40.0


def features(size: tuple[int, int]) -> dict[str, Any]:
    """Return what LeRobot's recorder makes of the arm's features."""
    numbers = {"dtype": "float32", "shape": (len(mock_arm.NUMBERS),), "names": [*mock_arm.NUMBERS]}
    picture = {"dtype": "video", "shape": (*size, 3), "names": ["height", "width", "channels"]}
    cameras = {f"observation.images.{name}": picture for name in mock_arm.CAMERAS}
    return {"action": numbers, "observation.state": numbers, **cameras}


def main() -> None:
    """Record episodes that succeeded, one after the other."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the new dataset")
    parser.add_argument("--episodes", type=int, default=50)
    parser.add_argument("--python", required=True, help="interpreter that has sayso")
    parser.add_argument("--height", type=int, default=mock_arm.SIZE[0], help="of the pictures, which are 4:3")
    parser.add_argument("--first", type=int, default=600_000, help="seed from which scenes are taken")
    parser.add_argument(
        "--seconds", type=float, default=0.0, help="cut each episode there, for a small dataset"
    )
    parser.add_argument("--arm", type=int, default=0, help="which way each joint's zero is off")
    given = parser.parse_args()
    from lerobot.datasets.lerobot_dataset import LeRobotDataset  # so that --help needs no LeRobot

    size = (given.height, given.height * 4 // 3)
    dataset = LeRobotDataset.create(
        repo_id="own/mock_arm",
        fps=mock_arm.FPS,
        root=given.out,
        robot_type="so_follower",
        features=features(size),
        image_writer_threads=4,
    )
    rng = np.random.default_rng(given.first)
    flags = ("--height", str(given.height), "--seed", str(given.arm))
    with mock_arm.serving(*flags, python=given.python) as address:
        arm = mock_arm.MockArm(address, size)
        arm.connect()
        scene, scenes = given.first, []
        while dataset.num_episodes < given.episodes:
            sentence = mock_arm.SENTENCES[dataset.num_episodes % len(mock_arm.SENTENCES)]
            scene = arm.ask("scene", sentence, scene + 1)
            arm.ask("reset", scene, sentence)
            if episode(arm, dataset, sentence, rng, given.seconds):
                dataset.save_episode()
                scenes.append(scene)
                kept = json.dumps({"arm": given.arm, "scenes": scenes})
                (given.out / mock_arm.SCENES).write_text(kept + "\n", encoding="utf-8")
                print(f"episode {dataset.num_episodes}: scene {scene}, {sentence}", flush=True)
            else:
                dataset.clear_episode_buffer()
                print(f"scene {scene} failed and is left out", flush=True)
        arm.disconnect()
    dataset.finalize()


def episode(
    arm: mock_arm.MockArm, dataset: Any, sentence: str, rng: np.random.Generator, cut_s: float
) -> bool:
    """Demonstrate once, and tell whether it is to be kept: it succeeded, or was cut."""
    shorter = cut_s / LONGEST_S or 1.0
    before, after = (round(mock_arm.FPS * rest * shorter) for rest in rng.uniform(*IDLE_S, 2))
    rest = None
    for frame in range(round(mock_arm.FPS * LONGEST_S * shorter)):
        seen = arm.get_observation()
        state = [seen[name] for name in mock_arm.NUMBERS]
        idle = frame < before or rest is not None
        action = (rest or state) if idle else arm.ask("expert")
        arm.send_action(dict(zip(mock_arm.NUMBERS, action, strict=True)))
        dataset.add_frame(
            {
                "observation.state": np.array(state, np.float32),
                "action": np.array(action, np.float32),
                "task": sentence,
                **{f"observation.images.{name}": seen[name] for name in mock_arm.CAMERAS},
            }
        )
        if rest is None and all(arm.ask("done").values()):
            rest = action
        after -= rest is not None
        if after <= 0:
            break
    return rest is not None or cut_s > 0


if __name__ == "__main__":
    main()
