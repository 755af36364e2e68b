"""The output of generators of text: what may follow a text."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.outputs import Output


@dataclass(frozen=True)
class Continuations(Output):
    """The distribution of the next token of each text."""

    logits: Float[Tensor, "n tokens"]

    @property
    def num_samples(self) -> int:
        return len(self.logits)

    @property
    def device(self) -> torch.device:
        return self.logits.device

    def leaves(self) -> list[Tensor]:
        return [self.logits]

    def leaf(self) -> Continuations:
        return replace(self, logits=self.logits.detach().requires_grad_())

    def detach(self) -> Continuations:
        return replace(self, logits=self.logits.detach())
