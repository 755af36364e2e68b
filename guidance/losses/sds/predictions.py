"""Sums of a denoiser's answers to several texts, each asked only where it counts."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from guidance.diffusion.base import Condition, Denoiser, Level
from guidance.losses.sds.prompts import PromptBatch

#: A factor for all latents, or one for each, on the CPU.
Factor = float | Float[Tensor, "b"]


class NoisePredictions:
    """The noise that a denoiser sees in the latents of some images, for sums of their texts.

    Args:
        denoiser: frozen.
        condition: the rows of all texts; the first is "".
        prompts: the phrases of these images, by group.
        micro_batch: latents given to the network at once.
        perpendicular: of the group "unwanted" only what is perpendicular to "wanted" counts.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        condition: Condition,
        prompts: Mapping[str, PromptBatch],
        *,
        micro_batch: int,
        perpendicular: bool = False,
    ) -> None:
        self.denoiser, self.condition, self.prompts = denoiser, condition, prompts
        self.micro_batch, self.perpendicular = micro_batch, perpendicular

    def sum(
        self, noisy: Float[Tensor, "b c h w"], level: Level, empty: Factor, **groups: Factor
    ) -> Float[Tensor, "b c h w"]:
        """`empty * e_0 + sum over groups of factor * D`, with `D = sum_k w_k (e_k - e_0)`.

        e_0 is the noise by the text "", e_k by a group's phrases of weights w_k. The network is
        asked only what the sum needs: with `empty=1, wanted=1` and one phrase of weight 1 that is
        the phrase alone.

        Source: composition of phrases, Liu et al. 2022, arXiv 2206.01714; Perp-Neg,
        Armandpour et al. 2023, arXiv 2304.04968.
        """
        b = len(noisy)
        names = [name for name in groups if self.prompts[name].index.shape[1]]
        per = {name: _each(groups[name], b) * self.prompts[name].weights.double() for name in names}
        if self.perpendicular and {"wanted", "unwanted"} <= set(names):
            return self._perpendicular(noisy, level, empty, groups, names)
        first = _each(empty, b) - sum(p.sum(1, keepdim=True) for p in per.values())
        index = torch.cat(
            [torch.zeros(b, 1, dtype=torch.long)] + [self.prompts[name].index for name in names], 1
        )
        factors = torch.cat([first, *per.values()], 1)
        # Of sums of weights such as 1 - 0.3 - 0.7, what is left is rounding.
        asked = factors.abs() > 1e-6 * factors.abs().amax(1, keepdim=True)
        answers = self._answers(noisy, level, index, asked)
        return (answers * factors[..., None, None, None].to(noisy)).sum(1)

    def _perpendicular(
        self,
        noisy: Float[Tensor, "b c h w"],
        level: Level,
        empty: Factor,
        groups: Mapping[str, Factor],
        names: list[str],
    ) -> Float[Tensor, "b c h w"]:
        """Perp-Neg, which is no weighted sum: every answer is needed by itself."""
        b = len(noisy)
        zero = torch.zeros(b, 1, dtype=torch.long)
        index = torch.cat([zero, *(self.prompts[name].index for name in names)], 1)
        weights = torch.cat([self.prompts[name].weights for name in names], 1)
        asked = torch.cat([torch.ones_like(zero, dtype=torch.bool), weights != 0], 1)
        answers = self._answers(noisy, level, index, asked)
        base = answers[:, 0]
        away = (answers[:, 1:] - base[:, None]) * weights[..., None, None, None].to(noisy)
        lengths = [self.prompts[name].index.shape[1] for name in names]
        split = dict(zip(names, torch.split(away, lengths, 1), strict=True))
        toward = split["wanted"].sum(1)
        split["unwanted"] = _off(split["unwanted"], toward)
        total = _each(empty, b)[..., None, None].to(noisy) * base
        for name in names:
            total = total + _each(groups[name], b)[..., None, None].to(noisy) * split[name].sum(1)
        return total

    @torch.no_grad()
    def _answers(
        self,
        noisy: Float[Tensor, "b c h w"],
        level: Level,
        index: Int[Tensor, "b m"],
        asked: Bool[Tensor, "b m"],
    ) -> Float[Tensor, "b m c h w"]:
        """The noise by each text that is asked for, 0 elsewhere; in even batches."""
        picture, column = asked.nonzero(as_tuple=True)
        answers = noisy.new_zeros(*index.shape, *noisy.shape[1:])
        if not len(picture):  # phrases whose weights are all 0 at this progress
            return answers
        batches = math.ceil(len(picture) / self.micro_batch)
        for rows, columns in zip(
            picture.tensor_split(batches), column.tensor_split(batches), strict=True
        ):
            condition = self.condition.rows(index[rows, columns])
            found = self.denoiser.noise(noisy[rows], level.rows(rows), condition)
            answers[rows, columns] = found.to(answers)
        return answers


def _each(factor: Factor, b: int) -> Float[Tensor, "b 1"]:
    """A factor of each latent, given for all or one by one."""
    return torch.as_tensor(factor, dtype=torch.float64).expand(b).unsqueeze(1)


def _off(
    vectors: Float[Tensor, "b m c h w"], axis: Float[Tensor, "b c h w"]
) -> Float[Tensor, "b m c h w"]:
    """What of the vectors is perpendicular to the axis of their image."""
    square = axis.square().sum((1, 2, 3)).clamp_min(torch.finfo(axis.dtype).tiny)
    along = (vectors * axis[:, None]).sum((2, 3, 4)) / square[:, None]
    return vectors - along[..., None, None, None] * axis[:, None]
