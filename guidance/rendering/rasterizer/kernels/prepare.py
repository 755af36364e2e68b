"""The inputs of the kernels: arrays, the topology of the faces, and pieces of work."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from guidance.geometry.topology import edge_sides
from guidance.rendering.rasterizer.cached import once_per_tensor

Array = Any
#: Each band has its own set of gradients; with more vertices than this in all sets together, each
#: image is a single band.
MAX_VERTICES = 4_000_000


@dataclass(frozen=True)
class Topology:
    """Faces and their edges as arrays."""

    faces: Array
    sides: tuple[Array, Array, Array, Array]  # of `EdgeSides`: edges, start, faces, along


@once_per_tensor
def topology(faces: Int[Tensor, "f 3"]) -> Topology:
    """The topology of a list of faces."""
    sides = edge_sides(faces)
    arrays = (sides.edges, sides.start, sides.faces, sides.along)
    edges, start, owners, along = (tensor.int().numpy() for tensor in arrays)
    indices = faces.detach().int().contiguous().numpy()
    return Topology(indices, (edges, start, owners, along.astype(np.int8)))


def arrays(*tensors: Tensor) -> tuple[Array, ...]:
    """The tensors as contiguous arrays, without a copy where they are contiguous already."""
    return tuple(tensor.detach().contiguous().numpy() for tensor in tensors)


def bands(images: int, height: int, vertices: int = 0) -> list[tuple[int, tuple[int, int]]]:
    """Pieces of work: the image, and the range of its rows (end exclusive).

    Whole images if there are enough of them for all threads.

    Args:
        vertices: size of the gradients that each piece accumulates, 0 for none.
    """
    count = min(height, -(-torch.get_num_threads() // max(1, images)))
    if images * count * vertices > MAX_VERTICES:
        count = 1
    edges = [height * band // count for band in range(count + 1)]
    return [(image, rows) for image in range(images) for rows in pairwise(edges)]


def add_up(pieces: Array, owners: int) -> Tensor:
    """The gradients of the pieces, summed over those of one image or sample."""
    if len(pieces) > owners:
        # The size is given, since -1 is ambiguous for meshes without vertices.
        pieces = pieces.reshape(owners, len(pieces) // owners, *pieces.shape[1:]).sum(1)
    return torch.from_numpy(pieces)
