"""Helpers of the tests of tasks: tasks from flat options, and the trace of a short run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from guidance.config.commandline import task_of
from guidance.loop.optimize import optimize
from guidance.tasks.base import Task

T = TypeVar("T", bound=Task)

#: Options that say where and how a run happens and is recorded; they hardly change its result.
OF_THE_RUN = {
    *("preset", "device", "output", "judge", "metadata", "micro_batch", "samples"),
    *("precision", "profile", "progress_video"),
}


def made(kind: type[T], **flat: Any) -> T:
    """The task of flat options, as in a YAML file: each goes to the component that has it."""
    return task_of(kind, kind.task_name(), [], flat)[0]


def flags(kind: type[T], *words: str) -> T:
    """The task of the words of a command line."""
    return task_of(kind, kind.task_name(), words, {})[0]


def trace(kind: type[Task], **flat: Any) -> list[Any]:
    """Losses, parameters and images of a run of two steps, which every option must change."""
    flat = {"prompt": "a red heart", "steps": 2, "device": "cpu", **flat}
    plan = made(kind, **flat).build()
    settings = replace(plan.settings, validations=1)
    result = optimize(plan.generator, plan.losses, settings, views=plan.views)
    return [torch.tensor(result.losses), result.generator.state_dict(), result.images]


def differ(first: list[Any], second: list[Any]) -> bool:
    """Whether two traces differ in any bit."""
    (losses, state, images), (others, other_state, other_images) = first, second
    return (
        _unequal(losses, others)
        or _unequal(images, other_images)
        or state.keys() != other_state.keys()
        or any(_unequal(tensor, other_state[name]) for name, tensor in state.items())
    )


def _unequal(one: Tensor, other: Tensor) -> bool:
    return one.shape != other.shape or not torch.equal(one, other)
