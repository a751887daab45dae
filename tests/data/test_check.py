"""Each kind of fault of a dataset is found where it is, and a healthy one is left in peace."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sayso import cli
from sayso.data import format as fmt
from sayso.data.check import findings
from sayso.data.checks import stillness
from sayso.data.checks.asked import Asked
from sayso.data.checks.evidence import gather
from sayso.data.checks.finding import Severity, counted
from sayso.data.checks.table import CHECKS
from sayso.data.reader import Dataset
from sayso.models.words import Reading
from sayso.spec import ACTION, STATE, image_key
from small_arms import FRAMES, SENTENCES, arm, pose
from small_datasets import DATA, EPISODES, change, change_info, rows

ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    return arm(tmp_path_factory.mktemp("healthy") / "theirs")


@pytest.fixture
def root(healthy, tmp_path):
    return shutil.copytree(healthy, tmp_path / "arm")


def found(root, **asked):
    return findings(gather(root, Asked(hear=Reading.of, **asked)))


def one(root, check, severity=None, **asked):
    """Return the only finding of a check, and of a severity if that is said."""
    mine = [f for f in found(root, **asked) if f.check == check and severity in (None, f.severity)]
    assert len(mine) == 1, mine
    return mine[0]


def set_numbers(root, key, change_row):
    """Change the numbers of some rows: `change_row` has the row's number and its list of numbers."""
    values = rows(root, key)
    for row, numbers in enumerate(values):
        change_row(row, numbers)
    change(root, DATA, key, values, pa.list_(pa.float64()))


def shuffled(root):
    """Let the scenes of a dataset have been drawn from other seeds."""
    seeds = pq.read_table(root / EPISODES)[fmt.SEED_COLUMN].to_pylist()
    change(root, EPISODES, fmt.SEED_COLUMN, [100 + seed for seed in seeds], pa.int64())
    return root


def at(episode, frame):
    return episode * FRAMES + frame


# Healthy recordings


@pytest.mark.parametrize("theirs", [True, False])
def test_a_healthy_recording_of_ours_or_of_lerobot_is_left_in_peace(tmp_path, theirs):
    root = arm(tmp_path / "arm", theirs=theirs, cameras=("front", "wrist"))
    assert [f for f in found(root) if f.severity is not NOTE] == []
    assert [f for f in found(root, all_frames=True) if f.severity is not NOTE] == []


def test_each_check_has_a_name_of_its_own_and_stands_in_the_docs():
    page = (Path(__file__).resolve().parents[2] / "docs" / "data.md").read_text()
    assert len({row.name for row in CHECKS}) == len(CHECKS)
    assert [row.name for row in CHECKS if f"| {row.name} | {row.says} |" not in page] == []


# Numbers


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e20])
@pytest.mark.parametrize(("key", "word"), [(ACTION, "action"), (STATE, "state")])
def test_every_number_that_is_none_is_told_with_its_place_and_command(root, key, word, value):
    def damage(row, numbers):
        if row in (at(1, 7), at(1, 8), at(3, 0)):
            numbers[2] = value

    set_numbers(root, key, damage)
    told = one(root, "finite")
    assert (told.severity, told.episodes, told.frame) == (ERROR, (1, 3), 7)
    assert told.name == f"{word} elbow_flex.pos" and "(3 such frames)" in told.says
    assert told.remedy == f"sayso edit {root} --out {root}-mended --drop-episodes 1,3"


def test_a_dimension_that_hardly_moves_is_told_once(root):
    for key in (STATE, ACTION):
        set_numbers(root, key, lambda row, numbers: numbers.__setitem__(4, 12.0 + 1e-6 * (row % 2)))
    told = one(root, "frozen")
    assert told.severity is WARNING and "wrist_roll.pos" in told.name and "stays at 12" in told.says
    assert "--drop-dimensions wrist_roll.pos" in told.remedy


def test_a_joint_that_only_trembles_is_told(root):
    for key in (STATE, ACTION):
        set_numbers(root, key, lambda row, n: n.__setitem__(3, 7.0 + 0.2 * np.sin(row)))
    told = one(root, "noise")
    assert told.severity is WARNING and told.name == "action wrist_flex.pos" and "0.4 deg only" in told.says


def test_a_sensor_that_never_moves_though_it_is_commanded_is_an_error(root):
    set_numbers(root, STATE, lambda row, numbers: numbers.__setitem__(1, 3.0))
    told = one(root, "frozen")
    assert told.severity is ERROR and told.name == "state shoulder_lift.pos" and "stuck" in told.says


def test_a_sensor_that_is_stuck_in_one_episode_is_an_error_there(root):
    set_numbers(root, STATE, lambda row, numbers: numbers.__setitem__(0, 9.0) if row // FRAMES == 2 else None)
    told = one(root, "stuck")
    assert (told.severity, told.episodes, told.name) == (ERROR, (2,), "state shoulder_pan.pos")


def test_actions_of_metres_per_step_are_no_fault(root):
    set_numbers(
        root, ACTION, lambda row, numbers: numbers.__setitem__(slice(None), [n * 2e-5 for n in numbers])
    )
    assert not [f for f in found(root) if f.check == "frozen"]
    assert "times as far" in one(root, "targets").says and "wrist_roll.pos" in one(root, "targets").name


def test_an_episode_in_which_nobody_moves_is_told(tmp_path):
    root = arm(tmp_path / "arm", poses=lambda episode, step: pose(episode, step * (episode != 3)))
    told = one(root, "still", WARNING)
    assert told.episodes == (3,) and "--drop-episodes 3" in told.remedy


def test_a_dataset_in_which_nothing_moves_is_an_error(tmp_path):
    root = arm(tmp_path / "arm", poses=lambda episode, step: pose(0, 0))
    assert one(root, "still", ERROR)


def test_a_long_wait_at_the_beginning_is_worth_a_note(tmp_path):
    lengths = (120,) * 4
    root = arm(tmp_path / "arm", poses=lambda e, step: pose(e, max(0, step - 75)), lengths=lengths)
    told = one(root, "still", NOTE)
    assert told.says.startswith(
        "64% of the recording is idle: on average 2.5 s pass before the robot moves and"
    )
    assert "training leaves out the idle beginning" in told.remedy


def test_one_long_wait_among_many_episodes_is_worth_a_note_of_its_own(tmp_path, monkeypatch):
    def waits(episode, step):
        return pose(episode, max(0, step - 66 * (episode == 2)))

    monkeypatch.setattr(stillness, "COMMON", 0.5)  # as if there were many more
    told = one(arm(tmp_path / "arm", poses=waits, lengths=(90, 90, 150)), "still", NOTE)
    assert told.episodes == (2,) and "2.2 s pass before the robot moves" in told.says


def test_a_value_far_from_all_others_is_told(root):
    set_numbers(root, STATE, lambda row, n: n.__setitem__(3, 4095.0) if row in (at(2, 5), at(2, 6)) else None)
    told = one(root, "outliers")
    assert (told.episodes, told.frame, told.name) == ((2,), 5, "state wrist_flex.pos")
    assert "is 4095, but all others lie between -60 and 60" in told.says


def test_a_joint_that_jumps_is_told_once(root):
    set_numbers(root, STATE, lambda row, n: n.__setitem__(1, n[1] + 90) if row == at(4, 20) else None)
    told = one(root, "jumps")
    assert (told.episodes, told.frame, told.name) == ((4,), 20, "state shoulder_lift.pos")
    assert "faster than a joint can (2 such frames)" in told.says


def test_a_target_far_from_where_the_joint_is_is_told(root):
    far = {at(1, 19): 60, at(1, 20): 120, at(1, 21): 60}
    set_numbers(root, ACTION, lambda row, n: n.__setitem__(4, n[4] + far.get(row, 0)))
    told = one(root, "jumps")
    assert (told.episodes, told.name) == ((1,), "action wrist_roll.pos") and told.frame == 20
    assert "while the joint stands at" in told.says


def test_an_angle_that_starts_again_after_a_turn_is_called_so(root):
    def wrap(row, numbers):
        if row // FRAMES == 1 and row % FRAMES >= 30:
            numbers[4] -= 360

    set_numbers(root, STATE, wrap)
    set_numbers(root, ACTION, wrap)
    assert any("starts again after a whole turn" in f.says for f in found(root) if f.check == "jumps")


@pytest.mark.parametrize(("size", "said"), [(1, "holds 1 numbers, not 6"), (7, "holds 7 numbers, not 6")])
def test_rows_of_another_length_are_told_and_the_others_are_still_looked_at(root, size, said):
    def damage(row, numbers):
        if row == at(2, 4):
            numbers[:] = [1.0] * size
        if row == at(4, 4):
            numbers[0] = float("nan")

    set_numbers(root, ACTION, damage)
    told = one(root, "files")
    assert (told.severity, told.episodes, told.frame) == (ERROR, (2,), 4) and said in told.says
    assert one(root, "finite").episodes == (4,)


# Units


def test_numbers_that_the_arm_does_not_reach_are_told(root):
    set_numbers(root, STATE, lambda row, n: n.__setitem__(0, 1.6 * n[0] + 40))
    told = one(root, "units", WARNING)
    assert told.name == "state shoulder_pan.pos" and "so_follower reaches -110 to 110 deg only" in told.says


def test_radians_without_a_name_are_noticed(root):
    for key in (STATE, ACTION):
        set_numbers(root, key, lambda row, n: n.__setitem__(slice(5), [float(np.radians(x)) for x in n[:5]]))
    told = one(root, "units")
    assert told.severity is WARNING and "look like radians" in told.says and "--units rad" in told.remedy


def test_an_action_in_radians_over_a_state_in_degrees_is_an_error(root):
    set_numbers(root, ACTION, lambda row, n: n.__setitem__(0, float(np.radians(n[0]))))
    told = one(root, "targets")
    assert told.severity is ERROR and "the state is in degrees and the action in radians" in told.says


def test_an_action_that_stands_beside_the_state_all_along_is_told(root):
    set_numbers(root, ACTION, lambda row, n: n.__setitem__(2, n[2] + 45))
    told = one(root, "targets")
    assert told.severity is WARNING and told.name == "action elbow_flex.pos" and "calibrate" in told.remedy


def test_actions_that_are_changes_per_step_are_noticed(tmp_path):
    root = arm(tmp_path / "arm", actions=lambda e, step: pose(e, step + 1) - pose(e, step))
    assert "changes per step" in one(root, "targets").says


# Times


def test_a_gap_a_step_back_and_another_rate_are_told_each_in_its_way(root):
    times = np.array(rows(root, "timestamp"))
    gap = times + 0.2 * ((np.arange(len(times)) // FRAMES == 1) & (np.arange(len(times)) % FRAMES >= 10))
    change(root, DATA, "timestamp", gap, pa.float32())
    told = one(root, "times")
    assert (told.severity, told.episodes, told.frame) == (WARNING, (1,), 10) and "0.233 s pass" in told.says
    back = times.copy()
    back[at(3, 9)] = 0
    change(root, DATA, "timestamp", back, pa.float32())
    told = one(root, "times", ERROR)
    assert (told.episodes, told.frame) == ((3,), 9) and "does not come after" in told.says
    change(root, DATA, "timestamp", 2 * times, pa.float32())
    assert "rows come at 15 per second" in one(root, "times").says


def test_time_stamps_that_drift_are_told_with_how_far(root):
    times = np.array(rows(root, "timestamp"))
    change(root, DATA, "timestamp", times * 1.002, pa.float32())
    told = one(root, "times")
    assert told.severity is WARNING and "2.93 ms off" in told.says and "LeRobot" in told.says


# Instructions


def tasks(root, *texts):
    table = pa.table({"task_index": pa.array(range(len(texts)), pa.int64()), "task": list(texts)})
    pq.write_table(table, root / fmt.TASKS)


@pytest.mark.parametrize(
    ("texts", "check", "severity", "said"),
    [
        (("", "push it"), "instructions", ERROR, "its instruction is empty"),
        (("task", "push it"), "instructions", WARNING, "does not say what is done"),
        (("Push it.", "push it"), "said twice", WARNING, "in two ways"),
        (("push it", "push it"), "said twice", WARNING, "2 times"),
        (("поставь куб", "push it"), "reading", ERROR, "cannot read most words"),
        (("push the 🍎 to the left", "push it"), "reading", WARNING, "cannot read some words: '🍎'"),
        (("push " * 70 + "left", "push it"), "reading", WARNING, "does not read the end"),
    ],
)
def test_instructions_are_held_against_what_a_policy_reads(root, texts, check, severity, said):
    tasks(root, *texts)
    told = one(root, check)
    assert told.severity is severity and said in told.says and "sayso edit" in told.remedy


def test_instructions_that_are_one_to_the_policy_are_an_error(root):
    tasks(root, "push " * 70 + "left", "push " * 70 + "right")
    assert "are the same to the policy" in one(root, "reading", ERROR).says


def test_an_index_without_a_text_is_told_with_its_frames(root):
    tasks(root, SENTENCES[0])
    told = one(root, "instructions")
    assert (told.severity, told.episodes, told.frame) == (ERROR, (1, 3), 0) and "(but for 0)" in told.says


# Episodes


def test_episodes_far_shorter_or_longer_than_the_others_are_told(tmp_path):
    root = arm(tmp_path / "arm", lengths=(45, 45, 8, 45, 200, 45), sentences=SENTENCES[:1])
    told = [f for f in found(root) if f.check == "lengths"]
    assert (
        [f.episodes for f in told] == [(2,), (4,)] and "shorter" in told[0].says and "longer" in told[1].says
    )


def test_an_episode_that_is_there_twice_is_told_also_where_it_was_cut(tmp_path):
    root = arm(tmp_path / "arm", poses=lambda e, k: pose({3: 1}.get(e, e), k), lengths=(45, 45, 45, 30, 45))
    told = one(root, "copies")
    assert told.severity is WARNING and told.episodes == (3,) and "3 of 1" in told.says


def test_an_episode_that_is_held_out_as_well_is_a_leak(root, tmp_path):
    heldout = shuffled(arm(tmp_path / "heldout", poses=lambda e, k: pose(e + 4, k), lengths=(45, 45)))
    told = one(root, "leak", heldout=(heldout,))
    assert told.severity is ERROR and told.episodes == (4,) and "4 is 0 there" in told.says
    other = arm(tmp_path / "other", poses=lambda e, k: pose(e + 9, k), lengths=(45,))
    assert "4 is 0 there" not in one(root, "leak", heldout=(other,)).says, "the scene was drawn from one seed"
    shuffled(other)
    assert not [f for f in found(root, heldout=(other,)) if f.check == "leak"]


# Tables and files


def test_many_faults_of_info_json_are_told_at_once_and_the_rest_is_looked_at(root):
    def damage(info):
        info["fps"], info["robot_type"] = 0, ["so101"]
        info["features"]["observation.images.bad/name"] = info["features"][image_key("front")]

    change_info(root, damage)
    set_numbers(root, ACTION, lambda row, n: n.__setitem__(0, float("nan")) if row == 3 else None)
    said = " ".join(f.says for f in found(root) if f.severity is ERROR)
    for fault in ("fps is 0", "robot_type is ['so101']", "bad/name", "is nan"):
        assert fault in said


def test_every_file_that_is_damaged_is_told_not_only_the_first(root):
    for file in (EPISODES, fmt.TASKS):
        (root / file).write_bytes((root / file).read_bytes()[:-200])
    (root / fmt.STATS).write_text("{")
    said = " ".join(f.line for f in found(root))
    assert EPISODES in said and fmt.TASKS in said and "stats.json" in said


def test_rows_out_of_order_and_tables_that_disagree_are_told(root):
    table = pq.read_table(root / DATA)
    pq.write_table(pa.concat_tables([table.slice(0, 50), table.slice(55)]), root / DATA)
    told = {f.check: f for f in found(root) if f.severity is ERROR}
    assert told["order"].episodes == (1,) and "missing" in told["order"].says
    assert "40 frames in data, but 45" in told["episodes"].says
    pq.write_table(table.slice(0, 4 * FRAMES), root / DATA)
    assert "is in meta/episodes, but not in data" in one(root, "episodes").says


def test_totals_and_statistics_of_other_rows_are_told(root):
    change_info(root, lambda info: info.update(total_frames=7))
    stats = json.loads((root / fmt.STATS).read_text())
    stats[ACTION]["mean"][2] += 5
    (root / fmt.STATS).write_text(json.dumps(stats))
    assert "total_frames is 7, but 225" in one(root, "totals").says
    assert one(root, "statistics").name == "action elbow_flex.pos"


def test_a_changed_file_of_ours_is_told_by_its_name(tmp_path):
    root = arm(tmp_path / "arm", theirs=False)
    content = bytearray((root / fmt.TASKS).read_bytes())
    content[30] ^= 4
    (root / fmt.TASKS).write_bytes(content)
    assert "tasks.parquet is not what was recorded" in one(root, "digests").says


def test_depth_is_named_and_an_unknown_damage_that_only_the_reader_meets_is_an_error(root):
    depth = {"dtype": "video", "shape": [8, 8, 1], "names": None, "info": {"is_depth_map": True}}
    change_info(root, lambda info: info["features"].update({"observation.images.depth": depth}))
    assert "shows depth" in one(root, "columns").says
    change(root, DATA, "index", [*range(at(5, 0) - 1), 10**6], pa.int64())
    with pytest.raises(fmt.FormatError):
        Dataset(root)
    assert any(f.severity is ERROR for f in found(root))


def test_a_folder_that_is_no_dataset_any_more_has_findings_not_a_traceback(tmp_path):
    (tmp_path / "meta").mkdir()
    assert all(f.severity is ERROR for f in found(tmp_path))
    assert cli.main(["check", str(tmp_path)]) == 1


# The verb


def test_the_exit_code_tells_errors_and_with_strict_warnings(root, capsys):
    assert cli.main(["check", str(root)]) == 0
    tasks(root, "task", "push it")
    assert cli.main(["check", str(root)]) == 0 and cli.main(["check", str(root), "--strict"]) == 1
    tasks(root, "", "push it")
    assert cli.main(["check", str(root)]) == 1
    assert "1 error, 0 warnings" in capsys.readouterr().out
    assert cli.main(["check", str(root / "nowhere")]) == 2


def test_all_findings_are_written_as_json(root, capsys):
    tasks(root, "", "push it")
    assert cli.main(["check", str(root), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["episodes"], told["frames"], told["exit_code"]) == (5, 225, 1)
    first = told["findings"][0]
    assert (first["severity"], first["check"], first["episodes"]) == ("error", "instructions", [0, 2, 4])


def test_a_finding_is_one_line_that_begins_with_its_place(root, capsys):
    set_numbers(root, ACTION, lambda row, n: n.__setitem__(0, float("nan")) if row == at(2, 3) else None)
    cli.main(["check", str(root)])
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    place = "error finite episode 2, frame 3, action shoulder_pan.pos: is nan (1 such frame)"
    assert place in lines and f"-> sayso edit {root} --out {root}-mended --drop-episodes 2" in lines


def test_commands_that_would_miss_each_others_episodes_are_told_as_one_which_mends_it_all(root, capsys):
    set_numbers(root, ACTION, lambda row, n: n.__setitem__(0, float("nan")) if row == at(2, 3) else None)
    set_numbers(root, STATE, lambda row, n: n.__setitem__(3, 4095.0) if row == at(0, 5) else None)
    tasks(root, *SENTENCES[:1], "Todo")
    assert cli.main(["check", str(root), "--json"]) == 1
    command = shlex.split(json.loads(capsys.readouterr().out)["command"])
    assert "--drop-episodes" in command and "0,2" in command and "Todo=WHAT IS DONE" in command
    assert cli.main(command[1:]) == 0
    assert [f for f in found(root.with_name("arm-mended")) if f.severity is not NOTE] == []


def test_the_folder_one_stands_in_has_a_name_in_commands(root, monkeypatch, capsys):
    tasks(root, "Todo", "push it")
    monkeypatch.chdir(root)
    cli.main(["check", "."])
    assert f"sayso edit {root} --out {root}-mended" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("numbers", "words"),
    [((3,), "episode 3"),
     ((7, 3, 8, 9), "episodes 3, 7-9"),
     (range(0, 18, 2), "episodes 0, 2, 4, 6, 8, 10 and 3 more")],
)  # fmt: skip
def test_episodes_are_counted_shortly(numbers, words):
    assert counted(tuple(numbers)) == words
