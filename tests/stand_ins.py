"""Small generators and losses that the tests of the loop and of the runs share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from guidance.outputs import Rendering
from guidance.types import Generator, Loss, StepContext
from guidance.views import Cameras


class Canvas(Generator):
    """Raw pixels, one image a sample."""

    def __init__(self, num_samples: int = 2, size: int = 8) -> None:
        super().__init__()
        self.num_samples = num_samples
        self.pixels = nn.Parameter(torch.full((num_samples, 3, size, size), 0.5))

    def forward(self, cameras: Cameras | None = None) -> Rendering:
        return Rendering(self.pixels[:, None])

    def param_groups(self) -> list[dict[str, Any]]:
        return [{"params": [self.pixels], "lr": 0.05}]

    def project(self) -> None:
        self.pixels.clamp_(0, 1)

    def export(self, folder: Path, sample: int) -> list[Path]:
        path = folder / "image.txt"
        path.write_text(str(self.pixels[sample].tolist()))
        return [path]


class Target(Loss):
    """Mean square distance to a grey of each sample; noisy by keyed draws if asked for."""

    name = "target"

    def __init__(self, greys: list[float], noise: float = 0.0) -> None:
        super().__init__()
        self.greys, self.noise = torch.tensor(greys), noise

    def forward(self, rendering: Rendering, context: StepContext) -> Tensor:
        wanted = self.greys.view(-1, 1, 1, 1, 1).to(rendering.image)
        if self.noise:
            draws = context.normal("target", *rendering.image.shape[1:])
            wanted = wanted + self.noise * draws
        return (rendering.image - wanted).square().flatten(1).mean(1)
