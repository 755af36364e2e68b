"""Subdivision of meshes by splitting long edges."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from guidance.errors import InputError
from guidance.meshes import Mesh

#: With more vertices, a step takes seconds on a CPU.
MAX_VERTICES = 400_000
#: In a face with an edge that must not be split, other edges are split only if they are longer than
#: this share of it. At 2/3 and below, the splitting may never end: a new vertex can again and again
#: be at a third of the edge.
MIN_SHARE = 0.7
#: Each round halves the longest edges, so only a mesh with infinite coordinates needs more.
MAX_ROUNDS = 40


def subdivide(mesh: Mesh, edge_length: float, max_vertices: int = MAX_VERTICES) -> Mesh:
    """The same surface with no edge longer than `edge_length`.

    Long edges are split at their midpoints in all faces that share them, so that no cracks appear.
    Existing vertices keep their position and order; the color of a new vertex is the mean of the
    two ends, and so are its UV coordinates on each side of a seam.

    Args:
        edge_length: in the units of the vertices, above 0.
        max_vertices: limit of the result.

    Raises:
        InputError: the result would have more vertices.
    """
    everywhere = torch.ones(len(mesh.faces), dtype=torch.bool, device=mesh.faces.device)
    return subdivide_within(mesh, edge_length, everywhere, max_vertices)[0]


def subdivide_within(
    mesh: Mesh,
    edge_length: float,
    inside: Bool[Tensor, "f"],
    max_vertices: int = MAX_VERTICES,
) -> tuple[Mesh, Bool[Tensor, "g"]]:
    """Like `subdivide`, but only for some faces; all others are unchanged, without cracks.

    Edges between the two are therefore not split, however long. Beside such an edge the faces get
    smaller gradually, see `MIN_SHARE`.

    Args:
        inside: the faces that may be split.

    Returns:
        The mesh, and which of its faces are inside.

    Raises:
        InputError: the result would have more vertices.
    """
    if not edge_length > 0:
        raise InputError(f"subdivide: expected an edge length above 0, got {edge_length:g}")
    values = mesh.vertices
    if mesh.colors is not None:
        values = torch.cat([values, mesh.colors], 1)
    faces, uv = mesh.faces.long(), mesh.uv
    face_uv = None if uv is None or mesh.face_uv is None else mesh.face_uv.long()
    origin = torch.arange(len(faces), device=faces.device)  # the given face of each face
    for _ in range(MAX_ROUNDS):
        edges, of_face = _edges(faces)
        ends = values[edges]
        lengths = (ends[:, 0, :3] - ends[:, 1, :3]).norm(dim=-1)
        long = (lengths > edge_length) & ~_held(lengths, of_face, inside)
        if not long.any():
            break
        count = len(values) + int(long.sum())
        if count > max_vertices:
            raise InputError(
                f"subdivide: edges of at most {edge_length:g} need more than {max_vertices:,} "
                f"vertices (the mesh has {len(mesh.vertices):,}); increase the edge length"
            )
        middles = torch.where(long, long.cumsum(0) + len(values) - 1, -1)
        values = torch.cat([values, ends[long].mean(1)])
        pattern, parents = _split(values[:, :3], faces, middles[of_face])
        if uv is not None and face_uv is not None:
            uv, uv_middles = _uv_middles(uv, face_uv, long[of_face])
            face_uv = torch.cat([face_uv, uv_middles], 1)[parents].gather(1, pattern)
        faces = torch.cat([faces, middles[of_face]], 1)[parents].gather(1, pattern)
        inside, origin = inside[parents], origin[parents]
    colors = None if mesh.colors is None else values[:, 3:]
    made = replace(
        mesh,
        vertices=values[:, :3],
        faces=faces.to(mesh.faces.dtype),
        colors=colors,
        uv=uv,
        face_uv=None if face_uv is None else face_uv.to(mesh.faces.dtype),
        face_material=None if mesh.face_material is None else mesh.face_material[origin],
    )
    return made, inside


def _held(
    lengths: Float[Tensor, "e"], of_face: Int[Tensor, "f 3"], inside: Bool[Tensor, "f"]
) -> Bool[Tensor, "e"]:
    """Edges that are not split: those of faces outside, and shorter edges beside these."""
    fixed = torch.zeros_like(lengths, dtype=torch.bool)
    fixed[of_face[~inside]] = True
    longest = torch.where(fixed, lengths, 0.0)[of_face].amax(1, keepdim=True)
    beside = torch.zeros_like(lengths).scatter_reduce(
        0, of_face.flatten(), longest.expand(-1, 3).flatten(), "amax"
    )
    return fixed | (lengths < MIN_SHARE * beside)


def _edges(faces: Int[Tensor, "f 3"]) -> tuple[Int[Tensor, "e 2"], Int[Tensor, "f 3"]]:
    """The distinct edges, and the three edges of each face: edge i is from corner i to i + 1."""
    walks = torch.stack([faces, faces.roll(-1, dims=1)], -1)
    low, high = walks.amin(-1), walks.amax(-1)
    span = int(faces.max()) + 1 if len(faces) else 1
    keys, of_face = torch.unique(low * span + high, return_inverse=True)
    return torch.stack([keys // span, keys % span], 1), of_face


def _uv_middles(
    uv: Float[Tensor, "q 2"], face_uv: Int[Tensor, "f 3"], split: Bool[Tensor, "f 3"]
) -> tuple[Float[Tensor, "r 2"], Int[Tensor, "f 3"]]:
    """UV coordinates with those of the middles of split edges, and their indices, else -1."""
    edges, of_face = _edges(face_uv)
    used = torch.zeros(len(edges), dtype=torch.bool, device=uv.device)
    used[of_face[split]] = True
    middles = torch.where(used, used.cumsum(0) + len(uv) - 1, -1)
    found = torch.where(split, middles[of_face], -1)
    return torch.cat([uv, uv[edges[used]].mean(1)]), found


def _split(
    places: Float[Tensor, "p 3"], faces: Int[Tensor, "f 3"], middles: Int[Tensor, "f 3"]
) -> tuple[Int[Tensor, "g 3"], Int[Tensor, "g"]]:
    """How faces are divided along the edges that are split.

    Args:
        middles: the new vertex of each edge of a face, -1 for edges that are not split.

    Returns:
        The corners of each part, 0 to 2 for those of the face and 3 to 5 for the middles of its
        edges; and the face that each is a part of.
    """
    # The corners of each face are rotated so that the split edges come first.
    split = middles >= 0
    count = split.sum(1)
    first: Bool[Tensor, "f 3"] = split & ~split.roll(1, 1)
    turn = torch.where(count == 3, 0, first.int().argmax(1))
    order = (torch.arange(3, device=faces.device) + turn[:, None]) % 3
    both = torch.cat([faces, middles], 1)
    pieces = [torch.arange(3, device=faces.device).expand(int((count == 0).sum()), 3)]

    a, b, c, ab, _, _ = _columns(order, count == 1)
    pieces += [torch.stack([a, ab, c], 1), torch.stack([ab, b, c], 1)]

    a, b, c, ab, bc, _ = _columns(order, count == 2)

    def at(local: Int[Tensor, "g"]) -> Float[Tensor, "g 3"]:
        return places[both[count == 2].gather(1, local[:, None])[:, 0]]

    across = (at(a) - at(bc)).norm(dim=-1) <= (at(ab) - at(c)).norm(dim=-1)
    pieces += [
        torch.stack([ab, b, bc], 1),  # the corner, then the quadrangle along its shorter diagonal
        torch.stack([a, ab, torch.where(across, bc, c)], 1),
        torch.stack([torch.where(across, a, ab), bc, c], 1),
    ]
    a, b, c, ab, bc, ca = _columns(order, count == 3)
    pieces += [torch.stack(corner, 1) for corner in ((a, ab, ca), (b, bc, ab), (c, ca, bc))]
    pieces.append(torch.stack([ab, bc, ca], 1))
    parents = [(count == number).nonzero()[:, 0].repeat(number + 1) for number in range(4)]
    return torch.cat(pieces), torch.cat(parents)


def _columns(order: Int[Tensor, "f 3"], chosen: Bool[Tensor, "f"]) -> tuple[Int[Tensor, "g"], ...]:
    """The rotated corners of some faces, and the middles of the edges that start there."""
    corners = order[chosen]
    return (*corners.unbind(1), *(corners + 3).unbind(1))
