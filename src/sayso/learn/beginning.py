"""Initialisation of a run: fresh weights or a policy's (fine-tuning), and refusal of what does not fit."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from sayso.data.crop import EVERY, cropped, read_crops, remembered
from sayso.data.edit.config import spans
from sayso.data.fit import as_known, names_of, read_names, renamed
from sayso.data.windows import Windows
from sayso.evaluation.report import Training, few, training_of, widest
from sayso.flags import Part
from sayso.learn.checkpoint import newest
from sayso.learn.config import USUAL, TrainConfig, completed
from sayso.learn.dealing import seeded
from sayso.learn.progress import say
from sayso.learn.recording import shown_within
from sayso.learn.transfer import transferred
from sayso.models import checkpoint as policies
from sayso.models import table
from sayso.models.alone import alone
from sayso.models.policy import ModelPolicy
from sayso.models.words import MAX_WORDS, refuse_alike
from sayso.spec import FeatureMismatchError, Features, SaysoError, differences


def resolved(config: TrainConfig) -> TrainConfig:
    """Return a config without flags that were not typed: they are those of the policy to begin with.

    Raises:
        SaysoError: if there is no such policy.
    """
    if all(getattr(config, name) for name in USUAL):
        return config
    return completed(config, _own(policies.load(config.init)) if config.init else {})


def changeable(model: str, preset: str, init: str) -> Part | None:
    """Return the fields of a model that `TrainConfig.model_config` can change, to be typed.

    Args:
        model: its name; empty if it was not typed.
        preset: its size; as above.
        init: folder of the policy to begin with, of which only changes how it learns; as above.

    Raises:
        SaysoError: if there is no such model, or no such policy.
    """
    if init:
        policy = policies.load(init)
        row, usual = table.MODELS[policy.type], policy.model.config
        decided = {field.name for field in dataclasses.fields(usual)} - {*row.learning}
    else:
        row = table.MODELS[model or USUAL["model"]]
        size = preset if preset in row.presets else USUAL["preset"]
        usual, decided = table.usual_config(model or USUAL["model"], size), {*row.decided}
    return Part("model", usual, decided) if row.config else None


def first_policy(config: TrainConfig, windows: Windows) -> ModelPolicy:
    """Return the policy a run begins with: fresh weights, or those of ``config.init``.

    Raises:
        SaysoError: if no such model can be built for the demonstrations, or the policy to begin with is of
            another kind than what is asked for, or two instructions would be the same to it.
        FeatureMismatchError: if the policy to begin with was trained for another robot or other cameras, and
            its model cannot be moved to these.
    """
    if config.batch_size > len(windows):
        raise SaysoError(
            f"--batch-size is {config.batch_size}, but there are only {len(windows)} windows with --stride "
            f"{config.stride}: give at most that, or more demonstrations"
        )
    policy = _fresh(config, windows) if config.init is None else _improved(config, config.init, windows)
    sentences = [sentence for dataset in windows.datasets for sentence in dataset.tasks]
    refuse_alike(sentences, policy.config().get("max_words", MAX_WORDS))
    return policy


def _fresh(config: TrainConfig, windows: Windows) -> ModelPolicy:
    assert config.chunk and config.decoder, "a config that is not resolved"
    with seeded(config.seed):
        return table.build(
            config.model,
            preset=config.preset,
            features=windows.features,
            stats=windows.stats,
            chunk=config.chunk,
            decoder=config.decoder,
            changes=config.model_config,
        )


def reading(config: TrainConfig, given: Sequence[Features]) -> Mapping[str, Any]:
    """Return how `Windows` is to read demonstrations: names, parts and sizes of pictures.

    What a policy to begin with remembers counts as if it had been typed. Where all else is as it knows it,
    its units and sizes count, too; elsewhere pictures larger than its own are scaled to about that.

    Args:
        config: as it was typed.
        given: features of each dataset.
    """
    names = read_names(config.rename)
    crops = read_crops(config.crop)
    crops = {names.get(camera, camera): crop for camera, crop in crops.items()}
    if config.init is None:
        return {"rename": names, "resize": config.resize, "crops": crops}
    known = policies.load(config.init).features
    robots = known.robots or (known,)
    if (
        not config.resize
        and not crops
        and all(
            any(not differences(robot, as_known(renamed(one, names), robot), "", "") for robot in robots)
            for one in given
        )
    ):
        return {"rename": names, "like": known}
    shown = {name for one in given for name in names_of(one)}
    names = {there: here for there, here in known.renamed.items() if there in shown} | names
    called = [renamed(one, names) for one in given]
    if EVERY not in crops:
        there = {camera for one in called for camera in one.cameras}
        crops = {camera: crop for camera, crop in remembered(known).items() if camera in there} | crops
    shortest = min(min(size) for size in known.cameras.values())
    parts = [min(size) for one in called for size in cropped(one, crops).cameras.values()]
    resize = str(min(shortest, *parts)) if parts and max(parts) > shortest else ""
    return {"rename": names, "resize": config.resize or resize, "crops": crops}


def learned_from(windows: Windows, init: Path | None = None) -> Training:
    """Say where the demonstrations come from, so that no policy is ever measured on them.

    Args:
        windows: of the demonstrations.
        init: folder of the policy to begin with, whose demonstrations count as well.
    """
    seeds = [[episode.seed for episode in dataset.episodes] for dataset in windows.datasets]
    known = [[seed for seed in block if seed is not None] for block in seeds]
    names = [f"{k}-{dataset.root.resolve().name}" for k, dataset in enumerate(windows.datasets)]
    sentences = {
        sentence: None
        for dataset, held in zip(windows.datasets, windows.heldout, strict=True)
        for episode in dataset.episodes
        if episode.index not in held
        for sentence in episode.tasks
    }
    now = Training(
        datasets={name: dataset.whole.hash for name, dataset in zip(names, windows.datasets, strict=True)},
        seeds=tuple((min(block), max(block)) for block in known if block),
        seedless=tuple(name for name, block in zip(names, seeds, strict=True) if None in block),
        left_out={name: text for name, text in zip(names, map(spans, windows.left_out), strict=True) if text},
        sentences=few(sentences),
        within=widest(shown_within(dataset.root) for dataset in windows.datasets),
    )
    return now if init is None else now.after(training_of(init), str(init))


def refuse_device(name: str) -> None:
    """Raise SaysoError unless torch can compute on a device of this name here."""
    try:
        torch.zeros(1, device=name).item()
    except (RuntimeError, AssertionError, ImportError, NotImplementedError) as error:
        reason = str(error).strip().partition(". ")[0].rstrip(".")
        raise SaysoError(
            f"--device is {name}, but torch cannot compute there ({reason}). Leave it out to use the CPU"
        ) from error


def _improved(config: TrainConfig, init: Path, windows: Windows) -> ModelPolicy:
    policy = policies.load(init)
    asked, own = dataclasses.asdict(config), _own(policy)
    movable = bool(table.MODELS[policy.type].indexed)
    wrong = [name for name in own if own[name] not in (asked[name], None)]
    if kinds := [name for name in wrong if not (movable and name == "chunk")]:
        raise SaysoError(
            f"{init} cannot become what is asked for: "
            + "; ".join(f"--{name} is {asked[name]}, the policy's is {own[name]}" for name in kinds)
            + ". Give "
            + " ".join(f"--{name} {own[name]}" for name in kinds)
            + ", or leave out --init to begin with fresh weights"
        )
    policy = _as_one_of_them(policy, windows.features)
    unlike = _unlike(policy.features, windows.features)
    if unlike and not movable:
        raise FeatureMismatchError(
            f"{init} cannot learn from these demonstrations, which come from another robot or other cameras: "
            f"{'; '.join(unlike)}. Leave out --init to train a policy of their own"
        )
    if unlike or wrong or _spacings(policy.features) != _spacings(windows.features):
        policy = _moved(config, init, policy, windows)
    table.learn_otherwise(policy, config.model_config)
    policy.features = _reading_as(windows.features, policy.features)
    if policy.features.robots:
        row = table.MODELS[policy.type]
        policy.collator = row.collator(policy.model.config, policy.features, policy.stats)
    else:
        policy.collator = dataclasses.replace(policy.collator, features=policy.features)
    return policy


def _reading_as(read: Features, policy: Features) -> Features:
    """Return a policy's features that remember how its new demonstrations were read.

    Where their pictures were as small as its own, it goes on taking larger ones as it did.
    """
    before = {camera: size for camera, size in policy.scaled_from.items() if camera not in policy.cropped}
    return dataclasses.replace(
        policy,
        renamed=read.renamed,
        scaled_from={**before, **read.scaled_from},
        cropped=read.cropped,
        robots=read.robots,
    )


def _spacings(features: Features) -> list[int]:
    return [robot.spacing for robot in features.robots or (features,)]


def _as_one_of_them(policy: ModelPolicy, features: Features) -> ModelPolicy:
    """Return of a policy for several robots that of the one whose demonstrations these are, if one is."""
    for number, robot in enumerate(policy.features.robots if not features.robots else ()):
        if not differences(robot, features, "", ""):
            return alone(policy, number)
    return policy


def _unlike(policy: Features, windows: Features) -> list[str]:
    """Say how a policy's features differ from those of demonstrations; nothing if it learns on as it is."""
    found = differences(policy, windows, "the policy", "the demonstrations")
    pairs = zip(policy.robots, windows.robots, strict=False)
    if len(policy.robots) != len(windows.robots) or any(differences(*pair, "", "") for pair in pairs):
        found.append("other robots are learned together")
    return found


def _moved(config: TrainConfig, init: Path, policy: ModelPolicy, windows: Windows) -> ModelPolicy:
    """Return a policy for the demonstrations that begins with another's weights, and show what it took."""
    assert config.chunk and config.preset, "a config that is not resolved"
    with seeded(config.seed):
        moved, taken = transferred(policy, windows.features, windows.stats, config.chunk, config.preset)
    if newest(config.out) is None:  # whoever goes on has read it
        say(f"{init} was trained for something else. What it gives to the policy that begins here:")
        Console(stderr=True).print(taken)
    return moved


def _own(policy: ModelPolicy) -> dict[str, Any]:
    """Return what a policy is in the words of flags, by the names in `USUAL`; None where it has no such."""
    sizes = policy.config()
    return {
        "model": sizes["type"],
        "preset": table.preset_of(sizes, policy.features),
        "chunk": sizes.get("chunk"),
        "decoder": sizes.get("decoder"),
    }
