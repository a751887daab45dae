"""Recordings of hands are slow and hesitate: chunks look further ahead, and idle beginnings teach nothing."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from sayso.data.layout import onset_rows
from sayso.data.reader import Dataset
from sayso.data.windows import Windows
from sayso.evaluation.action_error import action_error
from sayso.learn.imitate import open_windows, train
from sayso.loading import load
from sayso.models.collate import joined
from sayso.spec import ACTION, STATE, Chunk, SaysoError
from small_datasets import build
from small_trainings import begun, record, tiny

DESK = Path(__file__).parents[1] / "recordings" / "desk"
"""Six episodes of two seconds by LeRobot's own writer, 30 frames a second."""


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("data") / "ours", range(12))


def test_a_chunk_may_have_every_nth_action_and_never_leaves_its_episode(tmp_path):
    dataset = Dataset(build(tmp_path / "data"))
    windows = Windows(dataset, chunk=3, spacing=4)
    batch = windows.batch(range(len(windows)))
    row = 0
    for episode in dataset.episodes:
        for step in range(len(episode)):
            ahead = [step, step + 4, step + 8]
            places = [episode.start + min(k, len(episode) - 1) for k in ahead]
            np.testing.assert_array_equal(batch[ACTION][row], dataset.action[places])
            assert batch["action_is_pad"][row].tolist() == [k >= len(episode) for k in ahead]
            row += 1
    relative = Windows(dataset, chunk=1, spacing=4).stats["action.relative"]
    assert windows.stats["action.relative"].mean[:2] == pytest.approx(relative.mean)


def test_straight_lines_join_what_is_frames_apart():
    chunk = np.array([[0.0, 10.0], [3.0, 10.0], [-3.0, 4.0]], np.float32)
    np.testing.assert_allclose(joined(chunk, 3)[:, 0], [0, 1, 2, 3, 1, -1, -3], atol=1e-6)
    np.testing.assert_allclose(joined(chunk, 3)[:, 1], [10, 10, 10, 10, 8, 6, 4], atol=1e-6)
    assert joined(chunk, 1) is chunk and joined(chunk[:1], 5).tolist() == chunk[:1].tolist()


def test_the_first_motion_is_found_and_what_lies_before_it_left_out():
    dataset = Dataset(DESK)
    for episode in dataset.episodes:
        dataset.action[episode.start : episode.start + 20] = dataset.action[episode.start]
        dataset.action[episode.start + 20 : episode.stop] += 20.0
    assert onset_rows(dataset) == {e.index: e.start + 17 for e in dataset.episodes}
    # A tenth of a second before it is kept.
    every, moving = Windows(dataset, stride=2), Windows(dataset, stride=2, skip_idle=True)
    assert len(every) - len(moving) == 8 * len(dataset.episodes)
    np.testing.assert_array_equal(moving.batch([0])[STATE][0, 0], dataset.state[17])


def test_an_episode_that_never_moves_is_kept_whole(tmp_path):
    dataset = Dataset(build(tmp_path / "data"))
    dataset.action[:] = 1.0
    assert onset_rows(dataset) == {e.index: e.start for e in dataset.episodes}


def test_a_recording_made_elsewhere_is_planned_a_second_and_a_half_ahead_and_ours_a_chunk(ours, tmp_path):
    foreign = open_windows(tiny(DESK, tmp_path / "a", chunk=15))
    assert (foreign.spacing, foreign.features.spacing, foreign.skip_idle) == (3, 3, True)
    typed = open_windows(tiny(DESK, tmp_path / "b", chunk=15, spacing=1, idle="keep"))
    assert (typed.spacing, typed.skip_idle) == (1, False)
    own = open_windows(tiny(ours, tmp_path / "c"))
    assert (own.spacing, own.skip_idle) == (1, False)


def test_a_policy_remembers_how_far_apart_its_actions_are_and_acts_in_every_frame(tmp_path):
    policy = load(train(tiny(DESK, tmp_path / "run", chunk=4, spacing=5, resize="24")), threads=1)
    windows = Windows(Dataset(DESK), chunk=4, like=policy.features)
    batch = windows.batch([3])
    seen = {key: batch[key][0, -1] for key in batch if key.startswith("observation.")}
    answer = policy.act(seen | {"task": batch["task"][0]}).actions
    assert policy.features.spacing == windows.spacing == 5 and len(answer) == 16
    np.testing.assert_allclose(answer[1:5] - answer[:4], np.tile(answer[1] - answer[0], (4, 1)), atol=1e-3)
    later = open_windows(tiny(DESK, tmp_path / "later", init=tmp_path / "run" / "policy"))
    assert later.spacing == 5
    with begun(tiny(DESK, tmp_path / "other", init=tmp_path / "run" / "policy", spacing=2)) as (run, _, _):
        assert run.policy.features.spacing == 2 and run.policy.features.cameras == policy.features.cameras


def test_the_error_is_that_of_every_frame_whatever_the_spacing(ours):
    class Shown:
        def __init__(self):
            self.seen = iter(range(5))

        def act(self, observation):
            return Chunk(windows.shown([next(self.seen)], 7)[0][0] + 0.5)

        def reset(self):
            pass

    windows = Windows(Dataset(ours), chunk=2, spacing=3)
    found = action_error(Shown(), windows, np.arange(5))
    assert [d.chunk.error for d in found.dimensions] == pytest.approx([0.5, 0.5], abs=1e-5)
    assert STATE in windows.batch([0])


def test_a_run_from_before_goes_on_as_it_was_begun_and_not_otherwise(tmp_path):
    config = tiny(DESK, tmp_path / "run", chunk=4, spacing=1, idle="keep", resize="24")
    train(config)
    told = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert (told.pop("spacing"), told.pop("idle")) == (1, "keep")
    (tmp_path / "run" / "run.json").write_text(json.dumps(told), encoding="utf-8")
    copied = tmp_path / "copied"
    shutil.copytree(tmp_path / "run", copied)
    train(dataclasses.replace(config, out=copied, steps=5))
    with pytest.raises(SaysoError, match=r"--idle: keep there, skip now\n.*--spacing: 1 there, 11 now"):
        train(dataclasses.replace(config, steps=6, spacing=None, idle=""))
