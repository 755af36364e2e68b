"""A grey dot: the smallest task there is, without any model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from guidance.tasks.base import Task

if TYPE_CHECKING:
    from guidance.runs.plan import Plan


class Dot(Task):
    """Brings a grey canvas to another grey."""

    PRESETS: ClassVar = {
        "draft": {"steps": 10, "size": 8},
        "normal": {"steps": 24, "size": 16},
        "best": {"steps": 40, "size": 32},
    }
    PRESET_MINUTES: ClassVar = {
        "draft": "a moment",
        "normal": "a moment",
        "best": "a little longer",
    }

    size: int = Field(default=8, ge=1, le=64)
    """Pixels per side."""
    noise: float = 0.3
    """Of the target, new in each step."""
    broken_after: int = 10**9
    """Step from which the loss is NaN."""
    judge: bool = False

    def build(self) -> Plan:
        import torch

        from guidance.media.write_image import save_png
        from guidance.outputs import Rendering
        from guidance.runs.plan import Plan
        from guidance.types import StepContext
        from tests.stand_ins import Canvas, Target

        class Picture(Canvas):
            def export(self, folder: Path, sample: int) -> list[Path]:
                return [save_png(folder / "image.png", self.pixels[sample])]

        broken_after = self.broken_after

        class Grey(Target):
            def forward(self, rendering: Rendering, context: StepContext) -> torch.Tensor:
                value = super().forward(rendering, context)
                late = context.phase == "step" and context.step >= broken_after
                return value * torch.nan if late else value

        prompts = self.sample_prompts
        greys = [0.2 + 0.6 * len(prompt.text) % 1 for prompt in prompts]
        return Plan(
            Picture(len(prompts), self.size), Grey(greys, self.noise), self.settings(), prompts
        )
