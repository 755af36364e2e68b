"""Frozen image-text models, loaded by name.

The names are imported when they are first used: finding the files of a model needs no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from guidance.encoders.base import Encoder as Encoder
    from guidance.encoders.files.loading import load_encoder as load_encoder
    from guidance.encoders.files.loading import load_judge as load_judge

__all__ = ["Encoder", "load_encoder", "load_judge"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'guidance.encoders' has no attribute {name!r}")
    module = "base" if name == "Encoder" else "files.loading"
    value = getattr(importlib.import_module(f"guidance.encoders.{module}"), name)
    globals()[name] = value
    return value
