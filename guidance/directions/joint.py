"""Joint refinement: the steps of a few channels, optimized together on some faces."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from guidance.directions.direction import StyleDirection
from guidance.directions.instant import Sentence, center_of
from guidance.directions.samples import embeddings_of, images_of, sample_ws
from guidance.encoders import load_encoder
from guidance.encoders.base import Encoder
from guidance.loop.optimize import optimize
from guidance.loop.settings import Settings
from guidance.outputs import Rendering
from guidance.stylegan.networks.network import StyleGAN
from guidance.types import Generator, Loss, StepContext
from guidance.views import View

FACES, STEPS, STRENGTH = 16, 20, 4.0
#: Added (squared) to the squared length of a change, which may be 0.
SOFT = 0.01


def refined_direction(
    network: StyleGAN,
    first: StyleDirection,
    sentence: Sentence,
    encoder: str | Encoder = "mini-people",
    *,
    faces: int = FACES,
    steps: int = STEPS,
    strength: float = STRENGTH,
    seed: int = 2,
    quiet: bool = False,
) -> StyleDirection:
    """Optimizes the steps of the channels of a direction together, at the strength of its use.

    Channels interact: two that move an image along a sentence one at a time may do something else
    together. It takes about `2 * faces * steps` renders, 640 by default.

    Args:
        network: frozen.
        first: a thresholded direction: its channels are optimized, and no others.
        sentence: what the direction should do and keep.
        encoder: a name or an Encoder.
        faces: on how many random images it is optimized.
        steps: of the optimizer.
        strength: at which images are edited, in the unit of `first`.
        seed: of the images.
        quiet: shows no progress bar.

    Source: the observation that channels interact is that of Baek et al., "Multi2One" (arXiv
    2302.13331); the method is not.
    """
    first.check(network)
    encoder = load_encoder(encoder, network.device)
    ws = sample_ws(network, faces, seed)
    columns = sentence.differences(encoder, center_of(network, encoder, ws, sentence))
    edited = Edited(network, first, ws, strength)
    with torch.no_grad():
        origins = embeddings_of(network.synthesis, encoder, edited.styles)
    optimize(
        edited,
        Along(encoder, columns, origins),
        Settings(steps=steps, micro_batch=faces, device=str(network.device)),
        quiet=quiet,
    )
    return first.with_flat(edited.flat().detach()[0].cpu()).normalized()


class Edited(Generator):
    """The edited images as views of one sample; the parameters are factors of the steps."""

    def __init__(
        self, network: StyleGAN, first: StyleDirection, ws: Float[Tensor, "n w"], strength: float
    ) -> None:
        super().__init__()
        self.num_samples, self.synthesis, self.first = 1, (network.synthesis,), first
        self.strength, self.chosen = strength, first.flat.nonzero()[:, 0]
        with torch.no_grad():
            self.styles = network.synthesis.styles(ws)
            self.start = network.synthesis.activations(self.styles, [first.first_layer])[
                first.first_layer
            ]
        weights = first.flat[self.chosen][None].to(ws.device)
        self.norm = float(weights.norm())
        self.weights = nn.Parameter(weights.clone())

    def flat(self) -> Float[Tensor, "1 c"]:
        """The steps of all channels."""
        index = self.chosen.to(self.weights.device)[None]
        zeros = self.weights.new_zeros(1, len(self.first.flat))
        return zeros.scatter(1, index, self.weights)

    def forward(self, view: View | None = None) -> Rendering:
        steps = torch.split(self.flat()[0], [len(std) for std in self.first.stds])
        edited = [
            style + self.strength * step * std.to(style)
            for style, step, std in zip(self.styles, steps, self.first.stds, strict=True)
        ]
        return Rendering(images_of(self.synthesis[0], edited, self.start)[None])

    def param_groups(self) -> list[dict[str, Any]]:
        return [{"params": [self.weights], "lr": 0.05}]

    def project(self) -> None:
        """Keeps the size of the edit: only the proportions of its channels are optimized."""
        self.weights.mul_(self.norm / self.weights.norm().clamp_min(1e-8))


class Along(Loss):
    """Moves embeddings from their origins along the first column, and not along the others."""

    name = "along"

    def __init__(
        self, encoder: Encoder, columns: Float[Tensor, "d k"], origins: Float[Tensor, "v d"]
    ) -> None:
        super().__init__()
        self.encoders = (encoder,)
        self.columns, self.origins = columns.to(origins.device), origins

    def forward(self, rendering: Any, context: StepContext) -> Float[Tensor, "n"]:
        (encoder,) = self.encoders
        images = rendering.image
        embedded = encoder.encode_image(images.flatten(0, 1)).float().unflatten(0, images.shape[:2])
        changes = embedded - self.origins
        along = changes @ self.columns
        size = (changes.square().sum(dim=-1) + SOFT**2).sqrt()
        cosine = along / size[..., None]
        kept = cosine[..., 1:].square().sum(dim=-1)
        losses: Tensor = (1 - cosine[..., 0] + kept).mean(dim=1)
        return losses
