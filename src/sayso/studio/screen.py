"""Screen that all pages have in common: the world, what the robot sees, who acts, the keys to take over."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import viser

from sayso.data.film import side_by_side
from sayso.robots import BASE
from sayso.runtime.operators.person import can_steer
from sayso.spec import Features
from sayso.studio.controls import Controls
from sayso.studio.drawing import Drawing
from sayso.studio.markup import STYLE, acting, status, timing
from sayso.studio.session import Session
from sayso.studio.steering import Steering
from sayso.studio.view import View

PICTURES_S = 0.09
"""How often pictures are sent, at most: they are most of what is sent."""
PAPER = np.full((128, 192, 3), 128, np.uint8)
QUIET = (222, 226, 230)
"""Colour of buttons that need not be seen first."""
THEME: Mapping[str, Any] = {
    "control_width": "large", "show_logo": False, "show_share_button": False, "brand_color": (34, 139, 230),
}  # fmt: skip


class Screen:
    """World, pictures and keys, to which a page adds what else may be done."""

    def __init__(
        self, server: viser.ViserServer, session: Session, features: Features, controls: Controls
    ) -> None:
        """Lay it out; all browsers that look at it share it."""
        self._server, self._session = server, session
        self._drawing = Drawing(server)
        self._sent: dict[str, Any] = {}
        self._pictured_s = 0.0
        server.gui.add_html(STYLE)
        self._add_above()
        self._steering: Steering | None = None
        if can_steer(features):
            mobile = any(name in BASE for name in features.action_names)
            self._steering = Steering(server, session, controls, mobile=mobile, alone=session.view.alone)
        self._add_below()
        self._add_look()
        server.gui.main_panel.dock_right()
        panel = server.gui.add_panel()
        with panel.add_tab("What it sees and does", viser.Icon.EYE):
            self._pictures = server.gui.add_image(PAPER)
            self._acting = server.gui.add_html("")
            self._status = server.gui.add_html("")
            self._timing = server.gui.add_html("")
        panel.float(x=15, y=15, width=330)

    def _add_above(self) -> None:
        """Add what stands above the keys."""

    def _add_below(self) -> None:
        """Add what stands below them."""

    def update(self) -> None:
        """Show how things are now. To be called again and again."""
        view = self._session.view
        self._drawing.update(view)
        if self._steering is not None:
            self._steering.update(view)
            self._put(self._acting, "content", acting(view, mobile=self._steering.mobile))
        self._put(self._status, "content", status(view))
        self._put(self._timing, "content", timing(view))
        self._show_pictures(view)

    def _put(self, handle: Any, name: str, value: Any) -> None:
        """Set something of a handle, unless it is so already: what is set is sent."""
        key = f"{id(handle)}.{name}"
        if self._sent.get(key) != value:
            self._sent[key] = value
            setattr(handle, name, value)

    def _show_pictures(self, view: View) -> None:
        now, shown = time.monotonic(), self._sent.get("pictures")
        if view.images and view.images is not shown and now - self._pictured_s > PICTURES_S:
            self._sent["pictures"], self._pictured_s = view.images, now
            self._pictures.image = side_by_side(list(view.images.values()))

    def _add_look(self) -> None:
        gui = self._server.gui
        with gui.add_folder("Look", expand_by_default=False):
            dark = gui.add_checkbox("dark", False)
            cameras = gui.add_checkbox("the robot's cameras", True)
        dark.on_update(lambda _: self._darken(dark.value))
        cameras.on_update(lambda _: self._drawing.show_cameras(cameras.value))

    def _darken(self, dark: bool) -> None:
        self._server.gui.configure_theme(**THEME, dark_mode=dark)
