"""Task decomposition: a long instruction becomes single ones that worlds carry out, and these a long one.

    "put the red block in the tray, then open the drawer and come to me"
        --decompose--> put red block in tray | open drawer | come to me        (three intents)
        <--join---

`decompose` needs nothing but the grammar; `endpoint` asks a language model where that is not enough.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise
from typing import Protocol

import numpy as np

from sayso.tasks.household.variants import VARIANTS
from sayso.tasks.household.words.kinds import KINDS, MOVABLE, Thing, Words
from sayso.tasks.household.words.language import NotUnderstoodError, abilities, clause, pick, plain
from sayso.tasks.household.words.parser import understand
from sayso.tasks.household.words.vocabulary import Intent


class Decomposer(Protocol):
    """Task decomposition: a long instruction divided into intents, in the order to carry them out."""

    def __call__(
        self, text: str, known: Iterable[Thing] | None = None, families: Collection[str] | None = None
    ) -> tuple[Intent, ...]:
        """Return at least one intent, or raise `NotUnderstoodError`."""
        ...


OPENERS = Words(train=("", "", "first, "), heldout=("", "to begin with, "))
CONNECTIVES = Words(
    train=(", then ", " and then ", ", and after that ", ". then ", " and "),
    heldout=(", afterwards ", ". next, ", "; once that is done, ", ". when you are done, "),
)
CLOSERS = Words(train=(", and finally ", ". finally, "), heldout=(", and lastly ", ". last of all, "))
"""What stands before the last of three clauses or more."""


def join(intents: Sequence[Intent], rng: np.random.Generator, wording: str = "train") -> str:
    """Say several intents one after another; ``wording="heldout"`` uses only wordings training never hears.

    Raises:
        UnknownNameError: if there is no such wording.
    """
    text = ""
    for i, intent in enumerate(intents):
        last = 1 < i == len(intents) - 1 and rng.random() < 0.5
        text += pick((OPENERS if i == 0 else CLOSERS if last else CONNECTIVES).of(wording), rng)
        text += clause(intent, rng, wording)
    return text


# Between clauses, but also inside one: "pick up the red block and put it in the tray". Longer ones first.
_CUT = re.compile(
    r"""\s*(?: [.;!?\n]+ | ,
      | \b(?: and\s+)? (?: then | finally | lastly | last\s+of\s+all | at\s+the\s+end | afterwards? | also
          | after\s+(?: that | this) | next (?!\s+to\b)
          | to\s+begin\s+with | first(?:ly)? | second(?:ly)? | third(?:ly)?
          | (?: once | when | after)\s+ (?: (?: that | this | it) (?: \s+is | 's) | you (?: \s+are | 're))
            \s+ (?: done | finished) )\b
      | \band\b | &
      | (?: ^ | (?<=\s)) (?: step\s+)? \d+[.):] (?=\s)
    )\s*""",
    re.VERBOSE | re.IGNORECASE,
)
_PRONOUN = re.compile(r"\bit\b", re.IGNORECASE)
_ONE = re.compile(r"\bone\b", re.IGNORECASE)
_THERE = re.compile(r"\bthere\b", re.IGNORECASE)
_ENDS_OPEN = re.compile(r"\b(?:in|inside)$", re.IGNORECASE)
_NO_VERB = re.compile(r"(?:to\s+)?(?:the|a|an|my)\b", re.IGNORECASE)
MAX_PIECES, MAX_LETTERS = 24, 2000
_NOUNS = "|".join(w for kind in MOVABLE for w in KINDS[kind].words.train + KINDS[kind].words.heldout)
_NAME = rf"(?:the|a|an|my)\s+(?:\w+\s+){{0,2}}?(?:{_NOUNS})\b"
_NAMES = re.compile(rf"{_NAME}(?:(?:\s*,\s*|\s+)(?:and\s+)?{_NAME})+", re.IGNORECASE)


class _Search:
    """Search for the cuts that leave only clauses which are understood.

    Best are cuts after which every clause makes sense alone; then as few as possible may lean on an earlier
    one ("close it"). Among those, the most clauses are best: nobody says a step twice.
    """

    def __init__(self, text: str, scene: tuple[Thing, ...] | None, families: Collection[str] | None) -> None:
        self.scene, self.families = scene, families
        self.text = text = text.replace("\u2019", "'")
        cuts = [(0, 0), *(match.span() for match in _CUT.finditer(text)), (len(text),) * 2]
        spans = [(end, start) for (_, end), (start, _) in pairwise(cuts)]
        self.pieces = [(start, end) for start, end in spans if text[start:end].strip()]
        self.reached: tuple[int, tuple[Intent, ...]] = (0, ())
        self._alone: dict[str, tuple[Intent, ...]] = {}
        self._hopeless: set[tuple[int, int, tuple[Intent, ...]]] = set()

    def run(self) -> tuple[Intent, ...] | None:
        """Return the intents of the whole text, or None if no cuts make sense."""
        for leaning in range(len(self.pieces) + 1):
            if found := self._from_piece(0, (), leaning):
                return found
        return None

    def _from_piece(self, first: int, done: tuple[Intent, ...], leaning: int) -> tuple[Intent, ...] | None:
        """Understand the text from a piece on, with at most so many clauses that lean on earlier ones."""
        if first == len(self.pieces):
            return done
        state = first, leaning, tuple(dict.fromkeys(reversed(done)))
        if state in self._hopeless:
            return None
        if first > self.reached[0]:
            self.reached = first, done
        for last in range(first, len(self.pieces)):
            clause = self._clause(first, last)
            intents, left = self._understood_alone(clause), leaning
            if not intents and leaning:
                intents, left = self._understood_after(clause, done), leaning - 1
            if intents and (found := self._from_piece(last + 1, (*done, *intents), left)):
                return found
        self._hopeless.add(state)
        return None

    def _clause(self, first: int, last: int) -> str:
        return self.text[self.pieces[first][0] : self.pieces[last][1]]

    def _understood_alone(self, clause: str) -> tuple[Intent, ...]:
        """Return what a clause asks for: nothing if it makes no sense by itself."""
        if clause not in self._alone:
            self._alone[clause] = self._intent(clause) or self._for_each(clause)
        return self._alone[clause]

    def _intent(self, clause: str, *, complete: bool = True) -> tuple[Intent, ...]:
        try:
            return (understand(clause, self.scene, self.families, complete=complete),)
        except NotUnderstoodError:
            return ()

    def _for_each(self, clause: str) -> tuple[Intent, ...]:
        """Understand "put the can and the mug in the tray" as two intents."""
        several = _NAMES.search(clause)
        if several is None:
            return ()
        begin, end = clause[: several.start()], clause[several.end() :]
        named = re.findall(_NAME, several.group(), re.IGNORECASE)
        steps = [self._intent(begin + name + end) for name in named]
        alike = {(intent.family, intent.variant, intent.place) for step in steps for intent in step}
        # Nobody says in which order things are piled up.
        same = all(steps) and len(alike) == 1 and not VARIANTS[alike.pop()[:2]].builds
        return tuple(intent for step in steps for intent in step) if same else ()

    def _understood_after(self, clause: str, done: tuple[Intent, ...]) -> tuple[Intent, ...]:
        """Understand a clause that leans on an earlier one, the nearest on which it can."""
        meanings = (self._meanings(clause, earlier) for earlier in reversed(done))
        meant = next(filter(None, meanings), {})
        if not meant:  # "fetch the can" leaves out "to me", unless it only leads up to what follows
            return self._intent(clause, complete=False)
        return next(iter(meant.values())) if len(meant) == 1 else ()

    def _meanings(self, clause: str, earlier: Intent) -> dict[str, tuple[Intent, ...]]:
        """Return what a clause means for each way to complete it: a thing for "it", or what was left out."""
        completed: dict[str, str] = {}
        thing, verb = earlier.object, plain(earlier).partition(" the ")[0]
        if thing and _ONE.search(clause):
            clause = completed["one"] = _ONE.sub(thing.kind, clause)
        if _NO_VERB.match(clause):
            completed["the same"] = f"{verb} {clause}"
        if thing and earlier.place.kind not in MOVABLE:  # or "and the mug" could be one more place
            where = plain(earlier).partition(f" the {thing.name}")[2]
            completed["there"] = _THERE.sub(where, clause)
            if _NO_VERB.match(clause):
                completed["the same place"] = f"{verb} {clause}{where}"
        spoken = f"{clause} it" if _ENDS_OPEN.search(clause) else clause
        if _PRONOUN.search(spoken):
            for it in filter(None, (thing, earlier.place)):
                completed[f"the {it.name}"] = _PRONOUN.sub(f"the {it.name}", spoken)
        meant = {self._understood_alone(sentence): name for name, sentence in completed.items()}
        return {name: intents for intents, name in meant.items() if intents}

    def refusal(self) -> str:
        """Name the first clause that is not understood, and why."""
        first, done = self.reached
        # Name a whole clause: up to the next word or stop that never stands inside one.
        cuts = [self.text[a:b].strip(" ,").lower() for (_, a), (b, _) in pairwise(self.pieces)]
        last = next((i for i in range(first, len(cuts)) if cuts[i] not in ("", "and")), len(cuts))
        clause = self._clause(first, last)
        where = f'In "{clause}": ' if len(cuts) > last - first else ""
        for meant in (self._meanings(clause, earlier) for earlier in reversed(done)):
            if len(meant) > 1:
                return f"{where}I cannot tell whether it is about {' or '.join(meant)}."
        try:
            understand(clause, self.scene, self.families)
        except NotUnderstoodError as error:
            return f"{where}{error}"
        return f'I do not understand what comes after "{clause}".'


def decompose(
    text: str, known: Iterable[Thing] | None = None, families: Collection[str] | None = None
) -> tuple[Intent, ...]:
    """Divide a long instruction into intents, in order; one clause is fine.

    Cuts are tried at every stop, comma and connective, and those are kept that leave clauses which `parse`
    understands: "pick up the red block and put it in the tray" stays one. "It" may stand for a thing of an
    earlier clause where only one makes sense ("open the drawer, then close it"), and a verb that is left out
    for the one before ("drive to the sofa, then to the table").

    Args:
        text: what was said.
        known: the things in the scene; see `sayso.tasks.household.words.language.parse`.
        families: the families of tasks that can be asked for; all by default.

    Raises:
        NotUnderstoodError: if no cuts make sense; the message names the first clause that does not.
    """
    scene = None if known is None else tuple(known)
    if len(text) > MAX_LETTERS:
        raise NotUnderstoodError(f"That is too long: {len(text)} letters, and {MAX_LETTERS} is the most.")
    search = _Search(text, scene, families)
    if not 0 < len(search.pieces) <= MAX_PIECES:
        reason = "That is too much at once." if search.pieces else "Nothing was said."
    elif found := search.run():
        return found
    else:
        reason = search.refusal()
    raise NotUnderstoodError(f"{reason} {abilities(scene, families)}")
