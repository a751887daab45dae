"""A package outside adds to sayso what it likes, one file each, and no line of sayso's is changed for it."""

import json
import os
import subprocess
import sys
import tomllib
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from contracts.world_contract import WorldContract
from sayso.runtime.remote import RemotePolicy
from small_servers import served_folder

OUTSIDE = Path(__file__).parent
SRC = Path(__file__).parents[2] / "src"
sys.path.append(str(OUTSIDE))  # for the contracts, which need no entry points


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """Install the package as pip would, without building it: its files beside what says what it offers."""
    project = tomllib.loads((OUTSIDE / "pyproject.toml").read_text())["project"]
    folder = tmp_path_factory.mktemp("site")
    (folder / "sayso_outside").symlink_to(OUTSIDE / "sayso_outside")
    info = folder / f"sayso_outside-{project['version']}.dist-info"
    info.mkdir()
    head = ("Metadata-Version: 2.1", f"Name: {project['name']}", f"Version: {project['version']}")
    (info / "METADATA").write_text("\n".join(head) + "\n")
    groups = [
        "\n".join([f"[{group}]", *(f"{name} = {where}" for name, where in rows.items())])
        for group, rows in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n\n".join(groups) + "\n")
    return folder


LISTENER = """
import contextlib, io, json, sys
from sayso.cli import main
for line in sys.stdin:
    said, wrong = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(wrong):
        code = main(json.loads(line))
    print(json.dumps([code, said.getvalue(), wrong.getvalue()]), flush=True)
"""


@pytest.fixture(scope="module")
def sayso(site, tmp_path_factory):
    """Call the command line where the package is installed, in one process for all; it must succeed."""
    there = tmp_path_factory.mktemp("work")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(site), str(SRC)]), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", LISTENER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=there,
    )

    def call(*arguments: str) -> str:
        process.stdin.write(json.dumps([str(argument) for argument in arguments]) + "\n")
        process.stdin.flush()
        code, said, wrong = json.loads(process.stdout.readline())
        assert code == 0, wrong
        return said

    call.folder = there
    yield call
    process.stdin.close()
    process.wait()


@pytest.fixture(scope="module")
def dataset(sayso) -> Path:
    sayso("record", "--world", "toy", "--episodes", "4", "--workers", "1", "--out", "toy")
    return sayso.folder / "toy"


@pytest.fixture(scope="module")
def policy(sayso, dataset) -> Path:
    given = "--preset tiny --steps 2 --batch-size 2 --threads 1 --eval-every 2 --eval-episodes 1 --world toy"
    sayso("train", "--datasets", "toy", "--out", "run", *given.split())
    return sayso.folder / "run" / "policy"


@pytest.fixture(scope="module")
def toy(sayso, dataset) -> Path:
    """A policy with the model from outside."""
    given = "--model toy --preset tiny --steps 2 --batch-size 2 --threads 1 --out toy-run"
    sayso("train", "--datasets", "toy", *given.split())
    return sayso.folder / "toy-run" / "policy"


class TestToyWorld(WorldContract):
    name = "toy"

    @pytest.fixture(autouse=True)
    def row(self):
        from sayso_outside.world import ENTRY

        self.entry = ENTRY


def test_a_world_from_outside_is_recorded_by_its_expert_and_shown(sayso, dataset):
    assert "toy_point" in sayso("show", "toy", "--episodes", "1")
    assert (sayso.folder / "toy-shown" / "film.mp4").exists()


def test_a_policy_learns_in_a_world_from_outside_and_is_measured_there(sayso, policy):
    sayso("eval", policy, "--world", "toy", "--episodes", "2", "--workers", "1", "--out", "report.json")
    report = json.loads((sayso.folder / "report.json").read_text())
    assert report["n"] == 2 and report["invalid"] == 0


def test_a_world_from_outside_departs_along_an_axis_of_its_own(sayso):
    given = ["--world", "toy", "--axis", "wind=4", "--episodes", "1", "--workers", "1", "--out", "windy.json"]
    assert "wind=4 (everything is blown along x at 0.4 m/s)" in sayso("eval", "expert", *given)


def test_a_domain_from_outside_is_laid_over_a_world_and_reported_under_its_name(sayso):
    given = ["--world", "tabletop", "--domain", "garage", "--families", "put", "--episodes", "1"]
    said = sayso("eval", "expert", *given, "--workers", "1", "--out", "garage.json")
    assert "domain garage (a striped floor, a pincushion lens, more friction" in said
    assert json.loads((sayso.folder / "garage.json").read_text())["invalid"] == 0


def test_an_objective_from_outside_is_what_is_learned_by(sayso, policy):
    given = "--preset tiny --steps 2 --batch-size 2 --threads 1 --objective toy-squared"
    sayso("train", "--datasets", "toy", "--out", "squared", *given.split())
    run = sayso.folder / "squared"
    assert json.loads((run / "run.json").read_text())["objective"] == "toy-squared"
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert all(0 < line["total"] <= line["largest"] ** 2 for line in lines) and len(lines) == 2
    assert (run / "policy" / "model.safetensors").read_bytes() != (policy / "model.safetensors").read_bytes()


def test_a_source_of_experience_from_outside_is_what_is_improved_from(sayso, policy):
    given = "--from toy-halving --pairs 8 --rounds 1 --episodes 1 --steps 20 --workers 1 --out improved"
    said = sayso("improve", policy, "--world", "toy", *given.split())
    assert "round 1: the new policy is not taken" in said
    weights = [folder / "model.safetensors" for folder in (policy, sayso.folder / "improved" / "policy")]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    assert (sayso.folder / "improved" / "round_1" / "halved" / "model.safetensors").exists()


def test_a_robot_from_outside_is_driven_within_its_limits(sayso, policy):
    given = "--seconds 1 --rest-s 0 --watchdog-ms 20000 --patience-s 30 --out run.json"
    sayso("run", policy, "go to the red spot", "--robot", "toy diary.txt", *given.split())
    lines = (sayso.folder / "diary.txt").read_text().splitlines()
    assert lines[0] == "connected" and lines[-1] == "disconnected" and len(lines) > 4
    assert all(abs(float(speed)) <= 1 for line in lines[1:-1] for speed in line.split())
    assert json.loads((sayso.folder / "run.json").read_text())["stopped"] == "its time was over"


def test_a_model_from_outside_is_trained_kept_and_measured(sayso, toy):
    assert json.loads((toy / "config.json").read_text())["model"]["type"] == "toy"
    sayso("eval", toy, "--world", "toy", "--episodes", "1", "--workers", "1", "--out", "model.json")
    assert json.loads((sayso.folder / "model.json").read_text())["invalid"] == 0


def test_a_model_from_outside_whose_chunks_are_relative_is_exported_as_it_is(sayso, toy):
    assert "action.relative" in json.loads((toy / "stats.json").read_text())
    given = "--engine torchscript --frames 4 --calls 1 --out exported"
    said = sayso("export", toy, *given.split())
    assert "differ" not in said
    assert "action.relative" in json.loads((sayso.folder / "exported" / "stats.json").read_text())


def test_a_model_from_outside_is_served_and_answers(site, toy):
    from sayso_outside.world import ENTRY

    observation, _ = ENTRY.make().reset(seed=1)
    with served_folder(toy, PYTHONPATH=str(site)) as url, closing(RemotePolicy(url)) as policy:
        assert replace(policy.features, points=()) == ENTRY.features
        assert policy.act(observation).actions.shape[1] == 2


def test_a_policy_drives_the_simulated_robot_of_a_world_from_outside(sayso, policy):
    said = sayso("run", policy, "go to the red spot", "--robot", "sim", "--seconds", "1")
    assert "go to the red spot" in said and "in scene 0" in said


def test_the_demonstration_shows_a_world_from_outside_scene_by_scene(sayso, policy):
    given = ("--checkpoint", policy, "--films", "films", "--no-interactive", "--instructions", "1")
    said = sayso("demo", "--world", "toy", *given)
    assert "go to the" in said and "conditions" not in said
    assert list((sayso.folder / "films").glob("1-go-to-the-*.mp4"))
