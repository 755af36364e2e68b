"""Images of a heterogeneous batch: meshes that have different faces."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError
from guidance.meshes import MeshScenes
from guidance.outputs import Rendering
from guidance.rendering.shading import Shading, render_mesh
from guidance.views import Cameras


def render_meshes(
    scenes: MeshScenes,
    cameras: Cameras,
    colors: Sequence[Float[Tensor, "1 _ 3"]] | None = None,
    shading: Shading | None = None,
) -> Rendering:
    """Like `render_mesh`, one sample after another; the views of a sample are one batch.

    Args:
        scenes: one mesh per sample, of any topology; a mesh without faces is invisible.
        cameras: of all samples.
        colors: vertex colors of each sample, sRGB in [0, 1]; None for plain grey.

    Raises:
        InputError: the numbers of samples differ; see also `render_mesh`.
    """
    n = len(cameras.light)
    counts = {n, len(scenes.meshes), n if colors is None else len(colors)}
    if len(counts) > 1:
        raise InputError(
            f"render_meshes: expected the same number of samples, got cameras for {n}, "
            f"{len(scenes.meshes)} meshes"
            + ("" if colors is None else f", {len(colors)} sets of colors")
        )
    renderings = [
        render_mesh(mesh, of_sample(cameras, i), None if colors is None else colors[i], shading)
        for i, mesh in enumerate(scenes.meshes)
    ]
    images = [one.image for one in renderings]
    alphas = [one.alpha for one in renderings if one.alpha is not None]
    return Rendering(torch.cat(images), torch.cat(alphas), scenes, cameras)


def of_sample(cameras: Cameras, sample: int) -> Cameras:
    """The cameras of one sample."""
    return cameras.mapped(lambda values: values[sample : sample + 1])
