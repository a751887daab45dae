"""`sayso verify` tells what is as it was written from what is not, by the file's name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from sayso import cli
from sayso.data.verify import VerifyConfig, found_in, verdict, verify
from sayso.spec import SaysoError
from sayso.work.digests import SUMS, write_digests
from small_datasets import build, foreign

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("config.json", "model.safetensors", "stats.json")


@pytest.fixture
def dataset(tmp_path):
    return build(tmp_path / "d")


@pytest.fixture
def policy(tmp_path):
    folder = tmp_path / "runs" / "mine" / "policy"
    folder.mkdir(parents=True)
    for name in NAMES:
        (folder / name).write_text(f'{{"of": "{name}"}}')
    write_digests(folder, NAMES)
    (folder / "README.md").write_text("a person's words")
    return folder


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_every_policy_that_is_shipped_is_whole(capsys):
    assert cli.main(["verify", str(ROOT / "checkpoints")]) == 0
    said = capsys.readouterr().out.splitlines()
    assert len(said) == len(list((ROOT / "checkpoints").iterdir()))
    assert all(": whole, " in line for line in said)


def test_a_training_is_searched_for_what_can_be_verified(policy, tmp_path):
    step = policy.parent / "checkpoints" / "step_00000010"
    step.mkdir(parents=True)
    (step / "state.safetensors").write_bytes(b"tensors")
    (policy.parent / "run.json").write_text("{}")
    assert found_in(tmp_path / "runs") == [step, policy]
    told = []
    assert verify([policy.parent], VerifyConfig(), told.append) == 2
    assert told == [
        f"{step}: nobody can tell, for it has no {SUMS}: older versions wrote none",
        f"{policy}: whole, 3 files as written",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_flipped_bit_of_a_policy_is_told_with_its_file(policy, name):
    flip(policy / name)
    assert str(verdict(policy)) == f"{policy}: not as it was written: {name} was changed"
    assert verify([policy], VerifyConfig(), print) == 1


def test_what_is_missing_and_what_is_unknown_are_told_at_once(policy):
    (policy / "stats.json").unlink()
    (policy / "run_me.py").write_text("print('no')")
    (policy / ".DS_Store").write_text("a file manager's own")
    said = "stats.json is missing; run_me.py is unknown"
    assert str(verdict(policy)) == f"{policy}: not as it was written: {said}"


@pytest.mark.parametrize("line", ["", "x", f"{'0' * 64}  ../outside", f"{'0' * 64}  /etc/passwd", "\udcff"])
def test_a_damaged_list_vouches_for_nothing(policy, line):
    (policy / SUMS).write_text(line, encoding="utf-8", errors="surrogateescape")
    assert verdict(policy).changed == (SUMS,)


def test_a_dataset_is_whole_until_any_of_its_files_is_changed(dataset):
    assert ": whole, " in str(verdict(dataset))
    files = sorted(p for folder in ("meta", "data", "videos") for p in (dataset / folder).rglob("*.*"))
    for path in (path for path in files if path.is_file() and path.name != "sayso.json"):
        before = path.read_bytes()
        flip(path)
        assert verdict(dataset).code == 1, path
        assert path.relative_to(dataset).as_posix() in str(verdict(dataset))
        path.write_bytes(before)
    assert verdict(dataset).code == 0


def test_a_file_put_into_a_dataset_and_one_taken_out_are_told(dataset):
    shutil.copy(dataset / "data/chunk-000/file-000.parquet", dataset / "data/chunk-000/file-001.parquet")
    (video,) = list((dataset / "videos").rglob("*.mp4"))[:1]
    video.unlink()
    found = verdict(dataset)
    assert found.unknown == ("data/chunk-000/file-001.parquet",)
    assert found.missing == (video.relative_to(dataset).as_posix(),) and found.code == 1


def test_a_recording_of_other_software_and_one_it_has_written_anew_cannot_be_told(dataset):
    info = dataset / "meta/info.json"
    info.write_text(json.dumps(json.loads(info.read_text("utf-8")), indent=4) + "\n", encoding="utf-8")
    assert "other software has written it since" in str(verdict(dataset)) and verdict(dataset).code == 2
    foreign(dataset)
    assert "no meta/sayso.json" in str(verdict(dataset)) and verdict(dataset).code == 2


def test_metadata_that_is_cut_is_damage_and_no_other_softwares(dataset):
    (dataset / "meta/info.json").write_text("{", encoding="utf-8")
    assert verdict(dataset).changed == ("meta/info.json",)


def test_what_is_nothing_of_ours_is_refused_in_a_sentence(tmp_path):
    with pytest.raises(SaysoError, match="holds no policy, no export, no training and no dataset"):
        verify([tmp_path], VerifyConfig())
    with pytest.raises(SaysoError, match="does not exist"):
        verify([tmp_path / "nowhere"], VerifyConfig())
    (tmp_path / "file").write_text("")
    with pytest.raises(SaysoError, match="name the folder"):
        verify([tmp_path / "file"], VerifyConfig())
