"""Grounding DINO with SAM, segmenters of transformers for real images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.models.foreign.hub_models import load_model, load_processor
from guidance.models.foreign.libraries import library_errors
from guidance.segmenters.base import as_array

#: Boxes of Grounding DINO with less than this probability are dropped; its authors' values.
BOX, TEXT = 0.3, 0.25


class GroundedSam:
    """Boxes of Grounding DINO, whose contents SAM segments.

    Source: Liu et al., arXiv 2303.05499; Kirillov et al., arXiv 2304.02643.
    """

    def __init__(self, name: str, detector: Path, segmenter: Path, device: str) -> None:
        from transformers import (
            AutoProcessor,
            GroundingDinoForObjectDetection,
            SamModel,
            SamProcessor,
        )

        self.name, self.device, self.folder = name, device, segmenter
        self.detector_processor = load_processor(AutoProcessor, detector)
        self.detector = load_model(GroundingDinoForObjectDetection, detector, device)
        self.processor = load_processor(SamProcessor, segmenter)
        self.model = load_model(SamModel, segmenter, device)

    @torch.no_grad()
    def probabilities(
        self, image: Float[Tensor, "3 h w"], texts: Sequence[str]
    ) -> Float[Tensor, "k h w"]:
        """1 inside the masks of the boxes, 0 outside; see `Segmenter.probabilities`."""
        picture = as_array(image)
        with library_errors(self.folder, "cannot segment"):
            found = [self._mask(picture, self._boxes(picture, text)) for text in texts]
        return torch.stack(found).to(image)

    def _boxes(self, picture: Any, text: str) -> Float[Tensor, "m 4"]:
        """Boxes in pixels: left, top, right, bottom."""
        # The detector was trained with texts in lower case that end with a period.
        inputs = self.detector_processor(
            images=picture, text=text.lower().rstrip(".") + ".", return_tensors="pt"
        ).to(self.device)
        outputs = self.detector(**inputs)
        found = self.detector_processor.post_process_grounded_object_detection(
            outputs,
            inputs["input_ids"],
            threshold=BOX,
            text_threshold=TEXT,
            target_sizes=[picture.shape[:2]],
        )
        boxes: Tensor = found[0]["boxes"].cpu()
        return boxes

    def _mask(self, picture: Any, boxes: Float[Tensor, "m 4"]) -> Float[Tensor, "h w"]:
        if not len(boxes):
            return torch.zeros(picture.shape[:2])
        inputs = self.processor(
            images=picture, input_boxes=[boxes.tolist()], return_tensors="pt"
        ).to(self.device)
        outputs = self.model(**inputs, multimask_output=False)
        masks = self.processor.post_process_masks(
            outputs.pred_masks.cpu(), inputs["original_sizes"].cpu(),
            inputs["reshaped_input_sizes"].cpu(),
        )[0]  # fmt: skip
        union: Tensor = masks.flatten(0, -3).any(0).float()
        return union
