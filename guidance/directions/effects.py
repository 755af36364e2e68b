"""The effects of all style channels on embeddings, by vector-Jacobian products."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.directions.samples import at_once, detached_styles, embeddings_of
from guidance.encoders.base import Encoder
from guidance.stylegan.networks.network import StyleGAN

#: Called with the number of renders that are done, and that of all.
Progress = Callable[[int, int], None]
#: Images in one pass at most; larger networks have fewer.
BATCH = 16


@dataclass(frozen=True)
class Effects:
    """What was measured over some latents. The renders count backward passes too."""

    table: Float[Tensor, "c r"]  # mean derivative of each projected embedding, for each channel
    embeddings: Float[Tensor, "n d"]  # of the unedited images
    renders: int


def mean_effects(
    network: StyleGAN,
    encoder: Encoder,
    ws: Float[Tensor, "n w"],
    basis: Float[Tensor, "e r"],
    progress: Progress | None = None,
) -> Effects:
    """The mean over latents of d(b . E(G(s))) / ds for each column b of a basis.

    One forward pass for each batch of latents, and one backward pass for each column: n (r + 1)
    renders in all, where a backward pass of one image counts as one.

    Args:
        network: frozen.
        encoder: a frozen image-text model.
        ws: the latents.
        basis: columns in the space of the encoder.
        progress: see `Progress`.
    """
    columns = basis.to(network.device)
    total, done = len(ws) * (columns.shape[1] + 1), 0
    sums: Tensor | None = None
    embeddings = []
    for batch in batches(network, ws):
        styles = detached_styles(network, batch)
        embedded = embeddings_of(network.synthesis, encoder, styles)
        embeddings.append(embedded.detach().cpu())
        projected = (embedded @ columns).sum(dim=0)
        done += len(batch)
        gradients = []
        for index in range(len(projected)):
            keep = index < len(projected) - 1
            gradients.append(_gradient(projected[index], styles, keep).sum(dim=0))
            done += len(batch)
            if progress is not None:
                progress(done, total)
        found = torch.stack(gradients, dim=1)
        sums = found if sums is None else sums + found
    assert sums is not None, "at least one latent"
    return Effects((sums / len(ws)).cpu(), torch.cat(embeddings), done)


def batches(network: StyleGAN, x: Tensor) -> Iterator[Tensor]:
    """Parts of a size that fits into memory with its graph."""
    yield from torch.split(x, min(BATCH, at_once(network.synthesis)))


def _gradient(value: Tensor, styles: list[Tensor], keep: bool) -> Float[Tensor, "n c"]:
    """The gradients of all styles side by side; zero for styles that the image does not use."""
    gradients = torch.autograd.grad(value, styles, retain_graph=keep, materialize_grads=True)
    return torch.cat(gradients, dim=1)
