"""Any module that makes images, as a generator."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from guidance.errors import InputError
from guidance.outputs import Output, Rendering
from guidance.types import Generator, Loss, Terms
from guidance.views import Frames, View, Windows


class Wrapped(Generator):
    """Any module whose `forward()` returns images "b 3 h w", as a generator.

    As many images as prompts are samples; otherwise all images are views of one sample. The
    samples of a module may share parameters, so they have one best state together.
    """

    shares_parameters = True

    def __init__(self, module: nn.Module, num_samples: int = 1) -> None:
        super().__init__()
        self.module = module
        self.num_samples = num_samples

    def forward(self, view: View | None = None) -> Output:
        if isinstance(view, Windows | Frames):
            kind = type(view).__name__.lower()
            raise InputError(
                f"{type(self.module).__name__}: a plain module has no {kind}; leave out the "
                "views, or make it a gd.Generator"
            )
        pictures = self.module()
        if isinstance(pictures, Output):
            return pictures
        if not isinstance(pictures, Tensor) or pictures.ndim != 4 or pictures.shape[1] != 3:
            shape = list(pictures.shape) if isinstance(pictures, Tensor) else type(pictures)
            raise InputError(
                f"{type(self.module).__name__}.forward(): expected images [b, 3, h, w], got {shape}"
            )
        if pictures.shape[0] % self.num_samples:
            raise InputError(
                f"{type(self.module).__name__}.forward(): {pictures.shape[0]} images cannot be "
                f"shared among {self.num_samples} prompts"
            )
        return Rendering(pictures.reshape(self.num_samples, -1, *pictures.shape[1:]))

    def param_groups(self) -> list[dict[str, Any]]:
        parameters = [p for p in self.module.parameters() if p.requires_grad]
        if not parameters:
            raise InputError(f"{type(self.module).__name__} has no parameter that wants a gradient")
        return [{"params": parameters, "lr": 0.02}]


def as_generator(module: nn.Module, losses: Loss | Terms) -> Generator:
    """The module itself if it is a `Generator`, or wrapped, with one sample a prompt."""
    if isinstance(module, Generator):
        return module
    counts = [len(term.loss.prompts) for term in Terms.of(losses)]
    return Wrapped(module, max([1, *counts]))
