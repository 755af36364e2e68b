"""Mesh quality: self-intersections, variation of edge lengths, distortion of areas."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from guidance.errors import InputError
from guidance.geometry.intersections import intersecting_faces
from guidance.geometry.topology import unique_edges
from guidance.geometry.untangle import Untangler
from guidance.meshes import Mesh


@dataclass(frozen=True)
class Shape:
    """Dimensionless measures of a mesh, which are comparable between meshes."""

    self_intersections: float  # share of the faces that intersect another face
    edge_spread: float  # standard deviation of the edge lengths, divided by their mean
    # These are None if the rest shape is unknown.
    self_intersections_at_rest: float | None = None
    new_self_intersections: float | None = None  # not near those of the rest shape
    area_distortion: float | None = None  # see `area_distortion`


def measure(mesh: Mesh, rest: Mesh | None = None) -> Shape:
    """The measures of a mesh, relative to its rest shape if it is given.

    Raises:
        InputError: vertices are not finite, the rest shape has other faces, or numba is missing.
    """
    if rest is not None and not torch.equal(rest.faces.long(), mesh.faces.long()):
        raise InputError("measure: expected the same faces in the mesh and in its rest shape")
    vertices, faces = mesh.vertices.double(), mesh.faces.long()
    start, stop = unique_edges(faces).unbind(1)
    lengths = (vertices[start] - vertices[stop]).norm(dim=-1)
    found = Shape(
        float(intersecting_faces(vertices, faces).double().mean()),
        float(lengths.std(correction=0) / lengths.mean()),
    )
    if rest is None:
        return found
    return replace(
        found,
        self_intersections_at_rest=float(intersecting_faces(rest.vertices, faces).double().mean()),
        new_self_intersections=len(Untangler(rest.vertices, faces).tangled(vertices)) / len(faces),
        area_distortion=area_distortion(vertices, rest.vertices.double(), faces),
    )


def area_distortion(
    vertices: Float[Tensor, "p 3"], rest: Float[Tensor, "p 3"], faces: Int[Tensor, "f 3"]
) -> float:
    """Mean of |ln(s)|, weighted by rest area; s is the factor of a face's share of the total area.

    0 for similarity transforms of the whole mesh; ln 2 = 0.69 if all shares double or halve. Faces
    without area at rest are ignored.
    """
    before, after = _areas(rest, faces), _areas(vertices, faces)
    shares, now = before / before.sum(), after / after.sum()
    known = shares > 0
    # Collapsed faces are clamped to a millionth of their size.
    change = (now[known] / shares[known]).clamp_min(1e-6).log().abs()
    return float((shares[known] * change).sum())


def _areas(vertices: Float[Tensor, "p 3"], faces: Int[Tensor, "f 3"]) -> Float[Tensor, "f"]:
    a, b, c = (vertices[corner] for corner in faces.unbind(1))
    double: Float[Tensor, "f"] = torch.linalg.cross(b - a, c - a).norm(dim=-1)
    return double / 2
