"""`lerobot-train` trains a policy of sayso as sayso does, and both can open it."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lerobot.configs import PreTrainedConfig
from lerobot.policies.factory import get_policy_class
from lerobot.policies.utils import prepare_observation_for_inference
from safetensors.torch import load_file

import sayso
from conftest import CHECKPOINTS, NAMES, TASKS, frame, training
from lerobot_policy_sayso.beginning import fresh
from lerobot_policy_sayso.configuration_sayso import SaysoConfig
from lerobot_policy_sayso.seeing import windows as windows_of
from sayso.data.reader import Dataset
from sayso.data.windows import ACTION_IS_PAD, Windows
from sayso.models.checkpoint import load
from sayso.models.contract import Batch
from sayso.spec import ACTION, STATE, TASK

FRESH = ("--policy.type=sayso", "--policy.preset=tiny", "--steps=4", "--save_freq=2")


def policy_of(run, step="last"):
    return run / "checkpoints" / step / "pretrained_model"


def opened(folder):
    config = PreTrainedConfig.from_pretrained(folder, cli_overrides=["--device=cpu"])
    return get_policy_class(config.type).from_pretrained(folder, config=config)


@pytest.fixture(scope="module")
def run(recordings, tmp_path_factory):
    """Train a tiny policy for four steps by LeRobot's own command."""
    import importlib
    import sys

    out, before = tmp_path_factory.mktemp("trained") / "run", sys.argv
    sys.argv = ["lerobot-train", *training(recordings, out, *FRESH)]
    try:
        importlib.import_module("lerobot.scripts.lerobot_train").main()
    finally:
        sys.argv = before
    return out


def test_what_lerobot_trained_sayso_opens_and_it_acts_alike_in_both(run):
    seen = {k: v for k, v in frame(1, 5).items() if k != ACTION}
    own = sayso.load(policy_of(run)).act(seen | {TASK: TASKS[0]}).actions
    batch = prepare_observation_for_inference(dict(seen), torch.device("cpu"), TASKS[0], "so_follower")
    assert np.array_equal(opened(policy_of(run)).predict_action_chunk(batch)[0].numpy(), own)
    assert own.shape == (16, len(NAMES))


def test_it_is_for_the_robot_and_by_the_statistics_that_sayso_finds_itself(run, recordings):
    windows = Windows(Dataset(recordings), chunk=16, resize="128")
    policy = sayso.load(policy_of(run))
    assert policy.features == windows.features and policy.stats == windows.stats
    assert policy.features.cameras == {"front": (128, 168), "wrist": (128, 168)}


def test_its_folder_says_what_it_learned_from(run, recordings):
    told = json.loads((policy_of(run) / "config.json").read_text())["training"]
    assert told["datasets"] == {"0-desk": Dataset(recordings).hash} and told["seedless"] == ["0-desk"]
    assert told["steps"] == 4 and told["demonstrations"] == 3 and told["trained_by"] == "lerobot-train"


def test_the_loss_of_a_frame_is_the_one_that_sayso_finds(run, recordings):
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    policy = opened(policy_of(run))
    times = {ACTION: [step / 20 for step in policy.config.action_delta_indices]}
    theirs = LeRobotDataset("me/desk", root=recordings, delta_timestamps=times)
    rows = [3, 20, 50, 80]  # the second and the last at the end of an episode, where a chunk is padded
    batch = torch.utils.data.default_collate([theirs[row] for row in rows])
    windows = Windows(Dataset(recordings), chunk=16, like=policy.features)
    ours = windows.batch(rows)
    with torch.no_grad():
        loss, terms = policy.forward(batch)
        own = policy.model(Batch.of(load(policy_of(run)).collator(ours)))
    # LeRobot's decoder spreads colour over the edges of things otherwise: a grey level on average.
    assert float(loss) == pytest.approx(float(own["total"]), rel=0.01)
    assert terms["action"] == pytest.approx(float(own["action"]), rel=0.01)
    numbers = windows_of(batch, policy.features)
    assert all(np.array_equal(numbers[key], ours[key]) for key in (STATE, ACTION, ACTION_IS_PAD))


def test_a_part_of_each_picture_is_learned_from_as_in_sayso(recordings):
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    config = SaysoConfig(preset="tiny", crop="front=0,24,144,144 wrist=75%x100%", resize="96", device="cpu")
    policy, _ = fresh(config, SimpleNamespace(root=recordings, repo_id="me/desk"))
    assert policy.features.cropped == {"front": (0, 24, 144, 144), "wrist": (18, 0, 108, 192)}
    assert policy.features.cameras == {"front": (96, 96), "wrist": (96, 168)}
    times = {ACTION: [step / 20 for step in config.action_delta_indices]}
    theirs = LeRobotDataset("me/desk", root=recordings, delta_timestamps=times)
    batch = torch.utils.data.default_collate([theirs[row] for row in (3, 50)])
    ours = Windows(Dataset(recordings), chunk=16, like=policy.features).batch([3, 50])
    both = [policy.collator(one)["images"] for one in (windows_of(batch, policy.features), ours)]
    for one, other in zip(*both, strict=True):
        assert one.shape == other.shape and np.abs(one.astype(float) - other).mean() < 2


def test_a_training_that_was_stopped_goes_on_to_the_same_weights(run, recordings, tmp_path, lerobot):
    again = tmp_path / "again"
    shutil.copytree(run, again, symlinks=True)
    shutil.rmtree(again / "checkpoints" / "000004")
    told = policy_of(again, "000002") / "train_config.json"
    told.write_text(told.read_text().replace(str(run), str(again)))
    lerobot("lerobot-train", f"--config_path={told}", "--resume=true")
    for name in ("model.safetensors", "live.safetensors"):
        one, other = (load_file(policy_of(where, "000004") / name) for where in (run, again))
        assert all(torch.equal(one[key], other[key]) for key in one), name


def test_what_acts_and_is_saved_is_the_moving_average(run):
    average, live = (load_file(policy_of(run) / name) for name in ("model.safetensors", "live.safetensors"))
    assert any(not torch.equal(average[key], live[key]) for key in average)
    policy = opened(policy_of(run))
    with policy._averaged():
        assert all(torch.equal(value, average[key]) for key, value in policy.model.state_dict().items())


def test_a_policy_of_saysos_is_trained_on(run, recordings, tmp_path, lerobot):
    begun = tmp_path / "policy"
    shutil.copytree(
        policy_of(run), begun, ignore=shutil.ignore_patterns("live.safetensors", "train_config.json")
    )
    out = tmp_path / "more"
    typed = training(recordings, out, f"--policy.path={begun}", "--steps=2", "--policy.optimizer_lr=1e-4")
    lerobot("lerobot-train", *typed)
    before, after = (load_file(folder / "model.safetensors") for folder in (begun, policy_of(out)))
    moved = max(float((after[k] - before[k]).abs().max()) for k in before)
    assert 0 < moved < 1e-3
    assert sayso.load(policy_of(out)).stats == sayso.load(begun).stats


def test_recordings_that_a_policy_cannot_learn_from_are_refused_with_what_differs(
    recordings, tmp_path, lerobot
):
    typed = training(recordings, tmp_path / "no", f"--policy.path={CHECKPOINTS / 'home'}", "--steps=1")
    with pytest.raises(Exception, match=r"cannot learn from me/desk.*robot_type"):
        lerobot("lerobot-train", *typed)


def test_an_evaluation_during_training_sees_held_out_episodes(recordings, tmp_path, lerobot):
    words = (*FRESH, "--dataset.eval_split=0.34", "--eval_steps=2")
    lerobot("lerobot-train", *training(recordings, tmp_path / "held", *words))
    assert policy_of(tmp_path / "held").is_dir()


def test_a_new_policy_without_recordings_says_what_to_do():
    config = PreTrainedConfig.get_choice_class("sayso")(device="cpu")
    with pytest.raises(ValueError, match="needs recordings to know what its robot is"):
        get_policy_class("sayso")(config)


def test_the_rows_of_a_recording_are_those_that_lerobot_reads(recordings):
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    theirs, ours = LeRobotDataset("me/desk", root=recordings), Dataset(recordings)
    assert np.array_equal(
        np.stack([theirs[row][STATE].numpy() for row in range(0, 80, 9)]), ours.state[:80:9]
    )
