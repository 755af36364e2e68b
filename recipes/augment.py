"""Augmentation: stored images are placed on backgrounds and slightly degraded.

Everything is a batched torch operation on `b` images; one call costs a few per cent of the
training step that it feeds.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from recipes.data.colors import NAMES, PALETTE

_PALETTE = torch.tensor(list(PALETTE.values())).float() / 255


def place(rgba: Tensor, size: int, draw: torch.Generator, strength: Tensor | float = 1.0) -> Tensor:
    """Random scale 0.6-1.6, shift, turn and shear of RGBA images, at the model's size.

    `rgba` is float `[b, 4, h, w]` in [0, 1], straight alpha; `strength`, one or `[b]`, says how
    much of all that. Returns `[b, 4, size, size]` with
    the colors multiplied by alpha, so that edges do not pick up what is stored outside.
    """
    b = len(rgba)
    strength = torch.as_tensor(strength).expand(b)
    premultiplied = torch.cat([rgba[:, :3] * rgba[:, 3:], rgba[:, 3:]], 1)
    scale = torch.exp(strength * (0.49 * torch.rand(b, generator=draw) * 2 - 0.51) + 0.02)
    aspect = torch.exp(0.1 * strength * torch.randn(b, generator=draw))
    angle = 0.2 * strength * torch.randn(b, generator=draw)
    shear = 0.1 * strength * torch.randn(b, generator=draw)
    # Large images may extend beyond the frame by a third, small ones stay inside.
    room = (1 - scale).abs() + 0.12
    reach = strength * room / scale
    shift = (torch.rand(b, 2, generator=draw) * 2 - 1) * reach[:, None]
    cos, sin = torch.cos(angle) / scale, torch.sin(angle) / scale
    theta = torch.stack(
        [
            torch.stack([cos * aspect, -sin + shear, shift[:, 0]], -1),
            torch.stack([sin, cos / aspect, shift[:, 1]], -1),
        ],
        1,
    )
    small = scale < 0.85  # these would alias
    premultiplied[small] = _soft(premultiplied[small])
    grid = F.affine_grid(theta, [b, 4, size, size], align_corners=False)
    return F.grid_sample(premultiplied, grid, align_corners=False)


def backgrounds(b: int, size: int, draw: torch.Generator) -> tuple[Tensor, list[str]]:
    """Background images `[b, 3, size, size]`, and the color names of the plain ones.

    A third are plain colors with a name, a tenth white, the others any plain color, a gradient
    of two colors or smooth noise; these have the name "".
    """
    kind = torch.rand(b, generator=draw)
    chosen = torch.randint(len(NAMES), (b,), generator=draw)
    chosen[(kind > 0.33) & (kind < 0.43)] = NAMES.index("white")
    named = _PALETTE[chosen] + 0.05 * torch.randn(b, 3, generator=draw)
    plain = torch.where((kind < 0.43)[:, None], named, torch.rand(b, 3, generator=draw))
    other = torch.rand(b, 3, generator=draw)

    axis = torch.linspace(-1, 1, size)
    turn = 2 * math.pi * torch.rand(b, 1, 1, generator=draw)
    ramp = 0.5 + 0.5 * (torch.cos(turn) * axis[None, :, None] + torch.sin(turn) * axis)
    noise = torch.rand(b, 3, 3, 3, generator=draw)
    noise = F.interpolate(noise, size=(size, size), mode="bicubic", align_corners=False)
    fine = F.interpolate(torch.rand(b, 3, 9, 9, generator=draw), size=(size, size), mode="bilinear")

    mix = ramp[:, None] * ((kind > 0.55) & (kind < 0.75)).float()[:, None, None, None]
    picture = plain[:, :, None, None] * (1 - mix) + other[:, :, None, None] * mix
    noisy = (kind >= 0.75)[:, None, None, None]
    picture = torch.where(noisy, 0.65 * noise + 0.35 * fine, picture)
    names = [
        NAMES[c] if k < 0.43 else "" for c, k in zip(chosen.tolist(), kind.tolist(), strict=True)
    ]
    return picture.clamp(0, 1), names


def spoil(rgb: Tensor, draw: torch.Generator) -> Tensor:
    """Random brightness, contrast and saturation; blur for a third of them, noise for half."""
    b = len(rgb)

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(b, 1, 1, 1, generator=draw)

    gray = rgb.mean(1, keepdim=True)
    rgb = gray + (rgb - gray) * uniform(0.7, 1.3)
    rgb = 0.5 + (rgb - 0.5) * uniform(0.7, 1.2) + uniform(-0.12, 0.12)
    blurred = torch.rand(b, generator=draw) < 0.3
    rgb[blurred] = _soft(rgb[blurred])
    rgb = rgb + uniform(-0.06, 0.06).clamp(min=0) * torch.randn(rgb.shape, generator=draw)
    return rgb.clamp(0, 1)


def _soft(pictures: Tensor) -> Tensor:
    """Blurred by a small kernel, the border repeated."""
    padded = F.pad(pictures, (1, 1, 1, 1), mode="replicate")
    across = 0.25 * (padded[..., :-2] + padded[..., 2:]) + 0.5 * padded[..., 1:-1]
    return 0.25 * (across[..., :-2, :] + across[..., 2:, :]) + 0.5 * across[..., 1:-1, :]


def restyle(rgba: Tensor, share: float, draw: torch.Generator) -> Tensor:
    """Other drawing styles: contours for a share of the drawings, fewer tones, other textures.

    `rgba` is float `[b, 4, h, w]`, colors multiplied by alpha. Each of the three changes comes to
    its own random share of the images; none changes which color a plain area has. Texture: a
    random convolution (Xu et al., "Robust and Generalizable Visual Representation Learning via
    Random Convolutions", arXiv 2007.13003), here one kernel for all channels that sums to 1.
    """
    b = len(rgba)

    def chosen() -> Tensor:
        return (torch.rand(b, 1, 1, 1, generator=draw) < share).float()

    kernels = torch.randn(b, 1, 5, 5, generator=draw) / 5
    kernels = kernels - kernels.mean((2, 3), keepdim=True) + 1 / 25
    padded = F.pad(rgba[:, :3], (2, 2, 2, 2), mode="replicate").transpose(0, 1)
    filtered = F.conv2d(padded, kernels, groups=b).transpose(0, 1)
    mix = torch.rand(b, 1, 1, 1, generator=draw) * chosen()
    color = rgba[:, :3] + mix * (filtered - rgba[:, :3])

    tones = torch.randint(2, 6, (b, 1, 1, 1), generator=draw)
    color = torch.lerp(color, (color * tones).round() / tones, 0.7 * chosen())

    alpha = rgba[:, 3:]
    around = F.max_pool2d(alpha, 5, stride=1, padding=2) - alpha
    ink = torch.rand(b, 1, 1, 1, generator=draw).round()  # black or white
    contour = around * chosen()
    return torch.cat([color + ink * contour, alpha + contour], 1).clamp(0, 1)


def compose(
    pictures: Tensor,
    size: int,
    draw: torch.Generator,
    restyled: float = 0.0,
    strength: Tensor | float = 1.0,
) -> tuple[Tensor, list[str]]:
    """Stored images `uint8 [b, 4, 96, 96]` as training images `[b, 3, size, size]` in [0, 1].

    `restyled` is the share of `restyle`, `strength` that of `place`. Also returns each plain
    background's color name, or "".
    """
    placed = place(pictures.float() / 255, size, draw, strength)
    if restyled:
        placed = restyle(placed, restyled, draw)
    behind, names = backgrounds(len(pictures), size, draw)
    return spoil(placed[:, :3] + (1 - placed[:, 3:]) * behind, draw), names


def framed(
    pictures: Tensor, size: int, draw: torch.Generator, white: float, strength: float
) -> tuple[Tensor, list[str]]:
    """Stored images nearly whole and upright, the share `white` of them on white, not degraded.

    What a model that draws is to learn; shapes and names as of `compose`, "" on white too, so
    that white is what is drawn when nothing is said. `strength` is of moving and scaling, 1 as in
    `compose`.
    """
    b = len(pictures)
    placed = place(pictures.float() / 255, size, draw, strength=strength)
    behind, names = backgrounds(b, size, draw)
    on_white = torch.rand(b, generator=draw) < white
    behind[on_white] = 1.0
    names = ["" if w else name for w, name in zip(on_white.tolist(), names, strict=True)]
    return (placed[:, :3] + (1 - placed[:, 3:]) * behind).clamp(0, 1), names


def centered(pictures: Tensor, size: int, gray: float = 1.0) -> Tensor:
    """The images whole and centered, on one plain background, for evaluation."""
    rgba = pictures.float() / 255
    flat = rgba[:, :3] * rgba[:, 3:] + gray * (1 - rgba[:, 3:])
    return F.interpolate(flat, size=(size, size), mode="bilinear", antialias=True)
