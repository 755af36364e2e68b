"""Splits a mesh's long edges until none is longer than asked for."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from guidance.errors import InputError
from guidance.meshes import Mesh

#: More vertices take seconds a step on a CPU.
MAX_VERTICES = 400_000
#: Each round halves the longest edges; a mesh that needs more is not finite.
MAX_ROUNDS = 40


def subdivide(mesh: Mesh, edge_length: float, max_vertices: int = MAX_VERTICES) -> Mesh:
    """The same surface with no edge longer than `edge_length`.

    Edges are split at their middles, in all faces that share them, so that no cracks open; edges
    that are short enough stay. A mesh that has none too long comes back as it is. The vertices that
    were there keep their places and order; colours of new ones are means.

    Args:
        edge_length: in the units of the vertices, above 0.
        max_vertices: how many the result may have.

    Raises:
        InputError: the result would have more vertices.
    """
    if not edge_length > 0:
        raise InputError(f"subdivide: expected an edge length above 0, got {edge_length:g}")
    values = mesh.vertices
    if mesh.colors is not None:
        values = torch.cat([values, mesh.colors], 1)
    faces = mesh.faces.long()
    for _ in range(MAX_ROUNDS):
        edges, of_face = _edges(faces)
        ends = values[edges]
        long = (ends[:, 0, :3] - ends[:, 1, :3]).norm(dim=-1) > edge_length
        if not long.any():
            break
        count = len(values) + int(long.sum())
        if count > max_vertices:
            raise InputError(
                f"subdivide: edges of at most {edge_length:g} need more than {max_vertices:,} "
                f"vertices (the mesh has {len(mesh.vertices):,}); ask for longer edges"
            )
        middles = torch.where(long, long.cumsum(0) + len(values) - 1, -1)
        values = torch.cat([values, ends[long].mean(1)])
        faces = _split(values[:, :3], faces, middles[of_face])
    colors = None if mesh.colors is None else values[:, 3:]
    return Mesh(values[:, :3], faces.to(mesh.faces.dtype), colors)


def _edges(faces: Int[Tensor, "f 3"]) -> tuple[Int[Tensor, "e 2"], Int[Tensor, "f 3"]]:
    """Each edge once, and which three each face has: edge i runs from its corner i to i + 1."""
    walks = torch.stack([faces, faces.roll(-1, dims=1)], -1)
    low, high = walks.amin(-1), walks.amax(-1)
    span = int(faces.max()) + 1 if len(faces) else 1
    keys, of_face = torch.unique(low * span + high, return_inverse=True)
    return torch.stack([keys // span, keys % span], 1), of_face


def _split(
    places: Float[Tensor, "p 3"], faces: Int[Tensor, "f 3"], middles: Int[Tensor, "f 3"]
) -> Int[Tensor, "g 3"]:
    """Faces with up to three of their edges split at `middles` (-1 for edges that stay)."""
    # Each face is turned so that its split edges come first (and the others last).
    split = middles >= 0
    count = split.sum(1)
    first: Bool[Tensor, "f 3"] = split & ~split.roll(1, 1)
    turn = torch.where(count == 3, 0, first.int().argmax(1))
    order = (torch.arange(3, device=faces.device) + turn[:, None]) % 3
    corners, middles = faces.gather(1, order), middles.gather(1, order)
    pieces = [faces[count == 0]]

    a, b, c, ab, _, _ = _columns(corners, middles, count == 1)
    pieces += [torch.stack([a, ab, c], 1), torch.stack([ab, b, c], 1)]

    a, b, c, ab, bc, _ = _columns(corners, middles, count == 2)
    across = (places[a] - places[bc]).norm(dim=-1) <= (places[ab] - places[c]).norm(dim=-1)
    pieces += [
        torch.stack([ab, b, bc], 1),  # the corner between the two, then the rest by its short way
        torch.stack([a, ab, torch.where(across, bc, c)], 1),
        torch.stack([torch.where(across, a, ab), bc, c], 1),
    ]
    a, b, c, ab, bc, ca = _columns(corners, middles, count == 3)
    pieces += [torch.stack(corner, 1) for corner in ((a, ab, ca), (b, bc, ab), (c, ca, bc))]
    return torch.cat([*pieces, torch.stack([ab, bc, ca], 1)])


def _columns(
    corners: Int[Tensor, "f 3"], middles: Int[Tensor, "f 3"], chosen: Bool[Tensor, "f"]
) -> tuple[Int[Tensor, "g"], ...]:
    return (*corners[chosen].unbind(1), *middles[chosen].unbind(1))
