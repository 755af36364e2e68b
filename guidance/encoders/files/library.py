"""Import of open_clip, with transformers only where a model needs it."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from guidance.models.compiler import import_without_compiler
from guidance.models.torchvision import import_torchvision


def import_open_clip(*, transformers: bool = False) -> Any:
    """The package open_clip.

    It imports transformers if it can, which takes 0.9 s, for text towers and captions that most
    models do not use.

    Args:
        transformers: whether `open_clip.hf_model` has to work.
    """
    import_torchvision()  # open_clip imports it
    if "open_clip" not in sys.modules and "transformers" not in sys.modules and not transformers:
        sys.modules["transformers"] = None  # type: ignore[assignment]  # its import now fails
        try:
            return import_without_compiler("open_clip")
        finally:
            del sys.modules["transformers"]
    package = import_without_compiler("open_clip")
    if transformers and importlib.import_module("open_clip.hf_model").transformers is None:
        importlib.reload(sys.modules["open_clip.hf_model"])
    return package
