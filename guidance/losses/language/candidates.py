"""Cross-entropy of the next token with how well each continuation matches a target."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from guidance.encoders.base import Encoder
from guidance.language.continuations import Continuations
from guidance.types import Loss, StepContext


class Candidates(Loss):
    """Makes continuations probable that an encoder matches with a target.

    loss = CE(softmax(s / temperature), p) + fluency * CE(p_0, p), where s are the cosines of the
    candidate texts, p the distribution of the next token and p_0 that of the unchanged context.

    Args:
        encoder: the encoder that computed the scores.
        tokens: candidates of each sample.
        scores: their cosines with the target.
        start: the logits of the unchanged context.
        temperature: of the scores.
        fluency: weight of the distance to the unchanged distribution.

    Source: ZeroCap (arXiv 2111.14447), equations 2 to 5: temperature 0.01, fluency 0.2. Deviation:
    the candidates of a token are those of the unchanged context in all steps, so that each text is
    encoded once.
    """

    chosen_by_name = False

    def __init__(
        self,
        encoder: Encoder | str,
        tokens: Int[Tensor, "n k"],
        scores: Float[Tensor, "n k"],
        start: Float[Tensor, "n tokens"],
        *,
        temperature: float = 0.01,
        fluency: float = 0.2,
    ) -> None:
        super().__init__()
        self.encoders = (encoder,)
        self._tokens, self._fluency = tokens, fluency
        self._wanted = (scores / temperature).softmax(-1)
        self._start = start.softmax(-1)

    def forward(self, rendering: Continuations, context: StepContext) -> Float[Tensor, "n"]:
        """The loss of each text."""
        logits = rendering.logits.log_softmax(-1)
        chosen = logits.gather(1, self._tokens)
        # Of the candidates only, as in ZeroCap: the distribution over all tokens keeps its shape.
        match = -(self._wanted * chosen).sum(-1)
        fluent = -torch.where(self._start > 0, self._start * logits, 0).sum(-1)
        return match + self._fluency * fluent
