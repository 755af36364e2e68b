"""What a task tells all of its losses."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from guidance.augment import Augment
from guidance.errors import InputError
from guidance.prompts import Prompt


@dataclass(frozen=True)
class LossContext:
    """Prompts, crops and, for edits, the image to start from.

    Args:
        prompts: one for each sample, with the style.
        negative: what no sample should look like.
        augment: how crops are made.
        view_prompts: adds "front view", "side view" ... to the prompts of rendered views.
        source: what the reference shows, for losses that edit.
        reference: the images to edit; without them, those before the first step.
        device: for models.
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
