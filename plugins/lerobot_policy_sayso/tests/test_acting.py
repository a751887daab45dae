"""LeRobot's commands act with checkpoints of sayso exactly as sayso does."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from lerobot.configs import PreTrainedConfig
from lerobot.policies.factory import get_policy_class, make_pre_post_processors
from lerobot.policies.utils import prepare_observation_for_inference
from safetensors.torch import load_file
from torch.testing import assert_close

import sayso
from conftest import CAMERAS, CHECKPOINTS, NAMES, frame
from lerobot_policy_sayso.modeling_sayso import SaysoPolicy
from lerobot_policy_sayso.processor_sayso import make_sayso_pre_post_processors
from sayso.models.lerobot_folder import PROCESSORS
from sayso.spec import STATE, TASK, image_key
from sayso.tasks.sawyer import views

TABLETOP, METAWORLD = CHECKPOINTS / "tabletop", CHECKPOINTS / "metaworld"
SAID = "put the white can in the yellow tray"


def opened(folder, *words):
    """Open a policy and its processors as LeRobot's commands do."""
    config = PreTrainedConfig.from_pretrained(folder, cli_overrides=["--device=cpu", *words])
    config.pretrained_path = folder
    policy = get_policy_class(config.type).from_pretrained(folder, config=config)
    overrides = {"device_processor": {"device": "cpu"}, "rename_observations_processor": {"rename_map": {}}}
    return policy, *make_pre_post_processors(config, folder, preprocessor_overrides=overrides)


def look(seed, side=128):
    """Return one observation of the tabletop as a robot shows it."""
    rng = np.random.default_rng(seed)
    pictures = {image_key(c): rng.integers(0, 256, (side, side, 3), dtype=np.uint8) for c in CAMERAS}
    return pictures | {STATE: np.array([0, -40, 50, 60, 10, 20], np.float32) + seed}


def prepared(observation, said=SAID):
    return prepare_observation_for_inference(dict(observation), torch.device("cpu"), said, "so101")


def test_an_action_in_lerobot_is_saysos_own_to_the_bit():
    policy, before, behind = opened(TABLETOP)
    own = sayso.load(TABLETOP).act(look(0) | {TASK: SAID}).actions
    batch = before(prepared(look(0)))
    taken = [behind(policy.select_action(batch)).numpy()[0] for _ in range(4)]
    assert np.array_equal(np.stack(taken), own[:4])
    assert np.array_equal(policy.predict_action_chunk(batch)[0].numpy(), own)


def test_every_checkpoint_that_ships_opens_by_its_path():
    for folder in CHECKPOINTS.iterdir():
        policy, _, _ = opened(folder)
        assert isinstance(policy, SaysoPolicy)
        assert policy.config.type == "sayso" and policy.config.input_features


def test_in_a_batch_each_robot_is_seen_and_told_for_itself():
    policy, before, _ = opened(TABLETOP)
    said = (SAID, "push the red block beside the bowl")
    batch = {k: torch.cat([prepared(look(n))[k] for n in (0, 1)]) for k in look(0)} | {TASK: list(said)}
    chunks = policy.predict_action_chunk(before(batch)).numpy()
    own = [sayso.load(TABLETOP).act(look(n) | {TASK: said[n]}).actions for n in (0, 1)]
    assert np.array_equal(chunks, np.stack(own))


def test_it_looks_again_after_so_many_actions_and_after_an_episode():
    policy, before, _ = opened(TABLETOP, "--n_action_steps=2")
    first, second = before(prepared(look(0))), before(prepared(look(1)))
    chunk, other = policy.predict_action_chunk(first)[0], policy.predict_action_chunk(second)[0]
    assert_close(policy.select_action(first)[0], chunk[0])
    assert_close(policy.select_action(second)[0], chunk[1])
    assert_close(policy.select_action(second)[0], other[0])
    policy.reset()
    assert_close(policy.select_action(first)[0], chunk[0])


def test_more_actions_than_a_chunk_has_are_refused_with_what_it_has():
    with pytest.raises(ValueError, match="n_action_steps is 17, but a chunk has 16 actions: give 1 to 16"):
        opened(TABLETOP, "--n_action_steps=17")


def test_the_steps_that_sayso_writes_beside_a_policy_are_those_that_lerobot_would_make(tmp_path):
    config = PreTrainedConfig.from_pretrained(TABLETOP, cli_overrides=["--device=cpu"])
    for pipeline in make_sayso_pre_post_processors(config):
        pipeline.save_pretrained(tmp_path)
    for name, written in PROCESSORS.items():
        made = json.loads((tmp_path / name).read_text())
        assert written["name"] == made["name"]
        for ours, theirs in zip(written["steps"], made["steps"], strict=True):
            assert ours["registry_name"] == theirs["registry_name"]
            assert ours["config"].keys() == theirs["config"].keys()
    assert not list(tmp_path.glob("*.safetensors"))


def test_nothing_is_normalised_before_or_behind_it():
    _, before, behind = opened(TABLETOP)
    batch = before(prepared(look(0)))
    assert np.array_equal(batch[STATE].numpy()[0], look(0)[STATE])
    assert_close(behind(torch.tensor([[-100.0, 0, 250, 1, 2, 3]])), torch.tensor([[-100.0, 0, 250, 1, 2, 3]]))


def test_meta_worlds_one_picture_becomes_the_two_views_and_its_actions_stay_within_1():
    policy, before, _ = opened(METAWORLD)
    picture = np.random.default_rng(0).integers(0, 256, (480, 480, 3), dtype=np.uint8)
    state = np.array([0.0, 0.6, 0.2, 1.0], np.float32)
    pixels = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
    told = {"observation.image": pixels, STATE: torch.from_numpy(state)[None], TASK: ["Press a button"]}
    seen = {image_key(name): view for name, view in views(picture, state).items()}
    own = sayso.load(METAWORLD).act(seen | {STATE: state, TASK: "Press a button"}).actions
    assert np.array_equal(policy.predict_action_chunk(before(told))[0].numpy(), own.clip(-1, 1))


def test_a_policy_that_is_told_nothing_says_so():
    policy, before, _ = opened(TABLETOP)
    with pytest.raises(ValueError, match="nothing says what"):
        policy.select_action({k: v for k, v in before(prepared(look(0))).items() if k != TASK})


def test_a_checkpoint_of_an_older_sayso_opens_after_one_command(tmp_path):
    old = tmp_path / "old"
    shutil.copytree(TABLETOP, old)
    for name in PROCESSORS:
        (old / name).unlink()
    described = json.loads((old / "config.json").read_text())
    del described["type"]
    (old / "config.json").write_text(json.dumps(described))
    (old / "SHA256SUMS").unlink()
    with pytest.raises(ValueError, match="Missing 'type' field"):
        opened(old)
    done = subprocess.run(
        [sys.executable, "-m", "lerobot_policy_sayso", str(old)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    policy, before, _ = opened(old)
    own = sayso.load(TABLETOP).act(look(0) | {TASK: SAID}).actions
    assert np.array_equal(policy.predict_action_chunk(before(prepared(look(0))))[0].numpy(), own)


def test_what_is_saved_here_is_a_checkpoint_of_sayso(tmp_path):
    policy, _, _ = opened(TABLETOP)
    policy.save_pretrained(tmp_path / "saved")
    policy.save_pretrained(tmp_path / "saved")  # LeRobot writes over what is there
    again = sayso.load(tmp_path / "saved")
    assert np.array_equal(
        again.act(look(2) | {TASK: SAID}).actions, sayso.load(TABLETOP).act(look(2) | {TASK: SAID}).actions
    )
    saved = load_file(tmp_path / "saved" / "model.safetensors")
    assert saved.keys() == again.model.state_dict().keys()
    opened(tmp_path / "saved")


def test_a_damaged_checkpoint_is_refused_by_its_file(tmp_path):
    shutil.copytree(TABLETOP, tmp_path / "cut")
    weights = tmp_path / "cut" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    with pytest.raises(Exception, match=r"model.safetensors was damaged"):
        opened(tmp_path / "cut")


def test_the_recordings_of_these_tests_name_what_the_checkpoint_knows():
    assert list(sayso.load(TABLETOP).features.state_names) == NAMES and frame(0, 0).keys() == look(
        0
    ).keys() | {"action"}
