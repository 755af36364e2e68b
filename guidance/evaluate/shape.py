"""How good the triangles of a mesh are: self-intersections, and how far it was stretched."""

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
    """Measures of a mesh that have no unit, so that they compare between meshes."""

    self_intersections: float  # share of the faces that another face runs through
    edge_spread: float  # standard deviation of the edges' lengths by their mean
    # What follows is None where the rest shape is unknown.
    self_intersections_at_rest: float | None = None
    new_self_intersections: float | None = None  # where the rest shape has none near
    area_distortion: float | None = None  # see `area_distortion`


def measure(mesh: Mesh, rest: Mesh | None = None) -> Shape:
    """The measures of a mesh, against its rest shape where there is one.

    Raises:
        InputError: vertices that are not finite; a rest shape with other faces; no numba.
    """
    if rest is not None and not torch.equal(rest.faces.long(), mesh.faces.long()):
        raise InputError("measure: the mesh and its rest shape have different faces")
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
    """Mean of |ln(s)| over the rest area, where s is how a face's share of all area has changed.

    0 for a mesh that is moved, turned and scaled as a whole; ln 2 = 0.69 where faces are twice or
    half as large as that. Faces that had no area count for nothing.
    """
    before, after = _areas(rest, faces), _areas(vertices, faces)
    shares, now = before / before.sum(), after / after.sum()
    known = shares > 0
    # A face that has collapsed counts as one of a millionth of its size.
    change = (now[known] / shares[known]).clamp_min(1e-6).log().abs()
    return float((shares[known] * change).sum())


def _areas(vertices: Float[Tensor, "p 3"], faces: Int[Tensor, "f 3"]) -> Float[Tensor, "f"]:
    a, b, c = (vertices[corner] for corner in faces.unbind(1))
    double: Float[Tensor, "f"] = torch.linalg.cross(b - a, c - a).norm(dim=-1)
    return double / 2
