"""Damage what sayso keeps on disk, and mistype its commands, at random: count what a person would meet.

    python scripts/damage.py --tries 1000 --commands 100 --seed 0

Each try takes a fresh copy of a small dataset, training run, policy or evaluation, damages one file of it as
disks, interrupted copies and people's editors do, and gives the command that would use it next. What comes is

    clear        one sentence with the damaged file or folder in it, and an exit code; or a word and it works
    harmless     the same result as from the undamaged one
    silent       another result, and no word about it; to be expected of other programs' datasets, which carry
                 no digests, and which every tenth try is about
    traceback    an exception that reached the person, or a refusal that does not say where
    hang         no end within a minute

and what was not clear or harmless is kept in the result with its number, which ``--only NUMBER`` repeats. A
wrong command line may be a right one that takes hours; such a one is interrupted, and must end at once.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import torch
import tyro
from rich.console import Console
from rich.progress import track

from sayso.cli import EXIT_INTERRUPTED
from sayso.cli import main as sayso
from sayso.evaluation.measure import EvalConfig
from sayso.spec import SaysoError

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))
from mistakes import damage, mistyped
from results_file import RESULTS, evaluated, write_result

LIMIT_S = 60.0
OUTCOMES = ("clear", "harmless", "silent", "traceback", "hang")


@dataclass(frozen=True, kw_only=True)
class Damage:
    """Say how much to damage."""

    tries: int = 1000
    """Damaged files."""
    commands: int = 100
    """Wrong command lines."""
    seed: int = 0
    """Seed of what is damaged, and how."""
    only: int = -1
    """Repeat this one try and show what it printed; -1 does all."""
    out: Path = RESULTS
    """Folder for ``damage.json``."""


@dataclass(frozen=True)
class Kind:
    """Name a kind of thing on disk, what uses it, and what its result is read from."""

    name: str
    share: float
    """Of all tries."""
    use: Callable[[], int]
    result: Callable[[str], object]
    """From what was printed, in the folder it ran in, to what must not change in silence."""


# --- what is damaged -------------------------------------------------------------------------------------

TRAIN = shlex.split(
    "train --datasets dataset --out run --preset tiny --batch-size 4 --threads 1 --save-minutes 0 --steps 4"
)
RECORD = shlex.split("record --world tabletop --families push --episodes 2 --workers 1 --out dataset")
EVALUATE = shlex.split(
    "eval expert --world tabletop --families push --episodes 3 --workers 1 --out report.json"
)
DRY = ["run", "policy", "put the can in the bowl", "--robot", "dry", "--seconds", "0.3"]
MEASURED = EvalConfig(world="tabletop", families=("push",), episodes=3, workers=1, out=Path("report.json"))


def losses(_: str) -> object:
    """Return the losses of a training, step by step."""
    rows = [json.loads(line) for line in Path("run/log.jsonl").read_text().splitlines()]
    return [(row["step"], row["total"]) for row in rows if "total" in row]


def actions(printed: str) -> object:
    """Return the first action that a dry run printed; how many follow depends on the clock."""
    return re.findall(r"-?\d+\.\d+", next(line for line in printed.splitlines() if ".pos" in line))


def successes(_: str) -> object:
    """Return how each episode of a report ended."""
    report = json.loads(Path("report.json").read_text())
    return [(e["family"], e["seed"], e["outcome"], e["steps"]) for e in report["episodes"]]


KINDS = (
    Kind("dataset", 0.25, lambda: sayso(TRAIN), losses),
    Kind("foreign", 0.1, lambda: sayso(TRAIN), losses),
    Kind("run", 0.2, lambda: sayso(TRAIN), losses),
    Kind("policy", 0.3, lambda: sayso(DRY), actions),
    Kind("journal", 0.1, lambda: sayso(EVALUATE), successes),
    Kind("report", 0.05, lambda: evaluated("expert", MEASURED) and 0, successes),
)


def prepare(root: Path) -> None:
    """Make a whole one of each kind, in a folder of its own."""
    for kind in KINDS:
        (root / kind.name).mkdir(parents=True)
    must(root / "dataset", RECORD)
    shutil.copytree(root / "dataset" / "dataset", root / "run" / "dataset")
    shutil.copytree(root / "dataset" / "dataset", root / "foreign" / "dataset")
    (
        root / "foreign" / "dataset" / "meta" / "sayso.json"
    ).unlink()  # what another recorder writes has no digests
    must(root / "run", TRAIN)  # which leaves its last two checkpoints
    shutil.copytree(root / "run" / "run" / "policy", root / "policy" / "policy")
    must(root / "report", EVALUATE)
    stop_after_two(root / "journal")


def must(folder: Path, words: list[str]) -> None:
    """Give a command in a folder, and end here if it fails."""
    subprocess.run([sys.executable, "-m", "sayso", *words], cwd=folder, check=True, capture_output=True)


def stop_after_two(folder: Path) -> None:
    """Leave an evaluation behind that somebody stopped after two of its three episodes."""
    journal = folder / "report.episodes.jsonl"
    command = [sys.executable, "-m", "sayso", *EVALUATE]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as going:
        while not journal.exists() or journal.read_text().count("\n") < 3:
            time.sleep(0.01)
        going.send_signal(signal.SIGINT)


# --- what comes of it --------------------------------------------------------------------------------------


@dataclass
class Try:
    """Keep what was done and what came."""

    number: int
    about: str
    done: str
    outcome: str = ""
    code: int | None = None
    printed: str = ""


def in_a_process(
    folder: Path, use: Callable[[], int], *, interrupt_s: float = LIMIT_S
) -> tuple[int | None, str]:
    """Run something in a folder, in a process of its own, and press Ctrl-C if it takes too long.

    Returns:
        Its exit code, None if it does not even end then; and what it printed.
    """
    said = folder / ".said"
    child = os.fork()
    if child == 0:
        os.setsid()  # so that what it starts can be ended with it
        os.chdir(folder)
        with said.open("wb") as file:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        os._exit(_code(use))
    code = _ended(child, interrupt_s)
    for sign, wait_s in ((signal.SIGINT, 10.0), (signal.SIGKILL, 10.0)):
        if code is None:
            os.killpg(child, sign)
            code = _ended(child, wait_s)
    return (None if code == -signal.SIGKILL else code), said.read_text(errors="replace")


def _ended(child: int, wait_s: float) -> int | None:
    """Return the exit code of a process, or None if it has not ended by then."""
    ends = time.monotonic() + wait_s
    while time.monotonic() < ends:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    return None


def _code(use: Callable[[], int]) -> int:
    """Return the exit code that Python itself would end with."""
    try:
        return use()
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except SaysoError as error:  # what `use` was is no command, which would have said it so
        print(f"sayso: {error}", file=sys.stderr)
        return 2
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def judged(code: int | None, printed: str, names: tuple[str, ...], same: bool) -> str:
    """Say what a person would call it; see the head of this file."""
    if code is None:
        return "hang"
    if "Traceback (most recent call last)" in printed or code < 0:
        return "traceback"
    if code == EXIT_INTERRUPTED:  # Ctrl-C was needed: fine for a command that is right and takes hours
        return "hang" if names else "harmless"
    refused = any(line.startswith("sayso") for line in printed.splitlines())
    if code != 0:
        return "clear" if refused and (not names or any(name in printed for name in names)) else "traceback"
    if same:
        return "harmless"
    return "clear" if names[-1] in printed else "silent"


def damaged_files(root: Path, config: Damage) -> Iterator[Try]:
    """Damage files one after the other and yield what came of each."""
    expected = cache(partial(_undamaged, root))  # of the kinds that are drawn
    for number in _numbers(config.tries, config.only, "damaging"):
        draw = random.Random(f"{config.seed}/{number}")
        (kind,) = draw.choices(KINDS, [kind.share for kind in KINDS])
        with tempfile.TemporaryDirectory(dir=root) as folder:
            here = Path(folder) / kind.name
            shutil.copytree(root / kind.name, here)
            about = {"run": "run", "dataset": "dataset", "foreign": "dataset"}.get(kind.name, ".")
            path = draw.choice(sorted(p for p in (here / about).rglob("*") if p.is_file()))
            name = path.relative_to(here).as_posix()
            one = Try(number, f"{kind.name}: {name}", damage(path, draw))
            one.code, one.printed = in_a_process(here, kind.use)
            parts = tuple(part for part in Path(name).parts if part != "run")
            one.outcome = judged(one.code, one.printed, parts, _result(here, kind) == expected(kind))
        yield one


def _undamaged(root: Path, kind: Kind) -> object:
    with tempfile.TemporaryDirectory(dir=root) as folder:
        here = Path(folder) / kind.name
        shutil.copytree(root / kind.name, here)
        code, printed = in_a_process(here, kind.use)
        if code != 0:
            raise SystemExit(f"the undamaged {kind.name} does not work:\n{printed}")
        return _result(here, kind)


def _result(folder: Path, kind: Kind) -> object:
    printed = (folder / ".said").read_text(errors="replace")
    try:
        with contextlib.chdir(folder):
            return kind.result(printed)
    except (OSError, ValueError, KeyError, TypeError, StopIteration):
        return None


def _numbers(many: int, only: int, what: str) -> Iterator[int]:
    yield from [only] if only >= 0 else track(range(many), what, console=Console(stderr=True))


# --- wrong command lines -----------------------------------------------------------------------------------


def wrong_commands(root: Path, config: Damage) -> Iterator[Try]:
    """Give one wrong command line after the other and yield what came of each."""
    first = config.tries
    for number in _numbers(config.commands, config.only - first, "mistyping"):
        words = mistyped(random.Random(f"{config.seed}/command/{number}"))
        with tempfile.TemporaryDirectory(dir=root) as folder:
            here = Path(folder)
            shutil.copytree(root / "dataset" / "dataset", here / "dataset")
            shutil.copytree(root / "policy" / "policy", here / "policy")
            (here / "wordings.json").write_text('{"push the can": ["shove the can"]}')
            one = Try(first + number, "command", shlex.join(words))
            one.code, one.printed = in_a_process(here, partial(sayso, words), interrupt_s=15)
            one.outcome = judged(one.code, one.printed, (), same=True)
        yield one


def main(config: Damage) -> None:
    """Damage, count, and write what was counted."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which is ignored where this was begun with `&`
    done: list[Try] = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        prepare(root)
        if config.only < config.tries:
            done += damaged_files(root, config)
        if config.only < 0 or config.only >= config.tries:
            done += wrong_commands(root, config)
    bad = [one for one in done if one.outcome not in ("clear", "harmless")]
    for one in done if config.only >= 0 else bad:
        print(f"--- {one.number}: {one.about}: {one.done}: {one.outcome}, exit code {one.code}")
        print(one.printed[-1500:])
    counted = Counter(one.outcome for one in done)
    print(", ".join(f"{name} {counted[name]}" for name in OUTCOMES))
    if config.only >= 0:
        return
    shown = [{k: v for k, v in dataclasses.asdict(one).items() if k != "printed"} for one in bad]
    metrics = {name: counted[name] for name in OUTCOMES}
    made = {"tries": config.tries, "commands": config.commands, "not_clear": shown}
    print(write_result("damage", metrics, seeds=[config.seed], n=len(done), config=made, folder=config.out))


if __name__ == "__main__":
    main(tyro.cli(Damage, description=__doc__))
