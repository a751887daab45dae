"""Transfer learning: a policy's weights taken over for another robot, other cameras or another chunk.

::

    trained before                         begins with
    camera front      ---------------->    camera desk               its rows; its positions stretched
    shoulder_pan.pos  ---------------->    main_shoulder_pan         its column; an angle means the same
    (nothing)                              finger.pos                zeros: says and changes nothing at first
    all other weights ---------------->    as they are

Which weights belong to a camera, a number or a step is in the model's row (`ModelType.indexed`). Statistics
are those of the new demonstrations, in which a policy's moves are counted from now on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from rich.table import Table
from rich.text import Text
from torch import Tensor

from sayso.data.mixture import moves
from sayso.data.statistics import Stats, scale
from sayso.data.units import joint_of
from sayso.models import table
from sayso.models.policy import ModelPolicy
from sayso.spec import ACTION, STATE, Dimension, Features

WRIST = ("wrist", "hand", "grip")
"""What cameras that move with the hand are called, as far as their names tell."""
TAKEN, PARTLY, NEW = "taken over", "partly", "new"
Pairs = Mapping[int, int]
"""Place of a number now -> before."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Which camera, number and step of a policy stands for which of the new ones."""

    before: Features
    now: Features
    cameras: tuple[int, ...]
    """For each camera, which of the earlier ones it begins as."""
    state: Pairs
    action: Pairs
    chunk: tuple[int, int]
    """Steps before and now."""

    @classmethod
    def of(cls, before: Features, now: Features, chunk: tuple[int, int]) -> Fit:
        """Find it by names: the same, or those of the same joint, or of a camera that looks alike."""
        state, action = _by_name(before.state, now.state), _by_name(before.action, now.action)
        counted = moves(before), moves(now)
        return cls(
            before=before,
            now=now,
            cameras=tuple(list(before.cameras).index(c) for c in _cameras(before, now).values()),
            state=state,
            # A move is no target: rows that answer with the one say nothing about the other.
            action={new: old for new, old in action.items() if counted[0][old] == counted[1][new]},
            chunk=chunk,
        )

    @property
    def steps(self) -> tuple[int, ...]:
        """Return for each step of a chunk which of the earlier ones it begins as; the last for all beyond."""
        return tuple(min(k, self.chunk[0] - 1) for k in range(self.chunk[1]))


def transferred(
    policy: ModelPolicy, features: Features, stats: Mapping[str, Stats], chunk: int, preset: str
) -> tuple[ModelPolicy, Table]:
    """Return a policy for other features that begins with another's weights, and a table of what it took.

    Args:
        policy: what was trained before, of a model whose row says what its weights belong to.
        features: of the new demonstrations.
        stats: of the new demonstrations.
        chunk: K, actions that it is to predict.
        preset: the one that the policy is closest to.
    """
    row, had = table.MODELS[policy.type], policy.config()
    sizes = row.presets[preset](features, chunk)
    decided = {name: sizes[name] for name in row.decided if name in sizes and name != "decoder"}
    new = table.rebuild({**had, **decided}, features, stats)
    fit = Fit.of(policy.features, features, (had["chunk"], chunk))
    before = _in_new_units(dict(policy.model.state_dict()), row.indexed, fit, policy.stats, stats)
    weights, taken = {}, {}
    for name, fresh in new.model.state_dict().items():
        weights[name], taken[name] = _taken(name, fresh, before, row.belonging(name), fit)
    new.model.load_state_dict(weights)
    return new, _table(fit, weights, taken)


def _taken(
    name: str, fresh: Tensor, before: Mapping[str, Tensor], belonging: tuple[str, int], fit: Fit
) -> tuple[Tensor, float]:
    """Return what a weight begins with, and which share of it was there before."""
    part, _, last = name.rpartition(".")
    what, axis = belonging
    if what == "grid":
        return _stretched(before[f"{part}.{fit.cameras[int(last)]}"], fresh), 1.0
    if name not in before:
        return fresh, 0.0
    old = before[name]
    if what in ("camera", "step"):
        places = fit.cameras if what == "camera" else fit.steps
        return old.index_select(axis, torch.tensor(places)), 1.0
    if what in ("state", "action"):
        pairs = fit.state if what == "state" else fit.action
        begins = torch.zeros_like(fresh)
        for now, then in pairs.items():
            begins.select(axis, now).copy_(old.select(axis, then))
        return begins, len(pairs) / max(1, fresh.shape[axis])
    return (old, 1.0) if old.shape == fresh.shape else (fresh, 0.0)


def _in_new_units(
    weights: dict[str, Tensor],
    indexed: Mapping[str, tuple[str, int]],
    fit: Fit,
    before: Mapping[str, Stats],
    now: Mapping[str, Stats],
) -> dict[str, Tensor]:
    """Let weights that read the state mean the same angles by other statistics, where units are the same.

    They read (x - m) / s, and are to read (x - m') / s' from now on: w becomes w s' / s, and the constant
    w (m' - m) / s goes into the bias.
    """
    same = [(n, o) for n, o in fit.state.items() if fit.now.state[n].unit == fit.before.state[o].unit]
    for name in (name for name, (what, _) in indexed.items() if what == "state" and name in weights and same):
        had, has = before[STATE], now[STATE]
        spread, spread_now = scale(had.mean, had.std), scale(has.mean, has.std)
        weight, bias = weights[name].clone(), name.removesuffix("weight") + "bias"
        shift = torch.zeros_like(weights[bias])
        for new, old in same:
            column = weights[name][:, old]
            shift += column * float((has.mean[new] - had.mean[old]) / spread[old])
            weight[:, old] = column * float(spread_now[new] / spread[old])
        weights |= {name: weight, bias: weights[bias] + shift}
    return weights


def _stretched(old: Tensor, fresh: Tensor) -> Tensor:
    """Return a map over patches, ``[1, F, h, w]``, in the size that it is to have."""
    if old.shape == fresh.shape:
        return old
    return F.interpolate(old, fresh.shape[-2:], mode="bilinear", align_corners=False)


def _cameras(before: Features, now: Features) -> dict[str, str]:
    """Return for each camera which of the earlier ones it begins as: of its name, or as near the hand."""
    free = [camera for camera in before.cameras if camera not in now.cameras]
    chosen = {camera: camera for camera in now.cameras if camera in before.cameras}
    for camera in now.cameras:
        if camera not in chosen:
            alike = [old for old in before.cameras if _at_the_hand(old) == _at_the_hand(camera)]
            unused = [old for old in alike if old in free]
            chosen[camera] = (unused or alike or free or list(before.cameras))[0]
            free = [old for old in free if old != chosen[camera]]
    return {camera: chosen[camera] for camera in now.cameras}


def _at_the_hand(camera: str) -> bool:
    return any(word in camera.lower() for word in WRIST)


def _by_name(before: Sequence[Dimension], now: Sequence[Dimension]) -> dict[int, int]:
    """Return for each number that was there before where it was: by its name, or its joint if one is."""
    names = [d.name for d in before]
    found = {n: names.index(d.name) for n, d in enumerate(now) if d.name in names}
    joints = [[joint_of(d.name) for d in dimensions] for dimensions in (before, now)]
    for n, joint in enumerate(joints[1]):
        if joint and n not in found and all(of.count(joint) == 1 for of in joints):
            found[n] = joints[0].index(joint)
    return found


def _table(fit: Fit, weights: Mapping[str, Tensor], taken: Mapping[str, float]) -> Table:
    rows = [*_rows_of_cameras(fit), *_rows_of_numbers(fit), _row_of_chunk(fit)]
    for part in dict.fromkeys(name.partition(".")[0] for name in weights):
        of = {name: weight.numel() for name, weight in weights.items() if name.partition(".")[0] == part}
        total, kept = sum(of.values()), sum(count * taken[name] for name, count in of.items())
        how = TAKEN if kept == total else PARTLY if kept else NEW
        rows.append((part, how, f"{kept:,.0f} of {total:,} weights"))
    if not fit.now.points:
        rows.append(("pointing", TAKEN, "nothing is labelled here, so that actions alone train it"))
    rows.append(("statistics", NEW, "means and spreads of the new demonstrations"))
    shown = Table("part", "begins", "why", box=None, pad_edge=False, header_style="")
    for row in rows:
        shown.add_row(*map(Text, row))  # as text: a name may have brackets
    return shown


def _rows_of_cameras(fit: Fit) -> list[tuple[str, str, str]]:
    old, rows = list(fit.before.cameras), []
    for (camera, size), place in zip(fit.now.cameras.items(), fit.cameras, strict=True):
        then = old[place]
        why = "its name" if camera == then else "looks from the hand, too" if _at_the_hand(then) else ""
        if camera != then and _at_the_hand(then) != _at_the_hand(camera):
            why = "no other is left"
        had = fit.before.cameras[then]
        sizes = "" if had == size else f"; {_px(had)} there, {_px(size)} here: places stretched"
        rows.append((f"camera {camera}", f"as {then}", (why or "looks from outside, too") + sizes))
    unused = [camera for place, camera in enumerate(old) if place not in fit.cameras]
    return rows + [(f"camera {camera}", "left out", "nothing here is seen so") for camera in unused]


def _rows_of_numbers(fit: Fit) -> list[tuple[str, str, str]]:
    rows = []
    for key, before, now, pairs in (
        (STATE, fit.before.state, fit.now.state, fit.state),
        (ACTION, fit.before.action, fit.now.action, fit.action),
    ):
        fresh = [d.name for n, d in enumerate(now) if n not in pairs]
        left = [d.name for o, d in enumerate(before) if o not in pairs.values()]
        why = [f"new: {', '.join(fresh)}"] if fresh else []
        why += (
            [f"if {fresh[0]} is {left[0]}, --rename {fresh[0]}={left[0]} takes it over"]
            if fresh and left
            else []
        )
        why += [
            f"{now[n].name} as {before[o].name}" for n, o in pairs.items() if now[n].name != before[o].name
        ]
        units = [f"{now[n].name} {before[o].unit or 'no unit'} -> {now[n].unit or 'no unit'}"
                 for n, o in pairs.items() if now[n].unit != before[o].unit]  # fmt: skip
        why += [f"other units, so that spreads stand for each other: {', '.join(units)}"] if units else []
        how = TAKEN if not fresh else PARTLY if pairs else NEW
        rows.append((key, how, "; ".join([f"{len(pairs)} of {len(now)} numbers", *why])))
    return rows


def _row_of_chunk(fit: Fit) -> tuple[str, str, str]:
    then, now = fit.chunk
    lasted, lasts = (count * of.spacing / of.fps for count, of in ((then, fit.before), (now, fit.now)))
    why = f"{now} actions looking {lasts:.2f} s ahead"
    if abs(lasts - lasted) > 0.01:
        why += f"; before, {then} looked {lasted:.2f} s ahead"
    return ("chunk", TAKEN if now <= then else PARTLY, why)


def _px(size: tuple[int, int]) -> str:
    return "x".join(map(str, size))
