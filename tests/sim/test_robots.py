import math

import numpy as np
import pytest

from sayso.sim import meshes
from sayso.sim.kinematics import ArmKinematics
from sayso.sim.robots import (
    GRIPPER_CLOSED_RAD,
    GRIPPER_OPEN_RAD,
    LEKIWI,
    REST_RAD,
    SO101,
    arm_spec,
    from_robot_units,
    to_robot_units,
)


def test_units_survive_the_way_out_and_back():
    rng = np.random.default_rng(0)
    for _ in range(50):
        joints, velocity = rng.uniform(-1.5, 1.5, 6), rng.uniform(-0.3, 0.3, 3)
        back = from_robot_units(to_robot_units(joints, velocity))
        assert back[0] == pytest.approx(joints, abs=1e-5)
        assert back[1] == pytest.approx(velocity, abs=1e-6)


def test_gripper_runs_from_0_closed_to_100_open():
    closed, opened = np.zeros(6), np.zeros(6)
    closed[5], opened[5] = GRIPPER_CLOSED_RAD, GRIPPER_OPEN_RAD
    assert to_robot_units(closed)[5] == pytest.approx(0, abs=1e-5)
    assert to_robot_units(opened)[5] == pytest.approx(100, abs=1e-4)


def test_names_and_units_are_those_of_lerobot():
    joints = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper")
    assert SO101.features().action_names == tuple(f"{j}.pos" for j in joints)
    lekiwi = LEKIWI.features()
    assert lekiwi.state_names == (*(f"arm_{j}.pos" for j in joints), "x.vel", "y.vel", "theta.vel")
    assert [d.unit for d in lekiwi.state] == ["deg"] * 5 + ["%", "m/s", "m/s", "deg/s"]


def test_cameras_of_one_robot_may_differ_in_size():
    assert SO101.features().cameras == {"front": (128, 128), "wrist": (128, 128)}
    assert LEKIWI.features().cameras == {"front": (128, 192), "wrist": (96, 96)}  # height, width


def test_points_are_named_by_camera_referent_and_number():
    points = LEKIWI.features().points
    assert points[:4] == ("front.object.u", "front.object.v", "front.object.visible", "front.place.u")
    assert len(points) == 12 and points[-1] == "wrist.place.visible"


def test_thinned_arm_has_a_tenth_of_the_faces_and_nearly_the_same_size():
    model = arm_spec().compile()
    assert model.nmeshface < 15_000
    path = meshes.arm_model_file().parent / "assets" / "upper_arm_so101_v1.stl"
    raw = meshes._triangles(path.read_bytes()).reshape(-1, 3)
    thin, _ = meshes.thin_mesh(path, 800)
    assert np.ptp(thin, axis=0) == pytest.approx(np.ptp(raw, axis=0), rel=0.06)


def test_missing_assets_name_the_package_to_install(monkeypatch):
    monkeypatch.setattr(meshes, "SOURCES", ("no_such_package_anywhere",))
    with pytest.raises(meshes.MissingAssetsError, match="pip install"):
        meshes.arm_model_file()


def test_inverse_kinematics_reaches_what_forward_kinematics_says_is_reachable():
    kinematics, rng = ArmKinematics(), np.random.default_rng(1)
    for _ in range(20):
        target = np.array([rng.uniform(0.20, 0.30), rng.uniform(-0.12, 0.12), rng.uniform(0.02, 0.12)])
        joints = REST_RAD
        for _ in range(10):
            joints = kinematics.solve(joints, target, 0.25, -math.pi / 2)
        position, hand = kinematics.forward(joints)
        assert position == pytest.approx(target, abs=0.004)
        assert -hand[2, 2] < -0.75  # the hand points down


def test_inverse_kinematics_stays_within_the_joint_limits_when_the_target_is_out_of_reach():
    kinematics = ArmKinematics()
    joints = kinematics.solve(REST_RAD, np.array([1.0, 1.0, 1.0]), 0.25, 0.0)
    assert np.all(joints >= kinematics._low) and np.all(joints <= kinematics._high)
