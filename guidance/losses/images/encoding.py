"""Frozen encoders, and the embeddings of crops and of whole images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.augment import Augment, Crops, Part
from guidance.encoders.base import Encoder
from guidance.losses.images.batches import over_white
from guidance.outputs import Images
from guidance.types import StepContext


def frozen(encoders: Sequence[str | Encoder], device: torch.device) -> tuple[Encoder, ...]:
    """The encoders, loaded where given by name, on a device and without gradients of weights."""
    loaded = (
        _load(encoder, device) if isinstance(encoder, str) else encoder.to(device)
        for encoder in encoders
    )
    return tuple(encoder.requires_grad_(False).eval() for encoder in loaded)


def _load(name: str, device: torch.device) -> Encoder:
    from guidance.encoders import load_encoder  # imports open_clip, which takes seconds

    return load_encoder(name, device)


def embedded_crops(
    encoder: Encoder,
    augment: Augment,
    view: Callable[[], Images],
    context: StepContext,
    micro_batch: int,
) -> Iterator[tuple[Float[Tensor, "s v k d"], Crops, Part]]:
    """Draws the crops of one step and embeds them in micro-batches.

    Args:
        encoder: a frozen image-text model.
        augment: how crops are drawn.
        view: returns what the encoder sees. It is called once per micro-batch, because the
            backward pass of a micro-batch frees all of its graph.
        context: the step, whose seeds determine the draws.
        micro_batch: the maximum number of crops that are encoded at once.

    Yields:
        The embeddings of one micro-batch, all crops of the step, and the place of the
        micro-batch among them.
    """
    crops = augment.draw(context, view(), encoder.image_size)
    for part in crops.parts(micro_batch):
        yield embed_crops(encoder, augment, view(), crops, part), crops, part


def embed_crops(
    encoder: Encoder, augment: Augment, rendering: Images, crops: Crops, part: Part
) -> Float[Tensor, "s v k d"]:
    """Unit vectors of the crops of one micro-batch, in float32 or more."""
    vectors = encoder.encode_image(augment.apply(rendering, crops, part))
    s, v, k = crops.homographies[part.place].shape[:3]
    return _unit(vectors).view(s, v, k, -1)


@torch.no_grad()
def embed_whole(encoder: Encoder, rendering: Images) -> Float[Tensor, "n v d"]:
    """Unit vectors of whole images over white, resized to a square, without gradient.

    Images are encoded one at a time, so that memory does not depend on their number.
    """
    n, v = rendering.image.shape[:2]
    side = (encoder.image_size, encoder.image_size)
    vectors = []
    for index in range(n * v):
        image = over_white(rendering, slice(index, index + 1))
        square = F.interpolate(image, side, mode="bilinear", antialias=True)
        vectors.append(encoder.encode_image(square))
    return _unit(torch.cat(vectors)).view(n, v, -1)


def _unit(vectors: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
    return F.normalize(vectors.to(torch.promote_types(vectors.dtype, torch.float32)), dim=-1)


def batch_means(values: Float[Tensor, "b"], crops: Crops, part: Part) -> Float[Tensor, "n"]:
    """`sample_means` of a flat batch, in the order of [s, v, k]."""
    return sample_means(values.view(crops.homographies[part.place].shape[:3]), crops, part)


def sample_means(values: Float[Tensor, "s v k"], crops: Crops, part: Part) -> Float[Tensor, "n"]:
    """The contribution of one micro-batch to each sample's mean over views and crops.

    It is 0 for samples that have no crop in the micro-batch.
    """
    n, v, k = crops.shape
    means = values.sum((1, 2)) / (v * k)
    start, stop, _ = part.samples.indices(n)
    return F.pad(means, (start, n - stop))
