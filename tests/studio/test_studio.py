"""The live page carries out what it is told with the real loop, says what went wrong, and switches robots."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from dataclasses import replace

import numpy as np
import pytest

from sayso.data.statistics import Stats
from sayso.runtime.robot import ImaginedRobot
from sayso.runtime.stopping import Stop
from sayso.sim.disturbance import Disturbance
from sayso.sim.robots import LEKIWI, SO101
from sayso.spec import ACTION, STATE, Chunk, FeatureMismatchError, image_key
from sayso.studio import session as sessions
from sayso.studio.config import SessionConfig
from sayso.studio.open import StudioConfig, studio
from sayso.studio.rooms import SUGGESTIONS
from sayso.studio.session import Session
from small_worlds import SMALL_WORLDS, SPOTS

ARM = SO101.features()
FAST = {"rest_s": 0.05, "watchdog_ms": 20_000.0, "patience_s": 60.0}
WAIT_S = 120.0


class Stays:
    """Want to be where it is."""

    def __init__(self, length: int = 8) -> None:
        self.length, self.seen = length, []

    def reset(self) -> None: ...

    def act(self, observation) -> Chunk:
        self.seen.append(observation)
        return Chunk(np.tile(observation[STATE][: len(ARM.action)], (self.length, 1)))


class Cheats(Stays):
    """Have what it is asked for happen by itself, once it has been asked twice."""

    def act(self, observation) -> Chunk:
        if len(self.seen) >= 2:
            task, data = self.session.simulated.world.task, self.session.simulated.world.simulation.data
            place = data.body(task.place_name).xpos
            data.joint(task.object_name).qpos[:3] = place + [0, 0, 0.01]
            data.joint(task.object_name).qvel[:] = 0
            self.seen.clear()
        return super().act(observation)


class Raises(Stays):
    """Break down at the third question."""

    def act(self, observation) -> Chunk:
        if len(self.seen) >= 2:
            raise KeyError("camera")
        return super().act(observation)


class Vanishes(ImaginedRobot):
    """Be a robot whose cable comes out after some readings."""

    left, closed = 3, False

    def get_observation(self):
        if self.left == 0:
            raise ConnectionError("the cable is out")
        self.left -= 1
        return super().get_observation()

    def disconnect(self) -> None:
        self.closed = True


@pytest.fixture
def opened():
    """Open sessions, and close them."""
    found: list[Session] = []

    def make(policy, **config) -> Session:
        found.append(Session(policy, ARM, SessionConfig(**{**FAST, **config})))
        policy.session = found[-1]
        return found[-1]

    yield make
    for session in found:
        session.close()


def wait(session: Session, holds) -> None:
    """Wait until something holds of the view."""
    until = time.monotonic() + WAIT_S
    while not holds(session.view):
        assert time.monotonic() < until, session.view
        time.sleep(0.01)


def over(view) -> bool:
    return view.tone != "busy" and view.headline != "Ready"


class Wanders(Stays):
    """Go straight on in a world of spots."""

    def act(self, observation) -> Chunk:
        self.seen.append(observation)
        return Chunk(np.full((4, 2), 0.2, np.float32))


def put_something(session: Session) -> str:
    task = session.simulated.world.task
    return f"put the {task.object_name} in the {task.place_name}"


def test_a_scene_is_shown_with_pictures_and_things_to_say(opened):
    session = opened(Stays())
    view = session.view
    assert view.scene is not None and view.poses is not None and view.headline == "Ready"
    assert {name: image.shape for name, image in view.images.items()} == {
        name: (*size, 3) for name, size in ARM.cameras.items()
    }
    assert 2 <= len(view.examples) <= SUGGESTIONS
    assert re.search(r",| and |then", view.examples[-1]), "the last one is a long one"


def test_a_policy_of_another_robot_is_refused():
    with pytest.raises(FeatureMismatchError):
        Session(Stays(), LEKIWI.features(), SessionConfig())


def test_an_instruction_is_carried_out_and_its_conditions_light_up(opened):
    session = opened(Cheats())
    session.tell(put_something(session))
    wait(session, lambda view: view.path_m is not None)
    wait(session, over)
    view = session.view
    assert view.headline == "Done" and view.tone == "good", view
    assert len(view.conditions) == 3 and all(view.conditions.values())
    assert [line.mark for line in view.lines] == ["done"]
    assert view.policy_ms > 0 and view.answer_ms >= view.policy_ms and view.hz > 0


def test_a_policy_of_many_words_hears_what_was_typed(opened):
    session = opened(policy := Cheats())
    policy.words, heard = "household", []
    policy.act = lambda observation: heard.append(observation["task"]) or Cheats.act(policy, observation)
    task = session.simulated.world.task
    text = f"Kindly lay the {task.object_name} down inside the {task.place_name}"
    session.tell(text)
    wait(session, over)
    assert session.view.headline == "Done" and [line.sentence for line in session.view.lines] == [text]
    assert set(heard) == {text}


def test_a_long_instruction_is_divided_into_steps(opened):
    session = opened(Cheats())
    first, *others = [
        name
        for name, thing in session.simulated.world.task.things.items()
        if thing.kind not in ("tray", "bowl", "plate", "basket", "mat")
    ]
    place = session.simulated.world.task.place_name
    session.tell(f"put the {first} in the {place}, and then put the {others[0]} in the {place}")
    wait(session, over)
    assert [line.mark for line in session.view.lines][:1] == ["done"] and len(session.view.lines) == 2


def test_what_is_not_understood_moves_nothing_and_comes_back_with_a_hint(opened):
    policy = Stays()
    session = opened(policy)
    session.tell("make me a coffee")
    wait(session, over)
    assert session.view.tone == "bad" and "I can: " in session.view.detail and not policy.seen


def test_stop_stops_and_the_robot_can_be_told_something_else(opened):
    session = opened(Stays())
    session.tell(put_something(session))
    wait(session, lambda view: view.driving and view.path_m is not None)
    session.stop()
    wait(session, over)
    assert session.view.headline == "Stopped" and "somebody" not in session.view.headline
    assert not session.view.driving and session.view.path_m is None
    session.tell("make me a coffee")
    wait(session, lambda view: "I can" in view.detail)


def test_a_new_order_takes_the_place_of_the_old_one(opened):
    session = opened(Stays())
    session.tell(put_something(session))
    wait(session, lambda view: view.driving)
    session.new_scene()
    wait(session, lambda view: view.number == 1)
    assert session.view.headline == "Ready" and session.view.lines == ()


def test_reset_lays_out_the_same_scene_and_new_scene_the_next(opened):
    session = opened(Stays())
    scene, image = session.view.scene, session.view.images["front"]
    session.reset()
    wait(session, lambda view: view.scene is not scene)
    wait(session, lambda view: view.images["front"] is not image)
    np.testing.assert_array_equal(session.view.images["front"], image)
    session.new_scene()
    wait(session, lambda view: view.number == 1 and view.images["front"] is not image)
    assert not np.array_equal(session.view.images["front"], image)


def test_a_broken_policy_is_shown_and_the_page_goes_on(opened):
    session = opened(Raises())
    session.tell(put_something(session))
    wait(session, over)
    assert session.view.headline == "The robot stopped" and "KeyError: 'camera'" in session.view.detail
    session.new_scene()
    wait(session, lambda view: view.number == 1)


def test_the_room_can_be_disturbed_at_rest_and_while_the_robot_moves(opened):
    policy = Stays()
    session = opened(policy)
    before = session.view.images["front"].mean()
    session.disturb(Disturbance(light=0.4))
    wait(session, lambda view: view.images["front"].mean() < before - 10)
    session.tell(put_something(session))
    wait(session, lambda view: view.driving and len(policy.seen) > 2)
    assert policy.seen[-1][image_key("front")].mean() < before - 10
    session.disturb(Disturbance())
    wait(session, lambda view: view.images["front"].mean() > before - 10)
    assert session.view.driving
    session.disturb(Disturbance(light=0.4))
    session.new_scene()
    wait(session, lambda view: view.number == 1 and view.images["front"].mean() < before - 10)


LATE_S = 0.8


def test_a_delay_passes_in_the_policys_thread_while_the_loop_goes_on(opened):
    policy = Stays(length=16)
    session = opened(policy)
    session.delay(LATE_S)
    session.tell(put_something(session))
    wait(session, lambda view: view.answer_ms > 1000 * LATE_S and view.hz > 0)
    hz = []
    until = time.monotonic() + LATE_S
    while time.monotonic() < until:
        hz.append(session.view.hz)
        time.sleep(0.05)
    assert np.median(hz) * LATE_S > 1.5, "many commands for each answer, however slow the machine is"


def test_a_robot_that_is_not_simulated_moves_until_a_person_says_that_it_is_done(opened):
    session = opened(Stays(), robot="dry")
    wait(session, lambda view: not view.simulated)
    scene = session.view.scene
    assert scene.bodies is not None and 0 not in scene.bodies, "of its room nothing is known"
    session.tell("put the red block in the blue tray, then put the green block in it")
    wait(session, lambda view: view.driving and view.path_m is not None)
    session.finish()
    wait(session, lambda view: [line.mark for line in view.lines] == ["done", "running"] and view.driving)
    session.finish()
    wait(session, lambda view: view.headline == "Done")
    session.reset()
    wait(session, lambda view: "by hand" in view.detail)
    session.switch("sim")
    wait(session, lambda view: view.simulated and view.headline == "Ready")


def test_a_robot_that_cannot_be_found_is_told_and_the_simulation_goes_on(opened):
    session = opened(Stays())
    session.tell(put_something(session))
    wait(session, lambda view: view.driving)
    session.switch("so101")
    wait(session, lambda view: view.headline.startswith("No robot"))
    assert session.view.simulated and "serial port" in session.view.detail
    session.switch("teapot")
    wait(session, lambda view: "teapot" in view.detail)


def test_a_robot_that_falls_silent_is_let_go_and_told_of(opened, monkeypatch):
    robot = Vanishes(ARM)
    monkeypatch.setattr(sessions, "connected_robot", lambda *given: robot)
    session = opened(Stays())
    session.switch("dry")
    wait(session, lambda view: view.headline == "The robot is gone")
    assert robot.closed and session.view.simulated and "cable" in session.view.detail


@pytest.fixture
def page(opened):
    pytest.importorskip("viser")
    from sayso.studio.controls import Controls
    from sayso.studio.open import _quietly
    from sayso.studio.page import Page, serve

    session, controls = opened(Cheats()), Controls()
    server, server.url = serve("127.0.0.1", 0, "tabletop", controls)
    yield session, server, Page(server, session, ARM, controls)
    _quietly(server.stop)


def test_the_page_draws_the_scene_once_and_moves_only_what_moves(page):
    session, _, shown = page
    shown.update()
    drawing = shown._drawing
    root, frames = drawing._root, dict(drawing._bodies)
    simulation = session.simulated.world.simulation
    movable = [name for name in session.simulated.world.describe() if simulation.shape(name).movable]
    assert len(frames) == 6 + len(movable), "the arm's bodies and what can be moved"
    before = {body: tuple(frame.position) for body, frame in frames.items()}
    session.tell(put_something(session))
    wait(session, over)
    shown.update()
    assert drawing._root is root, "the scene is the same"
    assert any(tuple(frame.position) != before[body] for body, frame in drawing._bodies.items())
    session.new_scene()
    wait(session, lambda view: view.number == 1)
    shown.update()
    assert drawing._root.name != root.name, "browsers remember where a node of that name was"


def test_what_nobody_knows_is_not_drawn_and_what_was_drawn_before_is_gone(page):
    session, _, shown = page
    shown.update()
    assert shown._drawing._root is not None
    shown._drawing.update(replace(session.view, scene=None, poses=None))
    assert shown._drawing._root is None and not shown._drawing._cameras
    shown.update()
    assert shown._drawing._root is not None and shown._drawing._cameras


def test_the_page_lights_lamps_and_offers_examples(page):
    session, _, shown = page
    shown.update()
    labels = [button.label for button in shown._examples if button.visible]
    assert tuple(labels) == session.view.examples
    session.tell(put_something(session))
    wait(session, over)
    shown.update()
    assert 'data-headline="Done"' in shown._status.content
    assert shown._status.content.count('data-lit="true"') == 3
    assert shown._pictures.image.shape[2] == 3


def test_the_page_is_served(page):
    _, server, shown = page
    shown.update()
    with urllib.request.urlopen(server.url, timeout=30) as answer:
        assert answer.status == 200 and b"<html" in answer.read(2000)


def test_ctrl_c_ends_the_page_in_good_order():
    pytest.importorskip("viser")
    code = (
        "import numpy as np; from sayso.sim.robots import SO101; from sayso.spec import Chunk;"
        "from sayso.studio.open import StudioConfig, studio\n"
        "class Stays:\n"
        "    def reset(self): pass\n"
        "    def act(self, seen): return Chunk(np.zeros((8, 6), np.float32))\n"
        "studio(Stays(), SO101.features(), StudioConfig(port=0), tell=lambda line: print(line, flush=True))"
    )
    page = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    line, second = page.stdout.readline(), page.stdout.readline()
    assert re.fullmatch(r"http://localhost:\d+/\?token=[\w-]{32}\n", line), line + page.stderr.read()
    assert second == "That is the page, with the token that opens it; Ctrl-C ends it.\n"
    page.send_signal(signal.SIGINT)
    said, wrong = page.communicate(timeout=60)
    assert page.returncode == 0 and wrong == "" and "at rest" in said


def test_a_page_that_finds_its_port_taken_says_where_it_went(monkeypatch):
    pytest.importorskip("viser")
    told, stop = [], Stop()

    def tell(line):
        told.append(line)
        stop("that is all") if len(told) == 2 else None

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        studio(Stays(), SO101.features(), StudioConfig(port=port), tell, stop)
    moved = urllib.parse.urlsplit(told[0]).port
    assert moved > port and f"Port {port} is taken, so it moved to {moved}." in told[1]


def test_a_policy_from_lerobots_recordings_enters_under_its_own_name_and_rate(capsys):
    features = replace(SO101.features(), robot_type="so_follower", fps=30)
    session = Session(Stays(), features, SessionConfig())
    session.close()
    assert session.view.headline == "Ready" and session.room_features.fps == 20
    other = replace(features, cameras={"front": (128, 128)})
    with pytest.raises(FeatureMismatchError, match="camera only in the world: wrist"):
        Session(Stays(), other, SessionConfig())


def test_a_world_that_knows_one_task_a_scene_and_has_no_physics_is_shown_all_the_same(monkeypatch):
    """Each sentence begins its own scene; there is nothing to draw but what the camera sees, and no path."""
    monkeypatch.setattr(sessions, "WORLDS", SMALL_WORLDS)
    policy = Wanders()
    policy.stats = {ACTION: Stats.of(np.array([[-1.0, -1.0], [1.0, 1.0]]))}
    session = Session(policy, SPOTS.features, SessionConfig(world="spots", **FAST))
    view = session.view
    assert view.scene is None and view.poses is None and view.images["front"].std() > 3
    assert view.examples == (session.simulated.world.task.instruction,) and "scene 0" in view.robot
    session.disturb(Disturbance(light=0.4))
    session.tell(view.examples[0])
    wait(session, over)
    assert session.view.headline in ("Done", "Not done") and session.view.path_m is None
    assert [line.sentence for line in session.view.lines] == [view.examples[0]]
    assert set(session.view.conditions) == {"at_spot", "slow"} and policy.seen
    session.switch("dry")
    wait(session, lambda view: not view.simulated)
    assert session.view.scene is None and session.view.examples == ()
    session.switch("sim")
    wait(session, lambda view: view.simulated and view.headline == "Ready")
    session.close()
