"""What the live page is made of: triangles, marks, lamps, orders and paths."""

from __future__ import annotations

import queue
import threading

import numpy as np
import pytest

from sayso.evaluation.planner import PlanReport
from sayso.runtime.inference import PolicyFailedError
from sayso.runtime.robot import ImaginedRobot
from sayso.runtime.watched import WatchedRobot
from sayso.sim.kinematics import path_of
from sayso.sim.robots import ARM, LEKIWI, SO101, to_robot_units
from sayso.spec import Chunk, Episode, Outcome, SaysoError
from sayso.studio import watching
from sayso.studio.addresses import connected_robot, kinds_for
from sayso.studio.markup import status, timing
from sayso.studio.orders import Orders
from sayso.studio.progress import begun, ended, told, verdict
from sayso.studio.solids import ball, box, creased, cylinder, solids
from sayso.studio.view import Line, View, poses_of
from sayso.studio.watching import WatchedPolicy
from sayso.tasks.household.words.language import Intent, Place, Thing
from sayso.tasks.worlds import make_world


@pytest.fixture(scope="module", params=["tabletop", "home"])
def room(request):
    world = make_world(request.param)
    world.reset(seed=2_000_000)
    yield world
    world.close()


def volume(patches) -> float:
    """Return the volume that triangles enclose; below zero where they show their backs."""
    corners = np.concatenate([vertices[faces] for vertices, faces in patches])
    return float(np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6)


@pytest.mark.parametrize(
    ("patches", "expected"),
    [
        (box(np.array([1.0, 2.0, 3.0])), 48),
        (cylinder(1.0, 2.0), 4 * np.pi),
        ([ball(np.ones(3))], 4 / 3 * np.pi),
        ([ball(np.array([1.0, 2.0, 0.5]))], 4 / 3 * np.pi),
        ([ball(np.ones(3), 0.5)], 7 / 3 * np.pi),
    ],
)
def test_solids_are_closed_and_show_their_outsides(patches, expected):
    assert volume(patches) == pytest.approx(expected, rel=0.015)


def test_faces_share_vertices_over_a_gentle_bend_and_not_over_an_edge():
    cube = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=float)
    sides = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = np.array([t for a, b, c, d in sides for t in ((a, b, c), (a, c, d))])
    vertices, index = creased(cube, faces)
    assert len(vertices) == 24, "four for each side"
    np.testing.assert_array_equal(vertices[index], cube[faces])
    strip = np.array([[x, y, 0.1 * (x == 1)] for x in (0, 1, 2) for y in (0, 1)], dtype=float)
    bent = np.array([[0, 2, 1], [1, 2, 3], [2, 4, 3], [3, 4, 5]])
    assert len(creased(strip, bent)[0]) == 6, "all of them"


def test_everything_that_can_be_seen_is_drawn_and_what_is_for_collisions_is_not(room):
    model = room.simulation.model
    drawn = solids(model)
    seen = {int(model.geom_bodyid[g]) for g in range(model.ngeom) if model.geom_group[g] <= 2}
    assert {solid.body for solid in drawn} == seen
    for solid in drawn:
        assert solid.faces.min() >= 0 and solid.faces.max() < len(solid.vertices)
        assert np.isfinite(solid.vertices).all() and all(0 <= channel <= 1 for channel in solid.rgba)
    hand = model.body(f"{ARM}gripper").id
    assert {solid.body for solid in solids(model, {hand})} == {hand}


def test_a_thing_is_drawn_where_it_is(room):
    name = next(
        n
        for n, thing in room.task.things.items()
        if isinstance(thing, Thing) and room.simulation.shape(n).movable
    )
    body = room.simulation.model.body(name).id
    points = np.concatenate([s.vertices for s in solids(room.simulation.model, {body})])
    low, high = points.min(0), points.max(0)
    shape = room.simulation.shape(name)
    assert low[2] == pytest.approx(0, abs=0.003) and high[2] == pytest.approx(shape.height_m, abs=0.015)
    assert poses_of(room.physics()).bodies_m[body] == pytest.approx(room.simulation.data.body(name).xpos)


def test_cameras_look_forwards_along_z(room):
    turn = poses_of(room.physics()).cameras_wxyz["front"]
    w, x, y, z = turn
    forwards = np.array([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)])
    np.testing.assert_allclose(
        forwards, -room.simulation.data.camera("front").xmat.reshape(3, 3)[:, 2], atol=1e-6
    )


def test_a_path_of_what_the_arm_does_already_is_where_the_hand_is(room):
    simulation = room.simulation
    action = to_robot_units(simulation.joints_rad, np.zeros(3) if simulation.kind.mobile else None)
    path = room.path_m(np.tile(action, (3, 1)), 20)
    np.testing.assert_allclose(path, np.tile(simulation.tcp()[0], (3, 1)), atol=2e-3)


def test_a_path_goes_where_the_wheels_go():
    ahead = np.zeros((21, 9), np.float32)
    ahead[:, 6] = 0.2
    path = path_of(ahead, np.array([1.0, 2.0, np.pi / 2]), mobile=True, hz=20)
    np.testing.assert_allclose(path[-1] - path[0], [0, 0.2, 0], atol=1e-6)


def test_the_last_order_counts():
    orders, done = Orders(), []
    orders.put_motion(lambda: done.append("first"))
    orders.put_motion(lambda: done.append("second"))
    orders.put_aside(lambda: done.append("aside"))
    orders.end()
    while (order := orders.next()) is not None:
        order()
    assert done == ["second", "aside"]


def test_an_order_that_moves_nothing_is_carried_out_whatever_comes_after():
    orders, done = Orders(), []
    orders.put(lambda: done.append("new scene"))
    orders.put_motion(lambda: done.append("go"))
    orders.stop("enough")
    orders.end()
    while (order := orders.next()) is not None:
        order()
    assert done == ["new scene"]
    with pytest.raises(queue.Empty):
        orders.next(0.01)


def test_stopping_pulls_the_brake_of_this_step_and_of_those_to_come_until_something_else_begins():
    orders = Orders()
    brake = orders.begin_step()
    orders.stop_step("next")
    assert brake.reason == "next" and not orders.stopped and not orders.begin_step().reason
    orders.stop("enough")
    assert orders.begin_step().reason == orders.stopped == "enough"
    orders.put(lambda: None)
    orders.next()
    assert not orders.stopped and not orders.begin_step().reason


LINES = (Line(sentence="open the drawer"), Line(sentence="go to the sofa"))


def test_lines_show_how_far_a_plan_is():
    lines = begun(LINES, "open the drawer")
    assert [line.mark for line in lines] == ["running", "waiting"]
    lines = begun(ended(lines, success=True), "go to the sofa")
    assert [line.mark for line in lines] == ["done", "running"]
    assert [line.mark for line in ended(lines, success=False)] == ["done", "failed"]


def test_a_step_that_must_come_first_and_another_attempt_are_shown():
    lines = ended(begun(LINES, "open the drawer"), success=False)
    lines = ended(begun(lines, "go to the table"), success=True)
    lines = begun(lines, "open the drawer")
    assert [(line.sentence, line.mark, line.note) for line in lines] == [
        ("go to the table", "done", "first"),
        ("open the drawer", "running", "again"),
        ("go to the sofa", "waiting", ""),
    ]
    failed = ended(begun(LINES, "go to the table"), success=False)
    assert [line.sentence for line in begun(failed, "open the drawer") if line.mark == "running"] == [
        "open the drawer"
    ]


def report_of(outcome: Outcome, *, already: bool = False, **more) -> PlanReport:
    from sayso.evaluation.planner import Step

    intent = Intent("drawer", "open", None, Place("", "drawer"))
    episode = Episode(
        world="home", family="drawer", instruction="", seed=0, horizon=1, outcome=outcome, **more
    )
    step = Step(intent=intent, instruction="", reason="asked", episode=episode, already=already)
    return PlanReport(asked=(intent,), steps=(step,))


def test_a_verdict_says_why():
    assert verdict(report_of(Outcome.SUCCESS), "")[:2] == ("Done", "good")
    assert verdict(report_of(Outcome.SUCCESS, already=True), "")[2] == "It was so already."
    assert verdict(report_of(Outcome.FAILURE, conditions={"drawer_open": False, "stopped": True}), "") == (
        "Not done",
        "bad",
        "Not drawer open.",
    )
    assert verdict(report_of(Outcome.INVALID), "somebody stopped it")[0] == "Stopped"
    assert (
        verdict(report_of(Outcome.INVALID, error="the policy failed: oh"), "")[2] == "The policy failed: oh."
    )
    assert told(OSError("cable")) == "OSError: cable." and told(SaysoError("no cable!")) == "No cable!"


def test_lamps_are_lit_where_a_condition_holds_and_nothing_typed_becomes_markup():
    view = View(
        conditions={"object_in_place": True, "gripper_released": False},
        lines=(Line(sentence="<script>alert(1)</script>"),),
        headline="<b>",
    )
    page = status(view)
    assert 'data-condition="object_in_place" data-lit="true"' in page
    assert 'data-condition="gripper_released" data-lit="false"' in page
    assert "object in place" in page and "<script>" not in page and "<b>" not in page


def test_timing_tells_the_latency_in_steps():
    page = timing(View(hz=19.6, wanted_hz=20, policy_ms=12, answer_ms=212, robot="sim"))
    assert "19.6 of 20 Hz" in page and "212 ms, 4.2 steps late" in page and "12 ms" in page


class Slow:
    """Answer when it is let."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def reset(self) -> None: ...

    def act(self, observation) -> Chunk:
        self.go.wait(20)
        return Chunk(np.zeros((2, 3), np.float32))


def test_a_delay_is_added_to_what_the_policy_takes_and_told():
    told_of = []
    policy = WatchedPolicy(Slow(), lambda *facts: told_of.append(facts))
    policy.policy.go.set()
    policy.delay_s = 0.1
    assert len(policy.act({})) == 2
    ((chunk, thought_s, answer_s),) = told_of
    assert len(chunk) == 2 and thought_s < answer_s and answer_s >= 0.1


def test_a_policy_that_hangs_is_not_waited_for_for_ever(monkeypatch):
    monkeypatch.setattr(watching, "BUSY_S", 0.05)
    slow = Slow()
    policy = WatchedPolicy(slow, lambda *facts: None)
    thread = threading.Thread(target=policy.act, args=({},))
    thread.start()
    while not policy._lock.locked():
        pass
    with pytest.raises(PolicyFailedError, match="does not come back"):
        policy.reset()
    slow.go.set()
    thread.join()
    policy.reset()


def test_robots_are_found_by_address_and_what_is_missing_is_named():
    features = SO101.features()
    assert kinds_for(features) == ("sim", "dry", "so101", "lerobot")
    assert "lekiwi" in kinds_for(LEKIWI.features())
    heard: list[str] = []
    robot = WatchedRobot(connected_robot("dry", features, "me", heard.append), lambda reading: None)
    for _ in range(3):
        robot.send_action(dict.fromkeys(robot.action_features, 1.0))
    assert heard == ["would send " + "  ".join(f"{name} 1.00" for name in features.action_names)]
    assert robot.hz > 0
    with pytest.raises(SaysoError, match="serial port"):
        connected_robot("so101", features, "me", heard.append)
    with pytest.raises(SaysoError, match="no robot for this policy 'lekiwi'"):
        connected_robot("lekiwi 192.168.1.20", features, "me", heard.append)
    with pytest.raises(SaysoError, match="NAME=NUMBER"):
        connected_robot("so101 /dev/nowhere front", features, "me", heard.append)
    for nameless in ("lerobot", "lerobot:"):
        with pytest.raises(SaysoError, match="name its type and the fields of its config"):
            connected_robot(nameless, features, "me", heard.append)


@pytest.mark.parametrize("address", ["lerobot:their_arm port=here front=0 wrist=/dev/video2", "lerobot "
    "their_arm  front=0 port=here wrist=/dev/video2"])  # fmt: skip
def test_any_robot_of_lerobots_is_told_its_fields_and_opens_the_policys_cameras(monkeypatch, address):
    asked, features = [], SO101.features()

    def driver(how):
        asked.append(how)
        return ImaginedRobot(features)

    monkeypatch.setattr("sayso.runtime.drivers.lerobot_at", driver)
    assert connected_robot(address, features, "me", print).get_observation()["front"].any()
    (how,) = asked
    assert how.lerobot == "their_arm" and how.settings == {"port": "here"} and how.id == "me"
    assert how.cameras == {"front": 0, "wrist": "/dev/video2"}
    assert how.sizes == features.cameras
