"""The inputs that a task gives to all of its losses."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from guidance.augment import Augment
from guidance.errors import InputError
from guidance.prompts import Prompt


@dataclass(frozen=True)
class LossContext:
    """Prompts, crops and, for edits, the source image.

    Args:
        prompts: one per sample, including the style.
        negative: prompts to push away from, for all samples.
        augment: how crops are drawn.
        view_prompts: appends "front view", "side view" ... by camera, for rendered objects.
        source: a prompt of what the reference shows, for losses that edit.
        reference: images to edit; by default the images before the first step.
        device: of the models.
    """

    prompts: tuple[Prompt, ...]
    negative: tuple[Prompt, ...] = ()
    augment: Augment = Augment()  # noqa: RUF009  (frozen)
    view_prompts: bool = False
    source: Prompt | None = None
    reference: Float[Tensor, "n v 3 h w"] | None = None
    device: str = "cpu"

    def source_of(self, loss: str) -> Prompt:
        """The source. Raises InputError if the task has none."""
        if self.source is None:
            raise InputError(
                f"--loss {loss}: needs a source to start from; use it in stylize or edit"
            )
        return self.source
