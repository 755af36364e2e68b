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


def lowpass(taps: int, cutoff: float, half_width: float, rate: float, radial: bool) -> Tensor:
    """A Kaiser-windowed sinc, or jinc, from their formulas (Kaiser and Schafer)."""
    at = [(i - (taps - 1) / 2) / rate for i in range(taps)]
    attenuation = 2.285 * (taps - 1) * math.pi * (2 * half_width / (rate / 2)) + 7.95
    if attenuation > 50:
        beta = 0.1102 * (attenuation - 8.7)
    elif attenuation > 21:
        beta = 0.5842 * (attenuation - 21) ** 0.4 + 0.07886 * (attenuation - 21)
    else:
        beta = 0.0
    window = torch.kaiser_window(taps, periodic=False, beta=beta, dtype=torch.float64)
    if not radial:
        kernel = torch.tensor([2 * cutoff * float(sinc(2 * cutoff * x)) for x in at]).double()
        kernel = kernel * window
        return (kernel / kernel.sum()).float()
    kernel = torch.empty(taps, taps, dtype=torch.float64)
    for i, y in enumerate(at):
        for j, x in enumerate(at):
            r = math.hypot(x, y)
            bessel = torch.special.bessel_j1(torch.tensor(2 * math.pi * cutoff * r).double())
            kernel[i, j] = bessel / r * window[i] * window[j]
    return (kernel / kernel.sum()).float()


def sinc(x: float) -> float:
    return 1.0 if x == 0 else math.sin(math.pi * x) / (math.pi * x)


def fourier_input(
    state: dict[str, Tensor], w: Tensor, size: int, rate: int, cutoff: float
) -> Tensor:
    """The input of StyleGAN3 with homogeneous matrices, one sample and pixel at a time."""
    weight, bias = state["synthesis.input.affine.weight"], state["synthesis.input.affine.bias"]
    style = w @ weight.T / math.sqrt(weight.shape[1]) + bias
    channels = len(state["synthesis.input.phases"])
    mixing = state["synthesis.input.weight"] / math.sqrt(channels)
    images = []
    for each in style:
        c, s, x, y = each / (each[0] ** 2 + each[1] ** 2).sqrt()
        zero, one = torch.zeros(()), torch.ones(())
        turn = torch.stack([c, -s, zero, s, c, zero, zero, zero, one]).view(3, 3)
        move = torch.stack([one, zero, -x, zero, one, -y, zero, zero, one]).view(3, 3)
        matrix = turn @ move @ state["synthesis.input.transform"]
        freqs = state["synthesis.input.freqs"] @ matrix[:2, :2]
        phases = state["synthesis.input.phases"] + state["synthesis.input.freqs"] @ matrix[:2, 2]
        fade = 1 - (freqs.norm(dim=1) - cutoff) / (rate / 2 - cutoff)
        rows = []
        for row in range(size):
            for column in range(size):
                point = torch.tensor(
                    [(column + 0.5 - size / 2) / rate, (row + 0.5 - size / 2) / rate]
                )
                waves = torch.sin(2 * math.pi * (freqs @ point + phases)) * fade.clamp(0, 1)
                rows.append(mixing @ waves)
        images.append(torch.stack(rows, dim=1).view(channels, size, size))
    return torch.stack(images)


def stylegan3(state: dict[str, Tensor], ws: Tensor, options: dict[str, float]) -> Tensor:
    """The synthesis of StyleGAN3; layers in the order of their names."""
    names = sorted(
        {name.split(".")[1] for name in state if name.startswith("synthesis.L")},
        key=lambda name: int(name[1:].split("_")[0]),
    )
    count, critical, side = len(names) - 1, int(options["critical"]), int(options["resolution"])
    first_stop, last_stop = 2**2.1, side / 2 * 2**0.3

    def band(index: int) -> tuple[float, int, float, int]:
        """Cutoff, sampling rate, half the transition, and size of the output of a layer."""
        t = min(index / (count - critical), 1)
        cutoff = 2 * (side / 4) ** t
        stop = first_stop * (last_stop / first_stop) ** t
        rate = 2 ** math.ceil(math.log2(min(stop * 2, side)))
        size = side if index >= count - 1 else rate + 2 * int(options["margin"])
        return cutoff, rate, max(stop, rate / 2) - cutoff, size

    cutoff, rate, _, size = band(0)
    x = fourier_input(state, ws[:, 0], size, rate, cutoff)
    for index, name in enumerate(names):
        part = {
            key.removeprefix(f"synthesis.{name}."): value
            for key, value in state.items()
            if key.startswith(f"synthesis.{name}.")
        }
        is_rgb = index == count
        affine = part["affine.weight"]
        style = ws[:, index + 1] @ affine.T / math.sqrt(affine.shape[1]) + part["affine.bias"]
        weight = part["weight"]
        kernel = weight.shape[-1]
        if is_rgb:
            style = style / math.sqrt(weight[0].numel())
        else:
            weight = weight / weight.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
            style = style / style.square().mean().sqrt()
        x = x / part["magnitude_ema"].sqrt()
        x = modulated(F.pad(x, (kernel - 1,) * 4), weight, style, not is_rgb)
        x = x + part["bias"][:, None, None]
        if is_rgb:
            return x.clamp(-256, 256) * 0.25
        before, after = band(max(index - 1, 0)), band(index)
        inner = max(before[1], after[1]) * 2
        up, down = inner // before[1], inner // after[1]
        up_taps, down_taps = 6 * up if up > 1 else 1, 6 * down if down > 1 else 1
        radial = bool(options["radial"]) and index < count - critical
        f_up = lowpass(up_taps, before[0], before[2], inner, radial=False)
        f_down = lowpass(down_taps, after[0], after[2], inner, radial)
        total = (after[3] - 1) * down + 1 - (before[3] + kernel - 1) * up + up_taps + down_taps - 2
        low = (total + up) // 2
        x = fast_upfirdn(x, f_up, up, 1, (low, total - low), gain=float(up**2))
        x = (torch.where(x > 0, x, 0.2 * x) * math.sqrt(2)).clamp(-256, 256)
        x = fast_upfirdn(x, f_down, 1, down, (0, 0), gain=1.0)
        assert x.shape[-1] == after[3]
    raise AssertionError("no layer")
