"""Wide wordings: many more words for what is asked, heard only while a policy learns.

What is taught and what is not:

- *Taught*: the words and sentences of the grammar's ``train`` columns (`kinds`, `vocabulary`, `families/`),
  and everything in this file. A training with ``--wordings household`` draws them anew for each window;
  recordings and evaluations never say what stands here alone.
- *Held out*: the grammar's ``heldout`` columns, and the paraphrases of other authors (`paraphrases`). None
  of their sentences, verbs and nouns may stand here, which `tests/tasks/test_taught.py` holds. Little words
  that name nothing and ask for nothing are shared.

So a policy understands "shove" only because the frozen encoder puts it near many verbs that it did learn.
No noun here stands for two kinds, and no verb for two motions over the same things.
"""

from __future__ import annotations

from collections.abc import Mapping

VERBS: Mapping[str, tuple[str, ...]] = {
    "put": ("stick", "pop", "plop", "plonk", "plunk", "plant", "settle", "situate", "lodge", "slip",
            "drop", "locate", "arrange", "put down", "set down", "bring", "carry"),
    "pick": ("take", "get", "pick", "snatch", "seize", "clutch", "clasp", "pluck", "snag", "nab", "catch",
             "scoop up", "gather up", "heave up", "elevate", "fetch", "take up"),
    "take": ("convey", "ferry", "cart", "lug", "tote", "ship", "shuttle", "move", "get", "courier", "bear",
             "freight", "trundle"),
    "drop": ("toss", "pitch", "fling", "pop", "ditch", "unload", "plop", "set down", "put down", "stick",
             "slip", "lob", "scrap", "plonk"),
    "stack": ("mount", "perch", "poise", "layer", "heap", "stack up", "pile up", "settle", "plant",
              "build", "put", "set", "place", "prop", "erect", "put up", "set up"),
    "push": ("shunt", "thrust", "propel", "prod", "poke", "knock", "skid", "glide", "jostle", "inch",
             "edge", "plough", "skate", "force", "ram", "jog", "guide", "work", "jolt", "impel"),
    "open": ("open up", "pull out", "jerk open", "heave open", "fling open", "crack open", "wrench open",
             "unlatch", "unfasten", "uncover", "expose", "swing open", "pop open", "pry open",
             "glide open", "pull back"),
    "close": ("close up", "push shut", "push closed", "push in", "slam", "slam shut", "bang shut",
              "knock shut", "thrust shut", "snap shut", "clap shut", "latch", "fasten", "click shut",
              "glide shut", "push back"),
    "bring": ("get", "fetch", "carry", "take", "send", "supply", "offer", "convey", "ship", "hand over",
              "give over", "courier", "slip", "ferry", "grab", "bear"),
    "go": ("walk", "cruise", "navigate", "hurry", "rush", "journey", "trundle", "zip", "wander", "motor",
           "march", "venture", "zoom", "dash", "race", "stroll", "advance", "step", "get", "commute"),
    "come": ("walk", "cruise", "navigate", "hurry", "rush", "journey", "trundle", "zip", "go", "move",
             "motor", "march", "come over", "come back", "advance", "drive over", "get"),
}  # fmt: skip
"""Slot of the vocabulary -> more verbs for it."""

PREPOSITIONS: Mapping[str, tuple[str, ...]] = {
    "in": ("within", "in to", "down in", "down into", "right in", "right into"),
    "on": ("on to", "on top of", "down on", "down onto", "right on", "right onto"),
    "atop": ("on to", "over", "up on", "up onto", "on the top of", "right on top of"),
    "onto": ("onto", "on to", "on", "over onto", "right onto", "over to", "to", "up onto"),
    "by": ("at", "right by", "right next to", "adjacent to", "by the side of", "at the side of", "nearby"),
    "beside": ("by", "right by", "right near", "adjacent to", "by the side of", "at the side of", "nearby"),
}
"""Slot of the vocabulary -> more prepositions for it; "onto" is how things are pushed onto a mat."""

NOUNS: Mapping[str, tuple[str, ...]] = {
    "block": ("chunk", "cubic block", "little cube", "solid block", "little block", "cubic piece",
              "lego block", "chunky block"),
    "cylinder": ("pole", "rod", "dowel", "cylindrical block", "spindle", "stanchion", "baton",
                 "upright cylinder", "small column"),
    "ball": ("rubber ball", "tennis ball", "little ball", "spheroid", "pearl", "bead", "spherical piece",
             "play ball"),
    "can": ("tin can", "drinks can", "food tin", "beer can", "cola can", "pop can", "food can",
            "aluminium can", "tin of beans", "tomato can"),
    "bottle": ("glass bottle", "little bottle", "wine bottle", "milk bottle", "flagon", "carafe",
               "decanter", "drinks bottle", "squeeze bottle"),
    "mug": ("coffee mug", "coffee cup", "tumbler", "goblet", "stein", "espresso cup", "chalice", "tea cup",
            "china cup"),
    "banana": ("ripe banana", "plastic banana", "bendy banana", "dessert banana", "peeled banana",
               "little banana"),
    "tray": ("salver", "tea tray", "food tray", "canteen tray", "lunch tray", "baking tray",
             "waiter's tray", "display tray"),
    "bowl": ("soup bowl", "cereal bowl", "mixing bowl", "punch bowl", "tureen", "deep bowl", "washbowl",
             "china bowl"),
    "basket": ("laundry basket", "shopping basket", "picnic basket", "pannier", "creel", "straw basket",
               "wash basket", "punnet"),
    "plate": ("side plate", "china plate", "lunch plate", "porcelain plate", "dessert plate", "china dish",
              "plate for food", "serving dish"),
    "mat": ("placemat", "table mat", "felt pad", "patch", "cloth", "napkin", "little carpet", "tile",
            "rectangle", "felt mat", "zone"),
    "bin": ("trash can", "garbage can", "dustbin", "garbage bin", "waste bin", "litter bin", "refuse bin",
            "tub", "recycling bin", "trash tub"),
    "drawer": ("drawer of the cabinet", "drawer in the cabinet", "kitchen drawer", "wooden drawer",
               "top drawer", "cupboard drawer", "drawer of the cupboard"),
    "person": ("the person", "the user", "your user", "the human", "your owner", "the speaker",
               "your human", "your boss"),
    "sofa": ("loveseat", "divan", "futon", "chesterfield", "leather sofa", "daybed", "sofa bed",
             "living-room couch"),
    "cabinet": ("wardrobe", "armoire", "closet", "locker", "hutch", "kitchen cabinet", "credenza",
                "commode", "wooden cupboard"),
    "table": ("dining table", "kitchen table", "worktable", "workbench", "writing table", "wooden table",
              "counter", "worktop"),
}  # fmt: skip
"""Kind of thing -> more names for it. What training never shows has none."""

WITHOUT_ARTICLE = frozenset({"person"})
"""Kinds whose names bring what stands before them."""

COLOURS: Mapping[str, tuple[str, ...]] = {
    "red": ("scarlet",),
    "cyan": ("turquoise", "aqua"),
    "purple": ("violet",),
    "grey": ("gray",),
}
"""Colour -> other names, of which none is near another colour."""

REQUESTS: tuple[str, ...] = (
    "i want you to {}", "i would like you to {}", "i need you to {}", "we want you to {}",
    "we need you to {}", "could you {}", "can you {}", "would you {}", "will you {}", "you should {}",
    "you must {}", "you can {}", "go and {}", "go ahead and {}", "try to {}", "your task is to {}",
    "your job is to {}", "now {}", "next {}", "the next step is to {}", "the plan is to {}", "first {}",
    "it is on you to {}", "the task: {}", "you are asked to {}", "you are here to {}", "just {}",
)  # fmt: skip
"""Requests around an imperative."""
COURTESIES: tuple[str, ...] = (
    "please {}", "{}, please", "robot, {}", "ok, {}", "okay robot, {}", "hello, {}", "hi, {}",
    "hey robot, {}", "{}, robot", "{} now", "{} for me, please", "well, {}", "my robot, {}", "right, {}",
    "so, {}", "{} at once", "please, robot, {}", "{} next", "quickly, {}", "{}, ok?", "{} right now",
    "little robot, {}",
)  # fmt: skip
"""Courtesies around any sentence."""

_PLACED = (
    "{take} {object} over and {put} it {into} {place}",
    "{take} {object} to {place} and {drop} it there",
    "get {object} and {put} it {into} {place}",
    "{pick} {object} and then {put} it {into} {place}",
    "there is {object}, {put} it {into} {place}",
    "{object}: {put} it {into} {place}",
    "with your arm, {put} {object} {into} {place}",
    "{put} {object} straight {into} {place}",
    "{drop} {object} {into} {place}",
    "{into} {place}, {drop} {object}",
    "go for {object} and {put} it {into} {place}",
    "{pick} {object}, go over to {place} and {drop} it",
)
_THERE = (
    "{object} should go {into} {place}",
    "{object} should be {into} {place}",
    "{object} must go {into} {place}",
    "i need {object} {into} {place}",
    "i want to see {object} {into} {place}",
    "i want {object} {put_done} {into} {place}",
    "we want {object} to be {put_done} {into} {place}",
    "{object} should be {put_done} {into} {place}",
    "could {object} be {put_done} {into} {place}",
    "can {object} go {into} {place}",
    "the place for {object} is {into} {place}",
    "{into} {place} is the right place for {object}",
    "{into} {place} goes {object}",
)
_TOWER = tuple(one.replace("{put", "{stack").replace("{into}", "{atop}") for one in _THERE)
_PUSHED = (
    "{push} {object} {onto} {place}",
    "{push} {object} straight {onto} {place}",
    "{push} {object} over the table {onto} {place}",
    "{push} {object} {onto} {place} without lifting it",
    "without lifting {object}, {push} it {onto} {place}",
    "no lifting, {push} {object} {onto} {place}",
    "with your hand closed, {push} {object} {onto} {place}",
    "close your hand and {push} {object} {onto} {place}",
    "{onto} {place}, {push} {object}",
    "there is {object}, {push} it {onto} {place}",
    "{object}: {push} it {onto} {place}",
    "give {object} a push {onto} {place}",
    "go to {object} and {push} it {onto} {place}",
    "with a push, get {object} {onto} {place}",
)
_PUSHED_THERE = (
    "{object} should be {push_done} {onto} {place}",
    "i want {object} {push_done} {onto} {place}",
    "i need {object} {push_done} {onto} {place}",
    "we want {object} to be {push_done} {onto} {place}",
    "could {object} be {push_done} {onto} {place}",
    "can {object} be {push_done} {onto} {place} without lifting it",
    "{object} must be {push_done} {onto} {place}",
    "i would like to see {object} {push_done} {onto} {place}",
)


def _beside(sentences: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(one.replace("{onto}", "{beside}") for one in sentences)


IMPERATIVES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("put", "in"): _PLACED,
    ("stack", "on"): (
        "{pick} {object} and {put} it up {atop} {place}",
        "{put} {object} up {atop} {place}",
        "build a tower, {object} {atop} {place}",
        "build a stack with {object} {atop} {place}",
        "set up a tower with {place} as its base and {object} {atop} it",
        "there is {place}, {stack} {object} {atop} it",
        "{object}: {stack} it {atop} {place}",
        "get {object} and {stack} it {atop} {place}",
        "{pick} {object} and then {stack} it {atop} {place}",
        "{stack} {object} straight {atop} {place}",
        "with your arm, {stack} {object} {atop} {place}",
        "take {place} as the base and {stack} {object} {atop} it",
    ),
    ("push", "onto"): (
        *_PUSHED,
        "{push} {object} until it is {on} {place}",
        "{push} {object} so it is {on} {place}",
    ),
    ("push", "beside"): (
        *_beside(_PUSHED),
        "{push} {object} over until it is {beside} {place}",
        "{push} {object} to where {place} is",
        "{push} {object} and stop {beside} {place}",
    ),
    ("drawer", "open"): (
        "pull at {place}",
        "{open} {place} wide",
        "go over to {place} and {open} it",
        "drive up to {place} and {open} it",
        "there is {place}, {open} it",
        "{place}: {open} it",
        "with your hand, {open} {place}",
        "find {place} and {open} it",
        "pull {place} out",
        "pull {place} straight out",
    ),
    ("drawer", "close"): (
        "push at {place}",
        "go over to {place} and {close} it",
        "drive up to {place} and {close} it",
        "there is {place}, {close} it",
        "{place}: {close} it",
        "with your hand, {close} {place}",
        "find {place} and {close} it",
        "push {place} in",
        "push {place} straight in",
        "push {place} back into the cabinet",
        "{close} {place} again",
    ),
    ("drawer", "in"): tuple(one.replace("{into}", "{in}") for one in _PLACED),
    ("fetch", "to"): (
        "{take} {object} over to {place}",
        "{take} {object} to {place} and {drop} it there",
        "{take} {object} to {place} and {drop} it {in} it",
        "{object} is trash, {drop} it {in} {place}",
        "{object} is trash, {take} it to {place}",
        "get {object} from the table and {drop} it {in} {place}",
        "take {object} from the table and {drop} it {in} {place}",
        "go to {place} with {object}",
        "drive to {place} with {object} and {drop} it there",
        "{object}: {take} it to {place}",
        "{in} {place}, {drop} {object}",
        "with your arm, {pick} {object} and {take} it to {place}",
        "{pick} {object}, drive to {place} and {drop} it",
    ),
    ("fetch", "bring"): (
        "{bring} {object} over to {place}",
        "{bring} {object} straight to {place}",
        "{pick} {object} from the table and {bring} it to {place}",
        "go and {pick} {object} for {place}",
        "drive back to {place} with {object}",
        "come back to {place} with {object}",
        "come to {place} and {bring} {object}",
        "{object}: {bring} it to {place}",
        "there is {object}, {bring} it to {place}",
        "to {place}, {bring} {object}",
        "go for {object} and {bring} it over to {place}",
        "with your arm, {pick} {object} and {bring} it to {place}",
    ),
    ("goto", "to"): (
        "{go} up to {place}",
        "{go} to where {place} is",
        "{go} until you are {by} {place}",
        "find {place} and {go} there",
        "{go} and stop {by} {place}",
        "to {place}, {go}",
        "{go} on to {place}",
        "{go} over there to {place}",
        "{place}: {go} there",
        "{go} to {place} at once",
        "get to {place}",
        "{go} to {place} now",
    ),
}
"""Family and variant -> more imperatives, beside those of the grammar."""

WISHES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("put", "in"): _THERE,
    ("stack", "on"): (*_TOWER, "i want a tower of {object} {atop} {place}"),
    ("push", "onto"): _PUSHED_THERE,
    ("push", "beside"): _beside(_PUSHED_THERE),
    ("drawer", "open"): (
        "i need {place} open",
        "{place} must be open",
        "i want to see {place} open",
        "i want {place} {open_done}",
        "{place} should be {open_done}",
        "could {place} be {open_done}",
        "i want to put things {in} {place}, so {open} it",
        "i need to get into {place}",
    ),
    ("drawer", "close"): (
        "i need {place} closed",
        "{place} must be shut",
        "i want to see {place} shut",
        "i want {place} {close_done}",
        "{place} should be {close_done}",
        "could {place} be {close_done}",
        "i do not need {place} open now, so {close} it",
        "i want {place} back in the cabinet",
    ),
    ("drawer", "in"): tuple(one.replace("{into}", "{in}") for one in _THERE),
    ("fetch", "to"): (
        "{object} should go to {place}",
        "{object} must go {in} {place}",
        "i need {object} {in} {place}",
        "i want {object} {take_done} to {place}",
        "i want {object} {drop_done} {in} {place}",
        "{object} should be {take_done} to {place}",
        "could {object} be {drop_done} {in} {place}",
        "we want to see {object} {in} {place}",
        "{object} is for {place}",
        "the place for {object} is {in} {place}",
    ),
    ("fetch", "bring"): (
        "i need {object}",
        "i would like {object}, {bring} it to {place}",
        "can i get {object}",
        "could i get {object} over here",
        "{object} is for {place}",
        "i want {object} in my hand",
        "i want {object} {bring_done} to {place}",
        "{object} should be {bring_done} to {place}",
        "could {object} be {bring_done} to {place}",
        "{object} should come to {place}",
    ),
    ("goto", "to"): (
        "i want you {by} {place}",
        "i need you {by} {place}",
        "you should be {by} {place}",
        "be {by} {place}",
        "your goal is {place}",
        "your next goal is {place}",
        "the place to be is {by} {place}",
        "i want to see you {by} {place}",
        "we need you over {by} {place}",
        "you are needed {by} {place}",
    ),
}
"""Family and variant -> more sentences that wish instead of telling what to do."""
