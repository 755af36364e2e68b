"""Zero-shot classification: which of some labels fits an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.encoders import load_encoder
from guidance.encoders.base import Encoder
from guidance.encoders.text.embedding import embed_text
from guidance.errors import InputError
from guidance.losses.text.distractors import SAME_MEANING
from guidance.search.labels import Labels

#: The label of an image that no label fits.
NONE = "none of these"
#: Labels in the answer about one image.
SHOWN = 5


@dataclass(frozen=True)
class Prediction:
    """The labels of an image, the most probable first."""

    path: Path
    labels: tuple[str, ...]
    probabilities: tuple[float, ...]
    is_none: bool = False  # whether the best label is below the threshold

    @property
    def label(self) -> str:
        """The best label, or `NONE`."""
        return NONE if self.is_none else self.labels[0]

    def as_json(self) -> Mapping[str, object]:
        """The values for the output of a command."""
        best = {
            label: round(p, 4) for label, p in zip(self.labels, self.probabilities, strict=True)
        }
        return {"path": str(self.path), "label": self.label, "probabilities": best}


class Classifier:
    """Compares images with labels, each the mean of its wordings in all templates.

    The probability of a label is a softmax of the cosines, times the encoder's logit scale, divided
    by the temperature.

    Args:
        labels: names, or `Labels` with wordings.
        encoder: a name, or an Encoder.
        templates: wordings with {} for the label; by default those of the encoder.
        temperature: above 1 for less certain probabilities; see `guidance.search.calibration`.
        threshold: the least probability of the best label; below it, the image is `NONE`. The
            encoder's everyday captions then compete with the labels, because among few labels one
            is always probable.
        device: where images and labels are embedded.

    Raises:
        InputError: fewer than two labels without a threshold, or a label that is given twice.
    """

    def __init__(
        self,
        labels: Sequence[str] | Labels,
        encoder: str | Encoder = "mini",
        *,
        templates: Sequence[str] | None = None,
        temperature: float = 1.0,
        threshold: float | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        self.labels = labels if isinstance(labels, Labels) else Labels.of(labels)
        if len(self.labels.names) < 2 and threshold is None:
            raise InputError("classify: expected at least two labels, or --threshold")
        self.encoder = load_encoder(encoder, device)
        self.temperature, self.threshold = temperature, threshold
        self.vectors = torch.stack(
            [self._label(wordings, templates) for wordings in self.labels.wordings]
        )
        self.others = self._others() if threshold is not None else self.vectors[:0]

    def _label(
        self, wordings: Sequence[str], templates: Sequence[str] | None
    ) -> Float[Tensor, "d"]:
        vectors = [embed_text(self.encoder, text, templates).cpu() for text in wordings]
        return F.normalize(torch.stack(vectors).mean(0), dim=0)

    def _others(self) -> Float[Tensor, "o d"]:
        """The everyday captions that mean something else than the labels."""
        captions = list(self.encoder.alternatives)
        if not captions:
            return self.vectors[:0]
        vectors = F.normalize(self.encoder.encode_text(captions).float(), dim=-1).cpu()
        return vectors[(vectors @ self.vectors.T).amax(1) <= SAME_MEANING]

    def logits(self, images: Float[Tensor, "b d"]) -> Float[Tensor, "b l"]:
        """Logits of images among the labels, before the temperature."""
        return self.encoder.logit_scale * (images @ self.vectors.T)

    def probabilities(self, images: Float[Tensor, "b d"]) -> Float[Tensor, "b l"]:
        """Probabilities of the labels; with a threshold, they sum to less than 1."""
        every = torch.cat([self.vectors, self.others])
        logits = self.encoder.logit_scale * (images @ every.T) / self.temperature
        return logits.softmax(-1)[:, : len(self.vectors)]

    def predict(
        self, paths: Sequence[Path], images: Float[Tensor, "b d"], shown: int = SHOWN
    ) -> list[Prediction]:
        """The best labels of images by their unit vectors."""
        found = self.probabilities(images)
        values, places = found.topk(min(shown, found.shape[1]))
        least = -1.0 if self.threshold is None else self.threshold
        return [
            Prediction(
                path,
                tuple(self.labels.names[place] for place in row),
                tuple(best),
                best[0] < least,
            )
            for path, row, best in zip(paths, places.tolist(), values.tolist(), strict=True)
        ]
