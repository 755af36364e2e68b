"""What the tests of tasks share: two steps of a small run, and its trace."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from guidance.loop.optimize import optimize
from guidance.tasks.base import Task

#: Fields that say where and how a run happens and is recorded; tests/runs and test_cli walk them.
OF_THE_RUN = {"compiled", "preset", "device", "output", "judge", "metadata", "micro_batch", "samples"}
#: Options of animations; tests/tasks/test_animation.py walks them.
OF_ANIMATIONS = {
    "frames": 4,
    "steps_per_frame": 1,
    "fps": 30,
    "zoom": 1.1,
    "pan": "0.1,0.05",
    "rotate": "5 -> 10",
}
#: Options of score distillation; tests/tasks/test_distilled.py walks them.
OF_DISTILLATION = {"denoiser", "guidance_scale", "vae", "compiled"}


def trace(kind: type[Task], **fields: Any) -> list[Tensor]:
    """Losses and images of a run of two steps: every option must leave its mark here."""
    plan = kind(prompt=fields.pop("prompt", "a red heart"), device="cpu", **fields).build()
    settings = replace(plan.settings, steps=fields.get("steps", 2), validations=1)
    result = optimize(plan.generator, plan.losses, settings, views=plan.views)
    return [torch.tensor(result.losses), result.generator.state_dict(), result.images]


def differ(first: list[Any], second: list[Any]) -> bool:
    """Whether two traces are not the same to the bit."""
    (losses, state, images), (others, other_state, other_images) = first, second
    if losses.shape != others.shape or not torch.equal(losses, others):
        return True
    if images.shape != other_images.shape or not torch.equal(images, other_images):
        return True
    return any(not torch.equal(tensor, other_state[name]) for name, tensor in state.items())
