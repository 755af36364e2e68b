"""Weighted sums of a denoiser's noise predictions for several prompts."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from guidance.diffusion.base import Condition, Denoiser, Level
from guidance.losses.sds.prompts import PromptBatch
from guidance.transfers import to_device, together

#: One factor for all latents, or one per latent, on the CPU.
Factor = float | Float[Tensor, "b"]


class NoisePredictions:
    """The noise predictions of a denoiser for the prompts of `b` images.

    Args:
        denoiser: frozen.
        condition: the encoded texts, one row each; the first is "".
        prompts: the phrases of these images, by the name of their group.
        micro_batch: the maximum number of latents per forward pass of the denoiser.
        perp_neg: uses only the component of "negative" that is perpendicular to "prompt".
    """

    def __init__(
        self,
        denoiser: Denoiser,
        condition: Condition,
        prompts: Mapping[str, PromptBatch],
        *,
        micro_batch: int,
        perp_neg: bool = False,
    ) -> None:
        self.denoiser, self.condition, self.prompts = denoiser, condition, prompts
        self.micro_batch, self.perp_neg = micro_batch, perp_neg

    def combine(
        self, noisy: Float[Tensor, "b c h w"], level: Level, unconditional: Factor, **groups: Factor
    ) -> Float[Tensor, "b c h w"]:
        """`unconditional * e_0 + sum over groups of factor * D`, with `D = sum_k w_k (e_k - e_0)`.

        e_0 is the noise prediction for "", and e_k that for phrase k of a group, of weight w_k.
        Predictions whose factor is 0 are not evaluated: `combine(noisy, level, 1, prompt=1)` of one
        phrase of weight 1 is the conditional prediction alone.

        Args:
            noisy: latents.
            level: their noise level.
            unconditional: the factor of e_0.
            groups: factors by the name of their group, e.g. `prompt=7.5, negative=-7.5`.

        Source: composition of phrases, Liu et al. 2022 (arXiv 2206.01714); Perp-Neg, Armandpour et
        al. 2023 (arXiv 2304.04968).
        """
        b = len(noisy)
        names = [name for name in groups if self.prompts[name].index.shape[1]]
        if self.perp_neg and {"prompt", "negative"} <= set(names):
            return self._combine_perp_neg(noisy, level, unconditional, groups, names)
        factors_of = {
            name: _column(groups[name], b) * self.prompts[name].weights.double() for name in names
        }
        first = _column(unconditional, b) - sum(f.sum(1, keepdim=True) for f in factors_of.values())
        factors = torch.cat([first, *factors_of.values()], 1)
        # A sum such as 1 - 0.3 - 0.7 leaves a rounding error, which is no reason for a prediction.
        needed = factors.abs() > 1e-6 * factors.abs().amax(1, keepdim=True)
        predicted = self._predict(noisy, level, self._index(names, b), needed)
        return (predicted * _like(factors[..., None, None, None], noisy)).sum(1)

    def _combine_perp_neg(
        self,
        noisy: Float[Tensor, "b c h w"],
        level: Level,
        unconditional: Factor,
        groups: Mapping[str, Factor],
        names: list[str],
    ) -> Float[Tensor, "b c h w"]:
        """Perp-Neg, which is not a weighted sum and needs each prediction separately."""
        b = len(noisy)
        weights = torch.cat([self.prompts[name].weights for name in names], 1)
        needed = torch.cat([torch.ones(b, 1, dtype=torch.bool), weights != 0], 1)
        predicted = self._predict(noisy, level, self._index(names, b), needed)
        base = predicted[:, 0]
        weighted = (predicted[:, 1:] - base[:, None]) * _like(weights[..., None, None, None], noisy)
        lengths = [self.prompts[name].index.shape[1] for name in names]
        parts = dict(zip(names, torch.split(weighted, lengths, 1), strict=True))
        parts["negative"] = _perpendicular(parts["negative"], parts["prompt"].sum(1))
        total = _like(_column(unconditional, b)[..., None, None], noisy) * base
        for name in names:
            factor = _like(_column(groups[name], b)[..., None, None], noisy)
            total = total + factor * parts[name].sum(1)
        return total

    def _index(self, names: list[str], b: int) -> Int[Tensor, "b m"]:
        """The rows of "" and of the phrases of some groups."""
        unconditional = torch.zeros(b, 1, dtype=torch.long)
        return torch.cat([unconditional, *(self.prompts[name].index for name in names)], 1)

    @torch.no_grad()
    def _predict(
        self,
        noisy: Float[Tensor, "b c h w"],
        level: Level,
        index: Int[Tensor, "b m"],
        needed: Bool[Tensor, "b m"],
    ) -> Float[Tensor, "b m c h w"]:
        """The noise prediction for each needed text, 0 elsewhere; in batches of even size."""
        image, column = needed.nonzero(as_tuple=True)
        predicted = noisy.new_zeros(*index.shape, *noisy.shape[1:])
        if not len(image):  # all weights are 0 at this progress
            return predicted
        batches = math.ceil(len(image) / self.micro_batch)
        for rows, columns in zip(
            image.tensor_split(batches), column.tensor_split(batches), strict=True
        ):
            texts, at, where = together((index[rows, columns], rows, columns), noisy.device)
            condition = self.condition.rows(texts)
            noise = self.denoiser.noise(noisy[at], level.rows(at), condition)
            predicted[at, where] = noise.to(predicted)
        return predicted


def _like(factors: Float[Tensor, "..."], other: Tensor) -> Float[Tensor, "..."]:
    """Factors on the device and in the dtype of another tensor."""
    return to_device(factors, other.device, other.dtype)


def _column(factor: Factor, b: int) -> Float[Tensor, "b 1"]:
    """A factor for each latent, in float64."""
    return torch.as_tensor(factor, dtype=torch.float64).expand(b).unsqueeze(1)


def _perpendicular(
    vectors: Float[Tensor, "b m c h w"], axis: Float[Tensor, "b c h w"]
) -> Float[Tensor, "b m c h w"]:
    """The component of the vectors that is perpendicular to the axis of their image."""
    square = axis.square().sum((1, 2, 3)).clamp_min(torch.finfo(axis.dtype).tiny)
    along = (vectors * axis[:, None]).sum((2, 3, 4)) / square[:, None]
    return vectors - along[..., None, None, None] * axis[:, None]
