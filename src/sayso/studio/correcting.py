"""Correcting on the page: what is typed while the robot moves, obeyed at once, answered in one sentence.

typed ──> a correction?    yes ──> the operator `Steering`, and "Understood: 2 cm to the left"
          | no
          an instruction?  yes ──> the session stops, and carries it out
          | no, but nearly a correction ──> a sentence; the robot goes on, or is held if it can break
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

from sayso.runtime.correction import EXAMPLES, NotACorrectionError, read
from sayso.runtime.said import Asked, Ear, asked_in
from sayso.spec import SaysoError
from sayso.studio.hands import Hands
from sayso.studio.progress import sentence as as_sentence
from sayso.studio.sites import SimulatedSite, Site
from sayso.tasks.household.words.language import NotUnderstoodError
from sayso.tasks.household.words.plan import decompose

SAID = "said.jsonl"
"""File beside the pieces that are kept: each correction that was obeyed, with what was being carried out."""


class Correcting:
    """Corrections at one site. What is said may be said from any thread."""

    def __init__(self, hands: Hands, site: Site) -> None:
        """Correct whoever acts at a site."""
        self._hands, self._site = hands, site
        self._ear = Ear(hands.steering, self._asked, careful=not site.simulated)
        self._sentence = ""
        self._meant: dict[str, str] = {}

    def begin_plan(self) -> None:
        """Forget what was meant by sentences of the last plan, and what came too late for it."""
        self._meant = {}
        self._hands.steering.unsay()

    def begin(self, sentence: str) -> str:
        """Return what is to be carried out: the sentence, or what a person said was meant by it."""
        self._sentence = self._meant.get(sentence, sentence)
        return self._sentence

    def instead(self, sentence: str) -> str:
        """Return what is to be carried out instead, if that was said; it counts for the rest of the plan."""
        if other := self._hands.steering.about:
            self._meant |= {said: other for said, meant in self._meant.items() if meant == sentence}
            self._meant[sentence] = other
            self._hands.steering.forget()
        return other

    def heard(self, text: str) -> str:
        """Have a correction obeyed, and return the answer; nothing if it is an instruction."""
        steering, waited = self._hands.steering, self._hands.steering.stands
        try:
            understood = self._ear.hear(text)
        except NotACorrectionError as error:
            if error.foreign and (self._is_instruction(text) or not error.meant):
                return ""
            return as_sentence(str(error))
        except NotUnderstoodError as error:
            return "" if self._is_instruction(text) else as_sentence(str(error))
        went_on = waited and not steering.about and "go on" in understood
        if went_on and isinstance(self._site, SimulatedSite) and self._site.room is not None:
            steering.ask(self._sentence, text, put_down=False)  # its time begins anew
        self._write(text, understood)
        return f"Understood: {understood}."

    def hint(self, text: str) -> str:
        """Return what to say of a text that is no instruction, if it corrects what moves."""
        try:
            read(text)
        except SaysoError:
            return ""
        return f" While the robot moves, it would be corrected by that; so it is by {EXAMPLES}."

    def _asked(self) -> Asked | None:
        world = getattr(self._site, "world", None)
        if world is not None and self._site.simulated:
            return asked_in(world, self._sentence)
        return Asked(sentence=self._sentence)

    def _is_instruction(self, text: str) -> bool:
        """Tell whether a text can be carried out where that is known before it is tried."""
        asked = self._asked()
        try:
            decompose(text, asked.things if asked else None, asked.families if asked else None)
        except NotUnderstoodError:
            return False
        return True

    def _write(self, text: str, understood: str) -> None:
        """Add a line to what was said, beside the pieces that are kept."""
        if (folder := self._hands.folder) is None:
            return
        line = {
            "said": text,
            "understood": understood,
            "instruction": self._sentence,
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        with (folder / SAID).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
