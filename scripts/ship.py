"""Write a trained policy into checkpoints/ as the repository ships it: in bfloat16, with a model card.

    python scripts/ship.py runs/home/policy --world home

The card's numbers come from benchmarks/results/ through `make docs`, once they were measured.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro

from sayso.learn.run import trained_seconds
from sayso.learn.views import of_world
from sayso.models.checkpoint import load, save
from sayso.spec import SaysoError, known
from sayso.tasks.household.catalogue import TASKS
from sayso.tasks.household.words.kinds import EVERYDAY, HELD_OUT_KINDS, OBJECT_COLOURS
from sayso.tasks.worlds import WORLDS
from sayso.work.provenance import training_facts

ROOT = Path(__file__).resolve().parent.parent
CARD = """# The policy of the world `{world}`

It drives {robot} by an instruction in plain words, from the pictures of {cameras} and {felt}. It was
trained on two CPU cores: {parameters:.1f} M trained parameters on top of a frozen text encoder.
{tasks}

<!-- table: benchmarks/results/{table} -->
<!-- end table -->

Demonstrations: {demonstrations:,}{earlier}, simulated, by scripted experts; trained for {hours:.1f} h.
Weights are
stored in bfloat16. `sayso.load("checkpoints/{world}")` needs nothing but this folder. How it was made
stands in {made} of the repository; what it was trained on, with hashes and seeds, in `config.json`.

Not for: real robots (nothing here has moved one yet), or cameras and rooms other than the simulated ones.
"""
HOUSEHOLD = """The families of tasks it was shown are {families}. It has seen {kinds}, in {colours} colours;
never in training, but there for tests, are {held_out} and some pairs of colour and kind
(`sayso/tasks/household/words/kinds.py`)."""
METAWORLD = """Its tasks are Meta-World's fifty, as `docs/metaworld.md` describes them. Both pictures are
views of one camera's, and of where things are it is told nothing. The mean over the four tiers is what the
field compares."""


@dataclass(frozen=True, kw_only=True)
class Ship:
    """Say which policy to ship."""

    policy: tyro.conf.Positional[Path]
    """Folder of the trained policy."""
    world: str
    """World it acts in, and its name in checkpoints/."""


def without_folders(value: Any) -> Any:
    """Return facts with absolute paths cut to their last part: folders of one machine tell nothing."""
    if isinstance(value, dict):
        return {key: without_folders(part) for key, part in value.items()}
    if isinstance(value, list):
        return [without_folders(part) for part in value]
    if isinstance(value, str) and "/" in value:
        return " ".join(Path(word).name if word.startswith("/") else word for word in value.split(" "))
    return value


def about(world: str) -> dict[str, str]:
    """Return what is special about the policies of a world: what they feel, were shown, measured, made by."""
    if world not in TASKS:
        numbers = "metaworld.json tier_mean easy medium hard very_hard paraphrase wrong_instruction camera"
        return {
            "felt": "four numbers about its hand",
            "tasks": METAWORLD,
            "table": numbers,
            "made": "docs/metaworld.md",
        }
    families = list(TASKS[world].families)
    tasks = HOUSEHOLD.format(
        families=listed(f"`{family}`" for family in families),
        kinds=listed(f"{kind}s" for kind in EVERYDAY if kind not in HELD_OUT_KINDS),
        held_out=listed(f"{kind}s" for kind in HELD_OUT_KINDS),
        colours=len(OBJECT_COLOURS),
    )
    numbers = " ".join(["household.json", *(f"{family}_{world}" for family in families)])
    return {"felt": "its own joints", "tasks": tasks, "table": numbers, "made": "the README"}


def listed(words: Iterable[str]) -> str:
    """Return words as one says a list: "a, b and c"."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def main(config: Ship) -> None:
    """Write the checkpoint and say how large it is.

    Raises:
        SaysoError: if there is no such world, or the folder holds no policy that was trained.
    """
    known("world", config.world, WORLDS)
    policy = load(config.policy)
    facts = without_folders(training_facts(config.policy))
    if "demonstrations" not in facts:
        raise SaysoError(f"{config.policy} does not say what it was trained on, so it has no card: train it")
    card = CARD.format(
        world=config.world,
        robot=policy.features.robot_type,
        cameras=" and ".join(policy.features.cameras),
        parameters=sum(p.numel() for p in policy.model.parameters()) / 1e6,
        demonstrations=facts["demonstrations"],
        earlier=" in its last training, and more before it" if "earlier_seconds" in facts else "",
        hours=trained_seconds(config.policy) / 3600,
        **about(config.world),
    )
    folder = ROOT / "checkpoints" / config.world
    policy.views = of_world(WORLDS.ready(config.world), policy.features)
    save(policy, folder, card, dtype=torch.bfloat16, training=facts)
    size_mb = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
    print(
        f"{folder.relative_to(ROOT)}: {size_mb:.1f} MB. Measure it, then `make docs` fills in its card, and"
    )
    print(f"`python scripts/views.py --costs-only {config.world}` writes down what a moved camera costs.")


if __name__ == "__main__":
    try:
        main(tyro.cli(Ship, description=__doc__))
    except SaysoError as error:
        sys.exit(f"ship.py: {error}")
