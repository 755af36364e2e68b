"""The configuration of a mapping, from the shapes of its tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def mapping_shapes(shapes: Mapping[str, tuple[int, ...]], w_dim: int) -> dict[str, Any]:
    """The sizes of a mapping whose tensors are `mapping.fc0.weight`, `mapping.embed.weight`, ...

    Args:
        shapes: of all tensors of the network.
        w_dim: numbers of w, as the synthesis takes it.

    Raises:
        ValueError: there is no mapping.
    """
    layers: list[tuple[int, ...]] = []
    while (name := f"mapping.fc{len(layers)}.weight") in shapes:
        layers.append(shapes[name])
    if not layers or any(len(shape) != 2 for shape in layers):
        raise ValueError("it has no mapping from z")
    embedding, c_dim = shapes.get("mapping.embed.weight", (0, 0))
    return {
        "z_dim": layers[0][1] - embedding,
        "w_dim": w_dim,
        "c_dim": c_dim,
        "embedding": embedding or None,
        "mapping_widths": [shape[0] for shape in layers[:-1]],
    }
