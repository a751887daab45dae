"""Paraphrases of LIBERO's forty sentences, to be taught: patterns of our own, some for each kind of task.

A pattern holds alternatives in brackets, ``[put|place] the bowl``. None of what they yield is LIBERO's
own sentence, one of `heldout`, or one of LIBERO-PRO's, which are for measuring alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

import numpy as np

from sayso.tasks.libero.suites import GROCERIES

PUT, TAKE, MOVE = "[put|place|set]", "[take|grab|lift|fetch]", "[move|bring|carry|transfer]"
ON = "[on|onto]"
FRAMES = (
    "{}",
    "please {}",
    "{}, please",
    "could you {}",
    "can you {} for me",
    "i want you to {}",
    "your task is to {}",
    "robot, {}",
)
"""Around what is asked for."""
_SLOT = re.compile(r"\[([^\[\]]*)\]")
_STREAM = 0x04A4

_WHERE: Mapping[str, str] = {
    "between the plate and the ramekin": (
        "[standing|that is] between the [plate and the ramekin|ramekin and the plate]"
    ),
    "next to the ramekin": "[near|right by|that is next to] the ramekin",
    "from table center": "[from|at|standing in] the [center|centre] of the table",
    "on the cookie box": "[that is on|from on top of|sitting on] the [cookie box|box of cookies]",
    "in the top drawer of the wooden cabinet": "[from|lying in] the [top|uppermost] drawer[| of the cabinet]",
    "on the ramekin": "[that is on|from on top of|sitting on] the ramekin",
    "next to the cookie box": "[near|right by|that is next to] the [cookie box|box of cookies]",
    "on the stove": "[that is on|from|sitting on] the stove",
    "next to the plate": "[near|right by|that is next to] the plate",
    "on the wooden cabinet": "[that is on|from the top of|sitting on] the [cabinet|wooden cabinet]",
}
_BOWL = "[black bowl|bowl]"


def _bowls(where: str) -> tuple[str, ...]:
    return (
        f"{TAKE} the {_BOWL} {where} and {PUT} it {ON} the plate",
        f"{MOVE} the {_BOWL} {where} [to|onto] the plate",
        f"{PUT} the {_BOWL} {where} {ON} the plate",
        f"the {_BOWL} {where} [should go|has to be put] on the plate",
    )


def _grocery(name: str) -> tuple[str, ...]:
    return (
        f"{TAKE} the {name} and {PUT} it [in|into|inside] the basket",
        f"{MOVE} the {name} [to|into] the basket",
        f"{PUT} the {name} [into|inside] the basket",
        f"the {name} [should go|has to be put] [in|into] the basket",
    )


def _onto(thing: str, place: str) -> tuple[str, ...]:
    return (
        f"{TAKE} the {thing} and {PUT} it {ON} {place}",
        f"{MOVE} the {thing} [to|onto] {place}",
        f"set the {thing} {ON} {place}",
        f"the {thing} [should go|has to be put] on {place}",
    )


def _both(first: str, second: str, place: str) -> tuple[str, ...]:
    pair = f"[the {first} and the {second}|the {second} and the {first}]"
    return (
        f"{TAKE} {pair} and {PUT} [them|both] [in|into] {place}",
        f"{MOVE} {pair} [to|into] {place}",
        f"[place|set] {pair} [in|into|inside] {place}",
        f"{pair} [should both go|have to be put] [in|into] {place}",
    )


PATTERNS: Mapping[str, tuple[str, ...]] = {
    **{
        f"pick up the black bowl {where} and place it on the plate": _bowls(so)
        for where, so in _WHERE.items()
    },
    **{f"pick up the {name} and place it in the basket": _grocery(name) for name in GROCERIES},
    "open the middle drawer of the cabinet": (
        "open the cabinet's [second|center] drawer",
        "[pull|slide] the middle drawer[| of the cabinet] open",
        "[the middle drawer|the drawer in the middle] [should be open|has to be opened]",
        "open the [drawer in the middle|one in the middle of the three drawers]",
    ),
    "put the bowl on the stove": _onto("bowl", "the stove"),
    "put the wine bottle on top of the cabinet": _onto(
        "[wine bottle|bottle]", "[the top of the cabinet|the cabinet]"
    ),
    "open the top drawer and put the bowl inside": (
        "open the [top|uppermost] drawer[| of the cabinet] and [place|set] the bowl [in it|into it|inside]",
        f"[pull|slide] the top drawer open and {PUT} the bowl [in it|into it|inside]",
        f"{PUT} the bowl in the top drawer [after opening it|once you have opened it]",
        "the bowl [should go|has to be put] into the top drawer, so open that first",
    ),
    "put the bowl on top of the cabinet": _onto("bowl", "[the top of the cabinet|the cabinet]"),
    "push the plate to the front of the stove": (
        "push the plate [until it is|so that it is] in front of the stove",
        "[move|slide] the plate [to the front of|in front of] the stove",
        "the plate [should be|has to be] in front of the stove[|, push it there]",
        "push the plate [over|across the table] to the [front|front side] of the stove",
    ),
    "put the cream cheese in the bowl": (
        f"{TAKE} the cream cheese and {PUT} it [in|into|inside] the bowl",
        f"{MOVE} the cream cheese [to|into] the bowl",
        "set the cream cheese [in|into|inside] the bowl",
        "the cream cheese [should go|has to be put] [in|into] the bowl",
    ),
    "turn on the stove": (
        "turn the stove on",
        "[start|activate|heat up] the stove",
        "[turn|rotate|twist] the [knob of the stove|stove's knob][| until it is on| to turn it on]",
        "the stove [should be on|has to be turned on]",
        "make the stove [hot|warm]",
    ),
    "put the bowl on the plate": _onto("bowl", "the plate"),
    "put the wine bottle on the rack": _onto("[wine bottle|bottle]", "[the rack|the wine rack]"),
    "put both the alphabet soup and the tomato sauce in the basket": _both(
        "alphabet soup", "tomato sauce", "the basket"
    ),
    "put both the cream cheese box and the butter in the basket": _both(
        "[cream cheese|cream cheese box]", "butter", "the basket"
    ),
    "turn on the stove and put the moka pot on it": (
        f"turn the stove on and {PUT} the [moka pot|pot] on [it|top of it]",
        f"[start|activate|heat up] the stove[| first], then {PUT} the moka pot on it",
        f"{PUT} the moka pot {ON} the stove [after turning it on|and see that the stove is on]",
        f"turn the knob of the stove and {MOVE} the moka pot onto [it|the stove]",
    ),
    "put the black bowl in the bottom drawer of the cabinet and close it": (
        f"{TAKE} the {_BOWL}, {PUT} it in the bottom drawer and close [it|the drawer]",
        f"{MOVE} the {_BOWL} into the bottom drawer[| of the cabinet], then close [it|the drawer]",
        f"{PUT} the {_BOWL} inside the bottom drawer and [close the drawer|push the drawer shut]",
        f"close the bottom drawer [after putting|with] the {_BOWL} [in it|inside]",
    ),
    "put the white mug on the left plate and put the yellow and white mug on the right plate": (
        f"{PUT} the white mug {ON} the left plate and the yellow and white [mug|one] {ON} the right plate",
        f"{MOVE} the white mug to the left plate and the yellow and white mug to the right [plate|one]",
        f"{PUT} the yellow and white mug {ON} the right plate and the white [mug|one] {ON} the left plate",
        "the white mug [should go|has to be put] on the left plate, the yellow and white one on the right",
    ),
    "pick up the book and place it in the back compartment of the caddy": (
        f"{TAKE} the book and {PUT} it [in|into] the [back|rear] [compartment|part] of the caddy",
        f"{MOVE} the book [to|into] the [back|rear] compartment of the caddy",
        f"{PUT} the book [in|into] the caddy's [back|rear] compartment",
        "the book [should go|has to be put] in the [back|rear] compartment of the caddy",
    ),
    "put the white mug on the plate and put the chocolate pudding to the right of the plate": (
        f"{PUT} the white mug {ON} the plate and the [chocolate pudding|pudding] to its right",
        f"{MOVE} the white mug to the plate and {PUT} the chocolate pudding on the right of [it|the plate]",
        f"{PUT} the chocolate pudding to the right of the plate and the white mug {ON} [it|the plate]",
        "the white mug [should go|has to be put] on the plate and the chocolate pudding right of it",
    ),
    "put both the alphabet soup and the cream cheese box in the basket": _both(
        "alphabet soup", "[cream cheese|cream cheese box]", "the basket"
    ),
    "put both moka pots on the stove": (
        f"{TAKE} [both moka pots|the two moka pots|the moka pots] and {PUT} them {ON} the stove",
        f"{MOVE} [both moka pots|the two moka pots|the moka pots] [to|onto] the stove",
        "[place|set] [both|the two] moka pots [on|onto|on top of] the stove",
        "[both moka pots|the two moka pots] [should go|have to be put] on the stove",
    ),
    "put the yellow and white mug in the microwave and close it": (
        f"{TAKE} the yellow and white mug, {PUT} it in the microwave and close [it|the door]",
        f"{MOVE} the yellow and white mug into the microwave, then close [it|the microwave|the door]",
        f"{PUT} the yellow and white mug inside the microwave and [close the door|push the door shut]",
        "close the microwave [after putting|with] the yellow and white mug [in it|inside]",
    ),
}
"""LIBERO's sentence -> patterns of other ways to say it."""


def other_wordings(sentence: str, count: int) -> Sequence[str]:
    """Return so many other wordings of one of the forty sentences, or all there are; none of any other."""
    ways = _ways(" ".join(sentence.lower().rstrip(" .!").split()))
    if len(ways) <= count:
        return ways
    rng = np.random.default_rng([_STREAM, *sentence.lower().encode()])
    return [ways[int(number)] for number in rng.permutation(len(ways))[:count]]


def expanded(pattern: str) -> Iterator[str]:
    """Yield every sentence of a pattern; alternatives may hold others."""
    if not (slot := _SLOT.search(pattern)):
        yield pattern
        return
    for chosen in slot[1].split("|"):
        yield from expanded(pattern[: slot.start()] + chosen + pattern[slot.end() :])


@cache
def _ways(sentence: str) -> tuple[str, ...]:
    """Return all other wordings of a sentence: an order is said in frames, what should be so is not."""
    found: list[str] = []
    for pattern in PATTERNS.get(sentence, ()):
        told = not re.match(r"(\[?the |.*\[should)", pattern)
        for way in expanded(pattern):
            found += [frame.format(way) for frame in FRAMES] if told else [way]
    return tuple(dict.fromkeys(found))
