"""Images of meshes that share no list of faces, each sample with its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError
from guidance.meshes import MeshScenes
from guidance.rendering.rasterizer.contract import Shading
from guidance.rendering.shading import render_mesh
from guidance.types import Rendering
from guidance.views import Cameras


def render_meshes(
    scenes: MeshScenes,
    cameras: Cameras,
    colors: Sequence[Float[Tensor, "1 _ 3"]] | None = None,
    shading: Shading | None = None,
) -> Rendering:
    """As `render_mesh`, sample after sample; the views of each are drawn side by side.

    Args:
        scenes: a mesh a sample, of any topology; one without faces is not seen.
        cameras: of all samples.
        colors: of each sample's vertices, sRGB in [0, 1]; None for plain grey.

    Raises:
        InputError: another number of samples; see also `render_mesh`.
    """
    n = len(cameras.light)
    counts = {n, len(scenes.meshes), n if colors is None else len(colors)}
    if len(counts) > 1:
        raise InputError(
            f"render_meshes: cameras for {n} samples, but {len(scenes.meshes)} meshes"
            + ("" if colors is None else f" and {len(colors)} sets of colours")
        )
    seen = [
        render_mesh(mesh, of_sample(cameras, i), None if colors is None else colors[i], shading)
        for i, mesh in enumerate(scenes.meshes)
    ]
    alphas = [one.alpha for one in seen if one.alpha is not None]
    image, alpha = torch.cat([one.image for one in seen]), torch.cat(alphas)
    return Rendering(image, alpha, scenes, cameras)


def of_sample(cameras: Cameras, sample: int) -> Cameras:
    """The cameras of one sample alone."""
    return cameras.mapped(lambda values: values[sample : sample + 1])
