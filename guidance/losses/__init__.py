"""Losses: one number a sample, lower is better. One file each; see `guidance.types.Loss`."""

from guidance.augment import Augment
from guidance.losses.clip import Clip
from guidance.losses.content import Content
from guidance.losses.directional import Directional
from guidance.losses.distillation import Distillation
from guidance.losses.lpips import Lpips
from guidance.losses.outline import Outline
from guidance.losses.patches import PatchDirectional
from guidance.losses.range import Range
from guidance.losses.total_variation import TotalVariation

__all__ = [
    "Augment",
    "Clip",
    "Content",
    "Directional",
    "Distillation",
    "Lpips",
    "Outline",
    "PatchDirectional",
    "Range",
    "TotalVariation",
]
