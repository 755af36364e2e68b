"""Adapts any module that returns images to the `Generator` interface."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from guidance.errors import InputError
from guidance.outputs import Output, Rendering, as_images
from guidance.types import Generator, Loss, Terms
from guidance.views import Frames, View, Windows


class Wrapped(Generator):
    """Any module whose `forward()` returns images "b 3 h w", or an `Output`, as a generator.

    If there are as many images as prompts, each image is a sample; otherwise the images are views
    of the samples. The samples of a module may share parameters, so they have one best state
    together.
    """

    shares_parameters = True

    def __init__(self, module: nn.Module, num_samples: int = 1) -> None:
        super().__init__()
        self.module = module
        self.num_samples = num_samples

    def forward(self, view: View | None = None) -> Output:
        """The output of the module, which is called without arguments; cameras are ignored.

        Raises:
            InputError: windows or frames; the module returns something else than images.
        """
        name = type(self.module).__name__
        if isinstance(view, Windows | Frames):
            kind = type(view).__name__.lower()
            raise InputError(
                f"{name}: a plain module takes no {kind}; remove the views, or derive it from "
                "gd.Generator"
            )
        images = self.module()
        if isinstance(images, Output):
            return images
        if not isinstance(images, Tensor) or images.ndim != 4 or images.shape[1] != 3:
            shape = list(images.shape) if isinstance(images, Tensor) else type(images)
            raise InputError(f"{name}.forward(): expected images [b, 3, h, w], got {shape}")
        if images.shape[0] % self.num_samples:
            raise InputError(
                f"{name}.forward(): expected a multiple of {self.num_samples} images, the number "
                f"of prompts, got {images.shape[0]}"
            )
        return Rendering(images.reshape(self.num_samples, -1, *images.shape[1:]))

    def param_groups(self) -> list[dict[str, Any]]:
        parameters = [p for p in self.module.parameters() if p.requires_grad]
        if not parameters:
            raise InputError(
                f"{type(self.module).__name__}: has no parameter that requires a gradient"
            )
        return [{"params": parameters, "lr": 0.02}]

    @torch.no_grad()
    def export(self, folder: Path, sample: int) -> list[Path]:
        """Writes image.png, or image_0.png, image_1.png ... for several views."""
        from guidance.media.write_image import save_png

        views = as_images(self()).over()[sample]
        names = ["image"] if len(views) == 1 else [f"image_{i}" for i in range(len(views))]
        return [
            save_png(folder / f"{name}.png", view) for name, view in zip(names, views, strict=True)
        ]


def as_generator(module: nn.Module, losses: Loss | Terms) -> Generator:
    """The module itself if it is a `Generator`, or wrapped, with one sample per prompt."""
    if isinstance(module, Generator):
        return module
    counts = [len(term.loss.prompts) for term in Terms.of(losses)]
    return Wrapped(module, max([1, *counts]))
