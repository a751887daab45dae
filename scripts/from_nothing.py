"""Make a world's policy from nothing, as the shipped ones are made.

    python scripts/from_nothing.py home --cores 1 & python scripts/from_nothing.py tabletop --cores 1

Two worlds can be made beside each other, a core each. It prints the commands it runs. Given again after an
interruption it goes on where it was. ::

    the expert acts    train     the policy acts, the expert says what it would do    train on
    demonstrations/    first/    own/                                                 last/

Meta-World's has no last two steps; it is taught other wordings of its sentences instead, into ``taught/``.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import tyro

from sayso import pool

ROOT = Path(__file__).resolve().parent.parent
UNDISTURBED = "--noise.deg 0 --noise.m-per-s 0 --noise.deg-per-s 0"
"""A policy's own mistakes are disturbance enough."""
PACE = "--stride 2 --batch-size 64"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Say how much of everything a world's policy takes."""

    demonstrations: int
    first_steps: int
    share: int = 12
    """What numbers are multiples of, so that the families, three, four or fifty, share episodes equally."""
    own: int = 0
    """Episodes in which the policy acts; without any, the first training is the last."""
    last_steps: int = 0
    noise: str = ""
    """What disturbs the expert, where it is not as usual."""
    model: str = ""
    """What the policy is, where it is not as usual."""
    wordings: str = ""
    """Which other ways to say it are taught at the end, if any."""


RECIPES = {
    "tabletop": Recipe(demonstrations=2400, first_steps=6000, own=600, last_steps=8000),
    "home": Recipe(demonstrations=2000, first_steps=6000, own=800, last_steps=6500),
    "metaworld": Recipe(
        demonstrations=2500,
        first_steps=16000,
        share=50,
        noise="--noise.share 0.3 --noise.burst-s 0.1 0.4 --noise.pause-s 0.2 0.8",
        model="--history 1 --chunk 16 --lr 1e-3",
        wordings="metaworld",
    ),
}


@dataclass(frozen=True, kw_only=True)
class FromNothing:
    """Say which world, and where to."""

    world: tyro.conf.Positional[Literal["tabletop", "home", "metaworld"]]
    """World to make a policy for."""
    out: Path = ROOT / "runs" / "from_nothing"
    """Folder with a folder per world for all that is made on the way."""
    cores: int = field(default_factory=pool.cores)
    """Cores to use: processes that record, threads that train."""
    scale: float = 1.0
    """Share of the recipe's episodes and steps; a hundredth is for trying this script."""


def commands(world: str, scale: float, cores: int) -> Iterator[str]:
    """Yield what is to be done, one after the other, in the world's folder; each ends with where it goes."""
    recipe = RECIPES[world]

    def scaled(number: int) -> int:
        return max(1, round(number * scale / recipe.share)) * recipe.share

    # Experts fail now and then and take another seed: more seeds are used up than there are demonstrations.
    fresh = 2 * recipe.demonstrations
    many = scaled(recipe.demonstrations)
    record = f"record --world {world} --workers {cores}"
    yield f"{record} --episodes {many} {recipe.noise} --out demonstrations"
    pace = f"{PACE} --threads {cores} {recipe.model}"
    yield f"train --datasets demonstrations {pace} --steps {scaled(recipe.first_steps)} --out first"
    made = "first"
    if recipe.own:
        own = f"--policy first/policy {UNDISTURBED} --episodes {scaled(recipe.own)} --start {fresh} --out own"
        yield f"{record} {own}"
        more = f"--init first/policy {pace} --steps {scaled(recipe.last_steps)} --out last"
        yield f"train --datasets demonstrations own {more}"
        made = "last"
    if recipe.wordings:
        yield f"teach {made}/policy --wordings {recipe.wordings} --out taught"


def main(config: FromNothing) -> None:
    """Run the commands; the first that fails ends it."""
    folder = config.out.resolve() / config.world
    folder.mkdir(parents=True, exist_ok=True)
    for command in commands(config.world, config.scale, config.cores):
        words = command.split()
        print("sayso", *words, flush=True)
        done = subprocess.run([sys.executable, "-m", "sayso", *words], cwd=folder, check=False)
        if done.returncode:
            sys.exit(done.returncode)
    print(f"{folder / words[-1] / 'policy'} can be shipped: scripts/ship.py")


if __name__ == "__main__":
    main(tyro.cli(FromNothing, description=__doc__))
