"""Steering on the page: a ball at the hand that can be dragged, the keys that move it, and who acts now."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import viser

from sayso.runtime.operators.person import Wish
from sayso.studio.controls import Controls, Pressed
from sayso.studio.markup import keys
from sayso.studio.session import Session
from sayso.studio.view import Vectors, View

BALL_M = 0.035
MOVED_M = 1e-4
"""What moves less is not sent again."""
BALL_RGB = (255, 120, 0)


class Steering:
    """Ball and keys by which people take over."""

    def __init__(
        self, server: viser.ViserServer, session: Session, controls: Controls, *, mobile: bool, alone: bool
    ) -> None:
        """Add them to a page.

        Args:
            server: of the page.
            session: whose robot is steered.
            controls: keys and gamepad.
            mobile: whether the robot has a base that drives.
            alone: whether there is no policy to take over from.
        """
        self._server, self._session, self.mobile = server, session, mobile
        self._grabbed_m: Vectors = np.zeros(3)
        self._ball: viser.IcosphereHandle | None = None
        self.judged: Callable[[str], None] = lambda _: None
        """Who is told that what was done is to be kept or discarded."""
        with server.gui.add_folder("Your hands" if alone else "Take over"):
            server.gui.add_html(keys(mobile=mobile, alone=alone))
            grip = server.gui.add_button("Gripper", icon=viser.Icon.HAND_GRAB, color=(222, 226, 230))
        grip.on_click(lambda _: session.hands.grip())
        self._grip = grip
        controls.heard = self._heard

    def update(self, view: View) -> None:
        """Show the ball where the hand is, while it can be moved."""
        point = view.hand_m if view.steered else None
        if point is not None and self._ball is None:
            self._ball = self._add_ball()
        if self._ball is not None:
            if self._ball.visible != (point is not None):
                self._ball.visible = point is not None
            if point is not None and np.abs(self._ball.position - point).max() > MOVED_M:
                self._ball.position = point
        if self._grip.disabled == view.steered:
            self._grip.disabled = not view.steered

    def _add_ball(self) -> viser.IcosphereHandle:
        ball = self._server.scene.add_icosphere(
            "/hand", radius=BALL_M, color=BALL_RGB, opacity=0.5, cast_shadow=False
        )
        ball.on_drag("left")(self._dragged)
        return ball

    def _dragged(self, event: viser.SceneNodeDragEvent[Any]) -> None:
        hands = self._session.hands
        if event.phase == "end":
            hands.drag(None)
            return
        if event.phase == "start":
            self._grabbed_m = np.array(event.start_position) - event.target.position
        hands.drag(np.array(event.end_position) - self._grabbed_m)

    def _heard(self, pressed: Pressed) -> None:
        """Do what keys ask for; ahead and aside are as one looks at the room."""
        hands = self._session.hands
        heading = self._heading_rad()
        cos, sin = math.cos(heading), math.sin(heading)
        hands.steer(
            Wish(
                along=pressed.away * cos + pressed.right * sin,
                across=pressed.away * sin - pressed.right * cos,
                up=pressed.up,
                turn=pressed.turn,
                lean=pressed.lean,
                base=(pressed.ahead, pressed.left, pressed.spin),
            )
        )
        for tap in pressed.taps:
            if tap == "grip":
                hands.grip()
            else:
                self.judged(tap)

    def _heading_rad(self) -> float:
        """Return where one looks, seen from above: whoever moved their view last."""
        cameras = [client.camera for client in self._server.get_clients().values()]
        if not cameras:
            return 0.0
        camera = max(cameras, key=lambda each: each.update_timestamp)
        ahead = np.asarray(camera.look_at) - np.asarray(camera.position)
        return math.atan2(ahead[1], ahead[0])
