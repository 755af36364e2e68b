"""Types of fields that several tasks and components share."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator

from guidance.config.choices import (
    Choice,
    ListChoice,
    LossChoice,
    OptionalLossChoice,
    WeightedLoss,
)
from guidance.config.kinds import (
    CAMERAS,
    EDIT_METHODS,
    ENCODERS,
    IMAGE_GENERATORS,
    LOSSES,
    MESH_MODES,
    MOTION_GENERATORS,
    STYLE_GENERATORS,
)
from guidance.options import Options
from guidance.prompts import Keyframe, parse_keyframes


def _keyframes(value: Any) -> tuple[Keyframe, ...]:
    """One text stands for a list with this text."""
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list | tuple):
        raise ValueError(f'expected texts such as "50% a green apple", got {value!r:.60}')
    return parse_keyframes(texts)


ImageGenerator = Annotated[Options, Choice(IMAGE_GENERATORS)]
MotionGenerators = Annotated[Options, Choice(MOTION_GENERATORS)]
StyleGenerators = Annotated[Options, Choice(STYLE_GENERATORS)]
EditMethods = Annotated[Options, Choice(EDIT_METHODS)]
MeshMode = Annotated[Options, Choice(MESH_MODES)]
Camera = Annotated[Options, Choice(CAMERAS)]
Losses = Annotated[tuple[WeightedLoss, ...], LossChoice(LOSSES)]
OptionalLosses = Annotated[tuple[WeightedLoss, ...], OptionalLossChoice(LOSSES)]
Encoders = Annotated[tuple[Options, ...], ListChoice(ENCODERS)]
Keyframes = Annotated[tuple[Keyframe, ...], BeforeValidator(_keyframes)]
