"""Operational space control of LIBERO's arm: robosuite's numbers to the bit, in a quarter of its time.

In each of the 25 steps of physics of a control step robosuite computes all of MuJoCo's forward dynamics three
times, two of them for the controller to look at, and asks for everything by name. Here physics is halted half
way through its one computation, where positions and velocities are known and forces are still to be given::

    robosuite    forward | forward  read  torques | forward  integrate
    here         step1      read  torques                step2

Goals, gripper and the formulas are robosuite's own functions, called with what it would call them with, and
what they remember stays in its objects; so one may change between both at any step.

Operational space control: O. Khatib, "A unified approach for motion and force control of robot manipulators",
IEEE Journal of Robotics and Automation 3(1), 1987.
"""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from sayso.geometry import Vector


class OperationalSpaceController:
    """Controller of one arm in one model; to be made anew with each model."""

    def __init__(self, env: Any) -> None:
        """Find the arm of LIBERO's problem in its present model."""
        from robosuite.utils import control_utils

        self._formulas = control_utils
        self._robot = robot = env.robots[0]
        self._theirs = theirs = robot.controller
        self._model: mujoco.MjModel = env.sim.model._model
        self._data: mujoco.MjData = env.sim.data._data
        self._site = self._model.site(theirs.eef_name).id
        self._positions, self._speeds = theirs.qpos_index, theirs.qvel_index
        self._arm = robot._ref_joint_actuator_indexes
        self._fingers = [self._model.actuator(name).id for name in robot.gripper.actuators]
        self._low, self._high = robot.torque_limits
        span = self._model.actuator_ctrlrange[self._fingers]
        self._middle, self._half = 0.5 * (span[:, 1] + span[:, 0]), 0.5 * (span[:, 1] - span[:, 0])
        self._along, self._about = (np.zeros((3, self._model.nv)) for _ in range(2))
        self._masses = np.zeros((self._model.nv, self._model.nv))

    def aim(self, action: Vector) -> None:
        """Set where an action, [7], wants the hand, from where it is now."""
        theirs = self._theirs
        theirs.ee_pos = np.array(self._data.site_xpos[self._site])
        theirs.ee_ori_mat = np.array(self._data.site_xmat[self._site].reshape(3, 3))
        theirs.new_update = False  # so that it does not look again
        theirs.set_goal(action[:6])
        theirs.new_update = True

    def control(self, action: Vector) -> None:
        """Give arm and gripper their forces, while MuJoCo is between the halves of a step."""
        control, fingers = self._data.ctrl, self._robot.gripper.format_action(action[6:])
        control[self._arm] = np.clip(self._torques(), self._low, self._high)
        control[self._fingers] = self._middle + self._half * fingers

    def _torques(self) -> Vector:
        """Return the torques of the arm's joints, [7]."""
        data, theirs, formulas = self._data, self._theirs, self._formulas
        mujoco.mj_jacSite(self._model, data, self._along, self._about, self._site)
        _spread(self._model, data, self._masses)
        hand, turn = data.site_xpos[self._site], data.site_xmat[self._site].reshape(3, 3)
        speeds = data.qvel
        force = (theirs.goal_pos - hand) * theirs.kp[:3] - np.dot(self._along, speeds) * theirs.kd[:3]
        askew = formulas.orientation_error(theirs.goal_ori, turn.copy())
        torque = askew * theirs.kp[3:] - np.dot(self._about, speeds) * theirs.kd[3:]
        along, about = np.array(self._along[:, self._speeds]), np.array(self._about[:, self._speeds])
        jacobian = np.vstack([along, about])
        masses = self._masses[self._speeds, :][:, self._speeds]
        _, inertia, inertia_about, spare = formulas.opspace_matrices(masses, jacobian, along, about)
        wrench = np.concatenate([np.dot(inertia, force), np.dot(inertia_about, torque)])
        torques: Vector = np.dot(jacobian.T, wrench) + data.qfrc_bias[self._speeds]
        torques += formulas.nullspace_torques(
            masses, spare, theirs.initial_joint, data.qpos[self._positions], speeds[self._speeds]
        )
        return torques


def _spread(model: mujoco.MjModel, data: mujoco.MjData, masses: NDArray[np.float64]) -> None:
    """Write the matrix of masses in full, [speeds, speeds]."""
    if hasattr(data, "qM"):  # before MuJoCo 3.4
        mujoco.mj_fullM(model, masses, data.qM)
    else:
        mujoco.mj_fullM(model, data, masses)
