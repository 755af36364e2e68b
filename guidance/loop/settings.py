"""How the loop runs, and what moves the views and the images between its steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from guidance.errors import InputError
from guidance.schedule import Schedule
from guidance.types import StepContext
from guidance.views import View, Warp

#: The view that a generator renders in the step of a context.
Views = Callable[[StepContext], View]
#: The warp of the images before the step of a context, or None.
Warps = Callable[[StepContext], Warp | None]

#: What to do when the memory is too small, also at the smallest micro-batch.
ADVICE = "use a smaller size, fewer samples or a smaller encoder"


@dataclass(frozen=True)
class Settings:
    """Options of the loop, the same for every generator and loss."""

    steps: int = 200  # optimizer steps
    seeds: tuple[int, ...] | int = 0  # one per sample, or the first of consecutive seeds
    optimizer: str = "adam"  # or "sgd" (with Nesterov momentum 0.9)
    learning_rate: float | str | Schedule = 1.0  # factor on those of the generator
    normalize: bool = False  # scale each term's gradient to rms 1 per sample, before its weight
    micro_batch: int = 64  # images given to an encoder at once
    validations: int = 10  # how often the fixed views are evaluated and shown during a run
    device: str = "cpu"
    warm_up: int = 0  # steps at progress 0, before schedules begin to run

    def validation_follows(self, step: int) -> bool:
        """Whether the fixed views are evaluated after this many steps."""
        every = max(1, self.steps // max(1, self.validations))
        return step % every == 0 or step == self.steps

    def progress(self, step: int) -> float:
        """Progress in [0, 1] of a step, counted from 0."""
        last = self.steps - 1 - self.warm_up
        return max(0, step - self.warm_up) / max(1, last)

    def sample_seeds(self, num_samples: int) -> tuple[int, ...]:
        """One seed per sample.

        Raises:
            InputError: the number of seeds is not the number of samples.
        """
        if isinstance(self.seeds, int):
            return tuple(range(self.seeds, self.seeds + num_samples))
        if len(self.seeds) != num_samples:
            raise InputError(
                f"{len(self.seeds)} seeds for {num_samples} samples; give one seed per sample"
            )
        return tuple(self.seeds)

    def check(self) -> None:
        """Raises InputError for values out of range."""
        if self.steps < 1:
            raise InputError(f"steps: expected at least 1, got {self.steps}")
        if not 0 <= self.warm_up < self.steps:
            raise InputError(
                f"warm_up: expected 0 to {self.steps - 1} of {self.steps} steps, got {self.warm_up}"
            )
        if self.micro_batch < 1:
            raise InputError(f"micro_batch: expected at least 1, got {self.micro_batch}")
        if self.optimizer not in ("adam", "sgd"):
            raise InputError(f'optimizer: expected "adam" or "sgd", got {self.optimizer!r}')
