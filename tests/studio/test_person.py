"""A person takes over through the session, and what they did is a dataset that trains; or acts alone."""

from __future__ import annotations

import http.client
import json
import time
from pathlib import Path

import numpy as np
import pytest
from test_studio import ARM, FAST, Stays, put_something, wait

from sayso import cli
from sayso.data.reader import Dataset
from sayso.runtime.by_person import PersonConfig
from sayso.runtime.operators.person import Wish
from sayso.sim.robots import LEKIWI
from sayso.spec import ACTION, POINTS, SPLITS, STATE, ConfigError, Outcome, SaysoError
from sayso.studio.config import SessionConfig
from sayso.studio.controls import HEADER, PATH, Controls, Pressed, pressed
from sayso.studio.demonstrating import Demonstration
from sayso.studio.session import Session
from sayso.tasks.household.words.others import instead

HELD_S = 1.0
TWO_ALIKE = 2
"""Scene of the tabletop in which exactly one other thing is alike to what is asked for."""


@pytest.fixture
def opened():
    """Open sessions, and close them."""
    found: list[Session] = []

    def make(policy=None, features=ARM, **config) -> Session:
        found.append(Session(policy or Stays(), features, SessionConfig(**{**FAST, **config})))
        return found[-1]

    yield make
    for session in found:
        session.close()


def hold(session: Session, wish: Wish, seconds: float = HELD_S) -> None:
    """Hold keys as a page does: it says so again and again, and once more when they are let go."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        session.hands.steer(wish)
        time.sleep(0.05)
    session.hands.steer(Wish())


def drag_to(session: Session, goal_m) -> None:
    """Drag the hand until it is there."""
    session.hands.drag(goal_m)
    wait(session, lambda view: np.abs(view.hand_m - goal_m).max() < 0.01)


def told(session: Session) -> None:
    session.tell(put_something(session))
    wait(session, lambda view: view.actor == "policy" and view.hand_m is not None)


def test_a_correction_lands_in_the_dataset_and_trains_and_the_folder_grows(opened, tmp_path, monkeypatch):
    out = tmp_path / "corrections"
    session = opened(corrections=out)
    assert session.simulated.world.np_random_seed in SPLITS["train"]
    told(session)
    assert session.view.steered
    before = session.view.hand_m
    goal = before + [0.06, 0.04, -0.03]
    drag_to(session, goal)
    assert session.view.actor == "person" and session.view.path_m is None
    session.hands.grip()
    wait(session, lambda view: view.images is not None)
    session.hands.drag(None)
    wait(session, lambda view: view.actor == "policy")
    hold(session, Wish(up=1))
    wait(session, lambda view: view.kept.startswith("2 corrections"))
    sentence = session.view.lines[0].sentence
    session.stop()
    wait(session, lambda view: not view.driving)
    dataset = Dataset(out)  # while the page is still open
    assert [episode.ending.actor for episode in dataset.episodes] == ["person"] * 2
    assert all(episode.tasks == (sentence,) and episode.family == "put" for episode in dataset.episodes)
    frames = list(dataset.frames(dataset.episodes[0]))
    assert frames[0][ACTION][5] > 40 and frames[-1][ACTION][5] == 0, "the gripper's key is not in it"
    assert np.abs(frames[-1][STATE] - frames[0][STATE]).max() > 5 and frames[0][POINTS].any()
    session.close()
    with pytest.raises(SaysoError, match="holds a recording of world tabletop, robot so101, and this would"):
        Session(_Rests(), LEKIWI.features(), SessionConfig(**FAST, world="home", corrections=out))
    again = opened(corrections=out)
    told(again)
    hold(again, Wish(along=1))
    wait(again, lambda view: view.kept.startswith("3 corrections"))
    again.close()
    assert len(Dataset(out).episodes) == 3
    monkeypatch.chdir(tmp_path)
    words = ["train", "--datasets", str(out), "--steps", "2", "--batch-size", "4", "--threads", "1"]
    assert cli.main([*words, "--heldout", "0.34", "--out", "run"]) == 0


class _Rests(Stays):
    """Stay where it is, whatever the robot."""

    def act(self, observation):
        still = observation[STATE].copy()
        still[6:] = 0
        return type(super().act(observation))(np.tile(still, (8, 1)))


def test_words_correct_what_moves_and_are_kept_with_what_was_said(opened, tmp_path):
    out = tmp_path / "corrections"
    session = opened(corrections=out)
    told(session)
    sentence, before = session.view.lines[0].sentence, session.view.hand_m
    session.tell("a bit lft")
    assert 'Did you mean "a bit left"?' in session.view.detail or "did you mean" in session.view.detail
    assert session.view.driving, "a slip of the keys ended the motion"
    session.tell("no, 4 cm to the right")
    assert session.view.detail == "Understood: 4 cm to the right."
    wait(session, lambda view: view.kept.startswith("1 correction"))
    went = session.view.hand_m - before  # the front camera stands before the arm: its right is +y
    assert went[1] > 0.025 and np.abs(went[[0, 2]]).max() < 0.015
    session.tell("stop")
    wait(session, lambda view: view.actor == "person")
    time.sleep(0.3)
    assert session.view.driving and session.view.actor == "person"
    session.tell("go on")  # its time begins anew, with the same sentence
    wait(session, lambda view: view.actor == "policy")
    assert [line.sentence for line in session.view.lines] == [sentence]
    session.tell("slower")
    assert session.hands.steering.pace() == 0.5
    session.stop()
    wait(session, lambda view: not view.driving)
    dataset = Dataset(out)
    (episode,) = dataset.episodes
    assert (episode.ending.said, episode.ending.actor) == ("no, 4 cm to the right", "person")
    assert episode.tasks == (sentence,)
    lines = [json.loads(line) for line in (out / "said.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["understood"] for line in lines] == ["4 cm to the right", "stop", "go on", "slower"]
    assert {line["instruction"] for line in lines} == {sentence}


def test_the_other_one_is_carried_out_on_the_page_and_what_is_none_is_told(opened):
    session = opened(seed=TWO_ALIKE)
    world = session.simulated.world
    asked = world.task.instruction
    meant = instead(asked, "", world.task.things.values(), world.families)
    session.tell(asked)
    wait(session, lambda view: view.actor == "policy")
    session.tell("no, the purple one")
    assert "no other" in session.view.detail and session.view.driving
    session.tell("no, the other one")
    assert session.view.detail == f"Understood: {meant}."
    wait(session, lambda view: view.actor == "policy" and view.lines[0].sentence == meant)
    assert session.simulated.world.task.object_name in meant and len(session.view.lines) == 1


def test_a_real_robot_is_held_by_what_is_not_understood_and_stopped_by_what_is_nothing(
    opened,
):
    session = opened(robot="dry")
    wait(session, lambda view: not view.simulated)
    for sentence in ("put the red block in the blue tray", "put the green block in the blue tray"):
        session.tell(sentence)  # the second: what held the first holds nothing else
        wait(session, lambda view, asked=sentence: view.actor == "policy" and view.lines[0].sentence == asked)
        session.tell("a bit lft")
        assert "It is held until 'go on'" in session.view.detail
        wait(session, lambda view: view.actor == "person")
    session.tell("go on")
    wait(session, lambda view: view.actor == "policy")
    session.tell("aaaaa")
    wait(session, lambda view: not view.driving and view.headline == "I did not understand")


def test_time_does_not_run_out_while_a_person_acts(opened):
    session = opened()
    told(session)
    session.hands.drag(session.view.hand_m + [0.0, 0.0, 0.05])
    wait(session, lambda view: view.actor == "person")
    session.simulated.world._steps = session.simulated.world.task.horizon
    time.sleep(0.5)
    assert session.view.driving
    session.hands.drag(None)
    wait(session, lambda view: not view.driving)


def test_a_robot_on_wheels_is_driven_and_its_hand_dragged_in_the_room(opened):
    session = opened(_Rests(), LEKIWI.features(), world="home")
    session.tell(session.view.examples[0])
    wait(session, lambda view: view.actor == "policy" and view.hand_m is not None)
    began = session.simulated.world.simulation.base_pose.copy()
    hold(session, Wish(base=(0, 0, 1)), 1.5)
    turned = session.simulated.world.simulation.base_pose
    assert turned[2] - began[2] > 0.1
    wait(session, lambda view: view.actor == "policy")
    hand = session.view.hand_m
    tcp, _ = session.simulated.world.simulation.tcp()
    np.testing.assert_allclose(hand, tcp, atol=0.02)
    drag_to(session, hand + [0.03, -0.03, 0.04])


def demonstration(out: Path, **more) -> Demonstration:
    usual = {"world": "tabletop", "episodes": 2, "families": ("put",)}
    return Demonstration(PersonConfig(out=out, **{**usual, **more}))


def test_demonstrations_are_kept_or_discarded_scene_after_scene_and_go_on_another_day(tmp_path):
    out = tmp_path / "demos"
    for sitting, words in enumerate((["keep", "discard", "keep"], ["keep", "keep"])):
        session = demonstration(out)
        shown = []
        for word in words:
            wait(session, lambda view: view.driving and view.judged and view.hand_m is not None)
            shown.append((session.view.number, session.view.lines[0].sentence))
            hold(session, Wish(along=1))
            session.judge(word)
            was = session.view.number
            over = session.finished
            wait(session, lambda view, was=was, over=over: view.number != was or over.is_set())
        assert session.finished.wait(60) and session.kept == 2
        assert [number - shown[0][0] for number, _ in shown] == [*range(len(words))]
        session.close()
        dataset = Dataset(out)
        assert len(dataset.episodes) == 2 * (sitting + 1)
    ends = {(episode.ending.actor, episode.ending.outcome) for episode in dataset.episodes}
    assert ends == {("person", Outcome.FAILURE)}, "what the world says of it is not hidden"
    assert len(list(dataset.frames(dataset.episodes[0]))) > 5


def test_what_is_done_ends_by_itself_and_waits_to_be_judged(tmp_path):
    session = demonstration(tmp_path / "demos", episodes=1)
    wait(session, lambda view: view.driving and view.hand_m is not None)
    hold(session, Wish(along=1), 0.5)
    world = session.simulated.world
    task, data = world.task, world.simulation.data
    data.joint(task.object_name).qpos[:3] = data.body(task.place_name).xpos + [0, 0, 0.01]
    data.joint(task.object_name).qvel[:] = 0
    wait(session, lambda view: view.headline == "Done. Keep it?")
    assert session.view.judged and not session.view.driving
    session.judge("keep")
    assert session.finished.wait(60)
    session.close()
    assert Dataset(tmp_path / "demos").episodes[0].ending.outcome is Outcome.SUCCESS


def test_a_scene_can_be_begun_again_or_left_and_nothing_is_kept_that_was_not_shown(tmp_path):
    session = demonstration(tmp_path / "demos")
    wait(session, lambda view: view.driving)
    session.judge("keep")  # nothing was moved
    time.sleep(0.3)
    wait(session, lambda view: view.driving)
    assert session.view.number == 0 and session.kept == 0
    session.new_scene()
    wait(session, lambda view: view.driving and view.number == 1)
    session.reset()
    time.sleep(0.3)
    wait(session, lambda view: view.driving and view.number == 1)
    session.close()
    with pytest.raises(SaysoError):
        Dataset(tmp_path / "demos")


def test_a_world_whose_robot_nobody_can_steer_is_refused(tmp_path, monkeypatch):
    from small_worlds import FEATURES

    monkeypatch.setattr("sayso.studio.demonstrating.WORLDS", _Table(FEATURES))
    with pytest.raises(ConfigError, match="cannot be moved by hand here"):
        demonstration(tmp_path / "demos")


class _Table(dict):
    """Be a table of worlds whose robot is a point."""

    def __init__(self, features) -> None:
        self.features = features

    def ready(self, name):
        return self


def test_controls_are_read_and_nonsense_is_not():
    found = pressed({"right": 3, "up": -0.5, "taps": ["grip", "explode"]})
    assert found == Pressed(right=1.0, up=-0.5, taps=("grip",))
    for wrong in ({"right": "x"}, {"up": float("nan")}, {"taps": 3}, [1]):
        with pytest.raises((ValueError, TypeError, AttributeError)):
            pressed(wrong)


def test_only_a_script_of_the_page_itself_moves_the_robot():
    pytest.importorskip("viser")
    from sayso.studio.open import _quietly
    from sayso.studio.page import serve

    heard, controls = [], Controls()
    controls.heard = heard.append
    server, url = serve("127.0.0.1", 0, "tabletop", controls)
    try:

        def get(path, **headers):
            line = http.client.HTTPConnection("127.0.0.1", server.get_port(), timeout=30)
            line.request("GET", f"{path}?{url.partition('?')[2]}", headers=headers)
            answer = line.getresponse()
            return answer.status, answer.read()

        assert get(PATH, **{HEADER: json.dumps({"up": 1, "taps": []})})[0] == 200 and heard[0].up == 1
        assert get(PATH)[0] == 400  # a picture of another site's can be asked for, but sets no header
        assert get(PATH, **{HEADER: "[1]"})[0] == 400 and get(PATH, **{HEADER: "{"})[0] == 400
        assert get(PATH, **{HEADER: "{}", "Origin": "https://evil.example"})[0] == 403
        assert len(heard) == 1
        status, page = get("/", **{"Accept-Encoding": "gzip"})
        assert status == 200 and PATH.encode() in page and page.rstrip().endswith(b"</html>")
        assert get("/nothing")[0] == 404
    finally:
        _quietly(server.stop)
