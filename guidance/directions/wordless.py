"""Directions without words: principal components of latents, and eigenvectors of the weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.directions.direction import StyleDirection
from guidance.directions.samples import STATISTICS, sample_ws, style_deviations
from guidance.errors import InputError
from guidance.stylegan.networks.network import StyleGAN
from guidance.stylegan.networks.synthesis import Synthesis


def pca_direction(
    network: StyleGAN,
    component: int = 1,
    *,
    space: Literal["w", "s"] = "w",
    layers: Sequence[int] | None = None,
    samples: int = STATISTICS,
    seed: int = 0,
) -> StyleDirection:
    """A principal component of random latents; strength 1 is its standard deviation.

    Args:
        network: frozen.
        component: from 1, by the variance.
        space: of latents w, or of styles in units of their deviations.
        layers: the indices of the layers that change; all by default.
        samples: random latents.
        seed: of the latents.

    Raises:
        InputError: no such component or layer.

    Source: Härkönen et al., "GANSpace" (arXiv 2004.02546).
    """
    ws = sample_ws(network, samples, seed, truncation=1.0)
    stds = style_deviations(network, seed, samples)
    if space == "w":
        axis = _component(ws, component, samples)
        return _from_w(network, axis, stds, layers, f"component {component} of w")
    with torch.no_grad():
        styles = [style.cpu() for style in network.synthesis.styles(ws)]
    relative = torch.cat(
        [torch.nan_to_num(x / std, 0, 0, 0) for x, std in zip(styles, stds, strict=True)], 1
    )
    steps = torch.split(_component(relative, component, samples), [len(std) for std in stds])
    return _of_layers(network, steps, stds, layers, f"component {component} of styles")


def sefa_direction(
    network: StyleGAN,
    component: int = 1,
    *,
    layers: Sequence[int] | None = None,
    seed: int = 0,
) -> StyleDirection:
    """The latent direction that changes styles most per length, by the weights alone.

    It is an eigenvector of A'A, where A is the stacked weights of the layers from w to styles.
    Strength 1 is the standard deviation of random latents along it.

    Args:
        network: frozen.
        component: from 1, by the eigenvalue.
        layers: the indices of the layers whose weights count and that change; all by default.
        seed: of the latents.

    Raises:
        InputError: no such component or layer.

    Source: Shen and Zhou, "Closed-Form Factorization of Latent Semantics in GANs" (arXiv
    2007.06600).
    """
    chosen = _checked(network, layers)
    weights = affine_weights(network.synthesis)
    stacked = torch.cat([weights[index] for index in chosen])
    _, axes = torch.linalg.eigh((stacked.T @ stacked).double())
    if not 1 <= component <= len(axes):
        raise InputError(f"component {component}: expected 1 to {len(axes)}")
    axis = axes[:, -component].float()
    ws = sample_ws(network, STATISTICS, seed, truncation=1.0).cpu()
    stds = style_deviations(network, seed)
    axis = axis * (ws @ axis).std()
    return _from_w(network, axis, stds, layers, f"eigenvector {component} of the weights")


def affine_weights(synthesis: Synthesis) -> tuple[Float[Tensor, "c d"], ...]:
    """The matrix from w to the style of each layer, on the CPU; the map is affine."""
    parameter = next(synthesis.parameters())
    eye = torch.eye(synthesis.w_dim, device=parameter.device, dtype=parameter.dtype)
    with torch.no_grad():
        moved = synthesis.styles(eye)
        origin = synthesis.styles(torch.zeros_like(eye[:1]))
    return tuple((one - zero).T.cpu() for one, zero in zip(moved, origin, strict=True))


def _component(x: Float[Tensor, "n d"], component: int, samples: int) -> Float[Tensor, "d"]:
    """A principal component with its standard deviation as length, its largest number positive."""
    most = min(samples - 1, x.shape[1])
    if not 1 <= component <= most:
        raise InputError(f"component {component}: expected 1 to {most}")
    centered = (x - x.mean(dim=0)).cpu()
    _, sizes, axes = torch.linalg.svd(centered, full_matrices=False)
    axis = axes[component - 1]
    sign = axis[axis.abs().argmax()].sign()
    found: Tensor = sign * axis * sizes[component - 1] / (samples - 1) ** 0.5
    return found


def _from_w(
    network: StyleGAN,
    axis: Float[Tensor, "d"],
    stds: Sequence[Tensor],
    layers: Sequence[int] | None,
    text: str,
) -> StyleDirection:
    moved = [weight @ axis for weight in affine_weights(network.synthesis)]
    steps = [torch.nan_to_num(x / std, 0, 0, 0) for x, std in zip(moved, stds, strict=True)]
    return _of_layers(network, steps, stds, layers, text)


def _of_layers(
    network: StyleGAN,
    steps: Sequence[Tensor],
    stds: Sequence[Tensor],
    layers: Sequence[int] | None,
    text: str,
) -> StyleDirection:
    chosen = _checked(network, layers)
    kept = [x if index in chosen else torch.zeros_like(x) for index, x in enumerate(steps)]
    return StyleDirection.of(network, kept, stds, text=text)


def _checked(network: StyleGAN, layers: Sequence[int] | None) -> list[int]:
    count = len(network.synthesis.layers)
    chosen = list(range(count)) if layers is None else list(layers)
    if not chosen or not all(0 <= index < count for index in chosen):
        raise InputError(f"layers: expected numbers from 0 to {count - 1}, at least one")
    return chosen
