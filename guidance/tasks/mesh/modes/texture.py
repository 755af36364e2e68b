"""Texture maps of a physically based material for a given mesh, whose shape stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from guidance.errors import InputError
from guidance.tasks.mesh.mode import MeshJob, MeshMode

if TYPE_CHECKING:
    from guidance.generators.mesh.param.base import MeshGenerator

#: Texels per side of the maps in the files, unless the mesh brings maps that are kept in part.
MAP_SIZE = 1024


class Texture(MeshMode):
    """After Paint-it (Youwang et al., arXiv 2312.11360)."""

    crop_scale: ClassVar = (0.8, 1.5)
    changes_texels: ClassVar = True

    texels: int = Field(default=256, ge=16, le=2048)
    """Texels per side of the maps during the run."""
    map_size: Annotated[int, Field(ge=16, le=4096)] | Literal["auto"] = "auto"
    """Texels per side of the maps in the files. "auto" is 1024, or the size of the maps of the
    mesh, which stay outside of --region."""
    finest: int = Field(default=32, ge=1, le=128)
    """Finest cells along the mesh that colors are optimized in, a power of two."""
    relief: float = Field(default=0.5, ge=0, le=2)
    """Steepest slope of the normal map; 0 leaves the surface smooth."""
    environment: Literal["studio", "sky", "sunset"] = "studio"
    """The light of the views."""
    symmetric: bool = False
    """Paints the left half like the right half."""
    unwrap: bool = False
    """Makes new UV coordinates even if the mesh has some."""

    def generator(self, job: MeshJob) -> MeshGenerator:
        from guidance.generators.mesh.textured import Maps, TexturedMesh

        assert job.mesh is not None
        maps = Maps(
            finest=self.finest,
            texels=self.texels,
            exported=self._map_size(job),
            relief=self.relief,
            environment=self.environment,
            symmetric=self.symmetric,
            unwrap=self.unwrap,
        )
        region = None if job.region is None else job.region.selection
        return TexturedMesh(job.mesh, job.seeds, maps, region=region)

    def _map_size(self, job: MeshJob) -> int:
        """The size of the exported maps; that of the mesh's own maps where these stay in part."""
        from guidance.tasks.mesh.region import side_of_maps

        asked = None if self.map_size == "auto" else self.map_size
        if job.region is None or job.mesh is None:
            return asked or MAP_SIZE
        if self.unwrap and job.mesh.material is not None:
            raise InputError(
                "--unwrap: outside of --region the maps of the mesh stay, with their UV "
                "coordinates; remove one of the two"
            )
        return side_of_maps(job.name, job.mesh, asked) or asked or MAP_SIZE
