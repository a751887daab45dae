"""A recording of LeRobot's own recorder is trained on, and the policy runs within limits and in its units."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from sayso import cli
from sayso.data.preview import summary
from sayso.data.reader import Dataset
from sayso.data.windows import Windows
from sayso.data.writer import assemble, stage_episode
from sayso.learn.imitate import TrainConfig, train
from sayso.models import checkpoint
from sayso.robots import JOINTS
from sayso.spec import ACTION, STATE, TASK, Dimension, Features, SaysoError, image_key

SIZE = (16, 24)
NAMES = tuple(f"{joint}.pos" for joint in JOINTS)

SENT = "would send "


def recorded(root: Path, most: float, robot_type: str = "so_follower", names=NAMES, unit: str = "") -> Path:
    """Record one short episode in which the wrist rolls so far, as LeRobot does: without units."""
    dimensions = tuple(Dimension(name=name, unit=unit) for name in names)
    features = Features(
        robot_type=robot_type, fps=30, state=dimensions, action=dimensions, cameras={"front": SIZE}
    )
    frames = []
    for step in range(20):
        pose = np.linspace(-1, 1, 20)[step] * np.array([40, 50, 60, 70, most, 0][: len(names)])
        pose[-1] = 50 + pose[0]
        picture = np.full((*SIZE, 3), 8 * step, np.uint8)
        numbers = pose.astype(np.float32)
        frames.append({image_key("front"): picture, STATE: numbers, ACTION: numbers, TASK: "roll the wrist"})
    stage_episode(root, features, frames, seed=0, family="roll")
    assemble(root, features)
    path = root / "meta" / "info.json"  # without all that is ours
    info = json.loads(path.read_text())
    info.pop("sayso", None)
    for key in (STATE, ACTION):
        info["features"][key].pop("info", None)
    path.write_text(json.dumps(info))
    (root / "meta" / "SHA256SUMS").unlink(missing_ok=True)
    return root


def trained(root: Path, dataset: Path, **more) -> Path:
    config = TrainConfig(
        datasets=(dataset,), out=root, preset="tiny", steps=2, batch_size=4, chunk=4, threads=1, **more
    )
    return train(config)


@pytest.mark.parametrize(("most", "unit"), [(117.8, "deg"), (100.0, "normalized")])
def test_a_policy_keeps_the_units_that_its_recording_left_out(tmp_path, most, unit, capfd):
    policy = trained(tmp_path / "run", recorded(tmp_path / "data", most))
    assert [d.unit for d in checkpoint.load(policy).features.action] == [unit] * 5 + ["%"]
    assert "The recording names no units" in capfd.readouterr().err.replace("\n", " ")
    given = ["run", str(policy), "roll", "--robot", "dry", "--seconds", "2", "--max-speed-deg-s", "1"]
    assert cli.main(given) == 0
    sent = [line[len(SENT) :] for line in capfd.readouterr().out.splitlines() if line.startswith(SENT)]
    numbers = np.array([[float(word) for word in line.split()[1::2]] for line in sent])
    # A line comes every half a second, in which a joint goes half a degree.
    assert len(numbers) > 2 and np.abs(np.diff(numbers[:, :5], axis=0)).max() < 0.6


def test_whoever_knows_the_unit_says_it(tmp_path):
    policy = trained(tmp_path / "run", recorded(tmp_path / "data", 90.0), units="deg")
    assert [d.unit for d in checkpoint.load(policy).features.action] == ["deg"] * 5 + ["%"]


def test_joints_are_counted_from_where_they_stand_in_every_unit(tmp_path):
    windows = Windows(Dataset(recorded(tmp_path / "data", 100.0)), chunk=4)
    first = np.array(windows.stats["action.relative"].mean).reshape(4, 6)[0]
    np.testing.assert_allclose(first[:5], 0, atol=1e-5)


def test_a_dataset_is_shown_with_the_units_that_its_recording_left_out_and_where_they_come_from(tmp_path):
    console = Console(record=True, width=200)
    console.print(summary(Dataset(recorded(tmp_path / "data", 117.8))))
    text = console.export_text()
    assert "117.8, beyond the 100" in text and "taken to be in degrees" in text
    rows = [line.split()[:2] for line in text.splitlines()]
    assert ["wrist_roll.pos", "deg"] in rows and ["gripper.pos", "%"] in rows


def test_what_is_recorded_later_in_the_same_way_has_the_policys_units(tmp_path):
    policy = trained(tmp_path / "run", recorded(tmp_path / "data", 117.8))
    more = trained(tmp_path / "more", recorded(tmp_path / "later", 60.0), init=policy)
    assert [d.unit for d in checkpoint.load(more).features.action] == ["deg"] * 5 + ["%"]


def test_a_unit_for_joints_that_have_one_or_are_none_is_refused(tmp_path):
    data = recorded(tmp_path / "data", 1.0, "own", names=("left_waist", "lift"))
    with pytest.raises(SaysoError, match="--units deg says nothing new of left_waist"):
        trained(tmp_path / "run", data, units="deg")


def test_a_robot_that_nobody_knows_runs_within_what_was_shown(tmp_path, capfd):
    data = recorded(tmp_path / "data", 1.0, "aloha", names=("left_waist", "left_shoulder"))
    policy = trained(tmp_path / "run", data)
    given = ["run", str(policy), "roll", "--robot", "dry", "--seconds", "0.3"]
    assert cli.main(given) == 0
    assert (
        "limits taken from the demonstrations: left_waist -48 to 48, left_shoulder 1 to 99"
        in capfd.readouterr().out
    )
    assert cli.main([*given, "--max-speed-deg-s", "10"]) == 2
    assert "would not limit left_waist, whose unit is not known" in capfd.readouterr().err


def test_a_recording_without_units_takes_those_of_another_of_the_same_robot(tmp_path, capfd):
    named = recorded(tmp_path / "named", 60.0, "so101")
    info = json.loads((named / "meta" / "info.json").read_text())
    for key in (STATE, ACTION):
        info["features"][key]["info"] = {"units": ["deg"] * 5 + ["%"]}
    (named / "meta" / "info.json").write_text(json.dumps(info))
    bare = recorded(tmp_path / "bare", 90.0)
    for datasets in ((named, bare), (bare, named)):
        windows = Windows([Dataset(root) for root in datasets], chunk=4)
        assert [d.unit for d in windows.features.action] == ["deg"] * 5 + ["%"]
        assert f"{bare} names no units and takes those of {named}" in windows.remarks[0]
    said = Windows([Dataset(named), Dataset(bare)], chunk=4, units="deg")
    assert [d.unit for d in said.features.state] == ["deg"] * 5 + ["%"]
    apart = Windows([Dataset(named), Dataset(bare)], chunk=4, units="normalized")
    assert [d.unit for d in apart.features.robots[1].state] == ["normalized"] * 5 + ["%"]
    assert len(apart.features.action) == 5 + 5 + 1
    assert "is deg and normalized, so it is learned as 2 numbers" in "".join(apart.remarks)


def test_units_that_the_joints_go_beyond_are_not_taken(tmp_path):
    named, bare = recorded(tmp_path / "named", 60.0), recorded(tmp_path / "bare", 117.8)
    info = json.loads((named / "meta" / "info.json").read_text())
    for key in (STATE, ACTION):
        info["features"][key]["info"] = {"units": ["normalized"] * 5 + ["%"]}
    (named / "meta" / "info.json").write_text(json.dumps(info))
    with pytest.raises(SaysoError, match=r"goes to .*117\.8, beyond the 100.5 of 'normalized'"):
        Windows([Dataset(named), Dataset(bare)], chunk=4)


def test_recordings_of_unlike_names_do_not_lend_each_other_units(tmp_path):
    named, other = recorded(tmp_path / "named", 60.0), recorded(tmp_path / "b", 90.0, names=NAMES[:5])
    info = json.loads((named / "meta" / "info.json").read_text())
    info["features"][ACTION]["info"] = info["features"][STATE]["info"] = {"units": ["deg"] * 5 + ["%"]}
    (named / "meta" / "info.json").write_text(json.dumps(info))
    first, second = Windows([Dataset(named), Dataset(other)], chunk=4).features.robots
    assert [d.unit for d in first.action] == ["deg"] * 5 + ["%"]
    assert {d.unit for d in second.action} == {"normalized"}


def test_whoever_trains_or_looks_reads_first_how_to_correct_the_units(tmp_path, capfd):
    data = recorded(tmp_path / "data", 90.0)
    assert cli.main(["show", str(data)]) == 0
    assert "train with --units deg" in " ".join(capfd.readouterr().out.split())
    trained(tmp_path / "run", data)
    assert capfd.readouterr().err.startswith("The recording names no units.")


def test_an_endless_instruction_with_commands_in_it_is_shown_in_one_short_line(tmp_path, capfd):
    root = recorded(tmp_path / "data", 90.0)
    path = root / "meta" / "tasks.parquet"
    table = pq.read_table(path)
    text = pa.array([f"\x1b[31m go\n{'on ' * 5000}"])
    pq.write_table(table.set_column(table.column_names.index("task"), "task", text), path)
    assert cli.main(["show", str(root), "--episodes", "1"]) == 0
    shown = capfd.readouterr().out
    assert "\x1b[31m" not in shown and len(shown) < 4000
