"""Recognizing an encoder: embeddings of fixed texts and images."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.encoders.base import Encoder
from guidance.encoders.text.embedding import device_of
from guidance.errors import InputError

TEXTS = ["a face", "a red car", "an old house in the snow"]
#: The largest distance of the same unit vectors; those in bfloat16 and float32 differ by 0.05.
MOST = 0.15


def probe(encoder: Encoder) -> Float[Tensor, "p d"]:
    """Unit vectors of some texts and images.

    In contrast to a hash of the weights, they can be compared between precisions and devices.
    """
    ramp = torch.linspace(0, 1, 64)
    gray = ramp[:, None] * ramp
    image = torch.stack((gray, ramp.expand(64, 64), (1 - ramp)[:, None].expand(64, 64)))
    images = torch.stack((image, image.flip(2), (4 * image) % 1)).to(device_of(encoder))
    with torch.no_grad():
        embedded = encoder.encode_image(images)
    return torch.cat((encoder.encode_text(TEXTS).float().cpu(), embedded.float().cpu()))


def check_probe(encoder: Encoder, stored: Tensor, name: str, built_with: str) -> None:
    """Checks that an encoder is that of a file.

    Args:
        encoder: what will be used.
        stored: the embeddings in the file.
        name: of the file.
        built_with: the name of its encoder.

    Raises:
        InputError: it is another one.
    """
    own = probe(encoder)
    if own.shape != stored.shape or (own - stored).norm(dim=1).max() > MOST:
        raise InputError(
            f"{name}: was built with the encoder {built_with!r:.80}, which is not this "
            f"{encoder.name!r:.80}; choose that one or build the dictionary again"
        )
