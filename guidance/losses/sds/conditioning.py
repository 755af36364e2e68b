"""A frozen denoiser with the encoded prompts of all samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from guidance.augment import Crops, Part
from guidance.diffusion.base import Condition, Denoiser
from guidance.losses.sds.predictions import NoisePredictions
from guidance.losses.sds.prompts import PromptGroup, TextTable
from guidance.prompts import Phrase

Rows = Sequence[Sequence[Phrase]]


def frozen(denoiser: str | Denoiser, device: torch.device, vae: str) -> Denoiser:
    """The denoiser, loaded if given by name, on a device and without gradients of weights."""
    if isinstance(denoiser, str):
        from guidance.diffusion import load_denoiser

        denoiser = load_denoiser(denoiser, device, vae=vae)
    return denoiser.to(device).requires_grad_(False).eval()


@dataclass(frozen=True)
class PromptTexts:
    """The texts of all samples' prompts, and the groups that they form, before they are encoded."""

    texts: tuple[str, ...]
    groups: Mapping[str, PromptGroup]

    @classmethod
    def of(
        cls,
        prompts: Rows,
        negatives: Rows,
        sources: Rows | None = None,
        *,
        suffixes: Mapping[str, str],
        view_prompts: bool,
        perp_neg: bool,
    ) -> PromptTexts:
        """Collects the texts of `n` samples.

        Args:
            prompts, negatives, sources: the phrases of each sample.
            suffixes: of further groups, each the prompts with a suffix; see `Method`.
            view_prompts: makes the prompts view-dependent.
            perp_neg: with `view_prompts`, adds "front view" as a negative for views that hide the
                front.
        """
        table = TextTable()
        negative = table.group(negatives)
        if view_prompts and perp_neg:
            negative = table.with_front_view(negative, prompts)
        elif view_prompts:
            negative = negative.for_all_views()
        groups = {"prompt": table.group(prompts, view_prompts=view_prompts), "negative": negative}
        for name, suffix in suffixes.items():
            groups[name] = table.group(prompts, view_prompts=view_prompts, suffix=suffix)
        if sources is not None:
            groups["source"] = table.group(sources)
        return cls(tuple(table.texts), groups)


@dataclass(frozen=True)
class Conditioning:
    """A frozen denoiser, and the encoded prompts of `n` samples."""

    denoiser: Denoiser
    condition: Condition
    groups: Mapping[str, PromptGroup]
    perp_neg: bool

    @classmethod
    def encode(cls, denoiser: Denoiser, texts: PromptTexts, perp_neg: bool) -> Conditioning:
        """Encodes all texts, then frees the text encoders of the denoiser."""
        condition = denoiser.encode_text(list(texts.texts))
        denoiser.free_text_towers()
        return cls(denoiser, condition, texts.groups, perp_neg)

    @property
    def num_samples(self) -> int:
        """The number of samples that the prompts are for."""
        return len(self.groups["prompt"].phrases)

    def predictions(
        self,
        crops: Crops,
        part: Part,
        views: Int[Tensor, "n v"],
        progress: float,
        micro_batch: int,
    ) -> NoisePredictions:
        """The noise predictions for the prompts of one micro-batch of images.

        Args:
            crops: all images of the step.
            part: the place of the micro-batch among them.
            views: the index into `VIEW_PROMPTS` of each view, on the CPU.
            progress: of the run, for the weights of phrases.
            micro_batch: the maximum number of latents per forward pass of the denoiser.
        """
        n, v, k = crops.shape
        samples = torch.arange(n).view(n, 1, 1).expand(n, v, k)[part.place].flatten()
        view = views[:, :, None].expand(n, v, k)[part.place].flatten()
        prompts = {
            name: group.batch(samples, view, progress) for name, group in self.groups.items()
        }
        return NoisePredictions(
            self.denoiser,
            self.condition,
            prompts,
            micro_batch=micro_batch,
            perp_neg=self.perp_neg,
        )
