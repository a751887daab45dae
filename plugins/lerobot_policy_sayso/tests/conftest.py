"""Recordings by LeRobot's own writer, LeRobot's own commands, and an arm behind its driver interface."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("SAYSO_CACHE", str(Path(tempfile.gettempdir()) / f"sayso-tests-{os.getuid()}"))

import numpy as np
import pytest
from lerobot.robots import Robot, RobotConfig
from lerobot.utils.import_utils import register_third_party_plugins

REPOSITORY = Path(__file__).resolve().parents[3]
CHECKPOINTS = REPOSITORY / "checkpoints"
JOINTS = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper")
NAMES = [f"{joint}.pos" for joint in JOINTS]
CAMERAS = ("front", "wrist")
SIZE = (144, 192)
TASKS = ("put the cup on the plate", "put the cup on the plate", "lift the cup")
LENGTHS = (24, 30, 27)


@pytest.fixture(scope="session", autouse=True)
def plugins() -> None:
    """Let LeRobot find what is installed, as the first line of its commands does."""
    register_third_party_plugins()


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Record three episodes of an SO-101 with LeRobot's writer."""
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    root = tmp_path_factory.mktemp("recorded") / "desk"
    vector = {"dtype": "float32", "shape": (len(NAMES),), "names": NAMES}
    video = {"dtype": "video", "shape": (*SIZE, 3), "names": ["height", "width", "channels"]}
    features = {"observation.state": vector, "action": vector}
    features |= {f"observation.images.{camera}": video for camera in CAMERAS}
    dataset = LeRobotDataset.create("me/desk", fps=20, features=features, root=root, robot_type="so_follower")
    for episode, (task, length) in enumerate(zip(TASKS, LENGTHS, strict=True)):
        for step in range(length):
            dataset.add_frame(frame(episode, step) | {"task": task})
        dataset.save_episode()
    dataset.finalize()
    return root


def frame(episode: int, step: int) -> dict[str, np.ndarray]:
    """Return what is seen, felt and done in a step: a square moves as the arm does."""
    angles = np.array([30, 40, 50, 35, 60, 45]) * np.sin(step / 9 + np.arange(6) + episode)
    angles = (angles + [0, 0, 0, 0, 0, 50]).astype(np.float32)
    pictures = {}
    for number, camera in enumerate(CAMERAS):
        picture = np.full((*SIZE, 3), 90 + 60 * number, np.uint8)
        left = 20 + 4 * step % 120
        picture[60:90, left : left + 30] = (220, 40 * episode, 30)
        pictures[f"observation.images.{camera}"] = picture
    return pictures | {"observation.state": angles, "action": angles + np.float32(1.5)}


@pytest.fixture
def lerobot(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return what does one of LeRobot's commands in this process."""

    def command(name: str, *words: str) -> None:
        import importlib

        module = importlib.import_module(f"lerobot.scripts.{name.replace('-', '_')}")
        monkeypatch.setattr(sys, "argv", [name, *words])
        module.main()

    return command


def training(root: Path, out: Path, *words: str) -> tuple[str, ...]:
    """Return what is typed behind ``lerobot-train`` to train a tiny policy."""
    return (
        "--dataset.repo_id=me/desk",
        f"--dataset.root={root}",
        f"--output_dir={out}",
        "--policy.device=cpu",
        "--policy.push_to_hub=false",
        "--wandb.enable=false",
        "--batch_size=4",
        "--num_workers=0",
        "--log_freq=1",
        *words,
    )


@RobotConfig.register_subclass("desk_arm")
@dataclass
class DeskArmConfig(RobotConfig):
    """An SO-101 that is where it was told to be."""


class DeskArm(Robot):
    """An arm that moves at once, and remembers what it was told."""

    config_class = DeskArmConfig
    name = "desk_arm"
    told: list[dict[str, float]] = []  # noqa: RUF012 (LeRobot makes the robot: a test has only its class)
    is_connected = False
    is_calibrated = True
    observation_features = dict.fromkeys(NAMES, float) | dict.fromkeys(CAMERAS, (*SIZE, 3))
    action_features = dict.fromkeys(NAMES, float)

    def connect(self, calibrate: bool = True) -> None:
        self.is_connected = True

    def disconnect(self) -> None:
        self.is_connected = False

    def calibrate(self) -> None:
        pass

    def configure(self) -> None:
        pass

    def get_observation(self) -> dict[str, object]:
        seen = frame(0, len(self.told))
        angles = dict(zip(NAMES, map(float, seen["observation.state"]), strict=True))
        return angles | {camera: seen[f"observation.images.{camera}"] for camera in CAMERAS}

    def send_action(self, action: dict[str, float]) -> dict[str, float]:
        self.told.append(dict(action))
        return action
