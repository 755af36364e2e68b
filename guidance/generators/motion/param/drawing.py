"""Images of a body in the poses of a motion."""

from __future__ import annotations

from functools import cached_property

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.body.body import Body
from guidance.meshes import MeshScene
from guidance.outputs import Rendering
from guidance.rendering.shading import Shading, render_mesh
from guidance.views import Cameras, Shots

#: Meters in the half height of a view at the distance of the subject, and the height of its center.
REACH, MIDDLE = 1.2, 1.05
SHADING = Shading(ambient=0.55)


class BodyDrawing:
    """Draws poses of a body from cameras that look at a subject of radius 1 around the origin.

    The camera follows the pelvis over the ground, but not up and down, so that a jump is seen. The
    gradient does not go through the place of the camera.
    """

    def __init__(self, body: Body) -> None:
        self.body = body

    def __call__(
        self, rotations: Float[Tensor, "n v 22 3 3"], root: Float[Tensor, "n v 3"], shots: Shots
    ) -> Rendering:
        """The views of all samples, premultiplied, with alpha."""
        n, views = root.shape[:2]
        shown = views - 1 if shots.strip else views
        cameras = shots.some(slice(0, shown))
        vertices = self._vertices(rotations[:, :shown], root[:, :shown])
        single = Cameras(**{
            name: value for name, value in vars(cameras).items() if name not in ("at", "strip")
        }).mapped(lambda values: values.flatten(0, 1)[:, None])  # fmt: skip
        scene = MeshScene(vertices, self._faces.to(root.device), self.body.template.to(root))
        colors = self._colors.to(root).expand(n * shown, -1, -1)
        drawn = render_mesh(scene, single, colors, SHADING)
        assert drawn.alpha is not None
        size = (n, shown, -1, shots.height, shots.width)
        image, alpha = (value.reshape(size) for value in (drawn.image, drawn.alpha))
        if shots.strip:
            image, alpha = (with_strip(value, shots.strip) for value in (image, alpha))
        return Rendering(image, alpha, cameras=shots)

    def _vertices(
        self, rotations: Float[Tensor, "n v 22 3 3"], root: Float[Tensor, "n v 3"]
    ) -> Float[Tensor, "b p 3"]:
        body = self.body.to(root)
        center = root.detach() * root.new_tensor([1.0, 0, 1]) + root.new_tensor([0, MIDDLE, 0])
        placed = body.posed(rotations.flatten(0, 1), (root - center).flatten(0, 1))
        return placed / REACH

    @cached_property
    def _faces(self) -> Tensor:
        return self.body.faces.long()

    @cached_property
    def _colors(self) -> Float[Tensor, "p 3"]:
        """Colors of the vertices, from the map where the body has one."""
        body = self.body
        if body.base_color is None or body.uv is None or body.face_uv is None:
            grey = torch.full_like(body.template, 0.7)
            return grey if body.colors is None else body.colors
        uv = torch.zeros(len(body.template), 2)
        uv[body.faces.long().flatten()] = body.uv[body.face_uv.long()].flatten(0, 1)
        grid = (2 * uv - 1)[None, None]
        sampled = F.grid_sample(body.base_color[None], grid, align_corners=False)
        return sampled[0, :, 0].T


def with_strip(images: Float[Tensor, "n v c h w"], count: int) -> Float[Tensor, "n _ c h w"]:
    """The views, and one more with the middle of the first `count` side by side, in their order."""
    h, w = images.shape[-2:]
    width, height = w // count, max(1, 2 * h // count)
    middle = images[:, :count, :, :, w // 4 : w - w // 4]
    small = F.interpolate(
        middle.flatten(0, 1), (min(height, h), width), mode="bilinear", antialias=True
    )
    small = small.reshape(len(images), count, *small.shape[1:])
    row = torch.cat(small.unbind(1), -1)
    above = (h - row.shape[-2]) // 2
    strip = F.pad(row, (0, w - row.shape[-1], above, h - row.shape[-2] - above))
    return torch.cat([images, strip[:, None]], 1)
