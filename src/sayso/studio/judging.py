"""Page of a person who demonstrates: the sentence, the keys, and whether to keep what was done."""

from __future__ import annotations

import viser

from sayso.spec import Features
from sayso.studio.controls import Controls
from sayso.studio.demonstrating import Demonstration
from sayso.studio.markup import asked
from sayso.studio.screen import QUIET, Screen


class JudgingPage(Screen):
    """Page on which one scene after the other is shown, acted in, and kept or not."""

    def __init__(
        self, server: viser.ViserServer, session: Demonstration, features: Features, controls: Controls
    ) -> None:
        """Lay out the page."""
        self._demonstration = session
        super().__init__(server, session, features, controls)
        if self._steering is not None:
            self._steering.judged = session.judge

    def update(self) -> None:
        """Show how things are now. To be called again and again."""
        super().update()
        view, demonstration = self._session.view, self._demonstration
        self._put(self._asked, "content", asked(view, demonstration.kept, demonstration.wanted))
        for button in self._judges:
            self._put(button, "disabled", not view.judged)

    def _add_above(self) -> None:
        gui, session = self._server.gui, self._demonstration
        with gui.add_folder("Show the robot how"):
            self._asked = gui.add_html("")
            keep = gui.add_button("Keep it (Enter)", color="green", icon=viser.Icon.CHECK)
            discard = gui.add_button("Discard it (Backspace)", color="red", icon=viser.Icon.TRASH)
            again = gui.add_button("Begin this scene again", color=QUIET, icon=viser.Icon.REFRESH)
            other = gui.add_button("Another scene", color=QUIET, icon=viser.Icon.ARROWS_SHUFFLE)
        keep.on_click(lambda _: session.judge("keep"))
        discard.on_click(lambda _: session.judge("discard"))
        again.on_click(lambda _: session.reset())
        other.on_click(lambda _: session.new_scene())
        self._judges = (keep, discard)
