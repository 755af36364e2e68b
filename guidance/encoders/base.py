"""The interface of a frozen image-text model."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from guidance.errors import InputError


class Encoder(nn.Module):
    """Images and texts as unit vectors of one space.

    Range conversion, resizing and normalization live here and nowhere else: callers give sRGB
    images in [0, 1] of any size.
    """

    name: str  # what the user asked for, e.g. "mini" or "ViT-B-32/openai"
    family: str  # models of one family never judge one another, e.g. "mini-clip", "clip"
    image_size: int  # pixels a side that the image tower takes
    logit_scale: float  # multiplies the cosine before softmax or sigmoid
    logit_bias: float | None  # SigLIP's bias; None for models trained with softmax
    templates: tuple[str, ...]  # "{}" is the text; their embeddings are averaged
    alternatives: tuple[str, ...]  # everyday captions to contrast a prompt with

    def encode_image(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        """Unit vectors of images in [0, 1]; differentiable in the images, frozen weights."""
        raise NotImplementedError

    def image_maps(
        self, images: Float[Tensor, "b 3 h w"]
    ) -> list[Float[Tensor, "b c rows columns"]]:
        """What the blocks of the image tower hold of images in [0, 1], from first to last.

        Differentiable in the images. Towers that are fully convolutional take them at their own
        size, which then is the caller's to choose; others fit them to theirs first.

        Raises:
            InputError: the encoder does not let one look inside.
        """
        raise InputError(
            f"{self.name}: does not show the maps inside its image tower; use mini, or another "
            "model of open_clip"
        )

    def encode_text(self, texts: list[str]) -> Float[Tensor, "b d"]:
        """Unit vectors of texts, no gradient. Cached: a text is encoded once in a run."""
        raise NotImplementedError

    def free_text_tower(self) -> None:
        """Drops the text tower once the prompts are encoded; cached texts stay available."""
        raise NotImplementedError
