"""Slow, written-out definitions of the layers of StyleGAN, which share no code with the package."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def upfirdn(
    x: Tensor, kernel: Tensor, up: int, down: int, padding: tuple[int, int], *, gain: float
) -> Tensor:
    """Zero insertion, padding, convolution and decimation, one loop for each."""
    if kernel.ndim == 1:
        kernel = torch.outer(kernel, kernel)
    n, c, h, w = x.shape
    wide = x.new_zeros(n, c, h * up, w * up)
    for i in range(h):
        for j in range(w):
            wide[:, :, i * up, j * up] = x[:, :, i, j]
    before, after = padding
    padded = x.new_zeros(n, c, h * up + before + after, w * up + before + after)
    for i in range(h * up):
        for j in range(w * up):
            if 0 <= i + before < padded.shape[2] and 0 <= j + before < padded.shape[3]:
                padded[:, :, i + before, j + before] = wide[:, :, i, j]
    t = len(kernel)
    rows, columns = padded.shape[2] - t + 1, padded.shape[3] - t + 1
    out = x.new_zeros(n, c, rows, columns)
    for a in range(t):
        for b in range(t):  # a convolution: the filter is mirrored
            out = out + kernel[t - 1 - a, t - 1 - b] * padded[:, :, a : a + rows, b : b + columns]
    return out[:, :, ::down, ::down] * gain


def fast_upfirdn(
    x: Tensor, kernel: Tensor, up: int, down: int, padding: tuple[int, int], *, gain: float
) -> Tensor:
    """The same with torch's convolution of all samples of a map, for larger maps."""
    if kernel.ndim == 1:
        kernel = torch.outer(kernel, kernel)
    n, c, h, w = x.shape
    wide = x.new_zeros(n, c, h * up, w * up)
    wide[:, :, ::up, ::up] = x
    wide = F.pad(wide, (*padding, *padding))
    flat = wide.reshape(n * c, 1, *wide.shape[2:])
    out = F.conv2d(flat, kernel.flip(0, 1)[None, None] * gain)
    return out.reshape(n, c, *out.shape[2:])[:, :, ::down, ::down]


def modulated(x: Tensor, weight: Tensor, style: Tensor, demodulate: bool) -> Tensor:
    """Kernels of each sample by themselves, in one grouped convolution; the side shrinks."""
    n = len(x)
    kernels = weight[None] * style[:, None, :, None, None]
    if demodulate:
        kernels = kernels / (kernels.square().sum(dim=(2, 3, 4), keepdim=True) + 1e-8).sqrt()
    out = F.conv2d(x.reshape(1, -1, *x.shape[2:]), kernels.flatten(0, 1), groups=n)
    return out.reshape(n, -1, *out.shape[2:])


def mapping(state: dict[str, Tensor], z: Tensor, labels: Tensor | None, rate: float) -> Tensor:
    x = z / (z.square().mean(1, keepdim=True) + 1e-8).sqrt()
    if labels is not None:
        weight, bias = state["mapping.embed.weight"], state["mapping.embed.bias"]
        y = labels @ weight.T / math.sqrt(weight.shape[1]) + bias
        x = torch.cat((x, y / (y.square().mean(1, keepdim=True) + 1e-8).sqrt()), dim=1)
    index = 0
    while f"mapping.fc{index}.weight" in state:
        weight, bias = state[f"mapping.fc{index}.weight"], state[f"mapping.fc{index}.bias"]
        x = x @ (weight * rate / math.sqrt(weight.shape[1])).T + bias * rate
        x = torch.where(x > 0, x, 0.2 * x) * math.sqrt(2)
        index += 1
    return x


def stylegan2(state: dict[str, Tensor], ws: Tensor, clamp: float | None = None) -> Tensor:
    """The synthesis of StyleGAN2 with skips and the stored noise."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    limit = math.inf if clamp is None else clamp
    prefix = "synthesis."

    def style(name: str, w: Tensor) -> Tensor:
        weight, bias = state[f"{prefix}{name}.affine.weight"], state[f"{prefix}{name}.affine.bias"]
        return w @ weight.T / math.sqrt(weight.shape[1]) + bias

    def conv(name: str, x: Tensor, w: Tensor, up: bool) -> Tensor:
        weight = state[f"{prefix}{name}.weight"]
        if up:
            x = fast_upfirdn(x, taps, 2, 1, (3, 2), gain=4.0)
            x = modulated(x, weight.flip(2, 3), style(name, w), True)
        else:
            x = modulated(F.pad(x, (1, 1, 1, 1)), weight, style(name, w), True)
        strength = state[f"{prefix}{name}.noise_strength"]
        x = x + strength * state[f"{prefix}{name}.noise_const"]
        x = x + state[f"{prefix}{name}.bias"][:, None, None]
        x = torch.where(x > 0, x, 0.2 * x) * math.sqrt(2)
        return x.clamp(-limit, limit)

    def torgb(name: str, x: Tensor, w: Tensor) -> Tensor:
        weight = state[f"{prefix}{name}.weight"]
        x = modulated(x, weight / math.sqrt(weight.shape[1]), style(name, w), False)
        return (x + state[f"{prefix}{name}.bias"][:, None, None]).clamp(-limit, limit)

    x = state[f"{prefix}b4.const"][None].repeat(len(ws), 1, 1, 1)
    x = conv("b4.conv1", x, ws[:, 0], up=False)
    image = torgb("b4.torgb", x, ws[:, 1])
    side, index = 8, 1
    while f"{prefix}b{side}.conv0.weight" in state:
        x = conv(f"b{side}.conv0", x, ws[:, index], up=True)
        x = conv(f"b{side}.conv1", x, ws[:, index + 1], up=False)
        image = fast_upfirdn(image, taps, 2, 1, (2, 1), gain=4.0)
        image = image + torgb(f"b{side}.torgb", x, ws[:, index + 2])
        side, index = side * 2, index + 2
    return image
