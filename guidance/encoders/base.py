"""The interface of a frozen image-text model."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from guidance.encoders.files.card import ALTERNATIVES, TEMPLATES
from guidance.errors import InputError
from guidance.options import Component, Options


class Encoder(Component, nn.Module):
    """Embeds images and texts as unit vectors in one space.

    Callers pass sRGB images in [0, 1] of any size. Resizing, range conversion and normalization
    belong to the encoder alone.

    A subclass defines `name`, `family`, `image_size`, `encode_image` and `encode_text`; everything
    else has a default. `load_encoder` takes an instance, or the class if its constructor needs no
    arguments, and freezes its weights. For example, an encoder of mean colors:

        import torch
        import torch.nn.functional as F
        from guidance.encoders import Encoder

        class Colors(Encoder):
            name, family, image_size = "colors", "colors", 16

            def __init__(self):
                super().__init__()
                self.axes = torch.nn.Parameter(torch.eye(3))

            def encode_image(self, images):
                return F.normalize(images.mean((2, 3)) @ self.axes, dim=-1)

            def encode_text(self, texts):
                found = [[float(c in text) for c in ("red", "green", "blue")] for text in texts]
                return F.normalize(self.axes.new_tensor(found) @ self.axes, dim=-1)
    """

    #: The name in messages and records, e.g. "mini" or "ViT-B-32/openai".
    name: str
    #: The family, e.g. "mini-clip" or "clip". An encoder never judges losses of its own family.
    family: str
    #: Pixels a side of the images that the image tower takes.
    image_size: int
    #: The factor of the cosine before the softmax or sigmoid. The default is CLIP's.
    logit_scale: float = 100.0
    #: SigLIP's bias; None for models that are trained with a softmax.
    logit_bias: float | None = None
    #: Wordings in which "{}" stands for the text; a prompt is the mean of their embeddings.
    templates: tuple[str, ...] = TEMPLATES
    #: Everyday captions that the "logit" comparison contrasts a prompt with.
    alternatives: tuple[str, ...] = ALTERNATIVES

    @classmethod
    def from_options(cls, options: Options) -> str | Encoder:
        """The encoder of these options, or a name that `load_encoder` takes."""
        return cls(**dict(options))

    def fit(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 hh ww"]:
        """Images as `encode_image` resizes them, so that images of all sizes fit into one batch.

        By default, they stay as they are.
        """
        return images

    def encode_image(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        """Unit vectors of images in [0, 1]; differentiable in the images."""
        raise NotImplementedError

    def image_maps(
        self, images: Float[Tensor, "b 3 h w"]
    ) -> list[Float[Tensor, "b c rows columns"]]:
        """Feature maps of the blocks of the image tower, from first to last.

        Differentiable in the images, which are in [0, 1]. Fully convolutional towers accept images
        of any size; other towers resize them first.

        Raises:
            InputError: the encoder gives no feature maps.
        """
        raise InputError(
            f"{self.name}: gives no feature maps of its image tower; use mini, or another "
            "open_clip model"
        )

    def encode_text(self, texts: list[str]) -> Float[Tensor, "b d"]:
        """Unit vectors of texts, without gradient, on the device of the weights."""
        raise NotImplementedError

    def encode_sound(self, sounds: Sequence[Float[Tensor, "s"]]) -> Float[Tensor, "b d"]:
        """Unit vectors of sounds of 16,000 samples a second in [-1, 1], without gradient.

        Raises:
            InputError: the encoder reads no sounds.
        """
        raise InputError(f"{self.name}: reads no sounds; use imagebind (see docs/search.md)")

    def free_text_tower(self) -> None:
        """Releases the text tower once all prompts are encoded; by default, does nothing."""

    def forget_texts(self) -> None:
        """Forgets the encoded texts; by default, does nothing."""
