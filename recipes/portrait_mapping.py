"""The layers of the mapping network that compute attributes from z.

An attribute is an interval of a normal number (`factors.intervals`), so its indicator is a steep
ramp at one border, minus that at the next. A ramp is a difference of two ReLUs, and a ReLU is a sum
of two leaky ReLUs: one hidden layer computes all attributes exactly, but for z close to a border.
Gradient descent finds such steep layers very slowly: after 90 s it had explained half of the
variance of w, and its faces were means of faces.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from guidance.stylegan.networks.dense import ROOT_2, SLOPE, Dense, Mapping
from recipes.data import portrait_factors as factors

RAMP = 0.03  # its width in standard deviations
ENTANGLING = (256, 256, 256)  # hidden widths of the layers from attributes to w
_BORDERS = sum(len(values) - 1 for values in factors.ATTRIBUTES.values())
_COLORS = 3 * len(factors.PAINTED) + 3
#: The hidden widths of the whole mapping: ramps, attributes, and the layers from these to w.
WIDTHS = (4 * _BORDERS + 2 * _COLORS, factors.WIDTH, *ENTANGLING)


def rotation(z_dim: int, seed: int) -> Tensor:
    """Which directions of z the numbers of a portrait are, `[NUMBERS, z_dim]`, orthonormal."""
    draw = torch.Generator().manual_seed(seed)
    square = torch.randn(z_dim, z_dim, generator=draw, dtype=torch.float64)
    return torch.linalg.qr(square)[0][: factors.NUMBERS].float()


@torch.no_grad()
def compose(mapping: Mapping, known: Mapping, directions: Tensor) -> None:
    """Sets the weights of a mapping from z to those of the attributes of z, and of `known`.

    Args:
        mapping: of the widths `WIDTHS`; changed.
        known: from `factors.vectors` to w, of the widths `ENTANGLING`.
        directions: see `rotation`.
    """
    read = torch.from_numpy(factors.mixing()).float() @ directions  # [NUMBERS, z_dim]
    first, offsets, second, shift = [], [], [], torch.zeros(factors.WIDTH)

    def unit(weight: Tensor, offset: float, effect: Tensor) -> None:
        first.append(weight)
        offsets.append(offset)
        second.append(effect)

    def relu(weight: Tensor, offset: float, effect: Tensor) -> None:
        scale = 1 - SLOPE**2
        unit(weight, offset, effect / scale)
        unit(-weight, -offset, effect * SLOPE / scale)

    start = 0
    values = torch.eye(factors.WIDTH)  # rows: the effect of each number of `factors.vectors`
    for row, (name, possible) in enumerate(factors.ATTRIBUTES.items()):
        order, borders = factors.intervals(name)
        effects = [_effect(values[start + k], name, k) for k in order]
        shift += effects[0]
        for border, before, after in zip(borders, effects, effects[1:], strict=False):
            weight = read[row] / RAMP
            relu(weight, 0.5 - border / RAMP, after - before)
            relu(weight, -0.5 - border / RAMP, before - after)
        start += len(possible)
    for index in range(_COLORS):
        effect = values[start + index] * _spread(index) / (1 + SLOPE)
        unit(read[len(factors.NAMES) + index], 0.0, effect)
        unit(-read[len(factors.NAMES) + index], 0.0, -effect)
    shift[-3:] += 2 * factors.BACKGROUND - 1
    shift[start:] += 1  # so that no color is negative: the leaky ReLU would change it
    _set(mapping.get_submodule("fc0"), torch.stack(first), torch.tensor(offsets))
    _set(mapping.get_submodule("fc1"), torch.stack(second, 1) / ROOT_2, shift)

    # `known` normalizes its input; here the mean norm stands for that.
    drawn = factors.vectors(factors.sample(4096, np.random.default_rng(1), 0.0))
    size = float(np.sqrt((drawn**2).mean(1)).mean())
    entry = known.get_submodule("fc0")
    weight = entry.weight * entry.gain / size
    lifted = torch.zeros(factors.WIDTH)
    lifted[start:] = 1
    _set(mapping.get_submodule("fc2"), weight / ROOT_2, entry.bias - weight @ lifted)
    for index in range(1, known.num_layers):
        layer = known.get_submodule(f"fc{index}")
        mapping.get_submodule(f"fc{index + 2}").load_state_dict(layer.state_dict())


def _effect(row: Tensor, name: str, value: int) -> Tensor:
    """What one value of an attribute adds to `factors.vectors`: its indicator and its color."""
    effect = row.clone()
    if name in factors.PAINTED:
        place = factors.WIDTH - _COLORS + 3 * factors.PAINTED.index(name)
        effect[place : place + 3] += torch.tensor(factors.COLORS[name][value]) / 127.5 - 1
    return effect


def _spread(index: int) -> float:
    """How much one number of a color varies in `factors.vectors`."""
    painted = index // 3
    if painted == len(factors.PAINTED):
        return 2 * factors.BACKGROUND_SPREAD
    return factors.SPREADS[factors.PAINTED[painted]] / 127.5


def _set(layer: Dense, weight: Tensor, bias: Tensor) -> None:
    layer.weight.copy_(weight / layer.gain)
    layer.bias.copy_(bias / layer.learning_rate)
