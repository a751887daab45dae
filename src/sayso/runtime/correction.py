"""Corrections in words: what a person says to a robot while it acts, read into something that can be obeyed.

    "no, a bit to the left and higher"   ──read──>   move 2 cm to the left | move 4 cm up
    "stop"  "go on"  "slower"  "let go"  "the other one"  "no, the blue one"  "more"  "3 cm nearer"

It needs no grammar of tasks, so it is understood in any world. Ways are as the front camera sees them.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

from sayso.spec import SaysoError

What = Literal["move", "open", "shut", "slower", "faster", "stop", "go on", "other"]
Way = tuple[float, float, float]
"""To the right, up, nearer to the front camera, metres."""
A_TINY_BIT_M, A_BIT_M, USUAL_M, MUCH_M, MOST_M = 0.01, 0.02, 0.04, 0.08, 0.20
"""How far "a tiny bit", "a bit", nothing said, and "a lot" are; and the most that one correction moves."""
MOST_MENDED = 2
"""Of how many words that nobody knows the nearest are looked for."""
NEAR = 0.8
"""How alike a word must be to "other" to be a slip of the keys, rather than the name of a thing."""
LONGEST = 200
"""Letters; nobody says more in mid-motion."""

WAYS: Mapping[str, tuple[Way, tuple[str, ...]]] = {
    "to the left": ((-1, 0, 0), ("to the left", "to your left side", "left", "leftwards", "leftward")),
    "to the right": ((1, 0, 0), ("to the right", "to your right side", "right", "rightwards", "rightward")),
    "up": ((0, 1, 0), ("higher", "up", "upwards", "upward", "raise it", "lift it")),
    "down": ((0, -1, 0), ("lower", "down", "downwards", "downward", "lower it", "deeper")),
    "nearer": ((0, 0, 1), ("nearer", "closer", "to the front", "towards the camera", "toward the camera")),
    "away": ((0, 0, -1), ("away", "farther away", "further away", "to the back", "further back")),
}
"""A way in plain words -> where it leads, and how it is said."""
SAID: Mapping[What, tuple[str, ...]] = {
    "stop": ("stop", "halt", "wait", "hold on", "hold still", "hold it", "stand still", "freeze", "pause",
             "stay", "stay there", "don't move", "do not move", "stop moving", "whoa", "enough",
             "that's enough", "that is enough", "abort", "cancel", "quit", "emergency stop"),
    "go on": ("go on", "continue", "carry on", "keep going", "resume", "proceed", "go ahead"),
    "open": ("let go", "let go of it", "let it go", "release", "release it", "drop it", "open",
             "open the gripper", "open your gripper", "open the hand", "open your hand"),
    "shut": ("close the gripper", "shut the gripper", "close your hand", "close the hand", "grip", "grip it"),
    "slower": ("slower", "slow down", "more slowly", "slowly", "not so fast", "less fast"),
    "faster": ("faster", "speed up", "quicker", "more quickly", "at full speed", "not so slow"),
    "other": ("the other one", "the other", "other one", "another one", "not that one", "not this one",
              "not that", "not this", "the wrong one", "wrong one", "that's the wrong one",
              "that is the wrong one"),
}  # fmt: skip
AMOUNTS: Mapping[str, float] = {
    **dict.fromkeys(("a tiny bit", "a hair", "a touch", "a tad"), A_TINY_BIT_M),
    **dict.fromkeys(("a little bit", "a bit", "a little", "slightly", "a small bit"), A_BIT_M),
    **dict.fromkeys(("a lot", "much", "far", "a good bit", "way"), MUCH_M),
}
FILLERS = (
    "no", "nope", "oh", "please", "now", "ok", "okay", "hey", "robot", "just", "go", "move", "shift", "it",
    "by", "about", "your hand", "the hand", "your arm", "the arm", "your gripper", "the gripper", "a",
    "bring", "can you", "could you", "then", "there", "yourself",
)  # fmt: skip
MORE = ("more", "again", "further", "farther", "more of that", "once more", "the same again", "even")
AMBIGUOUS = ("forward", "forwards", "ahead", "back", "backward", "backwards")
"""Ways that lie elsewhere for whoever stands before a robot than for the robot."""
NUMBERS: Mapping[str, float] = {
    "half a": 0.5, "a": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7,
    "eight": 8, "nine": 9, "ten": 10, "twelve": 12, "fifteen": 15, "twenty": 20,
}  # fmt: skip
UNITS: Mapping[str, float] = {
    **dict.fromkeys(("cm", "centimetre", "centimetres", "centimeter", "centimeters"), 0.01),
    **dict.fromkeys(("mm", "millimetre", "millimetres", "millimeter", "millimeters"), 0.001),
    **dict.fromkeys(("m", "metre", "metres", "meter", "meters"), 1.0),
}
EXAMPLES = '"a bit to the left", "3 cm higher", "slower", "stop", "go on", "let go", "the other one"'


class NotACorrectionError(SaysoError):
    """What was said is no correction, or none that can be obeyed.

    `meant` is the nearest that would be one, or nothing; `foreign` tells that it has words which no
    correction has, so that it may be something else, such as an instruction.
    """

    def __init__(self, reason: str, meant: str = "", *, foreign: bool = False) -> None:
        """Say why, and what may have been meant."""
        super().__init__(reason)
        self.meant, self.foreign = meant, foreign


@dataclass(frozen=True, kw_only=True)
class Correction:
    """What is to be done otherwise."""

    what: What
    way_m: Way = (0.0, 0.0, 0.0)
    """Where the hand is to move, of a move."""
    amount_m: float = USUAL_M
    """How much was said, which of a pace is no length."""
    named: str = ""
    """How the other thing was called, as "blue one"; nothing if it was only said to be another."""

    def __str__(self) -> str:
        """Return it in plain words: ``2 cm to the left``."""
        if self.what == "other":
            return f"the {self.named}" if self.named else "the other one"
        if self.what != "move":
            return {"open": "let go", "shut": "close the gripper"}.get(self.what, self.what)
        length = max(map(abs, self.way_m))
        unit = tuple(round(number / length) for number in self.way_m)
        return f"{100 * length:g} cm {next(name for name, (way, _) in WAYS.items() if way == unit)}"


def read(text: str, last: Correction | None = None) -> tuple[Correction, ...]:
    """Return the corrections that a text says, in order, at least one.

    Args:
        text: what was said.
        last: the last move before, which "more" is about.

    Raises:
        NotACorrectionError: if it says anything else, naming the words, or what is missing.
    """
    said = text.lower().replace("\u2019", "'").strip()
    if not said or len(said) > LONGEST:
        raise NotACorrectionError(
            "that is too long for a correction" if said else "nothing was said", foreign=True
        )
    found: list[Correction] = []
    for clause in re.split(r"\s*(?:[.;!?]+(?!\d)|,(?!\d)|\band\b|\bthen\b|\bbut\b)\s*", said):
        if clause.strip() and (one := _clause(clause.strip(), text, last)) is not None:
            found.append(one)
            last = one if one.what == "move" else last
    others = [one for one in found if one.what == "other"]
    if len(others) > 1:  # "not that one, the blue one" names one thing
        kept = next((one for one in others if one.named), others[0])
        found = [one for one in found if one.what != "other" or one is kept]
    if not found:
        raise NotACorrectionError(f"{text.strip()!r} says nothing of what to do otherwise: try {EXAMPLES}")
    return tuple(found)


def _clause(clause: str, text: str, last: Correction | None) -> Correction | None:
    """Return what a clause says; None if it is only a courtesy, such as "no" or "please"."""
    if (named := _named(clause)) is not None:
        return named
    lengths, rest = _lengths(clause)
    tokens = list(_tokens(rest))
    roles = {role for role, _ in tokens}
    if unclear := [words for role, words in tokens if role == "ambiguous"]:
        raise NotACorrectionError(
            f"{unclear[0]!r} is one way for the robot and another for whoever looks at it: say 'nearer' or "
            "'away', as the front camera sees it",
            "nearer",
        )
    if unknown := [words for role, words in tokens if role == "?"]:
        raise _not_understood(unknown, clause, text)
    acts = list(dict.fromkeys(role for role in roles if role in SAID))
    ways = list(dict.fromkeys(words for role, words in tokens if role == "way"))
    if len(acts) + len(ways) > 1:
        raise NotACorrectionError(f"{clause!r} says two things at once: join them by 'and'")
    amounts = lengths + [AMOUNTS[words] for role, words in tokens if role == "amount"]
    if acts:
        if lengths:
            raise NotACorrectionError(f"{clause!r}: a length goes with a way, such as '3 cm to the left'")
        return Correction(what=acts[0], amount_m=amounts[0] if amounts else USUAL_M)  # type: ignore[arg-type]
    if ways:
        return _moved(WAYS[ways[0]][0], amounts[0] if amounts else USUAL_M)
    if not (amounts or "more" in roles):
        return None
    if last is None:
        raise NotACorrectionError(f"{clause!r} does not say which way: try 'a bit to the left', or 'higher'")
    length = max(map(abs, last.way_m))
    right, up, near = (number / length for number in last.way_m)
    return _moved((right, up, near), amounts[0] if amounts else length)


def _moved(way: Way, length_m: float) -> Correction:
    if not 0 < length_m <= MOST_M:
        raise NotACorrectionError(
            f"a correction moves the hand by up to {100 * MOST_M:g} cm, not {100 * length_m:g}: say it in "
            "parts"
        )
    right, up, near = way
    return Correction(
        what="move", way_m=(right * length_m, up * length_m, near * length_m), amount_m=length_m
    )


def _named(clause: str) -> Correction | None:
    """Return "the blue one" or "the other mug" as a correction; None if it is something else."""
    words = re.sub(r"^(?:(?:no|nope|oh|not that one|not this one|take|i meant?)\s+)+", "", clause)
    words = re.sub(r"\s+please$", "", words)
    if any(words in said for said in SAID.values()) or any(words in said for _, said in WAYS.values()):
        return None
    if match := re.fullmatch(r"(?:the|an)\s*other\s+(?P<thing>[a-z][a-z ]*)", words):
        return Correction(what="other", named="" if match["thing"] == "one" else match["thing"])
    if match := re.fullmatch(r"the\s+(?P<thing>[a-z]+(?: [a-z]+){1,3})", words):
        first, _, rest = match["thing"].partition(" ")
        if near := difflib.get_close_matches(first, ("other", "wrong"), n=1, cutoff=NEAR):
            meant = f"the {near[0]} {rest}"
            raise NotACorrectionError(
                f'{first!r} is no correction: did you mean "{meant}"?', meant, foreign=True
            )
        own = {"hand", "arm", "gripper"} & set(match["thing"].split())
        return None if own else Correction(what="other", named=match["thing"])
    return None


def _lengths(clause: str) -> tuple[list[float], str]:
    """Return the lengths that a clause names, metres, and the clause without them."""
    number = rf"\d+(?:[.,]\d+)?|{'|'.join(sorted(NUMBERS, key=len, reverse=True))}"
    units = "|".join(sorted(UNITS, key=len, reverse=True))
    pattern = re.compile(rf"(?<!\S)(?P<number>{number})\s*(?P<unit>{units})(?!\S)")
    found = [
        (NUMBERS.get(one["number"]) or float(one["number"].replace(",", "."))) * UNITS[one["unit"]]
        for one in pattern.finditer(clause)
    ]
    return found, pattern.sub(" ", clause)


def _phrases() -> dict[str, tuple[str, str]]:
    """Map each phrase to its role and what it stands for."""
    found = {words: ("filler", words) for words in FILLERS}
    found |= {words: ("more", words) for words in MORE} | {words: ("ambiguous", words) for words in AMBIGUOUS}
    found |= {words: ("amount", words) for words in AMOUNTS}
    found |= {words: ("way", name) for name, (_, said) in WAYS.items() for words in said}
    found |= {words: (what, words) for what, said in SAID.items() for words in said}
    return found


PHRASES = _phrases()
_SCANNER = re.compile(
    rf"({'|'.join(map(re.escape, sorted(PHRASES, key=len, reverse=True)))})(?!\S)|(\S+)", re.IGNORECASE
)


def _tokens(clause: str) -> Iterator[tuple[str, str]]:
    for match in _SCANNER.finditer(" ".join(clause.split())):
        yield PHRASES.get(match.group(), ("?", match.group()))


def _not_understood(unknown: Sequence[str], clause: str, text: str) -> NotACorrectionError:
    """Return a refusal that names the words, and the nearest that would be understood."""
    known = sorted({word for phrase in PHRASES for word in phrase.split() if len(word) > 1})
    near = [difflib.get_close_matches(word, known, n=3, cutoff=0.7) for word in unknown if len(word) > 2]
    meant = ""
    for choice in product(*near) if len(near) == len(unknown) <= MOST_MENDED else ():
        mended = clause
        for word, other in zip(unknown, choice, strict=True):
            mended = re.sub(rf"(?<!\S){re.escape(word)}(?!\S)", other, mended)
        if _is_understood(mended):
            meant = mended
            break
    words = ", ".join(map(repr, dict.fromkeys(unknown)))
    hint = f'did you mean "{meant}"?' if meant else f"what corrects is {EXAMPLES}"
    return NotACorrectionError(f"{words} in {text.strip()!r} is no correction: {hint}", meant, foreign=True)


def _is_understood(clause: str) -> bool:
    """Tell whether a clause says anything, wherever the hand went before."""
    scanned = [role for role, _ in _tokens(_lengths(clause)[1])]
    if "?" in scanned or "ambiguous" in scanned:
        return False
    try:
        return _clause(clause, clause, Correction(what="move", way_m=(0, 1, 0))) is not None
    except NotACorrectionError:
        return False
