"""The time of the CPU renderer relative to that of an encoder.

    python benchmarks/render.py [--precision auto | fp32 | bf16] [--triangles 20480] [--views 4]

Rendering is the forward and backward pass from vertex positions and colors to images of 224 pixels
with alpha. The encoder is a ViT-B/32 with random weights (its speed does not depend on them): a
forward pass and the gradient of as many images. Both are measured in one process, in alternating
pairs, and the result is the median ratio of the pairs. Both precisions are printed; the one that
the encoder chooses on this machine is reported. The process keeps freed memory, as `guide run`
does.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from measure import ratio_of_alternating, report
from step import random_encoder

from guidance.commands.memory import keep_freed_memory
from guidance.encoders.openclip import OpenClip
from guidance.geometry.primitives import primitive
from guidance.geometry.subdivision import subdivide
from guidance.meshes import Mesh, MeshScene
from guidance.models.precision import dtype_of
from guidance.rendering.cameras.orbit import Orbit
from guidance.rendering.shading import render_mesh
from guidance.types import StepContext

BAR = 0.15
SIZE = 224
REPEATS = 25
#: Amplitude of the noise on the sphere, in radii: like real meshes, it then has inner silhouettes.
BUMPS = 0.01


def bumpy_sphere(triangles: int) -> Mesh:
    """A sphere with at least this many triangles and a little radial noise."""
    mesh = primitive("sphere")
    while len(mesh.faces) < triangles:
        mesh = subdivide(mesh, 0.75 * longest_edge(mesh))
    noise = torch.randn(len(mesh.vertices), 1, generator=torch.Generator().manual_seed(0))
    unit = torch.nn.functional.normalize(mesh.vertices, dim=-1)
    return Mesh(unit * (1 + BUMPS * noise), mesh.faces)


def longest_edge(mesh: Mesh) -> float:
    """The length of the longest edge, in the units of the mesh."""
    corners = mesh.vertices[mesh.faces]
    return float((corners - corners.roll(1, 1)).norm(dim=-1).max())


def rendering_work(mesh: Mesh, views: int) -> tuple[float, Callable[[], None]]:
    """The share of the images that the mesh covers, and the function to measure."""
    start = mesh.vertices[None]
    vertices = start.clone().requires_grad_()
    colors = torch.rand(start.shape, generator=torch.Generator().manual_seed(1)).requires_grad_()
    scene = MeshScene(vertices, mesh.faces, mesh.vertices)
    cameras = Orbit(num_views=views, size=(SIZE, SIZE))(StepContext((0,)))
    grads = torch.rand(1, views, 4, SIZE, SIZE)

    def forward_and_backward() -> None:
        rendering = render_mesh(scene, cameras, colors)
        assert rendering.alpha is not None
        outputs = [rendering.image, rendering.alpha]
        torch.autograd.grad(outputs, [vertices, colors], [grads[:, :, :3], grads[:, :, 3:]])

    covered = render_mesh(scene, cameras, colors).alpha
    assert covered is not None
    return float(covered.detach().mean()), forward_and_backward


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="auto")
    parser.add_argument("--triangles", type=int, default=20_000)
    parser.add_argument("--views", type=int, default=4)
    arguments = parser.parse_args()
    keep_freed_memory()
    mesh = bumpy_sphere(arguments.triangles)
    covered, forward_and_backward = rendering_work(mesh, arguments.views)
    what = f"{arguments.views} views at {SIZE} of {len(mesh.faces):,} triangles"
    print(f"{what}, covering {covered:.0%} of the images")
    images = torch.rand(arguments.views, 3, SIZE, SIZE).requires_grad_()
    ratios = {}
    for precision in ("fp32", "bf16"):
        encoder = random_encoder("ViT-B-32", precision)

        def encode(encoder: OpenClip = encoder) -> None:
            torch.autograd.grad(encoder.encode_image(images)[:, 0].sum(), images)

        print(f"rendering / encoder in {precision}: ", end="")
        ratios[precision] = ratio_of_alternating(forward_and_backward, encode, REPEATS)
    default = dtype_of(arguments.precision, torch.device("cpu"))
    chosen = {torch.float32: "fp32", torch.bfloat16: "bf16"}[default]
    report(f"rendering {what} / ViT-B-32 in {chosen}", ratios[chosen], "ratio", BAR)


if __name__ == "__main__":
    main()
