"""A loss that sees one part of a scene only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jaxtyping import Float
from torch import Tensor

from guidance.encoders.base import Encoder
from guidance.errors import InputError
from guidance.losses.clip import Clip
from guidance.types import Loss, Rendering, StepContext
from guidance.views import WHOLE


class OnSubject(Loss):
    """Another loss, which is shown the views of one part alone, or those of the whole.

    Its value is that of the other loss on these views; the gradient to all other views is 0.

    Args:
        loss: a loss of images.
        subject: the part's number in the scene, or `WHOLE`.
        of: what the subject is called in records, e.g. "hat".

    Raises:
        InputError: a loss that reads the scene, where parts have no views of their own.
    """

    def __init__(self, loss: Loss, subject: int, of: str = "whole") -> None:
        super().__init__()
        if loss.reads_scene:
            raise InputError(
                f"OnSubject: {type(loss).__name__} looks at no images; use it as it is"
            )
        self.loss, self.subject, self.is_vector_field = loss, subject, loss.is_vector_field
        self.name = f"{getattr(loss, 'name', type(loss).__name__.lower())} of {of}"

    @property
    def encoders(self) -> tuple[str | Encoder, ...]:
        """Those of the other loss: a run loads them first, and keeps its judge apart from them."""
        return tuple(getattr(self.loss, "encoders", ()))

    def prepare(self, start: Rendering) -> None:
        """Prepares the other loss for these views."""
        self.loss.prepare(start.showing(self.subject))

    def parts(
        self, rendering: Rendering, context: StepContext, micro_batch: int
    ) -> Iterator[Float[Tensor, "n"]]:
        """Those of the other loss."""
        yield from self.loss.parts(rendering.showing(self.subject), context, micro_batch)

    @classmethod
    def tiny(cls, encoder: Encoder, prompts: Sequence[str]) -> OnSubject:
        """A small instance for the contract tests."""
        return cls(Clip.tiny(encoder, prompts), WHOLE)
