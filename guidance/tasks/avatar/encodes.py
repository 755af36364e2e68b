"""How many images the encoders of a run see for each avatar."""

from __future__ import annotations

from collections.abc import Sequence

from guidance.loop.settings import Settings
from guidance.losses.on_subject import OnSubject
from guidance.tasks.avatar.views import ViewGroup
from guidance.types import Terms


def image_encodes(
    losses: Terms, groups: Sequence[ViewGroup], crops: int, settings: Settings
) -> int:
    """The images that the encoders of the losses encode for one sample, validations included.

    Args:
        crops: of each view.
    """
    views = {group.subject: group.views for group in groups}
    once = sum(
        crops * views[term.loss.subject] * len(term.loss.encoders)
        for term in losses
        if isinstance(term.loss, OnSubject)
    )
    validations = sum(settings.validation_follows(step) for step in range(settings.steps + 1))
    return once * (settings.steps + validations)
