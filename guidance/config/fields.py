"""Types of fields that several tasks and components share."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator

from guidance.config.choices import Choice, ListChoice, LossChoice, WeightedLoss
from guidance.config.kinds import (
    CAMERAS,
    ENCODERS,
    IMAGE_GENERATORS,
    LOSSES,
    MESH_MODES,
    STYLE_GENERATORS,
)
from guidance.options import Options
from guidance.prompts import Keyframe, parse_keyframes


def _as_list(value: Any) -> Any:
    """One text stands for a list with this text."""
    return [value] if isinstance(value, str) else value


ImageGenerator = Annotated[Options, Choice(IMAGE_GENERATORS)]
StyleGenerators = Annotated[Options, Choice(STYLE_GENERATORS)]
MeshMode = Annotated[Options, Choice(MESH_MODES)]
Camera = Annotated[Options, Choice(CAMERAS)]
Losses = Annotated[tuple[WeightedLoss, ...], LossChoice(LOSSES)]
Encoders = Annotated[tuple[Options, ...], ListChoice(ENCODERS)]
Keyframes = Annotated[
    tuple[Keyframe, ...], BeforeValidator(lambda value: parse_keyframes(_as_list(value)))
]
