"""The whole model, tiny and real: it learns, it listens, and neither padding nor company changes its mind."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch

from sayso.models import contract
from sayso.models.contract import Batch
from sayso.models.vla.augmentation import Augmentation, prepare, prepare_augmented
from sayso.models.vla.config import VLAConfig, small, tiny
from sayso.models.vla.model import VisionLanguageAction
from sayso.models.words import FrozenTextEncoder
from small_worlds import FEATURES

SIZE = 32
COLOURS = {"red": (220, 40, 40), "green": (40, 200, 60), "blue": (50, 80, 230)}


def model(**changes) -> VisionLanguageAction:
    torch.manual_seed(0)
    return VisionLanguageAction(dataclasses.replace(tiny(FEATURES), **changes))


def batch(n: int = 8, *, chunk: int = 4, points: bool = True) -> Batch:
    drawn = torch.Generator().manual_seed(1)
    return Batch(
        images=tuple(
            torch.randint(0, 256, (n, 1, SIZE, SIZE, 3), dtype=torch.uint8, generator=drawn) for _ in range(2)
        ),
        state=torch.randn(n, 1, 2, generator=drawn),
        words=torch.randn(n, 24, 384, generator=drawn),
        words_mask=torch.arange(24).expand(n, 24) < 9,
        actions=torch.randn(n, chunk, 2, generator=drawn),
        is_pad=torch.arange(chunk).expand(n, chunk) >= 3,
        points=torch.rand(n, 2, 2, 3, generator=drawn).round(decimals=2) if points else None,
    )


def row(of: Batch, i: int) -> Batch:
    def only(given):
        return given if given is None else given[i : i + 1]

    rest = {name: only(tensor) for name, tensor in vars(of).items() if name != "images"}
    return Batch(images=tuple(only(images) for images in of.images), **rest)


def fit(net: VisionLanguageAction, given: Batch, steps: int, lr: float = 3e-3) -> None:
    optimiser = torch.optim.Adam(net.parameters(), lr=lr)
    for _ in range(steps):
        optimiser.zero_grad()
        net(given)["total"].backward()
        optimiser.step()


@pytest.mark.parametrize("decoder", ["regression", "flow"])
def test_a_sample_is_a_chunk_of_actions(decoder):
    net = model(decoder=decoder)
    actions = net.sample(batch(3))
    assert actions.shape == (3, 4, 2)
    assert actions.dtype == torch.float32


@pytest.mark.parametrize("decoder", ["regression", "flow"])
def test_padded_actions_do_not_touch_the_loss_even_if_they_are_nan(decoder):
    net, given = model(decoder=decoder), batch()
    spoiled = dataclasses.replace(
        given, actions=given.actions.masked_fill(given.is_pad[..., None], torch.nan)
    )
    losses = [net(b, torch.Generator().manual_seed(0))["action"] for b in (given, spoiled)]
    assert losses[1].isfinite()
    if decoder == "regression":
        assert losses[0] == losses[1]


def test_with_a_discount_what_comes_later_counts_less():
    net = model(discount=0.5).eval()
    given = dataclasses.replace(batch(), is_pad=torch.zeros_like(batch().is_pad))

    def loss(step: int) -> float:
        actions = net.sample(given)
        actions[:, step] += 1
        return net(dataclasses.replace(given, actions=actions))["action"].item()

    assert [loss(step) for step in range(4)] == pytest.approx([8 / 15, 4 / 15, 2 / 15, 1 / 15], abs=1e-5)


def test_the_total_is_the_weighted_sum_of_its_terms():
    terms = model(point_weight=0.5, where_weight=2.0)(batch())
    assert set(terms) == {"total", "action", "point", "where"}
    assert torch.isclose(terms["total"], terms["action"] + 0.5 * terms["point"] + 2 * terms["where"])


def seen_of(net: VisionLanguageAction, given: Batch) -> torch.Tensor:
    views = [prepare(images) for images in given.images]
    with torch.no_grad():
        return net.perceive(views, given.state, given.words, given.words_mask)[1].seen


def test_late_fusion_looks_without_the_words_and_acts_with_them():
    given = batch()
    said_otherwise = dataclasses.replace(given, words=given.words.flip(0))
    late = model(fusion="late").eval()
    assert torch.equal(seen_of(late, given), seen_of(late, said_otherwise))
    assert (late.sample(given) - late.sample(said_otherwise)).abs().max() > 1e-4
    early = model().eval()
    assert not torch.equal(seen_of(early, given), seen_of(early, said_otherwise))


def test_late_fusion_is_not_asked_to_point_at_what_it_cannot_know():
    net = model(fusion="late")
    terms = net(batch())
    assert set(terms) == {"total", "action"}
    terms["total"].backward()
    assert net.default_slots.grad.abs().sum() > 0


def test_without_labels_the_action_is_the_total():
    terms = model()(batch(points=False))
    assert set(terms) == {"total", "action"}
    assert terms["total"] == terms["action"]


def test_what_nobody_labelled_teaches_no_pointing():
    net, given = model(augmentation=None, state_dropout=0.0), batch()
    known = dataclasses.replace(given, points=given.points.clone())
    known.points[4:, 1, :, 2] = -1
    other = dataclasses.replace(known, points=known.points.clone())
    other.points[4:, 1, :, :2] = 0.9
    assert net(known)["point"] == net(other)["point"]
    nobody = dataclasses.replace(given, points=torch.full_like(given.points, -1))
    terms = net(nobody)
    assert terms["point"] == terms["where"] == 0
    assert torch.isfinite(terms["total"])


def test_varied_pictures_leave_unknown_what_nobody_labelled():
    images, unknown = torch.zeros(4, 1, 16, 16, 3, dtype=torch.uint8), torch.tensor([0.5, 0.99, -1.0])
    how = dataclasses.replace(Augmentation(), shift_px=4)
    _, points = prepare_augmented(images, unknown.expand(4, 2, 3), how, torch.Generator().manual_seed(0))
    assert (points[..., 2] == -1).all()


def test_every_parameter_that_training_sees_learns():
    net = model(augmentation=Augmentation(), state_dropout=0.5)
    fit(net, batch(), 2)
    net(batch())["total"].backward()
    silent = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


def test_a_batch_of_one_answers_as_a_batch_of_many():
    net, given = model().eval(), batch()
    together = net.sample(given)
    alone = torch.cat([net.sample(row(given, i)) for i in range(8)])
    assert torch.allclose(together, alone, atol=1e-5)


def test_randomness_comes_from_the_generator():
    net = model(decoder="flow", augmentation=Augmentation(), state_dropout=0.5)

    def total(seed: int) -> torch.Tensor:
        return net(batch(), torch.Generator().manual_seed(seed))["total"]

    assert total(0) == total(0)
    assert total(0) != total(1)


def test_nothing_is_random_when_acting_by_regression():
    net = model(augmentation=Augmentation(), state_dropout=0.5).eval()
    assert torch.equal(net.sample(batch()), net.sample(batch()))


def test_eight_random_samples_are_learned_by_heart():
    net, given = model(), batch(points=False)
    before = net(given)["action"].item()
    fit(net, given, 120)
    after = net(given)["action"].item()
    assert after < before / 10, f"{before:.3f} -> {after:.3f}"


def test_bfloat16_answers_as_float32_does_and_is_left_to_devices_that_are_made_for_it(monkeypatch):
    exact, rough = model().eval(), model(bf16=True).eval()
    monkeypatch.setattr(contract, "computes_in_bf16", lambda device: True)
    rounded = rough.sample(batch())
    assert torch.allclose(exact.sample(batch()), rounded, atol=0.05)
    assert not torch.equal(exact.sample(batch()), rounded)
    monkeypatch.setattr(contract, "computes_in_bf16", lambda device: False)
    assert torch.equal(exact.sample(batch()), rough.sample(batch()))


def squares(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, list[str]]:
    """Draw images of one square per colour, the point of the named one, and a sentence naming it."""
    drawn = torch.Generator().manual_seed(seed)
    images = torch.full((n, 1, 2, SIZE, SIZE, 3), 120, dtype=torch.uint8)
    points, sentences = torch.ones(n, 2, 2, 3), []
    for i in range(n):
        cells = torch.randperm(16, generator=drawn)[:3].tolist()
        named = int(torch.randint(3, (), generator=drawn))
        for which, ((colour, rgb), cell) in enumerate(zip(COLOURS.items(), cells, strict=True)):
            y, x = 8 * (cell // 4), 8 * (cell % 4)
            images[i, :, :, y + 1 : y + 7, x + 1 : x + 7] = torch.tensor(rgb, dtype=torch.uint8)
            if which == named:
                points[i, ..., 0], points[i, ..., 1] = (x + 4) / SIZE, (y + 4) / SIZE
                sentences.append(f"go to the {colour} square")
    return images, points, sentences


def test_words_decide_which_of_three_squares_is_pointed_at():
    """Grounding, for real but small: unseen arrangements, and the action follows the words as well."""
    encoder = FrozenTextEncoder()

    def make(n: int, seed: int) -> Batch:
        images, points, sentences = squares(n, seed)
        words, mask = encoder.encode(sentences)
        return Batch(
            images=images.unbind(2),
            state=torch.zeros(n, 1, 2),
            words=torch.from_numpy(words),
            words_mask=torch.from_numpy(mask),
            actions=4 * points[:, :1, 0, :2].expand(n, 4, 2) - 2,
            is_pad=torch.zeros(n, 4, dtype=torch.bool),
            points=points,
        )

    net, unseen = model(), make(64, 1000)
    optimiser = torch.optim.Adam(net.parameters(), lr=3e-3)
    for step in range(150):
        optimiser.zero_grad()
        net(make(32, step))["total"].backward()
        optimiser.step()
    net.eval()
    with torch.no_grad():
        terms = net(unseen)
    actions = net.sample(unseen)
    assert terms["where"] < 0.1, "a patch is 0.25 wide; wrong squares are 0.6 away on average"
    hit = ((actions - unseen.actions).abs().amax((1, 2)) < 0.5).float().mean()
    assert hit > 0.8
    # The same images under words that name another square: the robot must go elsewhere.
    words, mask = encoder.encode(["go to the red square"] * 64)
    moved = net.sample(
        dataclasses.replace(unseen, words=torch.from_numpy(words), words_mask=torch.from_numpy(mask))
    )
    elsewhere = torch.tensor(["red" not in sentence for sentence in squares(64, 1000)[2]])
    change = (moved - actions).abs().amax((1, 2))
    assert (change[elsewhere] > 0.5).float().mean() > 0.8
    assert change[~elsewhere].max() < 1e-5


def test_the_small_preset_stays_within_thirty_million_parameters():
    net = VisionLanguageAction(small(FEATURES))
    assert sum(p.numel() for p in net.parameters()) < 5e6


def test_a_config_survives_json():
    for config in (small(FEATURES), tiny(FEATURES)):
        assert VLAConfig.from_json(json.loads(json.dumps(dataclasses.asdict(config)))) == config


def test_impossible_sizes_are_refused():
    with pytest.raises(ValueError, match="referents"):
        dataclasses.replace(tiny(FEATURES), referents=4)
    for field in ("decoder", "fusion"):
        with pytest.raises(ValueError, match=field):
            dataclasses.replace(tiny(FEATURES), **{field: "magic"})
    for discount in (0.0, 1.1):
        with pytest.raises(ValueError, match="discount"):
            dataclasses.replace(tiny(FEATURES), discount=discount)
    for field, value in {"layers": 1_000_000, "width": 0, "heads": 5, "point_weight": float("nan")}.items():
        with pytest.raises(ValueError, match=field):
            dataclasses.replace(tiny(FEATURES), **{field: value})


def test_cameras_may_have_pictures_of_different_sizes():
    cameras = {"front": (32, 48), "wrist": (24, 24)}
    net = VisionLanguageAction(tiny(dataclasses.replace(FEATURES, cameras=cameras)))
    shown = tuple(torch.zeros(8, 1, *size, 3, dtype=torch.uint8) for size in cameras.values())
    given = dataclasses.replace(batch(), images=shown)
    assert net.sample(given).shape == (8, 4, 2)
    assert net(given)["point"] > 0
