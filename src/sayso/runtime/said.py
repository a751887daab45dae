"""Ear for what is said while a robot acts: read, checked, and handed to who steers it.

"no, the other one" ──> correction.read ──> words.others.instead ──> Steering.ask
"a bit higher"      ──────────────────────────────────────────────> Steering.say
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sayso.runtime.correction import SAID, Correction, NotACorrectionError, read
from sayso.runtime.operators.steering import Steering
from sayso.spec import SaysoError
from sayso.tasks.contract import Told, World
from sayso.tasks.household.words.kinds import Thing
from sayso.tasks.household.words.language import NotUnderstoodError
from sayso.tasks.household.words.others import instead


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is being carried out, and what is known of where."""

    sentence: str
    things: tuple[Thing, ...] | None = None
    """What stands there; None where nobody knows."""
    families: tuple[str, ...] | None = None


def asked_in(world: World, sentence: str) -> Asked:
    """Return what is being carried out in a world, with what stands there if it can tell."""
    things: Iterable[Thing] | None = getattr(getattr(world, "task", None), "things", {}).values()
    told = isinstance(world, Told) and bool(things)
    return Asked(
        sentence=sentence,
        things=tuple(things or ()) if told else None,
        families=tuple(world.families) if told else None,
    )


class Ear:
    """Ear of one robot. It may hear in any thread."""

    def __init__(
        self, steering: Steering, asked: Callable[[], Asked | None], *, careful: bool = False
    ) -> None:
        """Listen for a robot.

        Args:
            steering: who obeys.
            asked: returns what is being carried out now; None if nothing is.
            careful: whether the robot is one that can break, and is held where nothing is understood.
        """
        self.steering, self._asked, self._careful = steering, asked, careful
        self._last: Correction | None = None

    def hear(self, text: str) -> str:
        """Have a correction obeyed, and return in plain words what was understood.

        Raises:
            NotACorrectionError: if it is none, or this robot cannot obey it; nothing has changed then, but
                that a robot that can break is held.
            NotUnderstoodError: if there is no other thing that can be meant, or more than one; as above.
        """
        try:
            return self._obeyed(text)
        except NotACorrectionError as error:
            is_stop = error.meant in SAID["stop"]  # whoever wanted that shall not have to spell it
            if not (is_stop or self._careful):
                raise
            foreign = error.foreign and not is_stop
            raise NotACorrectionError(self._held_for(error), error.meant, foreign=foreign) from error
        except NotUnderstoodError as error:
            if not self._careful:
                raise
            raise NotUnderstoodError(self._held_for(error)) from error

    def _held_for(self, error: SaysoError) -> str:
        """Hold the robot, and return why."""
        self.steering.say([Correction(what="stop")])
        return f"{error}{'' if str(error).endswith(('.', '?')) else '.'} It is held until 'go on'"

    def _obeyed(self, text: str) -> str:
        found = read(text, self._last)
        for one in found:
            if one.what != "other":
                self.steering.check(one)
        others = [one for one in found if one.what == "other"]
        sentence = self._instead(others[0]) if others else ""
        moves = [one for one in found if one.what == "move"]
        self._last = moves[-1] if moves else self._last
        if rest := [one for one in found if one.what != "other"]:
            self.steering.say(rest, text)
        if sentence:
            self.steering.ask(sentence, text)
        return ", then ".join([*map(str, rest), *([sentence] if sentence else [])])

    def _instead(self, other: Correction) -> str:
        """Return what is to be asked instead."""
        if (asked := self._asked()) is None:
            raise NotACorrectionError("nothing is being done, so there is no other one: say what to do")
        return instead(asked.sentence, other.named, asked.things, asked.families)
