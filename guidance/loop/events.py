"""What the loop reports while it runs, and what it returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from jaxtyping import Float
from torch import Tensor

from guidance.loop.result import Result
from guidance.outputs import Output


@dataclass(frozen=True)
class StepEvent:
    """Sent for each step, in their order. `losses` are weighted, `[n]` each, on the CPU.

    On a GPU the events of several steps may be sent together, after the latest one; see
    `PatientListener`.
    """

    step: int  # steps done
    steps: int
    losses: dict[str, Float[Tensor, "n"]]
    skipped: bool  # a loss or a gradient was not finite, so the parameters did not change
    micro_batch: int
    #: Everything that is needed to resume after the latest step.
    snapshot: Callable[[], dict[str, Tensor]]
    is_latest: bool = True  # no further step was done


@dataclass(frozen=True)
class PreviewEvent:
    """Sent after each validation: the fixed views, and the best validation loss of each sample."""

    step: int
    steps: int
    rendering: Output
    best_loss: Float[Tensor, "n"]


@dataclass(frozen=True)
class DoneEvent:
    """Sent at the end, when the generator holds the best state of each sample."""

    step: int
    result: Result


Event = StepEvent | PreviewEvent | DoneEvent
Listener = Callable[[Event], None]


class PatientListener(Protocol):
    """A listener that does not need the event of each step right after the step.

    Other listeners get each event right after its step; a GPU then waits in each step until the
    values are read.
    """

    def __call__(self, event: Event) -> None: ...

    def needs(self, step: int) -> bool:
        """Whether the event of this step has to be sent before the next step begins."""


def needs(listener: Listener, step: int) -> bool:
    """Whether a listener needs the event of a step before the next step begins."""
    asked: Callable[[int], bool] | None = getattr(listener, "needs", None)
    return True if asked is None else asked(step)
