"""The values of events by name, as plotting programs take them."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.loop.events import Event, PreviewEvent, StepEvent
from guidance.outputs import Images


def values(event: Event) -> dict[str, float]:
    """Means over samples: the total loss and each loss of a step, or the best validation loss."""
    if isinstance(event, StepEvent):
        found = {f"loss/{name}": float(value.mean()) for name, value in event.losses.items()}
        return {"loss": sum(found.values()), **found}
    if isinstance(event, PreviewEvent):
        return {"best_loss": float(event.best_loss.mean())}
    return {}


def images(event: Event) -> Float[Tensor, "n 3 h w"] | None:
    """The first view of each sample in a preview, in [0, 1]; None if there are no images."""
    if not isinstance(event, PreviewEvent) or not isinstance(event.rendering, Images):
        return None
    with torch.no_grad():
        return event.rendering.over().clamp(0, 1)[:, 0].float().cpu()
