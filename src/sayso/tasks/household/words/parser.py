"""Parser of one instruction: words to tokens, to mentions of things, to a row of the grammar.

    "in the blue tray, put the red block" -> i c n v c n -> (in, blue tray), (red block) -> put, in

Word order is free. What is moved and where to is told by what things are (a tray is not moved) and, where
both could be moved, by prepositions. The row is the one whose kinds, prepositions and verbs all fit.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sayso.tasks.household.variants import SENTENCES
from sayso.tasks.household.words import synonyms
from sayso.tasks.household.words.kinds import KINDS, MOVABLE, Place, Thing
from sayso.tasks.household.words.lexicon import Token, lexicon, tokenize, verbs_of
from sayso.tasks.household.words.references import NotUnderstoodError, names, resolve
from sayso.tasks.household.words.vocabulary import Intent, Sentences


@dataclass(frozen=True)
class _Mention:
    """Thing that a sentence names, and the preposition before it, if any."""

    thing: Thing
    relation: str = ""
    word: str = ""

    @property
    def movable(self) -> bool:
        return self.thing.kind in MOVABLE


@dataclass(frozen=True)
class _Reading:
    """What a sentence says before it is clear which row of the grammar it belongs to."""

    object: Thing | None
    place: Thing
    relations: Mapping[str, str]
    """How the place is joined on -> the word that says so."""
    verbs: frozenset[str]


# One letter per token makes a noun phrase a regular expression over roles:
#   "into the blue bin by the sofa" -> i c n b l      "to the sofa bin" -> t l n      "to the sofa" -> t l
_NOUN_PHRASE = re.compile(
    r"(?P<to>[iobtr]?)(?:(?P<size>s?)(?P<colour>c?)(?P<before>l?)(?P<noun>n)(?:b(?P<after>l))?|(?P<mark>l))"
)


def understand(
    sentence: str,
    scene: Sequence[Thing] | None = None,
    families: Collection[str] | None = None,
    *,
    complete: bool = False,
) -> Intent:
    """Turn a sentence into an intent; `sayso.tasks.household.words.language.parse` is its public face.

    A thing is brought "to me" where only that can be meant, as in "fetch the can", unless the sentence has to
    be `complete`: more may follow.

    Raises:
        NotUnderstoodError: with the reason alone, without examples of what could be asked.
    """
    tokens = tokenize(sentence)
    if not tokens:
        raise NotUnderstoodError("Nothing was said.")
    _refuse_unknown_words(sentence, tokens, scene, families)
    tokens = _without_ones(tokens)
    roles = "".join(token.role for token in tokens)
    mentions = [_mention(match, tokens) for match in _NOUN_PHRASE.finditer(roles)]
    _refuse_loose_ends(tokens, roles)
    verbs = frozenset(token.text for token in tokens if token.role == "v")
    if "is" in verbs <= synonyms.STATES:
        raise NotUnderstoodError("It says or asks how things are, but not what to do.")
    mentions = _without_beneficiary(mentions)
    if not complete and _for_speaker(verbs, mentions, scene):
        mentions.append(_Mention(Place("", "person"), "to"))
    reading = _reading(mentions, verbs, scene)
    family, variant = _row(reading, families, scene)
    return Intent(family, variant, *resolve(reading.object, reading.place, scene))


def named(name: str) -> Thing:
    """Read a plain name back into its thing: the inverse of `Thing.name`."""
    tokens = tokenize(name)
    match = _NOUN_PHRASE.fullmatch("".join(token.role for token in tokens))
    if match is None or match["to"]:
        raise NotUnderstoodError(f"{name!r} is not the name of a thing, such as 'red block'.")
    return _mention(match, tokens).thing


def _without_ones(tokens: Sequence[Token]) -> list[Token]:
    """Say the noun for "one": "stack the red block on the blue one" is about two blocks."""
    nouns = dict.fromkeys(token.meaning for token in tokens if token.role == "n" and token.meaning in MOVABLE)
    if len(nouns) != 1 and any(token.role == "p" for token in tokens):
        raise NotUnderstoodError("I cannot tell what 'one' stands for.")
    return [Token("n", next(iter(nouns)), token.text) if token.role == "p" else token for token in tokens]


def _mention(match: re.Match[str], tokens: Sequence[Token]) -> _Mention:
    """Turn a noun phrase found in the roles into the thing it names."""

    def meaning(part: str) -> str:
        return tokens[match.start(part)].meaning if match[part] else ""

    kind, landmark = meaning("noun") or meaning("mark"), meaning("before") or meaning("after")
    size, noun = meaning("size"), tokens[match.start("noun")].text if match["noun"] else ""
    if size and lexicon().get(f"{size} {noun}", ("", ""))[1] != kind:  # "little bottle" is any bottle
        if f"small {kind}" not in KINDS:
            raise NotUnderstoodError(f"I do not tell a {size} {kind} from others.")
        kind = f"small {kind}"
    if (kind, landmark) == ("drawer", "cabinet"):
        landmark = ""  # that is where the one drawer is
    if landmark and kind != "bin":
        raise NotUnderstoodError(f"I tell bins apart by the {landmark}, but not a {kind}.")
    colour = meaning("colour")
    thing = Thing(colour, kind) if kind in MOVABLE else Place(colour, kind, landmark)
    return _Mention(thing, meaning("to"), tokens[match.start("to")].text if match["to"] else "")


def _refuse_unknown_words(
    sentence: str,
    tokens: Sequence[Token],
    scene: Sequence[Thing] | None,
    families: Collection[str] | None,
) -> None:
    """Name the words that are not in the lexicon, and the corrected sentence if there is a sensible one."""
    unknown = list(dict.fromkeys(token.text for token in tokens if token.role == "?"))
    if not unknown:
        return
    if len(unknown) > synonyms.MAX_NAMED:
        raise NotUnderstoodError(
            f"I know none of {len(unknown)} words of that, the first {unknown[0][:40]!r}."
        )
    reason = f"I did not understand {', '.join(map(repr, unknown))} in {sentence.strip()!r}."
    if whys := dict.fromkeys(filter(None, map(_why_not, unknown))):
        raise NotUnderstoodError(" ".join((reason, *whys)))
    corrected = sentence.lower()
    for word in filter(lambda word: len(word) > 2, unknown):
        for near in difflib.get_close_matches(word, _correct_words(word[0]), n=1, cutoff=0.6):
            corrected = re.sub(rf"\b{re.escape(word)}\b", near, corrected)
    try:
        if corrected != sentence.lower():
            understand(corrected, scene, families)
            reason += f' Did you mean "{corrected.strip()}"?'
    except NotUnderstoodError:
        pass  # the correction makes no sense either, so it is no help
    raise NotUnderstoodError(reason)


def _why_not(word: str) -> str:
    """Return why nothing is done about a word that is known not to be understood, or nothing."""
    plural = word.endswith("s") and lexicon().get(word[:-1], ("", ""))[0] == "n"
    return synonyms.ONE_EACH if plural else synonyms.REFUSALS.get(word, "")


def _correct_words(letter: str) -> list[str]:
    """Return what a mistyped word that begins with a letter could be: few mistype the first one."""
    meant = [word for word, (role, _) in lexicon().items() if role in "ncslvobi"] + ["the", "please"]
    return [word for word in meant if word.startswith(letter) and word not in synonyms.WISHES]


def _refuse_loose_ends(tokens: Sequence[Token], roles: str) -> None:
    """Refuse a colour, size or preposition that belongs to no thing: nothing said may be ignored."""
    rest = _NOUN_PHRASE.sub(lambda match: "." * len(match.group()), roles)
    loose = [token.text for token, role in zip(tokens, rest, strict=True) if role in "csiobr"]
    if loose:
        raise NotUnderstoodError(f"I cannot tell what {', '.join(map(repr, loose))} belongs to.")


def _without_beneficiary(mentions: Sequence[_Mention]) -> list[_Mention]:
    """Leave out "for me" where the sentence already says where to: "open the drawer for me"."""
    rest = [m for m in mentions if (m.thing.kind, m.relation) != ("person", "for")]
    says_where = any(not m.movable for m in rest) or len({m.thing for m in rest}) > 1
    return rest if says_where else list(mentions)


def _reading(mentions: Sequence[_Mention], verbs: frozenset[str], scene: Sequence[Thing] | None) -> _Reading:
    """Tell what is moved from where it goes."""
    _refuse_wrong_roles(mentions)
    moved, places = _parts(mentions)
    for several in (moved, places):
        if len(several) > 1:
            listing = " and ".join(f"the {thing.name}" for thing in several)
            raise NotUnderstoodError(f"It names {listing}, and I do one thing at a time.")
    if not places and not moved:
        raise NotUnderstoodError(_missing("what to do with what", KINDS, scene))
    if not verbs - synonyms.IDLE:
        raise NotUnderstoodError("It has no verb that says what to do.")
    if not places:
        raise NotUnderstoodError(_nowhere(moved[0], verbs, scene))
    if mentions[-1].thing in moved and mentions[-1].relation == "to":
        raise NotUnderstoodError(f"I do not bring the {places[0].name} to the {moved[0].name}.")
    relations = {mention.relation: mention.word for mention in mentions if mention.thing == places[0]}
    return _Reading(moved[0] if moved else None, places[0], relations, verbs)


def _for_speaker(verbs: frozenset[str], mentions: Sequence[_Mention], scene: Sequence[Thing] | None) -> bool:
    """Tell whether the one thing named is to be brought to the one who speaks."""
    meant = verbs - synonyms.APPROACHES
    here = scene is None or any(thing.kind == "person" for thing in scene)
    alone = len({m.thing for m in mentions}) == 1 and mentions[0].movable
    return here and alone and bool(meant) and meant <= synonyms.FOR_SPEAKER


def _refuse_wrong_roles(mentions: Sequence[_Mention]) -> None:
    """Refuse "put the tray in the block": word order is free, but what goes into what is not."""
    onto = [mention for mention in mentions if mention.relation in ("in", "on", "beside")]
    bare = [mention.thing for mention in mentions if not mention.relation]
    for mention in onto:
        kind = mention.thing.kind
        if mention.movable and mention.relation == "in":
            raise NotUnderstoodError(f"Nothing goes into a {kind}.")
        if mention.thing in bare and mention.movable and len({m.thing for m in mentions}) == 1:
            raise NotUnderstoodError(f"It brings the {mention.thing.name} to itself.")
        fixed = [thing for thing in bare if KINDS[thing.kind].holds and thing.kind != "person"]
        if fixed and mention.thing not in fixed:
            raise NotUnderstoodError(f"I do not move a {fixed[0].kind}.")


def _parts(mentions: Sequence[_Mention]) -> tuple[list[Thing], list[Thing]]:
    """Divide the distinct things mentioned into what is moved and where to."""
    movable = list(dict.fromkeys(m.thing for m in mentions if m.movable))
    fixed = list(dict.fromkeys(m.thing for m in mentions if not m.movable))
    if fixed:
        return movable, fixed
    for goals in (("on", "beside"), ("to",)):
        places = list(dict.fromkeys(m.thing for m in mentions if m.relation in goals))
        if places and (goals != ("to",) or len(movable) > 1):
            return [thing for thing in movable if thing not in places], places
    return movable, []


def _nowhere(moved: Thing, verbs: frozenset[str], scene: Sequence[Thing] | None) -> str:
    """Say that no place was said, or that this is nothing to do with a thing that is moved."""
    rows = [row for key, row in SENTENCES.items() if row.objects and _verbs_fit(key, verbs)]
    if not rows:
        return f"I cannot do that with the {moved.name}."
    kinds = {kind for row in rows for kind in row.places}
    return _missing("where to put it", kinds, [thing for thing in scene or () if thing != moved])


def _missing(part: str, kinds: Collection[str], scene: Sequence[Thing] | None) -> str:
    """Say which part of an instruction is missing, and what in the scene could fill it."""
    wanted = [thing for thing in scene or () if thing.kind in kinds]
    return f"It does not say {part}." + (f" There is {names(wanted)}." if wanted else "")


def _row(
    reading: _Reading, families: Collection[str] | None, scene: Sequence[Thing] | None
) -> tuple[str, str]:
    """Find the one row of the grammar that a reading fits."""
    allowed = [key for key in SENTENCES if families is None or key[0] in families]
    alike = [key for key in allowed if _kinds_fit(SENTENCES[key], reading)]
    joined = [key for key in alike if _relations_fit(SENTENCES[key], reading)]
    fitting = [key for key in joined if _verbs_fit(key, reading.verbs)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise NotUnderstoodError(f"It could mean to {_abilities(fitting)}.")
    if reading.object is None:
        for kind in MOVABLE:
            supposed = replace(reading, object=Thing("", kind))
            if any(_fits(key, supposed) for key in allowed):
                raise NotUnderstoodError(_missing("what to move", MOVABLE, scene))
    raise NotUnderstoodError(_mismatch(reading, alike, joined))


def _fits(key: tuple[str, str], reading: _Reading) -> bool:
    row = SENTENCES[key]
    return _kinds_fit(row, reading) and _relations_fit(row, reading) and _verbs_fit(key, reading.verbs)


def _kinds_fit(row: Sentences, reading: _Reading) -> bool:
    moved = reading.object.kind in row.objects if reading.object else not row.objects
    return moved and reading.place.kind in row.places


def _relations_fit(row: Sentences, reading: _Reading) -> bool:
    said = set(reading.relations) - {""}
    return said <= set(row.relations) if said else "" in row.relations


def _verbs_fit(key: tuple[str, str], verbs: frozenset[str]) -> bool:
    row = SENTENCES[key]
    wanted = row.decisive or (verbs if row.travels else verbs - synonyms.APPROACHES - synonyms.IDLE)
    return verbs <= verbs_of(key) and not verbs.isdisjoint(wanted)


def _mismatch(reading: _Reading, alike: Sequence[tuple[str, str]], joined: Sequence[tuple[str, str]]) -> str:
    """Say why no row of the grammar fits: the first thing that none of them allows."""
    place = f"the {reading.place.name}"
    if not alike:
        if reading.object is None:
            return f"I cannot do that with {place}."
        rows = (row for row in SENTENCES.values() if reading.place.kind in row.places)
        kinds = dict.fromkeys(kind for row in rows for kind in row.objects)
        only = f": only a {' or '.join(kinds)}" if kinds and reading.object.kind not in kinds else ""
        return f"I cannot bring the {reading.object.name} to {place}{only}."
    if not joined and not any(reading.relations):
        return "It does not say what goes into what." if reading.object else f"I cannot do that with {place}."
    known = frozenset().union(*(verbs_of(key) for key in joined))
    words = sorted(reading.verbs - known) if joined else [word for word in reading.relations.values() if word]
    words = words or sorted(reading.verbs)
    said, go = ", ".join(map(repr, words)), "does not go" if len(words) == 1 else "do not go"
    return f"{said} {go} with {place}: there I can {_abilities(joined or alike)}."


def _abilities(keys: Iterable[tuple[str, str]]) -> str:
    return " or ".join(SENTENCES[key].ability for key in keys)
