"""Import of torchvision beside a torch of another build."""

from __future__ import annotations

import torch

from guidance.models.compiler import import_without_compiler

#: Kept for the lifetime of the process: the schemas vanish with the library that defines them.
_definitions: list[torch.library.Library] = []


def import_torchvision() -> None:
    """Imports torchvision; if its compiled operators cannot be loaded, declares them first.

    PyPI's torchvision wheels are compiled for CUDA builds of torch. Beside a CPU build their
    operators cannot be loaded, and `import torchvision` fails with `operator torchvision::nms does
    not exist`, because it registers shape functions for undeclared operators. Declaring the two
    operators is enough: neither this package nor the libraries that import torchvision for its
    image transforms call them. An intact torchvision is imported unchanged.

    Call this before any import of open_clip, timm, transformers or diffusers.
    """
    try:
        import_without_compiler("torchvision")
    except RuntimeError as error:
        if "torchvision::nms does not exist" not in str(error) or _definitions:
            raise
        library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
        for operator in ("nms", "qnms"):
            schema = f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            library.define(schema)  # type: ignore[no-untyped-call]
        _definitions.append(library)
        import_torchvision()
