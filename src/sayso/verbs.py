"""Verbs of the command line: words become calls, one verb, one room.

Each verb's flags are the fields of the config dataclass of its room, and a room is imported only when its
verb is spoken, so that help comes at once and recording needs no torch. A new verb is a function and a row
of `PURPOSES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sayso import flags, loading
from sayso.bridges.hub import dataset_at as _dataset
from sayso.bridges.hub import policy_at as _policy
from sayso.loading import EXPERT
from sayso.spec import SaysoError

C = TypeVar("C")
VIEW = "view"
"""What ``--rerun`` says where it stands alone: open the viewer."""
DATASET = {"DATASET": "folder of a LeRobotDataset, or USER/NAME on the hub"}
SHOWN = {"DATASET": "folder of a LeRobotDataset, USER/NAME on the hub, or folder of a training"}
DATASETS = {"DATASET...": "folders of LeRobotDatasets, v3.0 or v2.1; several are put together"}
CLIPS = {"CLIPS": "folder of videos of a hand and of sentences.txt, a line each: `CLIP: SENTENCE`"}
BOARDS = {"PICTURES": "folder with a picture or a video of the board for each camera: front.mp4, left.mp4"}
FOLDERS = {"PATH...": "folders of policies, exports, trainings or datasets, or that hold such"}
SHARED = {"FOLDER": "folder of a policy, of a run or of a dataset", "NAME": "USER/NAME on the hub"}
CHECKPOINT = {"CHECKPOINT": "folder of a policy, or USER/NAME on the hub"}
DRIVER = {"CHECKPOINT": "folder of a policy, or ws://host:port of one elsewhere"}
INSTRUCTION = {
    "INSTRUCTION": 'what to do, such as "put the can in the bowl"; while it moves, Enter, space, Escape or '
    "Ctrl-C stops it, any other key holds a robot that can break, and what is typed corrects it: slower, left"
}
DESCRIPTION = {"DESCRIPTION": 'what shall be so, such as "put it to the left of the mug"'}
BOTH = {
    "A": "a policy: a folder, USER/NAME on the hub, expert, or ws://host:port; or a report of `sayso eval`",
    "B": "the other one",
}
RESULTS = {"RESULT...": "JSON files that `sayso eval`, `sayso compare` or `sayso diagnose` wrote with --out"}
RUN_EPISODES = ("RecordConfig", "EvalConfig", "CompareConfig", "ImproveConfig", "PracticeConfig")
"""Configs of the verbs that run many episodes."""
SUBJECT = {
    "CHECKPOINT": f"folder of a policy, {EXPERT!r} for the world's own expert, or ws://host:port of a policy "
    "elsewhere"
}


@dataclass(frozen=True)
class Verb:
    """What a verb does and its line in the overview."""

    summary: str
    run: Callable[[list[str]], int]


def _record(given: list[str]) -> int:
    if flags.typed(given, "--by") == "person":
        return _record_person(given)
    from sayso.learn.record import RecordConfig, record

    config = _config(RecordConfig, "record", flags.gathered(given, "--axis"))
    if config.policy:
        loading.learned_from(config.policy)  # refuses a policy that is nowhere, before anything begins
    print(record(config, make_policy=loading.maker_of(config.policy) if config.policy else None))
    return 0


def _record_person(given: list[str]) -> int:
    from sayso.runtime.by_person import PersonConfig

    config = _config(PersonConfig, "record", given)
    if config.world:
        from sayso.studio.open import demonstrate

        demonstrate(config)
        return 0
    from sayso.runtime.teleoperation import teleoperate

    print(teleoperate(config))
    return 0


def _show(given: list[str]) -> int:
    from sayso.data.preview import ShowConfig, show

    dataset, config = _config(ShowConfig, "show", flags.alone(given, "--rerun", VIEW), SHOWN)
    if (Path(dataset) / "run.json").is_file():
        from sayso.learn.plot import show_run

        print(f"plot: {show_run(Path(dataset), config.out)}")
        return 0
    if config.rerun:
        from sayso.bridges.rerun import show_episodes

        print(show_episodes(_dataset(dataset), config.rerun, config.episodes))
        return 0
    for name, path in zip(("contact sheet", "film"), show(_dataset(dataset), config), strict=False):
        print(f"{name}: {path}")
    return 0


def _check(given: list[str]) -> int:
    from sayso.data.check import CheckConfig, check
    from sayso.models.words import Reading

    dataset, config = _config(CheckConfig, "check", given, DATASET)
    return check(_dataset(dataset), config, Reading.of)


def _verify(given: list[str]) -> int:
    from sayso.data.verify import VerifyConfig, verify

    paths, config = _config(VerifyConfig, "verify", given, FOLDERS)
    return verify([*map(Path, paths)], config)


def _edit(given: list[str]) -> int:
    from sayso.data.edit.config import EditConfig
    from sayso.data.edit.verb import edit

    datasets, config = _config(EditConfig, "edit", given, DATASETS)
    edit([_dataset(dataset) for dataset in datasets], config)
    return 0


def _label(given: list[str]) -> int:
    from sayso.studio.labelling import LabelConfig, label

    dataset, config = _config(LabelConfig, "label", given, DATASET)
    label(_dataset(dataset), config)
    return 0


def _calibrate(given: list[str]) -> int:
    from sayso.learn.watching.calibrating import CalibrateConfig, calibrate_cameras

    folder, config = _config(CalibrateConfig, "calibrate", given, BOARDS)
    print(calibrate_cameras(Path(folder), config))
    return 0


def _watch(given: list[str]) -> int:
    from sayso.learn.watching.watch import WatchConfig, watch

    folder, config = _config(WatchConfig, "watch", given, CLIPS)
    return watch(Path(folder), config)


def _train(given: list[str]) -> int:
    from sayso.learn.beginning import changeable
    from sayso.learn.devices import leads
    from sayso.learn.imitate import TrainConfig, train
    from sayso.learn.settings import FLAG, expanded

    given = expanded(given, flags.typed(given, FLAG))
    model, preset, init = (flags.typed(given, flag) for flag in ("--model", "--preset", "--init"))
    part = changeable(model, preset, str(_policy(init)) if init else "")
    config = _config(TrainConfig, "train", given, part=part)
    if part:
        config = replace(config[0], model_config=config[1])
    datasets, begun = tuple(map(_dataset, config.datasets)), config.init and _policy(config.init)
    config = replace(config, datasets=datasets, init=begun)
    policy = train(config)
    if leads():
        print(f"policy: {policy}")
    return 0


def _improve(given: list[str]) -> int:
    from sayso.learn.improve import ImproveConfig, improve

    checkpoint, config = _config(ImproveConfig, "improve", given, CHECKPOINT)
    config = replace(config, datasets=tuple(map(_dataset, config.datasets)))
    found = improve(_policy(checkpoint), config, loading.subject)
    print(f"{found}\npolicy: {found.policy}")
    return int(found.void)


def _adapt(given: list[str]) -> int:
    from sayso.learn.adapt import AdaptConfig, adapt

    checkpoint, config = _config(AdaptConfig, "adapt", given, CHECKPOINT)
    new, old = (tuple(map(_dataset, roots)) for roots in (config.datasets, config.keep))
    folder, found = adapt(_policy(checkpoint), replace(config, datasets=new, keep=old))
    print(f"policy: {folder}")
    return int(found.taken is found.before)


def _practice(given: list[str]) -> int:
    from sayso.learn.practice import PracticeConfig, practice

    description, config = _config(PracticeConfig, "practice", given, DESCRIPTION)
    known = tuple(map(_dataset, config.known))
    config = replace(config, known=known, init=config.init and _policy(config.init))
    return practice(description, config)


def _push(given: list[str]) -> int:
    from sayso.bridges.hub import PushConfig, push

    folder, name, config = _config(PushConfig, "push", given, SHARED)
    print(push(Path(folder), name, config))
    return 0


def _paraphrase(given: list[str]) -> int:
    from sayso.learn.paraphrase import ParaphraseConfig, paraphrase

    checkpoint, config = _config(ParaphraseConfig, "paraphrase", given, CHECKPOINT)
    print(f"policy: {paraphrase(_policy(checkpoint), config)}")
    return 0


def _eval(given: list[str]) -> int:
    from sayso.data.fit import read_names
    from sayso.evaluation.measure import EvalConfig, evaluate_policy

    subject, config = _config(EvalConfig, "eval", flags.gathered(given, "--axis"), SUBJECT)
    if config.datasets:
        from sayso.evaluation.on_recordings import evaluate_on_recordings
        from sayso.models.repacked import one_robot
        from sayso.runtime.hearing import not_learned

        hubbed = replace(config, datasets=tuple(map(_dataset, config.datasets)))
        policy, features, learned = loading.acting_on_recordings(subject, config.threads)
        remarks = partial(not_learned, learned.sentences)
        return evaluate_on_recordings(policy, features, learned, hubbed, remarks, one_robot)
    place = None
    if config.goal:
        from sayso.tasks.household.goals.world import described

        place = described(config.world, config.goal)
    measured = loading.subject(subject, read_names(config.rename))
    if config.recover:
        measured = loading.recovering(measured, config.execute)
    return evaluate_policy(measured, config, place=place)


def _compare(given: list[str]) -> int:
    from sayso.evaluation.compare import REPORT, CompareConfig, compare_policies, compare_reports

    first, second, config = _config(CompareConfig, "compare", given, BOTH)
    kept = [name.endswith(REPORT) for name in (first, second)]
    if all(kept):
        return compare_reports(Path(first), Path(second), config)
    if any(kept):
        report, policy = (first, second) if kept[0] else (second, first)
        raise SaysoError(
            f"{report} is a report and {policy} is not: compare two policies, or two reports of "
            "`sayso eval` on the same seeds"
        )
    return compare_policies(loading.subject(first), loading.subject(second), config)


def _report(given: list[str]) -> int:
    from sayso.evaluation.page.write import ReportConfig, write_page

    results, config = _config(ReportConfig, "report", given, RESULTS)
    print(f"page: {write_page([*map(Path, results)], config)}")
    return 0


def _diagnose(given: list[str]) -> int:
    from sayso.evaluation.diagnose import DiagnoseConfig, diagnose_in_world, diagnose_on_recordings

    name, config = _config(DiagnoseConfig, "diagnose", given, DRIVER)
    if config.world:
        return diagnose_in_world(loading.subject(name), config)
    hubbed = replace(config, datasets=tuple(map(_dataset, config.datasets)))
    return diagnose_on_recordings(name, *loading.acting_on_recordings(name)[:2], hubbed)


def _demo(given: list[str]) -> int:
    from sayso.demo import DemoConfig, demo

    return demo(_config(DemoConfig, "demo", given))


def _export(given: list[str]) -> int:
    from sayso.runtime.export import ExportConfig, export

    checkpoint, config = _config(ExportConfig, "export", given, CHECKPOINT)
    print(f"policy: {export(_policy(checkpoint), config)}")
    return 0


def _serve(given: list[str]) -> int:
    import logging

    from sayso.runtime.server import PolicyServer, ServeConfig, run_server

    checkpoint, config = _config(ServeConfig, "serve", given, CHECKPOINT)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    policy, workers = loading.to_serve(checkpoint, config.workers)
    server = PolicyServer(
        partial(loading.with_its_own_memory, policy),
        policy.features,
        replace(config, workers=workers),
        token=loading.token(),
        about=loading.about(_policy(checkpoint)),
    )
    run_server(server, lambda url: print(f"serving {checkpoint} until Ctrl-C, at {url}", flush=True))
    return 0


def _run(given: list[str]) -> int:
    from sayso.runtime.run import RunConfig, run

    given = flags.alone(given, "--rerun", VIEW)
    subject, sentence, config = _config(RunConfig, "run", given, DRIVER | INSTRUCTION)
    policy, features = loading.policy_and_features(subject, config.threads)
    if not config.rerun:
        return 1 if run(policy, features, sentence, config).fault else 0
    from sayso.bridges.rerun import live

    with live(config.rerun, sentence) as watched:
        return 1 if run(policy, features, sentence, config, watched.tell, watched.watch).fault else 0


def _studio(given: list[str]) -> int:
    from sayso.studio.open import StudioConfig, studio

    config = _config(StudioConfig, "studio", given)
    policy, features = loading.policy_and_features(config.subject, config.threads)
    studio(policy, features, config)
    return 0


def _config(
    config: type[C],
    verb: str,
    given: list[str],
    words: Mapping[str, str] | None = None,
    part: flags.Part | None = None,
) -> Any:
    """Read a config dataclass, and what goes with it, from the command line behind a verb.

    Where its episodes are run (``--cluster``) is no business of the config: it changes nothing about them.
    """
    if config.__name__ not in RUN_EPISODES:
        return flags.read(config, verb, VERBS[verb].summary, given, words, part)
    from sayso.work import pool

    *found, where = flags.read(config, verb, VERBS[verb].summary, given, words, part, pool.Where)
    pool.use(where)
    return tuple(found) if len(found) > 1 else found[0]


PURPOSES: Mapping[str, Mapping[str, Verb]] = {
    "show and record": {
        "record": Verb("let an expert demonstrate, or a person, into a LeRobotDataset v3.0", _record),
        "show": Verb("say what is in a dataset, with a contact sheet and a film; or plot a training", _show),
        "watch": Verb("turn videos of a person's hand into demonstrations for the arm", _watch),
        "calibrate": Verb("find out where cameras stand, from pictures of a printed board", _calibrate),
        "check": Verb(
            "say what is wrong with a dataset, where, and what to do; the exit code tells CI", _check
        ),
        "label": Verb("click on a page what instructions name, so that training can point at it", _label),
        "edit": Verb("write a new dataset: pick, rename, relabel, merge, split, resize, upgrade v2.1", _edit),
    },
    "learn": {
        "train": Verb("learn a policy from demonstrations", _train),
        "improve": Verb("let a policy learn from what it does itself, and keep the better one", _improve),
        "adapt": Verb(
            "adapt a policy to a few demonstrations of a new domain, and keep what it could do", _adapt
        ),
        "practice": Verb("learn a task that nobody showed, from its description", _practice),
        "paraphrase": Verb(
            "let a policy understand other wordings of what it can do, from sentences", _paraphrase
        ),
    },
    "measure": {
        "eval": Verb("measure a policy's success on seeds it never saw, or its error on recordings", _eval),
        "compare": Verb("say which of two policies is better, on the same seeds, in few episodes", _compare),
        "report": Verb("put results on one page: intervals, plots, failures and their films", _report),
        "diagnose": Verb("find out why a policy succeeds in nothing: channels, units, lag", _diagnose),
    },
    "run": {
        "demo": Verb("watch a policy follow instructions, then type your own", _demo),
        "studio": Verb("open a live page: see the world, type instructions, disturb the robot", _studio),
        "run": Verb("drive a robot, simulated or real, with a policy", _run),
        "export": Verb("turn a policy into a graph that runs without torch, and check it", _export),
        "serve": Verb("let robots elsewhere ask a policy, over openpi's websocket protocol", _serve),
    },
    "share": {
        "verify": Verb(
            "say whether policies, trainings and datasets are still as they were written", _verify
        ),
        "push": Verb("put a policy or a dataset on the Hugging Face Hub, with a card", _push),
    },
}
"""What verbs are for -> each verb."""
VERBS: Mapping[str, Verb] = {name: verb for verbs in PURPOSES.values() for name, verb in verbs.items()}
RENAMED: Mapping[str, str] = {"teach": "paraphrase"}
"""Verbs as an earlier release had them, and what they are called now."""
