"""Own words of a person, handed to the policy as they were said; only what is left to the scene is completed.

    "shove the mug next to the green can"     one red mug there -->  "shove the red mug next to the green can"

For policies that learned wide words (`taught`). One that knows the grammar alone hears its plainest sentence.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from sayso.tasks.household.words import synonyms, taught
from sayso.tasks.household.words.kinds import COLOURS, KINDS, Place, Thing, with_colour
from sayso.tasks.household.words.language import NotUnderstoodError, as_called, parse, plain
from sayso.tasks.household.words.vocabulary import Intent

_ARTICLE = "|".join(sorted(synonyms.ARTICLES))
_COLOUR = "|".join(COLOURS)


def spoken(
    text: str, asked: Sequence[Intent], families: Collection[str] | None = None, *, own_words: bool
) -> tuple[str, ...]:
    """Return what a policy hears for each intent of a text.

    Args:
        text: what a person said.
        asked: what it was divided into, with the things of the scene.
        families: the families of tasks that can be asked for; all by default.
        own_words: whether the policy learned many words, so that a text of one step may be heard as it is.
    """
    if own_words and len(asked) == 1:
        return (in_own_words(text, asked[0], families),)
    return tuple(plain(_called(intent)) for intent in asked)


def in_own_words(text: str, intent: Intent, families: Collection[str] | None = None) -> str:
    """Return what a person said, with all that it leaves to the scene; the plainest sentence if it cannot be.

    Args:
        text: one instruction.
        intent: what is meant, with the things of the scene.
        families: as above.
    """
    text, meant = " ".join(text.split()), _called(intent)
    said = _understood(text, families)
    if said == meant:
        return text
    if said is not None:
        for one, full in ((said.object, meant.object), (said.place, meant.place)):
            if one is not None and full is not None and one != full:
                text = in_full(text, one, full)
    # "it", and whatever else has no name there that could be completed, is said plainly.
    return text if _understood(text, families) == meant else plain(meant)


def _called(intent: Intent) -> Intent:
    return replace(intent, place=as_called(intent.place)) if isinstance(intent.place, Place) else intent


def _understood(text: str, families: Iterable[str] | None) -> Intent | None:
    """Return what a sentence says by itself; None if that is nothing."""
    try:
        return _called(parse(text, families=None if families is None else tuple(families)))
    except NotUnderstoodError:
        return None


def in_full(text: str, said: Thing, full: Thing) -> str:
    """Return a text in which a thing has its colour and landmark where it is named, if that is once.

    Args:
        text: what a person said.
        said: the thing as the text names it.
        full: the thing that is meant.
    """
    words, more = KINDS[said.kind].words, taught.NOUNS.get(said.kind, ())
    nouns = "|".join(sorted(map(re.escape, (*words.train, *words.heldout, *more)), key=len, reverse=True))
    named = re.compile(
        rf"\b(?P<article>{_ARTICLE})\s+(?P<colour>(?:{_COLOUR})\s+)?(?P<noun>{nouns})\b", re.IGNORECASE
    )
    found = [one for one in named.finditer(text) if (one["colour"] or "").strip().lower() == said.colour]
    if len(found) != 1:
        return text
    (one,) = found
    landmark = getattr(full, "landmark", "")
    name = with_colour(full.colour, one["noun"]) + (f" by the {landmark}" if landmark else "")
    return f"{text[: one.start()]}{one['article']} {name}{text[one.end() :]}"
