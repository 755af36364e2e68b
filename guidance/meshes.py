"""Meshes as files hold them, and the meshes behind a rendering.

The letters of the shapes are those of `guidance.types`; q counts texture coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Material:
    """Maps over the texture square of a mesh, all of one size; the first row lies at v = 0.

    Source: Khronos, glTF 2.0 specification, section 3.9.2 (metallic-roughness).
    """

    base_color: Float[Tensor, "3 h w"]  # sRGB in [0, 1]
    roughness: Float[Tensor, "1 h w"]  # in [0, 1], 0 is a mirror
    metallic: Float[Tensor, "1 h w"]  # in [0, 1]
    normal: Float[Tensor, "3 h w"]  # unit vectors: to the right and the top of the map, outwards


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh as it is read from and written to files; nothing here is batched.

    Corners have texture coordinates of their own, so that a vertex on a seam has several: corner i
    of face f is at `uv[face_uv[f, i]]`, from the top left of the maps (0, 0) to their bottom right
    (1, 1), and beyond that the maps repeat. So do glTF's; OBJ's begin at the bottom left.
    """

    vertices: Float[Tensor, "p 3"]
    faces: Int[Tensor, "f 3"]
    colors: Float[Tensor, "p 3"] | None = None  # sRGB in [0, 1], one per vertex
    uv: Float[Tensor, "q 2"] | None = None
    face_uv: Int[Tensor, "f 3"] | None = None
    material: Material | None = None


@dataclass(frozen=True)
class PlacedMesh:
    """A mesh in its own units, and where in a scene of several it stands."""

    name: str
    mesh: Mesh
    position: tuple[float, float, float] = (0.0, 0.0, 0.0)  # of its origin
    scale: float = 1.0

    def vertices(self) -> Float[Tensor, "p 3"]:
        """In the units of the scene, in float64."""
        own = self.mesh.vertices.double()
        return self.scale * own + own.new_tensor(self.position)


@dataclass(frozen=True)
class MeshScene:
    """The meshes behind a rendering: `n` sets of vertices that share one list of faces."""

    vertices: Float[Tensor, "n p 3"]
    faces: Int[Tensor, "f 3"]
    rest_vertices: Float[Tensor, "p 3"]  # where the vertices were before the optimization
    jacobians: Float[Tensor, "n f 3 3"] | None = None  # where they are what is optimized
    #: Signed distances on a cubic lattice, in units of its spacing, where the surface is theirs.
    distances: Float[Tensor, "n s s s"] | None = None


@dataclass(frozen=True)
class MeshScenes:
    """The meshes behind a rendering where each sample has faces of its own."""

    meshes: tuple[MeshScene, ...]  # of one sample each
