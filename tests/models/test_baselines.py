"""The published policies we are measured against: whole in their parts, and trained and loaded as ours is."""

from __future__ import annotations

import copy
import dataclasses
import functools
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from transformers import ResNetConfig, ResNetModel

from contracts.policy_contract import PolicyContract
from sayso.data.statistics import Stats
from sayso.models import contract
from sayso.models.baselines import published
from sayso.models.baselines.act import sines_2d
from sayso.models.baselines.diffusion import DiffusionConfig, SpatialSoftmax, squared_cosine
from sayso.models.baselines.published import ResNet18
from sayso.models.checkpoint import load, save
from sayso.models.policy import ModelPolicy
from sayso.models.table import build
from sayso.spec import ACTION, STATE, TASK, Dimension, FeatureMismatchError, Features, image_key

AXES = tuple(Dimension(name=f"{name}.pos", unit="deg") for name in "abc")
FEATURES = Features(
    robot_type="so101", fps=20, state=AXES, action=AXES, cameras={"front": (48, 64), "wrist": (64, 64)}
)
rows = np.random.default_rng(0).normal([100, 0, -20], [10, 1, 5], (200, 3))
STATS = {STATE: Stats.of(rows), ACTION: Stats.of(rows)}
KINDS = ("act", "diffusion")
SENTENCES = ["put the red block in the blue tray", "push the mug onto the green mat"]


pytestmark = pytest.mark.usefixtures("one_thread")


@functools.cache
def built(kind: str) -> ModelPolicy:
    torch.manual_seed(0)
    policy = build(kind, preset="tiny", features=FEATURES, stats=STATS, chunk=8)
    return policy


def fresh(kind: str) -> ModelPolicy:
    """Copy the model only: opening the text encoder takes longer than everything else here."""
    policy = copy.copy(built(kind))
    policy.model = copy.deepcopy(policy.model).eval()
    policy.reset()
    return policy


def look(seed: int = 0) -> dict:
    drawn = np.random.default_rng(seed)
    images = {
        image_key(name): drawn.integers(0, 256, (*size, 3), np.uint8)
        for name, size in FEATURES.cameras.items()
    }
    return images | {STATE: rows[seed].astype(np.float32), TASK: SENTENCES[0]}


def windows(n: int = 4, chunk: int = 8) -> dict:
    looks = [look(seed) for seed in range(n)]
    stacked = {key: np.stack([one[key] for one in looks])[:, None] for key in looks[0] if key != TASK}
    actions = np.stack([rows[k : k + chunk] for k in range(n)]).astype(np.float32)
    is_pad = np.zeros((n, chunk), np.bool_)
    is_pad[0, 5:] = True
    return stacked | {
        ACTION: actions,
        "action_is_pad": is_pad,
        TASK: [SENTENCES[k % 2] for k in range(n)],
    }


class TestFreshAct(PolicyContract):
    def make(self):
        return fresh("act"), FEATURES


class TestFreshDiffusion(PolicyContract):
    def make(self):
        return fresh("diffusion"), FEATURES


del PolicyContract  # pytest would collect it here as a test of its own


@pytest.mark.parametrize("kind", KINDS)
def test_a_chunk_has_as_many_actions_as_asked_for_near_those_that_were_shown(kind):
    actions = fresh(kind).act(look()).actions
    assert actions.shape == (8, 3)
    assert actions.dtype == np.float32
    # Robot units: diffusion stays within the extremes, and ACT begins around the mean.
    assert np.abs(actions.mean(0) - [100, 0, -20]).max() < 25


@pytest.mark.parametrize("kind", KINDS)
def test_a_few_steps_reduce_the_loss(kind):
    policy, shown = fresh(kind), windows()
    optimizer = torch.optim.Adam(policy.model.parameters(), lr=2e-3)
    policy.model.train()
    history = []
    for _ in range(12):
        torch.manual_seed(0)
        loss = policy.model(policy.collate(shown))["total"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(loss.item())
    assert history[-1] < 0.8 * history[0]


@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_is_reached_by_the_loss(kind):
    policy = fresh(kind)
    policy.model(policy.collate(windows()))["total"].backward()
    unreached = {name for name, p in policy.model.named_parameters() if p.requires_grad and p.grad is None}
    assert not unreached


@pytest.mark.parametrize("kind", KINDS)
def test_padded_actions_do_not_count(kind):
    policy, shown = fresh(kind), windows()
    changed = {
        **shown,
        ACTION: np.where(shown["action_is_pad"][..., None], np.float32(np.nan), shown[ACTION]),
    }
    losses = []
    for w in (shown, changed):
        torch.manual_seed(1)
        losses.append(policy.model(policy.collate(w))["total"].item())
    assert np.isfinite(losses).all()
    assert losses[0] == losses[1]


@pytest.mark.parametrize("kind", KINDS)
def test_actions_that_are_not_padded_count(kind):
    policy, shown = fresh(kind), windows()
    losses = []
    for shift in (0, 5):
        torch.manual_seed(1)
        losses.append(
            policy.model(policy.collate({**shown, ACTION: shown[ACTION] + np.float32(shift)}))["total"].item()
        )
    assert losses[0] != losses[1]


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_newest_frame_is_seen(kind):
    policy, shown = fresh(kind), windows()
    two = {**shown}
    for key in (STATE, *map(image_key, FEATURES.cameras)):
        two[key] = np.concatenate([np.zeros_like(shown[key]), shown[key]], 1)
    losses = []
    for w in (shown, two):
        torch.manual_seed(1)
        losses.append(policy.model(policy.collate(w))["total"].item())
    assert losses[0] == losses[1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", [TASK, STATE, image_key("front"), image_key("wrist")])
def test_words_state_and_every_camera_change_the_action(kind, part):
    policy, seen = fresh(kind), look()
    other = {**seen, part: SENTENCES[1] if part == TASK else look(1)[part]}
    actions = []
    for one in (seen, other):
        policy.reset()
        actions.append(policy.act(one).actions)
    assert np.abs(actions[0] - actions[1]).max() > 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_policy_acts_the_same(kind, tmp_path):
    policy = fresh(kind)
    save(policy, tmp_path, card="# measured\n", training={"steps": 3})
    again = load(tmp_path)
    assert again.config() == policy.config()
    np.testing.assert_array_equal(again.act(look()).actions, policy.act(look()).actions)


@pytest.mark.parametrize("kind", KINDS)
def test_bfloat16_hardly_changes_what_it_does(kind, monkeypatch):
    monkeypatch.setattr(contract, "computes_in_bf16", lambda device: True)
    policy = fresh(kind)
    exact = policy.act(look()).actions
    policy.reset()
    policy.model.config = dataclasses.replace(policy.model.config, bf16=True)
    rounded = policy.act(look()).actions
    assert not np.array_equal(exact, rounded)
    assert np.abs((exact - rounded) / rows.std(0)).max() < 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_images_of_another_size_are_refused(kind):
    with pytest.raises(FeatureMismatchError, match="resize"):
        fresh(kind).act({**look(), image_key("front"): np.zeros((32, 32, 3), np.uint8)})


@pytest.mark.parametrize("kind", KINDS)
def test_windows_without_actions_have_no_loss(kind):
    policy = fresh(kind)
    batch = policy.collate({key: values for key, values in windows().items() if key != ACTION})
    with pytest.raises(ValueError, match="actions"):
        policy.model(batch)


def act() -> ModelPolicy:
    policy = fresh("act")
    return policy


def test_act_s_latent_is_drawn_from_the_actions_in_training():
    policy, shown = act(), windows()
    terms = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        terms.append({name: loss.item() for name, loss in policy.model(policy.collate(shown)).items()})
    assert terms[0]["action"] != terms[1]["action"], "another draw of the latent"
    assert terms[0]["kl"] == terms[1]["kl"] > 0, "of the same distribution"
    assert terms[0]["total"] == pytest.approx(terms[0]["action"] + 10 * terms[0]["kl"], rel=1e-5)


def test_act_s_latent_is_zero_when_acting():
    policy, seen = act(), look()
    before = policy.act(seen).actions
    nn.init.normal_(policy.model.latents.head.weight)
    np.testing.assert_array_equal(policy.act(seen).actions, before)
    nn.init.ones_(policy.model.embed_latent.bias)
    assert not np.array_equal(policy.act(seen).actions, before), "its token is there, with a latent of zero"


def test_kl_is_zero_exactly_when_the_latent_says_nothing():
    policy = act()
    nn.init.zeros_(policy.model.latents.head.weight)
    nn.init.zeros_(policy.model.latents.head.bias)
    assert policy.model(policy.collate(windows()))["kl"].item() == 0


def test_padding_of_words_is_never_looked_at():
    policy, shown = act(), windows()
    batch = policy.collate(shown)
    filled = torch.where(batch.words_mask[..., None], batch.words, 7.0)
    latent = torch.zeros(4, 4)
    policy.model.eval()
    plain = policy.model.predict(batch, latent)
    object.__setattr__(batch, "words", filled)
    torch.testing.assert_close(policy.model.predict(batch, latent), plain)


def test_every_place_has_its_own_sines():
    places = sines_2d((4, 3), 32)
    assert places.shape == (12, 32)
    apart = torch.cdist(places, places) + torch.eye(12)
    assert apart.min() > 0.1


def test_the_schedule_goes_from_nearly_all_signal_to_nearly_none():
    kept = squared_cosine(100)
    assert kept[0] > 0.99
    assert kept[-1] < 1e-3
    assert (kept.diff() < 0).all()
    half = (0.5 + 0.008) / 1.008 * np.pi / 2
    start = 0.008 / 1.008 * np.pi / 2
    assert kept[49].item() == pytest.approx(np.cos(half) ** 2 / np.cos(start) ** 2, rel=1e-4)


class Oracle(nn.Module):
    """Know the clean chunk, and so the noise in any other."""

    def __init__(self, clean, kept):
        super().__init__()
        self.clean, self.kept, self.asked = clean, kept, []

    def forward(self, noisy, time, condition):
        self.asked.append(int(time[0]))
        kept = self.kept[time.long()][:, None, None]
        return (noisy - kept.sqrt() * self.clean) / (1 - kept).sqrt()


def test_ten_steps_of_ddim_find_the_chunk_that_the_noise_hides():
    policy = fresh("diffusion")
    clean = torch.rand(1, 8, 3) * 2 - 1
    oracle = Oracle(clean, policy.model.alphas_cumprod)
    policy.model.unet = oracle  # type: ignore[assignment]
    actions = torch.from_numpy(policy.act(look()).actions)
    assert oracle.asked == list(range(90, -1, -10))
    low, high = torch.tensor(rows.min(0)), torch.tensor(rows.max(0))
    expected = (low + high) / 2 + clean[0] * (high - low) / 2
    torch.testing.assert_close(actions, expected.float(), rtol=1e-3, atol=1e-3)


def test_targets_reach_from_minus_one_to_one():
    scaled = fresh("diffusion").collator.chain.forward({ACTION: rows})[ACTION]
    np.testing.assert_allclose([scaled.min(0), scaled.max(0)], [[-1] * 3, [1] * 3], atol=1e-5)


def test_noise_differs_within_an_episode_and_begins_anew_after_it():
    policy = fresh("diffusion")
    first, second = policy.act(look()).actions, policy.act(look()).actions
    assert not np.array_equal(first, second)
    policy.reset()
    np.testing.assert_array_equal(policy.act(look()).actions, first)


def test_crops_wander_in_training_and_keep_to_the_middle_when_acting():
    model = fresh("diffusion").model
    images = torch.arange(40 * 40 * 3).view(1, 40, 40, 3).expand(8, -1, -1, -1)
    torch.manual_seed(0)
    cropped = model.train()._cropped(images)
    assert cropped.shape == (8, 36, 36, 3)
    assert len({int(one[0, 0, 0]) for one in cropped}) > 4
    assert torch.equal(model.eval()._cropped(images), images[:, 2:38, 2:38])


def test_a_keypoint_is_where_its_detector_fires():
    keypoints = SpatialSoftmax(1, 1)
    keypoints.linear = nn.Identity()
    nn.init.constant_(keypoints.conv.weight, 100.0)
    features = torch.zeros(1, 1, 3, 5)
    features[0, 0, 2, 0] = 1
    torch.testing.assert_close(keypoints(features), torch.tensor([[-1.0, 1.0]]))


def test_a_chunk_that_cannot_be_halved_is_refused():
    with pytest.raises(ValueError, match="multiple of 4"):
        DiffusionConfig(chunk=6)
    with pytest.raises(ValueError, match="do not divide"):
        DiffusionConfig(sample_steps=7)


def test_random_weights_are_said_in_one_line_and_have_no_statistics_over_the_batch(monkeypatch):
    monkeypatch.setattr(published, "fetch", lambda kind, name: None)
    with pytest.warns(UserWarning, match="random weights") as said:
        network = ResNet18("auto", (16, 16, 32, 32))
    assert len(said) == 1
    assert network.weights_from == "random"
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    images = torch.randint(0, 256, (2, 64, 96, 3), dtype=torch.uint8)
    both = network(images)
    assert both.shape == (2, 32, 2, 3)
    torch.testing.assert_close(both[:1], network(images[:1]))


def test_resnet_18_has_the_published_number_of_parameters():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network = ResNet18("random")
    assert sum(p.numel() for p in network.parameters()) == 11_176_512, "torchvision's, without its classifier"


def test_imagenet_s_batch_statistics_stay_frozen(monkeypatch):
    shape = ResNetConfig(embedding_size=8, hidden_sizes=[8, 8], depths=[2, 2], layer_type="basic")
    monkeypatch.setattr(published, "fetch", lambda kind, name: ResNetModel(shape))
    network = ResNet18("auto", (8, 8)).train()
    assert network.weights_from == "imagenet"
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network(torch.randint(0, 256, (2, 32, 32, 3), dtype=torch.uint8)).sum().backward()
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms and not any(p.requires_grad for norm in norms for p in norm.parameters())
    saved = ResNet18("imagenet", (8, 8))
    saved.load_state_dict(before)
