"""A policy learns from recordings that call their cameras otherwise, and remembers how."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from sayso.data.reader import Dataset
from sayso.data.writer import assemble, stage_episode
from sayso.evaluation.rollout import rollout
from sayso.learn.imitate import train
from sayso.models import checkpoint
from sayso.spec import ConfigError, Features, SaysoError, UnknownNameError, image_key
from small_trainings import record, tiny
from small_worlds import FEATURES, SpotWorld

THERE = {"front": "image", "wrist": "wrist_image"}
WORDS = ("observation.images.image=front", "wrist_image=wrist")


def theirs(root: Path, seeds: range) -> Path:
    """Record what `record` does, with other names."""
    features: Features = dataclasses.replace(
        FEATURES,
        cameras={THERE[camera]: size for camera, size in FEATURES.cameras.items()},
        points=tuple(f"{THERE[p.partition('.')[0]]}.{p.partition('.')[2]}" for p in FEATURES.points),
    )
    keys = {image_key(here): image_key(there) for here, there in THERE.items()}
    world = SpotWorld()
    for seed in seeds:
        frames = rollout(world, world.expert(), seed, keep_frames=True).frames
        shown = [{keys.get(key, key): value for key, value in frame.items()} for frame in frames]
        stage_episode(root, features, shown, seed=seed, family="go")
    return assemble(root, features)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("recordings")
    return record(folder / "ours", range(3)), theirs(folder / "theirs", range(3, 6))


def test_two_recordings_with_other_names_make_one_policy_that_acts_on_either(both, tmp_path):
    asked = dataclasses.replace(tiny(both[0], tmp_path / "run"), datasets=both, rename=WORDS)
    policy = checkpoint.load(folder := train(asked))
    written = json.loads((folder / "config.json").read_text())
    assert written["features"]["renamed"] == {"image": "front", "wrist_image": "wrist"}
    (frame,) = (dataset := Dataset(both[1])).frames(dataset.episodes[0], [2])
    ours = {image_key(here): frame[image_key(there)] for here, there in THERE.items()}
    np.testing.assert_array_equal(policy.act(frame).actions, policy.act({**frame, **ours}).actions)
    train(asked)  # finished: the same run
    with pytest.raises(SaysoError, match=r"--rename: observation\.images\.image=front .* there, nothing now"):
        train(dataclasses.replace(asked, rename=(), datasets=both[:1]))

    learned_on = dataclasses.replace(asked, datasets=both[1:], rename=(), init=folder, out=tmp_path / "on")
    assert checkpoint.load(train(learned_on)).features == policy.features
    single = dataclasses.replace(asked, datasets=both[:1], rename=(), out=tmp_path / "single")
    more = dataclasses.replace(learned_on, init=train(single), rename=WORDS, out=tmp_path / "more")
    assert checkpoint.load(train(more)).features.renamed == policy.features.renamed


def test_what_is_not_there_or_not_said_right_is_refused_before_anything_is_written(both, tmp_path):
    asked = dataclasses.replace(tiny(both[0], tmp_path / "run"), datasets=both)
    with pytest.raises(UnknownNameError, match=r"to rename 'imgae'. Did you mean 'image'\?"):
        train(dataclasses.replace(asked, rename=("imgae=front",)))
    with pytest.raises(ConfigError, match="rename is 'front', but is THEIRS=NAME"):
        dataclasses.replace(asked, rename=("front",))
    assert not asked.out.exists()
