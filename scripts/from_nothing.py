"""Make a world's policy from nothing, as the shipped ones are made.

    python scripts/from_nothing.py home --cores 1 & python scripts/from_nothing.py tabletop --cores 1

Two worlds can be made beside each other, a core each. It prints the commands it runs. Given again after an
interruption it goes on where it was. ::

    the expert acts    train    the policy acts, the expert says what it would do    train on
    demonstrations/    first/   own_first/                                           second/
                                own_second/                                          third/
    wide_0/ wide_1/ .. wide/    own_wide/                                            wider/

What is wide varies along axes (cameras, light, paint) and is told in many words: the tabletop's. Meta-World's
has no further rounds; it is taught other wordings of its sentences instead, into ``taught/``. LIBERO's hears
other wordings all the while; its own environment makes it (``.venv-libero/bin/python``, docs/libero.md).
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import tyro

from sayso.spec import above, at_least
from sayso.work import pool

ROOT = Path(__file__).resolve().parent.parent
UNDISTURBED = "--noise.deg 0 --noise.m-per-s 0 --noise.deg-per-s 0 --noise.share 0"
"""A policy's own mistakes are disturbance enough."""
PACE = "--stride 2 --batch-size 64"


NAMES = ("first", "second", "third")
"""What the policies are called that are made one after the other."""


@dataclass(frozen=True, kw_only=True)
class Round:
    """Say how much a policy learns from what it does itself, with the expert's answers."""

    own: int
    """Episodes in which it acts."""
    steps: int
    families: str = ""
    """What it does there; nothing named means everything."""
    discount: float = 1.0
    """How much each action of a chunk then counts, of what the one before it does."""


@dataclass(frozen=True, kw_only=True)
class Widening:
    """Say how a policy comes to bear what its demonstrations never showed."""

    shown: tuple[tuple[str, int, float], ...]
    """Axes with their levels, demonstrations that vary along them, and how often these are learned from."""
    steps: int
    lr: float
    own: int
    """Episodes in which it then acts, varied along the second of these."""
    own_weight: float
    own_steps: int
    own_lr: float
    wordings: str = "household"
    """Which other ways to say it are heard all the while."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Say how much of everything a world's policy takes."""

    demonstrations: int
    steps: int
    share: int = 12
    """What numbers are multiples of, so that the families, two to fifty, share episodes equally."""
    rounds: tuple[Round, ...] = ()
    """What follows the first training."""
    noise: str = ""
    """What disturbs the expert, where it is not as usual."""
    model: str = ""
    """What the policy is, where it is not as usual."""
    hears: str = ""
    """Which other ways to say it are heard while it learns, if any."""
    wordings: str = ""
    """Which other ways to say it are taught at the end, if any."""
    widening: Widening | None = None
    """What comes last, if anything does."""


RECIPES = {
    "tabletop": Recipe(
        demonstrations=2400,
        steps=6000,
        rounds=(Round(own=600, steps=8000), Round(own=600, steps=3000, families="put stack", discount=0.85)),
        widening=Widening(
            shown=(
                ("", 600, 1.0),
                ("camera=5 light=4 background=3", 900, 1.2),
                ("camera=5 light=4 image=3 layout=3 start=3 dynamics=3", 600, 0.6),
            ),
            steps=2400,
            lr=7e-4,
            own=450,
            own_weight=1.2,
            own_steps=3000,
            own_lr=5e-4,
        ),
    ),
    "home": Recipe(
        demonstrations=2000,
        steps=6000,
        rounds=(Round(own=800, steps=6500), Round(own=800, steps=3300, families="fetch put drawer")),
    ),
    "metaworld": Recipe(
        demonstrations=2500,
        steps=16000,
        share=50,
        noise="--noise.share 0.3 --noise.burst-s 0.1 0.4 --noise.pause-s 0.2 0.8",
        model="--chunk 16 --lr 1e-3",
        wordings="metaworld",
    ),
    "libero": Recipe(
        demonstrations=2000,
        steps=20000,
        share=40,
        rounds=(Round(own=400, steps=8000),),
        model="--chunk 16 --model.width 256 --model.heads 8 --model.layers 4 --model.features 96",
        hears="libero",
    ),
}


@dataclass(frozen=True, kw_only=True)
class FromNothing:
    """Say which world, and where to."""

    world: tyro.conf.Positional[Literal["tabletop", "home", "metaworld", "libero"]]
    """World to make a policy for."""
    out: Path = ROOT / "runs" / "from_nothing"
    """Folder with a folder per world for all that is made on the way."""
    cores: int = field(default_factory=pool.cores)
    """Cores to use: processes that record, threads that train."""
    scale: float = 1.0
    """Share of the recipe's episodes and steps; a hundredth is for trying this script."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        at_least(self, cores=1)
        above(self, scale=0)


def commands(world: str, scale: float, cores: int) -> Iterator[str]:
    """Yield what is to be done, one after the other, in the world's folder; each ends with where it goes."""
    recipe = RECIPES[world]

    def scaled(number: int) -> int:
        return max(1, round(number * scale / recipe.share)) * recipe.share

    record = f"record --world {world} --workers {cores}"
    many = scaled(recipe.demonstrations)
    yield f"{record} --episodes {many} {recipe.noise} --out demonstrations"
    pace = f"{PACE} --threads {cores} {recipe.model}"
    if recipe.hears:
        pace += f" --wordings {recipe.hears}"
    made, data = NAMES[0], "demonstrations"
    yield f"train --datasets {data} {pace} --steps {scaled(recipe.steps)} --out {made}"
    for number, (following, more) in enumerate(zip(NAMES[1:], recipe.rounds, strict=False)):
        # Experts fail now and then and take another seed: they use up more seeds than they leave episodes.
        fresh = (2 + number) * recipe.demonstrations
        acts = f"--policy {made}/policy {UNDISTURBED}"
        if more.families:
            acts += f" --families {more.families}"
        yield f"{record} {acts} --episodes {scaled(more.own)} --start {fresh} --out own_{made}"
        data += f" own_{made}"
        steps = scaled(more.steps)
        learns = f"--init {made}/policy --model.discount {more.discount:g}"
        yield f"train --datasets {data} {learns} {pace} --steps {steps} --out {following}"
        made = following
    if recipe.wordings:
        yield f"paraphrase {made}/policy --wordings {recipe.wordings} --out taught"
    if recipe.widening:
        yield from widened(recipe, made, record, pace, scaled)


def widened(recipe: Recipe, made: str, record: str, pace: str, scaled: Callable[[int], int]) -> Iterator[str]:
    """Yield what widens the policy that was made so far; see `commands`."""
    wide = recipe.widening
    assert wide is not None
    fresh = (2 + len(recipe.rounds)) * recipe.demonstrations
    names, weights = [], []
    for number, (axes, many, weight) in enumerate(wide.shown):
        names.append(f"wide_{number}")
        weights.append(weight)
        along = f"--axis {axes}" if axes else ""
        yield f"{record} {along} --episodes {scaled(many)} --start {fresh} --out {names[-1]}"
        fresh += 2 * many
    learns = f"--wordings {wide.wordings} {pace}"

    def train(out: str, init: str, steps: int, lr: float) -> str:
        what = f"--datasets {' '.join(names)} --weights {' '.join(f'{each:g}' for each in weights)}"
        return f"train {what} --init {init}/policy {learns} --steps {scaled(steps)} --lr {lr:g} --out {out}"

    yield train("wide", made, wide.steps, wide.lr)
    acts = f"--policy wide/policy {UNDISTURBED} --axis {wide.shown[1][0]}"
    yield f"{record} {acts} --episodes {scaled(wide.own)} --start {fresh} --out own_wide"
    names.append("own_wide")
    weights.append(wide.own_weight)
    yield train("wider", "wide", wide.own_steps, wide.own_lr)


def main(config: FromNothing) -> None:
    """Run the commands; the first that fails ends it."""
    folder = config.out.resolve() / config.world
    folder.mkdir(parents=True, exist_ok=True)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Ctrl-C is for the command, which keeps what it has done; its end is then ours.
        signal.signal(signal.SIGINT, lambda *_: None)
    for command in commands(config.world, config.scale, config.cores):
        words = command.split()
        print("sayso", *words, flush=True)
        done = subprocess.run([sys.executable, "-m", "sayso", *words], cwd=folder, check=False)
        if done.returncode:
            sys.exit(done.returncode)
    print(f"{folder / words[-1] / 'policy'} can be shipped: scripts/ship.py")


if __name__ == "__main__":
    main(tyro.cli(FromNothing, description=__doc__))
