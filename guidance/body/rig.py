"""The nodes and materials of a GLB that a body was read from, kept for its export."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from guidance.meshes import GivenMaterials


@dataclass(frozen=True)
class RigNode:
    """A node: its name, its parent, and its transform relative to it in the file."""

    name: str
    parent: int  # -1 for a root; parents come before their children
    local: Float[Tensor, "4 4"]
    joint: int  # the joint of the body, or -1 for nodes that deform nothing


@dataclass(frozen=True)
class Rig:
    """The original hierarchy of a body.

    The body itself is in meters, faces +z, and stands in the T-pose. `to_body` takes a point of
    the scene of the file there, before the arms and legs are straightened; `straightened` are the
    world rotations that straighten each joint.
    """

    nodes: tuple[RigNode, ...]
    to_body: Float[Tensor, "4 4"]  # rotation, scale and shift
    straightened: Float[Tensor, "j 3 3"]
    materials: GivenMaterials | None = None
    face_material: Any = None  # index into the materials for each face, [f]
