"""CLIPSeg, a segmenter of transformers for real images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.models.foreign.hub_models import load_model, load_processor
from guidance.models.foreign.libraries import library_errors
from guidance.segmenters.base import as_array


class ClipSeg:
    """CLIPSeg: a decoder on CLIP that segments by a text.

    Source: Lüddecke & Ecker, arXiv 2112.10003.
    """

    def __init__(self, name: str, folder: Path, device: str) -> None:
        from transformers import CLIPSegForImageSegmentation, CLIPSegProcessor

        self.name, self.device = name, device
        self.processor = load_processor(CLIPSegProcessor, folder)
        self.model = load_model(CLIPSegForImageSegmentation, folder, device)
        self.folder = folder

    @torch.no_grad()
    def probabilities(
        self, image: Float[Tensor, "3 h w"], texts: Sequence[str]
    ) -> Float[Tensor, "k h w"]:
        """See `Segmenter.probabilities`."""
        with library_errors(self.folder, "cannot segment"):
            inputs = self.processor(
                text=list(texts),
                images=[as_array(image)] * len(texts),
                padding=True,
                return_tensors="pt",
            )
            logits = self.model(**inputs.to(self.device)).logits.float()
        logits = logits.reshape(len(texts), 1, *logits.shape[-2:])
        whole = F.interpolate(logits, image.shape[-2:], mode="bilinear", align_corners=False)
        return whole[:, 0].sigmoid().to(image.device)
