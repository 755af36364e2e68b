"""What a judge of motions is: a model of joints and texts that no loss uses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from guidance.motion.motion import Motion


@runtime_checkable
class MotionJudge(Protocol):
    """Says how well motions fit texts, by their joints and not by images."""

    name: str

    def similarity(self, motions: Sequence[Motion], prompts: Sequence[str]) -> Float[Tensor, "n"]:
        """A number for each motion and its prompt; higher is better."""
        ...

    def knows(self, prompt: str) -> bool:
        """Whether it can read a prompt."""
        ...
