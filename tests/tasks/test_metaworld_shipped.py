"""The policy that is shipped for Meta-World is run, shown, put on the page, exported, verified and served."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path

import numpy as np
import pytest

from sayso import cli, loading
from sayso.runtime.remote import RemotePolicy
from sayso.sim.disturbance import Disturbance
from sayso.spec import STATE
from sayso.studio.config import SessionConfig
from sayso.studio.session import Session
from sayso.tasks.sawyer import CAMERA
from sayso.tasks.worlds import make_world
from small_servers import served_folder

pytest.importorskip("metaworld", reason="Meta-World is not installed: pip install 'sayso[metaworld]'")
pytestmark = pytest.mark.usefixtures("one_thread")
SHIPPED = Path(__file__).resolve().parents[2] / "checkpoints" / "metaworld"
PRESS = "Press a button"
PATIENT = {"strategy": "synchronous", "watchdog_ms": 60_000.0, "patience_s": 60.0, "rest_s": 0.05}
"""The robot waits for its answers, so that what it achieves does not depend on how fast they come."""
OVER = ("Done", "Not done", "I did not understand", "The robot stopped", "That did not work")


def flags(**given) -> list[str]:
    return [word for name, value in given.items() for word in (f"--{name.replace('_', '-')}", str(value))]


def carried_out(session: Session, sentence: str):
    """Tell the page something and return what it shows in the end."""
    session.tell(sentence)
    until = time.monotonic() + 120
    while session.view.headline not in OVER or session.view.lines[:1] == ():
        assert time.monotonic() < until, session.view
        if session.view.headline == "I did not understand":
            break
        time.sleep(0.05)
    return session.view


def test_it_is_run(tmp_path):
    given = flags(**PATIENT, out=tmp_path / "run.json")
    assert cli.main(["run", str(SHIPPED), PRESS, *given]) == 0
    assert json.loads((tmp_path / "run.json").read_text())["stopped"] == "success"


def test_the_demonstration_shows_it_scene_by_scene(tmp_path, capsys):
    given = flags(world="metaworld", films=tmp_path, instructions=1, seed=1)
    assert cli.main(["demo", "--no-interactive", *given]) == 0
    assert "success (task_solved yes)" in capsys.readouterr().out and len(list(tmp_path.glob("1-*.mp4"))) == 1


def test_the_page_draws_it_and_each_sentence_begins_the_scene_of_its_task():
    policy, features = loading.policy_and_features(str(SHIPPED), 1)
    with contextlib.closing(Session(policy, features, SessionConfig(world="metaworld", **PATIENT))) as page:
        began = page.view
        assert began.examples[0] == PRESS and len(set(began.examples)) == 4
        assert set(began.images) == set(features.cameras) and set(began.scene.cameras) == {CAMERA}
        paths = []
        page._site.path_m = lambda *given, known=page._site.path_m: paths.append(known(*given)) or paths[-1]
        shown = carried_out(page, PRESS)
        assert shown.headline == "Done" and shown.conditions == {"task_solved": True}
        assert [(line.sentence, line.mark) for line in shown.lines] == [(PRESS, "done")]
        assert all(np.linalg.norm(np.diff(path, axis=0), axis=1).max() < 0.0174 for path in paths) and paths
        page.tell("open the can")
        while "Known: " not in page.view.detail:
            time.sleep(0.05)
        assert page.view.headline == "I did not understand"
        bright, scene = page.view.images[CAMERA].mean(), page.view.scene
        page.disturb(Disturbance(light=0.4, right_m=0.05))
        while page.view.images[CAMERA].mean() > 0.9 * bright:
            time.sleep(0.05)
        page.tell(began.examples[1])
        while page.view.scene is scene or not page.view.driving:
            time.sleep(0.05)
        page.stop()
        assert page.view.images[CAMERA].mean() < 0.9 * bright, "what was made harder stays so"


def test_it_is_exported_and_its_success_compared(tmp_path, capsys):
    given = flags(out=tmp_path / "graph", frames=2, calls=2, verify=1, families="button-press")
    assert cli.main(["export", str(SHIPPED), *given]) == 0
    assert "success in 1 episodes: " in capsys.readouterr().out
    with contextlib.closing(make_world("metaworld")) as world:
        observation, _ = world.reset(seed=2_000_000, options={"family": "reach"})
        whole, graph = (loading.load(folder).act(observation) for folder in (SHIPPED, tmp_path / "graph"))
    np.testing.assert_allclose(graph.actions, whole.actions, atol=0.05)


def test_it_is_served():
    with served_folder(SHIPPED) as url, contextlib.closing(RemotePolicy(url)) as policy:
        assert policy.features.robot_type == "metaworld_sawyer"
        with contextlib.closing(make_world("metaworld")) as world:
            observation, _ = world.reset(seed=2_000_000, options={"family": "reach"})
            assert policy.act(observation).actions.shape == (16, 4)
            assert observation[STATE].shape == (4,)
