"""The interface of models that find the part of an image that a text describes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from guidance.errors import InputError
from guidance.media.pixels import to_uint8

#: Pixels at least this probable are inside a mask.
INSIDE = 0.5


@runtime_checkable
class Segmenter(Protocol):
    """Finds parts of images by texts."""

    #: The name in messages, e.g. "mini" or "clipseg".
    name: str

    def probabilities(
        self, image: Float[Tensor, "3 h w"], texts: Sequence[str]
    ) -> Float[Tensor, "k h w"]:
        """How probable it is that a pixel belongs to the part that a text describes.

        Args:
            image: sRGB in [0, 1], of any size.
            texts: descriptions such as "the hair".
        """
        ...


def find_mask(
    segmenter: Segmenter, image: Float[Tensor, "3 h w"], words: str, where: str
) -> Bool[Tensor, "h w"]:
    """The pixels of the part that the words describe.

    Args:
        where: the name of the image, for messages.

    Raises:
        InputError: no pixel belongs to the part.
    """
    mask = segmenter.probabilities(image, [words])[0] >= INSIDE
    if not bool(mask.any()):
        raise InputError(
            f"words:{words}: {segmenter.name} does not find this in {where}; use other words, "
            "another --segmenter, or the file of a mask"
        )
    return mask


def as_array(image: Float[Tensor, "3 h w"]) -> UInt8[np.ndarray, "h w 3"]:
    """The image as processors of transformers take it."""
    return to_uint8(image.detach().float().cpu())
