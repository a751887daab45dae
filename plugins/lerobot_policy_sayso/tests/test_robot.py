"""`lerobot-rollout` moves an arm with a checkpoint of sayso; `lerobot-record` knows of no policy."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from lerobot.configs import PreTrainedConfig
from lerobot.policies.factory import get_policy_class
from lerobot.policies.utils import prepare_observation_for_inference
from lerobot.scripts import lerobot_record

import sayso
from conftest import CAMERAS, CHECKPOINTS, NAMES, SIZE, TASKS, DeskArm, frame
from sayso.data.statistics import Stats
from sayso.models import checkpoint, table
from sayso.spec import ACTION, STATE, TASK, Dimension, Features


def small_policy(folder, renamed=None):
    """Keep a tiny policy for the arm of these tests."""
    dimensions = tuple(Dimension(name=name, unit="deg") for name in NAMES)
    features = Features(
        robot_type="so101",
        fps=20,
        state=dimensions,
        action=dimensions,
        cameras=dict.fromkeys(CAMERAS, (96, 128)),
        scaled_from=dict.fromkeys(CAMERAS, SIZE),
        renamed=renamed or {},
    )
    rows = Stats.of(np.stack([frame(0, step)[STATE] for step in range(60)]))
    policy = table.build("vla", preset="tiny", features=features, stats={STATE: rows, ACTION: rows})
    checkpoint.save(policy, folder)
    return folder


def rolled_out(lerobot, monkeypatch, folder, *words):
    monkeypatch.setattr(DeskArm, "told", told := [])
    typed = ("--robot.type=desk_arm", f"--task={TASKS[0]}", "--fps=20", "--duration=1", "--device=cpu")
    lerobot(
        "lerobot-rollout", f"--policy.path={folder}", *typed, "--return_to_initial_position=false", *words
    )
    return told


def test_an_arm_is_told_what_sayso_itself_would_tell_it(tmp_path, lerobot, monkeypatch):
    folder = small_policy(tmp_path / "policy")
    told = rolled_out(lerobot, monkeypatch, folder)
    assert len(told) > 4
    policy = sayso.load(folder)
    for first in range(0, min(len(told), 12), 4):  # it looks at every fourth step
        seen = {k: v for k, v in frame(0, first).items() if k != ACTION} | {TASK: TASKS[0]}
        own = policy.act(seen).actions[: len(told[first : first + 4])]
        sent = np.array([[action[name] for name in NAMES] for action in told[first : first + 4]])
        assert np.allclose(sent, own, atol=1e-4)


def test_cameras_by_other_names_are_renamed_by_lerobots_own_flag(tmp_path, lerobot, monkeypatch):
    folder = small_policy(tmp_path / "policy")
    monkeypatch.setattr(
        DeskArm,
        "observation_features",
        dict.fromkeys(NAMES, float) | {"top": (*SIZE, 3), "wrist": (*SIZE, 3)},
    )
    seen = DeskArm.get_observation

    def otherwise(arm):
        found = seen(arm)
        return {("top" if name == "front" else name): value for name, value in found.items()}

    monkeypatch.setattr(DeskArm, "get_observation", otherwise)
    renamed = '--rename_map={"observation.images.top": "observation.images.front"}'
    assert len(rolled_out(lerobot, monkeypatch, folder, renamed)) > 4


def test_a_camera_may_come_under_any_name_that_the_policy_remembers(tmp_path):
    folder = small_policy(tmp_path / "policy", renamed={"image": "front", "cam": "wrist"})
    config = PreTrainedConfig.from_pretrained(folder, cli_overrides=["--device=cpu"])
    known = {
        "observation.image",
        *(f"observation.images.{name}" for name in ("front", "wrist", "image", "cam")),
    }
    assert set(config.image_features) == known
    seen = {k: v for k, v in frame(0, 3).items() if k != ACTION}
    own = sayso.load(folder).act(seen | {TASK: TASKS[0]}).actions
    seen["observation.image"] = seen.pop("observation.images.front")
    seen["observation.images.cam"] = seen.pop("observation.images.wrist")
    batch = prepare_observation_for_inference(seen, torch.device("cpu"), TASKS[0], "so101")
    policy = get_policy_class("sayso").from_pretrained(folder, config=config)
    assert np.array_equal(policy.predict_action_chunk(batch)[0].numpy(), own)


def test_lerobot_record_takes_no_policy_so_the_readme_names_lerobot_rollout():
    fields = {field.name for field in dataclasses.fields(lerobot_record.RecordConfig)}
    assert "policy" not in fields
    assert "lerobot-rollout" in (CHECKPOINTS.parent / "plugins/lerobot_policy_sayso/README.md").read_text()
