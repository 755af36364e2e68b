"""Texture maps of a physically based material for a given mesh, whose shape stays."""

from __future__ import annotations

from typing import ClassVar

from guidance.generators.mesh.textured import TexturedMesh
from guidance.tasks.mesh.mode import MeshJob, MeshMode


class Texture(TexturedMesh.Options, MeshMode):
    """After Paint-it (Youwang et al., arXiv 2312.11360)."""

    crop_scale: ClassVar = (0.8, 1.5)
    changes_texels: ClassVar = True

    def generator(self, job: MeshJob) -> TexturedMesh:
        assert job.mesh is not None
        region = None if job.region is None else job.region.selection
        return TexturedMesh(job.mesh, job.seeds, self, region=region)
