"""Grammar of goals: a description in plain words becomes relations that shall hold.

    "push everything off the mat, then line up the blocks"  -->  all things are off the mat, pushed; and after
                                                                 that: all blocks are in a row

    description := stage ("then" stage)*           stage  := clause (("and" | ",") clause)*
    clause      := verb* things relation thing     "put all red things into the bowl", "the can is lifted"
                 | verb thing(s)                   "shut the drawer", "line up the blocks", "lift the mug"
                 | relation thing                  goes on with the things of the clause before
                 | "with" thing "inside"

Kinds, colours and sizes are those of the house's lexicon. A word that is not known is refused by name: who
practises half a description practises something else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from sayso.tasks.household.goals.goal import NUMBERS, Atom, Goal, Reference, Superlative
from sayso.tasks.household.goals.phrases import OPENING, SUPERLATIVES, WITH_INSIDE, tokens
from sayso.tasks.household.words.kinds import KINDS
from sayso.tasks.household.words.lexicon import Token
from sayso.tasks.household.words.references import NotUnderstoodError


def read_goal(description: str) -> Goal:
    """Read a description.

    Raises:
        NotUnderstoodError: if a word or the sentence is not understood.
    """
    found = tokens(description)
    if not found:
        raise NotUnderstoodError("There is nothing to do in an empty description.")
    return Goal(_Reader(found).stages(), description)


class _Reader:
    """Recursive descent over the tokens of a description."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens, self._at = tokens, 0
        self._subject: tuple[Reference, ...] = ()
        self._mentioned: list[Reference] = []
        self._pushed = False

    def stages(self) -> tuple[tuple[Atom, ...], ...]:
        found = [self._stage()]
        while self._take("t"):
            found.append(self._stage())
        if self._at < len(self._tokens):
            raise self._lost()
        return tuple(found)

    def _stage(self) -> tuple[Atom, ...]:
        atoms = list(self._clause())
        while True:
            if self._take("w"):
                atoms.append(self._inside(atoms))
                continue
            before = self._at
            while self._take("a"):
                pass
            if self._at == len(self._tokens) or self._role() == "t":
                break
            if self._role() == "w":
                continue
            if self._at == before:
                raise self._lost()
            atoms += self._clause()
        return tuple(atoms)

    def _clause(self) -> list[Atom]:
        if self._take("e"):
            return [self._emptied(self._thing())]
        if self._take("z"):
            relation = self._need("r", "where nothing shall be left")
            place = self._thing()
            if relation.meaning not in ("on", "in"):
                raise NotUnderstoodError(f'Nothing can be left "on" or "in" a place, not "{relation.text}".')
            return [self._emptied(place)]
        pushed, moved = False, False
        while (doing := self._role()) in ("p", "m", "d"):
            token = self._next()
            if doing == "d" and not (token.meaning == "held" and self._goes_on()):
                return self._done(token)
            pushed, moved = pushed or doing == "p", True
        if moved:
            self._pushed = pushed
        if self._role() not in ("r", "u"):
            self._subject = self._things()
            if moved and self._role() == "a" and self._next_but_and() in ("m", "p"):
                return []  # "pick up the can and put it ..."
        if not self._subject:
            raise NotUnderstoodError(f"What shall be {self._text()}?")
        return self._related()

    def _goes_on(self) -> bool:
        """Tell whether a relation follows the things that are picked up: "lift the can onto the plate"."""
        rest = self._tokens[self._at :]
        ends = next((i for i, token in enumerate(rest) if token.role in "taw"), len(rest))
        following = rest[ends + 1].role if ends + 1 < len(rest) else ""
        return any(token.role == "r" for token in rest[:ends]) or following in ("m", "p")

    def _next_but_and(self) -> str:
        return next((token.role for token in self._tokens[self._at :] if token.role != "a"), "")

    def _done(self, token: Token) -> list[Atom]:
        relation = token.meaning
        if relation == "at":
            return [Atom(relation="at", subjects=(), others=(self._thing(),))]
        subject = (Reference(kind="drawer"),) if self._role() == "i" and relation in OPENING else ()
        if subject:
            self._next()
        self._subject = subject or self._things()
        return [Atom(relation=relation, subjects=self._subject)]

    def _related(self) -> list[Atom]:
        token = self._next() if self._role() in ("r", "u", "d") else None
        if token is None:
            raise NotUnderstoodError(f"Where shall {self._said()} be? {self._example()}")
        if token.role == "d":  # "the drawer is open"
            return [Atom(relation=token.meaning, subjects=self._subject)]
        if token.role == "u":
            pushed = self._pushed and token.meaning == "in a row"
            return [Atom(relation=token.meaning, subjects=self._subject, pushed=pushed)]
        others = self._pair() if token.meaning == "between" else (self._other(),)
        relation = token.meaning
        if relation == "in" and len(others) == 1 and _stood_on(others[0]):
            relation = "on"
        return [Atom(relation=relation, subjects=self._subject, others=others, pushed=self._pushed)]

    def _other(self) -> Reference:
        """Read what a thing is related to; "it" is what was spoken of last, beside that thing."""
        if self._role() != "i":
            return self._thing()
        found = [one for one in self._mentioned if one not in self._subject]
        if not found:
            raise NotUnderstoodError(f"What is {self._text()!r}? {self._example()}")
        self._next()
        return found[-1]

    def _pair(self) -> tuple[Reference, ...]:
        first = self._thing()
        if first.quantifier == "all" and first.count in (0, 2):
            one = replace(first, quantifier="any", count=0)
            return one, one
        self._need("a", "the second of the things between which it shall be")
        return first, self._thing()

    def _inside(self, atoms: list[Atom]) -> Atom:
        """Read what follows "with", as in "shut the drawer with the can inside"."""
        places = [one for atom in atoms for one in (*atom.others, *atom.subjects) if not one.movable]
        subject = self._things()
        token = self._next() if self._role() in ("r", "i") else None
        if token is None or token.text not in WITH_INSIDE or not places:
            if token is not None and token.role == "r":
                self._subject, self._at = subject, self._at - 1
                return self._related()[0]
            raise NotUnderstoodError('After "with" comes a thing and "inside", as in "with the can inside".')
        self._take("i")
        return Atom(relation="in", subjects=subject, others=(places[-1],))

    def _emptied(self, place: Reference) -> Atom:
        every = Reference(quantifier="all")
        return Atom(relation="off", subjects=(every,), others=(place,), pushed=False)

    def _things(self) -> tuple[Reference, ...]:
        """Read one thing, or several that are listed with "and"."""
        found = [self._thing()]
        while self._role() == "a" and self._lists():
            while self._take("a"):
                pass
            found.append(self._thing())
        return tuple(found)

    def _lists(self) -> bool:
        """Tell whether an "and" goes on with a list: before any relation, what follows is no verb."""
        rest = self._tokens[self._at :]
        following = next((token for token in rest if token.role != "a"), None)
        return following is not None and following.role in "qcsnNghx#"

    def _thing(self) -> Reference:
        if self._take("x"):
            return Reference(quantifier="all")
        if token := self._take("i"):
            if self._mentioned and self._subject and token.text != "something":
                return self._subject[0]
            return Reference(quantifier="any")
        said: dict[str, str] = {}
        start = self._at
        while (role := self._role()) and role in "q#hcs":
            token = self._next()
            if role == "q" and token.meaning == "the" and said.get("q"):
                continue
            if role in said and role != "q":
                raise NotUnderstoodError(f'"{self._between(start)}" says two things of one.')
            said[role] = token.text if role == "s" else token.meaning
            if token.text.startswith("both"):
                said["#"] = "2"
        if self._role() not in ("n", "N", "g", "l"):
            raise NotUnderstoodError(
                f"I expected a thing {'behind' if self._at == len(self._tokens) else 'at'} {self._text()!r}."
            )
        noun = self._next()
        plural = noun.role == "N" or noun.text in ("things", "objects", "ones", "stuff")
        return self._reference(said, noun, plural)

    def _reference(self, said: Mapping[str, str], noun: Token, plural: bool) -> Reference:
        kind = "" if noun.role == "g" else noun.meaning
        if "s" in said and f"small {kind}" in KINDS:
            kind = f"small {kind}"
        quantifier = said.get("q", "all" if plural else "the")
        if quantifier == "the" and plural:
            quantifier = "all"
        superlative: Superlative = SUPERLATIVES[said["h"]] if "h" in said else ""
        number = int(said.get("#", 0))
        if number and not plural:
            raise NotUnderstoodError(f"{NUMBERS[number]} {noun.text}: how many of them are there?")
        landmark = ""
        ahead = [token.role for token in self._tokens[self._at : self._at + 2]]
        if kind == "bin" and ahead[1:] and self._tokens[self._at + 1].role in "lq":
            landmark = self._landmark()
        found = Reference(
            kind=kind,
            colour=said.get("c", ""),
            landmark=landmark,
            superlative=superlative,
            quantifier=quantifier,  # type: ignore[arg-type]
            count=number,
        )
        self._mentioned.append(found)
        return found

    def _landmark(self) -> str:
        start = self._at
        if self._role() == "r" and self._next().meaning == "beside":
            self._take("q")
            if token := self._take("l"):
                return token.meaning
        self._at = start
        return ""

    def _role(self) -> str:
        return self._tokens[self._at].role if self._at < len(self._tokens) else ""

    def _next(self) -> Token:
        self._at += 1
        return self._tokens[self._at - 1]

    def _take(self, role: str) -> Token | None:
        return self._next() if self._role() == role else None

    def _need(self, role: str, what: str) -> Token:
        if found := self._take(role):
            return found
        raise NotUnderstoodError(f"I expected {what} at {self._text()!r}. {self._example()}")

    def _text(self) -> str:
        rest = self._tokens[self._at :] or self._tokens[-1:]
        return " ".join(token.text for token in rest[:3])

    def _between(self, start: int) -> str:
        return " ".join(token.text for token in self._tokens[max(0, start) : self._at])

    def _said(self) -> str:
        return " and ".join(one.plain() for one in self._subject)

    def _example(self) -> str:
        return 'Such as "put the can to the left of the mug".'

    def _lost(self) -> NotUnderstoodError:
        return NotUnderstoodError(f"I understood all before {self._text()!r}. {self._example()}")


def _stood_on(reference: Reference) -> bool:
    """Tell whether what is "in" a place only ever stands on it."""
    return bool(reference.kind) and KINDS[reference.kind].prepositions == ("on",)


Reading = Callable[[str], Goal]
"""Reads a description, as `read_goal` does."""
