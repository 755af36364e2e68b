"""The interface of a frozen image-text model."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn


class Encoder(nn.Module):
    """Pictures and texts as unit vectors of one space.

    Range conversion, resizing and normalization live here and nowhere else: callers give sRGB
    pictures in [0, 1] of any size.
    """

    name: str  # what the user asked for, e.g. "mini" or "ViT-B-32/openai"
    family: str  # models of one family never judge one another, e.g. "mini-clip", "clip"
    image_size: int  # pixels a side that the picture tower takes
    logit_scale: float  # multiplies the cosine before softmax or sigmoid
    logit_bias: float | None  # SigLIP's bias; None for models trained with softmax
    templates: tuple[str, ...]  # "{}" is the text; their embeddings are averaged
    alternatives: tuple[str, ...]  # everyday captions to contrast a prompt with

    def encode_image(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        """Unit vectors of pictures in [0, 1]; differentiable in the pictures, frozen weights."""
        raise NotImplementedError

    def encode_text(self, texts: list[str]) -> Float[Tensor, "b d"]:
        """Unit vectors of texts, no gradient. Cached: a text is encoded once in a run."""
        raise NotImplementedError

    def free_text_tower(self) -> None:
        """Drops the text tower once the prompts are encoded; cached texts stay available."""
        raise NotImplementedError
