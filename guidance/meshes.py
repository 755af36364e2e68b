"""Meshes of files, and the meshes of a rendering.

The letters of the shapes are those of `guidance.types`; q counts UV coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Material:
    """Texture maps of a mesh, all of the same size; the first row is at v = 0.

    Source: Khronos, glTF 2.0 specification, section 3.9.2 (metallic-roughness).
    """

    base_color: Float[Tensor, "3 h w"]  # sRGB in [0, 1]
    roughness: Float[Tensor, "1 h w"]  # in [0, 1]; 0 is a mirror
    metallic: Float[Tensor, "1 h w"]  # in [0, 1]
    normal: Float[Tensor, "3 h w"]  # unit vectors: right and up in the map, outwards


@dataclass(frozen=True)
class GivenMaterials:
    """The materials of a mesh as its GLB describes them, with encoded images, for export.

    The descriptions are those of glTF, reduced to what this package knows. Base color factors are
    multiplied into the vertex colors of the mesh instead.
    """

    materials: tuple[dict[str, Any], ...]  # textures are indices into `textures`
    textures: tuple[dict[str, Any], ...]  # "source" is an index into `images`
    images: tuple[tuple[str, bytes], ...]  # media type and content


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh as it is read from and written to files, without a batch dimension.

    UV coordinates belong to the corners of faces, so that a vertex on a seam has several: corner i
    of face f is at `uv[face_uv[f, i]]`, from the top left of the maps (0, 0) to the bottom right
    (1, 1); outside, the maps repeat. This is the convention of glTF; in OBJ, (0, 0) is the bottom
    left.
    """

    vertices: Float[Tensor, "p 3"]
    faces: Int[Tensor, "f 3"]
    colors: Float[Tensor, "p 3"] | None = None  # per vertex, sRGB in [0, 1]
    uv: Float[Tensor, "q 2"] | None = None
    face_uv: Int[Tensor, "f 3"] | None = None
    material: Material | None = None
    given: GivenMaterials | None = None
    face_material: Int[Tensor, "f"] | None = None  # index into the given materials, -1 for none


@dataclass(frozen=True)
class PlacedMesh:
    """A mesh in its own units, and its placement in a scene."""

    name: str
    mesh: Mesh
    position: tuple[float, float, float] = (0.0, 0.0, 0.0)  # of its origin
    scale: float = 1.0

    def vertices(self) -> Float[Tensor, "p 3"]:
        """The vertices in the units of the scene, in float64."""
        own = self.mesh.vertices.double()
        return self.scale * own + own.new_tensor(self.position)


@dataclass(frozen=True)
class MeshScene:
    """The meshes of a rendering: `n` sets of vertices with the same faces."""

    vertices: Float[Tensor, "n p 3"]
    faces: Int[Tensor, "f 3"]
    rest_vertices: Float[Tensor, "p 3"]  # the vertices before the optimization
    jacobians: Float[Tensor, "n f 3 3"] | None = None  # of faces, if the deformation has them
    #: Signed distances on a cubic grid, in units of its spacing, if they define the surface.
    distances: Float[Tensor, "n s s s"] | None = None
    #: Colors of the texels of a map, if they are optimized, and pairs of neighbors on the surface.
    texels: Float[Tensor, "n t 3"] | None = None
    texel_pairs: Int[Tensor, "e 2"] | None = None


@dataclass(frozen=True)
class MeshScenes:
    """The meshes of a rendering whose samples have different faces."""

    meshes: tuple[MeshScene, ...]  # one sample each
