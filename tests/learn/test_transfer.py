"""A policy's weights go over to other cameras, other names, other sizes and another length of chunks."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from sayso.data.writer import assemble, stage_episode
from sayso.evaluation.report import training_of
from sayso.evaluation.rollout import rollout
from sayso.learn.imitate import train
from sayso.learn.transfer import Fit, _rows_of_numbers, transferred
from sayso.models import checkpoint, table
from sayso.spec import ACTION, POINTS, STATE, Dimension, image_key
from small_trainings import record, tiny
from small_worlds import FEATURES, SpotWorld

OTHER = dataclasses.replace(
    FEATURES,
    robot_type="desk",
    fps=20,
    cameras={"hand_cam": (32, 32), "desk": (32, 40)},
    state=(*FEATURES.state, Dimension(name="z.pos", unit="m")),
    points=(),
)
"""Another robot: other names of cameras, another shape of one, a rate and a number more, no labels."""


def other(root: Path, seeds: range) -> Path:
    """Record with another robot what `record` does."""
    world = SpotWorld()
    for seed in seeds:
        frames = rollout(world, world.expert(), seed, keep_frames=True).frames
        for frame in frames:
            frame.pop(POINTS, None)
            front = frame.pop(image_key("front"))
            frame[image_key("desk")] = np.concatenate([front, front[:, :8]], 1)
            frame[image_key("hand_cam")] = frame.pop(image_key("wrist"))
            frame[STATE] = np.append(frame[STATE], np.float32(0.1 * seed))
        stage_episode(root, OTHER, frames, seed=seed, family="go")
    return assemble(root, OTHER)


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shipped")
    return train(tiny(record(folder / "data", range(3)), folder / "run"))


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return other(tmp_path_factory.mktemp("own") / "data", range(10, 13))


def test_what_fits_is_taken_over_and_a_table_says_which(shipped, own, tmp_path, capsys):
    asked = tiny(own, tmp_path / "run", init=shipped, preset="", chunk=None, steps=1)
    policy, before = checkpoint.load(train(asked)), checkpoint.load(shipped)
    said = " ".join(capsys.readouterr().err.split())
    for line in (
        "camera desk as front looks from outside, too; 32x32 there, 32x40 here",
        "camera hand_cam as wrist looks from the hand, too",
        "observation.state partly 2 of 3 numbers; new: z.pos",
        "action taken over 2 of 2 numbers",
        "4 actions looking 0.20 s ahead; before, 4 looked 0.40 s ahead",
        "vision taken over",
        "actions alone train it",
    ):
        assert line in said
    train(dataclasses.replace(asked, steps=2))
    assert "was trained for something else" not in capsys.readouterr().err, "it goes on, and has said so"
    assert policy.features.cameras == OTHER.cameras
    assert policy.model.config.chunk == before.model.config.chunk
    assert policy.model.config.state_dim == 3
    frame = {image_key(c): np.zeros((*size, 3), np.uint8) for c, size in OTHER.cameras.items()}
    frame |= {STATE: np.zeros(3, np.float32), "task": "go to the red spot"}
    assert policy.act(frame).actions.shape == (4, 2)


def test_seeds_that_were_learned_from_before_still_count(shipped, own, tmp_path):
    policy = train(tiny(own, tmp_path / "run", init=shipped, steps=1))
    assert set(training_of(policy).seeds) == {(0, 2), (10, 12)}


def test_a_run_that_began_with_other_cameras_is_the_same_when_it_is_done_again(shipped, own, tmp_path):
    policies = [
        checkpoint.load(train(tiny(own, tmp_path / name, init=shipped, steps=2))) for name in ("a", "b")
    ]
    one, two = (policy.model.state_dict() for policy in policies)
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_cameras_of_other_names_in_another_order_show_the_policy_the_same(shipped):
    policy = checkpoint.load(shipped)
    features = dataclasses.replace(FEATURES, cameras={"hand": (32, 32), "top": (32, 32)}, points=())
    twin = transferred(policy, features, policy.stats, 4, "tiny")[0]
    drawn = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    told = {STATE: np.array([0.3, 0.6], np.float32), "task": "go to the red spot"}
    before = policy.act({**told, image_key("front"): drawn[0], image_key("wrist"): drawn[1]})
    now = twin.act({**told, image_key("top"): drawn[0], image_key("hand"): drawn[1]})
    np.testing.assert_allclose(now.actions, before.actions, atol=1e-5)


def test_a_state_means_the_same_by_other_statistics_and_a_new_number_nothing_yet(shipped):
    policy = checkpoint.load(shipped)
    had = policy.stats[STATE]
    has = dataclasses.replace(had, **{name: (*(3 * x + 1 for x in v), 1.0) for name, v in vars(had).items()})
    features = dataclasses.replace(FEATURES, state=OTHER.state)
    twin = transferred(policy, features, {**policy.stats, STATE: has}, 4, "tiny")[0]
    state = torch.tensor([[[0.2, -0.4]]])
    mean, std = torch.tensor(had.mean), torch.tensor(had.std)
    read = policy.model.context.embed_state((state - mean) / std)
    longer = torch.cat([state, torch.full((1, 1, 1), 7.0)], -1)
    again = twin.model.context.embed_state((longer - torch.tensor(has.mean)) / torch.tensor(has.std))
    torch.testing.assert_close(again, read, atol=1e-4, rtol=1e-4)


def test_another_chunk_is_asked_for_and_its_further_steps_begin_as_the_last(shipped, tmp_path):
    data = record(tmp_path / "data", range(3, 6))
    longer = checkpoint.load(train(tiny(data, tmp_path / "run", init=shipped, chunk=6, steps=1, lr=1e-12)))
    queries = longer.model.decoder.queries
    assert queries.shape[0] == 6
    torch.testing.assert_close(queries[4], queries[3])


def test_names_of_one_joint_stand_for_each_other_unless_two_arms_have_it():
    def arm(*names: str) -> tuple[Dimension, ...]:
        return tuple(Dimension(name=name, unit="deg") for name in names)

    before = dataclasses.replace(FEATURES, state=(), action=arm("shoulder_pan.pos", "gripper.pos"))
    one = dataclasses.replace(before, action=arm("main_gripper", "main_shoulder_pan"))
    assert Fit.of(before, one, (4, 4)).action == {0: 1, 1: 0}
    jaw = dataclasses.replace(before, action=arm("shoulder_pan.pos", "jaw"))
    ((*_, said),) = [row for row in _rows_of_numbers(Fit.of(before, jaw, (4, 4))) if row[0] == ACTION]
    assert "if jaw is gripper.pos, --rename jaw=gripper.pos takes it over" in said
    two = dataclasses.replace(before, action=arm("left_shoulder_pan.pos", "right_shoulder_pan.pos"))
    assert Fit.of(before, two, (4, 4)).action == {}


def test_every_weight_of_a_shape_that_features_decide_is_said_to_belong_to_something():
    row = table.MODELS["vla"]
    for decoder in ("regression", "flow"):
        models = [
            row.build({**row.presets["tiny"](features, chunk), "decoder": decoder}, features).state_dict()
            for features, chunk in ((FEATURES, 4), (OTHER, 5))
        ]
        shaped = {name for name in models[0] if models[0][name].shape != models[1][name].shape}
        known = {n for n in models[0] if n in row.indexed or f"{n.rpartition('.')[0]}.*" in row.indexed}
        assert shaped <= known


def test_a_size_that_is_typed_goes_with_the_names_that_a_policy_remembers(shipped, tmp_path):
    there = dataclasses.replace(FEATURES, cameras={"image": (32, 32), "wrist": (32, 32)}, points=())
    world = SpotWorld()
    for seed in range(3, 6):
        frames = rollout(world, world.expert(), seed, keep_frames=True).frames
        for frame in frames:
            frame.pop(POINTS, None)
            frame[image_key("image")] = frame.pop(image_key("front"))
        stage_episode(tmp_path / "data", there, frames, seed=seed, family="go")
    data = assemble(tmp_path / "data", there)
    knows = train(tiny(data, tmp_path / "knows", init=shipped, rename=("image=front",), steps=1))
    small = checkpoint.load(train(tiny(data, tmp_path / "small", init=knows, resize="16", steps=1)))
    assert small.features.cameras == {"front": (16, 16), "wrist": (16, 16)}
    assert small.features.renamed == {"image": "front"}
    assert small.features.scaled_from == {"front": (32, 32), "wrist": (32, 32)}
