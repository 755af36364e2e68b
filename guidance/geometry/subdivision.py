"""Splits a mesh's long edges until none is longer than asked for."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from guidance.errors import InputError
from guidance.meshes import Mesh

#: More vertices take seconds a step on a CPU.
MAX_VERTICES = 400_000
#: Beside an edge that has to stay, edges are split down to this share of it. Halving goes on for
#: ever at 2/3 and below: there a vertex can be a third of the edge from one end, again and again.
BESIDE = 0.7
#: Each round halves the longest edges; a mesh that needs more is not finite.
MAX_ROUNDS = 40


def subdivide(mesh: Mesh, edge_length: float, max_vertices: int = MAX_VERTICES) -> Mesh:
    """The same surface with no edge longer than `edge_length`.

    Edges are split at their middles, in all faces that share them, so that no cracks open; edges
    that are short enough stay. A mesh that has none too long comes back as it is. The vertices that
    were there keep their places and order; colors of new ones are means.

    Args:
        edge_length: in the units of the vertices, above 0.
        max_vertices: how many the result may have.

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
    """As `subdivide`, in some faces only; all others stay as they are, and no cracks open.

    So the edges between the two stay as well, however long; beside such a long edge the faces get
    smaller step by step (`BESIDE`).

    Args:
        inside: the faces that may be split.

    Returns:
        The mesh, and which of its faces lie inside.

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
        lengths = (ends[:, 0, :3] - ends[:, 1, :3]).norm(dim=-1)
        long = (lengths > edge_length) & ~_held(lengths, of_face, inside)
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
        faces, parents = _split(values[:, :3], faces, middles[of_face])
        inside = inside[parents]
    colors = None if mesh.colors is None else values[:, 3:]
    return Mesh(values[:, :3], faces.to(mesh.faces.dtype), colors), inside


def _held(
    lengths: Float[Tensor, "e"], of_face: Int[Tensor, "f 3"], inside: Bool[Tensor, "f"]
) -> Bool[Tensor, "e"]:
    """Edges that are not split: those of faces outside, and what is short beside one of these."""
    fixed = torch.zeros_like(lengths, dtype=torch.bool)
    fixed[of_face[~inside]] = True
    longest = torch.where(fixed, lengths, 0.0)[of_face].amax(1, keepdim=True)
    beside = torch.zeros_like(lengths).scatter_reduce(
        0, of_face.flatten(), longest.expand(-1, 3).flatten(), "amax"
    )
    return fixed | (lengths < BESIDE * beside)


def _edges(faces: Int[Tensor, "f 3"]) -> tuple[Int[Tensor, "e 2"], Int[Tensor, "f 3"]]:
    """Each edge once, and which three each face has: edge i runs from its corner i to i + 1."""
    walks = torch.stack([faces, faces.roll(-1, dims=1)], -1)
    low, high = walks.amin(-1), walks.amax(-1)
    span = int(faces.max()) + 1 if len(faces) else 1
    keys, of_face = torch.unique(low * span + high, return_inverse=True)
    return torch.stack([keys // span, keys % span], 1), of_face


def _split(
    places: Float[Tensor, "p 3"], faces: Int[Tensor, "f 3"], middles: Int[Tensor, "f 3"]
) -> tuple[Int[Tensor, "g 3"], Int[Tensor, "g"]]:
    """Faces with up to three of their edges split at `middles` (-1 for edges that stay).

    Also which face each has been a part of.
    """
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
    pieces.append(torch.stack([ab, bc, ca], 1))
    parents = [(count == number).nonzero()[:, 0].repeat(number + 1) for number in range(4)]
    return torch.cat(pieces), torch.cat(parents)


def _columns(
    corners: Int[Tensor, "f 3"], middles: Int[Tensor, "f 3"], chosen: Bool[Tensor, "f"]
) -> tuple[Int[Tensor, "g"], ...]:
    return (*corners[chosen].unbind(1), *middles[chosen].unbind(1))
