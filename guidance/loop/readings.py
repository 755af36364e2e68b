"""The values of steps, and when the host reads them.

On the CPU they are read in each step. A GPU works through a queue, and the host would wait for all
of it in each step; so the values of several steps are read together. Until then the device alone
decides whether a step is skipped.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.loop.events import StepEvent
from guidance.transfers import is_queued

#: Steps of a GPU that are read together, at most. A rollback can only follow such a reading, at a
#: step that this number divides, so that it does not depend on who reads when.
TOGETHER = 8


@dataclass(frozen=True)
class Reading:
    """What the host knows of a step."""

    step: int  # steps done
    losses: dict[str, Float[Tensor, "n"]]  # weighted, on the host
    is_finite: bool  # losses and gradients
    micro_batch: int

    @property
    def loss(self) -> float:
        """The mean over samples of the sum of all losses; NaN if the step was skipped."""
        if not self.is_finite:
            return math.nan
        return float(torch.stack(list(self.losses.values())).sum(0).mean())

    def event(
        self, latest: int, steps: int, snapshot: Callable[[], dict[str, Tensor]]
    ) -> StepEvent:
        """The event of the step, sent after the step `latest` of the run's `steps`."""
        skipped, is_latest = not self.is_finite, self.step == latest
        return StepEvent(
            self.step, steps, self.losses, skipped, self.micro_batch, snapshot, is_latest
        )

    @property
    def cause(self) -> str:
        """The loss or gradient that is not finite."""
        for name, value in self.losses.items():
            if not bool(value.isfinite().all()):
                return f"the loss of {name}"
        return "the gradient of " + " + ".join(self.losses)


class Readings:
    """Values of steps that the host has not read yet."""

    def __init__(self, device: torch.device) -> None:
        self.is_late = is_queued(device)
        self._waiting: list[tuple[int, dict[str, Tensor], Tensor, int]] = []

    def add(self, step: int, losses: dict[str, Tensor], is_finite: Tensor, batch: int) -> None:
        """Remembers the values of a step."""
        self._waiting.append((step, losses, is_finite, batch))

    def are_due(self, step: int) -> bool:
        """Whether the values have to be read after this step, and a rollback may follow it."""
        return not self.is_late or step % TOGETHER == 0

    def read(self) -> list[Reading]:
        """The values of all steps since the last call, in one copy."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return []
        rows = []
        for _, losses, is_finite, _ in waiting:
            values = torch.stack(list(losses.values()))
            rows.append(torch.cat([values, is_finite.to(values).expand(1, values.shape[1])]))
        found = torch.stack(rows).cpu()
        return [
            Reading(
                step,
                dict(zip(losses, row[:-1].unbind(), strict=True)),
                bool(row[-1, 0]),
                batch,
            )
            for (step, losses, _, batch), row in zip(waiting, found, strict=True)
        ]
