"""Synonyms that people say and the robot does not: what `parse` understands beyond its own sentences.

Nothing is ever drawn from these tables, so that a word more changes no recording and no evaluation.
"""

from __future__ import annotations

from collections.abc import Mapping

ARTICLES = frozenset({"the", "a", "an", "that", "this", "my", "your", "our", "same"})
FILLERS = frozenset(
    {"up", "over", "all", "way", "and", "then", "so", "now", "of", "hey", "back", "there", "down"}
    | {"i", "we", "you", "would", "could", "can", "kindly", "hi", "hello", "okay", "just", "again", "too"}
    | {"carefully", "gently", "quickly", "slowly"}
)
APPROACHES = frozenset({"go", "drive", "roll", "travel", "head", "find", "come", "walk", "run"})
"""Verbs that only lead up to what is asked, unless it is to go somewhere."""
WISHES = frozenset({"want", "need", "like", "wish", "have", "should", "must", "try", "make", "sure"})
"""Verbs that may stand in any sentence: "you should open the drawer", "make sure the can is in the tray"."""
HELPERS = frozenset({"is", "be"})
"""Words that may stand in any sentence."""
IDLE = HELPERS | {"it"}
"""Words that say nothing of what to do."""
STATES = IDLE | {"open", "closed", "shut"}
"""Words of which a sentence with "is" needs one more, or it asks or tells how things are."""
FOR_SPEAKER = frozenset({"fetch", "bring", "want", "need"})
"""Verbs that mean "to me" where no place is said."""
ALSO_HEARD: Mapping[str, str] = {
    **{"gray": "grey", "violet": "purple", "turquoise": "cyan", "aqua": "cyan", "magenta": "pink"},
    **{"here": "to me", "approach": "go to", "on to": "onto", "in to": "into", "on the top of": "on top of"},
    **{"the open drawer": "the drawer", "drawer of the cabinet": "drawer", "them": "it", "user": "person"},
    "have you": "did you",
    **dict.fromkeys(("towards", "toward"), "to"),
    **dict.fromkeys(("against", "alongside", "adjacent to"), "next to"),
    **dict.fromkeys(("away in", "away into"), "in"),
    **dict.fromkeys(("trash can", "garbage can", "garbage bin", "dustbin"), "bin"),
    **{"toy banana": "banana", "soda can": "can", "tin can": "can", "drink can": "can", "coffee mug": "mug"},
    **dict.fromkeys(("would like", "would love", "i'd like", "i'd love", "we'd like"), "want"),
    **dict.fromkeys(("can i have", "could i have", "may i have", "can i get"), "bring me"),
    **dict.fromkeys(("go get", "go and get"), "fetch"),
    **dict.fromkeys(("pull the drawer out", "pull out the drawer"), "open the drawer"),
    **dict.fromkeys(("push the drawer in", "push in the drawer"), "close the drawer"),
    **dict.fromkeys(("let's", "go ahead and", "right now", "right away", "thank you", "as well"), ""),
    **dict.fromkeys(("can we", "will you", "across the room", "from the table"), ""),
    **dict.fromkeys(("the middle of", "the center of", "the centre of"), ""),
    **{f"would you mind {word}": word.removesuffix("ing") for word in ("opening", "pushing", "stacking")},
    **{f"would you mind {word[:-1]}ing": word for word in ("close", "move", "place", "take", "drive")},
    **{"would you mind putting": "put", "would you mind bringing": "bring", "would you mind going": "go"},
}
"""Words that `parse` takes for others, or leaves out, and `phrase` never says."""
_ONLY_DO = "Say what I should do, and nothing that I should not."
_BY_NAME = "I go by the colours and kinds of things alone."
_IN_ORDER = "Say what to do in the order in which to do it."
ONE_EACH = "I do one thing at a time: name each."
"""Why several things at once are refused."""
REFUSALS: Mapping[str, str] = {
    **dict.fromkeys(("not", "don't", "dont", "never", "no", "avoid", "instead", "except"), _ONLY_DO),
    **dict.fromkeys(("left", "right", "leftmost", "rightmost", "middle", "nearest", "closest"), _BY_NAME),
    **dict.fromkeys(("behind", "front", "between", "other", "big", "large", "dark", "light"), _BY_NAME),
    **dict.fromkeys(("thing", "object", "item", "something", "anything", "fruit"), _BY_NAME),
    **dict.fromkeys(("before", "after", "once", "while", "when", "if", "unless"), _IN_ORDER),
    **dict.fromkeys(("everything", "both", "two", "three", "twice"), ONE_EACH),
}
"""Words that nothing is done about -> what to say instead."""
PICTURES = "[\u2190-\u2bff\U0001f000-\U0001faff]"
"""Emoji and signs, as a regular expression: who leaves them out acts on half an instruction."""
MAX_NAMED = 8
"""How many unknown words are named one by one, and looked up in case they are mistyped."""
