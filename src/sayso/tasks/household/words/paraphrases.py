"""Paraphrases: sentences and nouns in which two other people would ask for the same, for measuring alone.

No sentence and no name here is drawn in training, nor taught afterwards, nor held out by the grammar. `parse`
need not understand it: a policy hears the sentence as it stands. The first author avoided every word that
training says; the second (``free.json``, three hundred sentences and more for each row) saw neither those
words nor the first one's: many of the words are known, and the sentences are not.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sayso.tasks.household.words.kinds import KINDS, Thing
from sayso.tasks.household.words.language import pick
from sayso.tasks.household.words.vocabulary import Intent

NOUNS: Mapping[str, tuple[str, ...]] = {
    "block": ("cuboid", "wooden block", "dice", "building block"),
    "cylinder": ("tube", "drum", "peg", "round block"),
    "ball": ("round ball", "bouncy ball", "marble", "globe"),
    "can": ("soup can", "beverage can", "can of soda", "metal can"),
    "bottle": ("plastic bottle", "water bottle", "vial", "jug"),
    "mug": ("teacup", "drinking cup", "tea mug", "mug with the handle"),
    "apple": ("piece of fruit", "red-delicious apple", "round apple"),
    "banana": ("curved fruit", "banana fruit", "long fruit"),
    "small bowl": ("dip bowl", "mini bowl", "dessert bowl"),
    "tray": ("serving tray", "flat box", "shallow tray"),
    "bowl": ("dish bowl", "round bowl", "salad bowl"),
    "basket": ("wicker basket", "woven basket", "bread basket"),
    "plate": ("dinner plate", "round plate", "flat dish"),
    "mat": ("flat mat", "coaster", "rug on the table"),
    "bin": ("garbage pail", "wastebasket", "rubbish bin"),
    "drawer": ("pull-out drawer", "cabinet compartment", "sliding drawer"),
    "person": ("me", "my hands", "yours truly"),
    "sofa": ("lounge", "long seat", "upholstered bench"),
    "cabinet": ("chest of drawers", "storage unit", "sideboard"),
    "table": ("low table", "coffee table", "table in the middle"),
}
"""Kind of thing -> what else people call it."""

TEMPLATES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("put", "in"): (
        "make sure {object} finds its way to {place}",
        "{object}, please: that one should sit with {place}",
        "rehome {object}; its new home is {place}",
        "grasp {object} and leave it with {place}",
        "time to tidy up, {object} needs to be where {place} is",
        "i'd appreciate it if {object} went to {place}",
        "relocate {object} to {place}",
        "have {object} moved over to {place}, will you",
        "take hold of {object}, then release it over {place}",
        "{place} is empty without {object}, fix that",
        "see {object}? it should be with {place}",
        "use the gripper to shift {object} to {place}",
        "store {object} using {place}",
        "let {place} hold {object} from now on",
    ),
    ("stack", "on"): (
        "make {object} the upper half of a tower whose lower half is {place}",
        "{object} needs to stand above {place}",
        "build upwards: {place} below, {object} above",
        "rest {object} over the top face of {place}",
        "use {place} as a pedestal for {object}",
        "have {object} standing over {place}",
        "carefully raise {object} and leave it sitting over {place}",
        "{place} first, then {object} as the second floor",
        "crown {place} with {object}",
        "let {object} ride piggyback over {place}",
        "hoist {object} so that it tops {place}",
        "i'd love a little tower, {place} underneath and {object} above",
    ),
    ("push", "onto"): (
        "without picking it up, get {object} across to {place}",
        "sweep {object} along the table to {place}",
        "scoot {object} over until it covers {place}",
        "give {object} a steady push so it stops over {place}",
        "keep {object} on the table and drive it to {place}",
        "shuffle {object} along to {place}",
        "use the closed fingers to herd {object} to {place}",
        "bulldoze {object} to {place}, no lifting",
        "{object} must travel along the surface to {place}",
        "budge {object} till it reaches {place}",
        "drag or press {object} over to {place}, but do not pick it up",
        "ease {object} across the tabletop to {place}",
    ),
    ("push", "beside"): (
        "without picking it up, get {object} right up to {place}",
        "sweep {object} along the table till it meets {place}",
        "scoot {object} over so it keeps {place} company",
        "give {object} a steady push so it stops close by {place}",
        "keep {object} on the table and drive it up to {place}",
        "shuffle {object} along until it neighbours {place}",
        "use the closed fingers to herd {object} alongside {place}",
        "bulldoze {object} up against {place}, no lifting",
        "make neighbours of {object} and {place} by pushing the first",
        "budge {object} till it almost touches {place}",
        "{object} must travel along the surface and stop by {place}",
        "ease {object} across the tabletop to where {place} stands",
    ),
    ("fetch", "to"): (
        "{object} is rubbish, get rid of it with {place}",
        "collect {object} from the table and discard it with {place}",
        "clear {object} off the table, it goes to {place}",
        "dispose of {object} using {place}",
        "we no longer need {object}: away with it to {place}",
        "drive over with {object} and let it fall at {place}",
        "chuck {object}, the place for that is {place}",
        "get hold of {object} and haul it to {place}",
        "transfer {object} from the table to {place}",
        "i'd like to see {object} at {place}",
        "be a dear and throw out {object} using {place}",
        "{object}: pick it, wheel it across, release it at {place}",
    ),
    ("fetch", "bring"): (
        "could {object} be handed over to {place}",
        "i could use {object}, let {place} have it",
        "retrieve {object} and hand it over to {place}",
        "{object} would be lovely to have, get it to {place}",
        "let {place} have {object}",
        "serve {object} to {place}",
        "i am waiting for {object}, deliver it straight to {place}",
        "collect {object} from the table and turn it over to {place}",
        "would it be possible to get {object} across to {place}",
        "please present {object} to {place}",
        "run and grab {object}, {place} would like to hold it",
        "{object} should end with {place}, off you go",
    ),
    ("goto", "to"): (
        "position yourself in front of {place}",
        "please relocate to {place}",
        "i need you standing at {place}",
        "wheel yourself across to {place}",
        "approach {place} and halt",
        "your next stop is {place}",
        "take up your post at {place}",
        "off to {place} with you",
        "come to rest facing {place}",
        "steer towards {place} until you are there",
        "would you be so good as to visit {place}",
        "be at {place}, and wait",
        "cross the room to reach {place}",
        "proceed to {place}",
        "get yourself in front of {place}",
        "{place} is where i want you to be",
    ),
    ("drawer", "open"): (
        "pull at the handle so {place} comes out",
        "i need to get at what is inside {place}",
        "draw {place} out towards yourself",
        "unshut {place}",
        "let me look inside {place}",
        "make {place} accessible",
        "extend {place} fully",
        "grab the handle and tug {place} out",
        "{place} is closed, change that",
        "could {place} be pulled out, please",
        "get {place} to come out",
        "yank {place} out",
    ),
    ("drawer", "close"): (
        "press the front of {place} until it is back in",
        "{place} was left hanging out, tuck it back in",
        "return {place} to its closed position",
        "somebody forgot to shut {place}, please do",
        "drive {place} home with a firm press",
        "nobody should see inside {place} any longer",
        "retract {place} fully",
        "{place} is open, change that",
        "could {place} be pressed back in, please",
        "get {place} out of the way by pressing it in",
        "seal {place}",
        "bump {place} until it is in",
    ),
    ("drawer", "in"): (
        "stow {object} with the help of {place}",
        "hide {object} using {place}",
        "tidy {object} away, {place} stands open for it",
        "i keep {object} with {place}, see to it",
        "archive {object} by means of {place}",
        "collect {object} and let it fall where {place} stands open",
        "{object} lives with {place}, bring it home",
        "let {place} swallow {object}",
        "clear {object} off the table, {place} is open",
        "load {object} to {place}",
        "file {object} away with {place}",
        "{place} should contain {object}, would you see to that",
    ),
}
"""Family and variant -> sentences, none of which training hears or holds out."""


class Author(NamedTuple):
    """Somebody's own sentences and names."""

    templates: Mapping[tuple[str, str], tuple[str, ...]]
    nouns: Mapping[str, tuple[str, ...]]


@functools.cache
def authors() -> tuple[Author, ...]:
    """Return those who wrote; neither saw what the other wrote."""
    raw = json.loads(Path(__file__).with_name("free.json").read_text(encoding="utf-8"))
    templates = {tuple(row.split("/")): tuple(many) for row, many in raw["templates"].items()}
    nouns = {kind: tuple(names) for kind, names in raw["nouns"].items()}
    return Author(TEMPLATES, NOUNS), Author(templates, nouns | {"person": ("me",)})


def paraphrase(intent: Intent, rng: np.random.Generator) -> str:
    """Say an intent freely, in the words of one of the authors; a bin is told by its landmark."""
    author = authors()[int(rng.integers(len(authors())))]
    landmark = getattr(intent.place, "landmark", "")
    place = _noun(intent.place, author, rng)
    if landmark:
        place = f"the {pick(author.nouns['bin'], rng)} standing by the {pick(author.nouns[landmark], rng)}"
    moved = "" if intent.object is None else _noun(intent.object, author, rng)
    template = pick(author.templates[intent.family, intent.variant], rng)
    return template.format(object=moved, place=place)


def _noun(thing: Thing, author: Author, rng: np.random.Generator) -> str:
    """Return a thing as somebody else calls it: its colour, which is all that tells two apart, stays."""
    called = pick(author.nouns.get(thing.kind, KINDS[thing.kind].words.train), rng)
    if thing.kind == "person":
        return called
    return " ".join(filter(None, ("the", thing.colour, called)))
