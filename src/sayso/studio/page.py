"""Live page: what people may do on the right, what the robot sees on the left, the world between them."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import viser

from sayso.runtime.chunking import STRATEGIES
from sayso.sim.disturbance import Disturbance
from sayso.spec import Features
from sayso.studio.addresses import kinds_for, needs_of, title_of
from sayso.studio.controls import Controls
from sayso.studio.door import Door
from sayso.studio.rooms import SUGGESTIONS
from sayso.studio.screen import QUIET, THEME, Screen
from sayso.studio.session import Session
from sayso.studio.sites import MAX_DELAY_S
from sayso.studio.visitors import free_port, strangers_turned_away
from sayso.tasks.worlds import WORLDS


def serve(
    host: str, port: int, world: str, controls: Controls | None = None
) -> tuple[viser.ViserServer, str]:
    """Return a server at a port, or at the next that is free, and the address of its page with a token.

    The page is empty, and keys are heard.

    Raises:
        SaysoError: if there is no such address or port.
    """
    port, door = free_port(host, port), Door(host)
    # It would announce itself in a frame of its own.
    with contextlib.redirect_stdout(io.StringIO()), strangers_turned_away(door, controls):
        server = viser.ViserServer(host=host, port=port, label="sayso studio", verbose=False)
    entry = WORLDS[world]
    server.initial_camera.position, server.initial_camera.look_at = entry.eye_m, entry.target_m
    server.scene.configure_environment_map("city", environment_intensity=0.6)  # at 1, white is without form
    server.gui.configure_theme(**THEME)
    return server, door.address(server.get_port())


class Page(Screen):
    """Page that turns what people do into orders, and what the session shows into what browsers draw."""

    def __init__(
        self, server: viser.ViserServer, session: Session, features: Features, controls: Controls
    ) -> None:
        """Lay out the page; all browsers that look at it share it."""
        self._features = features
        super().__init__(server, session, features, controls)

    def _add_above(self) -> None:
        self._add_instruction()

    def _add_below(self) -> None:
        self._add_disturbances()
        self._add_robot(kinds_for(self._features))

    def update(self) -> None:
        """Show how things are now. To be called again and again."""
        super().update()
        view = self._session.view
        for i, button in enumerate(self._examples):
            known = i < len(view.examples)
            self._put(button, "visible", known)
            self._put(button, "label", view.examples[i] if known else "")
        for control in self._of_simulation:
            self._put(control, "disabled", not view.simulated)
        self._put(self._finish, "visible", not view.simulated)
        self._put(self._finish, "disabled", not view.driving)

    def _add_instruction(self) -> None:
        gui, session = self._server.gui, self._session
        with gui.add_form("Tell the robot what to do") as form:
            text = gui.add_text("Say", "", hint="One instruction, or several: put ... in ..., then ...")
            go = gui.add_button("Go", icon=viser.Icon.PLAYER_PLAY, hint="Enter does the same")
            stop = gui.add_button("Stop", color="red", icon=viser.Icon.HAND_STOP)
        go.on_click(lambda _: form.submit())
        form.on_submit(lambda _: session.tell(text.value))
        stop.on_click(lambda _: session.stop())
        with gui.add_folder("Or, for example"):
            self._examples = [gui.add_button("", color=QUIET, visible=False) for _ in range(SUGGESTIONS)]

        def say(event: viser.GuiEvent[viser.GuiButtonHandle]) -> None:
            _set(text, event.target.label)
            session.tell(event.target.label)

        for button in self._examples:
            button.on_click(say)
        with gui.add_folder("Scene"):
            reset = gui.add_button("Reset", color=QUIET, icon=viser.Icon.REFRESH)
            new = gui.add_button("New scene", color=QUIET, icon=viser.Icon.ARROWS_SHUFFLE)
        reset.on_click(lambda _: session.reset())
        new.on_click(lambda _: session.new_scene())
        self._of_simulation: list[Any] = [reset, new]

    def _add_disturbances(self) -> None:
        gui = self._server.gui
        with gui.add_folder("Make it harder"):
            right = gui.add_slider("camera right", -10.0, 10.0, 0.5, 0.0, hint="centimetres")
            up = gui.add_slider("camera up", -10.0, 10.0, 0.5, 0.0, hint="centimetres")
            pan = gui.add_slider("camera pan", -15.0, 15.0, 0.5, 0.0, hint="degrees to the right")
            tilt = gui.add_slider("camera tilt", -15.0, 15.0, 0.5, 0.0, hint="degrees upwards")
            light = gui.add_slider("light", 20, 180, 5, 100, hint="per cent of the lamps as they were")
            delay = gui.add_slider(
                "delay", 0, round(1000 * MAX_DELAY_S), 25, 0, hint="milliseconds added to every answer"
            )
            strategy = gui.add_dropdown(
                "late chunks", tuple(STRATEGIES), initial_value=self._session.strategy,
                hint="how a chunk that comes late is joined to the one before; from the next step on",
            )  # fmt: skip
            back = gui.add_button("As it was", color=QUIET)
        sliders = (right, up, pan, tilt, light)

        def disturb(_: object) -> None:
            self._session.disturb(
                Disturbance(
                    right_m=right.value / 100,
                    up_m=up.value / 100,
                    pan_deg=pan.value,
                    tilt_deg=tilt.value,
                    light=light.value / 100,
                )
            )

        def put_right(_: object) -> None:
            for slider, nominal in ((right, 0), (up, 0), (pan, 0), (tilt, 0), (light, 100), (delay, 0)):
                _set(slider, nominal)

        for slider in sliders:
            slider.on_update(disturb)
        delay.on_update(lambda _: self._session.delay(delay.value / 1000))
        strategy.on_update(lambda _: self._choose(strategy.value))
        back.on_click(put_right)
        self._of_simulation += sliders

    def _choose(self, strategy: Any) -> None:
        self._session.strategy = strategy

    def _add_robot(self, kinds: tuple[str, ...]) -> None:
        gui, names = self._server.gui, {title_of(kind): kind for kind in kinds}
        with gui.add_folder("Robot", expand_by_default=False):
            kind = gui.add_dropdown("drive", tuple(names))
            needs = "; ".join(f"{title_of(one)}: {needs_of(one)}" for one in kinds if needs_of(one))
            where = gui.add_text("at", "", hint=needs)
            connect = gui.add_button("Connect", icon=viser.Icon.PLUG_CONNECTED)
        self._finish = gui.add_button("It is done", color="green", icon=viser.Icon.CHECK, visible=False)
        self._finish.on_click(lambda _: self._session.finish())
        connect.on_click(lambda _: self._session.switch(f"{names[kind.value]} {where.value}".strip()))


def _set(handle: Any, value: object) -> None:
    """Set the value of a control in every browser: mypy takes viser's setters for missing."""
    handle.value = value
