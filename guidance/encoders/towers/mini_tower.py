"""The image tower of the mini CLIP."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

#: The arguments of the embedded tower.
MINI: Any = {"stem": (32, 96), "blocks": ((96, 1), (192, 2), (192, 1), (384, 2))}


def _convolution(width_in: int, width_out: int, stride: int, kernel: int = 3) -> nn.Sequential:
    """A convolution without bias, and a batch norm."""
    convolution = nn.Conv2d(width_in, width_out, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(width_out))


class _Block(nn.Module):
    """Two 3x3 convolutions and a shortcut, which is pooled and projected where shapes differ."""

    def __init__(self, width_in: int, width_out: int, stride: int) -> None:
        super().__init__()
        self.first = _convolution(width_in, width_out, stride)
        self.second = _convolution(width_out, width_out, 1)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or width_in != width_out:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride), _convolution(width_in, width_out, 1, kernel=1)
            )

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d hh ww"]:
        residual: Tensor = self.second(F.silu(self.first(x)))
        return F.silu(residual + self.shortcut(x))


class MiniTower(nn.Module):
    """A residual network for 64-pixel images: overlapping stem, SiLU, global mean.

    SiLU instead of ReLU, because a smooth activation helps both adversarial training and the
    gradients to the images (Xie et al., "Smooth Adversarial Training", arXiv 2006.14536). The stem
    reduces the side to a quarter in two steps, which avoids the largest maps: twice the speed of a
    block at half the side, with the same number of parameters.
    """

    #: `forward_intermediates` accepts images of any size.
    any_size = True
    default_cfg: dict[str, Any] = {"pool_size": None}  # noqa: RUF012 - read by open_clip

    def __init__(self, stem: tuple[int, int], blocks: tuple[tuple[int, int], ...]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = 3
        for width_out in stem:
            layers += [_convolution(width, width_out, 2), nn.SiLU()]
            width = width_out
        for width_out, stride in blocks:
            layers.append(_Block(width, width_out, stride))
            width = width_out
        self.layers = nn.Sequential(*layers)
        self.num_features = width

    def reset_classifier(self, num_classes: int) -> None:
        """Part of timm's interface; the tower has no classifier."""
        if num_classes:
            raise ValueError(f"MiniTower: expected num_classes=0, got {num_classes}")

    def forward_intermediates(
        self, x: Float[Tensor, "b 3 h w"], indices: list[int] | None = None, **unused: Any
    ) -> list[Float[Tensor, "b c rows columns"]]:
        """Part of timm's interface: the maps after the blocks, all or those of these indices."""
        maps = []
        for layer in self.layers:
            x = layer(x)
            if isinstance(layer, _Block):
                maps.append(x)
        return maps if indices is None else [maps[index] for index in indices]

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        maps: Tensor = self.layers(x)
        return maps.mean(dim=(2, 3))
