"""Makes torchvision importable beside a torch of another build."""

from __future__ import annotations

import importlib

import torch

#: Lives as long as the process: the schemas vanish with the library that defined them.
_definitions: list[torch.library.Library] = []


def import_torchvision() -> None:
    """Imports torchvision; where that fails for want of its compiled operators, declares them.

    The registry's torchvision wheels are compiled for CUDA builds of torch. Beside a CPU build
    their operators cannot be loaded, and `import torchvision` ends in `operator torchvision::nms
    does not exist`, because it attaches shape functions to operators that nobody declared.
    Declaring the two is enough: this package never calls them, nor do the libraries that import
    torchvision for its image transforms. Where torchvision is whole, nothing changes.

    Call it before any import of open_clip, timm, transformers or diffusers.
    """
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms does not exist" not in str(error) or _definitions:
            raise
        library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
        for operator in ("nms", "qnms"):
            schema = f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            library.define(schema)  # type: ignore[no-untyped-call]
        _definitions.append(library)
        importlib.import_module("torchvision")
