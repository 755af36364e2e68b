"""Which of two images is better, where only a vector field is known: the validation loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.diffusion.base import Level
from guidance.losses.sds.predictions import NoisePredictions

#: The times at which validation prompts.
FIXED_TIMES = (0.2, 0.4, 0.6, 0.8)
#: Of a scale: the factors of the error without words, and of what each group of words adds to it.
Factors = tuple[float, dict[str, float]]


def validation_loss(
    predictions: NoisePredictions,
    clean: Float[Tensor, "b c h w"],
    noises: Mapping[float, Float[Tensor, "b c h w"]],
    factors: Factors,
    weight: Callable[[Level], Tensor],
) -> Float[Tensor, "b"]:
    """The value of each latent, lower is better: what the method's field would go down.

    `sum over the latent of w(t) / 2 [f_0 E_0 + sum over groups of f (E - E_0)]`, averaged over the
    times of `noises`, with the squared error `E = (e_group - e)^2` of predicting the noise by a
    group's words, and E_0 of predicting it without any. For standard guidance that is
    `E_0 + s (E_y - E_0)`: E_0 bounds how unlikely the image is, the difference measures how
    little it fits the words. E alone would prefer plain images, whose noise anyone can tell; the
    difference alone, anything that other words fit even less.

    Source: the diffusion loss of DDPM (Ho et al. 2020, arXiv 2006.11239, equation 14), of which
    DreamFusion's field leaves out the network's Jacobian; its difference as a classifier, Li et
    al. 2023, arXiv 2303.16203.
    """
    total = clean.new_zeros(len(clean))
    empty, of_groups = factors
    asked = {name: f for name, f in of_groups.items() if predictions.prompts[name].index.shape[1]}
    rest = empty - sum(asked.values())
    for time, noise in noises.items():
        level = predictions.denoiser.level(torch.full((len(clean),), time), clean)
        noisy = level.mix(clean, noise)
        error = torch.zeros_like(total)
        for name, factor in asked.items():
            error = error + factor * _square(
                predictions.sum(noisy, level, 1.0, **{name: 1.0}) - noise
            )
        if rest:
            error = error + rest * _square(predictions.sum(noisy, level, 1.0) - noise)
        total = total + weight(level).flatten() * error / (2 * len(noises))
    return total


def guided(scale: float) -> Factors:
    """Of standard guidance, `E_0 + s (E_y - E_0) - s (E_negative - E_0)`."""
    return 1.0, {"wanted": scale, "unwanted": -scale}


def noise_free(scale: float) -> Factors:
    """Of NFSD, whose negative has no scale: `E_0 + s (E_y - E_0) - (E_negative - E_0)`."""
    return 1.0, {"wanted": scale, "unwanted": -1.0}


def classified(scale: float) -> Factors:
    """Of CSD at its end, which has no scale: `E_y - E_negative`."""
    return 0.0, {"wanted": 1.0, "unwanted": -1.0}


def bridged(scale: float) -> Factors:
    """Of SDS-Bridge, `s (E_fine - E_poor)`."""
    return 0.0, {"fine": scale, "poor": -scale}


def edited(scale: float) -> Factors:
    """Of DDS and PDS, `s (E_y - E_source)`; how far the image has come is not part of it."""
    return 0.0, {"wanted": scale, "source": -scale}


def _square(difference: Float[Tensor, "b c h w"]) -> Float[Tensor, "b"]:
    return difference.flatten(1).square().sum(1)
