"""A loss restricted to the views of one part of a scene."""

from __future__ import annotations

from collections.abc import Iterator

from jaxtyping import Float
from torch import Tensor

from guidance.encoders.base import Encoder
from guidance.errors import InputError
from guidance.losses.clip import Clip
from guidance.losses.text.arguments import PromptArgument
from guidance.outputs import Images
from guidance.types import Loss, StepContext
from guidance.views import WHOLE


class OnSubject(Loss):
    """Another loss, restricted to the views of one part of a scene or to views of the whole scene.

    Its value is that of the other loss on these views. The gradient to all other views is 0.

    Args:
        loss: an image loss.
        subject: index of the part in the scene, or `WHOLE`.
        of: name of the subject in records, e.g. "hat".

    Raises:
        InputError: a loss that reads the scene, whose parts have no separate views.
    """

    chosen_by_name = False

    def __init__(self, loss: Loss, subject: int, of: str = "whole") -> None:
        super().__init__()
        if loss.reads_scene:
            raise InputError(
                f"OnSubject: {type(loss).__name__} reads the scene and no images; use the loss "
                "without OnSubject"
            )
        self.loss, self.subject, self.is_vector_field = loss, subject, loss.is_vector_field
        self.name = f"{loss.name} of {of}"
        self.prompts, self.encoders, self.denoisers = loss.prompts, loss.encoders, loss.denoisers

    def prepare(self, start: Images) -> None:
        """Prepares the other loss for the views of the subject."""
        self.loss.prepare(start.showing(self.subject))

    def parts(
        self, rendering: Images, context: StepContext, micro_batch: int
    ) -> Iterator[Float[Tensor, "n"]]:
        """The micro-batches of the other loss."""
        yield from self.loss.parts(rendering.showing(self.subject), context, micro_batch)

    @classmethod
    def tiny(cls, encoder: Encoder, prompts: PromptArgument) -> OnSubject:
        """A small instance for the contract tests."""
        return cls(Clip.tiny(encoder, prompts), WHOLE)
