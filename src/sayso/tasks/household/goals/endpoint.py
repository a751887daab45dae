"""Descriptions put into the grammar's words by a language model, of which only what parses is believed."""

from __future__ import annotations

from dataclasses import replace

from sayso.tasks.household.goals.goal import Goal
from sayso.tasks.household.goals.grammar import read_goal
from sayso.tasks.household.words.endpoint import LanguageModelDecomposer
from sayso.tasks.household.words.kinds import COLOURS, KINDS
from sayso.tasks.household.words.references import NotUnderstoodError

EXAMPLES = (
    "put the red block to the left of the mug",
    "put all red things into the bowl",
    "push everything off the mat",
    "line up the three blocks",
    "put the can between the mug and the block",
    "put the tallest thing in the basket, then put any can on the plate",
    "shut the drawer with the can inside",
    "put the can far from the mug and behind the block",
    "lift the bottle",
    "drive to the sofa",
)
"""Sentences that show what the grammar understands."""


def by_model(description: str, model: LanguageModelDecomposer) -> tuple[Goal, str]:
    """Let a language model say a description in the grammar's words; return the goal and those words.

    Raises:
        EndpointError: if the model cannot be asked.
        NotUnderstoodError: if its answer is not understood.
    """
    answer = " ".join(model.ask(_PROMPT, description).split()).strip(" .\"'`")
    try:
        return replace(read_goal(answer), said=description), answer
    except NotUnderstoodError as error:
        raise NotUnderstoodError(f'The language model said "{answer}". {error}') from None


_PROMPT = (
    "You put what a person wants of a table-top or household robot into one plain sentence that says how "
    "things shall stand in the end. Only sentences of these forms are understood, joined by 'and' or "
    "'then':\n"
    + "\n".join(EXAMPLES)
    + f"\nKinds of thing: {', '.join(KINDS)}, thing. Colours: {', '.join(COLOURS)}. Relations: in, on, "
    "beside, to the left of, to the right of, in front of, behind, between, off, far from, in a row, "
    "upright, open, shut, held. Left, right, in front and behind are as the front camera sees it. How many: "
    "the, any, all, both, two, three; the tallest, shortest, biggest, smallest. Answer with it alone. "
    "Leave out nothing that is asked."
)
"""What a model is told."""
