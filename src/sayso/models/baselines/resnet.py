"""ResNet-50 as torchvision has it: the same layers under the same names, which TorchScript can compile.

Where torchvision is not installed, `stand_in_for_torchvision` lets ``from torchvision import models`` find
this one.

Source: He et al. 2016, arXiv:1512.03385, with the stride in the 3 x 3 convolution, as torchvision and
``microsoft/resnet-50`` have it.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
import types
import warnings

import torch
from torch import Tensor, nn

from sayso.models.baselines.pretrained import fetch
from sayso.models.contract import renamed

RESNET_50 = "microsoft/resnet-50"
KINDS = {"convolution": "conv", "normalization": "bn"}
WIDER = 4
"""A block gives so many times the channels that it computes with."""
TORCHVISION = (
    *((f"embedder.embedder.{kind}", f"{short}1") for kind, short in KINDS.items()),
    *((f"encoder.stages.{k}.layers", f"layer{k + 1}") for k in range(4)),
    *((f"layer.{k}.{kind}", f"{short}{k + 1}") for k in range(3) for kind, short in KINDS.items()),
    *((f"shortcut.{kind}", f"downsample.{k}") for k, kind in enumerate(KINDS)),
    ("classifier.1", "fc"),
)
"""What transformers calls the parts of a ResNet-50, and what torchvision calls them."""


class Bottleneck(nn.Module):
    """Bottleneck residual block: 1 x 1, 3 x 3, 1 x 1."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        """Build one block; one that changes the shape of what comes in does so on both paths."""
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, WIDER * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(WIDER * width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module = nn.Identity()
        if stride > 1 or inputs != WIDER * width:
            shortcut = nn.Conv2d(inputs, WIDER * width, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(WIDER * width))

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[B, 4 * width, H / stride, W / stride]``."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        sum_of_both: Tensor = self.relu(self.bn3(self.conv3(y)) + self.downsample(x))
        return sum_of_both


class ResNet50(nn.Module):
    """ResNet-50: images ``[B, 3, H, W]`` to scores of ImageNet's thousand classes, ``[B, 1000]``."""

    pretrained = False
    """Whether the weights are ImageNet's: what was obtained, not what was asked for."""

    def __init__(self) -> None:
        """Build it with random weights."""
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        self.layer1 = stage(64, 64, blocks=3, stride=1)
        self.layer2 = stage(256, 128, blocks=4, stride=2)
        self.layer3 = stage(512, 256, blocks=6, stride=2)
        self.layer4 = stage(1024, 512, blocks=3, stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(2048, 1000)
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Return scores ``[B, 1000]``."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        scores: Tensor = self.fc(torch.flatten(self.avgpool(x), 1))
        return scores


def stage(inputs: int, width: int, *, blocks: int, stride: int) -> nn.Sequential:
    """Return blocks in a row, the first of which takes in `inputs` channels and strides."""
    rest = (Bottleneck(WIDER * width, width, stride=1) for _ in range(1, blocks))
    return nn.Sequential(Bottleneck(inputs, width, stride), *rest)


def resnet50(pretrained: bool = False) -> ResNet50:
    """Return a ResNet-50.

    Args:
        pretrained: with ImageNet's weights, out of the local cache or from the Hugging Face hub. When neither
            has them, one line of warning says so and the weights are random. False touches no network.
    """
    network = ResNet50()
    if pretrained:
        from transformers import ResNetForImageClassification

        if fetched := fetch(ResNetForImageClassification, RESNET_50):
            weights = {k.removeprefix("resnet."): tensor for k, tensor in fetched.state_dict().items()}
            network.load_state_dict({renamed(k, TORCHVISION): tensor for k, tensor in weights.items()})
            network.pretrained = True
        else:
            warnings.warn(
                f"{RESNET_50} is not cached and the hub is out of reach: random weights", stacklevel=2
            )
    return network


def stand_in_for_torchvision() -> bool:
    """Let ``from torchvision import models`` find this ResNet-50 if torchvision is not installed.

    Returns:
        Whether ours stands in. A torchvision that is installed stays what it is.
    """
    if "torchvision" in sys.modules or importlib.util.find_spec("torchvision"):
        return getattr(sys.modules.get("torchvision"), "is_sayso", False)
    from transformers.utils.import_utils import is_torchvision_available

    is_torchvision_available()  # it remembers its answer, and ours must not pass for the whole of torchvision
    for name in ("torchvision", "torchvision.models"):
        module = types.ModuleType(name, "Be what the textbook needs of torchvision.")
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        sys.modules[name] = module
    sys.modules["torchvision"].__dict__.update(models=sys.modules["torchvision.models"], is_sayso=True)
    sys.modules["torchvision.models"].__dict__.update(resnet50=resnet50)
    return True
