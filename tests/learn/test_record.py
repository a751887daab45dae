"""Recording demonstrations: which episodes are kept, whatever happens meanwhile."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from sayso.data.format import Ending
from sayso.data.reader import Dataset
from sayso.data.writer import stage_episode, staged
from sayso.evaluation.noise import ActionNoise
from sayso.evaluation.rollout import rollout
from sayso.learn.record import FAILED, RecordConfig, record, recording_seconds
from sayso.learn.recording import RECORDING
from sayso.spec import Outcome, SaysoError, UnknownNameError
from sayso.tasks.worlds import Worlds
from sayso.work.pool import WorkerError
from small_worlds import FEATURES, SMALL_WORLDS, SPOTS, SpotWorld, Still, spot_world

NOISE = ActionNoise(m_per_s=0.2)
SUCCESS, FAILURE = Outcome.SUCCESS, Outcome.FAILURE


def config(out: Path, **changes) -> RecordConfig:
    return RecordConfig(
        **({"world": "spots", "out": out, "episodes": 12, "workers": 2, "noise": NOISE} | changes)
    )


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    out = tmp_path_factory.mktemp("recorded") / "spots"
    return record(config(out), SMALL_WORLDS)


def kept(root: Path) -> set[tuple[str, int | None]]:
    return {(e.family, e.seed) for e in Dataset(root).episodes}


def first_successes(family: str, first: int, n: int, start: int = 0) -> list[int]:
    """Say, with one plain loop, which seeds should have been kept."""
    world, found, seed = SpotWorld(), [], start + first
    while len(found) < n:
        if rollout(world, world.expert(), seed, family=family, execute=1, noise=NOISE).success:
            found.append(seed)
        seed += 2
    return found


def test_each_family_keeps_the_first_seeds_that_succeed_in_equal_numbers(recording):
    expected = {("go", s) for s in first_successes("go", 0, 6)} | {
        ("visit", s) for s in first_successes("visit", 1, 6)
    }
    assert kept(recording.out) == expected
    endings = {episode.ending for episode in Dataset(recording.out).episodes}
    assert endings == {Ending(outcome=SUCCESS, reward=1.0, actor="expert")}


def test_failed_demonstrations_are_counted_and_not_kept(recording):
    lines = [json.loads(line) for line in (recording.out / FAILED).read_text().splitlines()]
    assert recording.failed == len(lines) > 0
    assert recording.invalid == 0
    assert all(line["failed_conditions"] for line in lines)
    assert not {(line["family"], line["seed"]) for line in lines} & kept(recording.out)
    assert f"{recording.failed} failed" in str(recording)


def test_the_dataset_holds_the_clean_actions_of_the_expert(recording):
    dataset = Dataset(recording.out)
    assert dataset.features == FEATURES
    episode = dataset.episodes[0]
    world = SpotWorld()
    again = rollout(
        world, world.expert(), episode.seed, family=episode.family, execute=1, keep_frames=True, noise=NOISE
    )
    rows = slice(episode.start, episode.stop)
    np.testing.assert_array_equal(dataset.action[rows], np.stack([f["action"] for f in again.frames]))
    np.testing.assert_array_equal(dataset.points[rows], np.stack([f["label.points"] for f in again.frames]))


def test_every_frame_is_labelled_with_something_else_that_could_be_asked(recording):
    dataset = Dataset(recording.out)
    world = spot_world()
    for episode in dataset.episodes:
        world.reset(seed=episode.seed, options={"family": episode.family})
        sentence, points = world.other_labels()
        rows = slice(episode.start, episode.stop)
        assert {dataset.tasks[k] for k in dataset.other_task_index[rows]} == {sentence} != {episode.tasks[0]}
        np.testing.assert_array_equal(dataset.other_points[rows], np.tile(points, (len(episode), 1)))


def test_the_seeds_that_come_next_are_fresh(recording):
    used = {seed for _, seed in kept(recording.out)}
    assert recording.next_start > max(used)


def test_recording_what_is_there_already_changes_nothing(recording):
    before = Dataset(recording.out).hash
    assert record(config(recording.out), SMALL_WORLDS) == recording
    assert Dataset(recording.out).hash == before


def test_the_time_of_a_recording_adds_up_over_the_calls_it_took(tmp_path):
    first = record(config(tmp_path / "timed"), SMALL_WORLDS).seconds
    assert first > 0
    assert record(config(tmp_path / "timed"), SMALL_WORLDS).seconds >= first
    assert recording_seconds(tmp_path / "timed") >= first
    assert recording_seconds(tmp_path) == 0


def test_one_worker_records_the_same_dataset_as_two(recording, tmp_path):
    alone = record(config(tmp_path / "alone", workers=1, families=("visit", "go")), SMALL_WORLDS)
    assert Dataset(alone.out).hash == Dataset(recording.out).hash


KILLED = """
import sys
from pathlib import Path
from small_worlds import SMALL_WORLDS
from sayso.learn.record import RecordConfig, record
from sayso.evaluation.noise import ActionNoise
noise = ActionNoise(m_per_s=0.2)
record(RecordConfig(world="slow", out=Path(sys.argv[1]), episodes=12, workers=2, noise=noise), SMALL_WORLDS)
"""


def test_a_recording_that_is_killed_and_resumed_holds_the_same_episodes(recording, tmp_path):
    out = tmp_path / "killed"
    path = os.pathsep.join([str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "src")])
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(out)],
        env=os.environ | {"PYTHONPATH": path},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while len(staged(out)) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=120)
    assert 3 <= len(staged(out)) < 12, "it must be interrupted in the middle for this test to say anything"
    record(config(out, world="slow"), SMALL_WORLDS)
    assert Dataset(out).hash == Dataset(recording.out).hash


def test_another_configuration_in_the_same_folder_is_refused_and_the_difference_named(recording):
    with pytest.raises(SaysoError, match="--start: 0 there, 100 now"):
        record(config(recording.out, start=100), SMALL_WORLDS)


def test_a_recording_begun_before_a_kind_of_noise_existed_can_be_continued(recording, tmp_path):
    out = tmp_path / "older"
    shutil.copytree(recording.out, out)
    begun = json.loads((out / RECORDING).read_text())
    del begun["config"]["noise"]["share"]
    (out / RECORDING).write_text(json.dumps(begun))
    assert record(config(out), SMALL_WORLDS).episodes == recording.episodes
    with pytest.raises(SaysoError, match=r"\(--noise.share: 0.3 there, 0.1 now\)"):
        record(config(out, noise=ActionNoise(m_per_s=0.2, share=0.1)), SMALL_WORLDS)


def test_an_unequal_number_is_rounded_up_to_equal_shares_and_that_is_said(tmp_path, capfd):
    done = record(config(tmp_path, episodes=3), SMALL_WORLDS)
    assert done.episodes == 4 and len(kept(tmp_path)) == 4
    assert "3 episodes cannot be shared equally by 2 families (go, visit): 4 are" in capfd.readouterr().err
    assert record(config(tmp_path, episodes=4), SMALL_WORLDS).episodes == 4


def test_unknown_families_are_refused(tmp_path):
    with pytest.raises(UnknownNameError):
        record(config(tmp_path, families=("go", "vist")), SMALL_WORLDS)


RECORD = """
import sys
sys.path[:0] = {tests!r}
from pathlib import Path
from test_record import config
from small_worlds import SMALL_WORLDS
from sayso.learn.record import record
from sayso.spec import SaysoError

try:
    print(record(config(Path(sys.argv[1])), SMALL_WORLDS))
except SaysoError as error:
    sys.exit(str(error))
"""


def recording_process(out: Path) -> subprocess.Popen[str]:
    code = RECORD.format(tests=[str(folder) for folder in Path(__file__).parents[:2]])
    return subprocess.Popen(
        [sys.executable, "-c", code, str(out)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_of_two_that_record_into_one_folder_one_is_refused_and_the_dataset_is_whole(recording, tmp_path):
    out = tmp_path / "d"
    one, other = recording_process(out), recording_process(out)
    said = [process.communicate()[1] for process in (one, other)]
    assert sorted([one.returncode, other.returncode]) == [0, 1]
    refused = said[0] if one.returncode else said[1]
    pid = other.pid if one.returncode else one.pid
    assert f"{out} is in use: recording, by process {pid} on" in refused
    assert Dataset(out).hash == Dataset(recording.out).hash


def half_recorded(out: Path, recording) -> list[Path]:
    """Stage some of a recording's episodes, as a kill would leave them, and return their folders."""
    shutil.copytree(recording.out, out, ignore=shutil.ignore_patterns("meta", "data", "videos"))
    world = SpotWorld()
    keys = sorted(kept(recording.out))[::2]
    for family, seed in keys:
        episode = rollout(
            world, world.expert(), seed, family=family, execute=1, keep_frames=True, noise=NOISE
        )
        ending = Ending(outcome=episode.outcome, reward=episode.reward, actor="expert")
        stage_episode(out, FEATURES, episode.frames, seed=seed, family=family, ending=ending)
    return [out / "staging" / f"episode-{seed}-{family}" for family, seed in keys]


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    path.write_bytes(content)


DAMAGES = {
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "flipped": flip,
    "deleted": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_staged_episode_is_named_and_recorded_anew(recording, tmp_path, damage, capfd):
    folders = half_recorded(tmp_path / "d", recording)
    for folder, name in zip(folders, ("episode.json", "arrays.npz", "front.mp4", "wrist.mp4"), strict=False):
        DAMAGES[damage](folder / name)
    done = record(config(tmp_path / "d"), SMALL_WORLDS)
    assert done.episodes == recording.episodes
    assert Dataset(done.out).hash == Dataset(recording.out).hash
    said = capfd.readouterr().err
    assert said.count("is damaged") == said.count("It is recorded anew") == min(4, len(folders))
    assert str(folders[0]) in said


def test_an_episode_staged_before_there_were_digests_is_kept_if_it_is_whole(recording, tmp_path, capfd):
    folders = half_recorded(tmp_path / "d", recording)
    for folder in folders:
        (folder / "SHA256SUMS").unlink()
    os.truncate(folders[0] / "front.mp4", 100)
    record(config(tmp_path / "d"), SMALL_WORLDS)
    assert capfd.readouterr().err.count("is damaged") == 1


def test_what_a_kill_left_half_staged_is_swept_away(recording, tmp_path):
    half_recorded(tmp_path / "d", recording)
    (tmp_path / "d/staging/.partial-123").mkdir()
    (tmp_path / "d/staging/.partial-123/front.mp4").write_bytes(b"half")
    (tmp_path / "d/staging/episode-3-go").write_text("a file where a folder should be")
    assert Dataset(record(config(tmp_path / "d"), SMALL_WORLDS).out).hash == Dataset(recording.out).hash
    assert not (tmp_path / "d/staging").exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"config": 3}', b"\xff\xfe"])
def test_a_damaged_description_of_a_recording_is_told_with_a_remedy(recording, tmp_path, content):
    half_recorded(tmp_path / "d", recording)
    (tmp_path / "d" / RECORDING).write_bytes(content)
    with pytest.raises(SaysoError, match=r"recording\.json is damaged.*another folder"):
        record(config(tmp_path / "d"), SMALL_WORLDS)
    with pytest.raises(SaysoError, match="just delete it"):
        recording_seconds(tmp_path / "d")


def test_a_missing_description_is_told(recording, tmp_path):
    half_recorded(tmp_path / "d", recording)
    (tmp_path / "d" / RECORDING).unlink()
    with pytest.raises(SaysoError, match=r"no recording\.json.*another folder"):
        record(config(tmp_path / "d"), SMALL_WORLDS)


def test_a_line_of_failures_that_was_cut_short_swallows_no_other(recording, tmp_path):
    half_recorded(tmp_path / "d", recording)
    path = tmp_path / "d" / FAILED
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([b"null\n", b"\xff\n", *lines])[:-10])
    done = record(config(tmp_path / "d"), SMALL_WORLDS)
    assert done.failed == recording.failed and done == dataclasses.replace(recording, out=done.out)
    assert json.loads(path.read_bytes().splitlines()[-1])["seed"] == json.loads(lines[-1])["seed"]


def test_a_damaged_finished_dataset_is_told_by_its_file(recording, tmp_path):
    shutil.copytree(recording.out, tmp_path / "d")
    (path,) = (tmp_path / "d/meta/episodes").rglob("*.parquet")
    os.truncate(path, 100)
    with pytest.raises(SaysoError, match=r"file-000\.parquet cannot be read"):
        record(config(tmp_path / "d"), SMALL_WORLDS)


def test_a_full_disk_is_told_in_a_sentence_and_nothing_is_lost(recording, small_disk):
    with pytest.raises(SaysoError, match=r"[Nn]o space left"):
        record(config(small_disk / "d", workers=1), SMALL_WORLDS)
    for path in small_disk.glob("filler*"):
        path.unlink()
    assert Dataset(record(config(small_disk / "d"), SMALL_WORLDS).out).hash == Dataset(recording.out).hash


@pytest.fixture
def small_disk(tmp_path):
    """A disk with room for a few episodes only, until its fillers are deleted."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8M", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a disk can be mounted by root only")
    (disk / "filler").write_bytes(bytes(8 * 2**20 - 120_000))
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_world_that_cannot_be_built_is_an_error(tmp_path):
    broken = dataclasses.replace(SPOTS, make=partial(SpotWorld, hurry=1))
    with pytest.raises(WorkerError, match=r"TypeError: .*'hurry'"):
        record(config(tmp_path), Worlds({"spots": lambda: broken}))


def test_a_world_that_is_not_there_is_answered_with_the_nearest(tmp_path):
    with pytest.raises(UnknownNameError, match="Did you mean 'spots'"):
        record(config(tmp_path, world="spot"), SMALL_WORLDS)


def test_an_expert_that_hardly_ever_succeeds_stops_the_recording(tmp_path):
    hurried = dataclasses.replace(SPOTS, make=partial(SpotWorld, horizon=1))
    with pytest.raises(SaysoError, match="expert of 'go' succeeded 0 times"):
        record(config(tmp_path, families=("go",)), Worlds({"spots": lambda: hurried}))


def test_a_split_other_than_train_draws_other_seeds(tmp_path):
    made = record(config(tmp_path / "v", split="validation", episodes=2), SMALL_WORLDS)
    assert all(seed >= 1_000_000 for _, seed in kept(made.out))


def still(world):
    return Still()


def test_a_policy_that_acts_is_corrected_by_the_expert_and_its_failures_are_kept(tmp_path):
    wanted = config(tmp_path / "d", episodes=2, policy=tmp_path / "policy", noise=ActionNoise(m_per_s=0.0))
    recorded = record(wanted, SMALL_WORLDS, still)
    dataset = Dataset(recorded.out)
    assert recorded.episodes == 2 and recorded.failed == 0
    assert {e.ending for e in dataset.episodes} == {Ending(outcome=FAILURE, reward=0.0, actor="policy")}
    acted = Still().act({}).actions[0]
    assert not np.array_equal(dataset.action, np.broadcast_to(acted, dataset.action.shape))


def test_the_expert_takes_over_at_a_moment_of_each_seed_and_finishes(tmp_path):
    wanted = config(
        tmp_path / "d", episodes=8, policy=tmp_path / "policy", noise=ActionNoise(m_per_s=0.0), handover=0.3
    )
    dataset = Dataset(record(wanted, SMALL_WORLDS, still).out)
    done = [episode for episode in dataset.episodes if episode.ending.outcome is SUCCESS]
    assert len(done) >= 4  # it gives up on spots in the corner
    stood = []
    for episode in done:
        moved = np.abs(np.diff(dataset.state[episode.start : episode.stop], axis=0)).max(axis=1) > 1e-6
        stood.append(int(np.argmax(moved)))
        assert moved[
            stood[-1] : -1
        ].all()  # the policy stood still, then the expert went on until it was done
    assert len(set(stood)) > 1 and max(stood) <= 0.3 * SpotWorld().horizon + wanted.execute


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"handover": 1.5, "policy": "p"}, "must be a share from 0 to 1, but is 1.5"),
        ({"handover": 0.5}, "from a --policy to the expert"),
        ({"handover": 0.5, "policy": "p", "keep": "successes"}, "from a --policy to the expert"),
    ],
)
def test_a_handover_that_cannot_be_is_refused(tmp_path, changes, why):
    with pytest.raises(SaysoError, match=why):
        config(tmp_path, **changes)


def test_a_policy_needs_both_a_folder_and_a_way_to_load_it(tmp_path):
    with pytest.raises(ValueError, match="folder"):
        record(config(tmp_path / "d", policy=tmp_path), SMALL_WORLDS)


def acting_expert(world):
    return world.expert()


def test_of_a_policys_own_episodes_the_successes_are_kept_and_the_attempts_counted(tmp_path):
    wanted = config(tmp_path / "own", policy=tmp_path / "p", keep="successes", noise=NOISE)
    recorded = record(wanted, SMALL_WORLDS, acting_expert)
    assert recorded.episodes + recorded.failed == 12 and recorded.failed > 0
    assert recorded.next_start == 12
    tried = {(family, seed) for first, family in enumerate(("go", "visit")) for seed in range(first, 12, 2)}
    assert kept(recorded.out) < tried
    endings = {episode.ending for episode in Dataset(recorded.out).episodes}
    assert endings == {Ending(outcome=SUCCESS, reward=1.0, actor="policy")}
    assert record(wanted, SMALL_WORLDS, acting_expert) == recorded


def test_the_actions_of_own_successes_are_those_that_were_executed(tmp_path):
    wanted = config(tmp_path / "own", policy=tmp_path / "p", keep="successes", noise=NOISE, execute=1)
    dataset = Dataset(record(wanted, SMALL_WORLDS, acting_expert).out)
    for episode in dataset.episodes:
        rows = slice(episode.start, episode.stop)
        state, action = dataset.state[rows], dataset.action[rows]
        reached = np.clip(state[:-1] + action[:-1] / 10, 0, 1)
        np.testing.assert_allclose(state[1:], reached, atol=1e-6)
        assert np.abs(action).max() <= 1


def test_a_policy_that_never_succeeds_leaves_no_dataset_and_the_error_says_so(tmp_path):
    wanted = config(tmp_path / "own", policy=tmp_path / "p", keep="successes", episodes=4)
    with pytest.raises(SaysoError, match="none of 4 attempts"):
        record(wanted, SMALL_WORLDS, still)
    assert len((tmp_path / "own" / FAILED).read_text().splitlines()) == 4


def test_own_successes_need_a_policy(tmp_path):
    with pytest.raises(ValueError, match="own successes need a policy"):
        config(tmp_path, keep="successes")


def test_a_recording_begun_before_one_could_choose_what_to_keep_can_be_continued(recording, tmp_path):
    out = tmp_path / "older"
    shutil.copytree(recording.out, out)
    begun = json.loads((out / RECORDING).read_text())
    del begun["config"]["keep"]
    (out / RECORDING).write_text(json.dumps(begun))
    assert record(config(out), SMALL_WORLDS).episodes == recording.episodes
