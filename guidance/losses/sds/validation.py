"""Validation losses: which of two images is better, for updates that are not a gradient."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.diffusion.base import Level
from guidance.losses.sds.predictions import NoisePredictions

#: The times at which validation adds noise: evenly spaced, without the ends.
FIXED_TIMES = (0.2, 0.4, 0.6, 0.8)
#: Factors of the unconditional error, and of the difference that each group of prompts adds to it.
ErrorFactors = tuple[float, dict[str, float]]


def validation_loss(
    predictions: NoisePredictions,
    clean: Float[Tensor, "b c h w"],
    noises: Mapping[float, Float[Tensor, "b c h w"]],
    factors: ErrorFactors,
    weight: Callable[[Level], Tensor],
) -> Float[Tensor, "b"]:
    """The scalar that the update of a method approximately decreases; lower is better.

        sum over the latent of  w(t) / 2 [f_0 E_0 + sum over groups of f (E - E_0)]

    averaged over the times of `noises`. `E = (e - e_true)^2` is the squared error of the noise
    prediction for a group of prompts, and E_0 that of the unconditional prediction.

    For classifier-free guidance this is `E_0 + s (E_y - E_0)`: E_0 bounds how unlikely the image
    is, and the difference measures how badly it matches the prompt. E_y alone would prefer plain
    images, whose noise is easy to predict; the difference alone would prefer images that match
    other prompts even less.

    Args:
        predictions: of a frozen denoiser.
        clean: latents.
        noises: fixed noise by time in (0, 1).
        factors: of a method at its guidance scale.
        weight: w(t).

    Source: the diffusion loss of DDPM, Ho et al. 2020 (arXiv 2006.11239), equation 14, whose
    gradient is the update of DreamFusion apart from the Jacobian of the network; and its
    difference as a classifier, Li et al. 2023 (arXiv 2303.16203).
    """
    total = clean.new_zeros(len(clean))
    unconditional, of_groups = factors
    present = {name: f for name, f in of_groups.items() if predictions.prompts[name].index.shape[1]}
    rest = unconditional - sum(present.values())
    for time, noise in noises.items():
        level = predictions.denoiser.level(torch.full((len(clean),), time), clean)
        noisy = level.mix(clean, noise)
        error = torch.zeros_like(total)
        for name, factor in present.items():
            predicted = predictions.combine(noisy, level, 1.0, **{name: 1.0})
            error = error + factor * _sum_of_squares(predicted - noise)
        if rest:
            predicted = predictions.combine(noisy, level, 1.0)
            error = error + rest * _sum_of_squares(predicted - noise)
        total = total + weight(level).flatten() * error / (2 * len(noises))
    return total


def _sum_of_squares(difference: Float[Tensor, "b c h w"]) -> Float[Tensor, "b"]:
    return difference.flatten(1).square().sum(1)


def guided(scale: float) -> ErrorFactors:
    """Classifier-free guidance: `E_0 + s (E_y - E_0) - s (E_negative - E_0)`."""
    return 1.0, {"prompt": scale, "negative": -scale}


def noise_free(scale: float) -> ErrorFactors:
    """NFSD, whose negative has no scale: `E_0 + s (E_y - E_0) - (E_negative - E_0)`."""
    return 1.0, {"prompt": scale, "negative": -1.0}


def classifier(scale: float) -> ErrorFactors:
    """CSD at the end of the run, which has no scale: `E_y - E_negative`."""
    return 0.0, {"prompt": 1.0, "negative": -1.0}


def bridge(scale: float) -> ErrorFactors:
    """SDS-Bridge: `s (E_fine - E_poor)`."""
    return 0.0, {"fine": scale, "poor": -scale}


def edit(scale: float) -> ErrorFactors:
    """DDS and PDS: `s (E_y - E_source)`; the distance from the source image is not included."""
    return 0.0, {"prompt": scale, "source": -scale}
