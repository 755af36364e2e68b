"""What the surface behind the pictures should be like: smooth, and true to its rest shape.

Lengths are measured in units of the rest shape's mean edge, so that one weight suits meshes of any
size. All cost 0 at rest unless asked to smooth the shape itself. Their gradient goes to the
vertices, or to the Jacobians behind them, and skips the pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from guidance.errors import InputError
from guidance.geometry.topology import face_pairs, unique_edges
from guidance.meshes import MeshScene, MeshScenes
from guidance.types import Loss, Moment, Rendering

TINY = 1e-20  # keeps the slope of a length finite at 0


class _Remembered:
    """What a list of faces implies, which stays the same through a run."""

    def __init__(self, derive: Callable[[Int[Tensor, "f 3"]], Int[Tensor, "e 2"]]) -> None:
        self.derive = derive
        self.faces: Int[Tensor, "f 3"] | None = None

    def __call__(self, faces: Int[Tensor, "f 3"]) -> tuple[Int[Tensor, "e"], Int[Tensor, "e"]]:
        if self.faces is not faces:
            first, second = self.derive(faces).unbind(1)
            self.faces, self.pairs = faces, (first, second)
        return self.pairs


def _scene(loss: Loss, rendering: Rendering) -> MeshScene:
    if not isinstance(rendering.scene, MeshScene):
        raise InputError(
            f"{type(loss).__name__}: expected pictures of a mesh, got a scene of "
            f"{type(rendering.scene).__name__}; it goes with mesh generators only"
        )
    return rendering.scene


def _of_each(loss: Loss, rendering: Rendering, moment: Moment) -> Float[Tensor, "n"]:
    """The loss of samples whose meshes have faces of their own."""
    meshes = rendering.scene.meshes
    return torch.cat([loss(replace(rendering, scene=mesh), moment) for mesh in meshes])


def _rows(vertices: Float[Tensor, "n p 3"]) -> Float[Tensor, "p 3*n"]:
    """All samples' coordinates of a vertex in one row.

    Gathering whole rows of a matrix, and adding them back in backward, is over ten times faster
    than gathering along the second of three dimensions.
    """
    return vertices.transpose(0, 1).flatten(1)


def _lengths(
    vertices: Float[Tensor, "n p 3"], start: Int[Tensor, "e"], stop: Int[Tensor, "e"]
) -> Float[Tensor, "e n"]:
    rows = _rows(vertices)
    along = rows.index_select(0, stop) - rows.index_select(0, start)
    return (along.view(len(start), -1, 3).square().sum(-1) + TINY).sqrt()


class Laplacian(Loss):
    """Mean squared distance of each vertex's displacement from the mean of its neighbours'.

    With displacements u = (v - rest) / l, l the mean rest edge length, and neighbours N(i):
    mean over i of |u_i - mean of u_j, j in N(i)|^2. The uniform Laplacian; a shift of the whole
    mesh costs nothing. Source: Sorkine et al. 2004, Laplacian Surface Editing.

    Args:
        of_shape: measures the shape (v / l) itself instead of its displacement, which also
            smooths what the rest shape brings along.
    """

    reads_scene = True

    def __init__(self, of_shape: bool = False) -> None:
        super().__init__()
        self.of_shape, self._edges = of_shape, _Remembered(unique_edges)

    def forward(self, rendering: Rendering, moment: Moment) -> Float[Tensor, "n"]:
        """`[n]`, at least 0."""
        scene = _scene(self, rendering)
        rest = scene.rest_vertices[None]
        start, stop = self._edges(scene.faces)
        moved = _rows(scene.vertices if self.of_shape else scene.vertices - rest)
        moved = moved / _lengths(rest, start, stop).mean()
        sums = torch.zeros_like(moved)
        sums = sums.index_add(0, start, moved.index_select(0, stop))
        sums = sums.index_add(0, stop, moved.index_select(0, start))
        degree = torch.bincount(torch.cat([start, stop]), minlength=len(moved))[:, None]
        difference = torch.where(degree > 0, moved - sums / degree.clamp_min(1), 0)
        return difference.view(len(moved), -1, 3).square().sum(-1).mean(0)


class NormalConsistency(Loss):
    """Mean of 1 - cos of the angle between the normals of neighbouring faces.

    Faces must be oriented alike; a flat surface costs 0, a closed fold 2. Degenerate faces have
    no normal and no gradient.
    """

    reads_scene = True

    def __init__(self) -> None:
        super().__init__()
        self._pairs = _Remembered(face_pairs)

    def forward(self, rendering: Rendering, moment: Moment) -> Float[Tensor, "n"]:
        """`[n]`, in [0, 2]."""
        if isinstance(rendering.scene, MeshScenes):
            return _of_each(self, rendering, moment)
        scene = _scene(self, rendering)
        rows = _rows(scene.vertices)
        a, b, c = (rows.index_select(0, corner) for corner in scene.faces.unbind(1))
        sides = (side.view(len(side), -1, 3) for side in (b - a, c - a))
        normals = F.normalize(torch.linalg.cross(*sides), dim=-1, eps=1e-12)
        one, other = (normals.index_select(0, faces) for faces in self._pairs(scene.faces))
        return (1 - (one * other).sum(-1)).mean(0)


class EdgeLength(Loss):
    """Mean squared relative change of the edges: (length / rest length - 1)^2.

    Keeps triangles from collapsing and stretching. Rest edges shorter than a hundredth of their
    mean are measured against that, since dividing by them would drown all others.
    """

    reads_scene = True

    def __init__(self) -> None:
        super().__init__()
        self._edges = _Remembered(unique_edges)

    def forward(self, rendering: Rendering, moment: Moment) -> Float[Tensor, "n"]:
        """`[n]`, 0 at rest."""
        scene = _scene(self, rendering)
        edges = self._edges(scene.faces)
        rest = _lengths(scene.rest_vertices[None], *edges)
        unit = rest.clamp_min(0.01 * rest.mean())
        return ((_lengths(scene.vertices, *edges) - rest) / unit).square().mean(0)


class Rigidity(Loss):
    """0.5 |J - I|^2, the mean over the rest shape's area, of meshes whose Jacobians are moved.

    Jacobians have no unit, so one weight suits meshes of any size.

    Source: the regularizer of TextDeformer (Gao et al., arXiv 2304.13348). Deviation: the mean is
    weighted by area, so that it does not depend on how finely a part is meshed.
    """

    reads_scene = True

    def forward(self, rendering: Rendering, moment: Moment) -> Float[Tensor, "n"]:
        """`[n]`, 0 at rest.

        Raises:
            InputError: a mesh without Jacobians.
        """
        scene = _scene(self, rendering)
        if scene.jacobians is None:
            raise InputError("Rigidity: this mesh has no Jacobians; it goes with DeformedMesh only")
        a, b, c = (scene.rest_vertices[corner] for corner in scene.faces.unbind(1))
        area = torch.linalg.cross(b - a, c - a).norm(dim=-1)
        away = scene.jacobians - torch.eye(3).to(scene.jacobians)
        energy: Float[Tensor, "n"] = 0.5 * away.square().sum((-2, -1)) @ (area / area.sum())
        return energy


class Eikonal(Loss):
    """Mean of (|gradient| - 1)^2 of signed distances, over the cells of their lattice.

    The distances from a surface have a gradient of length 1 everywhere. Kept so, they are large
    where no surface is near, and none appears there by chance. A cell's gradient is the mean of the
    differences along its four edges of each direction.

    Source: Gropp et al. 2020, Implicit Geometric Regularization (arXiv 2002.10099). Deviation:
    differences instead of derivatives, in the whole grid.
    """

    reads_scene = True

    def forward(self, rendering: Rendering, moment: Moment) -> Float[Tensor, "n"]:
        """`[n]`, at least 0.

        Raises:
            InputError: a mesh without distances.
        """
        if isinstance(rendering.scene, MeshScenes):
            return _of_each(self, rendering, moment)
        values = _scene(self, rendering).distances
        if values is None:
            raise InputError("Eikonal: this mesh has no signed distances; it goes with DMTet only")
        slopes = [_midway(values.diff(dim=axis), {1, 2, 3} - {axis}) for axis in (1, 2, 3)]
        length = (torch.stack(slopes).square().sum(0) + TINY).sqrt()
        return (length - 1).square().flatten(1).mean(1)


def _midway(values: Tensor, axes: set[int]) -> Tensor:
    """Means of neighbours along some axes."""
    for axis in axes:
        count = values.shape[axis] - 1
        values = (values.narrow(axis, 0, count) + values.narrow(axis, 1, count)) / 2
    return values
