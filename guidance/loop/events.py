"""What the loop reports while it runs, and what it returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from guidance.loop.result import Result
from guidance.outputs import Output


@dataclass(frozen=True)
class StepEvent:
    """Sent after each step. `losses` are weighted, `[n]` each."""

    step: int  # steps done
    steps: int
    losses: dict[str, Float[Tensor, "n"]]
    skipped: bool  # a loss or a gradient was not finite, so the parameters did not change
    micro_batch: int
    snapshot: Callable[[], dict[str, Tensor]]  # everything that is needed to resume


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
