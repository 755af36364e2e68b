"""The interface of caption methods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from guidance.encoders.base import Encoder
from guidance.options import Component


@dataclass(frozen=True)
class Caption:
    """A caption of one image."""

    text: str
    similarity: float  # cosine of image and caption by the encoder that made it
    concepts: tuple[str, ...] = ()  # what was found in the image, most probable first
    encodes: int = 0  # texts that were encoded for it


class Captioner(Component):
    """Makes captions from image embeddings.

    Embeddings may be of one image, the mean of the frames of a segment, or a sum of images and
    texts with weights; a method cannot tell.
    """

    def caption(self, vectors: Float[Tensor, "b d"], seed: int = 0) -> list[Caption]:
        """A caption for each unit vector of the encoder's space."""
        raise NotImplementedError

    @classmethod
    def load(cls, encoder: Encoder, options: Any) -> Captioner:
        """The method with these options, an instance of `cls.Options`.

        Raises:
            InputError: a file cannot be used, or the method does not work with this encoder.
            MissingWeights: a model is not on this machine.
        """
        raise NotImplementedError
