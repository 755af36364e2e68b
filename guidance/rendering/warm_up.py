"""Compiles the kernels of the rasterizer, so that the first run of text2mesh need not.

    python -m guidance.rendering.warm_up

The compiled kernels are kept in the user's cache folder; see `guidance.compiled`. It takes some
seconds the first time, and less than one after that.
"""

from __future__ import annotations

import torch

from guidance.geometry.primitives import primitive
from guidance.meshes import MeshScene
from guidance.rendering.cameras.orbit import Orbit
from guidance.rendering.shading import render_mesh
from guidance.types import StepContext

SIZE = 32


def warm_up() -> None:
    """Renders a sphere on the CPU, forward and backward."""
    mesh = primitive("sphere")
    vertices = mesh.vertices[None].clone().requires_grad_()
    colors = torch.full_like(vertices, 0.5).requires_grad_()
    scene = MeshScene(vertices, mesh.faces, mesh.vertices)
    rendering = render_mesh(scene, Orbit(num_views=2, size=(SIZE, SIZE))(StepContext((0,))), colors)
    assert rendering.alpha is not None
    total = rendering.image.sum() + rendering.alpha.sum()
    torch.autograd.grad(total, (vertices, colors))


if __name__ == "__main__":
    warm_up()
