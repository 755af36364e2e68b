"""The way from what pictures were to what they should become, as a direction of embeddings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.augment import Augment
from guidance.encoders.base import Encoder
from guidance.errors import InputError
from guidance.losses.targets import broadcast_prompts, targets
from guidance.losses.vision import embed, frozen, sample_means
from guidance.prompts import parse_prompt
from guidance.types import Loss, Moment, Rendering

#: Softens the length of a difference that is near 0, and with it the first gradients, which are
#: 1 / SOFT times those of a dot product: 1e-6 here would fill Adam's second moments for hundreds of
#: steps. At a usual difference of 0.3 it changes the cosine by 0.06%.
SOFT = 0.01


class Directional(Loss):
    """1 - cos(E(x) - E(x_ref), T(target) - T(source)), averaged over crops and views.

    x_ref are the pictures before the first step, or those given; each crop of x is compared with
    the same crop of x_ref, which takes one more forward pass of the encoder, without gradient.
    T is the mean over the encoder's templates and, with several phrases, their weighted sum.

    Source: StyleGAN-NADA (Gal et al. 2021, arXiv 2108.00946, equation 2). Deviation: a difference
    x is divided by sqrt(|x|^2 + 0.01^2), because at x = x_ref the cosine is 0/0: there the loss is
    1 and its gradient points along the wanted direction.

    Args:
        target: what it should become; one for all samples, or one a sample.
        source: what it is, likewise.
        encoder: a name or an Encoder.
        augment: how crops are made; None shows each view once, as it is.
        reference: pictures [n, v, 3, h, w] to start from, of the size of those optimized.

    Raises:
        InputError: another number of prompts than samples; pictures of other shape than the
            reference; cameras that moved since, because then no reference shows the same view.
    """

    def __init__(
        self,
        target: str | Sequence[str],
        source: str | Sequence[str],
        *,
        encoder: str | Encoder = "mini",
        augment: Augment | None = Augment(),  # noqa: B008  (frozen)
        reference: Float[Tensor, "n v 3 h w"] | None = None,
    ) -> None:
        super().__init__()
        self.prompts = (target,) if isinstance(target, str) else tuple(target)
        self.sources = (source,) if isinstance(source, str) else tuple(source)
        self.augment = augment or Augment.plain()
        self.encoder = (encoder,)  # in a tuple, so that it does not become part of this module
        self.given = reference
        self._reference: Rendering | None = None

    def prepare(self, start: Rendering) -> None:
        """Loads the encoder, encodes both texts, and keeps the pictures to compare with."""
        n, device = len(start.image), start.image.device
        (encoder,) = frozen(self.encoder, device)
        ends = [
            [parse_prompt(text) for text in broadcast_prompts(texts, n)]
            for texts in (self.prompts, self.sources)
        ]
        sums = [targets(encoder, phrases, False, device) for phrases in ends]
        target, source = ((end.embeddings[:, 0] * end.weights[..., None]).sum(1) for end in sums)
        if bool(((target - source).norm(dim=-1) < 1e-4).any()):
            raise InputError("Directional: target and source mean the same; there is no direction")
        self._encoder, self._direction = (encoder,), F.normalize(target - source, dim=-1)
        if self.given is not None:
            start = Rendering(self.given.to(start.image))
        self._reference = Rendering(
            start.image.detach().clone(),
            None if start.alpha is None else start.alpha.detach().clone(),
            cameras=start.cameras,
        )

    def parts(
        self, rendering: Rendering, moment: Moment, micro_batch: int
    ) -> Iterator[Float[Tensor, "n"]]:
        """Micro-batches of crops."""
        if self._reference is None:
            self.prepare(rendering)
        assert self._reference is not None
        _check(rendering, self._reference)
        (encoder,) = self._encoder
        crops = self.augment.draw(moment, rendering, encoder.image_size)
        for part in crops.parts(micro_batch):
            with torch.no_grad():
                before = embed(encoder, self.augment, self._reference, crops, part)
            way = embed(encoder, self.augment, rendering, crops, part) - before
            direction = self._direction[part.samples, None, None].to(way)
            length = (way.square().sum(-1) + SOFT**2).sqrt()
            cosine = (way * direction).sum(-1) / length
            yield sample_means(1 - cosine, crops, part)

    @classmethod
    def tiny(cls, encoder: Encoder, prompts: Sequence[str]) -> Directional:
        """A small instance for the contract tests."""
        return cls(prompts, "a stone", encoder=encoder, augment=Augment(crops=6))


def _check(rendering: Rendering, reference: Rendering) -> None:
    """The reference must show what the pictures show, at the same places."""
    if rendering.image.shape != reference.image.shape:
        raise InputError(
            f"Directional: expected pictures {list(reference.image.shape)} like the reference, "
            f"got {list(rendering.image.shape)}"
        )
    now, then = rendering.cameras, reference.cameras
    if now is not None and then is not None and not torch.equal(now.view, then.view):
        raise InputError(
            "Directional: the cameras moved since the reference was taken; use fixed views"
        )
