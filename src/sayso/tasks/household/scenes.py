"""Scene search: one in which what somebody asks for can be done.

What stands in a scene is drawn before where it stands, and that takes a hundredth of the time: thousands of
scenes can be looked through while a person waits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from gymnasium.utils import seeding

from sayso.spec import SaysoError
from sayso.tasks.household.catalogue import TASKS
from sayso.tasks.household.draw import draw_task
from sayso.tasks.household.layout import Demand, from_mesh, held_out, require
from sayso.tasks.household.variants import row_of
from sayso.tasks.household.words.language import Intent, NotUnderstoodError, Thing
from sayso.tasks.household.words.references import resolve


def objects_for(intent: Intent) -> str:
    """Return which things to draw: what training never shows only where the intent names such a thing."""
    if intent.object is not None and from_mesh(intent.object):
        return "meshes"
    return "heldout" if intent.object is not None and held_out(intent.object) else "train"


def scenes_with(world: str, intent: Intent, seeds: Iterable[int]) -> Iterator[int]:
    """Yield the seeds, among some, of scenes that have all that an intent names, and room to do it.

    A few are passed over: a scene may have been drawn again, because its first things found no room or
    nothing to do, and those first things are what is looked at.

    Args:
        world: which world.
        intent: what is asked, as it was said: ``Thing("", "can")`` is any can.
        seeds: of episodes of the intent's family.

    Raises:
        MissingMeshesError: if it names something that is not installed.
    """
    setting, objects = TASKS[world], objects_for(intent)
    require(objects)
    rows, wanted = setting.families[intent.family], row_of(intent)
    for seed in seeds:
        rng, _ = seeding.np_random(seed)  # as a world begins with it
        demand = Demand(rows[rng.choice(len(rows))], objects)
        if _found(intent, setting.things(rng, demand)) is None:
            continue
        try:
            task = draw_task(world, intent.family, seeding.np_random(seed)[0], objects=objects)
        except SaysoError:  # a hundred draws had nothing to do
            continue
        meant = _found(intent, tuple(task.things.values()))
        if meant is not None and wanted.feasible(task.layout, meant):
            yield seed


def _found(intent: Intent, scene: Sequence[Thing]) -> Intent | None:
    """Return an intent about the things of a scene that it means; None if they are not there."""
    try:
        return Intent(intent.family, intent.variant, *resolve(intent.object, intent.place, scene))
    except NotUnderstoodError:
        return None
