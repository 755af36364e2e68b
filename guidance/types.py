"""The interfaces of the package: generators, losses, and the context of a step.

Legend of shape letters, used by every annotation in the package:

    n  samples: independent prompts or seeds, optimized side by side
    v  views of one sample          h w  pixels            k  crops of one view
    b  images of all samples        c    channels          d  embedding dimensions
    p  points, vertices             f    faces             e  edges, or pairs of faces
    q  UV coordinates               m    other selections, explained where they occur

Images are float, sRGB, in [0, 1].
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from guidance.errors import InputError
from guidance.options import Component
from guidance.outputs import Output
from guidance.schedule import Schedule
from guidance.views import View, Warp


@dataclass(frozen=True)
class StepContext:
    """The position of a step in the run, and its random draws.

    Every draw is keyed by (seed of the sample, step, purpose), so the draws of a sample depend
    neither on the other samples nor on how often the run was interrupted. `phase` separates the
    draws of validation, whose step is always 0, from those of the steps.
    """

    seeds: tuple[int, ...]
    step: int = 0
    progress: float = 0.0  # 0 at the first step, 1 at the last
    phase: str = "step"  # "start" for initial parameters, "step", or "validation"

    def at_start(self) -> StepContext:
        """The first step of this phase, for draws that stay the same during a run."""
        return replace(self, step=0, progress=0.0)

    def uniform(self, purpose: str, *shape: int) -> Float[Tensor, "n ..."]:
        """Uniform random numbers in [0, 1), on the CPU, of this shape for each sample."""
        return torch.stack([torch.rand(shape, generator=g) for g in self._generators(purpose)])

    def normal(self, purpose: str, *shape: int) -> Float[Tensor, "n ..."]:
        """Standard normal random numbers, on the CPU, of this shape for each sample."""
        return torch.stack([torch.randn(shape, generator=g) for g in self._generators(purpose)])

    def _generators(self, purpose: str) -> Iterator[torch.Generator]:
        for seed in self.seeds:
            key = f"{seed}/{self.phase}/{self.step}/{purpose}".encode()
            digest = hashlib.blake2b(key, digest_size=8).digest()
            yield torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)


class Generator(Component, nn.Module):
    """Computes outputs, e.g. images, from parameters; holds every parameter of a run.

    The first dimension of each parameter is the sample, `[n, ...]`. Samples share no parameters,
    so that the loop can keep the best state of each sample separately.
    """

    num_samples: int
    #: True if samples share parameters: the best state is then that of all samples together.
    shares_parameters = False

    def forward(self, view: View | None = None) -> Output:
        """The output of all samples.

        Args:
            view: what to show. Mesh generators need `Cameras`. Generators of flat images take
                None, for the whole image, and many of them take `Windows`. Videos take `Frames`,
                or None for a default frame.

        Raises:
            InputError: the generator does not take this kind of view.
        """
        raise NotImplementedError

    def param_groups(self) -> list[dict[str, Any]]:
        """Parameters with their learning rates, in the format of torch optimizers."""
        raise NotImplementedError

    def advance(self, progress: float) -> None:
        """Called before each step, and once with 1 before the end; for coarse-to-fine generators.

        The effect may depend on the progress in [0, 1] only, so that runs can be resumed.
        """

    def project(self) -> None:
        """Called after each step under no_grad: projects the parameters onto their constraints."""

    def finish(self) -> tuple[str, ...]:
        """Called once at the end with the best state, under no_grad: repairs the result.

        Returns:
            Notes for the user about the repairs, one line each.
        """
        return ()

    def warp(self, warp: Warp, context: StepContext) -> None:
        """Moves the images by changing the parameters in place; called under no_grad.

        The moments of the optimizer stay as they are: see `guidance.loop.optimize`.

        Args:
            context: of the step that follows, for random draws of new content.

        Raises:
            InputError: this generator does not support the warp.
        """
        raise InputError(
            f"{type(self).__name__}: cannot be moved between frames; docs/animation.md lists the "
            "generators that can"
        )

    def check_warp(self, warp: Warp) -> None:
        """Raises InputError if `warp` would; called before the run."""
        if type(self).warp is Generator.warp:
            self.warp(warp, StepContext(()))

    def export(self, folder: Path, sample: int) -> list[Path]:
        """Writes the files of one sample, and returns their paths."""
        raise NotImplementedError

    @classmethod
    def from_options(cls, options: Any, canvas: Any) -> Generator:
        """The generator that `options`, an instance of `cls.Options`, describe.

        Args:
            canvas: settings of the task that all its generators share; for images, a
                `guidance.generators.image.param.canvas.Canvas`.
        """
        return cls(canvas.seeds, canvas.size, **dict(options))

    @classmethod
    def tiny(cls, num_samples: int = 2) -> Generator:
        """A very small instance that steps in milliseconds, for the contract tests."""
        raise NotImplementedError


class Loss(Component, nn.Module):
    """A number for each sample, lower is better, never divided by the number of samples.

    Losses are combined by arithmetic: `gd.Clip("an apple") + 0.1 * gd.TotalVariation()`.
    """

    #: The name in records and messages; by default the class name in snake_case.
    name: str
    #: The prompts: one for all samples, or one per sample.
    prompts: tuple[Any, ...] = ()
    #: The image-text models that the loss uses, or their names. Every model has to be declared here
    #: or in `denoisers`: the held-out judge of a run is of none of their families.
    encoders: tuple[Any, ...] = ()
    #: The diffusion models that the loss uses, or their names.
    denoisers: tuple[Any, ...] = ()
    #: True for regularizers that read `scene` of the output: their gradient does not go through the
    #: leaves of the output.
    reads_scene = False
    #: True if the update is not the gradient of any scalar. Values, also those of validation
    #: (`context.phase`), are then for display only, and a run keeps its last state.
    is_vector_field = False

    _has_own_name = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "name" in vars(cls):
            cls._has_own_name = True
        elif not cls._has_own_name:
            cls.name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()

    @property
    def models(self) -> tuple[Any, ...]:
        """All frozen models that the loss declares, or their names."""
        return (*self.encoders, *self.denoisers)

    @classmethod
    def from_options(cls, options: Any, context: Any) -> Loss | Terms:
        """The loss that `options`, an instance of `cls.Options`, describe.

        Args:
            context: the prompts and crops of the task, a
                `guidance.losses.text.context.LossContext`.
        """
        return cls(**dict(options))

    def prepare(self, start: Any) -> None:
        """Called once before the first step: encodes prompts and checks their number.

        Args:
            start: the output before any step, detached, for the fixed views of validation; also
                when a run is resumed.
        """

    def parts(
        self, rendering: Any, context: StepContext, micro_batch: int
    ) -> Iterator[Float[Tensor, "n"]]:
        """Parts that add up to the loss; each encodes at most `micro_batch` images.

        The loop calls backward on each part before it requests the next one, so that the graph of
        only one part is in memory. A cheap loss overrides `forward` and not this method.

        Args:
            rendering: an `Output`; image losses take `guidance.outputs.Images`.
        """
        yield self(rendering, context)

    def forward(self, rendering: Any, context: StepContext) -> Float[Tensor, "n"]:
        """The loss, computed at once."""
        pieces = list(self.parts(rendering, context, micro_batch=2**31))
        return torch.stack(pieces).sum(0)

    def __add__(self, other: Loss | Terms) -> Terms:
        return Terms.of(self) + other

    def __mul__(self, weight: float | str | Schedule) -> Terms:
        return Terms((Term(self, weight),))

    __rmul__ = __mul__


@dataclass(frozen=True)
class Term:
    """A loss with its weight: a number, or a schedule such as "30 -> 0.6"."""

    loss: Loss
    weight: float | str | Schedule = 1.0


@dataclass(frozen=True)
class Terms:
    """A weighted sum of losses."""

    terms: tuple[Term, ...] = field(default_factory=tuple)

    @classmethod
    def of(cls, loss: Loss | Terms) -> Terms:
        return loss if isinstance(loss, Terms) else cls((Term(loss),))

    def __add__(self, other: Loss | Terms) -> Terms:
        return Terms(self.terms + Terms.of(other).terms)

    def scaled(self, weight: Schedule) -> Terms:
        """All terms with their weights, which must be constants, multiplied by a schedule."""
        return Terms(
            tuple(Term(term.loss, weight.scaled(Schedule.of(term.weight)(0.0))) for term in self)
        )

    def __iter__(self) -> Iterator[Term]:
        return iter(self.terms)
