"""The other one: what an instruction is about, and what alike stands there that may have been meant instead.

"put the red can in the bowl"  +  "no, the other one"   blue can there --> "put the blue can in the bowl"
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from sayso.tasks.household.variants import SENTENCES
from sayso.tasks.household.words.kinds import SIZES, Place, Thing
from sayso.tasks.household.words.language import NotUnderstoodError, as_called, parse, plain
from sayso.tasks.household.words.parser import named
from sayso.tasks.household.words.references import as_place, names
from sayso.tasks.household.words.vocabulary import Intent


def instead(
    sentence: str,
    name: str = "",
    known: Iterable[Thing] | None = None,
    families: Collection[str] | None = None,
) -> str:
    """Return the sentence that asks for the same with another thing that is alike, in plain words.

    Args:
        sentence: what is being carried out.
        name: how the other thing was called, such as "blue one" or "red mug"; nothing if it was not.
        known: the things in the scene; None where nobody knows, and the other must then be named.
        families: the families of tasks that can be asked for; all by default.

    Raises:
        NotUnderstoodError: if there is no other, or more than one, saying which; or if the sentence is none
            of the household's.
    """
    scene = None if known is None else tuple(as_place(thing) for thing in known)
    intent = parse(sentence, scene, families)
    if scene is None:
        return plain(_called(_renamed(intent, name)))
    found = _others(intent, name, scene)
    if len(found) == 1:
        return plain(_called(found[0]))
    about = intent.object or intent.place
    if not found:
        what = name if name and not name.endswith("one") else f"{f'{name}, no ' if name else ''}other "
        what = what if name and not name.endswith("one") else f"other {about.kind}"
        raise NotUnderstoodError(f"There is no {what} here that could be meant, only {names(scene)}.")
    choices = [one.object if one.object != intent.object else one.place for one in found]
    listed = names(thing for thing in choices if thing is not None)
    raise NotUnderstoodError(f"Which other {about.kind}? There is {listed}: name it.")


def _others(intent: Intent, name: str, scene: Sequence[Thing]) -> list[Intent]:
    """Return the intents that are the same but for one thing: what is moved or, if nothing is, the place."""
    objects = []
    if intent.object is not None:
        wanted = _wanted(name, intent.object)
        kinds = SENTENCES[intent.family, intent.variant].objects
        objects = [
            replace(intent, object=thing)
            for thing in scene
            if thing not in (intent.object, intent.place) and thing.kind in kinds and _fits(wanted, thing)
        ]
    if objects:
        return objects
    wanted = _wanted(name, intent.place)
    kinds = SENTENCES[intent.family, intent.variant].places
    return [
        replace(intent, place=thing)
        for thing in scene
        if thing not in (intent.object, intent.place) and thing.kind in kinds and _fits(wanted, thing)
    ]


def _wanted(name: str, about: Thing) -> Thing:
    """Return what was called so; "one" is whatever it is about, "other" says nothing more."""
    said = re.sub(r"\bother\b", " ", name)
    said = " ".join(re.sub(r"\bones?\b", about.kind if said.strip() != "" else " ", said).split())
    if not said:
        return type(about)("", about.kind)
    return named(said)


def _fits(wanted: Thing, thing: Thing) -> bool:
    """Tell whether a thing is of the kind and colour, a small one of them too; and of the landmark if one."""
    landmark = getattr(wanted, "landmark", "")
    return (
        _without_size(wanted.kind) == _without_size(thing.kind)
        and wanted.colour in ("", thing.colour)
        and landmark in ("", getattr(thing, "landmark", ""))
    )


def _without_size(kind: str) -> str:
    size, _, rest = kind.partition(" ")
    return rest if size in SIZES else kind


def _renamed(intent: Intent, name: str) -> Intent:
    """Return an intent about a thing as it was named, where nobody knows what stands there."""
    about = intent.object or intent.place
    if not name:
        raise NotUnderstoodError(
            f"Nobody told what stands here, so I cannot tell which other {about.kind}: name it, such as "
            f"'the blue one'."
        )
    wanted = _wanted(name, about)
    return replace(intent, object=wanted) if intent.object else replace(intent, place=wanted)


def _called(intent: Intent) -> Intent:
    return replace(intent, place=as_called(intent.place)) if isinstance(intent.place, Place) else intent
