"""Outputs: what generators return and losses read.

The letters of the shapes are those of `guidance.types`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError
from guidance.views import WHOLE, Cameras, Windows


class Output(ABC):
    """What a generator returns, as far as the loop knows it: samples, and tensors to differentiate.

    The loop never reads more than this, so an output need not hold images.
    """

    @property
    @abstractmethod
    def num_samples(self) -> int:
        """The number of independent samples."""

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """The device of the tensors."""

    @abstractmethod
    def leaves(self) -> list[Tensor]:
        """The tensors that losses are differentiated with respect to.

        A lazily computed tensor may be appended when a loss reads it; the order never changes.
        """

    @abstractmethod
    def leaf(self) -> Output:
        """The same output, detached from the generator, whose leaves require gradients."""

    @abstractmethod
    def detach(self) -> Output:
        """The same output without its graph."""


class Images(Output):
    """Images of all samples: what image losses read.

    The defaults describe opaque images without cameras that show the whole scene. A subclass
    provides `image` and `shape`, and any of the other attributes that it has.
    """

    image: Float[Tensor, "n v 3 h w"]
    alpha: Float[Tensor, "n v 1 h w"] | None = None
    scene: Any = None
    cameras: Cameras | None = None
    windows: Windows | None = None
    source: Float[Tensor, "n v 3 h w"] | None = None

    @property
    @abstractmethod
    def shape(self) -> torch.Size:
        """n, v, 3, h and w, also where the images are not computed yet."""

    @property
    @abstractmethod
    def dtype(self) -> torch.dtype:
        """The data type of the images."""

    @abstractmethod
    def leaf(self) -> Images: ...

    @abstractmethod
    def detach(self) -> Images: ...

    @property
    def num_samples(self) -> int:
        return self.shape[0]

    def whole(self) -> Images:
        """The views that show the whole image, or all parts of a scene.

        Raises:
            InputError: no view shows the whole image.
        """
        return self

    def showing(self, subject: int) -> Images:
        """The views that show one part of a scene, or `WHOLE` for all parts together.

        Raises:
            InputError: no view shows it.
        """
        if subject != WHOLE:
            raise InputError(f"no view shows part {subject} alone; give views of a scene")
        return self

    def over(self, background: float = 1.0) -> Float[Tensor, "n v 3 h w"]:
        """The images over a plain grey background in [0, 1] (white by default)."""
        if self.alpha is None:
            return self.image
        return self.image + (1 - self.alpha) * background


@dataclass(frozen=True)
class Rendering(Images):
    """Images as tensors, and what is known about them.

    With `alpha`, `image` is premultiplied by it (color over black), so that
    `image + (1 - alpha) * background` is the image over a background. Without `alpha`, images are
    opaque.
    """

    image: Float[Tensor, "n v 3 h w"]
    alpha: Float[Tensor, "n v 1 h w"] | None = None
    scene: Any = None  # the meshes or latents behind the images, for regularizers
    cameras: Cameras | None = None  # for view-dependent prompts
    windows: Windows | None = None  # the part of a flat image in each view; without, all of it
    #: The image of each view before any change, if each view has another one; without gradient.
    source: Float[Tensor, "n v 3 h w"] | None = None

    @property
    def shape(self) -> torch.Size:
        return self.image.shape

    @property
    def dtype(self) -> torch.dtype:
        return self.image.dtype

    @property
    def device(self) -> torch.device:
        return self.image.device

    def leaves(self) -> list[Tensor]:
        """The images, and alpha if there is one."""
        return [self.image] if self.alpha is None else [self.image, self.alpha]

    def whole(self) -> Rendering:
        if self.windows is None:
            return self.showing(WHOLE)
        chosen = (self.windows.side == 1).all(0)
        if bool(chosen.all()):
            return self
        if not bool(chosen.any()):
            raise InputError(
                "a loss of the whole image was given windows only; give one view the side 1"
            )
        views = chosen.nonzero()[:, 0].to(self.image.device)
        alpha = None if self.alpha is None else self.alpha.index_select(1, views)
        return replace(self, image=self.image.index_select(1, views), alpha=alpha, windows=None)

    def showing(self, subject: int) -> Rendering:
        cameras = self.cameras
        if cameras is None or (subject == WHOLE and cameras.subject is None):
            if subject == WHOLE:
                return self
            raise InputError(f"no view shows part {subject} alone; give views of a scene")
        views = cameras.subjects().get(subject)
        if views is None:
            what = "the whole scene" if subject == WHOLE else f"part {subject} alone"
            raise InputError(f"no view shows {what}; give views of a scene")
        # Slices save nothing for backward, so the same rendering can be read repeatedly.
        alpha = None if self.alpha is None else self.alpha[:, views]
        return replace(self, image=self.image[:, views], alpha=alpha, cameras=cameras.some(views))

    def detach(self) -> Rendering:
        alpha = None if self.alpha is None else self.alpha.detach()
        return replace(self, image=self.image.detach(), alpha=alpha)

    def leaf(self) -> Rendering:
        alpha = None if self.alpha is None else self.alpha.detach().requires_grad_()
        return replace(self, image=self.image.detach().requires_grad_(), alpha=alpha)


def as_images(output: Output) -> Images:
    """The same output, for callers that need images.

    Raises:
        InputError: it holds something else.
    """
    if not isinstance(output, Images):
        raise InputError(f"expected an output of images, got {type(output).__name__}")
    return output
