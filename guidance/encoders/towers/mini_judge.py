"""The image tower of the mini judge, as timm and open_clip build it (see `towers.mini`).

A ResNet-D with squeeze-and-excitation, and an attention pool. The names of its tensors are those of
timm.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

STEM, CHANNELS = 24, (48, 96, 192, 320)
#: Positions of the last map, and channels of one head of the attention pool.
POSITIONS, HEAD = 9, 64


def _convolution(width_in: int, width_out: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(width_in, width_out, 3, stride, 1, bias=False)


class _Excitation(nn.Module):
    """Factors of channels, from the means of all channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        fewer = max(8, (channels // 16 + 4) // 8 * 8)
        self.fc1 = nn.Conv2d(channels, fewer, 1)
        self.fc2 = nn.Conv2d(fewer, channels, 1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        factors: Tensor = self.fc2(F.relu(self.fc1(x.mean((2, 3), keepdim=True))))
        return x * factors.sigmoid()


class _Block(nn.Module):
    """Two convolutions, an excitation and a shortcut."""

    def __init__(self, width_in: int, width_out: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = _convolution(width_in, width_out, stride), nn.BatchNorm2d(width_out)
        self.conv2, self.bn2 = _convolution(width_out, width_out), nn.BatchNorm2d(width_out)
        self.se = _Excitation(width_out)
        self.downsample: nn.Module = nn.Identity()
        if stride > 1:
            projection = nn.Conv2d(width_in, width_out, 1, bias=False)
            means = nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False)
            self.downsample = nn.Sequential(means, projection, nn.BatchNorm2d(width_out))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d hh ww"]:
        inner = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(self.se(inner) + self.downsample(x))


class JudgeTower(nn.Module):
    """The residual network."""

    def __init__(self) -> None:
        super().__init__()
        width = CHANNELS[0]
        stem: list[nn.Module] = [_convolution(3, STEM, 2), nn.BatchNorm2d(STEM), nn.ReLU()]
        stem += [_convolution(STEM, STEM), nn.BatchNorm2d(STEM), nn.ReLU()]
        self.conv1 = nn.Sequential(*stem, _convolution(STEM, width))
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = nn.Sequential(_Block(width, width, 1))
        self.layer2 = nn.Sequential(_Block(width, CHANNELS[1], 2))
        self.layer3 = nn.Sequential(_Block(CHANNELS[1], CHANNELS[2], 2))
        self.layer4 = nn.Sequential(_Block(CHANNELS[2], CHANNELS[3], 2))

    def forward_intermediates(
        self, x: Float[Tensor, "b 3 h w"]
    ) -> list[Float[Tensor, "b c rows columns"]]:
        """The maps of the stem and of the four blocks."""
        maps = [F.relu(self.bn1(self.conv1(x)))]
        x = F.max_pool2d(maps[0], 3, 2, 1)
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
            maps.append(x)
        return maps

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b c rows columns"]:
        return self.forward_intermediates(x)[-1]


class AttentionPool(nn.Module):
    """Self-attention over a map and its mean; the output of the mean is the vector."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.qkv, self.proj = nn.Linear(channels, 3 * channels), nn.Linear(channels, out)
        self.pos_embed = nn.Parameter(torch.zeros(POSITIONS + 1, channels))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d"]:
        tokens = x.flatten(2).mT
        tokens = torch.cat([tokens.mean(1, keepdim=True), tokens], dim=1) + self.pos_embed
        b, t, c = tokens.shape
        q, k, v = self.qkv(tokens).reshape(b, t, 3, c // HEAD, HEAD).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, t, c)
        vectors: Tensor = self.proj(mixed)
        return vectors[:, 0]
