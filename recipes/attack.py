"""The L2 attack that makes a model's gradient look like images.

A model trained on images that were pushed against it, within a small ball, has gradients that
follow outlines and colors instead of noise. Source: Engstrom et al., "Adversarial Robustness as
a Prior for Learned Representations" (arXiv 1906.00945); attack: Madry et al. (arXiv 1706.06083)
in its L2 form, with one or two steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Attack:
    """`eps` is the L2 radius for a whole image in [0, 1]; it grows with the training.

    `start` and `full` are shares of the training: the radius is 0 before `start` and `eps` after
    `full`. While it grows, the attack takes one step, later `steps`: a small ball needs only one.

    Faces are attacked within the share `faces` of the radius. A mouth covers twenty pixels, and the
    full radius could repaint it, so that smiles would not be learned. People, who cover a fifth of
    the image, are attacked within the share `people`.
    """

    eps: float
    start: float
    full: float
    steps: int
    faces: float = 0.15
    people: float = 0.4

    def again(self) -> Attack:
        """For a further schedule of a model that was attacked before: full radius early."""
        return replace(self, start=0.0, full=0.1)

    def at(self, progress: float) -> tuple[float, int]:
        """The radius and the number of steps at this point of the training."""
        grown = min(1.0, max(0.0, (progress - self.start) / (self.full - self.start)))
        return self.eps * grown, 1 if grown < 1 else self.steps


def push(
    images: Tensor,
    loss: Callable[[Tensor], Tensor],
    eps: float | Tensor,
    steps: int,
    draw: torch.Generator,
) -> Tensor:
    """Images within `eps` of `images [b, 3, h, w]` that raise the loss; detached.

    The radius is one for all or one for each, `[b, 1, 1, 1]`.

    Random start, then steps of 0.8 eps along the normalized gradient (1.0 when there is one
    step only), projected on the ball and on [0, 1].
    """
    size = 0.8 * eps if steps > 1 else eps
    noise = torch.randn(images.shape, generator=draw)
    pushed = images + 0.5 * eps * noise / _norm(noise)
    for _ in range(steps):
        leaf = pushed.detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(loss(leaf), leaf)
        moved = leaf.detach() + size * gradient / _norm(gradient) - images
        pushed = (images + moved * (eps / _norm(moved)).clamp(max=1)).clamp(0, 1)
    return pushed.detach()


def _norm(x: Tensor) -> Tensor:
    """L2 norm of each image, `[b, 1, 1, 1]`, never zero."""
    return x.flatten(1).norm(dim=1).clamp(min=1e-12)[:, None, None, None]
