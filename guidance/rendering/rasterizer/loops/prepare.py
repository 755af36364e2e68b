"""What the loops are given: arrays, the faces' topology, and pieces of work."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from guidance.geometry.topology import edge_sides

Array = Any
#: Bands add one set of gradients each; beyond so many vertices of all sets there is one an image.
MOST_VERTICES = 4_000_000


@dataclass(frozen=True)
class Topology:
    """What the loops need of a list of faces."""

    version: int
    faces: Array
    sides: tuple[Array, Array, Array, Array]  # edges, start, faces at edges, directions


_known: WeakTensorKeyDictionary = WeakTensorKeyDictionary()


def topology(faces: Int[Tensor, "f 3"]) -> Topology:
    """Computed once for a list of faces, since it stays the same through a run."""
    known: Topology | None = _known.get(faces, None)  # type: ignore[no-untyped-call]
    if known is None or known.version != faces._version:
        sides = edge_sides(faces)
        arrays = (sides.edges, sides.start, sides.faces, sides.along)
        edges, start, owners, along = (tensor.int().numpy() for tensor in arrays)
        whole = faces.detach().int().contiguous().numpy()
        known = Topology(faces._version, whole, (edges, start, owners, along.astype(np.int8)))
        _known[faces] = known
    return known


def arrays(*tensors: Tensor) -> tuple[Array, ...]:
    """The tensors' memory, if it lies in order; else a copy that does."""
    return tuple(tensor.detach().contiguous().numpy() for tensor in tensors)


def bands(pictures: int, height: int, vertices: int = 0) -> list[tuple[int, tuple[int, int]]]:
    """Pieces of work: an image, its first row and the one after its last.

    Whole images if there are enough of them for all threads.

    Args:
        vertices: of each piece's own gradients, if it makes any.
    """
    count = min(height, -(-torch.get_num_threads() // max(1, pictures)))
    if pictures * count * vertices > MOST_VERTICES:
        count = 1
    edges = [height * band // count for band in range(count + 1)]
    return [(picture, rows) for picture in range(pictures) for rows in pairwise(edges)]


def add_up(pieces: Array, owners: int) -> Tensor:
    """Gradients of pieces of work, added up for the image or sample that they belong to."""
    if len(pieces) > owners:
        # Not -1, which says nothing of meshes without vertices.
        pieces = pieces.reshape(owners, len(pieces) // owners, *pieces.shape[1:]).sum(1)
    return torch.from_numpy(pieces)
