"""The nvdiffrast backend: visibility by nvdiffrast on CUDA, everything differentiable in torch.

nvdiffrast is not a dependency: its installation compiles CUDA code, and its license allows
non-commercial use only. Its antialiasing is not used, because it needs the triangle that owns a
silhouette edge to be visible: of the gradient of a sphere's area it finds 89% with 80 triangles but
5% with 20,000 (measured on a reimplementation).

Source: Laine et al. 2020, arXiv 2011.03277.
"""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from functools import cache
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from guidance.errors import InputError
from guidance.rendering.rasterizer import reference
from guidance.transfers import constant

INSTALL = "pip install git+https://github.com/NVlabs/nvdiffrast.git --no-build-isolation"


def is_installed() -> bool:
    """Whether the package is installed; does not import it."""
    return importlib.util.find_spec("nvdiffrast") is not None


def visible(
    clip: Float[Tensor, "b p 4"], faces: Int[Tensor, "f 3"], height: int, width: int
) -> tuple[Int[Tensor, "b h w"], Float[Tensor, "b h w"], None]:
    """The nearest face and its depth at each pixel.

    Raises:
        InputError: nvdiffrast is not installed.
    """
    # The first row of nvdiffrast is the bottom one, so y is negated; the winding order of faces has
    # no effect on it.
    flipped = clip * constant((1.0, -1.0, 1.0, 1.0), clip.device, clip.dtype)
    module, context = _context(clip.device)
    output, _ = module.rasterize(context, flipped, faces.int().contiguous(), (height, width))
    triangles = output[..., 3].int() - 1
    return triangles, torch.where(triangles >= 0, output[..., 2], 1.0), None


@cache
def _context(device: torch.device) -> tuple[Any, Any]:
    if not is_installed():
        raise InputError(
            "backend 'nvdiffrast' is not installed (it compiles CUDA code; its license is for "
            f"non-commercial use): run `{INSTALL}`, or use backend='torch'"
        )
    import nvdiffrast.torch as module

    return module, module.RasterizeCudaContext(device=device)


BACKEND = replace(reference.BACKEND, name="nvdiffrast", visible=visible)
