"""SAM 3, a segmenter of transformers for real images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.models.foreign.hub_models import load_model, load_processor
from guidance.models.foreign.libraries import library_errors
from guidance.segmenters.base import as_array

#: Instances with less than this probability are dropped; the authors' value.
INSTANCE = 0.5


class Sam3:
    """SAM 3: all instances of what a short text names."""

    def __init__(self, name: str, folder: Path, device: str) -> None:
        from transformers import Sam3Model, Sam3Processor

        self.name, self.device, self.folder = name, device, folder
        self.processor = load_processor(Sam3Processor, folder)
        self.model = load_model(Sam3Model, folder, device)

    @torch.no_grad()
    def probabilities(
        self, image: Float[Tensor, "3 h w"], texts: Sequence[str]
    ) -> Float[Tensor, "k h w"]:
        """1 inside the instances, 0 outside; see `Segmenter.probabilities`."""
        picture, found = as_array(image), []
        for text in texts:
            with library_errors(self.folder, "cannot segment"):
                inputs = self.processor(images=picture, text=text, return_tensors="pt")
                outputs = self.model(**inputs.to(self.device))
                instances = self.processor.post_process_instance_segmentation(
                    outputs,
                    threshold=INSTANCE,
                    mask_threshold=0.5,
                    target_sizes=[picture.shape[:2]],
                )[0]["masks"]
            mask = torch.zeros(picture.shape[:2])
            for each in instances:
                mask = torch.maximum(mask, torch.as_tensor(each).cpu().float())
            found.append(mask)
        return torch.stack(found).to(image)
