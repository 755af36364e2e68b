"""The nodes and materials of a GLB that a body was read from, kept for its export."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from guidance.meshes import GivenMaterials


@dataclass(frozen=True)
class RigNode:
    """A node: its name, its parent, its transform in the file, and its place in the T-pose."""

    name: str
    parent: int  # -1 for a root; parents come before their children
    joint: int  # the joint of the body, or -1 for nodes that deform nothing
    local: Float[Tensor, "4 4"]  # relative to the parent, in the file
    bind: Float[Tensor, "4 4"]  # in the T-pose of the body, in meters


@dataclass(frozen=True)
class Rig:
    """The original hierarchy and materials of a body."""

    nodes: tuple[RigNode, ...]
    to_body: Float[Tensor, "4 4"]  # from the scene of the file to meters, y up, facing +z
    materials: GivenMaterials | None = None
    face_material: Int[Tensor, "f"] | None = None  # index into the materials, -1 for none
    vertex_colors: Float[Tensor, "p 3"] | None = None  # sRGB, multiplied with the materials
