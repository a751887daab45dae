"""Mock arm: an SO-101 that is not the one a policy was trained on, in a process of its own.

    recorder, LeRobot or `sayso run`  <-- pipe -->  this process: physics, cameras, motors that lag

What is shown and taken speaks as LeRobot's own driver of the SO-101 does, in degrees and per cent. Everything
else differs from the simulated arm of the tabletop: both cameras stand elsewhere, see wider and have other
names; every joint's zero is two degrees off; motors follow late; a reading takes time. Nothing of it touches
a real arm: it stands in for one where there is none.

The client, `MockArm`, needs numpy alone, so that it also runs where LeRobot does.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

import numpy as np

FPS = 30
CAMERAS = ("desk", "hand")
SIZE = (480, 640)
JOINTS = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper")
NUMBERS = tuple(f"{joint}.pos" for joint in JOINTS)
SENTENCES = ("put the red block in the bowl", "put the green block in the tray")
SCENES = "mock_arm.json"
"""File in a recording that says of which arm it is, and the scene of each episode."""
OFFSET_DEG, OFFSET_PERCENT = 2.0, 3.0
"""How far a joint's zero is off, up or down as a seed has it; of the gripper in per cent of its way."""
LAG_S, DEAD_FRAMES = 0.06, 1
"""Time constant of the motors, and how many frames pass before they hear a command."""
READING_S = 0.015
"""How long a reading of joints and cameras takes in real time."""
PACE = 10
"""Frames that the demonstrator takes for an action of the scripted expert, a twentieth of a second long."""
PICTURE_LATE_FRAMES = 1
"""How old a picture is when it is read, in frames."""
MOST_FRAMES = 15
"""How many frames it catches up with at once where the machine is too slow; the rest of the time is lost."""

EYES = {
    "front": ((0.50, 0.20, 0.52), (0.20, 0.02, 0.0), (0.0, 0.0, 1.0), 44.0),
    "arm_wrist": ((0.0, -0.085, -0.015), (0.014, 0.0, -0.10), (0.0, -1.0, 0.0), 62.0),
}
"""Camera of the model -> where it stands, what it looks at and what is up, m; its field of view, deg."""
DESK, FLOOR = (0.62, 0.50, 0.38), (0.35, 0.36, 0.40)


class MockArm:
    """Driver of the mock arm, by the interface that LeRobot's robots have.

    With ``real_time`` the arm moves on by itself between calls; otherwise each `send_action` is one frame,
    which takes as long as it takes.
    """

    name = "so101_follower"

    def __init__(self, address: str, size: tuple[int, int] = SIZE) -> None:
        """Remember where the process listens (`serving`), and how large its pictures are."""
        self._address, self._size = address, size
        self._line: Connection | None = None

    @property
    def observation_features(self) -> dict[str, Any]:
        """Return name -> ``float`` or image shape ``(H, W, 3)``."""
        return dict.fromkeys(NUMBERS, float) | dict.fromkeys(CAMERAS, (*self._size, 3))

    @property
    def action_features(self) -> dict[str, Any]:
        """Return name -> ``float``."""
        return dict.fromkeys(NUMBERS, float)

    @property
    def is_connected(self) -> bool:
        """Tell whether the process is listening."""
        return self._line is not None

    is_calibrated = True

    def connect(self, calibrate: bool = True) -> None:
        """Reach the process."""
        where, _, key = self._address.partition("?")
        host, _, port = where.partition(":")
        self._line = Client((host, int(port)), authkey=key.encode())

    def ask(self, what: str, *rest: Any) -> Any:
        """Ask the process for something, and return its answer.

        Raises:
            ConnectionError: if it is not there, or says that something is wrong.
        """
        if self._line is None:
            raise ConnectionError("the mock arm is not connected")
        try:
            self._line.send((what, *rest))
            good, answer = self._line.recv()
        except EOFError as error:
            raise ConnectionError("the mock arm's process has ended") from error
        if not good:
            raise ConnectionError(f"the mock arm: {answer}")
        return answer

    def get_observation(self) -> dict[str, Any]:
        """Return one reading: degrees, per cent, and pictures uint8 ``[H, W, 3]``."""
        numbers, pictures = self.ask("look")
        shown = {name: np.frombuffer(p, np.uint8).reshape(*self._size, 3) for name, p in pictures.items()}
        return dict(zip(NUMBERS, numbers, strict=True)) | shown

    def send_action(self, action: Mapping[str, float]) -> dict[str, float]:
        """Command targets of the joints, and return them as the arm took them."""
        taken = self.ask("act", [float(action[name]) for name in NUMBERS])
        return dict(zip(NUMBERS, taken, strict=True))

    def disconnect(self) -> None:
        """Leave the process; it waits for the next one."""
        if self._line is not None:
            self._line.close()
            self._line = None


@contextlib.contextmanager
def serving(*flags: str, python: str = sys.executable) -> Iterator[str]:
    """Run the arm's process inside a `with`, and yield the address at which it listens.

    Args:
        flags: of this file's command line, such as ``--real-time``.
        python: interpreter that has sayso.
    """
    key = secrets.token_hex(8)
    command = [python, str(Path(__file__)), "--key", key, *flags]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        where = process.stdout.readline().strip()
        if not where:
            raise RuntimeError("the mock arm's process did not begin")
        yield f"{where}?{key}"
    finally:
        process.terminate()
        process.wait()


class Body:
    """Physics, cameras and demonstrator behind the driver."""

    def __init__(self, *, seed: int, size: tuple[int, int], real_time: bool) -> None:
        """Build an arm whose calibration is off as `seed` has it."""
        from sayso.sim.render import Cameras
        from sayso.sim.scene import TIMESTEP_S
        from sayso.tasks.household.world import HouseholdWorld

        self.world = HouseholdWorld("tabletop", family="put")
        self.size, self._real_time = size, real_time
        self._cameras = Cameras(*size)
        signs = np.random.default_rng(seed).choice([-1.0, 1.0], len(JOINTS))
        self.offset = signs * np.array([OFFSET_DEG] * 5 + [OFFSET_PERCENT])
        self._timestep = TIMESTEP_S
        self._keep = float(np.exp(-1 / FPS / LAG_S))
        self._steps, self._began = 0, 0.0

    def scene(self, sentence: str, first: int) -> int:
        """Return the first seed, from one on, whose scene has what a sentence names."""
        return next(self.world.scenes(sentence, itertools.count(first)))

    def reset(self, seed: int, sentence: str) -> str:
        """Set the desk: what stands on it follows the seed; what it looks like does not."""
        import mujoco

        options = self.world.asking(sentence)
        self.world.reset(seed=seed, options=options)
        self._move_cameras()
        self._cameras.load(self.world.simulation.model)
        self._drawn = mujoco.MjData(self.world.simulation.model)
        self._expert = self.world.expert()
        self._target = self._heard = self._last = self._true()
        self._waiting = [self._target] * DEAD_FRAMES
        self._poses = [self._pose()] * (1 + PICTURE_LATE_FRAMES)
        self._steps, self._began = 0, 0.0
        self._plan: list[Any] = []
        return self.world.task.instruction

    def look(self) -> tuple[list[float], dict[str, bytes]]:
        """Return what the encoders and the cameras say now."""
        if self._real_time:
            time.sleep(READING_S)
            self._catch_up()
        return self.joints(), self._draw(self._poses[0])

    def joints(self) -> list[float]:
        """Return what the encoders say now."""
        numbers: list[float] = (self._true() + self.offset).tolist()
        return numbers

    def points(self) -> dict[str, dict[str, tuple[float, float] | None]]:
        """Return camera -> what the instruction names -> where a person sees it in the picture of `look`.

        u and v in 0..1, or None where it is not to be seen. No policy and no driver may ask for it.
        """
        import mock_sight
        from sayso.spec import REFERENTS

        intent, model = self.world.task.intent, self.world.simulation.model
        data = self._posed(self._poses[0])
        things = dict(zip(REFERENTS, (intent.object.name, intent.place.name), strict=True))
        return {
            shown: {
                what: mock_sight.middle(model, data, name, thing, self.size) for what, thing in things.items()
            }
            for shown, name in zip(CAMERAS, EYES, strict=True)
        }

    def act(self, numbers: list[float]) -> list[float]:
        """Take targets, in the arm's own numbers."""
        if self._real_time:
            self._catch_up()
            self._target = np.array(numbers) - self.offset
        else:
            self._target = np.array(numbers) - self.offset
            self._frame()
        return numbers

    def expert(self) -> list[float]:
        """Return what somebody who sees the desk would command now, in the arm's own numbers.

        The scripted expert thinks twenty times a second; each of its actions is spread over `PACE` frames, so
        that it moves as slowly as somebody who leads an arm by hand.
        """
        if not self._plan:
            goal = np.asarray(self._expert.act({}).actions[0], np.float64)
            self._plan = list(np.linspace(self._last, goal, PACE + 1)[1:])
        self._last = self._plan.pop(0)
        return (self._last + self.offset).tolist()

    def done(self) -> dict[str, bool]:
        """Return the named conditions of success as they hold now."""
        return self.world.conditions()

    def _true(self) -> Any:
        return np.asarray(self.world.simulation.state(), np.float64)

    def _frame(self) -> None:
        """Let a thirtieth of a second pass."""
        self._waiting.append(self._target)
        goal = self._waiting.pop(0)
        self._heard = goal + (self._heard - goal) * self._keep
        self._steps += 1
        due = round(self._steps / FPS / self._timestep) - round((self._steps - 1) / FPS / self._timestep)
        self.world.simulation.apply(self._heard, due)
        self._poses = [*self._poses[1:], self._pose()]

    def _catch_up(self) -> None:
        """Let as much time pass as has passed; the arm's clock begins when somebody first looks."""
        now = time.monotonic()
        self._began = self._began or now - self._steps / FPS
        due = int((now - self._began) * FPS) - self._steps
        self._began += max(0, due - MOST_FRAMES) / FPS
        for _ in range(min(due, MOST_FRAMES)):
            self._frame()

    def _pose(self) -> Any:
        return self.world.simulation.data.qpos.copy()

    def _posed(self, pose: Any) -> Any:
        """Return data of the model in which everything stands so."""
        import mujoco

        self._drawn.qpos[:] = pose
        mujoco.mj_forward(self.world.simulation.model, self._drawn)
        return self._drawn

    def _draw(self, pose: Any) -> dict[str, bytes]:
        """Draw what both cameras saw when everything stood so: only if somebody looks, for it takes time."""
        data = self._posed(pose)
        return {
            shown: self._cameras.picture(data, name, self.size).tobytes()
            for shown, name in zip(CAMERAS, EYES, strict=True)
        }

    def _move_cameras(self) -> None:
        """Let both cameras stand and see otherwise than those of the tabletop, on a desk of one colour."""
        import mujoco

        from sayso.geometry import look_at

        model = self.world.simulation.model
        for name, (eye, target, up, fovy) in EYES.items():
            x, y = look_at(eye, target, up).reshape(2, 3)
            camera = model.camera(name)
            mujoco.mju_mat2Quat(camera.quat, np.stack([x, y, np.cross(x, y)], 1).flatten())
            camera.pos[:], camera.fovy[:] = eye, fovy
        model.geom("table").rgba[:3], model.geom("floor").rgba[:3] = DESK, FLOOR
        mujoco.mj_forward(model, self.world.simulation.data)


def answer(body: Body, line: Connection) -> None:
    """Do what a client asks for, until it leaves."""
    while True:
        try:
            what, *rest = line.recv()
        except (EOFError, ConnectionError):
            return
        try:
            line.send((True, getattr(body, what)(*rest)))
        except Exception as error:  # whatever it is, the client is to hear of it
            line.send((False, f"{type(error).__name__}: {error}"))


def serve(argv: list[str] | None = None) -> None:
    """Listen at an address of this machine, which is printed, for one client after the other."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--key", default="", help="what a client must know")
    parser.add_argument("--seed", type=int, default=0, help="which way each joint's zero is off")
    parser.add_argument("--height", type=int, default=SIZE[0], help="of its pictures, which are 4:3")
    parser.add_argument("--real-time", action="store_true", help="move on between calls, as an arm does")
    parser.add_argument("--scene", type=int, default=2_900_000, help="seed of the first scene")
    parser.add_argument("--sentence", default=SENTENCES[0], help="what the first scene has room for")
    given = parser.parse_args(argv)
    body = Body(seed=given.seed, size=(given.height, given.height * 4 // 3), real_time=given.real_time)
    body.reset(body.scene(given.sentence, given.scene), given.sentence)
    with Listener(family="AF_INET", address=("127.0.0.1", 0), authkey=given.key.encode()) as listener:
        print(":".join(map(str, listener.address)), flush=True)
        while True:
            with contextlib.suppress(OSError), listener.accept() as line:
                answer(body, line)


if __name__ == "__main__":
    serve()
