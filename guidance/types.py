"""The interfaces that everything else speaks: renderings, moments, generators and losses.

Legend of shape letters, used by every annotation in the package:

    n  samples: independent prompts or seeds, optimized side by side
    v  views of one sample          h w  pixels            k  crops
    d  embedding dimensions         p    points, vertices  f  faces

Images are float, sRGB, in [0, 1].
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from guidance.errors import InputError
from guidance.views import WHOLE, Cameras, View, Warp, Windows


@dataclass(frozen=True)
class Rendering:
    """What a generator shows: the only thing a loss ever sees.

    With `alpha`, `image` is premultiplied by it (colour over black), so that
    `image + (1 - alpha) * background` is the image before any background. Without, `image` is
    the whole image. `scene` is for regularizers, `cameras` for view-dependent words. `windows`
    says what the views of a flat image show; without, each shows all of it. `source` is what each
    view shows before anything is changed, where that is another image in every view.
    """

    image: Float[Tensor, "n v 3 h w"]
    alpha: Float[Tensor, "n v 1 h w"] | None = None
    scene: Any = None
    cameras: Cameras | None = None
    windows: Windows | None = None
    source: Float[Tensor, "n v 3 h w"] | None = None  # without a gradient

    @property
    def shape(self) -> torch.Size:
        """n, v, 3, h and w."""
        return self.image.shape

    @property
    def like(self) -> Tensor:
        """Nothing, in the precision and on the device of the images."""
        return self.image.detach().new_empty(0)

    def leaves(self) -> list[Tensor]:
        """What losses differentiate in: the images, and alpha where there is one."""
        return [self.image] if self.alpha is None else [self.image, self.alpha]

    def whole(self) -> Rendering:
        """The views that show the whole image, or all parts of a scene.

        Raises:
            InputError: there is none among them.
        """
        if self.windows is None:
            return self.showing(WHOLE)
        chosen = (self.windows.side == 1).all(0)
        if bool(chosen.all()):
            return self
        if not bool(chosen.any()):
            raise InputError(
                "a loss of the whole image was shown windows only; let one view have the side 1"
            )
        views = chosen.nonzero()[:, 0].to(self.image.device)
        alpha = None if self.alpha is None else self.alpha.index_select(1, views)
        return replace(self, image=self.image.index_select(1, views), alpha=alpha, windows=None)

    def showing(self, subject: int) -> Rendering:
        """The views that show one part of a scene alone, or `WHOLE` for all parts together.

        Raises:
            InputError: there is none among them.
        """
        cameras = self.cameras
        if cameras is None or (subject == WHOLE and cameras.subject is None):
            if subject == WHOLE:
                return self
            raise InputError(f"no view shows part {subject} alone; give views of a scene")
        views = cameras.subjects().get(subject)
        if views is None:
            what = "the whole scene" if subject == WHOLE else f"part {subject} alone"
            raise InputError(f"no view shows {what}; give views of a scene")
        # Slices keep nothing for backward, so one rendering may be looked at again and again.
        alpha = None if self.alpha is None else self.alpha[:, views]
        return replace(self, image=self.image[:, views], alpha=alpha, cameras=cameras.some(views))

    def over(self, background: float = 1.0) -> Float[Tensor, "n v 3 h w"]:
        """The images over a plain grey background in [0, 1] (white by default)."""
        if self.alpha is None:
            return self.image
        return self.image + (1 - self.alpha) * background

    def detach(self) -> Rendering:
        """The same images without their graph."""
        alpha = None if self.alpha is None else self.alpha.detach()
        return replace(self, image=self.image.detach(), alpha=alpha)

    def leaf(self) -> Rendering:
        """The same images, cut off from the generator and ready to collect a gradient."""
        alpha = None if self.alpha is None else self.alpha.detach().requires_grad_()
        return replace(self, image=self.image.detach().requires_grad_(), alpha=alpha)


@dataclass(frozen=True)
class StepContext:
    """Where a run stands, and the random draws that belong to that place.

    Every draw is keyed by (seed of the sample, step, purpose), so what a sample sees depends
    neither on its neighbours nor on how often the run was interrupted. `phase` separates the
    draws of validation, whose step is always 0, from those of the steps.
    """

    seeds: tuple[int, ...]
    step: int = 0
    progress: float = 0.0  # 0 at the first step, 1 at the last
    phase: str = "step"

    def at_start(self) -> StepContext:
        """The first step of this phase, for draws that a run keeps."""
        return replace(self, step=0, progress=0.0)

    def uniform(self, purpose: str, *shape: int) -> Float[Tensor, "n ..."]:
        """Numbers in [0, 1), on the CPU, `shape` of them for each sample."""
        return torch.stack([torch.rand(shape, generator=g) for g in self._generators(purpose)])

    def normal(self, purpose: str, *shape: int) -> Float[Tensor, "n ..."]:
        """Standard normal numbers, on the CPU, `shape` of them for each sample."""
        return torch.stack([torch.randn(shape, generator=g) for g in self._generators(purpose)])

    def _generators(self, purpose: str) -> Iterator[torch.Generator]:
        for seed in self.seeds:
            key = f"{seed}/{self.phase}/{self.step}/{purpose}".encode()
            digest = hashlib.blake2b(key, digest_size=8).digest()
            yield torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)


class Generator(nn.Module):
    """Makes images from parameters, and owns every learnable value of a run.

    Each parameter has the sample as its first dimension, `[n, ...]`: samples share nothing, which
    is what lets the loop keep the best state of each one by itself.
    """

    num_samples: int
    #: True where samples do share parameters: they then have one best state together.
    shares_parameters = False

    def forward(self, view: View | None = None) -> Rendering:
        """Images of all samples; flat ones take windows in place of cameras, clips take frames,
        and both may be given nothing.
        """
        raise NotImplementedError

    def param_groups(self) -> list[dict[str, Any]]:
        """Parameters with their learning rates, as torch optimizers take them."""
        raise NotImplementedError

    def advance(self, progress: float) -> None:
        """Called before each step, and before the end with 1; for coarse-to-fine generators.

        Progress in [0, 1] is all that it may depend on: resumed runs call it with the same.
        """

    def project(self) -> None:
        """Called after each step under no_grad: brings parameters back to their constraints."""

    def finish(self) -> tuple[str, ...]:
        """Called once at the end with the best state, under no_grad: repairs what was made.

        Returns:
            What the user should know of it, a line each.
        """
        return ()

    def warp(self, warp: Warp, context: StepContext) -> None:
        """Moves the images by changing the parameters in place; called under no_grad.

        `context` is that of the step before which it happens, for what is new in the image. An
        optimizer's moments stay as they are: see `guidance.loop.optimize`.

        Raises:
            InputError: this generator cannot, or not by this warp.
        """
        raise InputError(
            f"{type(self).__name__}: cannot be moved between frames; docs/animation.md says which "
            "generators can"
        )

    def export(self, folder: Path, sample: int) -> list[Path]:
        """Writes what a user opens for one sample, and returns the files."""
        raise NotImplementedError

    @classmethod
    def tiny(cls, num_samples: int = 2) -> Generator:
        """A very small instance that steps in milliseconds, for the contract tests."""
        raise NotImplementedError


class Loss(nn.Module):
    """One number a sample, lower is better, never divided by the number of samples.

    Losses are combined by arithmetic: `gd.Clip("an apple") + 0.1 * gd.TotalVariation()`.
    """

    #: True for regularizers that read `rendering.scene`, whose gradient skips the images.
    reads_scene = False
    #: True where the gradient is given and is the slope of no number: values, also those of
    #: validation (`context.phase`), are then only to be looked at, and a run leaves its last state.
    is_vector_field = False

    def prepare(self, start: Rendering) -> None:
        """Called once before the first step: encode prompts, check their number, free towers.

        `start` is what the generator shows before any step, from the fixed views of validation;
        also when a run is resumed. Its image tells the number of samples and the device.
        """

    def parts(
        self, rendering: Rendering, context: StepContext, micro_batch: int
    ) -> Iterator[Float[Tensor, "n"]]:
        """Parts that add up to the loss, each holding at most `micro_batch` encoded images.

        The loop calls backward on each part before it asks for the next one, so only one part's
        graph is ever in memory. A loss that is cheap overrides `forward` and leaves this as is.
        """
        yield self(rendering, context)

    def forward(self, rendering: Rendering, context: StepContext) -> Float[Tensor, "n"]:
        """The loss in one piece."""
        pieces = list(self.parts(rendering, context, micro_batch=2**31))
        return torch.stack(pieces).sum(0)

    def __add__(self, other: Loss | Terms) -> Terms:
        return Terms.of(self) + other

    def __mul__(self, weight: float | str) -> Terms:
        return Terms((Term(self, weight),))

    __rmul__ = __mul__


@dataclass(frozen=True)
class Term:
    """A loss with its weight: a number, or a schedule such as "30 -> 0.6"."""

    loss: Loss
    weight: float | str = 1.0


@dataclass(frozen=True)
class Terms:
    """A weighted sum of losses."""

    terms: tuple[Term, ...] = field(default_factory=tuple)

    @classmethod
    def of(cls, loss: Loss | Terms) -> Terms:
        return loss if isinstance(loss, Terms) else cls((Term(loss),))

    def __add__(self, other: Loss | Terms) -> Terms:
        return Terms(self.terms + Terms.of(other).terms)

    def __iter__(self) -> Iterator[Term]:
        return iter(self.terms)
