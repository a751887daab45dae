"""A hundred wrong command lines, a full disk, a closed pipe: one sentence each, and no traceback."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from sayso import cli
from sayso.data.cameras import read_cameras
from sayso.data.clips import read_clips
from sayso.data.fit import check_fits
from sayso.evaluation import measure
from sayso.evaluation.report import training_of
from sayso.refusals import for_a_terminal, in_one_sentence
from sayso.spec import Dimension, FeatureMismatchError, Features, SaysoError, differences

SRC = Path(__file__).parents[1] / "src"

WRONG = {
    # verbs
    "recrod": "Did you mean 'record'?",
    "evaluate": "Did you mean 'eval'?",
    "EVAL": "there is no verb 'EVAL'",
    "--hepl": "there is no verb '--hepl'",
    "''": "there is no verb ''",
    # flags that there are none of
    "train --dataset d --out o": "Did you mean '--datasets'?",
    "train --data d --out o": "there is no flag of train '--data'",
    "eval expert --wolrd home": "Did you mean '--world'?",
    "eval expert --world home --epsiodes 3": "Did you mean '--episodes'?",
    "eval expert --world home --max-flims 3": "Did you mean '--max-films'?",
    "eval expert --world home --no-swop": "Did you mean '--no-swap'?",
    "record --world home --out o --noise.degree 3": "Did you mean '--noise.deg'?",
    "record --world home --out o --noise-deg 3": "Did you mean '--noise.deg'?",
    "serve p --prot 80": "Did you mean '--port'?",
    "run p words --robott sim": "Did you mean '--robot'?",
    "demo --wrold home": "Did you mean '--world'?",
    "studio --worlds home": "Did you mean '--world'?",
    "export p --engin onnx": "Did you mean '--engine'?",
    "show d --episode 3": "Did you mean '--episodes'?",
    "paraphrase p --wording w --out o": "Did you mean '--wordings'?",
    "eval expert --world=home --wrokers=3": "Did you mean '--workers'?",
    "eval expert --world home -e 3": "understands no '-e",
    # what is missing
    "eval": "needs CHECKPOINT",
    "eval expert": "needs --world",
    "eval --world home": "needs CHECKPOINT",
    "record": "needs --world and --out",
    "train": "--out",
    "show": "needs DATASET",
    "export": "needs CHECKPOINT",
    "serve": "needs CHECKPOINT",
    "run": "needs CHECKPOINT and INSTRUCTION",
    "run p": "needs INSTRUCTION",
    "paraphrase p": "needs --wordings and --out",
    "improve p --world home --out o": "needs --from",
    "eval expert --world": "Missing value for argument '--world'",
    "record --world home --out o --noise.burst-s 1": "'--noise.burst-s'. Expected 2 values",
    # what is too much
    "eval expert other --world home": "understands no 'other'",
    "show a b": "understands no 'b'",
    "run p a b": "the instruction needs quotes: sayso run p 'a b'",
    "eval expert --world home --swap yes": "understands no 'yes'",
    "eval expert --world tabletop --families put put": "name each family once",
    # of another kind
    "eval expert --world home --episodes abc": "--episodes: 'abc' is not a whole number",
    "eval expert --world home --episodes 1.5": "--episodes: '1.5' is not a whole number",
    "eval expert --world home --episodes ''": "--episodes: '' is not a whole number",
    "eval expert --world home --split tset": "there is no --split 'tset'. Did you mean 'test'?",
    "eval expert --world home --split train": "there is no --split 'train'",
    "record --world home --out o --noise.deg x": "--noise.deg: 'x' is not a number",
    "record --world home --out o --keep all": "there is no --keep 'all'",
    "record --world home --out o --split tests": "Did you mean 'test'?",
    "run p words --robot so11": "Did you mean 'so101'?",
    "run p words --hz fast": "--hz: 'fast' is not a number",
    "export p --engine onx": "Did you mean 'onnx'?",
    "export p --precision fp16": "there is no --precision 'fp16'",
    "serve p --port http": "--port: 'http' is not a whole number",
    "improve p --world home --from sucesses --out o": "Did you mean 'successes'?",
    "train --datasets d --out o --model lva": "Did you mean 'vla'?",
    "train --datasets d --out o --steps 1e4": "--steps: '1e4' is not a whole number",
    "train --datasets d --out o --decoder flwo": "Did you mean 'flow'?",
    "train --datasets d --out o --model.fusoin late": "Did you mean '--model.fusion'?",
    "train --datasets d --out o --model.fusion lat": "there is no --model.fusion 'lat'. Did you mean 'late'?",
    "train --datasets d --out o --model act --model.fusion late": "no flag of train '--model.fusion'",
    "train --datasets d --out o --model.chunk 8": "no flag of train '--model.chunk'",
    "train --datasets d --out o --model.width 63": "a width of 63 cannot be shared by 6 heads",
    "train --datasets d --out o --model.point-weight nan": "--model.point-weight is nan",
    "train --datasets d --out o --rename front": "--rename is 'front', but is THEIRS=NAME",
    "eval expert --world home --rename front=": "--rename is 'front=', but is THEIRS=NAME",
    "run p words --rename a=b b=c": "--rename has b as an old name and as a new one",
    "train --datasets d --out o --optimizer sgd": "there is no --optimizer 'sgd'",
    # out of range
    "eval expert --world home --episodes 0": "--episodes is 0, but must be at least 1",
    "eval expert --world home --episodes -3": "--episodes is -3, but must be at least 1",
    "eval expert --world home --start -1": "--start is -1, but must be at least 0",
    "eval expert --world home --workers -1": "--workers is -1",
    "eval expert --world home --execute 0": "--execute is 0",
    "eval expert --world home --threads 2": "--threads is 2, but in a world each process has one: --workers",
    "eval p --datasets d --swap": "--swap says nothing where --datasets are measured on",
    "eval p --datasets d --workers 2": "--workers says nothing where --datasets are measured on",
    "eval expert --world home --max_films -1": "--max-films is -1",
    "eval expert --world home --episodes 9999999999": "2145483648",
    "record --world home --out o --episodes -3": "--episodes is -3, but must be at least 1",
    "record --world home --out o --noise.deg -1": "--noise.deg is -1.0",
    "record --world home --out o --noise.m-per-s nan": "--noise.m-per-s is nan",
    "record --world home --out o --noise.correlation-steps 0": "correlation-steps is 0.0, but must be",
    "record --world home --out o --noise.burst-s 2 1": "--noise.burst-s is (2.0, 1.0)",
    "record --world home --out o --keep successes": "need a policy",
    "serve p --port 99999": "--port is 99999",
    "serve p --port -1": "--port is -1",
    "serve p --connections 0": "--connections is 0",
    "serve p --max-mb 0": "--max-mb is 0.0, but must be above 0",
    "serve p --idle-s inf": "--idle-s is inf",
    "run p words --hz -1": "--hz is -1.0",
    "run p words --seed -1": "--seed is -1",
    "run p words --watchdog-ms 0": "--watchdog-ms is 0.0, but must be above 0",
    "run p words --frozen-s -1": "--frozen-s is -1.0",
    "serve p --hung-s -1": "--hung-s is -1.0",
    "run p words --execute 0": "at least one action",
    "run p words --threads 0": "--threads is 0",
    "run p words --robot dry --cameras desk": "a camera is NAME=NUMBER or NAME=DEVICE, such as front=0",
    "export p --frames 0": "--frames is 0",
    "export p --tolerance 0": "--tolerance is 0.0, but must be above 0",
    "export p --engine torchscript --precision int8": "cannot compute in int8",
    "show d --episodes 0": "--episodes is 0",
    "train --datasets d --out o --steps 0": "--steps is 0",
    "train --datasets d --out o --ema 2": "--ema is 2",
    "train --datasets d --out o --batch-size 0": "--batch-size is 0",
    "train --datasets d --out o --threads -2": "--threads is -2",
    "train --datasets d --out o --grounding-share 1": "--grounding-share is 1",
    "train --out o --datasets": "no datasets are given",
    "improve p --world home --from successes --out o --hours 0": "--hours is 0.0, but must be above 0",
    "improve p --world home --from successes --out o --pairs 2": "--pairs is 2, but must be at least 8",
    "improve p --world home --from successes --out o --steps 3": "--steps is 3, but less than 20",
    "improve p --world home --from successes --out o --alpha 1": "--alpha is 1, but is a share",
    "paraphrase p --wordings w --out o --steps 0": "--steps is 0",
    "paraphrase p --wordings w --out o --drop 1": "--drop is 1",
    # what is not there
    "eval nowhere --world home": "nowhere",
    "improve nowhere --world home --from corrections --out o": "nowhere",
    "improve file --world home --from corrections --out o": "file",
    "eval file --world home": "file",
    "eval file/below --world home": "file",
    "show nowhere": "there is no folder nowhere",
    "show file": "file",
    "show file/below": "file",
    "export nowhere": "nowhere",
    "serve nowhere": "nowhere",
    "run nowhere words": "nowhere",
    "train --datasets nowhere --out o": "nowhere",
    "paraphrase nowhere --wordings w --out o": "nowhere",
    "eval expert --world hoem --episodes 1": "Did you mean 'home'?",
}
"""What was typed, in a folder with nothing but a file called "file", and words of the answer."""


@pytest.mark.parametrize("line", WRONG)
def test_a_wrong_command_line_is_answered_by_one_sentence(line, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("no dataset, no policy\n")
    assert cli.main(shlex.split(line)) == cli.EXIT_REFUSED
    told = capsys.readouterr()
    assert told.out == "" and told.err.startswith("sayso: ")
    assert len(told.err.splitlines()) == 1 and "Config(" not in told.err and "Error" not in told.err
    assert WRONG[line] in told.err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


RUN, POLICY = "runs/desk", "runs/desk/policy"
TAKEN_FOR = {
    "check dsk": "there is no folder dsk. Did you mean desk?",
    "check desk --heldout dsk": "there is no folder dsk. Did you mean desk?",
    "show runs/dsk": "Did you mean runs/desk?",
    "label dsk": "Did you mean desk?",
    "push dsk me/desk": "Did you mean desk?",
    f"check {RUN}": f"{RUN} is a training, not a dataset. It learned from desk: give that.",
    f"edit {RUN} --out new": f"{RUN} is a training, not a dataset. It learned from desk: give that.",
    f"train --datasets {RUN} --out new": f"{RUN} is a training, not a dataset. It learned from desk",
    f"check {POLICY}": f"{POLICY} is a policy, not a dataset; `sayso eval {POLICY} --datasets RECORDING`",
    f"show {POLICY}": f"{POLICY} is a policy, not a dataset",
    "eval desk --datasets desk": "not a policy; `sayso train --datasets desk --out runs/desk` makes one",
    "run desk words": "desk is a dataset, not a policy",
    "export desk": "desk is a dataset, not a policy",
}
"""What was typed where a dataset, a run and its policy are, and words of the answer."""


@pytest.mark.parametrize("line", TAKEN_FOR)
def test_a_folder_that_is_taken_for_another_kind_is_called_what_it_is(line, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for file, text in {
        "desk/meta/info.json": "{}",
        f"{RUN}/run.json": '{"steps": 1, "typed": {"datasets": ["desk"]}}',
        f"{POLICY}/config.json": "{}",
        f"{POLICY}/model.safetensors": "",
    }.items():
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_text(text)
    assert cli.main(shlex.split(line)) == cli.EXIT_REFUSED
    (told,) = capsys.readouterr().err.splitlines()
    assert TAKEN_FOR[line] in told


@pytest.mark.parametrize(
    "number", [errno.ENOSPC, errno.EACCES, errno.EISDIR, errno.ENOTDIR, errno.EROFS, errno.EIO]
)
def test_an_error_of_the_disk_says_where_what_and_what_to_do(number, capsys, monkeypatch):
    def fail(*_, **__):
        raise OSError(number, os.strerror(number), "/somewhere/report.json")

    monkeypatch.setattr(measure, "evaluate_policy", fail)
    assert cli.main(["eval", "expert", "--world", "home"]) == cli.EXIT_REFUSED
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("sayso: /somewhere/report.json: ") and line.count(". ") == 1


def test_a_bug_keeps_its_traceback(monkeypatch):
    def fail(*_, **__):
        raise IndexError("a bug")

    monkeypatch.setattr(measure, "evaluate_policy", fail)
    with pytest.raises(IndexError):
        cli.main(["eval", "expert", "--world", "home"])


def test_memory_that_is_not_there_is_a_sentence():
    assert "not enough memory" in in_one_sentence(MemoryError())


def test_what_a_file_says_is_quoted_as_text_that_no_terminal_obeys(tmp_path, capsys):
    clicks = tmp_path / "clicks.json"
    clicks.write_text(json.dumps({"cameras": {"\x1b]0;owned\x07" * 9000: {}}}), encoding="utf-8")
    with pytest.raises(SaysoError) as refused:
        read_cameras(clicks)
    said = for_a_terminal(f"{refused.value} \x1b[2J \x9b1m\nand so on")
    assert "\x1b" not in said and "\x9b" not in said and "\n" in said
    assert len(for_a_terminal("a" * 100_000)) < 3000
    assert cli.main(["verify", f"{tmp_path}/\x1b[31mnowhere"]) == cli.EXIT_REFUSED
    assert "\x1b" not in capsys.readouterr().err


def test_sentences_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "sentences.txt").write_bytes(b"can: put the can in the bowl\xff\n")
    with pytest.raises(SaysoError, match="no text in UTF-8"):
        read_clips(tmp_path, ["front"])


def test_an_error_that_was_raised_with_words_keeps_them():
    assert (
        in_one_sentence(FileNotFoundError("there is no checkpoint in 'x'")) == "there is no checkpoint in 'x'"
    )


def test_a_renderer_that_there_is_none_of_is_refused_with_the_nearest(capsys, monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "elg")
    assert cli.main(["eval", "expert", "--world", "home"]) == cli.EXIT_REFUSED
    (line,) = capsys.readouterr().err.splitlines()
    assert "MUJOCO_GL" in line and "Did you mean 'egl'?" in line and "unset MUJOCO_GL" in line


@pytest.mark.parametrize("arguments", [["--help"], ["eval", "--help"], ["--version"]])
def test_a_reader_that_leaves_early_hears_no_complaint(arguments):
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "sayso", *arguments],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(SRC)},
    )
    os.close(writing)
    assert (done.stderr, done.returncode) == ("", cli.EXIT_NO_READER)


def test_every_refusal_of_a_config_is_one_of_ours():
    with pytest.raises(SaysoError, match="episodes is 0"):
        measure.EvalConfig(world="home", episodes=0)


def test_features_that_do_not_fit_say_only_what_differs():
    joints = tuple(Dimension(name=f"joint_{k}.pos", unit="deg") for k in range(6))
    one = Features(robot_type="so101", fps=30, state=joints, action=joints, cameras={"front": (96, 96)})
    other = dataclasses.replace(
        one,
        state=(*joints[:5], Dimension(name="joint_5.pos", unit="%")),
        action=joints[:5],
        cameras={"front": (96, 128), "wrist": (64, 64)},
    )
    with pytest.raises(FeatureMismatchError) as refused:
        check_fits(one, other)
    assert str(refused.value) == (
        "policy and world do not fit: camera only in the world: wrist; camera front is 96 x 96 pixels in the "
        "policy and 96 x 128 pixels in the world; state joint_5.pos is deg in the policy and % in the world; "
        "action only in the policy: joint_5.pos"
    )


def test_the_same_names_in_another_order_do_not_fit():
    ends = (Dimension(name="x", unit="m"), Dimension(name="y", unit="m"))
    one = Features(robot_type="point", fps=10, state=ends, action=ends, cameras={})
    turned = dataclasses.replace(one, state=ends[::-1])
    assert differences(one, turned, "a", "b") == ["state has another order in b: y, x"]


SMALL_DISK = """
import resource, sys
from sayso import cli
from sayso.tasks.worlds import WORLDS
from small_worlds import SMALL_WORLDS
WORLDS.own.update(SMALL_WORLDS.own)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
few = ["--families", "go", "--episodes", "12", "--workers", "1"]
sys.exit(cli.main(["eval", "expert", "--world", "spots", *few, "--out", sys.argv[2]]))
"""


def test_an_evaluation_that_finds_no_room_says_so_and_loses_nothing(tmp_path):
    """A limit on the size of files stands for a full disk: the same errors, at the same places."""
    out = tmp_path / "report.json"
    path = os.pathsep.join([str(Path(__file__).parent), str(SRC)])

    def measure_with(room: int) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", SMALL_DISK, str(room), str(out)]
        return subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path})

    full = measure_with(3000)
    assert full.returncode == cli.EXIT_REFUSED and "Traceback" not in full.stderr
    assert "report.episodes.jsonl: file too large. " in full.stderr
    kept = len((tmp_path / "report.episodes.jsonl").read_bytes().splitlines()) - 2
    assert kept > 1 and not out.exists()
    done = measure_with(10**6)
    assert done.returncode == 0 and f"{kept}/12" not in done.stderr
    assert len(json.loads(out.read_text())["episodes"]) == 12


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"training": 3}', '{"training": {"seeds": 3}}'])
def test_a_damaged_account_of_a_training_is_named(content, tmp_path):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(SaysoError, match=r"config\.json .*damaged"):
        training_of(tmp_path)


WITHIN = {
    "eval {} --world home": ("runs/first", "Did you mean runs/first/policy?"),
    "run {} words": ("runs/first", "Did you mean runs/first/policy?"),
    "serve {}": ("runs", "Did you mean runs/first/policy?"),
    "export {}": ("runs/first", "Did you mean runs/first/policy?"),
    "paraphrase {} --wordings file --out o": ("runs/first", "Did you mean runs/first/policy?"),
    "train --datasets dataset --out o --init {}": ("runs/first", "Did you mean runs/first/policy?"),
    "record --world home --out o --policy {}": ("runs/first", "Did you mean runs/first/policy?"),
    "demo --checkpoint {}": ("ships/tabel", "Did you mean ships/table?"),
    "studio --policy {}": ("ships", "Did you mean ships/home or ships/table?"),
    "show {}": ("demos", "Did you mean demos/table?"),
    "show  {}": ("demos/tabel", "Did you mean demos/table?"),
}
"""What was typed, the folder that was named, and what was meant."""


@pytest.mark.parametrize("line", WITHIN)
def test_a_folder_above_or_beside_the_right_one_is_answered_with_the_right_one(
    line, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for name in ("runs/first/policy/config.json", "ships/home/config.json", "ships/table/config.json"):
        Path(name).parent.mkdir(parents=True)
        Path(name).write_text("{}")
    Path("demos/table/meta").mkdir(parents=True)
    Path("demos/table/meta/info.json").write_text("{}")
    Path("file").write_text('{"push the can": ["shove the can"]}')
    named, meant = WITHIN[line]
    assert cli.main(shlex.split(line.format(named))) == cli.EXIT_REFUSED
    assert meant in capsys.readouterr().err
