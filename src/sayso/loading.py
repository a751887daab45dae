"""Loading of policies by what a word on the command line names: a folder, the expert, an address.

::

    checkpoints/home         a checkpoint, or what `sayso export` made of one
    expert                   the world's own expert
    ada/put-blocks           a checkpoint on the hub
    ws://robot.local:8000    a policy at the other end of a socket
"""

from __future__ import annotations

import copy
import dataclasses
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sayso.models.recovery import RecoveringPolicy
from sayso.models.repacked import in_world
from sayso.spec import Features, Policy, SaysoError
from sayso.tasks.contract import expert_of
from sayso.work import pool
from sayso.work.parcel import Folder
from sayso.work.provenance import digest_of

if TYPE_CHECKING:
    from sayso.evaluation.measure import Subject
    from sayso.evaluation.report import Training
    from sayso.models.policy import ModelPolicy
    from sayso.runtime.exported import ExportedPolicy
    from sayso.runtime.remote import RemotePolicy
    from sayso.tasks.contract import World

EXPERT = "expert"
REMOTE = ("ws://", "wss://")
TOKEN = "SAYSO_TOKEN"
"""The variable with the secret that a server asks its clients for: a flag would show it to all who list
processes."""


def token() -> str:
    """Return the secret of servers and their clients; empty if there is none."""
    return os.environ.get(TOKEN, "")


def maker_of(subject: str, names: Mapping[str, str] | None = None) -> Callable[[World], Policy]:
    """Return what builds the policy for a world, in one process of several: on one thread, and if it fits.

    Args:
        subject: the policy.
        names: what worlds call cameras and numbers -> what the policy does, beside what it remembers.
    """
    return expert_of if subject == EXPERT else partial(_that_fits, Folder(subject), names)


def policy_and_features(subject: str, threads: int) -> tuple[Policy, Features]:
    """Return a policy, loaded to act on so many threads or called, and what it sees and returns.

    Raises:
        SaysoError: if there is none, or it does not say what it sees.
    """
    if not subject.startswith(REMOTE):
        policy = load(subject, threads)
        return policy, policy.features
    remote = _called(subject)
    if remote.features is None:
        remote.close()
        raise SaysoError(
            f"{subject} is no server of sayso: it does not say which names and units its policy understands. "
            "docs/serving.md shows how to ask it from Python"
        )
    return remote, remote.features


def acting_on_recordings(subject: str, threads: int = 0) -> tuple[Policy, Features, Training]:
    """Return a policy on so many threads (0: one per core), what it sees and returns, and what it learned.

    Raises:
        SaysoError: if it needs the simulator itself, as the expert does, or there is none.
    """
    if subject == EXPERT:
        raise SaysoError("the expert sees a simulator, not recordings: name the folder of a policy")
    training = learned_from(subject)
    assert training is not None
    return *policy_and_features(subject, threads or pool.cores()), training


def load(folder: Path | str, threads: int | None = None) -> ModelPolicy | ExportedPolicy:
    """Load the policy in a folder, ready to act: a checkpoint, which needs torch, or an exported one.

    Args:
        folder: where it is, here or, as ``user/name``, on the hub.
        threads: CPU threads to act on. None is torch's own number for a checkpoint and one for an export.

    Raises:
        CheckpointError: if the folder or one of its files is missing, or they do not belong together.
        ExportError: if what runs an exported policy is not installed, or it is not the one that was checked.
    """
    from sayso.runtime import exported

    folder = _folder(folder)
    if exported.is_exported(folder):
        return exported.load(folder, threads=threads or 1)
    import torch

    from sayso.models import checkpoint

    if threads:
        torch.set_num_threads(threads)
    return checkpoint.load(folder)


def subject(name: str, names: Mapping[str, str] | None = None) -> Subject:
    """Return a policy as something to be measured; `names` as in `maker_of`."""
    from sayso.evaluation.measure import Subject

    make, training = maker_of(name, names), learned_from(name)
    return Subject(name=name, make=make, weights=weights_of(name), training=training)


def recovering(subject: Subject, execute: int) -> Subject:
    """Return a policy that backs off where it stands still (`sayso.models.recovery`), to be measured."""
    return dataclasses.replace(subject, make=partial(_that_recovers, subject.make, execute))


def to_serve(folder: Path | str, workers: int) -> tuple[ModelPolicy | ExportedPolicy, int]:
    """Load the policy in a folder to answer many clients; return how many threads compute beside it.

    Threads of a checkpoint share its weights, each on its part of the cores. More of torch's own than there
    are idle cores wait for each other: beside other work, a look on two took seconds instead of 50 ms.

    Args:
        folder: where it is; see `load`.
        workers: threads that compute; 0 is one per core for a checkpoint, and one for an export.

    Raises:
        SaysoError: if more than one is asked of an export, whose engine answers one look at a time.
    """
    from sayso.runtime.exported import is_exported

    if not is_exported(_folder(folder)):
        workers = workers or pool.cores()
        return load(folder, max(1, pool.cores() // workers)), workers
    if workers > 1:
        raise SaysoError(
            f"--workers is {workers}, but an export answers one look at a time, on all cores: leave it out, "
            "or serve the checkpoint that was exported"
        )
    return load(folder, pool.cores()), 1


def with_its_own_memory(policy: ModelPolicy | ExportedPolicy) -> ModelPolicy | ExportedPolicy:
    """Return a policy with the same weights that remembers nothing of what the other one saw."""
    own = copy.deepcopy(policy, {id(policy.model): policy.model})
    own.reset()
    return own


def learned_from(subject: str) -> Training | None:
    """Return what a policy was trained on, as far as it says so; None for the expert, which never was."""
    from sayso.evaluation.report import training_of

    if subject == EXPERT:
        return None
    if not subject.startswith(REMOTE):
        return training_of(_folder(subject))
    with _called(subject) as policy:
        return _told(policy.metadata)


def weights_of(subject: str) -> str:
    """Return a digest of what a policy computes with; of a policy elsewhere, what it says that is."""
    if not subject.startswith(REMOTE):
        return digest_of(_folder(subject))
    with _called(subject) as policy:
        return str(policy.metadata.get("weights", ""))


def about(checkpoint: Path) -> dict[str, Any]:
    """Return what clients of a server may know of its policy: its name, its digest, what it learned from."""
    from sayso.evaluation.report import training_of

    training = asdict(training_of(checkpoint))
    return {"policy": checkpoint.resolve().name, "weights": digest_of(checkpoint), "training": training}


def _folder(where: str | Path) -> Path:
    from sayso.bridges.hub import policy_at

    return policy_at(where)


def _told(metadata: Mapping[str, Any]) -> Training:
    """Read what `about` wrote."""
    from sayso.evaluation.report import Training

    try:
        return Training.from_json(metadata.get("training", {}))
    except (AttributeError, TypeError, ValueError) as error:
        raise SaysoError(f"what the server says its policy learned from cannot be read: {error}") from error


def _that_fits(subject: str, names: Mapping[str, str] | None, world: World) -> Policy:
    policy, features = policy_and_features(subject, threads=1)
    return in_world(policy, features, world.features, names)


def _that_recovers(make: Callable[[World], Policy], execute: int, world: World) -> Policy:
    return RecoveringPolicy(make(world), world.features, execute)


def _called(url: str) -> RemotePolicy:
    from sayso.runtime.remote import RemotePolicy

    return RemotePolicy(url, token=token())
