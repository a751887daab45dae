"""Turn words on a command line into calls: one verb, one room.

Each verb's flags are the fields of the config dataclass of its room, and a room is imported only when its
verb is spoken, so that help comes at once and recording needs no torch.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from sayso import subject as subjects
from sayso.spec import EXECUTE, SaysoError, known
from sayso.subject import EXPERT

if TYPE_CHECKING:
    from sayso.journal import Journal

C = TypeVar("C")
BESIDES = ("families", "episodes", "start", "workers", "out", "films", "max_films")
"""Fields of `EvalConfig` that decide how many episodes there are and how they are run, but no episode."""
EXIT_REFUSED = 2
EXIT_INTERRUPTED = 130


@dataclass(frozen=True, kw_only=True)
class EvalConfig:
    """Say what to measure a policy on."""

    world: str
    """Where it happens: tabletop, home, metaworld or metaworld-lerobot."""
    families: tuple[str, ...] = ()
    """Families of tasks; none named means all of the world's."""
    episodes: int = 100
    """Episodes of each family, each on a seed of its own."""
    split: Literal["test", "validation"] = "test"
    """Block of seeds to draw from; both are disjoint from training."""
    start: int = 0
    """Number of seeds of the split to skip."""
    execute: int = EXECUTE
    """How many actions of a chunk to apply before looking again."""
    swap: bool = False
    """Name another object of the same scene, and count which one the policy goes for."""
    workers: int = 0
    """Processes that evaluate side by side; 0 is one per core."""
    out: Path | None = None
    """File for the report, as JSON. An evaluation that was stopped goes on when it is asked for again."""
    films: Path | None = None
    """Folder for films of the first failures."""
    max_films: int = 5
    """How many failures to film."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        if self.episodes < 1 or self.start < 0 or self.execute < 1 or self.workers < 0 or self.max_films < 0:
            raise ValueError(
                f"episodes and execute >= 1, start, workers and max_films >= 0 are needed: {self}"
            )


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command and return its exit code: 0, 2 for what was refused, 130 for Ctrl-C."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help"):
        print(overview())
        return 0
    if given[0] == "--version":
        print(f"sayso {version()}")
        return 0
    try:
        return VERBS[known("verb", given[0], VERBS)].run(given[1:])
    except (SaysoError, FileNotFoundError) as error:
        print(f"sayso: {error}", file=sys.stderr)
        return EXIT_REFUSED
    except KeyboardInterrupt:
        print("sayso: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED


def overview() -> str:
    """Return what ``sayso --help`` prints."""
    verbs = [f"  {name:8} {verb.summary}" for name, verb in VERBS.items()]
    return "\n".join(
        [
            "usage: sayso VERB ...",
            "",
            "Robots that do as you say, trained and run on the computer you have.",
            "",
            *verbs,
            "",
            "sayso VERB --help explains a verb; sayso --version says which one this is.",
        ]
    )


def version() -> str:
    """Return the version of the installed package, or ``unknown`` when it runs without being installed."""
    try:
        return importlib.metadata.version("sayso")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


@dataclass(frozen=True)
class Verb:
    """Hold what a verb does and its line in the overview."""

    summary: str
    run: Callable[[list[str]], int]


def _record(given: list[str]) -> int:
    from sayso.learn.record import RecordConfig, record

    config = _config(RecordConfig, "record", given)
    print(record(config, make_policy=subjects.maker_of(config.policy) if config.policy else None))
    return 0


def _show(given: list[str]) -> int:
    from sayso.data.preview import ShowConfig, show

    dataset, config = _subject_and_config(ShowConfig, "show", given, "DATASET", "folder of a LeRobotDataset")
    sheet, film = show(Path(dataset), config)
    print(f"contact sheet: {sheet}\nfilm: {film}")
    return 0


def _train(given: list[str]) -> int:
    from sayso.learn.train import TrainConfig, train

    print(f"policy: {train(_config(TrainConfig, 'train', given))}")
    return 0


def _teach(given: list[str]) -> int:
    from sayso.learn.wordings import TeachConfig, teach

    checkpoint, config = _subject_and_config(TeachConfig, "teach", given, "CHECKPOINT", "folder of a policy")
    print(f"policy: {teach(Path(checkpoint), config)}")
    return 0


def _eval(given: list[str]) -> int:
    subject, config = _subject_and_config(
        EvalConfig,
        "eval",
        given,
        "CHECKPOINT",
        f"folder of a policy, {EXPERT!r} for the world's own expert, or ws://host:port of a policy elsewhere",
    )
    return evaluate_policy(subject, config)


def _demo(given: list[str]) -> int:
    from sayso.demo import DemoConfig, demo

    return demo(_config(DemoConfig, "demo", given))


def _export(given: list[str]) -> int:
    from sayso.runtime.export import ExportConfig, export

    checkpoint, config = _subject_and_config(
        ExportConfig, "export", given, "CHECKPOINT", "folder of a policy"
    )
    print(f"policy: {export(Path(checkpoint), config)}")
    return 0


def _serve(given: list[str]) -> int:
    import logging

    from sayso import pool
    from sayso.runtime.server import PolicyServer, ServeConfig, run_server

    checkpoint, config = _subject_and_config(ServeConfig, "serve", given, "CHECKPOINT", "folder of a policy")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    policy = subjects.load(checkpoint, pool.cores())
    server = PolicyServer(
        partial(subjects.with_its_own_memory, policy),
        policy.features,
        config,
        token=subjects.token(),
        about=subjects.about(Path(checkpoint)),
    )
    run_server(server, lambda url: print(f"serving {checkpoint} at {url}; Ctrl-C stops", flush=True))
    return 0


def _run(given: list[str]) -> int:
    import tyro

    from sayso.runtime.run import RunConfig, run

    checkpoint = Annotated[
        str,
        tyro.conf.Positional,
        tyro.conf.arg(metavar="CHECKPOINT", help="folder of a policy, or ws://host:port of one elsewhere"),
    ]
    instruction = Annotated[
        str,
        tyro.conf.Positional,
        tyro.conf.arg(metavar="INSTRUCTION", help='what to do, such as "put the can in the bowl"'),
    ]
    wanted: Any = tuple[checkpoint, instruction, Annotated[RunConfig, tyro.conf.arg(name="")]]
    with _refusing_values():
        subject, sentence, config = tyro.cli(
            wanted, args=given, prog="sayso run", description=VERBS["run"].summary
        )
    policy, features = subjects.policy_and_features(subject, config.threads)
    return 1 if run(policy, features, sentence, config).fault else 0


def _studio(given: list[str]) -> int:
    from sayso.studio.open import StudioConfig, studio

    config = _config(StudioConfig, "studio", given)
    policy, features = subjects.policy_and_features(config.subject, config.threads)
    studio(policy, features, config)
    return 0


def evaluate_policy(subject: str, config: EvalConfig) -> int:
    """Measure a checkpoint, or the expert of a world, print the report and write it where asked."""
    from sayso import pool
    from sayso.evaluate import evaluate
    from sayso.rollout import chosen_families, offer_of, packaged_world
    from sayso.spec import seeds

    training = subjects.learned_from(subject)
    make_world = partial(packaged_world, config.world)
    journal = _journal(subject, config)
    report = evaluate(
        make_world,
        subjects.maker_of(subject),
        families=chosen_families(offer_of(make_world), config.families),
        seeds=seeds(config.split, config.episodes, config.start),
        workers=config.workers or pool.cores(),
        execute=config.execute,
        options={"swap": True} if config.swap else None,
        films=config.films,
        max_films=config.max_films,
        training=training,
        config={"policy": subject, **_plain(config)},
        journal=journal,
    )
    print(report)
    if config.out:
        print(f"report: {report.write(config.out)}")
    if journal and not report.partial:
        journal.close()
    for film in report.films:
        print(f"film: {film}")
    return 0


def _journal(subject: str, config: EvalConfig) -> Journal | None:
    """Return the journal beside the report, told apart by all that decides an episode."""
    from sayso.journal import Journal
    from sayso.provenance import provenance

    if config.out is None:
        return None
    asked = {name: value for name, value in _plain(config).items() if name not in BESIDES}
    asked |= {"policy": subject, "weights": subjects.weights_of(subject), "commit": provenance()["commit"]}
    return Journal(config.out.with_suffix(".episodes.jsonl"), asked)


def _plain(config: EvalConfig) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(asdict(config), default=str))
    return plain


def _config(config: type[C], verb: str, given: list[str]) -> C:
    """Read a config dataclass from the command line."""
    import tyro

    with _refusing_values():
        return tyro.cli(config, args=given, prog=f"sayso {verb}", description=VERBS[verb].summary)


def _subject_and_config(
    config: type[C], verb: str, given: list[str], subject: str, help: str
) -> tuple[str, C]:
    """Read what a verb is about, the one word without a flag, and its config dataclass."""
    import tyro

    word = Annotated[
        str, tyro.conf.Positional, tyro.conf.arg(name=subject.lower(), metavar=subject, help=help)
    ]
    flags = Annotated[config, tyro.conf.arg(name="")]  # type: ignore[valid-type]
    wanted: Any = tuple[word, flags]
    with _refusing_values():
        found: tuple[str, C] = tyro.cli(
            wanted, args=given, prog=f"sayso {verb}", description=VERBS[verb].summary
        )
    return found


@contextlib.contextmanager
def _refusing_values() -> Iterator[None]:
    """Turn the ValueError of a config into a refusal; from elsewhere it is a bug and keeps its traceback."""
    try:
        yield
    except ValueError as error:
        raise SaysoError(str(error)) from error


VERBS: Mapping[str, Verb] = {
    "record": Verb("let experts demonstrate, into a LeRobotDataset v3.0", _record),
    "show": Verb("say what is in a dataset; write a contact sheet and a film", _show),
    "train": Verb("learn a policy from demonstrations", _train),
    "teach": Verb("let a policy understand other wordings of what it can do, from sentences", _teach),
    "eval": Verb("measure a policy's success on seeds it has never seen", _eval),
    "export": Verb("turn a policy into a graph that runs without torch, and check it", _export),
    "serve": Verb("let robots elsewhere ask a policy, over openpi's websocket protocol", _serve),
    "run": Verb("drive a robot, simulated or real, with a policy", _run),
    "demo": Verb("watch a policy follow instructions, then type your own", _demo),
    "studio": Verb("open a live page: see the world, type instructions, disturb the robot", _studio),
}
