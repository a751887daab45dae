"""Past participles of the verbs that instructions use: "pick up" becomes "picked up"."""

from __future__ import annotations

from collections.abc import Mapping

IRREGULAR: Mapping[str, str] = {
    **{same: same for same in ("put", "set", "shut", "thrust")},
    **{"bear": "borne", "bring": "brought", "build": "built", "catch": "caught", "come": "come"},
    **{"drive": "driven", "fling": "flung", "get": "got", "give": "given", "go": "gone", "lend": "lent"},
    **{"send": "sent", "slide": "slid", "stick": "stuck", "swing": "swung", "take": "taken"},
}
DOUBLED = frozenset(
    {
        "drop",
        "grab",
        "jog",
        "lug",
        "nab",
        "plop",
        "pop",
        "ram",
        "ship",
        "slam",
        "slip",
        "snag",
        "scrap",
        "snap",
    }
    | {"prod", "skid", "clap", "zip", "step"}
)
"""Verbs whose last letter is said twice."""


def participle(verb: str) -> str:
    """Return the past participle of a verb, of which only the first word changes."""
    first, *rest = verb.split()
    return " ".join((_of(first), *rest))


def _of(word: str) -> str:
    if word in IRREGULAR:
        return IRREGULAR[word]
    if word in DOUBLED:
        return word + word[-1] + "ed"
    if word.endswith("e"):
        return word + "d"
    if word.endswith("y") and word[-2] not in "aeiou":
        return word[:-1] + "ied"
    return word + "ed"
