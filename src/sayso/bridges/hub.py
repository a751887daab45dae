"""Hugging Face Hub: policies and datasets by the name ``user/name``, fetched once, and pushed with a card.

    sayso run user/policy "..."        a folder of that name here comes first
    sayso train --datasets user/data   LeRobot's tag v3.0, else what is newest; user/data@branch for another
    sayso push runs/mine/policy user/policy

Files come into the hub's own cache, only those that are read, and nothing of them is executed.
"""

from __future__ import annotations

import contextlib
import fnmatch
import functools
import importlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sayso.refusals import elsewhere
from sayso.shipped import shipped
from sayso.spec import SaysoError
from sayso.spec.files import CARD, CONFIG, STATS, VIEWS, VIEWS_PICTURES, WEIGHTS
from sayso.work.digests import SUMS

if TYPE_CHECKING:
    from huggingface_hub import HfApi

POLICY, DATASET = "model", "dataset"
"""What the hub calls a policy, and a dataset."""
FILES = {
    POLICY: (CONFIG, WEIGHTS, STATS, VIEWS, VIEWS_PICTURES, SUMS, "policy_*.json", CARD),
    DATASET: ("meta/*", "data/*", "videos/*", CARD),
}
"""What of each is read, and pushed; a star stands for folders, too."""
KINDS = {POLICY: "policy", DATASET: "dataset"}
_NAME = re.compile(r"(?P<name>\w[\w.-]{0,95}/\w[\w.-]{0,95})(?:@(?P<revision>[\w./-]{1,200}))?")


@dataclass(frozen=True, kw_only=True)
class PushConfig:
    """What to show to whom."""

    public: bool = False
    """Let everybody see it; by default only you and whom you let in."""
    message: str = ""
    """Message of the commit."""


def policy_at(where: str | Path) -> Path:
    """Return the folder of a policy: one here, one that ships or, by the name ``user/name``, one of the hub.

    Raises:
        SaysoError: if it is neither, or the hub cannot be reached; it says what to download and where to.
    """
    return _at(shipped(where), POLICY)


def dataset_at(where: str | Path) -> Path:
    """Return the folder of a dataset: one here or, by the name ``user/name``, one of the hub.

    Raises:
        SaysoError: if it is neither, or the hub cannot be reached; it says what to download and where to.
    """
    return _at(where, DATASET)


def push(folder: Path, name: str, config: PushConfig, tell: Callable[[str], None] = print) -> str:
    """Push a policy or a dataset to the hub, and return its address there.

    Args:
        folder: of a policy, of a run, which has one, or of a dataset.
        name: ``user/name``; what is there already becomes an older commit.
        config: for whom.
        tell: what to do with each line for the person who waits.

    Raises:
        SaysoError: if there is nothing whole to push, nobody is logged in, or the hub refuses it.
    """
    from huggingface_hub import CommitOperationAdd, HfApi, get_token

    if not (match := _NAME.fullmatch(name)) or match["revision"]:
        raise SaysoError(f"{name!r} is no name on the hub; give USER/NAME, such as ada/put-blocks")
    folder, kind, card = _whole(folder, name)
    every = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    wanted = (name for pattern in FILES[kind] for name in fnmatch.filter(every, pattern) if name != CARD)
    files = {name: every[name] for name in wanted}
    if not get_token():
        raise SaysoError("nobody is logged in to the hub: type `hf auth login`, or set HF_TOKEN")
    size = sum(path.stat().st_size for path in files.values()) / 1e6
    tell(f"{len(files) + 1} files, {size:,.1f} MB, to {name}: {'public' if config.public else 'private'}")
    with _in_a_sentence(name, kind):
        api = HfApi()
        url = api.create_repo(name, repo_type=kind, private=not config.public, exist_ok=True)
        added = [CommitOperationAdd(inside, path) for inside, path in files.items()]
        api.create_commit(
            name,
            [*added, CommitOperationAdd(CARD, card.encode())],
            repo_type=kind,
            commit_message=config.message or f"{KINDS[kind].capitalize()} pushed by sayso",
        )
        if kind == DATASET:
            _tag(api, name)
    return str(url)


def _at(where: str | Path, kind: str) -> Path:
    path, match = Path(where), _NAME.fullmatch(str(where))
    # What begins with the name of something here is a mistyped path, not somebody of that name.
    if path.exists() or match is None or path.parent.exists():
        return path
    return _fetched(match["name"], match["revision"], kind)


@functools.cache  # a command asks several times, and is to get the same each time
def _fetched(name: str, revision: str | None, kind: str) -> Path:
    from huggingface_hub import HfApi, snapshot_download

    with _in_a_sentence(name, kind):
        if kind == DATASET and revision is None:
            revision = _version(HfApi(), name)
        found = snapshot_download(name, repo_type=kind, revision=revision, allow_patterns=[*FILES[kind]])
    return Path(found)


def _version(api: HfApi, name: str) -> str | None:
    """Return the tag under which LeRobot keeps what this version reads; None if there is none."""
    from huggingface_hub import constants

    from sayso.data.format import VERSION

    if constants.HF_HUB_OFFLINE:
        return VERSION
    refs = api.list_repo_refs(name, repo_type=DATASET)
    return VERSION if VERSION in {tag.name for tag in refs.tags} else None


def _tag(api: HfApi, name: str) -> None:
    """Let LeRobot's reader find what was pushed: it asks for the version of the format."""
    from sayso.data.format import VERSION

    if _version(api, name):
        api.delete_tag(name, tag=VERSION, repo_type=DATASET)
    api.create_tag(name, tag=VERSION, repo_type=DATASET)


def _whole(folder: Path, name: str) -> tuple[Path, str, str]:
    """Return what to push, of which kind it is, and its card.

    Raises:
        SaysoError: if there is nothing, or it is damaged.
    """
    from sayso.bridges.card import card_of_dataset, card_of_policy
    from sayso.data.format import INFO

    if (folder / INFO).is_file():
        from sayso.data.reader import Dataset

        return folder, DATASET, card_of_dataset(Dataset(folder), name)
    if (folder / "policy" / CONFIG).is_file():
        folder = folder / "policy"
    if not (folder / CONFIG).is_file():
        near = elsewhere(folder, "meta/info.json") or elsewhere(folder, CONFIG)
        raise SaysoError(f"{folder} is no policy, no run and no dataset.{near}".removesuffix("."))
    from sayso.models import checkpoint

    return folder, POLICY, card_of_policy(checkpoint.load(folder), folder, name)


@contextlib.contextmanager
def _in_a_sentence(name: str, kind: str) -> Iterator[None]:
    """Say in one sentence what the hub or the network refuses inside a `with`."""
    from huggingface_hub import errors

    unreachable: tuple[type[Exception], ...] = (
        errors.LocalEntryNotFoundError,
        errors.OfflineModeIsEnabled,
        *_network_errors(),
    )
    what = f"{KINDS[kind]} {name!r}"
    flag = " --repo-type dataset" if kind == DATASET else ""
    fetch = f"`hf download {name}{flag} --local-dir FOLDER` where there is a network, and give that FOLDER"
    try:
        yield
    except errors.GatedRepoError as error:
        raise SaysoError(
            f"{what}: its owner must let you in first; ask on its page, then `hf auth login`"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise SaysoError(
            f"{name!r} is no folder here, and the hub has no such {KINDS[kind]} that you may see; if it is a "
            "private one: `hf auth login`"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise SaysoError(f"{what} has no such revision on the hub") from error
    except unreachable as error:
        raise SaysoError(
            f"{name!r} is no folder here, and the hub cannot be reached ({_first_line(error)}): {fetch}"
        ) from error
    except errors.HfHubHTTPError as error:
        raise SaysoError(f"{what}: the hub refuses ({_first_line(error)})") from error


def _network_errors() -> Iterator[type[Exception]]:
    """Yield what the hub's client raises without a network: its library differs from version to version."""
    transports = {"httpx2": "TransportError", "httpx": "TransportError", "requests": "RequestException"}
    for library, name in transports.items():
        with contextlib.suppress(ImportError):
            yield getattr(importlib.import_module(library), name)


def _first_line(error: Any) -> str:
    line = (str(error).strip().splitlines() or ["no answer"])[0].rstrip(".")
    return re.sub(r"^.*Error: ", "", line)  # the sentence, not the name of its class
