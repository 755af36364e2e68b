"""Options that several mesh generators share."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from guidance.options import Options
from guidance.rendering.shading import Shading

Ambient = Annotated[
    float,
    Field(ge=0, le=1, description="Ambient light; the rest comes from near the camera."),
]
EdgeLength = Annotated[
    float,
    Field(gt=0, le=2, description="Longer edges are split before the run; in radii."),
]
FinestColors = Annotated[
    int,
    Field(
        ge=1,
        le=128,
        description="Cells per side of the finest level of the colors, a power of two.",
    ),
]


class ShadedOptions(Options):
    """Options of meshes with colors at vertices, in simple light."""

    ambient: Ambient = 0.6
    bare: Literal["grey", "normals"] = "grey"
    """Textureless views show the shape in grey, or colored by its normals."""

    @property
    def shading(self) -> Shading:
        """How the mesh is rendered."""
        return Shading(ambient=self.ambient, bare=self.bare)


class GeneratedOptions(ShadedOptions):
    """Options of meshes that are generated from a prompt alone."""

    ambient: Ambient = 0.4
    symmetric: bool = True
    """Shapes and paints the left half (x < 0) like the right half."""
