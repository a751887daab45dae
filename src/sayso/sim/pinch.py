"""Pinch: how a hand stands that holds, or is about to hold, something between thumb and index finger.

The angles of both for a distance of their pads are found by damped least squares (Levenberg 1944; Marquardt
1963), so that the pads face each other; the other fingers are curled.
"""

from __future__ import annotations

from functools import cache

import mujoco
import numpy as np
from numpy.typing import NDArray

from sayso.sim.hand import FOREARM, WRIST, HandMesh, hand_mesh

Numbers = NDArray[np.float64]
LOW = np.array([-0.7, -0.8, -1.2, -0.2, -0.3, -0.2, -0.25, 0.0])
HIGH = np.array([0.9, 0.8, 1.2, 0.9, 1.0, 1.35, 0.25, 1.5])
REST = np.array([0.0, 0.4, 0.5, 0.2, 0.15, 0.5, 0.0, 0.6])
"""Thumb's three angles at its root and two along it, index finger's flexion, spread and bend, radians."""
OPENINGS_M = np.linspace(0.0, 0.10, 11)
PINCHING = ("thumb", "index-finger")
CURL = (0.55, 0.65, 0.75)
PAD_SHARE, PAD_M = 0.65, 0.0075
"""How far down the last bone its pad is, and how far off it."""
HAND_M = 0.094
"""From the wrist to where the middle finger begins, in the mesh as it comes."""


def pinching(
    middle_m: Numbers,
    opening_m: float,
    *,
    closing_rad: float,
    tilt_rad: float,
    from_rad: float,
    scale: float = 1.0,
    bend: float = 0.3,
) -> Numbers:
    """Return the frames of a hand's joints in the world, ``[J, 4, 4]``.

    Args:
        middle_m: between the pads, ``[3]``.
        opening_m: between the pads.
        closing_rad: heading from the thumb to the finger.
        tilt_rad: how far the hand leans from straight down, towards the person.
        from_rad: heading at which the person stands.
        scale: of the hand.
        bend: how much the wrist bends for the forearm to come from the person's elbow.
    """
    mesh = hand_mesh(scale)
    angles = [np.interp(opening_m / scale, OPENINGS_M, column) for column in _table().T]
    frames = mesh.posed(_turns(np.array(angles)))
    back = np.array([np.cos(from_rad), np.sin(from_rad), 0.0])
    across = np.array([np.cos(closing_rad), np.sin(closing_rad), 0.0])
    ahead = -np.array([0, 0, np.cos(tilt_rad)]) - np.sin(tilt_rad) * back
    wanted = _frame(middle_m, across, ahead)
    placed: Numbers = wanted @ np.linalg.inv(_pinch_frame(mesh, frames)) @ frames
    wrist = placed[mesh.index(WRIST)]
    elbow = wrist[:3, 2] + 3 * bend * (np.cos(0.45) * back + [0, 0, np.sin(0.45)])
    arm = wrist.copy()
    arm[:3, :3] = _least_turn(wrist[:3, 2], elbow / np.linalg.norm(elbow)) @ wrist[:3, :3]
    placed[mesh.index(FOREARM)] = arm
    return placed


def pads_of(mesh: HandMesh, frames: Numbers) -> Numbers:
    """Return the pads of thumb and index finger, ``[2, 3]``."""
    size = np.linalg.norm(
        mesh.rest[mesh.index(WRIST), :3, 3] - mesh.rest[mesh.index("middle-finger-phalanx-proximal"), :3, 3]
    )
    found = []
    for finger in ("thumb", "index-finger"):
        joint, tip = frames[mesh.index(f"{finger}-phalanx-distal")], frames[mesh.index(f"{finger}-tip")]
        along = (1 - PAD_SHARE) * joint[:3, 3] + PAD_SHARE * tip[:3, 3]
        found.append(along - PAD_M * size / HAND_M * joint[:3, 1])
    return np.array(found)


@cache
def _table() -> Numbers:
    """Return the eight angles for each of `OPENINGS_M`, ``[11, 8]``, each found from its neighbour's."""
    rows: dict[int, Numbers] = {}
    angles = REST
    for k in (*range(6, 11), *range(5, -1, -1)):
        angles = rows[6] if k == 5 else angles
        angles = rows[k] = _solved(float(OPENINGS_M[k]), angles)
    return np.array([rows[k] for k in range(len(OPENINGS_M))])


def _solved(opening_m: float, near: Numbers, iterations: int = 25) -> Numbers:
    mesh = hand_mesh()

    def errors(angles: Numbers) -> Numbers:
        frames = mesh.posed(_turns(angles), PINCHING)
        thumb, finger = pads_of(mesh, frames)
        apart = finger - thumb
        distance = float(np.linalg.norm(apart))
        faces = [-frames[mesh.index(f"{f}-phalanx-distal")][:3, 1] for f in ("thumb", "index-finger")]
        across = apart if distance > 4e-3 else faces[0] - faces[1]
        across = across / np.linalg.norm(across)
        facing = [0.8 * (faces[0] - across), 0.8 * (faces[1] + across)]
        return np.concatenate(
            [[400 * (distance - opening_m)], *facing, 0.25 * (angles - REST), 0.35 * (angles - near)]
        )

    angles, damping = near.clip(LOW + 1e-3, HIGH - 1e-3), 1e-2
    error = errors(angles)
    for _ in range(iterations):
        slopes = [(errors(angles + step) - error) / 1e-5 for step in 1e-5 * np.eye(len(angles))]
        jacobian = np.stack(slopes, axis=1)
        square = jacobian.T @ jacobian
        step = np.linalg.solve(square + damping * np.diag(np.diag(square)), -jacobian.T @ error)
        tried = (angles + step).clip(LOW, HIGH)
        worse = errors(tried)
        if worse @ worse < error @ error:
            settled = float(np.abs(tried - angles).max()) < 1e-4
            angles, error, damping = tried, worse, damping / 3
            if settled:
                break
        else:
            damping *= 5
    return angles


def _turns(angles: Numbers) -> dict[str, Numbers]:
    a, b, c, proximal, distal, flexed, spread, bent = angles.tolist()
    found = {
        "thumb-metacarpal": (a, b, c),
        "thumb-phalanx-proximal": (-proximal, 0.0, 0.0),
        "thumb-phalanx-distal": (-distal, 0.0, 0.0),
        "index-finger-phalanx-proximal": (-flexed, spread, 0.0),
        "index-finger-phalanx-intermediate": (-bent, 0.0, 0.0),
        "index-finger-phalanx-distal": (-0.6 * bent, 0.0, 0.0),
    }
    for finger, curl in zip(("middle-finger", "ring-finger", "pinky-finger"), CURL, strict=True):
        for bone, share in (("proximal", 0.9), ("intermediate", 1.1), ("distal", 0.6)):
            found[f"{finger}-phalanx-{bone}"] = (-share * curl, 0.0, 0.0)
    return {joint: _turned(*turn) for joint, turn in found.items()}


def _turned(x: float, y: float, z: float) -> Numbers:
    """Return the rotation about x, then y, then z of the world, [3, 3]."""
    quat, matrix = np.zeros(4), np.zeros(9)
    mujoco.mju_euler2Quat(quat, np.array([x, y, z]), "XYZ")
    mujoco.mju_quat2Mat(matrix, quat)
    return matrix.reshape(3, 3)


def _frame(origin: Numbers, across: Numbers, ahead: Numbers) -> Numbers:
    """Return the frame of a pinch: x from thumb to finger, z away from the wrist as far as that goes."""
    x = across / np.linalg.norm(across)
    z = ahead - x * (ahead @ x)
    z /= np.linalg.norm(z)
    frame = np.eye(4)
    frame[:3, :3], frame[:3, 3] = np.stack([x, np.cross(z, x), z], axis=1), origin
    return frame


def _pinch_frame(mesh: HandMesh, frames: Numbers) -> Numbers:
    thumb, finger = pads_of(mesh, frames)
    across = finger - thumb
    if np.linalg.norm(across) < 3e-3:
        joints = [frames[mesh.index(f"{f}-phalanx-distal")] for f in ("thumb", "index-finger")]
        across = joints[1][:3, 1] - joints[0][:3, 1]
    ends = [frames[mesh.index(j), :3, 3] for j in (WRIST, "index-finger-phalanx-proximal")]
    middle = (thumb + finger) / 2
    return _frame(middle, across, middle - (ends[0] + ends[1]) / 2)


def _least_turn(one: Numbers, other: Numbers) -> Numbers:
    """Return the rotation by the shortest way from one direction to another, [3, 3] (Rodrigues 1840)."""
    axis, cosine = np.cross(one, other), float(one @ other)
    skew = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    turn: Numbers = np.eye(3) + skew + skew @ skew / (1 + cosine)
    return turn
